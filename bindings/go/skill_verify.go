package tallystick

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/exclude"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
)

// VerifyToken returns who a token is from. A token that is bound to a request is refused here:
// verify it with that. The error is an [*Error], whose Response answers a caller.
func (s *Skill) VerifyToken(ctx context.Context, token string) (*AuthContext, error) {
	return s.verify(ctx, &access.Input{Token: &token}, nil)
}

// Verify verifies one request from its parts, for hosts other than net/http. Scopes are patterns of
// which each must be granted. The error is an [*Error], whose Response answers the caller.
func (s *Skill) Verify(ctx context.Context, r Request, scopes ...string) (*AuthContext, error) {
	if r.Body != nil && r.ReadBody != nil {
		return nil, wrongArgument("Request: give Body or ReadBody, not both")
	}
	if err := checkScopes(scopes); err != nil {
		return nil, err
	}
	in := &access.Input{Authorization: r.Authorization, RequiredScopes: scopes, Received: pipeline.Received{
		Method: r.Method, Path: r.Path, Query: r.Query, Mount: strings.TrimSuffix(r.Mount, "/"),
	}}
	return s.verify(ctx, in, r.answer)
}

// checkScopes refuses wrong patterns.
func checkScopes(patterns []string) error {
	if len(patterns) > scope.MaxPatterns {
		return invalidConfig("scopes: there may be %d patterns", scope.MaxPatterns)
	}
	for _, pattern := range patterns {
		if err := scope.CheckPattern(pattern); err != nil {
			return invalidConfig("scopes: %s", err)
		}
	}
	return nil
}

func (s *Skill) verify(
	ctx context.Context, in *access.Input, body func(limit int) need.ReceivedBody,
) (*AuthContext, error) {
	if err := s.usable(skillMaker); err != nil {
		return nil, err
	}
	if ctx == nil {
		ctx = context.Background()
	}
	s.refresh(ctx)
	in.Now = secondsOf(time.Now())
	result, p, cause := s.run(ctx, s.agent().Verify(in), body)
	if p != nil {
		e := s.refused(p)
		e.cause = cause
		e.options = s.policy.file == nil && s.policy.options.Config == ""
		return nil, e
	}
	return authContextOf(result.(*access.Accepted).Caller), nil
}

// VerifyHTTP verifies a request of net/http, for middleware of one's own; see
// [Verifier.VerifyHTTP]. It reads the body of a bound token alone.
func (s *Skill) VerifyHTTP(r *http.Request, scopes ...string) (*AuthContext, Held, error) {
	if err := checkScopes(scopes); err != nil {
		return nil, Held{}, err
	}
	return s.verifyHTTP(nil, r, scopes, false)
}

func (s *Skill) verifyHTTP(
	w http.ResponseWriter, r *http.Request, scopes []string, boundOnly bool,
) (*AuthContext, Held, error) {
	if r == nil {
		return nil, Held{}, wrongArgument("VerifyHTTP was given no request")
	}
	held := Held{}
	if s.usable(skillMaker) == nil {
		held.body = &heldBody{request: r, writer: w, limit: bodyTimeout, budget: s.bodies}
	}
	path, query := target(r)
	in := &access.Input{
		Authorization: r.Header["Authorization"], RequiredScopes: scopes, BoundOnly: boundOnly,
		Received: pipeline.Received{Method: r.Method, Path: path, Query: query},
	}
	passed := false
	defer func() {
		if !passed { // also where the body's Read panics
			held.Release()
		}
	}()
	auth, err := s.verify(r.Context(), in, func(limit int) need.ReceivedBody { return held.body.answer(limit) })
	if err != nil {
		return nil, Held{}, err
	}
	passed = true
	return auth, held, nil
}

// Protect returns what wraps a handler so that callers with an access token alone get through; the
// handler finds who it is by [AuthFrom]. Scopes are patterns of which each must be granted: a
// caller without one of them gets 403 with the scopes that are needed. Others are answered and
// logged. A wrong pattern makes the handler refuse everybody.
//
// It compares the path with what the request line had, whatever was stripped on the way to it.
// Put it outside of what reads bodies. It answers requests for the skill's own endpoints itself.
// Nobody else reaches the handler: [Skill.ProtectWith] is for a whole server.
func (s *Skill) Protect(scopes ...string) func(http.Handler) http.Handler {
	return s.protect(Requirements{Scopes: scopes}, verifiedOnly)
}

// ProtectBound is Protect for tokens that are bound to their request alone.
func (s *Skill) ProtectBound(scopes ...string) func(http.Handler) http.Handler {
	return s.protect(Requirements{Scopes: scopes, Bind: true}, verifiedOnly)
}

// Requirements are what a guard of a whole server wants of a request, and which it lets through.
type Requirements struct {
	// Scopes are patterns of which each must be granted.
	Scopes []string
	// Bind takes only tokens that are bound to their request.
	Bind bool
	// Exclude are left out: a path ("/healthz"), all below one ("/docs/*"), or one of both behind a
	// method ("GET /status", "OPTIONS /*"). Paths are compared as callers send them, and never
	// decoded. For these requests [AuthFrom] knows nobody.
	Exclude []string
}

// ProtectWith is Protect for a whole server, such as a mux. It also lets CORS preflights through,
// which come without a token, and what is excluded: a handler behind it looks at the method.
func (s *Skill) ProtectWith(required Requirements) func(http.Handler) http.Handler {
	return s.protect(required, exclude.List.Passes)
}

// verifiedOnly lets nothing through without a token.
func verifiedOnly(exclude.List, *exclude.Request) bool { return false }

func (s *Skill) protect(
	required Requirements, passes func(exclude.List, *exclude.Request) bool,
) func(http.Handler) http.Handler {
	scopes := append([]string{}, required.Scopes...) // the program may change its own
	wrong := checkScopes(scopes)
	excluded, err := exclude.NewList(required.Exclude)
	if err != nil && wrong == nil {
		wrong = invalidConfig("exclude: %s", err)
	}
	return func(next http.Handler) http.Handler {
		wrong := wrong
		if isNil(next) {
			wrong = invalidConfig("Protect was given no handler")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wrong != nil {
				s.refuse(w, r, refusedAtStart(wrong))
				return
			}
			if s.usable(skillMaker) == nil {
				if path := s.endpointOf(r); path != "" {
					s.policy.refresh(s)
					s.serveAt(w, r, path)
					return
				}
				if passes(excluded, lookedAt(r)) {
					next.ServeHTTP(w, r)
					return
				}
			}
			auth, held, err := s.verifyHTTP(w, r, scopes, required.Bind)
			defer held.Release()
			if err != nil {
				s.refuse(w, r, err)
				return
			}
			inner := r.WithContext(context.WithValue(r.Context(), authKey{}, auth))
			inner.Body = held.Body()
			next.ServeHTTP(w, inner)
		})
	}
}

// lookedAt is what decides whether a request is left out.
func lookedAt(r *http.Request) *exclude.Request {
	path, _ := target(r)
	return &exclude.Request{
		Method: r.Method, Path: path, Origin: r.Header["Origin"],
		RequestMethod: r.Header["Access-Control-Request-Method"], Authorization: r.Header["Authorization"],
	}
}

// refusedAtStart answers requests for what the program did wrong; its log says what.
func refusedAtStart(err error) *Error {
	return refused(problem.New(problem.InvalidConfig, "").WithLog("%s", err), limits.DefaultRealm)
}

func (s *Skill) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if s == nil {
		s = &Skill{}
	}
	answerRefused(w, r, s.log(), s.onError, err)
}
