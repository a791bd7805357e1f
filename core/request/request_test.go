package request

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

const now = 1_700_000_000.5

var pair = sync.OnceValue(func() *jose.PrivateKey {
	key, err := jose.Generate(2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newSigner(t *testing.T, by pipeline.By) *Signer {
	t.Helper()
	s, p := NewSigner(SignerConfig{Issuer: "orchestrator", Private: pair(), By: by, TTL: DefaultTTL})
	if p != nil {
		t.Fatal(p)
	}
	return s
}

func outgoing(change func(*Outgoing)) *Outgoing {
	out := &Outgoing{Now: now, Method: "POST", URL: "https://a.example/agent?x=1", BodySHA256: digest.Hex([]byte("hello"))}
	if change != nil {
		change(out)
	}
	return out
}

func newVerifier(t *testing.T, change func(*Policy)) *Verifier {
	t.Helper()
	keys, err := authorizedkeys.FromTexts(map[string]string{"orchestrator": pair().Public().PEM()})
	if err != nil {
		t.Fatal(err)
	}
	policy := Policy{MaxLifetime: 3600, MaxBody: 10, Capacity: 100, Forgiven: pipeline.Tolerance{ClockSkew: 5}}
	if change != nil {
		change(&policy)
	}
	v, p := NewVerifier(policy, keys)
	if p != nil {
		t.Fatal(p)
	}
	return v
}

// incoming is the request that outgoing(nil) signs.
func incoming(token string) Input {
	return Input{Now: now, Authorization: []string{"Bearer " + token}, Body: need.ReceivedBody{Bytes: []byte("hello")},
		Received: pipeline.Received{Method: "POST", Path: "/agent", Query: "x=1"}}
}

func verify(v *Verifier, in Input) need.Step {
	r := NewVerification()
	r.In = in
	return v.Verify(r)
}

func signed(t *testing.T, change func(*Outgoing)) string {
	t.Helper()
	step := newSigner(t, pipeline.ByCore).Sign(outgoing(change))
	if step.Problem != nil {
		t.Fatal(step.Problem)
	}
	return step.Result.(*Signed).Token
}

func code(step need.Step) problem.Code {
	if step.Problem == nil {
		return ""
	}
	return step.Problem.Code
}

func TestClaimsThatAreSigned(t *testing.T) {
	token, p := jose.Parse(signed(t, func(o *Outgoing) { o.JTI = "one" }))
	if p != nil {
		t.Fatal(p)
	}
	want := `{"iss":"orchestrator","iat":1700000000,"exp":1700000060,"jti":"one","content_sha256":"` + digest.Hex([]byte("hello")) +
		`","htm":"POST","htu":"https://a.example/agent","query_sha256":"` + digest.Hex([]byte("x=1")) + `"}`
	if token.Payload != want || token.KeyID != pair().Public().Thumbprint() {
		t.Errorf("%s\n%s", token.KeyID, token.Payload)
	}
	jtis := map[string]bool{}
	for range 100 {
		unbound, _ := jose.Parse(signed(t, func(o *Outgoing) { o.Unbound, o.TTL = true, 5 }))
		var claims map[string]any
		if err := json.Unmarshal([]byte(unbound.Payload), &claims); err != nil {
			t.Fatal(err)
		}
		if claims["htm"] != nil || claims["htu"] != nil || claims["exp"] != 1700000005.0 {
			t.Fatal(unbound.Payload)
		}
		jti := claims["jti"].(string)
		if len(jti) != 32 || jtis[jti] {
			t.Fatal(jti)
		}
		jtis[jti] = true
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Outgoing)
		want   problem.Code
	}{
		"a long URL":         {func(o *Outgoing) { o.URL = "https://a.example/" + strings.Repeat("x", jose.MaxToken) }, problem.InvalidURL},
		"no method":          {func(o *Outgoing) { o.Method = "" }, problem.InvalidArgument},
		"no method, unbound": {func(o *Outgoing) { o.Method, o.Unbound = "", true }, ""},
		"a jti of 256 bytes": {func(o *Outgoing) { o.JTI = strings.Repeat("x", 256) }, ""},
		"a jti of 257 bytes": {func(o *Outgoing) { o.JTI = strings.Repeat("x", 257) }, problem.InvalidArgument},
		"a jti with NUL":     {func(o *Outgoing) { o.JTI = "\x00" }, problem.InvalidArgument},
	} {
		if step := newSigner(t, pipeline.ByCore).Sign(outgoing(c.change)); code(step) != c.want {
			t.Errorf("%s: %v, want %q", name, step.Problem, c.want)
		}
	}
	for issuer, want := range map[string]problem.Code{"": problem.InvalidConfig, "a\n": problem.InvalidConfig, "a": ""} {
		if _, p := NewSigner(SignerConfig{Issuer: issuer, Private: pair(), TTL: 60}); p != nil && p.Code != want || p == nil && want != "" {
			t.Errorf("issuer %q: %v", issuer, p)
		}
	}
}

func TestTheHostSigns(t *testing.T) {
	ask := func() need.Step {
		step := newSigner(t, pipeline.ByExternal).Sign(outgoing(nil))
		if step.Need == nil || step.Need.Kind != need.Sign || step.Need.Key != pair().Public().Thumbprint() {
			t.Fatalf("%+v", step)
		}
		return step
	}
	step := ask()
	signature, p := jose.Sign(step.Need.Input, pair())
	if p != nil {
		t.Fatal(p)
	}
	end := step.Resume(need.Answer{Now: now, Signature: signature})
	if end.Result == nil || verify(newVerifier(t, nil), incoming(end.Result.(*Signed).Token)).Result == nil {
		t.Errorf("%+v", end)
	}
	if end = ask().Resume(need.Answer{Now: now, Signature: make([]byte, 256)}); code(end) != problem.SignerFailed {
		t.Errorf("a wrong signature: %+v", end)
	}
}

// One thing is changed in each: first failure only, in the pipeline's order.
func TestPipeline(t *testing.T) {
	good := signed(t, nil)
	for _, c := range []struct {
		name   string
		policy func(*Policy)
		change func(*Input)
		want   problem.Code
	}{
		{"good", nil, nil, ""},
		{"no header", nil, func(in *Input) { in.Authorization = nil }, problem.MissingAuthorization},
		{"two headers", nil, func(in *Input) { in.Authorization = append(in.Authorization, "x") }, problem.AmbiguousAuthorization},
		{"two tokens", nil, func(in *Input) { in.Authorization[0] += " x" }, problem.AmbiguousAuthorization},
		{"a part is missing", nil, func(in *Input) { in.Authorization[0] = "Bearer a.b" }, problem.MalformedToken},
		{"another signature", nil, func(in *Input) {
			in.Authorization[0] = in.Authorization[0][:len(in.Authorization[0])-342] + strings.Repeat("A", 342)
		}, problem.InvalidSignature},
		{"expired", nil, func(in *Input) { in.Now += 60 }, problem.TokenExpired},
		{"within leeway", func(p *Policy) { p.Forgiven.Leeway = 1 }, func(in *Input) { in.Now += 60 }, ""},
		{"a clock behind, forgiven", nil, func(in *Input) { in.Now -= 5 }, ""},
		{"a clock further behind", nil, func(in *Input) { in.Now -= 6 }, problem.TokenNotYetValid},
		{"longer than it may live", func(p *Policy) { p.MaxLifetime = 59 }, nil, problem.InvalidClaims},
		{"another method", nil, func(in *Input) { in.Received.Method = "PUT" }, problem.WrongTarget},
		{"another path", nil, func(in *Input) { in.Received.Path = "/other" }, problem.WrongTarget},
		{"another query", nil, func(in *Input) { in.Received.Query = "x=2" }, problem.WrongTarget},
		{"another origin", func(p *Policy) { p.BaseURL = "https://b.example" }, nil, problem.WrongTarget},
		{"its origin", func(p *Policy) { p.BaseURL = "https://a.example" }, nil, ""},
		{"another body", nil, func(in *Input) { in.Body.Bytes = []byte("hellO") }, problem.BodyTampered},
		{"a large body", nil, func(in *Input) { in.Body.Bytes = make([]byte, 11) }, problem.BodyTooLarge},
		{"another body, in development", func(p *Policy) { p.Development = true }, func(in *Input) { in.Body.Bytes = []byte("hellO") }, ""},
		{"a large body, in development", func(p *Policy) { p.Development = true }, func(in *Input) { in.Body.Bytes = make([]byte, 11) }, problem.BodyTooLarge},
		{"the target before the body", nil, func(in *Input) { in.Received.Path, in.Body.Bytes = "/other", nil }, problem.WrongTarget},
		{"the time before the target", nil, func(in *Input) { in.Received.Path, in.Now = "/other", in.Now+60 }, problem.TokenExpired},
	} {
		in := incoming(good)
		if c.change != nil {
			c.change(&in)
		}
		step := verify(newVerifier(t, c.policy), in)
		if code(step) != c.want || c.want == "" && step.Result.(*Accepted).KeyID != pair().Public().Thumbprint() {
			t.Errorf("%s: %v, want %q", c.name, step.Problem, c.want)
		}
	}
}

func TestWhoIsKnown(t *testing.T) {
	good := signed(t, nil)
	other, err := jose.Generate(2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files []authorizedkeys.File
		want  problem.Code
	}{
		"its key":     {[]authorizedkeys.File{{Name: "orchestrator.pem", Text: pair().Public().PEM()}}, ""},
		"nobody":      {nil, problem.UnknownIssuer},
		"another one": {[]authorizedkeys.File{{Name: "other.pem", Text: pair().Public().PEM()}}, problem.UnknownIssuer},
	} {
		set, _ := authorizedkeys.FromFiles(c.files)
		v := newVerifier(t, nil)
		v.Feed(set)
		if step := verify(v, incoming(good)); code(step) != c.want {
			t.Errorf("%s: %v", name, step.Problem)
		}
	}
	// A PEM has no kid of its own: its thumbprint is the one that a token names.
	v := newVerifier(t, nil)
	set, err := authorizedkeys.FromTexts(map[string]string{"orchestrator": other.Public().PEM()})
	if err != nil {
		t.Fatal(err)
	}
	v.Feed(set)
	if step := verify(v, incoming(good)); code(step) == "" {
		t.Error("another key of the issuer passes")
	}
}

// A request that is refused for another reason does not use its token up.
func TestOnce(t *testing.T) {
	v, in := newVerifier(t, nil), incoming(signed(t, nil))
	tampered := in
	tampered.Body.Bytes = []byte("other")
	for n, c := range []struct {
		in   Input
		want problem.Code
	}{{tampered, problem.BodyTampered}, {in, ""}, {in, problem.ReplayDetected}, {tampered, problem.BodyTampered}} {
		if step := verify(v, c.in); code(step) != c.want {
			t.Errorf("%d: %v, want %q", n, step.Problem, c.want)
		}
	}
}

func TestKeysAreAskedForWhenTheyAreOld(t *testing.T) {
	v := newVerifier(t, func(p *Policy) { p.Reload, p.ReloadSeconds = true, 1 })
	step := verify(v, incoming(signed(t, nil)))
	if step.Need == nil || step.Need.Kind != need.Keys || step.Need.Issuer != "orchestrator" {
		t.Fatalf("%+v", step)
	}
	if end := step.Resume(need.Answer{Now: now, HasFailed: true}); code(end) != problem.KeysUnavailable {
		t.Errorf("it failed: %+v", end)
	}
	step = verify(v, incoming(signed(t, nil)))
	if end := step.Resume(need.Answer{Now: now, Unchanged: true}); end.Result == nil {
		t.Errorf("unchanged: %+v", end)
	}
	if step = verify(v, incoming(signed(t, nil))); step.Result == nil {
		t.Errorf("fresh keys: %+v", step)
	}
	later := incoming(signed(t, nil))
	later.Now++
	if step = verify(v, later); step.Need == nil {
		t.Errorf("a second later: %+v", step)
	}
}

func TestABodyThatComesLate(t *testing.T) {
	ask := func(change func(*Input)) need.Step {
		in := incoming(signed(t, nil))
		in.Body, in.BodyPending = need.ReceivedBody{}, true
		if change != nil {
			change(&in)
		}
		return verify(newVerifier(t, nil), in)
	}
	if step := ask(func(in *Input) { in.Received.Path = "/other" }); code(step) != problem.WrongTarget {
		t.Errorf("what needs no body is judged before: %+v", step)
	}
	for name, c := range map[string]struct {
		answer need.Answer
		want   problem.Code
	}{
		"the body":          {need.Answer{Now: now, Body: need.ReceivedBody{Bytes: []byte("hello")}}, ""},
		"another":           {need.Answer{Now: now, Body: need.ReceivedBody{Bytes: []byte("hellO")}}, problem.BodyTampered},
		"after exp":         {need.Answer{Now: now + 60, Body: need.ReceivedBody{Bytes: []byte("hello")}}, problem.TokenExpired},
		"there is no room":  {need.Answer{Now: now, Body: need.ReceivedBody{Overloaded: true}}, problem.Overloaded},
		"it was incomplete": {need.Answer{Now: now, Body: need.ReceivedBody{Malformed: true}}, problem.MalformedRequest},
	} {
		step := ask(nil)
		if step.Need == nil || step.Need.Kind != need.Body || step.Need.MaxBytes != 10 {
			t.Fatalf("%+v", step)
		}
		if end := step.Resume(c.answer); code(end) != c.want {
			t.Errorf("%s: %+v", name, end)
		}
	}
}

// rotagent 0.1.0 posts to {url}/agent and words failures so.
func TestOutcome(t *testing.T) {
	const url = "https://a.example"
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{200, `{"a":1,"agent_url":"x"}`, `{"a":1,"agent_url":"https://a.example"}`},
		{200, `{}`, `{"agent_url":"https://a.example"}`},
		{200, `[1]`, `{"error":"The agent's answer is not a JSON object","agent_url":"https://a.example"}`},
		{401, `{"a":1}`, `{"error":"Auth Failed","agent_url":"https://a.example"}`},
		{429, ``, `{"error":"Replay Detected","agent_url":"https://a.example"}`},
		{503, ``, `{"error":"Status 503","agent_url":"https://a.example"}`},
	} {
		if got := string(Outcome(c.status, []byte(c.body), url)); got != c.want {
			t.Errorf("%d %s: %s", c.status, c.body, got)
		}
	}
	for given, want := range map[string]string{url: url + "/agent", url + "/": url + "/agent", url + "?x": "", "agent": ""} {
		if got, p := Endpoint(given); got != want || (p == nil) != (want != "") {
			t.Errorf("%s: %s %v", given, got, p)
		}
	}
}

// What a refusal says stays when the memory of its request is another's: a host may still write it.
func TestARefusalOutlivesItsRequest(t *testing.T) {
	v := newVerifier(t, nil)
	by := func(issuer string) string {
		s, p := NewSigner(SignerConfig{Issuer: issuer, Private: pair(), TTL: 60})
		if p != nil {
			t.Fatal(p)
		}
		return s.Sign(outgoing(nil)).Result.(*Signed).Token
	}
	run := NewVerification()
	run.In = incoming(by("stranger-one"))
	refused := v.Verify(run).Problem
	before, _ := json.Marshal(refused.Response(problem.Challenge{Realm: "r"}))
	run.Reset()
	run.In = incoming(by("STRANGER-TWO"))
	v.Verify(run)
	if after, _ := json.Marshal(refused.Response(problem.Challenge{Realm: "r"})); string(after) != string(before) || refused.Code != problem.UnknownIssuer {
		t.Errorf("%s\n%s", before, after)
	}
}
