package tallystick

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
)

// TokenRequest is a token that is wanted.
type TokenRequest struct {
	// Target is a reference or URL of the agent that will receive it.
	Target string
	// Scopes of the token. nil: the allowed ones without wildcards; of an authority all that it
	// gives.
	Scopes []string
	// ExtraClaims are more claims, at most 8 KiB; not where an authority signs.
	ExtraClaims map[string]any
	// Bind makes a token that works once, for this request alone.
	Bind *Binding
	// Reuse takes a token that was kept, until shortly before it expires.
	Reuse bool
}

// Binding is the one request that a token is for: method, absolute URL as it will be sent, and the
// exact bytes of the body.
type Binding struct {
	Method, URL string
	Body        []byte
}

// Token returns an access token for a target, a reference or URL of an agent. It is kept and given
// again until shortly before it expires; those who ask for the same at one time wait for one
// answer. Without scopes it has the allowed ones without wildcards; in portal mode those that the
// agent is registered for. Errors: [ErrInvalidArgument], [ErrTrustDenied] (by TalkTo),
// [ErrTokenRefused] (by the authority), [ErrTokenUnavailable] and [ErrSignerFailed].
func (s *Skill) Token(ctx context.Context, target string, scopes ...string) (string, error) {
	return s.Issue(ctx, TokenRequest{Target: target, Scopes: scopes, Reuse: true})
}

// Issue returns a token as it is wanted, a new one unless Reuse is set. Errors are those of
// [Skill.Token].
func (s *Skill) Issue(ctx context.Context, wanted TokenRequest) (string, error) {
	if err := s.usable(skillMaker); err != nil {
		return "", err
	}
	asked := &access.Wanted{
		Now: secondsOf(time.Now()), Target: wanted.Target, Scopes: wanted.Scopes,
		Reuse: wanted.Reuse && wanted.Bind == nil,
	}
	if wanted.ExtraClaims != nil {
		text, err := json.Marshal(wanted.ExtraClaims)
		if err != nil {
			return "", wrongArgument("ExtraClaims is no JSON: %s", err)
		}
		asked.ExtraClaims = string(text)
	}
	if bind := wanted.Bind; bind != nil {
		asked.Bind = &access.Bind{Method: bind.Method, URL: bind.URL, BodySHA256: digest.Hex(bind.Body)}
	}
	s.refresh(ctx)
	result, p, cause := s.run(ctx, s.agent().Issue(asked), nil)
	if p != nil && cause != nil && p.Code == problem.KeysUnavailable {
		// It ended while the authority was looked for: no keys of callers are missing.
		p = problem.New(problem.TokenUnavailable, "").WithLog("%s", p.Log)
	}
	if p != nil {
		return "", misused(p, cause)
	}
	return result.(*access.Issued).Token, nil
}
