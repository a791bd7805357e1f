package generate

import "strings"

func commands() *area {
	a := newArea("command", "The slash commands: data for a program, text for a person, and no whole token unless asked for.")
	statusCommand(a)
	tokenCommand(a)
	validateCommand(a)
	jwksCommand(a)
	badCommands(a)
	return a
}

const slashCommands = "AOAuth skill Slash Commands (REPL)"

func command(line string, expect object) step {
	return call("access.command", object{"engine": "$engine", "now": now, "line": line}, "", okIncludes(expect))
}

func statusCommand(a *area) {
	endpoints := func(base string) object {
		return object{"discovery": base + pathDiscovery, "jwks": base + pathKeys, "token": base + "/auth/token"}
	}
	a.accept("status", "/auth of an agent that signs itself", slashCommands, openSelf(nil), command("/auth", object{"data": object{
		"mode": "self-issued", "authority": nil, "issuer": aliceURL, "agent_id": "alice", "base_url": aliceURL, "name": "example.alice", "kid": alice.kid(),
		"allowed_scopes": []string{"read", "write"}, "trusted_issuers": 0, "clients": 0, "inactive": []string{}, "endpoints": endpoints(aliceURL)}}))
	a.accept("status-portal", "/auth of an agent of a portal", slashCommands, openPortal(nil), command("/auth", object{"data": object{
		"mode": "portal", "authority": portalURL, "issuer": portalURL, "agent_id": "alice", "base_url": portalURL + "/agents/alice", "name": "alice", "kid": nil}}))
	a.accept("status-authority", "/auth of an authority", slashCommands, openAuthority(nil), command("/auth", object{"data": object{"mode": "authority", "issuer": portalURL, "clients": 1}}))
	a.accept("status-inactive", "features that are not active are named", "issue: reported as not active", openSelf(object{"google": object{"client_id": "x"}}), command("/auth", object{"data": object{"mode": "self-issued"}}).save("inactive", "ok.data.inactive.0"))
	a.accept("spaces", "white space around the words", slashCommands, openSelf(nil), command("  /auth \t", object{"data": object{"mode": "self-issued"}}))
	a.accept("help", "/auth/help names all commands", "abi.md access.command", openSelf(nil), command("/auth/help", object{"data": object{}}))
}

func tokenCommand(a *area) {
	token := func(name, says, line, audience, scope string, hidden bool) {
		s := call("access.command", object{"engine": "$engine", "now": now, "line": line}, "", okIncludes(object{"data": object{"audience": audience, "scope": scope, "expires_at": now + 300}})).varies("ok.data.token")
		if hidden {
			s.Expect = okIncludes(object{"data": object{"audience": audience, "scope": scope, "expires_at": now + 300},
				"display": "Token for " + audience + "\n  Scope:   " + scope + "\n  Expires: in 300 s\n  Token:   eyJhbGciOiJS… (--show displays all of it)"})
		} else {
			s = s.varies("ok.data.token", "ok.display")
		}
		a.accept("token"+name, says, slashCommands+"; issue: No display shows a whole token unless asked", openSigning(nil), s)
	}
	token("", "/auth/token with the scopes of the configuration", "/auth/token "+bobURL, bobURL, "read write", true)
	token("-scopes", "with scopes", "/auth/token @bob tools:search read", "https://robutler.ai/agents/bob", "tools:search read", true)
	token("-show", "--show displays all of it", "/auth/token "+bobURL+" read --show", bobURL, "read", false)
	token("-show-first", "wherever it stands", "/auth/token --show "+bobURL+" read", bobURL, "read", false)
	bad := func(name, says, code, line string, config object) {
		a.reject("token-"+name, "token", says, slashCommands, openSelf(config), call("access.command", object{"engine": "$engine", "now": now, "line": line}, "", errorCode(code)))
	}
	bad("no-target", "no target", "invalid_argument", "/auth/token", nil)
	bad("bad-target", "a target that is none", "invalid_argument", "/auth/token @../x", nil)
	bad("bad-scope", "a scope that is none", "invalid_argument", `/auth/token @bob re"ad`, nil)
	bad("unknown-option", "an unknown option is no target", "invalid_argument", "/auth/token @bob --shwo", nil)
	bad("denied", "a target that talk_to does not allow", "trust_denied", "/auth/token @bob", object{"talk_to": rules{"nobody"}})
	a.accept("token-portal", "an agent of a portal asks it", slashCommands, openPortal(nil),
		call("access.command", object{"engine": "$engine", "now": now, "line": "/auth/token @bob read"}, "", nextFetch(portalURL+pathDiscovery, object{})).save("ticket", "ticket"),
		answered(200, nil, discoveryOf(portalURL, nil), nil, nextFetch(tokenURL, object{"method": "POST"})).save("ticket", "ticket"),
		answered(200, nil, text(object{"access_token": strings.Repeat("a", 100), "token_type": "Bearer", "expires_in": 300}), nil, okIncludes(object{"data": object{"token": strings.Repeat("a", 100)},
			"display": "Token for " + portalURL + "/agents/bob\n  Scope:   read\n  Expires: in 300 s\n  Token:   aaaaaaaaaaaa… (--show displays all of it)"})))
}

func validateCommand(a *area) {
	valid := func(name, says string, t token, expect object) {
		s := command("/auth/validate "+t.String(), object{"data": expect})
		s.note = t.note()
		a.accept("validate-"+name, says, slashCommands, openAccess(nil), s)
	}
	valid("good", "who sent a token", accessToken(nil), object{"valid": true, "auth": object{"name": "example.alice", "issuer": aliceURL, "scopes": []string{"read", "write"}}})
	bad := func(name, says, code string, t token) {
		s := command("/auth/validate "+t.String(), object{"data": object{"valid": false, "code": code}})
		s.note = t.note()
		a.reject("validate-"+name, "validate-good", says, slashCommands, openAccess(nil), s)
	}
	bad("expired", "why one is refused: expired", "token_expired", accessToken(object{"iat": now - 900, "nbf": now - 900, "exp": now - 600}))
	bad("forged", "forged", "invalid_signature", signHeader(mallory, object{"kid": alice.kid()}, accessClaims()))
	bad("other-audience", "for another", "invalid_audience", accessToken(object{"aud": "https://x.example"}))
	bad("bound", "bound to a request that is not here", "wrong_target", boundToken(nil))
	a.reject("validate-no-token", "validate-good", "what is no token", slashCommands, openAccess(nil), command("/auth/validate hello", object{"data": object{"valid": false, "code": "malformed_token"}}))
	asks := call("access.command", object{"engine": "$engine", "now": now, "line": "/auth/validate " + accessToken(nil).String()}, "", nextFetch(discoverURL, object{})).save("ticket", "ticket")
	noVerdict := func(name, says string, steps ...step) {
		a.reject("validate-"+name, "validate-fetches", says, slashCommands+"; abi.md errors: no verdict is no refusal", append([]step{openEmpty(nil)}, steps...)...)
	}
	noVerdict("unreachable", "the issuer cannot be reached: the token is not called invalid", asks, resume(object{"failed": "connection refused"}.with(at(now)), "", errorCode("keys_unavailable")))
	noVerdict("keys-broken", "what the issuer answers are no keys", asks, answered(200, nil, discoveryOf(aliceURL, nil), at(now), nextFetch(keysURL, object{})).save("ticket", "ticket"), answered(500, nil, "", at(now), errorCode("keys_unavailable")))
	a.reject("validate-nothing", "validate-good", "nothing", slashCommands, openAccess(nil), call("access.command", object{"engine": "$engine", "now": now, "line": "/auth/validate"}, "", errorCode("invalid_argument")))
	a.accept("validate-fetches", "an issuer's keys are fetched", slashCommands, openEmpty(nil), call("access.command", object{"engine": "$engine", "now": now, "line": "/auth/validate " + accessToken(nil).String()}, "", nextFetch(discoverURL, object{})).save("ticket", "ticket"),
		answered(200, nil, discoveryOf(aliceURL, nil), at(now), nextFetch(keysURL, object{})).save("ticket", "ticket"), answered(200, nil, aliceKeys, at(now), okIncludes(object{"data": object{"valid": true}})))
}

func jwksCommand(a *area) {
	a.accept("jwks-empty", "/auth/jwks of an empty cache", slashCommands, openAccess(nil), command("/auth/jwks", object{"data": object{"total_entries": 0, "entries": []object{}}}))
	a.accept("jwks", "the issuers whose keys are kept", slashCommands, append(known(nil), command("/auth/jwks", object{"data": object{"total_entries": 1, "entries": []object{{"issuer": aliceURL, "url": keysURL, "keys": 1}}}}))...)
}

func badCommands(a *area) {
	bad := func(name, says, line string) {
		a.reject("bad-"+name, "status", says, "abi.md access.command", openSelf(nil), call("access.command", object{"engine": "$engine", "now": now, "line": line}, "", errorCode("invalid_argument")))
	}
	bad("unknown", "a command that there is not", "/auth/tokens")
	bad("case", "commands are case-sensitive", "/AUTH")
	bad("empty", "nothing", "")
	bad("no-slash", "no slash", "auth")
	bad("more-words", "a word too many", "/auth now")
	bad("jwks-words", "a word too many", "/auth/jwks all")
	bad("long", "a line over 20 KiB", "/auth/validate "+strings.Repeat("x", 21<<10))
}
