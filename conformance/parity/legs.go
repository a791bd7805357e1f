package parity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
)

// leg is one that is open.
type leg struct {
	name   string
	player runner.Player
}

// legs are the reference, the reference once more, and those to compare with it.
// The two references are cores of this process: where they differ, the answer is
// random.
type legs []leg

const (
	reference = 0
	again     = 1
	compared  = 2 // the first of the others
)

// brokenError says which leg could not go on.
type brokenError struct {
	leg string
	err error
}

func (e *brokenError) Error() string { return fmt.Sprintf("leg %s: %v", e.leg, e.err) }
func (e *brokenError) Unwrap() error { return e.err }

// openLegs opens the references and the sources. All must be of one version.
func openLegs(ctx context.Context, sources []runner.Source, stepLimit time.Duration) (legs, error) {
	var open legs
	var version []byte
	for _, source := range append([]runner.Source{runner.CoreSource(), runner.CoreSource()}, sources...) {
		said, err := open.add(ctx, source, stepLimit)
		if err == nil && version != nil && !bytes.Equal(said, version) {
			err = errors.New("it is another version than this command (build both anew)")
		}
		if err != nil {
			return nil, errors.Join(&brokenError{source.Name, err}, open.close())
		}
		version = said
	}
	return open, nil
}

func (l *legs) add(ctx context.Context, source runner.Source, stepLimit time.Duration) (version []byte, err error) {
	opened, err := source.Open(ctx)
	if err != nil {
		return nil, err
	}
	*l = append(*l, leg{source.Name, runner.Player{Leg: opened, HostCrypto: source.HostCrypto, StepLimit: stepLimit}})
	limited, cancel := context.WithTimeout(ctx, stepLimit)
	defer cancel()
	return opened.Call(limited, runner.Call{Op: "version", Request: []byte("{}")})
}

func (l legs) close() error {
	var failed error
	for _, one := range l {
		if err := one.player.Leg.Close(); err != nil {
			failed = errors.Join(failed, &brokenError{one.name, fmt.Errorf("at its end: %w", err)})
		}
	}
	return failed
}

// played is what every leg answered to one vector.
type played struct {
	answers [][][]byte // by leg, then by call
	broken  error      // the first leg that could not go on
}

// play plays vectors on all legs at the same time, each leg at its own pace. After
// a leg broke, later vectors miss its answers.
func (l legs) play(ctx context.Context, vectors []conformance.Vector) []played {
	results := make([]played, len(vectors))
	for at := range results {
		results[at].answers = make([][][]byte, len(l))
	}
	broken := make([]error, len(l))
	at := make([]int, len(l))
	var running sync.WaitGroup
	for which, one := range l {
		running.Go(func() {
			for at[which] = range vectors {
				answers, err := one.player.Play(ctx, vectors[at[which]])
				if err != nil {
					broken[which] = &brokenError{one.name, err}
					return
				}
				results[at[which]].answers[which] = answers
			}
		})
	}
	running.Wait()
	for which, err := range broken {
		if err != nil && results[at[which]].broken == nil {
			results[at[which]].broken = err
		}
	}
	return results
}

// isRandom reports whether the two references differ.
func (p played) isRandom() bool { return !same(p.answers[reference], p.answers[again]) }

// differs returns the first leg that does not answer like the reference, or -1.
func (p played) differs() int {
	for which := compared; which < len(p.answers); which++ {
		if !same(p.answers[reference], p.answers[which]) {
			return which
		}
	}
	return -1
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
