package generate

import "github.com/tallystick/tallystick/conformance"

// accessPolicy: what the configuration says of callers, their scopes and their
// requests.
func accessPolicy() *area {
	a := newArea("access-policy", "Scopes, trust labels, accept_from, issuers and bound tokens: what the agent's configuration decides.")
	accessScopes(a)
	acceptFrom(a)
	accessIssuers(a)
	forgedExtensions(a)
	pinned(a)
	boundTokens(a)
	boundTargets(a)
	boundBodies(a)
	boundOnce(a)
	return a
}

func accessScopes(a *area) {
	source := "protocol.md section 4; " + step12
	grants := func(name, says string, allowed []string, claimed string, granted, namespaces []string) {
		a.accept("scope-"+name, says, source, openAccess(object{"allowed_scopes": allowed}), lets(accessToken(object{"scope": claimed}), nil, object{"scopes": granted, "namespaces": namespaces}))
	}
	grants("filtered", "the token's scopes, filtered, in its order", []string{"write", "read"}, "admin read tools:search write", []string{"read", "write"}, []string{})
	grants("wildcard", "tools:* of the configuration", []string{"tools:*"}, "tools:search tools:a:b tools read", []string{"tools:search", "tools:a:b"}, []string{})
	grants("namespaces-self-given", "nobody but a portal puts an agent into a namespace", []string{"namespace:*", "read"}, "namespace:production namespace:test read", []string{"read"}, []string{})
	a.accept("scope-namespaces", "a portal does", source, openAccess(object{"allowed_scopes": []string{"namespace:*"}, "trusted_issuers": []object{{"issuer": aliceURL, "type": "portal"}}}),
		lets(accessToken(object{"scope": "namespace:production namespace:test read", "aoauth": remove}), nil,
			object{"scopes": []string{"namespace:production", "namespace:test"}, "namespaces": []string{"production", "test"}}))
	grants("no-repeats", "no repeats", []string{"*"}, "read write read", []string{"read", "write"}, []string{})
	grants("star-of-token", "a * in a token's scope is no wildcard", []string{"read", "tools:x"}, "* tools:*", []string{}, []string{})
	grants("none-allowed", "an empty allowed_scopes grants nothing", []string{}, "read", []string{}, []string{})
	grants("empty", "an empty scope", []string{"read"}, "", []string{}, []string{})
	grants("case", "scopes are case-sensitive", []string{"read"}, "Read READ read", []string{"read"}, []string{})

	required := func(patterns ...string) object { return object{"required_scopes": append([]string{}, patterns...)} }
	t := accessToken(object{"scope": "read tools:search"})
	allowed := openAccess(object{"allowed_scopes": []string{"read", "tools:*"}})
	a.accept("required", "required and granted", source, allowed, letsIn(t, required("read")), letsIn(t, required("read", "tools:search")), letsIn(t, required()))
	a.accept("required-by-pattern", "a required pattern is met by one scope", source, allowed, letsIn(t, required("tools:*")))
	lacks := func(name, says, needed string, patterns ...string) {
		a.reject("required-"+name, "required", says, "RFC 6750 section 3.1; "+source, allowed, call("access.verify", asked(t.String(), required(patterns...)), "", insufficientScope(needed)))
	}
	lacks("missing", "a scope that the token lacks: 403 and the scope in the challenge", "admin", "admin")
	lacks("one-of-two", "one of two: all that are needed are named", "read admin", "read", "admin")
	lacks("pattern", "a pattern that nothing meets", "mail:*", "mail:*")
	lacks("longer", "a scope that begins like it", "tools:search:deep", "tools:search:deep")
	a.reject("required-but-not-allowed", "required", "the token claims it, the agent does not allow it", source, openAccess(object{"allowed_scopes": []string{"read"}}),
		call("access.verify", asked(accessToken(object{"scope": "read admin"}).String(), required("admin")), "", insufficientScope("admin")))
	a.reject("required-star-of-token", "required", "a token's * does not meet everything", source, openAccess(object{"allowed_scopes": []string{"*"}}),
		call("access.verify", asked(accessToken(object{"scope": "*"}).String(), required("admin")), "", insufficientScope("admin")))
}

func acceptFrom(a *area) {
	t := accessToken(nil)
	labelled := func(scope string) token { return accessToken(object{"scope": scope, "aoauth": remove}) }
	portal := func(rules any) step {
		return openAccess(object{"trusted_issuers": []object{{"issuer": aliceURL, "type": "portal"}}, "accept_from": rules})
	}
	fine := func(name, says string, open step, t token) {
		a.accept("accept-"+name, says, accepting, open, letsIn(t, nil))
	}
	bad := func(name, twin, says string, open step, t token) {
		a.reject("accept-"+name, "accept-"+twin, says, accepting, open, keepsOut(t, nil, "trust_denied"))
	}
	fine("name", "a caller that the rules name", openAccess(object{"accept_from": rules{"@example.alice"}}), t)
	fine("url", "or its URL", openAccess(object{"accept_from": rules{aliceURL}}), t)
	bad("other", "name", "a caller that they do not name", openAccess(object{"accept_from": rules{"@example.carol"}}), t)
	bad("nobody", "name", "nobody", openAccess(object{"accept_from": rules{"nobody"}}), t)
	bad("denied", "name", "deny goes first", openAccess(object{"accept_from": object{"allow": rules{"everyone"}, "deny": rules{"@example.alice"}}}), t)
	bad("sub-is-no-name", "name", "a stranger's sub is not its name", openAccess(object{"accept_from": rules{"@alice"}}), t)
	fine("sub-of-portal", "a portal's is", portal(rules{"@alice"}), labelled("read"))
	fine("label", "a portal's label", portal(rules{"#verified"}), labelled("read trust:verified"))
	bad("label-missing", "label", "without it", portal(rules{"#verified"}), labelled("read"))
	bad("label-self-given", "label", "a stranger gives itself a label: labels count from portals only", openAccess(object{"accept_from": rules{"#verified"}}), accessToken(object{"scope": "read trust:verified"}))
	bad("label-agent-issuer", "label", "and not from a trusted issuer of type agent", openAccess(object{"accept_from": rules{"#verified"}, "trusted_issuers": []object{{"issuer": aliceURL}}}), accessToken(object{"scope": "trust:verified"}))
	fine("reputation", "enough reputation", portal(rules{"#reputation:5"}), labelled("trust:reputation-5"))
	bad("reputation-low", "reputation", "too little", portal(rules{"#reputation:5"}), labelled("trust:reputation-4"))
	fine("platform", "an agent of the portal", portal(rules{"platform"}), labelled("read"))
	bad("platform-stranger", "platform", "a stranger", openAccess(object{"accept_from": rules{"platform"}}), t)
	fine("family", "the same domain", openAccess(object{"accept_from": rules{"family"}, "base_url": "https://bots.alice.example/bob"}), accessToken(object{"aud": "https://bots.alice.example/bob"}))
	bad("family-other", "family", "another domain", openAccess(object{"accept_from": rules{"family"}}), t)
	a.accept("label-not-granted", "a stranger's trust: scopes are not granted even where allowed_scopes has them", "protocol.md section 4: trust:* labels", openAccess(object{"allowed_scopes": []string{"*"}}),
		lets(accessToken(object{"scope": "read trust:verified"}), nil, object{"scopes": []string{"read"}, "trust_labels": []string{}}))
}

func accessIssuers(a *area) {
	t := accessToken(nil)
	a.accept("issuer-not-denied", "a deny list without alice", order5, openAccess(object{"deny": []string{"@example.alicia"}}), letsIn(t, nil))
	denied := func(name, says string, patterns ...string) {
		a.reject("issuer-denied-"+name, "issuer-not-denied", says, order5, openAccess(object{"deny": patterns}), keepsOut(t, nil, "issuer_denied"))
	}
	denied("url", "her URL: even though her keys are configured", aliceURL)
	denied("name", "her name", "@example.alice")
	denied("parent", "what lies above her", "@example")
	denied("star", "a star", "https://*.example")
	denied("all", "everybody", "@**")
	deniedPortal := func(sub string) token {
		return accessToken(object{"iss": portalURL, "sub": sub, "agent_path": "/agents", "aoauth": remove})
	}
	list := openAccess(object{"trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}, "keys": object{portalURL: alice.spki()}, "deny": []string{"@banned-*", "@mallory"}})
	a.accept("portal-not-denied", "a portal's agent that is not on the list", order5, list, lets(deniedPortal("carol"), nil, object{"name": "carol"}))
	for _, banned := range [][2]string{{"name", "mallory"}, {"upper-case", "MALLORY"}, {"child", "mallory.bot"}, {"star", "banned-bob"}} {
		a.reject("portal-denied-"+banned[0], "portal-not-denied", "a portal's agent on the list: "+banned[1], order5, list, keepsOut(deniedPortal(banned[1]), nil, "issuer_denied"))
	}
	deniedWhoLies(a)
	stranger := accessToken(object{"iss": "https://carol.example", "aoauth": object{"agent_url": "https://carol.example"}})
	a.reject("stranger-not-allowed", "issuer-not-denied", "a stranger that is not on the allow list: no key is fetched", order5, openAccess(object{"allow": []string{partner}}), keepsOutIssuer(stranger, nil))
	inside := func(name, says, iss string) {
		a.reject("stranger-"+name, "issuer-not-denied", says, fetching, openAccess(object{"keys": remove}), keepsOutIssuer(accessToken(object{"iss": iss, "aoauth": remove}), nil))
	}
	inside("http", "plain http: nothing is fetched", "http://carol.example")
	inside("loopback", "loopback", "https://127.0.0.1:8443")
	inside("localhost", "localhost", "https://localhost")
	inside("metadata", "the metadata service of clouds", "https://169.254.169.254")
	inside("private", "a private address", "https://[fd00::1]")
	inside("decimal", "an address written as one number", "https://2852039166")
	inside("user", "user info", "https://a@carol.example")
	inside("port-text", "a port that is none", "https://carol.example:https")
	inside("upper-case", "an upper-case host", "https://CAROL.example")
	inside("dot", "a dot at the host's end", "https://carol.example.")
	inside("slash", "a slash at the end", "https://carol.example/")
	inside("word", "a word", "carol")
	inside("file", "a file", "file:///etc/passwd")
	inside("long", "over 512 bytes is no iss at all, under it no URL", "https://"+longLabel)
}

// longLabel is no host name: over 63 bytes in one label.
const longLabel = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example"

// forgedExtensions: whoever signs speaks for itself.
func forgedExtensions(a *area) {
	evil := "https://evil.example"
	open := openAccess(object{"keys": object{evil: mallory.spki()}, "accept_from": rules{"@example.alice", "@alice", aliceURL, "@example.evil.**"}})
	by := func(changes object) token {
		return accessTokenBy(mallory, object{"iss": evil, "sub": "alice", "aoauth": remove}.with(changes))
	}
	a.accept("extension-own", "evil.example speaks for what lies below it", section2, open, lets(by(object{"agent_path": "/agents"}), nil, object{"name": "example.evil.agents.alice", "agent_url": evil + "/agents/alice"}))
	forged := func(name, says string, changes object) {
		a.reject("extension-"+name, "extension-own", says, section2+": believed only when it lies under iss", open, keepsOut(by(changes), nil, "invalid_claims"))
	}
	forged("other", "alice's URL", object{"aoauth": object{"agent_url": aliceURL}})
	forged("user", "alice's host behind user info", object{"aoauth": object{"agent_url": "https://evil.example@alice.example"}})
	forged("suffix", "a host that ends like alice's", object{"aoauth": object{"agent_url": "https://evil.example.alice.example"}})
	forged("fragment", "alice's URL behind a fragment", object{"aoauth": object{"agent_url": evil + "#" + aliceURL}})
	forged("path", "an agent_path that ends the host", object{"agent_path": "@alice.example"})
	forged("path-dots", "dot segments", object{"agent_path": "/../.."})
	forged("sub-slash", "a sub that is a URL", object{"sub": "//alice.example"})
}

// pinned is the seed's TypeScript form: one key set, one issuer.
func pinned(a *area) {
	source := "AOAuth skill SDK API: jwksUri; abi.md engine.open: jwks_uri"
	open := openAccess(object{"keys": object{portalURL: alice.spki(), "https://carol.example": mallory.spki()}, "jwks_uri": portalURL + "/.well-known/jwks.json", "audience": []string{bobURL}})
	a.accept("pinned", "tokens of the one issuer, a portal", source, open,
		lets(accessToken(object{"iss": portalURL, "aoauth": remove}), nil, object{"issuer_type": "portal", "name": "alice"}))
	a.reject("pinned-other", "pinned", "any other issuer", source, openAccess(object{"keys": remove, "jwks_uri": portalURL + "/keys"}), keepsOutIssuer(accessToken(nil), nil))
	a.accept("pinned-issuer", "issuer says whose it is", source, openAccess(object{"keys": object{aliceURL: alice.spki()}, "jwks_uri": "https://cdn.example/keys", "issuer": aliceURL}),
		lets(accessToken(nil), nil, object{"issuer_type": "portal"}))
}

// asksBody verifies a bound token up to the need of the body.
func asksBody(t token, changes object) step {
	s := call("access.verify", asked(t.String(), changes), "", need("body", object{"max_bytes": 10485760})).save("ticket", "ticket")
	s.note = t.note()
	return s
}

var boundHere = okIncludes(object{"bound": true, "jti": "jti-1"})

func boundTokens(a *area) {
	source := "issue: Both profiles together; protocol.md section 2"
	t := boundToken(nil)
	a.accept("bound", "a token that is bound to its request: the body is read", source, openAccess(nil), asksBody(t, nil), resume(nil, body, boundHere))
	a.accept("bound-required", "where binding is required", source, openAccess(object{"require_binding": true}), asksBody(t, nil), resume(nil, body, boundHere))
	a.accept("bound-required-here", "where this endpoint requires it", source, openAccess(nil), asksBody(t, object{"require_binding": true}), resume(nil, body, boundHere))
	a.reject("unbound", "bound-required", "an unbound token where binding is required", source, openAccess(object{"require_binding": true}), keepsOut(accessToken(nil), nil, "invalid_claims"))
	a.reject("unbound-here", "bound-required-here", "the same at one endpoint", source, openAccess(nil), keepsOut(accessToken(nil), object{"require_binding": true}, "invalid_claims"))
	a.reject("bound-bare", "bound", "a bound token without its request", "abi.md access.verify: a bound one is then refused", openAccess(nil),
		call("access.verify", object{"engine": "$engine", "now": now + 1, "token": t.String()}, "", refusal("wrong_target")))
	half := func(name, says string, changes object) {
		a.reject("bound-"+name, "bound", says, source+": a bound token names all of its request", openAccess(nil), keepsOut(boundToken(changes), nil, "invalid_claims"))
	}
	half("without-body", "no content_sha256", object{"content_sha256": remove})
	half("without-method", "no htm", object{"htm": remove})
	half("without-url", "no htu", object{"htu": remove})
	half("query-alone", "query_sha256 alone", object{"content_sha256": remove, "htm": remove, "htu": remove, "query_sha256": hexSHA256("a=1")})
	half("without-jti", "no jti: it could be used twice", object{"jti": remove})
	half("digest-number", "a content_sha256 that is a number", object{"content_sha256": 1})
	half("digest-null", "a content_sha256 of null is not absent", object{"content_sha256": nil, "htm": remove, "htu": remove})
}

func boundTargets(a *area) {
	source := "protocol.md section 3 step 10"
	t := boundToken(nil)
	query := boundToken(object{"query_sha256": hexSHA256("a=1")})
	fine := func(name, says string, t token, changes object) {
		a.accept("target-"+name, says, source, openAccess(nil), asksBody(t, changes), resume(nil, body, boundHere))
	}
	bad := func(name, twin, says string, t token, changes object) {
		a.reject("target-"+name, twin, says, source, openAccess(nil), keepsOut(t, changes, "wrong_target"))
	}
	fine("query", "a query that was signed", query, object{"query": "a=1"})
	fine("mount", "below a mount point, which base_url's path stands for", t, object{"mount": "/bob"})
	fine("whole-path", "the whole path, where the host does not know of a mount point", t, object{"path": "/bob/chat"})
	fine("decoded", "a path that the server decoded", boundToken(object{"htu": bobURL + "/a%20b"}), object{"path": "/a b", "path_decoded": true, "raw_target": "/bob/a%20b", "mount": "/bob"})
	elsewhere := openAccess(object{"base_url": remove, "ring": remove, "agent_id": "bob", "authority": portalURL, "audience": []string{bobURL}})
	a.accept("target-audience", "a portal's agent that is served elsewhere: its audience that is a URL is where it is reached", "abi.md engine.open: audience", elsewhere, asksBody(t, nil), resume(nil, body, boundHere))
	a.reject("target-no-audience", "access-policy/target-audience", "a URL that is neither its own nor an audience", "abi.md engine.open: audience", elsewhere, keepsOut(boundToken(object{"htu": "https://agents.example.com/carol/chat"}), nil, "wrong_target"))
	bad("method", "bound", "another method", t, object{"method": "PUT"})
	bad("path", "bound", "another path", t, object{"path": "/admin"})
	bad("host", "bound", "another host", boundToken(object{"htu": "https://agents.example.org/bob/chat"}), nil)
	bad("scheme", "bound", "plain http", boundToken(object{"htu": "http://agents.example.com/bob/chat"}), nil)
	bad("sibling", "bound", "another agent on the host", boundToken(object{"htu": "https://agents.example.com/carol/chat"}), nil)
	bad("query-added", "target-query", "a query that was not signed", t, object{"query": "a=1"})
	bad("query-changed", "target-query", "another query", query, object{"query": "a=2"})
	bad("query-removed", "target-query", "no query", query, nil)
}

func boundBodies(a *area) {
	source := "protocol.md section 3 step 11; abi.md needs: body"
	t := boundToken(nil)
	asks := asksBody(t, nil)
	a.accept("body-digest", "the host hashes the body itself", source, openAccess(nil), asks, resume(object{"body_sha256": hexSHA256(body)}, "", boundHere))
	a.accept("body-empty", "no body", source, openAccess(nil), asksBody(boundToken(object{"content_sha256": hexSHA256("")}), nil), resume(nil, "", boundHere))
	a.reject("body-given-up", "bound", "the host gave up: it is no empty body", source, openAccess(nil), asksBody(boundToken(object{"content_sha256": hexSHA256("")}), nil), resume(object{"failed": "the caller went away"}, "", errorCode("body_unavailable")))
	waits := call("access.verify", asked(t.String(), nil), "", need("body", object{}))
	a.accept("body-512-waiting", "512 requests whose bodies are awaited", "core/engine: maxBodies", openAccess(nil), waits.times(512))
	a.reject("body-513-waiting", "body-512-waiting", "one more: a body takes as long as its sender likes", "core/engine: maxBodies", openAccess(nil), waits.times(512),
		call("access.verify", asked(t.String(), nil), "", refusal("overloaded")), letsIn(accessToken(nil), nil))
	a.reject("body-changed", "bound", "a changed body", source, openAccess(nil), asks, resume(nil, body+" ", refusal("body_tampered")))
	a.reject("body-digest-changed", "body-digest", "the digest of a changed body", source, openAccess(nil), asks, resume(object{"body_sha256": hexSHA256("x")}, "", refusal("body_tampered")))
	a.reject("body-removed", "bound", "no body", source, openAccess(nil), asks, resume(nil, "", refusal("body_tampered")))
	a.reject("body-too-large", "bound", "a body over max_body", source, openAccess(nil), asks, resume(object{"body_too_large": true}, "", refusal("body_too_large")))
	a.reject("body-unavailable", "bound", "something read the body before", source, openAccess(nil), asks, resume(object{"body_unavailable": true}, "", errorCode("body_unavailable")))
	a.reject("body-digest-malformed", "body-digest", "a digest that is none", "abi.md needs: body", openAccess(nil), asks, resume(object{"body_sha256": "x"}, "", errorCode("invalid_argument")))
	small := openAccess(object{"max_body": 10})
	asksSmall := call("access.verify", asked(t.String(), nil), "", need("body", object{"max_bytes": 10})).save("ticket", "ticket")
	a.reject("body-answered-valid", "bound", "valid is no answer to the need body, which may be empty", abiNeeds, openAccess(nil), asksBody(t, nil), resume(object{"valid": true}, "", errorCode("invalid_argument")))
	a.reject("body-over-max", "bound", "more than was asked for", source, small, asksSmall, resume(nil, body, refusal("body_too_large")))
	a.reject("body-not-for-unbound", "bound", "an unbound token never has its body read: forged binding claims do not count either", source, openAccess(nil),
		keepsOut(signHeader(mallory, object{"kid": alice.kid()}, accessClaims().with(object{"content_sha256": "x"})), nil, "invalid_signature"))
	a.reject("body-order-scope", "bound", "the body before scopes: a changed body without the scope", oneOrder, openAccess(nil), asksBody(t, object{"required_scopes": []string{"admin"}}), resume(nil, "x", demanding(refusal("body_tampered"), []string{"admin"})))
}

// boundOnce: a bound token is one request.
func boundOnce(a *area) {
	t := boundToken(nil)
	source := step14 + "; protocol.md section 2"
	one := []step{asksBody(t, nil), resume(nil, body, boundHere)}
	again := func(code string) []step {
		return []step{asksBody(t, nil), resume(nil, body, refusal(code))}
	}
	a.reject("once", "bound", "the same bound token again", source, append(append([]step{openAccess(nil)}, one...), again("replay_detected")...)...)
	a.reject("once-after-expiry", "bound", "and in its last second", source, append(append([]step{openAccess(nil)}, one...),
		asksBody(t, at(now+329)), resume(at(now+329), body, refusal("replay_detected")))...)
	a.reject("once-refusal-burns-nothing", "bound", "a request refused for its body leaves the token unused", "protocol.md section 3: replay, last",
		append([]step{openAccess(nil), asksBody(t, nil), resume(nil, "x", refusal("body_tampered"))}, one...)...)
	a.reject("once-scope-burns-nothing", "bound", "nor does one refused for its scope", "protocol.md section 3: replay, last",
		append([]step{openAccess(nil), asksBody(t, object{"required_scopes": []string{"admin"}}), resume(nil, body, insufficientScope("admin"))}, one...)...)
	a.reject("once-two-tickets", "bound", "two requests with one token at the same time: one wins", source, openAccess(nil), asksBody(t, nil).save("first", "ticket"), asksBody(t, nil),
		resume(nil, body, boundHere), resume(object{"ticket": "$first"}, body, refusal("replay_detected")))
	host := openAccess(object{"replay": "host"})
	claims := need("claim", object{"issuer": aliceURL, "jti": "jti-1", "seconds": 389, "now": now + 1,
		"claimed": object{"ok": object{"bound": true, "jti": "jti-1"}}})
	asksClaim := []step{host, asksBody(t, nil), resume(nil, body, claims)}
	refuses := func(word string, expect conformance.Expect) step {
		return call("claim.refuse", object{"engine": "$engine", "issuer": aliceURL, "jti": "jti-1", "claim": word}, "", expect)
	}
	a.accept("claim", "replay host: the claim ends the operation, its result comes with the need", source+"; abi.md needs: claim",
		append(asksClaim, call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"tickets": 0})))...)
	a.reject("claim-exists", "claim", "and has it", source+"; abi.md needs: claim", append(asksClaim, refuses("exists", refusal("replay_detected")))...)
	a.reject("claim-unavailable", "claim", "or cannot be reached: fail closed", source+"; abi.md needs: claim", append(asksClaim, refuses("unavailable", refusal("replay_store_unavailable")))...)
	lost := "abi.md claim: replay_lost_at"
	a.accept("lost-before", "a bound token that was issued after the store was lost", lost,
		openAccess(object{"replay": "host", "replay_lost_at": now - 31}), asksBody(t, nil), resume(nil, body, claims))
	a.reject("lost-after", "lost-before", "one that was issued before, or by a clock that runs ahead", lost,
		openAccess(object{"replay": "host", "replay_lost_at": now - 30}),
		asksBody(t, nil), resume(nil, body, refusal("replay_store_unavailable")))
	a.reject("lost-fed", "lost-before", "the store was lost meanwhile", lost, host,
		call("engine.feed", object{"engine": "$engine", "replay_lost_at": now}, "",
			okIncludes(object{"warnings": []object{}})), asksBody(t, nil),
		resume(nil, body, refusal("replay_store_unavailable")))
	a.accept("lost-not-for-unbound", "an unbound token was not remembered, and so not lost", lost,
		openAccess(object{"replay": "host", "replay_lost_at": now}), letsIn(accessToken(nil), nil))
	a.accept("claim-not-for-unbound", "an unbound token is not claimed", "protocol.md section 2: many requests", host, letsIn(accessToken(nil), nil).times(2))
	full := openAccess(object{"replay_capacity": 1})
	second := boundToken(object{"jti": "jti-2"})
	a.reject("window-full", "bound", "a full window refuses rather than forgets", "protocol.md section 8: replay", append(append([]step{full}, one...), asksBody(second, nil), resume(nil, body, refusal("replay_store_unavailable")))...)
	a.accept("window-over-floor", "a token that expires later than all that a lost window held", "abi.md engine.open: replay_floor", openAccess(object{"replay_floor": now + 299}),
		asksBody(t, nil), resume(nil, body, okIncludes(object{"bound": true})))
	a.reject("window-floor", "window-over-floor", "a token that may have been used in a window that was lost", "abi.md engine.open: replay_floor", openAccess(object{"replay_floor": now + 300}),
		asksBody(t, nil), resume(nil, body, refusal("replay_store_unavailable")))
}

// deniedWhoLies: a star on the deny list holds for the issuer of a token that claims
// an agent_url of another, and for the URL of an agent that its portal named.
func deniedWhoLies(a *area) {
	lying := accessToken(object{"aoauth": object{"agent_url": "https://victim.test/x"}})
	for _, pattern := range [][2]string{{"url", "https://*.example"}, {"name", "@example.al*"}} {
		a.reject("issuer-denied-star-"+pattern[0]+"-elsewhere", "issuer-not-denied", "a star that matches the issuer of a token which claims to be an agent of another: "+pattern[1], order5+"; "+oneOrder,
			openAccess(object{"deny": []string{pattern[1]}}), keepsOut(lying, nil, "issuer_denied"))
	}
	named := accessToken(object{"iss": portalURL, "sub": "mallory", "agent_path": "/agents", "aoauth": remove})
	portal := func(pattern string) step {
		return openAccess(object{"trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}, "keys": object{portalURL: alice.spki()}, "deny": []string{pattern}})
	}
	a.accept("portal-spared-star", "a star that matches neither the name nor the URL's", order5, portal("@example.portal.agents.x*"), lets(named, nil, object{"name": "mallory"}))
	a.reject("portal-denied-star-of-url", "portal-spared-star", "a star that matches the name which the agent's URL has", order5, portal("@example.portal.agents.mal*"), keepsOut(named, nil, "issuer_denied"))
}
