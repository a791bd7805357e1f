package generate

import "strings"

func dashed(name string) string { return strings.ReplaceAll(name, "_", "-") }

// pending: what needs no body is judged before a byte of it is read.
func pending() *area {
	a := newArea("pending", "A body that is read only where all else of its request is good.")
	pendingAnswers(a)
	pendingOrder(a)
	pendingFaults(a)
	return a
}

const pendingSource = "protocol.md section 3 step 11; abi.md request.verify: body_pending"

var unread = object{"body": remove, "body_pending": true}

// asksPending verifies a request whose body is unread, and expects to be asked for it.
func asksPending(t token, changes object) step {
	return asks(t, unread.with(changes), "body", object{"max_bytes": 10485760})
}

func pendingAnswers(a *area) {
	t := sign(alice, rotagentClaims())
	answered := func(setup step, t token, members object, sent string, code string) []step {
		return []step{setup, asksPending(t, nil), resume(members, sent, refusal(code))}
	}
	good := saidBy("alice", "jti-1")
	a.accept("bytes", "the body's bytes", pendingSource, open(nil), asksPending(t, nil), resume(nil, body, good))
	a.accept("digest", "the body's digest, which the host made", pendingSource, open(nil), asksPending(t, nil), resume(object{"body_sha256": hexSHA256(body)}, "", good))
	empty := claim("content_sha256", hexSHA256(""))
	a.accept("empty", "there is no body", pendingSource, open(nil), asksPending(empty, nil), resume(nil, "", good))
	misfit := func(name, says string, members object) {
		a.reject("answered-"+name, "empty", says+" is no answer to the need body, which may be empty", abiNeeds, open(nil), asksPending(empty, nil), resume(members, "", errorCode("invalid_argument")))
	}
	misfit("valid", "valid", object{"valid": true})
	a.reject("answered-failed-and-bytes", "bytes", "a failure and bytes at once", abiNeeds, open(nil), asksPending(t, nil), resume(object{"failed": "x"}, body, errorCode("invalid_argument")))
	misfit("unchanged", "unchanged", object{"unchanged": true})
	misfit("claim", "claimed", object{"claim": "claimed"})
	misfit("status", "an HTTP answer", object{"status": 200, "headers": object{}})
	misfit("files", "a folder", object{"files": []object{}})
	bad := func(name, twin, says string, members object, sent, code string) {
		a.reject(name, twin, says, pendingSource, answered(open(nil), t, members, sent, code)...)
	}
	bad("changed", "bytes", "another body", nil, body+" ", "body_tampered")
	bad("digest-changed", "digest", "the digest of another body", object{"body_sha256": hexSHA256("x")}, "", "body_tampered")
	bad("removed", "bytes", "no body", nil, "", "body_tampered")
	bad("too-large", "bytes", "the host stopped reading", object{"body_too_large": true}, "", "body_too_large")
	bad("unavailable", "bytes", "something read the body before", object{"body_unavailable": true}, "", "body_unavailable")
	bad("malformed", "bytes", "the body's transfer is broken", object{"body_malformed": true}, "", "malformed_request")
	bad("overloaded", "bytes", "the host has no room for the body", object{"overloaded": true}, "", "overloaded")
	a.reject("given-up", "empty", "the host gave up: that is no empty body", pendingSource, answered(open(nil), empty, object{"failed": "x"}, "", "body_unavailable")...)
	a.reject("over-max", "bytes", "more than was asked for", pendingSource, open(object{"max_body": len(body) - 1}),
		asks(t, unread, "body", object{"max_bytes": len(body) - 1}), resume(nil, body, refusal("body_too_large")))
	for _, two := range []struct {
		name, says string
		members    object
		sent       string
	}{
		{"bytes-and-digest", "bytes and a digest", object{"body_sha256": hexSHA256(body)}, body},
		{"bytes-and-too-large", "bytes, and that there were too many", object{"body_too_large": true}, body},
		{"digest-and-malformed", "a digest of what is broken", object{"body_sha256": hexSHA256(body), "body_malformed": true}, ""},
		{"two-reasons", "two reasons to have none", object{"body_unavailable": true, "overloaded": true}, ""},
	} {
		// What cannot be read has not used the ticket up.
		a.reject("two-"+two.name, "bytes", two.says, "abi.md engine.resume: one thing of the body", open(nil), asksPending(t, nil),
			resume(two.members, two.sent, errorCode("invalid_argument")), resume(nil, body, good))
	}
	said := []string{"body_sha256", "body_too_large", "body_unavailable", "body_malformed"}
	values := []any{hexSHA256(body), true, true, true}
	for i, name := range said {
		a.reject("pending-and-"+dashed(name), "bytes", "the body is unread, and "+name, "abi.md request.verify: one thing of the body", open(nil),
			verify(t, unread.with(object{name: values[i]}), errorCode("invalid_argument")))
	}
	a.reject("pending-and-bytes", "bytes", "the body is unread, and here it is", "abi.md request.verify: one thing of the body", open(nil),
		verify(t, object{"body_pending": true}, errorCode("invalid_argument")))
	a.reject("said-twice", "body/signed", "too large and malformed", "abi.md request.verify: one thing of the body", open(nil),
		verify(t, object{"body": remove, "body_too_large": true, "body_malformed": true}, errorCode("invalid_argument")))
}

// pendingOrder: the body is asked for last but for the claim, and once.
func pendingOrder(a *area) {
	t := sign(alice, rotagentClaims())
	asksNothing := func(name, says string, t token, changes object, code string) {
		a.reject("asks-nothing-"+name, "bytes", says, pendingSource, open(nil), refused(t, unread.with(changes), code),
			call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"tickets": 0})))
	}
	asksNothing("no-header", "no token", t, object{"authorization": []string{}}, "missing_authorization")
	asksNothing("signature", "a forged token", sign(mallory, rotagentClaims()), nil, "invalid_signature")
	asksNothing("expired", "a token that has expired", t, at(now+60), "token_expired")
	asksNothing("claims", "a token without a digest of the body", claim("content_sha256", remove), nil, "invalid_claims")
	asksNothing("target", "a token for another method", sign(alice, rotagentClaims().with(object{"htm": "PUT", "htu": endpoint})), nil, "wrong_target")
	good := okIncludes(object{"claims": object{"iss": "alice"}})
	host := open(object{"replay": "host"})
	asksClaim := need("claim", object{"issuer": "alice", "jti": "jti-1", "now": now + 2, "claimed": object{"ok": object{"key_id": alice.kid()}}})
	a.accept("before-claim", "the body, and then the claim, at the body's time", step14, host, asksPending(t, nil),
		resume(at(now+2), body, asksClaim))
	a.reject("refused-claims-nothing", "before-claim", "a body that is refused claims nothing", step14, host, asksPending(t, nil), resume(nil, "x", refusal("body_tampered")))
	a.reject("refused-burns-nothing", "bytes", "a request refused for its body leaves the token unused", step14, open(nil), asksPending(t, nil),
		resume(nil, "x", refusal("body_tampered")), asksPending(t, nil), resume(nil, body, good))
	a.reject("once", "bytes", "two requests with one token at the same time: one wins", step14, open(nil), asksPending(t, nil).save("first", "ticket"), asksPending(t, nil),
		resume(nil, body, good), resume(object{"ticket": "$first"}, body, refusal("replay_detected")))
	a.accept("after-keys-and-check", "keys, check and body, one after the other", pendingSource, open(object{"reload": true, "rsa": "host"}),
		asks(t, unread, "keys", object{"issuer": "alice"}), resume(object{"unchanged": true}, "", need("check", object{"key": alice.kid()})).save("ticket", "ticket"),
		resume(object{"valid": true}, "", need("body", object{"max_bytes": 10485760})).save("ticket", "ticket"), resume(nil, body, good))
	a.accept("in-time", "a body that arrives in the token's last second", pendingSource, open(nil), asksPending(t, nil), resume(at(now+59), body, good))
	a.reject("too-late", "in-time", "a body that takes longer than the token lives", pendingSource, open(nil), asksPending(t, nil), resume(at(now+60), body, refusal("token_expired")))
	long := claim("exp", now+600)
	a.accept("five-minutes", "a body of five minutes", "abi.md needs: tickets", open(nil), asksPending(long, nil), resume(at(now+301), body, good))
	a.reject("over-five-minutes", "five-minutes", "a second more", "abi.md needs: tickets", open(nil), asksPending(long, nil), resume(at(now+302), body, errorCode("unknown_ticket")))
	waits := verify(t, unread, need("body", object{}))
	a.accept("512-waiting", "512 requests whose bodies are awaited, and one whose body is there", "core/engine: maxBodies", open(nil), waits.times(512), accepted(t, nil))
	a.reject("513-waiting", "512-waiting", "one more whose body is awaited", "core/engine: maxBodies", open(nil), waits.times(512), refused(t, unread, "overloaded"))
	development := open(object{"development": true})
	a.accept("development", "in development the body is asked for, and may be another", "protocol.md section 8: development", development, asksPending(t, nil), resume(nil, "another", good))
	a.accept("development-unavailable", "or be gone", "protocol.md section 8: development", development, asksPending(t, nil), resume(object{"body_unavailable": true}, "", good))
	a.reject("development-too-large", "development", "but not too large", "abi.md engine.open: max_body", development, asksPending(t, nil), resume(object{"body_too_large": true}, "", refusal("body_too_large")))
	a.reject("development-malformed", "development", "nor broken", pendingSource, development, asksPending(t, nil), resume(object{"body_malformed": true}, "", refusal("malformed_request")))
}

// pendingFaults: a body that came broken is the caller's fault, whoever read it.
func pendingFaults(a *area) {
	t := sign(alice, rotagentClaims())
	broken := object{"body": remove, "body_malformed": true}
	source := "abi.md request.verify: body_malformed; RFC 6750 section 3.1"
	a.reject("broken", "body/signed", "the body's transfer is broken", source, open(nil), refused(t, broken, "malformed_request"))
	a.reject("broken-in-development", "development/body-changed", "in development too", source, open(object{"development": true}), refused(t, broken, "malformed_request"))
	a.reject("broken-without-token", "body/signed", "without a token it is not asked for", source, open(nil), refused(t, broken.with(object{"authorization": []string{}}), "missing_authorization"))
	a.reject("broken-with-forged-token", "body/signed", "nor with a forged one", source, open(nil), refused(sign(mallory, rotagentClaims()), broken, "invalid_signature"))
	wire := "abi.md, The call: latin-1"
	for _, member := range []string{"method", "path", "query", "mount", "raw_target"} {
		a.reject("wire-"+dashed(member), "body/signed", member+" with a character that is no byte", wire, open(nil), refused(t, object{member: "/€"}, "malformed_request"))
		a.reject("access-wire-"+dashed(member), "access-policy/bound", member+" with a character that is no byte, for an access token", wire, openAccess(nil),
			keepsOut(accessToken(nil), object{member: "/€"}, "malformed_request"))
	}
	a.reject("wire-and-type", "body/signed", "what the program gave is not excused by it", wire, open(nil), verify(t, object{"path": "/€", "query": 1}, errorCode("invalid_argument")))
	a.reject("wire-and-missing", "body/signed", "nor what it left out", wire, open(nil), verify(t, object{"path": "/€", "method": remove}, errorCode("invalid_argument")))
	bound := boundToken(nil)
	for _, said := range [][2]string{{"body_malformed", "malformed_request"}, {"overloaded", "overloaded"}} {
		a.reject("access-"+dashed(said[0]), "access-policy/bound", said[0]+" for an access token that is bound", "abi.md needs: body", openAccess(nil),
			asksBody(bound, nil), resume(object{said[0]: true}, "", refusal(said[1])))
	}
	a.reject("access-too-late", "access-policy/bound", "a body that takes longer than a bound token lives", "abi.md needs: body", openAccess(nil),
		asksBody(boundToken(object{"exp": now + 60}), nil), resume(at(now+90), body, refusal("token_expired")))
}
