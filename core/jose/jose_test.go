package jose

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

var testKey = sync.OnceValue(func() *PrivateKey {
	key, err := Generate(2048)
	if err != nil {
		panic(err)
	}
	return key
})

func rsaOf(key *PrivateKey) *rsa.PrivateKey { return key.material.(*rsaPrivate).key }

func token(t *testing.T, header, payload string) string {
	t.Helper()
	input := SigningInput([]byte(header), []byte(payload))
	signature, p := Sign(input, testKey())
	if p != nil {
		t.Fatal(p)
	}
	return input + "." + Encode64(signature)
}

// parseClaims parses a token whose payload must be a claims object.
func parseClaims(text string) (*Token, *problem.Problem) {
	opened, p := Open(text)
	if p != nil {
		return nil, p
	}
	return opened.Token(strictjson.CheckObject([]byte(opened.Payload)))
}

// Every refused token is signed and stands beside an accepted twin.
func TestGate(t *testing.T) {
	const header, payload = `{"alg":"RS256"}`, `{"iss":"a"}`
	good := token(t, header, payload)
	for _, c := range []struct {
		name, accepted, refused string
		want                    problem.Code
	}{
		{"algorithm", good, token(t, `{"alg":"RS384"}`, payload), problem.UnsupportedAlgorithm},
		{"algorithm none", good, token(t, `{"alg":"none"}`, payload), problem.UnsupportedAlgorithm},
		{"algorithm in lower case", good, token(t, `{"alg":"rs256"}`, payload), problem.UnsupportedAlgorithm},
		{"algorithm is a list", good, token(t, `{"alg":["RS256"]}`, payload), problem.UnsupportedAlgorithm},
		{"algorithm is a list behind a text", token(t, `{"kid":"RS256","alg":"RS256"}`, payload), token(t, `{"kid":"RS256","alg":["RS256"]}`, payload), problem.UnsupportedAlgorithm},
		{"algorithm missing", good, token(t, `{"typ":"JWT"}`, payload), problem.UnsupportedAlgorithm},
		{"crit", good, token(t, `{"alg":"RS256","crit":["exp"]}`, payload), problem.MalformedToken},
		{"b64", good, token(t, `{"alg":"RS256","b64":true}`, payload), problem.MalformedToken},
		{"typ", token(t, `{"alg":"RS256","typ":"application/jwt"}`, payload), token(t, `{"alg":"RS256","typ":"dpop+jwt"}`, payload), problem.MalformedToken},
		{"kid with a control character", token(t, `{"alg":"RS256","kid":"a b"}`, payload), token(t, `{"alg":"RS256","kid":"a\u0000b"}`, payload), problem.MalformedToken},
		{"kid is a number", token(t, `{"alg":"RS256","kid":"1"}`, payload), token(t, `{"alg":"RS256","kid":1}`, payload), problem.MalformedToken},
		{"repeated header member", good, token(t, `{"alg":"RS256","alg":"RS256"}`, payload), problem.MalformedToken},
		{"repeated claim", token(t, header, `{"iss":"a","sub":"b"}`), token(t, header, `{"iss":"a","iss":"b"}`), problem.MalformedToken},
		{"payload null", good, token(t, header, `null`), problem.MalformedToken},
		{"line break in a segment", good, good[:9] + "\n" + good[9:], problem.MalformedToken},
		{"padding", good, strings.Replace(good, ".", "=.", 1), problem.MalformedToken},
		{"four parts", good, good + ".", problem.MalformedToken},
		{"two parts", good, good[:strings.LastIndex(good, ".")], problem.MalformedToken},
		{"size", token(t, header, `{"a":"`+strings.Repeat("x", 8000)+`"}`), token(t, header, `{"a":"`+strings.Repeat("x", 12100)+`"}`), problem.MalformedToken},
		{"standard base64", good, "+" + good[1:], problem.MalformedToken},
	} {
		if _, p := parseClaims(c.accepted); p != nil {
			t.Errorf("%s: the twin is refused: %v", c.name, p)
		}
		if _, p := parseClaims(c.refused); p == nil || p.Code != c.want {
			t.Errorf("%s: %v, want %s", c.name, p, c.want)
		}
	}
}

// A last character with stray bits decodes to the same bytes in lenient
// decoders: one token would have several spellings.
func TestStrayBits(t *testing.T) {
	if _, ok := Decode64("YQ"); !ok {
		t.Error("YQ is refused")
	}
	if _, ok := Decode64("YR"); ok {
		t.Error("YR is accepted")
	}
}

// FuzzDecode64: our decoder says what Go's strict one says, but for line breaks,
// which that one skips.
func FuzzDecode64(f *testing.F) {
	for _, seed := range []string{"", "Y", "YQ", "YR", "YWI", "YWJ", "YWJj", "YWJjZ", "YW\nJj", "YWJj\r\n", "YWJjZA==", "YWJj+_-/", "YWJj\x80"} {
		f.Add(seed)
	}
	strict := base64.RawURLEncoding.Strict()
	f.Fuzz(func(t *testing.T, text string) {
		data, ok := Decode64(text)
		want, err := strict.DecodeString(text)
		if accepted := err == nil && !strings.ContainsAny(text, "\r\n"); ok != accepted {
			t.Fatalf("%q: accepted %v, want %v", text, ok, accepted)
		}
		if ok && !bytes.Equal(data, want) {
			t.Fatalf("%q gave %x, want %x", text, data, want)
		}
	})
}

// The modulus kept per key must give the answers of crypto/rsa.
func TestVerifyAgreesWithGolangJWT(t *testing.T) {
	key := testKey()
	signature, p := Sign("input", key)
	if p != nil {
		t.Fatal(p)
	}
	agree := func(input string, signature []byte) bool {
		ours := key.Public().Verify(input, signature)
		theirs := jwt.SigningMethodRS256.Verify(input, signature, &rsaOf(key).PublicKey) == nil
		if ours != theirs {
			t.Errorf("ours %v, crypto/rsa %v", ours, theirs)
		}
		return ours
	}
	if !agree("input", signature) {
		t.Error("a good signature is refused")
	}
	wrong := [][]byte{nil, signature[1:], append([]byte{0}, signature...), append(signature[:255:255], signature[255]^1), make([]byte, 256),
		new(big.Int).Add(new(big.Int).SetBytes(signature), rsaOf(key).N).Bytes()}
	for i, s := range wrong {
		if agree("input", s) {
			t.Errorf("wrong signature %d is accepted", i)
		}
	}
	if agree("inputs", signature) {
		t.Error("another input is accepted")
	}
}

func FuzzVerifyAgreesWithGolangJWT(f *testing.F) {
	f.Add("a", []byte{1}, 3)
	f.Add("", []byte{0xff}, 255)
	f.Fuzz(func(t *testing.T, input string, flip []byte, at int) {
		key := testKey()
		signature, _ := Sign(input, key)
		for i, b := range flip {
			signature[(uint(at)+uint(i))%uint(len(signature))] ^= b
		}
		if key.Public().Verify(input, signature) != (jwt.SigningMethodRS256.Verify(input, signature, &rsaOf(key).PublicKey) == nil) {
			t.Error("ours and crypto/rsa differ")
		}
	})
}

func TestLargeExponent(t *testing.T) {
	for text, accepted := range map[string]bool{"3": true, "65537": true, "4294967295": true, "4294967297": false, "1": false, "65536": false, "-3": false} {
		e, _ := new(big.Int).SetString(text, 10)
		_, err := NewPublicKey(rsaOf(testKey()).N, e)
		if (err == nil) != accepted {
			t.Errorf("exponent %s: %v", text, err)
		}
		if err != nil && !errors.Is(err, ErrWeak) {
			t.Errorf("exponent %s: %v is not ErrWeak", text, err)
		}
	}
}

func TestKeyForms(t *testing.T) {
	key := testKey()
	for name, text := range map[string]string{"PKCS#8": key.PEM(), "PKCS#1": key.PKCS1(), "JWK": key.JWK()} {
		read, err := OnePrivate([]byte(text))
		if err != nil || read.PEM() != key.PEM() {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := OnePublic([]byte(text)); err == nil {
			t.Errorf("%s: a private key was read as a public one", name)
		}
	}
	public := key.Public()
	for name, text := range map[string]string{"SPKI": public.PEM(), "PKCS#1": public.PKCS1(), "JWK": public.JWK(), "JWKS": `{"keys":[` + public.JWK() + `]}`} {
		read, err := OnePublic([]byte(text))
		if err != nil || read.Public.PEM() != public.PEM() || read.Public.Thumbprint() != public.Thumbprint() {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := OnePrivate([]byte(text)); err == nil {
			t.Errorf("%s: a public key was read as a private one", name)
		}
	}
}

// crypto/x509 must read what we write.
func TestPEMAgreesWithX509(t *testing.T) {
	key := testKey()
	block, _ := pem.Decode([]byte(key.PEM()))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !parsed.(*rsa.PrivateKey).Equal(rsaOf(key)) {
		t.Error(err)
	}
	block, _ = pem.Decode([]byte(key.Public().PEM()))
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil || !public.(*rsa.PublicKey).Equal(&rsaOf(key).PublicKey) {
		t.Error(err)
	}
}

func TestRefusedKeys(t *testing.T) {
	good := testKey().Public().PEM()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	smallDER, _ := x509.MarshalPKIXPublicKey(&small.PublicKey)
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"1024 bits":       {encodePEM("PUBLIC KEY", smallDER), ErrWeak},
		"1024 bits, JWK":  {`{"kty":"RSA","e":"AQAB","n":"` + Encode64(small.N.Bytes()) + `"}`, ErrWeak},
		"certificate":     {encodePEM("CERTIFICATE", []byte("x")), ErrCertificate},
		"encrypted":       {encodePEM("ENCRYPTED PRIVATE KEY", []byte("x")), ErrEncrypted},
		"old encryption":  {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nYWFh\n-----END RSA PRIVATE KEY-----\n", ErrEncrypted},
		"nothing":         {"hello", ErrNoKey},
		"damaged":         {good + strings.Replace(good, "-----END PUBLIC KEY-----", "", 1), nil},
		"DER behind":      {encodePEM("RSA PUBLIC KEY", append(testKey().Public().material.bitString(), 0)), nil},
		"oct":             {`{"kty":"oct","k":"AAAA"}`, ErrUnsuitable},
		"for encryption":  {strings.Replace(testKey().Public().JWK(), `"sig"`, `"enc"`, 1), ErrUnsuitable},
		"other algorithm": {strings.Replace(testKey().Public().JWK(), "RS256", "RS512", 1), ErrUnsuitable},
		"repeated member": {strings.Replace(testKey().Public().JWK(), "{", `{"kty":"RSA",`, 1), nil},
	} {
		_, err := ParseKeys([]byte(c.text))
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if keys, err := ParseKeys([]byte(good + good)); err != nil || len(keys) != 2 {
		t.Errorf("two blocks: %d keys, %v", len(keys), err)
	}
}

// RFC 7638 section 3.1.
func TestPublishedThumbprint(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	key, err := OnePublic([]byte(`{"kty":"RSA","n":"` + n + `","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`))
	if err != nil || key.Public.Thumbprint() != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" || key.ID != "2011-04-29" {
		t.Errorf("%v %v", key, err)
	}
}

func TestPrivateKeyDoesNotPrint(t *testing.T) {
	key := testKey()
	d := rsaOf(key).D.String()
	for _, text := range []string{key.String(), key.GoString()} {
		if strings.Contains(text, d) {
			t.Error("the private exponent is printed")
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.AA")
	f.Add("e30.e30.")
	f.Add("eyJhbGciOiJub25lIn0.bnVsbA.")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, p := parseClaims(text)
		if p != nil {
			return
		}
		again := SigningInput([]byte(parsed.Header), []byte(parsed.Payload)) + "." + base64.RawURLEncoding.EncodeToString(parsed.Signature)
		if again != text {
			t.Errorf("%q has a second spelling %q", text, again)
		}
	})
}

func FuzzParseKeys(f *testing.F) {
	key := testKey()
	f.Add([]byte(key.Public().PEM()))
	f.Add([]byte(key.Public().JWK()))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if (err == nil) == (len(keys) == 0) {
			t.Errorf("%d keys and error %v", len(keys), err)
		}
	})
}

// Eight bytes are looked at in one step: what must not stand in a name is found at
// each place, and nothing else is taken for it.
func TestValidIdentifierAtEachPlace(t *testing.T) {
	for length := 1; length <= 20; length++ {
		plain := strings.Repeat("a", length)
		for place := range length {
			for with, valid := range map[string]bool{
				"\x00": false, "\t": false, "\x1f": false, "\x7f": false, "\u0080": false, "\u009f": false,
				" ": true, "~": true, "\u00a0": true, "é": true, "\u3000": true, "😀": true,
			} {
				if text := plain[:place] + with + plain[place+1:]; ValidIdentifier(text, 100) != valid {
					t.Errorf("%q: %t", text, !valid)
				}
			}
		}
		if !ValidIdentifier(plain, length) || ValidIdentifier(plain, length-1) {
			t.Errorf("%d bytes", length)
		}
	}
}
