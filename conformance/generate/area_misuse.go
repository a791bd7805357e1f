package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func misuse() *area {
	a := newArea("abi", "Calls that no host should make: each has a clear answer, and none stops the core.")
	good := object{"pattern": "a", "scope": "a"}
	a.accept("call", "a call as it should be", "abi.md", call("scope.match", good, "", ok(object{"match": true})))
	a.accept("white-space", "white space around the request", "RFC 8259 section 2", callText("scope.match", " {\n\"pattern\" : \"a\",\t\"scope\":\"a\"}\r\n", ok(object{"match": true})))
	a.accept("version", "the version of the ABI and all operations", "abi.md version", call("version", object{}, "", okIncludes(object{"abi": 1, "operations": []string{
		"access.command", "access.issue", "access.serve", "access.verify", "address.check", "agent.covers", "agent.match", "agent.resolve", "claim.refuse", "client.secret", "config.read", "config.variables",
		"digest.body", "document.open", "document.seal", "engine.close", "engine.feed", "engine.key", "engine.open",
		"engine.resume", "engine.stats", "guard.passes", "jws.sign", "jws.verify", "key.generate", "key.inspect", "keys.load",
		"proxy.choose", "request.endpoint", "request.outcome", "request.sign", "request.verify", "ring.update", "scope.filter", "scope.match", "trust.issuer", "trust.rules", "version"}})))
	operation := func(name, says, op string) {
		a.reject(name, "call", says, "abi.md", call(op, good, "", errorCode("unknown_operation")))
	}
	operation("operation-unknown", "an operation that does not exist", "scope.unmatch")
	operation("operation-empty", "no operation", "")
	operation("operation-other-case", "operations are case-sensitive", "Scope.Match")
	requestTexts(a)
	hotTexts(a)
	members(a)
	return a
}

func requestTexts(a *area) {
	bad := func(name, says, text string) {
		a.reject(name, "white-space", says, "abi.md, The call: request is strict", callText("scope.match", text, errorCode("invalid_argument")))
	}
	bad("request-empty", "no request", "")
	bad("request-no-json", "a request that is not JSON", "hello")
	bad("request-null", "a request of null", "null")
	bad("request-array", "a request that is an array", `[{"pattern":"a","scope":"a"}]`)
	bad("request-byte-order-mark", "a byte order mark before the request, which some decoders of UTF-8 swallow (found by fuzz-parity)", "\ufeff"+`{"pattern":"a","scope":"a"}`)
	bad("request-cut", "a request that is cut off", `{"pattern":"a","scope":"a`)
	bad("request-trailing", "text after the request", `{"pattern":"a","scope":"a"}x`)
	bad("request-member-twice", "a member twice", `{"pattern":"a","scope":"a","scope":"b"}`)
	bad("request-member-twice-escaped", "a member twice, once spelled with an escape", `{"pattern":"a","scope":"a","\u0073cope":"b"}`)
	bad("request-surrogate", "an unpaired surrogate", `{"pattern":"a","scope":"\ud800"}`)
	bad("request-deep", "20,000 nested brackets, which overflow the stack of a WebAssembly host", `{"pattern":"a","scope":`+nested(20000)+`}`)
	bad("request-single-quotes", "single quotes", `{'pattern':'a','scope':'a'}`)
	bad("request-nan", "NaN", `{"pattern":"a","scope":NaN}`)
}

// hotTexts: the operations of every request read while they check, so that each
// of them has to show that a fault behind the last member is not overlooked.
func hotTexts(a *area) {
	t := sign(alice, rotagentClaims())
	verify := text(object{"engine": "$engine", "now": now + 1, "authorization": []string{"Bearer " + t.String()}, "method": "POST", "path": "/agent"})
	hotOperation(a, "request.verify", verify, open(nil))
	hotOperation(a, "request.sign", text(withEngine(nil)), openSigner(nil))
	hotOperation(a, "access.verify", text(asked(accessToken(nil).String(), nil)), openAccess(nil))
	resume := text(object{"engine": "$engine", "ticket": "$ticket", "now": now + 1, "valid": true})
	hotOperation(a, "engine.resume", resume, open(object{"rsa": "host"}), asks(t, nil, "check", object{}))
}

func hotOperation(a *area, op, request string, before ...step) {
	name := strings.ReplaceAll(op, ".", "-")
	with := func(request string, expect conformance.Expect) []step {
		last := callText(op, request, expect)
		if op != "engine.resume" {
			last.Body = body
		}
		return append(append([]step{}, before...), last)
	}
	a.accept(name+"-white-space", op+" with white space around", "RFC 8259 section 2", with(" "+request+"\r\n\t", okIncludes(object{}))...)
	bad := func(fault, says, request string) {
		a.reject(name+"-"+fault, name+"-white-space", op+": "+says, "abi.md, The call: request is strict", with(request, errorCode("invalid_argument"))...)
	}
	rest := request[1:]
	bad("member-twice", "a member twice", `{"engine":"$engine",`+rest)
	bad("member-twice-escaped", "a member twice, once spelled with an escape", `{"\u0065ngine":"$engine",`+rest)
	bad("trailing", "text after the request", request+"{}")
	bad("cut", "a request that is cut off", request[:len(request)-1])
	bad("comma", "a comma after the last member", request[:len(request)-1]+",}")
	bad("unknown-last", "a member that does not exist, after the others", request[:len(request)-1]+`,"x":1}`)
	bad("surrogate", "an unpaired surrogate in a name", request[:len(request)-1]+`,"\ud800":1}`)
	bad("deep", "nested too deeply", request[:len(request)-1]+`,"x":`+nested(5000)+`}`)
	bad("array", "an array", "["+request+"]")
	bad("empty", "nothing", "")
}

func members(a *area) {
	bad := func(name, says string, changes object) {
		a.reject(name, "call", says, "abi.md, The call: request is strict", call("scope.match", object{"pattern": "a", "scope": "a"}.with(changes), "", errorCode("invalid_argument")))
	}
	bad("member-unknown", "a member that does not exist", object{"x": 1})
	bad("member-missing", "a required member is missing", object{"scope": remove})
	bad("member-null", "null is no way to leave a member out", object{"scope": nil})
	bad("member-type", "a number where a text is wanted", object{"scope": 1})
	bad("member-other-case", "members are case-sensitive", object{"scope": remove, "Scope": "a"})

	hotMembers(a)
	goneMembers(a)
}

// goneMembers: what an older host may still say in engine.open.
func goneMembers(a *area) {
	gone := func(part, name string, config object) {
		a.reject("open-"+part+"-"+strings.ReplaceAll(name, "_", "-"), "call", "a member that the ABI does not have any more", "abi.md engine.open",
			call("engine.open", object{part: config.with(object{name: true})}, "", errorCode("invalid_argument")))
	}
	signer := object{"issuer": "alice", "private_key": alice.pkcs8()}
	gone("verifier", "brief", object{"keys": object{"alice": alice.spki()}})
	gone("signer", "brief", signer)
	gone("signer", "check_signature", signer)
	gone("access", "check_signature", object{"base_url": bobURL, "ring": publicRing(bob)})
	a.reject("operation-request-refuse", "call", "an operation that the ABI does not have any more", "abi.md claim.refuse",
		call("request.refuse", object{"engine": 1, "issuer": "alice", "jti": "jti-1", "claim": "exists"}, "", errorCode("unknown_operation")))
}

// hotMembers: the operations of every request have readers of their own.
func hotMembers(a *area) {
	t := sign(alice, rotagentClaims())
	verifies := func(name, says string, changes object) {
		a.reject(name, "authorization/bearer", says, "abi.md request.verify", open(nil), verify(t, changes, errorCode("invalid_argument")))
	}
	verifies("verify-now-missing", "request.verify without now: the core has no clock", object{"now": remove})
	verifies("verify-now-text", "a now that is a text", object{"now": "1700000001"})
	verifies("verify-now-null", "a now of null", object{"now": nil})
	verifies("verify-now-huge", "a now over 2^53", object{"now": 1e300})
	verifies("verify-authorization-missing", "no authorization member: no header is []", object{"authorization": remove})
	verifies("verify-authorization-text", "an authorization that is no array", object{"authorization": "Bearer " + t.String()})
	verifies("verify-authorization-number", "an authorization that holds a number", object{"authorization": []int{1}})
	a.reject("verify-header-above-latin-1", "authorization/bearer", "a header with a character above U+00FF is no base64url", "abi.md, The call: latin-1", open(nil),
		refusedText(t.String()+"€", nil, "malformed_token"))
	verifies("verify-unknown-member", "a member that does not exist", object{"paht": "/agent"})
	verifies("verify-flag-text", "a text where true or false is wanted", object{"path_decoded": "false"})
	verifies("verify-authorization-in-body", "a member that the ABI does not have any more", object{"authorization_in_body": false})
	verifies("verify-engine-zero", "an engine that the core has never given out", object{"engine": 0})
	verifies("verify-engine-text", "an engine that is a text", object{"engine": "1"})
	verifies("verify-engine-fraction", "an engine that is a fraction", object{"engine": 1.5})

	signs := func(name, says string, changes object) {
		a.reject(name, "signing/bound", says, "abi.md request.sign", call("request.sign", outgoing(changes), "", errorCode("invalid_argument")))
	}
	signs("sign-now-missing", "request.sign without now", object{"now": remove})
	signs("sign-unknown-member", "a member that does not exist", object{"methd": "POST"})
	signs("sign-unsigned", "a member that the ABI does not have any more", object{"unsigned": false})
	signs("sign-jti-null", "null is no way to leave a member out", object{"jti": nil})
	signs("sign-ttl-fraction", "a lifetime that is a fraction", object{"ttl": 1.5})
	signs("sign-unbound-text", "a text where true or false is wanted", object{"unbound": "true"})
	resumes := func(name, says string, members object) {
		a.reject(name, "needs/check-valid", says, "abi.md engine.resume", open(object{"rsa": "host"}), asks(t, nil, "check", object{}),
			resume(members, "", errorCode("invalid_argument")))
	}
	valid := object{"valid": true}
	resumes("resume-status-short", "a status of two digits", valid.with(object{"status": 99}))
	resumes("resume-status-long", "a status of four digits", valid.with(object{"status": 1000}))
	resumes("resume-unknown-member", "a member that does not exist", valid.with(object{"x": 1}))
	resumes("resume-claim-boolean", "true where a word is wanted", object{"claim": true})
	resumes("resume-ticket-text", "a ticket that is a text", valid.with(object{"ticket": "1"}))
	resumes("resume-ticket-missing", "no ticket", object{"valid": true, "ticket": remove})
	resumes("resume-now-missing", "no now", object{"valid": true, "now": remove})
	resumes("resume-failed-null", "null is no reason", object{"failed": nil})
}
