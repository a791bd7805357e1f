package generate

import (
	"encoding/json"

	"github.com/tallystick/tallystick/conformance"
)

const section7 = "protocol.md section 7"

func serving() *area {
	a := newArea("serve", "Discovery documents: what is published, how long it may be kept, and what is not answered.")
	discoveryDocuments(a)
	keyDocuments(a)
	methods(a)
	conditional(a)
	return a
}

// serve asks an endpoint of the engine; the members change the request.
func serve(path string, changes object, body string, expect conformance.Expect) step {
	request := object{"engine": "$engine", "now": now, "method": "GET", "path": path}.with(changes)
	return call("access.serve", request, body, expect)
}

// saying expects a response whose body is a JSON text with these members.
func saying(status int, headers, members object) conformance.Expect {
	expect := okIncludes(object{"handled": true, "response": object{"status": status, "headers": headers}})
	expect.BodyJSON = raw(members)
	return expect
}

func unhandled() conformance.Expect { return ok(object{"handled": false}) }

var documentHeaders = object{"content-type": "application/json", "cache-control": "public, max-age=300"}

func discoveryDocuments(a *area) {
	source := "RFC 8414 section 2; OpenID Connect Discovery section 3; " + section7
	document := func(name, says string, open step, members object) {
		a.accept("discovery-"+name, says, source, open, serve(pathDiscovery, nil, "", saying(200, documentHeaders, members)))
	}
	of := func(issuer string) object {
		return object{"issuer": issuer, "jwks_uri": issuer + pathKeys, "token_endpoint": issuer + "/auth/token", "grant_types_supported": []string{"client_credentials"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}, "id_token_signing_alg_values_supported": []string{"RS256"}}
	}
	document("agent", "an agent that signs itself", openSelf(nil), of(aliceURL).with(object{"scopes_supported": []string{"read", "write"}}))
	document("path", "an agent below a path", openAccess(nil), of(bobURL))
	document("authority", "an authority", openAuthority(nil), of(portalURL))
	document("portal-agent", "an agent of a portal points to the portal, which signs for it", openPortal(nil), of(portalURL))
	a.accept("discovery-is-believed", "what one agent publishes, another reads", source, openSelf(nil), serve(pathDiscovery, nil, "", okIncludes(object{})).save("document", "ok.response.body"),
		serve(pathKeys, nil, "", okIncludes(object{})).save("keys", "ok.response.body"), openEmpty(nil), fetches(day(nil), nil, discoverURL, object{}),
		bodySaved("document", answered(200, nil, "", nil, nextFetch(keysURL, object{}))).save("ticket", "ticket"), bodySaved("keys", answered(200, nil, "", nil, okIncludes(object{"issuer": aliceURL}))))
}

// bodySaved gives a call a body that an earlier step saved.
func bodySaved(name string, s step) step {
	s.BodySaved = name
	return s
}

func keyDocuments(a *area) {
	source := "RFC 7517 section 5; protocol.md section 2: rotation publishes the new key before it signs, and the old one until its last token is dead"
	ring := ringOf(ringEntry(alice, "active", nil), ringEntry(aliceNext, "next", nil), ringEntry(bob, "retired", object{"dead_at": now + 100}))
	open := openSelf(object{"ring": ring})
	keys := func(name, says string, open step, moment object, path string, pairs ...keyPair) {
		list := []object{}
		for _, pair := range pairs {
			list = append(list, object{"kty": "RSA", "kid": pair.kid(), "use": "sig", "alg": "RS256", "n": publishedJWK(pair)["n"], "e": publishedJWK(pair)["e"]})
		}
		a.accept("keys-"+name, says, source, open, serve(path, moment, "", saying(200, object{"content-type": "application/jwk-set+json", "cache-control": "public, max-age=300"}, object{"keys": list})))
	}
	keys("all", "the active, the next and the retired key; no private half of them", open, nil, pathKeys, alice, aliceNext, bob)
	keys("retired-last", "the retired key in its last second", open, later(99), pathKeys, alice, aliceNext, bob)
	keys("retired-dead", "and no longer", open, later(100), pathKeys, alice, aliceNext)
	keys("kms", "keys of a KMS", openAccess(nil), nil, pathKeys, bob)
	keys("portal-agent", "an agent of a portal signs nothing and has none", openPortal(nil), nil, pathKeys)
	keys("authority", "an authority's", openAuthority(nil), nil, pathKeys, aliceNext)
	keys("authority-webagents", "where webagents 0.3.9 looks for them", openAuthority(nil), nil, "/api/auth/jwks", aliceNext)
	a.accept("keys-fed", "after a rotation", source, openSelf(nil), call("engine.feed", object{"engine": "$engine", "ring": publicRing(aliceNext)}, "", okIncludes(object{})),
		serve(pathKeys, nil, "", saying(200, object{}, object{"keys": []object{{"kid": aliceNext.kid()}}})))
}

func methods(a *area) {
	source := "RFC 9110 section 15.5.6; " + section7
	endpoints := []struct{ name, path, allow, wrong string }{
		{"discovery", pathDiscovery, "GET, HEAD", "POST"}, {"keys", pathKeys, "GET, HEAD", "DELETE"}, {"token", "/auth/token", "POST", "GET"},
	}
	for _, endpoint := range endpoints {
		a.reject("method-"+endpoint.name, "discovery-agent", endpoint.path+" by "+endpoint.wrong, source, openSelf(nil),
			serve(endpoint.path, object{"method": endpoint.wrong}, "", saying(405, object{"allow": endpoint.allow, "cache-control": "no-store"}, object{"error": "invalid_request"})))
	}
	a.reject("method-case", "discovery-agent", "methods are case-sensitive", source, openSelf(nil), serve(pathDiscovery, object{"method": "get"}, "", saying(405, object{"allow": "GET, HEAD"}, object{})))
	a.accept("head", "HEAD: the headers of GET without its body", "RFC 9110 section 9.3.2", openSelf(nil), serve(pathDiscovery, nil, "", okIncludes(object{})).save("etag", "ok.response.headers.etag"),
		serve(pathDiscovery, object{"method": "HEAD"}, "", okIncludes(object{"response": object{"status": 200, "body": "", "headers": documentHeaders.with(object{"etag": "$etag"})}})))
	other := func(name, says, path string) {
		a.accept("not-"+name, says, "abi.md access.serve: handled false", openSelf(nil), serve(path, nil, "", unhandled()))
	}
	other("root", "the agent's own pages", "/")
	other("slash", "a slash more", pathKeys+"/")
	other("case", "paths are case-sensitive", "/.WELL-KNOWN/jwks.json")
	other("encoded", "another spelling", "/.well-known/jwks%2Ejson")
	other("double-slash", "two slashes", "/"+pathKeys)
	other("webagents", "an authority's paths at an agent", "/api/auth/jwks")
	other("below", "what lies below an endpoint", "/auth/token/x")
	other("empty", "an empty path", "")
}

func conditional(a *area) {
	source := "RFC 9110 section 13.1.2; issue: with Cache-Control and ETag"
	get := serve(pathKeys, nil, "", okIncludes(object{"response": object{"status": 200}})).save("etag", "ok.response.headers.etag")
	with := func(value any, expect object) step {
		return serve(pathKeys, object{"if_none_match": value}, "", okIncludes(object{"response": expect}))
	}
	unchanged := object{"status": 304, "body": "", "headers": object{"etag": "$etag", "cache-control": "public, max-age=300"}}
	a.accept("unchanged", "If-None-Match with the tag: 304", source, openSelf(nil), get, with("$etag", unchanged))
	a.accept("unchanged-any", "with *", source, openSelf(nil), get, with("*", unchanged))
	a.accept("unchanged-head", "by HEAD", source, openSelf(nil), get, serve(pathKeys, object{"if_none_match": "$etag", "method": "HEAD"}, "", okIncludes(object{"response": unchanged})))
	a.accept("changed", "with another tag: 200", source, openSelf(nil), with(`"other"`, object{"status": 200}))
	a.accept("changed-unquoted", "with something that is no tag: 200", source, openSelf(nil), with("x", object{"status": 200}))
	a.accept("changed-by-rotation", "after a rotation the tag differs", source, openSelf(nil), get, call("engine.feed", object{"engine": "$engine", "ring": publicRing(aliceNext)}, "", okIncludes(object{})),
		with("$etag", object{"status": 200}))
	a.accept("changed-by-time", "when a retired key is dead, too", source, openSelf(object{"ring": ringOf(publicEntry(alice, "active", nil), publicEntry(bob, "retired", object{"dead_at": now + 100}))}), get,
		serve(pathKeys, later(100).and(object{"if_none_match": "$etag"}), "", okIncludes(object{"response": object{"status": 200}})))
	a.accept("tag-is-stable", "an agent that starts anew gives the same tag", source, openSelf(nil), get, openSelf(nil), with("$etag", unchanged))
	steps := []step{openSelf(nil)}
	for _, path := range []string{pathDiscovery, pathKeys} {
		steps = append(steps, serve(path, object{"now": json.Number("1700000000.5")}, "", okIncludes(object{"response": object{"status": 200}})))
	}
	a.accept("fraction-of-now", "a now with a fraction", "abi.md, The call: time", steps...)
}
