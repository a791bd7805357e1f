package generate

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func documents(a *area) {
	t := day(nil)
	get := object{"method": "GET", "flight": 1, "redirects": 0, "address": "public", "max_bytes": 262144, "timeout": 5, "headers": object{"accept": "application/json"}, "read": []string{"cache-control", "content-type", "etag"}}
	second := get.with(object{"flight": 2, "headers": object{"accept": "application/jwk-set+json, application/json"}})
	a.accept("discovery-then-keys", "a stranger's discovery document, then its keys: https, public addresses, no redirects", keysOfOthers, openEmpty(nil),
		fetches(t, nil, discoverURL, get), answered(200, nil, discoveryOf(aliceURL, nil), nil, nextFetch(keysURL, second)).save("ticket", "ticket"),
		answered(200, object{"content-type": "application/jwk-set+json"}, aliceKeys, nil, okIncludes(object{"key_id": alice.kid(), "issuer": aliceURL})))
	a.accept("keys-elsewhere", "the keys lie where the discovery document says", keysOfOthers, openEmpty(nil), fetches(t, nil, discoverURL, object{}),
		answered(200, nil, discoveryOf(aliceURL, object{"jwks_uri": "https://cdn.example/alice?v=2"}), nil, nextFetch("https://cdn.example/alice?v=2", object{"address": "public", "redirects": 0})).save("ticket", "ticket"),
		answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": aliceURL})))
	a.accept("keys-inside-are-checked", "a stranger's document names an inner address: the host must not connect to it", keysOfOthers+": at a public address", openEmpty(nil), fetches(t, nil, discoverURL, object{}),
		answered(200, nil, discoveryOf(aliceURL, object{"jwks_uri": "https://10.0.0.5/keys"}), nil, nextFetch("https://10.0.0.5/keys", object{"address": "public"})))
	a.accept("fallback", "no discovery document: the keys at their usual place", keysOfOthers+": else {iss}/.well-known/jwks.json", sequence(openEmpty(nil), []step{fetches(t, nil, discoverURL, object{})},
		saving(undiscovered(aliceURL, nextFetch(keysURL, object{}))), []step{answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": aliceURL}))})...)
	a.reject("fallback-none", "fallback", "no keys there either", keysOfOthers, sequence(openEmpty(nil), []step{fetches(t, nil, discoverURL, object{})},
		saving(undiscovered(aliceURL, nextFetch(keysURL, object{}))), []step{answered(404, nil, "", nil, refusal("keys_unavailable"))})...)
	below := accessToken(object{"iss": "https://example.com/alice", "aoauth": remove})
	a.accept("issuer-with-path", "an issuer below a path has its documents below it", "OpenID Connect Discovery section 4", openEmpty(nil), fetches(below, nil, "https://example.com/alice"+pathDiscovery, object{}))
	configured := func(changes object) step {
		return openEmpty(object{"trusted_issuers": []object{object{"issuer": aliceURL}.with(changes)}})
	}
	trusting := object{"address": "any", "redirects": 3}
	a.accept("configured", "a configured issuer may be anywhere and may redirect", keysOfOthers, configured(nil), fetches(t, nil, discoverURL, trusting))
	a.accept("configured-keys", "jwks_uri of the configuration: no discovery", keysOfOthers, configured(object{"jwks_uri": "https://keys.example/alice"}), fetches(t, nil, "https://keys.example/alice", trusting),
		answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": aliceURL})))
	a.accept("configured-http", "on loopback by plain http", keysOfOthers, openEmpty(object{"trusted_issuers": []object{{"issuer": "http://localhost:8000"}}}),
		fetches(accessToken(object{"iss": "http://localhost:8000", "aoauth": remove}), nil, "http://localhost:8000"+pathDiscovery, trusting))
	a.accept("development", "dev_mode: a stranger on loopback by plain http", keysOfOthers, openEmpty(object{"dev_mode": true}),
		fetches(accessToken(object{"iss": "http://127.0.0.1:8000", "aoauth": remove}), nil, "http://127.0.0.1:8000"+pathDiscovery, object{"address": "any", "redirects": 0}))
	a.accept("development-elsewhere", "and any other is as before", keysOfOthers, openEmpty(object{"dev_mode": true}), fetches(t, nil, discoverURL, object{"address": "public", "redirects": 0}))
	portal := openEmpty(object{"authority": portalURL, "agent_id": "bob", "base_url": remove, "ring": remove})
	ours := accessToken(object{"iss": portalURL, "aud": portalURL + "/agents/bob", "agent_path": "/agents", "aoauth": remove})
	a.accept("authority", "the authority's keys", "AOAuth skill: Token validation uses Portal's JWKS", portal, fetches(ours, nil, portalURL+pathDiscovery, trusting),
		answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(portalURL+pathKeys, trusting)).save("ticket", "ticket"), answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer_type": "portal", "name": "alice"})))
	a.accept("authority-of-webagents", "a portal of webagents 0.3.9 has its keys at /api/auth/jwks alone", "webagents 0.3.9", sequence(portal, []step{fetches(ours, nil, portalURL+pathDiscovery, object{})},
		saving(undiscovered(portalURL, nextFetch(portalURL+pathKeys, object{}))), []step{answered(404, nil, "", nil, nextFetch(portalURL+"/api/auth/jwks", object{})).save("ticket", "ticket"),
			answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer_type": "portal"}))})...)
	a.accept("pinned", "the seed's TypeScript form fetches its one key set", "AOAuth skill SDK API: jwksUri", openEmpty(object{"jwks_uri": portalURL + "/keys", "audience": []string{bobURL}}),
		fetches(accessToken(object{"iss": portalURL, "aoauth": remove}), nil, portalURL+"/keys", object{"redirects": 3}))
	a.accept("stats", "the cache holds one issuer of at most 1,000", keysOfOthers, append(known(nil), call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"access": object{"issuers": object{"cached": 1, "capacity": 1000}}})))...)
	a.accept("key", "engine.key knows fetched keys", "abi.md engine.key", append(known(nil), call("engine.key", object{"engine": "$engine", "key": alice.kid()}, "", okIncludes(object{"public_pem": alice.spki()})))...)
}

func badDocuments(a *area) {
	source := "issue: JWKS that is huge, HTML, a redirect, empty; " + keysOfOthers + ": JSON only"
	bad := func(name, says, contentType, content string) {
		headers := object{"content-type": contentType}
		if contentType == "" {
			headers = object{"content-type": remove}
		}
		a.reject("keys-"+name, "discovery-then-keys", says, source, keysAnswer(content, headers, refusal("keys_unavailable"))...)
	}
	json := "application/json"
	bad("html", "a page", "text/html", "<html></html>")
	bad("html-as-json", "a page that calls itself JSON", json, "<html></html>")
	bad("json-as-html", "good keys that call themselves a page", "text/html", aliceKeys)
	bad("no-type", "no content type", "", aliceKeys)
	bad("plain-text", "plain text", "text/plain", aliceKeys)
	bad("empty", "nothing", json, "")
	bad("null", "null", json, "null")
	bad("array", "an array", json, "["+text(publishedJWK(alice))+"]")
	bad("one-jwk", "one key in place of a set", json, text(publishedJWK(alice)))
	bad("without-keys", "an object without keys", json, "{}")
	bad("keys-object", "keys that are an object", json, `{"keys":{}}`)
	bad("keys-null", "keys that are null", json, `{"keys":null}`)
	bad("keys-twice", "keys twice", json, `{"keys":[],"keys":[`+text(publishedJWK(alice))+`]}`)
	bad("trailing", "text after the set", json, aliceKeys+"x")
	bad("cut", "a set that is cut off", json, aliceKeys[:len(aliceKeys)-2])
	bad("byte-order-mark", "a byte order mark", json, "\uFEFF"+aliceKeys)
	bad("latin-1", "bytes that are not UTF-8", json, "{\"x\":\"\xe9\",\"keys\":["+text(publishedJWK(alice))+"]}")
	bad("depth", "nesting of 5,000 levels", json, `{"x":`+nested(5000)+`,"keys":[]}`)
	a.accept("type-parameter", "a content type with a parameter and another case", "RFC 9110 section 8.3.1", keysAnswer(aliceKeys, object{"content-type": "Application/JSON; charset=utf-8"}, okIncludes(object{}))...)
}

func badDiscovery(a *area) {
	source := "RFC 8414 section 3.3; issue: discovery whose issuer differs"
	judged := func(name, says, content string) {
		a.reject("discovery-"+name, "discovery-then-keys", says, source, openEmpty(nil), fetches(day(nil), nil, discoverURL, object{}), answered(200, nil, content, nil, refusal("keys_unavailable")))
	}
	document := func(changes object) string { return discoveryOf(aliceURL, changes) }
	judged("other-issuer", "the document of another issuer", document(object{"issuer": "https://evil.example"}))
	judged("issuer-slash", "the issuer with a slash at its end", document(object{"issuer": aliceURL + "/"}))
	judged("issuer-case", "the issuer in another case", document(object{"issuer": "https://Alice.example"}))
	judged("no-issuer", "no issuer", document(object{"issuer": remove}))
	judged("issuer-number", "an issuer that is a number", document(object{"issuer": 1}))
	judged("no-keys", "no jwks_uri", document(object{"jwks_uri": remove}))
	judged("keys-number", "a jwks_uri that is a number", document(object{"jwks_uri": 1}))
	judged("keys-http", "keys by plain http", document(object{"jwks_uri": "http://alice.example/keys"}))
	judged("keys-file", "keys in a file", document(object{"jwks_uri": "file:///etc/passwd"}))
	judged("keys-relative", "a jwks_uri without a host", document(object{"jwks_uri": "/keys"}))
	judged("keys-user", "a jwks_uri with user info", document(object{"jwks_uri": "https://a:b@alice.example/keys"}))
	judged("keys-fragment", "a jwks_uri with a fragment, which is never sent: it names another document than the one that comes", document(object{"jwks_uri": keysURL + "#other"}))
	judged("keys-line-break", "a jwks_uri with a line break", document(object{"jwks_uri": aliceURL + "/keys\r\nX: y"}))
	judged("issuer-twice", "an issuer twice", `{"issuer":"`+aliceURL+`","issuer":"`+aliceURL+`","jwks_uri":"`+keysURL+`"}`)
	judged("array", "an array", "["+document(nil)+"]")
	judged("empty", "nothing", "")
	judged("html", "a page that calls itself JSON", "<html></html>")
	loopback := accessToken(object{"iss": "http://localhost:8000", "aoauth": remove})
	development := openEmpty(object{"dev_mode": true})
	asks := fetches(loopback, nil, "http://localhost:8000"+pathDiscovery, object{})
	of := func(uri string) string { return discoveryOf("http://localhost:8000", object{"jwks_uri": uri}) }
	a.accept("development-keys", "in development mode a stranger's keys on its own origin", keysOfOthers, development, asks, answered(200, nil, of("http://localhost:8000/keys"), nil, nextFetch("http://localhost:8000/keys", object{"address": "any"})))
	a.reject("development-other-port", "development-keys", "but not on another port: that is another service of this machine", keysOfOthers, development, asks, answered(200, nil, of("http://localhost:6379/keys"), nil, refusal("keys_unavailable")))
}

// serverMetadata: an issuer whose one document is that of RFC 8414.
func serverMetadata(a *area) {
	source := "RFC 8414 sections 3.1 and 3.3"
	t := day(nil)
	asks := func(t token, issuer string, moment object) []step {
		return []step{fetches(t, nil, issuer+pathDiscovery, object{"timeout": 5}),
			answered(404, nil, "", moment, nextFetch(metadataURL(issuer), object{})).save("ticket", "ticket")}
	}
	first := asks(t, aliceURL, nil)
	finds := func(name, says string, open step, asked []step, answer step) {
		a.accept("metadata-"+name, says, source, sequence(open, asked, []step{answer})...)
	}
	finds("alone", "no OpenID document: that of RFC 8414 is enough; fetched with the same care", openEmpty(nil),
		[]step{first[0], answered(404, nil, "", nil, nextFetch(metadataURL(aliceURL), object{"method": "GET", "address": "public", "redirects": 0,
			"max_bytes": 262144, "timeout": 5, "headers": object{"accept": "application/json"}})).save("ticket", "ticket")},
		answered(200, nil, discoveryOf(aliceURL, object{"jwks_uri": "https://alice.example/k"}), nil, nextFetch("https://alice.example/k", object{})))
	partner := "https://example.com/tenants/alice"
	below := accessToken(object{"iss": partner, "aoauth": remove})
	finds("path", "an issuer's path stands behind the document's name", openEmpty(nil), asks(below, partner, nil),
		answered(200, nil, discoveryOf(partner, nil), nil, nextFetch(partner+pathKeys, object{})))
	slash := accessToken(object{"iss": "https://example.com/", "aoauth": object{"agent_url": "https://example.com/alice"}})
	finds("slash", "a slash at the issuer's end is not of the document's URL, and is of the issuer",
		openEmpty(object{"trusted_issuers": []object{{"issuer": "https://example.com/"}}}),
		[]step{fetches(slash, nil, "https://example.com"+pathDiscovery, object{}),
			answered(404, nil, "", nil, nextFetch(metadataURL("https://example.com"), object{"address": "any", "redirects": 3})).save("ticket", "ticket")},
		answered(200, nil, discoveryOf("https://example.com", object{"issuer": "https://example.com/"}), nil, nextFetch("https://example.com"+pathKeys, object{})))
	finds("time", "both places together have the time of one fetch", openEmpty(nil),
		[]step{first[0], answered(404, nil, "", at(now+4), nextFetch(metadataURL(aliceURL), object{"timeout": 2})).save("ticket", "ticket")},
		answered(200, nil, discoveryOf(aliceURL, nil), at(now+5), nextFetch(keysURL, object{"timeout": 5})))
	page := object{"content-type": "text/html"}
	finds("page", "a page for every path at the root of a server is no document", openEmpty(nil), first,
		answered(200, page, "<html></html>", nil, nextFetch(keysURL, object{})))
	finds("redirect", "nor is a redirect", openEmpty(nil), first, answered(302, nil, "", nil, nextFetch(keysURL, object{})))
	no := func(name, says string, answer step) {
		a.reject("metadata-"+name, "metadata-alone", says, source, sequence(openEmpty(nil), first, []step{answer})...)
	}
	judged := func(name, says, content string) {
		no(name, says, answered(200, nil, content, nil, refusal("keys_unavailable")))
	}
	judged("other-issuer", "the document of another issuer", discoveryOf(aliceURL, object{"issuer": "https://evil.example"}))
	judged("issuer-slash", "the issuer with a slash at its end", discoveryOf(aliceURL, object{"issuer": aliceURL + "/"}))
	judged("no-keys", "no jwks_uri", discoveryOf(aliceURL, object{"jwks_uri": remove}))
	judged("keys-http", "keys by plain http", discoveryOf(aliceURL, object{"jwks_uri": "http://alice.example/keys"}))
	judged("broken", "no JSON", "{")
	no("500", "a server that fails has said nothing of its documents", answered(500, nil, "", nil, refusal("keys_unavailable")))
	no("down", "nor has one that does not answer", resume(object{"failed": "timed out"}, "", refusal("keys_unavailable")))
	a.reject("metadata-no-time", "metadata-time", "the first place took all the time; whoever comes later begins there again", source, openEmpty(nil), first[0],
		answered(404, nil, "", at(now+6), refusal("keys_unavailable")), fetches(t, at(now+17), discoverURL, object{"timeout": 5}))
}

// keySets: what is in a set beside good keys does no harm, and is not used.
func keySets(a *area) {
	source := keysOfOthers + ": other keys in the set are skipped, not fatal"
	fine := okIncludes(object{"key_id": alice.kid()})
	beside := func(name, says string, others ...object) {
		a.accept("set-"+name, says, source, keysAnswer(jwks(append(others, publishedJWK(alice))...), nil, fine)...)
	}
	not := func(name, says, code string, key object) {
		a.reject("set-"+name+"-alone", "set-"+name, says+": never used", source, keysAnswer(jwks(key), nil, refusal(code))...)
	}
	elliptic := ellipticJWK()
	beside("elliptic", "a key on a curve", elliptic)
	beside("symmetric", "a symmetric key", object{"kty": "oct", "k": base64url([]byte(strings.Repeat("k", 32))), "kid": "shared"})
	beside("odd", "entries that are no keys", object{}, object{"kty": "RSA"}, object{"kty": 1}, object{"kty": "RSA", "n": "!", "e": "AQAB"})
	beside("private", "a key with its private half", aliceNext.privateJWK().with(object{"kid": "leaked"}))
	not("private", "a key that was published with its private half is everybody's", "unknown_key", alice.privateJWK().with(object{"kid": alice.kid()}))
	beside("weak", "a key of 1024 bits", publishedJWK(weak))
	beside("roca", "a key with the ROCA fingerprint", publishedJWK(roca))
	beside("encryption", "a key for encryption", publishedJWK(aliceNext).with(object{"use": "enc"}))
	not("encryption", "alice's key for encryption", "unknown_key", publishedJWK(alice).with(object{"use": "enc"}))
	beside("other-algorithm", "a key for another algorithm", publishedJWK(aliceNext).with(object{"alg": "PS256"}))
	not("other-algorithm", "alice's key for PS256", "unsupported_algorithm", publishedJWK(alice).with(object{"alg": "PS256"}))
	beside("operations", "a key that may only encrypt", publishedJWK(aliceNext).with(object{"key_ops": []string{"encrypt"}}))
	not("operations", "alice's key that may only encrypt", "unknown_key", publishedJWK(alice).with(object{"key_ops": []string{"encrypt"}}))
	a.accept("set-plain", "a key of kty, n and e alone", source, keysAnswer(jwks(alice.jwk().with(object{"kid": alice.kid()})), nil, fine)...)
	a.accept("set-no-kids", "a set without kids: every key is tried", step5, keysAnswer(jwks(aliceNext.jwk(), alice.jwk()), nil, fine)...)
	a.reject("set-empty", "set-plain", "an empty set", source, keysAnswer(jwks([]object{}...), nil, refusal("unknown_key"))...)
	twice := []object{publishedJWK(aliceNext).with(object{"kid": alice.kid()}), publishedJWK(alice)}
	a.accept("set-kid-twice", "one kid for two keys: both are tried", "issue: duplicate kids", keysAnswer(jwks(twice...), nil, fine)...)
	a.reject("set-kid-twice-forged", "set-kid-twice", "and no other", "issue: duplicate kids", sequence(openEmpty(nil), locates(signHeader(mallory, object{"kid": alice.kid()}, day(nil).claims()), nil), []step{answered(200, nil, jwks(twice...), nil, refusal("invalid_signature"))})...)
	a.accept("set-next-key", "the second of two keys with kids", step5, sequence(openEmpty(nil), locates(accessTokenBy(aliceNext, nil), nil), []step{answered(200, nil, jwks(publishedJWK(alice), publishedJWK(aliceNext)), nil, okIncludes(object{"key_id": aliceNext.kid()}))})...)
}

func (t token) claims() object { return parsed(t.payload) }

// confusion: a key is an issuer's own, whatever its kid.
func confusion(a *area) {
	source := "issue: no key confusion across issuers; RFC 8725 section 3.8"
	carol := "https://carol.example"
	by := func(key keyPair, iss string) token {
		return signHeader(key, object{"kid": "k1"}, accessClaims().with(object{"iss": iss, "aoauth": remove}))
	}
	learn := func(key keyPair, iss string) []step {
		return []step{fetches(by(key, iss), nil, iss+pathDiscovery, object{}), answered(404, nil, "", nil, nextFetch(metadataURL(iss), object{})).save("ticket", "ticket"),
			answered(404, nil, "", nil, nextFetch(iss+pathKeys, object{})).save("ticket", "ticket"),
			answered(200, nil, jwks(publishedJWK(key).with(object{"kid": "k1"})), nil, okIncludes(object{"issuer": iss}))}
	}
	both := sequence(openEmpty(nil), learn(alice, aliceURL), learn(mallory, carol))
	a.accept("same-kid", "two issuers whose keys have one kid", source, append(append([]step{}, both...), letsIn(by(alice, aliceURL), nil), letsIn(by(mallory, carol), nil))...)
	confused := func(name, says string, key, real keyPair, iss string) {
		a.reject(name, "same-kid", says, source, append(append([]step{}, both...), fetches(by(key, iss), nil, iss+pathKeys, object{}),
			answered(200, nil, jwks(publishedJWK(real).with(object{"kid": "k1"})), nil, refusal("invalid_signature")), keepsOut(by(key, iss), nil, "invalid_signature"))...)
	}
	confused("same-kid-confused", "carol's key under alice's name", mallory, alice, aliceURL)
	confused("same-kid-confused-back", "and the other way round", alice, mallory, carol)
	a.reject("issuer-above", "same-kid", "an issuer's keys do not speak for what lies below it: that is another issuer", source, append(append([]step{}, both...), fetches(by(alice, aliceURL+"/bot"), nil, aliceURL+"/bot"+pathDiscovery, object{}),
		answered(404, nil, "", nil, nextFetch(metadataURL(aliceURL+"/bot"), object{})).save("ticket", "ticket"),
		answered(404, nil, "", nil, nextFetch(aliceURL+"/bot"+pathKeys, object{})).save("ticket", "ticket"), answered(404, nil, "", nil, refusal("keys_unavailable")))...)
}

// ellipticJWK is the public key of elliptic.pub.pem (RFC 7518 section 6.2).
func ellipticJWK() object {
	block, _ := pem.Decode([]byte(readKeyText("elliptic.pub.pem")))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	point, err := parsed.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		panic(err)
	}
	size := (len(point) - 1) / 2
	return object{"kty": "EC", "crv": "P-256", "x": base64url(point[1 : 1+size]), "y": base64url(point[1+size:]), "kid": "curve", "use": "sig", "alg": "ES256"}
}

// badTags: what is no entity-tag is not sent back, so that the 304 which follows
// vouches for nothing: the keys are as old as before.
func badTags(a *area) {
	const refreshed, later24 = 86000, 86470
	fresh := accessToken(object{"iat": now + later24, "nbf": now + later24, "exp": now + later24 + 300})
	after := func(tag string, then conformance.Expect) []step {
		headers := object{"etag": tag, "cache-control": "max-age=60"}
		return append(known(headers), fetches(day(nil), later(refreshed), discoverURL, object{}),
			answered(200, nil, discoveryOf(aliceURL, nil), later(refreshed), nextFetch(keysURL, object{})).save("ticket", "ticket"), answered(304, headers, "", later(refreshed), okIncludes(object{})),
			fetches(fresh, later(later24), keysURL, object{}), resume(object{"failed": "no answer"}.with(later(later24)), "", then))
	}
	source := "RFC 9110 sections 8.8.3 and 15.4.5; " + keysOfOthers + ": ETag, a stale set for 24 h"
	a.accept("etag-vouches", "304 after a tag that was sent makes the keys new", source, after(`"v1"`, okIncludes(object{"key_id": alice.kid()}))...)
	for _, tag := range [][3]string{{"space", "a space", `"v 1"`}, {"quote", "a quote", `"v"1"`}, {"control", "a control character", "\"v\x011\""}, {"non-ascii", "a character outside ASCII", `"é"`}, {"unquoted", "no quotes", "v1"}} {
		a.reject("etag-"+tag[0], "etag-vouches", "an entity-tag with "+tag[1]+" is none: it was not sent back, and 304 keeps nothing", source, after(tag[2], refusal("keys_unavailable"))...)
	}
}
