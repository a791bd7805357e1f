// Command tallystick makes and keeps keys, signs and sends requests, and says what an agent would
// make of a token. See docs/reference/command.md, or `tallystick --help`.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := command.Run(ctx, command.System(), os.Args[1:])
	stop()
	os.Exit(code)
}
