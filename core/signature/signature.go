// Package signature is step 6 of the pipeline: which of the candidate keys made a
// token's signature. The RSA operation is the core's or, as the need check, the
// host's.
package signature

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// Search looks for the key of one token. It remembers what it asked the host.
type Search struct {
	Token   *jose.Token
	Issuer  string // for the log
	HostRSA bool
	Found   func(keyID string) need.Step // goes on with the pipeline

	asked *jose.PublicKey
	rest  []*jose.PublicKey
}

// Among tries the keys in order: the first whose size fits, then the next.
func (s *Search) Among(keys []*jose.PublicKey) need.Step {
	for i, key := range keys {
		if len(s.Token.Signature) != key.Size() {
			continue
		}
		if s.HostRSA {
			return s.ask(key, keys[i+1:])
		}
		if key.Verify(s.Token.SigningInput, s.Token.Signature) {
			return s.Found(key.Thumbprint())
		}
	}
	return need.Refuse(problem.New(problem.InvalidSignature, "").WithLog("no key of issuer %s made the signature", problem.Quote(s.Issuer)))
}

func (s *Search) ask(key *jose.PublicKey, rest []*jose.PublicKey) need.Step {
	s.asked, s.rest = key, rest
	// The ticket is out before the question is written: it must not change then.
	question := &need.Need{Kind: need.Check, Input: s.Token.SigningInput, Signature: s.Token.SignatureText, Key: key.Thumbprint()}
	return need.Ask(question, s.answered)
}

func (s *Search) answered(a need.Answer) need.Step {
	switch {
	case a.HasFailed:
		return need.Refuse(problem.New(problem.CheckFailed, "").WithLog("the host could not check a signature: %s", problem.Quote(a.Failed)))
	case !a.HasValid:
		return need.WrongAnswer(need.Check)
	case a.Valid:
		return s.Found(s.asked.Thumbprint())
	}
	return s.Among(s.rest)
}
