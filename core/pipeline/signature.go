package pipeline

import (
	"errors"
	"fmt"
	"slices"

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
	// None goes on where no key made the signature; nil: it is refused.
	None func(refused need.Step) need.Step

	asked *jose.PublicKey
	rest  []*jose.PublicKey
	fits  bool           // a key is good for the token's algorithm
	other jose.Algorithm // what a key is good for that is not
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

// CheckNow asks the host within the call, which saves a second one. The key is given
// by its name. A host that cannot tell is asked by the need check.
type CheckNow func(key, input string, signature []byte) Verdict

// Verdict is what a host says of a signature.
type Verdict byte

// The verdicts: only Valid lets a token pass.
const (
	Unanswered Verdict = iota
	Valid
	Invalid
)

// Among tries the keys in order: the first that is good for the token's algorithm and whose
// signatures have that size, then the next.
func (s *KeySearch) Among(keys []*jose.PublicKey) need.Step {
	for i, key := range keys {
		if key.Algorithm() != s.Token.Algorithm { //guard:signature-algorithm never
			s.other = key.Algorithm()
			continue
		}
		s.fits = true
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
		return s.None(s.refused())
	}
	return s.refused()
}

// refused is the end of a token whose signature no key made, or whose algorithm is no key's.
func (s *KeySearch) refused() need.Step {
	if s.other != "" && !s.fits { //guard:signature-algorithm-told never
		return need.Refuse(problem.New(problem.UnsupportedAlgorithm, "").WithLog("the token of issuer %s says %s, and its key is for %s: a key is good for one algorithm", problem.Quote(s.Issuer), s.Token.Algorithm, s.other))
	}
	return need.Refuse(problem.New(problem.InvalidSignature, "").WithLog("no key of issuer %s made the signature", problem.Quote(s.Issuer)))
}

// Allowed are the algorithms that a host's user takes; nil: all.
type Allowed []jose.Algorithm

// NewAllowed reads their names. The error says what is wrong with one.
func NewAllowed(names []string) (Allowed, error) {
	if names != nil && len(names) == 0 { //guard:algorithms-empty never
		return nil, errors.New("the list is empty: leave it out to take all")
	}
	var allowed Allowed
	for _, name := range names {
		algorithm, ok := jose.CheckAlgorithm(name)
		if !ok { //guard:algorithms-known never
			return nil, fmt.Errorf("%s is none of RS256, PS256, ES256 and EdDSA", problem.Quote(name))
		}
		allowed = append(allowed, algorithm)
	}
	return allowed, nil
}

// Check refuses a token of another algorithm.
func (a Allowed) Check(token *jose.Token) *problem.Problem {
	if a != nil && !slices.Contains(a, token.Algorithm) { //guard:algorithm-allowed never
		return problem.New(problem.UnsupportedAlgorithm, "").WithLog("the token says %s, which the setting algorithms does not have", token.Algorithm)
	}
	return nil
}

func (s *KeySearch) verdict(key *jose.PublicKey) Verdict {
	switch {
	case s.RSA.Host && s.RSA.Now == nil:
		return Unanswered
	case s.RSA.Host:
		return s.RSA.Now(key.Name(), s.Token.SigningInput, s.Token.Signature)
	case key.Verify(s.Token.SigningInput, s.Token.Signature): //guard:signature-wrong always
		return Valid
	}
	return Invalid
}

func (s *KeySearch) ask(key *jose.PublicKey, rest []*jose.PublicKey) need.Step {
	s.asked, s.rest = key, rest
	// The ticket is out before the question is written: it must not change then.
	question := &need.Need{Kind: need.Check, Algorithm: key.Algorithm(), Input: s.Token.SigningInput, Signature: s.Token.SignatureText, Key: key.Name()}
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

// Made returns a signature that the host brought, or refuses it where it is not one of the
// public key, which is nil where nobody told. ECDSA's may be in DER, as key services give it.
func (by By) Made(public *jose.PublicKey, input string, a need.Answer) ([]byte, *problem.Problem) {
	n := len(a.Signature)
	switch {
	case a.HasFailed:
		return nil, problem.New(problem.SignerFailed, "the signer failed or gave no signature in time").WithLog("the signer failed: %s", problem.Quote(a.Failed))
	case public == nil && (n < jose.MinBits/8 || n > jose.MaxBits/8): //guard:made-unknown-size never
		return nil, problem.Newf(problem.SignerFailed, "the signer gave %d bytes, not an RSA signature of 256 to 1024 bytes", n)
	case public == nil:
		return a.Signature, nil
	}
	signature := public.FromDER(a.Signature)
	switch {
	case len(signature) != public.Size(): //guard:made-size never
		return nil, problem.Newf(problem.SignerFailed, "the signer gave %d bytes, a signature of its key has %d", n, public.Size())
	case by != ByHost && !public.Verify(input, signature): //guard:made-signature never; made-by-host drop 1
		return nil, problem.Newf(problem.SignerFailed, "the signer gave a signature that its public key does not verify (%s over the given bytes is expected)", public.Algorithm().Words())
	}
	return signature, nil
}
