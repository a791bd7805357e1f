package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tallystick/tallystick/core/problem"
)

func made(t testing.TB, kind KeyType) *PrivateKey {
	t.Helper()
	key, err := GenerateType(kind, 0)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pss(t testing.TB) *PrivateKey {
	t.Helper()
	key, err := OnePrivate([]byte(strings.Replace(testKey().JWK(), "RS256", "PS256", 1)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func each(t *testing.T, test func(t *testing.T, key *PrivateKey)) {
	for name, key := range map[Algorithm]*PrivateKey{
		RS256: testKey(), PS256: pss(t), ES256: made(t, TypeEC), EdDSA: made(t, TypeEd25519),
	} {
		if key.Public().Algorithm() != name {
			t.Fatal(name, key.Public().Algorithm())
		}
		t.Run(string(name), func(t *testing.T) { test(t, key) })
	}
}

// golang-jwt, on Go's crypto alone, is the oracle both ways.
func TestEachAlgorithmAgreesWithGolangJWT(t *testing.T) {
	each(t, func(t *testing.T, key *PrivateKey) {
		method := jwt.GetSigningMethod(string(key.Public().Algorithm()))
		block, _ := pem.Decode([]byte(key.Public().PEM()))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		signature, p := Sign("input", key)
		if p != nil || len(signature) != key.Public().Size() || method.Verify("input", signature, public) != nil {
			t.Fatal(p, len(signature))
		}
		block, _ = pem.Decode([]byte(key.PEM()))
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := method.Sign("input", private)
		if err != nil || !key.Public().Verify("input", theirs) {
			t.Fatal(err)
		}
		for at := range theirs {
			wrong := append([]byte(nil), theirs...)
			wrong[at] ^= 1
			if key.Public().Verify("input", wrong) {
				t.Fatalf("byte %d does not count", at)
			}
		}
		for name, wrong := range map[string][]byte{
			"none": nil, "short": theirs[1:], "long": append(append([]byte(nil), theirs...), 0), "zero": make([]byte, len(theirs)),
		} {
			if key.Public().Verify("input", wrong) {
				t.Errorf("%s is accepted", name)
			}
		}
		if key.Public().Verify("inputs", theirs) {
			t.Error("another input is accepted")
		}
	})
}

func TestEachKeyIsReadInEachForm(t *testing.T) {
	each(t, func(t *testing.T, key *PrivateKey) {
		public := key.Public()
		texts := []string{public.JWK(), `{"keys":[` + public.JWK() + `]}`}
		private := []string{key.JWK()}
		if public.Algorithm() != PS256 { // PEM does not say that
			texts, private = append(texts, public.PEM(), "text before\n"+public.PEM()), append(private, key.PEM())
		}
		for _, text := range texts {
			read, err := OnePublic([]byte(text))
			if err != nil || read.Public.JWK() != public.JWK() || read.Public.Name() != public.Name() {
				t.Errorf("%s: %v", text, err)
			}
		}
		for _, text := range private {
			read, err := OnePrivate([]byte(text))
			if err != nil || read.JWK() != key.JWK() {
				t.Errorf("%v", err)
			}
			if _, err := OnePublic([]byte(text)); err == nil {
				t.Error("a private key was read as a public one")
			}
		}
		if (public.PKCS1() == "") == (public.Type() == TypeRSA) || (key.PKCS1() == "") == (public.Type() == TypeRSA) {
			t.Error("PKCS#1 is of RSA keys alone")
		}
	})
}

// What openssl writes for `ecparam -genkey` and golang's x509 for SEC 1.
func TestSEC1IsRead(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	parameters, _ := hex.DecodeString("06082a8648ce3d030107")
	text := encodePEM("EC PARAMETERS", parameters) + encodePEM("EC PRIVATE KEY", der)
	read, err := OnePrivate([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(read.PEM()))
	again, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !key.Equal(again) {
		t.Error(err)
	}
	if _, err := ParseKeys([]byte(encodePEM("EC PARAMETERS", parameters))); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
}

func TestRefusedKeysOfCurves(t *testing.T) {
	ec, ed := made(t, TypeEC).Public(), made(t, TypeEd25519).Public()
	ecOther, edOther := made(t, TypeEC), made(t, TypeEd25519)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384DER, _ := x509.MarshalPKIXPublicKey(&p384.PublicKey)
	p384Private, _ := x509.MarshalPKCS8PrivateKey(p384)
	p384SEC1, _ := x509.MarshalECPrivateKey(p384)
	x, y := ec.material.(*ecPublic).coordinates()
	okp := func(hexed string) string {
		point, err := hex.DecodeString(hexed)
		if err != nil {
			t.Fatal(err)
		}
		return `{"kty":"OKP","crv":"Ed25519","x":"` + Encode64(point) + `"}`
	}
	jwk := func(x, y string) string { return `{"kty":"EC","crv":"P-256","x":"` + x + `","y":"` + y + `"}` }
	zero := Encode64(make([]byte, 32))
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"off the curve":            {jwk(x, x), ErrWeak},
		"the origin":               {jwk(zero, zero), ErrWeak},
		"x over the field":         {jwk(Encode64([]byte(strings.Repeat("\xff", 32))), y), ErrWeak},
		"short x":                  {jwk(x[:42], y), nil},
		"no y":                     {`{"kty":"EC","crv":"P-256","x":"` + x + `"}`, nil},
		"P-384":                    {strings.Replace(ec.JWK(), "P-256", "P-384", 1), ErrUnsuitable},
		"secp256k1":                {strings.Replace(ec.JWK(), "P-256", "secp256k1", 1), ErrUnsuitable},
		"ES384 for P-256":          {strings.Replace(ec.JWK(), "ES256", "ES384", 1), ErrUnsuitable},
		"RS256 for P-256":          {strings.Replace(ec.JWK(), "ES256", "RS256", 1), ErrUnsuitable},
		"ES256 for Ed25519":        {strings.Replace(ed.JWK(), "EdDSA", "ES256", 1), ErrUnsuitable},
		"X25519":                   {strings.Replace(ed.JWK(), `"Ed25519"`, `"X25519"`, 1), ErrUnsuitable},
		"P-384, PEM":               {encodePEM("PUBLIC KEY", p384DER), errCurve},
		"P-384, PKCS#8":            {encodePEM("PRIVATE KEY", p384Private), errCurve},
		"P-384, SEC 1":             {encodePEM("EC PRIVATE KEY", p384SEC1), errCurve},
		"SEC 1 without a curve":    {encodePEM("EC PRIVATE KEY", ecOther.material.pkcs8()), errCurve},
		"another private number":   {strings.Replace(ecOther.JWK(), `"x":"`, `"x":"`+x+`","xx":"`, 1), nil},
		"another seed":             {strings.Replace(edOther.JWK(), `"x":"`, `"x":"`+strings.Split(ed.JWK(), `"x":"`)[1][:43]+`","xx":"`, 1), nil},
		"order 1":                  {okp("0100000000000000000000000000000000000000000000000000000000000000"), ErrWeak},
		"order 2":                  {okp("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), ErrWeak},
		"order 4":                  {okp("0000000000000000000000000000000000000000000000000000000000000000"), ErrWeak},
		"order 4, other sign":      {okp("0000000000000000000000000000000000000000000000000000000000000080"), ErrWeak},
		"order 8":                  {okp("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), ErrWeak},
		"order 8, other sign":      {okp("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"), ErrWeak},
		"order 8, other y":         {okp("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), ErrWeak},
		"order 1, with a sign":     {okp("0100000000000000000000000000000000000000000000000000000000000080"), ErrWeak},
		"order 1, not canonical":   {okp("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), ErrWeak},
		"order 4, not canonical":   {okp("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), ErrWeak},
		"no point of Ed25519":      {okp("0200000000000000000000000000000000000000000000000000000000000000"), ErrWeak},
		"31 bytes":                 {okp("00000000000000000000000000000000000000000000000000000000000001"), nil},
		"a number under an EC key": {strings.Replace(ec.JWK(), `"x":"`, `"x":"%`, 1), nil},
	} {
		if _, err := ParseKeys([]byte(c.text)); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever knows nothing signs for points of small order: that is why they are refused.
func TestASmallOrderKeyAcceptsForgeries(t *testing.T) {
	one := make([]byte, 32)
	one[0] = 1
	forged := append(append([]byte(nil), one...), make([]byte, 32)...)
	if !ed25519.Verify(one, []byte("whatever"), forged) {
		t.Error("crypto/ed25519 refuses by itself: is the check still needed?")
	}
}

// TestPublishedSignatures has RFC 6979 A.2.5 (P-256, SHA-256), and RFC 8037 A.1 to A.5.
func TestPublishedSignatures(t *testing.T) {
	number := func(hexed string) string {
		n, _ := new(big.Int).SetString(hexed, 16)
		return Encode64(n.FillBytes(make([]byte, 32)))
	}
	ec, err := OnePrivate([]byte(`{"kty":"EC","crv":"P-256","d":"` + number("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721") +
		`","x":"` + number("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6") +
		`","y":"` + number("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299") + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]string{
		"sample": "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
		"test":   "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
	} {
		if signature, p := Sign(input, ec); p != nil || strings.ToUpper(hex.EncodeToString(signature)) != want {
			t.Errorf("%s: %x %v", input, signature, p)
		}
	}
	ed, err := OnePrivate([]byte(`{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil || ed.Public().Thumbprint() != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Fatal(ed, err)
	}
	const input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
	if signature, p := Sign(input, ed); p != nil || Encode64(signature) !=
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" {
		t.Error(signature, p)
	}
}

func TestDERIsReadOfAKeyServiceAlone(t *testing.T) {
	key := made(t, TypeEC)
	digest := sha256.Sum256([]byte("input"))
	der, err := key.material.(*ecPrivate).key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if raw := key.Public().FromDER(der); len(raw) != 64 || !key.Public().Verify("input", raw) {
		t.Error(len(raw))
	}
	if key.Public().Verify("input", der) {
		t.Error("a token's signature may be in DER")
	}
	for _, odd := range [][]byte{nil, {0x30}, append(der[:len(der):len(der)], 0), make([]byte, 64), []byte("\x30\x06\x02\x01\xff\x02\x01\x01")} {
		if string(key.Public().FromDER(odd)) != string(odd) {
			t.Errorf("%x", odd)
		}
	}
	if string(testKey().Public().FromDER(der)) != string(der) {
		t.Error("RSA has no DER")
	}
}

func TestAHeaderNamesItsKeysAlgorithm(t *testing.T) {
	each(t, func(t *testing.T, key *PrivateKey) {
		for _, name := range []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519", "RS512", "ES384", "HS256", "none", ""} {
			header := []byte(`{"alg":"` + name + `"}`)
			good := Algorithm(name) == key.Public().Algorithm() || name == "Ed25519" && key.Public().Algorithm() == EdDSA
			if p := CheckSigningHeader(header, key.Public()); (p == nil) != good {
				t.Error(name, p)
			}
			_, p := Parse(Encode64(header) + ".e30.AA")
			if known := algorithmNamed(name) != ""; known != (p == nil) || !known && p.Code != problem.UnsupportedAlgorithm {
				t.Error(name, p)
			}
		}
		if SigningHeader(key.Public()) != `{"alg":"`+string(key.Public().Algorithm())+`","typ":"JWT","kid":"`+key.Public().Thumbprint()+`"}` {
			t.Error(SigningHeader(key.Public()))
		}
	})
}

func TestKeyTypesAreChecked(t *testing.T) {
	for _, c := range []struct {
		kind KeyType
		bits int
		good bool
	}{
		{TypeRSA, 0, true}, {TypeRSA, 4096, true}, {TypeRSA, 1024, false}, {TypeRSA, 256, false}, {TypeEC, 0, true}, {TypeEC, 256, true},
		{TypeEC, 384, false}, {TypeEd25519, 0, true}, {TypeEd25519, 2048, false}, {"", 0, false}, {"RSA", 0, false}, {"dsa", 0, false},
	} {
		if err := CheckKeyType(c.kind, c.bits); (err == nil) != c.good {
			t.Error(c, err)
		}
	}
}

// FuzzEd25519 compares what is a point with crypto/ed25519, whose verification decodes it: what it
// takes for none, no signature is good for.
func FuzzEd25519(f *testing.F) {
	key := made(f, TypeEd25519)
	f.Add(key.Public().material.bitString(), []byte("x"))
	f.Add(make([]byte, 32), []byte{})
	f.Fuzz(func(t *testing.T, point, input []byte) {
		public, err := newEd25519(point)
		if err != nil {
			return
		}
		read, err := OnePublic([]byte(public.PEM()))
		if err != nil || read.Public.JWK() != public.JWK() {
			t.Errorf("%x is read as another key: %v", point, err)
		}
		if public.Verify(string(input), make([]byte, 64)) {
			t.Errorf("%x takes a signature of zeros", point)
		}
		if text := base64.RawURLEncoding.EncodeToString(point); !strings.Contains(public.JWK(), text) {
			t.Error(text)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for _, key := range []*PrivateKey{testKey(), pss(b), made(b, TypeEC), made(b, TypeEd25519)} {
		b.Run(string(key.Public().Algorithm()), func(b *testing.B) {
			input := strings.Repeat("x", 400)
			signature, p := Sign(input, key)
			if p != nil {
				b.Fatal(p)
			}
			for b.Loop() {
				if !key.Public().Verify(input, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
