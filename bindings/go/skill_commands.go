package tallystick

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/tallystick/tallystick/core/access"
)

// CommandResult is what a slash command gives back: JSON for programs, which may hold a whole
// token, and text for people.
type CommandResult struct {
	Data    json.RawMessage
	Display string
}

// String is Display.
func (r CommandResult) String() string { return r.Display }

// Format is String, whatever the verb.
func (r CommandResult) Format(f fmt.State, _ rune) { show(f, r) }

// LogValue is String.
func (r CommandResult) LogValue() slog.Value { return slog.StringValue(r.String()) }

// RunCommand runs a slash command of the seed, such as "/auth/token @bob read". "/auth/help" lists
// them. No display shows a whole token, except with --show.
func (s *Skill) RunCommand(ctx context.Context, line string) (CommandResult, error) {
	if err := s.usable(skillMaker); err != nil {
		return CommandResult{}, err
	}
	s.refresh(ctx)
	result, p, cause := s.run(ctx, s.agent().Command(secondsOf(time.Now()), line), nil)
	if p != nil {
		return CommandResult{}, misused(p, cause)
	}
	said := result.(*access.Said)
	return CommandResult{json.RawMessage(said.Data), said.Display}, nil
}
