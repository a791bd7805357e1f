package tallystick

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/access"
)

// AuthContext is who calls, as a verified access token says (the AOAuth seed's AuthContext). Decide
// by Name, AgentURL and Issuer. It is yours alone, and never holds the token itself.
type AuthContext struct {
	// UserID is sub of a token of an issuer of users; "": there is none.
	UserID string
	// AgentID is sub of every other issuer's token; "": there is none.
	AgentID string
	// SourceAgent is webagents' name for AgentID.
	SourceAgent string
	// Authenticated is always true: there is no context for a refused token.
	Authenticated bool
	// Scopes are those that are granted; Namespaces is what follows "namespace:" in them.
	Scopes, Namespaces []string
	// Issuer is iss; IssuerType is "portal", "agent" or "user".
	Issuer, IssuerType string
	// AgentURL, Name and Namespace are the caller's URL, dotted name and namespace, derived from
	// what was verified (docs/explanation/protocol.md section 5).
	AgentURL, Name, Namespace string
	// TrustLabels are those that the issuer may give, such as "verified".
	TrustLabels []string
	// TokenID is jti; "" where the token has none.
	TokenID string
	// IssuedAt is zero where the token does not say it.
	IssuedAt, ExpiresAt time.Time
	// KeyID is the RFC 7638 thumbprint of the key that signed.
	KeyID string
	// ClientID is client_id; "" where the token has none.
	ClientID string
	// Bound is whether the token was made for this very request.
	Bound bool

	claims string
}

// HasScope reports whether exactly this scope was granted.
func (c *AuthContext) HasScope(scope string) bool {
	return c != nil && slices.Contains(c.Scopes, scope)
}

// HasNamespace reports whether the caller is in this namespace.
func (c *AuthContext) HasNamespace(namespace string) bool {
	return c != nil && slices.Contains(c.Namespaces, namespace)
}

// RawClaims returns all verified claims, as encoding/json reads them: numbers are float64. Each
// call returns a map of its own.
func (c *AuthContext) RawClaims() map[string]any {
	claims := map[string]any{}
	if c == nil || c.UnmarshalClaims(&claims) != nil {
		return nil
	}
	return claims
}

// UnmarshalClaims reads the verified claims into a value, as [json.Unmarshal] does.
func (c *AuthContext) UnmarshalClaims(into any) error {
	claims := "{}"
	if c != nil {
		claims = c.claims
	}
	return json.Unmarshal([]byte(claims), into)
}

// AuthFrom returns who sent the request of a handler that [Skill.Protect] wraps, and whether there
// is one.
func AuthFrom(ctx context.Context) (*AuthContext, bool) {
	auth, ok := ctx.Value(authKey{}).(*AuthContext)
	return auth, ok
}

type authKey struct{}

// authContextOf copies what many requests with one token have in common.
func authContextOf(c *access.Caller) *AuthContext {
	return &AuthContext{
		UserID: c.UserID, AgentID: c.AgentID, SourceAgent: c.SourceAgent, Authenticated: true,
		Scopes: slices.Clone(c.Scopes), Namespaces: slices.Clone(c.Namespaces),
		Issuer: c.Issuer, IssuerType: c.IssuerType,
		AgentURL: c.AgentURL, Name: c.Name, Namespace: c.Namespace, TrustLabels: slices.Clone(c.TrustLabels),
		TokenID: c.JTI, IssuedAt: timeOfNumber(c.IssuedAt), ExpiresAt: timeOfNumber(c.ExpiresAt),
		KeyID: c.KeyID, ClientID: c.ClientID, Bound: c.Bound, claims: strings.Clone(c.Claims),
	}
}

// timeOfNumber reads a JSON number that the core has checked; "" is no time.
func timeOfNumber(text string) time.Time {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return time.Time{}
	}
	return timeOf(seconds)
}
