//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
)

// pipe makes a named pipe that gives a text to its first reader; "": nobody writes into it.
func pipe(t *testing.T, name, text string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if text == "" {
		return
	}
	go func() {
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return // the reader finds nothing
		}
		defer file.Close()
		_, _ = file.WriteString(text)
	}()
}

// A pipe is read once, so its text stands in the line; and nothing is warned of.
func TestTheKeyAndTheBodyFromPipes(t *testing.T) {
	u := newTool(t)
	pipe(t, "key", alice().PEM())
	pipe(t, "body", "hello")
	sign := []string{"sign", "POST", "https://agent.example/", "--key", "key", "--issuer", "alice"}
	o := u.exits(0, append(sign, "--body", "@body", "--curl")...)
	if !strings.HasSuffix(o.stdout, "--data-raw hello\n") || strings.Contains(o.stderr, "warning") {
		t.Error(o.stdout, o.stderr)
	}
}

// A file that this user may not read is a problem of the folder. Root may read every file, so
// another user runs the command then.
func TestAFileWithoutPermission(t *testing.T) {
	path := binary(t)
	u := newTool(t)
	u.file("folder/alice.pem", alice().Public().PEM())
	u.file("folder/bob.pem", bob().Public().PEM())
	list := func(alice os.FileMode) (code int, said string) {
		t.Helper()
		for name, mode := range map[string]os.FileMode{
			filepath.Dir(path): 0o755, "folder": 0o755, "folder/alice.pem": alice, "folder/bob.pem": 0o644,
		} {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
		run := exec.Command(path, "keys", "list", "folder")
		if os.Getuid() == 0 {
			const nobody = 65534
			run.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		}
		text, _ := run.CombinedOutput() // its state has the exit code
		return run.ProcessState.ExitCode(), string(text)
	}
	code, said := list(0o000)
	want := "problem: alice.pem is not used: permission denied: its issuer gets 503 until this user can read it\n"
	if code != 3 || !strings.Contains(said, want) || !strings.Contains(said, bob().Public().Thumbprint()) {
		t.Errorf("exit %d: %s", code, said)
	}
	if code, said := list(0o644); code != 0 || strings.Contains(said, "problem") {
		t.Errorf("exit %d: %s", code, said)
	}
}

// Ctrl-C ends what waits for a pipe, for standard input and for another who changes a folder.
func TestWhatWaitsIsInterrupted(t *testing.T) {
	u := newTool(t)
	u.file("callers/alice.pem", alice().Public().PEM())
	pipe(t, "pipe", "")
	u.file("x.pem", bob().Public().PEM())
	folder, err := os.Open("callers")
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	stdin, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	defer held.Close()
	for _, args := range [][]string{
		{"inspect", "@pipe"}, {"keys", "inspect", "pipe"}, {"inspect"},
		{"keys", "revoke", "callers", "alice"}, {"keys", "rotate", "callers", "alice", "--out", "new"},
		{"keys", "add", "callers", "x", "x.pem"}, {"keys", "new", "x", "--authorized", "callers"},
	} {
		ctx, interrupt := context.WithCancel(t.Context())
		var stderr bytes.Buffer
		host := command.System()
		host.Stdin, host.Stderr = stdin, &stderr
		done := make(chan int, 1)
		go func() { done <- command.Run(ctx, host, args) }()
		interrupt()
		if code := <-done; code != 130 || stderr.String() != "tallystick: interrupted\n" {
			t.Errorf("%q: exit %d: %s", args, code, stderr.String())
		}
	}
	if got := u.names(".") + " | " + u.names("callers"); got != "callers pipe x.pem | alice.pem" {
		t.Error("something was changed: " + got)
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "revoke", "callers", "alice")
}
