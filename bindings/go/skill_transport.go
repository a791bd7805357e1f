package tallystick

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/problem"
)

// TransportOptions say which requests get which token.
type TransportOptions struct {
	// Scopes of the token; nil as of [Skill.Token].
	Scopes []string
	// Base sends the requests. nil: [http.DefaultTransport].
	Base http.RoundTripper
	// SendTo is the URL at which the target is really reached. "": its own.
	SendTo string
	// Bind binds each token to its request. A Base that tries again by itself would send the same
	// token twice, which agents refuse; net/http's own retries are prevented.
	Bind bool
	// MaxBody are the bytes of a body that a token is bound to; more is [ErrBodyTooLarge]. 0: 10 MiB.
	MaxBody int64
}

// Transport returns a RoundTripper that puts an access token for a target, a reference or URL of an
// agent, on each request to it, and sends it by [http.DefaultTransport]. A request that goes
// elsewhere gets no token: whoever is there could use it at the agent. Where the answer is that the
// token is invalid (401), it asks for a new one, once.
func (s *Skill) Transport(target string, scopes ...string) http.RoundTripper {
	return s.TransportWith(target, TransportOptions{Scopes: scopes})
}

// TransportWith is Transport with more options.
func (s *Skill) TransportWith(target string, options TransportOptions) http.RoundTripper {
	if options.Base == nil {
		options.Base = http.DefaultTransport
	}
	options.Scopes = slices.Clone(options.Scopes)
	return &skillTransport{skill: s, target: target, TransportOptions: options}
}

type skillTransport struct {
	TransportOptions
	skill  *Skill
	target string
}

// RoundTrip implements [http.RoundTripper].
func (t *skillTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	covered, err := t.covers(r)
	if err == nil && covered && len(r.Header["Authorization"]) > 0 {
		err = wrongArgument("the request has an Authorization header already: leave it to the skill")
	}
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	switch {
	case !covered:
		return t.Base.RoundTrip(r)
	case t.Bind:
		return t.roundTripBound(r)
	}
	return t.roundTripPlain(r)
}

// covers tells whether a request goes to the target.
func (t *skillTransport) covers(r *http.Request) (bool, error) {
	if err := t.skill.usable(skillMaker); err != nil {
		return false, err
	}
	if r.URL == nil {
		return false, wrongArgument("the request has no URL")
	}
	at := t.SendTo
	if at == "" {
		var err error
		if at, err = t.skill.resolve(t.target); err != nil {
			return false, err
		}
	}
	if !agent.Covers(at, at) {
		return false, wrongArgument("SendTo: %q is no base URL of an agent: write it like https://example.com/agents/bob", at)
	}
	if _, err := urlOf(r); err != nil {
		return false, err
	}
	// Where it really goes: the header Host may say something else.
	if !coversURL(at, r.URL) {
		t.skill.told.tell(t.target, at, "to ", r.URL)
		return false, nil
	}
	// Whoever redirects from elsewhere must not choose what is asked of the agent.
	for response := r.Response; response != nil; {
		from := response.Request
		if from == nil || !coversURL(at, from.URL) {
			var where *url.URL
			if from != nil {
				where = from.URL
			}
			t.skill.told.tell(t.target, at, "after a redirect from ", where)
			return false, nil
		}
		response = from.Response
	}
	return true, nil
}

func coversURL(at string, u *url.URL) bool {
	return u != nil && agent.Covers(at, u.Scheme+"://"+u.Host+u.RequestURI())
}

// resolve returns the URL of an agent from a reference.
func (s *Skill) resolve(reference string) (string, error) {
	authority := ""
	if s.Mode() == "portal" {
		authority = s.Issuer()
	}
	at, err := agent.Resolve(reference, authority)
	if err != nil {
		return "", wrongArgument("target: %s", err)
	}
	return at, nil
}

// roundTripPlain sends a token that is used again, and a new one where that is refused.
func (t *skillTransport) roundTripPlain(r *http.Request) (*http.Response, error) {
	first, err := t.withToken(r, TokenRequest{Target: t.target, Scopes: t.Scopes, Reuse: true})
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	response, err := t.Base.RoundTrip(first)
	if err != nil || !mayAskAnew(response) {
		return response, err
	}
	body, ok := bodyAgain(r)
	if !ok {
		return response, nil
	}
	second, err := t.withToken(r, TokenRequest{Target: t.target, Scopes: t.Scopes})
	if err != nil {
		if body != nil {
			body.Close()
		}
		return response, nil // what the agent said is the answer
	}
	second.Body = body
	// The connection is free only after the answer was read.
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswerHeaders))
	response.Body.Close()
	return t.Base.RoundTrip(second)
}

func (t *skillTransport) withToken(r *http.Request, wanted TokenRequest) (*http.Request, error) {
	token, err := t.skill.Issue(r.Context(), wanted)
	if err != nil {
		return nil, err
	}
	one := r.Clone(r.Context()) // a RoundTripper does not change what it was given
	if one.Header == nil {
		one.Header = http.Header{}
	}
	one.Header.Set("Authorization", "Bearer "+token)
	return one, nil
}

// mayAskAnew tells whether a new token may help (RFC 6750 section 3.1).
func mayAskAnew(response *http.Response) bool {
	if response.StatusCode != http.StatusUnauthorized {
		return false
	}
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		if strings.Contains(challenge, `error="invalid_token"`) {
			return true
		}
	}
	return false
}

// bodyAgain returns the body to be sent once more; false: it is gone.
func bodyAgain(r *http.Request) (io.ReadCloser, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	return body, err == nil
}

// roundTripBound sends a token of its own with each try.
func (t *skillTransport) roundTripBound(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	content, err := t.content(r)
	if err != nil {
		return nil, err
	}
	to, err := urlOf(r)
	if err != nil {
		return nil, err
	}
	bind := &Binding{orDefault(r.Method, http.MethodGet), to, content}
	wanted := TokenRequest{Target: t.target, Scopes: t.Scopes, Bind: bind}
	return sendOnce(t.Base, r, func(ctx context.Context) (*http.Request, error) { return t.bound(ctx, r, wanted) })
}

func (t *skillTransport) content(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	most := orDefault(t.MaxBody, limits.DefaultMaxBody)
	if !isSize(most) {
		return nil, wrongArgument("MaxBody must be from 0 to %d bytes", limits.MaxBody)
	}
	return readUpTo(r.Body, most, func() error {
		return misuse(problem.Newf(problem.BodyTooLarge, "the body is over MaxBody (%d bytes)", most))
	})
}

func (t *skillTransport) bound(ctx context.Context, r *http.Request, wanted TokenRequest) (*http.Request, error) {
	one, err := t.withToken(r.WithContext(ctx), wanted)
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		setBody(one, wanted.Bind.Body)
	}
	return one, nil
}

// uncovered logs each target and origin once that got no token. Safe for concurrent use.
type uncovered struct {
	logger *slog.Logger
	lock   sync.Mutex
	said   map[[2]string]bool
}

// maxUncovered bounds what is remembered as logged.
const maxUncovered = 1000

// tell logs no more of the URL than its origin: the rest may hold a secret.
func (u *uncovered) tell(target, at, where string, to *url.URL) {
	origin := where + "an unknown place"
	if to != nil {
		origin = where + to.Scheme + "://" + to.Host
	}
	u.lock.Lock()
	said := u.said[[2]string{target, origin}] || len(u.said) >= maxUncovered
	if u.said == nil {
		u.said = map[[2]string]bool{}
	}
	if !said {
		u.said[[2]string{target, origin}] = true
	}
	u.lock.Unlock()
	if !said {
		u.logger.Warn("no token is sent " + origin + ": it is not below " + at + ", where the agent " + target +
			" is; SendTo says where it is really reached")
	}
}
