package generate

import (
	"encoding/base64"
	"iter"
	"maps"
	"slices"
)

const (
	section11 = "protocol.md section 11"
	tenantID  = "8d0e7a52-4c1b-4f6e-9a3d-2b7c5e1f0a94"
	otherID   = "11111111-2222-4333-8444-555555555555"
	poolID    = "eu-central-1_AbCdEfGhI"
	clientID  = "0oa1clientid"
	apiName   = "api://bob"
)

// The presets, as an operator writes them, and the issuers that they stand for.
var (
	presetAuth0    = object{"name": "auth0", "domain": "example.eu.auth0.com"}
	presetCognito  = object{"name": "cognito", "region": "eu-central-1", "pool": poolID}
	presetEntra    = object{"name": "entra", "tenant": tenantID}
	presetGoogle   = object{"name": "google"}
	presetKeycloak = object{"name": "keycloak", "domain": "id.example.com", "realm": "agents"}
	presetOkta     = object{"name": "okta", "domain": "example.okta.com"}
)

const (
	auth0    = "https://example.eu.auth0.com/"
	cognito  = "https://cognito-idp.eu-central-1.amazonaws.com/" + poolID
	entraV1  = "https://sts.windows.net/" + tenantID + "/"
	entraV2  = "https://login.microsoftonline.com/" + tenantID + "/v2.0"
	google   = "https://accounts.google.com"
	keycloak = "https://id.example.com/realms/agents"
	okta     = "https://example.okta.com/oauth2/default"
)

func providers() *area {
	a := newArea("provider", "Tokens of identity providers: what is read of an issuer that the operator chose, and what of nobody else.")
	tokenTypes(a)
	accessSigns(a)
	providedScopes(a)
	providedClients(a)
	entryAudiences(a)
	providerPresets(a)
	idTokens(a)
	presetFaults(a)
	tenants(a)
	internalHTTP(a)
	proxies(a)
	return a
}

// entered opens bob's engine with one entry of trusted_issuers, whose keys are alice's.
func entered(issuer string, entry object, changes object) step {
	members := object{"trusted_issuers": []object{entry}, "keys": object{issuer: alice.spki()}, "allowed_scopes": []string{"*"}}
	return openAccess(members.and(changes))
}

// partnerEntry is an entry without a preset.
func partnerEntry(changes object) step {
	return entered(partner, object{"issuer": partner, "type": "user"}.with(changes), nil)
}

// providedToken is a token as a provider writes it, without what this profile has of its own.
func providedToken(issuer string, claims object) token {
	return providedHeader(nil, issuer, claims)
}

func providedHeader(header object, issuer string, claims object) token {
	all := object{"iss": issuer, "sub": "248289761001", "aud": bobURL, "iat": now, "exp": now + 300}
	return signHeader(alice, object{"kid": alice.kid()}.and(header), all.with(claims))
}

// usual is a token that is accepted by what it has of the standards alone.
func usual(changes object) token {
	return providedToken(partner, object{"scope": "read", "client_id": clientID}.and(changes))
}

func tokenTypes(a *area) {
	source := section11 + ": typ absent, JWT, at+jwt or application/at+jwt (RFC 9068)"
	typed := func(typ any, claims object) token { return providedHeader(object{"typ": typ}, partner, claims) }
	scoped := object{"scope": "read", "client_id": clientID}
	for name, typ := range inOrder(map[string]any{"absent": remove, "jwt": "JWT", "at": "at+jwt", "at-long": "application/at+jwt", "at-case": "AT+JWT"}) {
		a.accept("typ-"+name, "a configured issuer's token", source, partnerEntry(nil), letsIn(typed(typ, scoped), nil))
	}
	for name, typ := range inOrder(map[string]any{"id": "id+jwt", "logout": "logout+jwt", "number": 1, "dpop": "dpop+jwt"}) {
		a.reject("typ-"+name, "typ-at", "a token that says it is something else", source, partnerEntry(nil), keepsOut(typed(typ, scoped), nil, "malformed_token"))
	}
	stranger := openAccess(object{"keys": object{partner: alice.spki()}})
	a.reject("typ-at-of-a-stranger", "typ-at", "an issuer that is not configured: as strict as ever", source, stranger, keepsOut(typed("at+jwt", scoped), nil, "malformed_token"))
	a.reject("typ-at-signed-request", "typ-at", "a signed request is no access token of RFC 9068", source, open(nil), refused(signHeader(alice, object{"typ": "at+jwt"}, rotagentClaims()), nil, "malformed_token"))
	pinned := openAccess(object{"jwks_uri": partner + "/keys", "issuer": partner, "keys": object{partner: alice.spki()}, "ring": remove})
	a.accept("typ-at-pinned", "jwks_uri and issuer configure an issuer, too", source, pinned, letsIn(typed("at+jwt", object{"client_id": clientID, "sub": "carol"}), nil))
	a.accept("typ-at-is-a-sign", "RFC 9068: nothing else is needed", source, partnerEntry(nil), letsIn(typed("at+jwt", nil), nil))
}

func accessSigns(a *area) {
	source := section11 + ": an access token needs a positive sign"
	yes := func(name, says string, claims object) {
		a.accept("sign-"+name, says, source, partnerEntry(nil), letsIn(providedToken(partner, claims), nil))
	}
	no := func(name, twin, says string, claims object) {
		a.reject("sign-"+name, "sign-"+twin, says, source, partnerEntry(nil), keepsOut(providedToken(partner, claims), nil, "invalid_claims"))
	}
	yes("scopes", "scopes, and a client that is not the audience", object{"scope": "read", "client_id": clientID})
	no("none", "scopes", "nothing says what it is: an ID token looks like this", object{})
	no("no-client", "scopes", "scopes, and nothing says whose token it is", object{"scope": "read"})
	no("no-scopes", "scopes", "a client, and no scopes", object{"client_id": clientID})
	no("empty-scope", "scopes", "an empty scope", object{"scope": "", "client_id": clientID})
	no("scopes-dropped", "scopes", "a list without one that counts", object{"scope": []string{"a b"}, "client_id": clientID})
	no("client-is-audience", "scopes", "the client is the audience: an ID token", object{"scope": "read", "client_id": bobURL})
	no("azp-is-audience", "scopes", "one of the claims that name the client", object{"scope": "read", "client_id": clientID, "azp": bobURL})
	no("client-among-audiences", "scopes", "one of several audiences", object{"scope": "read", "azp": clientID, "aud": []string{bobURL, clientID}})
	yes("token-type", "this profile's token_type", object{"token_type": "Bearer"})
	yes("aoauth", "this profile's aoauth", object{"aoauth": object{"mode": "self"}})
	yes("agent-path", "AOAuth 1.0's agent_path", object{"agent_path": "/agents"})
	no("cid-without-preset", "scopes", "cid is a mark of Okta's preset alone", object{"cid": clientID})
	no("token-use-without-preset", "scopes", "token_use is a mark of Cognito's preset alone", object{"token_use": "access"})
	no("typ-without-preset", "scopes", "typ is a mark of Keycloak's preset alone", object{"typ": "Bearer"})
	a.accept("sign-needed-of-configured", "of a stranger nothing more is asked than before", source, openAccess(object{"keys": object{partner: alice.spki()}}), letsIn(providedToken(partner, nil), nil))
	portal := openAccess(object{"authority": portalURL, "base_url": bobURL, "ring": remove, "keys": object{portalURL: alice.spki()}})
	ours := object{"sub": "carol", "agent_path": "/agents", "token_type": "Bearer"}
	a.accept("sign-authority", "our own authority's access token", source, portal, letsIn(providedToken(portalURL, ours), nil))
	a.reject("sign-authority-id-token", "sign-authority", "its ID token is no access token", section11+": ID tokens of our own authority are no access tokens", portal,
		keepsOut(providedToken(portalURL, object{"sub": "carol", "nonce": "n", "at_hash": "x", "azp": bobURL}), nil, "invalid_claims"))
	refusedAlways := section11 + ": payload typ ID and token_use id are always refused"
	for name, claims := range inOrder(map[string]object{"typ": {"typ": "ID"}, "typ-case": {"typ": "id"}, "token-use": {"token_use": "id"}, "token-use-case": {"token_use": "ID"}}) {
		a.reject("id-token-"+name, "sign-scopes", "it says that it is an ID token", refusedAlways, partnerEntry(nil), keepsOut(usual(claims), nil, "invalid_claims"))
		a.reject("id-token-"+name+"-of-a-stranger", "sign-needed-of-configured", "a stranger's too", refusedAlways, openAccess(object{"keys": object{partner: alice.spki()}}), keepsOut(usual(claims), nil, "invalid_claims"))
		a.reject("id-token-"+name+"-at-jwt", "typ-at-is-a-sign", "under typ at+jwt too", refusedAlways, partnerEntry(nil), keepsOut(providedHeader(object{"typ": "at+jwt"}, partner, claims), nil, "invalid_claims"))
	}
	for name, claims := range inOrder(map[string]object{"typ": {"typ": 1}, "token-use": {"token_use": []string{"access"}}}) {
		a.reject("type-of-"+name, "sign-scopes", "of a wrong type", section11, partnerEntry(nil), keepsOut(usual(claims), nil, "invalid_claims"))
	}
}

func providedScopes(a *area) {
	source := section11 + ": scope or scp, as text or list"
	reads := func(name, says string, entry, claims object, scopes ...string) {
		a.accept("scopes-"+name, says, source, partnerEntry(entry), lets(usual(claims), nil, object{"scopes": append([]string{}, scopes...)}))
	}
	bad := func(name, twin, says string, entry, claims object) {
		a.reject("scopes-"+name, "scopes-"+twin, says, source, partnerEntry(entry), keepsOut(usual(claims), nil, "invalid_claims"))
	}
	none := object{"scope": remove, "token_type": "Bearer"}
	reads("text", "scope as text", nil, object{"scope": "read write"}, "read", "write")
	reads("list", "scope as a list", nil, object{"scope": []string{"read", "write"}}, "read", "write")
	reads("scp-text", "scp as text", nil, none.and(object{"scp": "read write"}), "read", "write")
	reads("scp-list", "scp as a list", nil, none.and(object{"scp": []string{"read", "write"}}), "read", "write")
	reads("both", "both, without repeats", nil, object{"scope": "read", "scp": []string{"write", "read"}}, "read", "write")
	reads("element-dropped", "an element that is not one scope is dropped and never split", nil, object{"scope": []string{"a b", "read", `q"q`, `b\b`, "", "ü", "tab\tbed"}}, "read")
	reads("assigned-dropped", "none of a list makes a namespace or a label", nil, object{"scope": []string{"namespace:production", "trust:verified", "read"}}, "read")
	reads("not-unasked", "roles and permissions are not read unasked", nil, object{"roles": []string{"admin"}, "permissions": []string{"all"}}, "read")
	reads("claims", "scope_claims says which are read", object{"scope_claims": []string{"roles", "permissions"}}, object{"roles": []string{"one"}, "permissions": []string{"two"}}, "one", "two")
	reads("claims-path", "a path leads inside of objects", object{"scope_claims": []string{"scope", "realm_access.roles"}}, object{"realm_access": object{"roles": []string{"admin"}}}, "read", "admin")
	reads("claims-path-absent", "a path that leads nowhere", object{"scope_claims": []string{"scope", "realm_access.roles"}}, object{"realm_access": object{}}, "read")
	reads("claims-dotted-name", "dots lead inside, whatever a claim is called", object{"scope_claims": []string{"scope", "a.b"}}, object{"a.b": "evil"}, "read")
	reads("claims-url", "a name with a slash is a claim's whole name", object{"scope_claims": []string{"https://api.example.com/roles"}}, object{"https://api.example.com/roles": []string{"admin"}}, "admin")
	reads("claims-text", "text in such a claim is split as scopes are", object{"scope_claims": []string{"roles"}}, object{"roles": "one two"}, "one", "two")
	reads("claims-assigned", "nor does text in such a claim", object{"scope_claims": []string{"roles", "scp"}}, object{"roles": "namespace:production admin", "scp": "trust:verified read"}, "admin", "read")
	for name, value := range inOrder(map[string]any{"number": 1, "null": nil, "object": object{"read": true}, "numbers": []int{1}, "mixed": []any{"read", 1}, "nested": []any{[]string{"read"}}}) {
		bad(name, "list", "scope of a wrong type", nil, object{"scope": value})
		bad("scp-"+name, "scp-list", "scp of a wrong type", nil, object{"scp": value})
		bad("claims-"+name, "claims", "a claim of scope_claims of a wrong type", object{"scope_claims": []string{"roles"}}, object{"roles": value})
	}
	bad("text-quotes", "text", "quotes in a text", nil, object{"scope": `read "write"`})
	bad("text-spaces", "text", "two spaces", nil, object{"scp": "read  write"})
	bad("claims-path-text", "claims-path", "what leads to it is no object", object{"scope_claims": []string{"scope", "realm_access.roles"}}, object{"realm_access": "admin"})
	portal := object{"type": "portal"}
	person := object{"sub": "carol", "token_type": "Bearer"}
	reads("portal-text", "a portal's scope as text gives what it always did", portal, person.and(object{"scope": "read namespace:production"}), "read", "namespace:production")
	reads("portal-list", "as a list it gives none of it", portal, person.and(object{"scope": []string{"read", "namespace:production", "trust:verified"}}), "read")
	reads("portal-scp", "nor does scp as text", portal, person.and(object{"scope": "read", "scp": "namespace:production trust:verified"}), "read")
	needs := object{"required_scopes": []string{"admin"}}
	a.accept("scopes-required", "a scope of a list meets what is required", source, partnerEntry(nil), lets(usual(object{"scope": []string{"admin"}}), needs, object{}))
	a.reject("scopes-required-split", "scopes-required", "an element with a space does not", source, partnerEntry(nil),
		call("access.verify", asked(usual(object{"scope": []string{"read admin", "x"}}).String(), needs), "", insufficientScope("admin")))
	a.reject("scopes-required-none", "scopes-required", "nor does a claim that is not read", source, partnerEntry(nil),
		call("access.verify", asked(usual(object{"roles": []string{"admin"}}).String(), needs), "", insufficientScope("admin")))
	a.reject("scopes-of-a-stranger", "scopes-list", "a stranger's list is refused as ever", source, openAccess(object{"keys": object{partner: alice.spki()}}), keepsOut(usual(object{"scope": []string{"read"}}), nil, "invalid_claims"))
	entry := func(name, says string, paths ...string) {
		a.reject("scope-claims-"+name, "scopes-claims", says, "abi.md engine.open: scope_claims", call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob),
			"trusted_issuers": []object{{"issuer": partner, "scope_claims": paths}}}}, "", errorCode("invalid_config")))
	}
	entry("empty", "an empty path", "")
	entry("dots", "a path with an empty name", "a..b")
	entry("many", "over 16 of them", manyTexts(17, "c")...)
}

func manyTexts(n int, text string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = text
	}
	return list
}

func providedClients(a *area) {
	source := section11 + ": client from client_id, azp, appid, cid"
	from := func(name, says string, claims object, id any) {
		a.accept("client-"+name, says, source, partnerEntry(nil), lets(providedToken(partner, object{"scope": "read"}.and(claims)), nil, object{"client_id": id}))
	}
	from("client-id", "client_id", object{"client_id": "one"}, "one")
	from("azp", "azp", object{"azp": "two"}, "two")
	from("appid", "appid", object{"appid": "three"}, "three")
	from("cid", "cid", object{"cid": "four"}, "four")
	from("order", "the first of these counts", object{"cid": "four", "appid": "three", "azp": "two"}, "two")
	for _, name := range []string{"client_id", "azp", "appid", "cid"} {
		for kind, value := range inOrder(map[string]any{"number": 1, "empty": "", "null": nil, "list": []string{"one"}}) {
			a.reject("client-"+name[:3]+"-"+kind, "client-client-id", name+" of a wrong type", source, partnerEntry(nil), keepsOut(usual(object{name: value}), nil, "invalid_claims"))
		}
	}
	a.accept("client-of-a-stranger", "a stranger's azp is nothing to anybody", source, openAccess(object{"keys": object{partner: alice.spki()}}), lets(providedToken(partner, object{"azp": 1}), nil, object{"client_id": nil}))
	subjects := section11 + ": type user takes any sub"
	for name, sub := range inOrder(map[string]string{"mail": "carol@example.com", "clients": "awZfdIir8YFdGZWk@clients", "bars": "auth0|123", "slash": "a/b", "spaces": "Carol C.", "utf8": "Müller"}) {
		a.accept("sub-"+name, "a person's or a client's", subjects, partnerEntry(nil), lets(usual(object{"sub": sub}), nil, object{"user_id": sub}))
	}
	a.reject("sub-dots", "sub-mail", "a sub of dots alone makes no URL", subjects, partnerEntry(nil), keepsOut(usual(object{"sub": ".."}), nil, "invalid_claims"))
	a.reject("sub-agent", "sub-clients", "an issuer of agents: type user would take it", subjects, partnerEntry(object{"type": "agent"}), keepsOut(usual(object{"sub": "awZfdIir8YFdGZWk@clients"}), nil, "invalid_claims"))
	a.reject("sub-missing", "sub-mail", "no sub", subjects, partnerEntry(nil), keepsOut(usual(object{"sub": remove}), nil, "invalid_claims"))
}

func entryAudiences(a *area) {
	source := section11 + ": audience for each issuer"
	named := object{"audience": []string{apiName, "https://API.example.com/bob/"}}
	a.accept("audience-entry", "what this issuer calls the agent", source, partnerEntry(named), letsIn(usual(object{"aud": apiName}), nil))
	a.accept("audience-entry-url", "a URL in any spelling", source, partnerEntry(named), letsIn(usual(object{"aud": "https://api.example.com/bob"}), nil))
	a.reject("audience-entry-base", "audience-entry", "the agent's own URL is not among them", source, partnerEntry(named), keepsOut(usual(nil), nil, "invalid_audience"))
	a.reject("audience-entry-other", "audience-entry", "another audience", source, partnerEntry(named), keepsOut(usual(object{"aud": "api://carol"}), nil, "invalid_audience"))
	other := entered(partner, object{"issuer": partner, "type": "user"}, object{"trusted_issuers": []object{{"issuer": partner, "type": "user"}, {"issuer": portalURL, "audience": []string{apiName}}}})
	a.reject("audience-of-another-entry", "audience-entry", "what another issuer calls the agent", source, other, keepsOut(usual(object{"aud": apiName}), nil, "invalid_audience"))
	clients := section11 + ": client_audience where a provider writes no aud"
	without := object{"client_audience": []string{clientID, "two"}}
	a.accept("client-audience", "no aud, and a client of the list", clients, partnerEntry(without), letsIn(usual(object{"aud": remove}), nil))
	a.accept("client-audience-aud", "an aud counts as ever", clients, partnerEntry(without), letsIn(usual(nil), nil))
	a.reject("client-audience-other", "client-audience", "another client", clients, partnerEntry(without), keepsOut(usual(object{"aud": remove, "client_id": "three"}), nil, "invalid_audience"))
	a.reject("client-audience-other-aud", "client-audience", "a client of the list, and an aud that is somebody else", clients, partnerEntry(without), keepsOut(usual(object{"aud": "api://carol"}), nil, "invalid_audience"))
	a.reject("client-audience-null", "client-audience", "an aud of null is one of a wrong type", clients, partnerEntry(without), keepsOut(usual(object{"aud": nil}), nil, "invalid_claims"))
	a.reject("client-audience-unset", "client-audience", "no aud, and no list", clients, partnerEntry(nil), keepsOut(usual(object{"aud": remove}), nil, "invalid_claims"))
	a.reject("client-audience-none", "client-audience", "no aud and no client", clients, partnerEntry(without), keepsOut(usual(object{"aud": remove, "client_id": remove, "token_type": "Bearer"}), nil, "invalid_audience"))
	for _, member := range []string{"audience", "client_audience"} {
		for name, list := range inOrder(map[string][]string{"empty": {}, "many": manyTexts(65, "x"), "blank": {""}}) {
			a.reject("entry-"+member[:6]+"-"+name, "audience-entry", member+" that names nobody, or too many", "abi.md engine.open: trusted_issuers",
				call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob), "trusted_issuers": []object{{"issuer": partner, member: list}}}}, "", errorCode("invalid_config")))
		}
	}
}

// presetStep opens an engine whose one entry has a preset.
func presetStep(issuer string, preset, changes object) step {
	return entered(issuer, object{"preset": preset}.with(changes), nil)
}

// presets: tokens of the shapes that the providers document.
func providerPresets(a *area) {
	source := section11 + ": preset"
	reads := func(name, says, issuer string, preset, entry, header, claims, expect object) {
		a.accept("preset-"+name, says, source, presetStep(issuer, preset, entry), lets(providedHeader(header, issuer, claims), nil, expect.with(object{"issuer": issuer, "issuer_type": "user"})))
	}
	named := object{"audience": []string{apiName}}
	reads("auth0", "Auth0's own profile: azp, scope, two audiences", auth0, presetAuth0, named, nil,
		object{"sub": "auth0|123456", "aud": []string{apiName, auth0 + "userinfo"}, "azp": clientID, "scope": "openid read:orders"},
		object{"user_id": "auth0|123456", "client_id": clientID, "scopes": []string{"openid", "read:orders"}})
	reads("auth0-client", "a machine's token", auth0, presetAuth0, named, nil,
		object{"sub": clientID + "@clients", "aud": apiName, "azp": clientID, "gty": "client-credentials", "scope": "read:orders"}, object{"user_id": clientID + "@clients"})
	reads("auth0-rfc9068", "its profile of RFC 9068", auth0, presetAuth0, named, object{"typ": "at+jwt"},
		object{"aud": apiName, "client_id": clientID, "jti": "j"}, object{"client_id": clientID, "scopes": []string{}})
	reads("auth0-permissions", "permissions are read where the entry says so", auth0, presetAuth0, named.and(object{"scope_claims": []string{"permissions"}}), nil,
		object{"aud": apiName, "azp": clientID, "scope": "openid", "permissions": []string{"read:orders"}}, object{"scopes": []string{"read:orders"}})
	reads("cognito", "Cognito: token_use access, no aud", cognito, presetCognito, object{"client_audience": []string{clientID}}, object{"typ": remove},
		object{"aud": remove, "token_use": "access", "client_id": clientID, "scope": "orders/read", "username": "carol"}, object{"client_id": clientID, "scopes": []string{"orders/read"}})
	reads("entra-v2", "Entra's v2: scp as text, azp", entraV2, presetEntra, named, nil,
		object{"aud": apiName, "azp": clientID, "azpacr": "1", "scp": "Orders.Read Orders.Write", "tid": tenantID, "ver": "2.0", "oid": "o"}, object{"client_id": clientID, "scopes": []string{"Orders.Read", "Orders.Write"}})
	reads("entra-v1", "Entra's v1: another issuer, appid", entraV1, presetEntra, named, nil,
		object{"aud": apiName, "appid": clientID, "appidacr": "1", "scp": "Orders.Read", "tid": tenantID, "ver": "1.0"}, object{"client_id": clientID, "scopes": []string{"Orders.Read"}})
	reads("entra-roles", "an application's token: roles, and no scp", entraV2, presetEntra, named, nil,
		object{"aud": apiName, "azp": clientID, "roles": []string{"Orders.Read.All"}, "ver": "2.0"}, object{"scopes": []string{"Orders.Read.All"}})
	reads("entra-scp-and-roles", "a person's token: roles are read only where scp is absent", entraV2, presetEntra, named, nil,
		object{"aud": apiName, "azp": clientID, "scp": "Orders.Read", "roles": []string{"Admin"}}, object{"scopes": []string{"Orders.Read"}})
	reads("google", "Google: a service account's ID token for this very audience", google, presetGoogle, nil, nil,
		object{"azp": "1234", "sub": "1234", "email": "robot@project.iam.gserviceaccount.com", "email_verified": true}, object{"user_id": "1234", "client_id": "1234", "scopes": []string{}})
	reads("keycloak", "Keycloak: typ Bearer", keycloak, presetKeycloak, named, nil,
		object{"aud": []string{"account", apiName}, "typ": "Bearer", "azp": clientID, "scope": "openid orders", "realm_access": object{"roles": []string{"user"}}}, object{"client_id": clientID, "scopes": []string{"openid", "orders"}})
	reads("keycloak-roles", "its roles, where the entry says so", keycloak, presetKeycloak, named.and(object{"scope_claims": []string{"realm_access.roles", "resource_access.bob.roles"}}), nil,
		object{"aud": apiName, "typ": "Bearer", "azp": clientID, "scope": "openid", "realm_access": object{"roles": []string{"user"}}, "resource_access": object{"bob": object{"roles": []string{"caller"}}}}, object{"scopes": []string{"user", "caller"}})
	reads("okta", "Okta: no typ, cid, scp as a list", okta, presetOkta, named, object{"typ": remove},
		object{"aud": apiName, "sub": "carol@example.com", "cid": clientID, "uid": "00u1", "ver": 1, "scp": []string{"orders"}}, object{"client_id": clientID, "scopes": []string{"orders"}})
	reads("okta-no-scp", "cid alone is Okta's mark", okta, presetOkta, named, nil, object{"aud": apiName, "cid": clientID}, object{"scopes": []string{}})
	server := presetOkta.with(object{"realm": "aus1xyz"})
	reads("okta-server", "another authorization server of Okta's", "https://example.okta.com/oauth2/aus1xyz", server, named, nil, object{"aud": apiName, "cid": clientID}, object{})
	a.accept("preset-type", "an entry may say that its clients are agents", source, presetStep(okta, presetOkta, object{"type": "agent"}), lets(providedToken(okta, object{"sub": "bot", "cid": clientID}), nil, object{"issuer_type": "agent", "agent_id": "bot"}))
	for name, c := range inOrder(map[string]struct {
		preset  object
		fetched string
	}{
		"auth0": {presetAuth0, "https://example.eu.auth0.com" + pathDiscovery}, "cognito": {presetCognito, cognito + pathDiscovery},
		"entra": {presetEntra, entraV2 + pathDiscovery}, "google": {presetGoogle, google + pathDiscovery},
		"keycloak": {presetKeycloak, keycloak + pathDiscovery}, "okta": {presetOkta, okta + pathDiscovery},
	}) {
		issuer := map[string]string{"auth0": auth0, "cognito": cognito, "entra": entraV2, "google": google, "keycloak": keycloak, "okta": okta}[name]
		a.accept("preset-fetch-"+name, "where its keys are asked for", source, openEmpty(object{"trusted_issuers": []object{{"preset": c.preset}}}),
			fetches(providedToken(issuer, nil), nil, c.fetched, object{"address": "any", "redirects": 3, "proxy": true}))
	}
	a.accept("preset-fetch-entra-v1", "v1 has its document elsewhere", source, openEmpty(object{"trusted_issuers": []object{{"preset": presetEntra}}}),
		fetches(providedToken(entraV1, nil), nil, "https://login.microsoftonline.com/"+tenantID+pathDiscovery, object{}))
	a.reject("preset-other-tenant", "preset-entra-v2", "another tenant's token is a stranger's", source, entered(entraV2, object{"preset": presetEntra, "audience": []string{apiName}}, object{"allow": []string{"@nobody"}}),
		keepsOutIssuer(providedToken("https://login.microsoftonline.com/"+otherID+"/v2.0", object{"aud": apiName, "scp": "x"}), nil))
}

// idTokens: what each provider gives to a client at which somebody signed in.
func idTokens(a *area) {
	source := section11 + ": an ID token in place of an access token, for each preset"
	no := func(name, twin, says, issuer string, preset, claims object) {
		a.reject("id-token-of-"+name, "preset-"+twin, says, source, presetStep(issuer, preset, object{"audience": []string{apiName, clientID}, "client_audience": []string{clientID}}),
			keepsOut(providedToken(issuer, object{"aud": clientID, "nonce": "n"}.and(claims)), nil, "invalid_claims"))
	}
	no("auth0", "auth0", "the audience is the client", auth0, presetAuth0, object{"sid": "s", "email": "carol@example.com"})
	no("auth0-scope", "auth0", "with a scope that an action put there", auth0, presetAuth0, object{"azp": clientID, "scope": "read:orders"})
	no("cognito", "cognito", "token_use id", cognito, presetCognito, object{"token_use": "id", "cognito:username": "carol"})
	no("cognito-other", "cognito", "another token_use", cognito, presetCognito, object{"token_use": "refresh", "aud": apiName, "client_id": clientID, "scope": "orders/read"})
	no("cognito-type", "cognito", "token_use of a wrong type", cognito, presetCognito, object{"token_use": true, "aud": apiName, "client_id": clientID, "scope": "orders/read"})
	no("entra", "entra-roles", "roles are in ID tokens, too", entraV2, presetEntra, object{"roles": []string{"Orders.Read.All"}, "tid": tenantID, "ver": "2.0"})
	no("entra-roles-azp", "entra-roles", "roles, and the client is the audience", entraV2, presetEntra, object{"roles": []string{"Orders.Read.All"}, "azp": clientID})
	no("entra-v1", "entra-v1", "v1's", entraV1, presetEntra, object{"unique_name": "carol", "ver": "1.0"})
	no("google", "google", "a person's", google, presetGoogle, object{"azp": clientID, "email": "carol@example.com", "email_verified": true})
	no("google-unverified", "google", "an address that Google has not seen to", google, presetGoogle, object{"email": "robot@project.iam.gserviceaccount.com", "email_verified": false})
	no("google-unverified-text", "google", "of a wrong type", google, presetGoogle, object{"email": "robot@project.iam.gserviceaccount.com", "email_verified": "true"})
	no("google-lookalike", "google", "a domain that begins like it", google, presetGoogle, object{"email": "robot@x.gserviceaccount.com.evil.example", "email_verified": true})
	no("google-domain", "google", "a domain that ends like it", google, presetGoogle, object{"email": "robot@evilgserviceaccount.com", "email_verified": true})
	no("google-no-email", "google", "without an address", google, presetGoogle, object{"azp": "1234"})
	no("keycloak", "keycloak", "typ ID", keycloak, presetKeycloak, object{"typ": "ID", "azp": clientID})
	no("keycloak-refresh", "keycloak", "a refresh token", keycloak, presetKeycloak, object{"typ": "Refresh", "aud": apiName, "azp": clientID, "scope": "openid orders"})
	no("keycloak-dpop", "keycloak", "a token that is bound to a key: no bearer token", keycloak, presetKeycloak, object{"typ": "DPoP", "aud": apiName, "azp": clientID, "scope": "openid orders"})
	no("okta", "okta", "no cid, no scp", okta, presetOkta, object{"idp": "00o1", "ver": 1, "at_hash": "x"})
	no("okta-empty", "okta", "an empty scp is no mark", okta, presetOkta, object{"scp": []string{}})
	no("okta-profile", "okta", "this profile's marks are none of a provider's", okta, presetOkta, object{"token_type": "Bearer", "agent_path": "/x"})
}

func presetFaults(a *area) {
	source := issue4 + "; " + section11 + ": preset"
	reads := func(name, says string, entry, expect object) {
		a.accept("config-"+name, says, source, readsConfig(configured(object{"trusted_issuers": []object{entry}}), object{"trusted_issuers": []object{expect}}))
	}
	bad := func(name, twin, says string, entry object) {
		a.reject("config-"+name, "config-"+twin, says, source, refusesConfig(configured(object{"trusted_issuers": []object{entry}})))
		opened := object{"base_url": bobURL, "ring": publicRing(bob), "trusted_issuers": []object{entry}}
		a.reject("open-"+name, "preset-okta", says, "abi.md engine.open", call("engine.open", object{"access": opened}, "", errorCode("invalid_config")))
	}
	for name, preset := range inOrder(map[string]object{"auth0": presetAuth0, "cognito": presetCognito, "entra": presetEntra, "google": presetGoogle, "keycloak": presetKeycloak, "okta": presetOkta}) {
		reads(name, "a preset fills in the rest", object{"preset": preset}, object{"preset": preset, "type": "user"})
		for parameter := range inOrder(preset) {
			bad(name+"-without-"+parameter, name, "without its parameter", object{"preset": preset.with(object{parameter: remove})})
			bad(name+"-empty-"+parameter, name, "an empty one", object{"preset": preset.with(object{parameter: ""})})
		}
		if name != "entra" {
			bad(name+"-with-tenant", name, "with a parameter of another preset", object{"preset": preset.with(object{"tenant": tenantID})})
		}
		bad(name+"-and-issuer", name, "two sources of the issuer", object{"preset": preset, "issuer": partner})
		bad(name+"-portal", name, "an identity provider is no portal", object{"preset": preset, "type": "portal"})
	}
	reads("all-keys", "an entry with everything", object{"issuer": partner, "audience": apiName, "scope_claims": []string{"scope", "realm_access.roles"}, "client_audience": []string{clientID}, "internal_http": true, "jwks_uri": "http://keycloak:8080/keys"},
		object{"issuer": partner, "audience": []string{apiName}, "scope_claims": []string{"scope", "realm_access.roles"}, "client_audience": []string{clientID}, "internal_http": true, "jwks_uri": "http://keycloak:8080/keys", "type": "agent"})
	reads("camel-case", "in Node's spelling", object{"issuer": partner, "audience": []string{apiName}, "scopeClaims": []string{"scp"}, "clientAudience": []string{clientID}, "internalHttp": true, "jwksUri": "http://keycloak:8080/keys"},
		object{"issuer": partner, "audience": []string{apiName}, "scope_claims": []string{"scp"}, "client_audience": []string{clientID}, "internal_http": true, "jwks_uri": "http://keycloak:8080/keys", "type": "agent"})
	reads("keycloak-keys", "keys inside of the network for a public issuer", object{"preset": presetKeycloak, "jwks_uri": "http://keycloak:8080/keys", "internal_http": true},
		object{"preset": presetKeycloak, "jwks_uri": "http://keycloak:8080/keys", "internal_http": true, "type": "user"})
	bad("unknown", "okta", "there is no such preset", object{"preset": object{"name": "acme", "domain": "acme.example.com"}})
	bad("preset-case", "okta", "names are case-sensitive", object{"preset": object{"name": "Okta", "domain": "example.okta.com"}})
	reads("entra-keys", "both of Entra's issuers have one key set", object{"preset": presetEntra, "jwks_uri": "https://keys.example/k"}, object{"preset": presetEntra, "jwks_uri": "https://keys.example/k", "type": "user"})
	for name, tenant := range inOrder(map[string]string{"common": "common", "organizations": "organizations", "consumers": "consumers", "name": "example.onmicrosoft.com", "upper": "8D0E7A52-4C1B-4F6E-9A3D-2B7C5E1F0A94", "short": "8d0e7a52-4c1b-4f6e-9a3d", "path": tenantID + "/../" + otherID}) {
		bad("tenant-"+name, "entra", "a tenant that is not one directory's id", object{"preset": object{"name": "entra", "tenant": tenant}})
	}
	for name, domain := range inOrder(map[string]string{"url": "https://example.okta.com", "path": "example.okta.com/x", "case": "Example.okta.com", "user": "a@example.okta.com", "label": "example..okta.com", "bare": "okta", "port": "example.okta.com:99999x"}) {
		bad("domain-"+name, "okta", "what is no host", object{"preset": object{"name": "okta", "domain": domain}})
	}
	bad("realm-path", "keycloak", "a realm that climbs", object{"preset": presetKeycloak.with(object{"realm": "a/../b"})})
	bad("realm-dots", "keycloak", "a realm of dots", object{"preset": presetKeycloak.with(object{"realm": ".."})})
	bad("pool-of-another-region", "cognito", "a pool of another region", object{"preset": presetCognito.with(object{"region": "us-east-1"})})
	bad("pool-form", "cognito", "what is no pool's id", object{"preset": presetCognito.with(object{"pool": "AbCdEfGhI"})})
	bad("region-form", "cognito", "what is no region", object{"preset": presetCognito.with(object{"region": "europe"})})
	for name, entry := range inOrder(map[string]object{
		"preset-text": {"preset": "okta"}, "preset-unknown-key": {"preset": presetOkta.with(object{"server": "x"})}, "preset-number": {"preset": presetOkta.with(object{"domain": 1})},
		"scope-claims-text": {"issuer": partner, "scope_claims": "roles"}, "scope-claims-path": {"issuer": partner, "scope_claims": []string{"a..b"}}, "client-audience-text": {"issuer": partner, "client_audience": clientID},
		"internal-http-text": {"issuer": partner, "internal_http": "yes"}, "audience-number": {"issuer": partner, "audience": 1},
	}) {
		a.reject("config-"+name, "config-all-keys", "of a wrong type, or unknown", issue4, refusesConfig(configured(object{"trusted_issuers": []object{entry}})))
	}
}

// tenants: a provider of many tenants has documents that are alike.
func tenants(a *area) {
	source := issue17 + ": an issuer that answers another tenant's document"
	engine := openEmpty(object{"trusted_issuers": []object{{"preset": presetEntra, "audience": []string{apiName}}}})
	t := providedToken(entraV2, object{"aud": apiName, "azp": clientID, "scp": "read"})
	keysAt := "https://login.microsoftonline.com/" + tenantID + "/discovery/v2.0/keys"
	document := func(issuer string) string { return discoveryOf(issuer, object{"jwks_uri": keysAt}) }
	found := func(issuer string) []step {
		return []step{engine, fetches(t, nil, entraV2+pathDiscovery, object{}), answered(200, nil, document(issuer), nil, nextFetch(keysAt, object{})).save("ticket", "ticket")}
	}
	a.accept("tenant", "its own document and key", source, append(found(entraV2), answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": entraV2})))...)
	for name, issuer := range inOrder(map[string]string{"other": "https://login.microsoftonline.com/" + otherID + "/v2.0", "common": "https://login.microsoftonline.com/{tenantid}/v2.0", "v1": entraV1}) {
		a.reject("tenant-document-"+name, "tenant", "another issuer's document", source, engine, fetches(t, nil, entraV2+pathDiscovery, object{}), answered(200, nil, document(issuer), nil, refusal("keys_unavailable")))
	}
	key := func(issuer any) string { return jwks(publishedJWK(alice).with(object{"issuer": issuer})) }
	for name, issuer := range inOrder(map[string]string{"template": "https://login.microsoftonline.com/{tenantid}/v2.0", "own": entraV2, "v1": entraV1}) {
		a.accept("tenant-key-"+name, "a key that says whose tokens it signs", source, append(found(entraV2), answered(200, nil, key(issuer), nil, okIncludes(object{"issuer": entraV2})))...)
	}
	for name, issuer := range inOrder(map[string]any{"other": "https://login.microsoftonline.com/" + otherID + "/v2.0", "number": 1, "inside": "https://evil.example/x" + tenantID}) {
		a.reject("tenant-key-"+name, "tenant-key-own", "a key of another tenant's is not used", source, append(found(entraV2), answered(200, nil, key(issuer), nil, refusal("unknown_key")))...)
	}
	first := openEmpty(object{"trusted_issuers": []object{{"preset": presetEntra, "audience": []string{apiName}}}})
	old := providedToken(entraV1, object{"aud": apiName, "appid": clientID, "scp": "read"})
	at := "https://login.microsoftonline.com/" + tenantID + pathDiscovery
	a.accept("tenant-v1", "v1's document lies elsewhere and names v1's issuer", source, first, fetches(old, nil, at, object{}),
		answered(200, nil, document(entraV1), nil, nextFetch(keysAt, object{})).save("ticket", "ticket"), answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": entraV1})))
	a.reject("tenant-v1-other", "tenant-v1", "another tenant's there", source, first, fetches(old, nil, at, object{}), answered(200, nil, document("https://sts.windows.net/"+otherID+"/"), nil, refusal("keys_unavailable")))
}

func internalHTTP(a *area) {
	source := section11 + ": internal_http"
	const inside = "http://keycloak:8080/realms/agents"
	const keysInside = "http://keycloak:8080/keys"
	opens := func(entry object) step { return openEmpty(object{"trusted_issuers": []object{entry}}) }
	closed := func(entry object) step {
		return call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob), "trusted_issuers": []object{entry}}}, "", errorCode("invalid_config"))
	}
	within := object{"address": "internal", "redirects": 0, "method": "GET"}
	t, inner := usual(nil), providedToken(inside, object{"scope": "read", "client_id": clientID})
	a.accept("internal-keys", "a public issuer with its keys inside: no redirects, no proxy, an address of the network", source, opens(object{"issuer": partner, "type": "user", "jwks_uri": keysInside, "internal_http": true}),
		fetches(t, nil, keysInside, within), answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": partner})))
	a.accept("internal-discovery", "an issuer inside: its discovery document", source, opens(object{"issuer": inside, "type": "user", "internal_http": true}), fetches(inner, nil, inside+pathDiscovery, within),
		answered(200, nil, discoveryOf(inside, object{"jwks_uri": "https://keys.example/k"}), nil, nextFetch("https://keys.example/k", object{"address": "any", "redirects": 3})).save("ticket", "ticket"),
		answered(200, nil, aliceKeys, nil, okIncludes(object{"issuer": inside})))
	a.reject("internal-named", "internal-discovery", "what the document names is neither: jwks_uri must be written", source, opens(object{"issuer": inside, "type": "user", "internal_http": true}), fetches(inner, nil, inside+pathDiscovery, within),
		answered(200, nil, discoveryOf(inside, object{"jwks_uri": keysInside}), nil, refusal("keys_unavailable")))
	a.reject("internal-elsewhere", "internal-discovery", "nor is the usual place of keys", source, opens(object{"issuer": inside, "type": "user", "internal_http": true}), fetches(inner, nil, inside+pathDiscovery, within),
		answered(404, nil, "", nil, refusal("keys_unavailable")))
	a.accept("internal-https", "an https URL of such an entry is fetched as ever", source, opens(object{"issuer": partner, "type": "user", "internal_http": true}), fetches(t, nil, partner+pathDiscovery, object{"address": "any", "redirects": 3, "proxy": true}))
	a.accept("internal-loopback", "so is one on loopback", source, opens(object{"issuer": "http://localhost:8000", "type": "user", "internal_http": true}),
		fetches(providedToken("http://localhost:8000", nil), nil, "http://localhost:8000"+pathDiscovery, object{"address": "any", "redirects": 3}))
	a.reject("internal-unset", "internal-keys", "not without the setting", source, closed(object{"issuer": partner, "jwks_uri": keysInside}))
	a.reject("internal-unset-issuer", "internal-discovery", "nor an issuer", source, closed(object{"issuer": inside}))
	a.reject("internal-false", "internal-keys", "nor with false", source, closed(object{"issuer": partner, "jwks_uri": keysInside, "internal_http": false}))
	a.reject("internal-of-another", "internal-keys", "nor by another entry's", source, call("engine.open", object{"access": object{"base_url": bobURL, "ring": publicRing(bob),
		"trusted_issuers": []object{{"issuer": partner, "internal_http": true}, {"issuer": portalURL, "jwks_uri": keysInside}}}}, "", errorCode("invalid_config")))
	a.reject("internal-authority", "internal-keys", "an authority gets a secret: never by plain http", source, call("engine.open", object{"access": object{"authority": inside, "agent_id": "bob",
		"trusted_issuers": []object{{"issuer": inside, "internal_http": true, "type": "portal"}}}}, "", errorCode("invalid_config")))
	portal := openEmpty(object{"authority": portalURL, "agent_id": "bob", "base_url": remove, "ring": remove, "client_secret": "s", "trusted_issuers": []object{{"issuer": portalURL, "jwks_uri": keysInside, "internal_http": true}}})
	asksToken := call("access.issue", object{"engine": "$engine", "now": now, "target": "https://carol.example"}, "", nextFetch(portalURL+pathDiscovery, object{"address": "any", "proxy": true})).save("ticket", "ticket")
	a.accept("internal-authority-keys", "its keys may be, and its token endpoint is asked by https", source, portal, asksToken,
		answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(portalURL+"/auth/token", object{"method": "POST", "proxy": true})))
	a.reject("internal-token-endpoint", "internal-authority-keys", "a document that names the very URL of the keys as token endpoint", source, portal, asksToken,
		answered(200, nil, discoveryOf(portalURL, object{"token_endpoint": keysInside}), nil, errorCode("token_unavailable")))
	check := func(name, says string, inside bool, addresses ...string) {
		var steps []step
		for _, one := range addresses {
			steps = append(steps, call("address.check", object{"address": one}, "", okIncludes(object{"internal": inside})))
		}
		if inside {
			a.accept("internal-address-"+name, says, source, steps...)
			return
		}
		a.reject("internal-address-"+name, "internal-address-rfc1918", says, source, steps...)
	}
	check("rfc1918", "RFC 1918", true, "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255", "::ffff:10.0.0.1")
	check("ula", "unique local addresses", true, "fc00::1", "fd00::1", "fdff:ffff::1")
	check("beside", "what lies beside", false, "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "fbff::1", "fe00::1")
	check("link-local", "link-local: metadata services of clouds", false, "169.254.169.254", "fe80::1", "::ffff:169.254.169.254")
	check("metadata", "metadata services at unique local addresses", false, "fd00:ec2::254", "fd20:ce::254")
	check("loopback", "loopback", false, "127.0.0.1", "::1")
	check("public", "addresses of the internet", false, "8.8.8.8", "2606:4700::1111")
	check("shared", "shared by carriers", false, "100.64.0.1", "100.100.100.200")
	check("gateway", "behind a gateway", false, "64:ff9b::a00:1", "2002:a00:1::1")
	check("zone", "with a zone", false, "fd00::1%eth0")
}

const issue17 = "issue: the world's tokens, bad input"

// inOrder goes through a map by its names.
func inOrder[M ~map[string]V, V any](m M) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

// proxies: for configured issuers and the authority, and for nobody that a token names.
func proxies(a *area) {
	source := section11 + ": HTTPS_PROXY and NO_PROXY are honoured for configured issuers and authorities, never for strangers"
	t := usual(nil)
	a.accept("proxy-configured", "a configured issuer", source, openEmpty(object{"trusted_issuers": []object{{"issuer": partner}}}), fetches(t, nil, partner+pathDiscovery, object{"proxy": true}))
	stranger := call("access.verify", asked(t.String(), nil), "", need("fetch", object{"url": partner + pathDiscovery, "address": "public"}))
	a.accept("proxy-stranger", "a stranger: public addresses, so no proxy could be believed (vectors of fetch have the whole need)", source, openEmpty(nil), stranger)
	choice := func(name, says string, environment object, target, proxy string) {
		a.accept("proxy-"+name, says, source, call("proxy.choose", environment.with(object{"url": target}), "", ok(object{"url": proxy})))
	}
	const at, target = "http://proxy.example:3128", "https://id.example.com/keys"
	by := func(no string) object { return object{"https_proxy": at, "no_proxy": no} }
	choice("used", "a proxy for https", by(""), target, at)
	choice("unset", "no proxy", object{}, target, "")
	choice("https", "a proxy that speaks TLS", object{"https_proxy": "https://proxy.example"}, target, "https://proxy.example:443")
	choice("bare", "host and port alone", object{"https_proxy": "proxy.example:3128"}, target, at)
	choice("slash", "a slash at the end", object{"https_proxy": at + "/"}, target, at)
	choice("default-port", "the scheme's own port", object{"https_proxy": "http://proxy.example"}, target, "http://proxy.example:80")
	choice("v6", "an IPv6 address", object{"https_proxy": "http://[fd00::1]:3128"}, target, "http://[fd00::1]:3128")
	choice("http", "http is never sent to it", by(""), "http://id.example.com/keys", "")
	for name, host := range inOrder(map[string]string{"localhost": "localhost:8443", "sub-localhost": "a.localhost", "v4": "127.0.0.1", "v4-other": "127.9.9.9", "v6": "[::1]"}) {
		choice("loopback-"+name, "this machine is never asked through it", by(""), "https://"+host+"/keys", "")
	}
	for name, no := range inOrder(map[string]string{"name": "id.example.com", "parent": "example.com", "dot": ".example.com", "star": "*.example.com", "all": "*", "list": "a.example, id.example.com", "spaces": "a.example id.example.com", "case": "ID.Example.COM", "port": "example.com:443"}) {
		choice("no-"+name, "NO_PROXY has it", by(no), target, "")
	}
	for name, no := range inOrder(map[string]string{"other": "other.example", "suffix": "le.com", "label": "d.example.com", "port": "example.com:8443", "child": "x.id.example.com", "address": "10.0.0.0/8", "dot": ".id.example.com", "empty": ",, "}) {
		choice("not-"+name, "NO_PROXY has another", by(no), target, at)
	}
	choice("no-address", "an address", by("10.1.2.3"), "https://10.1.2.3/keys", "")
	choice("no-block", "a block", by("10.0.0.0/8"), "https://10.1.2.3/keys", "")
	choice("no-v6", "an IPv6 address", by("fd00::1"), "https://[fd00::1]/keys", "")
	choice("not-block", "another block", by("10.0.0.0/8"), "https://11.1.2.3/keys", at)
	choice("not-other-address", "another address", by("10.1.2.3"), "https://10.1.2.4/keys", at)
	a.accept("proxy-password", "a user and a password", source, call("proxy.choose", object{"https_proxy": "http://us%65r:p%40ss@proxy.example:3128", "url": target}, "", ok(object{"url": at, "authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("user:p@ss"))})))
	for name, text := range inOrder(map[string]string{"socks": "socks5://proxy.example:1080", "port": "http://proxy.example:0", "path": "http://proxy.example/x", "query": "http://proxy.example?x", "space": "http://proxy .example", "escape": "http://a%4@proxy.example", "break": "http://a%0d%0aX:b@proxy.example", "colon": "http://a%3Ab:c@proxy.example", "none": "http://"}) {
		a.reject("proxy-bad-"+name, "proxy-used", "what is no proxy's URL: nothing is fetched past it", source, call("proxy.choose", object{"https_proxy": text, "url": target}, "", errorCode("invalid_argument")))
	}
	a.reject("proxy-bad-target", "proxy-used", "what is no URL", source, call("proxy.choose", object{"https_proxy": at, "url": "id.example.com"}, "", errorCode("invalid_argument")))
}
