package generate

import "strings"

const step8 = "protocol.md section 3 step 8"

func claims() *area {
	a := newArea("claims", "Required claims and their types.")
	a.accept("rotagent", "the claims that rotagent 0.1.0 writes", "rotagent JWT claims", open(nil),
		verify(sign(alice, rotagentClaims()), nil, ok(object{"key_id": alice.kid(), "development": false, "claims": rotagentClaims()})))
	a.accept("rotagent-development", "in development a token may have no jti", "abi.md engine.open: development", open(object{"development": true}),
		verify(sign(alice, rotagentClaims().with(object{"jti": remove, "iat": remove})), nil,
			ok(object{"key_id": alice.kid(), "development": true, "claims": rotagentClaims().with(object{"jti": remove, "iat": remove})})))
	a.accept("unknown-claims", "unknown claims are ignored and handed on", "RFC 7519 section 4", open(nil),
		verify(claim("x", []int{1}), nil, okIncludes(object{"claims": object{"x": []int{1}}})))
	bad := func(name, says, claimName string, value any) {
		a.reject(name, "rotagent", says, step8, open(nil), refused(claim(claimName, value), nil, "invalid_claims"))
	}
	a.reject("exp-missing", "rotagent", "no exp", "rotagent error table", open(nil), refused(claim("exp", remove), nil, "invalid_claims"))
	a.reject("jti-missing", "rotagent", "no jti", "rotagent error table", open(nil), refused(claim("jti", remove), nil, "invalid_claims"))
	bad("digest-missing", "no content_sha256", "content_sha256", remove)
	bad("digest-number", "a content_sha256 that is a number", "content_sha256", 1)
	bad("digest-null", "a content_sha256 of null", "content_sha256", nil)
	bad("jti-empty", "an empty jti", "jti", "")
	bad("jti-number", "a jti that is a number", "jti", 1)
	bad("jti-nul", "a NUL in the jti", "jti", "a\x00")
	bad("jti-control-character", "a DEL in the jti", "jti", "a\x7f")
	bad("sub-nul", "a NUL in the sub", "sub", "a\x00")
	bad("htm-number", "an htm that is a number", "htm", 1)
	bad("htu-array", "an htu that is an array", "htu", []string{endpoint})
	bad("query-digest-boolean", "a query_sha256 of false", "query_sha256", false)

	long := strings.Repeat("j", 256)
	a.accept("jti-longest", "a jti of 256 bytes", traps, open(nil), accepted(claim("jti", long), nil))
	a.reject("jti-too-long", "jti-longest", "a jti of 257 bytes", traps, open(nil), refused(claim("jti", long+"j"), nil, "invalid_claims"))
	a.accept("jti-one-byte", "a jti of one byte", traps, open(nil), accepted(claim("jti", "j"), nil))
	a.reject("audience", "rotagent", "a token that names an audience was made for something else: PyJWT, and so rotagent, refuses it too",
		"RFC 7519 section 4.1.3; protocol.md section 3 step 9", open(nil), refused(claim("aud", "https://agent.example"), nil, "invalid_audience"))
	return a
}
