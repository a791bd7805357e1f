// Package jose is the one gate for compact JWS and RSA keys: RFC 7515, 7517 and
// 7638 cut down to RS256, with nothing that a token could choose.
package jose

import (
	"strings"
	"unsafe"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
	// Algorithm is the only one that is signed or accepted.
	Algorithm = "RS256"
	// MaxToken bounds a compact token, in bytes.
	MaxToken = 16 << 10
	// maxKeyID bounds the kid of a header, in bytes.
	maxKeyID = 256
)

// Token is a compact JWS that has passed the gate. Its signature has not been
// verified: Payload is what somebody claims.
type Token struct {
	SigningInput  string // the first two segments with their dot
	Header        string // JSON text
	KeyID         string // header's kid, "" where there is none
	Payload       string // any bytes
	Signature     []byte
	SignatureText string // base64url
}

// Parse applies the form and header steps of the pipeline (protocol.md section
// 3, steps 2 and 3). The payload may be any bytes.
func Parse(token string) (*Token, *problem.Problem) {
	t, fault := split(token)
	if fault != "" {
		return nil, malformed(fault)
	}
	h, p := readHeader(t.Header)
	if p != nil {
		return nil, p
	}
	t.KeyID = h.keyID
	if p := h.check(); p != nil {
		return nil, p // never a token beside a problem: a caller may look at one alone
	}
	return t, nil
}

// ParseClaims is Parse for tokens whose payload must be a claims object: a
// strict JSON object, checked before the header is interpreted. Visit sees its
// members as ReadObject shows them.
func ParseClaims(token string, visit func(name string, v strictjson.Value)) (*Token, *problem.Problem) {
	t, fault := split(token)
	if fault != "" {
		return nil, malformed(fault)
	}
	h, p := readHeader(t.Header)
	if p != nil {
		return nil, p
	}
	if err := strictjson.ReadObject(t.Payload, visit); err != nil {
		return nil, malformed("the payload is refused: " + err.Error())
	}
	t.KeyID = h.keyID
	if p := h.check(); p != nil {
		return nil, p // never a token beside a problem: a caller may look at one alone
	}
	return t, nil
}

func malformed(message string) *problem.Problem {
	return problem.New(problem.MalformedToken, message)
}

// split decodes the three parts; fault says what is wrong with their form.
func split(token string) (t *Token, fault string) {
	if len(token) > MaxToken {
		return nil, "the token is over 16384 bytes"
	}
	header, rest, found := strings.Cut(token, ".")
	payload, signature, foundToo := strings.Cut(rest, ".")
	if !found || !foundToo || strings.Contains(signature, ".") {
		return nil, "the token does not have three parts"
	}
	headerBytes, ok1 := Decode64(header)
	payloadBytes, ok2 := Decode64(payload)
	signatureBytes, ok3 := Decode64(signature)
	if !ok1 || !ok2 || !ok3 {
		return nil, "a part of the token is not strict base64url"
	}
	return &Token{
		SigningInput:  token[:len(header)+1+len(payload)],
		Header:        ownString(headerBytes),
		Payload:       ownString(payloadBytes),
		Signature:     signatureBytes,
		SignatureText: signature,
	}, ""
}

// ownString makes a string of bytes that nobody else holds, without a copy.
func ownString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// header is what a token's header says, as far as anybody listens: never jwk,
// jku, x5u or x5c, for a token does not bring its own key (RFC 8725 section 3.10).
type header struct {
	algorithm string // "" unless it is a string
	keyID     string
	fault     string // the first thing wrong with it
}

// readHeader returns a problem where the text is no strict JSON object; what is
// wrong with its members, check tells.
func readHeader(text string) (h header, p *problem.Problem) {
	if err := strictjson.ReadObject(text, h.member); err != nil {
		p = malformed("the header is refused: " + err.Error())
	}
	return h, p
}

func (h *header) member(name string, v strictjson.Value) {
	fault := ""
	switch name {
	case "alg":
		h.algorithm = v.Str
	case "crit", "b64":
		fault = "the header has crit or b64, which are not supported"
	case "kid":
		if h.keyID = v.Str; !strictjson.IsString(v) || !ValidIdentifier(v.Str, maxKeyID) {
			fault = "the header's kid is not a short string without control characters"
		}
	case "typ":
		if !strictjson.IsString(v) || !strings.EqualFold(strings.TrimPrefix(v.Str, "application/"), "JWT") {
			fault = "the header's typ is not JWT"
		}
	}
	if h.fault == "" {
		h.fault = fault
	}
}

func (h *header) check() *problem.Problem {
	switch {
	case h.fault != "":
		return malformed(h.fault)
	case h.algorithm != Algorithm:
		return problem.New(problem.UnsupportedAlgorithm, "")
	}
	return nil
}

// ValidIdentifier reports whether a text can name something: 1 to max bytes, no
// NUL and no other control character (C0, DEL, C1), which would let two names
// look alike in a log or a file.
func ValidIdentifier(text string, max int) bool {
	if text == "" || len(text) > max {
		return false
	}
	for _, r := range text {
		if r < 0x20 || r >= 0x7F && r < 0xA0 {
			return false
		}
	}
	return true
}

// SigningInput joins an encoded header and payload (RFC 7515 section 5.1).
func SigningInput(header, payload []byte) string {
	return Encode64(header) + "." + Encode64(payload)
}

// Sign makes the RS256 signature of a signing input. It is deterministic.
func Sign(input string, key *PrivateKey) ([]byte, *problem.Problem) {
	signature, err := signRS256(input, key.rsa)
	if err != nil {
		return nil, problem.New(problem.SignerFailed, "the private key did not sign")
	}
	return signature, nil
}

// CheckSigningHeader refuses a header text that must not be signed: one that
// this package itself would not accept.
func CheckSigningHeader(text []byte) *problem.Problem {
	h, p := readHeader(string(text))
	if p != nil {
		return problem.New(problem.InvalidArgument, p.Message)
	}
	if h.check() != nil {
		return problem.New(problem.InvalidArgument, "the header must say alg RS256, may have a kid and typ JWT, and no crit or b64")
	}
	return nil
}
