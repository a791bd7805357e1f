package access

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

const (
	// PublishSeconds is how long receivers may keep the documents, and so how long
	// a key is published before it signs.
	PublishSeconds = 300
	// MaxForm bounds the body of a token request, in bytes.
	MaxForm = 64 << 10
)

// HTTPRequest is one request below the agent's URL.
type HTTPRequest struct {
	Now           float64
	Method        string
	Path          string
	Authorization []string
	ContentType   string
	IfNoneMatch   string
	BodyTooLarge  bool
	BodyMalformed bool // its transfer was broken, or ended too early
	Overloaded    bool // the host has no room for it now
	Body          []byte

	Query  string   // without ?
	Cookie []string // one entry for each header of that name
	Origin []string
}

// Served is an answer; Response is nil where the path is not one of the endpoints.
type Served struct {
	Response *problem.Response
	Log      string
	Level    string // "info" or "warning", with Log
	// UsedUntil is when the assertion that the core's window remembers expires, in
	// whole seconds; 0: there was none. Refusals have it, too.
	UsedUntil int64
}

// preflightSeconds is how long a browser may keep the answer to a preflight; none keeps it for longer
// than two hours.
const preflightSeconds = 7200

const (
	documentMethods  = "GET, HEAD"
	tokenMethods     = "POST"
	authorizeMethods = "GET, HEAD, POST"
)

// Serve answers the documents and the token endpoint (protocol.md section 7). It ends in a *Served.
func (a *Agent) Serve(r *HTTPRequest) need.Step {
	endpoint, there := a.routes.endpoints[r.Path]
	if !there {
		return need.Done(&Served{})
	}
	if a.people != nil && isOfPeople(endpoint) {
		return a.servePeople(endpoint, r)
	}
	if endpoint == authorizePath { //guard:serve-authorize-closed never
		return need.Done(authorize(r))
	}
	return followed(a.serve(endpoint, r), readable)
}

// authorize answers the authorization endpoint (RFC 6749 section 3.1), where no grant begins. It
// never redirects, because no client has registered where to; and it is nothing for scripts (RFC
// 9700 section 2.6).
func authorize(r *HTTPRequest) *Served {
	switch r.Method {
	case "GET", "HEAD", "POST":
	default:
		return methodNotAllowed(authorizeMethods, authorizeMethods)
	}
	body := `{"error":"unsupported_response_type",` +
		`"error_description":"this server has no authorization code grant: its token endpoint takes client_credentials"}`
	headers := map[string]string{"content-type": "application/json", "cache-control": "no-store"}
	if r.Method == "HEAD" {
		headers["content-length"] = strconv.Itoa(len(body))
		body = ""
	}
	return &Served{Response: &problem.Response{Status: 400, Headers: headers, Body: body}}
}

// readable lets scripts of every origin read an answer (Fetch standard, CORS protocol). Who asks is
// told apart by what the request says and never by cookies, so a browser gives nothing away.
func readable(end need.Step) need.Step {
	if served, ok := end.Result.(*Served); ok {
		served.Response.Headers["access-control-allow-origin"] = "*"
	}
	return end
}

func (a *Agent) serve(endpoint string, r *HTTPRequest) need.Step {
	methods, headers := documentMethods, "*"
	if endpoint == tokenPath {
		methods, headers = tokenMethods, "authorization, *"
	}
	switch {
	case r.Method == "OPTIONS":
		return need.Done(preflight(methods, headers))
	case endpoint == tokenPath:
		if r.Method != "POST" { //guard:serve-post-only never
			return need.Done(methodNotAllowed(methods, methods+", OPTIONS"))
		}
		return a.token(r)
	case r.Method != "GET" && r.Method != "HEAD": //guard:serve-get-only never
		return need.Done(methodNotAllowed(methods, methods+", OPTIONS"))
	}
	return need.Done(a.document(endpoint, r))
}

func (a *Agent) document(endpoint string, r *HTTPRequest) *Served {
	switch endpoint {
	case jwksPath:
		return document(r, a.jwks(r.Now), "application/jwk-set+json")
	case serverPath:
		return document(r, a.server(), "application/json")
	case resourcePath:
		return document(r, a.protectedResource(), "application/json")
	}
	return document(r, a.discovery(r.Now), "application/json")
}

// preflight answers OPTIONS, a CORS preflight among them (Fetch standard, CORS-preflight fetch). A
// star stands for every header but Authorization.
func preflight(methods, headers string) *Served {
	return &Served{Response: &problem.Response{Status: 204, Headers: map[string]string{
		"allow": methods + ", OPTIONS", "access-control-allow-methods": methods,
		"access-control-allow-headers": headers, "access-control-max-age": strconv.Itoa(preflightSeconds),
	}}}
}

func methodNotAllowed(methods, allow string) *Served {
	return &Served{Response: &problem.Response{
		Status: 405,
		Headers: map[string]string{
			"allow": allow, "content-type": "application/json", "cache-control": "no-store",
		},
		Body: `{"error":"invalid_request","error_description":"this endpoint takes ` + methods + `"}`,
	}}
}

// document answers with a text that receivers may keep (RFC 9110 section 13.1.2,
// RFC 9111 section 5.2).
func document(r *HTTPRequest, text, contentType string) *Served {
	sum := sha256.Sum256([]byte(text))
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	headers := map[string]string{
		"content-type": contentType, "etag": etag,
		"cache-control": "public, max-age=" + strconv.Itoa(PublishSeconds),
	}
	if r.IfNoneMatch != "" && matchesETag(r.IfNoneMatch, etag) {
		delete(headers, "content-type")
		return &Served{Response: &problem.Response{Status: 304, Headers: headers}}
	}
	if r.Method == "HEAD" {
		headers["content-length"] = strconv.Itoa(len(text))
		text = ""
	}
	return &Served{Response: &problem.Response{Status: 200, Headers: headers, Body: text}}
}

// matchesETag is the weak comparison of RFC 9110 section 8.8.3.2.
func matchesETag(header, etag string) bool {
	for _, candidate := range strings.Split(header, ",") {
		candidate = strings.TrimPrefix(strings.Trim(candidate, " \t"), "W/")
		if candidate == etag || candidate == "*" {
			return true
		}
	}
	return false
}
