package request

import (
	"github.com/tallystick/tallystick/core/binding"
	"github.com/tallystick/tallystick/core/claims"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// requestClaims are those members of the payload that this profile reads, as they
// stand in the token: which of them is checked first is the pipeline's affair.
type requestClaims struct {
	issuer, subject, jti, audience claims.Claim
	times                          claims.Times
	bound                          binding.Claims
	issuerText                     string
}

func (c *requestClaims) member(name string, v strictjson.Value) {
	var into *claims.Claim
	switch name {
	case "iss":
		into = &c.issuer
	case "sub":
		into = &c.subject
	case "jti":
		into = &c.jti
	case "aud":
		into = &c.audience
	case "exp":
		into = &c.times.Expires
	case "nbf":
		into = &c.times.NotBefore
	case "iat":
		into = &c.times.IssuedAt
	default:
		into = c.bound.Member(name)
	}
	if into != nil {
		*into = claims.New(v)
	}
}

func (c *requestClaims) checkIssuer() *problem.Problem {
	c.issuerText = c.issuer.Text
	return claims.CheckIssuer(c.issuer)
}

// checkRequired is step 8 for this profile.
func (v *Verifier) checkRequired(c *requestClaims, now float64) *problem.Problem {
	if p := c.times.CheckLifetime(now, v.policy.MaxLifetime); p != nil {
		return p
	}
	if p := claims.CheckIdentifiers(c.jti, c.subject); p != nil {
		return p
	}
	if !v.policy.Development && !c.jti.There() {
		return claims.Invalid("jti is missing")
	}
	return c.bound.CheckTypes(!v.policy.Development, v.policy.RequireTarget)
}
