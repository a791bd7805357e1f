package tallystick_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

// upstream is an OpenID provider at which everybody is signed in already.
type upstream struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	lock   sync.Mutex
	asked  map[string]url.Values // by code
	change func(claims jwt.MapClaims)
	answer func(w http.ResponseWriter) bool // in place of the token endpoint's
	extra  url.Values                       // of its redirect; an empty value removes one
	says   map[string]any                   // of its discovery document
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{key: key, asked: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", u.discovery)
	mux.HandleFunc("GET /keys", u.keys)
	mux.HandleFunc("GET /signin", u.signIn)
	mux.HandleFunc("POST /token", u.token)
	u.Server = httptest.NewServer(mux)
	t.Cleanup(u.Close)
	return u
}

func (u *upstream) reset() {
	u.lock.Lock()
	defer u.lock.Unlock()
	u.change, u.answer, u.extra = nil, nil, nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func (u *upstream) discovery(w http.ResponseWriter, _ *http.Request) {
	document := map[string]any{
		"issuer": u.URL, "authorization_endpoint": u.URL + "/signin", "token_endpoint": u.URL + "/token",
		"jwks_uri": u.URL + "/keys", "authorization_response_iss_parameter_supported": true,
	}
	for name, value := range u.says {
		document[name] = value
	}
	writeJSON(w, document)
}

func (u *upstream) keys(w http.ResponseWriter, _ *http.Request) {
	point, err := u.key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	writeJSON(w, map[string]any{"keys": []any{map[string]any{"kty": "EC", "crv": "P-256", "kid": "k",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}}})
}

func (u *upstream) signIn(w http.ResponseWriter, r *http.Request) {
	u.lock.Lock()
	defer u.lock.Unlock()
	q, code := r.URL.Query(), rand.Text()
	u.asked[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {u.URL}}
	for name, values := range u.extra {
		back[name] = values
		if values[0] == "" {
			back.Del(name)
		}
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (u *upstream) token(w http.ResponseWriter, r *http.Request) {
	u.lock.Lock()
	defer u.lock.Unlock()
	if u.answer != nil && u.answer(w) {
		return
	}
	id, encoded, _ := r.BasicAuth()
	secret, _ := url.QueryUnescape(encoded) // RFC 6749 section 2.3.1
	asked := u.asked[r.FormValue("code")]
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if id != "tallies" || secret != "upstream secret" || asked == nil || r.FormValue("redirect_uri") != asked.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	now := time.Now().Unix()
	claims := jwt.MapClaims{
		"iss": u.URL, "sub": "4711", "aud": "tallies", "iat": now, "exp": now + 300, "nonce": asked.Get("nonce"),
		"name": "Ada <b>L</b>", "email": "ada@example.com", "email_verified": true,
	}
	if u.change != nil {
		u.change(claims)
	}
	made := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	made.Header["kid"] = "k"
	text, err := made.SignedString(u.key)
	if err != nil {
		panic(err)
	}
	writeJSON(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text})
}

// browser follows no redirect by itself, and keeps cookies.
type browser struct {
	t *testing.T
	*http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type visited struct {
	status   int
	header   http.Header
	body     string
	location *url.URL
}

func (b *browser) do(r *http.Request) visited {
	b.t.Helper()
	response, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	location, _ := response.Location()
	return visited{response.StatusCode, response.Header, string(content), location}
}

func (b *browser) get(address string) visited {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(r)
}

func (b *browser) post(address string, form url.Values, headers ...string) visited {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.do(r)
}

// signing is an authority at which users sign in, with two clients.
type signing struct {
	t         *testing.T
	authority *tallystick.Authority
	site      *site
	upstream  *upstream
	secret    string // of the client web
	log       *skillLog
}

const (
	verifier  = "a-verifier-of-at-least-forty-three-characters"
	webReturn = "https://web.example/back?from=tallies"
	appReturn = "http://127.0.0.1/callback"
)

func newSigning(t *testing.T) *signing {
	t.Helper()
	store, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return newSigningIn(t, store, filepath.Join(t.TempDir(), "authority"))
}

func signInOptions(u *upstream, log *skillLog, store tallystick.Store, keysDir string) tallystick.AuthorityOptions {
	return tallystick.AuthorityOptions{Store: store, Logger: log.logger(), KeysDir: keysDir,
		Providers: map[string]tallystick.ProviderOptions{
			"company": {Issuer: u.URL, ClientID: "tallies", ClientSecret: "upstream secret"},
		}}
}

func newSigningIn(t *testing.T, store tallystick.Store, keysDir string) *signing {
	t.Helper()
	u, log := newUpstream(t), new(skillLog)
	authority, s := newAuthority(t, signInOptions(u, log, store, keysDir))
	g := &signing{t: t, authority: authority, site: s, upstream: u, log: log}
	g.secret = register(t, authority, tallystick.Client{ClientID: "web", Scopes: []string{"read", "write"},
		RedirectURIs: []string{webReturn}})
	register(t, authority, tallystick.Client{ClientID: "app", Scopes: []string{"read"}, Public: true,
		RedirectURIs: []string{appReturn}})
	return g
}

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is what the client web asks for; pairs change it, an empty value removes one.
func (g *signing) request(pairs ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {webReturn}, "scope": {"openid profile read"},
		"state": {"s t"}, "nonce": {"n"}, "target": {"@bob"}, "code_challenge": {challenge(verifier)},
		"code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return g.site.URL + "/auth/authorize?" + q.Encode()
}

var hidden = regexp.MustCompile(`name="(flow|csrf)" value="([^"]+)"`)

// form is what the page of consent would send.
func (g *signing) form(page visited) url.Values {
	g.t.Helper()
	form := url.Values{"decision": {"allow"}}
	for _, found := range hidden.FindAllStringSubmatch(page.body, -1) {
		form.Set(found[1], found[2])
	}
	if page.status != 200 || len(form) != 3 {
		g.t.Fatalf("no page of consent: %d %s %s", page.status, page.body, g.log)
	}
	return form
}

// consent walks up to the page of consent.
func (g *signing) consent(b *browser, request string) visited {
	g.t.Helper()
	there := b.get(request)
	if there.location == nil || !strings.HasPrefix(there.location.String(), g.upstream.URL) {
		g.t.Fatalf("not at the provider: %d %s %s", there.status, there.location, there.body)
	}
	back := b.get(there.location.String())
	returned := b.get(back.location.String())
	if returned.location == nil {
		g.t.Fatalf("not back: %d %s %s", returned.status, returned.body, g.log)
	}
	return b.get(returned.location.String())
}

// code is what the client gets when the user allows it.
func (g *signing) code(request string) string {
	g.t.Helper()
	b := newBrowser(g.t)
	done := b.post(g.site.URL+"/auth/authorize", g.form(g.consent(b, request)))
	if done.status != 303 || done.location.Query().Get("code") == "" {
		g.t.Fatalf("%d %s %s", done.status, done.location, done.body)
	}
	return done.location.Query().Get("code")
}

// token asks the token endpoint as the client web.
func (g *signing) token(pairs ...string) (int, map[string]any) {
	g.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	b := newBrowser(g.t)
	r, err := http.NewRequest(http.MethodPost, g.site.URL+"/auth/token", strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if form.Get("client_id") == "" {
		r.SetBasicAuth("web", url.QueryEscape(g.secret))
	}
	answer := b.do(r)
	var members map[string]any
	if err := json.Unmarshal([]byte(answer.body), &members); err != nil {
		g.t.Fatalf("%v: %s", err, answer.body)
	}
	return answer.status, members
}

func (g *signing) exchange(code string, pairs ...string) (int, map[string]any) {
	g.t.Helper()
	all := []string{"grant_type", "authorization_code", "code", code, "redirect_uri", webReturn, "code_verifier", verifier}
	return g.token(append(all, pairs...)...)
}

func saidBy(t *testing.T, text any) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(text.(string), claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAUserSignsInForAClient(t *testing.T) {
	g := newSigning(t)
	b := newBrowser(t)
	page := g.consent(b, g.request())
	for _, want := range []string{"web", "Ada &lt;b&gt;L&lt;/b&gt; (ada@example.com)", g.site.URL + "/agents/bob", "<code>read</code>", "know your name"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("%q is not on the page: %s", want, page.body)
		}
	}
	policy := page.header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "form-action 'self' https: https://web.example;", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%q is not in %s", want, policy)
		}
	}
	done := b.post(g.site.URL+"/auth/authorize", g.form(page), "Origin", g.site.URL)
	q := done.location.Query()
	if done.status != 303 || !strings.HasPrefix(done.location.String(), webReturn+"&") || q.Get("state") != "s t" || q.Get("iss") != g.site.URL {
		t.Fatal(done.status, done.location)
	}
	status, answer := g.exchange(q.Get("code"))
	if status != 200 || answer["scope"] != "openid profile read" || answer["token_type"] != "Bearer" || answer["expires_in"] != 300.0 {
		t.Fatal(status, answer)
	}
	access, id := saidBy(t, answer["access_token"]), saidBy(t, answer["id_token"])
	if access["sub"] != "company|4711" || access["aud"] != g.site.URL+"/agents/bob" || access["client_id"] != "web" ||
		access["aoauth"].(map[string]any)["mode"] != "user" {
		t.Error(access)
	}
	if id["sub"] != "company|4711" || id["aud"] != "web" || id["nonce"] != "n" || id["name"] != "Ada <b>L</b>" || id["email"] != nil {
		t.Error(id)
	}
	first := answer["refresh_token"].(string)
	status, answer = g.token("grant_type", "refresh_token", "refresh_token", first, "scope", "read")
	if status != 200 || answer["scope"] != "read" || answer["id_token"] != nil || saidBy(t, answer["access_token"])["scope"] != "read" {
		t.Fatal(status, answer)
	}
	second := answer["refresh_token"].(string)
	status, answer = g.token("grant_type", "refresh_token", "refresh_token", second)
	if status != 200 || answer["scope"] != "openid profile read" {
		t.Fatal("less once is not less for ever", status, answer)
	}
	// Who uses one twice ends all.
	if status, answer := g.token("grant_type", "refresh_token", "refresh_token", first); status != 400 || answer["error"] != "invalid_grant" {
		t.Error(status, answer)
	}
	if status, answer := g.token("grant_type", "refresh_token", "refresh_token", answer["refresh_token"].(string)); status != 400 {
		t.Error("a family goes on that has ended", status, answer)
	}
	if said := g.log.String(); strings.Contains(said, first) || strings.Contains(said, q.Get("code")) || !strings.Contains(said, "company|4711") {
		t.Error(said)
	}
}

// What waits lies in the store: each step may be at another worker, on another machine.
func TestEachStepIsAtAnotherWorker(t *testing.T) {
	folder := t.TempDir()
	open := func() tallystick.Store {
		store, err := sqlite.New(filepath.Join(folder, "store.sqlite"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	keys := filepath.Join(folder, "authority")
	g := newSigningIn(t, open(), keys)
	other, err := tallystick.NewAuthority(g.site.URL, signInOptions(g.upstream, g.log, open(), keys))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	workers, steps := [2]http.Handler{g.authority.Endpoints(), other.Endpoints()}, 0
	g.site.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		steps++ // one request at a time
		workers[steps%2].ServeHTTP(w, r)
	}))
	status, answer := g.exchange(g.code(g.request()))
	for range 3 {
		if status != 200 {
			t.Fatal(status, answer, g.log)
		}
		status, answer = g.token("grant_type", "refresh_token", "refresh_token", answer["refresh_token"].(string))
	}
	if steps < 8 {
		t.Error(steps)
	}
}

func TestACodeIsForOneClientOnce(t *testing.T) {
	g := newSigning(t)
	code := g.code(g.request())
	for name, pairs := range map[string][]string{
		"another verifier":     {"code_verifier", strings.Repeat("x", 43)},
		"no verifier":          {"code_verifier", ""},
		"another redirect_uri": {"redirect_uri", "https://web.example/back"},
		"another client":       {"client_id", "app"},
		"another code":         {"code", strings.Repeat("x", 43)},
	} {
		if status, answer := g.exchange(code, pairs...); status != 400 || answer["error"] != "invalid_grant" {
			t.Error(name, status, answer)
		}
	}
	status, answer := g.exchange(code) // whoever failed used nothing
	if status != 200 {
		t.Fatal(status, answer)
	}
	if status, answer := g.exchange(code); status != 400 || answer["error"] != "invalid_grant" {
		t.Error("twice", status, answer, g.log)
	}
	if status, _ := g.token("grant_type", "refresh_token", "refresh_token", answer["refresh_token"].(string)); status != 400 {
		t.Error("its tokens go on though its code was used twice")
	}
}

func TestAnAppOnItsUsersMachine(t *testing.T) {
	g := newSigning(t)
	to := "http://127.0.0.1:5123/callback"
	code := g.code(g.request("client_id", "app", "redirect_uri", to, "scope", "read"))
	status, answer := g.exchange(code, "client_id", "app", "redirect_uri", to)
	if status != 200 || answer["id_token"] != nil {
		t.Fatal(status, answer)
	}
	next := answer["refresh_token"].(string)
	if status, answer := g.token("grant_type", "refresh_token", "refresh_token", next); status != 400 {
		t.Error("of another client", status, answer)
	}
	b := newBrowser(t)
	if done := b.post(g.site.URL+"/auth/revoke", url.Values{"client_id": {"app"}, "token": {next}}); done.status != 200 {
		t.Error(done)
	}
	if status, answer := g.token("grant_type", "refresh_token", "refresh_token", next, "client_id", "app"); status != 400 {
		t.Error("revoked", status, answer)
	}
	if status, answer := g.token("grant_type", "client_credentials", "client_id", "app", "target", "@bob"); status != 401 {
		t.Error("a public client is nobody without a user", status, answer)
	}
}

func TestRequestsOfClientsThatAreRefused(t *testing.T) {
	g := newSigning(t)
	for name, pairs := range map[string][]string{
		"no client": {"client_id", ""}, "unknown client": {"client_id", "eve"}, "no redirect_uri": {"redirect_uri", ""},
		"another path": {"redirect_uri", "https://web.example/back2?from=tallies"}, "a longer path": {"redirect_uri", webReturn + "&x"},
		"another scheme": {"redirect_uri", "http://web.example/back?from=tallies"},
		"a user":         {"redirect_uri", "https://web.example@evil.example/back?from=tallies"},
		"a fragment":     {"redirect_uri", webReturn + "#"}, "another case": {"redirect_uri", "https://WEB.example/back?from=tallies"},
		"another host of the machine": {"client_id", "app", "redirect_uri", "http://localhost/callback"},
		"another path of the machine": {"client_id", "app", "redirect_uri", "http://127.0.0.1/callback/x"},
		"https of the machine":        {"client_id", "app", "redirect_uri", "https://127.0.0.1/callback"},
	} {
		if page := newBrowser(t).get(g.request(pairs...)); page.status != 400 || page.location != nil || page.header.Get("Set-Cookie") != "" {
			t.Error(name, page.status, page.location)
		}
	}
	for name, one := range map[string]struct {
		code  string
		pairs []string
	}{
		"response_type": {"unsupported_response_type", []string{"response_type", "token"}},
		"none":          {"invalid_request", []string{"response_type", ""}},
		"no challenge":  {"invalid_request", []string{"code_challenge", ""}},
		"plain":         {"invalid_request", []string{"code_challenge_method", "plain"}},
		"no method":     {"invalid_request", []string{"code_challenge_method", ""}},
		"short":         {"invalid_request", []string{"code_challenge", "short"}},
		"a scope":       {"invalid_scope", []string{"scope", "admin"}},
		"a namespace":   {"invalid_scope", []string{"scope", "namespace:production"}},
		"a target":      {"invalid_target", []string{"resource", "https://elsewhere.example"}},
		"prompt":        {"login_required", []string{"prompt", "none"}},
		"a mode":        {"invalid_request", []string{"response_mode", "fragment"}},
		"a request":     {"request_not_supported", []string{"request", "x"}},
		"a long state":  {"invalid_request", []string{"state", strings.Repeat("s", 1025), "scope", "admin"}},
	} {
		page := newBrowser(t).get(g.request(one.pairs...))
		if page.location == nil || !strings.HasPrefix(page.location.String(), webReturn) || page.location.Query().Get("error") != one.code ||
			page.location.Query().Get("iss") != g.site.URL {
			t.Error(name, page.status, page.location)
		}
	}
}

func TestAnotherBrowserGetsNothing(t *testing.T) {
	g := newSigning(t)
	victim, thief := newBrowser(t), newBrowser(t)
	there := victim.get(g.request())
	back := victim.get(there.location.String())
	// The thief has the whole URL of the callback, and that of the page, but not the cookie.
	if page := thief.get(back.location.String()); page.status != 400 {
		t.Error(page.status, page.location)
	}
	returned := victim.get(back.location.String())
	if page := victim.get(back.location.String()); page.status != 400 {
		t.Error("a state twice", page.status)
	}
	if page := thief.get(returned.location.String()); page.status != 400 {
		t.Error(page.status, page.body)
	}
	form := g.form(victim.get(returned.location.String()))
	if page := thief.post(g.site.URL+"/auth/authorize", form); page.status != 400 {
		t.Error(page.status, page.location)
	}
	wrong := url.Values{"flow": form["flow"], "csrf": {"x"}, "decision": {"allow"}}
	for name, page := range map[string]visited{
		"csrf":         victim.post(g.site.URL+"/auth/authorize", wrong),
		"a cross site": victim.post(g.site.URL+"/auth/authorize", form, "Origin", "https://evil.example"),
		"no origin":    victim.post(g.site.URL+"/auth/authorize", form, "Origin", "null"),
	} {
		if page.status != 400 || page.location != nil {
			t.Error(name, page.status, page.location)
		}
	}
	form.Set("decision", "deny")
	if page := victim.post(g.site.URL+"/auth/authorize", form); page.location.Query().Get("error") != "access_denied" {
		t.Error(page.status, page.location)
	}
	if page := victim.post(g.site.URL+"/auth/authorize", form); page.status != 400 {
		t.Error("decided twice", page.status)
	}
}

func TestProvidersThatAnswerWrongly(t *testing.T) {
	g := newSigning(t)
	u := g.upstream
	walk := func() visited {
		t.Helper()
		b := newBrowser(t)
		away := b.get(g.request())
		if away.location == nil {
			t.Fatalf("not at the provider: %d %s %s", away.status, away.body, g.log)
		}
		return b.get(b.get(away.location.String()).location.String())
	}
	for name, change := range map[string]func(c jwt.MapClaims){
		"iss": func(c jwt.MapClaims) { c["iss"] = "https://evil.example" }, "aud": func(c jwt.MapClaims) { c["aud"] = "others" },
		"no aud": func(c jwt.MapClaims) { delete(c, "aud") }, "azp": func(c jwt.MapClaims) { c["azp"] = "others" },
		"two aud": func(c jwt.MapClaims) { c["aud"] = []string{"tallies", "others"} },
		"nonce":   func(c jwt.MapClaims) { c["nonce"] = "x" }, "no nonce": func(c jwt.MapClaims) { delete(c, "nonce") },
		"exp": func(c jwt.MapClaims) { c["exp"] = time.Now().Unix() - 300 }, "no exp": func(c jwt.MapClaims) { delete(c, "exp") },
		"sub": func(c jwt.MapClaims) { c["sub"] = 4711 }, "no sub": func(c jwt.MapClaims) { delete(c, "sub") },
		"iat": func(c jwt.MapClaims) { c["iat"] = time.Now().Unix() + 600 },
	} {
		u.change = change
		if page := walk(); page.status != 502 || !strings.Contains(page.body, "Try again") {
			t.Error(name, page.status, page.location)
		}
	}
	u.reset()
	for name, answer := range map[string]func(w http.ResponseWriter){
		"500":     func(w http.ResponseWriter) { w.WriteHeader(500) },
		"no JSON": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"no id_token": func(w http.ResponseWriter) {
			writeJSON(w, map[string]string{"access_token": "x"})
		},
		"none": func(w http.ResponseWriter) {
			writeJSON(w, map[string]string{"id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiI0NzExIn0."})
		},
	} {
		u.answer = func(w http.ResponseWriter) bool { answer(w); return true }
		if page := walk(); page.status != 502 {
			t.Error(name, page.status, page.location)
		}
	}
	u.reset()
	for name, one := range map[string]struct {
		extra  url.Values
		status int
	}{
		"another iss": {url.Values{"iss": {"https://evil.example"}}, 400}, "no iss": {url.Values{"iss": {""}}, 400},
		"no code": {url.Values{"code": {""}}, 502}, "an error": {url.Values{"code": {""}, "error": {"server_error"}}, 502},
		"another state": {url.Values{"state": {"x"}}, 400}, "no state": {url.Values{"state": {""}}, 400},
	} {
		u.extra = one.extra
		if page := walk(); page.status != one.status {
			t.Error(name, page.status, page.location)
		}
	}
	u.extra = url.Values{"code": {""}, "error": {"access_denied"}}
	if page := walk(); page.location == nil || page.location.Query().Get("error") != "access_denied" {
		t.Error(page.status, page.location)
	}
	u.reset()
	if page := walk(); page.status != 303 {
		t.Error("and nothing is broken for good", page.status)
	}
}

func TestTheDocumentSaysHowUsersSignIn(t *testing.T) {
	g := newSigning(t)
	var document map[string]any
	if err := json.Unmarshal([]byte(newBrowser(t).get(g.site.URL+"/.well-known/oauth-authorization-server").body), &document); err != nil {
		t.Fatal(err)
	}
	grants := document["grant_types_supported"].([]any)
	if !slices.Contains(grants, any("authorization_code")) || !slices.Contains(grants, any("refresh_token")) ||
		document["code_challenge_methods_supported"].([]any)[0] != "S256" || document["revocation_endpoint"] != g.site.URL+"/auth/revoke" {
		t.Error(document)
	}
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

func TestADeviceIsConnectedByItsUser(t *testing.T) {
	g := newSigning(t)
	register(t, g.authority, tallystick.Client{ClientID: "tv", Scopes: []string{"read"}, Public: true})
	begin := func() map[string]any {
		answer := newBrowser(t).post(g.site.URL+"/auth/device", url.Values{"client_id": {"tv"}, "scope": {"read"}, "target": {"@bob"}})
		var codes map[string]any
		if err := json.Unmarshal([]byte(answer.body), &codes); err != nil || answer.status != 200 {
			t.Fatal(err, answer)
		}
		return codes
	}
	poll := func(codes map[string]any) (int, map[string]any) {
		return g.token("grant_type", deviceGrant, "client_id", "tv", "device_code", codes["device_code"].(string))
	}
	codes := begin()
	b := newBrowser(t)
	page := b.get(codes["verification_uri_complete"].(string))
	if !strings.Contains(page.body, codes["user_code"].(string)) || page.header.Get("Set-Cookie") != "" {
		t.Fatal(page)
	}
	if wrong := b.post(g.site.URL+"/auth/device", url.Values{"user_code": {"BBBB-BBBB"}}); wrong.status != 400 {
		t.Error(wrong)
	}
	away := b.post(codes["verification_uri"].(string), url.Values{"user_code": {strings.ToLower(codes["user_code"].(string))}})
	link := regexp.MustCompile(`href="([^"]+)"`).FindStringSubmatch(away.body)
	if away.status != 200 || link == nil {
		t.Fatal("a form leads to no other site", away)
	}
	there := b.get(html.UnescapeString(link[1]))
	returned := b.get(b.get(there.location.String()).location.String())
	consent := b.get(returned.location.String())
	if !strings.Contains(consent.body, codes["user_code"].(string)) {
		t.Error("the page does not show the code", consent.body)
	}
	if done := b.post(g.site.URL+"/auth/authorize", g.form(consent)); done.status != 200 || done.location != nil {
		t.Fatal(done)
	}
	status, answer := poll(codes)
	if status != 200 || saidBy(t, answer["access_token"])["sub"] != "company|4711" || answer["refresh_token"] == nil {
		t.Fatal(status, answer)
	}
	if status, answer := poll(codes); answer["error"] != "slow_down" {
		t.Error(status, answer)
	}
	waiting := begin()
	if status, answer := poll(waiting); status != 400 || answer["error"] != "authorization_pending" {
		t.Error(status, answer)
	}
}
