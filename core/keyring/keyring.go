// Package keyring holds an agent's own keys: the next, the active and the retired
// ones, so that a key is known everywhere before it signs and for as long as one
// of its tokens lives (protocol.md section 2).
package keyring

import (
	"strings"

	"github.com/tallystick/tallystick/core/jose"
)

// State is a closed set.
type State string

// The states of a key, in the order of its life.
const (
	Next    State = "next"
	Active  State = "active"
	Retired State = "retired"
)

// maxRetired bounds the retired keys of a ring.
const maxRetired = 16

// Key is one key of a ring. Times are in seconds since 1970.
type Key struct {
	ID          string // RFC 7638 thumbprint
	State       State
	Private     *jose.PrivateKey // nil where a KMS holds it
	Public      *jose.PublicKey
	PublishedAt float64
	DeadAt      float64 // of a retired key: its last token is dead
}

// Ring has exactly one active key and at most one next. It never changes once
// made; safe for concurrent use.
type Ring struct{ keys []Key } // active, next, retired: the youngest first

// Active returns the key that signs.
func (r *Ring) Active() Key { return r.keys[0] }

// Next returns the key that signs after the next rotation, if there is one.
func (r *Ring) Next() (Key, bool) {
	if len(r.keys) > 1 && r.keys[1].State == Next {
		return r.keys[1], true
	}
	return Key{}, false
}

// Retired returns the keys that sign no more, dead ones included.
func (r *Ring) Retired() []Key {
	if _, there := r.Next(); there {
		return append([]Key(nil), r.keys[2:]...)
	}
	return append([]Key(nil), r.keys[1:]...)
}

// Key returns the key with an id.
func (r *Ring) Key(id string) (Key, bool) {
	for _, key := range r.keys {
		if key.ID == id {
			return key, true
		}
	}
	return Key{}, false
}

// Named returns the public key of a name, as a host that checks asks for it; nil where there is
// none, or no ring.
func (r *Ring) Named(name string) *jose.PublicKey {
	if r == nil {
		return nil
	}
	for _, key := range r.keys {
		if key.Public.Name() == name {
			return key.Public
		}
	}
	return nil
}

// Public returns what is published at a time: active, next and the retired keys
// that are not dead.
func (r *Ring) Public(now float64) []*jose.PublicKey {
	published := []*jose.PublicKey{}
	for _, key := range r.keys {
		if !key.dead(now) {
			published = append(published, key.Public)
		}
	}
	return published
}

func (k Key) dead(now float64) bool { return k.State == Retired && now >= k.DeadAt }

// JWKS returns Public as a JWKS text (RFC 7517 section 5): the same bytes for the
// same keys, so that its digest can be an entity-tag.
func (r *Ring) JWKS(now float64) string {
	texts := []string{}
	for _, key := range r.Public(now) {
		texts = append(texts, key.JWK())
	}
	return `{"keys":[` + strings.Join(texts, ",") + `]}`
}

// String keeps the keys out of every log.
func (r *Ring) String() string { return "key ring of " + r.keys[0].ID }

// GoString is String.
func (r *Ring) GoString() string { return r.String() }
