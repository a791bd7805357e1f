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

func headerWithKid(key pair) string {
	return `{"alg":"` + key.algorithm() + `","typ":"JWT","kid":"` + key.kid() + `"}`
}

func boundTo(method, htu string) string { return `,"htm":"` + method + `","htu":"` + htu + `"` }

// outgoing is the request to be signed; the members change it.
func outgoing(changes object) object {
	return object{"issuer": "alice", "private_key": alice.pkcs8(), "now": now, "jti": "jti-1", "method": "POST", "url": endpoint}.with(changes)
}

func withEngine(changes object) object {
	return outgoing(object{"issuer": remove, "private_key": remove, "engine": "$engine"}).with(changes)
}

// signed is the answer of request.sign.
func signed(t token) object { return object{"authorization": "Bearer " + t.String()} }

func exact(a *area) {
	source := "protocol.md section 1"
	gives := func(name, says string, changes object, sent, payload string) {
		t := signTexts(alice, headerWithKid(alice), payload)
		s := call("request.sign", outgoing(changes), sent, ok(signed(t)))
		s.note = t.note()
		a.accept(name, says, source, s)
	}
	gives("bound", "method and URL are named", nil, body, written(60, body, boundTo("POST", endpoint)))
	gives("no-body", "no body: the digest of no bytes", object{"method": "GET"}, "", written(60, "", boundTo("GET", endpoint)))
	gives("binary-body", "a body that is no text", nil, "\x00\xff", written(60, "\x00\xff", boundTo("POST", endpoint)))
	gives("unbound", "a token that names no receiver, as rotagent writes it", object{"method": remove, "url": remove, "unbound": true}, body, written(60, body, ""))
	gives("query", "the query is hashed as it is spelled", object{"url": endpoint + "?a=1&b=%20"}, body,
		written(60, body, boundTo("POST", endpoint)+`,"query_sha256":"`+hexSHA256("a=1&b=%20")+`"`))
	gives("empty-query", "an empty query is none", object{"url": endpoint + "?"}, body, written(60, body, boundTo("POST", endpoint)))
	gives("fragment", "a fragment is never sent", object{"url": endpoint + "#top"}, body, written(60, body, boundTo("POST", endpoint)))
	gives("origin-normal", "scheme and host in lower case, no default port", object{"url": "HTTPS://Agent.EXAMPLE:443/agent"}, body, written(60, body, boundTo("POST", endpoint)))
	gives("no-path", "a URL without a path asks for /", object{"url": "https://agent.example"}, body, written(60, body, boundTo("POST", "https://agent.example/")))
	gives("port", "another port is named", object{"url": "http://localhost:5001/agent"}, body, written(60, body, boundTo("POST", "http://localhost:5001/agent")))
	gives("ttl", "a lifetime of its own", object{"ttl": 5}, body, written(5, body, boundTo("POST", endpoint)))
	gives("now-fraction", "iat and exp are integers: PyJWT before 2.7 refuses a fractional iat in the same second", object{"now": json.Number("1700000000.999")}, body,
		written(60, body, boundTo("POST", endpoint)))
	escaped := `{"iss":"a\"\\\\é😀</b>","iat":1700000000,"exp":1700000060,"jti":"jti-1","content_sha256":"` + hexSHA256("") + `"}`
	escapedToken := signTexts(alice, headerWithKid(alice), strings.ReplaceAll(escaped, `\\\\`, `\\`))
	a.accept("escapes", "one spelling for each text: the shortest escapes, all else as UTF-8", "RFC 8259 section 7",
		call("request.sign", outgoing(object{"issuer": `a"\é😀</b>`, "method": remove, "url": remove, "unbound": true}), "", ok(signed(escapedToken))))
	viaEngine(a)
}

func viaEngine(a *area) {
	t := signTexts(alice, headerWithKid(alice), written(60, body, boundTo("POST", endpoint)))
	a.accept("engine", "an engine signs the same bytes", "abi.md request.sign", openSigner(nil), call("request.sign", withEngine(nil), body, ok(signed(t))))
	a.accept("engine-jwk", "an engine with a JWK signs the same bytes", "abi.md engine.open: private_key", openSigner(object{"private_key": text(alice.privateJWK())}),
		call("request.sign", withEngine(nil), body, ok(signed(t))))
	short := signTexts(alice, headerWithKid(alice), written(5, body, boundTo("POST", endpoint)))
	a.accept("engine-ttl", "an engine's own lifetime", "abi.md engine.open: ttl", openSigner(object{"ttl": 5}), call("request.sign", withEngine(nil), body, ok(signed(short))))
	a.accept("engine-key-id", "the engine tells the key that it signs with", "abi.md engine.open: key_id",
		call("engine.open", object{"signer": object{"issuer": "alice", "private_key": alice.pkcs8()}}, "", okIncludes(object{"key_id": alice.kid()})))
	both := call("engine.open", object{"signer": object{"issuer": "alice", "private_key": alice.pkcs8()}, "verifier": object{"keys": object{"alice": alice.spki()}}}, "",
		okIncludes(object{})).save("engine", "ok.engine")
	request, sent := received("", object{"authorization": []any{"$authorization"}})
	a.accept("round-trip", "what is signed is accepted, with a jti drawn at random", "protocol.md section 1", both,
		call("request.sign", withEngine(object{"jti": remove}), body, okIncludes(object{})).
			varies("ok.authorization").save("authorization", "ok.authorization"),
		call("request.verify", request, sent, okIncludes(object{"claims": object{"iss": "alice", "iat": now, "exp": now + 60}})).varies("ok.claims.jti"))
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
		return call("request.sign", withEngine(object{"jti": remove}), body, okIncludes(object{})).
			varies("ok.authorization").save(name, "ok.authorization")
	}
	verifies := func(name string, expect conformance.Expect) step {
		request, sent := received("", object{"authorization": []any{"$" + name}})
		return call("request.verify", request, sent, expect).varies("ok.claims.jti")
	}
	source := "abi.md request.sign: jti; RFC 7519 section 4.1.7"
	works := okIncludes(object{"claims": object{"iss": "alice"}})
	a.accept("jti-drawn", "a jti that is drawn differs from the one before: both of two tokens work", source, both, signs("first"), signs("second"), verifies("first", works), verifies("second", works))
	once := verifies("first", refusal("replay_detected"))
	once.Varies = []string{"error.log"} // it names the jti
	a.reject("jti-drawn-once", "jti-drawn", "and each works once", source, both, signs("first"), signs("second"), verifies("first", works), once)
}

func arguments(a *area) {
	bad := func(name, twin, says, code string, changes object) {
		a.reject(name, twin, says, "abi.md request.sign", call("request.sign", outgoing(changes), body, errorCode(code)))
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
	bad("ttl-zero", "ttl", "a lifetime of 0 s", "invalid_argument", object{"ttl": 0})
	bad("ttl-over-a-day", "ttl", "a lifetime over a day", "invalid_argument", object{"ttl": 86401})
	bad("issuer-empty", "bound", "an empty issuer", "invalid_config", object{"issuer": ""})
	bad("key-public", "bound", "a public key to sign with", "invalid_key", object{"private_key": alice.spki()})
	bad("key-encrypted", "bound", "an encrypted key", "invalid_key", object{"private_key": readKeyText("alice.encrypted.pem")})
	bad("key-missing", "bound", "neither engine nor key", "invalid_config", object{"private_key": remove})
	a.reject("engine-and-key", "engine", "engine and key at once", "abi.md request.sign", openSigner(nil),
		call("request.sign", outgoing(object{"engine": "$engine"}), body, errorCode("invalid_argument")))
	a.reject("engine-without-signer", "engine", "an engine that only verifies", "abi.md request.sign", open(nil), call("request.sign", withEngine(nil), body, errorCode("invalid_argument")))
}

func signerConfiguration(a *area) {
	bad := func(name, says, code string, changes object) {
		members := object{"issuer": "alice", "private_key": alice.pkcs8()}.with(changes)
		a.reject(name, "engine", says, "abi.md engine.open: signer", call("engine.open", object{"signer": members}, "", errorCode(code)))
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
	source := "abi.md needs: sign"
	t := signTexts(alice, headerWithKid(alice), written(60, body, boundTo("POST", endpoint)))
	host := func(changes object) step {
		return openSigner(object{"private_key": remove, "public_key": alice.spki(), "rsa": "external"}.with(changes))
	}
	asksSign := call("request.sign", withEngine(nil), body, need("sign", object{"input": t.input(), "key": alice.kid()})).save("ticket", "ticket")
	a.accept("host", "somebody else signs what the core wrote: a KMS, an HSM", source, host(nil), asksSign, resume(nil, t.signature, ok(signed(t))))
	bad := func(name, says string, signature string) {
		a.reject(name, "host", says, source, host(nil), asksSign, resume(nil, signature, errorCode("signer_failed")))
	}
	bad("host-other-key", "the host signed with another key", rs256(bob, t.input()))
	bad("host-other-bytes", "the host signed something else", rs256(alice, "x"))
	bad("host-short", "the host gave half a signature", t.signature[:128])
	bad("host-nothing", "the host gave nothing", "")
	a.reject("host-failed", "host", "the host could not sign", source, host(nil), asksSign, resume(object{"failed": "HSM is locked"}, "", errorCode("signer_failed")))
	own := host(object{"rsa": "host"})
	other := t
	other.signature = rs256(bob, t.input())
	a.accept("host-own", "the host's own crypto library signs, and is believed", "abi.md engine.open: signer, rsa", own, asksSign, resume(nil, other.signature, ok(signed(other))))
	a.reject("host-own-short", "host-own", "half a signature, though nobody looks at it", source, own, asksSign, resume(nil, t.signature[:128], errorCode("signer_failed")))
	choice := func(name, says, word string) {
		a.reject(name, "host", says, "abi.md engine.open: signer, rsa", call("engine.open", object{"signer": object{"issuer": "alice", "public_key": alice.spki(), "rsa": word}}, "", errorCode("invalid_config")))
	}
	choice("host-import", "within a call only signatures are checked", "import")
	choice("host-other-word", "a word that is none of the three", "kms")

	unnamed := signTexts(alice, plainHeader, t.payload)
	asksUnknown := call("request.sign", withEngine(nil), body, need("sign", object{"input": unnamed.input(), "key": ""})).save("ticket", "ticket")
	a.accept("host-unknown-key", "a KMS whose public key nobody told: no kid", source, host(object{"public_key": remove}), asksUnknown, resume(nil, unnamed.signature, ok(signed(unnamed))))
	a.reject("host-unknown-key-short", "host-unknown-key", "what it gave is no RSA signature", source, host(object{"public_key": remove}), asksUnknown, resume(nil, "x", errorCode("signer_failed")))
}
