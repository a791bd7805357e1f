package generate

import (
	"crypto"
	"crypto/sha256"
	"math/big"
	"strings"
)

const pssSource = "RFC 7518 section 3.5: a salt as long as the digest, MGF1 with the same digest"

func ps256() *area {
	a := newArea("ps256", "PS256: RSASSA-PSS with SHA-256, for RSA keys whose JWK says so.")
	pssSignatures(a)
	pssForgeries(a)
	pssKeys(a)
	return a
}

// between is an RSA key of 2049 bits: its encoded messages are a byte shorter than its modulus.
var between = pairOf(primeFrom("first", 1025), primeFrom("second", 1024))

// primeFrom is a prime after a number drawn from a word; its two highest bits are set.
func primeFrom(word string, bits int) *big.Int {
	n := new(big.Int).SetBytes(mask(crypto.SHA256, []byte("prime "+word), (bits+7)/8))
	n.Rsh(n, uint((bits+7)/8*8-bits)).SetBit(n, bits-1, 1).SetBit(n, bits-2, 1).SetBit(n, 0, 1)
	e := big.NewInt(65537)
	for {
		less := new(big.Int).Sub(n, big.NewInt(1))
		if n.ProbablyPrime(0) && new(big.Int).GCD(nil, nil, less, e).Cmp(big.NewInt(1)) == 0 {
			return n
		}
		n.Add(n, big.NewInt(2))
	}
}

func pssSignatures(a *area) {
	knows := keysOfAlice(pss.publicText())
	good := sign(pss, rotagentClaims())
	a.accept("good", "a signature by the issuer's RSA key, whose JWK says PS256", pssSource, knows, accepted(good, nil))
	a.accept("jwks", "the key in a set, with its kid", "RFC 7517 section 5", keysOfAlice(jwks(publishedJWK(pss))),
		accepted(withKid(pss, pss.kid()), nil))
	for _, other := range []struct {
		name, says string
		key        keyPair
	}{{"3072-bits", "a key of 3072 bits", large}, {"2049-bits", "a key of 2049 bits", between}, {"exponent-3", "a key with exponent 3", cubic}} {
		key := pssPair{other.key}
		a.accept(other.name, other.says, "RFC 8017 section 9.1", keysOfAlice(key.publicText()), accepted(sign(key, rotagentClaims()), nil))
	}
	bad := func(name, says, source, signature string) {
		forged := good
		forged.signature = signature
		a.reject(name, "good", says, source, knows, refused(forged, nil, "invalid_signature"))
	}
	flipped := []byte(good.signature)
	flipped[100] ^= 1
	bad("bit-flipped", "one bit of the signature changed", pssSource, string(flipped))
	bad("empty", "no signature", pssSource, "")
	bad("short", "a signature without its last byte", pssSource, good.signature[:255])
	bad("long", "a zero byte after the signature", pssSource, good.signature+"\x00")
	bad("zero", "a signature of 0", pssSource, strings.Repeat("\x00", 256))
	bad("one", "a signature of 1", pssSource, strings.Repeat("\x00", 255)+"\x01")
	bad("over-modulus", "a number that is not below the modulus", "RFC 8017 section 8.1.2", strings.Repeat("\xff", 256))
	bad("by-another-key", "a signature by a key that nobody trusts", keyDecides, pssMallory.sign(good.input()))
	bad("of-another-token", "the signature of another token", keyDecides, sign(pss, boundClaims()).signature)
	bad("pkcs1", "RSASSA-PKCS1-v1_5 with SHA-256, by the same key", pssSource, rs256(alice, good.input()))
}

func pssForgeries(a *area) {
	good := sign(pss, rotagentClaims())
	form := func(name, says string, form pssForm) {
		forged := good
		forged.signature = signPSS(alice, form, good.input())
		a.reject(name, "good", says, pssSource, keysOfAlice(pss.publicText()), refused(forged, nil, "invalid_signature"))
	}
	const sha, trailer = crypto.SHA256, 0xBC
	form("salt-none", "no salt", pssForm{sha, sha, 0, trailer})
	form("salt-20", "a salt of 20 bytes, the default of RFC 8017", pssForm{sha, sha, 20, trailer})
	form("salt-31", "a salt of 31 bytes", pssForm{sha, sha, sha256.Size - 1, trailer})
	form("salt-33", "a salt of 33 bytes", pssForm{sha, sha, sha256.Size + 1, trailer})
	form("salt-largest", "the longest salt, the default of OpenSSL", pssForm{sha, sha, 256 - 32 - 2, trailer})
	form("digest-sha384", "SHA-384, as in PS384", pssForm{crypto.SHA384, crypto.SHA384, 48, trailer})
	form("digest-sha1", "SHA-1", pssForm{crypto.SHA1, crypto.SHA1, 20, trailer})
	form("mask-sha1", "MGF1 with SHA-1, the default of RFC 8017", pssForm{sha, crypto.SHA1, sha256.Size, trailer})
	form("trailer", "another trailer byte", pssForm{sha, sha, sha256.Size, 0xCC})
}

func pssKeys(a *area) {
	whole := object{"kind": "public", "alg": "PS256", "bits": 2048, "kid": alice.kid(), "public_pem": alice.spki(), "public_jwk": publishedJWK(pss)}
	a.accept("key-jwk", "a JWK that says PS256: its thumbprint and its PEM are those of the key for RS256", "RFC 7638 section 3.2",
		inspect(text(pss.jwk()), nil, object{"keys": []object{whole}}))
	a.accept("key-jwk-private", "a private JWK that says PS256", "RFC 7518 section 6.3.2",
		inspect(text(pss.privateJWK()), nil, object{"keys": []object{whole.with(object{"kind": "private"})}}))
	a.accept("key-pem", "the same key as PEM is for RS256", keyDecides, inspect(alice.spki(), nil, object{"keys": []object{{"alg": "RS256"}}}))
	for _, alg := range []string{"PS384", "PS512", "RSA-OAEP", "ps256", "ES256", "EdDSA"} {
		name := strings.ToLower(alg)
		if alg == "ps256" {
			name = "lower-case"
		}
		refusesKey(a, "key-alg-"+name, "key-jwk", "an RSA key for "+alg, keyDecides, text(alice.jwk().with(object{"alg": alg})))
	}
	claims := text(rotagentClaims())
	for _, other := range []struct {
		alg  string
		form pssForm
	}{{"PS384", pssForm{crypto.SHA384, crypto.SHA384, 48, 0xBC}}, {"PS512", pssForm{crypto.SHA512, crypto.SHA512, 64, 0xBC}}} {
		t := token{header: `{"alg":"` + other.alg + `"}`, payload: claims}
		t.signature = signPSS(alice, other.form, t.input())
		a.reject("alg-"+strings.ToLower(other.alg), "good", other.alg+", really signed so", keyDecides, keysOfAlice(pss.publicText()),
			refused(t, nil, "unsupported_algorithm"))
	}
	refusesKey(a, "key-weak", "key-jwk", "a key of 1024 bits", "RFC 7518 section 3.5", text(pssPair{weak}.jwk()))
	refusesKey(a, "key-roca", "key-jwk", "a key with the ROCA fingerprint", "CVE-2017-15361", text(pssPair{roca}.jwk()))
	exponent := func(e int64) string { return text(pss.jwk().with(object{"e": base64url(big.NewInt(e).Bytes())})) }
	a.accept("exponent-largest", "the exponent 2^31 - 1", "protocol.md section 10", inspect(exponent(1<<31-1), nil, object{"keys": []object{{"alg": "PS256"}}}))
	refusesKey(a, "exponent-over-largest", "exponent-largest", "the exponent 2^31 + 1, which RS256 takes and no library for PSS does",
		"protocol.md section 10", exponent(1<<31+1))
	a.accept("exponent-over-largest-rs256", "the same for RS256", "protocol.md section 6",
		inspect(text(alice.jwk().with(object{"e": base64url(big.NewInt(1<<31 + 1).Bytes())})), nil, object{"keys": []object{{"alg": "RS256"}}}))
}
