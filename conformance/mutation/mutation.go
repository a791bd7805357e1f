// Package mutation breaks the core on purpose: each guard that is marked in its
// code is switched off in turn, and a vector must turn red. A guard that no vector
// notices is untested, whatever the unit tests say.
package mutation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
)

// Outcome is what became of a mutant.
type Outcome struct {
	Guard
	// Covered: a vector turned red; First is its name.
	Covered bool   `json:"covered"`
	First   string `json:"first,omitempty"`
}

// Trial tries guards. Most of them are built into one program, in which a variable
// of the environment switches one off; an operator that cannot be switched while
// the program runs gets a program of its own.
type Trial struct {
	root, folder string
	together     string // the program of most
	switchable   map[string]bool
}

const variable = "TALLYSTICK_MUTATION"

// NewTrial builds the program of most guards, and shows that all vectors pass in it
// while nothing is switched off: one that is red anyway would cover everything.
func NewTrial(ctx context.Context, root string, guards []Guard) (*Trial, error) {
	folder, err := os.MkdirTemp("", "tallystick-mutation-")
	if err != nil {
		return nil, err
	}
	t := &Trial{root: root, folder: folder, together: filepath.Join(folder, "together"), switchable: map[string]bool{}}
	err = t.buildTogether(ctx, guards)
	if err == nil {
		err = t.baseline(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Close removes what was built.
func (t *Trial) Close() error { return os.RemoveAll(t.folder) }

func (t *Trial) baseline(ctx context.Context) error {
	outcome, err := t.run(ctx, t.together, Guard{Name: "no guard"})
	if err == nil && outcome.Covered {
		err = fmt.Errorf("a vector fails before anything is switched off: %s", outcome.First)
	}
	return err
}

// Try runs the vectors with one guard switched off until one turns red. Guards may
// be tried at the same time.
func (t *Trial) Try(ctx context.Context, g Guard) (Outcome, error) {
	if t.switchable[g.Name] {
		return t.run(ctx, t.together, g)
	}
	text, err := os.ReadFile(filepath.Join(t.root, g.File))
	if err == nil {
		text, err = mutant(g, text)
	}
	if err != nil {
		return Outcome{}, err
	}
	program := filepath.Join(t.folder, g.Name)
	if err := t.build(ctx, program, map[string][]byte{g.File: text}); err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", g, err)
	}
	return t.run(ctx, program, g)
}

func (t *Trial) buildTogether(ctx context.Context, guards []Guard) error {
	edits := map[string][]edit{}
	files := map[string][]byte{}
	for _, g := range guards {
		text, err := os.ReadFile(filepath.Join(t.root, g.File))
		if err != nil {
			return err
		}
		l, err := newLine(g, text, fmt.Sprintf("(tallystickMutation == %q)", g.Name))
		if err != nil {
			return err
		}
		if l.fixed {
			continue
		}
		t.switchable[g.Name] = true
		edits[g.File] = append(edits[g.File], l.edits...)
		files[g.File] = edited(text, edits[g.File])
		files[path.Join(path.Dir(g.File), "tallystick_mutation.go")] = fmt.Appendf(nil, "package %s\n\nimport \"os\"\n\nvar tallystickMutation = os.Getenv(%q)\n", l.tree.Name, variable)
	}
	return t.build(ctx, t.together, files)
}

// build builds the Go leg with other texts of some files of the checkout, which
// itself is never touched.
func (t *Trial) build(ctx context.Context, program string, files map[string][]byte) error {
	replace := map[string]string{}
	for name, text := range files {
		changed := fmt.Sprintf("%s-%d.go", program, len(replace))
		if err := os.WriteFile(changed, text, 0o600); err != nil {
			return err
		}
		replace[filepath.Join(t.root, name)] = changed
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	if err := os.WriteFile(program+".json", overlay, 0o600); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay", program+".json", "-o", program, "./conformance/cmd/conformance")
	build.Dir = t.root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("the mutant does not build: %w\n%s", err, out)
	}
	return nil
}

func (t *Trial) run(ctx context.Context, program string, g Guard) (Outcome, error) {
	folder, err := os.MkdirTemp(t.folder, "report-")
	if err != nil {
		return Outcome{}, err
	}
	vectors := exec.CommandContext(ctx, program, "--leg", "go", "--reference", "go", "--root", t.root, "--out", folder, "--stop")
	vectors.Dir = t.root
	vectors.Env = append(os.Environ(), variable+"="+g.Name)
	out, err := vectors.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return Outcome{Guard: g}, nil
	case errors.As(err, &ended) && ended.ExitCode() == 1:
		return noticed(folder, g)
	}
	return Outcome{}, fmt.Errorf("%s: the vectors could not be run: %w\n%s", g, err, tail(out))
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
			if !result.Passed {
				return Outcome{Guard: g, Covered: true, First: result.Vector}, nil
			}
		}
	}
	return outcome, errors.New("the runner ended with 1 and reports no vector that failed")
}

func tail(text []byte) []byte { return text[max(0, len(text)-2000):] }
