package tallystick_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

func spki(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// algorithmOf is what a token's header says.
func algorithmOf(t *testing.T, token string) string {
	t.Helper()
	text, _, _ := strings.Cut(strings.TrimPrefix(token, "Bearer "), ".")
	header, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Algorithm string `json:"alg"`
	}
	if err := json.Unmarshal(header, &said); err != nil {
		t.Fatal(err)
	}
	return said.Algorithm
}

func curveKeys(t *testing.T) (*ecdsa.PrivateKey, ed25519.PrivateKey) {
	t.Helper()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return curve, edwards
}

func TestEachAlgorithmSigns(t *testing.T) {
	curve, edwards := curveKeys(t)
	texts := map[tallystick.KeyType][2]string{}
	for _, kind := range []tallystick.KeyType{tallystick.KeyRSA, tallystick.KeyEC, tallystick.KeyEd25519} {
		private, public, err := tallystick.GenerateKeyType(kind, 0)
		if err != nil {
			t.Fatal(err)
		}
		texts[kind] = [2]string{private, public}
	}
	for name, c := range map[string]struct {
		key               any
		public, algorithm string
	}{
		"RSA text":             {texts[tallystick.KeyRSA][0], texts[tallystick.KeyRSA][1], "RS256"},
		"EC text":              {texts[tallystick.KeyEC][0], texts[tallystick.KeyEC][1], "ES256"},
		"Ed25519 text":         {texts[tallystick.KeyEd25519][0], texts[tallystick.KeyEd25519][1], "EdDSA"},
		"an EC key":            {curve, spki(t, curve), "ES256"},
		"an Ed25519 key":       {edwards, spki(t, edwards), "EdDSA"},
		"an EC service":        {service{Signer: curve}, spki(t, curve), "ES256"}, // which gives DER
		"an Ed25519 service":   {service{Signer: edwards}, spki(t, edwards), "EdDSA"},
		"an RSA service":       {service{Signer: otherKey()}, spki(t, otherKey()), "RS256"},
		"a key of a key store": {crypto.Signer(service{Signer: curve}), spki(t, curve), "ES256"},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := tallystick.NewSigner("orchestrator", c.key, tallystick.SignerOptions{})
			if err != nil || signer.PublicKey() != c.public {
				t.Fatal(err)
			}
			headers, err := signer.Sign(t.Context(), "GET", "https://a.example.com/x", nil)
			if err != nil || algorithmOf(t, headers.Get("Authorization")) != c.algorithm {
				t.Fatal(headers, err)
			}
			request := tallystick.Request{Authorization: headers["Authorization"], Method: "GET", Path: "/x"}
			// Both of one issuer's keys are its own, and a header has no choice.
			keys := map[string]string{"orchestrator": spki(t, otherKey()) + c.public}
			verifier := newVerifier(t, func(o *verifierOptions) { o.Keys = keys })
			if caller, err := verifier.Verify(t.Context(), request); err != nil || caller.KeyID != signer.KeyID() {
				t.Error(caller, err)
			}
			for _, narrowed := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
				verifier := newVerifier(t, func(o *verifierOptions) { o.Keys, o.Algorithms = keys, []string{narrowed} })
				_, err := verifier.Verify(t.Context(), request)
				if narrowed == c.algorithm && err != nil {
					t.Error(narrowed, err)
				}
				if narrowed != c.algorithm {
					mustBe(t, err, tallystick.ErrUnsupportedAlgorithm)
				}
			}
			rsaAlone := map[string]string{"orchestrator": newSigner(t).PublicKey()}
			others := newVerifier(t, func(o *verifierOptions) { o.Keys = rsaAlone })
			_, err = others.Verify(t.Context(), request)
			if c.algorithm == "RS256" {
				mustBe(t, err, tallystick.ErrInvalidSignature)
			} else {
				mustBe(t, err, tallystick.ErrUnsupportedAlgorithm)
			}
		})
	}
}

func TestAnEllipticServiceThatFails(t *testing.T) {
	curve, edwards := curveKeys(t)
	for name, change := range map[string]func([]byte) ([]byte, error){
		"a wrong signature": func(s []byte) ([]byte, error) { s[len(s)-1] ^= 1; return s, nil },
		"a short one":       func(s []byte) ([]byte, error) { return s[1:], nil },
		"none":              func([]byte) ([]byte, error) { return nil, nil },
	} {
		for _, key := range []crypto.Signer{curve, edwards} {
			signer, err := tallystick.NewSigner("a", service{key, change}, tallystick.SignerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = signer.Sign(t.Context(), "GET", "https://a.example.com/", nil)
			if mustBe(t, err, tallystick.ErrSignerFailed); err == nil {
				t.Errorf("%s, %T", name, key)
			}
		}
	}
}

func TestASkillSignsWithEachKindOfKey(t *testing.T) {
	curve, edwards := curveKeys(t)
	for name, c := range map[string]struct {
		options   tallystick.SkillOptions
		algorithm string
	}{
		"RSA":                {tallystick.SkillOptions{KeyType: tallystick.KeyRSA}, "RS256"},
		"EC":                 {tallystick.SkillOptions{KeyType: tallystick.KeyEC}, "ES256"},
		"Ed25519":            {tallystick.SkillOptions{KeyType: tallystick.KeyEd25519}, "EdDSA"},
		"an EC service":      {tallystick.SkillOptions{Signer: service{Signer: curve}}, "ES256"},
		"an Ed25519 service": {tallystick.SkillOptions{Signer: service{Signer: edwards}}, "EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			alice, _ := newAgent(t, c.options)
			_, b := newAgent(t, tallystick.SkillOptions{}, "read")
			made := token(t, alice, b.URL, "read")
			if algorithmOf(t, made) != c.algorithm {
				t.Error(algorithmOf(t, made))
			}
			if status, body := askWith(t, b.URL+"/chat", made); status != http.StatusOK {
				t.Fatal(status, body)
			}
			_, narrow := newAgent(t, tallystick.SkillOptions{Algorithms: []string{"PS256"}}, "read")
			refused := token(t, alice, narrow.URL, "read")
			if status, body := askWith(t, narrow.URL+"/chat", refused); status != http.StatusUnauthorized ||
				!strings.Contains(body, "unsupported_algorithm") {
				t.Error(status, body)
			}
			if c.options.Signer != nil {
				return
			}
			if _, err := alice.RotateKeys(t.Context(), tallystick.RotateOptions{Revoke: true}); err != nil {
				t.Fatal(err)
			}
			if again := token(t, alice, b.URL, "read"); algorithmOf(t, again) != c.algorithm || again == made {
				t.Error(again)
			}
		})
	}
}

func TestKindsOfKeysAreChecked(t *testing.T) {
	for _, o := range []tallystick.SkillOptions{
		{KeyType: "dsa"}, {KeyType: "RSA"}, {KeyType: tallystick.KeyEC, KeyBits: 2048},
		{KeyType: tallystick.KeyEd25519, KeyBits: 4096}, {KeyBits: 1024},
	} {
		o.BaseURL, o.KeysDir, o.Store = "https://alice.example", t.TempDir(), &skillStore{}
		_, err := tallystick.NewSkill(o)
		mustBe(t, err, tallystick.ErrInvalidArgument, "KeyType and KeyBits")
	}
	for _, names := range [][]string{{}, {"none"}, {"HS256"}, {"RS256", ""}} {
		_, err := tallystick.NewSkill(tallystick.SkillOptions{BaseURL: "https://alice.example", KeysDir: t.TempDir(),
			Store: &skillStore{}, Algorithms: names})
		mustBe(t, err, tallystick.ErrInvalidConfig, "Algorithms")
		options := verifierOptions{Keys: map[string]string{"a": newSigner(t).PublicKey()}, Store: &ids{}, Algorithms: names}
		_, err = tallystick.NewVerifier(options)
		mustBe(t, err, tallystick.ErrInvalidArgument, "Algorithms")
	}
	for _, bits := range []int{0, 1024, 2047} {
		if _, _, err := tallystick.GenerateKey(bits); err == nil {
			t.Error(bits)
		}
	}
}
