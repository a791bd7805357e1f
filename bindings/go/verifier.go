package tallystick

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
)

// DevMode says whether the checks of replay and body are skipped.
type DevMode int

const (
	// DevModeByEnvironment is [Development] where the environment variable APP_ENV is exactly
	// "development", else [Production].
	DevModeByEnvironment DevMode = iota
	// Production checks everything.
	Production
	// Development skips the checks of replay and of the body, never of signature and times.
	Development
)

// VerifierOptions say how an agent verifies signed requests. Give KeysDir or Keys, and Store.
type VerifierOptions struct {
	// KeysDir is the folder of callers' public keys, ISSUER.pem each. Read again when it
	// changed, at most once a second.
	KeysDir string
	// Keys are callers' public keys by issuer (PEM, JWK or JWKS text), instead of a folder.
	Keys map[string]string
	// Store is where used tokens are remembered. Required but in development.
	Store Store
	// DevMode: see [DevMode].
	DevMode DevMode
	// BaseURL is the URL under which callers reach the server's root; with it a token made for
	// another origin is refused.
	BaseURL string
	// RequireTarget refuses tokens that name no method and URL, as rotagent's do.
	RequireTarget bool
	// Leeway after a token's exp to forgive, up to 300 s.
	Leeway time.Duration
	// ClockSkew is how far a caller's clock may run ahead, up to 300 s: forgives iat and nbf in
	// the future, never exp. 0: 5 s; negative: none.
	ClockSkew time.Duration
	// MaxLifetime is how long a token may live. 0: 1 h, and 6 h in development.
	MaxLifetime time.Duration
	// MaxBody are the bytes of a request's body; more is 413. 0: 10 MiB; negative: no body.
	MaxBody int64
	// MaxBuffered are the bytes that all bodies may hold at one time; what comes on top is 503.
	// 0: 64 MiB, or four times MaxBody.
	MaxBuffered int64
	// Algorithms are those that are taken, of RS256, PS256, ES256 and EdDSA. nil: all.
	Algorithms []string
	// Realm of the WWW-Authenticate challenge. "": tallystick.
	Realm string
	// OnError answers a refused request of [Verifier.Protect]. nil: the error's Response.
	OnError func(http.ResponseWriter, *http.Request, *Error)
	// Logger for refusals and for what the operator should know. nil: [slog.Default].
	Logger *slog.Logger
	// Now is the clock. nil: [time.Now]. For tests: a clock that stands still accepts no token of
	// later.
	Now func() time.Time
}

// Verifier verifies signed requests to an agent (rotagent; docs/explanation/protocol.md).
// Safe for concurrent use. The zero Verifier refuses everything.
type Verifier struct {
	core    *request.Verifier
	policy  request.Policy
	folder  *keysFolder
	claims  *storeClaims // nil in development
	onError func(http.ResponseWriter, *http.Request, *Error)
	logger  *slog.Logger
	budget  *budget
	now     func() time.Time
	closed  atomic.Bool
	runs    sync.Pool // of *request.Verification
}

// NewVerifier returns a verifier. Errors: [ErrInvalidArgument] and [ErrInvalidKey] name the option and
// the fix; a store that cannot be used says why.
func NewVerifier(options VerifierOptions) (*Verifier, error) {
	o := &options
	o.Logger = orLogger(o.Logger)
	if o.Now == nil {
		o.Now = time.Now
	}
	development := o.development()
	if err := o.check(development); err != nil {
		return nil, err
	}
	policy, p := o.policy(development)
	if p != nil {
		return nil, wrongOption(p)
	}
	buffered, err := o.maxBuffered()
	if err != nil {
		return nil, err
	}
	room, p := limits.NewRoom(policy.MaxBody, buffered)
	if p != nil {
		return nil, wrongOption(p)
	}
	v := &Verifier{
		policy: policy, onError: o.OnError, logger: o.Logger, now: o.Now,
		// Every body is read after its token was judged: nothing is kept for others.
		budget: newBudget(int64(room.BufferAtOnce + room.BufferAsked)),
	}
	keys, err := v.keysOf(o)
	if err != nil {
		return nil, err
	}
	if v.core, p = request.NewVerifier(policy, keys); p != nil {
		return nil, wrongOption(p)
	}
	if development {
		v.logger.Warn("development mode: replayed requests and changed bodies are accepted")
		return v, nil
	}
	v.claims = newStoreClaims(o.Store, v.logger)
	if err := v.claims.start(context.Background(), v.core.ReplayLost); err != nil {
		return nil, unavailableStore(v.claims.setting, err)
	}
	return v, nil
}

func (o *VerifierOptions) development() bool {
	return o.DevMode == Development || o.DevMode == DevModeByEnvironment && os.Getenv("APP_ENV") == "development"
}

func (o *VerifierOptions) check(development bool) error {
	switch {
	case o.DevMode < DevModeByEnvironment || o.DevMode > Development:
		return wrongArgument("DevMode is none of DevModeByEnvironment, Production and Development")
	case o.KeysDir != "" && o.Keys != nil:
		return wrongArgument("give KeysDir or Keys, not both")
	case o.KeysDir == "" && o.Keys == nil:
		return wrongArgument("KeysDir or Keys is missing: name the folder of callers' public keys, such as authorized_keys")
	}
	return checkStore(o.Store, development)
}

func (o *VerifierOptions) policy(development bool) (request.Policy, *problem.Problem) {
	core := request.Options{
		BaseURL: o.BaseURL, RequireTarget: o.RequireTarget, Development: development,
		Leeway: o.Leeway.Seconds(), Reload: o.KeysDir != "", HostReplay: true, Algorithms: o.Algorithms,
	}
	core.ClockSkew = givenSeconds(o.ClockSkew)
	if o.MaxLifetime != 0 {
		seconds := o.MaxLifetime.Seconds()
		core.MaxLifetime = &seconds
	}
	if o.MaxBody != 0 {
		size := int(min(max(o.MaxBody, 0), limits.MaxBody+1))
		core.MaxBody = &size
	}
	if o.Realm != "" {
		core.Realm = &o.Realm
	}
	return core.Policy()
}

// givenSeconds: 0 is not given, and what is negative is none.
func givenSeconds(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := max(d, 0).Seconds()
	return &seconds
}

func (o *VerifierOptions) maxBuffered() (*int, error) {
	if o.MaxBuffered == 0 {
		return nil, nil
	}
	if o.MaxBuffered < 0 || o.MaxBuffered > limits.MaxBuffered || int64(int(o.MaxBuffered)) != o.MaxBuffered {
		return nil, wrongArgument("MaxBuffered must be from MaxBody to %d bytes", int64(limits.MaxBuffered))
	}
	size := int(o.MaxBuffered)
	return &size, nil
}

func (v *Verifier) keysOf(o *VerifierOptions) (*authorizedkeys.Set, error) {
	if o.Keys != nil {
		keys, err := authorizedkeys.FromTexts(o.Keys)
		if err != nil {
			return nil, misuse(problem.New(problem.InvalidKey, "Keys: "+err.Error()))
		}
		return keys, nil
	}
	path, err := filepath.Abs(o.KeysDir)
	if err != nil {
		return nil, wrongArgument("KeysDir: %s", err)
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, wrongArgument("KeysDir: %s is no folder: name the folder of callers' public keys", shown(path))
	}
	v.folder = &keysFolder{path: path, logger: v.logger}
	return v.folder.load(), nil
}

func (v *Verifier) realm() string {
	if v == nil || v.core == nil {
		return limits.DefaultRealm
	}
	return v.policy.Realm
}

// DevMode reports whether the checks of replay and body are skipped.
func (v *Verifier) DevMode() bool { return v != nil && v.policy.Development }

// Close has the verifier refuse every later request ([ErrUnknownEngine]). The store is its
// owner's to close.
func (v *Verifier) Close() error {
	if v != nil {
		v.closed.Store(true)
	}
	return nil
}

// Request is one HTTP request as a host received it: texts have one byte for each byte of it.
type Request struct {
	// Authorization has the value of each header of that name.
	Authorization []string
	Method        string
	// Path below Mount, as it was sent: percent-encoded, without the query.
	Path string
	// Query after the first ?.
	Query string
	// Mount is where the application lies on its server.
	Mount string
	// Body has the exact bytes; or ReadBody reads them, up to a limit and one byte more: it is
	// called only if all but the body is right.
	Body     []byte
	ReadBody func(limit int) ([]byte, error)
}

// Verify verifies one request from its parts, for hosts other than net/http. The error is an
// [*Error], whose Response answers the caller.
func (v *Verifier) Verify(ctx context.Context, r Request) (*Caller, error) {
	if r.Body != nil && r.ReadBody != nil {
		return nil, wrongArgument("Request: give Body or ReadBody, not both")
	}
	if strings.Contains(r.Path, "?") {
		p := problem.New(problem.MalformedRequest, "").WithLog("Path has a ?: give what follows it as Query")
		return nil, refused(p, v.realm())
	}
	received := pipeline.Received{Method: r.Method, Path: r.Path, Query: r.Query, Mount: strings.TrimSuffix(r.Mount, "/")}
	return v.verify(ctx, r.Authorization, received, r.answer)
}

func (r *Request) answer(limit int) need.ReceivedBody {
	if r.ReadBody == nil {
		return need.ReceivedBody{Bytes: r.Body}
	}
	content, err := r.ReadBody(limit)
	if err != nil {
		return need.ReceivedBody{Unavailable: true, Reason: err.Error()}
	}
	return need.ReceivedBody{Bytes: content}
}

// readBody reads a body when the core asks for it, up to a limit in bytes.
type readBody = func(limit int) need.ReceivedBody

func (v *Verifier) verify(
	ctx context.Context, authorization []string, received pipeline.Received, body readBody,
) (*Caller, error) {
	if v == nil || v.core == nil {
		return nil, refused(problem.New(problem.InvalidConfig, "this Verifier was not made by NewVerifier"), v.realm())
	}
	if v.closed.Load() {
		return nil, refused(problem.New(problem.UnknownEngine, "the verifier was closed"), v.realm())
	}
	if ctx == nil {
		ctx = context.Background()
	}
	run, _ := v.runs.Get().(*request.Verification)
	if run == nil {
		run = request.NewVerification()
	}
	run.In = request.Input{Now: secondsOf(v.now()), Authorization: authorization, Received: received, BodyPending: true}
	accepted, p := v.walk(ctx, run, body)
	// What is returned is made before the memory of this request is another's.
	var caller *Caller
	var e *Error
	if p != nil {
		e = refused(p, v.policy.Realm)
		e.options = true
	} else {
		caller = callerOf(accepted)
	}
	run.Reset()
	v.runs.Put(run)
	if e != nil {
		return nil, e
	}
	return caller, nil
}

// walk does what the core asks for until it ends.
func (v *Verifier) walk(
	ctx context.Context, run *request.Verification, body readBody,
) (*request.Accepted, *problem.Problem) {
	step := v.core.Verify(run)
	for step.Need != nil {
		n := step.Need
		switch n.Kind {
		case need.Keys:
			step = step.Resume(v.keysAnswer())
		case need.Body:
			received := body(n.MaxBytes)
			step = step.Resume(need.Answer{Now: secondsOf(v.now()), Body: received})
		case need.Claim:
			if p := v.claims.claim(ctx, n); p != nil {
				return nil, p
			}
			return n.Claimed.(*request.Accepted), nil
		default:
			return nil, cannotAnswer(n)
		}
	}
	if step.Problem != nil {
		return nil, step.Problem
	}
	return step.Result.(*request.Accepted), nil
}

// cannotAnswer is for a need that no host in Go knows.
func cannotAnswer(n *need.Need) *problem.Problem {
	return problem.New(problem.Internal, "").WithLog("the core asked for %q, which this host cannot answer", n.Kind)
}

func (v *Verifier) keysAnswer() need.Answer {
	answer := need.Answer{Unchanged: true}
	if err := v.folder.refresh(v.core.Feed); err != nil {
		answer = need.Answer{HasFailed: true, Failed: err.Error()}
	}
	answer.Now = secondsOf(v.now())
	return answer
}

// String names the folder or the number of callers, and no key.
func (v *Verifier) String() string {
	switch {
	case v == nil || v.core == nil:
		return "Verifier(none)"
	case v.folder != nil:
		return fmt.Sprintf("Verifier(keys_dir %s)", shown(v.folder.path))
	}
	return fmt.Sprintf("Verifier(keys of %d issuers)", v.core.Keys().Len())
}
