// Package engine holds what outlives one call: a compiled configuration and the
// tickets of suspended operations. Everything in it is bounded.
package engine

import (
	"sync"
	"sync/atomic"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
)

const (
	// maxTickets bounds the suspended operations of one engine, maxAge the time
	// that each may wait, in seconds.
	maxTickets = 1024
	maxAge     = 60
	// maxBodies bounds those that wait for a request's body: its sender decides how
	// long that takes, and must not keep everything else from going on. Each may wait
	// for maxBodyAge, as long as servers give a request to arrive.
	maxBodies  = 512
	maxBodyAge = 300
	// maxDerivations bounds those that wait for a key derivation: each takes the host
	// milliseconds, and strangers may ask for any number.
	maxDerivations = 64
)

// Engine has a Verifier, a Signer or both, or an Access alone. Safe for concurrent use.
type Engine struct {
	Verifier *request.Verifier
	Signer   *request.Signer
	Realm    string

	access atomic.Pointer[access.Agent] // replaced when the policy is

	// Feeding is held while engine.feed changes something: a new policy takes over what
	// the agent before it was fed.
	Feeding sync.Mutex

	mu      sync.Mutex
	tickets map[uint64]ticket
	bodies  int
	derived int // tickets that wait for a derivation
	last    uint64
}

// Finish makes the answer of an operation's end: it appends a result to the slice to,
// a refusal may lie elsewhere.
type Finish func(e *Engine, end need.Step, to []byte) []byte

// ticket is a suspended operation: how to go on and what to make of its end.
type ticket struct {
	resume func(need.Answer) need.Step
	finish Finish
	issued float64
	kind   need.Kind // what it waits for
}

// New returns an engine without tickets.
func New(verifier *request.Verifier, signer *request.Signer, realm string) *Engine {
	return &Engine{Verifier: verifier, Signer: signer, Realm: realm, tickets: map[uint64]ticket{}}
}

// Access returns the present agent, nil where there is none.
func (e *Engine) Access() *access.Agent { return e.access.Load() }

// Challenge is what refusals of this engine say of the agent.
func (e *Engine) Challenge() problem.Challenge {
	c := problem.Challenge{Realm: e.Realm}
	if a := e.Access(); a != nil {
		c.ResourceMetadata = a.ResourceMetadata()
	}
	return c
}

// SetAccess makes an agent the present one.
func (e *Engine) SetAccess(a *access.Agent) { e.access.Store(a) }

// Suspend stores a suspended operation and returns its ticket. Tickets that
// nobody came back for make room by age.
func (e *Engine) Suspend(now float64, step need.Step, finish Finish) (uint64, *problem.Problem) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := ticket{step.Resume, finish, now, step.Need.Kind}
	if e.full(t) {
		e.dropOld(now)
	}
	if e.full(t) {
		return 0, problem.New(problem.Overloaded, "").WithLog("%d operations wait for the host's answers, %d of them for a body and %d for a derivation", len(e.tickets), e.bodies, e.derived)
	}
	e.last++
	e.tickets[e.last] = t
	e.count(t, 1)
	return e.last, nil
}

func (e *Engine) full(t ticket) bool {
	return len(e.tickets) >= maxTickets || t.kind == need.Body && e.bodies >= maxBodies || t.kind == need.Derive && e.derived >= maxDerivations //guard:ticket-bodies never 3; ticket-derivations never 5
}

func (e *Engine) count(t ticket, by int) {
	switch t.kind {
	case need.Body:
		e.bodies += by
	case need.Derive:
		e.derived += by
	}
}

func (e *Engine) drop(number uint64, t ticket) {
	delete(e.tickets, number)
	e.count(t, -1)
}

func (e *Engine) dropOld(now float64) {
	for number, t := range e.tickets {
		if t.tooOld(now) {
			e.drop(number, t)
		}
	}
}

// tooOld also counts a clock that stepped back further than a ticket may wait.
func (t ticket) tooOld(now float64) bool {
	age := float64(maxAge)
	if t.kind == need.Body {
		age = maxBodyAge
	}
	return now-t.issued > age || t.issued-now > age //guard:ticket-clock-back drop 2
}

// Resume takes a ticket, which is thereby used, and goes on with the operation. A host that
// answers another need than the one that was asked mixed them up: its answer counts for nothing.
func (e *Engine) Resume(number uint64, answer need.Answer) (need.Step, Finish, *problem.Problem) {
	e.mu.Lock()
	t, there := e.tickets[number]
	if there { //guard:ticket-once never
		e.drop(number, t)
	}
	e.mu.Unlock()
	if !there || t.tooOld(answer.Now) { //guard:ticket-age drop 2
		return need.Step{}, nil, problem.New(problem.UnknownTicket, "")
	}
	if !answer.Fits(t.kind) { //guard:answer-of-another-need never
		return need.WrongAnswer(t.kind), t.finish, nil
	}
	return t.resume(answer), t.finish, nil
}

// Tickets returns how many operations are suspended.
func (e *Engine) Tickets() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tickets)
}
