package keyring

import (
	"errors"
	"fmt"
	"math"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

// DefaultPublish is how long a key is published before it signs, in seconds:
// by then every cache that honours a JWKS's max-age knows it.
const DefaultPublish = 300

// Bounds of Options, in seconds and keys. A lifetime is a token's, with leeway.
const (
	maxLifetime = 30 * 24 * 60 * 60
	maxPublish  = 7 * 24 * 60 * 60
	maxFresh    = 8
)

// Options are those of Update. Times are in seconds.
type Options struct {
	Now      float64
	Rotate   bool
	Force    bool         // rotate although next was published only now
	Revoke   bool         // drop every key at once, next included: they are stolen
	Lifetime float64      // of the longest token, leeway included: as long a retired key is published
	Publish  float64      // how long next must have been published before it signs
	Type     jose.KeyType // of new keys; "": any
	Bits     int          // of new RSA keys: 2048, 3072 or 4096; 0: any of those
	Fresh    []string     // keys that the host has generated, as PEM: private, or public where a KMS signs
}

// Updated is what came of it.
type Updated struct {
	Ring    *Ring // nil: there was none, and keys are missing
	Changed bool
	Missing int // so many keys must the host generate; nothing was changed
	Rotated bool
}

// Update brings a ring (nil: there is none yet) to its present state: it gives it
// an active and a next key, drops dead ones and, where asked to, rotates. It uses as
// many of the fresh keys as it needs, in their order; of a new ring the first
// becomes active, whatever its size. The first next key of all counts as published
// since ever: no cache can hold a JWKS without it. With Revoke the ring begins
// anew: no token of an older key is good any more, wherever the set is fetched.
//
// Problems: invalid_argument (too early or too often to rotate: says the wait;
// an option out of its bounds), invalid_key (a fresh key).
func Update(r *Ring, o Options) (Updated, *problem.Problem) {
	if err := o.check(); err != nil {
		return Updated{}, problem.New(problem.InvalidArgument, "ring.update: "+err.Error())
	}
	fresh, err := readFresh(r, o)
	if err != nil {
		return Updated{}, problem.New(problem.InvalidKey, "ring.update: "+err.Error())
	}
	if o.Revoke && r != nil { //guard:ring-revoke never
		if missing := 2 - len(fresh); missing > 0 {
			return Updated{Ring: r, Missing: missing}, nil
		}
		return Updated{Ring: begin(fresh[0], fresh[1], o.Now), Changed: true, Rotated: true}, nil
	}
	if err := mayRotate(r, o); err != nil {
		return Updated{}, problem.New(problem.InvalidArgument, "ring.update: "+err.Error())
	}
	if missing := needed(r, o) - len(fresh); missing > 0 {
		return Updated{Ring: r, Missing: missing}, nil
	}
	if r == nil {
		r = begin(fresh[0], fresh[1], o.Now)
		if !o.Rotate {
			return Updated{Ring: r, Changed: true}, nil
		}
		fresh = fresh[2:]
	}
	return r.advance(fresh, o), nil
}

func (o Options) check() error {
	switch {
	case !(o.Lifetime >= 1 && o.Lifetime <= maxLifetime):
		return fmt.Errorf("lifetime must be from 1 to %d seconds", maxLifetime)
	case !(o.Publish >= 0 && o.Publish <= maxPublish):
		return fmt.Errorf("publish must be from 0 to %d seconds", maxPublish)
	case len(o.Fresh) > maxFresh:
		return fmt.Errorf("fresh may have %d keys", maxFresh)
	}
	kind := o.Type
	if kind == "" {
		kind = jose.TypeRSA
	}
	return jose.CheckKeyType(kind, o.Bits)
}

// readFresh returns the keys that are new to the ring.
func readFresh(r *Ring, o Options) ([]Key, error) {
	var fresh []Key
	ids := map[string]bool{}
	for i, text := range o.Fresh {
		keys, err := jose.ParseKeys([]byte(text))
		switch {
		case err != nil:
			return nil, fmt.Errorf("fresh[%d]: %w", i, err)
		case len(keys) != 1:
			return nil, fmt.Errorf("fresh[%d]: %d keys, expected one", i, len(keys))
		}
		key := Key{ID: keys[0].Public.Thumbprint(), Private: keys[0].Private, Public: keys[0].Public}
		imported := r == nil && i == 0
		if key.Public.Algorithm() == jose.PS256 { //guard:ring-fresh-ps256 never
			return nil, fmt.Errorf("fresh[%d]: %w", i, errPS256)
		}
		if kind := key.Public.Type(); o.Type != "" && !imported && kind != o.Type { //guard:ring-type never
			return nil, fmt.Errorf("fresh[%d]: a key of type %s, type is %s", i, kind, o.Type)
		}
		if o.Bits != 0 && !imported && key.Public.Bits() != o.Bits {
			return nil, fmt.Errorf("fresh[%d]: a key of %d bits, bits is %d", i, key.Public.Bits(), o.Bits)
		}
		if !ids[key.ID] && !r.has(key.ID) { // another process may have used it meanwhile
			fresh = append(fresh, key)
		}
		ids[key.ID] = true
	}
	return fresh, nil
}

func (r *Ring) has(id string) bool {
	if r == nil {
		return false
	}
	_, there := r.Key(id)
	return there
}

// needed counts the fresh keys that an update takes.
func needed(r *Ring, o Options) int {
	n := 0
	if r == nil {
		n = 2
	} else if _, there := r.Next(); !there {
		n = 1
	}
	if o.Rotate {
		n++
	}
	return n
}

// mayRotate: a key that signs before others had time to see it would have its
// tokens refused, and a retired key that made room would too.
func mayRotate(r *Ring, o Options) error {
	if !o.Rotate || r == nil {
		return nil
	}
	next, there := r.Next()
	published := o.Now - next.PublishedAt
	switch {
	case !there && !o.Force:
		return errors.New("there is no next key yet: let one be made and published first, or rotate by force")
	case there && published < o.Publish && !o.Force:
		return fmt.Errorf("the next key has been published for %.0f of %.0f seconds: rotate in %.0f seconds, or by force",
			math.Max(0, published), o.Publish, math.Ceil(o.Publish-published))
	}
	if soonest, live := r.live(o.Now); live >= maxRetired {
		return fmt.Errorf("%d retired keys still have live tokens: rotate in %.0f seconds", live, math.Ceil(soonest-o.Now))
	}
	return nil
}

// live counts the retired keys that are not dead, and when the first of them will be.
func (r *Ring) live(now float64) (soonest float64, n int) {
	soonest = math.Inf(1)
	for _, key := range r.Retired() {
		if !key.dead(now) {
			n++
			soonest = math.Min(soonest, key.DeadAt)
		}
	}
	return soonest, n
}

func begin(active, next Key, now float64) *Ring {
	active.State, active.PublishedAt = Active, math.Floor(now)
	next.State = Next
	return &Ring{keys: []Key{active, next}}
}

// advance has all the keys that it needs.
func (r *Ring) advance(fresh []Key, o Options) Updated {
	publish := func() Key {
		key := fresh[0]
		key.State, key.PublishedAt = Next, math.Floor(o.Now)
		fresh = fresh[1:]
		return key
	}
	active, retired := r.Active(), r.alive(o.Now)
	next, there := r.Next()
	changed := !there || o.Rotate || len(retired) < len(r.Retired())
	if !there {
		next = publish()
	}
	if o.Rotate {
		active.State, active.DeadAt = Retired, math.Ceil(o.Now+o.Lifetime)
		retired = append([]Key{active}, retired...)
		active, next = next, publish()
		active.State = Active
	}
	if !changed {
		return Updated{Ring: r}
	}
	return Updated{Ring: &Ring{keys: append([]Key{active, next}, retired...)}, Changed: true, Rotated: o.Rotate}
}

func (r *Ring) alive(now float64) []Key {
	var alive []Key
	for _, key := range r.Retired() {
		if !key.dead(now) {
			alive = append(alive, key)
		}
	}
	return alive
}
