package tallystick

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strings"

	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// Protect returns a handler that lets signed requests alone through to next, which finds who sent
// them by [CallerFrom] and reads the body as it was sent. Others are answered and logged.
//
// It compares the path with what the request line had, whatever was stripped on the way to it.
// Put it outside of what reads bodies.
func (v *Verifier) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isNil(next) {
			v.refuse(w, r, refused(problem.New(problem.InvalidConfig, "Protect was given no handler"), limits.DefaultRealm))
			return
		}
		caller, held, err := v.verifyHTTP(w, r)
		if err != nil {
			if _, verified := CallerFrom(r.Context()); verified {
				err = hinted(err, "the request was verified before it came here: Protect stands inside another Protect, leave one out")
			}
			v.refuse(w, r, err)
			return
		}
		defer held.Release()
		inner := r.WithContext(context.WithValue(r.Context(), callerKey{}, caller))
		inner.Body = held.Body()
		next.ServeHTTP(w, inner)
	})
}

// hinted adds to what the log says of a refusal.
func hinted(err error, hint string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	more := *e
	if more.Log == "" {
		more.Log = more.Message
	}
	more.Log += "; " + hint
	return &more
}

// isNil also finds an [http.HandlerFunc] of nil.
func isNil(handler http.Handler) bool {
	value := reflect.ValueOf(handler)
	switch value.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Func, reflect.Pointer, reflect.Map:
		return value.IsNil()
	}
	return false
}

// Held is the body of a request that was verified. For one goroutine.
type Held struct{ body *heldBody }

// Body returns the body as it was sent, to be read once more.
func (h Held) Body() io.ReadCloser {
	if h.body == nil {
		return http.NoBody
	}
	return h.body.restored()
}

// Release ends the count of the body's bytes among those that all requests hold (MaxBuffered).
// Call it when the request is answered; the bytes are not used afterwards.
func (h Held) Release() {
	if h.body != nil {
		h.body.release()
	}
}

// VerifyHTTP verifies a request of net/http, for middleware of one's own. It reads the body when
// all else is right: give r.Body the Held's Body afterwards, and release it when the request is
// answered. The error is an [*Error], whose Response answers the caller.
func (v *Verifier) VerifyHTTP(r *http.Request) (*Caller, Held, error) { return v.verifyHTTP(nil, r) }

func (v *Verifier) verifyHTTP(w http.ResponseWriter, r *http.Request) (*Caller, Held, error) {
	if r == nil {
		return nil, Held{}, wrongArgument("VerifyHTTP was given no request")
	}
	held := Held{}
	answer := (&Request{}).answer
	if v != nil && v.budget != nil {
		held.body = &heldBody{request: r, writer: w, limit: bodyTimeout, budget: v.budget}
		answer = held.body.answer
	}
	passed := false
	defer func() {
		if !passed { // also where the body's Read panics
			held.Release()
		}
	}()
	path, query := target(r)
	received := pipeline.Received{Method: r.Method, Path: path, Query: query}
	caller, err := v.verify(r.Context(), r.Header["Authorization"], received, answer)
	if err != nil {
		return nil, Held{}, err
	}
	passed = true
	return caller, held, nil
}

// target returns path and query as they were sent. What a server did not receive has none.
func target(r *http.Request) (path, query string) {
	raw := r.RequestURI
	if raw == "" && r.URL != nil {
		raw = r.URL.RequestURI()
	}
	path, query, _ = strings.Cut(raw, "?")
	// The absolute form (RFC 9112 section 3.2.2), as proxies get it. Whatever else does not begin with
	// / stays as it is, and is no path that anybody signs: routers read it each in their way.
	for _, scheme := range []string{"http://", "https://"} {
		if len(path) >= len(scheme) && strings.EqualFold(path[:len(scheme)], scheme) {
			_, below, _ := strings.Cut(path[len(scheme):], "/")
			return "/" + below, query
		}
	}
	return path, query
}

func (v *Verifier) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if v == nil {
		v = &Verifier{}
	}
	answerRefused(w, r, orLogger(v.logger), v.onError, err)
}

// answerRefused logs a refusal and answers it, in the program's own way where it has one.
func answerRefused(
	w http.ResponseWriter, r *http.Request, logger *slog.Logger,
	own func(http.ResponseWriter, *http.Request, *Error), err error,
) {
	e := refusalOf(err)
	logRefusal(r, logger, e)
	if own != nil {
		own(w, r, e)
		return
	}
	writeResponse(w, e.Response)
}

// refusalOf is the error that answers a request, an internal one for whatever is none.
func refusalOf(err error) *Error {
	var e *Error
	if !errors.As(err, &e) || e.Response == nil {
		e = refused(problem.New(problem.Internal, ""), limits.DefaultRealm)
	}
	return e
}

func orLogger(given *slog.Logger) *slog.Logger {
	if given == nil {
		return slog.Default()
	}
	return given
}

// maxLogged are the bytes of a method and of a path in a log: strangers choose them.
const maxLogged = 256

func cut(text string) string { return text[:min(len(text), maxLogged)] }

// logRefusal says what the answer does not. The query stays out: it may hold a secret.
func logRefusal(r *http.Request, logger *slog.Logger, e *Error) {
	ctx := r.Context()
	level := slog.LevelWarn
	switch {
	case ctx.Err() != nil:
		level = slog.LevelInfo // the caller went away
	case e.Response.Status >= http.StatusInternalServerError:
		level = slog.LevelError
	}
	reason := e.Log
	if reason == "" {
		reason = e.Message
	}
	if e.options {
		reason = logInGo(reason)
	}
	path, _ := target(r)
	logger.LogAttrs(ctx, level, "refused", slog.String("code", string(e.Code)), slog.String("reason", reason),
		slog.String("method", cut(r.Method)), slog.String("path", cut(path)))
}

func writeResponse(w http.ResponseWriter, response *Response) {
	for name, value := range response.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(response.Status)
	_, _ = io.WriteString(w, response.Body) // nobody is left to tell
}
