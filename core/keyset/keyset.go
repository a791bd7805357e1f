// Package keyset keeps the keys of other issuers: a cache of JWKS as a state
// machine that asks its host for each document (protocol.md section 6).
package keyset

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
)

// Source says whose keys are looked for and what may be fetched for them.
type Source struct {
	Issuer      string
	JWKSURI     string // fixed by configuration; "" = discovery
	Configured  bool   // an authority or trusted issuer: any address, up to 3 redirects, never evicted by others
	Authority   bool   // one more place for the keys, {issuer}/api/auth/jwks; has a token endpoint
	HTTPAllowed bool   // development mode on loopback: plain http and any address, on the issuer's own origin
}

// Cache holds the key sets of issuers. Safe for concurrent use.
type Cache struct{}

// Entry is one issuer of the cache, for an operator's eyes.
type Entry struct {
	URL       string  `json:"url"`
	Issuer    string  `json:"issuer"`
	Keys      int     `json:"keys"`
	ExpiresIn float64 `json:"expires_in"` // seconds; 0 where the set is stale or missing
	Note      string  `json:"note,omitempty"`
}

// Stats tells how full the cache is.
type Stats struct {
	Cached   int `json:"cached"`
	Capacity int `json:"capacity"`
}

// New returns an empty cache. ttl is jwks_cache_ttl, in seconds; capacity is in issuers.
func New(ttl float64, capacity int) *Cache { return &Cache{} }

// Find goes on with the keys that a token with this kid may be signed by: at least one, at most 8.
func (c *Cache) Find(now float64, s Source, kid string, found func(now float64, keys []*jose.PublicKey) need.Step) need.Step {
	return found(now, nil)
}

// TokenEndpoint goes on with the URL of an authority's token endpoint.
func (c *Cache) TokenEndpoint(now float64, s Source, found func(now float64, url string) need.Step) need.Step {
	return found(now, "")
}

// Holds reports whether Find would give a key without a fetch.
func (c *Cache) Holds(now float64, issuer, thumbprint string) bool { return false }

// NextFlight returns a number for a fetch of somebody else: one engine has one numbering.
func (c *Cache) NextFlight() uint64 { return 0 }

// Stats returns the present numbers.
func (c *Cache) Stats() Stats { return Stats{} }

// Entries lists the issuers in the order of their names.
func (c *Cache) Entries(now float64) []Entry { return nil }

// Key returns the key with a thumbprint, whosever it is.
func (c *Cache) Key(thumbprint string) *jose.PublicKey { return nil }
