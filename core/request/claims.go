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
	issuer, subject, jti, audience    claim
	expires, notBefore, issuedAt      claim
	contentSHA256, method, url, query claim
	issuerText                        string
}

// claim is the part of a JSON value that is looked at.
type claim struct {
	text    string // of a string
	raw     string // "" where there is no such claim
	seconds float64
	kind    kind
}

type kind byte

const (
	missing kind = iota
	other
	text
	finite
)

func (c claim) there() bool  { return c.kind != missing }
func (c claim) isText() bool { return c.kind == text }

// seconds are set only for a time that can be computed with.
func (c claim) isTime() bool { return c.kind == finite }

func newClaim(v strictjson.Value) claim {
	if strictjson.IsString(v) {
		return claim{text: v.Str, raw: v.Raw, kind: text}
	}
	if seconds, ok := strictjson.Seconds(v); ok {
		return claim{raw: v.Raw, seconds: seconds, kind: finite}
	}
	return claim{raw: v.Raw, kind: other}
}

func (c *claims) member(name string, v strictjson.Value) {
	var into *claim
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
		into = &c.expires
	case "nbf":
		into = &c.notBefore
	case "iat":
		into = &c.issuedAt
	case "content_sha256":
		into = &c.contentSHA256
	case "htm":
		into = &c.method
	case "htu":
		into = &c.url
	case "query_sha256":
		into = &c.query
	default:
		return
	}
	*into = newClaim(v)
}

func invalid(message string) *problem.Problem { return problem.New(problem.InvalidClaims, message) }

func (c *claims) checkIssuer() *problem.Problem {
	if !c.issuer.isText() || !jose.ValidIdentifier(c.issuer.text, authorized.MaxIssuer) {
		return invalid("iss must be a string of 1 to 512 bytes without control characters")
	}
	c.issuerText = c.issuer.text
	return nil
}

// checkTimes is step 7: exp, nbf, iat in this order (RFC 7519 sections 4.1.4 to
// 4.1.6). exp is exclusive: at exp the token is dead.
func (c *claims) checkTimes(now, leeway float64) *problem.Problem {
	if c.expires.there() {
		if !c.expires.isTime() {
			return invalid("exp must be a finite number of seconds")
		}
		if now >= c.expires.seconds+leeway {
			return problem.New(problem.TokenExpired, "").WithLog("the token expired at %.3f, it is %.3f (leeway %g s)", c.expires.seconds, now, leeway)
		}
	}
	for _, start := range [...]struct {
		name  string
		value *claim
	}{{"nbf", &c.notBefore}, {"iat", &c.issuedAt}} {
		if start.value.there() && !start.value.isTime() {
			return invalid(start.name + " must be a finite number of seconds")
		}
		if start.value.there() && start.value.seconds > now+leeway {
			return problem.New(problem.TokenNotYetValid, "").WithLog("the token starts at %.3f (%s), it is %.3f (leeway %g s)", start.value.seconds, start.name, now, leeway)
		}
	}
	return nil
}

// checkRequired is step 8 for this profile.
func (v *Verifier) checkRequired(c *claims, now float64) *problem.Problem {
	if !c.expires.there() {
		return invalid("exp is missing")
	}
	if p := v.checkLifetime(c, now); p != nil {
		return p
	}
	if c.jti.there() && (!c.jti.isText() || !jose.ValidIdentifier(c.jti.text, maxJTI)) {
		return invalid("jti must be a string of 1 to 256 bytes without control characters")
	}
	if c.subject.there() && (!c.subject.isText() || !jose.ValidIdentifier(c.subject.text, maxSubject)) {
		return invalid("sub must be a string of 1 to 512 bytes without control characters")
	}
	for _, row := range [...]struct {
		name     string
		value    *claim
		required bool
	}{
		{"jti", &c.jti, !v.policy.Development},
		{"content_sha256", &c.contentSHA256, !v.policy.Development},
		{"htm", &c.method, v.policy.RequireTarget},
		{"htu", &c.url, v.policy.RequireTarget},
		{"query_sha256", &c.query, false},
	} {
		if row.required && !row.value.there() {
			return invalid(row.name + " is missing")
		}
		if row.value.there() && !row.value.isText() {
			return invalid(row.name + " must be a string")
		}
	}
	return nil
}

// checkLifetime caps what a stolen or careless token can be worth. Without iat
// the time from now on counts.
func (v *Verifier) checkLifetime(c *claims, now float64) *problem.Problem {
	from := now
	if c.issuedAt.there() {
		from = c.issuedAt.seconds
	}
	if lifetime := c.expires.seconds - from; lifetime > v.policy.MaxLifetime {
		return invalid("the token's lifetime is over the limit of this agent").WithLog(
			"the token lives %.0f s, max_lifetime is %.0f s", lifetime, v.policy.MaxLifetime)
	}
	return nil
}

// deadAt is the whole second until which a token may be accepted, leeway included.
func (c *claims) deadAt(leeway float64) int64 {
	return int64(math.Ceil(c.expires.seconds + leeway))
}
