package tallystick_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/internal/peers"
)

func TestTokensOfGoAndOthers(t *testing.T) { peers.Each(t, tokensOfGoAndOthers) }

func tokensOfGoAndOthers(t *testing.T, other *peers.Peer) {

	other.Must(&other.URL, "agent", map[string]any{"agent_id": "bob", "keys_dir": filepath.Join(t.TempDir(), "keys")})
	alice, a := newAgent(t, tallystick.SkillOptions{AgentID: "alice"}, "read")

	var who map[string]any
	other.Must(&who, "verify", token(t, alice, other.URL, "read"))
	if who["agent_id"] != "alice" || who["issuer"] != alice.Issuer() || fmt.Sprint(who["scopes"]) != "[read]" {
		t.Error(who)
	}
	if code := other.Try(nil, "verify", token(t, alice, "https://x.example")); !strings.HasPrefix(code,
		"invalid_audience") {
		t.Error(code)
	}
	bound, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: other.URL,
		Bind: &tallystick.Binding{Method: "POST", URL: other.URL + "/chat", Body: []byte("hello")}})
	if err != nil {
		t.Fatal(err)
	}
	other.Must(&who, "verify_request", bound, "POST", "/chat", "hello")
	if who["bound"] != true {
		t.Error(who)
	}
	if code := other.Try(nil, "verify_request", bound, "POST", "/chat", "hello"); !strings.HasPrefix(code,
		"replay_detected") {
		t.Error(code)
	}

	var made string
	other.Must(&made, "token", alice.BaseURL(), []string{"read"})
	if status, body := askWith(t, a.URL+"/chat", made); status != 200 || !strings.HasSuffix(body, " agent hello") {
		t.Error(status, body)
	}
	auth, err := alice.VerifyToken(t.Context(), made)
	if err != nil || auth.AgentID != "bob" || auth.AgentURL != other.URL {
		t.Error(auth, err)
	}
	other.Must(&made, "token", "https://x.example", []string{"read"})
	if status, _ := askWith(t, a.URL+"/chat", made); status != 401 {
		t.Error(status)
	}
	other.Must(&made, "bound", alice.BaseURL(), "POST", a.URL+"/bound", "hello")
	if status, body := askWith(t, a.URL+"/bound", made); status != 200 {
		t.Error(status, body)
	}
	if status, _ := askWith(t, a.URL+"/bound", made); status != 429 {
		t.Error(status)
	}
}

func TestAnAuthorityOfOthersAndAgentsOfGo(t *testing.T) {
	peers.Each(t, anAuthorityOfOthersAndAgentsOfGo)
}

func anAuthorityOfOthersAndAgentsOfGo(t *testing.T, other *peers.Peer) {

	other.Must(&other.URL, "authority", map[string]any{"keys_dir": filepath.Join(t.TempDir(), "authority")})
	var secret string
	other.Must(&secret, "register", "alice", map[string]any{"scopes": []string{"read"}, "trust": []string{"verified"}})
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: other.URL, BaseURL: "@alice", ClientSecret: secret})
	bob := newTestSkill(t, tallystick.SkillOptions{Authority: other.URL, BaseURL: "@bob"})
	auth, err := bob.VerifyToken(t.Context(), token(t, alice, "@bob", "read"))
	if err != nil || auth.Name != "alice" || !slices.Equal(auth.TrustLabels, []string{"verified"}) {
		t.Error(auth, err)
	}
	_, err = alice.Token(t.Context(), "@bob", "admin")
	mustBe(t, err, tallystick.ErrTokenRefused)
}

func TestAnAuthorityOfGoAndAgentsOfOthers(t *testing.T) {
	peers.Each(t, anAuthorityOfGoAndAgentsOfOthers)
}

func anAuthorityOfGoAndAgentsOfOthers(t *testing.T, other *peers.Peer) {

	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	secret := register(t, authority, tallystick.Client{ClientID: "alice", Scopes: []string{"read"}})
	other.Must(&other.URL, "agent", map[string]any{"authority": portal.URL, "base_url": "@alice",
		"client_secret": secret})
	bob := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@bob"})
	var made string
	other.Must(&made, "token", "@bob", []string{"read"})
	if auth, err := bob.VerifyToken(t.Context(), made); err != nil || auth.Name != "alice" {
		t.Error(auth, err)
	}
	if code := other.Try(nil, "token", "@bob", []string{"admin"}); !strings.HasPrefix(code, "token_refused") {
		t.Error(code)
	}
}

// Both commit versions of one ring at the same time: none is lost, and both go on with the last.
func TestGoAndOthersChangeOneRing(t *testing.T) { peers.Each(t, goAndOthersChangeOneRing) }

func goAndOthersChangeOneRing(t *testing.T, other *peers.Peer) {
	const each = 5

	folder := filepath.Join(t.TempDir(), "keys")
	other.Must(&other.URL, "agent", map[string]any{"agent_id": "alice", "keys_dir": folder,
		"base_url": "https://alice.example"})
	options := tallystick.SkillOptions{AgentID: "alice", BaseURL: "https://alice.example", KeysDir: folder}
	alice := newTestSkill(t, options)
	var theirs, ours []string
	var both sync.WaitGroup
	both.Go(func() { other.Must(&theirs, "revoke_many", each) })
	for range each {
		rotated, err := alice.RotateKeys(t.Context(), tallystick.RotateOptions{Revoke: true})
		if err != nil {
			t.Error(err)
		}
		ours = append(ours, rotated.Active)
	}
	both.Wait()
	all := append(append([]string{}, ours...), theirs...)
	slices.Sort(all)
	if len(slices.Compact(all)) != 2*each {
		t.Error("a ring was used twice", ours, theirs)
	}
	last := filepath.Join(folder, fmt.Sprintf("alice.ring.json.%d", 1+2*each))
	if info, err := os.Stat(last); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if found, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(found) != 1+2*each {
		t.Error(found, err)
	}
	// What either signs now, the other takes.
	twin := newTestSkill(t, options)
	made := token(t, twin, "https://alice.example")
	eventually(t, func() bool { return other.Try(nil, "verify", made) == "" })
	other.Must(&made, "token", "https://alice.example", []string{"read"})
	eventually(t, func() bool { _, err := alice.VerifyToken(t.Context(), made); return err == nil })
	var ring struct{ Version int }
	text, err := os.ReadFile(last)
	if err != nil || json.Unmarshal(text, &ring) != nil || ring.Version != 1 {
		t.Error(err)
	}
}

func TestGoAndOthersChangeOneListOfClients(t *testing.T) {
	peers.Each(t, goAndOthersChangeOneListOfClients)
}

func goAndOthersChangeOneListOfClients(t *testing.T, other *peers.Peer) {
	const each = 20

	folder := filepath.Join(t.TempDir(), "authority")
	other.Must(&other.URL, "authority", map[string]any{"keys_dir": folder})
	authority, _ := newAuthority(t, tallystick.AuthorityOptions{KeysDir: folder})
	_, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() { other.Must(nil, "register_many", "other", each, public) })
	for i := range each {
		register(t, authority, tallystick.Client{ClientID: fmt.Sprintf("go%d", i), PublicKey: public,
			Scopes: []string{"read"}})
	}
	both.Wait()
	var theirs []string
	other.Must(&theirs, "clients")
	listed, err := authority.ListClients()
	if err != nil || len(listed) != 2*each || len(theirs) != 2*each {
		t.Fatal(len(listed), len(theirs), err)
	}
	for i, client := range listed {
		if client.ClientID != theirs[i] {
			t.Error(client, theirs[i])
		}
	}
	if _, err := os.Stat(filepath.Join(folder, fmt.Sprintf("clients.json.%d", 2*each))); err != nil {
		t.Error(err)
	}
}
