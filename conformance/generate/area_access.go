package generate

import (
	"strings"
)

const (
	step12    = "protocol.md section 3 step 12"
	oneOrder  = "protocol.md section 3: one order"
	extension = "protocol.md section 2: both spellings of the extension"
	aoauth    = "AOAuth skill JWT Token Structure"
)

func accessTokens() *area {
	a := newArea("access", "Access tokens: the pipeline, who the caller is, and that a token works until it expires.")
	context(a)
	accessForm(a)
	accessKeys(a)
	accessTimes(a)
	accessClaimTypes(a)
	accessAudience(a)
	accessOrder(a)
	reused(a)
	accessMisuse(a)
	return a
}

// context: the seed's AuthContext.
func context(a *area) {
	t := accessToken(nil)
	full := object{
		"authenticated": true, "user_id": nil, "agent_id": "alice", "source_agent": "alice", "scopes": []string{"read", "write"}, "namespaces": []string{},
		"issuer": aliceURL, "issuer_type": "agent", "agent_url": aliceURL, "name": "example.alice", "namespace": "example.alice", "trust_labels": []string{},
		"jti": "jti-1", "issued_at": now, "expires_at": now + 300, "key_id": alice.kid(), "client_id": "alice", "bound": false, "raw_claims": accessClaims(),
	}
	exact := call("access.verify", asked(t.String(), nil), "", ok(full))
	exact.note = t.note()
	a.accept("context", "every member of the AuthContext", "AOAuth skill AuthContext; abi.md access.verify", openAccess(nil), exact)
	a.accept("context-bare-token", "the same of a bare token, without a request", "abi.md access.verify", openAccess(nil),
		call("access.verify", object{"engine": "$engine", "now": now + 1, "token": t.String()}, "", ok(full)))
	least := accessToken(object{"jti": remove, "iat": remove, "nbf": remove, "scope": remove, "client_id": remove, "token_type": remove, "aoauth": object{"agent_url": aliceURL}})
	a.accept("context-least", "a token with the fewest claims", "abi.md access.verify: string|null", openAccess(nil),
		lets(least, nil, object{"jti": nil, "issued_at": nil, "client_id": nil, "scopes": []string{}, "expires_at": now + 300}))
	user := openAccess(object{"trusted_issuers": []object{{"issuer": aliceURL, "type": "user"}}})
	a.accept("context-user", "an issuer of users: user_id in place of agent_id", "AOAuth skill AuthContext: issuer_type", user,
		lets(accessToken(object{"sub": "auth0|17", "aoauth": remove}), nil, object{"user_id": "auth0|17", "agent_id": nil, "source_agent": nil, "issuer_type": "user"}))
	portal := openAccess(object{"trusted_issuers": []object{{"issuer": aliceURL, "type": "portal"}}, "allowed_scopes": []string{"read", "namespace:*"}})
	a.accept("context-portal", "a portal's token: its name is sub, its labels count", section5+"; protocol.md section 4", portal,
		lets(accessToken(object{"scope": "read write namespace:production trust:verified trust:reputation-7", "agent_path": "/agents", "aoauth": object{"mode": "portal", "agent_url": aliceURL + "/agents/alice"}}), nil,
			object{"issuer_type": "portal", "name": "alice", "namespace": "alice", "agent_url": aliceURL + "/agents/alice", "scopes": []string{"read", "namespace:production"},
				"namespaces": []string{"production"}, "trust_labels": []string{"verified", "reputation-7"}}))
	a.accept("context-path", "AOAuth 1.0: agent_path in place of aoauth, as tokens of webagents 0.3.9 have it", extension, openAccess(nil),
		lets(accessToken(object{"agent_path": "/agents", "aoauth": remove}), nil, object{"agent_url": aliceURL + "/agents/alice", "name": "example.alice.agents.alice"}))
	a.accept("context-webagents", "a token as webagents 0.3.9 writes it: iss is scheme and host, no nbf, no client_id", "issue: tokens of 0.3.9 are read too", openAccess(nil),
		lets(accessToken(object{"agent_path": "/agents", "aoauth": remove, "nbf": remove, "client_id": remove}), nil, object{"agent_url": aliceURL + "/agents/alice", "client_id": nil}))
	a.accept("context-both", "both spellings: aoauth.agent_url goes first", extension, openAccess(nil),
		lets(accessToken(object{"agent_path": "/agents"}), nil, object{"agent_url": aliceURL}))
	a.accept("context-unknown-claims", "unknown claims are handed on", "RFC 7519 section 4", openAccess(nil), lets(accessToken(object{"x": object{"y": []int{1}}}), nil, object{"raw_claims": object{"x": object{"y": []int{1}}}}))
	a.accept("static-keys", "an issuer whose keys are configured is never fetched", "abi.md engine.open: keys", openAccess(nil), letsIn(t, nil))
	a.accept("static-keys-are-trust", "its keys are configured, so it needs no place on the allow list", "protocol.md section 3 step 4", openAccess(object{"allow": []string{"@somebody"}}), letsIn(t, nil))
	a.accept("own-token", "an agent knows its own key", "issue: an agent's own token endpoint", openAccess(nil),
		lets(signHeader(bob, object{"kid": bob.kid()}, accessClaims().with(object{"iss": bobURL, "sub": "carol", "aoauth": object{"agent_url": bobURL + "/carol"}})), nil, object{"name": "com.example.agents.bob.carol"}))
}

// accessForm is steps 1 to 3 as far as this profile could have a hole of its own;
// area_gate.go has the form of tokens in full.
func accessForm(a *area) {
	good := accessToken(nil)
	rejects := func(code string) func(name, says string, values ...string) {
		return func(name, says string, values ...string) {
			a.reject("header-"+name, "context", says, step1, openAccess(nil), call("access.verify", asked("", object{"authorization": append([]string{}, values...)}), "", refusal(code)))
		}
	}
	header, ambiguous := rejects("missing_authorization"), rejects("ambiguous_authorization")
	header("missing", "no header")
	ambiguous("two", "two headers", "Bearer "+good.String(), "Bearer "+good.String())
	ambiguous("joined", "two headers that a server joined", "Bearer "+good.String()+", Bearer "+good.String())
	ambiguous("joined-basic-first", "two headers of which the first has another scheme, joined", "Basic YTpi,Bearer "+good.String())
	header("basic", "another scheme", "Basic YTpi")
	header("empty", "Bearer alone", "Bearer ")
	a.accept("header-case", "the scheme is case-insensitive", step1, openAccess(nil), call("access.verify", asked("", object{"authorization": []string{"bEARER " + good.String()}}), "", okIncludes(object{"authenticated": true})))

	texts := func(name, says, source, code, header, payload string) {
		a.reject(name, "context", says, source, openAccess(nil), keepsOut(signTexts(alice, header, payload), nil, code))
	}
	claims := text(accessClaims())
	member := func(members string) string { return `{` + members + `,` + claims[1:] }
	texts("form-issuer-twice", "iss twice", step2, "malformed_token", plainHeader, member(`"iss":"https://evil.example"`))
	texts("form-nested-twice", "agent_url twice inside aoauth", step2, "malformed_token", plainHeader, member(`"x":{"agent_url":"a","agent_url":"b"}`))
	texts("form-null", "a payload of null", traps, "malformed_token", plainHeader, "null")
	texts("form-depth", "nesting of 5,000 levels", traps, "malformed_token", plainHeader, member(`"x":`+nested(5000)))
	texts("form-surrogate", "an unpaired surrogate", traps, "malformed_token", plainHeader, member(`"x":"\ud800"`))
	a.reject("form-size", "context", "a token over 16,384 bytes", step2, openAccess(nil), keepsOut(accessToken(object{"x": strings.Repeat("x", 12500)}), nil, "malformed_token"))
	a.reject("form-padding", "context", "padding", step2, openAccess(nil), call("access.verify", asked(good.String()+"==", nil), "", refusal("malformed_token")))
	a.reject("form-bare-token", "context-bare-token", "a bare token that is none", step2, openAccess(nil), call("access.verify", object{"engine": "$engine", "now": now, "token": "a.b"}, "", refusal("malformed_token")))

	a.reject("form-bare-empty", "context-bare-token", "an empty bare token", step2, openAccess(nil), call("access.verify", object{"engine": "$engine", "now": now, "token": ""}, "", refusal("malformed_token")))

	step3 := "protocol.md section 3 step 3"
	with := func(name, says, source, code string, header object) {
		a.reject("header-"+name, "context", says, source, openAccess(nil), keepsOut(signHeader(alice, header, accessClaims()), nil, code))
	}
	with("none", "alg none", step3, "unsupported_algorithm", object{"alg": "none"})
	with("rs512", "alg RS512", step3, "unsupported_algorithm", object{"alg": "RS512"})
	with("alg-case", "alg rs256", step3, "unsupported_algorithm", object{"alg": "rs256"})
	with("crit", "a critical extension", "RFC 7515 section 4.1.11; "+step3, "malformed_token", object{"crit": []string{"exp"}})
	with("b64", "an unencoded payload", "RFC 7797; "+step3, "malformed_token", object{"b64": false})
	hmac := token{header: `{"alg":"HS256","typ":"JWT"}`, payload: claims}
	hmac.signature = hs256(alice.spki(), hmac.input())
	a.reject("header-hs256", "context", "HS256 with the public key as its secret", "RFC 8725 section 2.1", openAccess(nil), keepsOut(hmac, nil, "unsupported_algorithm"))
	forged := signHeader(mallory, object{"jwk": publishedJWK(mallory), "jku": "https://evil.example/keys", "kid": mallory.kid()}, accessClaims())
	a.reject("header-brings-its-key", "context", "jwk and jku in the header are never looked at", step3, openAccess(nil), keepsOut(forged, nil, "invalid_signature"))
}

func accessKeys(a *area) {
	a.reject("signature-other-key", "static-keys", "signed by another key", step6, openAccess(nil), keepsOut(signHeader(mallory, object{"kid": alice.kid()}, accessClaims()), nil, "invalid_signature"))
	a.reject("signature-changed", "static-keys", "a payload that was changed", step6, openAccess(nil),
		keepsOut(token{accessToken(nil).header, text(accessClaims().with(object{"scope": "admin"})), accessToken(nil).signature}, nil, "invalid_signature"))
	set := openAccess(object{"keys": object{aliceURL: jwks(publishedJWK(alice))}})
	a.accept("kid", "a kid of the issuer's set", step5, set, letsIn(accessToken(nil), nil))
	a.reject("kid-unknown", "kid", "a kid that is not in it: no other key is tried", step5, set, keepsOut(signHeader(alice, object{"kid": "other"}, accessClaims()), nil, "unknown_key"))
	a.reject("kid-of-other-key", "kid", "the kid of another key", step5, set, keepsOut(accessTokenBy(mallory, nil), nil, "unknown_key"))
	a.accept("kid-missing", "no kid: every key of the issuer is tried", step5, openAccess(nil), letsIn(sign(alice, accessClaims()), nil))
	two := object{"keys": object{aliceURL: alice.spki(), "https://carol.example": mallory.spki()}}
	a.accept("two-issuers", "two issuers, each with its key", step5, openAccess(two), letsIn(accessToken(nil), nil),
		letsIn(accessTokenBy(mallory, object{"iss": "https://carol.example", "aoauth": object{"agent_url": "https://carol.example"}}), nil))
	a.reject("key-of-other-issuer", "two-issuers", "carol's good signature under alice's name", step5, openAccess(two), keepsOut(accessTokenBy(mallory, nil), nil, "invalid_signature"))
	a.reject("key-of-agent-itself", "own-token", "bob's own key speaks for bob alone", step5, openAccess(nil), keepsOut(accessTokenBy(bob, nil), nil, "invalid_signature"))
	retired := openAccess(object{"ring": ringOf(ringEntry(bob, "active", object{"private_pem": remove, "public_pem": bob.spki()}),
		ringEntry(aliceNext, "retired", object{"private_pem": remove, "public_pem": aliceNext.spki(), "dead_at": now + 100}))})
	own := func(key keyPair) token {
		return accessTokenBy(key, object{"iss": bobURL, "exp": now + 300, "aoauth": object{"agent_url": bobURL + "/carol"}})
	}
	a.accept("own-retired", "a retired key until its last token is dead", "protocol.md section 2: rotation", retired, letsIn(own(aliceNext), at(now+99)))
	a.reject("own-dead", "own-retired", "and no longer", "protocol.md section 2: rotation", retired, keepsOut(own(aliceNext), at(now+100), "unknown_key"))
	check := openAccess(object{"rsa": "host"})
	t := accessToken(nil)
	asksCheck := call("access.verify", asked(t.String(), nil), "", need("check", object{"input": t.input(), "key": alice.kid()})).save("ticket", "ticket")
	a.accept("check", "rsa host: the host checks the signature", "abi.md needs: check", check, asksCheck, resume(object{"valid": true}, "", okIncludes(object{"key_id": alice.kid()})))
	a.reject("check-invalid", "check", "and says that it is bad", "abi.md needs: check", check, asksCheck, resume(object{"valid": false}, "", refusal("invalid_signature")))
	lateCheck := call("access.verify", asked(t.String(), at(now+300)), "", need("check", object{"key": alice.kid()})).save("ticket", "ticket")
	a.accept("check-slow", "a host that takes its time", step7+"; abi.md needs: check", check, lateCheck, resume(object{"valid": true, "now": now + 329}, "", okIncludes(object{"key_id": alice.kid()})))
	a.reject("check-too-slow", "check-slow", "the token died while the host checked", step7+"; abi.md needs: check", check, lateCheck, resume(object{"valid": true, "now": now + 330}, "", refusal("token_expired")))
	feed := call("engine.feed", object{"engine": "$engine", "keys": object{}}, "", okIncludes(object{}))
	portal := openAccess(object{"rsa": "host", "ring": remove, "authority": "https://portal.example", "allow": []string{"@nobody"}})
	a.reject("check-keys-removed", "check", "keys that are taken away while the host checks: the token is not remembered beyond", "abi.md engine.feed", portal, asksCheck, feed,
		resume(object{"valid": true}, "", okIncludes(object{"key_id": alice.kid()})), keepsOutIssuer(t, nil))
	a.reject("check-failed", "check", "or that it could not: fail closed", "abi.md needs: check", check, asksCheck, resume(object{"failed": "no key"}, "", errorCode("check_failed")))
	a.accept("check-key", "engine.key gives the key to check with", "abi.md engine.key", check, call("engine.key", object{"engine": "$engine", "key": alice.kid()}, "", okIncludes(object{"public_pem": alice.spki()})))
}

// accessOrder: a token with two faults is refused for the first.
func accessOrder(a *area) {
	order := func(name, says string, config object, t token, changes object, code string) {
		a.reject("order-"+name, "context", says, oneOrder, openAccess(config), keepsOut(t, changes, code))
	}
	expired := object{"exp": now - 100, "iat": now - 400, "nbf": now - 400}
	order("form-before-issuer", "a critical extension from a denied issuer: malformed", object{"deny": []string{aliceURL}}, signHeader(alice, object{"crit": []string{"x"}}, accessClaims()), nil, "malformed_token")
	order("issuer-before-key", "denied and signed by nobody known: denied", object{"deny": []string{aliceURL}}, accessTokenBy(mallory, nil), nil, "issuer_denied")
	order("issuer-before-expiry", "denied and expired: denied", object{"deny": []string{aliceURL}}, accessToken(expired), nil, "issuer_denied")
	order("signature-before-expiry", "forged and expired: forged", nil, signHeader(mallory, object{"kid": alice.kid()}, accessClaims().with(expired)), nil, "invalid_signature")
	order("expiry-before-claims", "expired and without sub: expired", nil, accessToken(expired.with(object{"sub": remove})), nil, "token_expired")
	order("claims-before-audience", "without sub and for another: claims", nil, accessToken(object{"sub": remove, "aud": "https://x.example"}), nil, "invalid_claims")
	order("audience-before-target", "for another and bound to another request: audience", nil, boundToken(object{"aud": "https://x.example", "htm": "PUT"}), nil, "invalid_audience")
	order("audience-before-scopes", "for another and without the scope: audience", nil, accessToken(object{"aud": "https://x.example"}), object{"required_scopes": []string{"admin"}}, "invalid_audience")
	a.reject("order-scopes-before-trust", "context", "without the scope and not accepted: scope", oneOrder, openAccess(object{"accept_from": []string{"nobody"}}),
		call("access.verify", asked(accessToken(nil).String(), object{"required_scopes": []string{"admin"}}), "", insufficientScope("admin")))
	a.reject("order-target-before-scopes", "context", "for another request and without the scope: target", oneOrder, openAccess(nil),
		keepsOut(boundToken(object{"htm": "PUT"}), object{"required_scopes": []string{"admin"}}, "wrong_target"))
}

// reused: an unbound token works until it expires, and what the core remembers
// of it decides nothing that may have changed.
func reused(a *area) {
	source := "protocol.md section 2: one token, one audience, many requests"
	t := accessToken(nil)
	stats := func(verified int) step {
		return call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"access": object{"verified": verified}}))
	}
	feed := func(members object) step {
		return call("engine.feed", object{"engine": "$engine"}.with(members), "", okIncludes(object{}))
	}
	a.accept("reused", "the same token ten times", source, openAccess(nil), letsIn(t, nil).times(10), stats(1))
	a.accept("reused-exactly", "the tenth answer is the first", source, openAccess(nil), call("access.verify", asked(t.String(), nil), "", okIncludes(object{"raw_claims": accessClaims(), "scopes": []string{"read", "write"}, "key_id": alice.kid()})).times(10))
	a.reject("reused-expired", "reused", "until it expires", source, openAccess(nil), letsIn(t, nil), keepsOut(t, at(now+330), "token_expired"))
	a.reject("reused-clock-back", "reused", "a clock that stepped back before it began", traps, openAccess(nil), letsIn(t, nil), keepsOut(t, at(now-31), "token_not_yet_valid"))
	a.reject("reused-scope", "reused", "a scope that it lacks", step12, openAccess(nil), letsIn(t, nil), call("access.verify", asked(t.String(), object{"required_scopes": []string{"admin"}}), "", insufficientScope("admin")))
	a.reject("reused-binding", "reused", "where binding is required now", "abi.md access.verify: require_binding", openAccess(nil), letsIn(t, nil), keepsOut(t, object{"require_binding": true}, "invalid_claims"))
	a.reject("reused-keys-replaced", "reused", "after alice's key was replaced", "abi.md engine.feed", openAccess(nil), letsIn(t, nil), feed(object{"keys": object{aliceURL: aliceNext.spki()}}), keepsOut(t, nil, "invalid_signature"))
	a.accept("reused-keys-added", "a second key beside it changes nothing", "abi.md engine.feed", openAccess(nil), letsIn(t, nil), feed(object{"keys": object{aliceURL: alice.spki() + aliceNext.spki()}}), letsIn(t, nil))
	a.reject("reused-other-signature", "reused", "the same claims with another signature are another token", source, openAccess(nil), letsIn(t, nil), keepsOut(token{t.header, t.payload, rs256(mallory, t.input())}, nil, "invalid_signature"))
	a.accept("refusal-burns-nothing", "a token that was refused for its scope is as good as before", "protocol.md section 3: replay, last", openAccess(nil), letsIn(t, nil), letsIn(t, nil))
}

func accessMisuse(a *area) {
	bad := func(name, says string, request object) {
		a.reject("misuse-"+name, "context", says, "abi.md access.verify", openAccess(nil), call("access.verify", request, "", errorCode("invalid_argument")))
	}
	good := asked(accessToken(nil).String(), nil)
	bad("both", "authorization and token", good.with(object{"token": "x"}))
	bad("neither", "neither authorization nor token", good.with(object{"authorization": remove}))
	bad("method", "authorization without method: a bound token could not be judged", good.with(object{"method": remove}))
	bad("path", "authorization without path", good.with(object{"path": remove}))
	bad("path-query", "a path with its query", good.with(object{"path": "/agent?a=1"}))
	bad("scope-pattern", "required scopes that are none", good.with(object{"required_scopes": []string{"a b"}}))
	bad("member", "an unknown member: a typing error must not switch a check off", good.with(object{"required_scope": []string{"admin"}}))
	bad("now", "no now", good.with(object{"now": remove}))
	a.reject("misuse-verifier", "context", "an engine of signed requests", "abi.md access.verify", open(nil), call("access.verify", good, "", errorCode("invalid_argument")))
	a.reject("misuse-request-verify", "context", "request.verify on an engine of access tokens", "abi.md request.verify", openAccess(nil), call("request.verify", good, body, errorCode("invalid_argument")))
}
