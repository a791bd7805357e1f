// Package jose is the one gate for compact JWS and RSA keys: RFC 7515, 7517 and
// 7638 cut down to RS256, with nothing that a token could choose.
package jose

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"

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
	Payload       []byte
	Signature     []byte
	SignatureText string // base64url
}

// Parse applies the form and header steps of the pipeline (protocol.md section
// 3, steps 2 and 3). The payload may be any bytes.
func Parse(token string) (*Token, *problem.Problem) {
	t, p := split(token)
	if p != nil {
		return nil, p
	}
	return t, t.checkHeader()
}

// ParseClaims is Parse for tokens whose payload must be a claims object: a
// strict JSON object, checked before the header is interpreted.
func ParseClaims(token string) (*Token, *problem.Problem) {
	t, p := split(token)
	if p != nil {
		return nil, p
	}
	if err := strictjson.CheckObject(t.Payload); err != nil {
		return nil, malformed("the payload is refused: " + err.Error())
	}
	return t, t.checkHeader()
}

func malformed(message string) *problem.Problem {
	return problem.New(problem.MalformedToken, message)
}

func split(token string) (*Token, *problem.Problem) {
	if len(token) > MaxToken {
		return nil, malformed("the token is over 16384 bytes")
	}
	header, rest, found := strings.Cut(token, ".")
	payload, signature, foundToo := strings.Cut(rest, ".")
	if !found || !foundToo || strings.Contains(signature, ".") {
		return nil, malformed("the token does not have three parts")
	}
	t := &Token{SigningInput: token[:len(header)+1+len(payload)], SignatureText: signature}
	headerBytes, ok1 := Decode64(header)
	payloadBytes, ok2 := Decode64(payload)
	signatureBytes, ok3 := Decode64(signature)
	if !ok1 || !ok2 || !ok3 {
		return nil, malformed("a part of the token is not strict base64url")
	}
	if err := strictjson.CheckObject(headerBytes); err != nil {
		return nil, malformed("the header is refused: " + err.Error())
	}
	t.Header, t.Payload, t.Signature = string(headerBytes), payloadBytes, signatureBytes
	return t, nil
}

// checkHeader never looks at jwk, jku, x5u or x5c: a token does not bring its
// own key (RFC 8725 section 3.10).
func (t *Token) checkHeader() (p *problem.Problem) {
	algorithm := ""
	strictjson.Members(t.Header, func(name string, v strictjson.Value) bool {
		switch name {
		case "alg":
			algorithm = v.Str // "" unless it is a string
		case "crit", "b64":
			p = malformed("the header has crit or b64, which are not supported")
		case "kid":
			if !strictjson.IsString(v) || !ValidIdentifier(v.Str, maxKeyID) {
				p = malformed("the header's kid is not a short string without control characters")
			}
			t.KeyID = v.Str
		case "typ":
			if !strictjson.IsString(v) || !strings.EqualFold(strings.TrimPrefix(v.Str, "application/"), "JWT") {
				p = malformed("the header's typ is not JWT")
			}
		}
		return p == nil
	})
	if p == nil && algorithm != Algorithm {
		p = problem.New(problem.UnsupportedAlgorithm, "")
	}
	return p
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
	signature, err := jwt.SigningMethodRS256.Sign(input, key.rsa)
	if err != nil {
		return nil, problem.New(problem.SignerFailed, "the private key did not sign")
	}
	return signature, nil
}

// CheckSigningHeader refuses a header text that must not be signed: one that
// this package itself would not accept.
func CheckSigningHeader(header []byte) *problem.Problem {
	if err := strictjson.CheckObject(header); err != nil {
		return problem.New(problem.InvalidArgument, "the header is refused: "+err.Error())
	}
	if p := (&Token{Header: string(header)}).checkHeader(); p != nil {
		return problem.New(problem.InvalidArgument, "the header must say alg RS256, may have a kid and typ JWT, and no crit or b64")
	}
	return nil
}
