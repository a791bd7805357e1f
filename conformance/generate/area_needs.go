package generate

import (
	"encoding/json"

	"github.com/tallystick/tallystick/conformance"
)

const abiNeeds = "ABI.md needs"

func needs() *area {
	a := newArea("needs", "What the core asks its host for, and what it makes of the answers.")
	needKeys(a)
	needClaim(a)
	needLastClaim(a)
	needCheck(a)
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
	fine := okIncludes(object{"issuer": "alice"})

	a.accept("keys-unchanged", "the folder is as it was", source, reload, asksKeys(t, "alice", nil), resume(unchanged, "", fine))
	a.accept("keys-added", "an issuer that was just added is known without a restart", source, reload, asksKeys(bobs, "bob", nil),
		resume(keysOf(object{"bob": bob.spki()}), "", okIncludes(object{"issuer": "bob"})))
	a.accept("keys-added-file", "the same as files of the folder", source, reload, asksKeys(bobs, "bob", nil),
		resume(object{"files": []object{file("alice.pem", alice.spki()), file("bob.pem", bob.spki())}}, "", okIncludes(object{"issuer": "bob"})))
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
	a.accept("keys-reload-seconds", "reload_seconds of 10: asked after 10 s", "ABI.md engine.open", open(object{"reload": true, "reload_seconds": 10}),
		asksKeys(t, "alice", nil), resume(unchanged, "", fine), accepted(second, at(now+10)), asksKeys(t.renamed("jti-3"), "alice", at(now+11)))
	a.accept("keys-clock-stepped-back", "a clock that stepped back asks again", traps, reload, asksKeys(t, "alice", nil), resume(unchanged, "", fine),
		asksKeys(second, "alice", at(now)))
	a.reject("keys-not-asked-for-garbage", "keys-unchanged", "a malformed token reads no folder", "protocol.md section 3", reload, refusedText("a.b.c", nil, "malformed_token"))
	a.reject("keys-body-remembered", "keys-unchanged", "the body of the first call is judged after the pause", abiNeeds, reload,
		asksKeys(t, "alice", object{"body": "changed"}), resume(unchanged, "", refusal("body_tampered")))
	a.reject("keys-wrong-answer", "keys-unchanged", "an answer for another kind of need", abiNeeds, reload, asksKeys(t, "alice", nil),
		resume(object{"claim": "claimed"}, "", errorCode("invalid_argument")))
	a.reject("keys-private-in-folder", "keys-added-file", "a private key among the new files is not used", "protocol.md section 1", reload, asksKeys(t, "alice", nil),
		resume(object{"files": []object{file("alice.pem", alice.pkcs8())}}, "", unknownIssuer("alice")))
}

func needClaim(a *area) {
	source := step14 + "; " + abiNeeds
	host := open(object{"replay": "host"})
	t := sign(alice, rotagentClaims())
	asksClaim := asks(t, nil, "claim", object{"issuer": "alice", "jti": "jti-1", "expires_at": now + 60, "now": now + 1})
	answer := func(word string) object { return object{"claim": word} }

	a.accept("claim-claimed", "the host's store had not seen the jti", source, host, asksClaim, resume(answer("claimed"), "", okIncludes(object{"jti": "jti-1"})))
	a.reject("claim-exists", "claim-claimed", "the host's store has the jti", source, host, asksClaim, resume(answer("exists"), "", refusal("replay_detected")))
	a.reject("claim-unavailable", "claim-claimed", "the store cannot be reached: fail closed", "protocol.md section 3", host, asksClaim,
		resume(answer("unavailable").with(object{"failed": "disk full"}), "", refusal("replay_store_unavailable")))
	a.reject("claim-other-word", "claim-claimed", "an answer that is none of the three", abiNeeds, host, asksClaim, resume(answer("maybe"), "", errorCode("invalid_argument")))
	a.reject("claim-empty-answer", "claim-claimed", "an answer that says nothing", abiNeeds, host, asksClaim, resume(nil, "", errorCode("invalid_argument")))
	a.reject("claim-answered-as-check", "claim-claimed", "valid true is no answer to a claim", abiNeeds, host, asksClaim, resume(object{"valid": true}, "", errorCode("invalid_argument")))
	a.accept("claim-with-leeway", "claimed until exp and leeway", "protocol.md section 3: kept until exp + leeway", open(object{"replay": "host", "leeway": 30}),
		asks(t, nil, "claim", object{"expires_at": now + 90}))
	a.accept("claim-fraction", "a fractional exp is rounded up: the token must not outlive its claim", "ABI.md needs: integer seconds", host,
		asks(claim("exp", json.Number("1700000060.25")), nil, "claim", object{"expires_at": now + 61}))
	a.reject("claim-last", "claim-claimed", "a request refused for its body asks for no claim", "protocol.md section 3: replay, last", host,
		refused(t, object{"body": "x"}, "body_tampered"))
}

// needLastClaim: the need has the result, and no ticket.
func needLastClaim(a *area) {
	source := step14 + "; ABI.md engine.open, replay"
	last := open(object{"replay": "host_last"})
	t := sign(alice, rotagentClaims())
	result := object{"issuer": "alice", "jti": "jti-1", "issued_at": now, "expires_at": now + 60, "key_id": alice.kid(), "development": false}
	asksLast := need("claim", object{"issuer": "alice", "jti": "jti-1", "expires_at": now + 60, "now": now + 1, "claimed": object{"ok": result}})
	notClaimed := func(members object, expect conformance.Expect) step {
		return call("request.refuse", object{"engine": "$engine", "issuer": "alice", "jti": "jti-1", "claim": "exists"}.with(members), "", expect)
	}
	asks := verify(t, nil, asksLast)

	a.accept("last-claim", "the claim ends the operation: its result comes with the need", source, last, asks)
	a.accept("last-claim-no-ticket", "nothing waits for the host", source, last, asks, call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"tickets": 0})))
	a.accept("last-claim-brief", "with brief the result is brief", source, open(object{"replay": "host_last", "brief": true}),
		verify(t, nil, need("claim", object{"jti": "jti-1", "claimed": object{"ok": object{"key_id": alice.kid(), "development": false}}})))
	a.accept("last-claim-after-keys", "the keys first", source, open(object{"replay": "host_last", "reload": true}),
		verify(t, nil, need("keys", object{"issuer": "alice"})).save("ticket", "ticket"), resume(object{"unchanged": true}, "", asksLast))
	a.accept("last-claim-after-check", "the signature first", source, open(object{"replay": "host_last", "rsa": "host"}),
		verify(t, nil, need("check", object{"key": alice.kid()})).save("ticket", "ticket"), resume(object{"valid": true}, "", asksLast))
	a.accept("last-claim-development", "in development nothing is claimed", source, open(object{"replay": "host_last", "development": true}),
		verify(t, nil, okIncludes(object{"jti": "jti-1", "development": true})))
	a.reject("last-claim-exists", "last-claim", "the host's store has the jti", source, last, asks, notClaimed(nil, refusal("replay_detected")))
	a.reject("last-claim-unavailable", "last-claim", "the store cannot be reached: fail closed", source, last, asks,
		notClaimed(object{"claim": "unavailable", "failed": "disk full"}, refusal("replay_store_unavailable")))
	a.reject("last-claim-for-body", "last-claim", "a request refused for its body asks for no claim", "protocol.md section 3: replay, last", last,
		refused(t, object{"body": "x"}, "body_tampered"))
	a.reject("last-claim-replay-word", "last-claim", "a replay that is none of the three", "ABI.md engine.open",
		call("engine.open", object{"verifier": object{"keys": object{"alice": alice.spki()}, "replay": "last"}}, "", errorCode("invalid_config")))

	misuse := func(name, says string, members object) {
		a.reject("refuse-"+name, "last-claim", says, "ABI.md request.refuse", last, notClaimed(members, errorCode("invalid_argument")))
	}
	misuse("claimed", "claimed is no refusal", object{"claim": "claimed"})
	misuse("other-word", "a word that is none of the two", object{"claim": "maybe"})
	misuse("claim-missing", "no claim", object{"claim": remove})
	misuse("issuer-missing", "no issuer", object{"issuer": remove})
	misuse("jti-missing", "no jti", object{"jti": remove})
	misuse("unknown-member", "a member that does not exist", object{"ticket": 1})
	a.reject("refuse-signer", "last-claim", "an engine that verifies nothing", "ABI.md request.refuse", openSigner(nil), notClaimed(nil, errorCode("invalid_argument")))
	a.reject("refuse-closed", "last-claim", "an engine that was closed", "ABI.md request.refuse", last, call("engine.close", object{"engine": "$engine"}, "", ok(object{})),
		notClaimed(nil, errorCode("unknown_engine")))
}

func needCheck(a *area) {
	source := step6 + "; " + abiNeeds
	host := open(object{"rsa": "host"})
	t := sign(alice, rotagentClaims())
	asksCheck := asks(t, nil, "check", object{"input": t.input(), "signature": base64url([]byte(t.signature)), "key": alice.kid()})
	valid := func(is bool) object { return object{"valid": is} }

	a.accept("check-valid", "the host says that the signature is good", source, host, asksCheck, resume(valid(true), "", okIncludes(object{"issuer": "alice", "key_id": alice.kid()})))
	a.reject("check-invalid", "check-valid", "the host says that it is not", source, host, asksCheck, resume(valid(false), "", refusal("invalid_signature")))
	a.reject("check-failed", "check-valid", "the host could not check: fail closed", abiNeeds, host, asksCheck, resume(object{"failed": "no such key"}, "", errorCode("check_failed")))
	a.reject("check-empty-answer", "check-valid", "an answer that says nothing", abiNeeds, host, asksCheck, resume(nil, "", errorCode("invalid_argument")))
	a.reject("check-answered-as-claim", "check-valid", "claimed is no answer to a check", abiNeeds, host, asksCheck, resume(object{"claim": "claimed"}, "", errorCode("invalid_argument")))
	a.reject("check-length-first", "check-valid", "a signature of a wrong length is not worth a question", "architecture.md: the core has checked the signature length", host,
		refused(token{t.header, t.payload, t.signature[:255]}, nil, "invalid_signature"))
	a.reject("check-before-expiry", "check-valid", "an expired token is expired only when its signature is good", "protocol.md section 3: one order", host,
		asks(t, at(now+100), "check", object{}), resume(valid(true).with(at(now+100)), "", refusal("token_expired")))
	next := sign(aliceNext, rotagentClaims())
	a.accept("check-next-key", "two keys without kid: the second is asked for when the first did not fit", step5,
		open(object{"rsa": "host", "keys": object{"alice": alice.spki() + aliceNext.spki()}}),
		asks(next, nil, "check", object{"key": alice.kid()}),
		resume(valid(false), "", need("check", object{"key": aliceNext.kid()})).save("ticket", "ticket"),
		resume(valid(true), "", okIncludes(object{"key_id": aliceNext.kid()})))
	a.accept("check-then-claim", "check and claim, one after the other", abiNeeds, open(object{"rsa": "host", "replay": "host"}), asksCheck,
		resume(valid(true), "", need("claim", object{"jti": "jti-1"})).save("ticket", "ticket"),
		resume(object{"claim": "claimed"}, "", okIncludes(object{"jti": "jti-1"})))
	a.accept("check-key-text", "engine.key gives the key that is to be checked with", "ABI.md engine.key", host, asksCheck.save("key", "need.key"),
		call("engine.key", object{"engine": "$engine", "key": "$key"}, "", okIncludes(object{"public_pem": alice.spki()})))
}

func tickets(a *area) {
	source := "ABI.md needs: tickets"
	host := open(object{"replay": "host"})
	t := sign(alice, rotagentClaims())
	asksClaim := asks(t, nil, "claim", object{})
	claimed := object{"claim": "claimed"}
	fine := okIncludes(object{"jti": "jti-1"})

	a.reject("ticket-used-twice", "claim-claimed", "a ticket is used once", source, host, asksClaim, resume(claimed, "", fine), resume(claimed, "", errorCode("unknown_ticket")))
	a.reject("ticket-never-given", "claim-claimed", "a ticket that was never given", source, host, asksClaim, resume(claimed.with(object{"ticket": 999999}), "", errorCode("unknown_ticket")))
	a.reject("ticket-of-another-engine", "claim-claimed", "a ticket is worth nothing to another engine", source, host.save("first", "ok.engine"), asksClaim,
		open(object{"replay": "host"}), resume(claimed, "", errorCode("unknown_ticket")), resume(claimed.with(object{"engine": "$first"}), "", fine))
	a.reject("ticket-after-close", "claim-claimed", "a ticket dies with its engine", source, host, asksClaim,
		call("engine.close", object{"engine": "$engine"}, "", ok(object{})), resume(claimed, "", errorCode("unknown_engine")))
	a.accept("ticket-a-minute-old", "a ticket of 60 seconds", source, host, asksClaim, resume(claimed.with(at(now+61)), "", fine))
	a.reject("ticket-too-old", "ticket-a-minute-old", "a ticket of 61 seconds", source, host, asksClaim, resume(claimed.with(at(now+62)), "", errorCode("unknown_ticket")))
	a.accept("ticket-clock-back", "a clock that stepped back by 60 seconds", source, host, asksClaim, resume(claimed.with(at(now-59)), "", fine))
	a.reject("ticket-clock-further-back", "ticket-clock-back", "a clock that stepped back by 61 seconds: a ticket that waits for it to catch up would live longer than a minute", source, host, asksClaim,
		resume(claimed.with(at(now-60)), "", errorCode("unknown_ticket")))
	a.accept("ticket-abandoned", "an abandoned ticket leaves no trace: the jti is unused", source, open(object{"reload": true}),
		asks(t, nil, "keys", object{}), asks(t, nil, "keys", object{}), resume(object{"unchanged": true}, "", fine))
	a.accept("tickets-1024", "1,024 tickets at once", source, host, asksClaim.times(1024), resume(claimed, "", fine))
	a.reject("tickets-over-1024", "tickets-1024", "the 1,025th operation is refused while 1,024 wait", source, host, asksClaim.times(1024), verify(t, nil, errorCode("overloaded")))
	long := claim("exp", now+600)
	a.accept("tickets-make-room", "tickets over a minute old make room", source, host, asks(long, nil, "claim", object{}).times(1024), asks(long, at(now+62), "claim", object{}))
}
