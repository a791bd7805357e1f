package abi

import (
	"strings"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// The three operations of every request are read by hand: encoding/json costs
// more than all the rest of a verification but the RSA operation. A test compares
// these readers with decode on any input.

// members reads one request object and keeps the first thing wrong with it.
type members struct {
	operation string
	problem   *problem.Problem
	malformed string // the first member that no HTTP request can have had
}

func (m *members) wrong(name, what string) {
	m.problem = problem.Newf(problem.InvalidArgument, "%s: member %s %s", m.operation, name, what)
}

func (m *members) text(v *strictjson.Member, into *string) {
	if v.Kind != strictjson.String {
		m.wrong(v.Name, "must be a string")
		return
	}
	*into = v.Text
}

// wire reads a text of the request line: one byte per character. What has others is
// refused with an answer: who called is at fault, not the program.
func (m *members) wire(v *strictjson.Member, into *string) {
	if m.text(v, into); m.problem != nil {
		return
	}
	bytes, ok := latin1(*into)
	if !ok && m.malformed == "" {
		m.malformed = v.Name
	}
	*into = bytes
}

func latin1(text string) (string, bool) {
	plain := true
	for i := 0; i < len(text) && plain; i++ {
		plain = text[i] < 0x80
	}
	if plain {
		return text, true
	}
	bytes := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xFF {
			return "", false
		}
		bytes = append(bytes, byte(r))
	}
	return string(bytes), true
}

func (m *members) flag(v *strictjson.Member, into *bool) {
	if v.Kind != strictjson.Bool {
		m.wrong(v.Name, "must be true or false")
		return
	}
	*into = v.Raw == "true"
}

func (m *members) number(v *strictjson.Member, into *float64) {
	n, ok := v.Seconds()
	if !ok {
		m.wrong(v.Name, "must be a number within 2^53")
		return
	}
	*into = n
}

func (m *members) integer(v *strictjson.Member, into *int64) {
	n, ok := v.Seconds()
	if !ok || strings.ContainsAny(v.Raw, ".eE") {
		m.wrong(v.Name, "must be an integer")
		return
	}
	*into = int64(n)
}

// handle reads a number that the core gave out.
func (m *members) handle(v *strictjson.Member, into *uint64) {
	var n int64
	if m.integer(v, &n); m.problem == nil && n < 1 {
		m.wrong(v.Name, "must be a positive integer")
	}
	*into = uint64(max(n, 0))
}

func (m *members) texts(v *strictjson.Member, into *[]string) {
	if v.Kind != strictjson.Array {
		m.wrong(v.Name, "must be an array of strings")
		return
	}
	var ok bool
	// What is no base64url there is a malformed token, of whatever alphabet.
	if *into, ok = strictjson.AppendStrings([]string{}, v.Raw); !ok { //guard:entries-strings never
		m.wrong(v.Name, "must be a string")
	}
}

// digest reads what digest.Hex writes.
func (m *members) digest(v *strictjson.Member, into *string) {
	if m.text(v, into); m.problem == nil && !digest.IsHex(*into) {
		m.wrong(v.Name, "must be 64 lower-case hex digits")
	}
}

func (m *members) status(v *strictjson.Member, into *int) {
	var n int64
	if m.integer(v, &n); m.problem == nil && (n < 100 || n > 999) {
		m.wrong(v.Name, "must be an HTTP status")
	}
	*into = int(n)
}

// headers reads an answer's headers, one character per byte.
func (m *members) headers(v *strictjson.Member, r *EngineResumeRequest) {
	if v.Kind != strictjson.Object {
		m.wrong(v.Name, "must be an object of strings")
		return
	}
	r.Headers = map[string]string{}
	object := strictjson.Read(v.Raw)
	for m.problem == nil && object.Next() {
		var value string
		if m.wire(&object.Member, &value); m.malformed != "" {
			m.wrong(v.Name, "must have one character per byte (latin-1)")
		}
		r.Headers[object.Name] = value
	}
}

// gate puts a fault of the text before whatever was read from it.
func (m *members) gate(err error) {
	if err != nil {
		m.problem = notStrict(m.operation, err)
	}
}

// refusal is what is wrong, or that no HTTP request can have been so.
func (m *members) refusal() *problem.Problem {
	if m.problem == nil && m.malformed != "" { //guard:wire-malformed never
		return problem.New(problem.MalformedRequest, "").WithLog("%s has a character above U+00FF, which no byte of a request is", m.malformed)
	}
	return m.problem
}

// require reports the first missing member.
func (m *members) require(there bool, name string) {
	if m.problem == nil && !there {
		m.wrong(name, "is missing")
	}
}

func readVerify(text string, r *RequestVerifyRequest) *problem.Problem {
	m := members{operation: "request.verify"}
	var engine, now, authorization, method, path bool
	object := strictjson.Read(text)
	for object.Next() {
		if m.problem != nil {
			continue // a fault of the text goes first
		}
		switch v := &object.Member; v.Name {
		case "engine":
			engine = true
			m.handle(v, &r.Engine)
		case "now":
			now = true
			m.number(v, &r.Now)
		case "authorization":
			authorization = true
			m.texts(v, &r.Authorization)
		case "authorization_in_body":
			m.flag(v, &r.AuthorizationInBody)
		case "method":
			method = true
			m.wire(v, &r.Method)
		case "path":
			path = true
			m.wire(v, &r.Path)
		case "query":
			m.wire(v, &r.Query)
		case "mount":
			m.wire(v, &r.Mount)
		case "path_decoded":
			m.flag(v, &r.PathDecoded)
		case "raw_target":
			m.wire(v, &r.RawTarget)
		case "body_pending":
			m.flag(v, &r.BodyPending)
		case "body_sha256":
			m.digest(v, &r.BodySHA256)
		case "body_too_large":
			m.flag(v, &r.BodyTooLarge)
		case "body_unavailable":
			m.flag(v, &r.BodyUnavailable)
		case "body_malformed":
			m.flag(v, &r.BodyMalformed)
		default:
			m.wrong(problem.Quote(v.Name), "is unknown")
		}
	}
	m.gate(object.Err())
	m.require(engine, "engine")
	m.require(now, "now")
	m.require(authorization, "authorization")
	m.require(method, "method")
	m.require(path, "path")
	return m.refusal()
}

func readSign(text []byte, r *RequestSignRequest) *problem.Problem {
	m := members{operation: "request.sign"}
	var now bool
	object := strictjson.Read(string(text))
	for object.Next() {
		if m.problem != nil {
			continue // a fault of the text goes first
		}
		switch v := &object.Member; v.Name {
		case "engine":
			m.handle(v, &r.Engine)
		case "issuer":
			m.text(v, &r.Issuer)
		case "private_key":
			m.text(v, &r.PrivateKey)
		case "now":
			now = true
			m.number(v, &r.Now)
		case "method":
			m.text(v, &r.Method)
		case "url":
			m.text(v, &r.URL)
		case "unbound":
			m.flag(v, &r.Unbound)
		case "unsigned":
			m.flag(v, &r.Unsigned)
		case "jti":
			m.text(v, &r.JTI)
		case "ttl":
			if m.integer(v, &r.TTL); m.problem == nil {
				m.problem = checkTTL(r.TTL)
			}
		case "body_sha256":
			m.digest(v, &r.BodySHA256)
		default:
			m.wrong(problem.Quote(v.Name), "is unknown")
		}
	}
	m.gate(object.Err())
	m.require(now, "now")
	return m.problem
}

func readResume(text []byte, r *EngineResumeRequest) *problem.Problem {
	m := members{operation: "engine.resume"}
	var engine, ticket, now bool
	object := strictjson.Read(string(text))
	for object.Next() {
		if m.problem != nil {
			continue // a fault of the text goes first
		}
		switch v := &object.Member; v.Name {
		case "engine":
			engine = true
			m.handle(v, &r.Engine)
		case "ticket":
			ticket = true
			m.handle(v, &r.Ticket)
		case "now":
			now = true
			m.number(v, &r.Now)
		case "files", "keys":
			m.keys(v, r)
		case "unchanged":
			m.flag(v, &r.Unchanged)
		case "failed":
			r.Failed = new(string)
			m.text(v, r.Failed)
		case "claim":
			m.text(v, &r.Claim)
		case "valid":
			r.Valid = new(bool)
			m.flag(v, r.Valid)
		case "status":
			m.status(v, &r.Status)
		case "headers":
			m.headers(v, r)
		case "body_sha256":
			m.digest(v, &r.BodySHA256)
		case "body_too_large":
			m.flag(v, &r.BodyTooLarge)
		case "body_unavailable":
			m.flag(v, &r.BodyUnavailable)
		case "body_malformed":
			m.flag(v, &r.BodyMalformed)
		case "overloaded":
			m.flag(v, &r.Overloaded)
		default:
			m.wrong(problem.Quote(v.Name), "is unknown")
		}
	}
	m.gate(object.Err())
	m.require(engine, "engine")
	m.require(ticket, "ticket")
	m.require(now, "now")
	return m.problem
}

// keys reads the two large members, which come once a second at most.
func (m *members) keys(v *strictjson.Member, r *EngineResumeRequest) {
	var load KeysLoadRequest
	if err := decode([]byte(`{"`+v.Name+`":`+v.Raw+`}`), &load); err != nil {
		m.problem = problem.Newf(problem.InvalidArgument, "engine.resume: %s", err)
		return
	}
	if v.Name == "files" {
		r.Files = load.Files
	} else {
		r.Keys = load.Keys
	}
}

func readAccessVerify(text []byte, r *AccessVerifyRequest) *problem.Problem {
	m := members{operation: "access.verify"}
	var engine, now bool
	object := strictjson.Read(string(text))
	for object.Next() {
		if m.problem != nil {
			continue // a fault of the text goes first
		}
		switch v := &object.Member; v.Name {
		case "engine":
			engine = true
			m.handle(v, &r.Engine)
		case "now":
			now = true
			m.number(v, &r.Now)
		case "authorization":
			m.texts(v, &r.Authorization)
		case "token":
			r.Token = new(string)
			m.text(v, r.Token)
		case "method":
			m.wire(v, &r.Method)
		case "path":
			m.wire(v, &r.Path)
		case "query":
			m.wire(v, &r.Query)
		case "mount":
			m.wire(v, &r.Mount)
		case "path_decoded":
			m.flag(v, &r.PathDecoded)
		case "raw_target":
			m.wire(v, &r.RawTarget)
		case "required_scopes":
			m.texts(v, &r.RequiredScopes)
		case "require_binding":
			m.flag(v, &r.RequireBinding)
		default:
			m.wrong(problem.Quote(v.Name), "is unknown")
		}
	}
	m.gate(object.Err())
	m.require(engine, "engine")
	m.require(now, "now")
	return m.refusal()
}
