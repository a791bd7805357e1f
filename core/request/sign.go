package request

import (
	"crypto/rand"
	"encoding/hex"
	"math"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
	// DefaultTTL is rotagent's lifetime of a request token, in seconds.
	DefaultTTL = 60
	// MaxTTL bounds a lifetime, in seconds.
	MaxTTL = 24 * 60 * 60
)

// CheckTTL refuses a lifetime out of its range, in seconds.
func CheckTTL(code problem.Code, ttl int64) *problem.Problem {
	if ttl < 1 || ttl > MaxTTL {
		return problem.Newf(code, "ttl must be from 1 to %d seconds", MaxTTL)
	}
	return nil
}

// Signer signs requests as one issuer. Safe for concurrent use.
type Signer struct {
	issuer  string
	private *jose.PrivateKey // nil where the host signs
	public  *jose.PublicKey  // nil where nobody told
	by      pipeline.By
	ttl     int64
	header  string // base64url
}

// SignerConfig has one of Private and, for a host that signs, Public or nothing.
type SignerConfig struct {
	Issuer  string
	Private *jose.PrivateKey
	Public  *jose.PublicKey
	By      pipeline.By
	TTL     int64 // seconds
}

// NewSigner checks the issuer; keys and ttl have been checked.
func NewSigner(c SignerConfig) (*Signer, *problem.Problem) {
	if !jose.ValidIdentifier(c.Issuer, authorizedkeys.MaxIssuer) {
		return nil, problem.New(problem.InvalidConfig, "issuer must have 1 to 512 bytes and no control characters")
	}
	s := &Signer{issuer: c.Issuer, private: c.Private, public: c.Public, by: c.By, ttl: c.TTL}
	if s.private != nil {
		s.public = s.private.Public()
	}
	if c.By != pipeline.ByCore {
		s.private = nil
	}
	s.header = jose.Encode64([]byte(jose.SigningHeader(s.public)))
	return s, nil
}

// KeyID returns the thumbprint of the signing key, "" where it is not known.
func (s *Signer) KeyID() string {
	if s.public == nil {
		return ""
	}
	return s.public.Thumbprint()
}

// Public returns the public key of the signer, nil where it is not known.
func (s *Signer) Public() *jose.PublicKey { return s.public }

// Outgoing is a request to be signed. Unbound leaves out htm and htu: such a
// token names no receiver, as rotagent writes it.
type Outgoing struct {
	Now     float64
	Method  string
	URL     string
	Unbound bool
	JTI     string // "": drawn at random
	TTL     int64  // seconds; 0: the signer's
	// BodySHA256 is the hex digest of the exact body bytes.
	BodySHA256 string
}

// Signed is a token.
type Signed struct{ Token string }

// signing is one token on its way, with what it asks and answers in one piece of memory.
type signing struct {
	s        *Signer
	input    string
	question need.Need
	signed   Signed
}

// Sign writes the claims and signs them.
func (s *Signer) Sign(out *Outgoing) need.Step {
	run := &signing{s: s}
	if p := run.write(out); p != nil {
		return need.Refuse(p)
	}
	if s.private == nil {
		run.question = need.Need{Kind: need.Sign, Algorithm: s.algorithm(), Input: run.input, Key: s.KeyID()}
		return need.Ask(&run.question, run.answered)
	}
	made, p := jose.Sign(run.input, s.private)
	if p != nil {
		return need.Refuse(p)
	}
	return run.finish(made)
}

func (r *signing) answered(a need.Answer) need.Step {
	signature, p := r.s.by.Made(r.s.public, r.input, a)
	if p != nil {
		return need.Refuse(p)
	}
	return r.finish(signature)
}

func (r *signing) finish(signature []byte) need.Step {
	r.signed.Token = jose.AddPart(r.input, signature)
	return need.Done(&r.signed)
}

// algorithm of what nobody told is RS256.
func (s *Signer) algorithm() jose.Algorithm {
	if s.public == nil {
		return jose.RS256
	}
	return s.public.Algorithm()
}

// write makes the signing input. The claims stand in a fixed order, so that all
// languages sign the same bytes.
func (r *signing) write(out *Outgoing) *problem.Problem {
	ttl := out.TTL
	if ttl == 0 {
		ttl = r.s.ttl
	}
	jti, p := jtiOrRandom(out.JTI)
	if p != nil {
		return p
	}
	issuedAt := int64(math.Floor(out.Now)) // integers: PyJWT before 2.7 refuses a fractional iat in the same second
	text := make([]byte, 0, 512)
	text = strictjson.AppendString(append(text, `{"iss":`...), r.s.issuer)
	text = strictjson.AppendInt(append(text, `,"iat":`...), issuedAt)
	text = strictjson.AppendInt(append(text, `,"exp":`...), issuedAt+ttl)
	text = strictjson.AppendString(append(text, `,"jti":`...), jti)
	text = pipeline.AppendBody(text, out.BodySHA256)
	if !out.Unbound {
		if text, p = pipeline.AppendTarget(text, out.Method, out.URL); p != nil {
			return p
		}
	}
	text = append(text, '}')
	r.input = jose.AddPart(r.s.header, text)
	if len(r.input)+1+jose.MaxBits/6 > jose.MaxToken {
		return problem.New(problem.InvalidArgument, "the token would be over 16384 bytes: shorten the URL")
	}
	return nil
}

func jtiOrRandom(jti string) (string, *problem.Problem) {
	if jti == "" {
		var random [16]byte
		rand.Read(random[:]) //guard:request-jti-drawn skip // never fails: crypto/rand ends the program instead
		return hex.EncodeToString(random[:]), nil
	}
	if !jose.ValidIdentifier(jti, pipeline.MaxJTI) {
		return "", problem.New(problem.InvalidArgument, "jti must have 1 to 256 bytes and no control characters")
	}
	return jti, nil
}
