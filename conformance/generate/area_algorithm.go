package generate

import "crypto"

const step3 = "protocol.md section 3 step 3"

func algorithm() *area {
	a := newArea("algorithm", "The protected header: the algorithm of the key, here RS256; no extensions, no keys brought along.")
	a.accept("rs256", "alg RS256 is accepted", "RFC 7518 section 3.3", open(nil), accepted(sign(alice, rotagentClaims()), nil))
	unsupported(a)
	extensions(a)
	broughtKeys(a)
	return a
}

func unsupported(a *area) {
	claims := text(rotagentClaims())
	bad := func(name, says, source string, t token) {
		a.reject(name, "rs256", says, source, open(nil), refused(t, nil, "unsupported_algorithm"))
	}
	none := "RFC 8725 section 2.1; CVE-2015-9235; " + step3
	bad("none", "alg none with an empty signature", none, token{header: `{"alg":"none"}`, payload: claims})
	bad("none-mixed-case", "alg nOnE with an empty signature", none, token{header: `{"alg":"nOnE"}`, payload: claims})
	bad("none-with-signature", "alg none with a good RS256 signature", none, signTexts(alice, `{"alg":"none"}`, claims))
	a.reject("none-before-issuer", "rs256", "alg none of an issuer that nobody knows: the header is judged first", "protocol.md section 3: one order", open(nil),
		refused(token{header: `{"alg":"none"}`, payload: text(rotagentClaims().with(object{"iss": "nobody"}))}, nil, "unsupported_algorithm"))
	bad("empty", "an empty alg", step3, signTexts(alice, `{"alg":""}`, claims))
	bad("missing", "no alg", "RFC 7515 section 4.1.1; "+step3, signTexts(alice, `{"typ":"JWT"}`, claims))
	bad("lower-case", "alg rs256: names are case-sensitive", "RFC 7515 section 4.1.1; "+step3, signTexts(alice, `{"alg":"rs256"}`, claims))
	bad("number", "an alg that is a number", step3, signTexts(alice, `{"alg":256}`, claims))
	bad("array", "an alg that is an array", step3, signTexts(alice, `{"alg":["RS256"]}`, claims))
	bad("array-behind-text", "an alg that is an array, behind a member that says RS256", step3, signTexts(alice, `{"kid":"RS256","alg":["RS256"]}`, claims))
	bad("ps256", "alg PS256", "RFC 8725 section 3.1; "+step3, signTexts(alice, `{"alg":"PS256"}`, claims))

	rs512 := token{header: `{"alg":"RS512"}`, payload: claims}
	rs512.signature = signPKCS1(alice, crypto.SHA512, rs512.input())
	bad("rs512", "alg RS512, really signed so", "RFC 8725 section 3.1; "+step3, rs512)

	confused := token{header: `{"alg":"HS256"}`, payload: claims}
	confused.signature = hs256(alice.spki(), confused.input())
	bad("hs256-with-public-key", "alg HS256 with the public key's PEM as the secret", "RFC 8725 section 2.1; CVE-2016-5431; "+step3, confused)
}

func extensions(a *area) {
	bad := func(name, says, source string, header object) {
		a.reject(name, "rs256", says, source, open(nil), refused(signHeader(alice, header, rotagentClaims()), nil, "malformed_token"))
	}
	bad("crit-unknown", "crit names an extension that nobody knows", "RFC 7515 section 4.1.11; CVE-2025-59420; "+step3, object{"crit": []string{"x"}, "x": 1})
	bad("crit-empty", "an empty crit", "RFC 7515 section 4.1.11; "+step3, object{"crit": []string{}})
	bad("crit-null", "a crit of null", step3, object{"crit": nil})
	bad("b64-false", "b64 false with crit: the payload would not be encoded", "RFC 7797 section 3; "+step3, object{"crit": []string{"b64"}, "b64": false})
	bad("b64-false-without-crit", "b64 false without crit", "RFC 7797 section 6; "+step3, object{"b64": false})
	bad("b64-true", "b64 true: any b64 is refused", step3, object{"b64": true})
	bad("kid-number", "a kid that is a number", "RFC 7515 section 4.1.4", object{"kid": 7})
	bad("kid-empty", "an empty kid", traps, object{"kid": ""})
	bad("kid-nul", "a NUL in the kid", traps, object{"kid": "a\x00b"})
	bad("kid-control-character", "a line break in the kid", traps, object{"kid": "a\nb"})

	a.accept("typ-missing", "no typ", "RFC 7519 section 5.1", open(nil), accepted(signTexts(alice, `{"alg":"RS256"}`, text(rotagentClaims())), nil))
	a.accept("typ-media-type", "typ as a media type", "RFC 7515 section 4.1.9", open(nil), accepted(signHeader(alice, object{"typ": "application/jwt"}, rotagentClaims()), nil))
	a.reject("typ-other", "typ-missing", "a token of another type", "RFC 8725 section 3.11", open(nil),
		refused(signHeader(alice, object{"typ": "secevent+jwt"}, rotagentClaims()), nil, "malformed_token"))
}

// broughtKeys: a token that brings its own key would vouch for itself.
func broughtKeys(a *area) {
	source := "RFC 8725 section 3.10; CVE-2018-0114; " + step3
	for _, brought := range []struct {
		name  string
		value any
	}{
		{"jwk", mallory.jwk()},
		{"jku", "https://mallory.example/jwks.json"},
		{"x5u", "https://mallory.example/x5u.pem"},
		{"x5c", []string{"AAAA"}},
	} {
		name, header := brought.name, object{brought.name: brought.value}
		a.accept(name+"-ignored", name+" in the header is not looked at: alice's signature counts", source, open(nil), accepted(signHeader(alice, header, rotagentClaims()), nil))
		a.reject(name+"-not-trusted", name+"-ignored", name+" in the header is not looked at: mallory's signature does not count", source,
			open(nil), refused(signHeader(mallory, header, rotagentClaims()), nil, "invalid_signature"))
	}
}
