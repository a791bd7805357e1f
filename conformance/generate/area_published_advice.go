package generate

// rfc7516A2 is an encrypted token: five parts (RFC 7516 section 3.1).
const rfc7516A2 = "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.UGhIOguC7IuEvf_NPVaXsGMoLOmwvc1GyqlIKOK1nN94nHPoltGRhWhw7Zx0-kFm1NJn8LE9XShH59_i8J0PH5ZZyNfGy2xGdULU7sHNF6Gp2vPLgN" +
	"Z__deLKxGHZ7PcHALUzoOegEI-8E66jX2E4zyJKx-YxzZIItRzC5hlRirb6Y5Cl_p-ko3YvkkysZIFNPccxRU7qve1WYPxqbb2Yw8kZqa2rMWI5ng8OtvzlV7elprCbuPhcCdZ6XDP0_F8rkXds2vE4X-ncOIM8hAYHHi29NX0mcKiRaD0-D-ljQTP-cFPgwCp6X-nZZd9OHBv" +
	"-B3oWh2TbqmScqXMR4gp_A.AxY8DCtDaGlsbGljb3RoZQ.KDlTtXchhZTGufMYmOYGS4HffxPSUrfmqCHXaI9wOGY.9hH0vgRfYgPnAHOd8stkvw"

// rfc8725: advice of the best current practices that no other area takes its
// source from. The rest is in gate, algorithm, issuer, key-selection and times.
func rfc8725(a *area) {
	a.reject("rfc7516-a2-encrypted", "rfc7515-a2-verify", "the printed JWE has five parts: nothing here is encrypted", "RFC 7516 appendix A.2; RFC 8725 section 3.2; protocol.md section 3 step 2",
		call("jws.verify", object{"token": rfc7516A2, "key": publicHalf(parsed(readKeyFile("rfc7515-a2.json")))}, "", errorCode("malformed_token")))
	injectedKid(a)
	crossUse(a)
}

func injectedKid(a *area) {
	source := "RFC 8725 section 3.10: SQL or LDAP injection through kid"
	known := keysOfAlice(jwks(alice.jwk().with(object{"kid": "k1"})))
	a.accept("rfc8725-3-10-kid", "a kid that a key has", source, known, accepted(withKid(alice, "k1"), nil))
	a.reject("rfc8725-3-10-sql", "rfc8725-3-10-kid", "a kid that is a piece of SQL", source, known, refused(withKid(alice, "k1' OR '1'='1"), nil, "unknown_key"))
	a.reject("rfc8725-3-10-ldap", "rfc8725-3-10-kid", "a kid that is an LDAP filter", source, known, refused(withKid(alice, "*)(kid=*"), nil, "unknown_key"))
}

// crossUse: both profiles trust the same key; a token of one is none of the other.
func crossUse(a *area) {
	source := "RFC 8725 section 3.12: mutually exclusive validation rules"
	requests := open(object{"keys": object{aliceURL: alice.spki()}})
	forRequest := sign(alice, boundClaims().with(object{"iss": aliceURL, "htu": bobURL + "/chat"}))
	at := object{"path": "/bob/chat"}
	a.accept("rfc8725-3-12-request-token", "a token of the profile of requests, at an agent of that profile", source, requests, accepted(forRequest, at))
	a.reject("rfc8725-3-12-access-token-as-request", "rfc8725-3-12-request-token", "an access token by the same key: it is signed for no body", source, requests, refused(accessToken(nil), at, "invalid_claims"))
	a.accept("rfc8725-3-12-access-token", "an access token, at the agent it is for", source, openAccess(nil), letsIn(accessToken(nil), nil))
	a.reject("rfc8725-3-12-request-as-access-token", "rfc8725-3-12-access-token", "a token of the profile of requests by the same key: it has neither subject nor audience", source, openAccess(nil), keepsOut(forRequest, nil, "invalid_claims"))
}
