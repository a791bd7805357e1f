package generate

import (
	"encoding/base64"
	"encoding/hex"
)

const (
	helloBody   = "{\"hello\": \"world\"}\n"
	helloDigest = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
)

// rfc9530: the printed sha-256 digests. The field is only written, with sha-256
// alone, so the printed sha-512 digests and preferences have no counterpart.
func rfc9530(a *area) {
	digests := func(name, says, source, body, digest string) {
		a.accept(name, says, source, call("digest.body", object{}, body, ok(object{"content_digest": "sha-256=:" + digest + ":", "content_sha256": hexOf(digest)})))
	}
	digests("rfc9530-content-digest", "the JSON object of appendix B with its line break", "RFC 9530 appendix B.1", helloBody, helloDigest)
	digests("rfc9530-no-line-break", "the same without the line break, which are other bytes", "RFC 9530 section 2: the digest is of the bytes", `{"hello": "world"}`, "X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=")
	digests("rfc9530-empty", "no bytes, as an answer to HEAD has them", "RFC 9530 appendix B.2; protocol.md section 1", "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	digests("rfc9530-partial", "a part of the object is digested as it is sent", "RFC 9530 appendix B.3", "\"world\"}\n", "jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=")
	digests("rfc9530-request", "the printed request", "RFC 9530 appendix B.7", "{\"title\": \"New Title\"}\n", "mEkdbO7Srd9LIOegftO0aBX+VPTVz7/CSHes2Z27gc4=")
	digests("rfc9530-indented", "the printed answer, whose line breaks and indents count", "RFC 9530 appendix B.7", "{\n  \"id\": \"123\",\n  \"title\": \"New Title\"\n}\n", "uVSlinTTdQUwm2On4k8TJUikGN1bf/Ds8WPX4oe0h9I=")
	digests("rfc9530-status", "the printed status of a request", "RFC 9530 appendix B.8",
		"{\n  \"status\": \"created\",\n  \"id\": \"123\",\n  \"ts\": 1569327729,\n  \"instance\": \"/books/123\"\n}\n", "yXIGDTN5VrfoyisKlXgRKUHHMs35SNtyC3szSz1dbO8=")
	digests("rfc9530-error", "the printed error", "RFC 9530 appendix B.10",
		"{\n  \"title\": \"Not Found\",\n  \"detail\": \"Cannot PATCH a non-existent resource\",\n  \"status\": 404\n}\n", "EXB0S2VF2H7ijkAVJkH1Sm0pBho0iDZcvVUHHXTTZSA=")
	// The bytes printed for the Brotli-coded body do not have the digest printed
	// beside them; these are those of the reported erratum, which do.
	brotli, err := hex.DecodeString("0b09807b2268656c6c6f223a2022776f726c64227d0a03")
	if err != nil {
		panic(err)
	}
	digests("rfc9530-content-encoding", "a Brotli-coded body is digested as it is sent", "RFC 9530 appendix B.4; reported erratum 8890", string(brotli), "d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=")
	boundBody(a)
}

// hexOf is a digest as content_sha256 spells it.
func hexOf(digest string) string {
	raw, err := base64.StdEncoding.DecodeString(digest)
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(raw)
}

func boundBody(a *area) {
	source := "RFC 9530 appendix B.1; protocol.md section 3 step 11"
	t := sign(alice, rotagentClaims().with(object{"content_sha256": hexOf(helloDigest)}))
	a.accept("rfc9530-bound-body", "a token for the printed digest, with the printed body", source, open(nil), accepted(t, object{"body": helloBody}))
	a.reject("rfc9530-bound-body-changed", "rfc9530-bound-body", "the same without the line break", source, open(nil), refused(t, object{"body": `{"hello": "world"}`}, "body_tampered"))
}
