// Package command is the command line tool: a file for each command. Its main program only wires
// it to the system; docs/reference/command.md is made from it.
package command

import (
	"io"
	"net/http"
	"os"
	"time"
)

// Host is what the commands have of the system.
type Host struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Now is the clock that tokens are judged by.
	Now func() time.Time
	// Getenv reads the environment: NO_COLOR and TERM.
	Getenv func(string) string
	// Transport sends what is fetched and requested.
	Transport http.RoundTripper
}

// System returns the host of the running process.
func System() Host {
	return Host{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Now: time.Now, Getenv: os.Getenv, Transport: http.DefaultTransport,
	}
}

// isTerminal reports whether a stream is a device that a person looks at or types into.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull) // a device, too
	return err != nil || !os.SameFile(info, null)
}
