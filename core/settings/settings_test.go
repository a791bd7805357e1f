package settings

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

func read(t testing.TB, in Input) (*Access, *problem.Problem) {
	t.Helper()
	for _, text := range []json.RawMessage{in.Config, in.Options} {
		if text == nil {
			continue
		}
		if err := strictjson.CheckObject([]byte(`{"x":` + string(text) + `}`)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	a, p := Read(in)
	if (a == nil) == (p == nil) || p != nil && p.Code != problem.InvalidConfig {
		t.Fatalf("%+v, %v", a, p)
	}
	return a, p
}

func mustRead(t testing.TB, config string) *Access {
	t.Helper()
	a, p := read(t, Input{Config: json.RawMessage(config)})
	if p != nil {
		t.Fatalf("%s: %s", config, p.Message)
	}
	return a
}

// The seed's full reference, key by key (AOAuth skill, "Full Configuration Reference").
const reference = `{"skills": {"auth": {
	"authority": "https://robutler.ai", "agent_id": "my-agent", "base_url": "@my-agent", "token_ttl": 300,
	"allowed_scopes": ["read", "write", "namespace:*", "tools:*"],
	"trusted_issuers": [{"issuer": "https://partner.ai", "jwks_uri": "https://partner.ai/.well-known/jwks.json", "type": "agent"}],
	"allow": ["@myteam/*", "@trusted-agent"], "deny": ["@banned-*"],
	"google": {"client_id": "${GOOGLE_CLIENT_ID}", "client_secret": "${GOOGLE_CLIENT_SECRET}", "hosted_domain": "company.com"},
	"robutler": {"client_id": "my-agent", "client_secret": "${ROBUTLER_SECRET}"},
	"keys_dir": "~/.webagents/keys", "jwks_cache_ttl": 3600}}, "name": "other keys of the file are not ours"}`

func TestReference(t *testing.T) {
	names := Variables(json.RawMessage(reference))
	if strings.Join(names, " ") != "GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET ROBUTLER_SECRET" {
		t.Errorf("%v", names)
	}
	a, p := read(t, Input{Config: json.RawMessage(reference), Variables: map[string]string{
		"GOOGLE_CLIENT_ID": "g", "GOOGLE_CLIENT_SECRET": "gs", "ROBUTLER_SECRET": "rs"}})
	if p != nil {
		t.Fatal(p)
	}
	if a.BaseURL != "https://robutler.ai/agents/my-agent" || a.Mode() != ModePortal || a.Google.ClientSecret != "gs" || a.Robutler.ClientSecret != "rs" {
		t.Errorf("%+v", a)
	}
	if inactive := a.Inactive(); len(inactive) != 2 || inactive[0].Key != "google" || inactive[1].Key != "robutler" {
		t.Errorf("%+v", inactive)
	}
}

func TestDefaults(t *testing.T) {
	written, err := json.Marshal(mustRead(t, `{}`))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"token_ttl":300,"allowed_scopes":["read","write"],"trusted_issuers":[],"allow":[],"deny":[],"jwks_cache_ttl":3600,` +
		`"keys_dir":"~/.webagents/keys","dev_mode":false,"leeway":30,"clock_skew":30,"max_lifetime":86400,"max_body":10485760,"require_binding":false,"realm":"tallystick"}`
	if string(written) != want {
		t.Errorf("%s", written)
	}
	if a := mustRead(t, `{}`); a.Mode() != ModeSelfIssued || len(a.Inactive()) != 0 {
		t.Errorf("%+v", a)
	}
}

// What was read reads the same again: hosts pass it on.
func TestAnswerIsAConfiguration(t *testing.T) {
	for _, config := range []string{
		`{}`, `{"agent_id": "x", "dev_mode": true, "leeway": 0.5}`,
		`{"jwks_uri": "https://robutler.ai/.well-known/jwks.json", "audience": "https://robutler.ai/agents/my-agent"}`,
		`{"base_url": "https://a.example/bot/", "accept_from": {"allow": ["family"], "deny": ["#x"]}, "talk_to": ["everyone"], "clients": [{"client_id": "c", "public_key": ` + publicKey() + `, "scopes": ["read"]}]}`,
	} {
		first, err := json.Marshal(mustRead(t, config))
		if err != nil {
			t.Fatal(err)
		}
		second, err := json.Marshal(mustRead(t, string(first)))
		if err != nil || string(first) != string(second) {
			t.Errorf("%s\nbecame\n%s (%v)", first, second, err)
		}
	}
}

var pair = sync.OnceValue(func() *jose.PrivateKey {
	key, err := jose.Generate(2048)
	if err != nil {
		panic(err)
	}
	return key
})

func quoted(text string) string { return string(strictjson.AppendString(nil, text)) }

func publicKey() string { return quoted(pair().Public().PEM()) }

func privateKey() string { return quoted(pair().PEM()) }

func TestIdentityIsDerived(t *testing.T) {
	for _, c := range []struct{ config, id, url string }{
		{`{"agent_id": "bot"}`, "bot", "https://robutler.ai/agents/bot"},
		{`{"agent_id": "bot", "authority": "https://portal.example/"}`, "bot", "https://portal.example/agents/bot"},
		{`{"base_url": "@bot"}`, "bot", "https://robutler.ai/agents/bot"},
		{`{"base_url": "https://A.example:443/agents/bot/"}`, "bot", "https://a.example/agents/bot"},
		{`{"base_url": "https://a.example"}`, "a.example", "https://a.example"},
		{`{"base_url": "http://127.0.0.1:5000/bot", "agent_id": "me"}`, "me", "http://127.0.0.1:5000/bot"},
		{`{"base_url": null, "agent_id": null}`, "", ""},
	} {
		if a := mustRead(t, c.config); a.AgentID != c.id || a.BaseURL != c.url {
			t.Errorf("%s: %q %q", c.config, a.AgentID, a.BaseURL)
		}
	}
}

// The seed's TypeScript form.
func TestKeySetForm(t *testing.T) {
	a := mustRead(t, `{"jwksUri": "https://robutler.ai/.well-known/jwks.json", "jwksCacheTtl": 60, "audience": "https://robutler.ai/agents/my-agent"}`)
	if a.Issuer != "https://robutler.ai" || a.JWKSCacheTTL != 60 || len(a.Audience) != 1 || a.Audience[0] != "https://robutler.ai/agents/my-agent" {
		t.Errorf("%+v", a)
	}
	if a := mustRead(t, `{"jwks_uri": "http://localhost:8000/k?x=1", "issuer": "https://login.example/", "audience": ["a", "b"]}`); a.Issuer != "https://login.example/" || len(a.Audience) != 2 {
		t.Errorf("%+v", a)
	}
}

func TestTypesAreFilledIn(t *testing.T) {
	a := mustRead(t, `{"authority": "https://p.example", "trusted_issuers": [{"issuer": "https://p.example", "jwks_uri": "https://p.example/k"}, {"issuer": "https://q.example", "type": null}, {"issuer": "https://login.example/", "type": "user"}]}`)
	if a.TrustedIssuers[0].Type != "portal" || a.TrustedIssuers[1].Type != "agent" || a.TrustedIssuers[2].Type != "user" {
		t.Errorf("%+v", a.TrustedIssuers)
	}
}

func TestOptionsOverride(t *testing.T) {
	a, p := read(t, Input{Config: json.RawMessage(`{"agent_id": "file", "token_ttl": 60, "allow": ["@a"]}`), Options: json.RawMessage(`{"agentId": "code", "token_ttl": null, "allow": []}`)})
	if p != nil || a.AgentID != "code" || a.TokenTTL != 60 || len(a.Allow) != 0 {
		t.Errorf("%+v %v", a, p)
	}
	// Options come from the program: a $ in them is a $.
	a, p = read(t, Input{Config: json.RawMessage(`{"agent_id": "x"}`), Options: json.RawMessage(`{"client_secret": "${X}"}`)})
	if p != nil || a.ClientSecret != "${X}" {
		t.Errorf("%+v %v", a, p)
	}
	_, p = read(t, Input{Config: json.RawMessage(`{}`), Source: "auth.yaml", Options: json.RawMessage(`{"token_ttl": "x"}`)})
	if p == nil || !strings.HasPrefix(p.Message, "options: token_ttl: ") {
		t.Errorf("%v", p)
	}
}

// A host has options of its own beside the keys of a configuration.
func TestHostOptions(t *testing.T) {
	own := map[string]string{"bits": "keyBits", "keyBits": "keyBits"}
	const misplaced = "is an option of the program and no key of a configuration: " +
		"give it to the constructor, as the option keyBits"
	for _, c := range []struct{ config, options, want string }{
		{`{"key_bits": 2048}`, `{}`, "configuration: key_bits: " + misplaced},
		{`{"skills": {"auth": {"bits": 1}}}`, `{}`,
			"configuration: bits: " + misplaced},
		{`{}`, `{"keyBitz": 2048}`, "options: keyBitz: there is no such key: write keyBits or remove it"},
		{`{}`, `{"keyDir": "x"}`, "options: keyDir: there is no such key: write keysDir or remove it"},
		{`{}`, `{"replay": "x"}`, "options: replay: there is no such key: remove it"},
		{`{"keyBitz": 1}`, `{}`, "configuration: keyBitz: there is no such key: remove it"},
	} {
		_, p := read(t, Input{Config: json.RawMessage(c.config), Options: json.RawMessage(c.options),
			HostOptions: own})
		if p == nil || p.Message != c.want {
			t.Errorf("%s %s: %v", c.config, c.options, p)
		}
	}
	if _, p := read(t, Input{Config: json.RawMessage(`{"realm": "a"}`),
		Options: json.RawMessage(`{"token_ttl": 60}`), HostOptions: own}); p != nil {
		t.Error(p)
	}
}

func TestAnAuthorityIsNamedByItsURL(t *testing.T) {
	for _, issuer := range []string{"portal.example", "@portal", "portal"} {
		_, p := read(t, Input{Config: json.RawMessage(`{}`),
			Options: json.RawMessage(`{"base_url": "` + issuer + `"}`), Authority: true})
		if p == nil || !strings.Contains(p.Message, "an authority is named by its URL") {
			t.Errorf("%s: %v", issuer, p)
		}
	}
	a, p := read(t, Input{Config: json.RawMessage(`{}`),
		Options: json.RawMessage(`{"base_url": "https://Portal.example/"}`), Authority: true})
	if p != nil || a.BaseURL != "https://portal.example" {
		t.Errorf("%+v %v", a, p)
	}
}

func TestMessage(t *testing.T) {
	for config, want := range map[string]string{
		`{"token_ttl": "300"}`:                         `auth.yaml: token_ttl: must be a whole number of seconds from 1 to 86400 (it is a string): write token_ttl: 300`,
		`{"tokenTtl": 0}`:                              `auth.yaml: tokenTtl: must be a whole number of seconds from 1 to 86400: write tokenTtl: 300`,
		`{"tokn_ttl": 300}`:                            `auth.yaml: tokn_ttl: there is no such key: write token_ttl or remove it`,
		`{"jwksUrl": "x"}`:                             `auth.yaml: jwksUrl: there is no such key: write jwksUri or remove it`,
		`{"skils": {}}`:                                `auth.yaml: skils: there is no such key: remove it`,
		`{"skills": {"auht": {}}}`:                     `auth.yaml: skills: has no auth: write skills: auth: with the keys of this skill below`,
		`{"trusted_issuers": [{"isuer": "x"}]}`:        `auth.yaml: trusted_issuers[0].isuer: there is no such key: write issuer or remove it`,
		`{"trusted_issuers": [{"type": "agent"}]}`:     `auth.yaml: trusted_issuers[0].issuer: is missing: write issuer: "https://partner.example", or a preset`,
		`{"google": {"client_id": 1}}`:                 `auth.yaml: google.client_id: must be a string (it is a number): write client_id: "${GOOGLE_CLIENT_ID}"`,
		`{"google": {"client_id": "${A_B}"}}`:          `auth.yaml: google.client_id: the environment variable A_B is not set or empty: set it, or write $${ for a literal ${`,
		`{"allow": ["@a", "${A_B}"]}`:                  `auth.yaml: allow[1]: the environment variable A_B is not set or empty: set it, or write $${ for a literal ${`,
		`{"agent_id": "${A-B}"}`:                       `auth.yaml: agent_id: has ${ without the name of an environment variable and }: write ${NAME}, or $${ for a literal ${`,
		`{"accept_from": ["everyone", "friends"]}`:     `auth.yaml: accept_from[1]: must be everyone, nobody, family, platform, @pattern, https://pattern, #label or #reputation:N: write accept_from: ["family", "@partner.*"]`,
		`{"talk_to": {"deny": ["x"]}}`:                 `auth.yaml: talk_to.deny[0]: must be everyone, nobody, family, platform, @pattern, https://pattern, #label or #reputation:N: write talk_to: ["family", "@partner.*"]`,
		`{"jwks_uri": "http://keys.example/k"}`:        `auth.yaml: jwks_uri: plain http is for this machine (localhost) only: use https, or internal_http: true in the issuer's entry of trusted_issuers for a service of your own network: write jwks_uri: "https://partner.example/.well-known/jwks.json"`,
		`{"dev_mode": "yes"}`:                          `auth.yaml: dev_mode: must be true or false (it is a string): write dev_mode: true`,
		`{"agent_id": "a", "agentId": "a"}`:            `auth.yaml: agentId: is the same key as agent_id: keep one of them`,
		`[]`:                                           `auth.yaml: must be a mapping of keys (it is a list)`,
		`{"skills": {"auth": []}}`:                     `auth.yaml: skills.auth: must be a mapping of keys (it is a list)`,
		`{"issuer": "https://login.example/"}`:         `auth.yaml: issuer: says whose key set jwks_uri is, and there is no jwks_uri: write jwks_uri: "https://partner.example/.well-known/jwks.json", or use trusted_issuers`,
		`{"authority": "https://p.example", "x\ny":1}`: `auth.yaml: "x\ny": there is no such key: remove it`,
	} {
		_, p := read(t, Input{Config: json.RawMessage(config), Source: "auth.yaml"})
		if p == nil || p.Message != want {
			t.Errorf("%s:\n%v\nwant\n%s", config, p, want)
		}
	}
}

// Each configuration that is refused stands beside one that differs in that alone.
func TestRefused(t *testing.T) {
	longList := func(n int) string { return `{"allow": ["@a"` + strings.Repeat(`,"@a"`, n-1) + `]}` }
	one := func(rest string) string { return `{"clients": [{"client_id": "c", ` + rest + `}]}` }
	for _, c := range []struct{ why, accepted, refused, path string }{
		{"authority's scheme", `{"authority": "https://p.example"}`, `{"authority": "http://p.example"}`, "authority"},
		{"authority's spelling", `{"authority": "https://p.example/"}`, `{"authority": "https://P.example/"}`, "authority"},
		{"authority is a string", `{"authority": "https://p.example"}`, `{"authority": true}`, "authority"},
		{"empty string", `{"authority": null}`, `{"authority": ""}`, "authority"},
		{"agent_id", `{"agent_id": "a-b"}`, `{"agent_id": "a b"}`, "agent_id"},
		{"base_url", `{"base_url": "https://a.example/x"}`, `{"base_url": "https://a.example/?x"}`, "base_url"},
		{"base_url is no name", `{"base_url": "@a.b"}`, `{"base_url": "@a..b"}`, "base_url"},
		{"base_url is a bare host", `{"base_url": "https://a.example"}`, `{"base_url": "a.example"}`, "base_url"},
		{"no id in base_url", `{"base_url": "https://a.example/a%2Fb", "agent_id": "x"}`, `{"base_url": "https://a.example/a%2Fb"}`, "agent_id"},
		{"token_ttl too small", `{"token_ttl": 1}`, `{"token_ttl": 0}`, "token_ttl"},
		{"token_ttl too large", `{"token_ttl": 86400}`, `{"token_ttl": 86401}`, "token_ttl"},
		{"fraction", `{"token_ttl": 5.0}`, `{"token_ttl": 5.5}`, "token_ttl"},
		{"huge", `{"token_ttl": 5}`, `{"token_ttl": 1e300}`, "token_ttl"},
		{"truth is no number", `{"token_ttl": 1}`, `{"token_ttl": true}`, "token_ttl"},
		{"scope pattern", `{"allowed_scopes": ["a:*"]}`, `{"allowed_scopes": ["a b"]}`, "allowed_scopes[0]"},
		{"scopes are a list", `{"allowed_scopes": []}`, `{"allowed_scopes": "read write"}`, "allowed_scopes"},
		{"null in a list", `{"allowed_scopes": ["a"]}`, `{"allowed_scopes": [null]}`, "allowed_scopes[0]"},
		{"issuer's spelling", `{"trusted_issuers": [{"issuer": "https://p.example"}]}`, `{"trusted_issuers": [{"issuer": "https://p.example:443"}]}`, "trusted_issuers[0].issuer"},
		{"issuer's keys", `{"trusted_issuers": [{"issuer": "https://p.example", "jwksUri": "https://k.example"}]}`,
			`{"trusted_issuers": [{"issuer": "https://p.example", "jwksUri": "http://k.example"}]}`,
			"trusted_issuers[0].jwksUri"},
		{"issuer's type", `{"trusted_issuers": [{"issuer": "https://p.example", "type": "user"}]}`, `{"trusted_issuers": [{"issuer": "https://p.example", "type": "User"}]}`, "trusted_issuers[0].type"},
		{"issuers are mappings", `{"trusted_issuers": []}`, `{"trusted_issuers": ["https://p.example"]}`, "trusted_issuers[0]"},
		{"issuer twice", `{"trusted_issuers": [{"issuer": "https://p.example"}]}`, `{"trusted_issuers": [{"issuer": "https://p.example"}, {"issuer": "https://p.example"}]}`, "trusted_issuers[1]"},
		{"allow", `{"allow": ["@a.**"]}`, `{"allow": ["@a.***"]}`, "allow[0]"},
		{"deny", `{"deny": ["https://*.example"]}`, `{"deny": ["@a", "https://"]}`, "deny[1]"},
		{"a text for a list", `{"deny": ["@a"]}`, `{"deny": "@a"}`, "deny"},
		{"rules", `{"accept_from": ["@a"]}`, `{"accept_from": ["a"]}`, "accept_from[0]"},
		{"rules are a list", `{"accept_from": ["everyone"]}`, `{"accept_from": "everyone"}`, "accept_from"},
		{"talk_to", `{"talk_to": {"allow": []}}`, `{"talk_to": {"alow": []}}`, "talk_to"},
		{"jwks_cache_ttl", `{"jwks_cache_ttl": 604800}`, `{"jwks_cache_ttl": 604801}`, "jwks_cache_ttl"},
		{"google", `{"google": {}}`, `{"google": "x"}`, "google"},
		{"google's keys", `{"google": {"hostedDomain": "c.example"}}`, `{"google": {"domain": "c.example"}}`, "google.domain"},
		{"robutler's keys", `{"robutler": {"client_id": "c"}}`, `{"robutler": {"hosted_domain": "c"}}`, "robutler.hosted_domain"},
		{"client_id", `{"client_id": "c"}`, `{"client_id": "ü"}`, "client_id"},
		{"secret without a client", `{"client_secret": "s", "client_id": "c"}`, `{"client_secret": "s"}`, "client_id"},
		{"two credentials", `{"client_id": "c", "client_key": ` + privateKey() + `}`, `{"client_id": "c", "client_key": ` + privateKey() + `, "client_secret": "s"}`, "client_key"},
		{"client_key", `{"client_id": "c", "client_key": ` + privateKey() + `}`, `{"client_id": "c", "client_key": ` + publicKey() + `}`, "client_key"},
		{"audience", `{"audience": ["a"]}`, `{"audience": [1]}`, "audience[0]"},
		{"audience is text", `{"audience": "a"}`, `{"audience": {"a": 1}}`, "audience"},
		{"jwks_uri's fragment", `{"jwks_uri": "https://k.example/?f"}`, `{"jwks_uri": "https://k.example/#f"}`, "jwks_uri"},
		{"jwks_uri at an odd host", `{"jwks_uri": "https://127.1/k", "issuer": "https://i.example"}`, `{"jwks_uri": "https://127.1/k"}`, "issuer"},
		{"key set of a trusted issuer", `{"jwks_uri": "https://k.example/k", "trusted_issuers": [{"issuer": "https://i.example"}]}`, `{"jwks_uri": "https://k.example/k", "trusted_issuers": [{"issuer": "https://k.example"}]}`, "jwks_uri"},
		{"client's secret", one(`"scopes": [], "secret_hash": ` + quoted(secretHash())), one(`"scopes": [], "secret_hash": "secret"`), "clients[0]"},
		{"client's key", one(`"scopes": [], "public_key": ` + publicKey()), one(`"scopes": [], "public_key": "key"`), "clients[0].public_key"},
		{"issuer alone", `{"issuer": "https://i.example", "jwks_uri": "https://k.example"}`, `{"issuer": "https://i.example"}`, "issuer"},
		{"a list that looks like hosts", `{"deny": ["@evil.example", "https://evil.example", "**"]}`,
			`{"deny": ["evil.example"]}`, "deny[0]"},
		{"targets that look like hosts", one(`"targets": ["@a"], "scopes": [], "public_key": ` + publicKey()),
			one(`"targets": ["a"], "scopes": [], "public_key": ` + publicKey()), "clients[0].targets[0]"},
		{"a label with its mark", one(`"trust": ["a"], "scopes": [], "public_key": ` + publicKey()),
			one(`"trust": ["#a"], "scopes": [], "public_key": ` + publicKey()), "clients[0].trust[0]"},
		{"a namespace with its prefix", one(`"namespaces": ["a"], "scopes": [], "public_key": ` + publicKey()),
			one(`"namespaces": ["namespace:a"], "scopes": [], "public_key": ` + publicKey()),
			"clients[0].namespaces[0]"},
		{"a key beside skills", `{"skills": {"auth": {}}, "google": {}, "name": "x"}`,
			`{"skills": {"auth": {}}, "deny": ["@a"]}`, "deny"},
		{"keys_dir", `{"keys_dir": "keys"}`, `{"keys_dir": ["keys"]}`, "keys_dir"},
		{"control characters", `{"keys_dir": "a b"}`, `{"keys_dir": "a\nb"}`, "keys_dir"},
		{"length", `{"keys_dir": "` + strings.Repeat("a", MaxText) + `"}`, `{"keys_dir": "` + strings.Repeat("a", MaxText+1) + `"}`, "keys_dir"},
		{"client without proof", one(`"scopes": [], "public_key": ` + publicKey()), one(`"scopes": []`), "clients[0].secret_hash"},
		{"client's private key", one(`"scopes": [], "public_key": ` + publicKey()), one(`"scopes": [], "public_key": ` + privateKey()), "clients[0].public_key"},
		{"client without scopes", one(`"scopes": [], "public_key": ` + publicKey()), one(`"public_key": ` + publicKey()), "clients[0].scopes"},
		{"client's namespaces", one(`"namespaces": ["a"], "scopes": [], "public_key": ` + publicKey()), one(`"namespaces": ["*"], "scopes": [], "public_key": ` + publicKey()), "clients[0].namespaces[0]"},
		{"client's labels", one(`"trust": ["a"], "scopes": [], "public_key": ` + publicKey()), one(`"trust": ["a b"], "scopes": [], "public_key": ` + publicKey()), "clients[0].trust[0]"},
		{"client's targets", one(`"targets": ["@a"], "scopes": [], "public_key": ` + publicKey()), one(`"targets": ["@"], "scopes": [], "public_key": ` + publicKey()), "clients[0].targets[0]"},
		{"client without a name", one(`"scopes": [], "public_key": ` + publicKey()), `{"clients": [{"scopes": []}]}`, "clients[0].client_id"},
		{"client twice", one(`"scopes": [], "public_key": ` + publicKey()), `{"clients": [` + strings.Repeat(`{"client_id": "c", "scopes": [], "public_key": `+publicKey()+`},`, 2) + `{}]}`, "clients[1].client_id"},
		{"flag", `{"require_binding": true}`, `{"require_binding": 1}`, "require_binding"},
		{"leeway", `{"leeway": 0.5}`, `{"leeway": -0.5}`, "leeway"},
		{"clock skew", `{"clock_skew": 0.5}`, `{"clock_skew": -0.5}`, "clock_skew"},
		{"clock skew too large", `{"clock_skew": 300}`, `{"clock_skew": 300.5}`, "clock_skew"},
		{"leeway too large", `{"leeway": 300}`, `{"leeway": 300.5}`, "leeway"},
		{"max_lifetime", `{"max_lifetime": 1}`, `{"max_lifetime": 0}`, "max_lifetime"},
		{"max_body", `{"max_body": 0}`, `{"max_body": -1}`, "max_body"},
		{"realm", `{"realm": "a b"}`, `{"realm": "a\"b"}`, "realm"},
		{"realm's length", `{"realm": "` + strings.Repeat("a", 128) + `"}`, `{"realm": "` + strings.Repeat("a", 129) + `"}`, "realm"},
		{"list", longList(MaxEntries), longList(MaxEntries + 1), "allow"},
		{"skills", `{"skills": {"auth": null}}`, `{"skills": []}`, "skills"},
	} {
		mustReadNamed(t, c.why, c.accepted)
		_, p := read(t, Input{Config: json.RawMessage(c.refused)})
		if p == nil || !strings.HasPrefix(p.Message, "configuration: "+c.path+": ") {
			t.Errorf("%s: %v", c.why, p)
		}
	}
}

func secretHash() string {
	return oauthclient.HashSecret("0123456789abcdef", []byte("0123456789abcdef"))
}

func mustReadNamed(t *testing.T, why, config string) {
	t.Helper()
	if _, p := read(t, Input{Config: json.RawMessage(config)}); p != nil {
		t.Errorf("%s: %s", why, p.Message)
	}
}

// Null is absent for every key, and a key's two spellings are one.
func TestEveryKeyMayBeEmptyAndInCamelCase(t *testing.T) {
	for _, k := range accessKeys {
		mustReadNamed(t, k.name, `{"`+k.name+`": null}`)
		mustReadNamed(t, k.name, `{"`+camelCase(k.name)+`": null}`)
		if camelCase(k.name) == k.name {
			continue
		}
		if _, p := read(t, Input{Config: json.RawMessage(`{"` + k.name + `": null, "` + camelCase(k.name) + `": null}`)}); p == nil {
			t.Errorf("%s: both spellings are accepted", k.name)
		}
	}
}

// A value may have come out of an environment variable, wherever it was put.
func TestNoMessageHoldsAValue(t *testing.T) {
	const secret = "hunter2 hunter2\u0001"
	for _, k := range accessKeys {
		for _, config := range []string{
			`{"` + k.name + `": "${SECRET}"}`, `{"` + k.name + `": ["${SECRET}"]}`, `{"` + k.name + `": [{"issuer": "${SECRET}", "client_id": "${SECRET}"}]}`,
			`{"` + k.name + `": {"client_id": "${SECRET}", "client_secret": "${SECRET}", "allow": ["${SECRET}"]}}`,
		} {
			_, p := Read(Input{Config: json.RawMessage(config), Variables: map[string]string{"SECRET": secret}})
			if p == nil || strings.Contains(p.Message+p.Log, "hunter2") {
				t.Errorf("%s: %v", config, p)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(reference, `{"agentId": "x"}`)
	f.Add(`{"jwksUri": "https://a.example/k", "audience": "x"}`, `{}`)
	f.Add(`{"base_url": "$${X}", "clients": [{"client_id": "c"}], "accept_from": {"deny": ["#x"]}}`, `{"leeway": 1e2}`)
	f.Fuzz(func(t *testing.T, config, options string) {
		if strictjson.CheckObject([]byte(`{"config":`+config+`}`)) != nil || strictjson.CheckObject([]byte(`{"options":`+options+`}`)) != nil {
			return
		}
		variables := map[string]string{}
		for _, name := range Variables(json.RawMessage(config)) {
			variables[name] = "value"
		}
		a, p := Read(Input{Config: json.RawMessage(config), Options: json.RawMessage(options), Variables: variables})
		if (a == nil) == (p == nil) {
			t.Fatalf("%+v, %v", a, p)
		}
		if p != nil && (p.Code != problem.InvalidConfig || strings.Contains(p.Message, "environment variable value")) {
			t.Fatalf("%v", p)
		}
		if a != nil && a.BaseURL != "" && a.AgentID == "" {
			t.Fatalf("%+v", a)
		}
	})
}
