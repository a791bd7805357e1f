package tallystick_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/jose"
)

// skillStore remembers used tokens of one process, without expiry.
type skillStore struct {
	lock sync.Mutex
	used map[string]bool
}

func (s *skillStore) Claim(_ context.Context, id string, _ int64) (bool, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.used == nil {
		s.used = map[string]bool{}
	}
	if s.used[id] {
		return false, nil
	}
	s.used[id] = true
	return true, nil
}

// skillLog gathers what is logged.
type skillLog struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (l *skillLog) Write(p []byte) (int, error) {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.Write(p)
}

func (l *skillLog) String() string {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.text.String()
}

func (l *skillLog) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// site is a server whose handler is made after it, since the URL is in what it serves.
type site struct {
	*httptest.Server
	handler atomic.Pointer[http.Handler]
	seen    atomic.Int64
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.seen.Add(1)
		handler := s.handler.Load()
		if handler == nil {
			http.NotFound(w, r)
			return
		}
		(*handler).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) serve(handler http.Handler) { s.handler.Store(&handler) }

// newAgent returns an agent whose handler tells who called; its endpoints are at its root.
func newAgent(t *testing.T, options tallystick.SkillOptions, scopes ...string) (*tallystick.Skill, *site) {
	t.Helper()
	s := newSite(t)
	return newAgentAt(t, s, options, scopes...), s
}

func newAgentAt(t *testing.T, s *site, options tallystick.SkillOptions, scopes ...string) *tallystick.Skill {
	t.Helper()
	if options.BaseURL == "" {
		options.BaseURL = s.URL
	}
	skill := newTestSkill(t, options)
	mux := http.NewServeMux()
	mux.Handle("/", skill.Endpoints())
	mux.Handle("/chat", skill.Protect(scopes...)(http.HandlerFunc(tellCaller)))
	mux.Handle("/agents/bob/chat", skill.Protect(scopes...)(http.HandlerFunc(tellCaller)))
	mux.Handle("/bound", skill.ProtectBound(scopes...)(http.HandlerFunc(tellCaller)))
	s.serve(mux)
	return skill
}

func newTestSkill(t *testing.T, options tallystick.SkillOptions) *tallystick.Skill {
	t.Helper()
	if options.KeysDir == "" {
		options.KeysDir = filepath.Join(t.TempDir(), "keys")
	}
	if options.Store == nil {
		options.Store = &skillStore{}
	}
	if options.Logger == nil {
		options.Logger = new(skillLog).logger()
	}
	options.DevMode = true
	skill, err := tallystick.NewSkill(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { skill.Close() })
	return skill
}

func tellCaller(w http.ResponseWriter, r *http.Request) {
	auth, ok := tallystick.AuthFrom(r.Context())
	if !ok {
		http.Error(w, "nobody", http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Scopes", strings.Join(auth.Scopes, " "))
	io.WriteString(w, auth.Name+" "+auth.IssuerType+" "+string(body))
}

func token(t *testing.T, skill *tallystick.Skill, target string, scopes ...string) string {
	t.Helper()
	made, err := skill.Token(t.Context(), target, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// ask sends a request with a token, and returns status and body.
func askWith(t *testing.T, url, token string) (int, string) {
	t.Helper()
	status, body, _ := exchange(t, http.MethodPost, url, token, "hello")
	return status, body
}

func exchange(t *testing.T, method, url, token, body string) (int, string, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return send(t, http.DefaultClient, request)
}

func send(t *testing.T, client *http.Client, request *http.Request) (int, string, http.Header) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content), response.Header
}

func mustBe(t *testing.T, err error, want *tallystick.Error, words ...string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %s", err, want.Code)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

// An identity provider is an entry with a preset: its access token comes in, its ID token does not,
// and the log names the setting.
func TestIdentityProvidersAreEntries(t *testing.T) {
	private, _ := keyPair()
	key, err := jose.OnePrivate([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"keys":[`+string(key.Public().JWK())+`]}`)
	}))
	defer keys.Close()
	log := &skillLog{}
	entry := tallystick.TrustedIssuer{
		Preset: &tallystick.Preset{Name: "okta", Domain: "example.okta.com"}, JWKSURI: keys.URL,
		Audience: []string{"api://bob"},
	}
	bob, err := tallystick.NewSkill(tallystick.SkillOptions{
		BaseURL: "https://bob.example", KeysDir: filepath.Join(t.TempDir(), "keys"), Store: &skillStore{}, Logger: log.logger(),
		AllowedScopes: []string{"orders"}, TrustedIssuers: []tallystick.TrustedIssuer{entry},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	token := func(claims string) string {
		now := time.Now().Unix()
		payload := fmt.Sprintf(`{"iss":"https://example.okta.com/oauth2/default","sub":"carol@example.com","iat":%d,"exp":%d,%s}`,
			now, now+300, claims)
		input := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(payload))
		signature, p := jose.Sign(input, key)
		if p != nil {
			t.Fatal(p)
		}
		return input + "." + jose.Encode64(signature)
	}
	caller, err := bob.VerifyToken(context.Background(), token(`"aud":"api://bob","cid":"app","scp":["orders","a b"]`))
	if err != nil || caller.UserID != "carol@example.com" || caller.ClientID != "app" || len(caller.Scopes) != 1 {
		t.Fatalf("%+v %v", caller, err)
	}
	_, err = bob.VerifyToken(context.Background(), token(`"aud":"app","nonce":"n"`))
	var refused *tallystick.Error
	if !errors.As(err, &refused) || refused.Code != "invalid_claims" || !strings.Contains(refused.Log, "trusted_issuers") ||
		strings.Contains(refused.Message, "trusted_issuers") {
		t.Errorf("%+v", refused)
	}
	entry.Preset = &tallystick.Preset{Name: "okta"}
	_, err = tallystick.NewSkill(tallystick.SkillOptions{BaseURL: "https://bob.example", KeysDir: filepath.Join(t.TempDir(), "keys"),
		Store: &skillStore{}, TrustedIssuers: []tallystick.TrustedIssuer{entry}})
	if err == nil || !strings.Contains(err.Error(), "TrustedIssuers[0].Preset.Domain: is missing") {
		t.Error(err)
	}
}
