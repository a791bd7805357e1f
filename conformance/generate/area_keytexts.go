package generate

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
)

func keyTexts() *area {
	a := newArea("keys", "Forms of RSA keys in and out, and keys that are refused; keys on curves are in es256 and eddsa.")
	forms(a)
	refusedSizes(a)
	refusedTexts(a)
	wants(a)
	generated(a)
	return a
}

func inspect(text string, more object, expect object) step {
	return call("key.inspect", object{"text": text}.with(more), "", okIncludes(expect))
}

func described(kind string, key keyPair) object {
	return object{"kind": kind, "alg": "RS256", "bits": key.N.BitLen(), "kid": key.kid(), "public_pem": key.spki(), "public_pkcs1": key.publicPKCS1(),
		"public_jwk": key.jwk().with(object{"kid": key.kid(), "use": "sig", "alg": "RS256"})}
}

func forms(a *area) {
	public := object{"keys": []object{described("public", alice)}}
	private := object{"keys": []object{described("private", alice)}}
	a.accept("spki", "SPKI PEM", "RFC 5280 section 4.1.2.7", inspect(alice.spki(), nil, public))
	a.accept("pkcs1-public", "PKCS#1 public PEM", "RFC 8017 appendix A.1.1", inspect(alice.publicPKCS1(), nil, public))
	a.accept("pkcs8", "PKCS#8 PEM", "RFC 5208", inspect(alice.pkcs8(), nil, private))
	a.accept("pkcs1-private", "PKCS#1 private PEM", "RFC 8017 appendix A.1.2", inspect(alice.privatePKCS1(), nil, private))
	a.accept("jwk-public", "a public JWK", "RFC 7518 section 6.3.1", inspect(text(alice.jwk()), nil, public))
	a.accept("jwk-private", "a private JWK", "RFC 7518 section 6.3.2", inspect(text(alice.privateJWK()), nil, private))
	a.accept("jwk-own-kid", "a JWK's own kid is kept beside the thumbprint", "RFC 7517 section 4.5",
		inspect(text(alice.jwk().with(object{"kid": "k1"})), nil, object{"keys": []object{{"key_id": "k1", "kid": alice.kid()}}}))
	a.accept("elliptic", "an EC key", "RFC 5480 section 2", inspect(readKeyText("elliptic.pub.pem"), nil, object{"keys": []object{{"kind": "public", "alg": "ES256"}}}))
	a.accept("private-forms", "private forms where they were asked for", "abi.md key.inspect", inspect(text(alice.privateJWK()), object{"include_private": true},
		object{"keys": []object{{"private_pem": alice.pkcs8(), "private_pkcs1": alice.privatePKCS1(), "private_jwk": alice.privateJWK()}}}))
	a.accept("base64-of-pem", "DEV_PRIVATE_KEY: the base64 of a PEM", "protocol.md section 1",
		inspect(base64.StdEncoding.EncodeToString([]byte(alice.pkcs8())), object{"encoding": "base64"}, private))
	a.reject("base64-damaged", "base64-of-pem", "DEV_PRIVATE_KEY is no base64", "issue: its value not base64",
		call("key.inspect", object{"text": "not base64!", "encoding": "base64"}, "", errorCode("invalid_key")))
	a.reject("base64-of-no-key", "base64-of-pem", "DEV_PRIVATE_KEY is the base64 of something else", "issue: not a key",
		call("key.inspect", object{"text": base64.StdEncoding.EncodeToString([]byte("hello")), "encoding": "base64"}, "", errorCode("invalid_key")))
}

func refusesKey(a *area, name, twin, says, source, text string) {
	a.reject(name, twin, says, source, call("key.inspect", object{"text": text}, "", errorCode("invalid_key")))
}

func refusedSizes(a *area) {
	source := "protocol.md section 6: 2048 to 8192 bits, odd exponent 3 to 2^32-1"
	a.accept("bits-8192", "a key of 8192 bits", source, inspect(readKeyText("largest.pub.pem"), nil, object{"keys": []object{{"bits": 8192}}}))
	refusesKey(a, "bits-8200", "bits-8192", "a key of 8200 bits", source, readKeyText("oversized.pub.pem"))
	fingerprint := "CVE-2017-15361; Nemec et al., The Return of Coppersmith's Attack, section 2; protocol.md section 6"
	for _, form := range []struct {
		name  string
		write func(keyPair) string
	}{
		{"spki", keyPair.spki}, {"pkcs1-public", keyPair.publicPKCS1}, {"pkcs8", keyPair.pkcs8}, {"pkcs1-private", keyPair.privatePKCS1},
		{"jwk-public", func(k keyPair) string { return text(k.jwk()) }}, {"jwk-private", func(k keyPair) string { return text(k.privateJWK()) }},
		{"jwks", func(k keyPair) string { return jwks(publishedJWK(k)) }},
	} {
		a.accept("roca-twin-"+form.name, "a key that has one prime in common with one of the ROCA fingerprint", fingerprint, inspect(form.write(rocaTwin), nil, object{"keys": []object{{"kid": rocaTwin.kid()}}}))
		refusesKey(a, "roca-"+form.name, "roca-twin-"+form.name, "a key with the ROCA fingerprint", fingerprint, form.write(roca))
	}
	refusesKey(a, "bits-1024", "spki", "a key of 1024 bits", "RFC 7518 section 3.3; "+source, weak.spki())
	refusesKey(a, "bits-1024-private", "pkcs8", "a private key of 1024 bits", "RFC 7518 section 3.3; "+source, weak.pkcs8())
	refusesKey(a, "bits-1024-jwk", "jwk-public", "a JWK of 1024 bits", "RFC 7518 section 3.3; "+source, text(weak.jwk()))

	exponent := func(e int64) string { return spkiOf(alice.N, big.NewInt(e)) }
	a.accept("exponent-3", "the exponent 3", source, inspect(exponent(3), nil, object{"keys": []object{{"bits": 2048}}}))
	a.accept("exponent-largest", "the exponent 2^32-1", source, inspect(exponent(1<<32-1), nil, object{"keys": []object{{"bits": 2048}}}))
	refusesKey(a, "exponent-1", "exponent-3", "the exponent 1: every signature verifies", source, exponent(1))
	refusesKey(a, "exponent-0", "exponent-3", "the exponent 0", source, exponent(0))
	refusesKey(a, "exponent-negative", "exponent-3", "a negative exponent", source, exponent(-3))
	refusesKey(a, "exponent-even", "exponent-3", "an even exponent", source, exponent(65536))
	refusesKey(a, "exponent-over-largest", "exponent-largest", "the exponent 2^32+1", source, exponent(1<<32+1))
	even := new(big.Int).SetBit(alice.N, 0, 0)
	refusesKey(a, "modulus-even", "spki", "an even modulus", source, spkiOf(even, big.NewInt(65537)))
	refusesKey(a, "modulus-negative", "spki", "a negative modulus", source, spkiOf(new(big.Int).Neg(alice.N), big.NewInt(65537)))
	refusesKey(a, "jwk-exponent-even", "jwk-public", "a JWK with an even exponent", source, text(alice.jwk().with(object{"e": "AQAA"})))
}

func refusedTexts(a *area) {
	refusesKey(a, "encrypted-pkcs8", "pkcs8", "an encrypted PKCS#8 key", "issue: encrypted PEM", readKeyText("alice.encrypted.pem"))
	refusesKey(a, "encrypted-pkcs1", "pkcs1-private", "an encrypted PKCS#1 key", "issue: encrypted PEM", readKeyText("alice.encrypted-pkcs1.pem"))
	refusesKey(a, "certificate", "spki", "a certificate", "issue: a certificate", readKeyText("alice.certificate.pem"))
	refusesKey(a, "empty", "spki", "an empty text", "issue: garbage", "")
	refusesKey(a, "garbage", "spki", "a text that is no key", "issue: garbage", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ== alice")
	refusesKey(a, "pem-damaged", "spki", "a PEM whose base64 is damaged", "RFC 7468 section 3", strings.Replace(alice.spki(), "A", "*", 1))
	refusesKey(a, "pem-cut", "spki", "a PEM without its end", "RFC 7468 section 3", alice.spki()[:300])
	refusesKey(a, "pem-der-damaged", "spki", "a PEM whose DER is damaged", "RFC 7468 section 10", pemText("PUBLIC KEY", []byte{0x30, 0x03, 0x02, 0x01}))
	refusesKey(a, "pem-wrong-label", "spki", "a private key under a public label", "RFC 7468 section 13", strings.ReplaceAll(alice.pkcs8(), "PRIVATE", "PUBLIC"))
	three := big.NewInt(3)
	refusesKey(a, "pss-key", "spki", "a key that may only make RSASSA-PSS signatures", "RFC 4055 section 1.2", pemText("PUBLIC KEY", spkiDER(rsassaPSS, alice.N, three)))
	der, _ := pem.Decode([]byte(alice.pkcs8()))
	forPSS := bytes.Replace(der.Bytes, []byte{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, rsaEncryption}, []byte{0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, rsassaPSS}, 1)
	refusesKey(a, "pss-private-key", "pkcs8", "a private key that may only make RSASSA-PSS signatures", "RFC 4055 section 1.2", pemText("PRIVATE KEY", forPSS))
	many := []object{alice.jwk()}
	for range 64 {
		many = append(many, object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})
	}
	a.accept("jwks-64-keys", "a JWKS of 64 keys, one of them for us", "protocol.md section 6: 64 keys", inspect(jwks(many[:64]...), nil, object{"keys": []object{{"bits": 2048}}}))
	refusesKey(a, "jwks-65-keys", "jwks-64-keys", "a JWKS of 65 keys, one of them for us", "protocol.md section 6: 64 keys", jwks(many...))
	first, _ := pem.Decode([]byte(alice.privatePKCS1()))
	otherVersion := bytes.Replace(first.Bytes, []byte{0x02, 0x01, 0x00}, []byte{0x02, 0x01, 0x01}, 1)
	refusesKey(a, "pkcs1-version", "pkcs1-private", "a private key that says it has more than two primes, and has two", "RFC 8017 appendix A.1.2", pemText("RSA PRIVATE KEY", otherVersion))
	for _, kid := range []struct {
		name, says string
		value      any
	}{{"number", "a number", 1}, {"null", "null", nil}, {"control", "a text with a control character", "k\n1"}, {"empty", "an empty text", ""}, {"long", "a text of 257 bytes", strings.Repeat("k", 257)}} {
		refusesKey(a, "jwk-kid-"+kid.name, "jwk-own-kid", "a JWK whose kid is "+kid.says, "RFC 7517 section 4.5", text(alice.jwk().with(object{"kid": kid.value})))
	}
	refusesKey(a, "pem-der-trailing", "spki", "bytes after the DER", "RFC 7468 section 10", pemText("PUBLIC KEY", append(spkiDER(rsaEncryption, alice.N, three), 0)))
	refusesKey(a, "jwk-kty-oct", "jwk-public", "a symmetric JWK", "RFC 7518 section 6.4", `{"kty":"oct","k":"c2VjcmV0"}`)
	refusesKey(a, "jwk-kty-missing", "jwk-public", "a JWK without kty", "RFC 7517 section 4.1", text(alice.jwk().with(object{"kty": remove})))
	refusesKey(a, "jwk-kty-other", "jwk-public", "a JWK that says EC and has the members of RSA", "RFC 7517 section 4.1", text(alice.jwk().with(object{"kty": "EC"})))
	refusesKey(a, "jwk-n-missing", "jwk-public", "a JWK without n", "RFC 7518 section 6.3.1.1", `{"kty":"RSA","e":"AQAB"}`)
	refusesKey(a, "jwk-padding", "jwk-public", "a JWK with base64 padding", "RFC 7515 section 2", text(alice.jwk().with(object{"e": "AQAB=="})))
	refusesKey(a, "jwk-member-twice", "jwk-public", "a JWK with n twice", "RFC 7517 section 4", strings.Replace(text(alice.jwk()), `"n":`, `"n":"AQAB","n":`, 1))
	refusesKey(a, "jwk-parts-do-not-fit", "jwk-private", "a private JWK whose d belongs to another key", "RFC 7518 section 6.3.2",
		text(alice.privateJWK().with(object{"d": bob.privateJWK()["d"]})))
	refusesKey(a, "jwk-primes-missing", "jwk-private", "a private JWK with d but no primes", "RFC 7518 section 6.3.2",
		text(alice.jwk().with(object{"d": alice.privateJWK()["d"]})))
	refusesKey(a, "jwks-without-a-key-for-us", "jwk-public", "a JWKS of EC keys alone", "RFC 7517 section 5", jwks(object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}))
}

func wants(a *area) {
	source := "abi.md key.inspect: want"
	a.accept("want-private", "a private key where one is wanted", source, inspect(alice.pkcs8(), object{"want": "private"}, object{"keys": []object{{"kind": "private"}}}))
	a.accept("want-public", "a public key where one is wanted", source, inspect(alice.spki(), object{"want": "public"}, object{"keys": []object{{"kind": "public"}}}))
	a.reject("want-private-got-public", "want-private", "a public key to sign with", source, call("key.inspect", object{"text": alice.spki(), "want": "private"}, "", errorCode("invalid_key")))
	a.reject("want-public-got-private", "want-public", "a private key where a public one is wanted", source,
		call("key.inspect", object{"text": alice.pkcs8(), "want": "public"}, "", errorCode("invalid_key")))
}

func generated(a *area) {
	secrets := []string{"ok.kid", "ok.private_pem", "ok.public_pem", "ok.private_jwk", "ok.public_jwk"}
	generate := call("key.generate", object{}, "", okIncludes(object{"bits": 2048})).varies(secrets...).
		save("private", "ok.private_pem").save("public", "ok.public_pem").save("kid", "ok.kid")
	a.accept("generated", "a generated key signs, and its public half verifies", "rotagent KeyManager", generate,
		call("jws.sign", object{"private_key": "$private"}, "payload", okIncludes(object{})).varies("ok.token").save("token", "ok.token"),
		call("jws.verify", object{"token": "$token", "key": "$public"}, "", okIncludes(object{"payload": base64url([]byte("payload"))})),
		call("key.inspect", object{"text": "$public"}, "", okIncludes(object{"keys": []object{{"kid": "$kid"}}})).
			varies("ok.keys.0.kid", "ok.keys.0.public_pem", "ok.keys.0.public_pkcs1", "ok.keys.0.public_jwk"))
	a.reject("generate-1024", "generated", "a key of 1024 bits is not generated", "RFC 7518 section 3.3", call("key.generate", object{"bits": 1024}, "", errorCode("invalid_argument")))
	a.reject("generate-zero", "generated", "0 is no way to leave the size out", "abi.md key.generate", call("key.generate", object{"bits": 0}, "", errorCode("invalid_argument")))
	a.reject("generate-8192", "generated", "sizes are 2048, 3072 and 4096", "abi.md key.generate", call("key.generate", object{"bits": 8192}, "", errorCode("invalid_argument")))
}
