package pipeline

import (
	"math"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/replay"
)

// What a host answers to the need claim. Overloaded is for a claim that ended a
// verification: nothing in the core counts how many of these are open.
const (
	Claimed     = "claimed"
	Exists      = "exists"
	Unavailable = "unavailable"
	Overloaded  = "overloaded"
)

// ReplayGuard is step 14, the last: one jti of one issuer is accepted once. The memory
// is the core's window or, as the need claim, the host's. Safe for concurrent use.
type ReplayGuard struct {
	window *replay.Window // nil: the host remembers
	config ReplayConfig
}

// ReplayConfig has the window's capacity in jtis. Tokens that expire at Floor or before
// (exp, in seconds) may have been used in a window that was lost; 0: none was. They are
// dead Leeway later, in seconds.
type ReplayConfig struct {
	Host     bool
	Capacity int
	Floor    int64
	Leeway   float64
}

// floor is the latest claim that a lost window may have held.
func (c ReplayConfig) floor() int64 {
	if c.Floor == 0 {
		return 0
	}
	return int64(math.Ceil(float64(c.Floor) + c.Leeway)) //guard:window-floor-leeway term
}

// NewReplayGuard returns a guard that remembers nothing yet.
func NewReplayGuard(c ReplayConfig) *ReplayGuard {
	if c.Host {
		return &ReplayGuard{config: c}
	}
	return &ReplayGuard{window: replay.New(c.Capacity, c.floor()), config: c}
}

// Window returns the core's own window, nil where the host remembers.
func (g *ReplayGuard) Window() *replay.Window { return g.window }

// Claim goes on with accepted when the pair was free. expiresAt is in whole
// seconds, leeway included. A host that remembers is asked by a need with a ticket.
func (g *ReplayGuard) Claim(now float64, issuer, jti string, expiresAt int64, accepted func() need.Step) need.Step {
	if g.window != nil {
		return g.claimHere(now, issuer, jti, expiresAt, accepted)
	}
	question := ask(now, issuer, jti, expiresAt)
	return need.Ask(question, func(a need.Answer) need.Step {
		if a.Claim == Claimed && !a.HasFailed { //guard:claim-claimed always; claim-failed drop 2
			return accepted()
		}
		return NotClaimed(issuer, jti, a)
	})
}

// ClaimLast is Claim for a verification, of which the claim is the last step: a host
// that remembers is asked by a need that has the result inside, and ends it.
func (g *ReplayGuard) ClaimLast(now float64, issuer, jti string, expiresAt int64, accepted func() need.Step) need.Step {
	if g.window != nil {
		return g.claimHere(now, issuer, jti, expiresAt, accepted)
	}
	question := ask(now, issuer, jti, expiresAt)
	question.Claimed = accepted().Result
	return need.Step{Need: question}
}

func ask(now float64, issuer, jti string, expiresAt int64) *need.Need {
	return &need.Need{Kind: need.Claim, Issuer: issuer, JTI: jti, ID: replay.NewID(issuer, jti).String(), ExpiresAt: expiresAt, Now: now}
}

func (g *ReplayGuard) claimHere(now float64, issuer, jti string, expiresAt int64, accepted func() need.Step) need.Step {
	switch g.window.Claim(replay.NewID(issuer, jti), expiresAt, int64(math.Floor(now))) {
	case replay.Claimed:
		return accepted()
	case replay.Exists: //guard:window-exists join
		return replayed(issuer, jti)
	case replay.Lost: //guard:window-lost join
		return unavailable("the token may have been used before the replay memory was lost (replay_floor %d)", g.config.Floor)
	}
	return unavailable("the replay window is full (replay_capacity %d)", g.config.Capacity)
}

// NotClaimed refuses a token that the host could not claim.
func NotClaimed(issuer, jti string, a need.Answer) need.Step {
	switch a.Claim {
	case Exists: //guard:refuse-exists never
		return replayed(issuer, jti)
	case Unavailable: //guard:refuse-unavailable never
		return unavailable("the replay store did not answer: %s", problem.Quote(a.Failed))
	case Overloaded:
		return need.Refuse(problem.New(problem.Overloaded, "").WithLog("too many requests wait for the replay store: %s", problem.Quote(a.Failed)))
	}
	return need.WrongAnswer(need.Claim)
}

func unavailable(reason string, args ...any) need.Step {
	return need.Refuse(problem.New(problem.ReplayStoreUnavailable, "").WithLog(reason, args...))
}

func replayed(issuer, jti string) need.Step {
	return need.Refuse(problem.New(problem.ReplayDetected, "").WithLog("issuer %s used jti %s before", problem.Quote(issuer), problem.Quote(jti)))
}
