package oauthclient

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

const (
	now      = 1_800_000_000.0
	endpoint = "https://authority.example/auth/token"
	issuer   = "https://authority.example"
)

func registry(t *testing.T) *Registry {
	t.Helper()
	r, p := New([]Config{
		{ID: "bot", SecretHash: hashed(), Scopes: []string{"*"}},
		{ID: "a+:", SecretHash: hashed()},
		{ID: "signer", PublicKey: publicPEM(0)},
		{ID: "other", PublicKey: publicPEM(1)},
	})
	if p != nil {
		t.Fatal(p)
	}
	return r
}

func attempt(form map[string]string, authorization ...string) Attempt {
	return Attempt{Authorization: authorization, Form: form, TokenEndpoint: endpoint, Issuer: issuer, Forgiven: pipeline.Tolerance{Leeway: 5, ClockSkew: 5},
		Once: pipeline.NewReplayGuard(pipeline.ReplayConfig{Capacity: 100})}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// end is what came of an attempt.
type end struct {
	client *Client
	err    *Error
}

func collect(into *end) Done {
	return func(_ float64, c *Client, e *Error) need.Step {
		*into = end{c, e}
		return need.Done(1)
	}
}

func authenticate(t *testing.T, r *Registry, a Attempt) end {
	t.Helper()
	var got end
	if step := r.Authenticate(now, a, collect(&got)); step.Result == nil {
		t.Fatalf("%+v", step)
	}
	if (got.client == nil) == (got.err == nil) {
		t.Fatalf("not exactly one of client and error: %+v", got)
	}
	return got
}

func outcome(e end) string {
	if e.err != nil {
		return e.err.Code
	}
	return e.client.ID
}

func TestSecretMethods(t *testing.T) {
	r := registry(t)
	type form = map[string]string
	post := form{"client_id": "bot", "client_secret": secret}
	for _, c := range []struct {
		name, want string
		form       form
		headers    []string
	}{
		{"basic", "bot", nil, []string{basic("bot", secret)}},
		{"basic, form-encoded", "bot", nil, []string{basic("b%6Ft", strings.ReplaceAll(secret, " ", "+"))}},
		{"basic, an id with colon and plus", "a+:", nil, []string{basic("a%2B%3A", secret)}},
		{"basic in other letters", "bot", nil, []string{"bAsIc" + basic("bot", secret)[5:]}},
		{"basic and the same client_id", "bot", form{"client_id": "bot"}, []string{basic("bot", secret)}},
		{"basic and another client_id", InvalidRequest, form{"client_id": "bot2"}, []string{basic("bot", secret)}},
		{"basic, wrong secret", InvalidClient, nil, []string{basic("bot", secret+"x")}},
		{"basic, unknown client", InvalidClient, nil, []string{basic("bot2", secret)}},
		{"basic, case of the id", InvalidClient, nil, []string{basic("Bot", secret)}},
		{"basic, no secret", InvalidClient, nil, []string{basic("bot", "")}},
		{"basic, no id", InvalidClient, nil, []string{basic("", secret)}},
		{"basic, no colon", InvalidClient, nil, []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("bot"))}},
		{"basic without padding", InvalidClient, nil, []string{strings.TrimRight(basic("bot", secret), "=")}},
		{"basic with a line break", InvalidClient, nil, []string{basic("bot", secret)[:10] + "\n" + basic("bot", secret)[10:]}},
		{"basic with a stray percent", InvalidClient, nil, []string{basic("bot", "%zz")}},
		{"basic that is not UTF-8", InvalidClient, nil, []string{basic("bot", "\xff")}},
		{"two headers", InvalidRequest, nil, []string{basic("bot", secret), basic("bot", secret)}},
		{"another scheme", InvalidClient, nil, []string{"Bearer x"}},
		{"another scheme beside a secret", InvalidClient, post, []string{"Bearer x"}},
		{"post", "bot", post, nil},
		{"post, wrong secret", InvalidClient, form{"client_id": "bot", "client_secret": secret + "x"}, nil},
		{"post, a NUL behind the secret", InvalidClient, form{"client_id": "bot", "client_secret": secret + "\x00"}, nil},
		{"post, unknown client", InvalidClient, form{"client_id": "bot2", "client_secret": secret}, nil},
		{"post, no client", InvalidRequest, form{"client_secret": secret}, nil},
		{"post, a client with a key alone", InvalidClient, form{"client_id": "signer", "client_secret": secret}, nil},
		{"no authentication", InvalidClient, form{"client_id": "bot"}, nil},
		{"nothing", InvalidClient, nil, nil},
		{"basic and post", InvalidRequest, post, []string{basic("bot", secret)}},
		{"post and an assertion", InvalidRequest, form{"client_id": "bot", "client_secret": secret, "client_assertion": "x"}, nil},
		{"basic and an assertion's type", InvalidRequest, form{"client_assertion_type": assertionType}, []string{basic("bot", secret)}},
	} {
		got := authenticate(t, r, attempt(c.form, c.headers...))
		if outcome(got) != c.want {
			t.Errorf("%s: %s, want %s (%+v)", c.name, outcome(got), c.want, got.err)
		}
		if got.err != nil && strings.Contains(got.err.Log+got.err.Description, secret) {
			t.Errorf("%s: the error shows the secret", c.name)
		}
	}
}

// Nobody may learn who is registered: one answer, and the same work.
func TestUnknownClientIsLikeWrongSecret(t *testing.T) {
	expensive := strings.Replace(HashSecret(secret, make([]byte, 16)), "$10000$", "$20000$", 1)
	r, p := New([]Config{{ID: "bot", SecretHash: hashed()}, {ID: "slow", SecretHash: expensive}, {ID: "signer", PublicKey: publicPEM(0)}})
	if p != nil {
		t.Fatal(p)
	}
	for id, want := range map[string]int{"nobody": 20000, "bot": 10000, "slow": 0, "signer": 20000} {
		if r.decoyWork(r.clients[id]) != want {
			t.Errorf("%s: %d more iterations, want %d", id, r.decoyWork(r.clients[id]), want)
		}
	}
	want := authenticate(t, r, attempt(nil, basic("bot", "wrong"))).err.Response("r")
	for _, id := range []string{"nobody", "slow", "signer"} {
		got := authenticate(t, r, attempt(nil, basic(id, "wrong"))).err.Response("r")
		if got.Body != want.Body || got.Status != want.Status || !maps.Equal(got.Headers, want.Headers) {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	var without *Registry
	if without, p = New(nil); p != nil || outcome(authenticate(t, without, attempt(nil, basic("bot", secret)))) != InvalidClient {
		t.Error("an empty registry knows somebody")
	}
}

func good() map[string]any {
	return map[string]any{"iss": "signer", "sub": "signer", "aud": endpoint, "exp": now + 60, "iat": now, "jti": "1"}
}

func sign(t *testing.T, key int, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := jose.SigningInput([]byte(`{"alg":"RS256","typ":"JWT"}`), payload)
	signature, p := jose.Sign(input, pairs()[key])
	if p != nil {
		t.Fatal(p)
	}
	return input + "." + jose.Encode64(signature)
}

func assert(token string) map[string]string {
	return map[string]string{"client_assertion_type": assertionType, "client_assertion": token}
}

// Each refused assertion differs from the accepted one in the one thing.
func TestAssertion(t *testing.T) {
	r := registry(t)
	for _, c := range []struct {
		name, want string
		change     func(map[string]any)
	}{
		{"good", "signer", func(map[string]any) {}},
		{"aud is the issuer", "signer", func(m map[string]any) { m["aud"] = issuer }},
		{"aud is an array", "signer", func(m map[string]any) { m["aud"] = []string{"https://b.example", endpoint} }},
		{"aud is another", InvalidClient, func(m map[string]any) { m["aud"] = "https://b.example" }},
		{"aud is empty", InvalidClient, func(m map[string]any) { m["aud"] = "" }},
		{"aud holds no text", InvalidClient, func(m map[string]any) { m["aud"] = []any{endpoint, 1} }},
		{"no aud", InvalidClient, func(m map[string]any) { delete(m, "aud") }},
		{"iss is another", InvalidClient, func(m map[string]any) { m["iss"] = "other" }},
		{"no sub", InvalidClient, func(m map[string]any) { delete(m, "sub") }},
		{"no iss", InvalidClient, func(m map[string]any) { delete(m, "iss") }},
		{"unknown client", InvalidClient, func(m map[string]any) { m["iss"], m["sub"] = "nobody", "nobody" }},
		{"a client with another key", InvalidClient, func(m map[string]any) { m["iss"], m["sub"] = "other", "other" }},
		{"a client without a key", InvalidClient, func(m map[string]any) { m["iss"], m["sub"] = "bot", "bot" }},
		{"no exp", InvalidClient, func(m map[string]any) { delete(m, "exp") }},
		{"exp is a text", InvalidClient, func(m map[string]any) { m["exp"] = "1800000060" }},
		{"just alive", "signer", func(m map[string]any) { m["exp"] = now - 4 }},
		{"expired", InvalidClient, func(m map[string]any) { m["exp"] = now - 5 }},
		{"the longest life", "signer", func(m map[string]any) { m["exp"] = now + 305 }},
		{"too long a life", InvalidClient, func(m map[string]any) { m["exp"] = now + 306 }},
		{"not yet", InvalidClient, func(m map[string]any) { m["nbf"] = now + 6 }},
		{"from the future", InvalidClient, func(m map[string]any) { m["iat"] = now + 6 }},
		{"no jti", InvalidClient, func(m map[string]any) { delete(m, "jti") }},
		{"an empty jti", InvalidClient, func(m map[string]any) { m["jti"] = "" }},
	} {
		claims := good()
		c.change(claims)
		if got := authenticate(t, r, attempt(assert(sign(t, 0, claims)))); outcome(got) != c.want {
			t.Errorf("%s: %s, want %s (%+v)", c.name, outcome(got), c.want, got.err)
		}
	}
	if got := authenticate(t, r, attempt(assert(sign(t, 1, good())))); outcome(got) != InvalidClient {
		t.Errorf("the key of another client: %s", outcome(got))
	}
}

func TestAssertionInItsForm(t *testing.T) {
	r := registry(t)
	token := sign(t, 0, good())
	for _, c := range []struct {
		name, want string
		form       map[string]string
	}{
		{"with its client_id", "signer", map[string]string{"client_id": "signer", "client_assertion": token, "client_assertion_type": assertionType}},
		{"with another client_id", InvalidClient, map[string]string{"client_id": "other", "client_assertion": token, "client_assertion_type": assertionType}},
		{"no type", InvalidRequest, map[string]string{"client_assertion": token}},
		{"another type", InvalidRequest, map[string]string{"client_assertion": token, "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}},
		{"type alone", InvalidRequest, map[string]string{"client_assertion_type": assertionType}},
		{"no token", InvalidClient, assert("x")},
		{"not signed", InvalidClient, assert(token[:strings.LastIndex(token, ".")+1])},
		{"another algorithm", InvalidClient, assert(jose.Encode64([]byte(`{"alg":"none"}`)) + token[strings.Index(token, "."):])},
	} {
		if got := authenticate(t, r, attempt(c.form)); outcome(got) != c.want {
			t.Errorf("%s: %s, want %s (%+v)", c.name, outcome(got), c.want, got.err)
		}
	}
}

func TestAssertionWorksOnce(t *testing.T) {
	r := registry(t)
	a := attempt(assert(sign(t, 0, good())))
	a.TokenEndpoint, a.Issuer = "https://elsewhere.example/token", "https://elsewhere.example"
	if got := authenticate(t, r, a); outcome(got) != InvalidClient {
		t.Error("made for another server, and accepted")
	}
	a.TokenEndpoint = endpoint
	if got := authenticate(t, r, a); outcome(got) != "signer" {
		t.Errorf("a refused assertion burnt its jti: %+v", got.err)
	}
	if got := authenticate(t, r, a); outcome(got) != InvalidClient || !strings.Contains(got.err.Log, "replay") {
		t.Errorf("again: %+v", got.err)
	}
	// A token of an issuer that is named as the client is something else.
	apart := attempt(assert(sign(t, 0, good())))
	if step := apart.Once.Claim(now, pipeline.Use{Issuer: "signer", JTI: "1",
		Times: &pipeline.Times{Expires: pipeline.Claim{Seconds: now + 100}}, MaxLife: 60},
		func() need.Step { return need.Done(1) }); step.Result == nil {
		t.Fatalf("%+v", step)
	}
	if got := authenticate(t, r, apart); outcome(got) != "signer" {
		t.Errorf("another's jti: %+v", got.err)
	}
	full := attempt(assert(sign(t, 0, good())))
	full.Once = pipeline.NewReplayGuard(pipeline.ReplayConfig{Capacity: 0})
	if got := authenticate(t, r, full); got.err == nil || got.err.Status != 503 || got.err.Code != TemporarilyUnavailable {
		t.Errorf("a full window: %+v", got)
	}
}

// A host that checks asks for a key by its name, which says PS256.
func TestKeyByName(t *testing.T) {
	rs, err := jose.OnePublic([]byte(publicPEM(0)))
	if err != nil {
		t.Fatal(err)
	}
	ps := strings.Replace(rs.Public.JWK(), "RS256", "PS256", 1)
	r, p := New([]Config{{ID: "signer", PublicKey: ps}, {ID: "other", PublicKey: publicPEM(1)}})
	if p != nil {
		t.Fatal(p)
	}
	name := jose.KeyName(rs.Public.Thumbprint(), jose.PS256)
	if key := r.Key(name); key == nil || key.Algorithm() != jose.PS256 || r.Key(rs.Public.Thumbprint()) != nil {
		t.Errorf("%s: %v", name, key)
	}
}

// The host checks the signature and remembers the jti.
func TestAssertionWithHost(t *testing.T) {
	r := registry(t)
	begin := func(sub string, into *end) need.Step {
		claims := good()
		claims["iss"], claims["sub"] = sub, sub
		a := attempt(assert(sign(t, 0, claims)))
		a.RSA.Host, a.Once = true, pipeline.NewReplayGuard(pipeline.ReplayConfig{Host: true})
		step := r.Authenticate(now, a, collect(into))
		if step.Need == nil || step.Need.Kind != need.Check || r.Key(step.Need.Key) == nil {
			t.Fatalf("%s: %+v", sub, step)
		}
		return step
	}
	valid := need.Answer{Now: now, HasValid: true, Valid: true}
	for _, c := range []struct {
		name, sub, want string
		answers         []need.Answer
	}{
		{"good", "signer", "signer", []need.Answer{valid, {Now: now, Claim: "claimed"}}},
		{"used", "signer", InvalidClient, []need.Answer{valid, {Now: now, Claim: "exists"}}},
		{"store down", "signer", TemporarilyUnavailable, []need.Answer{valid, {Now: now, Claim: "unavailable", Failed: "down"}}},
		{"wrong signature", "signer", InvalidClient, []need.Answer{{Now: now, HasValid: true}}},
		{"check failed", "signer", TemporarilyUnavailable, []need.Answer{{Now: now, HasFailed: true, Failed: "down"}}},
		{"expired meanwhile", "signer", InvalidClient, []need.Answer{{Now: now + 66, HasValid: true, Valid: true}}},
		{"unknown client, whatever the host says", "nobody", InvalidClient, []need.Answer{valid}},
	} {
		var got end
		step := begin(c.sub, &got)
		for _, a := range c.answers {
			if step.Need == nil {
				t.Fatalf("%s: ended early", c.name)
			}
			step = step.Resume(a)
		}
		if step.Result == nil || outcome(got) != c.want {
			t.Errorf("%s: %+v, %+v", c.name, step, got.err)
		}
	}
	var got end
	if step := begin("signer", &got).Resume(need.Answer{Now: now, Claim: "claimed"}); step.Problem == nil || step.Problem.Code != problem.InvalidArgument || got.client != nil {
		t.Errorf("an answer of another kind: %+v", step)
	}
}

// What the caller refuses after the client was accepted is the caller's.
func TestRefusalOfTheCallerStays(t *testing.T) {
	r := registry(t)
	calls := 0
	step := r.Authenticate(now, attempt(assert(sign(t, 0, good()))), func(float64, *Client, *Error) need.Step {
		calls++
		return need.Refuse(problem.New(problem.InvalidSignature, ""))
	})
	if step.Problem == nil || step.Problem.Code != problem.InvalidSignature || calls != 1 {
		t.Errorf("%+v after %d calls", step, calls)
	}
}

func TestResponse(t *testing.T) {
	r := invalidClient("client \"x\": wrong secret").Response("tally")
	if r.Status != 401 || r.Headers["www-authenticate"] != `Basic realm="tally"` || r.Headers["cache-control"] != "no-store" ||
		r.Body != `{"error":"invalid_client","error_description":"client authentication failed"}` {
		t.Errorf("%+v", r)
	}
	r = invalidRequest("client_id is missing").Response("tally")
	if _, challenged := r.Headers["www-authenticate"]; r.Status != 400 || challenged {
		t.Errorf("%+v", r)
	}
}
