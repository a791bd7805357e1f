// Package conformance holds the vectors that every implementation of Tallystick
// answers alike, as data files, and reads them strictly: an unknown member, an
// unknown expectation or an empty suite is an error, so that no vector can be
// written that nothing checks. README.md describes the format.
package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// Kind says whether a vector shows something accepted or something refused.
type Kind string

// The two kinds. A vector of kind Reject names its accepting twin.
const (
	Accept Kind = "accept"
	Reject Kind = "reject"
)

// Area is one file of vectors.
type Area struct {
	Area    string   `json:"area"`
	About   string   `json:"about"`
	Vectors []Vector `json:"vectors"`
}

// Vector is one scenario: steps that are run in order against one core.
type Vector struct {
	Name   string `json:"name"`           // area/fault
	Kind   Kind   `json:"kind"`           // Accept or Reject
	Says   string `json:"says"`           // what is right or wrong, one sentence
	Source string `json:"source"`         // clause, advisory or document that it comes from
	Twin   string `json:"twin,omitempty"` // of a Reject: the Accept that differs in the one thing tested
	Note   string `json:"note,omitempty"` // for the reader alone: what an encoded token says
	// SupersededBy names the vector that took this one's place: a released vector
	// is never changed, it stays as it was and is not run any more.
	SupersededBy string `json:"superseded_by,omitempty"`
	Steps        []Step `json:"steps"`
}

// Step is one call of the ABI and the answer that is expected.
type Step struct {
	Op string `json:"op"`
	// Request is the JSON object of the call; a string "$name" in it stands for
	// a value that an earlier step saved, and "$$" for one "$".
	Request json.RawMessage `json:"request,omitempty"`
	// RequestText is sent instead of Request, as it is but for saved values: for
	// texts that are no good JSON.
	RequestText *string `json:"request_text,omitempty"`
	// Body is the raw body where it is UTF-8; BodyBase64 where it is not;
	// BodyFill is one of so many letters x; BodySaved names a text that an earlier
	// step saved. At most one of them is given.
	Body       string `json:"body,omitempty"`
	BodyBase64 string `json:"body_base64,omitempty"`
	BodyFill   int    `json:"body_fill,omitempty"`
	BodySaved  string `json:"body_saved,omitempty"`
	// Repeat makes the same call so many times (0 and 1: once); every answer
	// must be as expected.
	Repeat int `json:"repeat,omitempty"`
	// Save names values of the answer for later steps: name -> path in the answer.
	Save map[string]string `json:"save,omitempty"`
	// Varies lists paths of values that hold random bytes: not compared between legs.
	Varies []string `json:"varies,omitempty"`
	Expect Expect   `json:"expect"`
}

// BodyBytes returns the raw body of the call, but for BodySaved.
func (s Step) BodyBytes() ([]byte, error) {
	switch {
	case s.BodyBase64 != "":
		return base64.StdEncoding.DecodeString(s.BodyBase64)
	case s.BodyFill > 0:
		return bytes.Repeat([]byte("x"), s.BodyFill), nil
	}
	return []byte(s.Body), nil
}

// Expect is what an answer must say: exactly one of OK, OKIncludes, Error and Need.
type Expect struct {
	// OK is the whole "ok" object.
	OK json.RawMessage `json:"ok,omitempty"`
	// OKIncludes are members that "ok" must have, with these values; objects in
	// it are compared in the same way, arrays element by element.
	OKIncludes json.RawMessage `json:"ok_includes,omitempty"`
	// BodyJSON are members of the JSON text that an access.serve answer has as
	// ok.response.body, compared as in OKIncludes; only beside OK or OKIncludes.
	BodyJSON json.RawMessage `json:"body_json,omitempty"`
	// Error is the code of an error.
	Error string `json:"error,omitempty"`
	// Response is what the HTTP response of the error must be; only with Error.
	Response *Response `json:"response,omitempty"`
	// Need are members that "need" must have, "kind" among them.
	Need json.RawMessage `json:"need,omitempty"`
}

// Response is the part of an HTTP response that protocol.md section 3 fixes.
type Response struct {
	Status int    `json:"status"`
	Words  string `json:"words"` // "error" of the body
	// OAuth is error= of the challenge; "" is a bare challenge, or none where
	// the status has no challenge (413, 500, 503).
	OAuth string `json:"oauth,omitempty"`
	// Realm is realm= of the challenge; "" is any.
	Realm string `json:"realm,omitempty"`
	// ResourceMetadata is that of the challenge (RFC 9728 section 5.1); "" is any.
	ResourceMetadata string `json:"resource_metadata,omitempty"`
	// Scope is scope= of the challenge and "scope" of the body; "" is none.
	Scope string `json:"scope,omitempty"`
}
