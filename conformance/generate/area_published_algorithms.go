package generate

import (
	"maps"
	"slices"
)

const (
	bilbo          = "bilbo.baggins@hobbiton.example"
	rfc7520Payload = "It\u2019s a dangerous business, Frodo, going out your door. You step onto the road, and if you don't keep your feet, " +
		"there\u2019s no knowing where you might be swept off to."
)

var rfc7520RSA = printedJWS{`{"alg":"RS256","kid":"` + bilbo + `"}`, rfc7520Payload,
	"MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmD" +
		"LJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2" +
		"aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"}

func rfc7520(a *area) {
	key := parsed(readKeyFile("rfc7520-3-4.json"))
	a.accept("rfc7520-3-4-key", "the printed private key is read, with its own kid", "RFC 7520 section 3.4",
		inspect(text(key), nil, object{"keys": []object{{"kind": "private", "bits": 2048, "key_id": bilbo}}}))
	a.accept("rfc7520-3-3-key", "its public half is read", "RFC 7520 section 3.3",
		inspect(publicHalf(key), nil, object{"keys": []object{{"kind": "public", "bits": 2048, "key_id": bilbo}}}))
	a.accept("rfc7520-4-1-sign", "signing gives the printed JWS", "RFC 7520 section 4.1",
		call("jws.sign", object{"private_key": text(key), "header": parsed(rfc7520RSA.header)}, rfc7520Payload, ok(object{"token": rfc7520RSA.String()})))
	a.accept("rfc7520-4-1-verify", "the printed JWS verifies", "RFC 7520 section 4.1", rfc7520RSA.verifiesWith(publicHalf(key)))
	a.reject("rfc7520-4-2-ps384", "rfc7520-4-1-verify", "the same payload, really signed by the same key with RSASSA-PSS", "RFC 7520 section 4.2",
		call("jws.verify", object{"token": rfc7520PSS.String(), "key": publicHalf(key)}, "", errorCode("unsupported_algorithm")))
}

var rfc7520PSS = printedJWS{`{"alg":"PS384","kid":"` + bilbo + `"}`, rfc7520Payload,
	"cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvW" +
		"Xzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6ui" +
		"P1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw"}

// unsupportedJWS are good signatures that only the algorithm speaks against, which is none of
// the core's or not that of the RSA key they are verified with.
// area_published_test.go verifies those whose keys are printed.
var unsupportedJWS = map[string]struct {
	source string
	printedJWS
}{
	"rfc7515-a1-hs256": {"RFC 7515 appendix A.1, RFC 7519 section 3.1", printedJWS{"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", a2Payload, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}},
	"rfc7515-a3-es256": {"RFC 7515 appendix A.3", printedJWS{`{"alg":"ES256"}`, a2Payload,
		"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"}},
	"rfc7515-a4-es512": {"RFC 7515 appendix A.4", printedJWS{`{"alg":"ES512"}`, "Payload",
		"AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8Kp" +
			"EHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"}},
	"rfc7520-4-3-es512": {"RFC 7520 section 4.3", printedJWS{`{"alg":"ES512","kid":"` + bilbo + `"}`, rfc7520Payload,
		"AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kv" +
			"AD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"}},
	"rfc7520-4-4-hs256": {"RFC 7520 section 4.4", printedJWS{`{"alg":"HS256","kid":"018c0ae5-4d9b-471b-bfd6-eef314bc7037"}`, rfc7520Payload, "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0"}},
	"rfc8037-a4-ed25519": {"RFC 8037 appendix A.4", printedJWS{`{"alg":"EdDSA"}`, "Example of Ed25519 signing",
		"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"}},
	"rfc9449-6-1-access-token": {"RFC 9449 section 6.1", printedJWS{`{"alg":"ES256","kid":"BeALkb"}`,
		`{"sub":"someone@example.com","iss":"https://server.example.com","nbf":1562262611,"exp":1562266216,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}`,
		"3Tyo8VTcn6u_PboUmAOYUY1kfAavomW_YwYMkmRNizLJoQzWy2fCo79Zi5yObpIzjWb5xW4OGld7ESZrh0fsrA"}},
}

// rfc7797Detached is signed over "$.02", which is not in it.
var rfc7797Detached = printedJWS{`{"alg":"HS256","b64":false,"crit":["b64"]}`, "", "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY"}

func otherAlgorithms(a *area) {
	public := publicHalf(parsed(readKeyFile("rfc7515-a2.json")))
	refuses := func(name, says, source, token, code string) {
		a.reject(name, "rfc7515-a2-verify", says, source, call("jws.verify", object{"token": token, "key": public}, "", errorCode(code)))
	}
	for _, name := range slices.Sorted(maps.Keys(unsupportedJWS)) {
		printed := unsupportedJWS[name]
		refuses(name, "the printed JWS has the alg "+parsed(printed.header)["alg"].(string), printed.source+"; "+step3, printed.String(), "unsupported_algorithm")
	}
	refuses("rfc7797-4-2-unencoded", "the printed JWS with b64 false: its payload is detached and not encoded", "RFC 7797 section 4.2; "+step3, rfc7797Detached.String(), "malformed_token")
}
