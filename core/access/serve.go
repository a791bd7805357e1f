package access

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
	// PublishSeconds is how long receivers may keep the documents, and so how long
	// a key is published before it signs.
	PublishSeconds = 300
	// MaxForm bounds the body of a token request, in bytes.
	MaxForm = 64 << 10
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	jwksPath      = "/.well-known/jwks.json"
	tokenPath     = "/auth/token"
	// Where webagents 0.3.9 looks for these at a portal.
	portalJWKSPath  = "/api/auth/jwks"
	portalTokenPath = "/api/auth/token"
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

// Serve answers the documents and the token endpoint (protocol.md section 7). It
// ends in a *Served.
func (a *Agent) Serve(r *HTTPRequest) need.Step {
	endpoint := a.endpoint(r.Path)
	switch {
	case endpoint == "":
		return need.Done(&Served{})
	case endpoint == tokenPath:
		if r.Method != "POST" { //guard:serve-post-only never
			return need.Done(methodNotAllowed("POST"))
		}
		return a.token(r)
	case r.Method != "GET" && r.Method != "HEAD": //guard:serve-get-only never
		return need.Done(methodNotAllowed("GET, HEAD"))
	case endpoint == jwksPath:
		return need.Done(document(r, a.jwks(r.Now), "application/jwk-set+json"))
	}
	return need.Done(document(r, a.discovery(), "application/json"))
}

// endpoint returns which of the three a path means, "" for none.
func (a *Agent) endpoint(path string) string {
	switch path {
	case discoveryPath, jwksPath, tokenPath:
		return path
	}
	if a.config.Mode == Authority {
		switch path {
		case portalJWKSPath:
			return jwksPath
		case portalTokenPath:
			return tokenPath
		}
	}
	return ""
}

func methodNotAllowed(allowed string) *Served {
	return &Served{Response: &problem.Response{
		Status:  405,
		Headers: map[string]string{"allow": allowed, "content-type": "application/json", "cache-control": "no-store"},
		Body:    `{"error":"invalid_request","error_description":"this endpoint takes ` + allowed + `"}`,
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

// jwks is the key set of this agent: empty where an authority signs.
func (a *Agent) jwks(now float64) string {
	if r := a.ring.Load(); r != nil {
		return r.JWKS(now)
	}
	return `{"keys":[]}`
}

// discovery is the metadata of RFC 8414 section 2 at the path of OpenID Connect.
// An agent of a portal points to the portal: it signs nothing and gives no tokens.
func (a *Agent) discovery() string {
	base := strings.TrimSuffix(a.Issuer(), "/")
	b := []byte(`{"issuer":`)
	b = strictjson.AppendString(b, a.Issuer())
	b = appendText(b, "token_endpoint", base+tokenPath)
	b = appendText(b, "jwks_uri", base+jwksPath)
	b = appendTexts(b, "grant_types_supported", []string{"client_credentials"})
	b = appendTexts(b, "response_types_supported", nil)
	b = appendTexts(b, "subject_types_supported", []string{"public"})
	b = appendTexts(b, "id_token_signing_alg_values_supported", []string{"RS256"})
	b = appendTexts(b, "token_endpoint_auth_methods_supported", []string{"client_secret_basic", "client_secret_post", "private_key_jwt"})
	b = appendTexts(b, "token_endpoint_auth_signing_alg_values_supported", []string{"RS256"})
	if !a.config.AnyScope {
		b = appendTexts(b, "scopes_supported", a.config.AllowedScopes)
	}
	b = appendTexts(b, "claims_supported", []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "client_id", "token_type", "aoauth"})
	return string(append(b, '}'))
}
