package generate

const step5 = "protocol.md section 3 step 5"

func keySelection() *area {
	a := newArea("key-selection", "Which of an issuer's keys: by kid where the set has kids, else every key that may sign, at most 8.")
	byKid(a)
	rotation(a)
	unsuitable(a)
	atMostEight(a)
	return a
}

func withKid(key pair, kid string) token {
	return signHeader(key, object{"kid": kid}, rotagentClaims())
}

func keysOfAlice(text string) step { return open(object{"keys": object{"alice": text}}) }

func byKid(a *area) {
	set := jwks(alice.jwk().with(object{"kid": "k1"}), aliceNext.jwk().with(object{"kid": "k2"}))
	a.accept("kid-first", "the kid selects the first key", step5, keysOfAlice(set), accepted(withKid(alice, "k1"), nil))
	a.accept("kid-second", "the kid selects the second key", step5, keysOfAlice(set), accepted(withKid(aliceNext, "k2"), nil))
	a.accept("kid-absent", "without a kid every key is tried", step5, keysOfAlice(set), accepted(sign(aliceNext, rotagentClaims()), nil))
	a.accept("kid-thumbprint", "a kid that is the key's thumbprint selects it", "RFC 7638; "+step5, keysOfAlice(set), accepted(withKid(aliceNext, aliceNext.kid()), nil))
	a.reject("kid-of-another-key", "kid-second", "the kid names one key, another one signed", step5, keysOfAlice(set), refused(withKid(aliceNext, "k1"), nil, "invalid_signature"))
	a.reject("kid-unknown", "kid-first", "no key has that kid", step5, keysOfAlice(set), refused(withKid(alice, "k3"), nil, "unknown_key"))
	a.reject("kid-other-case", "kid-first", "kids are case-sensitive", "RFC 7515 section 4.1.4", keysOfAlice(set), refused(withKid(alice, "K1"), nil, "unknown_key"))
	a.reject("kid-is-a-path", "kid-first", "a path as kid opens nothing", traps, keysOfAlice(set), refused(withKid(alice, "../../dev/null"), nil, "unknown_key"))
	a.accept("kid-for-pem", "keys without kids are tried whatever the token's kid: a stranger numbers its keys as it likes", step5,
		keysOfAlice(alice.spki()), accepted(withKid(alice, "anything"), nil))
}

func rotation(a *area) {
	two := alice.spki() + aliceNext.spki()
	a.accept("rotation-old", "two PEM blocks: the old key still signs", "protocol.md section 1", keysOfAlice(two), accepted(sign(alice, rotagentClaims()), nil))
	a.accept("rotation-new", "two PEM blocks: the new key signs already", "protocol.md section 1", keysOfAlice(two), accepted(sign(aliceNext, rotagentClaims()), nil))
	a.reject("rotation-neither", "rotation-new", "two PEM blocks: a third key does not sign", "protocol.md section 1", keysOfAlice(two),
		refused(sign(mallory, rotagentClaims()), nil, "invalid_signature"))
	a.accept("sizes-mixed", "keys of different sizes: the 3072-bit one signed", step5, keysOfAlice(alice.spki()+large.spki()), accepted(sign(large, rotagentClaims()), nil))
}

func unsuitable(a *area) {
	source := "RFC 7517 section 4; " + step5
	other := bob.jwk().with(object{"kid": "other"})
	set := func(members object) string { return jwks(alice.jwk().with(object{"kid": "k1"}).with(members), other) }
	a.accept("jwk-for-signatures", "a JWK with use sig, alg RS256 and key_ops verify", source,
		keysOfAlice(set(object{"use": "sig", "alg": "RS256", "key_ops": []string{"verify"}})), accepted(withKid(alice, "k1"), nil))
	bad := func(name string, members object) {
		a.reject(name, "jwk-for-signatures", "a JWK that is not for RS256 signatures is passed over", source,
			keysOfAlice(set(members)), refused(withKid(alice, "k1"), nil, "unknown_key"))
	}
	bad("jwk-use-enc", object{"use": "enc"})
	bad("jwk-alg-rs512", object{"alg": "RS512"})
	bad("jwk-key-ops-encrypt", object{"key_ops": []string{"encrypt"}})
	a.accept("jwks-with-strangers", "keys that are not RSA, too small or damaged are passed over, not fatal", "RFC 7517 section 5; protocol.md section 6",
		keysOfAlice(jwks(object{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, object{"kty": "oct", "k": "c2VjcmV0"}, weak.jwk(), object{"kty": "RSA", "n": "!"}, alice.jwk())),
		accepted(sign(alice, rotagentClaims()), nil))
}

// atMostEight fills a set with eight keys in front of the one that signed.
func atMostEight(a *area) {
	crowd := func(others int) string {
		keys := []object{}
		for range others {
			keys = append(keys, bob.jwk())
		}
		return jwks(append(keys, alice.jwk())...)
	}
	a.accept("eighth", "the eighth key of an issuer is tried", step5, keysOfAlice(crowd(7)), accepted(sign(alice, rotagentClaims()), nil))
	a.reject("ninth", "eighth", "the ninth key of an issuer is not tried: work per token is bounded", step5, keysOfAlice(crowd(8)),
		refused(sign(alice, rotagentClaims()), nil, "invalid_signature"))
}
