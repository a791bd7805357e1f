package access

import (
	"math"
	"strings"
	"sync"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

const (
	// maxTokenAnswer bounds what an authority may answer, in bytes, tokenTimeout
	// how long it may take, in seconds.
	maxTokenAnswer = 64 << 10
	tokenTimeout   = 10
	// maxFlights bounds the requests for tokens that others may join, flightAge
	// how long they may, in seconds.
	maxFlights = 1024
	flightAge  = 30
)

// request gets a token from the authority (RFC 6749 section 4.4).
func (a *Agent) request(o *order) need.Step {
	o.clientAtAuthority = a.config.ClientID
	if a.config.ClientSecret == "" && a.config.ClientKey == nil { //guard:portal-credentials never
		return need.Refuse(problem.New(problem.InvalidConfig, "client_secret: the authority gives tokens to registered clients only: set client_secret (or robutler.client_secret, or client_key)"))
	}
	caller, _, _ := a.config.Issuers.Decide(trust.Claims{Issuer: a.config.Authority})
	return a.keys.TokenEndpoint(o.now, a.source(a.config.Authority, &caller), func(now float64, endpoint string) need.Step {
		o.now = now
		if a.config.ClientKey == nil {
			return a.post(o, endpoint, a.secretHeader(), nil)
		}
		return a.assert(o, endpoint)
	})
}

// secretHeader is client_secret_basic (RFC 6749 section 2.3.1).
func (a *Agent) secretHeader() map[string]string {
	credentials := weburl.EncodeForm(a.config.ClientID) + ":" + weburl.EncodeForm(a.config.ClientSecret)
	return map[string]string{"authorization": "Basic " + jose.EncodeStandard64([]byte(credentials))}
}

// assert is private_key_jwt (RFC 7523 section 2.2). Its audience is the authority's issuer, which the
// document was checked to be of: whoever wrote the document chose the endpoint's URL (RFC 7523bis
// section 3; MCP's OAuth client credentials).
func (a *Agent) assert(o *order, endpoint string) need.Step {
	key := a.config.ClientKey
	assertion := order{subject: a.config.ClientID, audience: a.config.Authority, ttl: tokenTimeout + 50}
	text := assertion.assertion(int64(math.Floor(o.now)))
	input := jose.SigningInput([]byte(jose.SigningHeader(key.Public())), text)
	signature, p := jose.Sign(input, key)
	if p != nil {
		return need.Refuse(p)
	}
	return a.post(o, endpoint, map[string]string{}, [][2]string{
		{"client_id", a.config.ClientID},
		{"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		{"client_assertion", input + "." + jose.Encode64(signature)},
	})
}

func (o *order) assertion(issuedAt int64) []byte {
	b := strictjson.AppendString([]byte(`{"iss":`), o.subject)
	b = appendText(b, "sub", o.subject)
	b = appendText(b, "aud", o.audience)
	b = strictjson.AppendInt(appendName(b, "iat"), issuedAt)
	b = strictjson.AppendInt(appendName(b, "exp"), issuedAt+o.ttl)
	b = appendText(b, "jti", randomID())
	return append(b, '}')
}

func (a *Agent) post(o *order, endpoint string, headers map[string]string, credentials [][2]string) need.Step {
	form := append([][2]string{{"grant_type", "client_credentials"}, {"target", o.audience}}, credentials...)
	if o.scope != "" {
		form = append(form, [2]string{"scope", o.scope})
	}
	if o.bind != nil {
		form = append(form, [2]string{"content_sha256", o.bind.BodySHA256}, [2]string{"htm", o.bind.Method}, [2]string{"htu", o.bind.URL})
	}
	headers["accept"] = "application/json"
	headers["content-type"] = "application/x-www-form-urlencoded"
	question := &need.Need{Kind: need.Fetch, Request: &need.HTTP{
		Proxy:  true,
		Flight: a.flights.number(o.flight, o.now, a.keys.NextFlight), Method: "POST", URL: endpoint, Headers: headers, Body: encodeForm(form),
		MaxBytes: maxTokenAnswer, Timeout: tokenTimeout, Read: []string{},
	}}
	return need.Ask(question, func(answer need.Answer) need.Step {
		if !answer.HasFailed && answer.Status == 0 {
			return need.WrongAnswer(need.Fetch)
		}
		a.flights.landed(o.flight)
		issued, p := readTokenAnswer(o, answer)
		if p != nil {
			return need.Refuse(p)
		}
		a.keep(o, issued)
		return need.Done(&issued)
	})
}

func encodeForm(members [][2]string) string {
	var b strings.Builder
	for i, member := range members {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(weburl.EncodeForm(member[0]) + "=" + weburl.EncodeForm(member[1]))
	}
	return b.String()
}

// readTokenAnswer reads RFC 6749 section 5.1 or 5.2.
func readTokenAnswer(o *order, answer need.Answer) (Issued, *problem.Problem) {
	unavailable := func(format string, args ...any) (Issued, *problem.Problem) {
		return Issued{}, problem.New(problem.TokenUnavailable, "").WithLog(format, args...)
	}
	if answer.HasFailed {
		return unavailable("the authority did not answer: %s", problem.Quote(answer.Failed))
	}
	if answer.Status >= 500 || answer.Status == 429 || answer.Status < 200 {
		return unavailable("the authority answered with status %d", answer.Status)
	}
	var reply struct{ token, kind, scope, failure, description string }
	lifetime := float64(o.ttl)
	err := strictjson.ReadObject(string(answer.Content), func(name string, v strictjson.Value) {
		switch name {
		case "access_token":
			reply.token = v.Str
		case "token_type":
			reply.kind = v.Str
		case "scope":
			reply.scope = v.Str
		case "error":
			reply.failure = v.Str
		case "error_description":
			reply.description = v.Str
		case "expires_in":
			if seconds, ok := strictjson.Seconds(v); ok {
				lifetime = seconds
			}
		}
	})
	if err != nil {
		return unavailable("the authority's answer (status %d) is not JSON: %s", answer.Status, err)
	}
	if answer.Status != 200 { //guard:portal-answer-status never
		return Issued{}, problem.Newf(problem.TokenRefused, "the authority refused: %s, %s (client %s, target %s, scope %s)", problem.Quote(reply.failure), problem.Quote(reply.description),
			problem.Quote(o.clientAtAuthority), problem.Quote(o.audience), problem.Quote(o.scope)).WithLog("the authority answered with status %d", answer.Status)
	}
	if !strings.EqualFold(reply.kind, "Bearer") || !looksLikeToken(reply.token) || lifetime < 0 || lifetime > MaxTTL*365 { //guard:portal-answer-token drop 2; portal-answer-type drop 1
		return unavailable("the authority's answer has no bearer token")
	}
	if reply.scope == "" {
		reply.scope = o.scope
	}
	issuedAt := int64(math.Floor(answer.Now))
	return Issued{Token: reply.token, Audience: o.audience, Scope: reply.scope, IssuedAt: issuedAt, ExpiresAt: issuedAt + int64(lifetime)}, nil
}

// looksLikeToken keeps anything out of a header that could break it: b64token of
// RFC 6750 section 2.1.
func looksLikeToken(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~+/=", c) >= 0) {
			return false
		}
	}
	return text != "" && len(text) <= jose.MaxToken
}

// flights lets those who want the same token wait for one request.
type flights struct {
	mu    sync.Mutex
	going map[string]flight
}

type flight struct {
	number uint64
	since  float64
}

func newFlights() *flights { return &flights{going: map[string]flight{}} }

// number returns the flight of a key, a new one where there is none or it is too
// old. Who wants a token of its own, key "", asks alone.
func (f *flights) number(key string, now float64, next func() uint64) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if going, there := f.going[key]; there && math.Abs(now-going.since) < flightAge {
		return going.number
	}
	number := next()
	if key != "" {
		if len(f.going) >= maxFlights {
			clear(f.going)
		}
		f.going[key] = flight{number, now}
	}
	return number
}

func (f *flights) landed(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.going, key)
}
