package tallystick_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
)

func TestASelfIssuedTokenIsTaken(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	bob, b := newAgent(t, tallystick.SkillOptions{}, "read")
	if alice.Mode() != "self-issued" || alice.BaseURL() != alice.Issuer() || alice.AgentID() == "" ||
		alice.Name() == "" {
		t.Error(alice)
	}
	made := token(t, alice, bob.BaseURL(), "read")
	if status, body := askWith(t, b.URL+"/chat", made); status != 200 || !strings.HasSuffix(body, " agent hello") {
		t.Fatal(status, body)
	}
	if again := token(t, alice, bob.BaseURL(), "read"); again != made {
		t.Error("a token was not kept")
	}
	for name, refused := range map[string]struct {
		token  string
		status int
		says   string
	}{
		"none":            {"", 401, "missing_authorization"},
		"no scope":        {token(t, alice, bob.BaseURL(), "write"), 403, "insufficient_scope"},
		"another's":       {token(t, alice, "https://carol.example", "read"), 401, "invalid_audience"},
		"broken":          {made[:len(made)-8] + "AAAAAAAA", 401, "invalid_signature"},
		"no token at all": {"x", 401, "malformed_token"},
	} {
		if status, body := askWith(t, b.URL+"/chat", refused.token); status != refused.status ||
			!strings.Contains(body, refused.says) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	auth, err := bob.VerifyToken(t.Context(), made)
	if err != nil {
		t.Fatal(err)
	}
	if !auth.HasScope("read") || auth.HasScope("write") || auth.HasNamespace("read") || auth.Bound ||
		!auth.Authenticated ||
		auth.Issuer != alice.Issuer() || auth.AgentID != alice.AgentID() || auth.TokenID == "" || auth.KeyID == "" ||
		auth.ExpiresAt.Sub(auth.IssuedAt) != 300*time.Second || auth.RawClaims()["aud"] != bob.BaseURL() {
		t.Errorf("%+v", auth)
	}
	auth.Scopes[0] = "admin"
	if again, err := bob.VerifyToken(t.Context(), made); err != nil || again.Scopes[0] != "read" {
		t.Error("one caller's context is another's", again, err)
	}
	if stats := bob.Stats(); stats.Verified == 0 || stats.Issuers != 1 {
		t.Error(stats)
	}
}

func TestVerifyTakesPartsOfARequest(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	bob, _ := newAgent(t, tallystick.SkillOptions{})
	request := tallystick.Request{Authorization: []string{"Bearer " + token(t, alice, bob.BaseURL())},
		Method: "GET", Path: "/chat"}
	if _, err := bob.Verify(t.Context(), request, "read"); err != nil {
		t.Fatal(err)
	}
	_, err := bob.Verify(t.Context(), request, "admin")
	mustBe(t, err, tallystick.ErrInsufficientScope)
	_, err = bob.Verify(t.Context(), request, "a b")
	mustBe(t, err, tallystick.ErrInvalidConfig, "scopes")
	request.Authorization = nil
	_, err = bob.Verify(t.Context(), request)
	mustBe(t, err, tallystick.ErrMissingAuthorization)
	var e *tallystick.Error
	if !errors.As(err, &e) || e.Response == nil || e.Response.Status != 401 {
		t.Error(e)
	}
}

func TestABoundTokenIsOneRequest(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	bob, b := newAgent(t, tallystick.SkillOptions{})
	client := &http.Client{Transport: alice.TransportWith(bob.BaseURL(), tallystick.TransportOptions{Bind: true})}
	for range 2 {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/bound?a=1", strings.NewReader("hello"))
		if status, body, _ := send(t, client, request); status != 200 || !strings.HasSuffix(body, "hello") {
			t.Fatal(status, body)
		}
		request, _ = http.NewRequestWithContext(t.Context(), "GET", b.URL+"/bound", nil)
		if status, body, _ := send(t, client, request); status != 200 {
			t.Fatal(status, body)
		}
	}
	bound := func(url, body string) string {
		made, err := alice.Issue(t.Context(), tallystick.TokenRequest{
			Target: bob.BaseURL(), Bind: &tallystick.Binding{Method: "POST", URL: url, Body: []byte(body)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	made := bound(b.URL+"/bound", "hello")
	if status, body := askWith(t, b.URL+"/bound", made); status != 200 {
		t.Fatal(status, body)
	}
	if status, body := askWith(t, b.URL+"/bound", made); status != 429 || !strings.Contains(body, "replay_detected") {
		t.Error(status, body)
	}
	for name, refused := range map[string][2]string{
		"other body":   {bound(b.URL+"/bound", "hallo"), "body_tampered"},
		"other path":   {bound(b.URL+"/chat", "hello"), "wrong_target"},
		"not bound":    {token(t, alice, bob.BaseURL()), "invalid_claims"},
		"other origin": {bound("https://x.example/bound", "hello"), "wrong_target"},
	} {
		if status, body := askWith(t, b.URL+"/bound", refused[0]); status != 401 || !strings.Contains(body, refused[1]) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	_, err := bob.VerifyToken(t.Context(), bound(b.URL+"/bound", "hello"))
	mustBe(t, err, tallystick.ErrWrongTarget)
}

func TestABoundTokenNeedsItsStore(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	store := &brokenStore{}
	_, b := newAgent(t, tallystick.SkillOptions{Store: store, RequireBinding: true})
	client := &http.Client{Transport: alice.TransportWith(b.URL, tallystick.TransportOptions{Bind: true})}
	get := func() int {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/chat", nil)
		status, _, _ := send(t, client, request)
		return status
	}
	if status := get(); status != 200 {
		t.Fatal(status)
	}
	store.broken = true
	if status := get(); status != 503 {
		t.Error(status)
	}
}

type brokenStore struct {
	skillStore
	broken bool
}

func (s *brokenStore) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	if s.broken {
		return false, errors.New("the disk is gone")
	}
	return s.skillStore.Claim(ctx, id, seconds)
}

func TestTransportSendsNoTokenElsewhere(t *testing.T) {
	logged := &skillLog{}
	alice, _ := newAgent(t, tallystick.SkillOptions{Logger: logged.logger()})
	_, b := newAgent(t, tallystick.SkillOptions{})
	other := newSite(t)
	other.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, len(r.Header["Authorization"]))
	}))
	client := &http.Client{Transport: alice.Transport(b.URL, "read")}
	post := func(url string) (int, string) {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader("hello"))
		status, body, _ := send(t, client, request)
		return status, body
	}
	if status, body := post(b.URL + "/chat"); status != 200 {
		t.Fatal(status, body)
	}
	for range 2 {
		if status, body := post(other.URL + "/chat"); status != 200 || body != "0" {
			t.Fatal(status, body)
		}
	}
	// Neither by a redirect, nor by what the request calls its host.
	moved := newSite(t)
	moved.serve(http.RedirectHandler(other.URL+"/moved", http.StatusTemporaryRedirect))
	redirected := &http.Client{Transport: alice.Transport(moved.URL)}
	request, _ := http.NewRequestWithContext(t.Context(), "GET", moved.URL, nil)
	if status, body, _ := send(t, redirected, request); status != 200 || body != "0" {
		t.Error(status, body)
	}
	request, _ = http.NewRequestWithContext(t.Context(), "GET", other.URL, nil)
	request.Host = strings.TrimPrefix(b.URL, "http://")
	if status, body, _ := send(t, client, request); status != 200 || body != "0" {
		t.Error(status, body)
	}
	if n := strings.Count(logged.String(), "no token is sent to "+other.URL); n != 2 { // for bob and for moved
		t.Error(n, logged)
	}
	request, _ = http.NewRequestWithContext(t.Context(), "POST", b.URL+"/chat", nil)
	request.Header.Set("Authorization", "Bearer mine")
	_, err := client.Do(request)
	mustBe(t, err, tallystick.ErrInvalidArgument)
}

func TestTransportAsksAnewOnce(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	bob := newSite(t)
	var lock sync.Mutex
	var tokens []string
	refuse, challenge := 1, `Bearer realm="x", error="invalid_token"`
	bob.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		tokens = append(tokens, r.Header.Get("Authorization"))
		if refuse > 0 {
			refuse--
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(401)
		}
	}))
	client := &http.Client{Transport: alice.Transport(bob.URL)}
	post := func() int {
		lock.Lock()
		tokens = nil
		lock.Unlock()
		request, _ := http.NewRequestWithContext(t.Context(), "POST", bob.URL+"/chat", strings.NewReader("hello"))
		status, _, _ := send(t, client, request)
		return status
	}
	if status := post(); status != 200 || len(tokens) != 2 || tokens[0] == tokens[1] {
		t.Fatal(status, len(tokens))
	}
	refuse = 5
	if status := post(); status != 401 || len(tokens) != 2 {
		t.Error(status, len(tokens))
	}
	refuse, challenge = 1, `Bearer realm="x", error="insufficient_scope"`
	if status := post(); status != 401 || len(tokens) != 1 {
		t.Error(status, len(tokens))
	}
}

func TestKeysRotate(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	alice, a := newAgent(t, tallystick.SkillOptions{AgentID: "alice", KeysDir: folder})
	bob, _ := newAgent(t, tallystick.SkillOptions{})
	before := token(t, alice, bob.BaseURL())
	first, err := bob.VerifyToken(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := alice.RotateKeys(t.Context(), tallystick.RotateOptions{})
	if err != nil {
		t.Fatal(err) // the first next key of all counts as published since ever
	}
	if rotated.Active == first.KeyID || len(rotated.Retired) != 1 || rotated.Retired[0] != first.KeyID {
		t.Error(rotated)
	}
	_, err = alice.RotateKeys(t.Context(), tallystick.RotateOptions{})
	mustBe(t, err, tallystick.ErrInvalidArgument, "or by force")
	after, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: bob.BaseURL()})
	if err != nil {
		t.Fatal(err)
	}
	if second, err := bob.VerifyToken(t.Context(), after); err != nil || second.KeyID != rotated.Active {
		t.Fatal(second, err)
	}
	if _, err := bob.VerifyToken(t.Context(), before); err != nil {
		t.Error(err)
	}
	if _, err = alice.RotateKeys(t.Context(), tallystick.RotateOptions{Revoke: true}); err != nil {
		t.Fatal(err)
	}
	_, err = alice.VerifyToken(t.Context(), token(t, alice, alice.BaseURL()))
	if err != nil {
		t.Error(err)
	}
	// Another process with the same folder.
	twin := newTestSkill(t, tallystick.SkillOptions{AgentID: "alice", BaseURL: a.URL, KeysDir: folder})
	if _, err := twin.RotateKeys(t.Context(), tallystick.RotateOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(folder, "alice.ring.json.4"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info, err)
	}
	made := token(t, twin, alice.BaseURL())
	eventually(t, func() bool { _, err := alice.VerifyToken(t.Context(), made); return err == nil })
}

// eventually asks again until another process's change was looked at, once a second.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("it did not come true")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestARingOpenToOthersIsRefused(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	options := tallystick.SkillOptions{BaseURL: "https://alice.example", KeysDir: folder, Store: &skillStore{},
		Logger: new(skillLog).logger()}
	s, err := tallystick.NewSkill(options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Token(t.Context(), "https://bob.example"); err != nil {
		t.Fatal(err)
	}
	ring := filepath.Join(folder, "alice.example.ring.json.1")
	for path, mode := range map[string]os.FileMode{ring: 0o644, folder: 0o755} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err = tallystick.NewSkill(options)
		if path == folder {
			_, err = s.RotateKeys(t.Context(), tallystick.RotateOptions{})
		}
		mustBe(t, err, tallystick.ErrInvalidConfig, "open to other users", "chmod")
		if err := os.Chmod(path, mode&0o700); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]string{
		"{}":                                   "not a key ring",
		`{"version":2,"keys":[]}`:              "update tallystick",
		`{"version":1,"keys":[]}`:              "exactly one",
		`{"version":1,"moved_to":"ring in x"}`: "was moved to",
		"[":                                    "not a key ring",
	} {
		if err := os.WriteFile(ring, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = tallystick.NewSkill(options)
		mustBe(t, err, tallystick.ErrInvalidConfig, want, "alice.example.ring.json")
	}
}

func TestEndpointsAnswer(t *testing.T) {
	alice, a := newAgent(t, tallystick.SkillOptions{})
	var discovery map[string]any
	status, body, _ := exchange(t, "GET", a.URL+"/.well-known/openid-configuration", "", "")
	if err := json.Unmarshal([]byte(body), &discovery); err != nil || status != 200 ||
		discovery["issuer"] != alice.Issuer() {
		t.Fatal(status, body, err)
	}
	status, body, headers := exchange(t, "GET", a.URL+"/.well-known/jwks.json", "", "")
	if status != 200 || strings.Count(body, `"kid"`) != 2 || strings.Contains(body, `"d"`) {
		t.Fatal(status, body)
	}
	request, _ := http.NewRequestWithContext(t.Context(), "GET", a.URL+"/.well-known/jwks.json", nil)
	request.Header.Set("If-None-Match", headers.Get("Etag"))
	if status, body, _ := send(t, http.DefaultClient, request); status != 304 || body != "" {
		t.Error(status, body)
	}
	for _, one := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "/.well-known/jwks.json", 200}, {"POST", "/.well-known/jwks.json", 405}, {"GET", "/auth/token", 405},
		{"POST", "/auth/token", 400}, {"GET", "/api/auth/jwks", 404}, {"GET", "/other", 404},
	} {
		if status, body, _ := exchange(t, one.method, a.URL+one.path, "", ""); status != one.status {
			t.Error(one, status, body)
		}
	}
	if status, _, _ := exchange(t, "POST", a.URL+"/auth/token", "", strings.Repeat("x", 70_000)); status != 413 {
		t.Error(status)
	}
}

func TestEndpointsOfManyAgents(t *testing.T) {
	s := newSite(t)
	agents := map[string]tallystick.TokenEndpoint{}
	for _, name := range []string{"alice", "bob"} {
		agents[name] = newTestSkill(t, tallystick.SkillOptions{BaseURL: s.URL + "/" + name})
	}
	handler, err := tallystick.Endpoints(agents)
	if err != nil {
		t.Fatal(err)
	}
	s.serve(handler)
	alice, bob := agents["alice"].(*tallystick.Skill), agents["bob"].(*tallystick.Skill)
	if auth, err := bob.VerifyToken(t.Context(), token(t, alice, bob.BaseURL())); err != nil || auth.AgentID != "alice" {
		t.Fatal(auth, err)
	}
	if status, _, _ := exchange(t, "GET", s.URL+"/carol/.well-known/jwks.json", "", ""); status != 404 {
		t.Error(status)
	}
	for _, wrong := range []map[string]tallystick.TokenEndpoint{{"": alice}, {"a/b": alice}, {"a": nil}} {
		_, err := tallystick.Endpoints(wrong)
		mustBe(t, err, tallystick.ErrInvalidArgument)
	}
}

func TestEndpointsBelowTheOwnURL(t *testing.T) {
	s := newSite(t)
	alice := newTestSkill(t, tallystick.SkillOptions{BaseURL: s.URL + "/agents/alice"})
	s.serve(alice.Endpoints())
	bob := newTestSkill(t, tallystick.SkillOptions{BaseURL: "https://bob.example"})
	if _, err := bob.VerifyToken(t.Context(), token(t, alice, "https://bob.example")); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := exchange(t, "GET", s.URL+"/agents/bob/.well-known/jwks.json", "", ""); status != 404 {
		t.Error(status)
	}
}

func TestAnUnusableSkillRefuses(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	closed, c := newAgent(t, tallystick.SkillOptions{})
	made := token(t, alice, c.URL)
	if status, _ := askWith(t, c.URL+"/chat", made); status != 200 {
		t.Fatal(status)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if status, _ := askWith(t, c.URL+"/chat", made); status != 500 {
		t.Error(status)
	}
	if status, _, _ := exchange(t, "GET", c.URL+"/.well-known/jwks.json", "", ""); status != 500 {
		t.Error(status)
	}
	_, err := closed.Token(t.Context(), "https://bob.example")
	mustBe(t, err, tallystick.ErrUnknownEngine)
	for _, none := range []*tallystick.Skill{nil, {}} {
		_, err := none.Token(t.Context(), "https://bob.example")
		mustBe(t, err, tallystick.ErrInvalidConfig, "NewSkill")
		_, err = none.VerifyToken(t.Context(), made)
		mustBe(t, err, tallystick.ErrInvalidConfig)
		_, err = none.RotateKeys(t.Context(), tallystick.RotateOptions{})
		mustBe(t, err, tallystick.ErrInvalidConfig)
		_, err = none.RunCommand(t.Context(), "/auth")
		mustBe(t, err, tallystick.ErrInvalidConfig)
		mustBe(t, none.Reload("{}"), tallystick.ErrInvalidConfig)
		_, err = (&http.Client{Transport: none.Transport("https://bob.example")}).Get("https://bob.example/")
		mustBe(t, err, tallystick.ErrInvalidConfig)
		_, _ = none.Close(), none.Stats()
		s := newSite(t)
		s.serve(none.Protect("read")(http.HandlerFunc(tellCaller)))
		if status, _ := askWith(t, s.URL, made); status != 500 {
			t.Error(status)
		}
		s.serve(none.Endpoints())
		if status, _ := askWith(t, s.URL+"/auth/token", made); status != 500 {
			t.Error(status)
		}
	}
	s := newSite(t)
	for _, handler := range []http.Handler{alice.Protect("read")(nil),
		alice.Protect("a b")(http.HandlerFunc(tellCaller))} {
		s.serve(handler)
		status, body := askWith(t, s.URL, token(t, alice, alice.BaseURL()))
		if status != 500 || strings.Contains(body, "a b") {
			t.Error(status, body)
		}
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	good := func() tallystick.SkillOptions {
		return tallystick.SkillOptions{BaseURL: "https://alice.example", KeysDir: filepath.Join(t.TempDir(), "keys"),
			Store: &skillStore{}, Logger: new(skillLog).logger()}
	}
	if _, err := tallystick.NewSkill(good()); err != nil {
		t.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		change func(*tallystick.SkillOptions)
		want   *tallystick.Error
		says   string
	}{
		{func(o *tallystick.SkillOptions) { o.BaseURL = "ftp://x" }, tallystick.ErrInvalidConfig, "BaseURL: "},
		{func(o *tallystick.SkillOptions) { o.BaseURL = "" }, tallystick.ErrInvalidConfig, "(or AgentID)"},
		{func(o *tallystick.SkillOptions) { o.TokenTTL = time.Second / 2 }, tallystick.ErrInvalidConfig,
			"TokenTTL: must be a whole number of seconds from 1 to 86400"},
		{func(o *tallystick.SkillOptions) { o.TokenTTL = -time.Second }, tallystick.ErrInvalidConfig, "TokenTTL: "},
		{func(o *tallystick.SkillOptions) { o.MaxBuffered = 1 }, tallystick.ErrInvalidConfig, "MaxBuffered must be"},
		{func(o *tallystick.SkillOptions) { o.TrustedIssuers = []tallystick.TrustedIssuer{{Issuer: "x"}} },
			tallystick.ErrInvalidConfig, `write Issuer: "https://`},
		{func(o *tallystick.SkillOptions) { o.AllowedScopes = []string{"a b"} }, tallystick.ErrInvalidConfig,
			"AllowedScopes[0]"},
		{func(o *tallystick.SkillOptions) { o.AcceptFrom = &tallystick.Rules{Allow: []string{"?"}} },
			tallystick.ErrInvalidConfig, "AcceptFrom.Allow[0]"},
		{func(o *tallystick.SkillOptions) { o.Leeway = time.Hour }, tallystick.ErrInvalidConfig, "Leeway: must be a number of seconds"},
		{func(o *tallystick.SkillOptions) { o.ClientSecret, o.ClientKey = "x", "y" }, tallystick.ErrInvalidConfig,
			"ClientKey"},
		{func(o *tallystick.SkillOptions) { o.Config = `{"base_url":` }, tallystick.ErrInvalidConfig, "configuration"},
		{func(o *tallystick.SkillOptions) { o.Config = `{"bas_url":"x"}` }, tallystick.ErrInvalidConfig, "base_url"},
		{func(o *tallystick.SkillOptions) { o.Config = `{"logger":"x"}` }, tallystick.ErrInvalidConfig,
			"the option Logger"},
		{func(o *tallystick.SkillOptions) { o.Keys = map[string]string{"https://x.example": "no key"} },
			tallystick.ErrInvalidKey, "Keys"},
		{func(o *tallystick.SkillOptions) { o.KeyBits = 1024 }, tallystick.ErrInvalidArgument, "KeyBits"},
		{func(o *tallystick.SkillOptions) { o.Store = nil }, tallystick.ErrInvalidArgument, "stores/sqlite"},
		{func(o *tallystick.SkillOptions) { o.StoreKey = strings.Repeat("0", 64) }, tallystick.ErrInvalidArgument,
			"StoreKey"},
		{func(o *tallystick.SkillOptions) { o.SignerTimeout = time.Second }, tallystick.ErrInvalidArgument,
			"SignerTimeout"},
		{func(o *tallystick.SkillOptions) { o.Signer, o.Authority = key, "https://portal.example" },
			tallystick.ErrInvalidArgument, "Signer"},
		{func(o *tallystick.SkillOptions) { o.Signer = (*rsa.PrivateKey)(nil) }, tallystick.ErrInvalidArgument, "Signer"},
	} {
		o := good()
		one.change(&o)
		_, err := tallystick.NewSkill(o)
		mustBe(t, err, one.want, one.says)
	}
}

func TestAConfigurationIsRead(t *testing.T) {
	t.Setenv("TALLYSTICK_TEST_AGENT", "alice")
	s := newTestSkill(t, tallystick.SkillOptions{
		Config: `{"skills":{"auth":{"base_url":"https://agents.example.com/${TALLYSTICK_TEST_AGENT}",
			"token_ttl":60,"allowed_scopes":["a"]}}}`,
		TokenTTL: 90 * time.Second,
	})
	if s.BaseURL() != "https://agents.example.com/alice" || s.AgentID() != "alice" {
		t.Error(s)
	}
	auth, err := s.VerifyToken(t.Context(), token(t, s, s.BaseURL()))
	if err != nil || auth.ExpiresAt.Sub(auth.IssuedAt) != 90*time.Second || len(auth.Scopes) != 1 ||
		auth.Scopes[0] != "a" {
		t.Error(auth, err)
	}
}

func TestAFileIsWatched(t *testing.T) {
	path, logged := filepath.Join(t.TempDir(), "agent.json"), &skillLog{}
	write := func(text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-time.Second)
		if err := os.Chtimes(path+".new", old, old); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"base_url":"https://alice.example"}`)
	options := tallystick.SkillOptions{KeysDir: filepath.Join(t.TempDir(), "keys"), Store: &skillStore{},
		Logger: logged.logger()}
	s, err := tallystick.SkillFromFile(path, options)
	if err != nil {
		t.Fatal(err)
	}
	own := token(t, s, s.BaseURL())
	if _, err := s.VerifyToken(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	write(`{"base_url":"https://alice.example","deny":["https://alice.example"]}`)
	eventually(t, func() bool {
		_, err := s.VerifyToken(t.Context(), own)
		return errors.Is(err, tallystick.ErrIssuerDenied)
	})
	write(`{"base_url":"https://mallory.example"}`)
	eventually(t, func() bool { s.VerifyToken(t.Context(), own); return s.Stats().PolicyRefused != "" })
	if said := s.Stats().PolicyRefused; !strings.Contains(said, "agent.json") || !strings.Contains(said, "base_url") {
		t.Error(said)
	}
	_, err = s.VerifyToken(t.Context(), own)
	mustBe(t, err, tallystick.ErrIssuerDenied)
	mustBe(t, s.Reload(""), tallystick.ErrInvalidConfig, "base_url")
	if err := s.Reload(`{"base_url":"https://alice.example"}`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.VerifyToken(t.Context(), own); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"agent.yaml": "a: b", "bad.json": "{", "list.json": "[]", "list.yml": "- a", "broken.yaml": "a: [", "text.conf": "a",
		"unknown.yaml": "a: b",
	} {
		options := options
		if name != "agent.yaml" {
			options.YAML = yamlconfig.ToJSON
		}
		other := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tallystick.SkillFromFile(other, options)
		mustBe(t, err, tallystick.ErrInvalidConfig, name)
	}
	_, err = tallystick.SkillFromFile(path+".not", options)
	mustBe(t, err, tallystick.ErrInvalidConfig)
}

func TestAFileInYAMLIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.yaml")
	text := "\ufeffskills:\n  auth:\n    base_url: https://${TALLYSTICK_TEST_HOST}\n    deny: ['https://alice.example']\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TALLYSTICK_TEST_HOST", "alice.example")
	options := tallystick.SkillOptions{KeysDir: filepath.Join(t.TempDir(), "keys"), Store: &skillStore{},
		Google: &tallystick.GoogleOptions{ClientID: "g"}, Robutler: &tallystick.RobutlerOptions{ClientID: "r"},
		Logger: new(skillLog).logger()}
	_, err := tallystick.SkillFromFile(path, options)
	mustBe(t, err, tallystick.ErrInvalidConfig, "agent.yaml", "bindings/go/yamlconfig")
	logged := &skillLog{}
	options.YAML, options.Logger = yamlconfig.ToJSON, logged.logger()
	s, err := tallystick.SkillFromFile(path, options)
	if err != nil {
		t.Fatal(err)
	}
	if s.BaseURL() != "https://alice.example" || !strings.Contains(logged.String(), "google: not active") {
		t.Error(s, logged)
	}
	_, err = s.VerifyToken(t.Context(), token(t, s, s.BaseURL()))
	mustBe(t, err, tallystick.ErrIssuerDenied)
	if err := os.WriteFile(path, []byte(strings.Replace(text, "alice.example']", "bob.example']", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(""); err != nil {
		t.Fatal(err)
	}
	if _, err = s.VerifyToken(t.Context(), token(t, s, s.BaseURL())); err != nil {
		t.Error(err)
	}
}

func TestASignerOutsideSigns(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	alice, _ := newAgent(t, tallystick.SkillOptions{Signer: key})
	bob, _ := newAgent(t, tallystick.SkillOptions{})
	if _, err := bob.VerifyToken(t.Context(), token(t, alice, bob.BaseURL())); err != nil {
		t.Fatal(err)
	}
	_, err = alice.RotateKeys(t.Context(), tallystick.RotateOptions{})
	mustBe(t, err, tallystick.ErrInvalidArgument)
}

func TestTrustIsAsked(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{TalkTo: &tallystick.Rules{Allow: []string{"everyone"},
		Deny: []string{"https://bad.example"}}})
	bob, _ := newAgent(t, tallystick.SkillOptions{AcceptFrom: &tallystick.Rules{Allow: []string{"everyone"}}})
	carol, _ := newAgent(t, tallystick.SkillOptions{AcceptFrom: &tallystick.Rules{Allow: []string{"nobody"}}})
	if _, err := bob.VerifyToken(t.Context(), token(t, alice, bob.BaseURL())); err != nil {
		t.Error(err)
	}
	_, err := carol.VerifyToken(t.Context(), token(t, alice, carol.BaseURL()))
	mustBe(t, err, tallystick.ErrTrustDenied)
	_, err = alice.Token(t.Context(), "https://bad.example")
	mustBe(t, err, tallystick.ErrTrustDenied)
	strict, err := tallystick.NewSkill(tallystick.SkillOptions{BaseURL: "https://strict.example", Store: &skillStore{},
		KeysDir: filepath.Join(t.TempDir(), "keys"), Logger: new(skillLog).logger()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = strict.VerifyToken(t.Context(), token(t, alice, strict.BaseURL()))
	mustBe(t, err, tallystick.ErrUnknownIssuer) // on loopback
}

func TestACancelledCallEnds(t *testing.T) {
	released := make(chan struct{})
	issuer := newSite(t)
	alice := newTestSkill(t, tallystick.SkillOptions{BaseURL: issuer.URL})
	asked := make(chan struct{}, 8)
	issuer.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-released
		alice.Endpoints().ServeHTTP(w, r)
	}))
	bob, _ := newAgent(t, tallystick.SkillOptions{})
	made := token(t, alice, bob.BaseURL())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	_, err := bob.VerifyToken(ctx, made)
	mustBe(t, err, tallystick.ErrKeysUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(released)
	// What one caller gave up is no failure for the next.
	if _, err := bob.VerifyToken(t.Context(), made); err != nil {
		t.Error(err)
	}
}

func TestManyAskAtOneTime(t *testing.T) {
	alice, a := newAgent(t, tallystick.SkillOptions{})
	bob, b := newAgent(t, tallystick.SkillOptions{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			made, err := alice.Token(t.Context(), bob.BaseURL())
			if err != nil {
				t.Error(err)
				return
			}
			for range 4 {
				if status, body := askWith(t, b.URL+"/chat", made); status != 200 {
					t.Error(status, body)
				}
			}
		})
	}
	all.Wait()
	if seen := a.seen.Load(); seen != 2 {
		t.Errorf("%d requests for the keys, want discovery and keys once", seen)
	}
}

func TestCommandsAreRun(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	said, err := alice.RunCommand(t.Context(), "/auth/token https://bob.example read")
	if err != nil {
		t.Fatal(err)
	}
	var data struct{ Token string }
	if err := json.Unmarshal(said.Data, &data); err != nil || data.Token == "" ||
		strings.Contains(fmt.Sprintf("%v %+v %#v", said, said, said), data.Token) {
		t.Error(err, said.Display)
	}
	_, err = alice.RunCommand(t.Context(), "/auth/none")
	mustBe(t, err, tallystick.ErrInvalidArgument)
}

func TestDevelopmentNeedsNoStore(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	bob, err := tallystick.NewSkill(tallystick.SkillOptions{BaseURL: "https://bob.example", DevMode: true,
		KeysDir: filepath.Join(t.TempDir(), "keys"), Logger: new(skillLog).logger()})
	if err != nil {
		t.Fatal(err)
	}
	made, err := alice.Issue(t.Context(), tallystick.TokenRequest{
		Target: bob.BaseURL(), Bind: &tallystick.Binding{Method: "GET", URL: "https://bob.example/x"},
	})
	if err != nil {
		t.Fatal(err)
	}
	request := tallystick.Request{Authorization: []string{"Bearer " + made}, Method: "GET", Path: "/x"}
	if _, err := bob.Verify(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	_, err = bob.Verify(t.Context(), request)
	mustBe(t, err, tallystick.ErrReplayDetected)
}

func TestNothingShowsASecret(t *testing.T) {
	secret, err := tallystick.NewClientSecret("")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []any{
		secret, tallystick.SkillOptions{ClientSecret: secret.Secret, StoreKey: secret.Secret},
		tallystick.AuthorityOptions{StoreKey: secret.Secret}, tallystick.Client{Secret: secret.Secret},
		tallystick.Registration{ClientSecret: secret.Secret}, tallystick.ClientConfig{SecretHash: secret.SecretHash},
		tallystick.GoogleOptions{ClientSecret: secret.Secret}, tallystick.RobutlerOptions{ClientSecret: secret.Secret},
	} {
		logged := &skillLog{}
		slog.New(slog.NewJSONHandler(logged, nil)).Info("x", "it", one)
		shown := logged.String()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%t", "%x", "%X", "%e", "%U", "%08b"} {
			shown += fmt.Sprintf(verb, one) + fmt.Sprintf(verb, &one) + fmt.Sprintf(verb, []any{one})
		}
		for _, hidden := range []string{secret.Secret, secret.SecretHash} {
			if strings.Contains(shown, hidden) || strings.Contains(shown, fmt.Sprintf("%x", hidden)) ||
				strings.Contains(shown, fmt.Sprintf("%X", hidden)) {
				t.Errorf("%T: %s", one, shown)
			}
		}
	}
	for _, one := range []any{
		tallystick.SkillOptions{Config: secret.Secret, ClientSecret: secret.Secret, ClientKey: secret.Secret,
			StoreKey: secret.Secret},
		tallystick.AuthorityOptions{StoreKey: secret.Secret},
	} {
		text, err := json.Marshal(one)
		if err != nil || strings.Contains(string(text), secret.Secret) {
			t.Errorf("%s, %v", text, err)
		}
	}
}

// As in production: https, issuers that are configured, and no development mode.
func TestAConfiguredIssuerIsAskedOverTLS(t *testing.T) {
	handler := &atomic.Pointer[http.Handler]{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*handler.Load()).ServeHTTP(w, r)
	}))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of the one that does not know the certificate
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	make := func(o tallystick.SkillOptions) *tallystick.Skill {
		o.KeysDir, o.Store, o.Logger = filepath.Join(t.TempDir(), "keys"), &skillStore{}, new(skillLog).logger()
		s, err := tallystick.NewSkill(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	alice := make(tallystick.SkillOptions{BaseURL: server.URL})
	endpoints := alice.Endpoints()
	handler.Store(&endpoints)
	trusted := []tallystick.TrustedIssuer{{Issuer: server.URL}}
	made := token(t, alice, "https://bob.example")
	bob := make(tallystick.SkillOptions{BaseURL: "https://bob.example", TrustedIssuers: trusted, RootCAs: roots})
	if _, err := bob.VerifyToken(t.Context(), made); err != nil {
		t.Error(err)
	}
	blind := make(tallystick.SkillOptions{BaseURL: "https://bob.example", TrustedIssuers: trusted})
	_, err := blind.VerifyToken(t.Context(), made)
	mustBe(t, err, tallystick.ErrKeysUnavailable)
	given := make(tallystick.SkillOptions{BaseURL: "https://bob.example",
		Keys: map[string]string{server.URL: jwks(t, endpoints)}})
	if _, err := given.VerifyToken(t.Context(), made); err != nil {
		t.Error(err)
	}
	stranger := make(tallystick.SkillOptions{BaseURL: "https://bob.example", RootCAs: roots})
	_, err = stranger.VerifyToken(t.Context(), made)
	mustBe(t, err, tallystick.ErrUnknownIssuer)
}

func jwks(t *testing.T, endpoints http.Handler) string {
	t.Helper()
	recorded := httptest.NewRecorder()
	endpoints.ServeHTTP(recorded, httptest.NewRequestWithContext(t.Context(), "GET", "/.well-known/jwks.json", nil))
	return recorded.Body.String()
}

// at asks without a token; headers are name, value, name, value.
func at(t *testing.T, method, url string, headers ...string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return send(t, http.DefaultClient, request)
}

func TestDocumentsBehindTheirNames(t *testing.T) {
	s := newSite(t)
	alice := newTestSkill(t, tallystick.SkillOptions{BaseURL: s.URL + "/agents/alice"})
	bob := newTestSkill(t, tallystick.SkillOptions{BaseURL: s.URL + "/bob"})
	many, err := tallystick.Endpoints(map[string]tallystick.TokenEndpoint{"alice": alice, "bob": bob})
	if err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{"one": alice.Endpoints(), "many": many} {
		s.serve(handler)
		for _, path := range []string{"/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server"} {
			status, body, headers := at(t, "GET", s.URL+path+"/agents/alice")
			if status != 200 || !strings.Contains(body, alice.BaseURL()) || headers.Get("Access-Control-Allow-Origin") != "*" ||
				headers.Get("Etag") == "" || !strings.Contains(headers.Get("Cache-Control"), "max-age=") {
				t.Error(name, status, body, headers)
			}
			if status, _, _ := at(t, "GET", s.URL+path+"/agents/carol"); status != 404 {
				t.Error(name, path, status)
			}
			status, _, headers = at(t, "OPTIONS", s.URL+path+"/agents/alice", "Origin", "https://app.example",
				"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "mcp-protocol-version")
			if status != 204 || headers.Get("Access-Control-Allow-Headers") != "*" {
				t.Error(name, status, headers)
			}
		}
	}
	s.serve(many)
	if status, body, _ := at(t, "GET", s.URL+"/.well-known/oauth-protected-resource/bob"); status != 200 ||
		!strings.Contains(body, bob.BaseURL()) {
		t.Error(status, body)
	}
}

func TestAGuardBeforeEverything(t *testing.T) {
	caller, _ := newAgent(t, tallystick.SkillOptions{})
	s := newSite(t)
	agent := newTestSkill(t, tallystick.SkillOptions{BaseURL: s.URL + "/agents/bob"})
	open := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if auth, known := tallystick.AuthFrom(r.Context()); known {
			io.WriteString(w, "known "+auth.AgentID)
			return
		}
		io.WriteString(w, "anybody "+r.Method+" "+r.URL.Path)
	})
	s.serve(agent.ProtectWith(tallystick.Requirements{
		Scopes: []string{"read"}, Exclude: []string{"/healthz", "/docs/*", "HEAD /*"},
	})(open))
	metadata := s.URL + "/.well-known/oauth-protected-resource/agents/bob"
	preflight := []string{"Origin", "https://app.example", "Access-Control-Request-Method", "POST"}
	for _, one := range []struct {
		method, path string
		status       int
		body         string
		headers      []string
	}{
		{"GET", "/healthz", 200, "anybody GET /healthz", nil}, {"GET", "/docs/a", 200, "anybody GET /docs/a", nil},
		{"HEAD", "/x", 200, "", nil}, {"GET", "/x", 401, "", nil}, {"GET", "/docs/%2e%2e/x", 401, "", nil},
		{"GET", "/docs//x", 401, "", nil}, {"GET", "/healthz/", 401, "", nil}, {"OPTIONS", "/x", 401, "", nil},
		{"OPTIONS", "/x", 200, "anybody OPTIONS /x", preflight},
		{"OPTIONS", "/x", 401, "", append([]string{"Authorization", "Bearer x"}, preflight...)},
		{"GET", "/agents/bob/.well-known/jwks.json", 200, "", nil}, {"POST", "/agents/bob/auth/token", 400, "", nil},
		{"GET", "/.well-known/oauth-protected-resource/agents/bob", 200, "", nil},
		{"OPTIONS", "/agents/bob/auth/token", 204, "", nil},
	} {
		status, body, headers := at(t, one.method, s.URL+one.path, one.headers...)
		if status != one.status || one.body != "" && body != one.body {
			t.Error(one, status, body)
		}
		if status == 401 && !strings.Contains(headers.Get("Www-Authenticate"), `resource_metadata="`+metadata+`"`) {
			t.Error(one, headers)
		}
	}
	made := token(t, caller, agent.BaseURL(), "read")
	if status, body := askWith(t, s.URL+"/x", made); status != 200 || body != "known "+caller.AgentID() {
		t.Error(status, body)
	}
	status, _, headers := exchange(t, "POST", s.URL+"/x", token(t, caller, agent.BaseURL(), "write"), "")
	needed := `scope="read", resource_metadata="` + metadata + `"`
	if status != 403 || !strings.Contains(headers.Get("Www-Authenticate"), needed) {
		t.Error(status, headers)
	}
	s.serve(agent.Protect("read")(open)) // one handler: nobody else reaches it
	if status, _, _ := at(t, "OPTIONS", s.URL+"/x", preflight...); status != 401 {
		t.Error(status)
	}
	if status, _, _ := at(t, "GET", metadata); status != 200 {
		t.Error(status)
	}
	s.serve(agent.ProtectWith(tallystick.Requirements{Exclude: []string{"/*"}})(open))
	for _, path := range []string{"/x", "/healthz"} {
		if status, body, _ := at(t, "GET", s.URL+path); status != 500 {
			t.Error(status, body)
		}
	}
}
