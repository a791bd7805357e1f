package conformance

import (
	"encoding/json"
	"testing"
)

func TestHeavy(t *testing.T) {
	request := func(text string) Step { return Step{Op: "x", Request: json.RawMessage(text)} }
	for name, c := range map[string]struct {
		step  Step
		heavy bool
	}{
		"little":          {request(`{"token":"a.b.c"}`), false},
		"a private key":   {request(`{"private_key":"-----BEGIN PRIVATE KEY-----"}`), true},
		"a public key":    {request(`{"key":"-----BEGIN PUBLIC KEY-----"}`), false},
		"a private JWK":   {request(`{"private_key":"{\"kty\":\"RSA\",\"d\":\"x\"}"}`), true},
		"a hashed secret": {request(`{"secret_hash":"pbkdf2-sha256$10000$x$y"}`), true},
		"made":            {Step{Op: "key.generate", Request: json.RawMessage(`{}`)}, true},
		"repeated":        {Step{Op: "x", Repeat: 1024}, true},
		"a few times":     {Step{Op: "x", Repeat: 10}, false},
		"a large body":    {Step{Op: "x", BodyFill: 10 << 20}, true},
	} {
		light := Step{Op: "version", Request: json.RawMessage(`{}`)}
		if got := (Vector{Steps: []Step{light, c.step}}).Heavy(); got != c.heavy {
			t.Errorf("%s: %v", name, got)
		}
	}
}
