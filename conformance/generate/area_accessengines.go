package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func accessEngines() *area {
	a := newArea("access-engine", "The life of an engine of access tokens, and configurations that it refuses.")
	accessOpens(a)
	accessConfigs(a)
	accessFeeds(a)
	policyFeeds(a)
	return a
}

func opensAccess(members object, expect object) step {
	return call("engine.open", object{"access": members}, "", okIncludes(expect))
}

func accessOpens(a *area) {
	source := "abi.md engine.open: access"
	ring := publicRing(alice)
	fine := func(name, says string, members, expect object) {
		a.accept(name, says, source, opensAccess(members, expect))
	}
	fine("self", "an agent that signs itself", object{"base_url": aliceURL, "ring": ring}, object{"mode": "self-issued", "issuer": aliceURL, "agent_id": "alice.example", "base_url": aliceURL, "name": "example.alice",
		"max_body": 10485760, "body_at_once": 65536, "buffer_at_once": 16 << 20, "buffer_asked": 48 << 20, "max_form": 65536, "key_id": alice.kid(), "warnings": []object{}})
	fine("name", "@name as base_url", object{"base_url": "@alice", "ring": ring}, object{"base_url": "https://robutler.ai/agents/alice", "agent_id": "alice", "issuer": "https://robutler.ai/agents/alice"})
	fine("spelling", "base_url in its one spelling", object{"base_url": "https://Alice.Example:443/", "ring": ring}, object{"base_url": aliceURL})
	fine("id", "agent_id alone", object{"agent_id": "alice", "ring": ring}, object{"base_url": "https://robutler.ai/agents/alice", "agent_id": "alice"})
	fine("portal", "an agent of a portal: no ring", object{"authority": portalURL, "agent_id": "alice"}, object{"mode": "portal", "issuer": portalURL, "agent_id": "alice", "base_url": portalURL + "/agents/alice", "name": "alice", "key_id": ""})
	fine("authority", "an authority", object{"role": "authority", "base_url": portalURL, "ring": ring}, object{"mode": "authority", "issuer": portalURL, "key_id": alice.kid()})
	fine("inactive", "features that are not active", object{"authority": portalURL, "agent_id": "a", "google": object{"client_id": "x"}}, object{"mode": "portal"})
	onlyVerifies := object{"jwks_uri": portalURL + "/keys", "audience": []string{bobURL}}
	fine("verifies-only", "the seed's TypeScript form needs no ring: such an agent only verifies", onlyVerifies, object{"mode": "self-issued", "key_id": ""})
	verifies := call("engine.open", object{"access": onlyVerifies}, "", okIncludes(object{})).save("engine", "ok.engine")
	a.reject("verifies-only-issues-nothing", "self", "it signs nothing", source, verifies, call("access.issue", wanted(nil), "", errorCode("invalid_config")))
	a.reject("verifies-only-grants-nothing", "self", "and gives no tokens", source, verifies, declines(carolsForm(), nil, 400, "unauthorized_client"))
	a.accept("verifies-only-publishes-none", "and publishes no keys", source, verifies, serve(pathKeys, nil, "", saying(200, object{}, object{"keys": []object{}})))
	private := ringOf(ringEntry(alice, "active", nil))
	t := selfToken(alice, bobURL, "read write", now, 300, "")
	a.accept("signing-host", "the host signs, the core verifies", source+": signing", openSelf(object{"rsa": "core", "signing": "host", "ring": private}), call("access.issue", wanted(nil), "", need("sign", object{"input": t.input(), "key": alice.kid()})))
	a.accept("signing-core", "the core signs, the host verifies", source+": signing", openSelf(object{"rsa": "host", "signing": "core", "ring": private, "keys": object{aliceURL: alice.spki()}}),
		call("access.issue", wanted(nil), "", okIncludes(object{"token": t.String()})), call("access.verify", asked(t.String(), nil), "", need("check", object{"key": alice.kid()})))
	a.accept("rsa-import", "the host may check within a call, and signs", source+": rsa", openSelf(object{"rsa": "import", "ring": private}), call("access.issue", wanted(nil), "", need("sign", object{"input": t.input(), "key": alice.kid()})))
	a.accept("close", "closed", "abi.md engine.close", openAccess(nil), letsIn(accessToken(nil), nil), call("engine.close", object{"engine": "$engine"}, "", ok(object{})))
	a.reject("used-after-close", "close", "used after it was closed", "abi.md engine.close", openAccess(nil), call("engine.close", object{"engine": "$engine"}, "", ok(object{})), call("access.verify", asked(accessToken(nil).String(), nil), "", errorCode("unknown_engine")))
	a.accept("stats", "what it holds", "abi.md engine.stats", openAccess(nil), call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"issuers": 1, "keys": 1, "tickets": 0, "replay": object{"live": 0, "capacity": 1000000},
		"access": object{"issuers": object{"cached": 0, "capacity": 1000}, "tokens": 0, "verified": 0}})))
	a.accept("key-of-ring", "engine.key knows the own keys", "abi.md engine.key", openAccess(nil), call("engine.key", object{"engine": "$engine", "key": bob.kid()}, "", okIncludes(object{"public_pem": bob.spki()})))
	a.reject("key-unknown", "key-of-ring", "and no others", "abi.md engine.key", openAccess(nil), call("engine.key", object{"engine": "$engine", "key": mallory.kid()}, "", errorCode("unknown_key")))
	realm := refusal("missing_authorization")
	realm.Response.Realm = "my agents"
	a.reject("realm", "self", "the configured realm stands in the challenge", "RFC 9110 section 11.5", openAccess(object{"realm": "my agents"}), call("access.verify", asked("", object{"authorization": []string{}}), "", realm))
}

func accessConfigs(a *area) {
	source := "abi.md engine.open: access"
	base := object{"base_url": aliceURL, "ring": publicRing(alice)}
	bad := func(name, says, code string, changes object) {
		a.reject("config-"+name, "self", says, source, call("engine.open", object{"access": base.with(changes)}, "", errorCode(code)))
	}
	bad("nothing", "neither base_url nor agent_id", "invalid_config", object{"base_url": remove})
	bad("no-ring", "who signs without keys?", "invalid_config", object{"ring": remove})
	bad("authority-of-authority", "an authority with an authority", "invalid_config", object{"role": "authority", "authority": portalURL})
	bad("authority-http", "an authority on plain http", "invalid_config", object{"authority": "http://portal.example", "ring": remove})
	bad("role", "another role", "invalid_config", object{"role": "admin"})
	bad("replay", "another replay", "invalid_config", object{"replay": "none"})
	bad("signing", "another signing", "invalid_config", object{"signing": "openssl"})
	bad("rsa", "another rsa", "invalid_config", object{"rsa": "openssl"})
	bad("base-url-bare-host", "a base_url without a scheme", "invalid_config", object{"base_url": "alice.example"})
	bad("base-url-query", "a base_url with a query", "invalid_config", object{"base_url": aliceURL + "?x"})
	bad("base-url-user", "a base_url with user info", "invalid_config", object{"base_url": "https://a@alice.example"})
	bad("ttl-zero", "a token_ttl of 0", "invalid_config", object{"token_ttl": 0})
	bad("ttl-over", "a token_ttl over a day", "invalid_config", object{"token_ttl": 86401})
	bad("leeway-over", "a leeway over 300 s", "invalid_config", object{"leeway": 301})
	bad("leeway-negative", "a negative leeway", "invalid_config", object{"leeway": -1})
	bad("skew-over", "a clock_skew over 300 s", "invalid_config", object{"clock_skew": 301})
	bad("skew-negative", "a negative clock_skew", "invalid_config", object{"clock_skew": -1})
	bad("cache-zero", "a jwks_cache_ttl of 0", "invalid_config", object{"jwks_cache_ttl": 0})
	bad("capacity-zero", "a replay_capacity of 0", "invalid_config", object{"replay_capacity": 0})
	bad("scope", "an allowed scope that is none", "invalid_config", object{"allowed_scopes": []string{"a b"}})
	bad("deny-bare", "a host without https:// on the deny list, which would deny nobody", "invalid_config",
		object{"deny": []string{"evil.example"}})
	bad("deny", "a deny pattern that is none: it must not be passed over", "invalid_config", object{"deny": []string{"@mallory", "***"}})
	bad("rules", "rules that are none", "invalid_config", object{"accept_from": []string{"friends"}})
	bad("keys", "keys of an issuer that are none", "invalid_key", object{"keys": object{aliceURL: "x"}})
	bad("keys-private", "a private key among them", "invalid_key", object{"keys": object{aliceURL: alice.pkcs8()}})
	bad("client-key", "a client_key that is none", "invalid_key",
		object{"ring": remove, "authority": portalURL, "agent_id": "alice", "client_key": "x"})
	bad("realm-line-break", "a line break in the realm", "invalid_config", object{"realm": "a\r\nb"})
	for _, fault := range realmFaults {
		bad("realm-"+fault.name, fault.says, "invalid_config", object{"realm": fault.realm})
	}
	for _, credential := range []struct {
		name   string
		member object
	}{
		{"client-secret", object{"client_secret": clientSecret}}, {"client-key", object{"client_key": bob.pkcs8()}},
	} {
		atPortal := object{"authority": portalURL, "agent_id": "alice"}.with(credential.member)
		a.accept(credential.name, "what an agent shows to its authority", source,
			opensAccess(atPortal, object{"mode": "portal"}))
		needless := func(name, says string, members object) {
			a.reject("config-"+credential.name+name, credential.name, says, source,
				call("engine.open", object{"access": members.with(credential.member)}, "", errorCode("invalid_config")))
		}
		needless("-without-authority", "of an agent that signs itself: was its authority forgotten?", base)
		needless("-of-authority", "of an authority: it shows nothing to anybody",
			object{"role": "authority", "base_url": portalURL, "ring": publicRing(alice)})
	}
	bad("unknown-member", "a typing error must not switch a check off", "invalid_argument", object{"denny": []string{"@mallory"}})
	bad("camel-case", "engine.open takes what config.read gives, in its spelling", "invalid_argument", object{"tokenTtl": 60})
	bad("wrong-type", "a text where true or false is wanted", "invalid_argument", object{"require_binding": "yes"})
	a.reject("config-beside-verifier", "self", "access beside a verifier: which one decides?", "abi.md engine.open: access (alone)", call("engine.open", object{"access": base, "verifier": object{"keys": object{}}}, "", errorCode("invalid_config")))
}

// policyFeeds: another policy holds from now on, and nothing that was concluded from the
// old one.
func policyFeeds(a *area) {
	source := "abi.md engine.feed: policy; protocol.md section 9"
	t := accessToken(nil)
	base := object{"base_url": bobURL, "keys": remove}
	feed := func(changes object, expect conformance.Expect) step {
		return call("engine.feed", object{"engine": "$engine", "policy": base.with(changes)}, "", expect)
	}
	feeds := func(changes object) step { return feed(changes, okIncludes(object{"warnings": []object{}})) }
	denied := object{"deny": []string{aliceURL}}
	a.accept("policy-allows", "who was denied comes in", source, openAccess(denied), feeds(nil), letsIn(t, nil))
	a.reject("policy-denies", "policy-allows", "a deny holds for a token that was verified before", source,
		openAccess(nil), letsIn(t, nil).times(2), feeds(denied), keepsOut(t, nil, "issuer_denied"))
	a.accept("policy-scopes", "other scopes are granted", source, openAccess(nil), letsIn(t, nil),
		feeds(object{"allowed_scopes": []string{"read"}}), lets(t, nil, object{"scopes": []string{"read"}}))
	a.reject("policy-rules", "policy-allows", "another rule of who may call", source, openAccess(nil),
		letsIn(t, nil), feeds(object{"accept_from": []string{"nobody"}}), keepsOut(t, nil, "trust_denied"))
	a.accept("policy-host", "how the host works stays as it was", source, openAccess(nil),
		feeds(object{"rsa": "host", "signing": "host", "derive": "host", "replay": "host"}), letsIn(t, nil))
	a.accept("policy-twice", "and the rule after that", source, openAccess(nil), feeds(denied), feeds(nil),
		letsIn(t, nil))
	broken := []step{openAccess(nil), feed(object{"deny": []string{"evil.example"}}, errorCode("invalid_config")),
		letsIn(t, nil)}
	a.reject("policy-unusable", "policy-allows", "a policy that is none: the old one stays", source, broken...)
	bound := boundToken(nil)
	a.reject("policy-used", "access-policy/bound", "a token that was used before stays used", source,
		openAccess(nil), asksBody(bound, nil), resume(nil, body, boundHere), feeds(nil),
		asksBody(bound, nil), resume(nil, body, refusal("replay_detected")))
	a.reject("policy-meanwhile", "access-policy/bound",
		"a token that was being judged by the old policy is asked for again", source, openAccess(nil),
		asksBody(bound, nil), feeds(denied),
		resume(nil, body, refusal("overloaded")))
	for _, fixed := range []struct {
		name  string
		value any
	}{
		{"role", "authority"}, {"authority", portalURL}, {"base_url", aliceURL}, {"agent_id", "robert"},
		{"audience", []string{aliceURL}},
		{"client_id", "robert"}, {"dev_mode", true},
		{"token_ttl", 301}, {"leeway", 31}, {"clock_skew", 31},
		{"jwks_cache_ttl", 60}, {"max_body", 1}, {"max_buffered", 1 << 30}, {"realm", "other"},
	} {
		a.reject("policy-fixed-"+strings.ReplaceAll(fixed.name, "_", "-"), "policy-allows",
			fixed.name+" changes with a restart only: the old policy stays", source,
			openAccess(nil), feed(denied.with(object{fixed.name: fixed.value}), errorCode("invalid_config")),
			letsIn(t, nil))
	}
	portals := object{"authority": portalURL, "agent_id": "alice", "base_url": remove}
	opened := openPortal(object{"client_secret": remove})
	a.accept("policy-portal", "the policy of a portal's agent", source, opened, feeds(portals))
	for _, shown := range []object{{"client_secret": clientSecret}, {"client_key": bob.pkcs8()}} {
		for name := range shown {
			a.reject("policy-fixed-"+strings.ReplaceAll(name, "_", "-"), "policy-portal",
				name+" changes with a restart only", source, opened,
				feed(portals.with(shown), errorCode("invalid_config")), feeds(portals))
		}
	}
	a.reject("policy-with-keys", "policy-allows", "a policy and keys: which keys?", source, openAccess(nil),
		call("engine.feed", object{"engine": "$engine", "policy": base, "keys": object{}}, "",
			errorCode("invalid_argument")))
	a.reject("policy-of-verifier", "policy-allows", "a verifier of requests has none", source, open(nil),
		feed(nil, errorCode("invalid_argument")))
	self := object{"base_url": aliceURL, "agent_id": "alice"}
	a.accept("policy-keeps-ring", "the own keys stay", source, openSelf(nil),
		call("engine.feed", object{"engine": "$engine", "policy": self}, "", okIncludes(object{"key_id": alice.kid()})))
	none := self.with(object{"clients": []object{}})
	a.reject("policy-clients", "policy-keeps-ring", "the clients of a policy replace those before", source,
		openSelf(object{"clients": []object{registered(nil)}}),
		call("engine.feed", object{"engine": "$engine", "policy": none}, "", okIncludes(object{})),
		declines(carolsForm("scope=read"), nil, 401, "invalid_client"))
}

func accessFeeds(a *area) {
	source := "abi.md engine.feed"
	feed := func(members object, code string) step {
		request := object{"engine": "$engine"}.with(members)
		if code != "" {
			return call("engine.feed", request, "", errorCode(code))
		}
		return call("engine.feed", request, "", okIncludes(object{}))
	}
	t := accessToken(nil)
	a.accept("feed-keys", "keys of issuers are replaced", source, openAccess(object{"keys": object{aliceURL: mallory.spki()}}), feed(object{"keys": object{aliceURL: alice.spki()}}, ""), letsIn(t, nil))
	a.reject("feed-keys-replaces", "feed-keys", "and what was there before is gone", source, openAccess(nil), letsIn(t, nil), feed(object{"keys": object{aliceURL: mallory.spki()}}, ""), keepsOut(t, nil, "invalid_signature"))
	a.reject("feed-keys-unusable", "feed-keys", "unusable text: the old keys stay", source, openAccess(nil), feed(object{"keys": object{aliceURL: "x"}}, "invalid_key"), letsIn(t, nil))
	a.reject("feed-ring-unusable", "feed-keys", "an unusable ring: the old one stays", source, openSelf(nil), feed(object{"ring": ringOf()}, "invalid_config"), call("access.issue", wanted(nil), "", need("sign", object{"key": alice.kid()})))
	a.accept("feed-ring", "a new ring: the answer names the key that signs now", source, openSelf(nil), call("engine.feed", object{"engine": "$engine", "ring": publicRing(aliceNext)}, "", okIncludes(object{"key_id": aliceNext.kid()})))
	a.accept("feed-counts", "the answer counts the callers that have keys, of which a new ring takes none away", source,
		call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob), "keys": object{aliceURL: alice.spki()}}}, "", okIncludes(object{"issuers": 1})).save("engine", "ok.engine"),
		call("engine.feed", object{"engine": "$engine", "ring": publicRing(aliceNext)}, "", okIncludes(object{"issuers": 1})),
		call("engine.feed", object{"engine": "$engine", "keys": object{}}, "", okIncludes(object{"issuers": 0})))
	a.reject("feed-ring-of-portal", "feed-keys", "an agent of a portal has no ring", source, openPortal(nil), feed(object{"ring": publicRing(alice)}, "invalid_argument"))
	a.reject("feed-nothing", "feed-keys", "nothing", source, openAccess(nil), feed(nil, "invalid_argument"))
	a.reject("feed-files", "feed-keys", "files are a verifier's", source, openAccess(nil), feed(object{"files": []object{}}, "invalid_argument"))
	a.reject("feed-verifier-ring", "feed-keys", "a ring is no verifier's", source, open(nil), feed(object{"ring": publicRing(alice)}, "invalid_argument"))
}
