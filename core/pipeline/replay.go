package pipeline

import (
	"math"
	"sync/atomic"

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

// storeGrace is how much longer than its token a claim is kept, in seconds, so that a
// store's clock that runs ahead forgets nothing too early.
const storeGrace = 60

// ReplayGuard is step 14, the last: one jti of one issuer is accepted once. The memory
// is the core's window or, as the need claim, the host's. Safe for concurrent use.
type ReplayGuard struct {
	window *replay.Window // nil: the host remembers
	config ReplayConfig
	lostAt atomic.Int64 // whole seconds; 0: never
}

// ReplayConfig has the window's capacity in jtis. Tokens that expire at Floor or before
// (exp, in seconds) may have been used in a window that was lost; 0: none was. They are
// dead when the leeway is over. LostAt is when the host's memory was last lost.
type ReplayConfig struct {
	Host     bool
	Capacity int
	Floor    int64
	LostAt   int64
	Forgiven Tolerance
}

// floor is the latest claim that a lost window may have held.
func (c ReplayConfig) floor() int64 {
	if c.Floor == 0 {
		return 0
	}
	return int64(math.Ceil(float64(c.Floor) + c.Forgiven.Leeway)) //guard:window-floor-leeway term
}

// NewReplayGuard returns a guard that remembers nothing yet.
func NewReplayGuard(c ReplayConfig) *ReplayGuard {
	g := &ReplayGuard{config: c}
	if !c.Host {
		g.window = replay.New(c.Capacity, c.floor())
	}
	g.Lost(c.LostAt)
	return g
}

// Window returns the core's own window, nil where the host remembers.
func (g *ReplayGuard) Window() *replay.Window { return g.window }

// Lost notes that what the memory held was lost, in whole seconds since 1970. The
// latest loss counts.
func (g *ReplayGuard) Lost(at int64) {
	for {
		before := g.lostAt.Load()
		if at <= before || g.lostAt.CompareAndSwap(before, at) {
			return
		}
	}
}

// Use is one use of a token that works once. Its times have been checked. MaxLife is how
// long such a token may live, in seconds.
type Use struct {
	Issuer, JTI string
	Times       *Times
	MaxLife     float64
}

// Claim goes on with accepted when the token was not used before. A host that remembers
// is asked by a need with a ticket.
func (g *ReplayGuard) Claim(now float64, u Use, accepted func() need.Step) need.Step {
	if p := g.checkLoss(now, u); p != nil {
		return need.Refuse(p)
	}
	if g.window != nil {
		return g.claimHere(now, u, accepted)
	}
	return need.Ask(g.ask(now, u), func(a need.Answer) need.Step {
		if a.Claim == Claimed && !a.HasFailed { //guard:claim-claimed always; claim-failed drop 2
			return accepted()
		}
		return NotClaimed(u.Issuer, u.JTI, a)
	})
}

// ClaimLast is Claim for a verification, of which the claim is the last step: a host
// that remembers is asked by a need that has the result inside, and ends it.
func (g *ReplayGuard) ClaimLast(now float64, u Use, accepted func() need.Step) need.Step {
	if p := g.checkLoss(now, u); p != nil {
		return need.Refuse(p)
	}
	if g.window != nil {
		return g.claimHere(now, u, accepted)
	}
	question := g.ask(now, u)
	question.Claimed = accepted().Result
	return need.Step{Need: question}
}

// maxWait bounds what a caller is asked to wait, in seconds: a loss may lie in the future
// of this host's clock.
const maxWait = 300

// checkLoss refuses a token that may have been used before the memory was lost. Whoever
// signed it may have a clock that runs ahead. One that does not say when it was issued
// was accepted no earlier than its longest life before it dies. The caller is told when a
// token that is signed then will pass.
func (g *ReplayGuard) checkLoss(now float64, u Use) *problem.Problem {
	at := g.lostAt.Load()
	if at == 0 {
		return nil
	}
	latest := float64(at) + max(g.config.Forgiven.Leeway, g.config.Forgiven.ClockSkew) //guard:lost-forgiven term
	issued := u.Times.Expires.Seconds - u.MaxLife
	if u.Times.IssuedAt.There() {
		issued = u.Times.IssuedAt.Seconds
	}
	if issued > latest { //guard:lost-before never
		return nil
	}
	wait := max(0, int(math.Ceil(min(latest-now, maxWait)))) + 1
	p := problem.New(problem.ReplayStoreUnavailable,
		"").WithLog("the token may have been used before the replay store lost its memory (at %d): sign a new one in %d s",
		at, wait)
	p.Wait = wait
	return p
}

func (g *ReplayGuard) deadAt(u Use) int64 { return u.Times.DeadAt(g.config.Forgiven.Leeway) }

func (g *ReplayGuard) ask(now float64, u Use) *need.Need {
	left := int64(math.Ceil(float64(g.deadAt(u)) - now))
	return &need.Need{Kind: need.Claim, Issuer: u.Issuer, JTI: u.JTI, ID: replay.NewID(u.Issuer, u.JTI).String(),
		Seconds: left + storeGrace, Now: now}
}

func (g *ReplayGuard) claimHere(now float64, u Use, accepted func() need.Step) need.Step {
	switch g.window.Claim(replay.NewID(u.Issuer, u.JTI), g.deadAt(u), int64(math.Floor(now))) {
	case replay.Claimed:
		return accepted()
	case replay.Exists: //guard:window-exists join
		return replayed(u.Issuer, u.JTI)
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
