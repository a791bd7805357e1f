package generate

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

func signing() *area {
	a := newArea("signing", "Signed requests, byte for byte: RS256 is deterministic, and the claims have one order.")
	exact(a)
	arguments(a)
	signerConfiguration(a)
	hostSigns(a)
	return a
}

// written is the payload that request.sign writes, in its order.
func written(ttl int, body, target string) string {
	return fmt.Sprintf(`{"iss":"alice","iat":%d,"exp":%d,"jti":"jti-1","content_sha256":"%s"%s}`, now, now+ttl, hexSHA256(body), target)
}

func headerWithKid(key keyPair) string {
	return `{"alg":"RS256","typ":"JWT","kid":"` + key.kid() + `"}`
}

func boundTo(method, htu string) string { return `,"htm":"` + method + `","htu":"` + htu + `"` }

// outgoing is the request to be signed; the members change it.
func outgoing(changes object) object {
	return object{"issuer": "alice", "private_key": alice.pkcs8(), "now": now, "jti": "jti-1", "method": "POST", "url": endpoint}.with(changes)
}

func withEngine(changes object) object {
	return outgoing(object{"issuer": remove, "private_key": remove, "engine": "$engine"}).with(changes)
}

func signed(t token, ttl int) object {
	return object{"token": t.String(), "authorization": "Bearer " + t.String(), "claims": parsed(t.payload), "issued_at": now, "expires_at": now + ttl, "key_id": alice.kid()}
}

func exact(a *area) {
	source := "protocol.md section 1"
	gives := func(name, says string, changes object, sent, payload string, ttl int) {
		t := signTexts(alice, headerWithKid(alice), payload)
		s := call("request.sign", outgoing(changes), sent, ok(signed(t, ttl)))
		s.note = t.note()
		a.accept(name, says, source, s)
	}
	gives("bound", "method and URL are named", nil, body, written(60, body, boundTo("POST", endpoint)), 60)
	gives("no-body", "no body: the digest of no bytes", object{"method": "GET"}, "", written(60, "", boundTo("GET", endpoint)), 60)
	gives("binary-body", "a body that is no text", nil, "\x00\xff", written(60, "\x00\xff", boundTo("POST", endpoint)), 60)
	gives("unbound", "a token that names no receiver, as rotagent writes it", object{"method": remove, "url": remove, "unbound": true}, body, written(60, body, ""), 60)
	gives("query", "the query is hashed as it is spelled", object{"url": endpoint + "?a=1&b=%20"}, body,
		written(60, body, boundTo("POST", endpoint)+`,"query_sha256":"`+hexSHA256("a=1&b=%20")+`"`), 60)
	gives("empty-query", "an empty query is none", object{"url": endpoint + "?"}, body, written(60, body, boundTo("POST", endpoint)), 60)
	gives("fragment", "a fragment is never sent", object{"url": endpoint + "#top"}, body, written(60, body, boundTo("POST", endpoint)), 60)
	gives("origin-normal", "scheme and host in lower case, no default port", object{"url": "HTTPS://Agent.EXAMPLE:443/agent"}, body, written(60, body, boundTo("POST", endpoint)), 60)
	gives("no-path", "a URL without a path asks for /", object{"url": "https://agent.example"}, body, written(60, body, boundTo("POST", "https://agent.example/")), 60)
	gives("port", "another port is named", object{"url": "http://localhost:5001/agent"}, body, written(60, body, boundTo("POST", "http://localhost:5001/agent")), 60)
	gives("ttl", "a lifetime of its own", object{"ttl": 5}, body, written(5, body, boundTo("POST", endpoint)), 5)
	gives("now-fraction", "iat and exp are integers: PyJWT before 2.7 refuses a fractional iat in the same second", object{"now": json.Number("1700000000.999")}, body,
		written(60, body, boundTo("POST", endpoint)), 60)
	escaped := `{"iss":"a\"\\\\é😀</b>","iat":1700000000,"exp":1700000060,"jti":"jti-1","content_sha256":"` + hexSHA256("") + `"}`
	escapedToken := signTexts(alice, headerWithKid(alice), strings.ReplaceAll(escaped, `\\\\`, `\\`))
	a.accept("escapes", "one spelling for each text: the shortest escapes, all else as UTF-8", "RFC 8259 section 7",
		call("request.sign", outgoing(object{"issuer": `a"\é😀</b>`, "method": remove, "url": remove, "unbound": true}), "", ok(signed(escapedToken, 60))))
	viaEngine(a)
}

func viaEngine(a *area) {
	t := signTexts(alice, headerWithKid(alice), written(60, body, boundTo("POST", endpoint)))
	a.accept("engine", "an engine signs the same bytes", "ABI.md request.sign", openSigner(nil), call("request.sign", withEngine(nil), body, ok(signed(t, 60))))
	a.accept("engine-jwk", "an engine with a JWK signs the same bytes", "ABI.md engine.open: private_key", openSigner(object{"private_key": text(alice.privateJWK())}),
		call("request.sign", withEngine(nil), body, ok(signed(t, 60))))
	short := signTexts(alice, headerWithKid(alice), written(5, body, boundTo("POST", endpoint)))
	a.accept("engine-ttl", "an engine's own lifetime", "ABI.md engine.open: ttl", openSigner(object{"ttl": 5}), call("request.sign", withEngine(nil), body, ok(signed(short, 5))))
	a.accept("engine-key-id", "the engine tells the key that it signs with", "ABI.md engine.open: key_id",
		call("engine.open", object{"signer": object{"issuer": "alice", "private_key": alice.pkcs8()}}, "", okIncludes(object{"key_id": alice.kid()})))
	both := call("engine.open", object{"signer": object{"issuer": "alice", "private_key": alice.pkcs8()}, "verifier": object{"keys": object{"alice": alice.spki()}}}, "",
		okIncludes(object{})).save("engine", "ok.engine")
	request, sent := received("", object{"authorization": []any{"$authorization"}})
	a.accept("round-trip", "what is signed is accepted, with a jti drawn at random", "protocol.md section 1", both,
		call("request.sign", withEngine(object{"jti": remove}), body, okIncludes(object{"issued_at": now})).
			varies("ok.token", "ok.authorization", "ok.claims.jti").save("authorization", "ok.authorization").save("jti", "ok.claims.jti"),
		call("request.verify", request, sent, okIncludes(object{"issuer": "alice", "jti": "$jti"})).varies("ok.jti", "ok.claims.jti"))
	jtiDrawn(a)
}

// urlCharacters are those that RFC 3986 appendix A has nowhere: HTTP clients encode
// them, so that the URL which arrives is not the one that was signed.
func urlCharacters(bad func(name, twin, says, code string, changes object)) {
	for _, c := range [][2]string{{"quote", `"`}, {"less", "<"}, {"greater", ">"}, {"backslash", `\`}, {"caret", "^"}, {"backquote", "`"}, {"brace", "{"}, {"bar", "|"}, {"brace-closing", "}"}, {"delete", "\x7f"}} {
		bad("url-"+c[0], "bound", "a character that no URL has", "invalid_url", object{"url": endpoint + "/a" + c[1] + "b"})
	}
}

// jtiDrawn: a jti that another token has had would be refused as a replay.
func jtiDrawn(a *area) {
	both := call("engine.open", object{"signer": object{"issuer": "alice", "private_key": alice.pkcs8()}, "verifier": object{"keys": object{"alice": alice.spki()}}}, "",
		okIncludes(object{})).save("engine", "ok.engine")
	signs := func(name string) step {
		return call("request.sign", withEngine(object{"jti": remove}), body, okIncludes(object{"issued_at": now})).
			varies("ok.token", "ok.authorization", "ok.claims.jti").save(name, "ok.authorization")
	}
	verifies := func(name string, expect conformance.Expect) step {
		request, sent := received("", object{"authorization": []any{"$" + name}})
		return call("request.verify", request, sent, expect).varies("ok.jti", "ok.claims.jti")
	}
	source := "ABI.md request.sign: jti; RFC 7519 section 4.1.7"
	works := okIncludes(object{"issuer": "alice"})
	a.accept("jti-drawn", "a jti that is drawn differs from the one before: both of two tokens work", source, both, signs("first"), signs("second"), verifies("first", works), verifies("second", works))
	once := verifies("first", refusal("replay_detected"))
	once.Varies = []string{"error.log"} // it names the jti
	a.reject("jti-drawn-once", "jti-drawn", "and each works once", source, both, signs("first"), signs("second"), verifies("first", works), once)
}

func arguments(a *area) {
	bad := func(name, twin, says, code string, changes object) {
		a.reject(name, twin, says, "ABI.md request.sign", call("request.sign", outgoing(changes), body, errorCode(code)))
	}
	bad("method-missing", "bound", "no method", "invalid_argument", object{"method": remove})
	bad("method-space", "bound", "a method with a space", "invalid_argument", object{"method": "PO ST"})
	bad("method-long", "bound", "a method of 33 letters", "invalid_argument", object{"method": strings.Repeat("M", 33)})
	url := func(name, says, value string) { bad(name, "bound", says, "invalid_url", object{"url": value}) }
	url("url-relative", "a URL without scheme and host", "/agent")
	url("url-no-scheme", "a URL without scheme", "agent.example/agent")
	url("url-other-scheme", "a URL that is not http", "file:///etc/passwd")
	url("url-no-host", "a URL without host", "https:///agent")
	url("url-user", "a URL with user name and password", "https://alice:secret@agent.example/agent")
	url("url-space", "a URL with a space", "https://agent.example/a b")
	url("url-line-break", "a URL with a line break", "https://agent.example/a\r\nX: y")
	urlCharacters(bad)
	url("url-non-ascii", "a URL with a character that no HTTP client sends", "https://agent.example/é")
	url("url-port", "a port over 65535", "https://agent.example:65536/agent")
	url("url-dot-segment", "a dot segment, which HTTP clients take out", "https://agent.example/a/../agent")
	url("url-long", "a URL over 8 KiB", "https://agent.example/"+strings.Repeat("a", 8192))
	bad("url-missing", "bound", "no URL", "invalid_url", object{"url": remove})
	long := strings.Repeat("j", 257)
	bad("jti-too-long", "bound", "a jti of 257 bytes", "invalid_argument", object{"jti": long})
	bad("jti-control-character", "bound", "a line break in the jti", "invalid_argument", object{"jti": "a\nb"})
	bad("ttl-zero", "ttl", "a lifetime of 0 s", "invalid_config", object{"ttl": 0})
	bad("ttl-over-a-day", "ttl", "a lifetime over a day", "invalid_config", object{"ttl": 86401})
	bad("issuer-empty", "bound", "an empty issuer", "invalid_config", object{"issuer": ""})
	bad("key-public", "bound", "a public key to sign with", "invalid_key", object{"private_key": alice.spki()})
	bad("key-encrypted", "bound", "an encrypted key", "invalid_key", object{"private_key": readKeyText("alice.encrypted.pem")})
	bad("key-missing", "bound", "neither engine nor key", "invalid_config", object{"private_key": remove})
	a.reject("engine-and-key", "engine", "engine and key at once", "ABI.md request.sign", openSigner(nil),
		call("request.sign", outgoing(object{"engine": "$engine"}), body, errorCode("invalid_argument")))
	a.reject("engine-without-signer", "engine", "an engine that only verifies", "ABI.md request.sign", open(nil), call("request.sign", withEngine(nil), body, errorCode("invalid_argument")))
}

func signerConfiguration(a *area) {
	bad := func(name, says, code string, changes object) {
		members := object{"issuer": "alice", "private_key": alice.pkcs8()}.with(changes)
		a.reject(name, "engine", says, "ABI.md engine.open: signer", call("engine.open", object{"signer": members}, "", errorCode(code)))
	}
	bad("signer-issuer-missing", "a signer without issuer", "invalid_argument", object{"issuer": remove})
	bad("signer-issuer-control-character", "an issuer with a line break", "invalid_config", object{"issuer": "a\nb"})
	bad("signer-issuer-long", "an issuer of 513 bytes", "invalid_config", object{"issuer": strings.Repeat("i", 513)})
	bad("signer-key-missing", "a signer without key that signs itself", "invalid_config", object{"private_key": remove})
	bad("signer-key-public", "a public key to sign with", "invalid_key", object{"private_key": alice.spki()})
	bad("signer-key-roca", "a key with the ROCA fingerprint", "invalid_key", object{"private_key": roca.pkcs8()})
	bad("signer-key-weak", "a key of 1024 bits", "invalid_key", object{"private_key": weak.pkcs8()})
	bad("signer-key-certificate", "a certificate to sign with", "invalid_key", object{"private_key": readKeyText("alice.certificate.pem")})
	bad("signer-two-keys", "two private keys in one text", "invalid_key", object{"private_key": alice.pkcs8() + bob.pkcs8()})
	bad("signer-ttl", "a lifetime of 0 s", "invalid_config", object{"ttl": 0})
}

// hostSigns: the host holds the private key, or a KMS does.
func hostSigns(a *area) {
	source := "ABI.md needs: sign"
	t := signTexts(alice, headerWithKid(alice), written(60, body, boundTo("POST", endpoint)))
	host := func(changes object) step {
		return openSigner(object{"private_key": remove, "public_key": alice.spki(), "rsa": "host"}.with(changes))
	}
	asksSign := call("request.sign", withEngine(nil), body, need("sign", object{"input": t.input(), "key": alice.kid()})).save("ticket", "ticket")
	a.accept("host", "the host signs what the core wrote", source, host(nil), asksSign, resume(nil, t.signature, ok(signed(t, 60))))
	bad := func(name, says string, signature string) {
		a.reject(name, "host", says, source, host(nil), asksSign, resume(nil, signature, errorCode("signer_failed")))
	}
	bad("host-other-key", "the host signed with another key", rs256(bob, t.input()))
	bad("host-other-bytes", "the host signed something else", rs256(alice, "x"))
	bad("host-short", "the host gave half a signature", t.signature[:128])
	bad("host-nothing", "the host gave nothing", "")
	a.reject("host-failed", "host", "the host could not sign", source, host(nil), asksSign, resume(object{"failed": "HSM is locked"}, "", errorCode("signer_failed")))
	other := t
	other.signature = rs256(bob, t.input())
	a.accept("host-unchecked", "check_signature off: the host's own crypto library is believed", "ABI.md engine.open: check_signature", host(object{"check_signature": false}),
		asksSign, resume(nil, other.signature, ok(signed(other, 60))))

	a.reject("host-import", "host", "within a call only signatures are checked", source, call("engine.open", object{"signer": object{"issuer": "alice", "public_key": alice.spki(), "rsa": "import"}}, "", errorCode("invalid_config")))

	unchecked := host(object{"check_signature": false})
	unsigned := call("request.sign", withEngine(object{"unsigned": true}), body, ok(object{"input": t.input()}))
	a.accept("unsigned", "a host that signs at once gets the bytes to sign and no ticket", "ABI.md request.sign: unsigned", unchecked, unsigned,
		call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"tickets": 0})))
	notUnsigned := func(name, says string, opens step) {
		a.reject("unsigned-"+name, "unsigned", says, "ABI.md request.sign: unsigned", opens, call("request.sign", withEngine(object{"unsigned": true}), body, errorCode("invalid_argument")))
	}
	notUnsigned("checked", "a signature that is to be checked must come back", host(nil))
	notUnsigned("core-key", "the core signs with its own key", openSigner(nil))
	notUnsigned("core-key-unchecked", "check_signature says nothing of the core's own key", openSigner(object{"check_signature": false, "rsa": "core"}))
	notUnsigned("no-public-key", "nobody knows whose signature it would be", host(object{"check_signature": false, "public_key": remove}))

	brief := ok(object{"authorization": "Bearer " + t.String()})
	a.accept("brief", "the header's value alone, from the core's key", "ABI.md engine.open: signer.brief", openSigner(object{"brief": true}), call("request.sign", withEngine(nil), body, brief))
	a.accept("brief-host", "the header's value alone, signed by the host", "ABI.md engine.open: signer.brief", host(object{"brief": true}), asksSign, resume(nil, t.signature, brief))
	a.reject("brief-host-other-key", "brief-host", "a brief answer is checked as any other", source, host(object{"brief": true}), asksSign, resume(nil, rs256(bob, t.input()), errorCode("signer_failed")))

	unnamed := signTexts(alice, plainHeader, t.payload)
	unknown := signed(unnamed, 60).with(object{"key_id": ""})
	asksUnknown := call("request.sign", withEngine(nil), body, need("sign", object{"input": unnamed.input(), "key": ""})).save("ticket", "ticket")
	a.accept("host-unknown-key", "a KMS whose public key nobody told: no kid", source, host(object{"public_key": remove}), asksUnknown, resume(nil, unnamed.signature, ok(unknown)))
	a.reject("host-unknown-key-short", "host-unknown-key", "what it gave is no RSA signature", source, host(object{"public_key": remove}), asksUnknown, resume(nil, "x", errorCode("signer_failed")))
}
