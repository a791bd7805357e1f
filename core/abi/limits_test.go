package abi

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/scope"
)

// Bounds that are too large for a vector: what is at a bound is accepted, and the
// next one refused.

func TestSizesOfACall(t *testing.T) {
	c := New()
	const opening, closing = `{"pattern":"a","scope":"`, `"}`
	request := func(size int) []byte {
		return []byte(opening + strings.Repeat("a", size-len(opening)-len(closing)) + closing)
	}
	tooLarge := func(answer []byte) bool { return bytes.Contains(answer, []byte("the request may have")) }
	if answer := c.Call("scope.match", request(maxRequest), nil); tooLarge(answer) {
		t.Errorf("a request of the largest size: %s", answer)
	}
	if answer := c.Call("scope.match", request(maxRequest+1), nil); !tooLarge(answer) {
		t.Errorf("a request over the largest size: %.200s", answer)
	}
	body := make([]byte, maxBody+1)
	if answer := c.Call("digest.body", []byte("{}"), body[:maxBody]); !bytes.HasPrefix(answer, []byte(`{"ok"`)) {
		t.Errorf("a body of the largest size: %s", answer)
	}
	if answer := c.Call("digest.body", []byte("{}"), body); !tooLarge(answer) {
		t.Errorf("a body over the largest size: %s", answer)
	}
}

func TestNumberOfEngines(t *testing.T) {
	c := New()
	open := map[string]any{"verifier": map[string]any{}}
	for n := range maxEngines {
		if a := call(t, c, "engine.open", open, ""); a.OK == nil {
			t.Fatalf("engine %d: %v", n+1, a.Error)
		}
	}
	if a := call(t, c, "engine.open", open, ""); a.Error.Code != "overloaded" {
		t.Errorf("one more: %v", a)
	}
	call(t, c, "engine.close", map[string]any{"engine": 1}, "")
	if a := call(t, c, "engine.open", open, ""); a.OK == nil {
		t.Errorf("after one was closed: %v", a.Error)
	}
}

// TestSizeOfASignedToken: jws.sign makes no token that jws.verify would not read.
func TestSizeOfASignedToken(t *testing.T) {
	c := New()
	sign := func(payload int) answer {
		return call(t, c, "jws.sign", map[string]any{"private_key": pair().PEM()}, strings.Repeat("x", payload))
	}
	header := len(sign(0).OK["token"].(string))
	largest := (jose.MaxToken - header) * 3 / 4
	if a := sign(largest); a.OK == nil || len(a.OK["token"].(string)) > jose.MaxToken {
		t.Errorf("the largest token: %v", a.Error)
	}
	if a := sign(largest + 1); a.Error.Code != "invalid_argument" {
		t.Errorf("a token over the limit: %v", a.Error)
	}
}

func TestNumberOfPatterns(t *testing.T) {
	c := New()
	filter := func(patterns int) answer {
		allowed := make([]string, patterns)
		for n := range allowed {
			allowed[n] = "a"
		}
		return call(t, c, "scope.filter", map[string]any{"scope": "a", "allowed": allowed}, "")
	}
	if a := filter(scope.MaxPatterns); a.OK == nil {
		t.Errorf("as many patterns as there may be: %v", a.Error)
	}
	if a := filter(scope.MaxPatterns + 1); a.Error.Code != "invalid_argument" {
		t.Errorf("one more: %v", a)
	}
}

// TestSizeOfAKeyFile pads a key with empty lines up to the bound and beyond.
func TestSizeOfAKeyFile(t *testing.T) {
	c := New()
	key := pair().Public().PEM()
	load := func(size int) answer {
		file := map[string]any{"name": "alice.pem", "text": key + strings.Repeat("\n", size-len(key))}
		return call(t, c, "keys.load", map[string]any{"files": []any{file}}, "")
	}
	if a := load(authorizedkeys.MaxText); len(a.OK["issuers"].(map[string]any)) != 1 {
		t.Errorf("the largest file: %v", a)
	}
	if a := load(authorizedkeys.MaxText + 1); len(a.OK["issuers"].(map[string]any)) != 0 || len(a.OK["warnings"].([]any)) != 1 {
		t.Errorf("a file over the largest size: %v", a)
	}
}
