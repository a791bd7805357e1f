package generate

import (
	"encoding/json"
	"slices"
	"strings"
)

func accessTimes(a *area) {
	good := accessToken(nil)
	fine := func(name, says string, changes, moment object) {
		a.accept("time-"+name, says, step7+": leeway and clock_skew 30 s for access tokens", openAccess(nil),
			letsIn(accessToken(changes), moment))
	}
	bad := func(name, twin, says, code string, changes, moment object) {
		a.reject("time-"+name, "time-"+twin, says, step7+": leeway and clock_skew 30 s for access tokens",
			openAccess(nil), keepsOut(accessToken(changes), moment, code))
	}
	fine("last", "the last moment: exp and the leeway", nil, at(now+329))
	bad("expired", "last", "expired", "token_expired", nil, at(now+330))
	fine("nbf-last", "nbf ahead by the clock skew", object{"nbf": now + 31}, nil)
	bad("nbf-ahead", "nbf-last", "nbf ahead by more", "token_not_yet_valid", object{"nbf": now + 32}, nil)
	fine("iat-last", "iat ahead by the clock skew", object{"iat": now + 31}, nil)
	bad("iat-ahead", "iat-last", "iat ahead by more", "token_not_yet_valid", object{"iat": now + 32}, nil)
	fine("fraction", "fractions of a second", object{"iat": json.Number("1700000000.25"),
		"exp": json.Number("1700000300.75")}, nil)
	bad("exp-missing", "last", "no exp", "invalid_claims", object{"exp": remove}, nil)
	bad("exp-string", "last", "an exp that is a string", "invalid_claims", object{"exp": "1700000300"}, nil)
	bad("exp-zero", "last", "exp 0 is not absent", "token_expired", object{"exp": 0}, nil)
	bad("nbf-huge", "nbf-last", "nbf 1e300", "invalid_claims", object{"nbf": json.Number("1e300")}, nil)
	bad("iat-null", "iat-last", "iat null", "invalid_claims", object{"iat": nil}, nil)
	fine("lifetime-longest", "a token of 24 hours", object{"exp": now + 86400}, nil)
	bad("lifetime-over", "lifetime-longest", "a token of 24 hours and a second", "invalid_claims",
		object{"exp": now + 86401}, nil)
	bad("lifetime-over-without-iat", "lifetime-longest", "without iat the time from now on counts",
		"invalid_claims", object{"exp": now + 90000, "iat": remove}, nil)
	skewed := func(name string, settings object, twin string, seconds string, code string) {
		t := accessToken(object{"iat": json.Number(seconds)})
		source := step7 + ": clock_skew"
		if code == "" {
			a.accept("time-skew-"+name, "clock_skew of the configuration", source, openAccess(settings), letsIn(t, at(now)))
			return
		}
		a.reject("time-skew-"+name, "time-skew-"+twin, "clock_skew of the configuration", source,
			openAccess(settings), keepsOut(t, at(now), code))
	}
	skewed("none", object{"clock_skew": 0}, "", "1700000000", "")
	skewed("none-over", object{"clock_skew": 0}, "none", "1700000001", "token_not_yet_valid")
	skewed("none-with-leeway", object{"clock_skew": 0, "leeway": 300}, "none", "1700000001", "token_not_yet_valid")
	skewed("most", object{"clock_skew": 300}, "", "1700000300", "")
	skewed("most-over", object{"clock_skew": 300}, "most", "1700000301", "token_not_yet_valid")
	sometime := openAccess(object{"clock_skew": 300, "leeway": 0})
	a.accept("time-skew-alone", "clock_skew without leeway: the last moment", step7+": clock_skew", sometime,
		letsIn(good, at(now+299)))
	a.reject("time-skew-expired", "time-skew-alone", "clock_skew forgives no exp", step7+": clock_skew", sometime,
		keepsOut(good, at(now+300), "token_expired"))
	a.reject("time-again-expired", "time-skew-alone", "nor that of a token that was accepted before",
		step7+": clock_skew", sometime, letsIn(good, at(now+299)), keepsOut(good, at(now+300), "token_expired"))
	strict := openAccess(object{"leeway": 0, "max_lifetime": 60})
	a.accept("time-configured", "leeway and max_lifetime of the configuration", "abi.md engine.open: access",
		strict, letsIn(accessToken(object{"exp": now + 60}), at(now+59)))
	a.reject("time-configured-leeway", "time-configured", "no leeway", "abi.md engine.open: access", strict,
		keepsOut(accessToken(object{"exp": now + 60}), at(now+60), "token_expired"))
	a.reject("time-configured-lifetime", "time-configured", "a longer life", "abi.md engine.open: access", strict,
		keepsOut(accessToken(object{"exp": now + 61}), nil, "invalid_claims"))
}

func accessClaimTypes(a *area) {
	bad := func(name, says string, changes object) {
		a.reject("claim-"+name, "context", says, step8, openAccess(nil),
			keepsOut(accessToken(changes), nil, "invalid_claims"))
	}
	bad("iss-missing", "no iss", object{"iss": remove})
	bad("iss-number", "an iss that is a number", object{"iss": 1})
	bad("iss-control", "a control character in the iss", object{"iss": aliceURL + "\n"})
	bad("sub-missing", "no sub: who is it?", object{"sub": remove})
	bad("sub-empty", "an empty sub", object{"sub": ""})
	bad("sub-number", "a sub that is a number", object{"sub": 17})
	bad("sub-nul", "a NUL in the sub", object{"sub": "alice\x00"})
	bad("jti-number", "a jti that is a number", object{"jti": 1})
	bad("jti-empty", "an empty jti", object{"jti": ""})
	bad("jti-long", "a jti of 257 bytes", object{"jti": strings.Repeat("j", 257)})
	bad("scope-array", "a scope that is an array", object{"scope": []string{"read"}})
	bad("scope-null", "a scope of null", object{"scope": nil})
	bad("scope-two-spaces", "two spaces between scopes", object{"scope": "read  write"})
	bad("scope-quote", "a quote in a scope", object{"scope": `re"ad`})
	bad("token-type", "another token_type", object{"token_type": "DPoP"})
	bad("token-type-number", "a token_type that is a number", object{"token_type": 1})
	bad("client-id-number", "a client_id that is a number", object{"client_id": 1})
	bad("agent-path-number", "an agent_path that is a number", object{"agent_path": 1, "aoauth": remove})
	bad("aoauth-string", "an aoauth that is a string", object{"aoauth": aliceURL})
	bad("aoauth-null", "an aoauth of null", object{"aoauth": nil})
	bad("agent-url-number", "an agent_url that is a number", object{"aoauth": object{"agent_url": 1}})
	bad("agent-url-elsewhere", "an agent_url that the issuer cannot speak for",
		object{"aoauth": object{"agent_url": "https://victim.example"}})
	bad("agent-url-look-alike", "an agent_url whose host begins with the issuer's",
		object{"aoauth": object{"agent_url": aliceURL + ".evil.example"}})
	bad("agent-path-host", "an agent_path that would continue the host",
		object{"agent_path": ".evil.example", "aoauth": remove})
	bad("agent-path-up", "an agent_path that climbs", object{"agent_path": "/agents/..", "aoauth": remove})
	a.accept("claim-token-type-case", "token_type is case-insensitive", "RFC 6749 section 5.1", openAccess(nil),
		letsIn(accessToken(object{"token_type": "bearer"}), nil))
}

func accessAudience(a *area) {
	source := "RFC 7519 section 4.1.3; protocol.md section 3 step 9"
	fine := func(name, says string, aud any) {
		a.accept("audience-"+name, says, source, openAccess(nil), letsIn(accessToken(object{"aud": aud}), nil))
	}
	bad := func(name, says, code string, aud any) {
		a.reject("audience-"+name, "audience-array", says, source, openAccess(nil),
			keepsOut(accessToken(object{"aud": aud}), nil, code))
	}
	fine("array", "an array that has bob", []string{"https://other.example", bobURL})
	same := func(name, says, aud string) {
		a.accept("audience-"+name, says,
			"RFC 3986 section 6.2: URLs that name the same; readers that compare texts, as RFC 7519 section 2 says, refuse it",
			openAccess(nil), letsIn(accessToken(object{"aud": aud}), nil))
	}
	same("slash", "a slash at the end", bobURL+"/")
	same("spelling", "another spelling of the same URL", "https://Agents.Example.com:443/bob")
	bad("other", "another agent", "invalid_audience", "https://agents.example.com/carol")
	many := slices.Repeat([]string{"https://a.example"}, 64)
	fine("array-64", "an array of 64 with bob", append(slices.Clone(many[:63]), bobURL))
	bad("array-65", "an array of 65 with bob", "invalid_claims", append(slices.Clone(many), bobURL))
	bad("array-without", "an array without bob", "invalid_audience", []string{"https://a.example", "https://b.example"})
	bad("empty-array", "an empty array", "invalid_audience", []string{})
	bad("empty", "an empty text", "invalid_audience", "")
	bad("parent", "the server that bob lives on", "invalid_audience", "https://agents.example.com")
	bad("child", "what lies below bob", "invalid_audience", bobURL+"/x")
	bad("http", "plain http", "invalid_audience", "http://agents.example.com/bob")
	bad("prefix", "a name that begins like bob's", "invalid_audience", bobURL+"by")
	bad("path-case", "paths are case-sensitive", "invalid_audience", "https://agents.example.com/BOB")
	bad("missing", "no aud", "invalid_claims", remove)
	bad("number", "an aud that is a number", "invalid_claims", 1)
	bad("null", "an aud of null", "invalid_claims", nil)
	bad("object", "an aud that is an object", "invalid_claims", object{"url": bobURL})
	bad("array-with-number", "an array with bob and a number", "invalid_claims", []any{bobURL, 1})
	configured := openAccess(object{"audience": []string{"bob-service", "https://bob.example"}})
	a.accept("audience-configured", "an audience of the configuration, and base_url still",
		"abi.md engine.open: audience", configured,
		letsIn(accessToken(object{"aud": "bob-service"}),
			nil), letsIn(accessToken(object{"aud": "https://bob.example"}), nil), letsIn(accessToken(nil), nil))
	a.reject("audience-configured-case", "audience-configured", "what is no URL is compared exactly",
		"abi.md engine.open: audience", configured, keepsOut(accessToken(object{"aud": "Bob-Service"}), nil,
			"invalid_audience"))
}
