package peers

import (
	"encoding/json"
	"slices"
	"strings"
)

// Question is what a peer is asked, for all tasks; a task uses some members.
// Drivers read it as JSON.
type Question struct {
	Token string `json:"token"`
	Key   string `json:"key"`           // PEM or one JWK
	Alg   string `json:"alg,omitempty"` // what the key is good for
	// Allowed are the names of algorithms that a header may have.
	Allowed []string `json:"allowed,omitempty"`
	Want    string   `json:"want,omitempty"` // of ImportKey: "public", "private" or any

	Now      float64  `json:"now"`    // seconds since 1970
	Leeway   float64  `json:"leeway"` // seconds
	Audience []string `json:"audience,omitempty"`
	Issuer   string   `json:"issuer,omitempty"`
	Required []string `json:"required,omitempty"` // names of claims

	Header  string `json:"header,omitempty"` // JSON
	Payload []byte `json:"payload"`

	Pattern string `json:"pattern,omitempty"`
	Scope   string `json:"scope,omitempty"`
}

// Reply is a peer's answer: exactly one of the two.
type Reply struct {
	Accepted *Result `json:"accepted,omitempty"`
	Refused  string  `json:"refused,omitempty"` // the library's error, for the reader
}

// Result is what was accepted, as far as the task and the library say it.
type Result struct {
	Header     string  `json:"header,omitempty"` // JSON
	Payload    *[]byte `json:"payload,omitempty"`
	Claims     string  `json:"claims,omitempty"` // JSON, where the library gives no bytes
	Token      string  `json:"token,omitempty"`
	Thumbprint string  `json:"thumbprint,omitempty"`
	Match      *bool   `json:"match,omitempty"`
}

// Case is one question and the core's own answer to it.
type Case struct {
	Task     Task     `json:"task"`
	Vector   string   `json:"vector"` // name of the first vector that asks this
	Question Question `json:"question"`
	Ours     Ours     `json:"ours"`
}

// Ours is the core's answer, seen at the level of a JWT library.
type Ours struct {
	Accepted *Result `json:"accepted,omitempty"` // nil: refused, with Code
	Code     string  `json:"code,omitempty"`     // error of the core
	Message  string  `json:"message,omitempty"`  // what the core says of it
	// Later: the core refuses this token, with Code, for something that a JWT
	// library does not look at. Everything before it passed, so a peer must accept.
	Later bool `json:"later,omitempty"`
}

func (o Ours) accepts() bool { return o.Accepted != nil || o.Later }

func isJSON(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "{") }

// identity tells questions apart: many vectors send the same token.
func (c Case) identity() string {
	text, err := json.Marshal(struct {
		Task     Task
		Question Question
		Accepts  bool
		Code     string
	}{c.Task, c.Question, c.Ours.accepts(), c.Ours.Code})
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(text)
}

// namesOf are those that a header may give an algorithm: EdDSA has two (RFC 9864 section 2.2).
func namesOf(algorithms ...string) []string {
	names := slices.Clone(algorithms)
	if slices.Contains(names, "EdDSA") {
		names = append(names, "Ed25519")
	}
	return names
}
