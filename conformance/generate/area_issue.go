package generate

import (
	"encoding/json"
	"strconv"
	"strings"
)

func issuing() *area {
	a := newArea("issue", "Tokens that an agent signs itself: their bytes, what may be in them, and when one is used again.")
	selfIssued(a)
	issueTargets(a)
	issueScopes(a)
	issueTimes(a)
	extras(a)
	binds(a)
	reuse(a)
	ringSigners(a)
	talkTo(a)
	return a
}

// openSelf opens alice's engine, who signs for herself. A KMS holds her key: what
// it is asked to sign shows every byte, and no leg has to compute with the key.
func openSelf(changes object) step {
	return openAccess(object{"base_url": aliceURL, "agent_id": "alice", "ring": publicRing(alice), "keys": remove}.and(changes))
}

// openSigning is openSelf where the core, or its host, signs with the ring's key.
func openSigning(changes object) step {
	return openSelf(object{"ring": ringOf(ringEntry(alice, "active", nil))}.and(changes))
}

// selfToken is what access.issue writes: the order of the claims is part of it,
// so that all languages sign the same bytes.
func selfToken(key pair, target, scope string, issuedAt, ttl int, extra string) token {
	quoted := func(value string) string { return text(value) }
	at := strconv.Itoa
	payload := `{"iss":` + quoted(aliceURL) + `,"sub":"alice","aud":` + quoted(target) + `,"iat":` + at(issuedAt) + `,"nbf":` + at(issuedAt) + `,"exp":` + at(issuedAt+ttl) +
		`,"jti":"jti-1","scope":` + quoted(scope) + `,"client_id":"alice","token_type":"Bearer","aoauth":{"mode":"self","agent_url":` + quoted(aliceURL) + `}` + extra + `}`
	return signTexts(key, headerWithKid(key), payload)
}

func issuedAnswer(t token, audience, scope string, issuedAt, ttl int, key pair) object {
	return object{"token": t.String(), "authorization": "Bearer " + t.String(), "audience": audience, "scope": scope, "issued_at": issuedAt, "expires_at": issuedAt + ttl, "key_id": key.kid(), "reused": false}
}

// wanted asks for alice's token for bob; the members change it.
func wanted(changes object) object {
	return object{"engine": "$engine", "now": now, "target": bobURL, "jti": "jti-1"}.with(changes)
}

// signedBy is the call, what the KMS is asked to sign, and what comes of it.
func signedBy(changes object, sent string, t token, answer object) []step {
	asks := call("access.issue", wanted(changes), sent, need("sign", object{"input": t.input(), "key": alice.kid()})).save("ticket", "ticket")
	asks.note = t.note()
	return []step{asks, resume(nil, t.signature, ok(answer))}
}

func issues(changes object, t token, scope string) []step {
	return signedBy(changes, "", t, issuedAnswer(t, bobURL, scope, now, 300, alice))
}

func noToken(changes object, code string) step {
	return call("access.issue", wanted(changes), "", errorCode(code))
}

func selfIssued(a *area) {
	t := selfToken(alice, bobURL, "read write", now, 300, "")
	bytes := call("access.issue", wanted(nil), "", ok(issuedAnswer(t, bobURL, "read write", now, 300, alice)))
	bytes.note = t.note()
	a.accept("self", "every byte of a token that an agent signs itself", section2+"; "+aoauth, openSigning(nil), bytes)
	a.accept("self-is-accepted", "and its receiver accepts it", section2, openSigning(nil), call("access.issue", wanted(object{"jti": remove}), "", okIncludes(object{"audience": bobURL})).
		varies("ok.token", "ok.authorization").save("authorization", "ok.authorization"), openAccess(nil),
		call("access.verify", asked("", object{"authorization": []string{"$authorization"}}), "", okIncludes(object{"agent_url": aliceURL, "agent_id": "alice", "scopes": []string{"read", "write"}, "client_id": "alice"})).varies("ok.jti", "ok.raw_claims.jti"))
	a.reject("self-is-for-one", "self-is-accepted", "an agent that it is not for refuses it", section2+": one audience", openSigning(nil), call("access.issue", wanted(nil), "", okIncludes(object{})).save("token", "ok.token"),
		openAccess(object{"base_url": "https://carol.example"}), call("access.verify", object{"engine": "$engine", "now": now, "token": "$token"}, "", refusal("invalid_audience")))
	one := func(name string) step {
		return call("access.issue", wanted(object{"jti": remove, "bind": object{"method": "POST", "url": bobURL + "/chat"}}), body, okIncludes(object{"reused": false})).
			varies("ok.token", "ok.authorization").save(name, "ok.authorization")
	}
	works := func(name string) []step {
		return []step{call("access.verify", asked("", object{"authorization": []string{"$" + name}}), "", need("body", object{})).save("ticket", "ticket"),
			resume(nil, body, okIncludes(object{"bound": true})).varies("ok.jti", "ok.raw_claims.jti")}
	}
	a.accept("jti-drawn", "a jti that is drawn differs from the one before: both of two tokens that work once work", "RFC 7519 section 4.1.7",
		sequence(openSigning(nil), []step{one("first"), one("second"), openAccess(nil)}, works("first"), works("second"))...)
}

func issueTargets(a *area) {
	to := func(name, says, target, audience string, config object) {
		t := selfToken(alice, audience, "read write", now, 300, "")
		a.accept("target-"+name, says, section2, sequence(openSelf(config), signedBy(object{"target": target}, "", t, issuedAnswer(t, audience, "read write", now, 300, alice)))...)
	}
	to("name", "@name", "@bob", "https://robutler.ai/agents/bob", nil)
	to("plain-name", "name", "bob", "https://robutler.ai/agents/bob", nil)
	to("spelling", "a URL in its one spelling", "HTTPS://Agents.Example.com:443/bob/", bobURL, nil)
	to("http", "an agent on this machine", "http://localhost:8000/bob", "http://localhost:8000/bob", nil)
	bad := func(name, says, target string) {
		a.reject("target-"+name, "target-name", says, section2, openSelf(nil), noToken(object{"target": target}, "invalid_argument"))
	}
	bad("empty", "no target", "")
	bad("climbs", "a name that climbs", "@../admin")
	bad("user", "user info", "https://x@agents.example.com/bob")
	bad("query", "a query", bobURL+"?x")
	bad("space", "two targets", "@bob @carol")
	bad("star", "a pattern", "@*")
	a.reject("target-missing", "target-name", "no target", "abi.md access.issue", openSelf(nil), noToken(object{"target": remove}, "invalid_argument"))
}

func issueScopes(a *area) {
	source := "abi.md access.issue: scopes"
	of := func(name, says string, config, changes object, scope string) {
		a.accept("scope-"+name, says, source, sequence(openSelf(config), issues(changes, selfToken(alice, bobURL, scope, now, 300, ""), scope))...)
	}
	of("given", "the scopes asked for, in their order", nil, object{"scopes": []string{"tools:search", "read"}}, "tools:search read")
	of("none", "none: an empty list is not the default", nil, object{"scopes": []string{}}, "")
	of("default", "by default what is allowed here, as far as it has no wildcard", object{"allowed_scopes": []string{"read", "tools:*", "mail:send"}}, nil, "read mail:send")
	bad := func(name, says string, scopes any) {
		a.reject("scope-"+name, "scope-given", says, source, openSelf(nil), noToken(object{"scopes": scopes}, "invalid_argument"))
	}
	bad("two-in-one", "two scopes in one entry", []string{"read write"})
	bad("empty-entry", "an empty scope", []string{""})
	bad("quote", "a quote", []string{`re"ad`})
	bad("line-break", "a line break", []string{"read\n"})
	bad("text", "a text in place of a list", "read")
}

func issueTimes(a *area) {
	source := section2 + ": exp (token_ttl, default 300 s)"
	lives := func(name, says string, config, changes object, issuedAt, ttl int) {
		t := selfToken(alice, bobURL, "read write", issuedAt, ttl, "")
		a.accept("time-"+name, says, source, sequence(openSelf(config), signedBy(changes, "", t, issuedAnswer(t, bobURL, "read write", issuedAt, ttl, alice)))...)
	}
	lives("configured", "token_ttl of the configuration", object{"token_ttl": 60}, nil, now, 60)
	lives("ttl", "ttl of the call goes before it", object{"token_ttl": 60}, object{"ttl": 10}, now, 10)
	lives("longest", "a token of a day", nil, object{"ttl": 86400}, now, 86400)
	lives("fraction", "times are written as integers, rounded down", nil, object{"now": json.Number("1700000000.75")}, now, 300)
	bad := func(name, twin, says string, changes object) {
		a.reject("time-"+name, "time-"+twin, says, source, openSelf(nil), noToken(changes, "invalid_argument"))
	}
	bad("over", "longest", "a token of over a day", object{"ttl": 86401})
	bad("zero", "ttl", "a ttl of 0 s is not one that was left out", object{"ttl": 0})
	bad("negative", "ttl", "a negative ttl", object{"ttl": -1})
	bad("of-a-text", "ttl", "a ttl that is a text", object{"ttl": "60"})
	a.reject("jti-long", "self", "a jti of 257 bytes", "abi.md access.issue", openSelf(nil), noToken(object{"jti": strings.Repeat("j", 257)}, "invalid_argument"))
	a.reject("jti-control", "self", "a control character in the jti", traps, openSelf(nil), noToken(object{"jti": "a\n"}, "invalid_argument"))
}

func extras(a *area) {
	source := "issue: generate_token(target, scopes, extra_claims)"
	t := selfToken(alice, bobURL, "read write", now, 300, `,"deep":{"x":[1,2.50,null]},"role":"tester"`)
	a.accept("extra", "further claims, with their numbers as they are spelled", source, sequence(openSelf(nil), issues(object{"extra_claims": object{"role": "tester", "deep": json.RawMessage(`{"x":[1,2.50,null]}`)}}, t, "read write"))...)
	a.accept("extra-none", "an empty object adds nothing", source, sequence(openSelf(nil), issues(object{"extra_claims": object{}}, selfToken(alice, bobURL, "read write", now, 300, ""), "read write"))...)
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "scope", "client_id", "token_type", "agent_path", "aoauth", "content_sha256", "htm", "htu", "query_sha256"} {
		a.reject("extra-"+strings.ReplaceAll(name, "_", "-"), "extra", name+" is the library's to write: nobody gives itself another identity or a longer life by it", source, openSelf(nil),
			noToken(object{"extra_claims": object{name: "x"}}, "invalid_argument"))
	}
	a.reject("extra-large", "extra", "claims that make the token too large for its receiver", step2, openSelf(nil), noToken(object{"extra_claims": object{"x": strings.Repeat("x", 16384)}}, "invalid_argument"))
	a.reject("extra-list", "extra", "a list", source, openSelf(nil), noToken(object{"extra_claims": []string{"x"}}, "invalid_argument"))
	a.reject("extra-twice", "extra", "a claim twice", step2, openSelf(nil), callText("access.issue", `{"engine":"$engine","now":1700000000,"target":"@bob","extra_claims":{"x":1,"x":2}}`, errorCode("invalid_argument")))
}

func binds(a *area) {
	source := "issue: bind=True; protocol.md section 1: content_sha256, htm, htu, query_sha256"
	binding := func(url, query string) string {
		extra := `,"content_sha256":"` + hexSHA256(body) + `","htm":"POST","htu":"` + url + `"`
		if query != "" {
			extra += `,"query_sha256":"` + hexSHA256(query) + `"`
		}
		return extra
	}
	bound := func(name, says string, bind object, sent, extra string) {
		t := selfToken(alice, bobURL, "read write", now, 300, extra)
		a.accept("bind-"+name, says, source, sequence(openSelf(nil), signedBy(object{"bind": bind}, sent, t, issuedAnswer(t, bobURL, "read write", now, 300, alice)))...)
	}
	chat := bobURL + "/chat"
	bound("body", "a token for one request", object{"method": "POST", "url": chat}, body, binding(chat, ""))
	bound("digest", "the host hashed the body", object{"method": "POST", "url": chat, "body_sha256": hexSHA256(body)}, "", binding(chat, ""))
	bound("query", "its query", object{"method": "POST", "url": chat + "?a=1&b=%20"}, body, binding(chat, "a=1&b=%20"))
	bound("no-body", "no body", object{"method": "POST", "url": chat}, "", strings.Replace(binding(chat, ""), hexSHA256(body), hexSHA256(""), 1))
	a.accept("bind-is-accepted", "its receiver accepts it, once", source, openSigning(nil),
		call("access.issue", wanted(object{"jti": remove, "bind": object{"method": "POST", "url": chat}}), body, okIncludes(object{})).varies("ok.token", "ok.authorization").save("authorization", "ok.authorization"),
		openAccess(object{"require_binding": true}),
		call("access.verify", asked("", object{"authorization": []string{"$authorization"}}), "", need("body", object{})).save("ticket", "ticket"),
		resume(nil, body, okIncludes(object{"bound": true})).varies("ok.jti", "ok.raw_claims.jti"))
	bad := func(name, says, code string, bind object) {
		a.reject("bind-"+name, "bind-body", says, source, openSelf(nil), call("access.issue", wanted(object{"bind": bind}), body, errorCode(code)))
	}
	bad("method", "no method that HTTP has", "invalid_argument", object{"method": "PO ST", "url": chat})
	bad("url", "no URL", "invalid_url", object{"method": "POST", "url": "/chat"})
	bad("url-user", "user info", "invalid_url", object{"method": "POST", "url": "https://a:b@agents.example.com/bob"})
	bad("url-dots", "dot segments, which HTTP clients take out", "invalid_url", object{"method": "POST", "url": bobURL + "/../x"})
	bad("method-missing", "no method", "invalid_argument", object{"url": chat})
	bad("member", "an unknown member", "invalid_argument", object{"method": "POST", "url": chat, "bdoy_sha256": ""})
	a.reject("bind-digest-and-body", "bind-digest", "a digest and a body: which one?", "abi.md request.verify: body_sha256", openSelf(nil),
		call("access.issue", wanted(object{"bind": object{"method": "POST", "url": chat, "body_sha256": hexSHA256(body)}}), body, errorCode("invalid_argument")))
	a.reject("bind-digest-malformed", "bind-digest", "a digest in upper case", source, openSelf(nil),
		call("access.issue", wanted(object{"bind": object{"method": "POST", "url": chat, "body_sha256": strings.ToUpper(hexSHA256(body))}}), "", errorCode("invalid_argument")))
}

func reuse(a *area) {
	source := "issue: a token for a target is kept and reused until shortly before it expires"
	keeps := func(changes object, reused bool) step {
		return call("access.issue", wanted(object{"jti": remove, "reuse": true}.and(changes)), "", okIncludes(object{"reused": reused})).varies("ok.token", "ok.authorization")
	}
	first := keeps(nil, false).save("token", "ok.token")
	again := func(seconds int) step {
		s := keeps(later(seconds), true)
		s.Expect = okIncludes(object{"reused": true, "token": "$token", "issued_at": now, "expires_at": now + 300})
		return s
	}
	a.accept("reuse", "one token for many calls", source, openSigning(nil), first, again(1), again(100), again(200))
	a.accept("reuse-names", "a target by another spelling is the same", source, openSigning(nil), first, call("access.issue", wanted(object{"jti": remove, "reuse": true, "target": "https://Agents.Example.com/bob/"}), "",
		okIncludes(object{"reused": true, "token": "$token"})).varies("ok.token", "ok.authorization"))
	other := func(name, says string, changes object) {
		a.accept("reuse-not-"+name, says, source, openSigning(nil), first, keeps(changes, false))
	}
	other("dying", "shortly before it expires a new one", later(299))
	other("dead", "after it expired", later(301))
	other("before", "a clock that stepped back before it began", later(-60))
	other("other-target", "another target", object{"target": "@carol"})
	other("other-scopes", "other scopes", object{"scopes": []string{"read"}})
	other("other-lifetime", "another lifetime", object{"ttl": 10})
	other("given-jti", "a given jti", object{"jti": "jti-9"})
	other("extra", "further claims", object{"extra_claims": object{"x": 1}})
	other("bound", "a token for one request", object{"bind": object{"method": "GET", "url": bobURL, "body_sha256": hexSHA256("")}})
	other("unasked", "without reuse a new one each time", object{"reuse": false})
	feed := func(ring object) step {
		return call("engine.feed", object{"engine": "$engine", "ring": ring}, "", okIncludes(object{}))
	}
	a.accept("reuse-rotated", "its key has retired, and is published until it is dead", source, openSigning(nil), first,
		feed(ringOf(ringEntry(aliceNext, "active", nil), ringEntry(alice, "retired", object{"dead_at": now + 1000}))), again(1))
	a.accept("reuse-not-revoked", "its key was revoked: every receiver would refuse it", "protocol.md section 2: own keys", openSigning(nil), first,
		feed(ringOf(ringEntry(aliceNext, "active", nil), ringEntry(bob, "next", nil))), keeps(nil, false))
	anew := keeps(object{"reuse": false, "now": now + 10}, false).save("token", "ok.token")
	newest := keeps(later(20), true)
	newest.Expect = okIncludes(object{"reused": true, "token": "$token", "issued_at": now + 10})
	a.accept("reuse-newest", "a token that was wanted anew replaces the kept one", source, openSigning(nil), first, anew, newest)
	a.accept("reuse-counts", "engine.stats counts what is kept", "abi.md engine.stats", openSigning(nil), first, keeps(object{"target": "@carol"}, false),
		call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"access": object{"tokens": 2}})))
}

func ringSigners(a *area) {
	source := "protocol.md section 2: keys"
	rotated := ringOf(ringEntry(aliceNext, "active", nil), ringEntry(alice, "retired", object{"dead_at": now + 1000}))
	both := ringOf(ringEntry(alice, "active", nil), ringEntry(aliceNext, "next", nil))
	gives := func(key keyPair) step {
		t := selfToken(key, bobURL, "read write", now, 300, "")
		return call("access.issue", wanted(nil), "", ok(issuedAnswer(t, bobURL, "read write", now, 300, key)))
	}
	a.accept("active-signs", "the active key signs, not the next", source, openSigning(object{"ring": both}), gives(alice))
	a.accept("ring-fed", "after a rotation the new active key signs", "abi.md engine.feed", openSigning(nil), gives(alice),
		call("engine.feed", object{"engine": "$engine", "ring": rotated}, "", okIncludes(object{})), gives(aliceNext))

	t := selfToken(alice, bobURL, "read write", now, 300, "")
	for _, holder := range []struct {
		name, says string
		config     object
	}{
		{"kms", "a ring without private keys: a KMS signs", object{}},
		{"host", "rsa host: somebody else signs", object{"rsa": "host", "ring": ringOf(ringEntry(alice, "active", nil))}},
		{"external", "signing external", object{"signing": "external", "ring": ringOf(ringEntry(alice, "active", nil))}},
	} {
		asks := call("access.issue", wanted(nil), "", need("sign", object{"input": t.input(), "key": alice.kid()})).save("ticket", "ticket")
		open := openSelf(holder.config)
		a.accept(holder.name, holder.says, source+"; abi.md needs: sign", open, asks, resume(nil, t.signature, ok(issuedAnswer(t, bobURL, "read write", now, 300, alice))))
		bad := func(name, says string, members object, signature string) {
			a.reject(holder.name+"-"+name, holder.name, says, source+"; abi.md needs: sign", open, asks, resume(members, signature, errorCode("signer_failed")))
		}
		bad("other-key", "signed by another key", nil, rs256(bob, t.input()))
		bad("other-bytes", "something else was signed", nil, rs256(alice, "x"))
		bad("short", "half a signature", nil, t.signature[:128])
		bad("nothing", "nothing", nil, "")
		own := openSelf(holder.config.with(object{"signing": "host"}))
		other := t
		other.signature = rs256(bob, t.input())
		a.accept(holder.name+"-own", "the host's own crypto library is believed", "abi.md engine.open: signing", own, asks, resume(nil, other.signature, ok(issuedAnswer(other, bobURL, "read write", now, 300, alice))))
		a.reject(holder.name+"-own-short", holder.name+"-own", "half a signature, though nobody looks at it", source+"; abi.md needs: sign", own, asks, resume(nil, t.signature[:128], errorCode("signer_failed")))
		bad("failed", "the signer failed", object{"failed": "HSM is locked"}, "")
	}
}

func talkTo(a *area) {
	a.accept("talk-to", "a target that the rules allow", accepting, openSelf(object{"talk_to": rules{bobURL, "@com.example.agents.carol"}}),
		call("access.issue", wanted(nil), "", need("sign", object{})), call("access.issue", wanted(object{"target": "https://agents.example.com/carol"}), "", need("sign", object{})))
	no := func(name, says string, rule any) {
		a.reject("talk-to-"+name, "talk-to", says, accepting, openSelf(object{"talk_to": rule}), noToken(nil, "trust_denied"))
	}
	no("other", "one that they do not", rules{"https://agents.example.com/carol"})
	no("nobody", "nobody", rules{"nobody"})
	no("denied", "deny goes first", object{"allow": rules{"everyone"}, "deny": rules{"https://agents.example.com"}})
	no("look-alike", "a host that begins like it", rules{"https://agents.example.com.evil.example/*"})
}
