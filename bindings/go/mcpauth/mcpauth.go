// Package mcpauth protects servers of the Go MCP SDK (github.com/modelcontextprotocol/go-sdk) by
// the access tokens that a [tallystick.Skill] takes, as MCP's authorization says (2026-07-28; RFC
// 6750, RFC 9728). It is a package of its own so that other programs do not link the SDK.
//
//	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
//	mux.Handle("/mcp", mcpauth.Protect(skill, "read")(handler))
//	mux.Handle("/", skill.Endpoints())
//
// A client needs no package: its http.Client has [tallystick.Skill.Transport].
package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/problem"
)

// The members of [auth.TokenInfo]'s Extra.
const (
	// ClientID is the token's client_id, or its caller's URL where it has none: a string.
	ClientID = "client_id"
	// Subject is its sub, a string.
	Subject = "sub"
	// Issuer is its iss, a string.
	Issuer = "iss"
	// Resource is the URL of the server, whose token it is (RFC 8707): a string.
	Resource = "resource"
	// Context is all that is known of the caller: a [*tallystick.AuthContext].
	Context = "auth_context"
)

// forgiven is what the SDK forgives after a token's end: the skill has judged the times, by its
// Leeway, and forgives no more than this.
const forgiven = limits.MaxLeeway * time.Second

// Protect returns middleware for a handler of the SDK: it lets requests through whose access token
// has all scopes (patterns), and answers and logs the others as [tallystick.Skill.Protect] does,
// with the resource_metadata that MCP's clients look for. Tools find the [auth.TokenInfo] in their
// request's Extra, and a session stays with the caller who began it. Safe for concurrent use.
func Protect(skill *tallystick.Skill, scopes ...string) func(http.Handler) http.Handler {
	return ProtectWith(skill, tallystick.Requirements{Scopes: scopes})
}

// ProtectWith is Protect with more requirements; like [tallystick.Skill.ProtectWith] it also lets
// CORS preflights through.
func ProtectWith(skill *tallystick.Skill, required tallystick.Requirements) func(http.Handler) http.Handler {
	told := auth.RequireBearerToken(verified(skill), &auth.RequireBearerTokenOptions{ClockSkew: forgiven})
	return func(next http.Handler) http.Handler {
		if next == nil {
			return skill.ProtectWith(required)(nil) // which refuses everything, and says why
		}
		known := told(next)
		return skill.ProtectWith(required)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, verified := tallystick.AuthFrom(r.Context()); !verified {
				next.ServeHTTP(w, r) // what is left out
				return
			}
			known.ServeHTTP(w, r)
		}))
	}
}

// verified is a verifier of what was verified before.
func verified(skill *tallystick.Skill) auth.TokenVerifier {
	return func(ctx context.Context, _ string, _ *http.Request) (*auth.TokenInfo, error) {
		caller, _ := tallystick.AuthFrom(ctx)
		return infoOf(skill, caller), nil
	}
}

// Verifier returns a verifier for [auth.RequireBearerToken], for who composes the middleware by
// hand, with what [Options] returns. A token that is refused is an [auth.ErrInvalidToken] (401),
// and two of them in one request are an [auth.ErrOAuth] (400); the skill's log says why. Where
// nobody can judge it now, as when its issuer's keys cannot be fetched, the error is another one,
// which the SDK answers with 500. All wrap the [*tallystick.Error]. A token that is bound to one
// request is refused: [Protect] takes it. Safe for concurrent use.
func Verifier(skill *tallystick.Skill) auth.TokenVerifier {
	return func(ctx context.Context, token string, r *http.Request) (*auth.TokenInfo, error) {
		caller, err := judged(ctx, skill, token, r)
		if err == nil {
			return infoOf(skill, caller), nil
		}
		skill.LogRefusal(r, err)
		var e *tallystick.Error
		switch {
		case !errors.As(err, &e) || !problem.Lookup(e.Code).IsVerdict():
			return nil, err
		case e.Code == problem.AmbiguousAuthorization:
			return nil, fmt.Errorf("%w: %w", auth.ErrOAuth, err)
		}
		return nil, fmt.Errorf("%w: %w", auth.ErrInvalidToken, err)
	}
}

// judged shows the core all Authorization headers, of which the SDK hands over the first.
func judged(ctx context.Context, skill *tallystick.Skill, token string, r *http.Request) (*tallystick.AuthContext, error) {
	if r != nil && len(r.Header["Authorization"]) > 1 {
		return skill.Verify(ctx, tallystick.Request{
			Authorization: r.Header["Authorization"], Method: r.Method, Path: r.URL.EscapedPath(),
		})
	}
	return skill.VerifyToken(ctx, token)
}

// Options are for [auth.RequireBearerToken] with [Verifier]: where the server's document is, and
// which scopes every request needs. The SDK compares them letter by letter: patterns are for
// [Protect].
func Options(skill *tallystick.Skill, scopes ...string) *auth.RequireBearerTokenOptions {
	return &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: skill.ResourceMetadata(), Scopes: scopes, ClockSkew: forgiven,
	}
}

func infoOf(skill *tallystick.Skill, caller *tallystick.AuthContext) *auth.TokenInfo {
	subject, client := caller.UserID, caller.ClientID
	if subject == "" {
		subject = caller.AgentID
	}
	if client == "" {
		client = caller.AgentURL
	}
	return &auth.TokenInfo{
		Scopes: caller.Scopes, Expiration: caller.ExpiresAt,
		// Two issuers may know different callers by one name.
		UserID: caller.Issuer + "|" + subject,
		Extra: map[string]any{
			ClientID: client, Subject: subject, Issuer: caller.Issuer, Resource: skill.BaseURL(), Context: caller,
		},
	}
}
