package tallystick

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/tallystick/tallystick/core/problem"
)

// Transport returns a RoundTripper that signs each request as it is sent: anew for a redirect
// within the agent's origin (to another it is [ErrInvalidURL]), and for a try after a connection
// that was kept turned out to be closed. base sends them; nil is [http.DefaultTransport]. A request
// with an Authorization header of its own is an error.
//
// A base that tries again by itself would send the same token twice, which agents refuse. Only
// net/http's own retries are prevented.
func (s *Signer) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{s, base}
}

type transport struct {
	signer *Signer
	base   http.RoundTripper
}

// maxTries bounds how often one request is sent where connections turn out to be closed.
const maxTries = 3

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if len(r.Header["Authorization"]) > 0 {
		return nil, wrongArgument("the request has an Authorization header already: leave it to the signer")
	}
	if err := sameOrigin(r); err != nil {
		return nil, err
	}
	content, err := t.signer.bodyOf(r)
	if err != nil {
		return nil, err
	}
	return sendOnce(t.base, r, func(ctx context.Context) (*http.Request, error) { return t.signed(ctx, r, content) })
}

// sendOnce sends a request whose token works once, by a base that must not send it twice. make
// returns it with a token of its own for each try.
func sendOnce(
	base http.RoundTripper, r *http.Request, make func(context.Context) (*http.Request, error),
) (*http.Response, error) {
	for try := 1; ; try++ {
		var sent trace
		one, err := make(sent.context(r.Context()))
		if err != nil {
			return nil, err
		}
		// Else net/http would send the same token again by itself.
		one.GetBody = nil
		if repeatable(one) && (one.Body == nil || one.Body == http.NoBody) {
			one.Body = emptyBody{}
		}
		response, err := base.RoundTrip(one)
		if err == nil || try == maxTries || !sent.mayTryAgain(r) || r.Context().Err() != nil {
			return response, err
		}
	}
}

// sameOrigin refuses a redirect to another origin: whoever is called could have the caller sign
// what it likes for a third. A signed request is for one receiver.
func sameOrigin(r *http.Request) error {
	if r.Response == nil {
		return nil // no client has followed a redirect
	}
	if r.Response.Request == nil || r.Response.Request.URL == nil {
		return misuse(problem.Newf(problem.InvalidURL, "a redirect leads to %s://%s, and its response does not say from "+
			"where: a signed request is for one receiver", r.URL.Scheme, r.URL.Host))
	}
	from := r.Response.Request.URL
	if from.Scheme == r.URL.Scheme && from.Host == r.URL.Host {
		return nil
	}
	return misuse(problem.Newf(problem.InvalidURL, "%s://%s redirects to %s://%s, and a signed request is for one "+
		"receiver: call that one by its own URL", from.Scheme, from.Host, r.URL.Scheme, r.URL.Host))
}

// signed returns a request for one try: a RoundTripper does not change what it was given.
func (t *transport) signed(ctx context.Context, r *http.Request, content []byte) (*http.Request, error) {
	one := r.Clone(ctx)
	if r.Body != nil {
		setBody(one, content)
	}
	return one, t.signer.SignRequest(one)
}

// repeatable is what may be done twice (RFC 9110 section 9.2.2), as net/http sees it.
func repeatable(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return r.Header["Idempotency-Key"] != nil || r.Header["X-Idempotency-Key"] != nil
}

// emptyBody is no body that net/http knows to be none, so that it does not send such a request
// twice by itself.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// trace tells how far one try came.
type trace struct{ reused, wrote atomic.Bool }

func (t *trace) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(info httptrace.GotConnInfo) { t.reused.Store(info.Reused) },
		WroteHeaders: func() { t.wrote.Store(true) },
	})
}

// mayTryAgain: a connection that was kept may be closed by the server at any time. What was not
// sent, and what may be done twice, is sent again.
func (t *trace) mayTryAgain(r *http.Request) bool {
	return t.reused.Load() && (repeatable(r) || !t.wrote.Load())
}
