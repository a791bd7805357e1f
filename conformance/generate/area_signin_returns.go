package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// visitRecord is a browser that is at the provider, as it lies in the store.
func visitRecord(changes object) string {
	return text(object{"flow": flowID, "provider": "company", "nonce": "nonce-1", "verifier": verifier, "session": hashOf(browserCookie)}.with(changes))
}

var (
	asksVisit = need("get", object{"id": storedAt("upstream", stateOfVisit)})
	takeVisit = need("take", object{"id": storedAt("upstream", stateOfVisit)})
	asksFlow  = need("get", object{"id": storedAt("flow", flowID)})
)

func returns(query string, changes object) step {
	return browses(pathSignIn, query, changes, asksVisit)
}

func signInReturns(a *area) {
	source := section13 + "; RFC 9207 section 2.4; RFC 9700 section 4.4"
	fine := pairs("code", "c0de", "state", stateOfVisit)
	known := discoveryOf(loginURL, object{"authorization_endpoint": loginURL + "/signin"})
	comesBack := func(query, document string, last conformance.Expect) []step {
		return append([]step{openSignIn(nil)}, chain(returns(query, nil),
			reply{nil, visitRecord(nil), takeVisit, nil},
			reply{nil, visitRecord(nil), asksFlow, nil},
			reply{nil, flowRecord(nobodyYet), nextFetch(loginURL+pathDiscovery, object{}), nil},
			reply{object{"status": 200, "headers": jsonHeaders}, document, last, nil})...)
	}
	posts := need("fetch", object{"method": "POST", "url": loginURL + "/auth/token", "body": pairs("grant_type", "authorization_code", "code", "c0de",
		"redirect_uri", portalURL+pathSignIn, "code_verifier", verifier), "headers": object{"authorization": basic("tallies", "upstream+secret"), "accept": "application/json",
		"content-type": "application/x-www-form-urlencoded"}})
	a.accept("return", "the code is exchanged at the provider", source, comesBack(fine, known, posts)...)
	a.accept("return-issuer", "an answer that says whose it is", source, comesBack(fine+"&"+pairs("iss", loginURL), known, posts)...)
	a.accept("return-post", "a provider that wants the secret in the form", source, comesBack(fine,
		discoveryOf(loginURL, object{"authorization_endpoint": loginURL + "/signin", "token_endpoint_auth_methods_supported": []string{"client_secret_post"}}),
		need("fetch", object{"body": pairs("grant_type", "authorization_code", "code", "c0de", "redirect_uri", portalURL+pathSignIn,
			"code_verifier", verifier, "client_id", "tallies", "client_secret", "upstream secret")}))...)
	promised := discoveryOf(loginURL, object{"authorization_endpoint": loginURL + "/signin", "authorization_response_iss_parameter_supported": true})
	a.reject("return-issuer-missing", "return-issuer", "a provider that promises to say whose its answers are, and does not", source, comesBack(fine, promised, paged(400))...)
	a.reject("return-no-code", "return", "no code", source, append([]step{openSignIn(nil)}, chain(returns(pairs("state", stateOfVisit), nil),
		reply{nil, visitRecord(nil), takeVisit, nil}, reply{nil, visitRecord(nil), asksFlow, nil}, reply{nil, flowRecord(nobodyYet), paged(502), nil})...)...)
	a.reject("return-error", "return", "the provider failed: the user may try again", source, append([]step{openSignIn(nil)}, chain(
		returns(pairs("state", stateOfVisit, "error", "server_error", "error_description", "<b>"), nil),
		reply{nil, visitRecord(nil), takeVisit, nil}, reply{nil, visitRecord(nil), asksFlow, nil}, reply{nil, flowRecord(nobodyYet), paged(502), nil})...)...)
	a.reject("return-denied", "return", "the user did not sign in: the client hears it", source, append([]step{openSignIn(nil)}, chain(
		returns(pairs("state", stateOfVisit, "error", "access_denied"), nil),
		reply{nil, visitRecord(nil), takeVisit, nil}, reply{nil, visitRecord(nil), asksFlow, nil},
		reply{nil, flowRecord(nobodyYet), need("take", object{"id": storedAt("flow", flowID)}), nil},
		reply{nil, flowRecord(nobodyYet), led(webBack + "&" + pairs("error", "access_denied", "error_description", "the user did not sign in", "state", "s t", "iss", portalURL)), nil})...)...)
	over := func(name, says, query string, changes object, record string) {
		a.reject("return-"+name, "return", says+": nothing is used up", source, append([]step{openSignIn(nil)},
			chain(returns(query, changes), reply{nil, record, paged(400), nil})...)...)
	}
	over("unknown", "a state that is over", fine, nil, "")
	over("no-cookie", "the address without the cookie", fine, object{"cookie": []string{}}, visitRecord(nil))
	over("other-cookie", "another browser", fine, object{"cookie": []string{"__Host-tallystick=" + otherCookie}}, visitRecord(nil))
	over("other-provider", "a state of another provider", fine, nil, visitRecord(object{"provider": "other"}))
	over("other-issuer", "an answer of another issuer", fine+"&"+pairs("iss", "https://evil.example"), nil, visitRecord(nil))
	a.reject("return-twice", "return", "of two that come back at once, one goes on", source, append([]step{openSignIn(nil)}, chain(returns(fine, nil),
		reply{nil, visitRecord(nil), takeVisit, nil}, reply{nil, "", paged(400), nil})...)...)
	a.reject("return-post-method", "return", "another method", source, openSignIn(nil),
		browses(pathSignIn, fine, object{"method": "POST"}, okIncludes(object{"response": object{"status": 405}})))
	a.reject("return-unconfigured", "return", "a provider that is not configured", source, openSignIn(nil),
		browses("/auth/callback/other", fine, nil, unhandled()))
}

func signedInBy(a *area) {
	source := "OpenID Connect Core section 3.1.3.7; " + section13
	claims := object{"iss": loginURL, "sub": "4711", "aud": "tallies", "iat": now, "exp": now + 300, "nonce": "nonce-1", "name": "Ada",
		"email": "ada@example.com", "email_verified": true}
	// The provider's keys are fetched once; here they are known, as of an issuer whose keys were given.
	walk := func(open step, idToken string, answer object, last conformance.Expect, more ...reply) []step {
		known := discoveryOf(loginURL, object{"authorization_endpoint": loginURL + "/signin"})
		replies := []reply{
			{nil, visitRecord(nil), takeVisit, nil},
			{nil, visitRecord(nil), asksFlow, nil},
			{nil, flowRecord(nobodyYet), nextFetch(loginURL+pathDiscovery, object{}), nil},
			{object{"status": 200, "headers": jsonHeaders}, known, need("fetch", object{"method": "POST"}), nil},
		}
		if answer == nil {
			answer = object{"access_token": "x", "token_type": "Bearer", "id_token": idToken}
		}
		replies = append(replies, reply{object{"status": 200, "headers": jsonHeaders}, text(answer), last, nil})
		return append([]step{open}, chain(returns(pairs("code", "c0de", "state", stateOfVisit), nil), append(replies, more...)...)...)
	}
	keys := reply{object{"status": 200, "headers": jsonHeaders}, text(object{"keys": []object{publishedJWK(bob)}}), conformance.Expect{}, nil}
	judged := func(open step, changes object, last conformance.Expect, more ...reply) []step {
		k := keys
		k.expect = last
		return walk(open, sign(bob, claims.with(changes)).String(), nil, nextFetch(loginURL+pathKeys, object{}), append([]reply{k}, more...)...)
	}
	kept := need("put", object{"id": storedAt("flow", flowID), "seconds": 539, "value": flowRecordIn(object{"name": "Ada", "email": "ada@example.com", "signed_in": seconds(now + 1)})})
	a.accept("identity", "an ID token that is good: the flow knows who it is", source, judged(openSignIn(nil), nil, kept,
		reply{nil, "", led(portalURL + pathAuthorize + "?" + pairs("flow", flowID)), nil})...)
	a.accept("identity-audiences", "one of several audiences, and azp", source, judged(openSignIn(nil), object{"aud": []string{"tallies", "other"}, "azp": "tallies"}, kept)...)
	a.accept("identity-nameless", "no name, and an e-mail address that is not verified", source, judged(openSignIn(nil), object{"name": remove, "email_verified": false},
		need("put", object{"value": flowRecordIn(object{"name": "", "email": "", "signed_in": seconds(now + 1)})}))...)
	bad := func(name, says string, changes object) {
		a.reject("identity-"+name, "identity", says, source, judged(openSignIn(nil), changes, paged(502))...)
	}
	bad("issuer", "another issuer", object{"iss": "https://evil.example"})
	bad("issuer-missing", "no issuer", object{"iss": remove})
	bad("audience", "for another client", object{"aud": "other"})
	bad("audience-missing", "for nobody", object{"aud": remove})
	bad("audience-type", "for a number", object{"aud": 1})
	bad("party", "for another party", object{"azp": "other"})
	bad("party-missing", "for several, without azp", object{"aud": []string{"tallies", "other"}})
	bad("party-audience", "azp alone is no audience", object{"aud": "other", "azp": "tallies"})
	bad("nonce", "of another sign-in", object{"nonce": "nonce-2"})
	bad("nonce-missing", "of no sign-in", object{"nonce": remove})
	bad("expired", "expired", object{"exp": now - 100})
	bad("expires-missing", "for ever", object{"exp": remove})
	bad("expires-late", "for two days", object{"exp": now + 2*86400})
	bad("future", "of tomorrow", object{"iat": now + 600})
	bad("subject", "a user who is a number", object{"sub": 4711})
	bad("subject-missing", "of nobody", object{"sub": remove})
	bad("subject-long", "a user of over 255 bytes", object{"sub": strings.Repeat("x", 256)})
	a.reject("identity-signature", "identity", "by another key", source, walk(openSignIn(nil), signHeader(mallory, object{"kid": bob.kid()}, claims).String(), nil,
		nextFetch(loginURL+pathKeys, object{}), reply{keys.members, keys.body, paged(502), nil})...)
	for _, one := range []struct {
		name   string
		answer object
	}{
		{"missing", object{"access_token": "x"}}, {"none", object{"id_token": "eyJhbGciOiJub25lIn0.e30."}}, {"text", object{"id_token": "x"}},
		{"type", object{"id_token": 1}},
	} {
		a.reject("identity-"+one.name, "identity", "no ID token", source, walk(openSignIn(nil), "", one.answer, paged(502))...)
	}
	googles := object{"providers": []object{{"name": "google", "client_id": "tallies", "client_secret": "s", "hosted_domain": "company.example"}}}
	google := func(changes object, last conformance.Expect) []step {
		at := "https://accounts.google.com"
		visit := visitRecord(object{"provider": "google"})
		signed := sign(bob, claims.with(object{"iss": at, "hd": "company.example"}).with(changes)).String()
		first := browses("/auth/callback/google", pairs("code", "c0de", "state", stateOfVisit), nil, asksVisit)
		return append([]step{openSignIn(googles)}, chain(first,
			reply{nil, visit, takeVisit, nil}, reply{nil, visit, asksFlow, nil},
			reply{nil, flowRecord(nobodyYet), nextFetch(at+pathDiscovery, object{}), nil},
			reply{object{"status": 200, "headers": jsonHeaders}, discoveryOf(at, object{"authorization_endpoint": at + "/o/oauth2/v2/auth"}), need("fetch", object{"method": "POST"}), nil},
			reply{object{"status": 200, "headers": jsonHeaders}, text(object{"id_token": signed}), nextFetch(at+pathKeys, object{}), nil},
			reply{keys.members, keys.body, last, nil})...)
	}
	a.accept("google", "a user of the Workspace domain", source, google(nil, need("put", object{"id": storedAt("flow", flowID)}))...)
	a.reject("google-domain", "google", "of another domain", source, google(object{"hd": "other.example"}, paged(502))...)
	a.reject("google-domain-missing", "google", "of no domain: anybody's account", source, google(object{"hd": remove}, paged(502))...)
	a.reject("google-email", "google", "whose e-mail address is not verified", source, google(object{"email_verified": false}, paged(502))...)
	a.reject("google-email-text", "google", "whose address is verified in words", source, google(object{"email_verified": "true"}, paged(502))...)
}

func signInConfigs(a *area) {
	source := section13 + "; abi.md engine.open: providers"
	opens := func(changes object, expect conformance.Expect) step {
		s := openSignIn(changes)
		s.Expect, s.Save = expect, nil
		return s
	}
	a.accept("config", "an authority at which users sign in", source, opens(nil, okIncludes(object{"mode": "authority"})))
	a.accept("config-agent", "an agent at which users sign in", source,
		call("engine.open", object{"access": object{"base_url": aliceURL, "ring": publicRing(alice), "replay": "host", "providers": []object{company}}}, "", okIncludes(object{"mode": "self-issued"})))
	bad := func(name, says string, changes object) {
		a.reject("config-"+name, "config", says, source, opens(changes, errorCode("invalid_config")))
	}
	provider := func(changes object) object { return object{"providers": []object{company.with(changes)}} }
	bad("store", "what waits needs a store", object{"replay": "memory"})
	bad("issuer", "no issuer", provider(object{"issuer": remove}))
	bad("issuer-http", "an issuer without TLS", provider(object{"issuer": "http://login.example"}))
	bad("issuer-query", "an issuer with a query", provider(object{"issuer": loginURL + "?x"}))
	bad("issuer-text", "an issuer that is no URL", provider(object{"issuer": "login"}))
	bad("client", "no client_id", provider(object{"client_id": ""}))
	bad("secret", "no client_secret", provider(object{"client_secret": ""}))
	bad("domain", "a domain of another than Google", provider(object{"hosted_domain": "x.example"}))
	bad("name", "a name that is no segment", provider(object{"name": "a|b"}))
	bad("name-empty", "no name", provider(object{"name": ""}))
	bad("name-long", "a name of 33 letters", provider(object{"name": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}))
	bad("twice", "a provider twice", object{"providers": []object{company, company}})
	a.reject("config-portal", "config-agent", "an agent of a portal: users sign in there", source,
		call("engine.open", object{"access": object{"authority": portalURL, "agent_id": "bob", "replay": "host", "providers": []object{company}}}, "", errorCode("invalid_config")))
}
