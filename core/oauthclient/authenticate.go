package oauthclient

import (
	"encoding/base64"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// The parameters of a client's authentication (RFC 6749 section 2.3.1, RFC 7521
// section 4.2).
const (
	paramID            = "client_id"
	paramSecret        = "client_secret"
	paramAssertion     = "client_assertion"
	paramAssertionType = "client_assertion_type"
	assertionType      = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// Attempt is one request to a token endpoint, as far as it says who calls.
type Attempt struct {
	Authorization []string          // one entry for each header of that name
	Form          map[string]string // of ParseForm
	TokenEndpoint string            // an assertion's audience is this
	Issuer        string            // or this
	Forgiven      pipeline.Tolerance
	Once          *pipeline.ReplayGuard // remembers assertions
	RSA           pipeline.RSA
	Algorithms    pipeline.Allowed // of assertions
	HostDerives   bool             // the need derive
	TakesPublic   bool             // a public client may name itself alone
	// Used is told when an assertion that was accepted expires, in seconds; nil: nobody is.
	Used func(expires float64)
}

// Done goes on with the client, or with the error that refuses it.
type Done func(now float64, c *Client, e *Error) need.Step

// Authenticate tells whose request it is: client_secret_basic, client_secret_post
// or private_key_jwt, and exactly one of them. An unknown client gets the same
// answer after the same work as a wrong secret.
func (r *Registry) Authenticate(now float64, a Attempt, done Done) need.Step {
	header, e := a.basic()
	if e != nil {
		return done(now, nil, e)
	}
	_, hasSecret := a.Form[paramSecret]
	_, hasAssertion := a.Form[paramAssertion]
	_, hasType := a.Form[paramAssertionType]
	switch methods := count(header != nil, hasSecret, hasAssertion || hasType); {
	case methods > 1: //guard:client-methods never // RFC 6749 section 2.3
		return done(now, nil, invalidRequest("the client must authenticate by one method, not by several"))
	case methods == 0:
		if c := r.clients[a.Form[paramID]]; a.TakesPublic && c != nil && c.Public { //guard:client-public drop 1 3
			return done(now, c, nil)
		}
		return done(now, nil, invalidClient("the request has no client authentication"))
	case header != nil:
		if id, given := a.Form[paramID]; given && id != header.id { //guard:client-id-agrees never
			return done(now, nil, invalidRequest("client_id and the Authorization header name different clients"))
		}
		return r.bySecret(now, a, *header, done)
	case hasSecret:
		return r.bySecret(now, a, credentials{a.Form[paramID], a.Form[paramSecret]}, done)
	}
	return r.byAssertion(now, a, done)
}

func count(conditions ...bool) int {
	n := 0
	for _, condition := range conditions {
		if condition {
			n++
		}
	}
	return n
}

func (r *Registry) bySecret(now float64, a Attempt, given credentials, done Done) need.Step {
	if given.id == "" {
		return done(now, nil, invalidRequest("client_id is missing"))
	}
	c := r.clients[given.id]
	end := func(now float64, matches bool) need.Step {
		if !matches { //guard:client-secret never
			return done(now, nil, invalidClient("client "+problem.Quote(given.id)+": "+why(c)))
		}
		return done(now, c, nil)
	}
	if !a.HostDerives {
		return end(now, r.checkSecret(c, given.secret))
	}
	failed := func(now float64, reason string) need.Step {
		return done(now, nil, notChecked("client "+problem.Quote(given.id)+": its secret could not be derived: "+problem.Quote(reason)))
	}
	return r.askSecret(now, c, given.secret, end, failed)
}

func why(c *Client) string {
	switch {
	case c == nil:
		return "it is not registered"
	case c.hash == nil:
		return "it has no secret, it authenticates with private_key_jwt"
	}
	return "wrong secret"
}

type credentials struct{ id, secret string }

var strictBase64 = base64.StdEncoding.Strict()

// basic reads the Authorization header, nil where there is none. Both parts are
// form-encoded before they are joined (RFC 6749 section 2.3.1).
func (a *Attempt) basic() (*credentials, *Error) {
	if len(a.Authorization) == 0 {
		return nil, nil
	}
	if pipeline.SeveralCredentials(a.Authorization) { //guard:token-endpoint-headers never
		return nil, invalidRequest("there are several Authorization headers")
	}
	scheme, encoded, _ := strings.Cut(a.Authorization[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return nil, invalidClient("the Authorization header has another scheme than Basic")
	}
	malformed := invalidClient("the Authorization header is no well-formed Basic authentication")
	encoded = strings.TrimLeft(encoded, " ")
	if strings.ContainsAny(encoded, "\r\n") { // Go's decoder skips them
		return nil, malformed
	}
	joined, err := strictBase64.DecodeString(encoded)
	if err != nil {
		return nil, malformed
	}
	rawID, rawSecret, found := strings.Cut(string(joined), ":")
	id, ok1 := decode(rawID)
	secret, ok2 := decode(rawSecret)
	if !found || !ok1 || !ok2 || id == "" {
		return nil, malformed
	}
	return &credentials{id, secret}, nil
}
