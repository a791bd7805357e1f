package request

import (
	"math"

	"github.com/tallystick/tallystick/core/authorized"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// maxJTI bounds a jti and maxSubject a sub, in bytes.
const (
	maxJTI     = 256
	maxSubject = 512
)

// claims are those members of the payload that this profile reads, as they
// stand in the token: which of them is checked first is the pipeline's affair.
type claims struct {
	raw                               string
	issuer, subject, jti, audience    strictjson.Value
	expires, notBefore, issuedAt      strictjson.Value
	contentSHA256, method, url, query strictjson.Value
	issuerText                        string
	expiresSeconds, issuedAtSeconds   float64
}

func readClaims(payload string) *claims {
	c := &claims{raw: payload}
	strictjson.Members(payload, func(name string, v strictjson.Value) bool {
		switch name {
		case "iss":
			c.issuer = v
		case "sub":
			c.subject = v
		case "jti":
			c.jti = v
		case "aud":
			c.audience = v
		case "exp":
			c.expires = v
		case "nbf":
			c.notBefore = v
		case "iat":
			c.issuedAt = v
		case "content_sha256":
			c.contentSHA256 = v
		case "htm":
			c.method = v
		case "htu":
			c.url = v
		case "query_sha256":
			c.query = v
		}
		return true
	})
	return c
}

func invalid(message string) *problem.Problem { return problem.New(problem.InvalidClaims, message) }

func (c *claims) checkIssuer() *problem.Problem {
	if !strictjson.IsString(c.issuer) || !jose.ValidIdentifier(c.issuer.Str, authorized.MaxIssuer) {
		return invalid("iss must be a string of 1 to 512 bytes without control characters")
	}
	c.issuerText = c.issuer.Str
	return nil
}

// checkTimes is step 7: exp, nbf, iat in this order (RFC 7519 sections 4.1.4 to
// 4.1.6). exp is exclusive: at exp the token is dead.
func (c *claims) checkTimes(now, leeway float64) *problem.Problem {
	var ok bool
	if c.expires.Exists() {
		if c.expiresSeconds, ok = strictjson.Seconds(c.expires); !ok {
			return invalid("exp must be a finite number of seconds")
		}
		if now >= c.expiresSeconds+leeway {
			return problem.New(problem.TokenExpired, "").WithLog("the token expired at %.3f, it is %.3f (leeway %g s)", c.expiresSeconds, now, leeway)
		}
	}
	if c.notBefore.Exists() {
		notBefore, ok := strictjson.Seconds(c.notBefore)
		if !ok {
			return invalid("nbf must be a finite number of seconds")
		}
		if notBefore > now+leeway {
			return problem.New(problem.TokenNotYetValid, "").WithLog("the token is valid from %.3f (nbf), it is %.3f (leeway %g s)", notBefore, now, leeway)
		}
	}
	if c.issuedAt.Exists() {
		if c.issuedAtSeconds, ok = strictjson.Seconds(c.issuedAt); !ok {
			return invalid("iat must be a finite number of seconds")
		}
		if c.issuedAtSeconds > now+leeway {
			return problem.New(problem.TokenNotYetValid, "").WithLog("the token was issued at %.3f (iat), it is %.3f (leeway %g s)", c.issuedAtSeconds, now, leeway)
		}
	}
	return nil
}

// checkRequired is step 8 for this profile.
func (v *Verifier) checkRequired(c *claims, now float64) *problem.Problem {
	if !c.expires.Exists() {
		return invalid("exp is missing")
	}
	if p := v.checkLifetime(c, now); p != nil {
		return p
	}
	if c.jti.Exists() && (!strictjson.IsString(c.jti) || !jose.ValidIdentifier(c.jti.Str, maxJTI)) {
		return invalid("jti must be a string of 1 to 256 bytes without control characters")
	}
	if c.subject.Exists() && (!strictjson.IsString(c.subject) || !jose.ValidIdentifier(c.subject.Str, maxSubject)) {
		return invalid("sub must be a string of 1 to 512 bytes without control characters")
	}
	for _, claim := range []struct {
		name     string
		value    strictjson.Value
		required bool
	}{
		{"jti", c.jti, !v.policy.Development},
		{"content_sha256", c.contentSHA256, !v.policy.Development},
		{"htm", c.method, v.policy.RequireTarget},
		{"htu", c.url, v.policy.RequireTarget},
		{"query_sha256", c.query, false},
	} {
		if claim.required && !claim.value.Exists() {
			return invalid(claim.name + " is missing")
		}
		if claim.value.Exists() && !strictjson.IsString(claim.value) {
			return invalid(claim.name + " must be a string")
		}
	}
	return nil
}

// checkLifetime caps what a stolen or careless token can be worth. Without iat
// the time from now on counts.
func (v *Verifier) checkLifetime(c *claims, now float64) *problem.Problem {
	from := now
	if c.issuedAt.Exists() {
		from = c.issuedAtSeconds
	}
	if lifetime := c.expiresSeconds - from; lifetime > v.policy.MaxLifetime {
		return invalid("the token's lifetime is over the limit of this agent").WithLog(
			"the token lives %.0f s, max_lifetime is %.0f s", lifetime, v.policy.MaxLifetime)
	}
	return nil
}

// deadAt is the whole second until which a token may be accepted, leeway included.
func (c *claims) deadAt(leeway float64) int64 {
	return int64(math.Ceil(c.expiresSeconds + leeway))
}
