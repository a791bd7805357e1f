package generate

import (
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func tokenEndpoint() *area {
	a := newArea("token-endpoint", "Who gets a token, for whom, with which scopes; and the one answer for all who do not authenticate.")
	grants(a)
	tokenForms(a)
	formSizes(a)
	clientSecrets(a)
	hostDerives(a)
	basicHeaders(a)
	assertions(a)
	tokenTargets(a)
	targetNames(a)
	tokenScopes(a)
	agentsOwnEndpoint(a)
	tokenBindings(a)
	return a
}

const formType = "application/x-www-form-urlencoded"

// carolsAssertion is good at the portal's endpoint and at alice's.
var carolsAssertion = sign(alice, object{"iss": "carol", "sub": "carol", "aud": []string{tokenURL, aliceURL + "/auth/token"}, "iat": now, "exp": now + 60, "jti": "assertion-1"}).String()

// carolsForm are carol's parameters, each as it is encoded; the arguments are
// added. Where secrets are not the matter she authenticates with her key: the
// hash of a secret is meant to be slow.
func carolsForm(more ...string) string {
	return form(append([]string{"grant_type=client_credentials", assertionForm, "client_assertion=" + carolsAssertion}, more...)...)
}

// secretForm is the seed's form.
func secretForm(more ...string) string {
	return form(append([]string{"grant_type=client_credentials", "client_id=carol", "client_secret=" + clientSecret}, more...)...)
}

// tokenFor posts a form to the token endpoint.
func tokenFor(form string, changes object, expect conformance.Expect) step {
	return serve("/auth/token", object{"method": "POST", "content_type": formType, "now": now + 1}.and(changes), form, expect)
}

var secretAnswer = object{
	"content-type": "application/json", "cache-control": "no-store", "access-control-allow-origin": "*",
}

// gives expects a token answer and saves the token.
func gives(form string, changes, members object) step {
	expect := saying(200, secretAnswer, object{"token_type": "Bearer"}.with(members))
	return tokenFor(form, changes, expect).varies("ok.response.body").save("token", "ok.response.body.@fromstr.access_token")
}

// granted expects that a token is to be signed.
func granted(form string, changes object) step {
	return tokenFor(form, changes, need("sign", object{"key": aliceNext.kid()})).varies("need.input")
}

func declines(form string, changes object, status int, oauth string) step {
	expect := saying(status, secretAnswer, object{"error": oauth})
	return tokenFor(form, changes, expect)
}

// bearer verifies the saved token at an agent of the portal.
func bearer(agent string, expect object) []step {
	open := openAccess(object{"base_url": agent, "ring": publicRing(bob), "keys": object{portalURL: aliceNext.spki()}, "trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}, "allowed_scopes": []string{"*"}})
	return []step{open, call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", okIncludes(expect)).varies("ok.jti", "ok.raw_claims.jti")}
}

func grants(a *area) {
	source := "RFC 6749 section 4.4; AOAuth skill Token Endpoint"
	bob := portalURL + "/agents/bob"
	steps := append([]step{openSigningAuthority(nil), gives(secretForm("scope=read+tools:search", "target=@bob"), nil, object{"expires_in": 300, "scope": "read tools:search"})},
		bearer(bob, object{"issuer": portalURL, "name": "carol", "agent_id": "carol", "client_id": "carol", "agent_url": portalURL + "/agents/carol", "scopes": []string{"read", "tools:search"}, "bound": false,
			"raw_claims": object{"iss": portalURL, "sub": "carol", "aud": bob, "iat": now + 1, "nbf": now + 1, "exp": now + 301, "client_id": "carol", "token_type": "Bearer", "agent_path": "/agents",
				"aoauth": object{"mode": "portal", "agent_url": portalURL + "/agents/carol"}}})...)
	a.accept("granted", "the seed's request, and what the token says", source+"; "+extension, steps...)
	a.accept("granted-logged", "the operator's log says who got what, and not the token", "abi.md access.serve: log", openSigningAuthority(nil),
		tokenFor(carolsForm("scope=read", "target=@bob"), nil, okIncludes(object{"level": "info", "log": `token issued to client "carol" for "https://portal.example/agents/bob", scope "read"`})).varies("ok.response.body"))
	a.accept("granted-webagents-path", "where webagents 0.3.9 asks", "webagents 0.3.9: /api/auth/token", openSigningAuthority(nil),
		serve("/api/auth/token", object{"method": "POST", "content_type": formType}, carolsForm("scope=read", "target=@bob"), saying(200, secretAnswer, object{"scope": "read"})).varies("ok.response.body"))
	json := text(object{"grant_type": "client_credentials", "client_id": "carol", "client_secret": clientSecret, "scope": "read", "target": "@bob"})
	a.accept("granted-json", "and how: as JSON", "webagents 0.3.9", openSigningAuthority(nil), gives(json, object{"content_type": "application/json"}, object{"scope": "read"}))
	a.accept("granted-ttl", "token_ttl of the authority", "AOAuth skill Token Settings", openSigningAuthority(object{"token_ttl": 60}), gives(carolsForm("target=@bob"), nil, object{"expires_in": 60}))
	host := openAuthority(nil)
	asksSign := tokenFor(carolsForm("target=@bob"), nil, need("sign", object{"key": aliceNext.kid()})).varies("need.input").save("ticket", "ticket")
	a.reject("signer-failed", "granted", "the signer failed: the client hears no more than that", "RFC 6749 section 5.2; "+abiNeeds, host, asksSign, resume(object{"failed": "HSM at 10.0.0.7 is locked"}, "", saying(500, secretAnswer, object{"error": "server_error"})))
	a.reject("portal-agent", "granted", "an agent of a portal gives no tokens", "AOAuth skill: Portal signs all tokens", openPortal(nil), declines(carolsForm("target=@bob"), nil, 400, "unauthorized_client"))
}

func tokenForms(a *area) {
	source := "RFC 6749 sections 3.2 and 5.2; issue: GET, repeated parameters"
	bad := func(name, says, form string, changes object) {
		a.reject("form-"+name, "granted", says, source, openAuthority(nil), declines(form, changes, 400, "invalid_request"))
	}
	good := carolsForm("scope=read", "target=@bob")
	a.reject("get", "granted", "GET: the secret would stand in logs", source, openAuthority(nil), tokenFor("", object{"method": "GET"}, saying(405, object{"allow": "POST, OPTIONS"}, object{"error": "invalid_request"})))
	bad("scope-twice", "a parameter twice", good+"&scope=write", nil)
	bad("client-twice", "client_id twice", good+"&client_id=carol&client_id=alice", nil)
	bad("target-twice", "target twice", good+"&target=@carol", nil)
	bad("secret-twice-encoded", "a parameter twice, once spelled with an escape", secretForm("target=@bob")+"&client%5Fsecret=x", nil)
	a.reject("form-empty", "granted", "an empty body: no client authentication", "RFC 6749 section 5.2: invalid_client", openAuthority(nil), declines("", nil, 401, "invalid_client"))
	bad("type-missing", "no content type", good, object{"content_type": remove})
	bad("type-other", "another content type", good, object{"content_type": "text/plain"})
	bad("type-multipart", "multipart", good, object{"content_type": "multipart/form-data; boundary=x"})
	bad("percent", "a % that encodes nothing", good+"&x=%zz", nil)
	bad("latin-1", "bytes that are not UTF-8", good+"&x=\xe9", nil)
	bad("json-twice", "a member of JSON twice", `{"grant_type":"client_credentials","client_id":"carol","client_id":"alice"}`, object{"content_type": "application/json"})
	bad("json-number", "a number in JSON", `{"grant_type":"client_credentials","client_id":1}`, object{"content_type": "application/json"})
	bad("json-array", "an array", "[]", object{"content_type": "application/json"})
	bad("grant-missing", "no grant_type", "client_id=carol&client_secret="+clientSecret+"&target=@bob", nil)
	bad("target-missing", "no target", carolsForm("scope=read"), nil)
	bad("target-empty", "an empty target", carolsForm("target="), nil)
	bad("client-missing", "no client_id", "grant_type=client_credentials&client_secret=x&target=@bob", nil)
	other := func(name, grant string) {
		a.reject("grant-"+name, "granted", "another grant: "+grant, "RFC 6749 section 5.2", openAuthority(nil), declines(strings.Replace(good, "client_credentials", grant, 1), nil, 400, "unsupported_grant_type"))
	}
	other("password", "password")
	other("code", "authorization_code")
	other("case", "Client_Credentials")
	a.accept("form-type-parameter", "a content type with a parameter", "RFC 9110 section 8.3.1", openAuthority(nil), granted(good, object{"content_type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8"}))
	a.accept("form-unknown", "unknown parameters are ignored", "RFC 6749 section 3.2", openAuthority(nil), granted(good+"&actor=x&requested_token_type=y", nil))
	a.accept("form-encoded", "+ and %20 are spaces", "RFC 6749 appendix B", openSigningAuthority(nil), gives(carolsForm("scope=read%20tools:a+tools:b", "target=%40bob"), nil, object{"scope": "read tools:a tools:b"}))
	a.reject("form-too-large", "granted", "a body over 64 KiB that the host did not read", "abi.md access.serve", openAuthority(nil), declines("", object{"body_too_large": true}, 413, "invalid_request"))
	a.reject("form-malformed", "granted", "a body whose transfer is broken", "abi.md access.serve", openAuthority(nil), declines("", object{"body_malformed": true}, 400, "invalid_request"))
	a.reject("form-overloaded", "granted", "a body for which the host has no room", "abi.md access.serve", openAuthority(nil), declines("", object{"overloaded": true}, 503, "temporarily_unavailable"))
	for _, tale := range []struct {
		name, says, form string
		members          object
	}{
		{"states", "too large, and no room for it", "", object{"body_too_large": true, "overloaded": true}},
		{"state-and-bytes", "broken, and its bytes", good, object{"body_malformed": true}},
	} {
		a.reject("form-two-"+tale.name, "granted", "two tales of one body: "+tale.says, "abi.md access.serve", openAuthority(nil), tokenFor(tale.form, tale.members, errorCode("invalid_argument")))
	}
	a.reject("form-too-large-read", "granted", "a body over 64 KiB that it did", "abi.md access.serve", openAuthority(nil), declines("x="+strings.Repeat("x", 65536), nil, 413, "invalid_request"))
}

const assertionForm = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// formSizes: a form has 64 parameters and 65,536 bytes at most.
func formSizes(a *area) {
	const most = 64
	filled := func(parameters int) string {
		fields := []string{carolsForm("target=@bob")}
		for n := strings.Count(fields[0], "&") + 1; n < parameters; n++ {
			fields = append(fields, "x"+strconv.Itoa(n)+"=1")
		}
		return strings.Join(fields, "&")
	}
	source := section7 + "; abi.md access.serve"
	a.accept("form-most-parameters", "64 parameters", source, openAuthority(nil), granted(filled(most), nil))
	a.reject("form-many-parameters", "form-most-parameters", "65", source, openAuthority(nil), declines(filled(most+1), nil, 400, "invalid_request"))
}

func tokenTargets(a *area) {
	source := section7 + "; abi.md ClientConfig: targets"
	limits := object{"clients": []object{registered(object{"targets": []string{"@bob", "https://partner.example/*"}})}}
	may := func(name, says, target, audience string) {
		a.accept("target-"+name, says, source, sequence(openSigningAuthority(limits), []step{gives(carolsForm("target="+target), nil, nil)}, bearer(audience, object{"authenticated": true}))...)
	}
	may("name", "a target that the client may reach", "@bob", portalURL+"/agents/bob")
	may("url", "by its URL", portalURL+"/agents/bob", portalURL+"/agents/bob")
	may("pattern", "by a pattern of URLs", "https://partner.example/x", "https://partner.example/x")
	no := func(name, says, target string) {
		a.reject("target-"+name, "target-name", says, source+"; RFC 8707 section 2", openAuthority(limits), declines(carolsForm("target="+target), nil, 400, "invalid_target"))
	}
	no("other", "another agent", "@dora")
	no("child", "what lies below one", "@bob.bot")
	no("look-alike", "a host that begins like one", "https://partner.example.evil.example/x")
	no("broken", "no agent's URL", "https://x@partner.example/y")
	no("climbs", "a name that climbs", "@../admin")
	no("several", "several", "@bob+@carol")
}

func tokenScopes(a *area) {
	source := "RFC 6749 section 3.3; protocol.md section 4"
	gets := func(name, says string, client object, form, scope string) {
		a.accept("scope-"+name, says, source, openSigningAuthority(object{"clients": []object{registered(client)}}), gives(carolsForm(append([]string{"target=@bob"}, strings.Fields(form)...)...), nil, object{"scope": scope}))
	}
	gets("default", "no scope: all that the client may have, as far as it has no wildcard", nil, "", "read")
	gets("some", "some of them", object{"scopes": []string{"read", "write"}}, "scope=write", "write")
	gets("repeated", "repeats are dropped", nil, "scope=read+read", "read")
	gets("namespaces", "the authority assigns namespaces", object{"namespaces": []string{"production", "test"}}, "scope=read", "read namespace:production namespace:test")
	gets("labels", "and trust labels", object{"trust": []string{"verified"}}, "scope=read", "read trust:verified")
	gets("asked-for-assigned", "asking for what is assigned changes nothing", object{"namespaces": []string{"production"}}, "scope=read+namespace:production", "read namespace:production")
	no := func(name, says string, client object, scope string) {
		a.reject("scope-"+name, "scope-some", says, source+"; issue: unknown scope", openAuthority(object{"clients": []object{registered(client)}}), declines(carolsForm("target=@bob", "scope="+scope), nil, 400, "invalid_scope"))
	}
	no("unknown", "a scope that the client may not have", nil, "admin")
	no("one-of-two", "one of two", nil, "read+admin")
	bounded := object{"allowed_scopes": []string{"read", "db:*"},
		"clients": []object{registered(object{"scopes": []string{"*", "read", "write"}})}}
	a.accept("scope-bounded", "an authority with allowed_scopes grants what they and the client's have", source,
		openSigningAuthority(bounded),
		gives(carolsForm("target=@bob", "scope=read+db:users"), nil, object{"scope": "read db:users"}))
	a.accept("scope-bounded-default", "and without scope those of both", source, openSigningAuthority(bounded),
		gives(carolsForm("target=@bob"), nil, object{"scope": "read"}))
	a.reject("scope-beyond-allowed", "scope-bounded", "not what only the client's have", source,
		openAuthority(bounded),
		declines(carolsForm("target=@bob", "scope=write"), nil, 400, "invalid_scope"))
	no("wildcard", "a wildcard is no scope that one may have by asking", nil, "*")
	no("case", "scopes are case-sensitive", nil, "Read")
	no("label", "a label that was not assigned", nil, "trust:verified")
	no("label-by-pattern", "not even where the client's patterns have everything", object{"scopes": []string{"*"}}, "trust:reputation-100")
	no("namespace-by-pattern", "nor a namespace", object{"scopes": []string{"*"}}, "namespace:production")
	no("two-spaces", "two spaces", nil, "read++read")
	no("quote", "a quote", nil, "re%22ad")
	no("line-break", "a line break", nil, "read%0Aadmin")
}

// agentsOwnEndpoint: an agent that signs itself gives tokens for itself alone.
// targetNames: clients of RFC 8707 and of RFC 8693 know other names of the parameter.
func targetNames(a *area) {
	source := "RFC 8707 section 2; RFC 8693 section 2.1"
	bob := portalURL + "/agents/bob"
	gets := func(name, says string, parameters ...string) {
		a.accept("target-named-"+name, says, source, sequence(openSigningAuthority(nil),
			[]step{gives(carolsForm(parameters...), nil, nil)}, bearer(bob, object{"authenticated": true}))...)
	}
	gets("resource", "resource alone", "resource="+bob)
	gets("audience", "audience alone", "audience=%40bob")
	gets("alike", "all three, in spellings of one agent", "target=@bob", "resource=https://Portal.example:443/agents/bob/", "audience="+bob)
	gets("empty", "an empty one is left out", "target=@bob", "resource=", "audience=")
	no := func(name, says, oauth string, parameters ...string) {
		a.reject("target-named-"+name, "target-named-alike", says, source, openAuthority(nil), declines(carolsForm(parameters...), nil, 400, oauth))
	}
	no("resource-differs", "resource names another agent than target", "invalid_target", "target=@bob", "resource="+portalURL+"/agents/carol")
	no("audience-differs", "audience does", "invalid_target", "target=@bob", "audience=@carol")
	no("two-differ", "resource and audience do", "invalid_target", "resource="+bob, "audience="+portalURL)
	no("resource-name", "resource is a name, and no URI", "invalid_target", "resource=@bob")
	no("resource-broken", "resource is no agent's URL", "invalid_target", "target=@bob", "resource="+bob+"%23x")
	no("audience-broken", "audience is none", "invalid_target", "audience=a+b", "target=@bob")
	no("resource-twice", "resource twice: one token is for one agent", "invalid_request", "resource="+bob, "resource="+portalURL)
	bounded := object{"clients": []object{registered(object{"targets": []string{"@bob"}})}}
	a.reject("target-named-not-allowed", "target-named-resource", "a resource that the client may not reach", source,
		openAuthority(bounded), declines(carolsForm("resource=@dora"), nil, 400, "invalid_target"))
}

func agentsOwnEndpoint(a *area) {
	source := "issue: An agent's own token endpoint issues only for itself as audience, with the client as sub"
	own := func(changes object) step {
		return openSelf(object{"clients": []object{registered(object{"scopes": []string{"read", "admin"}})}}.and(changes))
	}
	private := object{"ring": ringOf(ringEntry(alice, "active", nil))}
	steps := []step{own(private), gives(carolsForm("scope=read"), nil, object{"scope": "read"}),
		call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", okIncludes(object{"issuer": aliceURL, "agent_id": "carol", "client_id": "carol", "agent_url": aliceURL + "/carol",
			"name": "example.alice.carol", "scopes": []string{"read"}, "issuer_type": "agent"})).varies("ok.jti", "ok.raw_claims.jti")}
	a.accept("own", "the client is the sub, the agent the audience", source, steps...)
	a.accept("own-target", "its own URL as the target", source, own(private), gives(carolsForm("target=https://Alice.example/"), nil, nil))
	no := func(name, twin, says, form, oauth string, changes object) {
		a.reject("own-"+name, twin, says, source, own(changes), declines(form, nil, 400, oauth))
	}
	a.accept("own-resource", "its own URL as the resource", source, own(private), gives(carolsForm("resource="+aliceURL), nil, nil))
	no("other-resource", "own-resource", "another resource", carolsForm("resource="+bobURL), "invalid_target", nil)
	no("other-target", "own-target", "another agent", carolsForm("target="+bobURL), "invalid_target", nil)
	no("below-target", "own-target", "what lies below it", carolsForm("target="+aliceURL+"/x"), "invalid_target", nil)
	no("scope", "own", "a scope that the agent does not accept", carolsForm("scope=admin"), "invalid_scope", nil)
	no("label", "own", "an agent gives no trust labels", carolsForm("scope=trust:verified"), "invalid_scope", object{"allowed_scopes": []string{"*"}, "clients": []object{registered(object{"scopes": []string{"*"}, "trust": []string{"verified"}})}})
	a.accept("own-no-labels", "not even those of its clients' registration: they are an authority's to give", "protocol.md section 4: trust:* labels", own(private.and(object{"allowed_scopes": []string{"*"}, "clients": []object{registered(object{"scopes": []string{"read"}, "trust": []string{"verified"}, "namespaces": []string{"x"}})}})),
		gives(carolsForm("scope=read"), nil, object{"scope": "read"}))
	a.reject("own-any-secret", "own", "webagents' self-issued mode takes any secret: we must not", section7, own(nil), declines("grant_type=client_credentials&client_id=anybody&client_secret=anything-at-all-x", nil, 401, "invalid_client"))
	a.reject("own-without-clients", "own", "without clients nobody gets a token", section7, openSelf(nil), declines(carolsForm(), nil, 401, "invalid_client"))
	a.reject("own-not-webagents-path", "granted-webagents-path", "an agent has no portal's endpoint", "abi.md access.serve: Paths", own(nil), serve("/api/auth/token", object{"method": "POST", "content_type": formType}, carolsForm(), unhandled()))
}

func tokenBindings(a *area) {
	source := "issue: Both profiles together"
	url := "htu=https://portal.example/agents/bob/chat"
	digest := "content_sha256=" + hexSHA256(body)
	steps := []step{openSigningAuthority(nil), gives(carolsForm("target=@bob", "scope=read", "htm=POST", url, digest), nil, nil).save("token", "ok.response.body.@fromstr.access_token")}
	open := bearer(portalURL+"/agents/bob", object{})[0]
	steps = append(steps, open, call("access.verify", object{"engine": "$engine", "now": now + 2, "token": "$token"}, "", refusal("wrong_target")))
	a.reject("bound-token", "granted", "a bound token from an authority is worth nothing without its request", source, steps...)
	bad := func(name, says string, more ...string) {
		a.reject("bound-"+name, "granted", says, source, openAuthority(nil), declines(carolsForm(append([]string{"target=@bob"}, more...)...), nil, 400, "invalid_request"))
	}
	bad("half", "a method and a URL without a digest", "htm=POST", url)
	bad("digest-alone", "a digest alone", digest)
	bad("digest-malformed", "a digest that is none", "htm=POST", url, "content_sha256=x")
	bad("method", "a method that is none", "htm=PO%20ST", url, digest)
	bad("url", "a URL that is none", "htm=POST", "htu=/chat", digest)
}
