// Package keyset keeps the keys of other issuers: a cache of JWKS as a state
// machine that asks its host for each document (protocol.md section 6).
package keyset

import (
	"container/list"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/tallystick/tallystick/core/jose"
)

// The times of the state machine, in seconds.
const (
	maxStale    = 24 * 60 * 60 // how long a set that cannot be refreshed is served
	retryAfter  = 10           // how long a failure is remembered
	missedAfter = 60           // between two fetches because of a missing kid or a bad signature
	maxFlight   = 30           // a fetch that nobody answered is given up
)

// Source says whose keys are looked for and what may be fetched for them.
type Source struct {
	Issuer      string
	JWKSURI     string // fixed by configuration; "" = discovery
	Configured  bool   // an authority or trusted issuer: any address, up to 3 redirects, never evicted by others
	Authority   bool   // one more place for the keys, {issuer}/api/auth/jwks; has a token endpoint
	HTTPAllowed bool   // development mode on loopback: plain http and any address, on the issuer's own origin
	Discovery   string // where the discovery document is; "" = below the issuer
	Internal    bool   // configured: plain http inside of the network, for the discovery document and JWKSURI alone
	KeyTenant   string // keys that name the issuer of another tenant are passed over; "" = all are taken
}

// Cache holds the key sets of issuers. Safe for concurrent use. Its host's needs
// are of the kind fetch; times are the host's, in seconds, and may step back.
type Cache struct {
	mu       sync.Mutex
	ttl      float64
	capacity int
	clock    clock
	entries  map[string]*entry // by issuer
	keys     map[string]*held  // by thumbprint
	flights  map[request]*flight
	last     uint64 // number of a flight
	events   uint64 // counts the ends of attempts

	// Every entry is in exactly one of these, so that the next one to go is
	// found without a search.
	idle       *list.List // not configured, least recently used first
	flying     *list.List // not configured, with a fetch under way, oldest first
	configured *list.List // least recently used first
	weight     int        // of the keys of all that are not configured, in bytes
}

// entry is what is known of one issuer. A missing answer is an entry too.
type entry struct {
	source   Source
	home     *list.List
	place    *list.Element
	set      *set      // nil: none, or too old to be served
	located  *location // nil: discovery has not answered
	fetched  attempt   // at the set
	asked    attempt   // at discovery
	pending  *pending
	missedAt float64 // when a missing kid or a bad signature last made it fetch

	elsewhere  bool    // discovery goes on at its second place
	discoverBy float64 // and has until then
}

// attempt is how the last try ended.
type attempt struct {
	event  uint64 // 0: there was none
	at     float64
	failed bool
	reason string // for the log
}

// failedLately reports whether trying again would be too soon.
func (a *attempt) failedLately(t float64) bool { return a.failed && t-a.at < retryAfter } //guard:keys-negative never

// New returns an empty cache. ttl is jwks_cache_ttl, in seconds; capacity is in
// issuers, those without an answer included.
func New(ttl float64, capacity int) *Cache {
	return &Cache{
		ttl: ttl, capacity: capacity,
		entries: map[string]*entry{}, keys: map[string]*held{}, flights: map[request]*flight{},
		idle: list.New(), flying: list.New(), configured: list.New(),
	}
}

// Holds reports whether Find would give a key of an issuer without a fetch: for
// whoever remembers what was verified with it. name is the key's.
func (c *Cache) Holds(now float64, issuer, name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.clock.read(now)
	e, there := c.entries[issuer]
	if !there || !e.fresh(t) && !(e.servable(t) && e.fetched.failedLately(t)) || !e.set.holds(name) {
		return false
	}
	c.touch(e)
	return true
}

func (e *entry) fresh(t float64) bool { return e.set != nil && t < e.set.until } //guard:keys-fresh drop 2

func (e *entry) servable(t float64) bool { return e.set != nil && t < e.set.until+maxStale } //guard:keys-stale-bound drop 2

// Key returns the key of a name, whosever it is; nil where there is none.
func (c *Cache) Key(name string) *jose.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, there := c.keys[name]; there {
		return h.key
	}
	return nil
}

// NextFlight returns a number for a fetch of somebody else: one engine has one
// numbering (need.HTTP).
func (c *Cache) NextFlight() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nextFlight()
}

func (c *Cache) nextFlight() uint64 {
	c.last++
	return c.last
}

// Stats tells how full the cache is.
type Stats struct {
	Cached   int `json:"cached"`
	Capacity int `json:"capacity"`
}

// Stats returns the present numbers.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Cached: len(c.entries), Capacity: c.capacity}
}

// Entry is one issuer of the cache, for an operator's eyes.
type Entry struct {
	URL       string  `json:"url"`
	Issuer    string  `json:"issuer"`
	Keys      int     `json:"keys"`
	ExpiresIn float64 `json:"expires_in"` // seconds; 0: there is no set, or a stale one
	Note      string  `json:"note,omitempty"`
}

// Entries lists the issuers in the order of their names. Note says why there is
// no fresh set, or what was passed over in it.
func (c *Cache) Entries(now float64) []Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.clock.read(now)
	entries := make([]Entry, 0, len(c.entries))
	for _, issuer := range slices.Sorted(maps.Keys(c.entries)) {
		entries = append(entries, c.entries[issuer].show(t))
	}
	return entries
}

func (e *entry) show(t float64) Entry {
	shown := Entry{URL: e.source.JWKSURI, Issuer: e.source.Issuer}
	if shown.URL == "" && e.located != nil {
		shown.URL = e.located.url
	}
	if e.set != nil {
		shown.URL, shown.Keys, shown.Note = e.set.url, len(e.set.issuer.Keys), e.set.note
		shown.ExpiresIn = math.Max(0, e.set.until-t)
	}
	if e.fetched.failed {
		shown.Note = e.fetched.reason
	}
	return shown
}
