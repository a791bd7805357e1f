package request

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// Given says which parts of a verification are there to be compared with.
type Given struct {
	Keys   bool // the verifier has the keys of callers
	Target bool // the input has method, path and query
	Body   bool // the input has the body
}

// Explain says of each step whether it refuses a token: for who wants to know all that is wrong
// with one, and what is wrong with its claims where nobody has its key. Verify decides; the first
// problem here is the one that it ends with, where all was given. Nothing is claimed, and neither
// the host is asked nor the input's Authorization read beyond its first token.
func (v *Verifier) Explain(in Input, given Given) []pipeline.Finding {
	r := NewVerification()
	r.v, r.In = v, in
	e := &explanation{v: v, r: r, given: given}
	e.form()
	e.keys()
	e.claims()
	e.request()
	e.Add("14", "replay", pipeline.MissingStore, nil)
	return e.Found
}

type explanation struct {
	v     *Verifier
	r     *Verification
	given Given
	pipeline.Explanation
}

// form is steps 1 to 3.
func (e *explanation) form() {
	raw, p := pipeline.BearerToken(e.r.In.Authorization)
	if p == nil {
		if p = e.r.opened.Read(raw, e.r.decoded); p != nil {
			p = pipeline.BearerRefusal(raw, p)
		}
	}
	if p != nil {
		e.Add("1-2", "form", "", p)
		e.Add("3", "header", pipeline.MissingHeader, nil)
		return
	}
	unread := e.r.claims.read(e.r.opened.Payload)
	if unread != nil {
		_, p = e.r.opened.Token(unread)
		e.Add("1-2", "form", "", p)
		e.Add("3", "header", pipeline.MissingClaims, nil)
		return
	}
	e.Read = true
	e.Add("1-2", "form", "", nil)
	if e.r.token, p = e.r.opened.Token(nil); p == nil {
		p = e.v.policy.Algorithms.Check(e.r.token)
	}
	e.Add("3", "header", "", p)
}

// keys is steps 4 to 6.
func (e *explanation) keys() {
	missing := ""
	if !e.given.Keys {
		missing = pipeline.MissingKeys
	}
	if e.Read {
		if p := e.r.claims.checkIssuer(); p != nil {
			e.Add("4-5", "issuer and key", "", p)
			e.Add("6", "signature", pipeline.MissingEarlier, nil)
			return
		}
		if e.r.token == nil && missing == "" {
			missing = pipeline.MissingHeader
		}
	}
	var candidates []*jose.PublicKey
	e.Check("4-5", "issuer and key", missing, func() (p *problem.Problem) {
		candidates, p = e.v.candidates(e.r.claims.issuerText, e.r.token)
		return p
	})
	if missing == "" && candidates == nil {
		missing = pipeline.MissingEarlier
	}
	e.Check("6", "signature", missing, func() *problem.Problem { return e.signature(candidates) })
}

func (e *explanation) signature(candidates []*jose.PublicKey) *problem.Problem {
	search := pipeline.KeySearch{
		Token: e.r.token, Issuer: e.r.claims.issuerText, Now: &e.r.In.Now,
		Found: func(string) need.Step { return need.Done(nil) },
	}
	return search.Among(candidates).Problem
}

// claims is steps 7 to 9.
func (e *explanation) claims() {
	now := e.r.In.Now
	c := &e.r.claims
	e.Check("7", "times", "", func() *problem.Problem { return c.times.Check(now, e.v.policy.Forgiven) })
	e.Check("8", "claims", "", func() *problem.Problem { return e.v.checkRequired(c, now) })
	e.Check("9", "audience", "", c.checkAudience)
}

// request is steps 10 and 11.
func (e *explanation) request() {
	target, body := "", ""
	if !e.given.Target {
		target = pipeline.MissingTarget
	}
	if !e.given.Body {
		body = pipeline.MissingBody
	}
	bound := &e.r.claims.bound
	e.Check("10", "target", target, func() *problem.Problem { return e.v.place.CheckTarget(bound, &e.r.In.Received) })
	e.Check("11", "body", body, func() *problem.Problem { return bound.CheckBody(&e.r.In.Body, e.v.policy.MaxBody) })
}
