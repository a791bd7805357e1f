package generate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"testing"
)

// What is refused for its algorithm alone must be good in every other way, and
// what the standards print must have been copied to the letter: the standard
// library verifies each printed signature whose key is printed too.
func TestPrintedSignaturesAreGood(t *testing.T) {
	key := parsed(readKeyFile("rfc7520-3-4.json"))
	bilboRSA := &rsa.PublicKey{N: number(key["n"]), E: 65537}
	for name, good := range map[string]bool{
		"RFC 7520 4.1": rsa.VerifyPKCS1v15(bilboRSA, crypto.SHA256, []byte(digest256(rfc7520RSA.input())), signatureOf(t, rfc7520RSA)) == nil,
		"RFC 7520 4.2": rsa.VerifyPSS(bilboRSA, crypto.SHA384, digest384(rfc7520PSS.input()), signatureOf(t, rfc7520PSS), nil) == nil,
		"RFC 7515 A.1": hmacGood(t, unsupportedJWS["rfc7515-a1-hs256"].printedJWS, rfc7515Secret),
		"RFC 7520 4.4": hmacGood(t, unsupportedJWS["rfc7520-4-4-hs256"].printedJWS, "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"),
		"RFC 7515 A.3": ecdsaGood(t, unsupportedJWS["rfc7515-a3-es256"].printedJWS, elliptic.P256(),
			"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
		"RFC 7515 A.4": ecdsaGood(t, unsupportedJWS["rfc7515-a4-es512"].printedJWS, elliptic.P521(),
			"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk", "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"),
		"RFC 7520 4.3": ecdsaGood(t, unsupportedJWS["rfc7520-4-3-es512"].printedJWS, elliptic.P521(),
			"AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt", "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"),
		"RFC 9449 7.1": ecdsaGood(t, rfc9449Proof, elliptic.P256(), "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"),
		"RFC 8037 A.4": ed25519Good(t, unsupportedJWS["rfc8037-a4-ed25519"].printedJWS, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
	} {
		if !good {
			t.Errorf("%s: the printed signature does not verify", name)
		}
	}
}

// RFC 7797 section 4.2 signs the header, a dot and "$.02".
func TestPrintedDetachedSignatureIsGood(t *testing.T) {
	input := base64url([]byte(rfc7797Detached.header)) + ".$.02"
	if rfc7797Detached.signature != base64url([]byte(hs256(string(decoded(t, rfc7515Secret)), input))) {
		t.Error("the printed signature does not verify")
	}
}

func TestPrintedCertificateIsOfThePrintedKey(t *testing.T) {
	key := parsed(readKeyFile("rfc7517-b.json"))
	der, err := base64.StdEncoding.DecodeString(key["x5c"].([]any)[0].(string))
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if certificate.PublicKey.(*rsa.PublicKey).N.Cmp(number(key["n"])) != 0 {
		t.Error("the certificate holds another key")
	}
}

// The generator's ES256 is that of RFC 6979, and its PS256 one that crypto/rsa accepts.
func TestGeneratorSignsAsPrinted(t *testing.T) {
	if x, y := publicNumbers(rfc6979Key.PrivateKey); x.Cmp(numberOf(rfc6979X)) != 0 || y.Cmp(numberOf(rfc6979Y)) != 0 {
		t.Error("the point is not the printed one")
	}
	for message, printed := range printedRFC6979 {
		r, s := rfc6979Key.parts(crypto.SHA256, message)
		if r.Cmp(numberOf(printed[0])) != 0 || s.Cmp(numberOf(printed[1])) != 0 {
			t.Errorf("%s: the signature is not the printed one", message)
		}
	}
	for _, key := range []keyPair{alice, large, between, cubic} {
		signature := pssPair{key}.sign("input")
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		if rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, []byte(digest256("input")), []byte(signature), options) != nil {
			t.Errorf("a key of %d bits: crypto/rsa refuses the PS256 signature", key.N.BitLen())
		}
	}
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func signatureOf(t *testing.T, p printedJWS) []byte { return decoded(t, p.signature) }

func digest384(input string) []byte {
	sum := sha512.Sum384([]byte(input))
	return sum[:]
}

func hmacGood(t *testing.T, p printedJWS, secret string) bool {
	return hmac.Equal([]byte(hs256(string(decoded(t, secret)), p.input())), signatureOf(t, p))
}

// ecdsaGood reads r and s from the two halves of the signature (RFC 7518 section 3.4).
func ecdsaGood(t *testing.T, p printedJWS, curve elliptic.Curve, x, y string) bool {
	signature := signatureOf(t, p)
	half := len(signature) / 2
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	sum256, sum512 := sha256.Sum256([]byte(p.input())), sha512.Sum512([]byte(p.input()))
	digest := sum256[:]
	if curve == elliptic.P521() {
		digest = sum512[:]
	}
	size := (curve.Params().BitSize + 7) / 8 // RFC 7518 section 6.2.1.2: coordinates have the full size
	point := append([]byte{4}, append(number(x).FillBytes(make([]byte, size)), number(y).FillBytes(make([]byte, size))...)...)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		t.Fatal(err)
	}
	return ecdsa.Verify(key, digest, r, s)
}

func ed25519Good(t *testing.T, p printedJWS, x string) bool {
	return ed25519.Verify(decoded(t, x), []byte(p.input()), signatureOf(t, p))
}
