package peers

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/cmd/prose"
)

func command(t *testing.T, arguments ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	return Main(context.Background(), append([]string{"--root", "../.."}, arguments...), &out, &out), out.String()
}

func TestAPeerThatCannotRunIsExit2(t *testing.T) {
	silent := filepath.Join(t.TempDir(), "python")
	if err := os.WriteFile(silent, []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, python := range map[string]string{"missing": filepath.Join(t.TempDir(), "none"), "that ends": silent} {
		code, said := command(t, "--python", python)
		if code != ExitBroken || !strings.Contains(said, "make peers") {
			t.Errorf("a driver %s: exit %d: %s", name, code, said)
		}
	}
}

func TestFlags(t *testing.T) {
	if code, said := command(t, "--help"); code != ExitExplained || !strings.Contains(said, "-check") {
		t.Errorf("--help: exit %d: %s", code, said)
	}
	for _, wrong := range []string{"--no-such-flag", "word"} {
		if code, said := command(t, wrong); code != ExitBroken {
			t.Errorf("%s: exit %d: %s", wrong, code, said)
		}
	}
}

func TestCheckWritesNothing(t *testing.T) {
	report := Report{Peers: []Peer{GolangJWT()}}
	file := filepath.Join(t.TempDir(), "PEERS.md")
	write, check := settings{out: file}, settings{out: file, check: true}
	var said bytes.Buffer
	if differs, err := write.write(report, &said); err != nil || differs {
		t.Fatal(differs, err)
	}
	if differs, err := check.write(report, &said); err != nil || differs {
		t.Errorf("the file that was written differs: %v", err)
	}
	if err := os.WriteFile(file, []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	if differs, err := check.write(report, &said); err != nil || !differs || !strings.Contains(said.String(), "make peers") {
		t.Errorf("a file by hand: %v, %v: %s", differs, err, said.String())
	}
	if text, _ := os.ReadFile(file); string(text) != "by hand" {
		t.Errorf("--check wrote %q", text)
	}
}

func TestAFailedRunWritesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "PEERS.md")
	failed := Report{Stale: []string{"never"}}
	if differs, err := (settings{out: file}).write(failed, &bytes.Buffer{}); err != nil || !differs {
		t.Errorf("%v, %v", differs, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the file is there")
	}
}

// The committed file is of this table and of these versions, as far as that can be
// seen without npm and pip; make peers sees the rest.
func TestPeersFileIsOfThisTable(t *testing.T) {
	text, err := os.ReadFile("../PEERS.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := strings.Count(string(text), "\n### ")
	if classes := Classes(); headings != len(classes) {
		t.Errorf("PEERS.md has %d classes, the table %d: run make peers", headings, len(classes))
	}
	for _, class := range Classes() {
		want := "\n### " + class.ID + "\n\n" + prose.Wrap(class.Reason, "", "") + "\n" + prose.Wrap("Source: "+class.Source, "- ", "  ")
		if !strings.Contains(string(text), want) {
			t.Errorf("PEERS.md does not say class %s as the table does: run make peers", class.ID)
		}
	}
	module, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(module), golangJWTModule+" v")
	version, _, _ = strings.Cut(version, "\n")
	if !strings.Contains(string(text), "| golang-jwt | "+version+" |") {
		t.Errorf("PEERS.md is of another golang-jwt than %s: run make peers", version)
	}
}

func TestTheSameAnswersGiveTheSameBytes(t *testing.T) {
	cases := fewSigned(collected(t))
	first, second := run(t, GolangJWT(), cases, of("golang-jwt")), run(t, GolangJWT(), cases, of("golang-jwt"))
	if first.Markdown() != second.Markdown() {
		t.Error("two runs write different texts")
	}
}
