// Command conformance runs the vectors through every leg; see conformance/README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tallystick/tallystick/conformance/runner"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(runner.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
