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
	brief          bool
	header         string // base64url
}

// SignerConfig has one of Private and, for a host that signs, Public or nothing.
type SignerConfig struct {
	Issuer         string
	Private        *jose.PrivateKey
	Public         *jose.PublicKey
	HostRSA        bool
	CheckSignature bool
	TTL            int64 // seconds
	Brief          bool  // nobody looks at what stands in the tokens
}

// NewSigner checks the issuer; keys and ttl have been checked.
func NewSigner(c SignerConfig) (*Signer, *problem.Problem) {
	if !jose.ValidIdentifier(c.Issuer, authorized.MaxIssuer) {
		return nil, problem.New(problem.InvalidConfig, "issuer must have 1 to 512 bytes and no control characters")
	}
	s := &Signer{issuer: c.Issuer, private: c.Private, public: c.Public, checkSignature: c.CheckSignature, ttl: c.TTL, brief: c.Brief}
	if s.private != nil {
		s.public = s.private.Public()
	}
	if c.HostRSA {
		s.private = nil
	}
	s.header = jose.Encode64([]byte(s.headerText()))
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
	// Unsigned asks for the signing input alone, to which the host appends the
	// signature of its own crypto. Where anything of that is to be checked, it is refused.
	Unsigned bool
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
	Brief     bool
	Input     string // of what the host signs itself, "" otherwise: then nothing else is looked at
}

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
	if out.Unsigned {
		if s.private != nil || s.public == nil || s.checkSignature {
			return need.Refuse(problem.New(problem.InvalidArgument, "unsigned needs a signer with rsa host, public_key and check_signature false"))
		}
		run.signed.Input = run.input
		return need.Done(&run.signed)
	}
	if s.private == nil {
		run.question = need.Need{Kind: need.Sign, Input: run.input, Key: run.signed.KeyID}
		return need.Ask(&run.question, run.answered)
	}
	signature, p := jose.Sign(run.input, s.private)
	if p != nil {
		return need.Refuse(p)
	}
	return run.finish(signature)
}

func (r *signing) answered(a need.Answer) need.Step {
	if p := r.s.checkHostSignature(r.input, a); p != nil {
		return need.Refuse(p)
	}
	return r.finish(a.Signature)
}

func (r *signing) finish(signature []byte) need.Step {
	r.signed.Token = jose.AddPart(r.input, signature)
	return need.Done(&r.signed)
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
	text = binding.AppendBody(text, out.BodySHA256)
	if !out.Unbound {
		if text, p = binding.AppendTarget(text, out.Method, out.URL); p != nil {
			return p
		}
	}
	text = append(text, '}')
	r.signed = Signed{Claims: string(text), IssuedAt: issuedAt, ExpiresAt: issuedAt + ttl, KeyID: r.s.KeyID(), Brief: r.s.brief}
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
	if !jose.ValidIdentifier(jti, claims.MaxJTI) {
		return "", problem.New(problem.InvalidArgument, "jti must have 1 to 256 bytes and no control characters")
	}
	return jti, nil
}
