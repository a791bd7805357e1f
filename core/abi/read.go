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
}

func (m *members) wrong(name, what string) {
	m.problem = problem.Newf(problem.InvalidArgument, "%s: member %s %s", m.operation, name, what)
}

func (m *members) text(name string, v strictjson.Value, into *string) {
	if !strictjson.IsString(v) {
		m.wrong(name, "must be a string")
		return
	}
	*into = v.Str
}

// wire reads a text of the request line or a header: one byte per character.
func (m *members) wire(name string, v strictjson.Value, into *string) {
	if m.text(name, v, into); m.problem != nil {
		return
	}
	bytes, ok := latin1(*into)
	if !ok {
		m.wrong(name, "must have one character per byte (latin-1)")
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

func (m *members) flag(name string, v strictjson.Value, into *bool) {
	if !strictjson.IsBool(v) {
		m.wrong(name, "must be true or false")
		return
	}
	*into = v.Bool()
}

func (m *members) number(name string, v strictjson.Value, into *float64) {
	n, ok := strictjson.Seconds(v)
	if !ok {
		m.wrong(name, "must be a number within 2^53")
		return
	}
	*into = n
}

func (m *members) integer(name string, v strictjson.Value, into *int64) {
	n, ok := strictjson.Seconds(v)
	if !ok || strings.ContainsAny(v.Raw, ".eE") {
		m.wrong(name, "must be an integer")
		return
	}
	*into = int64(n)
}

// handle reads a number that the core gave out.
func (m *members) handle(name string, v strictjson.Value, into *uint64) {
	var n int64
	if m.integer(name, v, &n); m.problem == nil && n < 1 {
		m.wrong(name, "must be a positive integer")
	}
	*into = uint64(max(n, 0))
}

func (m *members) texts(name string, v strictjson.Value, into *[]string) {
	if !v.IsArray() {
		m.wrong(name, "must be an array of strings")
		return
	}
	*into = []string{}
	v.ForEach(func(_, entry strictjson.Value) bool {
		var one string
		m.text(name, entry, &one) // what is no base64url there is a malformed token, of whatever alphabet
		*into = append(*into, one)
		return m.problem == nil
	})
}

// digest reads what digest.Hex writes.
func (m *members) digest(name string, v strictjson.Value, into *string) {
	if m.text(name, v, into); m.problem == nil && !digest.IsHex(*into) {
		m.wrong(name, "must be 64 lower-case hex digits")
	}
}

func (m *members) status(name string, v strictjson.Value, into *int) {
	var n int64
	if m.integer(name, v, &n); m.problem == nil && (n < 100 || n > 999) {
		m.wrong(name, "must be an HTTP status")
	}
	*into = int(n)
}

// headers reads an answer's headers, one character per byte.
func (m *members) headers(name string, v strictjson.Value, r *EngineResumeRequest) {
	if !v.IsObject() {
		m.wrong(name, "must be an object of strings")
		return
	}
	r.Headers = map[string]string{}
	strictjson.Members(v.Raw, func(header string, v strictjson.Value) bool {
		var value string
		m.wire(name, v, &value)
		r.Headers[header] = value
		return m.problem == nil
	})
}

// gate puts a fault of the text before whatever was read from it.
func (m *members) gate(err error) {
	if err != nil {
		m.problem = notStrict(m.operation, err)
	}
}

// require reports the first missing member.
func (m *members) require(there bool, name string) {
	if m.problem == nil && !there {
		m.wrong(name, "is missing")
	}
}

func readVerify(text []byte, r *RequestVerifyRequest) *problem.Problem {
	m := members{operation: "request.verify"}
	var engine, now, authorization, method, path bool
	err := strictjson.ReadObject(string(text), func(name string, v strictjson.Value) {
		if m.problem != nil {
			return
		}
		switch name {
		case "engine":
			engine = true
			m.handle(name, v, &r.Engine)
		case "now":
			now = true
			m.number(name, v, &r.Now)
		case "authorization":
			authorization = true
			m.texts(name, v, &r.Authorization)
		case "method":
			method = true
			m.wire(name, v, &r.Method)
		case "path":
			path = true
			m.wire(name, v, &r.Path)
		case "query":
			m.wire(name, v, &r.Query)
		case "mount":
			m.wire(name, v, &r.Mount)
		case "path_decoded":
			m.flag(name, v, &r.PathDecoded)
		case "raw_target":
			m.wire(name, v, &r.RawTarget)
		case "body_too_large":
			m.flag(name, v, &r.BodyTooLarge)
		case "body_unavailable":
			m.flag(name, v, &r.BodyUnavailable)
		case "body_sha256":
			m.digest(name, v, &r.BodySHA256)
		default:
			m.wrong(problem.Quote(name), "is unknown")
		}
	})
	m.gate(err)
	m.require(engine, "engine")
	m.require(now, "now")
	m.require(authorization, "authorization")
	m.require(method, "method")
	m.require(path, "path")
	return m.problem
}

func readSign(text []byte, r *RequestSignRequest) *problem.Problem {
	m := members{operation: "request.sign"}
	var now bool
	err := strictjson.ReadObject(string(text), func(name string, v strictjson.Value) {
		if m.problem != nil {
			return
		}
		switch name {
		case "engine":
			m.handle(name, v, &r.Engine)
		case "issuer":
			m.text(name, v, &r.Issuer)
		case "private_key":
			m.text(name, v, &r.PrivateKey)
		case "now":
			now = true
			m.number(name, v, &r.Now)
		case "method":
			m.text(name, v, &r.Method)
		case "url":
			m.text(name, v, &r.URL)
		case "unbound":
			m.flag(name, v, &r.Unbound)
		case "jti":
			m.text(name, v, &r.JTI)
		case "ttl":
			if m.integer(name, v, &r.TTL); m.problem == nil {
				m.problem = checkTTL(r.TTL)
			}
		case "body_sha256":
			m.digest(name, v, &r.BodySHA256)
		default:
			m.wrong(problem.Quote(name), "is unknown")
		}
	})
	m.gate(err)
	m.require(now, "now")
	return m.problem
}

func readResume(text []byte, r *EngineResumeRequest) *problem.Problem {
	m := members{operation: "engine.resume"}
	var engine, ticket, now bool
	err := strictjson.ReadObject(string(text), func(name string, v strictjson.Value) {
		if m.problem != nil {
			return
		}
		switch name {
		case "engine":
			engine = true
			m.handle(name, v, &r.Engine)
		case "ticket":
			ticket = true
			m.handle(name, v, &r.Ticket)
		case "now":
			now = true
			m.number(name, v, &r.Now)
		case "files", "keys":
			m.keys(name, v, r)
		case "unchanged":
			m.flag(name, v, &r.Unchanged)
		case "failed":
			r.Failed = new(string)
			m.text(name, v, r.Failed)
		case "claim":
			m.text(name, v, &r.Claim)
		case "valid":
			r.Valid = new(bool)
			m.flag(name, v, r.Valid)
		case "status":
			m.status(name, v, &r.Status)
		case "headers":
			m.headers(name, v, r)
		case "body_sha256":
			m.digest(name, v, &r.BodySHA256)
		case "body_too_large":
			m.flag(name, v, &r.BodyTooLarge)
		case "body_unavailable":
			m.flag(name, v, &r.BodyUnavailable)
		default:
			m.wrong(problem.Quote(name), "is unknown")
		}
	})
	m.gate(err)
	m.require(engine, "engine")
	m.require(ticket, "ticket")
	m.require(now, "now")
	return m.problem
}

// keys reads the two large members, which come once a second at most.
func (m *members) keys(name string, v strictjson.Value, r *EngineResumeRequest) {
	var load KeysLoadRequest
	if err := decode([]byte(`{"`+name+`":`+v.Raw+`}`), &load); err != nil {
		m.problem = problem.Newf(problem.InvalidArgument, "engine.resume: %s", err)
		return
	}
	if name == "files" {
		r.Files = load.Files
	} else {
		r.Keys = load.Keys
	}
}

func readAccessVerify(text []byte, r *AccessVerifyRequest) *problem.Problem {
	m := members{operation: "access.verify"}
	var engine, now bool
	err := strictjson.ReadObject(string(text), func(name string, v strictjson.Value) {
		if m.problem != nil {
			return
		}
		switch name {
		case "engine":
			engine = true
			m.handle(name, v, &r.Engine)
		case "now":
			now = true
			m.number(name, v, &r.Now)
		case "authorization":
			m.texts(name, v, &r.Authorization)
		case "token":
			r.Token = new(string)
			m.text(name, v, r.Token)
		case "method":
			m.wire(name, v, &r.Method)
		case "path":
			m.wire(name, v, &r.Path)
		case "query":
			m.wire(name, v, &r.Query)
		case "mount":
			m.wire(name, v, &r.Mount)
		case "path_decoded":
			m.flag(name, v, &r.PathDecoded)
		case "raw_target":
			m.wire(name, v, &r.RawTarget)
		case "required_scopes":
			m.texts(name, v, &r.RequiredScopes)
		case "require_binding":
			m.flag(name, v, &r.RequireBinding)
		default:
			m.wrong(problem.Quote(name), "is unknown")
		}
	})
	m.gate(err)
	m.require(engine, "engine")
	m.require(now, "now")
	return m.problem
}
