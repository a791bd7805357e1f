package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/problem"
)

// The exit codes. They are stable: scripts depend on them.
const (
	exitDone        = 0
	exitInternal    = 1
	exitUsage       = 2
	exitFound       = 3
	exitInput       = 4
	exitNetwork     = 5
	exitRefused     = 6
	exitInterrupted = 130
)

// exitCodes says for the documentation what each code means.
var exitCodes = []struct {
	code  int
	means string
}{
	{exitDone, "done; nothing is wrong"},
	{exitInternal, "an internal error; please report it"},
	{exitUsage, "wrong usage: an unknown command or flag, a missing or wrong value, or two sources of one thing"},
	{exitFound, "something was found: a problem of a folder or a key, a token that would be refused, or whatever " +
		"is wrong with what `doctor` looks at, be it a wrong value, missing or not reached"},
	{exitInput, "a file, folder, key, body or token cannot be used: it is missing, unreadable, wrong or there " +
		"already; or standard output cannot be written"},
	{exitNetwork, "a URL could not be reached, did not answer in time, or answered with what cannot be used"},
	{exitRefused, "refused: `request`: the agent answered with another status than 2xx; `token`: the authority, " +
		"or the configuration's `talk_to`, gives no such token"},
	{exitInterrupted, "interrupted, as by Ctrl-C"},
}

// endings are the exit codes that a command ends with besides 0, 1, 2, 130 and, where it cannot
// write its output, 4.
var endings = map[string][]int{
	"doctor":       {exitFound, exitInput},
	"inspect":      {exitFound, exitInput},
	"keys add":     {exitInput},
	"keys inspect": {exitFound, exitInput, exitNetwork},
	"keys list":    {exitFound, exitInput},
	"keys new":     {exitInput},
	"keys revoke":  {exitInput},
	"keys rotate":  {exitInput},
	"request":      {exitInput, exitNetwork, exitRefused},
	"sign":         {exitInput},
	"token":        {exitInput, exitNetwork, exitRefused},
	"verify":       {exitFound, exitInput, exitNetwork},
}

// failure ends a command with an exit code and one line; "" where all was said.
type failure struct {
	code    int
	message string
}

func (f *failure) Error() string { return f.message }

func failed(code int, format string, args ...any) error {
	return &failure{code, fmt.Sprintf(format, args...)}
}

func wrongUsage(format string, args ...any) error { return failed(exitUsage, format, args...) }

func unusable(format string, args ...any) error { return failed(exitInput, format, args...) }

// found ends a command that has shown what it found.
func found(any bool) error {
	if !any {
		return nil
	}
	return &failure{code: exitFound}
}

// explained gives an error of the package the exit code of its kind. key names the key's file,
// and the flags are those of the command.
func explained(key string, flags map[string]flagOf, err error) error {
	var e *tallystick.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case problem.InvalidKey:
		return unusable("%s: %s", key, strings.TrimPrefix(e.Message, "key: "))
	case problem.InvalidArgument, problem.InvalidConfig, problem.InvalidURL:
		message, _ := byFlags(e.Message, flags)
		return wrongUsage("%s", message)
	case problem.BodyTooLarge:
		return unusable("%s", e.Message)
	}
	return failed(exitInternal, "%s", wordsOf(e))
}

// ended is the exit code of a command, after its error was told on one line.
func (a *app) ended(ctx context.Context, err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		f = &failure{exitInterrupted, "interrupted"}
	case !errors.As(err, &f):
		f = &failure{exitInternal, err.Error()}
	}
	if f.message != "" {
		fmt.Fprintf(a.Stderr, "tallystick: %s\n", oneLine(f.message))
	}
	return f.code
}

// oneLine shows what would break a line, or drive a terminal, as its escape.
func oneLine(text string) string {
	if !strings.ContainsFunc(text, isUnsafe) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isUnsafe(r) {
			b.WriteString(strings.Trim(fmt.Sprintf("%+q", r), "'"))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func isUnsafe(r rune) bool { return !unicode.IsPrint(r) }
