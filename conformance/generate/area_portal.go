package generate

import (
	"encoding/base64"

	"github.com/tallystick/tallystick/conformance"
)

const tokenURL = portalURL + "/auth/token"

func portalTokens() *area {
	a := newArea("portal", "Tokens that an authority gives: what is asked of it, and what is made of its answers.")
	asksPortal(a)
	portalCredentials(a)
	portalAnswers(a)
	portalReuse(a)
	portalRoundTrips(a)
	return a
}

const clientPassword = "s3cret-of-alice-0001"

// openPortal opens the engine of alice, an agent of the portal.
func openPortal(changes object) step {
	return openAccess(object{"base_url": remove, "ring": remove, "keys": remove, "agent_id": "alice", "authority": portalURL, "client_secret": clientPassword}.and(changes))
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// fromPortal asks for alice's token for the portal's bob.
func fromPortal(changes object) object {
	return object{"engine": "$engine", "now": now + 1, "target": "@bob", "scopes": []string{"read", "tools:search"}}.with(changes)
}

func asksFor(changes object, expect conformance.Expect) step {
	return call("access.issue", fromPortal(changes), "", expect).save("ticket", "ticket")
}

// finds asks for the portal's discovery document, then for a token.
func finds(changes, members object) []step {
	return []step{asksFor(changes, nextFetch(portalURL+pathDiscovery, object{"method": "GET", "redirects": 3, "address": "any"})),
		answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(tokenURL, object{"method": "POST"}.with(members))).save("ticket", "ticket")}
}

const plainForm = "grant_type=client_credentials&target=https%3A%2F%2Fportal.example%2Fagents%2Fbob&scope=read+tools%3Asearch"

func asksPortal(a *area) {
	source := "RFC 6749 section 4.4.2; AOAuth skill Token Endpoint"
	post := object{"flight": 2, "redirects": 0, "address": "any", "max_bytes": 65536, "timeout": 10, "read": []string{}, "body": plainForm,
		"headers": object{"accept": "application/json", "content-type": "application/x-www-form-urlencoded", "authorization": basic("alice", clientPassword)}}
	granted := answered(200, nil, text(object{"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 300, "scope": "read"}), nil, ok(object{
		"token": "abc.def.ghi", "authorization": "Bearer abc.def.ghi", "audience": portalURL + "/agents/bob", "scope": "read", "issued_at": now + 1, "expires_at": now + 301, "key_id": "", "reused": false}))
	a.accept("token", "discovery, then the POST for a token", source, sequence(openPortal(nil), finds(nil, post), []step{granted})...)
	a.accept("endpoint-known", "the second token asks for no discovery", source, sequence(openPortal(nil), finds(nil, object{}), []step{granted, asksFor(nil, nextFetch(tokenURL, object{"method": "POST", "flight": 3}))})...)
	a.accept("endpoint-without-discovery", "no discovery document: {authority}/auth/token", source, sequence(openPortal(nil),
		[]step{asksFor(nil, nextFetch(portalURL+pathDiscovery, object{}))}, undiscovered(portalURL, nextFetch(tokenURL, object{"method": "POST"})))...)
	a.accept("endpoint-metadata", "the document of RFC 8414 alone names the endpoint", source+"; RFC 8414 section 3.1", openPortal(nil),
		asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})), answered(404, nil, "", nil, nextFetch(metadataURL(portalURL), object{})).save("ticket", "ticket"),
		answered(200, nil, discoveryOf(portalURL, object{"token_endpoint": "https://login.example/token"}), nil, nextFetch("https://login.example/token", object{"method": "POST"})))
	a.accept("endpoint-elsewhere", "where the document says", source, openPortal(nil), asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})),
		answered(200, nil, discoveryOf(portalURL, object{"token_endpoint": portalURL + "/api/auth/token"}), nil, nextFetch(portalURL+"/api/auth/token", object{"method": "POST"})))
	a.accept("endpoint-without-keys", "a document without jwks_uri is enough for a token", "RFC 8414 section 2: OPTIONAL", openPortal(nil), asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})),
		answered(200, nil, discoveryOf(portalURL, object{"jwks_uri": remove}), nil, nextFetch(tokenURL, object{"method": "POST"})))
	form := func(name, says string, changes object, body string) {
		a.accept("form-"+name, says, source, sequence(openPortal(nil), finds(changes, object{"body": body}))...)
	}
	form("no-scopes", "scopes are left out: no parameter, and the authority gives all", object{"scopes": remove}, "grant_type=client_credentials&target=https%3A%2F%2Fportal.example%2Fagents%2Fbob")
	form("target-elsewhere", "an agent that is not the portal's", object{"target": bobURL}, "grant_type=client_credentials&target=https%3A%2F%2Fagents.example.com%2Fbob&scope=read+tools%3Asearch")
	form("bound", "a token for one request", object{"bind": object{"method": "POST", "url": bobURL + "/chat?a=1", "body_sha256": hexSHA256(body)}},
		plainForm+"&content_sha256="+hexSHA256(body)+"&htm=POST&htu=https%3A%2F%2Fagents.example.com%2Fbob%2Fchat%3Fa%3D1")
	bad := func(name, twin, says, code string, config, changes object) {
		a.reject(name, twin, says, "abi.md access.issue", openPortal(config), call("access.issue", fromPortal(changes), "", errorCode(code)))
	}
	bad("extra-claims", "token", "an authority takes no further claims: they must not get lost silently", "invalid_argument", nil, object{"extra_claims": object{"x": 1}})
	bad("empty-scopes", "form-no-scopes", "a token without scopes, which no request can ask an authority for: it would give all", "invalid_argument", nil, object{"scopes": []string{}})
	bad("talk-to", "token", "talk_to does not allow the target: nothing is asked", "trust_denied", object{"talk_to": rules{"@carol"}}, nil)
	bad("no-credentials", "token", "no secret and no key: nothing is asked", "invalid_config", object{"client_secret": remove}, nil)
	a.accept("talk-to-name", "a portal's agent is known by its name", accepting, openPortal(object{"talk_to": rules{"@bob"}}), asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})))
	down := func(name, says string, answer step) {
		a.reject("discovery-"+name, "endpoint-without-discovery", says, source, openPortal(nil), asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})), answer)
	}
	down("down", "the authority is down", resume(object{"failed": "connection refused"}, "", errorCode("token_unavailable")))
	down("500", "it answers 500", answered(500, nil, "", nil, errorCode("token_unavailable")))
	down("other-issuer", "it answers for another issuer: the secret is not sent there", answered(200, nil, discoveryOf(portalURL, object{"issuer": "https://evil.example"}), nil, errorCode("token_unavailable")))
	down("keys-number", "a jwks_uri that is a number", answered(200, nil, discoveryOf(portalURL, object{"jwks_uri": 1}), nil, errorCode("token_unavailable")))
	down("no-endpoint", "it has no token endpoint", answered(200, nil, discoveryOf(portalURL, object{"token_endpoint": remove}), nil, errorCode("token_unavailable")))
	down("http", "its token endpoint is on plain http: the secret could be read", answered(200, nil, discoveryOf(portalURL, object{"token_endpoint": "http://portal.example/auth/token"}), nil, errorCode("token_unavailable")))
}

func portalCredentials(a *area) {
	source := "RFC 6749 section 2.3.1; abi.md engine.open: client_id, client_secret, client_key"
	with := func(name, says string, config object, header string) {
		a.accept("credentials-"+name, says, source, sequence(openPortal(config), finds(nil, object{"body": plainForm, "headers": object{"authorization": header}}))...)
	}
	with("client-id", "client_id goes before agent_id", object{"client_id": "alice-client"}, basic("alice-client", clientPassword))
	with("encoded", "both parts are form-encoded before they are joined", object{"client_id": "a:b", "client_secret": "p%ss wörd&="}, basic("a%3Ab", "p%25ss+w%C3%B6rd%26%3D"))
	with("robutler", "robutler's where there is no other", object{"client_secret": remove, "robutler": object{"client_id": "rob", "client_secret": "robs-secret"}}, basic("rob", "robs-secret"))
	with("not-robutler", "and not where there is", object{"robutler": object{"client_id": "rob", "client_secret": "robs-secret"}}, basic("alice", clientPassword))
	jwt := sequence(openPortal(object{"client_secret": remove, "client_key": alice.pkcs8()}), []step{asksFor(nil, nextFetch(portalURL+pathDiscovery, object{})),
		answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(tokenURL, object{"method": "POST", "headers": object{"content-type": "application/x-www-form-urlencoded"}})).varies("need.body")})
	a.accept("credentials-key", "a key: private_key_jwt", "RFC 7523 section 2.2", jwt...)
}

func portalAnswers(a *area) {
	source := "RFC 6749 section 5"
	grant := object{"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 60, "scope": "read"}
	asks := sequence(openPortal(nil), finds(nil, object{}))
	fine := func(name, says string, changes, expect object) {
		a.accept("answer-"+name, says, source, append(append([]step{}, asks...), answered(200, nil, text(grant.with(changes)), nil, okIncludes(expect)))...)
	}
	fine("granted", "a token", nil, object{"token": "abc.def.ghi", "scope": "read", "expires_at": now + 61})
	fine("no-scope", "without scope: what was asked for", object{"scope": remove}, object{"scope": "read tools:search"})
	fine("no-lifetime", "without expires_in: token_ttl", object{"expires_in": remove}, object{"expires_at": now + 301})
	fine("type-case", "token_type is case-insensitive", object{"token_type": "bearer"}, object{"token": "abc.def.ghi"})
	fine("unknown-members", "unknown members are ignored", object{"x": 1, "refresh_token": "r"}, object{"token": "abc.def.ghi"})
	judged := func(name, says, code string, status int, content string) {
		a.reject("answer-"+name, "answer-granted", says, source, append(append([]step{}, asks...), answered(status, nil, content, nil, errorCode(code)))...)
	}
	refused := func(name, says string, status int, oauth string) {
		judged(name, says, "token_refused", status, text(object{"error": oauth, "error_description": "no"}))
	}
	refused("invalid-client", "a wrong secret", 401, "invalid_client")
	refused("invalid-scope", "a scope that the client may not have", 400, "invalid_scope")
	refused("invalid-target", "a target that it may not reach", 400, "invalid_target")
	refused("forbidden", "403", 403, "access_denied")
	judged("500", "the authority failed", "token_unavailable", 500, text(object{"error": "server_error"}))
	judged("503", "it is overloaded", "token_unavailable", 503, "")
	judged("429", "it asks for patience", "token_unavailable", 429, "")
	judged("html", "a page", "token_unavailable", 200, "<html></html>")
	judged("empty", "nothing", "token_unavailable", 200, "")
	judged("html-error", "an error that is a page", "token_unavailable", 404, "<html></html>")
	without := func(name, says string, changes object) {
		judged(name, says, "token_unavailable", 200, text(grant.with(changes)))
	}
	without("no-token", "no token", object{"access_token": remove})
	without("empty-token", "an empty token", object{"access_token": ""})
	without("token-line-break", "a line break in the token: it would split the header", object{"access_token": "abc\r\nX: y"})
	without("token-space", "a space in it", object{"access_token": "abc def"})
	without("token-number", "a token that is a number", object{"access_token": 1})
	without("mac", "another type of token", object{"token_type": "mac"})
	without("no-type", "no type", object{"token_type": remove})
	without("negative", "a negative lifetime", object{"expires_in": -1})
	judged("token-twice", "two tokens", "token_unavailable", 200, `{"access_token":"a","access_token":"b","token_type":"Bearer"}`)
	a.reject("answer-failed", "answer-granted", "the authority does not answer", source, append(append([]step{}, asks...), resume(object{"failed": "timed out"}, "", errorCode("token_unavailable")))...)
}

func portalReuse(a *area) {
	source := "issue: fetched once when many ask at the same time"
	changes := object{"reuse": true}
	grant := text(object{"access_token": "abc.def.ghi", "token_type": "Bearer", "expires_in": 300, "scope": "read tools:search"})
	granted := answered(200, nil, grant, nil, okIncludes(object{"token": "abc.def.ghi", "reused": false}))
	asks := sequence(openPortal(nil), finds(changes, object{}))
	kept := func(seconds int) step {
		return call("access.issue", fromPortal(changes.and(later(seconds))), "", okIncludes(object{"token": "abc.def.ghi", "reused": true}))
	}
	a.accept("reuse", "one token for many calls", source, append(append([]step{}, asks...), granted, kept(2), kept(150))...)
	a.accept("reuse-ends", "shortly before it expires a new one", source, append(append([]step{}, asks...), granted, asksFor(changes.and(later(300)), nextFetch(tokenURL, object{"method": "POST"})))...)
	a.accept("reuse-other-scopes", "other scopes are another token", source, append(append([]step{}, asks...), granted, asksFor(changes.and(object{"scopes": []string{"read"}}), nextFetch(tokenURL, object{"method": "POST"})))...)
	answerTo := func(ticket string) step {
		return resume(object{"status": 200, "headers": object{"content-type": "application/json"}, "ticket": "$" + ticket}, grant, okIncludes(object{"token": "abc.def.ghi"}))
	}
	a.accept("flight", "two ask at the same time: one POST", source, append(append([]step{}, asks...), asksFor(changes, nextFetch(tokenURL, object{"method": "POST", "flight": 2})).save("second", "ticket").save("ticket", "ticket"), answerTo("second"), kept(2))...)
	a.accept("no-flight-of-two-targets", "two targets are two POSTs", source, append(append([]step{}, asks...), asksFor(changes.and(object{"target": "@carol"}), nextFetch(tokenURL, object{"flight": 3})))...)
	a.accept("no-flight-unasked", "without reuse nobody shares a token", source, append(append([]step{}, sequence(openPortal(nil), finds(nil, object{}))...), asksFor(nil, nextFetch(tokenURL, object{"flight": 3})))...)
	a.reject("refusal-not-kept", "reuse", "a refusal is not kept: the next call asks again", source, append(append([]step{}, asks...), answered(400, nil, text(object{"error": "invalid_scope"}), nil, errorCode("token_refused")),
		asksFor(changes, nextFetch(tokenURL, object{"method": "POST"})))...)
}

// portalRoundTrips runs both sides in one core: alice's POST is what the
// authority is asked, its answer is what alice gets, and bob believes it.
func portalRoundTrips(a *area) {
	source := "issue: Portal mode against a real authority"
	trip := func(name, says string, client, agent, wants, verifies, sees object) {
		open := openSigningAuthority(object{"clients": []object{registered(object{"client_id": "alice"}).with(client)}}).save("authority", "ok.engine")
		asks := sequence(open, []step{openPortal(agent).save("alice", "ok.engine"), asksFor(wants, nextFetch(portalURL+pathDiscovery, object{})),
			answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(tokenURL, object{})).save("ticket", "ticket").save("form", "need.body").save("headers", "need.headers").varies("need.body")})
		serve := call("access.serve", object{"engine": "$authority", "now": now + 1, "method": "POST", "path": "/auth/token", "content_type": "application/x-www-form-urlencoded"}, "",
			okIncludes(object{"handled": true, "response": object{"status": 200}})).varies("ok.response.body").save("answer", "ok.response.body")
		serve.BodySaved = "form"
		if agent["client_key"] == nil {
			asks[len(asks)-1] = asks[len(asks)-1].save("basic", "need.headers.authorization")
			request := parsed(string(serve.Request))
			request["authorization"] = []string{"$basic"}
			serve.Request = raw(request)
		}
		gets := resume(object{"engine": "$alice", "status": 200, "headers": object{"content-type": "application/json"}}, "", okIncludes(object{"audience": portalURL + "/agents/bob"})).
			varies("ok.token", "ok.authorization").save("bearer", "ok.authorization")
		gets.BodySaved = "answer"
		bob := openAccess(object{"base_url": remove, "ring": remove, "agent_id": "bob", "authority": portalURL, "allowed_scopes": []string{"*"}, "keys": object{portalURL: aliceNext.spki()}})
		check := call("access.verify", object{"engine": "$engine", "now": now + 2, "authorization": []string{"$bearer"}, "method": "POST", "path": "/chat"}.with(verifies), "", okIncludes(sees)).varies("ok.jti", "ok.raw_claims.jti")
		steps := append(asks, serve, gets, bob)
		if verifies["query"] != nil {
			check.Expect, check.Varies = need("body", object{}), nil
			steps = append(steps, check.save("ticket", "ticket"), resume(nil, body, okIncludes(sees)).varies("ok.jti", "ok.raw_claims.jti"))
		} else {
			steps = append(steps, check)
		}
		a.accept("trip-"+name, says, source, steps...)
	}
	secret := object{"client_secret": clientSecret}
	who := object{"issuer": portalURL, "issuer_type": "portal", "name": "alice", "agent_id": "alice", "client_id": "alice", "agent_url": portalURL + "/agents/alice"}
	trip("secret", "alice's secret", nil, secret, nil, nil, who.with(object{"scopes": []string{"read", "tools:search"}, "trust_labels": []string{}}))
	trip("labels", "the authority assigns namespaces and labels", object{"namespaces": []string{"production"}, "trust": []string{"verified", "reputation-7"}}, secret, nil, nil,
		who.with(object{"scopes": []string{"read", "tools:search", "namespace:production", "trust:verified", "trust:reputation-7"}, "namespaces": []string{"production"}, "trust_labels": []string{"verified", "reputation-7"}}))
	trip("key", "alice's key", object{"secret_hash": remove, "public_key": alice.spki()}, object{"client_secret": remove, "client_key": alice.pkcs8()}, nil, nil, who)
	trip("bound", "a token for one request", nil, secret, object{"bind": object{"method": "POST", "url": portalURL + "/agents/bob/chat?a=1", "body_sha256": hexSHA256(body)}}, object{"query": "a=1"}, who.with(object{"bound": true}))
}

// openAuthority opens the engine of the portal, with carol as its client. A KMS
// holds its key: what is granted ends in the need sign.
func openAuthority(changes object) step {
	return openAccess(object{"role": "authority", "base_url": portalURL, "ring": publicRing(aliceNext), "keys": remove, "clients": []object{registered(nil)}}.and(changes))
}

// openSigningAuthority is openAuthority where the core, or its host, signs.
func openSigningAuthority(changes object) step {
	return openAuthority(object{"ring": ringOf(ringEntry(aliceNext, "active", nil))}.and(changes))
}
