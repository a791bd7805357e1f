// Package jose is the one gate for compact JWS and keys: RFC 7515, 7517, 7518, 7638
// and 8037 cut down to four algorithms, with nothing that a token could choose.
package jose

import (
	"encoding/base64"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
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
	Algorithm     Algorithm
	Payload       string // any bytes
	Signature     []byte
	SignatureText string // base64url
	AccessToken   bool   // header's typ says so (RFC 9068)
}

// Parse applies the form and header steps of the pipeline (protocol.md section
// 3, steps 2 and 3). The payload may be any bytes.
func Parse(token string) (*Token, *problem.Problem) {
	opened, p := Open(token)
	if p != nil {
		return nil, p
	}
	return opened.Token(nil)
}

// Opened is a token whose form is right and whose header is a strict JSON object:
// what the header says has not been looked at, the payload not been read.
type Opened struct {
	Payload string // any bytes
	// TakesAccessToken lets a typ of at+jwt be, which else is refused.
	TakesAccessToken bool
	token            Token
	header           header
}

// Open is Parse up to where a payload that must be a claims object is read: that
// it is one goes before what the header says.
func Open(token string) (Opened, *problem.Problem) {
	var o Opened
	if p := o.Read(token, nil); p != nil {
		return Opened{}, p
	}
	return o, nil
}

// Read is Open for who brings the memory: what the token says lies in room where it
// fits, and in the token's own.
func (o *Opened) Read(token string, room []byte) *problem.Problem {
	*o = Opened{}
	if fault := o.token.split(token, room); fault != "" {
		return malformed(fault)
	}
	o.Payload = o.token.Payload
	return o.header.read(o.token.Header)
}

// Token goes on with Parse; claims is what is wrong with the payload. It never
// returns a token beside a problem: a caller may look at one alone. The token is
// the Opened's own.
func (o *Opened) Token(claims error) (*Token, *problem.Problem) {
	if claims != nil {
		return nil, malformed("the payload is refused: " + claims.Error())
	}
	if p := o.header.check(o.TakesAccessToken); p != nil {
		return nil, p
	}
	o.token.KeyID, o.token.Algorithm, o.token.AccessToken = o.header.keyID, o.header.algorithm, o.header.accessToken
	return &o.token, nil
}

// SaysAccessToken reports whether the header's typ is the one of RFC 9068.
func (o *Opened) SaysAccessToken() bool { return o.header.accessToken }

func malformed(message string) *problem.Problem {
	return problem.New(problem.MalformedToken, message)
}

// split decodes the three parts; fault says what is wrong with their form.
func (t *Token) split(token string, room []byte) (fault string) {
	if len(token) > MaxToken { //guard:token-size never
		return "the token is over 16384 bytes"
	}
	header, rest, found := strings.Cut(token, ".")
	payload, signature, foundToo := strings.Cut(rest, ".")
	if !found || !foundToo || strings.Contains(signature, ".") {
		return "the token does not have three parts"
	}
	headerLen, payloadLen := decodedLen(header), decodedLen(payload)
	size := headerLen + payloadLen + decodedLen(signature) // one piece for all three
	if size > cap(room) {
		room = make([]byte, size)
	}
	bytes := room[:size]
	signatureBytes := bytes[headerLen+payloadLen:]
	if !decode64(bytes[:headerLen], header) || !decode64(bytes[headerLen:headerLen+payloadLen], payload) || !decode64(signatureBytes, signature) {
		return "a part of the token is not strict base64url"
	}
	decoded := strictjson.TextOf(bytes)
	*t = Token{
		SigningInput:  token[:len(header)+1+len(payload)],
		Header:        decoded[:headerLen],
		Payload:       decoded[headerLen : headerLen+payloadLen],
		Signature:     signatureBytes,
		SignatureText: signature,
	}
	return ""
}

// header is what a token's header says, as far as anybody listens: never jwk,
// jku, x5u or x5c, for a token does not bring its own key (RFC 8725 section 3.10).
type header struct {
	algorithm Algorithm // "" unless it is one of ours
	keyID     string
	// accessToken: typ is that of RFC 9068 section 2.1.
	accessToken bool
	fault       string // the first thing wrong with it
}

// read returns a problem where the text is no strict JSON object; what is wrong
// with its members, check tells.
func (h *header) read(text string) *problem.Problem {
	object := strictjson.Read(text)
	for object.Next() {
		h.member(&object.Member)
	}
	if err := object.Err(); err != nil {
		return malformed("the header is refused: " + err.Error())
	}
	return nil
}

func (h *header) member(m *strictjson.Member) {
	fault := ""
	switch m.Name {
	case "alg":
		h.algorithm = algorithmNamed(m.Text)
	case "crit", "b64": //guard:header-crit drop 1; header-b64 drop 2
		fault = "the header has crit or b64, which are not supported"
	case "kid":
		if h.keyID = m.Text; m.Kind != strictjson.String || !ValidIdentifier(m.Text, maxKeyID) { //guard:header-kid never
			fault = "the header's kid is not a short string without control characters"
		}
	case "typ":
		typ := strings.TrimPrefix(m.Text, "application/")
		h.accessToken = m.Kind == strictjson.String && strings.EqualFold(typ, "at+jwt")
		if !h.accessToken && (m.Kind != strictjson.String || !strings.EqualFold(typ, "JWT")) { //guard:header-typ never
			fault = notJWT
		}
	}
	if h.fault == "" {
		h.fault = fault
	}
}

const notJWT = "the header's typ is not JWT"

func (h *header) check(takesAccessToken bool) *problem.Problem {
	switch {
	case h.fault != "": //guard:header-fault never
		return malformed(h.fault)
	case h.accessToken && !takesAccessToken: //guard:header-access-token never
		return malformed(notJWT)
	case h.algorithm == "": //guard:header-alg never
		return problem.New(problem.UnsupportedAlgorithm, "")
	}
	return nil
}

// ValidIdentifier reports whether a text can name something: 1 to max bytes, no
// NUL and no other control character (C0, DEL, C1), which would let two names
// look alike in a log or a file.
func ValidIdentifier(text string, max int) bool {
	if text == "" || len(text) > max { //guard:identifier-size drop 2; identifier-empty drop 1
		return false
	}
	at := 0
	for at+8 <= len(text) {
		if w := strictjson.LoadWord(text, at); strictjson.WordBelow(w, 0x20)|strictjson.WordEqual(w, 0x7F) != 0 {
			break // or a character that is not ASCII
		}
		at += 8
	}
	for _, r := range text[at:] {
		if r < 0x20 || r >= 0x7F && r < 0xA0 { //guard:identifier-control never
			return false
		}
	}
	return true
}

// SigningInput joins an encoded header and payload (RFC 7515 section 5.1).
func SigningInput(header, payload []byte) string {
	return AddPart(Encode64(header), payload)
}

// AddPart returns the parts of a token with one more: a payload behind the header,
// a signature behind both.
func AddPart(parts string, next []byte) string {
	text := make([]byte, 0, len(parts)+1+base64.RawURLEncoding.EncodedLen(len(next)))
	text = append(append(text, parts...), '.')
	return strictjson.TextOf(base64.RawURLEncoding.AppendEncode(text, next))
}

// SigningHeader returns the header of what a key signs, with its kid; nil is an RSA key that nobody
// told, which has none.
func SigningHeader(key *PublicKey) string {
	if key == nil {
		return `{"alg":"RS256","typ":"JWT"}`
	}
	return `{"alg":"` + string(key.algorithm) + `","typ":"JWT","kid":"` + key.thumbprint + `"}`
}

// CheckSigningHeader refuses a header text that must not be signed by a key: one that
// this package itself would not accept.
func CheckSigningHeader(text []byte, key *PublicKey) *problem.Problem {
	var h header
	if p := h.read(string(text)); p != nil {
		return problem.New(problem.InvalidArgument, p.Message)
	}
	if h.check(false) != nil || h.algorithm != key.algorithm { //guard:signing-header-algorithm drop 2
		return problem.Newf(problem.InvalidArgument, "the header must say alg %s, may have a kid and typ JWT, and no crit or b64", key.algorithm)
	}
	return nil
}
