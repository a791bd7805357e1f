// Package mutation breaks the core on purpose: each guard of the pipeline is
// switched off in turn, and a vector must turn red. A guard that no vector
// notices is untested, whatever the unit tests say.
package mutation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Guard is one check and how it is switched off: the text Find, which stands in
// File exactly once, is replaced.
type Guard struct {
	Name    string `json:"name"`
	File    string `json:"file"`
	Find    string `json:"-"`
	Replace string `json:"-"`
}

// Outcome is what became of a mutant.
type Outcome struct {
	Guard
	// Covered: at least one vector turned red.
	Covered bool `json:"covered"`
	// Failed is how many did, First the first of them.
	Failed int    `json:"failed"`
	First  string `json:"first,omitempty"`
}

// ErrStale marks a guard whose text is not in its file exactly once any more.
var ErrStale = errors.New("the guard's text is not there exactly once: mend conformance/mutation/guards.go")

// Try builds the Go leg with one guard switched off, below a folder of its own,
// and runs all vectors.
func Try(ctx context.Context, root string, g Guard) (Outcome, error) {
	folder, err := os.MkdirTemp("", "tallystick-mutation-")
	if err != nil {
		return Outcome{}, err
	}
	defer os.RemoveAll(folder)
	overlay, err := writeOverlay(root, folder, g)
	if err != nil {
		return Outcome{}, err
	}
	binary := filepath.Join(folder, "conformance")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay", overlay, "-o", binary, "./conformance/cmd/conformance")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return Outcome{}, fmt.Errorf("%s: the mutant does not build: %w\n%s", g.Name, err, out)
	}
	run := exec.CommandContext(ctx, binary, "--leg", "go", "--reference", "go", "--root", root, "--out", folder)
	run.Dir = root
	out, err := run.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return Outcome{Guard: g}, nil
	case errors.As(err, &ended) && ended.ExitCode() == 1:
		return noticed(folder, g)
	}
	return Outcome{}, fmt.Errorf("%s: the vectors could not be run: %w\n%s", g.Name, err, tail(out))
}

// writeOverlay writes the mutant's file and the description that `go build
// -overlay` reads: the checkout itself is never touched.
func writeOverlay(root, folder string, g Guard) (string, error) {
	original := filepath.Join(root, g.File)
	text, err := os.ReadFile(original)
	if err != nil {
		return "", fmt.Errorf("%s: %w", g.Name, err)
	}
	if strings.Count(string(text), g.Find) != 1 {
		return "", fmt.Errorf("%s (%s): %w", g.Name, g.File, ErrStale)
	}
	mutant := filepath.Join(folder, "mutant.go")
	if err := os.WriteFile(mutant, []byte(strings.Replace(string(text), g.Find, g.Replace, 1)), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: mutant}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, overlay, 0o600)
}

// report is the part of the runner's report that is looked at.
type report struct {
	Legs []struct {
		Results []struct {
			Vector string `json:"vector"`
			Passed bool   `json:"passed"`
		} `json:"results"`
	} `json:"legs"`
}

func noticed(folder string, g Guard) (Outcome, error) {
	outcome := Outcome{Guard: g}
	text, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		return outcome, err
	}
	var read report
	if err := json.Unmarshal(text, &read); err != nil {
		return outcome, err
	}
	for _, leg := range read.Legs {
		for _, result := range leg.Results {
			if result.Passed {
				continue
			}
			if outcome.Failed++; outcome.First == "" {
				outcome.First = result.Vector
			}
		}
	}
	outcome.Covered = outcome.Failed > 0
	return outcome, nil
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }
