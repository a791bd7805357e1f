package tallystick_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// newAuthority returns an authority that is served at its URL.
func newAuthority(t *testing.T, options tallystick.AuthorityOptions) (*tallystick.Authority, *site) {
	t.Helper()
	s := newSite(t)
	if options.KeysDir == "" {
		options.KeysDir = filepath.Join(t.TempDir(), "authority")
	}
	if options.Store == nil {
		options.Store = &skillStore{}
	}
	if options.Logger == nil {
		options.Logger = new(skillLog).logger()
	}
	authority, err := tallystick.NewAuthority(s.URL, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { authority.Close() })
	s.serve(authority.Endpoints())
	return authority, s
}

func register(t *testing.T, authority *tallystick.Authority, client tallystick.Client) string {
	t.Helper()
	made, err := authority.RegisterClient(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return made.ClientSecret
}

func TestAnAuthorityIssuesForItsClients(t *testing.T) {
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	secret := register(t, authority, tallystick.Client{ClientID: "alice", Scopes: []string{"read", "tools:*"},
		Namespaces: []string{"production"}, Trust: []string{"verified"}, Targets: []string{"@bob"}})
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientSecret: secret})
	bob, b := newAgent(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@bob",
		AllowedScopes: []string{"read", "namespace:*"}}, "read")
	if alice.Mode() != "portal" || alice.Issuer() != portal.URL {
		t.Error(alice)
	}
	client := &http.Client{Transport: alice.TransportWith("@bob",
		tallystick.TransportOptions{Scopes: []string{"read"}, SendTo: b.URL})}
	for range 2 {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", b.URL+"/chat", strings.NewReader("hello"))
		if status, body, headers := send(t, client, request); status != 200 || body != "alice portal hello" ||
			headers.Get("X-Scopes") != "read namespace:production" {
			t.Fatal(status, body, headers)
		}
	}
	auth, err := bob.VerifyToken(t.Context(), token(t, alice, "@bob", "read"))
	if err != nil || !slices.Equal(auth.TrustLabels, []string{"verified"}) || !auth.HasNamespace("production") {
		t.Fatal(auth, err)
	}
	for name, refused := range map[string][]string{"target": {"@carol", "read"}, "scope": {"@bob", "admin"}} {
		_, err := alice.Token(t.Context(), refused[0], refused[1])
		if mustBe(t, err, tallystick.ErrTokenRefused); !strings.Contains(err.Error(), "alice") {
			t.Error(name, err)
		}
	}
	mallory := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice",
		ClientSecret: secret + "x"})
	_, err = mallory.Token(t.Context(), "@bob", "read")
	mustBe(t, err, tallystick.ErrTokenRefused)
	_, err = alice.RotateKeys(t.Context(), tallystick.RotateOptions{})
	mustBe(t, err, tallystick.ErrInvalidArgument)
	if held := authority.Stats(); held.Clients != 1 {
		t.Error(held)
	}
	if removed, err := authority.RemoveClient(t.Context(), "alice"); !removed || err != nil {
		t.Fatal(removed, err)
	}
	if removed, err := authority.RemoveClient(t.Context(), "alice"); removed || err != nil {
		t.Error(removed, err)
	}
	if held := authority.Stats(); held.Clients != 0 {
		t.Error(held)
	}
	_, err = alice.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"})
	mustBe(t, err, tallystick.ErrTokenRefused)
	portal.Close()
	_, err = alice.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"})
	mustBe(t, err, tallystick.ErrTokenUnavailable)
}

func TestAPortalTokenIsBound(t *testing.T) {
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	secret := register(t, authority, tallystick.Client{ClientID: "alice", Scopes: []string{"read"}})
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientSecret: secret})
	_, b := newAgent(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@bob"})
	reached := newSite(t)
	carol := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@carol",
		Audience: []string{reached.URL}})
	reached.serve(carol.ProtectBound("read")(http.HandlerFunc(tellCaller)))
	for target, want := range map[string]struct {
		url    string
		status int
	}{"@carol": {reached.URL, 200}, "@bob": {b.URL, 401}} { // bob does not say that he is reached there
		client := &http.Client{Transport: alice.TransportWith(target, tallystick.TransportOptions{SendTo: want.url,
			Bind: true})}
		request, _ := http.NewRequestWithContext(t.Context(), "POST", want.url+"/bound", strings.NewReader("hello"))
		status, body, _ := send(t, client, request)
		if status != want.status || status == 401 && !strings.Contains(body, "wrong_target") {
			t.Error(target, status, body)
		}
	}
}

func TestAClientProvesItselfByItsKey(t *testing.T) {
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	private, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	if secret := register(t, authority, tallystick.Client{ClientID: "alice", PublicKey: public,
		Scopes: []string{"read"}}); secret != "" {
		t.Error("a secret beside a key")
	}
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientKey: private})
	for range 2 {
		if _, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"}); err != nil {
			t.Fatal(err)
		}
	}
	other, _, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	mallory := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientKey: other})
	_, err = mallory.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"})
	mustBe(t, err, tallystick.ErrTokenRefused)
	listed, err := authority.ListClients()
	if err != nil || len(listed) != 1 || listed[0].Authentication != "public_key" {
		t.Error(listed, err)
	}
}

func TestAnAssertionWorksOnce(t *testing.T) {
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	private, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	register(t, authority, tallystick.Client{ClientID: "alice", PublicKey: public, Scopes: []string{"read"}})
	form := make(chan string, 1)
	portal.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err == nil && len(content) > 0 {
			select {
			case form <- string(content):
			default:
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(content))
		authority.Endpoints().ServeHTTP(w, r)
	}))
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientKey: private})
	if _, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"}); err != nil {
		t.Fatal(err)
	}
	// Whoever saw it on the way sends it once more.
	request, _ := http.NewRequestWithContext(t.Context(), "POST", portal.URL+"/auth/token", strings.NewReader(<-form))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if status, body, _ := send(t, http.DefaultClient, request); status != 401 ||
		!strings.Contains(body, "invalid_client") {
		t.Error(status, body)
	}
}

func TestClientsAreInAFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "authority")
	first, _ := newAuthority(t, tallystick.AuthorityOptions{KeysDir: folder})
	register(t, first, tallystick.Client{ClientID: "alice", Secret: "a secret of alice", Scopes: []string{"read"}})
	second, portal := newAuthority(t, tallystick.AuthorityOptions{KeysDir: folder})
	ask := func(secret string) int {
		request, _ := http.NewRequestWithContext(t.Context(), "POST", portal.URL+"/auth/token",
			strings.NewReader("grant_type=client_credentials&target=@bob"))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.SetBasicAuth("alice", url.QueryEscape(secret))
		status, _, _ := send(t, http.DefaultClient, request)
		return status
	}
	if status := ask("a secret of alice"); status != 200 {
		t.Fatal(status)
	}
	if status := ask("a secret of alicf"); status != 401 {
		t.Error(status)
	}
	// Another process replaces the client.
	register(t, first, tallystick.Client{ClientID: "alice", Secret: "another of alice's", Scopes: []string{"read"}})
	eventually(t, func() bool { return ask("another of alice's") == 200 })
	if status := ask("a secret of alice"); status != 401 {
		t.Error(status)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "clients.json.2")); err != nil ||
		strings.Contains(string(text), "another") {
		t.Error("a secret is in the file", err)
	}
	if text, err := os.ReadFile(filepath.Join(folder, "clients.json.1")); err != nil || len(text) != 0 {
		t.Error("a superseded version has its text", err)
	}
	for _, wrong := range []tallystick.Client{
		{ClientID: ""}, {ClientID: "a", Secret: "short"}, {ClientID: "a", PublicKey: "x"}, {ClientID: "a",
			Scopes: []string{"a b"}},
		{ClientID: "a", PublicKey: "x", Secret: "a secret of alice"}, {ClientID: "a", Targets: []string{"?"}},
	} {
		_, err := second.RegisterClient(t.Context(), wrong)
		mustBe(t, err, tallystick.ErrInvalidArgument)
	}
	if listed, err := second.ListClients(); err != nil || len(listed) != 1 {
		t.Error(listed, err)
	}
	for _, shown := range []any{tallystick.Client{ClientID: "a", Secret: "a secret of alice"},
		tallystick.Registration{ClientSecret: "a secret of alice"}} {
		if text := fmt.Sprintf("%v %+v %#v", shown, shown, shown); strings.Contains(text, "a secret") {
			t.Error(text)
		}
	}
}

func TestAnAuthorityRotates(t *testing.T) {
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{TokenTTL: time.Minute})
	secret := register(t, authority, tallystick.Client{ClientID: "alice", Scopes: []string{"read"}})
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@alice", ClientSecret: secret})
	bob := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@bob"})
	before := token(t, alice, "@bob")
	if _, err := authority.RotateKeys(t.Context(), tallystick.RotateOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: "@bob"})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []string{before, after} {
		if auth, err := bob.VerifyToken(t.Context(), one); err != nil || auth.ExpiresAt.Sub(auth.IssuedAt) != time.Minute {
			t.Error(auth, err)
		}
	}
}

func TestAnUnusableAuthorityRefuses(t *testing.T) {
	closed, portal := newAuthority(t, tallystick.AuthorityOptions{})
	if status, _, _ := exchange(t, "GET", portal.URL+"/api/auth/jwks", "", ""); status != 200 {
		t.Fatal(status)
	}
	closed.Close()
	if status, _, _ := exchange(t, "GET", portal.URL+"/api/auth/jwks", "", ""); status != 500 {
		t.Error(status)
	}
	for authority, want := range map[*tallystick.Authority]*tallystick.Error{
		nil: tallystick.ErrInvalidConfig, {}: tallystick.ErrInvalidConfig, closed: tallystick.ErrUnknownEngine,
	} {
		_, err := authority.RegisterClient(t.Context(), tallystick.Client{ClientID: "a"})
		mustBe(t, err, want)
		_, err = authority.RemoveClient(t.Context(), "a")
		mustBe(t, err, want)
		_, err = authority.ListClients()
		mustBe(t, err, want)
		_, err = authority.RotateKeys(t.Context(), tallystick.RotateOptions{})
		mustBe(t, err, want)
		portal.serve(authority.Endpoints())
		if status, _, _ := exchange(t, "GET", portal.URL+"/api/auth/jwks", "", ""); status != 500 {
			t.Error(status)
		}
	}
	for _, issuer := range []string{"", "@x", "ftp://x"} {
		_, err := tallystick.NewAuthority(issuer, tallystick.AuthorityOptions{Store: &skillStore{}, KeysDir: t.TempDir()})
		mustBe(t, err, tallystick.ErrInvalidArgument)
	}
	_, err := tallystick.NewAuthority("https://portal.example", tallystick.AuthorityOptions{})
	mustBe(t, err, tallystick.ErrInvalidArgument, "Store")
}
