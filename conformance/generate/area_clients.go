package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func registrations() *area {
	a := newArea("client", "The secrets of clients: made, stored as salted hashes, and registrations that are refused.")
	newSecrets(a)
	registryEntries(a)
	return a
}

func newSecrets(a *area) {
	source := "abi.md client.secret"
	opens := func(hash string) step {
		return openAuthority(object{"clients": []object{registered(object{"secret_hash": hash})}})
	}
	a.accept("secret-given", "a given secret is hashed with a fresh salt, and its hash lets it in", source, call("client.secret", object{"secret": clientSecret}, "", okIncludes(object{"secret": clientSecret})).varies("ok.secret_hash").save("hash", "ok.secret_hash"),
		opens("$hash"), granted(secretForm("target=@bob"), nil))
	a.reject("secret-given-not-another", "secret-given", "and no other", source, call("client.secret", object{"secret": clientSecret + "-of-another"}, "", okIncludes(object{})).varies("ok.secret_hash").save("hash", "ok.secret_hash"),
		opens("$hash"), declines(secretForm("target=@bob"), nil, 401, "invalid_client"))
	drawn := call("client.secret", object{}, "", okIncludes(object{})).varies("ok.secret", "ok.secret_hash").save("secret", "ok.secret").save("hash", "ok.secret_hash")
	asks := func(secret string) []step {
		return []step{openAuthority(object{"clients": []object{registered(object{"client_id": "alice", "secret_hash": "$hash"})}}).save("authority", "ok.engine"),
			openPortal(object{"client_secret": secret}).save("alice", "ok.engine"), asksFor(object{"scopes": []string{"read"}}, nextFetch(portalURL+pathDiscovery, object{})),
			answered(404, nil, "", nil, nextFetch(metadataURL(portalURL), object{})).save("ticket", "ticket"),
			answered(404, nil, "", nil, nextFetch(tokenURL, object{})).varies("need.headers.authorization").save("form", "need.body").save("basic", "need.headers.authorization")}
	}
	posts := func(expect conformance.Expect) step {
		return bodySaved("form", call("access.serve", object{"engine": "$authority", "now": now + 1, "method": "POST", "path": "/auth/token", "content_type": formType, "authorization": []string{"$basic"}}, "", expect))
	}
	a.accept("secret-drawn", "a secret that is drawn lets its client in", source, sequence(drawn, asks("$secret"), []step{posts(need("sign", object{})).varies("need.input")})...)
	a.reject("secret-drawn-anew", "secret-drawn", "another that is drawn does not", source, sequence(drawn, []step{call("client.secret", object{}, "", okIncludes(object{})).varies("ok.secret", "ok.secret_hash").save("other", "ok.secret")},
		asks("$other"), []step{posts(saying(401, secretAnswer, object{"error": "invalid_client"}))})...)
	first := call("client.secret", object{"secret": clientSecret, "derive": "host"}, "", okIncludes(object{"secret": clientSecret, "derive": object{"secret": clientSecret, "iterations": 10_000, "length": 32}})).varies("ok.derive.salt")
	second := func(members object, derived string, expect conformance.Expect) step {
		return call("client.secret", object{"secret": clientSecret, "derive": "host", "salt": base64url([]byte("salt-of-16-bytes"))}.with(members), derived, expect)
	}
	derived := derivedFrom(clientSecret)
	a.accept("secret-derived", "the host derives: what is stored is what the core would have stored", source, first, second(nil, derived, ok(object{"secret": clientSecret, "secret_hash": secretHash})))
	misuse := func(name, says string, members object, derived string) {
		a.reject("secret-derived-"+name, "secret-derived", says, source, second(members, derived, errorCode("invalid_argument")))
	}
	misuse("none", "a salt, and nothing that was derived", nil, "")
	misuse("short", "31 bytes", nil, derived[:31])
	misuse("long", "33 bytes", nil, derived+"\x00")
	misuse("no-salt", "no salt", object{"salt": remove}, derived)
	misuse("salt", "a salt that is no base64url", object{"salt": "a+b/c+d/"}, derived)
	misuse("salt-short", "a salt of 7 bytes", object{"salt": base64url([]byte("7-bytes"))}, derived)
	misuse("no-secret", "no secret", object{"secret": remove}, derived)
	misuse("short-secret", "a secret of 15 characters", object{"secret": strings.Repeat("s", 15)}, derived)
	misuse("core", "the core derives itself", object{"derive": "core"}, derived)
	misuse("other", "a derive that is none of the two", object{"derive": "import"}, derived)
	fine := func(name, says, secret string) {
		a.accept("secret-"+name, says, source, call("client.secret", object{"secret": secret}, "", okIncludes(object{"secret": secret})).varies("ok.secret_hash"))
	}
	bad := func(name, twin, says, secret string) {
		a.reject("secret-"+name, "secret-"+twin, says, source, call("client.secret", object{"secret": secret}, "", errorCode("invalid_argument")))
	}
	fine("shortest", "a secret of 16 characters", strings.Repeat("s", 16))
	bad("short", "shortest", "15 characters", strings.Repeat("s", 15))
	bad("empty", "shortest", "none", "")
	fine("longest", "1,024 characters", strings.Repeat("s", 1024))
	bad("long", "longest", "1,025 characters", strings.Repeat("s", 1025))
	bad("nul", "shortest", "a NUL, with which HMAC would fill a key up: two secrets would be one", strings.Repeat("s", 16)+"\x00")
	bad("non-ascii", "shortest", "a character that clients encode differently", strings.Repeat("s", 16)+"é")
	bad("line-break", "shortest", "the line break of a file", strings.Repeat("s", 16)+"\n")
}

func registryEntries(a *area) {
	source := "abi.md engine.open: clients"
	opening := func(clients ...object) object {
		return object{"access": object{"role": "authority", "base_url": portalURL, "ring": publicRing(bob), "clients": append([]object{}, clients...)}}
	}
	a.accept("entry", "a client with everything", source, call("engine.open", opening(registered(object{"namespaces": []string{"production"}, "trust": []string{"verified"}, "targets": []string{"@bob.*", partner + "/**"}})), "", okIncludes(object{"mode": "authority"})))
	bad := func(name, says, code string, client object) {
		a.reject("entry-"+name, "entry", says, source, call("engine.open", opening(client), "", errorCode(code)))
	}
	bad("no-id", "no id", "invalid_argument", registered(object{"client_id": remove}))
	bad("empty-id", "an empty id", "invalid_config", registered(object{"client_id": ""}))
	bad("id-space", "a space in the id", "invalid_config", registered(object{"client_id": "ca rol"}))
	bad("id-climbs", "an id that climbs: it becomes the end of a URL", "invalid_config", registered(object{"client_id": "../admin"}))
	bad("id-query", "an id with a query", "invalid_config", registered(object{"client_id": "carol?x"}))
	bad("id-long", "an id of 257 bytes", "invalid_config", registered(object{"client_id": strings.Repeat("c", 257)}))
	bad("no-credential", "neither secret nor key", "invalid_config", registered(object{"secret_hash": remove, "public_key": remove}))
	bad("no-scopes", "no scopes", "invalid_argument", registered(object{"scopes": remove}))
	bad("scope", "a scope that is none", "invalid_config", registered(object{"scopes": []string{"a b"}}))
	bad("namespace", "a namespace that would be two scopes", "invalid_config", registered(object{"namespaces": []string{"a b"}}))
	bad("label", "a label that would be two scopes", "invalid_config", registered(object{"trust": []string{"verified admin"}}))
	bad("label-empty", "an empty label", "invalid_config", registered(object{"trust": []string{""}}))
	bad("namespace-prefix", "a namespace with its prefix", "invalid_config",
		registered(object{"namespaces": []string{"namespace:production"}}))
	bad("label-mark", "a label with the mark that rules have", "invalid_config",
		registered(object{"trust": []string{"#verified"}}))
	bad("target-bare", "a target without @ or https://", "invalid_config",
		registered(object{"targets": []string{"bob"}}))
	bad("target", "a target that is no pattern", "invalid_config", registered(object{"targets": []string{"@***"}}))
	bad("member", "an unknown member", "invalid_argument", registered(object{"secret": "x"}))
	bad("private-key", "a private key as the public one", "invalid_config", registered(object{"secret_hash": remove, "public_key": alice.pkcs8()}))
	bad("roca-key", "a key with the ROCA fingerprint", "invalid_config", registered(object{"secret_hash": remove, "public_key": roca.spki()}))
	bad("weak-key", "a key of 1024 bits", "invalid_config", registered(object{"secret_hash": remove, "public_key": weak.spki()}))
	parts := strings.Split(secretHash, "$")
	hash := func(name, says string, at int, value string) {
		changed := append([]string{}, parts...)
		changed[at] = value
		bad("hash-"+name, says, "invalid_config", registered(object{"secret_hash": strings.Join(changed, "$")}))
	}
	hash("plain", "the secret itself", 0, clientSecret)
	hash("name", "another function", 0, "pbkdf2-sha1")
	hash("few", "too few iterations", 1, "1000")
	hash("many", "so many that one request would take minutes", 1, "1000000000")
	hash("zero", "a number with a leading zero", 1, "010000")
	hash("salt", "no salt", 2, "")
	most, over := strings.Split(hashSecret(clientSecret, strings.Repeat("s", 64)), "$"), strings.Split(hashSecret(clientSecret, strings.Repeat("s", 65)), "$")
	a.accept("entry-hash-salt-longest", "a salt of 64 bytes", source, call("engine.open", opening(registered(object{"secret_hash": strings.Join(most, "$")})), "", okIncludes(object{"mode": "authority"})))
	a.reject("entry-hash-salt-long", "entry-hash-salt-longest", "a salt of 65 bytes", source, call("engine.open", opening(registered(object{"secret_hash": strings.Join(over, "$")})), "", errorCode("invalid_config")))
	hash("short", "half a hash", 3, parts[3][:20])
	hash("alphabet", "another base64", 3, strings.NewReplacer("-", "+", "_", "/").Replace(parts[3])+"=")
	a.reject("entry-twice", "entry", "one id twice", source, call("engine.open", opening(registered(nil), registered(nil)), "", errorCode("invalid_config")))
	a.accept("entry-most", "10,000 clients would be too many for a vector; none is fine", source, call("engine.open", opening(), "", okIncludes(object{"mode": "authority"})))
}
