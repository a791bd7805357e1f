// Package request is the profile of signed requests: one token, one request
// (rotagent; protocol.md section 1). Verification is one pipeline in one order
// (section 3); a host's answers are asked for on the way.
package request

import (
	"math"
	"strings"
	"sync/atomic"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/replay"
)

// Policy is what an agent decides once. Times are in seconds, sizes in bytes.
type Policy struct {
	BaseURL       string
	RequireTarget bool
	Forgiven      pipeline.Tolerance
	MaxLifetime   float64
	MaxBody       int
	Development   bool
	Reload        bool    // the host answers the need keys
	ReloadSeconds float64 // and is asked when the keys are this old
	HostReplay    bool    // the need claim, else the window
	Capacity      int     // of the window
	ReplayFloor   int64   // tokens that expire then or before may have been used in a window that was lost
	ReplayLostAt  int64   // when the host's store last lost what it held; 0: never
	RSA           pipeline.RSA
	Algorithms    pipeline.Allowed
	Realm         string // of the challenge
}

// Verifier holds a policy, the keys of callers and the replay window. Safe for
// concurrent use.
type Verifier struct {
	policy Policy
	place  pipeline.Place
	guard  *pipeline.ReplayGuard

	// The set and its age are stored apart: an "unchanged" that comes late must
	// not bring back a set that was replaced meanwhile.
	keys     atomic.Pointer[authorizedkeys.Set]
	loadedAt atomic.Uint64 // bits of the float64: when the host last said that this is the present content
}

// NewVerifier checks the policy's base URL; all numbers have been checked.
func NewVerifier(policy Policy, keys *authorizedkeys.Set) (*Verifier, *problem.Problem) {
	place, err := pipeline.NewPlace(policy.BaseURL)
	if err != nil {
		return nil, problem.New(problem.InvalidConfig, "base_url: "+err.Error())
	}
	v := &Verifier{policy: policy, place: place}
	v.guard = pipeline.NewReplayGuard(pipeline.ReplayConfig{Host: policy.HostReplay || policy.Development, Capacity: policy.Capacity,
		Floor: policy.ReplayFloor, LostAt: policy.ReplayLostAt, Forgiven: policy.Forgiven})
	v.keys.Store(keys)
	v.loadedAt.Store(math.Float64bits(math.Inf(-1)))
	return v, nil
}

// Feed replaces all keys. It is not an answer to the need keys, so it does not
// put the next one off.
func (v *Verifier) Feed(keys *authorizedkeys.Set) { v.keys.Store(keys) }

// ReplayLost notes that the host's replay store lost what it held, in seconds since 1970.
func (v *Verifier) ReplayLost(at int64) { v.guard.Lost(at) }

// Keys returns the present keys.
func (v *Verifier) Keys() *authorizedkeys.Set { return v.keys.Load() }

// Window returns the replay window, nil where the host or nobody remembers.
func (v *Verifier) Window() *replay.Window { return v.guard.Window() }

// Input is one request as the host received it.
type Input struct {
	Now           float64
	Authorization []string // one entry for each header of that name
	Received      pipeline.Received
	Body          need.ReceivedBody // its bytes are not read after the first suspension
	BodyPending   bool              // the body is unread: asked for where all else is good
}

// Accepted is a verified request.
type Accepted struct {
	KeyID       string
	Development bool
	Claims      string // JSON text; iss, jti, iat and exp have been checked

	Issuer, JTI string  // JTI is "" where a development token has none
	IssuedAt    float64 // NaN where the token has none; seconds since 1970, as all times
	ExpiresAt   float64
}

// Verification is one request on its way through the pipeline.
// It is one piece of memory, with what it asks and answers, for a host to use again
// once it has the end: memory of its own for each costs more than a step of the
// pipeline, and more again when it is collected.
type Verification struct {
	In Input

	v        *Verifier
	opened   jose.Opened
	token    *jose.Token
	claims   requestClaims
	search   pipeline.KeySearch
	accepted Accepted
	decoded  []byte // holds what the token says

	// Made once for the Verification's life.
	found func(keyID string) need.Step
	done  func() need.Step
}

// decodedRoom fits the tokens of this package's signer, in bytes.
const decodedRoom = 1024

// NewVerification returns one to be used again and again.
func NewVerification() *Verification {
	r := &Verification{decoded: make([]byte, decodedRoom)}
	r.found, r.done = r.checkClaims, r.accept
	return r
}

// Reset forgets a request. Nothing of it is used afterwards: neither its result nor
// a text of its token.
func (r *Verification) Reset() {
	*r = Verification{decoded: r.decoded, found: r.found, done: r.done}
}

// Verify runs the pipeline over r.In until it ends or needs the host.
func (v *Verifier) Verify(r *Verification) need.Step {
	raw, p := pipeline.BearerToken(r.In.Authorization)
	if p != nil {
		return need.Refuse(p)
	}
	if p = r.opened.Read(raw, r.decoded); p != nil {
		return need.Refuse(pipeline.BearerRefusal(raw, p))
	}
	if r.token, p = r.opened.Token(r.claims.read(r.opened.Payload)); p != nil {
		return need.Refuse(p)
	}
	if p = v.policy.Algorithms.Check(r.token); p != nil { //guard:request-algorithms never
		return need.Refuse(p)
	}
	if p := r.claims.checkIssuer(); p != nil {
		return need.Refuse(p)
	}
	r.v = v
	if !v.keysAreStale(r.In.Now) {
		return r.findKeys()
	}
	r.In.Body.LetGo(v.policy.MaxBody)
	return need.Ask(&need.Need{Kind: need.Keys, Issuer: r.claims.issuerText}, r.keysAnswered)
}

// keysAreStale: what was removed from the folder must stop working, what was
// added must start, so keys of a certain age are not decided upon. Asking is
// bounded to once in ReloadSeconds; a clock that stepped back asks too.
func (v *Verifier) keysAreStale(now float64) bool {
	if !v.policy.Reload {
		return false
	}
	loadedAt := math.Float64frombits(v.loadedAt.Load())
	return now < loadedAt || now-loadedAt >= v.policy.ReloadSeconds
}

func (r *Verification) keysAnswered(a need.Answer) need.Step {
	switch {
	case a.HasFailed: //guard:request-keys-failed never
		return need.Refuse(problem.New(problem.KeysUnavailable, "").WithLog("the keys could not be read: %s", problem.Quote(a.Failed)))
	case (a.Keys != nil) == a.Unchanged: //guard:request-keys-answer never
		return need.WrongAnswer(need.Keys)
	case a.Keys != nil:
		r.v.keys.Store(a.Keys)
	}
	r.v.loadedAt.Store(math.Float64bits(a.Now))
	r.In.Now = a.Now
	return r.findKeys()
}

// findKeys is steps 4 and 5.
func (r *Verification) findKeys() need.Step {
	keys, p := r.v.candidates(r.claims.issuerText, r.token)
	if p != nil {
		return need.Refuse(p)
	}
	if r.v.policy.RSA.Host {
		r.In.Body.LetGo(r.v.policy.MaxBody)
	}
	r.search = pipeline.KeySearch{
		Token: r.token, Issuer: r.claims.issuerText, RSA: r.v.policy.RSA, Now: &r.In.Now, Found: r.found,
	}
	return r.search.Among(keys)
}

// candidates are the keys that a token of an issuer with this kid may be signed by.
func (v *Verifier) candidates(issuerText string, token *jose.Token) ([]*jose.PublicKey, *problem.Problem) {
	set := v.Keys()
	issuer, known := set.Issuer(issuerText)
	if !known {
		if why, unread := set.Unread(issuerText); unread { //guard:issuer-unread never
			return nil, problem.New(problem.KeysUnavailable, "").WithLog("the file of issuer %s could not be read: %s", problem.Quote(issuerText), problem.Quote(why))
		}
		p := problem.New(problem.UnknownIssuer, "").WithLog("no usable key of issuer %s", problem.Quote(issuerText))
		p.Subject = strings.Clone(issuerText) // it lies in memory that the next request uses
		return nil, p
	}
	keys := issuer.Candidates(token.KeyID, token.Algorithm)
	if len(keys) == 0 {
		return nil, problem.New(problem.UnknownKey, "").WithLog("issuer %s has no key with kid %s", problem.Quote(issuerText), problem.Quote(token.KeyID))
	}
	return keys, nil
}

// checkClaims is steps 7 to 11; the signature is by the key of this id.
func (r *Verification) checkClaims(keyID string) need.Step {
	r.accepted.KeyID = keyID
	v, c := r.v, &r.claims
	if p := c.times.Check(r.In.Now, v.policy.Forgiven); p != nil {
		return need.Refuse(p)
	}
	if p := v.checkRequired(c, r.In.Now); p != nil {
		return need.Refuse(p)
	}
	if p := c.checkAudience(); p != nil {
		return need.Refuse(p)
	}
	if p := v.place.CheckTarget(&c.bound, &r.In.Received); p != nil {
		return need.Refuse(p)
	}
	if r.In.BodyPending { //guard:request-body-pending never
		return need.Ask(&need.Need{Kind: need.Body, MaxBytes: v.policy.MaxBody}, r.bodyAnswered)
	}
	return r.checkBody()
}

func (r *Verification) bodyAnswered(a need.Answer) need.Step {
	r.In.Now, r.In.Body = a.Now, a.Body
	// The body may have come for longer than the token lives.
	if p := r.claims.times.Check(r.In.Now, r.v.policy.Forgiven); p != nil { //guard:request-body-late never
		return need.Refuse(p)
	}
	return r.checkBody()
}

// checkBody is step 11. In development any body will do that is within the limit.
func (r *Verification) checkBody() need.Step {
	p := r.claims.bound.CheckBody(&r.In.Body, r.v.policy.MaxBody)
	if p != nil && !(r.v.policy.Development && (p.Code == problem.BodyTampered || p.Code == problem.BodyUnavailable)) { //guard:request-body never
		return need.Refuse(p)
	}
	return r.claimOnce()
}

// claimOnce is step 14, the last: a request refused for another reason never
// burns its jti.
func (r *Verification) claimOnce() need.Step {
	if r.v.policy.Development {
		return r.accept()
	}
	return r.v.guard.ClaimLast(r.In.Now, pipeline.Use{
		Issuer: r.claims.issuerText, JTI: r.claims.jti.Text, Times: &r.claims.times, MaxLife: r.v.policy.MaxLifetime,
	}, r.done)
}

func (r *Verification) accept() need.Step {
	r.accepted.Development, r.accepted.Claims = r.v.policy.Development, r.token.Payload
	r.accepted.Issuer, r.accepted.JTI = r.claims.issuerText, r.claims.jti.Text
	r.accepted.ExpiresAt, r.accepted.IssuedAt = r.claims.times.Expires.Seconds, math.NaN()
	if r.claims.times.IssuedAt.There() {
		r.accepted.IssuedAt = r.claims.times.IssuedAt.Seconds
	}
	return need.Done(&r.accepted)
}
