package generate

import (
	"encoding/base64"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func clientSecrets(a *area) {
	source := "RFC 6749 section 2.3.1; issue: unknown client same answer and time as wrong secret"
	a.accept("secret-post", "client_secret_post", source, openSigningAuthority(nil), gives(secretForm("target=@bob"), nil, nil))
	wrong := func(name, says, form string) {
		a.reject("secret-"+name, "secret-post", says, source, openAuthority(nil),
			tokenFor(form, nil, saying(401, secretAnswer.with(object{"www-authenticate": `Basic realm="https://portal.example"`}), object{"error": "invalid_client", "error_description": "client authentication failed"})))
	}
	with := func(id, secret string) string {
		return "grant_type=client_credentials&target=@bob&client_id=" + id + "&client_secret=" + secret
	}
	wrong("wrong", "a wrong secret", with("carol", clientSecret+"x"))
	wrong("empty", "an empty secret", with("carol", ""))
	wrong("prefix", "the beginning of the secret", with("carol", clientSecret[:20]))
	wrong("nul", "the secret and a NUL, with which HMAC fills a key up", with("carol", clientSecret+"%00"))
	wrong("hash", "the stored hash in place of the secret", with("carol", strings.ReplaceAll(secretHash, "$", "%24")))
	wrong("case", "the secret in upper case", with("carol", strings.ToUpper(clientSecret)))
	wrong("id-case", "the id in another case", with("Carol", clientSecret))
	wrong("unknown", "an unknown client", with("mallory", clientSecret))
	wrong("none", "an id alone", "grant_type=client_credentials&target=@bob&client_id=carol")
	answer := func(form string) step {
		return tokenFor(form, nil, okIncludes(object{"handled": true})).save("response", "ok.response")
	}
	a.reject("secret-unknown-same", "secret-post", "an unknown client gets the very answer of a wrong secret", source, openAuthority(nil), answer(with("carol", "wrong-wrong-wrong-wrong")),
		tokenFor(with("mallory", "wrong-wrong-wrong-wrong"), nil, okIncludes(object{"response": "$response", "level": "warning"})))
	a.reject("secret-before-grant", "secret-post", "who does not authenticate hears nothing of targets and scopes", source, openAuthority(nil),
		declines("grant_type=password&scope=admin&client_id=carol&client_secret=wrong-wrong-wrong", nil, 401, "invalid_client"))
	fed := func(clients ...object) step {
		return call("engine.feed", object{"engine": "$engine", "clients": append([]object{}, clients...)}, "", okIncludes(object{}))
	}
	a.accept("client-fed", "a client that was registered while running", "abi.md engine.feed", openAuthority(object{"clients": remove}), declines(carolsForm("target=@bob"), nil, 401, "invalid_client"), fed(registered(nil)), granted(carolsForm("target=@bob"), nil))
	a.reject("client-removed", "client-fed", "a client that was removed while running", "abi.md engine.feed", openAuthority(nil), granted(carolsForm("target=@bob"), nil), fed(), declines(carolsForm("target=@bob"), nil, 401, "invalid_client"))
	a.reject("client-fed-unusable", "client-fed", "clients that are wrong: the old ones stay", "abi.md engine.feed", openAuthority(nil), call("engine.feed", object{"engine": "$engine", "clients": []object{registered(object{"secret_hash": "x"})}}, "", errorCode("invalid_config")),
		granted(carolsForm("target=@bob"), nil))
}

// derivedFrom is what a host derives of a secret with the salt of secretHash.
func derivedFrom(secret string) string {
	hash := strings.Split(hashSecret(secret, "salt-of-16-bytes"), "$")[3]
	derived, err := base64.RawURLEncoding.DecodeString(hash)
	if err != nil {
		panic(err)
	}
	return string(derived)
}

// hostDerives: the work is the host's, the comparison the core's, and whoever is
// refused had the host work as long.
func hostDerives(a *area) {
	source := "abi.md needs: derive; RFC 6749 section 2.3.1; issue: unknown client same answer and time as wrong secret"
	host := openAuthority(object{"derive": "host"})
	wrongSecret := "wrong-wrong-wrong-wrong"
	with := func(id, secret string) string {
		return "grant_type=client_credentials&target=@bob&client_id=" + id + "&client_secret=" + secret
	}
	asks := func(form, secret string, salt string, iterations int) step {
		return tokenFor(form, nil, need("derive", object{"secret": secret, "salt": base64url([]byte(salt)), "iterations": iterations, "length": 32})).save("ticket", "ticket")
	}
	carols := asks(with("carol", clientSecret), clientSecret, "salt-of-16-bytes", 10_000)
	wrongs := asks(with("carol", wrongSecret), wrongSecret, "salt-of-16-bytes", 10_000)
	decoy := string(make([]byte, 16))
	signs := need("sign", object{"key": aliceNext.kid()})
	says := func(status int, oauth string, headers object) conformance.Expect {
		return saying(status, secretAnswer.with(headers), object{"error": oauth})
	}
	challenge := object{"www-authenticate": `Basic realm="https://portal.example"`}
	a.accept("derive", "the host derives, and the client is let in", source, host, carols, resume(nil, derivedFrom(clientSecret), signs).varies("need.input"))
	a.accept("derive-basic", "client_secret_basic", source, host,
		tokenFor("grant_type=client_credentials&target=@bob", object{"authorization": []string{basic("carol", clientSecret)}}, need("derive", object{"secret": clientSecret})).save("ticket", "ticket"),
		resume(nil, derivedFrom(clientSecret), signs).varies("need.input"))
	a.accept("derive-core", "the default: the core itself", source, openAuthority(object{"derive": "core"}), granted(secretForm("target=@bob"), nil))
	a.reject("derive-wrong", "derive", "a wrong secret", source, host, wrongs, resume(nil, derivedFrom(wrongSecret), says(401, "invalid_client", challenge)))
	a.reject("derive-one-bit", "derive", "what was derived differs in one bit", source, host, carols, resume(nil, flipLast(derivedFrom(clientSecret)), says(401, "invalid_client", challenge)))
	a.reject("derive-unknown", "derive", "an unknown client: the host works as long, and whatever it derives lets nobody in", source, host,
		asks(with("mallory", clientSecret), clientSecret, decoy, 10_000), resume(nil, derivedFrom(clientSecret), says(401, "invalid_client", challenge)))
	a.reject("derive-unknown-same", "derive", "and gets the very answer of a wrong secret", source, host, wrongs, resume(nil, derivedFrom(wrongSecret), okIncludes(object{"handled": true})).save("response", "ok.response"),
		asks(with("mallory", wrongSecret), wrongSecret, decoy, 10_000), resume(nil, derivedFrom(wrongSecret), okIncludes(object{"response": "$response", "level": "warning"})))
	keyed := openAuthority(object{"derive": "host", "clients": []object{registered(nil), registered(object{"client_id": "dave", "secret_hash": remove, "public_key": bob.spki()})}})
	a.reject("derive-keyed", "derive", "a client that has a key and no secret: the same work", source, keyed, asks(with("dave", clientSecret), clientSecret, decoy, 10_000),
		resume(nil, derivedFrom(clientSecret), says(401, "invalid_client", challenge)))
	costly := openAuthority(object{"derive": "host", "clients": []object{registered(nil), registered(object{"client_id": "dave", "secret_hash": "pbkdf2-sha256$25000$" + base64url([]byte("salt-of-16-bytes")) + "$" + base64url(make([]byte, 32))})}})
	a.reject("derive-rest", "derive", "another client's secret takes longer: a wrong one takes as long", source, costly, wrongs,
		resume(nil, derivedFrom(wrongSecret), need("derive", object{"salt": base64url([]byte(decoy)), "iterations": 15_000})).save("ticket", "ticket"), resume(nil, derivedFrom(wrongSecret), says(401, "invalid_client", challenge)))
	a.accept("derive-rest-not-for-right", "the right one does not", source, costly, carols, resume(nil, derivedFrom(clientSecret), signs).varies("need.input"))
	a.reject("derive-unsendable", "derive", "what no client can send is no secret, whoever it is: nothing is derived", source, host, declines(with("carol", clientSecret+"%00"), nil, 401, "invalid_client"))
	a.reject("derive-failed", "derive", "the host could not derive: no verdict, and the client hears no more than that", source, host, carols,
		resume(object{"failed": "no memory for thread 7"}, "", says(500, "server_error", object{"www-authenticate": remove})))
	for _, other := range [][2]string{{"short", derivedFrom(clientSecret)[:31]}, {"long", derivedFrom(clientSecret) + "\x00"}, {"none", ""}} {
		a.reject("derive-"+other[0], "derive", "what was derived has another length", source, host, carols, resume(nil, other[1], errorCode("invalid_argument")))
	}
	a.reject("derive-option", "derive", "a derive that is none of the two", "abi.md engine.open", call("engine.open", object{"access": object{"role": "authority", "base_url": portalURL, "ring": publicRing(aliceNext), "derive": "import"}}, "", errorCode("invalid_config")))
	a.accept("derive-64", "64 derivations at once", source, host, carols.times(64), resume(nil, derivedFrom(clientSecret), signs).varies("need.input"))
	a.reject("derive-over-64", "derive-64", "the 65th is asked to come again: the host's threads are not there for strangers alone", source, host, carols.times(64),
		tokenFor(with("carol", clientSecret), nil, says(503, "temporarily_unavailable", object{"retry-after": "1"})), granted(carolsForm("target=@bob"), nil))
	a.accept("derive-makes-room", "one that was answered makes room", source, host, carols.times(64), resume(nil, derivedFrom(clientSecret), signs).varies("need.input"), carols)
}

// flipLast changes the last bit.
func flipLast(text string) string {
	return text[:len(text)-1] + string([]byte{text[len(text)-1] ^ 1})
}

func basicHeaders(a *area) {
	source := "RFC 6749 section 2.3.1; RFC 7617"
	form := "grant_type=client_credentials&target=@bob"
	header := func(values ...string) object { return object{"authorization": values} }
	good := basic("carol", clientSecret)
	a.accept("basic", "client_secret_basic", source, openAuthority(nil), granted(form, header(good)))
	a.accept("basic-encoded", "form-encoded before it is joined", source, openAuthority(nil), granted(form, header(basic("c%61rol", strings.ReplaceAll(clientSecret, "-", "%2D")))))
	a.accept("basic-same-id", "the same client_id in the form", source, openAuthority(nil), granted(form+"&client_id=carol", header(good)))
	bad := func(name, says string, status int, oauth, form string, changes object) {
		a.reject("basic-"+name, "basic", says, source, openAuthority(nil), declines(form, changes, status, oauth))
	}
	bad("wrong", "a wrong secret", 401, "invalid_client", form, header(basic("carol", "wrong-wrong-wrong")))
	bad("unknown", "an unknown client", 401, "invalid_client", form, header(basic("mallory", clientSecret)))
	bad("broken", "no base64", 401, "invalid_client", form, header("Basic !"))
	bad("no-colon", "no colon", 401, "invalid_client", form, header("Basic Y2Fyb2w="))
	bad("bearer", "a Bearer token", 401, "invalid_client", form, header("Bearer x"))
	bad("line-break", "a line break, which Go's decoder skips", 401, "invalid_client", form, header(good[:10]+"\n"+good[10:]))
	bad("two-headers", "two headers", 400, "invalid_request", form, header(good, good))
	bad("two-headers-joined", "two headers that a server joined with a comma", 400, "invalid_request", form, header(good+","+good))
	bad("two-headers-joined-to-bearer", "two headers of which the first has a token, joined", 400, "invalid_request", form, header("Bearer x, "+good))
	bad("two-headers-bearer-joined", "two headers of which the second has a token, joined", 400, "invalid_request", form, header(good+", Bearer x"))
	bad("parameters", "one header of another scheme, whose parameters are separated by commas", 401, "invalid_client", form, header(`Digest username="carol", realm="a, b"`))
	bad("other-id", "another client_id in the form", 400, "invalid_request", form+"&client_id=alice", header(good))
	bad("two-methods", "two methods at once: header and form", 400, "invalid_request", secretForm("target=@bob"), header(good))
	a.reject("two-methods-assertion", "secret-post", "two methods at once: secret and assertion", "RFC 6749 section 2.3: the client MUST NOT use more than one", openAuthority(nil),
		declines(secretForm("target=@bob", "client_assertion=x", assertionForm), nil, 400, "invalid_request"))
}

func assertions(a *area) {
	source := "RFC 7523 section 3; OpenID Connect Core section 9"
	open := func(changes object) step {
		return openAuthority(object{"clients": []object{registered(object{"secret_hash": remove, "public_key": alice.spki()}), registered(object{"client_id": "dora", "secret_hash": remove, "public_key": mallory.spki()})}}.and(changes))
	}
	claims := func(changes object) object {
		return object{"iss": "carol", "sub": "carol", "aud": tokenURL, "iat": now, "exp": now + 60, "jti": "assertion-1"}.with(changes)
	}
	form := func(t string, more ...string) string {
		return strings.Join(append([]string{"grant_type=client_credentials", "target=@bob", assertionForm, "client_assertion=" + t}, more...), "&")
	}
	of := func(changes object) string { return sign(alice, claims(changes)).String() }
	fine := func(name, says string, form string) {
		a.accept("assertion"+name, says, source, open(nil), granted(form, nil))
	}
	fine("", "a signed assertion", form(of(nil)))
	fine("-with-id", "with client_id", form(of(nil), "client_id=carol"))
	fine("-for-issuer", "for the issuer in place of its endpoint", form(of(object{"aud": portalURL})))
	fine("-for-several", "for several", form(of(object{"aud": []string{"https://x.example", tokenURL}})))
	bad := func(name, says, form string) {
		a.reject("assertion-"+name, "assertion", says, source, open(nil), declines(form, nil, 401, "invalid_client"))
	}
	changed := func(name, says string, changes object) { bad(name, says, form(of(changes))) }
	changed("other-issuer", "iss is another", object{"iss": "dora"})
	changed("other-subject", "sub is another", object{"sub": "dora"})
	changed("unknown", "an unknown client", object{"iss": "mallory", "sub": "mallory"})
	changed("other-audience", "for another endpoint", object{"aud": "https://evil.example/auth/token"})
	changed("audience-prefix", "for an endpoint that begins like it", object{"aud": tokenURL + "/x"})
	changed("no-audience", "for nobody", object{"aud": remove})
	changed("expired", "expired", object{"iat": now - 200, "exp": now - 100})
	changed("no-exp", "for ever", object{"exp": remove})
	changed("long", "for a day: it could be stolen and used", object{"exp": now + 86400})
	changed("ahead", "not yet valid", object{"nbf": now + 100, "exp": now + 160})
	ahead := func(seconds int) object { return object{"iat": now + seconds, "exp": now + seconds + 300} }
	a.accept("assertion-skew", "iat 30 s ahead, and exp 300 s behind it: the client's clock runs ahead", source+"; "+step7+": clock_skew", open(nil), granted(form(of(ahead(30))), at(now)))
	a.reject("assertion-skew-over", "assertion-skew", "iat 31 s ahead", source+"; "+step7+": clock_skew", open(nil), declines(form(of(ahead(31))), at(now), 401, "invalid_client"))
	strict := open(object{"clock_skew": 0})
	a.accept("assertion-skew-none", "clock_skew of 0: iat at this moment", source+"; "+step7+": clock_skew", strict, granted(form(of(ahead(0))), at(now)))
	a.reject("assertion-skew-none-over", "assertion-skew-none", "clock_skew of 0: iat a second ahead", source+"; "+step7+": clock_skew", strict, declines(form(of(object{"iat": now + 1, "exp": now + 60})), at(now), 401, "invalid_client"))
	changed("no-jti", "without a jti it could be used twice", object{"jti": remove})
	changed("jti-number", "a jti that is a number", object{"jti": 1})
	bad("other-key", "signed by another client's key", form(sign(mallory, claims(nil)).String()))
	bad("unknown-key", "signed by nobody's key", form(sign(bob, claims(nil)).String()))
	bad("changed", "changed after it was signed", form(token{plainHeader, text(claims(object{"jti": "assertion-2"})), sign(alice, claims(nil)).signature}.String()))
	bad("none", "not signed", form(token{header: `{"alg":"none"}`, payload: text(claims(nil))}.String()))
	bad("hs256", "signed with the public key as a secret", form(hmacAssertion(text(claims(nil)))))
	bad("no-token", "no token", form("x"))
	bad("twice-iss", "iss twice", form(signTexts(alice, plainHeader, `{"iss":"dora",`+text(claims(nil))[1:]).String()))
	bad("id-differs", "client_id is another", form(of(nil), "client_id=dora"))
	bad("access-token", "the authority's own token is no assertion", form(signHeader(aliceNext, nil, accessClaims()).String()))
	a.reject("assertion-type", "assertion", "another assertion type", source, open(nil), declines(strings.Replace(form(of(nil)), "jwt-bearer", "saml2-bearer", 1), nil, 400, "invalid_request"))
	a.reject("assertion-type-alone", "assertion", "a type without an assertion", source, open(nil), declines("grant_type=client_credentials&target=@bob&"+assertionForm, nil, 400, "invalid_request"))
	a.reject("assertion-replayed", "assertion", "an assertion works once", source+": jti", open(nil), granted(form(of(nil)), nil), declines(form(of(nil)), nil, 401, "invalid_client"))
	a.accept("assertion-two", "two with different jtis work", source+": jti", open(nil), granted(form(of(nil)), nil), granted(form(of(object{"jti": "assertion-2"})), nil))
	a.accept("assertion-same-jti", "another client's jti may be the same", source+": jti", open(nil), granted(form(of(nil)), nil), granted(form(sign(mallory, claims(object{"iss": "dora", "sub": "dora"})).String()), nil))
	a.reject("assertion-refused-burns-nothing", "assertion-two", "a forged assertion does not use a jti up", source+": jti", open(nil), declines(form(sign(bob, claims(nil)).String()), nil, 401, "invalid_client"), granted(form(of(nil)), nil))
	used := declines(form(of(nil), "scope=not-for-carol"), nil, 400, "invalid_scope")
	used.Expect.OKIncludes = raw(object{"handled": true, "used_until": now + 60, "response": object{"status": 400}})
	floor := "abi.md access.serve: used_until"
	a.accept("assertion-used-until", "the answer says until when the window must remember the assertion, though the scope is refused", floor, open(nil), used)
	a.accept("assertion-after-lost-window", "an assertion that expires later than all that a lost window held", floor, open(object{"replay_floor": now + 59}), granted(form(of(nil)), nil))
	a.reject("assertion-before-lost-window", "assertion-after-lost-window", "an assertion that may have been used in a window that was lost", floor, open(object{"replay_floor": now + 60}),
		declines(form(of(nil)), nil, 503, "temporarily_unavailable"))
	asksClaim := tokenFor(form(of(nil)), nil,
		need("claim", object{"jti": "assertion-1", "seconds": 149})).save("ticket", "ticket")
	lost := "abi.md claim: replay_lost_at"
	a.accept("assertion-lost-before", "an assertion that was never alive before the store was lost", lost,
		open(object{"replay": "host", "replay_lost_at": now - 301}), asksClaim)
	a.reject("assertion-lost", "assertion-lost-before", "one that was", lost,
		open(object{"replay": "host", "replay_lost_at": now - 30}),
		declines(form(of(nil)), nil, 503, "temporarily_unavailable"))
	claim := func(word string, expect conformance.Expect) []step {
		return []step{open(object{"replay": "host"}), asksClaim, resume(object{"claim": word}, "", expect)}
	}
	claimed := claim("claimed", need("sign", object{}))
	claimed[2] = claimed[2].varies("need.input")
	a.accept("assertion-claimed", "replay host: the host claims its jti", abiNeeds, claimed...)
	a.reject("assertion-exists", "assertion-claimed", "and has it", abiNeeds, claim("exists", saying(401, secretAnswer, object{"error": "invalid_client"}))...)
	a.reject("assertion-store-down", "assertion-claimed", "or cannot be reached: fail closed", abiNeeds, claim("unavailable", saying(503, secretAnswer, object{"error": "temporarily_unavailable"}))...)
	word := func(name, says string, members object) {
		a.reject("assertion-claim-"+name, "assertion-claimed", says, abiNeeds, open(object{"replay": "host"}), asksClaim, resume(members, "", errorCode("invalid_argument")))
	}
	word("other-word", "an answer that is none of the three", object{"claim": "maybe"})
	word("claimed-and-failed", "claimed, and it failed: which of the two?", object{"claim": "claimed", "failed": "disk full"})
	word("empty", "an answer that says nothing", nil)
	word("as-check", "valid true is no answer to a claim", object{"valid": true})
	a.reject("secret-of-key-client", "assertion", "a client with a key has no secret", source, open(nil), declines(secretForm("target=@bob"), nil, 401, "invalid_client"))
	a.reject("assertion-of-secret-client", "secret-post", "a client with a secret has no key", source, openAuthority(object{"clients": []object{registered(object{"public_key": remove})}}), declines(form(of(nil)), nil, 401, "invalid_client"))
}

func hmacAssertion(payload string) string {
	t := token{header: `{"alg":"HS256","typ":"JWT"}`, payload: payload}
	t.signature = hs256(alice.spki(), t.input())
	return t.String()
}
