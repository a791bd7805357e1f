package abi

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

const now = 1_800_000_000

var pair = sync.OnceValue(func() *jose.PrivateKey {
	key, err := jose.Generate(2048)
	if err != nil {
		panic(err)
	}
	return key
})

// answer is any of the three that a call can give.
type answer struct {
	OK   map[string]any
	Need struct {
		Kind, Issuer, JTI, ID, Input, Signature, Key string
	}
	Ticket uint64
	Error  struct{ Code, Message, Log string }
}

func call(t testing.TB, c *Core, op string, request map[string]any, body string) answer {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	raw := c.Call(op, text, []byte(body))
	if err := json.Unmarshal(raw, &a); err != nil {
		t.Fatalf("%s: %v in %s", op, err, raw)
	}
	return a
}

// open opens an engine that signs as "orchestrator" and knows its key.
func open(t testing.TB, c *Core, verifier map[string]any) uint64 {
	t.Helper()
	if verifier["files"] == nil {
		verifier["keys"] = map[string]any{"orchestrator": pair().Public().PEM()}
	}
	a := call(t, c, "engine.open", map[string]any{
		"verifier": verifier,
		"signer":   map[string]any{"issuer": "orchestrator", "private_key": pair().PEM()},
	}, "")
	if a.Error.Code != "" {
		t.Fatal(a.Error)
	}
	return uint64(a.OK["engine"].(float64))
}

func sign(t testing.TB, c *Core, engine uint64, body string) map[string]any {
	t.Helper()
	a := call(t, c, "request.sign", map[string]any{"engine": engine, "now": now, "method": "POST", "url": "https://a.example/agent"}, body)
	if a.OK == nil {
		t.Fatal(a.Error)
	}
	return map[string]any{"engine": engine, "now": now, "authorization": []any{a.OK["authorization"]}, "method": "POST", "path": "/agent"}
}

func TestVerifyOnce(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{})
	request := sign(t, c, engine, "body")
	if a := call(t, c, "request.verify", request, "bodY"); a.Error.Code != "body_tampered" {
		t.Errorf("another body: %+v", a)
	}
	if a := call(t, c, "request.verify", request, "body"); a.OK["claims"].(map[string]any)["iss"] != "orchestrator" {
		t.Errorf("a refused request burnt its jti: %+v", a.Error)
	}
	if a := call(t, c, "request.verify", request, "body"); a.Error.Code != "replay_detected" {
		t.Errorf("again: %+v", a)
	}
}

func TestOneOfManyThreadsIsAccepted(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{})
	request := sign(t, c, engine, "")
	var accepted atomic.Int32
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			for range 4 {
				if call(t, c, "request.verify", request, "").OK != nil {
					accepted.Add(1)
				}
			}
		})
	}
	group.Wait()
	if accepted.Load() != 1 {
		t.Errorf("%d of 64 were accepted", accepted.Load())
	}
}

func TestTicketIsUsedOnceAndDiesWithItsEngine(t *testing.T) {
	c := New()
	engine, other := open(t, c, map[string]any{"rsa": "host"}), open(t, c, map[string]any{})
	request := sign(t, c, engine, "")
	ticket := func() uint64 {
		a := call(t, c, "request.verify", request, "")
		if a.Need.Kind != "check" {
			t.Fatalf("%+v", a)
		}
		return a.Ticket
	}
	resume := func(engine, ticket uint64, at float64) answer {
		return call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": ticket, "now": at, "valid": true}, "")
	}
	first := ticket()
	if a := resume(other, first, now); a.Error.Code != "unknown_ticket" {
		t.Errorf("another engine: %+v", a)
	}
	if a := resume(engine, first, now); a.OK == nil {
		t.Errorf("first use: %+v", a)
	}
	if a := resume(engine, first, now); a.Error.Code != "unknown_ticket" {
		t.Errorf("second use: %+v", a)
	}
	if a := resume(engine, ticket(), now+61); a.Error.Code != "unknown_ticket" {
		t.Errorf("too old: %+v", a)
	}
	last := ticket()
	call(t, c, "engine.close", map[string]any{"engine": engine}, "")
	if a := resume(engine, last, now); a.Error.Code != "unknown_engine" {
		t.Errorf("after the engine was closed: %+v", a)
	}
}

func TestAbandonedTicketsAreBounded(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{"rsa": "host"})
	request := sign(t, c, engine, "")
	for range 1024 {
		call(t, c, "request.verify", request, "")
	}
	if a := call(t, c, "request.verify", request, ""); a.Error.Code != "overloaded" {
		t.Errorf("the 1,025th: %+v", a)
	}
	call(t, c, "engine.feed", map[string]any{"engine": engine, "keys": map[string]any{"orchestrator": pair().Public().PEM()}}, "")
	request["now"] = now + 61
	fresh := call(t, c, "request.sign", map[string]any{"engine": engine, "now": now + 61, "method": "POST", "url": "https://a.example/agent"}, "")
	request["authorization"] = []any{fresh.OK["authorization"]}
	if a := call(t, c, "request.verify", request, ""); a.Need.Kind != "check" {
		t.Errorf("after the old ones died: %+v", a)
	}
}

func TestHostRSA(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{"rsa": "host"})
	request := sign(t, c, engine, "body")
	for _, valid := range []bool{false, true} {
		a := call(t, c, "request.verify", request, "body")
		if a.Need.Kind != "check" || a.Need.Key != pair().Public().Thumbprint() {
			t.Fatalf("%+v", a)
		}
		a = call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": a.Ticket, "now": now, "valid": valid}, "")
		if valid != (a.OK != nil) || !valid && a.Error.Code != "invalid_signature" {
			t.Errorf("the host says %v: %+v", valid, a)
		}
	}
}

func TestKeysAreAskedForOnceASecond(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{"files": []any{}, "reload": true})
	request := sign(t, c, engine, "")
	file := []any{map[string]any{"name": "orchestrator.pem", "text": pair().Public().PEM()}}
	a := call(t, c, "request.verify", request, "")
	if a.Need.Kind != "keys" {
		t.Fatalf("%+v", a)
	}
	a = call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": a.Ticket, "now": now, "files": []any{}}, "")
	if a.Error.Code != "unknown_issuer" {
		t.Fatalf("%+v", a)
	}
	request["now"] = now + 0.9
	if a = call(t, c, "request.verify", request, ""); a.Error.Code != "unknown_issuer" {
		t.Errorf("asked twice within a second: %+v", a)
	}
	request["now"] = now + 1
	a = call(t, c, "request.verify", request, "")
	a = call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": a.Ticket, "now": now + 1, "files": file}, "")
	if a.OK == nil {
		t.Errorf("the new key: %+v", a)
	}
	request["now"] = now + 2
	a = call(t, c, "request.verify", request, "")
	a = call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": a.Ticket, "now": now + 2, "failed": "permission denied"}, "")
	if a.Error.Code != "keys_unavailable" {
		t.Errorf("unreadable: %+v", a)
	}
}

func TestPanicStopsHere(t *testing.T) {
	byName["test.panic"] = func(*Core, []byte, []byte, []byte) []byte { panic("boom") }
	defer delete(byName, "test.panic")
	if a := call(t, New(), "test.panic", map[string]any{}, ""); a.Error.Code != "internal" || strings.Contains(a.Error.Message, "boom") {
		t.Errorf("%+v", a)
	}
}

func TestArgumentsAreStrict(t *testing.T) {
	c := New()
	engine := open(t, c, map[string]any{})
	for request, wrong := range map[string]string{
		`{"engine":%d,"now":1,"authorization":[],"method":"GET","path":"/","patH":"x"}`:      "unknown member",
		`{"engine":%d,"now":1,"authorization":[],"method":"GET","path":"/","path":"/"}`:      "repeated member",
		`{"engine":%d,"now":1,"authorization":[],"method":"GET"}`:                            "missing member",
		`{"engine":%d,"now":"1","authorization":[],"method":"GET","path":"/"}`:               "number as string",
		`{"engine":%d,"now":1e300,"authorization":[],"method":"GET","path":"/"}`:             "time out of range",
		`{"engine":%d,"now":1,"authorization":"x","method":"GET","path":"/"}`:                "string for a list",
		`{"engine":%d,"now":1,"authorization":[1],"method":"GET","path":"/"}`:                "number in the list",
		`{"engine":%d,"now":1,"authorization":[],"method":"GET","path":"/","query":null}`:    "null",
		`{"engine":-%d,"now":1,"authorization":[],"method":"GET","path":"/"}`:                "negative engine",
		`{"engine":%d.5,"now":1,"authorization":[],"method":"GET","path":"/"}`:               "half an engine",
		`{"engine":%d,"now":1,"authorization":[],"method":"GET","path":"/","Query":"twice"}`: "other case",
	} {
		var a answer
		if err := json.Unmarshal(c.Call("request.verify", fmt.Appendf(nil, request, engine), nil), &a); err != nil || a.Error.Code != "invalid_argument" {
			t.Errorf("%s: %+v", wrong, a.Error)
		}
	}
	const right = `{"engine":%d,"now":1,"authorization":[],"method":"GET","path":"/"}`
	var a answer
	if err := json.Unmarshal(c.Call("request.verify", fmt.Appendf(nil, right, engine), nil), &a); err != nil || a.Error.Code != "missing_authorization" {
		t.Errorf("the twin: %+v", a.Error)
	}
}

// A late "unchanged" must not bring back keys that a feed has withdrawn.
func TestWithdrawnKeysStayWithdrawn(t *testing.T) {
	c := New()
	file := []any{map[string]any{"name": "orchestrator.pem", "text": pair().Public().PEM()}}
	for range 50 {
		engine := open(t, c, map[string]any{"files": file, "reload": true})
		request := sign(t, c, engine, "")
		var tickets []uint64
		for range 32 {
			tickets = append(tickets, call(t, c, "request.verify", request, "").Ticket)
		}
		var group sync.WaitGroup
		for part := range 2 {
			group.Go(func() {
				for _, ticket := range tickets[part*16 : part*16+16] {
					call(t, c, "engine.resume", map[string]any{"engine": engine, "ticket": ticket, "now": now, "unchanged": true}, "")
				}
			})
		}
		call(t, c, "engine.feed", map[string]any{"engine": engine, "files": []any{}}, "")
		group.Wait()
		if stats := call(t, c, "engine.stats", map[string]any{"engine": engine}, ""); stats.OK["issuers"] != 0.0 {
			t.Fatalf("the withdrawn key is back: %v", stats.OK)
		}
		call(t, c, "engine.close", map[string]any{"engine": engine}, "")
	}
}
