package abi

import (
	"encoding/json"
	"maps"
	"runtime"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

type object = map[string]any

// world answers what the core asks of its host: other engines' endpoints by URL.
type world struct {
	t       *testing.T
	core    *Core
	now     float64
	hosts   map[string]uint64 // base URL -> engine that serves it
	rings   map[uint64]any
	fetched []string
	down    bool
	body    string // of the request being verified
}

func newWorld(t *testing.T) *world {
	return &world{t: t, core: New(), now: now, hosts: map[string]uint64{}, rings: map[uint64]any{}}
}

func (w *world) raw(op string, request object, body string) object {
	w.t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	var answer object
	raw := w.core.Call(op, text, []byte(body))
	if err := json.Unmarshal(raw, &answer); err != nil {
		w.t.Fatalf("%s: %v in %s", op, err, raw)
	}
	return answer
}

// run runs an operation to its end.
func (w *world) run(op string, request object, body string) object {
	w.t.Helper()
	answer := w.raw(op, request, body)
	for range 10 {
		asked, waits := answer["need"].(object)
		if !waits {
			return answer
		}
		reply, content := w.answer(asked)
		reply["engine"], reply["ticket"], reply["now"] = request["engine"], answer["ticket"], w.now
		answer = w.raw("engine.resume", reply, content)
	}
	w.t.Fatal("the core asks again and again")
	return nil
}

func (w *world) answer(asked object) (object, string) {
	switch asked["kind"] {
	case "fetch":
		return w.fetch(asked)
	case "body":
		return object{}, w.body
	}
	w.t.Fatalf("the core asked for %v", asked)
	return nil, ""
}

func (w *world) fetch(asked object) (object, string) {
	url := asked["url"].(string)
	w.fetched = append(w.fetched, url)
	if w.down {
		return object{"failed": "connection refused"}, ""
	}
	for base, engine := range w.hosts {
		path, below := strings.CutPrefix(url, base)
		if !below {
			continue
		}
		headers := asked["headers"].(object)
		request := object{"engine": engine, "now": w.now, "method": asked["method"], "path": path}
		if value, there := headers["authorization"]; there {
			request["authorization"] = []any{value}
		}
		if value, there := headers["content-type"]; there {
			request["content_type"] = value
		}
		body, _ := asked["body"].(string)
		served := w.ok("access.serve", request, body)
		if served["handled"] != true {
			return object{"status": 404}, ""
		}
		response := served["response"].(object)
		wanted := object{}
		for _, name := range asked["read"].([]any) {
			if value, there := response["headers"].(object)[name.(string)]; there {
				wanted[name.(string)] = value
			}
		}
		return object{"status": response["status"], "headers": wanted}, response["body"].(string)
	}
	return object{"status": 404}, ""
}

func (w *world) ok(op string, request object, body string) object {
	w.t.Helper()
	answer := w.run(op, request, body)
	result, fine := answer["ok"].(object)
	if !fine {
		w.t.Fatalf("%s: %v", op, answer)
	}
	return result
}

func (w *world) refused(code, op string, request object, body string) object {
	w.t.Helper()
	answer := w.run(op, request, body)
	failure, _ := answer["error"].(object)
	if failure["code"] != code {
		w.t.Fatalf("%s: %v, want %s", op, answer, code)
	}
	return failure
}

func (w *world) freshRing() any {
	w.t.Helper()
	var fresh []string
	for range 2 {
		key, err := jose.Generate(2048)
		if err != nil {
			w.t.Fatal(err)
		}
		fresh = append(fresh, key.PEM())
	}
	return w.ok("ring.update", object{"now": w.now, "lifetime": 330, "fresh": fresh}, "")["ring"]
}

// agent opens an engine that is reached at its base URL.
func (w *world) agent(base string, config object) uint64 {
	w.t.Helper()
	access := object{"base_url": base}
	maps.Copy(access, config)
	if access["authority"] == nil {
		access["ring"] = w.freshRing()
	}
	engine := uint64(w.ok("engine.open", object{"access": access}, "")["engine"].(float64))
	w.hosts[base], w.rings[engine] = engine, access["ring"]
	return engine
}

func (w *world) token(engine uint64, target string, changes object) string {
	w.t.Helper()
	request := object{"engine": engine, "now": w.now, "target": target}
	maps.Copy(request, changes)
	return w.ok("access.issue", request, "")["token"].(string)
}

func (w *world) verify(engine uint64, token string, changes object) object {
	request := object{"engine": engine, "now": w.now, "authorization": []any{"Bearer " + token}, "method": "POST", "path": "/chat"}
	maps.Copy(request, changes)
	return request
}

const (
	alice  = "https://alice.example"
	bob    = "https://agents.example.com/bob"
	portal = "https://portal.example"
)

func TestSelfIssuedTokenIsAccepted(t *testing.T) {
	w := newWorld(t)
	from, to := w.agent(alice, nil), w.agent(bob, nil)
	token := w.token(from, bob, nil)
	caller := w.ok("access.verify", w.verify(to, token, nil), "")
	for name, want := range (object{"issuer": alice, "issuer_type": "agent", "agent_url": alice, "name": "example.alice",
		"agent_id": "alice.example", "bound": false, "authenticated": true}) {
		if caller[name] != want {
			t.Errorf("%s is %v, want %v", name, caller[name], want)
		}
	}
	if len(w.fetched) != 2 {
		t.Errorf("fetched %v, want discovery and keys once", w.fetched)
	}
	w.ok("access.verify", w.verify(to, token, object{"required_scopes": []string{"read"}}), "")
	w.refused("insufficient_scope", "access.verify", w.verify(to, token, object{"required_scopes": []string{"admin"}}), "")
	w.refused("invalid_audience", "access.verify", w.verify(from, token, nil), "")
	w.refused("trust_denied", "access.issue", object{"engine": w.agent("https://x.example", object{"talk_to": []string{"nobody"}}), "now": w.now, "target": bob}, "")
	w.now += 331
	w.refused("token_expired", "access.verify", w.verify(to, token, nil), "")
}

func TestPortalIssuesForItsClients(t *testing.T) {
	w := newWorld(t)
	secret := w.ok("client.secret", object{}, "")
	authority := w.agent(portal, object{"role": "authority", "clients": []object{{
		"client_id": "alice", "secret_hash": secret["secret_hash"], "scopes": []string{"read", "tools:*"},
		"namespaces": []string{"production"}, "trust": []string{"verified", "reputation-7"},
	}}})
	from := w.agent(portal+"/agents/alice", object{"authority": portal, "client_secret": secret["secret"]})
	to := w.agent(portal+"/agents/bob", object{"authority": portal, "allowed_scopes": []string{"read", "namespace:*"},
		"accept_from": []string{"#reputation:5"}})
	strict := w.agent(portal+"/agents/carol", object{"authority": portal, "accept_from": []string{"#reputation:8"}})
	token := w.token(from, "@bob", object{"scopes": []string{"read", "tools:search"}, "reuse": true})
	if again := w.token(from, "bob", object{"scopes": []string{"read", "tools:search"}, "reuse": true}); again != token {
		t.Error("a kept token was not reused")
	}
	caller := w.ok("access.verify", w.verify(to, token, nil), "")
	for name, want := range (object{"issuer_type": "portal", "name": "alice", "agent_url": portal + "/agents/alice"}) {
		if caller[name] != want {
			t.Errorf("%s is %v, want %v", name, caller[name], want)
		}
	}
	if got, _ := json.Marshal(caller["scopes"]); string(got) != `["read","namespace:production"]` {
		t.Errorf("scopes %s", got)
	}
	if got, _ := json.Marshal(caller["trust_labels"]); string(got) != `["verified","reputation-7"]` {
		t.Errorf("labels %s", got)
	}
	other := w.token(from, "@carol", object{"scopes": []string{"read"}})
	w.refused("trust_denied", "access.verify", w.verify(strict, other, nil), "")
	w.refused("token_refused", "access.issue", object{"engine": from, "now": w.now, "target": "@bob", "scopes": []string{"admin"}}, "")
	w.down = true
	w.refused("token_unavailable", "access.issue", object{"engine": from, "now": w.now, "target": "@dora", "scopes": []string{"read"}}, "")
	w.ok("access.verify", w.verify(to, token, nil), "")
	_ = authority
}

func TestBoundTokenIsOneRequest(t *testing.T) {
	w := newWorld(t)
	from, to := w.agent(alice, nil), w.agent(bob, object{"require_binding": true})
	bound := func() string {
		return w.token(from, bob, object{"bind": object{"method": "POST", "url": bob + "/chat?a=1", "body_sha256": "315f5bdb76d078c43b8ac0064e4a0164612b1fce77c869345bfc94c75894edd3"}})
	}
	w.body = "Hello, world!"
	token := bound()
	request := w.verify(to, token, object{"query": "a=1"})
	if w.ok("access.verify", request, "")["bound"] != true {
		t.Error("not bound")
	}
	w.refused("replay_detected", "access.verify", request, "")
	w.refused("wrong_target", "access.verify", w.verify(to, bound(), object{"query": "a=2"}), "")
	w.refused("wrong_target", "access.verify", w.verify(to, bound(), object{"query": "a=1", "method": "PUT"}), "")
	w.refused("wrong_target", "access.verify", object{"engine": to, "now": w.now, "token": bound()}, "")
	w.body = "Hello, World!"
	w.refused("body_tampered", "access.verify", w.verify(to, bound(), object{"query": "a=1"}), "")
	w.refused("invalid_claims", "access.verify", w.verify(to, w.token(from, bob, nil), nil), "")
}

func TestRotationLosesNothing(t *testing.T) {
	w := newWorld(t)
	from, to := w.agent(alice, nil), w.agent(bob, nil)
	before := w.token(from, bob, nil)
	w.ok("access.verify", w.verify(to, before, nil), "")
	for range 3 {
		w.now += 61
		key, err := jose.Generate(2048)
		if err != nil {
			t.Fatal(err)
		}
		updated := w.ok("ring.update", object{"ring": w.rings[from], "now": w.now, "rotate": true, "force": true, "lifetime": 330, "fresh": []string{key.PEM()}}, "")
		w.rings[from] = updated["ring"]
		w.ok("engine.feed", object{"engine": from, "ring": updated["ring"]}, "")
		w.ok("access.verify", w.verify(to, before, nil), "")
		w.ok("access.verify", w.verify(to, w.token(from, bob, nil), nil), "")
	}
}

func TestCommands(t *testing.T) {
	w := newWorld(t)
	from, to := w.agent(alice, nil), w.agent(bob, nil)
	command := func(engine uint64, line string) object {
		return w.ok("access.command", object{"engine": engine, "now": w.now, "line": line}, "")
	}
	said := command(from, "/auth/token "+bob+" read")
	token := said["data"].(object)["token"].(string)
	if strings.Contains(said["display"].(string), token) {
		t.Error("a display shows a whole token unasked")
	}
	if said := command(from, "/auth/token --show "+bob+" read"); !strings.Contains(said["display"].(string), said["data"].(object)["token"].(string)) {
		t.Error("--show does not show the token")
	}
	if said := command(to, "/auth/validate "+token); said["data"].(object)["valid"] != true {
		t.Error(said)
	}
	if said := command(from, "/auth/validate "+token); said["data"].(object)["code"] != "invalid_audience" {
		t.Error(said)
	}
	t.Log(command(to, "/auth")["display"], "\n", command(to, "/auth/jwks")["display"])
	w.refused("invalid_argument", "access.command", object{"engine": from, "now": w.now, "line": "/auth/tokens"}, "")
}

// What is remembered of a token must not keep the request that it came with.
func TestARememberedTokenIsAllThatIsKept(t *testing.T) {
	w := newWorld(t)
	from, to := w.agent(alice, nil), w.agent(bob, nil)
	const requests, size = 64, 256 << 10
	held := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	for range requests {
		w.ok("access.verify", w.verify(to, w.token(from, bob, nil), object{"query": strings.Repeat("q", size)}), "")
	}
	if grown := int64(held()) - int64(before); grown > requests*size/4 {
		t.Errorf("%d bytes are held after %d requests of %d", grown, requests, size)
	}
	stats := w.ok("engine.stats", object{"engine": to}, "")["access"].(object)
	if stats["verified"] != float64(requests) {
		t.Error(stats)
	}
}
