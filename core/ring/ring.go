// Package ring holds an agent's own keys: the next, the active and the retired
// ones, so that a key is known everywhere before it signs and as long as one of
// its tokens lives (protocol.md section 2).
package ring

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

// State is a closed set.
type State string

// The states of a key.
const (
	Next    State = "next"
	Active  State = "active"
	Retired State = "retired"
)

// Key is one key of a ring. Private is nil where a KMS holds it.
type Key struct {
	ID          string // RFC 7638 thumbprint
	State       State
	Private     *jose.PrivateKey
	Public      *jose.PublicKey
	PublishedAt float64
	DeadAt      float64 // of a retired key
}

// Ring never changes once made.
type Ring struct{ keys []Key }

// Options are those of Update. Times are in seconds.
type Options struct {
	Now      float64
	Rotate   bool
	Force    bool    // rotate although next was published only now
	Lifetime float64 // of the longest token, leeway included
	Publish  float64 // how long next must have been published
	Bits     int
	Fresh    []string // PEM texts
}

// Updated is what came of it.
type Updated struct {
	Ring    *Ring // nil where there was none and Missing is not 0
	Changed bool
	Missing int // keys that the host must generate first
	Rotated bool
}

// Parse reads a ring document.
func Parse(text string) (*Ring, *problem.Problem) { return nil, nil }

// Document returns the ring as the text that Parse reads. It holds private keys.
func (r *Ring) Document() string { return "" }

// Active returns the key that signs.
func (r *Ring) Active() Key { return Key{} }

// Next returns the key that will sign after the next rotation, if there is one.
func (r *Ring) Next() (Key, bool) { return Key{}, false }

// Retired returns the keys that sign no more.
func (r *Ring) Retired() []Key { return nil }

// Key returns the key with an id.
func (r *Ring) Key(id string) (Key, bool) { return Key{}, false }

// Public returns what is published at a time: active, next and the retired keys that are not dead.
func (r *Ring) Public(now float64) []*jose.PublicKey { return nil }

// JWKS returns Public as a JWKS text (RFC 7517 section 5).
func (r *Ring) JWKS(now float64) string { return "" }

// Update brings a ring (nil: none yet) to its present state.
func Update(r *Ring, o Options) (Updated, *problem.Problem) { return Updated{}, nil }
