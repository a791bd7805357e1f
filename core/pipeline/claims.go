package pipeline

import (
	"math"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// Bounds of identifiers, in bytes.
const (
	MaxIssuer  = 512
	MaxSubject = 512
	MaxJTI     = 256
)

// Claim is the part of a JSON value that is looked at. The zero Claim is missing.
type Claim struct {
	Text    string // of a string
	Raw     string // "" where there is no such claim
	Seconds float64
	kind    kind
}

type kind byte

const (
	absent kind = iota
	other
	text
	finite
)

// There reports whether the token has the claim, of whatever type.
func (c Claim) There() bool { return c.kind != absent }

// IsText reports whether the claim is a string.
func (c Claim) IsText() bool { return c.kind == text }

// IsTime reports whether the claim is a number that can be computed with:
// Seconds is set then only.
func (c Claim) IsTime() bool { return c.kind == finite }

// IsIdentifier reports whether the claim can name something of max bytes.
func (c Claim) IsIdentifier(max int) bool {
	return c.IsText() && jose.ValidIdentifier(c.Text, max)
}

// Read takes a claim from a payload's member.
func (c *Claim) Read(m *strictjson.Member) {
	c.Raw = m.Raw
	if m.Kind == strictjson.String {
		c.Text, c.kind = m.Text, text
		return
	}
	c.kind = other
	if seconds, ok := m.Seconds(); ok {
		c.Seconds, c.kind = seconds, finite
	}
}

// InvalidClaim is the problem of a claim that is missing or has a wrong type.
func InvalidClaim(message string) *problem.Problem {
	return problem.New(problem.InvalidClaims, message)
}

// CheckIssuer refuses an iss that names nobody.
func CheckIssuer(issuer Claim) *problem.Problem {
	if !issuer.IsIdentifier(MaxIssuer) { //guard:issuer-text never
		return InvalidClaim("iss must be a string of 1 to 512 bytes without control characters")
	}
	return nil
}

// CheckIdentifiers refuses a jti or a sub that is there and names nothing.
func CheckIdentifiers(jti, subject Claim) *problem.Problem {
	if jti.There() && !jti.IsIdentifier(MaxJTI) { //guard:jti-text never
		return InvalidClaim("jti must be a string of 1 to 256 bytes without control characters")
	}
	if subject.There() && !subject.IsIdentifier(MaxSubject) { //guard:sub-text never
		return InvalidClaim("sub must be a string of 1 to 512 bytes without control characters")
	}
	return nil
}

// Times are the three of RFC 7519 sections 4.1.4 to 4.1.6.
type Times struct{ Expires, NotBefore, IssuedAt Claim }

// Tolerance is what is forgiven, in seconds. The two are apart because clocks that run
// ahead are common and cost nothing to forgive, while each second after exp is one more
// in which a stolen token works.
type Tolerance struct {
	Leeway    float64 // after exp
	ClockSkew float64 // before nbf and iat: the clock of whoever signed runs ahead
}

// Check is step 7 of the pipeline: exp, nbf, iat in this order, now in seconds. exp is
// exclusive: at exp and the leeway the token is dead.
func (t *Times) Check(now float64, forgiven Tolerance) *problem.Problem {
	if t.Expires.There() {
		if !t.Expires.IsTime() { //guard:exp-number never
			return InvalidClaim("exp must be a finite number of seconds")
		}
		if now >= t.Expires.Seconds+forgiven.Leeway { //guard:exp-passed never; exp-exclusive bound; exp-leeway term
			return problem.New(problem.TokenExpired, "").WithLog("the token expired at %.3f, it is %.3f (leeway %g s)", t.Expires.Seconds, now, forgiven.Leeway)
		}
	}
	for _, start := range [...]struct {
		name  string
		value *Claim
	}{{"nbf", &t.NotBefore}, {"iat", &t.IssuedAt}} {
		if start.value.There() && !start.value.IsTime() { //guard:nbf-iat-number never
			return InvalidClaim(start.name + " must be a finite number of seconds")
		}
		if start.value.There() && start.value.Seconds > now+forgiven.ClockSkew { //guard:nbf-iat-future never
			return problem.New(problem.TokenNotYetValid, "").WithLog("the token starts at %.3f (%s), it is %.3f (clock_skew %g s)", start.value.Seconds, start.name, now, forgiven.ClockSkew)
		}
	}
	return nil
}

// CheckLifetime demands exp and caps what a stolen or careless token can be
// worth, in seconds. Without iat the time from now on counts.
func (t *Times) CheckLifetime(now, max float64) *problem.Problem {
	if !t.Expires.There() { //guard:exp-missing never
		return InvalidClaim("exp is missing")
	}
	from := now
	if t.IssuedAt.There() {
		from = t.IssuedAt.Seconds
	}
	if lifetime := t.Expires.Seconds - from; lifetime > max { //guard:lifetime never
		return InvalidClaim("the token's lifetime is over the limit of this agent").WithLog(
			"the token lives %.0f s, max_lifetime is %.0f s", lifetime, max)
	}
	return nil
}

// DeadAt is the whole second until which a token may be accepted, leeway included. A
// clock skew makes it work earlier, not longer.
func (t *Times) DeadAt(leeway float64) int64 {
	return int64(math.Ceil(t.Expires.Seconds + leeway))
}
