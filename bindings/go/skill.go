package tallystick

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/settings"
)

// Skill issues, gets and verifies access tokens for one agent (AOAuth;
// docs/explanation/protocol.md sections 2 to 7). Safe for concurrent use. The zero Skill refuses
// everything, and so does a closed one.
type Skill struct {
	*identity
	policy  *policy
	onError func(http.ResponseWriter, *http.Request, *Error)
	told    uncovered
}

const skillMaker = "NewSkill"

// NewSkill returns the skill of an agent. Without an authority and without a Signer the agent's
// keys are in {KeysDir}/{AgentID}.ring.json, which is made at the first start. Agents of one
// AgentID in one KeysDir share one key ring. Errors: [ErrInvalidConfig] names the key and the fix,
// [ErrInvalidArgument] an option of the program, and [ErrInvalidKey] a text that is no key.
func NewSkill(options SkillOptions) (*Skill, error) { return newSkill(options, nil) }

func newSkill(o SkillOptions, file *configFile) (*Skill, error) {
	o.Logger = orLogger(o.Logger)
	if err := o.check(); err != nil {
		return nil, err
	}
	config, err := o.settings(file.source())
	if err != nil {
		return nil, err
	}
	if err := checkStore(o.Store, config.DevMode); err != nil {
		return nil, err
	}
	keysDir, err := folderOf("KeysDir", config.KeysDir)
	if err != nil {
		return nil, err
	}
	m := material{options: config.Options(), keys: o.Keys, listed: config.Clients, store: o.Store,
		fetcher: newFetcher(o.RootCAs), logger: o.Logger}
	if err := m.takeKeys(&o, config, keysDir); err != nil {
		return nil, err
	}
	for _, inactive := range config.Inactive() {
		o.Logger.Warn(inactive.Key + ": not active: " + inactive.Reason)
	}
	made, err := newIdentity(m)
	if err != nil {
		return nil, err
	}
	s := &Skill{identity: made, onError: o.OnError, told: uncovered{logger: o.Logger}}
	s.policy = &policy{options: o, file: file, keysDir: config.KeysDir}
	return s, nil
}

func orLogger(given *slog.Logger) *slog.Logger {
	if given == nil {
		return slog.Default()
	}
	return given
}

// takeKeys finds what the agent signs with.
func (m *material) takeKeys(o *SkillOptions, config *settings.Access, keysDir string) error {
	stored, err := newDocuments(o.Store, o.StoreKey)
	if err != nil {
		return err
	}
	portal, nameless := config.Authority != "", config.AgentID == ""
	switch {
	case o.StoreKey != "" && (portal || nameless || o.Signer != nil):
		return wrongArgument("StoreKey is for the key ring of an agent that signs: with a Signer, an authority, or " +
			"without AgentID and BaseURL there is none")
	case portal && o.Signer != nil:
		return wrongArgument("Signer cannot be used with Authority: in portal mode the authority signs")
	case o.Signer != nil:
		return m.takeSigner(o)
	case portal || nameless:
		return nil // without a name to sign with it only verifies, and makes no file
	}
	document, err := stored.open("ring", config.BaseURL, "key ring")
	if err != nil {
		return err
	}
	m.ring, err = newRingKeeper(keysDir, config.AgentID, document, ringKeeper{
		lifetime: float64(config.TokenTTL) + config.Leeway, bits: o.KeyBits, logger: o.Logger,
	})
	return err
}

func (m *material) takeSigner(o *SkillOptions) error {
	kms, config, err := kmsOf(o.Signer, o.SignerTimeout)
	if err != nil {
		return err
	}
	m.kms = kms
	m.fixed, err = fixedRing(config.Public)
	return err
}

// Mode returns "portal", where an authority signs, or "self-issued".
func (s *Skill) Mode() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return string(s.agent().Mode())
}

// AgentID returns sub of the agent's own tokens.
func (s *Skill) AgentID() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().ID()
}

// Name returns the agent's dotted name (protocol section 5).
func (s *Skill) Name() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().Name()
}

// Issuer returns iss of the agent's tokens: its own URL, or its authority.
func (s *Skill) Issuer() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().Issuer()
}

// BaseURL returns the agent's own URL: the audience that is accepted.
func (s *Skill) BaseURL() string {
	if s.usable(skillMaker) != nil {
		return ""
	}
	return s.agent().BaseURL()
}

// String names the agent.
func (s *Skill) String() string {
	if s.usable(skillMaker) != nil {
		return "Skill(none)"
	}
	return fmt.Sprintf("Skill(%q, %s)", s.AgentID(), s.Mode())
}

// GoString is String.
func (s *Skill) GoString() string { return s.String() }

// usable hides what an embedded pointer of nil would do.
func (s *Skill) usable(maker string) *Error {
	if s == nil {
		return (*identity)(nil).usable(maker)
	}
	return s.identity.usable(maker)
}

// refresh takes over what others changed, the configuration's file included.
func (s *Skill) refresh(ctx context.Context) {
	s.policy.refresh(s)
	s.identity.refresh(ctx)
}

// Close has the skill refuse every later request ([ErrUnknownEngine]) and closes the connections
// that it keeps. The store is its owner's to close.
func (s *Skill) Close() error {
	if s != nil {
		s.close()
	}
	return nil
}

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
	s.refresh(ctx)
	in.Now = secondsOf(time.Now())
	result, p, cause := s.run(ctx, s.agent().Verify(in), body)
	if p != nil {
		e := refused(p, s.realm)
		e.cause = cause
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

func (s *Skill) verifyHTTP(w http.ResponseWriter, r *http.Request, scopes []string, boundOnly bool) (*AuthContext, Held, error) {
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
	auth, err := s.verify(r.Context(), in, func(limit int) need.ReceivedBody { return held.body.answer(limit) })
	if err != nil {
		held.Release()
		return nil, Held{}, err
	}
	return auth, held, nil
}

// Protect returns what wraps a handler so that callers with an access token alone get through; the
// handler finds who it is by [AuthFrom]. Scopes are patterns of which each must be granted: a
// caller without one of them gets 403 with the scopes that are needed. Others are answered and
// logged. A wrong pattern makes the handler refuse everybody.
//
// It compares the path with what the request line had, whatever was stripped on the way to it.
// Put it outside of what reads bodies.
func (s *Skill) Protect(scopes ...string) func(http.Handler) http.Handler {
	return s.protect(scopes, false)
}

// ProtectBound is Protect for tokens that are bound to their request alone.
func (s *Skill) ProtectBound(scopes ...string) func(http.Handler) http.Handler {
	return s.protect(scopes, true)
}

func (s *Skill) protect(scopes []string, boundOnly bool) func(http.Handler) http.Handler {
	scopes = append([]string{}, scopes...) // the program may change its own
	wrong := checkScopes(scopes)
	return func(next http.Handler) http.Handler {
		wrong := wrong
		if next == nil {
			wrong = invalidConfig("Protect was given no handler")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wrong != nil {
				s.refuse(w, r, refusedAtStart(wrong))
				return
			}
			auth, held, err := s.verifyHTTP(w, r, scopes, boundOnly)
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

// refusedAtStart answers requests for what the program did wrong; its log says what.
func refusedAtStart(err error) *Error {
	return refused(problem.New(problem.InvalidConfig, "").WithLog("%s", err), limits.DefaultRealm)
}

func (s *Skill) refuse(w http.ResponseWriter, r *http.Request, err error) {
	e := errorOf(err, limits.DefaultRealm)
	logRefusal(r.Context(), s.log(), e)
	if s != nil && s.onError != nil {
		s.onError(w, r, e)
		return
	}
	writeResponse(w, e.Response)
}

func (s *Skill) log() *slog.Logger {
	if s == nil || s.identity == nil {
		return slog.Default()
	}
	return s.logger
}

// RotateKeys signs with the next key from now on. The former key stays published until its last
// token has expired. Errors: [ErrInvalidArgument] while the next key has not been published long
// enough for all receivers to know it, and where the agent has no key ring.
func (s *Skill) RotateKeys(ctx context.Context, options RotateOptions) (Rotation, error) {
	if err := s.usable(skillMaker); err != nil {
		return Rotation{}, err
	}
	return s.rotate(ctx, options)
}

// CommandResult is what a slash command gives back: JSON for programs, which may hold a whole
// token, and text for people.
type CommandResult struct {
	Data    json.RawMessage
	Display string
}

// String is Display.
func (r CommandResult) String() string { return r.Display }

// GoString is Display.
func (r CommandResult) GoString() string { return r.Display }

// LogValue is String.
func (r CommandResult) LogValue() slog.Value { return slog.StringValue(r.String()) }

// RunCommand runs a slash command of the seed, such as "/auth/token @bob read". "/auth/help" lists
// them. No display shows a whole token, except with --show.
func (s *Skill) RunCommand(ctx context.Context, line string) (CommandResult, error) {
	if err := s.usable(skillMaker); err != nil {
		return CommandResult{}, err
	}
	s.refresh(ctx)
	result, p, cause := s.run(ctx, s.agent().Command(secondsOf(time.Now()), line), nil)
	if p != nil {
		return CommandResult{}, misused(p, cause)
	}
	said := result.(*access.Said)
	return CommandResult{json.RawMessage(said.Data), said.Display}, nil
}

// SkillStats tell how much a skill holds.
type SkillStats struct {
	// Issuers whose keys are cached, and how many there may be.
	Issuers, IssuerCapacity int
	// Kept are tokens that are kept for sending, Verified those that are remembered as verified.
	Kept, Verified int
	// PolicyRefused says why the newest version of the configuration's file does not hold; "" where
	// it does.
	PolicyRefused string
}

// Stats returns how much is held at this moment.
func (s *Skill) Stats() SkillStats {
	if s.usable(skillMaker) != nil {
		return SkillStats{}
	}
	held := s.agent().Stats()
	return SkillStats{held.Issuers, held.IssuerCapacity, held.Kept, held.Verified, s.policy.refusal()}
}
