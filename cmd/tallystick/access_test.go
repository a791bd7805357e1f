package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

// portal is an authority that knows the agent alice, and alice's secret there.
func portal(t *testing.T) (url, secret string) {
	t.Helper()
	var endpoints atomic.Pointer[http.Handler]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*endpoints.Load()).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	authority, err := tallystick.NewAuthority(server.URL, tallystick.AuthorityOptions{
		KeysDir: filepath.Join(t.TempDir(), "authority"), Store: &used{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { authority.Close() })
	handler := authority.Endpoints()
	endpoints.Store(&handler)
	client := tallystick.Client{ClientID: "alice", Scopes: []string{"read", "tools:*"}}
	made, err := authority.RegisterClient(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, made.ClientSecret
}

func TestAccessTokensOfAnAuthority(t *testing.T) {
	u := newTool(t)
	url, secret := portal(t)
	u.file("secret", secret+"\n")
	u.file("wrong", "x"+secret)
	as := []string{"token", "--target", "@bob", "--authority", url, "--agent", "@alice"}
	token := u.exits(0, append(as, "--client-secret", "secret")...).stdout
	audience := url + "/agents/bob"
	if said := u.exits(0, append(as, "--client-secret", "secret")...).stderr; !strings.Contains(said, audience) {
		t.Errorf("who is @bob there? %s", said)
	}
	verify := []string{"verify", "@token", "--audience", audience, "--issuer", url, "--issuer-type", "portal"}
	u.file("token", token)
	checkNotWhole(t, strings.TrimSpace(token), u.exits(0, verify...))
	data := u.data(u.exits(0, append(verify, "--json")...))
	if data["verdict"] != "accepted" || data["caller"].(map[string]any)["issuer"] != url {
		t.Error(data)
	}
	// Another audience, another issuer, and a token that was changed.
	for want, args := range map[string][]string{
		"invalid_audience": {"--audience", url + "/agents/carol", "--issuer", url, "--issuer-type", "portal"},
		"unknown_issuer":   {"--audience", audience, "--issuer", issuer(t, nil, 0)},
	} {
		if data := u.data(u.exits(3, append([]string{"verify", "@token", "--json"}, args...)...)); data["code"] != want {
			t.Errorf("%v, want %s", data["code"], want)
		}
	}
	u.file("token", forged(t, `{"alg":"RS256","typ":"JWT"}`, claimsIn(t, token)))
	if o := u.exits(3, verify...); !strings.Contains(o.stdout, "refused: invalid_signature") {
		t.Error(o.stdout)
	}
	u.fails(6, "whether it knows this client", append(as, "--client-secret", "wrong")...)
	u.stdin = secret
	u.exits(0, append(as, "--client-secret", "-", "--scope", "read")...)
	u.fails(5, "see whether the authority runs", "token", "--target", "@bob", "--authority", "http://127.0.0.1:1",
		"--agent", "@alice", "--client-secret", "secret")
	if strings.Contains(strings.ReplaceAll(u.recorded.String(), "\n", ""), secret) {
		t.Error("the secret is shown")
	}
}

// claimsIn is a token's payload.
func claimsIn(t *testing.T, token string) string {
	t.Helper()
	claims, err := jsonOf(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAccessTokensOfAnAgentItself(t *testing.T) {
	u := newTool(t)
	const alice = "https://alice.example"
	asks := []string{"token", "--target", "https://bob.example", "--agent", alice, "--keys-dir", "ring", "--scope", "read"}
	token := u.exits(0, asks...).stdout
	u.file("token", token)
	// The ring publishes its keys where there is a server; here they come by a file.
	skill, err := tallystick.NewSkill(tallystick.SkillOptions{
		BaseURL: alice, KeysDir: "ring", Store: &used{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer skill.Close()
	served := httptest.NewRecorder()
	skill.Endpoints().ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/.well-known/jwks.json", nil))
	u.file("jwks.json", served.Body.String())
	verify := []string{"verify", "@token", "--audience", "https://bob.example", "--issuer", alice, "--keys", "jwks.json"}
	if o := u.exits(0, verify...); !strings.Contains(o.stdout, "accepted: it is from example.alice") {
		t.Error(o.stdout)
	}
	u.file("jwks.json", bob().Public().PEM())
	u.exits(3, verify...)
}

func TestTokenByAConfiguration(t *testing.T) {
	u := newTool(t)
	ring := filepath.ToSlash(filepath.Join(t.TempDir(), "ring"))
	u.file("agent.json", `{"base_url":"https://alice.example","keys_dir":"`+ring+`"}`)
	u.exits(0, "token", "--target", "https://bob.example", "--config", "agent.json", "--json")
	u.file("agent.yaml", "skills:\n  auth:\n    base_url: https://alice.example\n    keys_dir: "+ring+"\n")
	u.exits(0, "token", "--target", "https://bob.example", "--config", "agent.yaml", "--json")
	u.file("wrong.json", `{"base_uri":"https://alice.example"}`)
	u.fails(4, "base_uri", "token", "--target", "https://bob.example", "--config", "wrong.json")
	u.fails(4, "nowhere.json", "token", "--target", "https://bob.example", "--config", "nowhere.json")
}

func TestHowTokenIsUsed(t *testing.T) {
	u := newTool(t)
	u.file("token", u.token(nil))
	bob := func(more ...string) []string { return append([]string{"token", "--target", "@bob"}, more...) }
	asAgent := func(more ...string) []string { return append(bob("--agent", "@alice"), more...) }
	access := func(more ...string) []string { return append([]string{"verify", "@token", "--audience"}, more...) }
	trusts := func(more ...string) []string {
		return append(access("https://b.example", "--issuer", "https://p.example"), more...)
	}
	for words, args := range map[string][]string{
		"--target is missing":                  {"token"},
		"say who asks":                         bob(),
		"say who signs":                        asAgent(),
		"--config says who asks":               asAgent("--config", "x"),
		"give --authority or --keys-dir":       asAgent("--authority", "https://p.example", "--keys-dir", "x"),
		"give --client-secret or --client-key": asAgent("--authority", "https://p.example"),
		"are for an --authority":               asAgent("--keys-dir", "x", "--client-key", "y"),
		"name the URL of the issuer":           access("https://b.example"),
		"which have no":                        access("https://b.example", "--issuer", "https://p.example", "--body", "x"),
		"--issuer-type is for access tokens":   {"verify", "@token", "--keys", "x", "--issuer-type", "user"},
		"--audience: write the agent's URL":    access("@bob", "--issuer", "https://p.example"),
		"--issuer-type: must be agent, portal": trusts("--issuer-type", "x"),
		"--issuer: the URL":                    access("https://b.example", "--issuer", "p"),
		"--agent: must be a URL":               bob("--agent", "a b", "--keys-dir", "x"),
		"--authority: the URL must start":      asAgent("--authority", "p", "--client-secret", "token"),
		"--scope: a scope pattern must be":     asAgent("--keys-dir", "x", "--scope", "a b"),
		"--target: an agent's name must be":    {"token", "--target", "b b", "--agent", "@alice", "--keys-dir", "ring"},
		"--leeway must be from 0s to 5m":       trusts("--leeway", "6m"),
	} {
		u.fails(2, words, args...)
	}
}

func TestDoctorAsksAStore(t *testing.T) {
	u := newTool(t)
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	good := "sqlite://" + filepath.ToSlash(filepath.Join(folder, "store.sqlite3"))
	// Doctor may run as another user than the agent: a file that it made would be of no use.
	o := u.exits(0, "doctor", "--store", good)
	if !strings.Contains(o.stdout, "is not there yet") || u.names(folder) != "" {
		t.Error(o.stdout, u.names(folder))
	}
	if o := u.exits(0, "doctor", "--store", good+"/x"); !strings.Contains(o.stdout, "is not there yet") {
		t.Error(o.stdout)
	}
	store, err := sqlite.New(filepath.Join(folder, "store.sqlite3"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.Claim(t.Context(), strings.Repeat("0", 32), time.Now().Unix()+60); err != nil {
		t.Fatal(err)
	}
	if o := u.exits(0, "doctor", "--store", good); !strings.Contains(o.stdout, "answers") {
		t.Error(o.stdout)
	}
	u.file("url", "redis://:secret@127.0.0.1:1/0\n")
	for _, args := range [][]string{{"doctor", "--store", "redis://127.0.0.1:1/0"}, {"doctor", "--store", "@url"}} {
		o := u.exits(3, args...)
		if !strings.HasPrefix(o.stdout, "problem  store: ") || strings.Contains(o.stdout, "secret") {
			t.Error(o.stdout)
		}
	}
	u.file("text.sqlite3", "this is something else")
	text, err := filepath.Abs("text.sqlite3")
	if err != nil {
		t.Fatal(err)
	}
	u.exits(3, "doctor", "--store", "sqlite://"+filepath.ToSlash(text))
	u.fails(2, "the URL has a password", "doctor", "--store", "postgresql://a:b@127.0.0.1/x")
	u.fails(2, "the URL has a password", "doctor", "--store", "postgresql://127.0.0.1/x?password=b")
	u.fails(4, "there is no nowhere", "doctor", "--store", "@nowhere")
	u.exits(0, "doctor", "--store", "memory:")
	for _, no := range []string{"x", "memory", "sqlite:x", "redis://a b"} {
		if o := u.exits(3, "doctor", "--store", no); !strings.HasPrefix(o.stdout, "problem  store: ") {
			t.Error(o.stdout)
		}
	}
}
