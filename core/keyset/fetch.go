package keyset

import (
	"sync"

	"github.com/tallystick/tallystick/core/need"
)

// Limits of one fetch (protocol.md section 6).
const (
	maxBytes     = 256 << 10
	timeout      = 5 // seconds
	maxRedirects = 3
)

// request is what makes two fetches the same.
type request struct {
	url       string
	etag      string // of the content that is there already
	accept    string
	redirects int
	public    bool
	internal  bool
	proxy     bool
}

// flight is one fetch that the host makes once, however many wait for it.
type flight struct {
	number uint64
	since  float64
}

type stage byte

// The stages. Discovery looks in two places, one after the other.
const (
	discovery stage = iota // OpenID Connect Discovery section 4
	metadata               // RFC 8414 section 3.1
	keys
)

// pending is a fetch as one entry waits for it.
type pending struct {
	stage   stage
	request request
	timeout float64 // seconds
	flight  *flight
	once    sync.Once // the first answer is read, outside of the cache's lock
	content content
}

func (p *pending) abandoned(t float64) bool { return t-p.flight.since >= maxFlight }

// fly starts a fetch for an entry, or joins one that is under way.
func (c *Cache) fly(t float64, e *entry, at stage, r request, seconds float64) {
	f, under := c.flights[r]
	if !under || t-f.since >= maxFlight {
		f = &flight{number: c.nextFlight(), since: t}
		c.flights[r] = f
	}
	e.pending = &pending{stage: at, request: r, timeout: seconds, flight: f}
	c.settle(e)
}

// land ends an entry's fetch. Others that wait for the same one keep its number;
// whoever comes later starts anew.
func (c *Cache) land(e *entry) {
	p := e.pending
	if p == nil {
		return
	}
	e.pending = nil
	if c.flights[p.request] == p.flight {
		delete(c.flights, p.request)
	}
	c.settle(e)
}

func (p *pending) need() *need.Need {
	headers := map[string]string{"accept": p.request.accept}
	if p.request.etag != "" {
		headers["if-none-match"] = p.request.etag
	}
	return &need.Need{Kind: need.Fetch, Request: &need.HTTP{
		Flight: p.flight.number, Method: "GET", URL: p.request.url, Headers: headers,
		Redirects: p.request.redirects, Public: p.request.public, Internal: p.request.internal,
		Proxy: p.request.proxy, MaxBytes: maxBytes, Timeout: p.timeout,
		Read: []string{"cache-control", "content-type", "etag"},
	}}
}
