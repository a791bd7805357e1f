// Command parity looks for an input that two legs of the conformance suite answer
// differently; see conformance/README.md.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tallystick/tallystick/conformance/parity"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(parity.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
