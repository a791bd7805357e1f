package oauthclient

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

const secret = "correct horse battery staple"

var hashed = sync.OnceValue(func() string { return HashSecret(secret, []byte("a salt of length")) })

var pairs = sync.OnceValue(func() [2]*jose.PrivateKey {
	var keys [2]*jose.PrivateKey
	for i := range keys {
		key, err := jose.Generate(2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

func publicPEM(i int) string { return pairs()[i].Public().PEM() }

// Each refused client stands beside an accepted one that differs in one thing.
func TestNew(t *testing.T) {
	with := func(change func(*Config)) Config {
		c := Config{ID: "bot", SecretHash: hashed(), Scopes: []string{"read", "tools:*"}}
		change(&c)
		return c
	}
	good := with(func(*Config) {})
	id := func(id string) Config { return with(func(c *Config) { c.ID = id }) }
	hash := func(hash string) Config { return with(func(c *Config) { c.SecretHash = hash }) }
	part := func(i int, text string) Config {
		parts := strings.Split(hashed(), "$")
		parts[i] = text
		return hash(strings.Join(parts, "$"))
	}
	key := func(text string) Config { return with(func(c *Config) { c.SecretHash, c.PublicKey = "", text }) }
	long := strings.Repeat("n", 257)
	for _, c := range []struct {
		name              string
		accepted, refused Config
		says              string
	}{
		{"no id", good, id(""), "client_id"},
		{"a long id", id(long[:256]), id(long), "client_id"},
		{"white space", id("a-b"), id("a b"), "client_id"},
		{"a wildcard", id("@team/bot"), id("@team/*"), "client_id"},
		{"climbing", id("team/..bot"), id("team/../bot"), "segment"},
		{"a dot", id("team/.bot"), id("team/./bot"), "segment"},
		{"an encoded slash", id("a/b"), id("a%2Fb"), "client_id"},
		{"a query", id("a=b"), id("a?b"), "client_id"},
		{"not ASCII", id("bot"), id("b\u00f6t"), "client_id"},
		{"no credentials", good, hash(""), "secret_hash or public_key"},
		{"a secret as hash", good, hash(secret), "new client secret"},
		{"another algorithm", good, part(0, "pbkdf2-sha1"), "new client secret"},
		{"few iterations", part(1, "10000"), part(1, "9999"), "iterations"},
		{"many iterations", part(1, "1000000"), part(1, "1000001"), "iterations"},
		{"spelt otherwise", part(1, "10000"), part(1, "010000"), "new client secret"},
		{"a short salt", part(2, jose.Encode64([]byte("12345678"))), part(2, jose.Encode64([]byte("1234567"))),
			"new client secret"},
		{"a long salt", part(2, jose.Encode64(make([]byte, 64))), part(2, jose.Encode64(make([]byte, 65))),
			"new client secret"},
		{"a short hash", part(3, jose.Encode64(make([]byte, 32))), part(3, jose.Encode64(make([]byte, 31))),
			"new client secret"},
		{"padding", part(3, jose.Encode64(make([]byte, 32))), part(3, jose.Encode64(make([]byte, 32))+"="),
			"new client secret"},
		{"a private key", key(publicPEM(0)), key(pairs()[0].PEM()), "private key"},
		{"no key", key(pairs()[0].Public().JWK()), key("x"), "public_key"},
		{"a scope pattern", good, with(func(c *Config) { c.Scopes = []string{"read", "a b"} }), "scopes[1]"},
		{"a namespace", with(func(c *Config) { c.Namespaces = []string{"prod"} }), with(func(c *Config) { c.Namespaces = []string{"pr od"} }), "namespaces[0]"},
		{"a namespace with a wildcard", with(func(c *Config) { c.Namespaces = []string{"prod"} }), with(func(c *Config) { c.Namespaces = []string{"*"} }), "namespaces[0]"},
		{"a namespace with its prefix", with(func(c *Config) { c.Namespaces = []string{"prod"} }),
			with(func(c *Config) { c.Namespaces = []string{"namespace:prod"} }), "namespaces[0]"},
		{"a label with its mark", with(func(c *Config) { c.Trust = []string{"verified"} }),
			with(func(c *Config) { c.Trust = []string{"#verified"} }), "trust[0]"},
		{"a label with its prefix", with(func(c *Config) { c.Trust = []string{"verified"} }),
			with(func(c *Config) { c.Trust = []string{"trust:verified"} }), "trust[0]"},
		{"a trust label", with(func(c *Config) { c.Trust = []string{"reputation-5"} }), with(func(c *Config) { c.Trust = []string{""} }), "trust[0]"},
		{"a target", with(func(c *Config) { c.Targets = []string{"@team/**"} }), with(func(c *Config) { c.Targets = []string{"@a b"} }), "targets[0]"},
		{"many scopes", with(func(c *Config) { c.Scopes = slices.Repeat([]string{"a"}, 1000) }), with(func(c *Config) { c.Scopes = slices.Repeat([]string{"a"}, 1001) }), "scopes"},
	} {
		if _, p := New([]Config{c.accepted}); p != nil {
			t.Errorf("%s: the accepted twin: %v", c.name, p)
		}
		_, p := New([]Config{c.refused})
		if p == nil || p.Code != problem.InvalidConfig || !strings.Contains(p.Message, "clients[0]") || !strings.Contains(p.Message, c.says) {
			t.Errorf("%s: %v", c.name, p)
		}
	}
	if _, p := New([]Config{good, id("other")}); p != nil {
		t.Error(p)
	}
	if _, p := New([]Config{good, good}); p == nil || !strings.Contains(p.Message, "clients[1]: client_id") {
		t.Errorf("one id twice: %v", p)
	}
	if _, p := New(make([]Config, MaxClients+1)); p == nil || !strings.Contains(p.Message, "10001") {
		t.Errorf("too many: %v", p)
	}
}

func TestTenThousandClients(t *testing.T) {
	configs := make([]Config, MaxClients)
	for i := range configs {
		configs[i] = Config{ID: fmt.Sprint("c", i), SecretHash: hashed()}
	}
	r, p := New(configs)
	if p != nil || r.Len() != MaxClients {
		t.Fatal(p)
	}
	if c, there := r.clients["c9999"]; !there || c.ID != "c9999" {
		t.Error("not found")
	}
	if _, there := r.clients["c10000"]; there {
		t.Error("found one that there is not")
	}
}

func TestHashSecret(t *testing.T) {
	// Computed by another implementation: Python's hashlib.pbkdf2_hmac.
	const want = "pbkdf2-sha256$10000$YSBzYWx0IG9mIGxlbmd0aA$fwO4pX7PesgNYLzrxqzNaF_xf0YYnpLk9DSG8UvEY14"
	if hashed() != want {
		t.Errorf("%s, want %s", hashed(), want)
	}
	if a, b := NewSecret(), NewSecret(); a == b || len(a) != 43 || CheckSecret(a) != nil {
		t.Errorf("secrets %s and %s", a, b)
	}
	for text, ok := range map[string]bool{
		strings.Repeat("a", 16): true, strings.Repeat("a", 15): false, strings.Repeat("a", MaxSecret): true, strings.Repeat("a", MaxSecret+1): false,
		"a secret with \u00e9": false, "a secret with \x00": false, "a secret with ~ ": true,
	} {
		if err := CheckSecret(text); (err == nil) != ok {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	r, p := New([]Config{{ID: "bot", SecretHash: hashed()}})
	if p != nil {
		t.Fatal(p)
	}
	c := r.clients["bot"]
	for _, format := range []string{"%v", "%+v", "%#v"} {
		if shown := fmt.Sprintf(format+format, c, r); strings.Contains(shown, hashed()) || strings.Contains(shown, secret) {
			t.Errorf("%s: %s", format, shown)
		}
	}
}
