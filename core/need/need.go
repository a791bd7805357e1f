// Package need is how the core asks its host for the few things that it may not
// do itself. An operation takes steps; each step ends in a result, a problem or a
// need, and a need knows how to go on.
package need

import (
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

// Kind is a closed set.
type Kind string

// The kinds. What each asks for is written in abi.md.
const (
	Keys   Kind = "keys"   // the keys of callers, read again
	Claim  Kind = "claim"  // a token's id, claimed once in the replay memory
	Sign   Kind = "sign"   // a signature
	Check  Kind = "check"  // whether a signature is valid
	Fetch  Kind = "fetch"  // the answer to one HTTP request
	Body   Kind = "body"   // the body of the request that is being verified
	Derive Kind = "derive" // what PBKDF2 makes of a client's secret
	Put    Kind = "put"    // a value kept in the store
	Get    Kind = "get"    // a value of the store
	Take   Kind = "take"   // the same, deleted in the same step
)

// Need is one closed question. Only the members of its kind are set.
type Need struct {
	Kind      Kind           `json:"kind"`
	Issuer    string         `json:"issuer,omitempty"`
	JTI       string         `json:"jti,omitempty"`
	ID        string         `json:"id,omitempty"`
	Seconds   int64          `json:"seconds,omitempty"` // how long a claim is kept
	Now       float64        `json:"now,omitempty"`
	Input     string         `json:"input,omitempty"`
	Signature string         `json:"signature,omitempty"`
	Key       string         `json:"key,omitempty"`
	Algorithm jose.Algorithm `json:"alg,omitempty"`
	Request   *HTTP          `json:"-"`                   // fetch
	MaxBytes  int            `json:"max_bytes,omitempty"` // body
	Value     []byte         `json:"value,omitempty"`     // put

	Derivation *Derivation `json:"-"` // derive

	// Claimed is the result of an operation that ends with its claim, in a need
	// claim that nobody resumes.
	Claimed any `json:"-"`
}

// Derivation is one PBKDF2 with HMAC-SHA-256 for the host to compute (RFC 8018
// section 5.2): the need derive.
type Derivation struct {
	Secret     string
	Salt       []byte
	Iterations int
	Length     int // bytes
}

// HTTP is one request for the host to make: the need fetch.
type HTTP struct {
	Flight    uint64 // needs of one engine with one flight are one request
	Method    string
	URL       string
	Headers   map[string]string
	Body      string // of a POST
	Redirects int
	Public    bool     // every address that the name resolves to must be public
	Internal  bool     // every one must be of a network inside: RFC 1918 or unique local
	Proxy     bool     // the proxy of the host's environment may be used
	MaxBytes  int      // of the answer
	Timeout   float64  // seconds, for everything
	Read      []string // the answer's headers that are wanted, in lower case
}

// Answer is what the host found. Failed is its reason for having nothing, for
// the log only.
type Answer struct {
	Now       float64
	Failed    string
	HasFailed bool
	Unchanged bool                // keys
	Keys      *authorizedkeys.Set // keys: the whole new content
	Claim     string              // claim: "claimed", "exists" or "unavailable"
	Valid     bool                // check
	HasValid  bool                // check: Valid was given
	Signature []byte              // sign; borrowed for the length of the call

	Status  int               // fetch: the answer's HTTP status, 0 where there is none
	Headers map[string]string // fetch: those that were asked for
	Content []byte            // fetch, derive, get, take: the bytes, empty for none; borrowed for the length of the call
	Body    ReceivedBody      // body
}

// Fits reports whether all that the host said belongs to a need of that kind. Every kind may have
// failed.
func (a *Answer) Fits(kind Kind) bool {
	saysBody := a.Body.SHA256 != "" || a.Body.TooLarge || a.Body.Malformed || a.Body.Overloaded || a.Body.Unavailable && !a.HasFailed
	takesBytes := kind == Sign || kind == Fetch || kind == Derive || kind == Body || kind == Get || kind == Take
	return (kind == Keys || !a.Unchanged && a.Keys == nil) &&
		(kind == Claim || a.Claim == "") &&
		(kind == Check || !a.HasValid) &&
		(kind == Fetch || a.Status == 0 && a.Headers == nil) &&
		(kind == Body || !saysBody) &&
		(takesBytes || len(a.Content) == 0)
}

// Step is how one step of an operation ended: exactly one of the three is set.
type Step struct {
	Result  any
	Problem *problem.Problem
	Need    *Need
	Resume  func(Answer) Step // with Need
}

// Done ends an operation with its result.
func Done(result any) Step { return Step{Result: result} }

// Refuse ends an operation with a problem.
func Refuse(p *problem.Problem) Step { return Step{Problem: p} }

// Ask suspends an operation.
func Ask(n *Need, resume func(Answer) Step) Step { return Step{Need: n, Resume: resume} }

// WrongAnswer refuses an answer that does not fit the kind of its need.
func WrongAnswer(kind Kind) Step {
	return Refuse(problem.Newf(problem.InvalidArgument, "the answer does not fit the need %q", kind))
}
