package runner

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// watchRun is what Progress writes of two legs, the second of which breaks.
func watchRun(terminal bool) string {
	var out bytes.Buffer
	progress := NewProgress(&out, 3)
	progress.terminal = terminal
	progress.LegStarted("go")
	progress.LegStarted("c")
	progress.VectorDone("go", Result{})
	progress.LegEnded("c", "no compiler")
	progress.VectorDone("go", Result{Failure: "wrong"})
	progress.LegEnded("go", "")
	return out.String()
}

func TestProgress(t *testing.T) {
	lines := watchRun(false)
	for _, want := range []string{"conformance: go: 3 vectors\n", "conformance: c: could not run, ", "conformance: go: 1 passed, 1 failed, "} {
		if !strings.Contains(lines, want) {
			t.Errorf("expected %q in\n%s", want, lines)
		}
	}
	if strings.ContainsAny(lines, "\r\x1b") {
		t.Errorf("control characters where there is no terminal: %q", lines)
	}
	drawn := watchRun(true)
	for _, want := range []string{"\r\x1b[Kgo 1/3  c 0/3", "\r\x1b[Kgo 1/3", "1 passed, 1 failed"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("expected %q in %q", want, drawn)
		}
	}
}

func TestTerminalIsTold(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer is taken for a terminal")
	}
	t.Setenv("TERM", "xterm")
	device, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("this system gives no terminal: %v", err)
	}
	defer device.Close()
	if !isTerminal(device) {
		t.Error("a terminal is not told")
	}
	t.Setenv("TERM", "dumb")
	if isTerminal(device) {
		t.Error("a dumb terminal cannot draw a line anew")
	}
}
