package tallystick

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// TokenEndpoint is a [Skill] or an [Authority]: whoever publishes keys and gives tokens.
type TokenEndpoint interface {
	// Endpoints returns the handler of the documents, the key set and the token endpoint.
	Endpoints() http.Handler
}

// Endpoints returns the handler of the documents, the key set and the token endpoint. It takes
// their paths as they are, below the path of the agent's own URL, and where RFC 8414 and RFC 9728
// put that path behind a document's name: mount it at the root of that URL's server, or at
// /.well-known/ of it and where the prefix is stripped. Other paths are 404.
func (s *Skill) Endpoints() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.usable(skillMaker); err != nil {
			answerRefused(w, r, s.log(), nil, err)
			return
		}
		s.policy.refresh(s)
		s.serve(w, r)
	})
}

// Endpoints returns one handler of several endpoints by name, each below /{name}/, and of their
// documents at the root of the server, where their URLs have a path. A name is one segment of a
// path. Errors: [ErrInvalidArgument].
func Endpoints(byName map[string]TokenEndpoint) (http.Handler, error) {
	handlers, atRoot := map[string]http.Handler{}, map[string]http.Handler{}
	for name, endpoint := range byName {
		if name == "" || strings.Contains(name, "/") {
			return nil, wrongArgument("Endpoints: %q is no name: it is one segment of a path, without a slash", name)
		}
		if endpoint == nil {
			return nil, wrongArgument("Endpoints: %q is nil", name)
		}
		handlers[name] = endpoint.Endpoints()
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		for _, path := range rootPaths(byName[name]) {
			if atRoot[path] == nil {
				atRoot[path] = handlers[name]
			}
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		handler := handlers[name]
		if handler == nil {
			if handler = atRoot[r.URL.EscapedPath()]; handler == nil {
				handler = http.NotFoundHandler()
			}
			handler.ServeHTTP(w, r)
			return
		}
		http.StripPrefix("/"+name, handler).ServeHTTP(w, r)
	}), nil
}

// rootPaths are those of an endpoint at the root of its server; they do not change while it runs.
func rootPaths(endpoint TokenEndpoint) []string {
	var i *identity
	switch e := endpoint.(type) {
	case *Skill:
		if e != nil {
			i = e.identity
		}
	case *Authority:
		if e != nil {
			i = e.identity
		}
	}
	if i == nil || i.agent() == nil {
		return nil
	}
	_, paths := i.agent().Paths()
	return paths
}

// endpointOf returns the path of an endpoint that a request is for: as it was sent, or below what
// was stripped on the way; "" for none.
func (i *identity) endpointOf(r *http.Request) string {
	sent, _ := target(r)
	for _, path := range []string{r.URL.EscapedPath(), sent} {
		if i.agent().Serves(path) {
			return path
		}
	}
	return ""
}

// serve answers one request, or says that there is nothing.
func (i *identity) serve(w http.ResponseWriter, r *http.Request) {
	path := i.endpointOf(r)
	if path == "" {
		http.NotFound(w, r)
		return
	}
	i.serveAt(w, r, path)
}

func (i *identity) serveAt(w http.ResponseWriter, r *http.Request, path string) {
	asked := &access.HTTPRequest{
		Method: r.Method, Path: path, Authorization: r.Header["Authorization"],
		ContentType: r.Header.Get("Content-Type"), IfNoneMatch: r.Header.Get("If-None-Match"),
		Query: r.URL.RawQuery, Cookie: r.Header["Cookie"], Origin: r.Header["Origin"],
	}
	body := &heldBody{request: r, writer: w, limit: formTimeout, budget: i.forms}
	defer body.release()
	if r.Method == http.MethodPost && i.agent().ReadsForm(path) {
		received := body.answer(access.MaxForm)
		if received.Unavailable {
			e := i.refused(problem.New(problem.BodyUnavailable, "").WithLog("something read the token request's body before: " +
				"put the endpoints before what reads bodies"))
			logRefusal(r, i.logger, e)
			writeResponse(w, e.Response)
			return
		}
		asked.Body, asked.BodyTooLarge = received.Bytes, received.TooLarge
		asked.BodyMalformed, asked.Overloaded = received.Malformed, received.Overloaded
	}
	i.refresh(r.Context())
	asked.Now = secondsOf(time.Now())
	i.respond(w, r, i.agent().Serve(asked))
}

func (i *identity) respond(w http.ResponseWriter, r *http.Request, step need.Step) {
	result, p, _ := i.run(r.Context(), step, nil)
	if p != nil && p.Code == problem.Overloaded {
		overloaded := i.agent().Overloaded(p)
		result, p = overloaded.Result, overloaded.Problem
	}
	served, ok := result.(*access.Served)
	if p != nil || !ok {
		e := i.refused(orInternal(p))
		logRefusal(r, i.logger, e)
		writeResponse(w, e.Response)
		return
	}
	if served.Log != "" {
		level := slog.LevelInfo
		if served.Level == "warning" {
			level = slog.LevelWarn
		}
		i.logger.Log(r.Context(), level, served.Log)
	}
	if served.Response == nil {
		http.NotFound(w, r)
		return
	}
	writeResponse(w, served.Response)
}

func orInternal(p *problem.Problem) *problem.Problem {
	if p == nil {
		return problem.New(problem.Internal, "")
	}
	return p
}
