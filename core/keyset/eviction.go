package keyset

import (
	"container/list"
	"strings"

	"github.com/tallystick/tallystick/core/jose"
)

// Each issuer that is not configured may fill the cache with keys of its
// choosing: together they get what 8 keys of 2048 bits for each would take.
const (
	weightEach  = 8 * jose.MinBits / 8
	leastWeight = maxKeys * jose.MaxBits / 8 // one set always fits
)

// held is a key that one or more sets hold.
type held struct {
	key  *jose.PublicKey
	sets int
}

// enter returns the entry of a source and makes one where there is none; nil
// where no other may go for it.
func (c *Cache) enter(t float64, s Source) *entry {
	e, there := c.entries[s.Issuer]
	if there && e.source == s {
		c.touch(e)
		return e
	}
	if there { // under other rules than what it holds was fetched by
		c.remove(e)
	}
	if len(c.entries) >= c.capacity && !c.evict(t, s.Configured) {
		return nil
	}
	s.Issuer = strings.Clone(s.Issuer) // else the entry keeps the whole token that named it
	e = &entry{source: s, missedAt: never}
	c.entries[s.Issuer] = e
	c.settle(e)
	return e
}

// settle puts an entry at the end of the list where it belongs.
func (c *Cache) settle(e *entry) {
	if e.home != nil {
		e.home.Remove(e.place)
	}
	switch {
	case e.source.Configured:
		e.home = c.configured
	case e.pending != nil:
		e.home = c.flying
	default:
		e.home = c.idle
	}
	e.place = e.home.PushBack(e)
}

// touch marks an entry as used. Among the flying the start of the flight counts.
func (c *Cache) touch(e *entry) {
	if e.home != c.flying {
		e.home.MoveToBack(e.place)
	}
}

// evict makes room. Strangers push out idle strangers and abandoned flights
// alone: a flood of new issuers must not cost those that are being fetched.
func (c *Cache) evict(t float64, forConfigured bool) bool {
	victim := c.idle.Front()
	if oldest := c.flying.Front(); victim == nil && oldest != nil && (forConfigured || of(oldest).pending.abandoned(t)) {
		victim = oldest
	}
	if victim == nil && forConfigured {
		victim = c.configured.Front()
	}
	if victim == nil {
		return false
	}
	c.remove(of(victim))
	return true
}

func of(place *list.Element) *entry { return place.Value.(*entry) }

func (c *Cache) remove(e *entry) {
	c.land(e)
	c.hold(e, nil)
	e.home.Remove(e.place)
	delete(c.entries, e.source.Issuer)
}

// hold replaces the set of an entry.
func (c *Cache) hold(e *entry, next *set) {
	if next != nil {
		c.share(next)
	}
	c.count(e, e.set, -1)
	c.count(e, next, 1)
	e.set = next
}

// share makes equal keys one object, so that a key published by many issuers
// takes its memory once. Keys are equal by name: a stranger that publishes another's modulus for
// PS256 must not change what that key is good for.
func (c *Cache) share(s *set) {
	for i := range s.issuer.Keys {
		if h, there := c.keys[s.issuer.Keys[i].Public.Name()]; there {
			s.issuer.Keys[i].Public = h.key
		}
	}
}

func (c *Cache) count(e *entry, s *set, by int) {
	if s == nil {
		return
	}
	for _, key := range s.issuer.Keys {
		name := key.Public.Name()
		h, there := c.keys[name]
		if !there {
			h = &held{key: key.Public}
			c.keys[name] = h
		}
		if h.sets += by; h.sets == 0 {
			delete(c.keys, name)
		}
		if !e.source.Configured {
			c.weight += by * key.Public.Size()
		}
	}
}

// lighten drops idle sets of strangers until the rest is light enough.
func (c *Cache) lighten() {
	for c.weight > max(c.capacity*weightEach, leastWeight) && c.idle.Len() > 1 {
		c.remove(of(c.idle.Front()))
	}
}
