package generate

import "github.com/tallystick/tallystick/conformance"

func rings() *area {
	a := newArea("ring", "An agent's own keys: next, active, retired; no token is signed by a key that nobody could know.")
	ringBegins(a)
	ringRotates(a)
	ringRetires(a)
	ringKMS(a)
	ringDocuments(a)
	ringArguments(a)
	return a
}

const keyRotation = "protocol.md section 2: Rotation publishes the new key before it signs, and the old one until its last token is dead"

// updates calls ring.update; a lifetime of 330 s is the default token with its
// leeway.
func updates(changes object, expect conformance.Expect) step {
	return call("ring.update", object{"now": now, "lifetime": 330}.and(changes), "", expect)
}

// sinceEver is the first next key of all: no cache can hold a key set without it.
var sinceEver = object{"published_at": 0}

func kids(pairs ...pair) []string {
	list := []string{}
	for _, pair := range pairs {
		list = append(list, pair.kid())
	}
	return list
}

func updated(ring object, rotated bool, active, next pair, retired ...pair) conformance.Expect {
	return ok(object{"ring": ring, "changed": true, "missing": 0, "rotated": rotated, "active": active.kid(), "next": next.kid(), "retired": kids(retired...)})
}

func ringBegins(a *area) {
	fresh := []string{alice.pkcs8(), aliceNext.pkcs8()}
	begun := ringOf(ringEntry(alice, "active", object{"published_at": now}), ringEntry(aliceNext, "next", sinceEver))
	a.accept("begin", "a new ring: the first fresh key is active, the second next", "abi.md ring.update", updates(object{"fresh": fresh}, updated(begun, false, alice, aliceNext)))
	a.accept("begin-missing", "without keys: how many are needed, and nothing is changed", "abi.md ring.update", updates(nil, okIncludes(object{"missing": 2, "changed": false})))
	a.accept("begin-missing-one", "with one of two", "abi.md ring.update", updates(object{"fresh": fresh[:1]}, okIncludes(object{"missing": 1, "changed": false})))
	a.accept("begin-key-twice", "one key twice is one key", "abi.md ring.update", updates(object{"fresh": []string{alice.pkcs8(), alice.pkcs8()}}, okIncludes(object{"missing": 1, "changed": false})))
	a.accept("begin-key-there", "a key that the ring has is no fresh one", "abi.md ring.update", updates(object{"ring": ringOf(ringEntry(alice, "active", nil)), "fresh": []string{alice.pkcs8()}}, okIncludes(object{"missing": 1, "changed": false})))
	a.accept("begin-import", "webagents' key is imported as the first active one, as PKCS#1 too", "issue: imports webagents' {agent}.pem", updates(object{"fresh": []string{alice.privatePKCS1(), aliceNext.pkcs8()}}, updated(begun, false, alice, aliceNext)))
	a.accept("begin-idle", "a ring that needs nothing stays as it is", "abi.md ring.update", updates(object{"ring": begun}, ok(object{"ring": begun, "changed": false, "missing": 0, "rotated": false, "active": alice.kid(), "next": aliceNext.kid(), "retired": []string{}})))
	a.accept("begin-without-next", "a ring without a next key gets one", "abi.md ring.update: always an active and a next key", updates(object{"ring": ringOf(ringEntry(alice, "active", nil)), "fresh": fresh[1:]},
		updated(ringOf(ringEntry(alice, "active", nil), ringEntry(aliceNext, "next", object{"published_at": now})), false, alice, aliceNext)))
	a.accept("begin-opens", "what it gives opens an engine and signs", "abi.md engine.open: ring", updates(object{"fresh": fresh}, okIncludes(object{})).save("ring", "ok.ring"),
		openSelf(object{"ring": "$ring"}), call("access.issue", wanted(nil), "", okIncludes(object{"key_id": alice.kid()})))
}

func ringRotates(a *area) {
	ring := ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", object{"published_at": now - 300}))
	rotated := ringOf(publicEntry(aliceNext, "active", object{"published_at": now - 300}), publicEntry(bob, "next", object{"published_at": now}), publicEntry(alice, "retired", object{"dead_at": now + 330}))
	rotate := object{"ring": ring, "rotate": true, "fresh": []string{bob.spki()}}
	a.accept("rotate", "next becomes active, active retired until its last token is dead, a fresh key next", keyRotation, updates(rotate, updated(rotated, true, aliceNext, bob, alice)))
	private := ringOf(ringEntry(alice, "active", nil), ringEntry(aliceNext, "next", object{"published_at": now - 300}))
	a.accept("rotate-private", "the same with private keys", keyRotation, updates(object{"ring": private, "rotate": true, "fresh": []string{bob.pkcs8()}}, updated(ringOf(ringEntry(aliceNext, "active", object{"published_at": now - 300}),
		ringEntry(bob, "next", object{"published_at": now}), ringEntry(alice, "retired", object{"dead_at": now + 330})), true, aliceNext, bob, alice)))
	a.accept("rotate-missing", "without a fresh key: one is needed, nothing is changed", keyRotation, updates(rotate.and(object{"fresh": []string{}}), okIncludes(object{"missing": 1, "changed": false, "rotated": false, "active": alice.kid()})))
	early := object{"ring": ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", object{"published_at": now - 299})), "rotate": true, "fresh": []string{bob.spki()}}
	a.reject("rotate-early", "rotate", "next has been published for a second too short: some receiver may not know it", keyRotation, updates(early, errorCode("invalid_argument")))
	a.reject("rotate-early-missing", "rotate", "too early is said before a key is made", keyRotation, updates(early.and(object{"fresh": []string{}}), errorCode("invalid_argument")))
	a.accept("revoke", "stolen keys: every key is dropped at once, the next one too", "abi.md ring.update: revoke", updates(object{"ring": ring, "revoke": true, "fresh": []string{bob.spki(), mallory.spki()}},
		okIncludes(object{"rotated": true, "active": bob.kid(), "next": mallory.kid(), "retired": []string{}})))
	a.accept("revoke-missing", "its own keys are no fresh ones", "abi.md ring.update: revoke", updates(object{"ring": ring, "revoke": true, "fresh": []string{alice.spki(), aliceNext.spki()}},
		okIncludes(object{"missing": 2, "changed": false, "active": alice.kid()})))
	a.accept("rotate-forced", "force, before next is known everywhere", "abi.md ring.update: force", updates(early.and(object{"force": true}), okIncludes(object{"rotated": true, "active": aliceNext.kid()})))
	a.accept("rotate-publish", "publish says how long", "abi.md ring.update: publish", updates(early.and(object{"publish": 299}), okIncludes(object{"rotated": true})))
	a.accept("rotate-latest", "a now of 2^53, the last that is told exactly", "abi.md, The call: times are within 2^53", updates(rotate.and(object{"now": 1 << 53}), okIncludes(object{"rotated": true})))
	for _, c := range []struct {
		name string
		now  any
	}{{"rotate-now-2-53", 1<<53 + 2}, {"rotate-now-2-63", uint64(1 << 63)}, {"rotate-now-negative", -(1<<53 + 2)}, {"rotate-now-huge", 1e300}} {
		a.reject(c.name, "rotate-latest", "a now over 2^53, which becomes one integer natively and another in WebAssembly", "abi.md, The call: times are within 2^53; found by fuzz-parity",
			updates(rotate.and(object{"now": c.now}), errorCode("invalid_argument")))
	}
	a.reject("rotate-clock-back", "rotate", "a clock that stepped back before next was published", traps, updates(rotate.and(object{"now": now - 1000}), errorCode("invalid_argument")))
	a.accept("rotate-first-next", "the first next key of all is known wherever the ring is: it may sign at once", keyRotation, updates(object{"fresh": []string{alice.spki(), aliceNext.spki()}}, okIncludes(object{})).save("ring", "ok.ring"),
		updates(object{"ring": "$ring", "rotate": true, "fresh": []string{bob.spki()}, "now": now + 1}, okIncludes(object{"rotated": true, "active": aliceNext.kid(), "next": bob.kid(), "retired": kids(alice)})).save("ring", "ok.ring"),
		updates(object{"ring": "$ring", "rotate": true, "fresh": []string{mallory.spki()}, "now": now + 301}, okIncludes(object{"rotated": true, "active": bob.kid(), "next": mallory.kid(), "retired": kids(aliceNext, alice)})))
	a.reject("rotate-no-pause", "rotate-first-next", "the second rotation has to wait", keyRotation, updates(object{"fresh": []string{alice.spki(), aliceNext.spki()}}, okIncludes(object{})).save("ring", "ok.ring"),
		updates(object{"ring": "$ring", "rotate": true, "fresh": []string{bob.spki()}, "now": now + 1}, okIncludes(object{})).save("ring", "ok.ring"),
		updates(object{"ring": "$ring", "rotate": true, "fresh": []string{mallory.spki()}, "now": now + 300}, errorCode("invalid_argument")))
	a.accept("rotate-loses-nothing", "tokens of the old key and of the new one are both accepted", "issue: key rotated while running (no request lost)", openSelf(object{"ring": private}),
		call("access.issue", wanted(nil), "", okIncludes(object{"key_id": alice.kid()})).save("old", "ok.token"), updates(object{"ring": private, "rotate": true, "fresh": []string{bob.pkcs8()}}, okIncludes(object{})).save("ring", "ok.ring"),
		call("engine.feed", object{"engine": "$engine", "ring": "$ring"}, "", okIncludes(object{})), call("access.issue", wanted(object{"target": aliceURL}), "", okIncludes(object{"key_id": aliceNext.kid()})).save("new", "ok.token"),
		serve(pathKeys, nil, "", okIncludes(object{})).save("keys", "ok.response.body"),
		openEmpty(object{"trusted_issuers": []object{{"issuer": aliceURL, "jwks_uri": keysURL}}, "audience": []string{aliceURL}}),
		call("access.verify", object{"engine": "$engine", "now": now + 1, "token": "$old"}, "", nextFetch(keysURL, object{})).save("ticket", "ticket"), bodySaved("keys", answered(200, nil, "", nil, okIncludes(object{"key_id": alice.kid()}))),
		call("access.verify", object{"engine": "$engine", "now": now + 1, "token": "$new"}, "", okIncludes(object{"key_id": aliceNext.kid()})))
}

func ringRetires(a *area) {
	ring := ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", nil), publicEntry(bob, "retired", object{"dead_at": now + 330}))
	a.accept("retired-stays", "a retired key stays while one of its tokens lives", keyRotation, updates(object{"ring": ring, "now": now + 329}, okIncludes(object{"changed": false, "retired": kids(bob)})))
	a.accept("retired-goes", "and is dropped when the last is dead", keyRotation, updates(object{"ring": ring, "now": now + 330},
		updated(ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", nil)), false, alice, aliceNext)))
	a.accept("retired-lifetime", "as long as the longest token lives", "abi.md ring.update: lifetime", updates(object{"ring": ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", nil)), "rotate": true, "lifetime": 86430, "fresh": []string{bob.spki()}},
		okIncludes(object{"ring": object{"keys": []object{{"state": "active"}, {"state": "next"}, {"state": "retired", "dead_at": now + 86430}}}})))
}

func ringKMS(a *area) {
	a.accept("kms", "keys that a KMS holds: public halves alone", "abi.md ring.update: public_pem", updates(object{"fresh": []string{alice.spki(), aliceNext.spki()}},
		updated(ringOf(publicEntry(alice, "active", object{"published_at": now}), publicEntry(aliceNext, "next", sinceEver)), false, alice, aliceNext)))
}

func ringDocuments(a *area) {
	bad := func(name, says string, ring any) {
		a.reject("document-"+name, "begin-idle", says, "abi.md ring.update: Document", updates(object{"ring": ring}, errorCode("invalid_config")))
	}
	active, next := publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", nil)
	bad("empty", "no keys", ringOf([]object{}...))
	bad("version", "another version", object{"version": 2, "keys": []object{active, next}})
	bad("no-version", "no version", object{"keys": []object{active, next}})
	bad("unknown-member", "an unknown member", ringOf(active, next).with(object{"x": 1}))
	bad("unknown-key-member", "an unknown member of a key", ringOf(active.with(object{"x": 1}), next))
	bad("no-active", "no active key", ringOf(next))
	bad("two-active", "two active keys", ringOf(active, publicEntry(aliceNext, "active", nil)))
	bad("two-next", "two next keys", ringOf(active, next, publicEntry(bob, "next", nil)))
	bad("key-twice", "a key twice", ringOf(active, publicEntry(alice, "next", nil)))
	bad("state", "another state", ringOf(active, publicEntry(aliceNext, "future", nil)))
	bad("kid", "a kid that is not the key's", ringOf(active.with(object{"kid": bob.kid()}), next))
	bad("retired-for-ever", "a retired key without an end", ringOf(active, next, publicEntry(bob, "retired", nil)))
	bad("active-with-end", "an active key with an end", ringOf(active.with(object{"dead_at": now}), next))
	bad("no-key", "an entry without a key", ringOf(active.with(object{"public_pem": remove}), next))
	bad("both-halves", "private and public beside each other: which one counts?", ringOf(active.with(object{"private_pem": alice.pkcs8()}), next))
	bad("public-as-private", "a public key as the private one", ringOf(active.with(object{"public_pem": remove, "private_pem": alice.spki()}), next))
	bad("private-as-public", "a private key as the public one", ringOf(active.with(object{"public_pem": alice.pkcs8()}), next))
	bad("roca", "a key with the ROCA fingerprint", ringOf(publicEntry(roca, "active", nil), next))
	bad("weak", "a key of 1024 bits", ringOf(publicEntry(weak, "active", nil), next))
	bad("not-pem", "a text that is no key", ringOf(active.with(object{"public_pem": "x"}), next))
	bad("time", "a time that is a text", ringOf(active.with(object{"published_at": "now"}), next))
	bad("list", "a list", []object{active})
	a.reject("document-opens-nothing", "begin-opens", "engine.open refuses it too", "abi.md engine.open: ring", call("engine.open", object{"access": object{"base_url": aliceURL, "ring": ringOf(next)}}, "", errorCode("invalid_config")))
}

func ringArguments(a *area) {
	bad := func(name, twin, says, code string, changes object) {
		a.reject("argument-"+name, twin, says, "abi.md ring.update", updates(changes, errorCode(code)))
	}
	fresh := func(keys ...string) object { return object{"fresh": keys} }
	bad("not-pem", "begin", "a fresh key that is none", "invalid_key", fresh("x", aliceNext.pkcs8()))
	bad("roca", "begin", "a fresh key with the ROCA fingerprint", "invalid_key", fresh(alice.pkcs8(), roca.pkcs8()))
	bad("weak", "begin", "a fresh key of 1024 bits", "invalid_key", fresh(alice.pkcs8(), weak.pkcs8()))
	bad("bits", "begin", "a next key of another size than bits", "invalid_key", fresh(alice.pkcs8(), aliceNext.pkcs8()).with(object{"bits": 4096}))
	bad("bits-odd", "begin", "another number of bits", "invalid_argument", fresh(alice.pkcs8(), aliceNext.pkcs8()).with(object{"bits": 1024}))
	bad("lifetime-zero", "begin", "no lifetime: retired keys would vanish at once", "invalid_argument", object{"lifetime": 0})
	bad("lifetime-negative", "begin", "a negative lifetime", "invalid_argument", object{"lifetime": -1})
	bad("publish-negative", "rotate-publish", "a negative publish", "invalid_argument", object{"publish": -1})
	a.reject("argument-lifetime-missing", "begin", "no lifetime given", "abi.md ring.update", call("ring.update", object{"now": now}, "", errorCode("invalid_argument")))
}
