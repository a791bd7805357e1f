package generate

import (
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

const abiNeeds = "abi.md needs"

func needs() *area {
	a := newArea("needs", "What the core asks its host for, and what it makes of the answers.")
	needKeys(a)
	needClaim(a)
	needCheck(a)
	mixedAnswers(a)
	tickets(a)
	return a
}

func keysOf(owners object) object { return object{"keys": owners} }

func needKeys(a *area) {
	source := "protocol.md section 1: the folder is re-read; " + abiNeeds
	reload := open(object{"reload": true})
	t := sign(alice, rotagentClaims())
	second := t.renamed("jti-2")
	bobs := sign(bob, rotagentClaims().with(object{"iss": "bob"}))
	asksKeys := func(t token, issuer string, changes object) step {
		return asks(t, changes, "keys", object{"issuer": issuer})
	}
	unchanged := object{"unchanged": true}
	fine := okIncludes(object{"claims": object{"iss": "alice"}})

	a.accept("keys-unchanged", "the folder is as it was", source, reload, asksKeys(t, "alice", nil), resume(unchanged, "", fine))
	a.accept("keys-added", "an issuer that was just added is known without a restart", source, reload, asksKeys(bobs, "bob", nil),
		resume(keysOf(object{"bob": bob.spki()}), "", okIncludes(object{"claims": object{"iss": "bob"}})))
	a.accept("keys-added-file", "the same as files of the folder", source, reload, asksKeys(bobs, "bob", nil),
		resume(object{"files": []object{file("alice.pem", alice.spki()), file("bob.pem", bob.spki())}}, "", okIncludes(object{"claims": object{"iss": "bob"}})))
	a.reject("keys-still-unknown", "keys-added", "the folder was read again and has no such issuer", source, reload, asksKeys(bobs, "bob", nil),
		resume(unchanged, "", unknownIssuer("bob")))
	a.reject("keys-removed", "keys-unchanged", "a key that was taken out of the folder stops working", source, reload, asksKeys(t, "alice", nil),
		resume(keysOf(object{"bob": bob.spki()}), "", unknownIssuer("alice")))
	a.accept("keys-rotated", "a signature by a key that was just added", source, reload, asksKeys(sign(aliceNext, rotagentClaims()), "alice", nil),
		resume(keysOf(object{"alice": alice.spki() + aliceNext.spki()}), "", fine))
	a.reject("keys-failed", "keys-unchanged", "the folder cannot be read: fail closed", "protocol.md section 3", reload, asksKeys(t, "alice", nil),
		resume(object{"failed": "the folder is gone"}, "", refusal("keys_unavailable")))
	a.accept("keys-once-a-second", "within the second the folder is not read again; after it, it is", source, reload,
		asksKeys(t, "alice", nil), resume(unchanged, "", fine),
		accepted(second, at(json.Number("1700000001.5"))), asksKeys(t.renamed("jti-3"), "alice", at(now+2)))
	a.accept("keys-reload-seconds", "reload_seconds of 10: asked after 10 s", "abi.md engine.open", open(object{"reload": true, "reload_seconds": 10}),
		asksKeys(t, "alice", nil), resume(unchanged, "", fine), accepted(second, at(now+10)), asksKeys(t.renamed("jti-3"), "alice", at(now+11)))
	a.accept("keys-clock-stepped-back", "a clock that stepped back asks again", traps, reload, asksKeys(t, "alice", nil), resume(unchanged, "", fine),
		asksKeys(second, "alice", at(now)))
	a.reject("keys-not-asked-for-garbage", "keys-unchanged", "a malformed token reads no folder", "protocol.md section 3", reload, refusedText("a.b.c", nil, "malformed_token"))
	a.reject("keys-body-remembered", "keys-unchanged", "the body of the first call is judged after the pause", abiNeeds, reload,
		asksKeys(t, "alice", object{"body": "changed"}), resume(unchanged, "", refusal("body_tampered")))
	a.reject("keys-wrong-answer", "keys-unchanged", "an answer for another kind of need", abiNeeds, reload, asksKeys(t, "alice", nil),
		resume(object{"claim": "claimed"}, "", errorCode("invalid_argument")))
	a.reject("keys-and-unchanged", "keys-unchanged", "new keys, and nothing has changed: which of the two?", abiNeeds, reload, asksKeys(t, "alice", nil),
		resume(keysOf(object{"alice": alice.spki()}).with(unchanged), "", errorCode("invalid_argument")))
	a.reject("keys-private-in-folder", "keys-added-file", "a private key among the new files is not used", "protocol.md section 1", reload, asksKeys(t, "alice", nil),
		resume(object{"files": []object{file("alice.pem", alice.pkcs8())}}, "", unknownIssuer("alice")))
}

// needClaim: the claim ends a verification. The need has the result, and no ticket.
func needClaim(a *area) {
	source := step14 + "; " + abiNeeds
	host := open(object{"replay": "host"})
	t := sign(alice, rotagentClaims())
	result := object{"ok": object{"key_id": alice.kid(), "development": false, "claims": rotagentClaims()}}
	asksClaim := need("claim", object{"issuer": "alice", "jti": "jti-1", "seconds": 119, "now": now + 1,
		"claimed": result})
	asks := verify(t, nil, asksClaim)

	a.accept("claim", "the claim ends the operation: its result comes with the need", source, host, asks)
	a.accept("claim-no-ticket", "nothing waits for the host", source, host, asks, call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"tickets": 0})))
	a.accept("claim-after-keys", "the keys first", source, open(object{"replay": "host", "reload": true}),
		verify(t, nil, need("keys", object{"issuer": "alice"})).save("ticket", "ticket"), resume(object{"unchanged": true}, "", asksClaim))
	a.accept("claim-after-check", "the signature first", source, open(object{"replay": "host", "rsa": "host"}),
		verify(t, nil, need("check", object{"key": alice.kid()})).save("ticket", "ticket"), resume(object{"valid": true}, "", asksClaim))
	a.accept("claim-development", "in development nothing is claimed", source, open(object{"replay": "host", "development": true}),
		verify(t, nil, okIncludes(object{"development": true})))
	a.accept("claim-with-leeway", "claimed until exp and leeway, and a minute",
		"protocol.md section 3: kept until exp + leeway", open(object{"replay": "host", "leeway": 30}),
		verify(t, nil, need("claim", object{"seconds": 149})))
	a.accept("claim-fraction", "a fractional exp is rounded up: the token must not outlive its claim", "abi.md needs: integer seconds", host,
		verify(claim("exp", json.Number("1700000060.25")), nil, need("claim", object{"seconds": 120})))
	claimLost(a, t, asks)
	a.reject("claim-for-body", "claim", "a request refused for its body asks for no claim", "protocol.md section 3: replay, last", host,
		refused(t, object{"body": "x"}, "body_tampered"))
	for _, word := range []string{"host_last", "last"} {
		a.reject("claim-replay-"+strings.ReplaceAll(word, "_", "-"), "claim", "a replay that is neither memory nor host", "abi.md engine.open",
			call("engine.open", object{"verifier": object{"keys": object{"alice": alice.spki()}, "replay": word}}, "", errorCode("invalid_config")))
	}
	claimRefused(a, host, asks)
}

// claimLost: a store that lost what it held does not know what was used before.
func claimLost(a *area, t token, asks step) {
	source := "abi.md claim: replay_lost_at"
	lost := func(at int64) object { return object{"replay": "host", "replay_lost_at": at} }
	fed := func(at any, expect conformance.Expect) step {
		return call("engine.feed", object{"engine": "$engine", "replay_lost_at": at}, "", expect)
	}
	feeds := func(at int64) step { return fed(at, ok(object{"issuers": 1, "warnings": []object{}})) }
	a.accept("lost-before", "a token that was issued after the loss, by a clock that may run 5 s ahead", source,
		open(lost(now-6)), asks)
	a.reject("lost-after", "lost-before", "one that was issued before it", source, open(lost(now-5)),
		verify(t, nil, refusal("replay_store_unavailable")))
	a.reject("lost-with-leeway", "lost-before", "the larger of leeway and clock_skew counts", source,
		open(lost(now-6).with(object{"leeway": 6})),
		verify(t, nil, refusal("replay_store_unavailable")))
	a.accept("lost-fed-before", "the store was lost while the engine was open", source,
		open(object{"replay": "host"}), feeds(now-6), asks)
	a.reject("lost-fed", "lost-fed-before", "and the token is older than that", source,
		open(object{"replay": "host"}), asks, feeds(now-5),
		verify(t, nil, refusal("replay_store_unavailable")))
	a.reject("lost-fed-older", "lost-fed-before", "the latest loss counts", source, open(lost(now-5)),
		feeds(now-60), verify(t, nil, refusal("replay_store_unavailable")))
	a.reject("lost-fed-negative", "lost-fed-before", "a loss before 1970", source, open(object{"replay": "host"}),
		fed(-1, errorCode("invalid_argument")))
	a.reject("lost-open-negative", "lost-before", "in the policy too", source,
		call("engine.open", object{"verifier": object{"keys": object{"alice": alice.spki()}, "replay_lost_at": -1}},
			"", errorCode("invalid_config")))
	a.accept("lost-development", "in development nothing is claimed, and so nothing lost", source,
		open(lost(now).with(object{"development": true})),
		verify(t, nil, okIncludes(object{"development": true})))
}

// claimRefused: the core words what the host found.
func claimRefused(a *area, host, asks step) {
	source := "abi.md claim.refuse"
	refuses := func(members object, expect conformance.Expect) step {
		return call("claim.refuse", object{"engine": "$engine", "issuer": "alice", "jti": "jti-1", "claim": "exists"}.with(members), "", expect)
	}
	a.reject("claim-exists", "claim", "the host's store has the jti", step14, host, asks, refuses(nil, refusal("replay_detected")))
	a.reject("claim-unavailable", "claim", "the store cannot be reached: fail closed", "protocol.md section 3", host, asks,
		refuses(object{"claim": "unavailable", "failed": "disk full"}, refusal("replay_store_unavailable")))
	a.reject("claim-overloaded", "claim", "more claims are open than the host bears", source, host, asks,
		refuses(object{"claim": "overloaded"}, refusal("overloaded")))
	a.reject("claim-exists-access", "access-policy/claim", "the same words for the other profile", source, openAccess(nil), refuses(object{"issuer": aliceURL}, refusal("replay_detected")))

	misuse := func(name, says string, members object) {
		a.reject("refuse-"+name, "claim", says, source, host, refuses(members, errorCode("invalid_argument")))
	}
	misuse("claimed", "claimed is no refusal", object{"claim": "claimed"})
	misuse("other-word", "a word that is none of the three", object{"claim": "maybe"})
	misuse("claim-missing", "no claim", object{"claim": remove})
	misuse("issuer-missing", "no issuer", object{"issuer": remove})
	misuse("jti-missing", "no jti", object{"jti": remove})
	misuse("unknown-member", "a member that does not exist", object{"ticket": 1})
	a.reject("refuse-signer", "claim", "an engine that verifies nothing", source, openSigner(nil), refuses(nil, errorCode("invalid_argument")))
	a.reject("refuse-closed", "claim", "an engine that was closed", source, host, call("engine.close", object{"engine": "$engine"}, "", ok(object{})),
		refuses(nil, errorCode("unknown_engine")))
}

func needCheck(a *area) {
	source := step6 + "; " + abiNeeds
	host := open(object{"rsa": "host"})
	t := sign(alice, rotagentClaims())
	asksCheck := asks(t, nil, "check", object{"input": t.input(), "signature": base64url([]byte(t.signature)), "key": alice.kid()})
	valid := func(is bool) object { return object{"valid": is} }

	a.accept("check-valid", "the host says that the signature is good", source, host, asksCheck, resume(valid(true), "", okIncludes(object{"key_id": alice.kid(), "claims": object{"iss": "alice"}})))
	a.reject("check-invalid", "check-valid", "the host says that it is not", source, host, asksCheck, resume(valid(false), "", refusal("invalid_signature")))
	a.reject("check-failed", "check-valid", "the host could not check: fail closed", abiNeeds, host, asksCheck, resume(object{"failed": "no such key"}, "", errorCode("check_failed")))
	a.reject("check-empty-answer", "check-valid", "an answer that says nothing", abiNeeds, host, asksCheck, resume(nil, "", errorCode("invalid_argument")))
	a.reject("check-answered-as-claim", "check-valid", "claimed is no answer to a check", abiNeeds, host, asksCheck, resume(object{"claim": "claimed"}, "", errorCode("invalid_argument")))
	a.reject("check-length-first", "check-valid", "a signature of a wrong length is not worth a question", "abi.md needs: check", host,
		refused(token{t.header, t.payload, t.signature[:255]}, nil, "invalid_signature"))
	a.reject("check-before-expiry", "check-valid", "an expired token is expired only when its signature is good", "protocol.md section 3: one order", host,
		asks(t, at(now+100), "check", object{}), resume(valid(true).with(at(now+100)), "", refusal("token_expired")))
	a.accept("check-slow", "a host that takes its time", source, host, asksCheck, resume(valid(true).with(at(json.Number("1700000059.9"))), "", okIncludes(object{"key_id": alice.kid()})))
	a.reject("check-too-slow", "check-slow", "the token died while the host checked", step7+"; "+abiNeeds, host, asksCheck, resume(valid(true).with(at(now+60)), "", refusal("token_expired")))
	next := sign(aliceNext, rotagentClaims())
	a.accept("check-next-key", "two keys without kid: the second is asked for when the first did not fit", step5,
		open(object{"rsa": "host", "keys": object{"alice": alice.spki() + aliceNext.spki()}}),
		asks(next, nil, "check", object{"key": alice.kid()}),
		resume(valid(false), "", need("check", object{"key": aliceNext.kid()})).save("ticket", "ticket"),
		resume(valid(true), "", okIncludes(object{"key_id": aliceNext.kid()})))
	a.accept("check-then-claim", "check and claim, one after the other", abiNeeds, open(object{"rsa": "host", "replay": "host"}), asksCheck,
		resume(valid(true), "", need("claim", object{"jti": "jti-1"})))
	a.accept("check-key-text", "engine.key gives the key that is to be checked with", "abi.md engine.key", host, asksCheck.save("key", "need.key"),
		call("engine.key", object{"engine": "$engine", "key": "$key"}, "", okIncludes(object{"public_pem": alice.spki()})))
}

// mixedAnswers: a host that answers another need as well mixed up two operations.
func mixedAnswers(a *area) {
	host := open(object{"rsa": "host"})
	t := sign(alice, rotagentClaims())
	asksCheck := asks(t, nil, "check", object{})
	mixed := func(name, says string, members object, body string) {
		a.reject("check-and-"+name, "check-valid", says, abiNeeds, host, asksCheck,
			resume(object{"valid": true}.with(members), body,
				errorCode("invalid_argument")), resume(object{"valid": true}, "", errorCode("unknown_ticket")))
	}
	mixed("claim", "valid, and a claim", object{"claim": "claimed"}, "")
	mixed("unchanged", "valid, and no new keys", object{"unchanged": true}, "")
	mixed("keys", "valid, and new keys", keysOf(object{"alice": alice.spki()}), "")
	mixed("status", "valid, and an HTTP status", object{"status": 200}, "")
	mixed("headers", "valid, and headers", object{"headers": object{}}, "")
	mixed("digest", "valid, and the digest of a body", object{"body_sha256": hexSHA256("")}, "")
	mixed("body-state", "valid, and why there is no body", object{"body_too_large": true}, "")
	mixed("overloaded", "valid, and no room for a body", object{"overloaded": true}, "")
	mixed("bytes", "valid, and bytes", nil, "x")
	a.reject("keys-and-valid", "keys-unchanged", "no new keys, and a verdict", abiNeeds, open(object{"reload": true}),
		asks(t, nil, "keys", object{"issuer": "alice"}), resume(object{"unchanged": true, "valid": true}, "",
			errorCode("invalid_argument")))
}

func tickets(a *area) {
	source := "abi.md needs: tickets"
	host := open(object{"rsa": "host"})
	t := sign(alice, rotagentClaims())
	asksCheck := asks(t, nil, "check", object{})
	valid := object{"valid": true}
	fine := saidBy("alice", "jti-1")

	a.reject("ticket-used-twice", "check-valid", "a ticket is used once", source, host, asksCheck, resume(valid, "", fine), resume(valid, "", errorCode("unknown_ticket")))
	a.reject("ticket-never-given", "check-valid", "a ticket that was never given", source, host, asksCheck, resume(valid.with(object{"ticket": 999999}), "", errorCode("unknown_ticket")))
	a.reject("ticket-of-another-engine", "check-valid", "a ticket is worth nothing to another engine", source, host.save("first", "ok.engine"), asksCheck,
		open(object{"rsa": "host"}), resume(valid, "", errorCode("unknown_ticket")), resume(valid.with(object{"engine": "$first"}), "", fine))
	a.reject("ticket-after-close", "check-valid", "a ticket dies with its engine", source, host, asksCheck,
		call("engine.close", object{"engine": "$engine"}, "", ok(object{})), resume(valid, "", errorCode("unknown_engine")))
	lasting := asks(sign(alice, rotagentClaims().with(object{"iat": now - 100, "exp": now + 100})), nil, "check", object{}) // longer than any ticket
	a.accept("ticket-a-minute-old", "a ticket of 60 seconds", source, host, lasting, resume(valid.with(at(now+61)), "", fine))
	a.reject("ticket-too-old", "ticket-a-minute-old", "a ticket of 61 seconds", source, host, lasting, resume(valid.with(at(now+62)), "", errorCode("unknown_ticket")))
	a.accept("ticket-clock-back", "a clock that stepped back by 60 seconds", source, host, lasting, resume(valid.with(at(now-59)), "", fine))
	a.reject("ticket-clock-further-back", "ticket-clock-back", "a clock that stepped back by 61 seconds: a ticket that waits for it to catch up would live longer than a minute", source, host, lasting,
		resume(valid.with(at(now-60)), "", errorCode("unknown_ticket")))
	a.accept("ticket-abandoned", "an abandoned ticket leaves no trace: the jti is unused", source, open(object{"reload": true}),
		asks(t, nil, "keys", object{}), asks(t, nil, "keys", object{}), resume(object{"unchanged": true}, "", fine))
	a.accept("tickets-1024", "1,024 tickets at once", source, host, asksCheck.times(1024), resume(valid, "", fine))
	a.reject("tickets-over-1024", "tickets-1024", "the 1,025th operation is refused while 1,024 wait", source, host, asksCheck.times(1024), verify(t, nil, errorCode("overloaded")))
	long := claim("exp", now+600)
	a.accept("tickets-make-room", "tickets over a minute old make room", source, host, asks(long, nil, "check", object{}).times(1024), asks(long, at(now+62), "check", object{}))
}
