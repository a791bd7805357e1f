package request

import (
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// requestClaims are those members of the payload that this profile reads, as they
// stand in the token: which of them is checked first is the pipeline's affair.
type requestClaims struct {
	issuer, subject, jti, audience pipeline.Claim
	times                          pipeline.Times
	bound                          pipeline.RequestClaims
	issuerText                     string
}

// read gathers the claims of a payload, which count only where the error is nil.
func (c *requestClaims) read(payload string) error {
	object := strictjson.Read(payload)
	for object.Next() {
		if into := c.claim(object.Name); into != nil {
			into.Read(&object.Member)
		}
	}
	return object.Err()
}

func (c *requestClaims) claim(name string) *pipeline.Claim {
	switch name {
	case "iss":
		return &c.issuer
	case "sub":
		return &c.subject
	case "jti":
		return &c.jti
	case "aud":
		return &c.audience
	case "exp":
		return &c.times.Expires
	case "nbf":
		return &c.times.NotBefore
	case "iat":
		return &c.times.IssuedAt
	}
	return c.bound.Member(name)
}

func (c *requestClaims) checkIssuer() *problem.Problem {
	c.issuerText = c.issuer.Text
	return pipeline.CheckIssuer(c.issuer)
}

// checkRequired is step 8 for this profile.
func (v *Verifier) checkRequired(c *requestClaims, now float64) *problem.Problem {
	if p := c.times.CheckLifetime(now, v.policy.MaxLifetime); p != nil {
		return p
	}
	if p := pipeline.CheckIdentifiers(c.jti, c.subject); p != nil {
		return p
	}
	if !v.policy.Development && !c.jti.There() { //guard:request-jti never
		return pipeline.InvalidClaim("jti is missing")
	}
	return c.bound.CheckTypes(!v.policy.Development, v.policy.RequireTarget) //guard:request-required-target never 2
}

// checkAudience is step 9.
func (c *requestClaims) checkAudience() *problem.Problem {
	// A request token names no audience: one that does was made for something
	// else. PyJWT, and so rotagent, refuses it too.
	if c.audience.There() { //guard:request-audience never
		return problem.New(problem.InvalidAudience, "").WithLog("a request token has no aud, this one has")
	}
	return nil
}
