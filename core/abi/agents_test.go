package abi

import (
	"strings"
	"testing"
)

// Each refused request of an operation stands beside an accepted one that differs
// in the one thing.
func TestOperationsOfAgents(t *testing.T) {
	c := New()
	type members = map[string]any
	for _, k := range []struct {
		op               string
		accepted         members
		member           string
		want             any
		refused          members
		code, inItsWords string
	}{
		{"agent.resolve", members{"reference": "@bot", "authority": "https://p.example"}, "url", "https://p.example/agents/bot",
			members{"reference": "@b ot", "authority": "https://p.example"}, "invalid_url", "name"},
		{"agent.resolve", members{"reference": "https://agents.example.com/my-bot"}, "name", "com.example.agents.my-bot",
			members{"reference": "https://agents.example.com/my-bot?q"}, "invalid_url", "query"},
		{"agent.resolve", members{"reference": "https://agents.example.com/my-bot"}, "namespace", "com.example",
			members{"reference": ""}, "invalid_url", "name"},
		{"agent.match", members{"pattern": "@a.*", "name": "a.b"}, "match", true,
			members{"pattern": "@a..*", "name": "a.b"}, "invalid_config", "pattern: "},
		{"agent.match", members{"pattern": "@a", "name": "A.b", "deny": true}, "match", true,
			members{"pattern": "@a", "name": strings.Repeat("a", maxNameText+1), "deny": true}, "invalid_argument", "bytes"},
		{"agent.match", members{"pattern": "@a", "name": "A.b"}, "match", false,
			members{"pattern": "@a"}, "invalid_argument", "name is missing"},
		{"agent.match", members{"pattern": "https://a.example/*", "name": "", "url": "https://a.example/x"}, "match", true,
			members{"pattern": "https://a.example/*", "name": "", "url": "https://a.example/" + strings.Repeat("x", 2048)}, "invalid_argument", "bytes"},
		{"agent.covers", members{"agent_url": "https://a.example/x", "url": "https://a.example/x/y"}, "covers", true,
			members{"agent_url": "https://a.example/x"}, "invalid_argument", "url is missing"},
		{"agent.covers", members{"agent_url": "https://a.example/x", "url": "https://a.example/xy"}, "covers", false,
			members{"url": "https://a.example/xy"}, "invalid_argument", "agent_url is missing"},
		{"trust.issuer", members{"authority": "https://p.example", "claims": members{"iss": "https://p.example", "sub": "alice"}}, "decision", "trusted",
			members{"authority": "https://p.example", "claims": members{"iss": "https://p.example", "sub": "alice."}}, "invalid_claims", "sub"},
		{"trust.issuer", members{"claims": members{"iss": "https://a.example", "sub": "x", "aoauth": members{"mode": "self", "agent_url": "https://a.example/b"}}}, "agent_url", "https://a.example/b",
			members{"claims": members{"iss": "https://a.example", "sub": "x", "aoauth": members{"mode": "self", "agent_url": "https://b.example/b"}}}, "invalid_claims", "under iss"},
		{"trust.issuer", members{"deny": []string{"@example.a"}, "claims": members{"iss": "https://a.example", "sub": "x."}}, "decision", "denied",
			members{"deny": []string{"@example..a"}, "claims": members{"iss": "https://a.example", "sub": "x."}}, "invalid_config", "deny[0]"},
		{"trust.issuer", members{"allow": []string{"@b"}, "claims": members{"iss": "https://a.example", "sub": "x."}}, "decision", "refused",
			members{"claims": members{"iss": "https://a.example", "sub": "x."}}, "invalid_claims", "sub"},
		{"trust.issuer", members{"trusted_issuers": []members{{"issuer": "https://a.example", "type": "user"}}, "claims": members{"iss": "https://a.example", "sub": "a|1"}}, "issuer_type", "user",
			members{"trusted_issuers": []members{{"issuer": "http://a.example", "type": "user"}}, "claims": members{"iss": "https://a.example", "sub": "a|1"}}, "invalid_config", "trusted_issuers[0]"},
		{"trust.rules", members{"rules": []string{"family"}, "caller": "alice.bot", "target": "alice.x"}, "allowed", true,
			members{"rules": []string{"friends"}, "caller": "alice.bot", "target": "alice.x"}, "invalid_config", "rules: [0]"},
		{"trust.rules", members{"rules": []string{"platform"}, "caller": "alice.bot", "target": "x", "platform": true}, "allowed", true,
			members{"rules": "platform", "caller": "alice.bot", "target": "x", "platform": true}, "invalid_config", "rules: "},
		{"trust.rules", members{"rules": []string{"platform"}, "caller": "alice.bot", "target": "x"}, "allowed", false,
			members{"rules": []string{"platform"}, "caller": strings.Repeat("a", maxNameText+1), "target": "x"}, "invalid_argument", "bytes"},
		{"trust.rules", members{"rules": members{"allow": []string{"#reputation:5"}}, "caller": "a", "target": "b", "labels": []string{"reputation-5"}}, "allowed", true,
			members{"rules": members{"allow": []string{"#reputation:-5"}}, "caller": "a", "target": "b"}, "invalid_config", "allow[0]"},
		{"trust.rules", members{"rules": []string{"family"}, "caller": "com.example.a", "caller_url": "https://example.com/a", "target": "com.example.b"}, "allowed", true,
			members{"rules": members{}, "caller": "a"}, "invalid_argument", "target is missing"},
		{"address.check", members{"address": "8.8.8.8"}, "public", true,
			members{"address": "8.8.8"}, "invalid_argument", "address"},
		{"address.check", members{"address": "::ffff:10.0.0.1"}, "public", false,
			members{"address": "[::ffff:10.0.0.1]"}, "invalid_argument", "address"},
		{"config.variables", members{"config": members{"a": "${X}"}}, "names", []any{"X"},
			members{}, "invalid_argument", "config is missing"},
		{"config.read", members{"config": members{"agent_id": "${X}"}, "variables": members{"X": "bot"}}, "mode", "self-issued",
			members{"config": members{"agent_id": "${X}"}, "variables": members{"Y": "bot"}}, "invalid_config", "variable X"},
		{"config.read", members{"config": members{"keysDir": "keys"}, "source": "auth.yaml"}, "keys_dir", "keys",
			members{"config": members{"keysDri": "keys"}, "source": "auth.yaml"}, "invalid_config", "auth.yaml: keysDri: "},
		{"config.read", members{"config": members{}, "options": members{"authority": "https://p.example"}}, "mode", "portal",
			members{"config": members{}, "options": members{"authority": "p.example"}}, "invalid_config", "options: authority: "},
	} {
		if a := call(t, c, k.op, k.accepted, ""); a.OK == nil || !equalJSON(a.OK[k.member], k.want) {
			t.Errorf("%s %v: %v, %+v", k.op, k.accepted, a.OK, a.Error)
		}
		if a := call(t, c, k.op, k.refused, ""); a.Error.Code != k.code || !strings.Contains(a.Error.Message, k.inItsWords) {
			t.Errorf("%s %v: %v, %+v", k.op, k.refused, a.OK, a.Error)
		}
	}
}

func equalJSON(got, want any) bool { return string(marshal(got)) == string(marshal(want)) }

// engine.open takes what config.read gave as it is.
func TestEngineOpensWhatWasRead(t *testing.T) {
	c := New()
	for _, config := range []map[string]any{
		{"authority": "https://p.example", "agent_id": "bot", "robutler": map[string]any{"client_id": "c", "client_secret": "s"}, "google": map[string]any{"hosted_domain": "c.example"}},
		{"authority": "https://p.example", "base_url": "https://a.example/bot", "trusted_issuers": []any{map[string]any{"issuer": "https://q.example"}},
			"allow": []string{"@a.*"}, "deny": []string{"https://b.example"}, "accept_from": []string{"family"}, "talk_to": map[string]any{"allow": []string{"everyone"}}, "leeway": 0.5},
		{"authority": "https://p.example", "agent_id": "bot", "jwksUri": "https://k.example/k", "audience": "https://a.example"},
	} {
		read := call(t, c, "config.read", map[string]any{"config": config}, "")
		if read.OK == nil {
			t.Fatal(read.Error)
		}
		if a := call(t, c, "engine.open", map[string]any{"access": read.OK["access"]}, ""); a.OK["mode"] != "portal" {
			t.Errorf("%v: %+v", config, a.Error)
		}
	}
}
