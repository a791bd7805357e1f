package tallystick

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

const (
	// maxWaiting bounds the operations of one identity that wait for a fetch.
	maxWaiting = 8192
	// maxDerivations bounds the derivations of clients' secrets: each takes milliseconds of a
	// processor, and strangers may ask for any number.
	maxDerivations = 64
)

// identity is what an agent and an authority have in common: keys, their documents, a token
// endpoint. Safe for concurrent use.
type identity struct {
	present atomic.Pointer[access.Agent] // replaced when the policy is
	// Held while something is fed: a new policy takes over what the one before it was fed.
	feeding sync.Mutex
	realm   string
	ring    *ringKeeper    // nil: it signs nothing itself, or a signer does
	clients *clientsKeeper // nil: the configuration has them
	kms     *Signer        // nil: the core signs
	claims  *storeClaims   // nil: the core's own window, in development
	fetcher *fetcher
	bodies  *budget // of those that are read when their token was judged
	forms   *budget // of those that strangers send to the token endpoint
	logger  *slog.Logger

	waiting  atomic.Int64
	deriving atomic.Int64
	closed   atomic.Bool
}

// material is what an identity is made of.
type material struct {
	options access.Options
	keys    map[string]string // of issuers, instead of fetching them
	ring    *ringKeeper
	kms     *Signer
	fixed   *keyring.Ring // of kms
	clients *clientsKeeper
	listed  []oauthclient.Config
	store   Store
	fetcher *fetcher
	logger  *slog.Logger
}

func newIdentity(m material) (*identity, error) {
	i := &identity{ring: m.ring, kms: m.kms, clients: m.clients, fetcher: m.fetcher, logger: m.logger}
	if m.store != nil {
		i.claims = newStoreClaims(m.store, m.logger)
	}
	m.options.HostReplay, m.options.HostDerives = i.claims != nil, true
	if m.kms != nil {
		m.options.Signing = pipeline.ByExternal
	}
	config, p := m.options.Config()
	if p != nil {
		return nil, misuse(p)
	}
	if err := i.open(m, config); err != nil {
		return nil, err
	}
	room, p := limits.NewRoom(config.MaxBody, m.options.MaxBuffered)
	if p != nil {
		return nil, misuse(p)
	}
	i.bodies, i.forms = newBudget(int64(room.BufferAsked)), newBudget(int64(room.BufferAtOnce))
	i.realm = limits.DefaultRealm
	if m.options.Realm != nil {
		i.realm = *m.options.Realm
	}
	if m.options.DevMode {
		m.logger.Warn("development mode: plain http on loopback is accepted for issuers that are not configured")
	}
	if i.claims != nil {
		if err := i.claims.start(context.Background(), i.agent().ReplayLost); err != nil {
			return nil, unavailableStore(i.claims.setting, err)
		}
	}
	return i, nil
}

// open reads keys and clients.
func (i *identity) open(m material, config access.Config) (err error) {
	given, err := givenKeys(m.keys)
	if err != nil {
		return err
	}
	ring := m.fixed
	if m.ring != nil {
		if ring, err = m.ring.load(); err != nil {
			return err
		}
	}
	clients, p := access.NewClients(m.listed)
	if m.clients != nil {
		clients, err = m.clients.load()
	}
	if p != nil {
		return misuse(p)
	}
	if err != nil {
		return err
	}
	agent, p := access.New(config, ring, given, clients)
	if p != nil {
		return misuse(p)
	}
	i.present.Store(agent)
	return nil
}

func (i *identity) agent() *access.Agent { return i.present.Load() }

func (i *identity) feedRing(ring *keyring.Ring) {
	i.feeding.Lock()
	defer i.feeding.Unlock()
	i.agent().FeedRing(ring)
}

func (i *identity) feedClients(clients *oauthclient.Registry) {
	i.feeding.Lock()
	defer i.feeding.Unlock()
	i.agent().FeedClients(clients)
}

// renew lets another policy hold from now on, or changes nothing.
func (i *identity) renew(options access.Options, listed []oauthclient.Config) error {
	config, p := options.Config()
	if p != nil {
		return misuse(p)
	}
	clients, p := access.NewClients(listed)
	if p != nil {
		return misuse(p)
	}
	i.feeding.Lock()
	defer i.feeding.Unlock()
	before := i.agent()
	after, p := before.Renew(config, clients)
	if p != nil {
		return misuse(p)
	}
	i.present.Store(after)
	before.Replaced()
	return nil
}

// refused is the error of a request that was judged, or that nobody could judge.
func (i *identity) refused(p *problem.Problem) *Error {
	return challenged(p, problem.Challenge{Realm: i.realm, ResourceMetadata: i.agent().ResourceMetadata()})
}

// usable refuses an identity that was not made by its constructor, or was closed.
func (i *identity) usable(maker string) *Error {
	switch {
	case i == nil || i.agent() == nil:
		return refused(problem.New(problem.InvalidConfig, "this value was not made by "+maker), limits.DefaultRealm)
	case i.closed.Load():
		return refused(problem.New(problem.UnknownEngine, "it was closed"), i.realm)
	}
	return nil
}

// refresh takes over what other processes changed, at most once a second.
func (i *identity) refresh(ctx context.Context) {
	if i.ring != nil {
		i.ring.refresh(ctx, i.feedRing)
	}
	if i.clients != nil {
		i.clients.refresh(ctx, i.feedClients)
	}
}

// operation is one operation of an identity, for one goroutine.
type operation struct {
	*identity
	ctx   context.Context
	body  func(limit int) need.ReceivedBody
	cause error // the program's own reason for a problem, where it has one
}

// run does what the core asks for until the operation ends. The error is the program's own
// reason, where it has one.
func (i *identity) run(
	ctx context.Context, step need.Step, body func(limit int) need.ReceivedBody,
) (any, *problem.Problem, error) {
	o := &operation{identity: i, ctx: ctx, body: body}
	for step.Need != nil {
		step = o.answered(step)
	}
	return step.Result, step.Problem, o.cause
}

// answered goes on with what the core asked for.
func (o *operation) answered(step need.Step) need.Step {
	var answer need.Answer
	switch n := step.Need; n.Kind {
	case need.Fetch:
		return o.fetched(step)
	case need.Derive:
		return o.derived(step)
	case need.Claim:
		answer = o.claims.answer(o.ctx, n)
		if n.Claimed != nil && answer.Claim == pipeline.Claimed {
			return need.Done(n.Claimed)
		}
		if n.Claimed != nil {
			return pipeline.NotClaimed(n.Issuer, n.JTI, answer)
		}
	case need.Put, need.Get, need.Take:
		answer = o.claims.value(o.ctx, n)
	case need.Body:
		answer.Body = o.body(n.MaxBytes)
	case need.Sign:
		answer, o.cause = o.kms.signed(o.ctx, n.Input)
	default:
		return need.Refuse(cannotAnswer(n))
	}
	answer.Now = secondsOf(time.Now())
	return step.Resume(answer)
}

// fetched waits for a fetch. Where the operation ends before it, its answer is not lost: what the
// core begins to fetch it keeps for others.
func (o *operation) fetched(step need.Step) need.Step {
	if o.waiting.Add(1) > maxWaiting {
		o.waiting.Add(-1)
		return overloaded("%d operations wait for the answers of others", maxWaiting)
	}
	asked := step.Need.Request
	flight := o.fetcher.begin(asked)
	landed := func() need.Step {
		defer o.waiting.Add(-1)
		answer := flight.answer
		answer.Now = secondsOf(time.Now())
		return step.Resume(answer)
	}
	select {
	case <-flight.landed:
		return landed()
	case <-o.ctx.Done():
	}
	go func() {
		<-flight.landed
		landed()
	}()
	code := problem.KeysUnavailable
	if asked.Method == http.MethodPost {
		code = problem.TokenUnavailable
	}
	o.cause = o.ctx.Err()
	reason := "the operation ended while %s was fetched: %s"
	return need.Refuse(problem.New(code, "").WithLog(reason, problem.Quote(asked.URL), o.cause))
}

func overloaded(reason string, args ...any) need.Step {
	return need.Refuse(problem.New(problem.Overloaded, "").WithLog(reason, args...))
}

func (o *operation) derived(step need.Step) need.Step {
	defer o.deriving.Add(-1)
	if o.deriving.Add(1) > maxDerivations {
		return overloaded("%d derivations of clients' secrets are under way", maxDerivations)
	}
	d := step.Need.Derivation
	key, err := pbkdf2.Key(sha256.New, d.Secret, d.Salt, d.Iterations, d.Length)
	answer := need.Answer{Now: secondsOf(time.Now()), Content: key}
	if err != nil {
		answer.HasFailed, answer.Failed = true, err.Error()
	}
	return step.Resume(answer)
}

// RotateOptions say how keys are rotated.
type RotateOptions struct {
	// Force rotates although the next key may not be known everywhere yet. Receivers look for an
	// unknown key at most once in 60 s: after two forced rotations within a minute they may refuse
	// tokens for the rest of it.
	Force bool
	// Revoke, after a theft, drops every key at once, the next one too. Receivers refuse their
	// tokens as soon as they fetch the key set anew: after 300 s at the latest.
	Revoke bool
}

func (i *identity) rotate(ctx context.Context, o RotateOptions) (Rotation, error) {
	switch {
	case i.kms != nil:
		return Rotation{}, wrongArgument("the key of a crypto.Signer is rotated where it is held: make a new skill with it")
	case i.ring == nil:
		return Rotation{}, wrongArgument("this agent signs nothing itself: its authority rotates its keys")
	}
	return i.ring.rotate(ctx, i.feedRing, o)
}

// misused is the error of an operation that judged no request.
func misused(p *problem.Problem, cause error) *Error {
	e := misuse(p)
	e.cause = cause
	return e
}

func (i *identity) close() {
	if i != nil && !i.closed.Swap(true) {
		i.fetcher.close()
	}
}
