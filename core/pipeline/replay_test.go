package pipeline

import (
	"testing"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/replay"
)

func accepted() need.Step { return need.Done("accepted") }

// use is a token that was issued at 1000.
func use(jti string, expiresAt float64) Use {
	return Use{"a", jti, &Times{Expires: Claim{Raw: "x", Seconds: expiresAt, kind: finite},
		IssuedAt: Claim{Raw: "x", Seconds: 1000, kind: finite}}, 300}
}

func TestTheWindowAcceptsOnce(t *testing.T) {
	const now, later = 1000.0, 1050.5
	for _, last := range []bool{false, true} {
		guard := NewReplayGuard(ReplayConfig{Capacity: 2, Floor: 1040, Forgiven: Tolerance{Leeway: 9.5}})
		claim := func(jti string, expiresAt float64) need.Step {
			if last {
				return guard.ClaimLast(now, use(jti, expiresAt), accepted)
			}
			return guard.Claim(now, use(jti, expiresAt), accepted)
		}
		if step := claim("1", later); step.Result != "accepted" {
			t.Fatalf("%+v", step)
		}
		if step := claim("1", later); code(step.Problem) != problem.ReplayDetected {
			t.Errorf("used before: %+v", step)
		}
		if step := claim("2", 1040.5); code(step.Problem) != problem.ReplayStoreUnavailable {
			t.Errorf("of a lost window: %+v", step)
		}
		if step := claim("2", 1041.5); step.Result != "accepted" {
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
	ask := func() need.Step { return guard.Claim(1000.5, use("1", 1060), accepted) }
	asked := ask().Need
	if asked.Kind != need.Claim || asked.Issuer != "a" || asked.JTI != "1" || asked.ID != replay.NewID("a",
		"1").String() || asked.Seconds != 120 || asked.Now != 1000.5 || asked.Claimed != nil {
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
	step := NewReplayGuard(ReplayConfig{Host: true}).ClaimLast(1000, use("1", 1060), accepted)
	if step.Need == nil || step.Need.Claimed != "accepted" || step.Resume != nil || step.Result != nil {
		t.Errorf("%+v", step)
	}
}

// What a host's store lost, it cannot know: tokens of before are refused.
func TestALostMemory(t *testing.T) {
	timed := func(issuedAt, expiresAt float64) Use {
		u := use("1", expiresAt)
		u.Times.IssuedAt.Seconds = issuedAt
		return u
	}
	undated := func(expiresAt float64) Use {
		u := use("1", expiresAt)
		u.Times.IssuedAt = Claim{}
		return u
	}
	for _, forgiven := range []Tolerance{{Leeway: 5, ClockSkew: 1}, {Leeway: 1, ClockSkew: 5}} {
		guard := NewReplayGuard(ReplayConfig{Host: true, LostAt: 900, Forgiven: forgiven})
		guard.Lost(1000)
		guard.Lost(950) // an older loss changes nothing
		for _, c := range []struct {
			name    string
			use     Use
			refused bool
		}{
			{"issued before", timed(990, 1060), true},
			{"issued by a clock that runs ahead", timed(1005, 1060), true},
			{"issued after", timed(1005.5, 1060), false},
			{"without iat, alive before", undated(1305), true},
			{"without iat, never alive before", undated(1305.5), false},
		} {
			for _, step := range []need.Step{guard.Claim(1000, c.use, accepted),
				guard.ClaimLast(1000, c.use, accepted)} {
				if refused := code(step.Problem) == problem.ReplayStoreUnavailable; refused != c.refused || !refused && step.Need == nil {
					t.Errorf("%s, %+v: %+v", c.name, forgiven, step)
				}
				// What is signed in that time passes.
				if c.refused && step.Problem.Wait != 6 {
					t.Errorf("%s: wait %d s", c.name, step.Problem.Wait)
				}
			}
		}
	}
}
