package generate

import (
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

const section7 = "protocol.md section 7"

func serving() *area {
	a := newArea("serve", "Discovery documents: what is published, how long it may be kept, and what is not answered.")
	discoveryDocuments(a)
	keyDocuments(a)
	serverDocuments(a)
	resourceDocuments(a)
	methods(a)
	preflights(a)
	authorizations(a)
	resourceChallenges(a)
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

// readableBy: scripts of every origin may read an answer.
var readableBy = object{"access-control-allow-origin": "*"}

func unhandled() conformance.Expect { return ok(object{"handled": false}) }

var documentHeaders = object{
	"content-type": "application/json", "cache-control": "public, max-age=300", "access-control-allow-origin": "*",
}

func discoveryDocuments(a *area) {
	source := "RFC 8414 section 2; OpenID Connect Discovery section 3; " + section7
	document := func(name, says string, open step, members object) {
		a.accept("discovery-"+name, says, source, open, serve(pathDiscovery, nil, "", saying(200, documentHeaders, members)))
	}
	of := func(issuer string) object {
		return object{"issuer": issuer, "jwks_uri": issuer + pathKeys, "token_endpoint": issuer + "/auth/token", "authorization_endpoint": issuer + pathAuthorize, "response_types_supported": []string{}, "grant_types_supported": []string{"client_credentials"},
			"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}, "token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "EdDSA"}, "id_token_signing_alg_values_supported": []string{"RS256"}}
	}
	document("agent", "an agent that signs itself", openSelf(nil), of(aliceURL).with(object{"scopes_supported": []string{"read", "write"}}))
	document("path", "an agent below a path", openAccess(nil), of(bobURL))
	document("authority", "an authority", openAuthority(nil), of(portalURL))
	document("narrowed", "an authority with algorithms: assertions of no others are taken", openAuthority(object{"algorithms": []string{"ES256", "RS256"}}),
		of(portalURL).with(object{"token_endpoint_auth_signing_alg_values_supported": []string{"ES256", "RS256"}}))
	document("portal-agent-narrowed", "those of the portal's clients are not the agent's to say", openPortal(object{"algorithms": []string{"RS256"}}), of(portalURL))
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

const (
	pathAuthorize = "/auth/authorize"
	pathServer    = "/.well-known/oauth-authorization-server"
	pathResource  = "/.well-known/oauth-protected-resource"
)

func serverDocuments(a *area) {
	source := "RFC 8414 sections 2 and 3.1"
	of := func(issuer string) object {
		return object{"issuer": issuer, "jwks_uri": issuer + pathKeys, "token_endpoint": issuer + "/auth/token", "authorization_endpoint": issuer + pathAuthorize,
			"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "EdDSA"},
			"grant_types_supported":                            []string{"client_credentials"}, "response_types_supported": []string{}}
	}
	document := func(name, says string, open step, path string, members object) {
		a.accept("server-"+name, says, source, open, serve(path, nil, "", saying(200, documentHeaders, members)))
	}
	document("agent", "an agent that signs itself", openSelf(nil), pathServer, of(aliceURL))
	document("path", "an issuer with a path: it stands behind the document's name", openAccess(nil), pathServer+"/bob", of(bobURL))
	document("below", "below the issuer's URL, for servers that see no more", openAccess(nil), pathServer, of(bobURL))
	document("authority", "an authority", openAuthority(nil), pathServer, of(portalURL))
	document("portal-agent", "an agent of a portal points to the portal", openPortal(nil), pathServer, of(portalURL))
	a.accept("openid-path", "the other documents by the whole path", section7, openAccess(nil),
		serve("/bob"+pathDiscovery, nil, "", saying(200, documentHeaders, of(bobURL))),
		serve("/bob"+pathKeys, nil, "", saying(200, readableBy, object{"keys": []object{{"kid": bob.kid()}}})))
	a.accept("server-opened", "engine.open names all paths", "abi.md engine.open: paths, root_paths",
		call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob)}}, "", okIncludes(object{
			"paths": []string{pathDiscovery, pathKeys, "/auth/token", pathAuthorize, pathServer, pathResource},
			"root_paths": []string{pathServer + "/bob", pathResource + "/bob", "/bob" + pathDiscovery, "/bob" + pathKeys,
				"/bob/auth/token", "/bob" + pathAuthorize, "/bob" + pathServer, "/bob" + pathResource},
			"resource_metadata": "https://agents.example.com" + pathResource + "/bob",
		})))
	other := func(name, says string, open step, path string) {
		a.accept("server-not-"+name, says, "abi.md access.serve: handled false", open, serve(path, nil, "", unhandled()))
	}
	other("other-path", "another agent's path", openAccess(nil), pathServer+"/alice")
	other("slash", "a slash more", openAccess(nil), pathServer+"/bob/")
	other("longer", "a path that begins like it", openAccess(nil), pathServer+"/bobby")
	other("encoded", "another spelling of the path", openAccess(nil), pathServer+"/b%6Fb")
	other("root", "a path at an agent without one", openSelf(nil), pathServer+"/bob")
}

func resourceDocuments(a *area) {
	source := "RFC 9728 sections 2 and 3.1"
	document := func(name, says string, open step, path string, members object) {
		a.accept("resource-"+name, says, source, open, serve(path, nil, "", saying(200, documentHeaders, members)))
	}
	of := func(resource string, servers ...string) object {
		return object{"resource": resource, "authorization_servers": servers, "bearer_methods_supported": []string{"header"}}
	}
	trusted := func(types ...string) []object {
		issuers := []object{}
		for _, t := range types {
			issuers = append(issuers, object{"issuer": "https://" + t + ".example", "type": t})
		}
		return issuers
	}
	document("agent", "an agent that signs itself gives the tokens for itself", openSelf(nil), pathResource,
		of(aliceURL, aliceURL).with(object{"scopes_supported": []string{"read", "write"}}))
	document("path", "a resource with a path: it stands behind the document's name", openAccess(nil), pathResource+"/bob", of(bobURL, bobURL))
	document("below", "below the resource's URL", openAccess(nil), pathResource, of(bobURL, bobURL))
	document("portal-agent", "an agent of a portal: the portal gives the tokens", openPortal(nil), pathResource,
		of(portalURL+"/agents/alice", portalURL))
	document("portal-elsewhere", "one that is served elsewhere: at its audience that is a URL",
		openPortal(object{"audience": []string{"alice", "https://alice.example/mcp/"}}), pathResource+"/mcp", of(aliceURL+"/mcp", portalURL))
	document("portal-own-url", "one with a URL of its own", openPortal(object{"base_url": bobURL, "audience": []string{"https://b.example"}}),
		pathResource+"/bob", of(bobURL, portalURL))
	document("trusted", "issuers that the operator chose go first; one of type agent gives tokens to nobody else",
		openAccess(object{"trusted_issuers": trusted("user", "agent", "portal")}), pathResource,
		of(bobURL, "https://user.example", "https://portal.example"))
	document("trusted-clients", "an agent with clients of its own gives tokens, too",
		openAccess(object{"trusted_issuers": trusted("user", "agent", "portal"), "clients": []object{registered(nil)}}), pathResource,
		of(bobURL, "https://user.example", "https://portal.example", bobURL))
	document("verifies-only", "an agent that signs nothing names the one issuer of its configuration",
		openAccess(object{"ring": remove, "keys": remove, "jwks_uri": portalURL + pathKeys}), pathResource, of(bobURL, portalURL))
	document("scopes", "what a client can ask for: no patterns, namespaces and labels",
		openAccess(object{"allowed_scopes": []string{"read", "db:*", "namespace:production", "trust:verified", "db:users"}}), pathResource,
		object{"scopes_supported": []string{"read", "db:users"}})
	a.accept("resource-not-authority", "an authority takes no access tokens", "abi.md access.serve: handled false", openAuthority(nil),
		serve(pathResource, nil, "", unhandled()))
}

// resourceChallenges: every 401 and 403 of an access-token guard says where its document is.
func resourceChallenges(a *area) {
	source := "RFC 9728 section 5.1; RFC 6750 section 3"
	refuses := func(name, says string, open step, request, metadata, code string, needed ...string) {
		expect := demanding(refusal(code), needed)
		if code == "insufficient_scope" {
			expect = insufficientScope(strings.Join(needed, " "))
		}
		expect.Response.ResourceMetadata = metadata
		authorization := []string{}
		if request != "" {
			authorization = append(authorization, "Bearer "+request)
		}
		members := object{"authorization": authorization}
		if needed != nil {
			members["required_scopes"] = needed
		}
		a.reject("challenge-"+name, "challenge-accepted", says, source, open, call("access.verify", asked("", members), "", expect))
	}
	bobs := "https://agents.example.com" + pathResource + "/bob"
	good := accessToken(nil).String()
	a.accept("challenge-accepted", "a token with the scope that is needed", source, openAccess(nil), lets(accessToken(nil), object{"required_scopes": []string{"read"}}, object{"authenticated": true}))
	refuses("missing", "401 without a token", openAccess(nil), "", bobs, "missing_authorization")
	refuses("invalid", "401 of a wrong token", openAccess(nil), good[:len(good)-4]+"AAAA", bobs, "invalid_signature")
	refuses("scope", "403 names all scopes that are needed, those that the token has among them", openAccess(nil), good, bobs, "insufficient_scope", "read", "db:write")
	refuses("missing-scopes", "401 without a token names the scopes that are needed", openAccess(nil), "", bobs, "missing_authorization", "read", "db:write")
	refuses("invalid-scopes", "401 of a wrong token, too", openAccess(nil), good[:len(good)-4]+"AAAA", bobs, "invalid_signature", "read")
	refuses("denied-scopes", "403 of the deny list: no scope would help", openAccess(object{"deny": []string{aliceURL}}), good, bobs, "issuer_denied", "read")
	refuses("denied", "403 of the deny list", openAccess(object{"deny": []string{aliceURL}}), good, bobs, "issuer_denied")
	refuses("root", "an agent without a path", openSelf(nil), "", aliceURL+pathResource, "missing_authorization")
	refuses("portal-elsewhere", "a portal's agent that is served elsewhere",
		openPortal(object{"audience": []string{"https://alice.example/mcp"}}), "", aliceURL+pathResource+"/mcp", "missing_authorization")
}

func preflights(a *area) {
	source := "Fetch standard, CORS-preflight fetch; RFC 9110 section 9.3.7"
	answer := func(methods, headers string) object {
		return object{"response": object{"status": 204, "body": "", "headers": readableBy.and(object{"allow": methods + ", OPTIONS",
			"access-control-allow-methods": methods, "access-control-allow-headers": headers, "access-control-max-age": "7200"})}}
	}
	for _, endpoint := range []struct{ name, path, methods, headers string }{
		{"discovery", pathDiscovery, "GET, HEAD", "*"}, {"keys", pathKeys, "GET, HEAD", "*"}, {"server", pathServer, "GET, HEAD", "*"},
		{"resource", pathResource, "GET, HEAD", "*"}, {"token", "/auth/token", "POST", "authorization, *"},
	} {
		a.accept("preflight-"+endpoint.name, "OPTIONS of "+endpoint.path, source, openSelf(nil),
			serve(endpoint.path, object{"method": "OPTIONS"}, "", okIncludes(answer(endpoint.methods, endpoint.headers))))
	}
	a.accept("preflight-elsewhere", "and of no other path", source, openSelf(nil), serve("/", object{"method": "OPTIONS"}, "", unhandled()))
}

// authorizations: an endpoint that documents name, and where no grant begins yet.
func authorizations(a *area) {
	source := "RFC 6749 sections 3.1 and 4.1.2.1; RFC 9700 section 2.6: no CORS; " + section7
	refusal := object{"status": 400, "headers": object{"content-type": "application/json", "cache-control": "no-store"},
		"body": `{"error":"unsupported_response_type","error_description":"this server has no authorization code grant: its token endpoint takes client_credentials"}`}
	refuses := func(name, says string, open step, path string, changes object) {
		a.reject("authorize-"+name, "discovery-agent", says, source, open, serve(path, changes, "", ok(object{"handled": true, "response": refusal})))
	}
	refuses("get", "a browser is told that there is no such grant", openSelf(nil), pathAuthorize, nil)
	refuses("post", "and a form", openSelf(nil), pathAuthorize, object{"method": "POST"})
	refuses("authority", "at an authority", openAuthority(nil), pathAuthorize, nil)
	refuses("portal-agent", "at an agent of a portal", openPortal(nil), pathAuthorize, nil)
	refuses("path", "below a path", openAccess(nil), "/bob"+pathAuthorize, nil)
	a.accept("authorize-head", "HEAD: the headers without the body", "RFC 9110 section 9.3.2", openSelf(nil),
		serve(pathAuthorize, object{"method": "HEAD"}, "", okIncludes(object{"response": object{"status": 400, "body": "", "headers": object{"content-type": "application/json"}}})))
	for _, method := range []string{"OPTIONS", "DELETE"} {
		a.reject("authorize-"+strings.ToLower(method), "discovery-agent", "and "+method+" is none of its methods", source, openSelf(nil),
			serve(pathAuthorize, object{"method": method}, "", saying(405, object{"allow": "GET, HEAD, POST"}, object{"error": "invalid_request"})))
	}
}

func methods(a *area) {
	source := "RFC 9110 section 15.5.6; " + section7
	endpoints := []struct{ name, path, allow, wrong string }{
		{"discovery", pathDiscovery, "GET, HEAD, OPTIONS", "POST"}, {"keys", pathKeys, "GET, HEAD, OPTIONS", "DELETE"},
		{"server", pathServer, "GET, HEAD, OPTIONS", "PUT"}, {"resource", pathResource, "GET, HEAD, OPTIONS", "POST"},
		{"token", "/auth/token", "POST, OPTIONS", "GET"},
	}
	for _, endpoint := range endpoints {
		a.reject("method-"+endpoint.name, "discovery-agent", endpoint.path+" by "+endpoint.wrong, source, openSelf(nil),
			serve(endpoint.path, object{"method": endpoint.wrong}, "", saying(405, readableBy.and(object{"allow": endpoint.allow, "cache-control": "no-store"}), object{"error": "invalid_request"})))
	}
	a.reject("method-case", "discovery-agent", "methods are case-sensitive", source, openSelf(nil), serve(pathDiscovery, object{"method": "get"}, "", saying(405, object{"allow": "GET, HEAD, OPTIONS"}, object{})))
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
	unchanged := object{"status": 304, "body": "", "headers": object{"etag": "$etag", "cache-control": "public, max-age=300", "access-control-allow-origin": "*"}}
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
	for _, path := range []string{pathDiscovery, pathServer, pathResource, pathKeys} {
		steps = append(steps, serve(path, object{"now": json.Number("1700000000.5")}, "", okIncludes(object{"response": object{"status": 200}})))
	}
	a.accept("fraction-of-now", "a now with a fraction", "abi.md, The call: time", steps...)
}
