package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// built is the command as it is released, and what the build said where it failed. It is linked
// once for all tests, which takes seconds.
var built = sync.OnceValues(func() (path string, err error) {
	folder, err := os.MkdirTemp("", "tallystick-*")
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "tallystick")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, ".")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return path, fmt.Errorf("%w: %s", err, said)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if wasBuilt {
		path, _ := built()
		_ = os.RemoveAll(filepath.Dir(path)) // a folder of temporary files: the system's to tidy up
	}
	os.Exit(code)
}

var wasBuilt bool

func binary(t *testing.T) string {
	t.Helper()
	wasBuilt = true
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheBinary(t *testing.T) {
	path := binary(t)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const most = 25 << 20
	if info.Size() > most {
		t.Errorf("%d bytes, %d is most", info.Size(), most)
	}
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	u.file("keys/alice.pem", alice().Public().PEM())
	u.file("problems/bob.pem", "hello")
	refusing := says(t, 403, "")
	as := []string{"--key", "alice.pem", "--issuer", "alice"}
	for _, c := range []struct {
		code  int
		stdin string
		args  []string
	}{
		{0, "", []string{"version"}},
		{0, "", []string{"keys", "list", "keys"}},
		{2, "", []string{"keys", "list"}},
		{2, "", nil},
		{3, "", []string{"keys", "list", "problems"}},
		{3, u.token(nil), []string{"verify", "--keys-dir", "problems"}},
		{4, "", []string{"keys", "list", "nowhere"}},
		{4, "", []string{"inspect"}},
		{5, "", append([]string{"request", "GET", "http://127.0.0.1:1/"}, as...)},
		{6, "", append([]string{"request", "GET", refusing}, as...)},
	} {
		run := exec.Command(path, c.args...)
		run.Stdin = strings.NewReader(c.stdin)
		var stderr bytes.Buffer
		run.Stderr = &stderr
		err := run.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := run.ProcessState.ExitCode(); got != c.code {
			t.Errorf("%q: exit %d, want %d: %s", c.args, got, c.code, stderr.String())
		}
	}
}

// Ctrl-C ends a request that waits, with the code of its own.
func TestTheBinaryIsInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no interrupt that one process can send to another")
	}
	path := binary(t)
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	came := make(chan bool, 1)
	url := waits(t, came)
	run := exec.Command(path, "request", "GET", url, "--key", "alice.pem", "--issuer", "alice")
	var stderr bytes.Buffer
	run.Stderr = &stderr
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	<-came
	if err := run.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // its state has the exit code
	if code := run.ProcessState.ExitCode(); code != 130 || stderr.String() != "tallystick: interrupted\n" {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}

// Each reads the file and writes it anew: none may undo what another has done.
func TestTwoWhoChangeAFolderWaitForEachOther(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a folder has no lock there")
	}
	path, folder := binary(t), t.TempDir()
	run := func(args ...string) error {
		command := exec.Command(path, args...)
		command.Dir = folder
		return command.Run()
	}
	if err := run("keys", "new", "me", "--out", "mine", "--authorized", "callers"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			if err := run("keys", "rotate", "callers", "me", "--out", fmt.Sprint("new", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	text, err := os.ReadFile(filepath.Join(folder, "callers", "me.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if keys := bytes.Count(text, []byte("BEGIN PUBLIC KEY")); keys != 5 {
		t.Errorf("%d keys", keys)
	}
}
