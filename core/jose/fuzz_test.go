package jose

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tallystick/tallystick/core/problem"
)

// FuzzGate gives headers and payloads that are well encoded, so that the fuzzer
// gets behind base64. What passes must say to encoding/json and to golang-jwt what
// it said to the gate.
func FuzzGate(f *testing.F) {
	f.Add(`{"alg":"RS256"}`, `{"iss":"a"}`, []byte{1})
	f.Add(`{"alg":"RS256","typ":"JWT","kid":"k"}`, `{"iss":"a","exp":1e9}`, []byte{})
	f.Add(`{"alg":"RS256","ALG":"none"}`, `{}`, []byte{0xff})
	f.Add(`{"alg":"none","alg":"RS256"}`, `null`, []byte{0})
	f.Add(`{"alg":"none"}`, `{"iss":"a"}`, []byte{})
	f.Add(`{"alg":"HS256"}`, `{"iss":"a"}`, []byte{1})
	f.Add(`{"alg":["RS256"]}`, `{"iss":"a"}`, []byte{1})
	f.Add(`{"alg":"RS256","crit":["x"],"x":1}`, `{"iss":"a"}`, []byte{1})
	f.Add(`{"alg":"RS256","b64":true}`, `{"iss":"a"}`, []byte{1})
	f.Add(`{"alg":"RS256","crit":["b64"],"b64":false}`, `{"a":{"b":[1,{}]}}`, []byte{0})
	f.Add(`{"\u0061lg":"RS256","typ":"application/jwt"}`, "{\"iss\":\"\\u0000\"}", []byte{0})
	f.Fuzz(func(t *testing.T, header, payload string, signature []byte) {
		text := SigningInput([]byte(header), []byte(payload)) + "." + Encode64(signature)
		parsed, p := parseClaims(text)
		if p != nil {
			checkGateRefusal(t, header, p)
			return
		}
		if parsed.SigningInput == "" {
			t.Fatal("neither a token nor a problem")
		}
		if parsed.Header != header || parsed.Payload != payload || !bytes.Equal(parsed.Signature, signature) || len(text) > MaxToken {
			t.Fatalf("%q was read as %+v", text, parsed)
		}
		checkGateAccepted(t, text, parsed)
	})
}

func checkGateRefusal(t *testing.T, header string, p *problem.Problem) {
	t.Helper()
	var said struct {
		Algorithm any `json:"alg"`
	}
	switch p.Code {
	case problem.MalformedToken:
	case problem.UnsupportedAlgorithm:
		if json.Unmarshal([]byte(header), &said) != nil {
			t.Fatalf("%q has no algorithm that could be unsupported", header)
		}
	default:
		t.Fatalf("%q: %v", header, p)
	}
}

func checkGateAccepted(t *testing.T, text string, parsed *Token) {
	t.Helper()
	var header, payload map[string]any
	if err := json.Unmarshal([]byte(parsed.Header), &header); err != nil {
		t.Fatalf("encoding/json refuses the header %q: %v", parsed.Header, err)
	}
	if err := json.Unmarshal([]byte(parsed.Payload), &payload); err != nil || payload == nil {
		t.Fatalf("encoding/json refuses the payload %q: %v", parsed.Payload, err)
	}
	_, critical := header["crit"]
	_, unencoded := header["b64"]
	name, _ := header["alg"].(string)
	if algorithmNamed(name) != parsed.Algorithm || parsed.Algorithm == "" || critical || unencoded {
		t.Fatalf("the header %q was accepted", parsed.Header)
	}
	if kid, _ := header["kid"].(string); kid != parsed.KeyID {
		t.Fatalf("the kid of %q was read as %q", parsed.Header, parsed.KeyID)
	}
	token, _, err := jwt.NewParser().ParseUnverified(text, jwt.MapClaims{})
	// It does not know the name Ed25519.
	if name == ed25519Name {
		return
	}
	if err != nil || token.Method.Alg() != name {
		t.Fatalf("golang-jwt reads %q otherwise: %v", text, err)
	}
}

// FuzzKeyTexts: whatever a text holds, its keys are of an allowed size, are the
// same when they are written and read again, and no error says any of a key.
func FuzzKeyTexts(f *testing.F) {
	for _, name := range []string{"alice.pem", "cubic.pem", "weak.pem", "alice.encrypted.pem", "alice.certificate.pem", "elliptic.pub.pem", "largest.pub.pem", "rfc7517-a2.json", "rfc7517-b.json"} {
		text, err := os.ReadFile("../../conformance/vectors/keys/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	key := testKey()
	f.Add([]byte(key.Public().PEM() + key.Public().PKCS1()))
	f.Add([]byte(`{"keys":[` + key.Public().JWK() + `,{"kty":"EC"},` + key.JWK() + `]}`))
	for _, kind := range []KeyType{TypeEC, TypeEd25519} {
		key := made(f, kind)
		f.Add([]byte(key.PEM() + key.Public().PEM()))
		f.Add([]byte(key.JWK()))
		f.Add([]byte(`{"keys":[` + key.Public().JWK() + `]}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err != nil {
			if quotes(err.Error(), text) {
				t.Fatalf("the error quotes the text: %v", err)
			}
			return
		}
		if len(keys) == 0 || len(keys) > MaxKeys {
			t.Fatalf("%d keys", len(keys))
		}
		for _, key := range keys {
			checkKey(t, key)
		}
		checkOwnKid(t, text, keys[0].ID)
	})
}

// checkOwnKid reads the kid of a lone JWK a second time, into a map: a struct
// would take "KID" for it.
func checkOwnKid(t *testing.T, text []byte, id string) {
	t.Helper()
	var members map[string]any
	if json.Unmarshal(text, &members) != nil || members["keys"] != nil {
		return
	}
	if kid, _ := members["kid"].(string); kid != id {
		t.Fatalf("the kid %q was read as %q", kid, id)
	}
}

// quotes reports whether a message holds a run of the text as long as secrets are.
func quotes(message string, text []byte) bool {
	const run = 48 // parseBlock quotes 40 characters of a PEM type
	for at := 0; at+run <= len(message); at++ {
		if bytes.Contains(text, []byte(message[at:at+run])) {
			return true
		}
	}
	return false
}

func checkKey(t *testing.T, key Key) {
	t.Helper()
	public := key.Public
	forms := []string{public.PEM(), public.JWK()}
	if public.Type() == TypeRSA {
		if public.Bits() < MinBits || public.Bits() > MaxBits {
			t.Fatalf("a key of %d bits", public.Bits())
		}
		forms = append(forms, public.PKCS1())
	}
	for _, written := range forms {
		again, err := OnePublic([]byte(written))
		if err != nil || again.Public.Thumbprint() != public.Thumbprint() || again.Public.PEM() != public.PEM() {
			t.Fatalf("%s is read as another key: %v", written, err)
		}
	}
	if thumbprint, err := base64.RawURLEncoding.DecodeString(public.Thumbprint()); err != nil || len(thumbprint) != 32 {
		t.Fatalf("the thumbprint is %q", public.Thumbprint())
	}
	if key.Private == nil {
		return
	}
	again, err := OnePrivate([]byte(key.Private.JWK()))
	if err != nil || again.JWK() != key.Private.JWK() {
		t.Fatalf("a private key is read as another one: %v", err)
	}
	input := strings.Repeat("x", 40)
	if signature, p := Sign(input, key.Private); p != nil || !public.Verify(input, signature) {
		t.Fatalf("a private key was taken that does not sign: %v", p)
	}
}
