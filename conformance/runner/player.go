package runner

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tallystick/tallystick/conformance"
)

// Player plays vectors on a leg and judges nothing: for callers that compare the
// legs' answers with each other. It may be used by one goroutine at a time.
type Player struct {
	Leg Leg
	// HostCrypto is that of the leg's Source.
	HostCrypto bool
	// StepLimit is how long one call may take.
	StepLimit time.Duration
}

// Play makes a vector's calls, closes the engines that they opened, and returns
// the answers, normalised as for the comparison with the reference leg. Where a
// step cannot be made, because nothing was saved under a name that it uses, the
// answers end there. An error means that the leg broke.
func (p Player) Play(ctx context.Context, vector conformance.Vector) ([][]byte, error) {
	s := &scenario{leg: p.Leg, limit: p.StepLimit, saved: map[string]json.RawMessage{}}
	s.hostCrypto = p.HostCrypto && leavesRSAOpen(vector)
	if err := s.play(ctx, vector); err != nil {
		return s.answers, err
	}
	return s.answers, s.closeEngines(ctx)
}

func (s *scenario) play(ctx context.Context, vector conformance.Vector) error {
	for _, step := range vector.Steps {
		for range max(step.Repeat, 1) {
			call, err := s.build(step)
			if err != nil {
				return nil
			}
			text, err := s.ask(ctx, step, call)
			if err != nil {
				return err
			}
			if s.save(step.Save, text) != nil {
				return nil
			}
		}
	}
	return nil
}
