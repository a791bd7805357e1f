package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/limits"
)

// standardInput is the name of standard input among files.
const standardInput = "-"

// input is what was read, and of which file; info is nil for standard input.
type input struct {
	content []byte
	info    os.FileInfo
}

// read returns the content of a file, or of standard input for "-", which one thing alone can be
// read from. what names the thing; limit is in bytes.
func (a *app) read(what, name string, limit int64) (input, error) {
	if name != standardInput {
		return interruptible(a.ctx, func() (input, error) { return readFile(what, name, limit) })
	}
	if a.stdin != "" {
		return input{}, wrongUsage("%s and %s are both read from standard input: give one of them as a file",
			a.stdin, what)
	}
	a.stdin = what
	if isTerminal(a.Stdin) {
		a.say("reading %s from the terminal: end it with Ctrl-D", what)
	}
	return interruptible(a.ctx, func() (input, error) {
		content, err := bounded(what, "standard input", a.Stdin, limit)
		return input{content: content}, err
	})
}

// interruptible returns when the context ends, whatever the work waits for: nobody may ever write
// into a pipe, or give a lock back. The process ends then, and the work with it.
func interruptible[T any](ctx context.Context, work func() (T, error)) (T, error) {
	var value T
	var err error
	done := make(chan struct{})
	go func() {
		value, err = work()
		close(done)
	}()
	select {
	case <-done:
		return value, err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func readFile(what, name string, limit int64) (input, error) {
	file, err := os.Open(name)
	if err != nil {
		if !isQuotable(what, name) {
			return input{}, unusable("%s: there is no such file (%s): name the file that holds it, which is never the "+
				"secret itself", what, reasonOf(err))
		}
		return input{}, cannotRead(what, name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return input{}, cannotRead(what, name, err)
	case info.IsDir():
		return input{}, unusable("%s: %s is a folder: name a file in it", what, name)
	}
	content, err := bounded(what, name, file, limit)
	return input{content, info}, err
}

// warnOfMode says that others can read a file with a secret. It is no error: the secrets of a
// cluster are mounted for a group.
func (a *app) warnOfMode(what, name string, in input) {
	if in.info != nil && in.info.Mode().IsRegular() && openToOthers(in.info) {
		a.say("warning: %s: %s is open to other users (mode %04o): run `chmod 600 %s`",
			what, name, in.info.Mode().Perm(), quoteForShell(name))
	}
}

func bounded(what, name string, from io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, cannotRead(what, name, err)
	}
	if int64(len(content)) > limit {
		return nil, unusable("%s: %s is over %d bytes: give the right file", what, name, limit)
	}
	return content, nil
}

// isQuotable: a secret or key that was given in the place of its file's name is in no message. What
// is long and has no ending such as .pem is no name; a secret may be short.
func isQuotable(what, name string) bool {
	const most, mostEnding = 40, 10
	if what == "--client-secret" {
		return false
	}
	ending := filepath.Ext(name)
	return len(name) <= most || ending != "" && len(ending) <= mostEnding
}

func cannotRead(what, name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return unusable("%s: there is no %s: look at the path", what, name)
	case errors.Is(err, fs.ErrPermission):
		return unusable("%s: %s cannot be read: let this user read it", what, name)
	}
	return unusable("%s: %s cannot be read: %s", what, name, reasonOf(err))
}

// reasonOf is what the system said, without the path, which stands elsewhere in the line.
func reasonOf(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err.Error()
	}
	return err.Error()
}

// keyText reads a key.
func (a *app) keyText(what, name string) (input, error) {
	if looksLikePEM(name) || strings.HasPrefix(strings.TrimSpace(name), "{") {
		return input{}, keyAsArgument(what)
	}
	return a.read(what, name, authorizedkeys.MaxText)
}

func looksLikePEM(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "-----BEGIN") }

// hasPrivateKey: one has no place on a command line, in whatever argument.
func hasPrivateKey(argument string) bool {
	return looksLikePEM(argument) || strings.Contains(argument, "PRIVATE KEY-----")
}

func keyAsArgument(what string) error {
	return wrongUsage("%s is never the key itself, since other users see the arguments of a command "+
		"and shells keep them: "+
		"give a file, or - for standard input", what)
}

// body is a request's body and how it was given.
type body struct {
	content []byte
	given   bool
	file    string // "": it can be read only once, or was a text
}

// bodyOf reads the value of --body: @FILE, - for standard input, or the text itself.
func (a *app) bodyOf(value string, given bool) (body, error) {
	if !given {
		return body{}, nil
	}
	file, isFile := strings.CutPrefix(value, "@")
	if value == standardInput {
		file, isFile = standardInput, true
	}
	if !isFile {
		return body{content: []byte(value), given: true}, nil
	}
	if file == "" {
		return body{}, wrongUsage("--body @ names no file: write @FILE")
	}
	in, err := a.read("--body", file, limits.MaxBody)
	if in.info == nil || !in.info.Mode().IsRegular() {
		file = ""
	}
	return body{in.content, true, file}, err
}

// plural is a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
