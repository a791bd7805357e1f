package generate

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

const (
	loginURL   = "https://login.example"
	webBack    = "https://web.example/back?from=tallies"
	appBack    = "http://127.0.0.1/callback"
	verifier   = "a-verifier-of-at-least-forty-three-characters"
	section13  = "protocol.md section 12"
	pathSignIn = "/auth/callback/company"
)

var (
	browserCookie = strings.Repeat("c", 43)
	otherCookie   = strings.Repeat("d", 43)
	flowID        = strings.Repeat("f", 43)
	stateOfVisit  = strings.Repeat("s", 43)
	csrfOfFlow    = strings.Repeat("x", 43)
)

func signIns() *area {
	a := newArea("sign-in", "Users sign in at an authority: what clients may ask, who may go on, and what a provider must say.")
	signInRequests(a)
	signInRedirects(a)
	signInPages(a)
	signInReturns(a)
	signedInBy(a)
	signInConfigs(a)
	peoplesTokens(a)
	revocations(a)
	devices(a)
	return a
}

// storedAt is where a secret of a kind lies in the store (protocol.md section 12: as a hash).
func storedAt(kind, secret string) string {
	sum := sha256.Sum256([]byte("tallystick " + kind + "\x00" + portalURL + "\x00" + secret))
	return hex.EncodeToString(sum[:16])
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func challengeOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var company = object{"name": "company", "issuer": loginURL, "client_id": "tallies", "client_secret": "upstream secret"}

func openSignIn(changes object) step {
	return openAuthority(object{
		"replay": "host", "providers": []object{company}, "ring": ringOf(ringEntry(aliceNext, "active", nil)),
		"clients": []object{
			registered(object{"client_id": "web", "redirect_uris": []string{webBack}}),
			{"client_id": "app", "public": true, "scopes": []string{"read", "write"}, "redirect_uris": []string{appBack}},
			{"client_id": "local", "public": true, "scopes": []string{"read"}, "redirect_uris": []string{"https://127.0.0.1/callback"}},
			{"client_id": "tv", "public": true, "scopes": []string{"read"}},
			{"client_id": "near", "public": true, "scopes": []string{"read"}, "redirect_uris": []string{appBack}, "targets": []string{"@carol"}},
			registered(nil),
		},
	}.and(changes))
}

// reply answers the need of the step before.
type reply struct {
	members object
	body    string
	expect  conformance.Expect
	varies  []string
}

// chain is a request with the answers to what it asks for.
func chain(first step, replies ...reply) []step {
	steps := []step{first}
	for _, r := range replies {
		steps[len(steps)-1] = steps[len(steps)-1].save("ticket", "ticket")
		steps = append(steps, resume(r.members, r.body, r.expect).varies(r.varies...))
	}
	return steps
}

// led expects that the browser is led on, to the letter.
func led(to string) conformance.Expect {
	return okIncludes(object{"handled": true, "response": object{"status": 303, "headers": object{"location": to}}})
}

// paged expects a page.
func paged(status int) conformance.Expect {
	return okIncludes(object{"handled": true, "response": object{"status": status, "headers": object{
		"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "x-frame-options": "DENY",
		"x-content-type-options": "nosniff", "referrer-policy": "same-origin",
	}}})
}

func browses(path, query string, changes object, expect conformance.Expect) step {
	members := object{"query": query, "cookie": []string{"a=b; __Host-tallystick=" + browserCookie}}
	return serve(path, members.with(changes), "", expect)
}

// carries is what the client web asks a user's browser to carry; pairs change it, an empty value
// removes one.
func carries(changes ...string) string {
	members := [][2]string{
		{"response_type", "code"}, {"client_id", "web"}, {"redirect_uri", webBack}, {"scope", "openid read"}, {"state", "s t"},
		{"target", "@bob"}, {"code_challenge", challengeOf(verifier)}, {"code_challenge_method", "S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		found := false
		for at := range members {
			if members[at][0] == changes[i] {
				members[at][1], found = changes[i+1], true
			}
		}
		if !found {
			members = append(members, [2]string{changes[i], changes[i+1]})
		}
	}
	parts := []string{}
	for _, m := range members {
		if m[1] != "" {
			parts = append(parts, m[0], m[1])
		}
	}
	return pairs(parts...)
}

var putFlow = need("put", object{"seconds": 600})

func signInRequests(a *area) {
	source := section13 + "; RFC 6749 section 4.1.1; RFC 7636 section 4.3"
	begins := func(name, says, query string) {
		a.accept(name, says, source, openSignIn(nil), browses(pathAuthorize, query, nil, putFlow).varies("need.id", "need.value"))
	}
	begins("begin", "a client's request is kept", carries())
	begins("begin-app", "an app on its user's machine has any port", carries("client_id", "app", "redirect_uri", "http://127.0.0.1:5123/callback", "scope", "read"))
	begins("begin-usual", "without scope it is what the client usually gets", carries("scope", ""))
	asked := []string{"need.id", "need.value"}
	a.accept("leaves", "the browser is led to the only provider", source, append([]step{openSignIn(nil)}, chain(
		browses(pathAuthorize, carries(), nil, putFlow).varies(asked...),
		reply{nil, "", nextFetch(loginURL+pathDiscovery, object{"address": "any"}), nil},
		reply{object{"status": 200, "headers": jsonHeaders}, discoveryOf(loginURL, object{"authorization_endpoint": loginURL + "/signin?x=y"}),
			need("put", object{"seconds": 599}), asked},
		reply{nil, "", okIncludes(object{"response": object{"status": 303}}), []string{"ok.response.headers.location"}},
	)...)...)
	a.accept("leaves-nowhere", "a provider without an authorization endpoint is a page that offers to try again", source, append([]step{openSignIn(nil)}, chain(
		browses(pathAuthorize, carries(), nil, putFlow).varies(asked...),
		reply{nil, "", nextFetch(loginURL+pathDiscovery, object{}), nil},
		reply{object{"status": 200, "headers": jsonHeaders}, discoveryOf(loginURL, object{"authorization_endpoint": "http://login.example/signin"}),
			paged(502), []string{"ok.response.body"}},
	)...)...)
	two := object{"providers": []object{company, company.with(object{"name": "other", "issuer": "https://other.example"})}}
	a.accept("chooses", "with two providers the user chooses", source, append([]step{openSignIn(two)}, chain(
		browses(pathAuthorize, carries(), nil, putFlow).varies(asked...),
		reply{nil, "", paged(200), []string{"ok.response.body"}},
	)...)...)
	a.accept("head", "HEAD has no body", source, openSignIn(nil), browses(pathAuthorize, carries("client_id", "eve"), object{"method": "HEAD"},
		okIncludes(object{"response": object{"status": 400, "body": ""}})))
	a.reject("store-fails", "begin", "without the store nothing begins", source, append([]step{openSignIn(nil)}, chain(
		browses(pathAuthorize, carries(), nil, putFlow).varies(asked...),
		reply{object{"failed": "it is down"}, "", saying(503, object{"retry-after": "1"}, object{"error": "temporarily_unavailable"}), nil},
	)...)...)
	for _, one := range []struct{ name, says, code, query string }{
		{"response-type", "an implicit grant", "unsupported_response_type", carries("response_type", "token")},
		{"response-type-missing", "no response_type", "invalid_request", carries("response_type", "")},
		{"response-mode", "an answer in a fragment", "invalid_request", carries("response_mode", "fragment")},
		{"pkce", "without PKCE", "invalid_request", carries("code_challenge", "")},
		{"pkce-plain", "PKCE that hides nothing", "invalid_request", carries("code_challenge_method", "plain")},
		{"pkce-method", "without a method, which would be plain", "invalid_request", carries("code_challenge_method", "")},
		{"pkce-short", "a challenge that is no SHA-256", "invalid_request", carries("code_challenge", strings.Repeat("a", 42))},
		{"pkce-letters", "a challenge that is no base64url", "invalid_request", carries("code_challenge", strings.Repeat("=", 43))},
		{"scope", "a scope that the client may not have", "invalid_scope", carries("scope", "admin")},
		{"scope-namespace", "a namespace is no user's to give", "invalid_scope", carries("scope", "namespace:production")},
		{"scope-form", "scopes with two spaces", "invalid_scope", carries("scope", "read  openid")},
		{"target", "no target", "invalid_request", carries("target", "")},
		{"targets", "two targets", "invalid_target", carries("resource", "https://other.example")},
		{"prompt-none", "nobody can sign in without a page", "login_required", carries("prompt", "none")},
		{"request", "a request object", "request_not_supported", carries("request", "x")},
		{"request-uri", "a request object elsewhere", "request_uri_not_supported", carries("request_uri", "https://web.example/x")},
	} {
		a.reject("refused-"+one.name, "begin", one.says+": the client hears it", source, openSignIn(nil),
			browses(pathAuthorize, one.query, nil, okIncludes(object{"level": "warning", "response": object{"status": 303}})).save("location", "ok.response.headers.location"),
			tells("$location", one.code))
	}
	a.reject("refused-length", "begin", "a link that is too long", source, openSignIn(nil),
		browses(pathAuthorize, carries("x", strings.Repeat("x", 8192)), nil, paged(400)))
	a.accept("begin-state", "a state as long as it may be", source, openSignIn(nil),
		browses(pathAuthorize, carries("state", strings.Repeat("s", 1024)), nil, putFlow).varies("need.id", "need.value"))
	a.reject("refused-state", "begin-state", "a longer one is not sent back", source, openSignIn(nil),
		browses(pathAuthorize, carries("state", strings.Repeat("s", 1025)), nil,
			led(webBack+"&"+pairs("error", "invalid_request", "error_description", "state is over 1024 bytes", "iss", portalURL))))
}

// tells compares what a client would read; the whole location is compared between the legs as well.
func tells(saved, code string) step {
	return call("agent.covers", object{"agent_url": "https://web.example/back", "url": saved}, "", ok(object{"covers": true}))
}

var jsonHeaders = object{"content-type": "application/json"}

func signInRedirects(a *area) {
	source := section13 + "; RFC 9700 section 4.1; RFC 8252 section 7.3"
	for _, one := range []struct{ name, says, query string }{
		{"client", "an unknown client", carries("client_id", "eve")},
		{"client-missing", "no client", carries("client_id", "")},
		{"client-of-none", "a client for which nobody signs in", carries("client_id", "carol")},
		{"missing", "no redirect_uri", carries("redirect_uri", "")},
		{"path", "another path", carries("redirect_uri", "https://web.example/back2?from=tallies")},
		{"longer", "a longer one", carries("redirect_uri", webBack+"&x=y")},
		{"query", "without its query", carries("redirect_uri", "https://web.example/back")},
		{"scheme", "without TLS", carries("redirect_uri", "http://web.example/back?from=tallies")},
		{"port", "another port, off the own machine", carries("redirect_uri", "https://web.example:8443/back?from=tallies")},
		{"user", "another host behind user info", carries("redirect_uri", "https://web.example@evil.example/back?from=tallies")},
		{"fragment", "a fragment", carries("redirect_uri", webBack+"#x")},
		{"case", "other letters: compared byte by byte", carries("redirect_uri", "https://WEB.example/back?from=tallies")},
		{"app-host", "the machine by a name", carries("client_id", "app", "redirect_uri", "http://localhost/callback")},
		{"app-address", "the machine by another address", carries("client_id", "app", "redirect_uri", "http://[::1]/callback")},
		{"app-path", "another path of the machine", carries("client_id", "app", "redirect_uri", "http://127.0.0.1:5123/callback/x")},
		{"app-query", "a query of the machine", carries("client_id", "app", "redirect_uri", "http://127.0.0.1:5123/callback?x")},
		{"app-fragment", "a fragment of the machine", carries("client_id", "app", "redirect_uri", "http://127.0.0.1:5123/callback#x")},
		{"app-tls", "https of the machine", carries("client_id", "app", "redirect_uri", "https://127.0.0.1:5123/callback")},
		{"local-tls", "http of the machine, where https is registered", carries("client_id", "local", "redirect_uri", "http://127.0.0.1/callback")},
		{"twice", "a parameter twice", carries() + "&client_id=web"},
	} {
		a.reject("redirect-"+one.name, "begin", one.says+": a page, and no way back", source, openSignIn(nil),
			browses(pathAuthorize, one.query, nil, paged(400)))
	}
	registers := func(name, says, uri string, fits bool) {
		client := object{"client_id": "new", "public": true, "scopes": []string{}, "redirect_uris": []string{uri}}
		opened := call("engine.open", object{"access": object{"role": "authority", "base_url": portalURL, "ring": publicRing(aliceNext),
			"clients": []object{client}}}, "", map[bool]conformance.Expect{true: okIncludes(object{}), false: errorCode("invalid_config")}[fits])
		if fits {
			a.accept("register-"+name, says, source, opened)
			return
		}
		a.reject("register-"+name, "register-https", says, source, opened)
	}
	registers("https", "an https URL", "https://web.example/back", true)
	registers("loopback", "the user's own machine", appBack, true)
	registers("loopback-6", "the same by IPv6", "http://[::1]:80/callback", true)
	registers("scheme", "a scheme of an app's own", "com.example.app:/callback", true)
	registers("http", "http of elsewhere", "http://web.example/back", false)
	registers("localhost", "a name, which may be another machine", "http://localhost/callback", false)
	registers("fragment", "a fragment", "https://web.example/#x", false)
	registers("dots", "a path that browsers rewrite", "https://web.example/a/../back", false)
	registers("star", "a pattern", "https://web.example/*", false)
	registers("script", "a scheme that is a browser's own", "javascript:alert(1)", false)
	registers("word", "a scheme without a domain", "myapp:/callback", false)
	registers("app-fragment", "a fragment of an app's", "com.example.app:/callback#x", false)
	registers("app-empty", "a scheme alone", "com.example.app:", false)
	registers("relative", "no URL", "/back", false)
	registers("long", "over 2048 bytes", "https://web.example/"+strings.Repeat("x", 2048), false)
}

// flowRecord is a flow as it lies in the store.
func flowRecord(changes object) string {
	return text(object{
		"client": "web", "redirect": webBack, "state": "s t", "challenge": challengeOf(verifier), "nonce": "n", "target": bobURL,
		"scopes": "openid read", "session": hashOf(browserCookie), "csrf": csrfOfFlow, "begun": seconds(now - 60),
		"provider": "company", "subject": "4711", "name": `Ada <b>"L"</b>`, "email": "ada@example.com", "signed_in": seconds(now - 1), "device": "", "code": "",
	}.with(changes))
}

// flowRecordIn is the same in the order in which the core writes it.
func flowRecordIn(changes object) string {
	var members object
	if err := json.Unmarshal([]byte(flowRecord(changes)), &members); err != nil {
		panic(err)
	}
	written := []string{}
	for _, name := range []string{"client", "redirect", "state", "challenge", "nonce", "target", "scopes", "session", "csrf", "begun",
		"provider", "subject", "name", "email", "signed_in", "device", "code"} {
		written = append(written, text(name)+":"+text(members[name]))
	}
	return "{" + strings.Join(written, ",") + "}"
}

// pairs writes application/x-www-form-urlencoded of names and values.
func pairs(members ...string) string {
	parts := []string{}
	for i := 0; i < len(members); i += 2 {
		parts = append(parts, url.QueryEscape(members[i])+"="+url.QueryEscape(members[i+1]))
	}
	return strings.Join(parts, "&")
}

func seconds(n int) string { return text(n) }

var nobodyYet = object{"provider": "", "subject": "", "name": "", "email": "", "signed_in": "0"}

func signInPages(a *area) {
	source := section13 + ": one page asks for consent"
	looks := func(changes object) step { return browses(pathAuthorize, pairs("flow", flowID), changes, asksFlow) }
	shows := func(name, says, record string, status int) {
		a.accept(name, says, source, append([]step{openSignIn(nil)}, chain(looks(nil), reply{nil, record, paged(status), nil})...)...)
	}
	shows("consent", "the page says who asks, for whom, where and what", flowRecord(nil), 200)
	shows("consent-nothing", "a request for nothing", flowRecord(object{"scopes": ""}), 200)
	shows("consent-nameless", "a user without a name", flowRecord(object{"name": "", "email": ""}), 200)
	shows("sign-in-again", "nobody has signed in yet", flowRecord(nobodyYet), 200)
	over := func(name, says string, changes object, record string) {
		a.reject("page-"+name, "consent", says, source, append([]step{openSignIn(nil)}, chain(looks(changes), reply{nil, record, paged(400), nil})...)...)
	}
	over("unknown", "a flow that is over", nil, "")
	over("no-cookie", "the address without the cookie", object{"cookie": []string{}}, flowRecord(nil))
	over("other-cookie", "another browser", object{"cookie": []string{"__Host-tallystick=" + otherCookie}}, flowRecord(nil))
	over("two-cookies", "two cookies: somebody else set one", object{"cookie": []string{"__Host-tallystick=" + browserCookie + "; __Host-tallystick=" + otherCookie}}, flowRecord(nil))
	over("plain-cookie", "a cookie that any page of the host can set", object{"cookie": []string{"tallystick-session=" + browserCookie}}, flowRecord(nil))
	over("short-cookie", "a cookie that is none", object{"cookie": []string{"__Host-tallystick=c"}}, flowRecord(object{"session": hashOf("c")}))
	a.reject("page-store-fails", "consent", "without the store nobody goes on", source, append([]step{openSignIn(nil)},
		chain(looks(nil), reply{object{"failed": "it is down"}, "", saying(503, object{"retry-after": "1"}, object{"error": "temporarily_unavailable"}), nil})...)...)

	decides := func(given []string, changes object) step {
		members := object{"method": "POST", "content_type": "application/x-www-form-urlencoded", "origin": []string{portalURL},
			"cookie": []string{"__Host-tallystick=" + browserCookie}}
		return serve(pathAuthorize, members.with(changes), pairs(given...), asksFlow)
	}
	fine := []string{"flow", flowID, "csrf", csrfOfFlow, "decision", "allow"}
	take := need("take", object{"id": storedAt("flow", flowID)})
	allowed := chain(decides(fine, nil), reply{nil, flowRecord(nil), take, nil},
		reply{nil, flowRecord(nil), need("put", object{"seconds": 60}), []string{"need.id", "need.value"}},
		reply{nil, "", okIncludes(object{"level": "info", "response": object{"status": 303}}), []string{"ok.response.headers.location"}})
	a.accept("allow", "the user allows it: the client gets a code", source, append([]step{openSignIn(nil)}, allowed...)...)
	a.accept("allow-no-origin", "who says no origin is no browser of today", source, append([]step{openSignIn(nil)},
		chain(decides(fine, object{"origin": []string{}}), reply{nil, flowRecord(nil), take, nil})...)...)
	denied := []string{"flow", flowID, "csrf", csrfOfFlow, "decision", "deny"}
	a.accept("deny", "the user does not: the client hears it", source, append([]step{openSignIn(nil)}, chain(decides(denied, nil),
		reply{nil, flowRecord(nil), take, nil},
		reply{nil, flowRecord(nil), led(webBack + "&" + pairs("error", "access_denied", "error_description", "the user did not allow it", "state", "s t", "iss", portalURL)), nil})...)...)
	refusedForm := func(name, says string, given []string, changes object, record string) {
		a.reject("decide-"+name, "allow", says, source, append([]step{openSignIn(nil)}, chain(decides(given, changes), reply{nil, record, paged(400), nil})...)...)
	}
	refusedForm("csrf", "a form of another page", []string{"flow", flowID, "csrf", otherCookie, "decision", "allow"}, nil, flowRecord(nil))
	refusedForm("csrf-missing", "a form without its secret", []string{"flow", flowID, "decision", "allow"}, nil, flowRecord(nil))
	refusedForm("cookie", "another browser", fine, object{"cookie": []string{"__Host-tallystick=" + otherCookie}}, flowRecord(nil))
	refusedForm("nobody", "before anybody has signed in", fine, nil, flowRecord(nobodyYet))
	refusedForm("nothing", "neither yes nor no", []string{"flow", flowID, "csrf", csrfOfFlow}, nil, flowRecord(nil))
	a.reject("decide-twice", "allow", "of two that decide at once, one does", source, append([]step{openSignIn(nil)}, chain(decides(fine, nil),
		reply{nil, flowRecord(nil), take, nil}, reply{nil, "", paged(400), nil})...)...)
	for _, one := range []struct {
		name    string
		origins []string
	}{{"origin", []string{"https://evil.example"}}, {"origin-null", []string{"null"}}, {"origins", []string{portalURL, "https://evil.example"}}} {
		s := decides(fine, object{"origin": one.origins})
		s.Expect = paged(400)
		a.reject("decide-"+one.name, "allow", "a form of another site", source, openSignIn(nil), s)
	}
	s := decides(fine, object{"content_type": "text/plain"})
	s.Expect = paged(400)
	a.reject("decide-type", "allow", "a form that is none", source, openSignIn(nil), s)
	a.reject("method", "consent", "another method", source, openSignIn(nil), browses(pathAuthorize, "", object{"method": "DELETE"},
		okIncludes(object{"response": object{"status": 405, "headers": object{"allow": "GET, HEAD, POST"}}})))
}

// sorted is pairs of a map, without the empty ones.
func sorted(members map[string]string) string {
	list := []string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if members[name] != "" {
			list = append(list, name, members[name])
		}
	}
	return pairs(list...)
}
