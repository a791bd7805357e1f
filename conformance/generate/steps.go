package generate

import (
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"

	"github.com/tallystick/tallystick/conformance"
)

// step is a step on its way into a vector, with the note of its token.
type step struct {
	conformance.Step
	note string
}

func (s step) save(name, path string) step {
	saved := map[string]string{name: path}
	for other, where := range s.Save {
		saved[other] = where
	}
	s.Save = saved
	return s
}

// filled makes the body so many letters x.
func (s step) filled(bytes int) step {
	s.Body, s.BodyFill = "", bytes
	return s
}

func (s step) times(n int) step {
	s.Repeat = n
	return s
}

func (s step) varies(paths ...string) step {
	s.Varies = paths
	return s
}

func raw(value any) json.RawMessage { return json.RawMessage(text(value)) }

// The expectations.
func ok(members object) conformance.Expect { return conformance.Expect{OK: raw(members)} }
func okIncludes(members object) conformance.Expect {
	return conformance.Expect{OKIncludes: raw(members)}
}
func errorCode(code string) conformance.Expect { return conformance.Expect{Error: code} }
func need(kind string, members object) conformance.Expect {
	return conformance.Expect{Need: raw(members.with(object{"kind": kind}))}
}

// call is one operation with a request object and a body.
func call(op string, request object, body string, expect conformance.Expect) step {
	s := conformance.Step{Op: op, Request: raw(request), Expect: expect}
	if utf8.ValidString(body) {
		s.Body = body
	} else {
		s.BodyBase64 = base64.StdEncoding.EncodeToString([]byte(body))
	}
	return step{Step: s}
}

// callText is one operation with a request text that is no good JSON.
func callText(op, request string, expect conformance.Expect) step {
	return step{Step: conformance.Step{Op: op, RequestText: &request, Expect: expect}}
}

// open opens an engine that verifies; the members change the verifier's
// configuration, which knows alice's key by default.
func open(verifier object) step {
	members := object{"keys": object{"alice": alice.spki()}}.with(verifier)
	return call("engine.open", object{"verifier": members}, "", okIncludes(object{})).save("engine", "ok.engine")
}

// openFiles opens an engine on the content of an authorized-keys folder.
func openFiles(files ...object) step {
	return open(object{"keys": remove, "files": files})
}

func file(name, text string) object { return object{"name": name, "text": text} }

func openSigner(signer object) step {
	members := object{"issuer": "alice", "private_key": alice.pkcs8()}.with(signer)
	return call("engine.open", object{"signer": members}, "", okIncludes(object{})).save("engine", "ok.engine")
}

// received is the request that an agent got; the members change it. "body" is
// the body.
func received(bearer string, changes object) (object, string) {
	request := object{
		"engine": "$engine", "now": now + 1, "authorization": []string{"Bearer " + bearer},
		"method": "POST", "path": "/agent", "body": body,
	}.with(changes)
	sent, _ := request["body"].(string)
	return request.with(object{"body": remove}), sent
}

func verifyText(bearer string, changes object, expect conformance.Expect) step {
	request, body := received(bearer, changes)
	return call("request.verify", request, body, expect)
}

func verify(t token, changes object, expect conformance.Expect) step {
	s := verifyText(t.String(), changes, expect)
	s.note = t.note()
	return s
}

// accepted verifies and expects the token's own issuer and jti.
func accepted(t token, changes object) step {
	var claims struct{ Iss, Jti string }
	if err := json.Unmarshal([]byte(t.payload), &claims); err != nil {
		panic(err)
	}
	return verify(t, changes, saidBy(claims.Iss, claims.Jti))
}

// saidBy expects a verified request of an issuer with a jti.
func saidBy(issuer, jti string) conformance.Expect {
	return okIncludes(object{"claims": object{"iss": issuer, "jti": jti}})
}

// refused verifies and expects a code with the whole row of protocol.md section 3.
func refused(t token, changes object, code string) step {
	return verify(t, changes, refusal(code))
}

func refusedText(bearer string, changes object, code string) step {
	return verifyText(bearer, changes, refusal(code))
}

// resume answers the last need.
func resume(members object, body string, expect conformance.Expect) step {
	request := object{"engine": "$engine", "ticket": "$ticket", "now": now + 1}.with(members)
	return call("engine.resume", request, body, expect)
}

// asks verifies and expects a need, whose ticket it keeps.
func asks(t token, changes object, kind string, members object) step {
	return verify(t, changes, need(kind, members)).save("ticket", "ticket")
}
