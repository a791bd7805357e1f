package generate

import "strings"

func published() *area {
	a := newArea("published", "Examples that the standards print.")
	rfc7515(a)
	rfc7520(a)
	publishedCurves(a)
	otherAlgorithms(a)
	rfc7517(a)
	rfc9449(a)
	rfc3986(a)
	rfc9530(a)
	rfc8725(a)
	return a
}

const (
	a2Header    = `{"alg":"RS256"}`
	a2Payload   = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
	a2Signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4" +
		"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv" +
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)

// printedJWS is a compact JWS that a standard prints; signature is base64url.
type printedJWS struct{ header, payload, signature string }

func (p printedJWS) input() string {
	return base64url([]byte(p.header)) + "." + base64url([]byte(p.payload))
}

func (p printedJWS) String() string { return p.input() + "." + p.signature }

// verifiesWith expects the header and the payload back.
func (p printedJWS) verifiesWith(key string) step {
	return call("jws.verify", object{"token": p.String(), "key": key}, "", ok(object{"header": parsed(p.header), "payload": base64url([]byte(p.payload))}))
}

// publicHalf is the text of a JWK without its private members.
func publicHalf(key object) string {
	return text(key.with(object{"d": remove, "p": remove, "q": remove, "dp": remove, "dq": remove, "qi": remove}))
}

func rfc7515(a *area) {
	source := "RFC 7515 appendix A.2"
	key := parsed(readKeyFile("rfc7515-a2.json"))
	public := publicHalf(key)
	printed := printedJWS{a2Header, a2Payload, a2Signature}
	token := printed.String()
	a.accept("rfc7515-a2-sign", "signing gives the printed JWS", source,
		call("jws.sign", object{"private_key": text(key), "header": parsed(a2Header)}, a2Payload, ok(object{"token": token})))
	a.accept("rfc7515-a2-verify", "the printed JWS verifies", source, printed.verifiesWith(public))
	fails := func(name, says, source, token, code string) {
		a.reject(name, "rfc7515-a2-verify", says, source, call("jws.verify", object{"token": token, "key": public}, "", errorCode(code)))
	}
	fails("rfc7515-a2-signature-changed", "the printed JWS with another first byte of the signature", source, strings.Replace(token, ".cC4h", ".dC4h", 1), "invalid_signature")
	fails("rfc7515-a5-unsecured", "the unsecured JWS of appendix A.5", "RFC 7515 appendix A.5", printedJWS{header: `{"alg":"none"}`, payload: a2Payload}.String(), "unsupported_algorithm")
	fails("rfc7515-a6-general", "the A.2 signature in the general JSON serialization of appendix A.6: only the compact one is read", "RFC 7515 appendix A.6",
		text(object{"payload": base64url([]byte(a2Payload)), "signatures": []object{{"protected": base64url([]byte(a2Header)), "header": object{"kid": "2010-12-29"}, "signature": a2Signature}}}), "malformed_token")
	fails("rfc7515-e-critical", "the JWS of appendix E with a critical extension that nobody supports", "RFC 7515 appendix E",
		printedJWS{"{\"alg\":\"none\",\r\n \"crit\":[\"http://example.com/UNDEFINED\"],\r\n \"http://example.com/UNDEFINED\":true\r\n}", "FAIL", ""}.String(), "malformed_token")
	a.reject("verify-with-private-key", "rfc7515-a2-verify", "jws.verify takes a public key", "abi.md jws.verify",
		call("jws.verify", object{"token": token, "key": text(key)}, "", errorCode("invalid_key")))
	signsStrictly(a, key, public)
}

func signsStrictly(a *area, key object, public string) {
	a.reject("sign-with-public-key", "rfc7515-a2-sign", "jws.sign takes a private key", "abi.md jws.sign", call("jws.sign", object{"private_key": public}, "", errorCode("invalid_key")))
	a.reject("sign-crit", "rfc7515-a2-sign", "a header with crit is not signed", "abi.md jws.sign",
		call("jws.sign", object{"private_key": text(key), "header": object{"alg": "RS256", "crit": []string{"x"}}}, "", errorCode("invalid_argument")))
	a.reject("sign-other-algorithm", "rfc7515-a2-sign", "a header with another alg is not signed", "abi.md jws.sign",
		call("jws.sign", object{"private_key": text(key), "header": object{"alg": "HS256"}}, "", errorCode("invalid_argument")))
	binary := "\x00\xff\x80"
	made := signTexts(alice, plainHeader, binary)
	a.accept("sign-any-bytes", "a payload that is no text, with the default header", "RFC 7515 section 3",
		call("jws.sign", object{"private_key": alice.pkcs8()}, binary, ok(object{"token": made.String()})),
		call("jws.verify", object{"token": made.String(), "key": alice.spki()}, "", okIncludes(object{"payload": base64url([]byte(binary))})))
}
