package access

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/trust"
)

// Verdict is how a verification of the token ended.
type Verdict struct {
	Problem *problem.Problem // nil: it was accepted
}

// Explain says of each step whether it refuses a bare token: for who wants to know all that is
// wrong with one. What the token's keys say is in the verdict of a verification by an agent of
// the same configuration; the first problem here is that verdict's. Without a verdict nobody
// decides on the issuer, the audience and the signature: its claims are read as an agent reads
// them whose trusted_issuers have the issuer. Nothing is claimed, and the host is not asked.
func (a *Agent) Explain(token string, now float64, verdict *Verdict) []pipeline.Finding {
	e := &explanation{
		r:       &verification{a: a, in: Input{Now: now, Token: &token}, claims: &tokenClaims{}},
		verdict: verdict,
	}
	e.form(token)
	e.issuer()
	e.keys()
	e.settled()
	e.bound()
	e.Check("12", "scopes", pipeline.MissingScopes, nil)
	e.Check("13", "trust rules", pipeline.MissingRules, nil)
	if e.r.claims.bound.There() {
		e.Check("14", "replay", pipeline.MissingStore, nil)
	}
	return e.Found
}

type explanation struct {
	pipeline.Explanation
	r       *verification
	verdict *Verdict
}

// unless is what a step misses that needs a verdict.
func (e *explanation) unless(missing string) string {
	if e.verdict != nil {
		return ""
	}
	return missing
}

// form is steps 2 and 3.
func (e *explanation) form(token string) {
	opened, p := jose.Open(token)
	if p != nil {
		e.Add("2", "form", "", p)
		e.Add("3", "header", pipeline.MissingHeader, nil)
		return
	}
	c := e.r.claims
	if unread := c.read(opened.Payload); unread != nil {
		_, p = opened.Token(unread)
		*c = tokenClaims{}
		e.Add("2", "form", "", p)
		e.Add("3", "header", pipeline.MissingClaims, nil)
		return
	}
	e.Read = true
	e.Add("2", "form", "", nil)
	entry := e.r.a.config.Issuers.Entry(c.issuer.Text)
	opened.TakesAccessToken = entry != nil || e.verdict == nil
	if e.r.token, p = opened.Token(nil); p == nil {
		p = e.r.a.config.Algorithms.Check(e.r.token)
	} else {
		// Scopes are read of the payload.
		e.r.token = &jose.Token{Payload: opened.Payload}
	}
	e.Add("3", "header", "", p)
}

// issuer is step 4.
func (e *explanation) issuer() {
	if p := pipeline.CheckIssuer(e.r.claims.issuer); e.Read && p != nil {
		e.Add("4", "issuer", "", p)
		return
	}
	e.Check("4", "issuer", e.unless(pipeline.MissingIssuer), e.r.checkIssuer)
	if e.Read && e.verdict == nil {
		// The kind of the issuer is not known, so that its subjects may be anybody.
		e.r.caller = trust.Caller{Entry: e.r.a.config.Issuers.Entry(e.r.claims.issuer.Text)}
	}
}

// keys is steps 5 and 6: what a verification that came to them said.
func (e *explanation) keys() {
	missing := e.unless(pipeline.MissingKeys)
	if missing == "" && e.Refuses() {
		missing = pipeline.MissingEarlier
	}
	var key, signature *problem.Problem
	if e.verdict != nil && e.verdict.Problem != nil {
		switch p := e.verdict.Problem; p.Code {
		case problem.UnknownKey, problem.KeysUnavailable, problem.UnsupportedAlgorithm:
			key = p
		case problem.InvalidSignature, problem.CheckFailed:
			signature = p
		}
	}
	e.Check("5", "key", missing, func() *problem.Problem { return key })
	if missing == "" && key != nil {
		missing = pipeline.MissingEarlier
	}
	e.Check("6", "signature", missing, func() *problem.Problem { return signature })
}

// settled is steps 7 to 9.
func (e *explanation) settled() {
	r := e.r
	e.Check("7", "times", "", func() *problem.Problem { return r.claims.times.Check(r.in.Now, r.a.config.Forgiven) })
	e.Check("8", "claims", "", r.checkRequired)
	e.Check("9", "audience", e.unless(pipeline.MissingAudience), func() *problem.Problem { return r.a.checkAudience(r) })
}

// bound is steps 10 and 11, which tokens for one request have.
func (e *explanation) bound() {
	c := e.r.claims
	if !c.bound.There() {
		return
	}
	missing, incomplete := e.unless(pipeline.MissingTarget), c.checkBinding()
	if incomplete != nil {
		missing = ""
	}
	e.Check("10", "target", missing, func() *problem.Problem {
		if incomplete != nil {
			return incomplete
		}
		return boundToOne()
	})
	e.Check("11", "body", pipeline.MissingBody, nil)
}
