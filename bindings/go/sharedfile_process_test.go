//go:build unix

package tallystick

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const writerVariable = "TALLYSTICK_TEST_WRITER"

func countUp(text string, _ bool) (string, bool, error) {
	count, _ := strconv.Atoi(text)
	return strconv.Itoa(count + 1), true, nil
}

// writeOn changes a document until its process ends.
func writeOn(t *testing.T, path string) {
	f := &sharedFile{path, "document"}
	for {
		_, err := f.update(t.Context(), countUp)
		var e *Error
		switch {
		case err == nil:
			fmt.Println("counted")
		case errors.As(err, &e) && strings.Contains(e.Message, "the outcome is unknown"):
			fmt.Println("unknown")
		default:
			t.Fatal(err)
		}
	}
}

// A writer is stopped and killed anywhere: it holds nobody up, and what it was told is there.
// It is this test, in a process of its own.
func TestAWriterIsStoppedAndKilled(t *testing.T) {
	if path := os.Getenv(writerVariable); path != "" {
		writeOn(t, path)
	}
	f := sharedFixture(t)
	certain, perhaps := 0, 0 // what is counted, and what may be besides
	own := func(times int) {
		for range times {
			if _, err := f.update(t.Context(), countUp); err != nil {
				t.Fatal(err)
			}
			certain++
		}
	}
	own(1)
	for range 4 {
		writer := exec.Command(os.Args[0], "-test.run=^TestAWriterIsStoppedAndKilled$")
		writer.Env = append(os.Environ(), writerVariable+"="+f.path)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		hear := func(most int) {
			for range most {
				if !lines.Scan() {
					return
				}
				switch lines.Text() {
				case "counted":
					certain++
				case "unknown":
					perhaps++
				}
			}
		}
		hear(10)
		if err := writer.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		own(keptNames + 6)
		if err := writer.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		hear(10)
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		hear(1 << 20)     // what it said before it was killed
		_ = writer.Wait() // it was killed
		perhaps++         // it was not told of its last one
		own(1)
	}
	version, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	if count, err := strconv.Atoi(version.text); err != nil || count < certain || count > certain+perhaps {
		t.Errorf("%s counted, certain are %d and %d more may be: %v", version.text, certain, perhaps, err)
	}
}
