package abi

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

// fuzzKeys are of the conformance vectors: keys that each process made anew would
// make another program of every seed.
var fuzzKeys = sync.OnceValue(func() [2]*jose.PrivateKey {
	var keys [2]*jose.PrivateKey
	for i, name := range []string{"alice.pem", "alice-next.pem"} {
		text, err := os.ReadFile("../../conformance/vectors/keys/" + name)
		if err != nil {
			panic(err)
		}
		if keys[i], err = jose.OnePrivate(text); err != nil {
			panic(err)
		}
	}
	return keys
})

// fuzzRing holds public keys only, as for a KMS: no engine takes time to read a private key.
func fuzzRing() object {
	keys := []object{}
	for i, state := range []string{"active", "next"} {
		public := fuzzKeys()[i].Public()
		keys = append(keys, object{"kid": public.Thumbprint(), "state": state, "public_pem": public.PEM(), "published_at": now - 1000})
	}
	return object{"version": 1, "keys": keys}
}

// signed is a token of issuer alice, or of whom the claims name.
func signed(t testing.TB, claims object) string {
	t.Helper()
	said := object{"iss": "alice", "iat": now, "exp": now + 60, "jti": "1", "content_sha256": "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"} // of "body"
	for name, value := range claims {
		said[name] = value
	}
	payload, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	input := jose.SigningInput([]byte(`{"alg":"RS256"}`), payload)
	signature, p := jose.Sign(input, fuzzKeys()[0])
	if p != nil {
		t.Fatal(p)
	}
	return input + "." + jose.Encode64(signature)
}

// prelude opens the engines 1 to 3 and leaves a ticket of each kind of need that
// they ask for first.
func prelude(t testing.TB) []question {
	t.Helper()
	public := fuzzKeys()[0].Public().PEM()
	ask := func(op string, request object, body string) question {
		text, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		return question{op, text, []byte(body)}
	}
	return []question{
		ask("engine.open", object{"verifier": object{"keys": object{"alice": public}, "rsa": "host", "replay": "host"}, "signer": object{"issuer": "alice", "public_key": public, "rsa": "external"}}, ""),
		ask("engine.open", object{"access": object{"base_url": "https://agent.example", "ring": fuzzRing(), "signing": "host", "keys": object{"https://alice.example": public}}}, ""),
		ask("engine.open", object{"access": object{"base_url": "https://agent.example", "authority": "https://portal.example", "client_id": "agent", "client_secret": "a secret of sixteen"}}, ""),
		ask("request.verify", object{"engine": 1, "now": now, "authorization": []string{"Bearer " + signed(t, nil)}, "method": "POST", "path": "/agent"}, "body"),
		ask("request.sign", object{"engine": 1, "now": now, "method": "POST", "url": "https://b.example/agent", "jti": "2"}, "body"),
		ask("access.verify", object{"engine": 2, "now": now, "token": signed(t, object{"iss": "https://bob.example", "sub": "bob", "aud": "https://agent.example"})}, ""),
		ask("access.issue", object{"engine": 2, "now": now, "target": "https://b.example", "jti": "3"}, ""),
		ask("access.issue", object{"engine": 3, "now": now, "target": "https://b.example"}, ""),
	}
}

type question struct {
	op            string
	request, body []byte
}

// FuzzCall asks a core that has engines and suspended operations for
// anything: it answers in the ABI's form, with a code of the closed table that is
// not "internal", and its engines go on.
func FuzzCall(f *testing.F) {
	begin := prelude(f)
	for _, q := range begin {
		f.Add(q.op, q.request, q.body)
	}
	for _, op := range Operations() {
		f.Add(op, []byte(`{"engine":1,"now":1}`), []byte("body"))
	}
	addSeeds(f)
	f.Fuzz(func(t *testing.T, op string, request, body []byte) {
		if op == "key.generate" {
			return // seconds each
		}
		c := New()
		for _, q := range begin {
			if said := checkAnswer(t, q.op, c.Call(q.op, q.request, q.body)); said["error"] != nil {
				t.Fatalf("%s: %s", q.op, said["error"])
			}
		}
		checkAnswer(t, op, c.Call(op, request, body))
		for _, engine := range []string{"1", "2", "3"} {
			said := checkAnswer(t, "engine.stats", c.Call("engine.stats", []byte(`{"engine":`+engine+`}`), nil))
			if code := codeOf(t, said); code != "" && (code != "unknown_engine" || op != "engine.close") {
				t.Fatalf("%s broke engine %s: %s", op, engine, code)
			}
		}
	})
}

func addSeeds(f *testing.F) {
	portal := `{"access_token":"a","token_type":"Bearer","expires_in":300}`
	for _, seed := range []question{
		{"engine.resume", []byte(`{"engine":1,"ticket":1,"now":1800000000,"valid":true}`), nil},
		{"claim.refuse", []byte(`{"engine":1,"issuer":"alice","jti":"1","claim":"exists"}`), nil},
		{"engine.resume", []byte(`{"engine":1,"ticket":2,"now":1800000000}`), make([]byte, 256)},
		{"engine.resume", []byte(`{"engine":2,"ticket":1,"now":1800000000,"status":200,"headers":{"content-type":"application/json","cache-control":"max-age=60"}}`), []byte(`{"issuer":"https://bob.example","jwks_uri":"https://bob.example/k"}`)},
		{"engine.resume", []byte(`{"engine":2,"ticket":1,"now":1800000000,"failed":"down"}`), nil},
		{"engine.resume", []byte(`{"engine":3,"ticket":1,"now":1800000000,"status":200,"headers":{"content-type":"application/json"}}`), []byte(portal)},
		{"engine.feed", []byte(`{"engine":1,"files":[{"name":"a.pem","text":"x"}]}`), nil},
		{"engine.key", []byte(`{"engine":1,"key":"x"}`), nil},
		{"engine.close", []byte(`{"engine":2}`), nil},
		{"access.serve", []byte(`{"engine":2,"now":1800000000,"method":"GET","path":"/.well-known/openid-configuration"}`), nil},
		{"access.serve", []byte(`{"engine":2,"now":1800000000,"method":"POST","path":"/auth/token","authorization":["Basic YTpi"],"content_type":"application/x-www-form-urlencoded"}`), []byte("grant_type=client_credentials&target=a&scope=read")},
		{"access.command", []byte(`{"engine":2,"now":1800000000,"line":"/auth/token @bob read --show"}`), nil},
		{"config.read", []byte(`{"config":{"base_url":"https://a.example","clients":[{"client_id":"c"}],"accept_from":["family"]},"variables":{"A":"b"}}`), nil},
		{"trust.issuer", []byte(`{"claims":{"iss":"https://a.example","sub":"a","agent_path":"/x"},"allow":["@com.*"]}`), nil},
		{"trust.rules", []byte(`{"rules":["#reputation:3","@a.**"],"caller":"a.b","target":"c","labels":["reputation-5"]}`), nil},
		{"scope.filter", []byte(`{"scope":"a b","allowed":["*"]}`), nil},
		{"jws.verify", []byte(`{"token":"eyJhbGciOiJSUzI1NiJ9.e30.AA","key":"x"}`), nil},
		{"request.outcome", []byte(`{"agent_url":"https://a.example","status":200}`), []byte(`{"a":1}`)},
	} {
		f.Add(seed.op, seed.request, seed.body)
	}
}

// checkAnswer refuses an answer that is not of the ABI's form (abi.md).
func checkAnswer(t testing.TB, op string, raw []byte) map[string]json.RawMessage {
	t.Helper()
	var said map[string]json.RawMessage
	if err := json.Unmarshal(raw, &said); err != nil {
		t.Fatalf("%s: %s is no JSON object: %v", op, raw, err)
	}
	forms := 0
	for _, member := range []string{"ok", "need", "error"} {
		if said[member] != nil {
			forms++
		}
	}
	ends := bytes.Contains(said["need"], []byte(`,"claimed":{"ok":`))
	if forms != 1 || (said["need"] != nil && !ends) != (said["ticket"] != nil) {
		t.Fatalf("%s: %s is not exactly one of the four answers", op, raw)
	}
	checkError(t, op, said["error"])
	return said
}

func checkError(t testing.TB, op string, text json.RawMessage) {
	t.Helper()
	if text == nil {
		return
	}
	var failure struct {
		Code         problem.Code
		Message, Log string
		Response     *struct{ Status int }
	}
	if err := json.Unmarshal(text, &failure); err != nil {
		t.Fatalf("%s: %s: %v", op, text, err)
	}
	row := problem.Lookup(failure.Code)
	switch {
	case row.Code != failure.Code || failure.Code == problem.Internal:
		t.Fatalf("%s: the code %q in %s", op, failure.Code, text)
	case failure.Message == "" || strings.ContainsFunc(failure.Message+failure.Log, unicode.IsControl):
		t.Fatalf("%s: the texts of %s", op, text)
	case failure.Response != nil && failure.Response.Status != row.Status:
		t.Fatalf("%s: the status of %s", op, text)
	}
}

func codeOf(t testing.TB, said map[string]json.RawMessage) string {
	t.Helper()
	var failure struct{ Code string }
	if text := said["error"]; text != nil {
		if err := json.Unmarshal(text, &failure); err != nil {
			t.Fatal(err)
		}
	}
	return failure.Code
}
