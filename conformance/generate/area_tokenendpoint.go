package generate

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func tokenEndpoint() *area {
	a := newArea("token-endpoint", "Who gets a token, for whom, with which scopes; and the one answer for all who do not authenticate.")
	grants(a)
	tokenForms(a)
	formSizes(a)
	clientSecrets(a)
	hostDerives(a)
	basicHeaders(a)
	assertions(a)
	tokenTargets(a)
	tokenScopes(a)
	agentsOwnEndpoint(a)
	tokenBindings(a)
	return a
}

const formType = "application/x-www-form-urlencoded"

// carolsAssertion is good at the portal's endpoint and at alice's.
var carolsAssertion = sign(alice, object{"iss": "carol", "sub": "carol", "aud": []string{tokenURL, aliceURL + "/auth/token"}, "iat": now, "exp": now + 60, "jti": "assertion-1"}).String()

// carolsForm are carol's parameters, each as it is encoded; the arguments are
// added. Where secrets are not the matter she authenticates with her key: the
// hash of a secret is meant to be slow.
func carolsForm(more ...string) string {
	return form(append([]string{"grant_type=client_credentials", assertionForm, "client_assertion=" + carolsAssertion}, more...)...)
}

// secretForm is the seed's form.
func secretForm(more ...string) string {
	return form(append([]string{"grant_type=client_credentials", "client_id=carol", "client_secret=" + clientSecret}, more...)...)
}

// tokenFor posts a form to the token endpoint.
func tokenFor(form string, changes object, expect conformance.Expect) step {
	return serve("/auth/token", object{"method": "POST", "content_type": formType, "now": now + 1}.and(changes), form, expect)
}

var secretAnswer = object{"content-type": "application/json", "cache-control": "no-store"}

// gives expects a token answer and saves the token.
func gives(form string, changes, members object) step {
	expect := saying(200, secretAnswer, object{"token_type": "Bearer"}.with(members))
	return tokenFor(form, changes, expect).varies("ok.response.body").save("token", "ok.response.body.@fromstr.access_token")
}

// granted expects that a token is to be signed.
func granted(form string, changes object) step {
	return tokenFor(form, changes, need("sign", object{"key": aliceNext.kid()})).varies("need.input")
}

func declines(form string, changes object, status int, oauth string) step {
	expect := saying(status, secretAnswer, object{"error": oauth})
	return tokenFor(form, changes, expect)
}

// bearer verifies the saved token at an agent of the portal.
func bearer(agent string, expect object) []step {
	open := openAccess(object{"base_url": agent, "ring": publicRing(bob), "keys": object{portalURL: aliceNext.spki()}, "trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}, "allowed_scopes": []string{"*"}})
	return []step{open, call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", okIncludes(expect)).varies("ok.jti", "ok.raw_claims.jti")}
}

func grants(a *area) {
	source := "RFC 6749 section 4.4; AOAuth skill Token Endpoint"
	bob := portalURL + "/agents/bob"
	steps := append([]step{openSigningAuthority(nil), gives(secretForm("scope=read+tools:search", "target=@bob"), nil, object{"expires_in": 300, "scope": "read tools:search"})},
		bearer(bob, object{"issuer": portalURL, "name": "carol", "agent_id": "carol", "client_id": "carol", "agent_url": portalURL + "/agents/carol", "scopes": []string{"read", "tools:search"}, "bound": false,
			"raw_claims": object{"iss": portalURL, "sub": "carol", "aud": bob, "iat": now + 1, "nbf": now + 1, "exp": now + 301, "client_id": "carol", "token_type": "Bearer", "agent_path": "/agents",
				"aoauth": object{"mode": "portal", "agent_url": portalURL + "/agents/carol"}}})...)
	a.accept("granted", "the seed's request, and what the token says", source+"; "+extension, steps...)
	a.accept("granted-logged", "the operator's log says who got what, and not the token", "abi.md access.serve: log", openSigningAuthority(nil),
		tokenFor(carolsForm("scope=read", "target=@bob"), nil, okIncludes(object{"level": "info", "log": `token issued to client "carol" for "https://portal.example/agents/bob", scope "read"`})).varies("ok.response.body"))
	a.accept("granted-webagents-path", "where webagents 0.3.9 asks", "webagents 0.3.9: /api/auth/token", openSigningAuthority(nil),
		serve("/api/auth/token", object{"method": "POST", "content_type": formType}, carolsForm("scope=read", "target=@bob"), saying(200, secretAnswer, object{"scope": "read"})).varies("ok.response.body"))
	json := text(object{"grant_type": "client_credentials", "client_id": "carol", "client_secret": clientSecret, "scope": "read", "target": "@bob"})
	a.accept("granted-json", "and how: as JSON", "webagents 0.3.9", openSigningAuthority(nil), gives(json, object{"content_type": "application/json"}, object{"scope": "read"}))
	a.accept("granted-ttl", "token_ttl of the authority", "AOAuth skill Token Settings", openSigningAuthority(object{"token_ttl": 60}), gives(carolsForm("target=@bob"), nil, object{"expires_in": 60}))
	host := openAuthority(nil)
	asksSign := tokenFor(carolsForm("target=@bob"), nil, need("sign", object{"key": aliceNext.kid()})).varies("need.input").save("ticket", "ticket")
	a.reject("signer-failed", "granted", "the signer failed: the client hears no more than that", "RFC 6749 section 5.2; "+abiNeeds, host, asksSign, resume(object{"failed": "HSM at 10.0.0.7 is locked"}, "", saying(500, secretAnswer, object{"error": "server_error"})))
	a.reject("portal-agent", "granted", "an agent of a portal gives no tokens", "AOAuth skill: Portal signs all tokens", openPortal(nil), declines(carolsForm("target=@bob"), nil, 400, "unauthorized_client"))
}

func tokenForms(a *area) {
	source := "RFC 6749 sections 3.2 and 5.2; issue: GET, repeated parameters"
	bad := func(name, says, form string, changes object) {
		a.reject("form-"+name, "granted", says, source, openAuthority(nil), declines(form, changes, 400, "invalid_request"))
	}
	good := carolsForm("scope=read", "target=@bob")
	a.reject("get", "granted", "GET: the secret would stand in logs", source, openAuthority(nil), tokenFor("", object{"method": "GET"}, saying(405, object{"allow": "POST"}, object{"error": "invalid_request"})))
	bad("scope-twice", "a parameter twice", good+"&scope=write", nil)
	bad("client-twice", "client_id twice", good+"&client_id=carol&client_id=alice", nil)
	bad("target-twice", "target twice", good+"&target=@carol", nil)
	bad("secret-twice-encoded", "a parameter twice, once spelled with an escape", secretForm("target=@bob")+"&client%5Fsecret=x", nil)
	a.reject("form-empty", "granted", "an empty body: no client authentication", "RFC 6749 section 5.2: invalid_client", openAuthority(nil), declines("", nil, 401, "invalid_client"))
	bad("type-missing", "no content type", good, object{"content_type": remove})
	bad("type-other", "another content type", good, object{"content_type": "text/plain"})
	bad("type-multipart", "multipart", good, object{"content_type": "multipart/form-data; boundary=x"})
	bad("percent", "a % that encodes nothing", good+"&x=%zz", nil)
	bad("latin-1", "bytes that are not UTF-8", good+"&x=\xe9", nil)
	bad("json-twice", "a member of JSON twice", `{"grant_type":"client_credentials","client_id":"carol","client_id":"alice"}`, object{"content_type": "application/json"})
	bad("json-number", "a number in JSON", `{"grant_type":"client_credentials","client_id":1}`, object{"content_type": "application/json"})
	bad("json-array", "an array", "[]", object{"content_type": "application/json"})
	bad("grant-missing", "no grant_type", "client_id=carol&client_secret="+clientSecret+"&target=@bob", nil)
	bad("target-missing", "no target", carolsForm("scope=read"), nil)
	bad("target-empty", "an empty target", carolsForm("target="), nil)
	bad("client-missing", "no client_id", "grant_type=client_credentials&client_secret=x&target=@bob", nil)
	other := func(name, grant string) {
		a.reject("grant-"+name, "granted", "another grant: "+grant, "RFC 6749 section 5.2", openAuthority(nil), declines(strings.Replace(good, "client_credentials", grant, 1), nil, 400, "unsupported_grant_type"))
	}
	other("password", "password")
	other("code", "authorization_code")
	other("case", "Client_Credentials")
	a.accept("form-type-parameter", "a content type with a parameter", "RFC 9110 section 8.3.1", openAuthority(nil), granted(good, object{"content_type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}))
	a.accept("form-unknown", "unknown parameters are ignored", "RFC 6749 section 3.2", openAuthority(nil), granted(good+"&audience=x&resource=y", nil))
	a.accept("form-encoded", "+ and %20 are spaces", "RFC 6749 appendix B", openSigningAuthority(nil), gives(carolsForm("scope=read%20tools:a+tools:b", "target=%40bob"), nil, object{"scope": "read tools:a tools:b"}))
	a.reject("form-too-large", "granted", "a body over 64 KiB that the host did not read", "abi.md access.serve", openAuthority(nil), declines("", object{"body_too_large": true}, 413, "invalid_request"))
	a.reject("form-malformed", "granted", "a body whose transfer is broken", "abi.md access.serve", openAuthority(nil), declines("", object{"body_malformed": true}, 400, "invalid_request"))
	a.reject("form-overloaded", "granted", "a body for which the host has no room", "abi.md access.serve", openAuthority(nil), declines("", object{"overloaded": true}, 503, "temporarily_unavailable"))
	for _, tale := range []struct {
		name, says, form string
		members          object
	}{
		{"states", "too large, and no room for it", "", object{"body_too_large": true, "overloaded": true}},
		{"state-and-bytes", "broken, and its bytes", good, object{"body_malformed": true}},
	} {
		a.reject("form-two-"+tale.name, "granted", "two tales of one body: "+tale.says, "abi.md access.serve", openAuthority(nil), tokenFor(tale.form, tale.members, errorCode("invalid_argument")))
	}
	a.reject("form-too-large-read", "granted", "a body over 64 KiB that it did", "abi.md access.serve", openAuthority(nil), declines("x="+strings.Repeat("x", 65536), nil, 413, "invalid_request"))
}

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

const assertionForm = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

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
	asksClaim := tokenFor(form(of(nil)), nil, need("claim", object{"jti": "assertion-1", "expires_at": now + 90})).save("ticket", "ticket")
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

// formSizes: a form has 64 parameters and 65,536 bytes at most.
func formSizes(a *area) {
	const most = 64
	filled := func(parameters int) string {
		fields := []string{carolsForm("target=@bob")}
		for n := strings.Count(fields[0], "&") + 1; n < parameters; n++ {
			fields = append(fields, "x"+strconv.Itoa(n)+"=1")
		}
		return strings.Join(fields, "&")
	}
	source := section7 + "; abi.md access.serve"
	a.accept("form-most-parameters", "64 parameters", source, openAuthority(nil), granted(filled(most), nil))
	a.reject("form-many-parameters", "form-most-parameters", "65", source, openAuthority(nil), declines(filled(most+1), nil, 400, "invalid_request"))
}

func hmacAssertion(payload string) string {
	t := token{header: `{"alg":"HS256","typ":"JWT"}`, payload: payload}
	t.signature = hs256(alice.spki(), t.input())
	return t.String()
}

func tokenTargets(a *area) {
	source := section7 + "; abi.md ClientConfig: targets"
	limits := object{"clients": []object{registered(object{"targets": []string{"@bob", "https://partner.example/*"}})}}
	may := func(name, says, target, audience string) {
		a.accept("target-"+name, says, source, sequence(openSigningAuthority(limits), []step{gives(carolsForm("target="+target), nil, nil)}, bearer(audience, object{"authenticated": true}))...)
	}
	may("name", "a target that the client may reach", "@bob", portalURL+"/agents/bob")
	may("url", "by its URL", portalURL+"/agents/bob", portalURL+"/agents/bob")
	may("pattern", "by a pattern of URLs", "https://partner.example/x", "https://partner.example/x")
	no := func(name, says, target string) {
		a.reject("target-"+name, "target-name", says, source+"; RFC 8707 section 2", openAuthority(limits), declines(carolsForm("target="+target), nil, 400, "invalid_target"))
	}
	no("other", "another agent", "@dora")
	no("child", "what lies below one", "@bob.bot")
	no("look-alike", "a host that begins like one", "https://partner.example.evil.example/x")
	no("broken", "no agent's URL", "https://x@partner.example/y")
	no("climbs", "a name that climbs", "@../admin")
	no("several", "several", "@bob+@carol")
}

func tokenScopes(a *area) {
	source := "RFC 6749 section 3.3; protocol.md section 4"
	gets := func(name, says string, client object, form, scope string) {
		a.accept("scope-"+name, says, source, openSigningAuthority(object{"clients": []object{registered(client)}}), gives(carolsForm(append([]string{"target=@bob"}, strings.Fields(form)...)...), nil, object{"scope": scope}))
	}
	gets("default", "no scope: all that the client may have, as far as it has no wildcard", nil, "", "read")
	gets("some", "some of them", object{"scopes": []string{"read", "write"}}, "scope=write", "write")
	gets("repeated", "repeats are dropped", nil, "scope=read+read", "read")
	gets("namespaces", "the authority assigns namespaces", object{"namespaces": []string{"production", "test"}}, "scope=read", "read namespace:production namespace:test")
	gets("labels", "and trust labels", object{"trust": []string{"verified"}}, "scope=read", "read trust:verified")
	gets("asked-for-assigned", "asking for what is assigned changes nothing", object{"namespaces": []string{"production"}}, "scope=read+namespace:production", "read namespace:production")
	no := func(name, says string, client object, scope string) {
		a.reject("scope-"+name, "scope-some", says, source+"; issue: unknown scope", openAuthority(object{"clients": []object{registered(client)}}), declines(carolsForm("target=@bob", "scope="+scope), nil, 400, "invalid_scope"))
	}
	no("unknown", "a scope that the client may not have", nil, "admin")
	no("one-of-two", "one of two", nil, "read+admin")
	no("wildcard", "a wildcard is no scope that one may have by asking", nil, "*")
	no("case", "scopes are case-sensitive", nil, "Read")
	no("label", "a label that was not assigned", nil, "trust:verified")
	no("label-by-pattern", "not even where the client's patterns have everything", object{"scopes": []string{"*"}}, "trust:reputation-100")
	no("namespace-by-pattern", "nor a namespace", object{"scopes": []string{"*"}}, "namespace:production")
	no("two-spaces", "two spaces", nil, "read++read")
	no("quote", "a quote", nil, "re%22ad")
	no("line-break", "a line break", nil, "read%0Aadmin")
}

// agentsOwnEndpoint: an agent that signs itself gives tokens for itself alone.
func agentsOwnEndpoint(a *area) {
	source := "issue: An agent's own token endpoint issues only for itself as audience, with the client as sub"
	own := func(changes object) step {
		return openSelf(object{"clients": []object{registered(object{"scopes": []string{"read", "admin"}})}}.and(changes))
	}
	private := object{"ring": ringOf(ringEntry(alice, "active", nil))}
	steps := []step{own(private), gives(carolsForm("scope=read"), nil, object{"scope": "read"}),
		call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", okIncludes(object{"issuer": aliceURL, "agent_id": "carol", "client_id": "carol", "agent_url": aliceURL + "/carol",
			"name": "example.alice.carol", "scopes": []string{"read"}, "issuer_type": "agent"})).varies("ok.jti", "ok.raw_claims.jti")}
	a.accept("own", "the client is the sub, the agent the audience", source, steps...)
	a.accept("own-target", "its own URL as the target", source, own(private), gives(carolsForm("target=https://Alice.example/"), nil, nil))
	no := func(name, twin, says, form, oauth string, changes object) {
		a.reject("own-"+name, twin, says, source, own(changes), declines(form, nil, 400, oauth))
	}
	no("other-target", "own-target", "another agent", carolsForm("target="+bobURL), "invalid_target", nil)
	no("below-target", "own-target", "what lies below it", carolsForm("target="+aliceURL+"/x"), "invalid_target", nil)
	no("scope", "own", "a scope that the agent does not accept", carolsForm("scope=admin"), "invalid_scope", nil)
	no("label", "own", "an agent gives no trust labels", carolsForm("scope=trust:verified"), "invalid_scope", object{"allowed_scopes": []string{"*"}, "clients": []object{registered(object{"scopes": []string{"*"}, "trust": []string{"verified"}})}})
	a.accept("own-no-labels", "not even those of its clients' registration: they are an authority's to give", "protocol.md section 4: trust:* labels", own(private.and(object{"allowed_scopes": []string{"*"}, "clients": []object{registered(object{"scopes": []string{"read"}, "trust": []string{"verified"}, "namespaces": []string{"x"}})}})),
		gives(carolsForm("scope=read"), nil, object{"scope": "read"}))
	a.reject("own-any-secret", "own", "webagents' self-issued mode takes any secret: we must not", section7, own(nil), declines("grant_type=client_credentials&client_id=anybody&client_secret=anything-at-all-x", nil, 401, "invalid_client"))
	a.reject("own-without-clients", "own", "without clients nobody gets a token", section7, openSelf(nil), declines(carolsForm(), nil, 401, "invalid_client"))
	a.reject("own-not-webagents-path", "granted-webagents-path", "an agent has no portal's endpoint", "abi.md access.serve: Paths", own(nil), serve("/api/auth/token", object{"method": "POST", "content_type": formType}, carolsForm(), unhandled()))
}

func tokenBindings(a *area) {
	source := "issue: Both profiles together"
	url := "htu=https://portal.example/agents/bob/chat"
	digest := "content_sha256=" + hexSHA256(body)
	steps := []step{openSigningAuthority(nil), gives(carolsForm("target=@bob", "scope=read", "htm=POST", url, digest), nil, nil).save("token", "ok.response.body.@fromstr.access_token")}
	open := bearer(portalURL+"/agents/bob", object{})[0]
	steps = append(steps, open, call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", refusal("wrong_target")))
	a.reject("bound-token", "granted", "a bound token from an authority is worth nothing without its request", source, steps...)
	bad := func(name, says string, more ...string) {
		a.reject("bound-"+name, "granted", says, source, openAuthority(nil), declines(carolsForm(append([]string{"target=@bob"}, more...)...), nil, 400, "invalid_request"))
	}
	bad("half", "a method and a URL without a digest", "htm=POST", url)
	bad("digest-alone", "a digest alone", digest)
	bad("digest-malformed", "a digest that is none", "htm=POST", url, "content_sha256=x")
	bad("method", "a method that is none", "htm=PO%20ST", url, digest)
	bad("url", "a URL that is none", "htm=POST", "htu=/chat", digest)
}
