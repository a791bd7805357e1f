package generate

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

func published() *area {
	a := newArea("published", "Examples that the standards print.")
	rfc7515(a)
	rfc7517(a)
	rfc9530(a)
	return a
}

const (
	a2Header    = `{"alg":"RS256"}`
	a2Payload   = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"
	a2Signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4" +
		"BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv" +
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
)

func rfc7515(a *area) {
	source := "RFC 7515 appendix A.2"
	key := parsed(readKeyFile("rfc7515-a2.json"))
	public := text(object{"kty": key["kty"], "n": key["n"], "e": key["e"]})
	token := base64url([]byte(a2Header)) + "." + base64url([]byte(a2Payload)) + "." + a2Signature
	a.accept("rfc7515-a2-sign", "signing gives the printed JWS", source,
		call("jws.sign", object{"private_key": text(key), "header": parsed(a2Header)}, a2Payload, ok(object{"token": token})))
	verifies := func(token string, expect object) step {
		return call("jws.verify", object{"token": token, "key": public}, "", ok(expect))
	}
	a.accept("rfc7515-a2-verify", "the printed JWS verifies", source, verifies(token, object{"header": parsed(a2Header), "payload": base64url([]byte(a2Payload))}))
	fails := func(name, says, token, code string) {
		a.reject(name, "rfc7515-a2-verify", says, source, call("jws.verify", object{"token": token, "key": public}, "", errorCode(code)))
	}
	fails("rfc7515-a2-signature-changed", "the printed JWS with another first byte of the signature", strings.Replace(token, ".cC4h", ".dC4h", 1), "invalid_signature")
	fails("rfc7515-a5-unsecured", "the unsecured JWS of appendix A.5", base64url([]byte(`{"alg":"none"}`))+"."+base64url([]byte(a2Payload))+".", "unsupported_algorithm")
	fails("rfc7515-e-critical", "the JWS of appendix E with a critical extension that nobody supports", "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0.RkFJTA.", "malformed_token")
	a.reject("verify-with-private-key", "rfc7515-a2-verify", "jws.verify takes a public key", "ABI.md jws.verify",
		call("jws.verify", object{"token": token, "key": text(key)}, "", errorCode("invalid_key")))
	a.reject("sign-with-public-key", "rfc7515-a2-sign", "jws.sign takes a private key", "ABI.md jws.sign", call("jws.sign", object{"private_key": public}, "", errorCode("invalid_key")))
	a.reject("sign-crit", "rfc7515-a2-sign", "a header with crit is not signed", "ABI.md jws.sign",
		call("jws.sign", object{"private_key": text(key), "header": object{"alg": "RS256", "crit": []string{"x"}}}, "", errorCode("invalid_argument")))
	a.reject("sign-other-algorithm", "rfc7515-a2-sign", "a header with another alg is not signed", "ABI.md jws.sign",
		call("jws.sign", object{"private_key": text(key), "header": object{"alg": "HS256"}}, "", errorCode("invalid_argument")))
	binary := "\x00\xff\x80"
	made := signTexts(alice, plainHeader, binary)
	a.accept("sign-any-bytes", "a payload that is no text, with the default header", "RFC 7515 section 3",
		call("jws.sign", object{"private_key": alice.pkcs8()}, binary, ok(object{"token": made.String()})),
		call("jws.verify", object{"token": made.String(), "key": alice.spki()}, "", okIncludes(object{"payload": base64url([]byte(binary))})))
}

func rfc7517(a *area) {
	key := parsed(readKeyFile("rfc7517-a2.json"))
	const thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
	public := object{"kty": "RSA", "n": key["n"], "e": key["e"], "alg": "RS256", "kid": "2011-04-29"}
	elliptic := object{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1"}
	a.accept("rfc7638-thumbprint", "the printed thumbprint", "RFC 7638 section 3.1", inspect(text(public), nil, object{"keys": []object{{"kid": thumbprint, "key_id": "2011-04-29", "bits": 2048}}}))
	a.accept("rfc7517-a1-set", "the printed set: its EC key is passed over, its RSA key is used", "RFC 7517 appendix A.1",
		call("keys.load", object{"files": []object{file("joe.jwks.json", jwks(elliptic, public))}}, "",
			ok(object{"issuers": object{"joe": []object{{"kid": thumbprint, "key_id": "2011-04-29", "bits": 2048, "public_pem": spkiOf(number(key["n"]), number(key["e"])),
				"public_jwk": object{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": thumbprint, "n": key["n"], "e": "AQAB"}}}}, "warnings": []object{}})))
	a.accept("rfc7517-a2-private", "the printed private key", "RFC 7517 appendix A.2", inspect(text(key), object{"include_private": true},
		object{"keys": []object{{"kind": "private", "kid": thumbprint, "private_jwk": object{"d": key["d"], "p": key["p"], "q": key["q"], "dp": key["dp"], "dq": key["dq"], "qi": key["qi"]}}}}))
}

// rfc9530: the digest of the Brotli-coded body is printed there beside bytes that
// do not have it; the bytes here are those of the reported erratum, which do.
func rfc9530(a *area) {
	digests := func(name, says, source, body, digest string) {
		raw, err := base64.StdEncoding.DecodeString(digest)
		if err != nil {
			panic(err)
		}
		a.accept(name, says, source, call("digest.body", object{}, body, ok(object{"content_digest": "sha-256=:" + digest + ":", "content_sha256": hex.EncodeToString(raw)})))
	}
	digests("rfc9530-content-digest", "the JSON object of appendix B with its line break", "RFC 9530 appendix B.1", "{\"hello\": \"world\"}\n", "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=")
	digests("rfc9530-no-line-break", "the same without the line break, which are other bytes", "RFC 9530 section 2: the digest is of the bytes", `{"hello": "world"}`, "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")
	brotli, err := hex.DecodeString("0b09807b2268656c6c6f223a2022776f726c64227d0a03")
	if err != nil {
		panic(err)
	}
	digests("rfc9530-content-encoding", "a Brotli-coded body is digested as it is sent", "RFC 9530 appendix B; reported erratum 8890", string(brotli), "d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=")
	digests("rfc9530-empty", "no bytes", "protocol.md section 1: of no bytes when there is no body", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
}
