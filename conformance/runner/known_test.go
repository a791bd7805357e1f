package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/conformance"
)

func knownFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "known.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readKnown(t *testing.T, text string) (*KnownFailing, error) {
	t.Helper()
	suite, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	return ReadKnownFailing(knownFile(t, text), suite)
}

// TestKnownFailing: what is listed and fails is neither passed nor failed; what
// is listed and passes fails, and the entry is named.
func TestKnownFailing(t *testing.T) {
	chosen := vectors(t, "body/changed", "body/signed")
	wrong := changedCore(`"body_tampered"`, `"invalid_claims"`)
	for text, want := range map[string]struct {
		code                  int
		passed, failed, known int
		says                  string
	}{
		"# nothing\n\n": {ExitFailed, 1, 1, 0, "FAILED body/changed on changed"},
		"changed body/changed the code is another one":    {ExitPassed, 1, 0, 1, "known to fail: body/changed on changed: the code is another one"},
		"ch*ed\t body/cha*  of all such legs":             {ExitPassed, 1, 0, 1, "of all such legs"},
		"other body/changed of another leg":               {ExitFailed, 1, 1, 0, "FAILED body/changed on changed"},
		"changed body/* the code is another one\n":        {ExitFailed, 0, 1, 1, "FAILED body/signed on changed"},
		"changed body/signed no longer true\n":            {ExitFailed, 0, 2, 0, "known.txt:1 lists it as failing (no longer true): remove the entry"},
		"\n#\nchanged body/signed x\nchanged body/c* y\n": {ExitFailed, 0, 1, 1, "known.txt:3 lists it"},
	} {
		known, err := readKnown(t, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		report := Run(t.Context(), Plan{Vectors: chosen, Reference: CoreSource(), Legs: []Source{wrong}, StepLimit: testLimit, Known: known})
		table := demandExit(t, report, want.code)
		if passed, failed, knownToFail := report.Counts(); passed != want.passed || failed != want.failed || knownToFail != want.known {
			t.Errorf("%q: %d passed, %d failed, %d known", text, passed, failed, knownToFail)
		}
		if !strings.Contains(table, want.says) {
			t.Errorf("%q: expected %q in\n%s", text, want.says, table)
		}
	}
}

func TestKnownFailingThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"# good\ngo body/changed":           `known.txt:2: "go body/changed" has no cause`,
		"go":                                "has no cause",
		"go body/no-such-vector it is gone": `known.txt:1: no vector is named like "body/no-such-vector"`,
	} {
		if _, err := readKnown(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ReadKnownFailing(filepath.Join(t.TempDir(), "none.txt"), &conformance.Suite{}); err == nil || !strings.Contains(err.Error(), "none.txt") {
		t.Errorf("a missing file: %v", err)
	}
}

// TestBrokenIsNotKnown: an entry excuses a wrong answer, never a leg that broke.
func TestBrokenIsNotKnown(t *testing.T) {
	known, err := readKnown(t, "driver abi/call it dies")
	if err != nil {
		t.Fatal(err)
	}
	report := Run(t.Context(), Plan{Vectors: vectors(t, "abi/call"), Reference: CoreSource(), Legs: []Source{testDriver("dies")}, StepLimit: testLimit, Known: known})
	demandExit(t, report, ExitBroken)
}
