package pipeline

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// KeySearch looks for the candidate key that made the signature of one token: step 6.
// The RSA operation is the core's or the host's: within the call (abi: rsa import) or as
// the need check. A search remembers what it asked the host.
type KeySearch struct {
	Token  *jose.Token
	Issuer string // for the log
	RSA    RSA
	Now    *float64                     // the operation's moment, in seconds: later once the host has answered
	Found  func(keyID string) need.Step // goes on with the pipeline
	None   func() need.Step             // where no key made the signature; nil: it is refused

	asked *jose.PublicKey
	rest  []*jose.PublicKey
}

// RSA says who does the operation. The zero RSA is the core.
type RSA struct {
	Host bool     // the need check
	Now  CheckNow // is asked before, nil: nobody is
}

// By says who makes signatures. What somebody else made is verified before it is
// used, so that no token goes out that every receiver would refuse; the core's own
// and those of the host's crypto library are not, which takes as long as a tenth of
// making them.
type By byte

// The makers: the core, the host's own crypto library, and whatever is behind a
// function that a program brought along (a KMS, an HSM).
const (
	ByCore By = iota
	ByHost
	ByExternal
)

// CheckNow asks the host within the call, which saves a second one. The key is named
// by its thumbprint. A host that cannot tell is asked by the need check.
type CheckNow func(key, input string, signature []byte) Verdict

// Verdict is what a host says of a signature.
type Verdict byte

// The verdicts: only Valid lets a token pass.
const (
	Unanswered Verdict = iota
	Valid
	Invalid
)

// Among tries the keys in order: the first whose size fits, then the next.
func (s *KeySearch) Among(keys []*jose.PublicKey) need.Step {
	for i, key := range keys {
		if len(s.Token.Signature) != key.Size() { //guard:signature-size never
			continue
		}
		switch s.verdict(key) {
		case Valid:
			return s.Found(key.Thumbprint())
		case Unanswered:
			return s.ask(key, keys[i+1:])
		}
	}
	if s.None != nil {
		return s.None()
	}
	return SignatureRefused(s.Issuer)
}

// SignatureRefused is the end of a token whose signature no key made.
func SignatureRefused(issuer string) need.Step {
	return need.Refuse(problem.New(problem.InvalidSignature, "").WithLog("no key of issuer %s made the signature", problem.Quote(issuer)))
}

func (s *KeySearch) verdict(key *jose.PublicKey) Verdict {
	switch {
	case s.RSA.Host && s.RSA.Now == nil:
		return Unanswered
	case s.RSA.Host:
		return s.RSA.Now(key.Thumbprint(), s.Token.SigningInput, s.Token.Signature)
	case key.Verify(s.Token.SigningInput, s.Token.Signature): //guard:signature-wrong always
		return Valid
	}
	return Invalid
}

func (s *KeySearch) ask(key *jose.PublicKey, rest []*jose.PublicKey) need.Step {
	s.asked, s.rest = key, rest
	// The ticket is out before the question is written: it must not change then.
	question := &need.Need{Kind: need.Check, Input: s.Token.SigningInput, Signature: s.Token.SignatureText, Key: key.Thumbprint()}
	return need.Ask(question, s.answered)
}

func (s *KeySearch) answered(a need.Answer) need.Step {
	*s.Now = a.Now // a host that is busy checks for longer than a token lives
	switch {
	case a.HasFailed: //guard:check-failed never
		return need.Refuse(problem.New(problem.CheckFailed, "").WithLog("the host could not check a signature: %s", problem.Quote(a.Failed)))
	case !a.HasValid:
		return need.WrongAnswer(need.Check)
	case a.Valid: //guard:check-invalid always
		return s.Found(s.asked.Thumbprint())
	}
	return s.Among(s.rest)
}

// CheckMade refuses a signature that the host brought, where it is not one of the
// public key, which is nil where nobody told.
func (by By) CheckMade(public *jose.PublicKey, input string, a need.Answer) *problem.Problem {
	n := len(a.Signature)
	switch {
	case a.HasFailed:
		return problem.New(problem.SignerFailed, "the signer failed or gave no signature in time").WithLog("the signer failed: %s", problem.Quote(a.Failed))
	case public == nil && (n < jose.MinBits/8 || n > jose.MaxBits/8): //guard:made-unknown-size never
		return problem.Newf(problem.SignerFailed, "the signer gave %d bytes, not an RSA signature of 256 to 1024 bytes", n)
	case public == nil:
		return nil
	case n != public.Size(): //guard:made-size never
		return problem.Newf(problem.SignerFailed, "the signer gave %d bytes, a signature of its key has %d", n, public.Size())
	case by != ByHost && !public.Verify(input, a.Signature): //guard:made-signature never; made-by-host drop 1
		return problem.New(problem.SignerFailed, "the signer gave a signature that its public key does not verify (RSASSA-PKCS1-v1_5 with SHA-256 over the given bytes is expected)")
	}
	return nil
}
