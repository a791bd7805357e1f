package generate

import "github.com/tallystick/tallystick/conformance"

const (
	pathDevice  = "/auth/device"
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	deviceCode  = "device-1"
	answerID    = "answer-1"
)

func deviceRecord(changes object) string {
	return text(object{"client": "tv", "target": bobURL, "scopes": "read", "code": "BCDF-GHJK", "answer": answerID, "begun": seconds(now - 60)}.with(changes))
}

// devices: RFC 8628.
func devices(a *area) {
	source := section13 + "; RFC 8628"
	asked := sorted(map[string]string{"client_id": "tv", "scope": "read", "target": bobURL})
	kept := need("put", object{"seconds": 600})
	varying := []string{"need.id", "need.value"}
	begin := posts(pathDevice, asked, kept).varies(varying...)
	a.accept("device", "a device gets its codes", source, append([]step{openSignIn(nil)}, chain(begin, reply{nil, "", kept, varying},
		reply{nil, "", saying(200, secretAnswer, object{"verification_uri": portalURL + pathDevice, "expires_in": 600, "interval": 5}), []string{"ok.response.body"}})...)...)
	declinesDevice := func(name, says, form, code string, status int) {
		a.reject("device-"+name, "device", says, source, openSignIn(nil), posts(pathDevice, form, saying(status, object{}, object{"error": code})))
	}
	declinesDevice("nobody", "an unknown client", sorted(map[string]string{"client_id": "eve", "target": bobURL}), "invalid_client", 401)
	declinesDevice("scope", "a scope that it may not have", sorted(map[string]string{"client_id": "tv", "scope": "admin", "target": bobURL}), "invalid_scope", 400)
	declinesDevice("target", "for nobody", sorted(map[string]string{"client_id": "tv"}), "invalid_request", 400)
	a.reject("device-people", "device", "a client for which nobody signs in", source, append([]step{openSignIn(nil)}, chain(
		posts(pathDevice, carolsForm("target=@bob"), need("claim", object{})), reply{claimed, "", refusesGrant("unauthorized_client"), nil})...)...)

	// The person. A place for wrong codes is drawn, so its id varies.
	drawn := need("get", object{})
	places := []string{"need.id"}
	place := func(n int) conformance.Expect {
		return need("get", object{"id": storedAt("miss", "session "+hashOf(browserCookie)+" "+text(n))})
	}
	enters := func(code string, changes object) step {
		members := object{"method": "POST", "content_type": formType, "origin": []string{portalURL}, "cookie": []string{"__Host-tallystick=" + browserCookie}}
		return serve(pathDevice, members.with(changes), pairs("user_code", code), place(5))
	}
	asksUser := need("get", object{"id": storedAt("user", "BCDFGHJK")})
	person := func(name, says, code string) {
		a.accept(name, says, source, append([]step{openSignIn(nil)}, chain(enters(code, nil), reply{nil, "", drawn, places}, reply{nil, "", asksUser, nil},
			reply{nil, deviceRecord(nil), need("put", object{"seconds": 539}), varying}, reply{nil, "", paged(200), []string{"ok.response.body"}})...)...)
	}
	person("user-code", "its user enters the code and signs in", "BCDF-GHJK")
	person("user-code-typed", "as people type it", " bcdf ghjk")
	a.accept("code-page", "a page to enter it", source, openSignIn(nil), browses(pathDevice, "", nil, paged(200)))
	a.accept("code-page-filled", "a code of the address is filled in, and sends nothing", source, openSignIn(nil), browses(pathDevice, pairs("user_code", "BCDF-GHJK"), nil, paged(200)))
	a.accept("code-page-other", "what is no code is not", source, openSignIn(nil), browses(pathDevice, pairs("user_code", `"><script>`), nil, paged(200)))
	a.reject("user-code-wrong", "user-code", "a wrong code fills a place, for the browser and for all", source, append([]step{openSignIn(nil)}, chain(
		enters("BCDF-GHJK", nil), reply{nil, "", drawn, places}, reply{nil, "", asksUser, nil}, reply{nil, "", need("put", object{"seconds": 600, "value": "{}"}), places},
		reply{nil, "", need("put", object{"seconds": 60, "value": "{}"}), places}, reply{nil, "", paged(400), nil})...)...)
	a.accept("user-code-again", "who has entered four wrong ones may go on", source, append([]step{openSignIn(nil)}, chain(
		enters("BCDF-GHJK", nil), reply{nil, "{}", place(4), nil}, reply{nil, "{}", place(3), nil}, reply{nil, "{}", place(2), nil}, reply{nil, "{}", place(1), nil},
		reply{nil, "", drawn, places})...)...)
	a.reject("user-code-session", "user-code-again", "a browser that has entered five wrong ones is not heard", source, append([]step{openSignIn(nil)}, chain(
		enters("BCDF-GHJK", nil), reply{nil, "{}", place(4), nil}, reply{nil, "{}", place(3), nil}, reply{nil, "{}", place(2), nil}, reply{nil, "{}", place(1), nil},
		reply{nil, "{}", paged(429), nil})...)...)
	a.reject("user-code-minute", "user-code", "nor anybody, where all have", source, append([]step{openSignIn(nil)}, chain(
		enters("BCDF-GHJK", nil), reply{nil, "", drawn, places}, reply{nil, "{}", paged(429), nil})...)...)
	s := enters("BCDF-GHJK", object{"origin": []string{"https://evil.example"}})
	s.Expect, s.Varies = paged(400), nil
	a.reject("user-code-origin", "user-code", "a form of another site", source, openSignIn(nil), s)

	looks := browses(pathAuthorize, pairs("flow", flowID), nil, asksFlow)
	ofDevice := object{"client": "tv", "redirect": "", "state": "", "challenge": "", "scopes": "read", "device": answerID, "code": "BCDF-GHJK"}
	a.accept("device-consent", "the page has the code that the device shows", source, append([]step{openSignIn(nil)}, chain(looks, reply{nil, flowRecord(ofDevice), paged(200), nil})...)...)
	decides := func(decision string) step {
		members := object{"method": "POST", "content_type": formType, "origin": []string{portalURL}, "cookie": []string{"__Host-tallystick=" + browserCookie}}
		return serve(pathAuthorize, members, pairs("flow", flowID, "csrf", csrfOfFlow, "decision", decision), asksFlow)
	}
	take := need("take", object{"id": storedAt("flow", flowID)})
	answered := need("put", object{"id": storedAt("answer", answerID), "seconds": 599})
	for _, decision := range []string{"allow", "deny"} {
		a.accept("device-"+decision, "the user decides: "+decision, source, append([]step{openSignIn(nil)}, chain(decides(decision), reply{nil, flowRecord(ofDevice), take, nil},
			reply{nil, flowRecord(ofDevice), answered, []string{"need.value"}}, reply{nil, "", paged(200), nil})...)...)
	}

	// The device asks.
	asksDevice := need("get", object{"id": storedAt("device", deviceCode)})
	polls := need("claim", object{"id": storedAt("poll", deviceCode), "seconds": 4})
	asksAnswer := need("get", object{"id": storedAt("answer", answerID)})
	uses := need("claim", object{"id": storedAt("used", "device "+deviceCode), "seconds": 720})
	polled := func(client string) step {
		return posts("/auth/token", sorted(map[string]string{"grant_type": deviceGrant, "client_id": client, "device_code": deviceCode}), asksDevice)
	}
	grant := grantRecord(object{"client": "tv", "scopes": "read"})
	a.accept("device-token", "the device gets its tokens", source, append([]step{openSignIn(nil)}, chain(polled("tv"), reply{nil, deviceRecord(nil), polls, nil},
		reply{claimed, "", asksAnswer, nil}, reply{nil, grant, uses, nil}, reply{claimed, "", keepNew, newOne},
		reply{nil, "", saying(200, secretAnswer, object{"scope": "read", "token_type": "Bearer"}), []string{"ok.response.body"}})...)...)
	waits := func(name, says string, replies ...reply) {
		a.reject("device-token-"+name, "device-token", says, source, append([]step{openSignIn(nil)}, chain(polled("tv"), replies...)...)...)
	}
	waits("expired", "a code that is over", reply{nil, "", refusesGrant("expired_token"), nil})
	waits("client", "of another client", reply{nil, deviceRecord(object{"client": "app"}), refusesGrant("invalid_grant"), nil})
	waits("fast", "that asks too fast", reply{nil, deviceRecord(nil), polls, nil}, reply{object{"claim": "exists"}, "", refusesGrant("slow_down"), nil})
	waits("pending", "before the user has decided", reply{nil, deviceRecord(nil), polls, nil}, reply{claimed, "", asksAnswer, nil},
		reply{nil, "", refusesGrant("authorization_pending"), nil})
	waits("denied", "the user did not allow it", reply{nil, deviceRecord(nil), polls, nil}, reply{claimed, "", asksAnswer, nil},
		reply{nil, grantRecord(object{"client": "", "provider": "", "subject": ""}), refusesGrant("access_denied"), nil})
	waits("twice", "a code that was used", reply{nil, deviceRecord(nil), polls, nil}, reply{claimed, "", asksAnswer, nil}, reply{nil, grant, uses, nil},
		reply{object{"claim": "exists"}, "", refusesGrant("invalid_grant"), nil})
	a.reject("device-token-missing", "device-token", "no code", source, openSignIn(nil),
		posts("/auth/token", sorted(map[string]string{"grant_type": deviceGrant, "client_id": "tv"}), refusesGrant("invalid_request")))
}
