// Command conformance runs the vectors through every leg; see conformance/README.md.
package main

import (
	"context"
	"os"

	"github.com/tallystick/tallystick/conformance/runner"
)

func main() {
	os.Exit(runner.Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
