package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

const step11 = "protocol.md section 3 step 11"

func upperHex(data string) string { return strings.ToUpper(hexSHA256(data)) }

func bodies() *area {
	a := newArea("body", "The body is the one that was signed, byte for byte.")
	t := sign(alice, rotagentClaims())
	a.accept("signed", "the body that was signed", step11, open(nil), accepted(t, nil))
	bad := func(name, says string, changed any) {
		a.reject(name, "signed", says, "rotagent error table; "+step11, open(nil), refused(t, object{"body": changed}, "body_tampered"))
	}
	bad("changed", "a body that was changed on the way", `{"query":"Delete everything"}`)
	bad("reformatted", "the same JSON with other white space: bytes count, not meaning", strings.Replace(body, ":", ": ", 1))
	bad("longer", "a line break more", body+"\n")
	bad("taken-away", "no body where one was signed", remove)

	empty := claim("content_sha256", hexSHA256(""))
	a.accept("none", "no body: the digest of no bytes", "protocol.md section 1", open(nil), accepted(empty, object{"body": remove}))
	a.reject("added", "none", "a body where none was signed", step11, open(nil), refused(empty, nil, "body_tampered"))
	binary := "\x00\xff\xfe\r\n\x80"
	a.accept("binary", "a body that is no text", "protocol.md section 8", open(nil), accepted(claim("content_sha256", hexSHA256(binary)), object{"body": binary}))
	a.reject("digest-upper-case", "signed", "a digest in upper case: it is lower-case hex", "protocol.md section 1", open(nil),
		refused(claim("content_sha256", upperHex(body)), nil, "body_tampered"))
	a.reject("digest-empty", "signed", "an empty digest", step11, open(nil), refused(claim("content_sha256", ""), nil, "body_tampered"))
	a.reject("digest-cut", "signed", "half a digest", step11, open(nil), refused(claim("content_sha256", hexSHA256(body)[:32]), nil, "body_tampered"))
	limits(a, t)
	hashedByHost(a, t)
	return a
}

// hashedByHost: SHA-256 is slow in WebAssembly, so a host may hash the body; what
// the digest means stays the core's affair.
func hashedByHost(a *area, t token) {
	source := "abi.md request.verify, request.sign: body_sha256"
	hashed := func(digest any) object { return object{"body": remove, "body_sha256": digest} }
	a.accept("hashed", "the host hashed the body that was signed", source, open(nil), accepted(t, hashed(hexSHA256(body))))
	a.reject("hashed-changed", "hashed", "the host hashed another body", source, open(nil), refused(t, hashed(hexSHA256("x")), "body_tampered"))
	bad := func(name, says string, changes object) {
		a.reject(name, "hashed", says, source, open(nil), verify(t, changes, errorCode("invalid_argument")))
	}
	bad("hashed-and-given", "a digest and a body: which of them counts?", object{"body_sha256": hexSHA256(body)})
	bad("hashed-upper-case", "a digest in upper case", hashed(upperHex(body)))
	bad("hashed-short", "a digest that is too short", hashed(hexSHA256(body)[1:]))
	bad("hashed-no-hex", "a digest that is no hex", hashed("g"+hexSHA256(body)[1:]))
	bad("hashed-empty", "an empty digest", hashed(""))
	bad("hashed-too-large", "a digest of a body that is too large", hashed(hexSHA256(body)).with(object{"body_too_large": true}))
	signs := func(request object, sent string, expect conformance.Expect) step {
		return call("request.sign", request, sent, expect)
	}
	made := signTexts(alice, headerWithKid(alice), written(60, body, boundTo("POST", endpoint)))
	digest := object{"body_sha256": hexSHA256(body)}
	a.accept("hashed-to-sign", "signing with the digest writes the same token", source, signs(outgoing(digest), "", ok(signed(made))))
	a.reject("hashed-and-given-to-sign", "hashed-to-sign", "a digest and a body to sign", source, signs(outgoing(digest), body, errorCode("invalid_argument")))
}

func limits(a *area, t token) {
	source := "abi.md engine.open: max_body"
	a.accept("at-limit", "a body of exactly max_body bytes", source, open(object{"max_body": len(body)}), accepted(t, nil))
	a.reject("over-limit", "at-limit", "a body over max_body", source, open(object{"max_body": len(body) - 1}), refused(t, nil, "body_too_large"))
	const tenMiB = 10 << 20
	a.accept("at-default-limit", "a body of 10 MiB, which makes a WebAssembly memory grow under the call", source+"; "+traps, open(nil),
		accepted(claim("content_sha256", hexSHA256(strings.Repeat("x", tenMiB))), nil).filled(tenMiB))
	a.reject("over-default-limit", "at-default-limit", "a body of 10 MiB and a byte", source, open(nil),
		refused(claim("content_sha256", hexSHA256(strings.Repeat("x", tenMiB+1))), nil, "body_too_large").filled(tenMiB+1))
	a.reject("over-limit-said", "at-limit", "the host stopped reading at max_body", source, open(nil), refused(t, object{"body": remove, "body_too_large": true}, "body_too_large"))
	a.reject("over-limit-development", "development/body-changed", "the limit holds in development too", source, open(object{"development": true, "max_body": 1}),
		refused(t, nil, "body_too_large"))
	a.reject("signature-before-limit", "at-limit", "who is not known learns nothing of the limit", "protocol.md section 3: one order", open(object{"max_body": 1}),
		refused(sign(mallory, rotagentClaims()), nil, "invalid_signature"))
	a.reject("unavailable", "signed", "something read the body before it was verified", "abi.md request.verify: body_unavailable", open(nil),
		verify(t, object{"body": remove, "body_unavailable": true}, errorCode("body_unavailable")))
}
