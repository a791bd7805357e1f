package peers

import (
	"strings"

	"github.com/tidwall/gjson"
)

// decidedByJWT are the core's errors for what a JWT library decides too.
var decidedByJWT = map[string]bool{
	"malformed_token": true, "unsupported_algorithm": true, "invalid_signature": true,
	"token_expired": true, "token_not_yet_valid": true, "invalid_claims": true, "invalid_audience": true,
}

// decidedLater are errors of steps after all of these: the token itself was good.
// Errors of earlier steps (no key, no issuer, no header) are in neither: they
// leave nothing to compare.
var decidedLater = map[string]bool{
	"wrong_target": true, "body_tampered": true, "insufficient_scope": true, "trust_denied": true,
	"replay_detected": true, "replay_store_unavailable": true,
}

// openEngine is what the collector remembers of an engine of a vector.
type openEngine struct {
	keys     keyring
	settings gjson.Result // "verifier" or "access" of engine.open
	baseURL  string
	self     string // the iss of what it signs
	tickets  map[string]waiting
}

// waiting is a verification that stopped at a need.
type waiting struct {
	asked exchange
	now   float64 // when its times were judged, or will be at the earliest
	need  string
}

// verifications follows the engines of a vector and takes every token whose
// verification came to an end.
func (c *collector) verifications(made []exchange) {
	engines := map[string]*openEngine{}
	for _, e := range made {
		if e.op == "jws.verify" {
			c.verifyJWS(e)
		}
		if e.op == "engine.open" && e.answer.Get("ok").Exists() {
			engines[e.answer.Get("ok.engine").Raw] = c.open(e)
		}
		engine, there := engines[e.request.Get("engine").Raw]
		if !there {
			continue
		}
		switch e.op {
		case "engine.feed":
			engine.keys = nil
			engine.learn(c, e.request, engine.self)
		case "request.verify", "access.verify":
			c.verification(engine, waiting{asked: e, now: e.request.Get("now").Float()}, e.answer)
		case "engine.resume":
			c.resumed(engine, e)
		}
	}
}

func (c *collector) open(e exchange) *openEngine {
	settings := e.request.Get("verifier")
	if access := e.request.Get("access"); access.Exists() {
		settings = access
	}
	engine := &openEngine{settings: settings, tickets: map[string]waiting{}, baseURL: e.answer.Get("ok.base_url").String()}
	engine.learn(c, settings, e.answer.Get("ok.issuer").String())
	return engine
}

// learn adds keys of others and those of the ring, which are the engine's own.
func (o *openEngine) learn(c *collector, content gjson.Result, self string) {
	o.self = self
	o.keys.feed(c, content)
	o.keys.ring(c, self, content.Get("ring"))
}

// resumed: the answer to a need may bring keys, and may end a verification. What
// a host said of a signature (need "check") is no decision of the core.
func (c *collector) resumed(engine *openEngine, e exchange) {
	if e.request.Get("files").Exists() || e.request.Get("keys").Exists() {
		engine.keys = nil
		engine.learn(c, e.request, engine.self)
	}
	waited, there := engine.tickets[e.request.Get("ticket").Raw]
	if !there || waited.need == "check" {
		return
	}
	if waited.need == "fetch" || waited.need == "keys" || waited.need == "body" {
		waited.now = e.request.Get("now").Float()
	}
	if waited.need == "fetch" && len(e.body) > 0 {
		engine.keys.text(c, waited.issuer(), string(e.body))
	}
	c.verification(engine, waited, e.answer)
}

// issuer is whose keys the verification waits for.
func (w waiting) issuer() string {
	token, _ := bearerToken(w.asked.request)
	return claimsOf(token).Get("iss").String()
}

// verification takes a token whose verification came to this answer.
func (c *collector) verification(engine *openEngine, v waiting, answer gjson.Result) {
	if ticket := answer.Get("ticket"); ticket.Exists() {
		v.need = answer.Get("need.kind").String()
		engine.tickets[ticket.Raw] = v
		return
	}
	token, there := bearerToken(v.asked.request)
	ours, decided := judged(answer)
	if !there || !decided {
		return
	}
	if question, ok := engine.question(v.asked, token, v.now); ok {
		c.add(VerifyJWT, question, ours)
	}
}

// judged reads the core's answer to request.verify or access.verify.
func judged(answer gjson.Result) (Ours, bool) {
	code := answer.Get("error.code").String()
	switch ok := answer.Get("ok"); {
	case ok.Exists():
		claims := ok.Get("claims")
		if raw := ok.Get("raw_claims"); raw.Exists() {
			claims = raw
		}
		return Ours{Accepted: &Result{Claims: claims.Raw}}, true
	case decidedLater[code]:
		return Ours{Code: code, Later: true}, true
	}
	return refusal(answer), decidedByJWT[code]
}

func refusal(answer gjson.Result) Ours {
	return Ours{Code: answer.Get("error.code").String(), Message: answer.Get("error.message").String()}
}

func bearerToken(request gjson.Result) (string, bool) {
	if token := request.Get("token"); token.Exists() {
		return token.String(), true
	}
	headers := request.Get("authorization").Array()
	if len(headers) != 1 {
		return "", false
	}
	scheme, token, found := strings.Cut(headers[0].String(), " ")
	return token, found && strings.EqualFold(scheme, "bearer")
}

// question gives a peer what the engine was given, in the terms of RFC 7519.
func (o *openEngine) question(asked exchange, token string, now float64) (Question, bool) {
	issuer := claimsOf(token).Get("iss").String()
	key, there := o.keys.of(issuer, headerOf(token).Get("kid").String()).verifier(token)
	q := Question{Token: token, Key: key.pem, Alg: key.alg, Allowed: namesOf(key.alg), Issuer: key.owner, Now: now}
	if narrowed := o.settings.Get("algorithms"); narrowed.Exists() {
		q.Allowed = nil
		for _, name := range narrowed.Array() {
			q.Allowed = append(q.Allowed, namesOf(name.String())...)
		}
	}
	skew := 5.0
	if asked.op == "access.verify" {
		q.Leeway, skew = 30, 30
		q.Required = []string{"iss", "sub", "aud", "exp"}
		q.Audience = o.audience(claimsOf(token).Get("iss").String())
	} else {
		q.Required = []string{"iss", "exp", "jti", "content_sha256"}
		if o.settings.Get("development").Bool() {
			q.Required = q.Required[:2]
		}
	}
	if leeway := o.settings.Get("leeway"); leeway.Exists() {
		q.Leeway = leeway.Float()
	}
	// A peer has one leeway for all three times: a token that starts later gets clock_skew.
	if claims := claimsOf(token); claims.Get("iat").Float() > now || claims.Get("nbf").Float() > now {
		if given := o.settings.Get("clock_skew"); given.Exists() {
			skew = given.Float()
		}
		q.Leeway = skew
	}
	return q, there
}

func (o *openEngine) audience(issuer string) []string {
	var accepted []string
	for _, entry := range o.settings.Get("trusted_issuers").Array() {
		if own := entry.Get("audience"); own.Exists() && (entry.Get("preset").Exists() || entry.Get("issuer").String() == issuer) {
			for _, audience := range own.Array() {
				accepted = append(accepted, audience.String())
			}
			return accepted
		}
	}
	if o.baseURL != "" {
		accepted = append(accepted, o.baseURL)
	}
	for _, audience := range o.settings.Get("audience").Array() {
		accepted = append(accepted, audience.String())
	}
	return accepted
}

// verifyJWS takes a step that verifies a signature and nothing else. Where the
// core reads the key, peers get it as PEM: importing is a task of its own.
func (c *collector) verifyJWS(e exchange) {
	key := e.request.Get("key").String()
	alg := algorithmOf(key)
	read := c.call.ask("key.inspect", map[string]string{"text": key, "want": "public"}, nil).Get("ok.keys.0")
	if read.Exists() {
		key, alg = read.Get("public_pem").String(), read.Get("alg").String()
	}
	question := Question{Token: e.request.Get("token").String(), Key: key, Alg: alg, Allowed: namesOf(alg)}
	if ours, ok := verifiedJWS(e.answer); ok {
		c.add(VerifyJWS, question, ours)
	}
}

func verifiedJWS(answer gjson.Result) (Ours, bool) {
	ok := answer.Get("ok")
	if !ok.Exists() {
		return refusal(answer), answer.Get("error.code").String() != "invalid_argument"
	}
	payload := []byte(decodePart("."+ok.Get("payload").String(), 1))
	return Ours{Accepted: &Result{Header: ok.Get("header").Raw, Payload: &payload}}, true
}
