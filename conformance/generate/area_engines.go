package generate

import "strings"

func engines() *area {
	a := newArea("engine", "The life of an engine, and configurations that are refused.")
	life(a)
	configuration(a)
	return a
}

func life(a *area) {
	source := "abi.md engine.open, engine.feed, engine.close"
	t := sign(alice, rotagentClaims())
	closes := call("engine.close", object{"engine": "$engine"}, "", ok(object{}))
	stats := func(expect object) step {
		return call("engine.stats", object{"engine": "$engine"}, "", okIncludes(expect))
	}
	a.accept("open", "an engine with its defaults", source,
		call("engine.open", object{"verifier": object{"keys": object{"alice": alice.spki()}}}, "", okIncludes(object{"max_body": 10485760, "issuers": 1, "warnings": []object{}, "key_id": ""})))
	a.accept("open-without-keys", "an empty folder is a folder", source, call("engine.open", object{"verifier": object{"files": []object{}}}, "", okIncludes(object{"issuers": 0})))
	a.accept("close", "an engine is closed", source, open(nil), accepted(t, nil), closes)
	a.reject("closed-twice", "close", "closed twice", source, open(nil), closes, call("engine.close", object{"engine": "$engine"}, "", errorCode("unknown_engine")))
	a.reject("used-after-close", "close", "used after it was closed", source, open(nil), closes, verify(t, nil, errorCode("unknown_engine")))
	a.reject("never-opened", "open", "a number that was never given out", source, call("engine.stats", object{"engine": 987654321}, "", errorCode("unknown_engine")))
	a.reject("signer-asked-to-verify", "open", "an engine without verifier", source, openSigner(nil), verify(t, nil, errorCode("invalid_argument")))
	feed := func(members object, expect object) step {
		return call("engine.feed", object{"engine": "$engine"}.with(members), "", okIncludes(expect))
	}
	a.accept("feed", "fed with other keys", source, open(nil), feed(keysOf(object{"bob": bob.spki()}), object{"issuers": 1, "warnings": []object{}}),
		accepted(sign(bob, rotagentClaims().with(object{"iss": "bob"})), nil), stats(object{"issuers": 1, "keys": 1}))
	a.reject("feed-replaces", "feed", "what was there before is gone", source, open(nil), feed(keysOf(object{"bob": bob.spki()}), object{"issuers": 1}),
		verify(t, nil, unknownIssuer("alice")))
	a.reject("feed-keeps-replays", "feed", "feeding forgets no used token", source, open(nil), accepted(t, nil), feed(keysOf(object{"alice": alice.spki()}), object{}),
		refused(t, nil, "replay_detected"))
	a.reject("feed-warns", "feed", "a private key among the files", source, open(nil),
		feed(object{"files": []object{file("bob.pem", bob.pkcs8())}}, object{"issuers": 0, "warnings": []object{{"source": "bob.pem", "code": "private_key"}}}))
	a.reject("feed-unusable", "feed", "unusable text in keys: the old keys stay", source, open(nil),
		call("engine.feed", object{"engine": "$engine", "keys": object{"bob": "x"}}, "", errorCode("invalid_key")), accepted(t, nil))
	a.reject("feed-nothing", "feed", "fed with neither files nor keys", source, open(nil), call("engine.feed", object{"engine": "$engine"}, "", errorCode("invalid_argument")))
	a.accept("stats-of-signer", "a signer has no keys of others", source, openSigner(nil), stats(object{"issuers": 0, "keys": 0, "tickets": 0}))
	a.accept("key-of-signer", "engine.key knows the signer's key", "abi.md engine.key", openSigner(nil),
		call("engine.key", object{"engine": "$engine", "key": alice.kid()}, "", okIncludes(object{"public_pem": alice.spki()})))
	a.reject("key-unknown", "key-of-signer", "a thumbprint that the engine does not know", "abi.md engine.key", openSigner(nil),
		call("engine.key", object{"engine": "$engine", "key": bob.kid()}, "", errorCode("unknown_key")))
	realm := open(object{"realm": "my agents"})
	inRealm := refusal("invalid_signature")
	inRealm.Response.Realm = "my agents"
	a.accept("realm", "a realm is configured", "RFC 9110 section 11.5", realm, accepted(t, nil))
	a.reject("realm-in-challenge", "realm", "the configured realm stands in the challenge", "RFC 9110 section 11.5", realm, verify(sign(mallory, rotagentClaims()), nil, inRealm))
}

func configuration(a *area) {
	source := "abi.md engine.open: verifier"
	bad := func(name, says, code string, members object) {
		a.reject(name, "open", says, source, call("engine.open", object{"verifier": object{"keys": object{}}.with(members)}, "", errorCode(code)))
	}
	a.accept("bounds", "every number at its largest", source, open(object{"leeway": 300, "clock_skew": 300, "max_lifetime": 86400, "max_body": 67108864, "reload_seconds": 3600, "replay_capacity": 10000000}))
	bad("leeway-over", "a leeway over 300 s", "invalid_config", object{"leeway": 301})
	bad("leeway-negative", "a negative leeway", "invalid_config", object{"leeway": -1})
	bad("skew-over", "a clock_skew over 300 s", "invalid_config", object{"clock_skew": 301})
	bad("skew-negative", "a negative clock_skew", "invalid_config", object{"clock_skew": -1})
	bad("lifetime-zero", "a max_lifetime of 0", "invalid_config", object{"max_lifetime": 0})
	bad("lifetime-over-a-day", "a max_lifetime over a day", "invalid_config", object{"max_lifetime": 86401})
	bad("body-over", "a max_body over 64 MiB", "invalid_config", object{"max_body": 67108865})
	bad("body-negative", "a negative max_body", "invalid_config", object{"max_body": -1})
	room := func(name, says string, members, expect object) {
		a.accept(name, says, source, call("engine.open", object{"verifier": object{"keys": object{}}.with(members)}, "", okIncludes(expect)))
	}
	room("room", "64 MiB for bodies, a quarter of it for those that come before the verdict", nil, object{"body_at_once": 65536, "buffer_at_once": 16 << 20, "buffer_asked": 48 << 20})
	room("room-large", "room for four of the largest bodies", object{"max_body": 64 << 20}, object{"buffer_at_once": 64 << 20, "buffer_asked": 192 << 20})
	room("room-one", "room for one body: none comes before the verdict", object{"max_buffered": 10 << 20}, object{"buffer_at_once": 0, "buffer_asked": 10 << 20})
	room("room-small-bodies", "no body over max_body comes before the verdict", object{"max_body": 100, "max_buffered": 400}, object{"body_at_once": 100, "buffer_at_once": 100, "buffer_asked": 300})
	bad("room-under-body", "a max_buffered under max_body", "invalid_config", object{"max_buffered": 10<<20 - 1})
	bad("room-over", "a max_buffered over 1 TiB", "invalid_config", object{"max_buffered": 1<<40 + 1})
	bad("reload-zero", "a reload_seconds of 0", "invalid_config", object{"reload": true, "reload_seconds": 0})
	bad("capacity-zero", "a replay_capacity of 0", "invalid_config", object{"replay_capacity": 0})
	bad("capacity-over", "a replay_capacity over 10,000,000", "invalid_config", object{"replay_capacity": 10000001})
	bad("replay-other", "another replay", "invalid_config", object{"replay": "none"})
	a.accept("rsa-import", "a host that may check within the call", source+": rsa", open(object{"rsa": "import"}))
	bad("rsa-other", "another rsa", "invalid_config", object{"rsa": "openssl"})
	bad("base-url-relative", "a base_url without scheme", "invalid_config", object{"base_url": "agent.example"})
	bad("base-url-query", "a base_url with a query", "invalid_config", object{"base_url": "https://agent.example?x"})
	bad("base-url-user", "a base_url with a user name", "invalid_config", object{"base_url": "https://a@agent.example"})
	bad("realm-quote", "a quote in the realm", "invalid_config", object{"realm": `a"b`})
	bad("realm-line-break", "a line break in the realm", "invalid_config", object{"realm": "a\r\nb"})
	for _, fault := range realmFaults {
		bad("realm-"+fault.name, fault.says, "invalid_config", object{"realm": fault.realm})
	}
	a.accept("realm-longest", "a realm of 128 characters", source+": realm", open(object{"realm": strings.Repeat("r", 128)}))
	bad("unknown-member", "a member that does not exist: a typing error must not switch a check off", "invalid_argument", object{"require_traget": true})
	bad("member-of-other-case", "members are case-sensitive", "invalid_argument", object{"REQUIRE_TARGET": true})
	bad("member-of-wrong-type", "a text where true or false is wanted", "invalid_argument", object{"require_target": "yes"})
	a.reject("nothing", "open", "neither verifier nor signer", "abi.md engine.open", call("engine.open", object{}, "", errorCode("invalid_config")))
}

// realmFaults are realms that no quoted-string of the challenge can hold as they
// are (RFC 9110 section 5.6.4), and one that is over the bound. Signed requests,
// access tokens and config.read have checks of their own.
var realmFaults = []struct{ name, says, realm string }{
	{"backslash", "a backslash in the realm, which would escape the quote behind it", `agents\`},
	{"delete", "the control character DEL in the realm", "a\x7fb"},
	{"non-ascii", "a letter outside ASCII in the realm", "é"},
	{"long", "a realm of 129 characters", strings.Repeat("r", 129)},
}
