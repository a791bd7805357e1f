package generate

import (
	"encoding/json"
	"strings"
)

const (
	step7 = "protocol.md section 3 step 7"
	rfcEx = "RFC 7519 section 4.1.4; " + step7
)

func times() *area {
	a := newArea("times", "exp, nbf and iat: finite numbers, compared with the host's now, exactly at the edges.")
	a.accept("now-inside", "iat before now, exp after it", rfcEx, open(nil), accepted(claim("exp", now+60), nil))
	expiry(a)
	leeway(a)
	clockSkew(a)
	notYet(a)
	lifetime(a)
	numbers(a)
	return a
}

func claim(name string, value any) token {
	return sign(alice, rotagentClaims().with(object{name: value}))
}

func at(seconds any) object { return object{"now": seconds} }

func expiry(a *area) {
	t := claim("exp", now+60)
	a.accept("exp-last-moment", "a millisecond before exp", rfcEx, open(nil), accepted(t, at(json.Number("1700000059.999"))))
	a.reject("exp-now", "exp-last-moment", "at exp the token is dead", rfcEx, open(nil), refused(t, at(now+60), "token_expired"))
	a.reject("exp-past", "now-inside", "exp is over", rfcEx, open(nil), refused(t, at(now+3600), "token_expired"))
	a.reject("exp-zero", "now-inside", "an exp of 0 is in 1970, not absent", traps, open(nil), refused(claim("exp", 0), nil, "token_expired"))
	a.reject("exp-negative", "now-inside", "an exp before 1970", step7, open(nil), refused(claim("exp", -1), nil, "token_expired"))
	a.accept("exp-fraction", "an exp with a fraction", "RFC 7519 section 2", open(nil), accepted(claim("exp", json.Number("1700000001.5")), at(json.Number("1700000001.25"))))
	a.reject("exp-fraction-past", "exp-fraction", "an exp with a fraction counts to the fraction", "RFC 7519 section 2", open(nil),
		refused(claim("exp", json.Number("1700000001.5")), at(json.Number("1700000001.5")), "token_expired"))
	a.accept("exp-exponent", "an exp in exponent form is a number like another", "RFC 8259 section 6", open(nil), accepted(claim("exp", json.Number("1.70000006e9")), nil))
}

func leeway(a *area) {
	lenient := object{"leeway": 10}
	t := claim("exp", now+60)
	a.accept("leeway-expired", "leeway of 10 s: 9.9 s after exp", step7, open(lenient), accepted(t, at(json.Number("1700000069.9"))))
	a.reject("leeway-expired-over", "leeway-expired", "leeway of 10 s: 10 s after exp", step7, open(lenient), refused(t, at(now+70), "token_expired"))
	a.reject("leeway-no-skew", "leeway-expired", "leeway forgives exp alone", step7, open(lenient.with(object{"clock_skew": 0})), refused(claim("iat", now+10), at(now+9), "token_not_yet_valid"))
}

// clockSkew: a clock that runs ahead writes an iat that is to come.
func clockSkew(a *area) {
	for _, name := range []string{"nbf", "iat"} {
		ahead := func(seconds string) token { return claim(name, json.Number(seconds)) }
		starts := func(how, says string, settings object, seconds string) {
			a.accept("skew-"+name+how, says, step7+": clock_skew", open(settings), accepted(ahead(seconds), at(now)))
		}
		early := func(how, twin, says string, settings object, seconds string) {
			a.reject("skew-"+name+how, "skew-"+name+twin, says, step7+": clock_skew", open(settings), refused(ahead(seconds), at(now), "token_not_yet_valid"))
		}
		starts("", name+" 5 s ahead: the default", nil, "1700000005")
		early("-over", "", name+" 6 s ahead", nil, "1700000006")
		none, most := object{"clock_skew": 0}, object{"clock_skew": 300}
		starts("-none", "clock_skew of 0: "+name+" at this moment", none, "1700000000")
		early("-none-over", "-none", "clock_skew of 0: "+name+" a second ahead", none, "1700000001")
		starts("-most", "clock_skew of 300 s: "+name+" 300 s ahead", most.with(object{"max_lifetime": 3600}), "1700000300")
		early("-most-over", "-most", "clock_skew of 300 s: "+name+" 301 s ahead", most, "1700000301")
	}
	lenient := open(object{"clock_skew": 300})
	t := claim("exp", now+60)
	a.accept("skew-exp", "clock_skew does not shorten a life", step7+": clock_skew", lenient, accepted(t, at(json.Number("1700000059.9"))))
	a.reject("skew-exp-past", "skew-exp", "clock_skew forgives no exp", step7+": clock_skew", lenient, refused(t, at(now+60), "token_expired"))
	early := sign(alice, rotagentClaims().with(object{"iat": now + 5, "exp": now + 65}))
	a.reject("skew-replayed", "skew-iat", "what came early is remembered until it is dead", "protocol.md section 3 step 14", open(nil),
		accepted(early, at(now)), refused(early, at(now), "replay_detected"), refused(early, at(json.Number("1700000064.9")), "replay_detected"), refused(early, at(now+65), "token_expired"))
	long := func(exp int) token { return sign(alice, rotagentClaims().with(object{"iat": now + 5, "exp": exp})) }
	a.accept("skew-lifetime", "a life of max_lifetime counts from iat", traps+": a token's lifetime is capped", open(nil), accepted(long(now+3605), at(now)))
	a.reject("skew-lifetime-over", "skew-lifetime", "a longer one", traps+": a token's lifetime is capped", open(nil), refused(long(now+3606), at(now), "invalid_claims"))
}

func notYet(a *area) {
	nbf := "RFC 7519 section 4.1.5; " + step7
	iat := "RFC 7519 section 4.1.6; " + step7
	a.accept("nbf-now", "at nbf the token lives", nbf, open(nil), accepted(claim("nbf", now+1), nil))
	a.reject("nbf-future", "nbf-now", "nbf is to come", nbf, open(nil), refused(claim("nbf", now+7), nil, "token_not_yet_valid"))
	a.accept("iat-now", "issued at this moment", iat, open(nil), accepted(claim("iat", now+1), nil))
	a.reject("iat-future", "iat-now", "issued in the future", iat, open(nil), refused(claim("iat", now+7), nil, "token_not_yet_valid"))
	a.accept("iat-fraction", "an iat with a fraction", "protocol.md section 1", open(nil), accepted(claim("iat", json.Number("1700000000.75")), nil))
	a.accept("iat-missing", "no iat: rotagent's claims are exp, jti and content_sha256", "rotagent error table", open(nil), accepted(claim("iat", remove), nil))
	a.reject("expired-before-early", "now-inside", "expired and not yet valid: exp is judged first", step7, open(nil),
		refused(sign(alice, rotagentClaims().with(object{"exp": now, "nbf": now + 60})), nil, "token_expired"))
}

func lifetime(a *area) {
	source := traps + ": a token's lifetime is capped"
	lives := func(seconds int) token { return claim("exp", now+seconds) }
	a.accept("lifetime-hour", "a lifetime of an hour", source, open(nil), accepted(lives(3600), nil))
	a.reject("lifetime-over-hour", "lifetime-hour", "a lifetime over an hour", source, open(nil), refused(lives(3601), nil, "invalid_claims"))
	short := object{"max_lifetime": 60}
	a.accept("lifetime-configured", "the configured lifetime of 60 s", source, open(short), accepted(lives(60), nil))
	a.reject("lifetime-over-configured", "lifetime-configured", "over the configured lifetime", source, open(short), refused(lives(61), nil, "invalid_claims"))
	endless := sign(alice, rotagentClaims().with(object{"iat": remove, "exp": now + 100000}))
	a.reject("lifetime-without-iat", "iat-missing", "without iat the lifetime counts from now", source, open(nil), refused(endless, nil, "invalid_claims"))
	a.accept("lifetime-development", "development: a lifetime of 6 hours", "protocol.md section 1", open(object{"development": true}), accepted(lives(21600), nil))
	a.reject("lifetime-over-development", "lifetime-development", "development: over 6 hours", "protocol.md section 1", open(object{"development": true}),
		refused(lives(21601), nil, "invalid_claims"))
}

// numbers that overflow an int64 or a float64 differ between amd64 and wasm, if
// one lets them through.
func numbers(a *area) {
	bad := func(name, says, claim, value string) {
		payload := strings.Replace(text(rotagentClaims().with(object{claim: "@"})), `"@"`, value, 1)
		a.reject(name, "now-inside", says, traps, open(nil), refused(signTexts(alice, plainHeader, payload), nil, "invalid_claims"))
	}
	bad("exp-string", "an exp that is a string", "exp", `"1700000060"`)
	bad("exp-null", "an exp of null", "exp", `null`)
	bad("exp-array", "an exp that is an array", "exp", `[1700000060]`)
	bad("exp-boolean", "an exp of true", "exp", `true`)
	bad("exp-huge", "an exp of 1e300", "exp", `1e300`)
	bad("exp-infinite", "an exp over every float64", "exp", `1e999`)
	bad("exp-over-2-53", "an exp of 2^53+2", "exp", `9007199254740994`)
	// Digits that are a small number, or none, once they overflow 64 bits.
	bad("exp-digits-wrap", "an exp whose digits are 2^64 more than those of a good one", "exp", `18446745773709611.616`)
	bad("exp-digits-wrap-long", "an exp whose digits are a multiple of 2^64", "exp", `18446744073709551.61600000000000000000000000`)
	bad("nbf-huge", "an nbf of 1e300", "nbf", `1e300`)
	bad("nbf-string", "an nbf that is a string", "nbf", `"0"`)
	bad("iat-huge", "an iat of -1e300", "iat", `-1e300`)
	bad("iat-null", "an iat of null", "iat", `null`)
}
