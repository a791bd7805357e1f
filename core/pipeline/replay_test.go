package pipeline

import (
	"testing"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/replay"
)

func accepted() need.Step { return need.Done("accepted") }

func TestTheWindowAcceptsOnce(t *testing.T) {
	const now, later = 1000.0, int64(1060)
	for _, last := range []bool{false, true} {
		guard := NewReplayGuard(ReplayConfig{Capacity: 2, Floor: 1040, Leeway: 9.5})
		claim := func(jti string, expiresAt int64) need.Step {
			if last {
				return guard.ClaimLast(now, "a", jti, expiresAt, accepted)
			}
			return guard.Claim(now, "a", jti, expiresAt, accepted)
		}
		if step := claim("1", later); step.Result != "accepted" {
			t.Fatalf("%+v", step)
		}
		if step := claim("1", later); code(step.Problem) != problem.ReplayDetected {
			t.Errorf("used before: %+v", step)
		}
		if step := claim("2", 1050); code(step.Problem) != problem.ReplayStoreUnavailable {
			t.Errorf("of a lost window: %+v", step)
		}
		if step := claim("2", 1051); step.Result != "accepted" {
			t.Errorf("of after it: %+v", step)
		}
		if step := claim("3", later); code(step.Problem) != problem.ReplayStoreUnavailable {
			t.Errorf("a full window: %+v", step)
		}
	}
}

func TestTheHostClaims(t *testing.T) {
	guard := NewReplayGuard(ReplayConfig{Host: true})
	if guard.Window() != nil {
		t.Fatal("a window beside the host's store")
	}
	ask := func() need.Step { return guard.Claim(1000, "a", "1", 1060, accepted) }
	asked := ask().Need
	if asked.Kind != need.Claim || asked.Issuer != "a" || asked.JTI != "1" || asked.ID != replay.NewID("a", "1").String() || asked.ExpiresAt != 1060 || asked.Now != 1000 || asked.Claimed != nil {
		t.Errorf("%+v", asked)
	}
	for _, c := range []struct {
		name   string
		answer need.Answer
		want   problem.Code
	}{
		{"free", need.Answer{Claim: Claimed}, ""},
		{"taken", need.Answer{Claim: Exists}, problem.ReplayDetected},
		{"down", need.Answer{Claim: Unavailable, HasFailed: true, Failed: "x"}, problem.ReplayStoreUnavailable},
		{"too many", need.Answer{Claim: Overloaded}, problem.Overloaded},
		{"another word", need.Answer{Claim: "yes"}, problem.InvalidArgument},
		{"no word", need.Answer{}, problem.InvalidArgument},
	} {
		step := ask().Resume(c.answer)
		if code(step.Problem) != c.want || c.want == "" && step.Result != "accepted" {
			t.Errorf("%s: %+v", c.name, step)
		}
	}
}

// The result lies in the need, and nothing goes on from there.
func TestTheClaimThatEndsAVerification(t *testing.T) {
	step := NewReplayGuard(ReplayConfig{Host: true}).ClaimLast(1000, "a", "1", 1060, accepted)
	if step.Need == nil || step.Need.Claimed != "accepted" || step.Resume != nil || step.Result != nil {
		t.Errorf("%+v", step)
	}
}
