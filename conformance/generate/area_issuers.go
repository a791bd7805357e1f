package generate

import "strings"

const step4 = "protocol.md section 3 step 4"

func issuers() *area {
	a := newArea("issuer", "Who says so: iss selects the keys, and is only ever a map key.")
	from := func(key keyPair, issuer any) token { return sign(key, rotagentClaims().with(object{"iss": issuer})) }
	both := object{"keys": object{"alice": alice.spki(), "bob": bob.spki()}}

	a.accept("known", "an issuer whose key is known", step4, open(both), accepted(from(bob, "bob"), nil))
	a.reject("unknown", "known", "an issuer without a key", "rotagent error table; "+step4, open(nil), verify(from(bob, "bob"), nil, unknownIssuer("bob")))
	a.reject("other-case", "known", "issuers are case-sensitive", step4, open(both), verify(from(bob, "Bob"), nil, unknownIssuer("Bob")))
	a.reject("path", "known", "a path as issuer names no file", traps, open(both), verify(from(bob, "../bob"), nil, unknownIssuer("../bob")))
	a.reject("of-another", "known", "bob's key does not sign for alice", "RFC 8725 section 3.8", open(both), refused(from(bob, "alice"), nil, "invalid_signature"))
	a.accept("utf-8", "an issuer outside ASCII", "RFC 7519 section 4.1.1", open(object{"keys": object{"ålice": alice.spki()}}), accepted(from(alice, "ålice"), nil))
	a.reject("quotes-in-response", "known", "an issuer with quotes and markup comes back escaped as JSON", "RFC 8259 section 7", open(both),
		verify(from(bob, `"><script>`), nil, unknownIssuer(`"><script>`)))

	long := strings.Repeat("i", 512)
	a.accept("longest", "an issuer of 512 bytes", "abi.md engine.open", open(object{"keys": object{long: alice.spki()}}), accepted(from(alice, long), nil))
	bad := func(name, says string, issuer any) {
		a.reject(name, "known", says, traps, open(nil), refused(from(alice, issuer), nil, "invalid_claims"))
	}
	a.reject("too-long", "longest", "an issuer of 513 bytes", "abi.md engine.open", open(nil), refused(from(alice, long+"i"), nil, "invalid_claims"))
	bad("missing", "no iss", remove)
	bad("null", "an iss of null", nil)
	bad("number", "an iss that is a number", 1)
	bad("array", "an iss that is an array", []string{"alice"})
	bad("empty", "an empty iss", "")
	bad("nul", "a NUL in iss", "alice\x00")
	bad("control-character", "a line break in iss", "alice\n")
	bad("c1-control-character", "a C1 control character in iss", "alice\u0085")
	return a
}
