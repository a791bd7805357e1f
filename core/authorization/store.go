package authorization

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// kind tells apart what lies in the store.
type kind string

// The kinds. Whatever is secret lies under its hash: who reads the store can use none of it.
const (
	kindFlow     kind = "flow"     // a request that waits for its user; taken by what goes on with it
	kindUpstream kind = "upstream" // somebody is at a provider; taken by the callback
	kindCode     kind = "code"
	kindRefresh  kind = "refresh"
	kindUsed     kind = "used"  // a code or refresh token was exchanged; claimed, so that one of two gets through
	kindEnded    kind = "ended" // a family of tokens that is over

	kindDevice kind = "device" // what a device asks for
	kindUser   kind = "user"   // the same, under the code that its user enters
	kindAnswer kind = "answer" // what the user decided
	kindPoll   kind = "poll"   // a device has just asked; claimed
	kindMiss   kind = "miss"   // a place for a wrong code
)

// id is the place of a secret in the store of this issuer.
func (s *Server) id(k kind, secret string) string {
	sum := sha256.Sum256([]byte("tallystick " + string(k) + "\x00" + s.host.Issuer() + "\x00" + secret))
	return hex.EncodeToString(sum[:16])
}

// secret has 256 random bits, in 43 characters that need no encoding anywhere.
func secret() string {
	var random [32]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(random[:])
}

// put keeps a value for some seconds.
func (s *Server) put(k kind, under string, value record, seconds int64, then func(now float64) need.Step) need.Step {
	question := &need.Need{Kind: need.Put, ID: s.id(k, under), Value: writeRecord(value), Seconds: seconds}
	return need.Ask(question, func(a need.Answer) need.Step {
		if a.HasFailed { //guard:flow-put-failed never
			return unavailable(a.Failed)
		}
		return then(a.Now)
	})
}

// get reads a value; take also deletes it, in one step: of many that take it one gets it.
func (s *Server) get(ask need.Kind, k kind, under string, value record, then func(now float64, there bool) need.Step) need.Step {
	return need.Ask(&need.Need{Kind: ask, ID: s.id(k, under)}, func(a need.Answer) need.Step {
		switch {
		case a.HasFailed: //guard:flow-get-failed never
			return unavailable(a.Failed)
		case len(a.Content) == 0:
			return then(a.Now, false)
		}
		if err := readRecord(string(a.Content), value); err != nil {
			return unavailable("a stored record cannot be read: " + err.Error())
		}
		return then(a.Now, true)
	})
}

// claim reports whether nobody has claimed it before, for some seconds.
func (s *Server) claim(now float64, k kind, under string, seconds int64, then func(now float64, first bool) need.Step) need.Step {
	question := &need.Need{Kind: need.Claim, Issuer: s.host.Issuer(), JTI: string(k), ID: s.id(k, under), Seconds: seconds, Now: now}
	return need.Ask(question, func(a need.Answer) need.Step {
		switch {
		case a.HasFailed || a.Claim != pipeline.Claimed && a.Claim != pipeline.Exists: //guard:flow-claim-failed never
			return unavailable(a.Failed)
		}
		return then(a.Now, a.Claim == pipeline.Claimed)
	})
}

// unavailable: without the store nothing is decided.
func unavailable(reason string) need.Step {
	return need.Refuse(problem.New(problem.ReplayStoreUnavailable, "").WithLog("the store of sign-ins: %s", problem.Quote(reason)))
}
