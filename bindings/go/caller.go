package tallystick

import (
	"context"
	"encoding/json"
	"math"
	"time"

	"github.com/tallystick/tallystick/core/request"
)

// Caller is the verified sender of a request. It never changes.
type Caller struct {
	// Issuer is whose key signed the token.
	Issuer string
	// JTI is the token's id; "" for a development token without one.
	JTI string
	// IssuedAt is zero where the token does not say it.
	IssuedAt, ExpiresAt time.Time
	// KeyID is the RFC 7638 thumbprint of the key.
	KeyID string
	// Development is true when replay and body were not checked.
	Development bool

	claims string
}

// Claims returns all verified claims, as encoding/json reads them: numbers are float64. Each
// call returns a map of its own.
func (c *Caller) Claims() map[string]any {
	claims := map[string]any{}
	// It has passed a stricter reader than this one.
	if err := c.UnmarshalClaims(&claims); err != nil {
		return nil
	}
	return claims
}

// UnmarshalClaims reads the verified claims into a value, as [json.Unmarshal] does.
func (c *Caller) UnmarshalClaims(into any) error { return json.Unmarshal([]byte(c.ClaimsText()), into) }

// ClaimsText returns the verified claims as the JSON text that was signed.
func (c *Caller) ClaimsText() string {
	if c == nil {
		return "{}"
	}
	return c.claims
}

// CallerFrom returns who sent the request of a handler that [Verifier.Protect] wraps, and
// whether there is one.
func CallerFrom(ctx context.Context) (*Caller, bool) {
	caller, ok := ctx.Value(callerKey{}).(*Caller)
	return caller, ok
}

type callerKey struct{}

// callerOf copies what lies in memory that the next request uses again.
func callerOf(a *request.Accepted) *Caller {
	// One allocation for all texts: they lie side by side.
	texts := a.Issuer + a.JTI + a.KeyID + a.Claims
	cut := func(n int) (text string) {
		text, texts = texts[:n], texts[n:]
		return text
	}
	c := &Caller{
		Issuer: cut(len(a.Issuer)), JTI: cut(len(a.JTI)), KeyID: cut(len(a.KeyID)),
		ExpiresAt: timeOf(a.ExpiresAt), Development: a.Development,
	}
	c.claims = texts
	if !math.IsNaN(a.IssuedAt) {
		c.IssuedAt = timeOf(a.IssuedAt)
	}
	return c
}

// timeOf keeps the microseconds that a float64 of a token's time has.
func timeOf(seconds float64) time.Time {
	whole := math.Floor(seconds)
	return time.Unix(int64(whole), int64(math.Round((seconds-whole)*1e6))*1e3)
}

// secondsOf is a time as the core takes it.
func secondsOf(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
