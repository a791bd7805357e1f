package generate

import "github.com/tallystick/tallystick/conformance"

const (
	codeOfGrant   = "code-1"
	refreshToken  = "refresh-1"
	familyOfGrant = "family-1"
	pathRevoke    = "/auth/revoke"
)

// grantRecord is what a user has allowed, as it lies in the store.
func grantRecord(changes object) string {
	return text(object{
		"client": "app", "provider": "company", "subject": "4711", "name": "Ada", "email": "ada@example.com", "target": bobURL,
		"scopes": "openid read write", "nonce": "", "signed_in": seconds(now - 5), "family": familyOfGrant, "until": seconds(now + 1000),
	}.with(changes))
}

// codeRecord is the same under a code.
func codeRecord(changes object) string {
	return grantRecord(object{"redirect": appBack, "challenge": challengeOf(verifier), "nonce": "n"}.with(changes))
}

func posts(path, body string, expect conformance.Expect) step {
	return serve(path, object{"method": "POST", "content_type": "application/x-www-form-urlencoded"}, body, expect)
}

var (
	claimed = object{"claim": "claimed"}
	isEnded = need("put", object{"id": storedAt("ended", familyOfGrant), "seconds": 2595600})
	asksEnd = need("get", object{"id": storedAt("ended", familyOfGrant)})
	keepNew = need("put", object{"seconds": 999})
	newOne  = []string{"need.id"}
)

func refusesGrant(code string) conformance.Expect {
	return saying(400, secretAnswer, object{"error": code})
}

func peoplesTokens(a *area) {
	source := section13 + "; RFC 6749 section 4.1.3; RFC 7636 section 4.6; RFC 9700 section 4.14"
	asksCode := need("get", object{"id": storedAt("code", codeOfGrant)})
	exchange := func(changes ...string) string {
		members := map[string]string{"grant_type": "authorization_code", "client_id": "app", "code": codeOfGrant, "redirect_uri": appBack, "code_verifier": verifier}
		for i := 0; i < len(changes); i += 2 {
			members[changes[i]] = changes[i+1]
		}
		return sorted(members)
	}
	claims := need("claim", object{"id": storedAt("used", "code "+codeOfGrant), "seconds": 120})
	tokens := func(scope string, more object) conformance.Expect {
		return saying(200, secretAnswer, object{"token_type": "Bearer", "expires_in": 300, "scope": scope}.with(more))
	}
	varying := []string{"ok.response.body"}
	gives := func(name, says string, first step, replies ...reply) {
		a.accept(name, says, source, append([]step{openSignIn(nil)}, chain(first, replies...)...)...)
	}
	refuses := func(name, twin, says string, first step, replies ...reply) {
		a.reject(name, twin, says, source, append([]step{openSignIn(nil)}, chain(first, replies...)...)...)
	}
	gives("code", "a code is exchanged for an access, an ID and a refresh token", posts("/auth/token", exchange(), asksCode),
		reply{nil, codeRecord(nil), claims, nil}, reply{claimed, "", keepNew, newOne},
		reply{nil, "", tokens("openid read write", nil), varying})
	gives("code-no-openid", "no ID token for whom nobody asked", posts("/auth/token", exchange(), asksCode),
		reply{nil, codeRecord(object{"scopes": "read"}), claims, nil}, reply{claimed, "", keepNew, newOne}, reply{nil, "", tokens("read", nil), varying})
	wrong := func(name, says string, form, record string) {
		refuses("code-"+name, "code", says+": nothing is used up", posts("/auth/token", form, asksCode), reply{nil, record, refusesGrant("invalid_grant"), nil})
	}
	wrong("unknown", "a code that is over", exchange(), "")
	wrong("client", "a code of another client", exchange(), codeRecord(object{"client": "web"}))
	wrong("redirect", "another redirect_uri", exchange("redirect_uri", "http://127.0.0.1:1/callback"), codeRecord(nil))
	wrong("redirect-missing", "no redirect_uri", exchange("redirect_uri", ""), codeRecord(nil))
	wrong("verifier", "another verifier", exchange("code_verifier", verifier+"x"), codeRecord(nil))
	wrong("verifier-missing", "no verifier", exchange("code_verifier", ""), codeRecord(nil))
	wrong("verifier-short", "a verifier of 42 letters", exchange("code_verifier", verifier[:42]), codeRecord(object{"challenge": challengeOf(verifier[:42])}))
	wrong("verifier-letters", "a verifier with other letters", exchange("code_verifier", verifier+"+"), codeRecord(object{"challenge": challengeOf(verifier + "+")}))
	refuses("code-missing", "code", "no code", posts("/auth/token", exchange("code", ""), refusesGrant("invalid_request")))
	refuses("code-twice", "code", "a code that was used before ends all that came of it", posts("/auth/token", exchange(), asksCode),
		reply{nil, codeRecord(nil), claims, nil}, reply{object{"claim": "exists"}, "", isEnded, nil}, reply{nil, "", refusesGrant("invalid_grant"), nil})
	refuses("code-store-fails", "code", "without the store no token is given", posts("/auth/token", exchange(), asksCode),
		reply{nil, codeRecord(nil), claims, nil}, reply{object{"claim": "unavailable", "failed": "it is down"}, "", saying(503, object{}, object{"error": "temporarily_unavailable"}), nil})
	refuses("code-authenticates", "code", "a client with a secret must show it", posts("/auth/token", exchange("client_id", "web"), saying(401, object{}, object{"error": "invalid_client"})))
	refuses("credentials-public", "code", "a public client is nobody without a user",
		posts("/auth/token", sorted(map[string]string{"grant_type": "client_credentials", "client_id": "app", "target": bobURL}), saying(401, object{}, object{"error": "invalid_client"})))

	asksRefresh := need("get", object{"id": storedAt("refresh", refreshToken)})
	renew := func(changes ...string) string {
		members := map[string]string{"grant_type": "refresh_token", "client_id": "app", "refresh_token": refreshToken}
		for i := 0; i < len(changes); i += 2 {
			members[changes[i]] = changes[i+1]
		}
		return sorted(members)
	}
	uses := need("claim", object{"id": storedAt("used", "refresh "+refreshToken), "seconds": 1059})
	renews := func(name, says, form, scope string) {
		gives(name, says, posts("/auth/token", form, asksRefresh), reply{nil, grantRecord(nil), asksEnd, nil}, reply{nil, "", uses, nil},
			reply{claimed, "", keepNew, newOne}, reply{nil, "", tokens(scope, nil), varying})
	}
	renews("refresh", "a refresh token gives the next one", renew(), "openid read write")
	renews("refresh-less", "an access token that may do less", renew("scope", "read"), "read")
	renews("refresh-target", "the target that was allowed", renew("target", bobURL), "openid read write")
	a.accept("refresh-narrowed", "what its client may not have any more is left out", source, append([]step{openSignIn(nil)}, chain(
		posts("/auth/token", renew(), asksRefresh), reply{nil, grantRecord(object{"scopes": "openid read admin"}), asksEnd, nil}, reply{nil, "", uses, nil},
		reply{claimed, "", keepNew, newOne}, reply{nil, "", tokens("openid read", nil), varying})...)...)
	declinesRefresh := func(name, says, form, record, code string) {
		refuses("refresh-"+name, "refresh", says, posts("/auth/token", form, asksRefresh), reply{nil, record, refusesGrant(code), nil})
	}
	declinesRefresh("unknown", "a token that is over", renew(), "", "invalid_grant")
	declinesRefresh("client", "a token of another client", renew(), grantRecord(object{"client": "web"}), "invalid_grant")
	declinesRefresh("until", "a token that has expired", renew(), grantRecord(object{"until": seconds(now + 1)}), "invalid_grant")
	declinesRefresh("scope", "more than the user allowed", renew("scope", "read admin"), grantRecord(nil), "invalid_scope")
	declinesRefresh("target-now", "a target that its client may not have any more", renew("client_id", "near"), grantRecord(object{"client": "near"}), "invalid_grant")
	declinesRefresh("scope-form", "scopes that are none", renew("scope", "read  write"), grantRecord(nil), "invalid_scope")
	declinesRefresh("another-target", "another target", renew("target", "https://other.example"), grantRecord(nil), "invalid_target")
	declinesRefresh("another-resource", "another target by its other name", renew("resource", "https://other.example"), grantRecord(nil), "invalid_target")
	refuses("refresh-missing", "refresh", "no token", posts("/auth/token", renew("refresh_token", ""), refusesGrant("invalid_request")))
	refuses("refresh-ended", "refresh", "a family that has ended", posts("/auth/token", renew(), asksRefresh),
		reply{nil, grantRecord(nil), asksEnd, nil}, reply{nil, "{}", refusesGrant("invalid_grant"), nil})
	refuses("refresh-twice", "refresh", "a token that was used before ends its family", posts("/auth/token", renew(), asksRefresh),
		reply{nil, grantRecord(nil), asksEnd, nil}, reply{nil, "", uses, nil}, reply{object{"claim": "exists"}, "", isEnded, nil},
		reply{nil, "", refusesGrant("invalid_grant"), nil})
	a.reject("grants-not-served", "refresh", "an authority at which nobody signs in has no such grant", source, openAuthority(nil),
		posts("/auth/token", renew(), saying(401, object{}, object{"error": "invalid_client"})))
}

func revocations(a *area) {
	source := section13 + "; RFC 7009"
	asksRefresh := need("get", object{"id": storedAt("refresh", refreshToken)})
	form := sorted(map[string]string{"client_id": "app", "token": refreshToken})
	fine := okIncludes(object{"response": object{"status": 200}})
	a.accept("revoke", "a family ends at once", source, append([]step{openSignIn(nil)}, chain(posts(pathRevoke, form, asksRefresh),
		reply{nil, grantRecord(nil), isEnded, nil}, reply{nil, "", fine, nil})...)...)
	a.accept("revoke-unknown", "of a token that is over nothing is said", source, append([]step{openSignIn(nil)}, chain(posts(pathRevoke, form, asksRefresh),
		reply{nil, "", fine, nil})...)...)
	a.accept("revoke-client", "a token of another client does not end", source, append([]step{openSignIn(nil)}, chain(posts(pathRevoke, form, asksRefresh),
		reply{nil, grantRecord(object{"client": "web"}), fine, nil})...)...)
	a.reject("revoke-missing", "revoke", "no token", source, openSignIn(nil), posts(pathRevoke, sorted(map[string]string{"client_id": "app"}), refusesGrant("invalid_request")))
	a.reject("revoke-nobody", "revoke", "no client", source, openSignIn(nil), posts(pathRevoke, sorted(map[string]string{"token": refreshToken}), saying(401, object{}, object{"error": "invalid_client"})))
	a.reject("revoke-get", "revoke", "another method", source, openSignIn(nil), serve(pathRevoke, nil, "", okIncludes(object{"response": object{"status": 405}})))
	a.reject("revoke-not-served", "revoke", "an authority at which nobody signs in", source, openAuthority(nil), posts(pathRevoke, form, unhandled()))
	a.accept("metadata", "the document says how users sign in", "RFC 8414 section 2; RFC 9207 section 3", openSignIn(nil), serve(pathServer, nil, "",
		saying(200, documentHeaders, object{
			"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"}, "revocation_endpoint": portalURL + pathRevoke,
			"grant_types_supported":                          []string{"client_credentials", "authorization_code", "refresh_token", deviceGrant},
			"device_authorization_endpoint":                  portalURL + pathDevice,
			"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
			"authorization_response_iss_parameter_supported": true,
		})))
}
