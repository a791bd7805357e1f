package postgresql_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/internal/peers"
	check "github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/postgresql"
)

func TestAllLanguagesShareAServer(t *testing.T) {
	server := check.StartServer(t, "postgresql")
	t.Run("ids, values and documents", func(t *testing.T) { sharesIDs(t, server) })
	t.Run("a key ring", func(t *testing.T) { sharesARing(t, server) })
	t.Run("an authority's clients", func(t *testing.T) { sharesClients(t, server) })
}

func sharesIDs(t *testing.T, server *check.Server) {
	// None has used the server: they make the tables at the same moment, too.
	store := storeOf(t, server.URL, postgresql.Options{Timeout: time.Minute})
	others := check.OpenOthers(t, "postgresql", server.URL)
	others.Race(t, store, 1000)
	others.Agree(t, store)
	others.AgreeOnDocuments(t, store)
}

const (
	storeKey  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	otherKey  = "f00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	agentURL  = "https://alice.example"
	portalURL = "https://portal.example"
)

// replicas are a peer of each language.
func replicas(t *testing.T) map[string]*peers.Peer {
	t.Helper()
	python, node := peers.Python(t, "peer.py"), peers.Node(t)
	return map[string]*peers.Peer{"Python": peers.Start(t, python), "Node": peers.Start(t, node)}
}

// folder is that of a machine of its own.
func folder(t *testing.T) string { return filepath.Join(t.TempDir(), "keys") }

// goReplica is a replica of alice on a machine of its own.
func goReplica(t *testing.T, server *check.Server, key string) (*tallystick.Skill, error) {
	t.Helper()
	skill, err := tallystick.NewSkill(tallystick.SkillOptions{BaseURL: agentURL, KeysDir: folder(t), StoreKey: key,
		Store: storeOf(t, server.URL, postgresql.Options{}), Logger: slog.New(slog.DiscardHandler)})
	if err == nil {
		t.Cleanup(func() { _ = skill.Close() })
	}
	return skill, err
}

func startReplica(t *testing.T, p *peers.Peer, server *check.Server, key string) (wrong string) {
	t.Helper()
	return p.Try(nil, "agent", map[string]any{"base_url": agentURL, "keys_dir": folder(t), "store": server.URL,
		"store_key": key})
}

func sharesARing(t *testing.T, server *check.Server) {
	others := replicas(t)
	// The first one makes the ring; it is not always the same language.
	for name, p := range others {
		if wrong := startReplica(t, p, server, storeKey); wrong != "" {
			t.Fatal(name, wrong)
		}
	}
	mine, err := goReplica(t, server, storeKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range others {
		mustShare(t, name, p, mine)
	}
	for name, p := range others {
		var active string
		p.Must(&active, "rotate")
		eventually(t, func() bool { return keyOf(t, mine) == active })
		for other, p := range others {
			mustShare(t, name+" and "+other, p, mine)
		}
	}
	rotated, err := mine.RotateKeys(t.Context(), tallystick.RotateOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range others {
		eventually(t, func() bool { return theirKeyOf(t, p) == rotated.Active })
		mustShare(t, name, p, mine)
	}
	if _, err := goReplica(t, server, otherKey); err == nil || !strings.Contains(err.Error(), "StoreKey") {
		t.Error(err)
	}
	for name, p := range others {
		if wrong := startReplica(t, p, server, otherKey); !strings.HasPrefix(wrong, "invalid_config") {
			t.Error(name, wrong)
		}
		if wrong := startReplica(t, p, server, storeKey); wrong != "" {
			t.Error(name, wrong)
		}
	}
	rotateAtOnce(t, others, mine)
}

// mustShare checks that each takes what the other signs.
func mustShare(t *testing.T, name string, other *peers.Peer, mine *tallystick.Skill) {
	t.Helper()
	made, err := mine.Issue(t.Context(), tallystick.TokenRequest{Target: agentURL})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return other.Try(nil, "verify", made) == "" })
	other.Must(&made, "token", agentURL, []string{"read"})
	eventually(t, func() bool {
		auth, err := mine.VerifyToken(t.Context(), made)
		return err == nil && auth.AgentURL == agentURL
	})
	if _, err := mine.VerifyToken(t.Context(), made[:len(made)-8]+"AAAAAAAA"); !errors.Is(err,
		tallystick.ErrInvalidSignature) {
		t.Error(name, err)
	}
}

func keyOf(t *testing.T, skill *tallystick.Skill) string {
	t.Helper()
	made, err := skill.Issue(t.Context(), tallystick.TokenRequest{Target: agentURL})
	if err != nil {
		t.Fatal(err)
	}
	return keyIn(t, made)
}

// theirKeyOf asks for a token that none was kept of.
func theirKeyOf(t *testing.T, p *peers.Peer) string {
	t.Helper()
	var made string
	p.Must(&made, "token", fmt.Sprintf("https://%s.example", check.NewID()), []string{"read"})
	return keyIn(t, made)
}

// keyIn is the key that a token says it is signed with.
func keyIn(t *testing.T, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	var said struct{ Kid string }
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || json.Unmarshal(text, &said) != nil {
		t.Fatal(token, err)
	}
	return said.Kid
}

// rotateAtOnce has all replace the keys at the same time: no version is lost.
func rotateAtOnce(t *testing.T, others map[string]*peers.Peer, mine *tallystick.Skill) {
	const each = 3
	var all sync.WaitGroup
	var lock sync.Mutex
	var active []string
	add := func(keys ...string) {
		lock.Lock()
		defer lock.Unlock()
		active = append(active, keys...)
	}
	for name, p := range others {
		all.Go(func() {
			var keys []string
			if wrong := p.Try(&keys, "revoke_many", each); wrong != "" {
				t.Error(name, wrong)
			}
			add(keys...)
		})
	}
	for range each {
		rotated, err := mine.RotateKeys(t.Context(), tallystick.RotateOptions{Revoke: true})
		if err != nil {
			t.Error(err)
		}
		add(rotated.Active)
	}
	all.Wait()
	slices.Sort(active)
	if want := each * (len(others) + 1); len(slices.Compact(active)) != want {
		t.Error("a ring was used twice: ", active)
	}
	for name, p := range others {
		mustShare(t, name, p, mine)
	}
}

func sharesClients(t *testing.T, server *check.Server) {
	const each = 10
	others := replicas(t)
	authority, err := tallystick.NewAuthority(portalURL, tallystick.AuthorityOptions{KeysDir: folder(t),
		StoreKey: storeKey, Store: storeOf(t, server.URL, postgresql.Options{}), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = authority.Close() })
	_, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for name, p := range others {
		p.Must(nil, "authority", map[string]any{"url": portalURL, "keys_dir": folder(t), "store": server.URL,
			"store_key": storeKey})
		all.Go(func() {
			if wrong := p.Try(nil, "register_many", strings.ToLower(name), each, public); wrong != "" {
				t.Error(name, wrong)
			}
		})
	}
	for i := range each {
		client := tallystick.Client{ClientID: fmt.Sprint("go", i), PublicKey: public, Scopes: []string{"read"}}
		if _, err := authority.RegisterClient(t.Context(), client); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	listed, err := authority.ListClients()
	if err != nil || len(listed) != each*(len(others)+1) {
		t.Error(len(listed), err)
	}
	var ours []string
	for _, client := range listed {
		ours = append(ours, client.ClientID)
	}
	for name, p := range others {
		var theirs []string
		if p.Must(&theirs, "clients"); !slices.Equal(theirs, ours) {
			t.Error(name, theirs, ours)
		}
	}
}

// eventually asks again until another process's change was looked at, once a second.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come true")
		}
	}
}
