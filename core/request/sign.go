package request

import (
	"crypto/rand"
	"encoding/hex"
	"math"

	"github.com/tallystick/tallystick/core/authorized"
	"github.com/tallystick/tallystick/core/binding"
	"github.com/tallystick/tallystick/core/claims"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
	// DefaultTTL is rotagent's lifetime of a request token, in seconds.
	DefaultTTL = 60
	// MaxTTL bounds a lifetime, in seconds.
	MaxTTL = 24 * 60 * 60
)

// Signer signs requests as one issuer. Safe for concurrent use.
type Signer struct {
	issuer         string
	private        *jose.PrivateKey // nil where the host signs
	public         *jose.PublicKey  // nil where nobody told
	checkSignature bool
	ttl            int64
	header         string // base64url, with the dot behind it
}

// SignerConfig has one of Private and, for a host that signs, Public or nothing.
type SignerConfig struct {
	Issuer         string
	Private        *jose.PrivateKey
	Public         *jose.PublicKey
	HostRSA        bool
	CheckSignature bool
	TTL            int64 // seconds
}

// NewSigner checks the issuer; keys and ttl have been checked.
func NewSigner(c SignerConfig) (*Signer, *problem.Problem) {
	if !jose.ValidIdentifier(c.Issuer, authorized.MaxIssuer) {
		return nil, problem.New(problem.InvalidConfig, "issuer must have 1 to 512 bytes and no control characters")
	}
	s := &Signer{issuer: c.Issuer, private: c.Private, public: c.Public, checkSignature: c.CheckSignature, ttl: c.TTL}
	if s.private != nil {
		s.public = s.private.Public()
	}
	if c.HostRSA {
		s.private = nil
	}
	s.header = jose.SigningInput([]byte(s.headerText()), nil)
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

// Signed is a token and what stands in it.
type Signed struct {
	Token     string
	Claims    string // JSON text
	IssuedAt  int64
	ExpiresAt int64
	KeyID     string
}

// Sign writes the claims and signs them.
func (s *Signer) Sign(out *Outgoing) need.Step {
	signed, p := s.claims(out)
	if p != nil {
		return need.Refuse(p)
	}
	input := s.header + jose.Encode64([]byte(signed.Claims))
	if len(input)+1+jose.MaxBits/6 > jose.MaxToken {
		return need.Refuse(problem.New(problem.InvalidArgument, "the token would be over 16384 bytes: shorten the URL"))
	}
	finish := func(signature []byte) need.Step {
		signed.Token = input + "." + jose.Encode64(signature)
		return need.Done(signed)
	}
	if s.private == nil {
		return need.Ask(need.Need{Kind: need.Sign, Input: input, Key: s.KeyID()}, func(a need.Answer) need.Step {
			if p := s.checkHostSignature(input, a); p != nil {
				return need.Refuse(p)
			}
			return finish(a.Signature)
		})
	}
	signature, p := jose.Sign(input, s.private)
	if p != nil {
		return need.Refuse(p)
	}
	return finish(signature)
}

// checkHostSignature lets no signature out that every receiver would refuse.
func (s *Signer) checkHostSignature(input string, a need.Answer) *problem.Problem {
	if a.HasFailed {
		return problem.New(problem.SignerFailed, "the signer failed or gave no signature in time").WithLog("the signer failed: %s", problem.Quote(a.Failed))
	}
	n := len(a.Signature)
	if s.public == nil {
		if n < jose.MinBits/8 || n > jose.MaxBits/8 {
			return problem.Newf(problem.SignerFailed, "the signer gave %d bytes, not an RSA signature of 256 to 1024 bytes", n)
		}
		return nil
	}
	if n != s.public.Size() {
		return problem.Newf(problem.SignerFailed, "the signer gave %d bytes, a signature of its key has %d", n, s.public.Size())
	}
	if s.checkSignature && !s.public.Verify(input, a.Signature) {
		return problem.New(problem.SignerFailed, "the signer gave a signature that its public key does not verify (RSASSA-PKCS1-v1_5 with SHA-256 over the given bytes is expected)")
	}
	return nil
}

func (s *Signer) headerText() string {
	if s.public == nil {
		return `{"alg":"RS256","typ":"JWT"}`
	}
	return `{"alg":"RS256","typ":"JWT","kid":"` + s.public.Thumbprint() + `"}`
}

// claims writes them in a fixed order, so that all languages sign the same bytes.
func (s *Signer) claims(out *Outgoing) (*Signed, *problem.Problem) {
	ttl := out.TTL
	if ttl == 0 {
		ttl = s.ttl
	}
	jti, p := jtiOrRandom(out.JTI)
	if p != nil {
		return nil, p
	}
	issuedAt := int64(math.Floor(out.Now)) // integers: PyJWT before 2.7 refuses a fractional iat in the same second
	text := []byte(`{"iss":`)
	text = strictjson.AppendString(text, s.issuer)
	text = append(text, `,"iat":`...)
	text = strictjson.AppendInt(text, issuedAt)
	text = append(text, `,"exp":`...)
	text = strictjson.AppendInt(text, issuedAt+ttl)
	text = append(text, `,"jti":`...)
	text = strictjson.AppendString(text, jti)
	text = binding.AppendBody(text, out.BodySHA256)
	if !out.Unbound {
		if text, p = binding.AppendTarget(text, out.Method, out.URL); p != nil {
			return nil, p
		}
	}
	text = append(text, '}')
	return &Signed{Claims: string(text), IssuedAt: issuedAt, ExpiresAt: issuedAt + ttl, KeyID: s.KeyID()}, nil
}

func jtiOrRandom(jti string) (string, *problem.Problem) {
	if jti == "" {
		var random [16]byte
		rand.Read(random[:]) // never fails: crypto/rand ends the program instead
		return hex.EncodeToString(random[:]), nil
	}
	if !jose.ValidIdentifier(jti, claims.MaxJTI) {
		return "", problem.New(problem.InvalidArgument, "jti must have 1 to 256 bytes and no control characters")
	}
	return jti, nil
}
