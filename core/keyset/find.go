package keyset

import (
	"math"
	"slices"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

var never = math.Inf(-1)

// maxAsks bounds the fetches that one search waits for: two places of discovery,
// three of keys, and as many again that others began meanwhile.
const maxAsks = 10

// verdict is what a look at the cache says: exactly one of the three is set.
type verdict struct {
	found   func(now float64) need.Step
	wait    *pending
	problem *problem.Problem
}

// search is one caller on the way to what it looks for. decide is called with
// the cache's lock held and its clock's time.
type search struct {
	cache  *Cache
	source Source
	since  uint64 // events of the cache when it began
	goesOn bool   // since is that of an earlier search
	asks   int
	decide func(s *search, t float64, e *entry) verdict
	code   problem.Code // where there is no answer
}

// Find goes on with the keys that a token with this kid and algorithm may be signed by: at
// least one, at most 8 (authorizedkeys.Issuer.Candidates). Else the problem is
// unknown_key, keys_unavailable, or unknown_issuer where iss is no URL that may
// be asked.
//
// A set that has expired is fetched anew, and served for a day more where that
// fails. A missing kid makes it fetch at most once in 60 s (10 s after a
// failure). What is found after a fetch counts for this search even when its
// lifetime is over already.
func (c *Cache) Find(now float64, s Source, w Wanted, found func(now float64, keys []*jose.PublicKey) need.Step) need.Step {
	begun := &search{cache: c, source: s, code: problem.KeysUnavailable}
	begun.decide = func(s *search, t float64, e *entry) verdict {
		keys, v := s.keys(t, e, w)
		if keys != nil {
			v.found = func(now float64) need.Step { return found(now, keys) }
		}
		return v
	}
	return begun.run(now)
}

// Wanted is what a token's header says of its key.
type Wanted struct {
	KeyID     string
	Algorithm jose.Algorithm
}

// Tried is what Find gave and no signature was made by. Since is Events from before it.
type Tried struct {
	Wanted
	Keys  []*jose.PublicKey
	Since uint64
}

// Events counts how many attempts to fetch have ended.
func (c *Cache) Events() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.events
}

// FindOthers goes on with the keys that a kid means now, where they are others than
// those that were tried: an issuer may replace a key under its kid. Else same is asked.
// Anybody can write a bad signature, so it makes the issuer be asked as seldom as a
// missing kid does, and together with it; a set that was fetched since is believed.
func (c *Cache) FindOthers(now float64, s Source, t Tried, found func(now float64, keys []*jose.PublicKey) need.Step, same func() need.Step) need.Step {
	begun := &search{cache: c, source: s, code: problem.KeysUnavailable, since: t.Since, goesOn: true}
	begun.decide = func(s *search, at float64, e *entry) verdict {
		if s.mayAskAgain(at, e) { //guard:keys-replaced never
			return s.fetchMissed(at, e)
		}
		if e.set == nil {
			return verdict{found: func(float64) need.Step { return same() }}
		}
		keys := e.set.issuer.Candidates(t.KeyID, t.Algorithm)
		if slices.EqualFunc(keys, t.Keys, sameKey) { //guard:keys-replaced-same always
			return verdict{found: func(float64) need.Step { return same() }}
		}
		return verdict{found: func(now float64) need.Step { return found(now, keys) }}
	}
	return begun.run(now)
}

func sameKey(a, b *jose.PublicKey) bool { return a.Name() == b.Name() }

// TokenEndpoint goes on with the URL of an authority's token endpoint: the one
// that its discovery document names, {issuer}/auth/token where there is no such
// document. Else the problem is token_unavailable. The source is the one of Find,
// with Authority set.
func (c *Cache) TokenEndpoint(now float64, s Source, found func(now float64, url string) need.Step) need.Step {
	begun := &search{cache: c, source: s, code: problem.TokenUnavailable}
	begun.decide = func(s *search, t float64, e *entry) verdict {
		url, v := s.endpoint(t, e)
		if url != "" {
			v.found = func(now float64) need.Step { return found(now, url) }
		}
		return v
	}
	return begun.run(now)
}

// Endpoints goes on with where a provider signs users in. Else the problem is token_unavailable. The
// source is the one of Find, with Authority set.
func (c *Cache) Endpoints(now float64, s Source, found func(now float64, e Endpoints) need.Step) need.Step {
	begun := &search{cache: c, source: s, code: problem.TokenUnavailable}
	begun.decide = func(s *search, t float64, e *entry) verdict {
		_, v := s.endpoint(t, e)
		if v.wait == nil && v.problem == nil {
			people := e.located.people
			v.found = func(now float64) need.Step { return found(now, people) }
		}
		return v
	}
	return begun.run(now)
}

func (s *search) run(now float64) need.Step {
	v := s.look(now)
	switch {
	case v.problem != nil:
		return need.Refuse(v.problem)
	case v.found != nil: // called without the lock: it goes on with the whole pipeline
		return v.found(now)
	}
	return need.Ask(v.wait.need(), func(a need.Answer) need.Step { return s.answered(v.wait, a) })
}

// look decides upon the present state, under the lock.
func (s *search) look(now float64) verdict {
	c := s.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.clock.read(now)
	e, there := c.entries[s.source.Issuer]
	if !there || e.source != s.source {
		if err := s.source.check(); err != nil {
			p := problem.New(problem.UnknownIssuer, "").WithLog("issuer %s cannot be asked for its keys: %s", problem.Quote(s.source.Issuer), err)
			p.Subject = s.source.Issuer
			return verdict{problem: p}
		}
	}
	if s.asks == 0 && !s.goesOn {
		s.since = c.events
	}
	if e = c.enter(t, s.source); e == nil {
		return s.refuse("the cache is full of issuers whose keys are being fetched")
	}
	if !e.servable(t) {
		c.hold(e, nil)
	}
	return s.decide(s, t, e)
}

func (s *search) refuse(reason string) verdict {
	return verdict{problem: problem.New(s.code, "").WithLog("issuer %s: %s", problem.Quote(s.source.Issuer), reason)}
}

// saw reports whether an attempt ended after the search began: then it is this
// search's answer too, and nothing is fetched for it again.
func (s *search) saw(a *attempt) bool { return a.event > s.since }

// keys looks for a token's keys.
func (s *search) keys(t float64, e *entry, w Wanted) ([]*jose.PublicKey, verdict) {
	current := e.fresh(t) || s.saw(&e.fetched) && !e.fetched.failed
	failed := e.fetched.failed && (s.saw(&e.fetched) || e.fetched.failedLately(t))
	if !current && !failed {
		return nil, s.fetch(t, e)
	}
	if e.set == nil {
		return nil, s.refuse("its keys cannot be fetched: " + e.fetched.reason)
	}
	if candidates := e.set.issuer.Candidates(w.KeyID, w.Algorithm); len(candidates) > 0 {
		return candidates, verdict{}
	}
	if !current { // the kid may be in what cannot be fetched
		return nil, s.refuse("it has a new key, or none of this kid, and its keys cannot be fetched: " + e.fetched.reason)
	}
	if s.mayAskAgain(t, e) {
		return nil, s.fetchMissed(t, e)
	}
	return nil, verdict{problem: e.unknown(w.KeyID)}
}

// mayAskAgain: what is held does not fit a token, and this search has not seen a
// fetch yet.
func (s *search) mayAskAgain(t float64, e *entry) bool {
	return !s.saw(&e.fetched) && !e.fetched.failedLately(t) && (e.pending != nil || e.missedLongAgo(t)) //guard:keys-cooldown always 4; keys-replaced-seen drop 1; keys-replaced-failed drop 2
}

// fetchMissed waits for the fetch under way, or begins the one of this minute.
func (s *search) fetchMissed(t float64, e *entry) verdict {
	if e.pending == nil {
		e.missedAt = t
	}
	return s.fetch(t, e)
}

// missedLongAgo: anybody can write tokens with a kid that there is not, or with a bad
// signature, so they make the issuer be asked once a minute.
func (e *entry) missedLongAgo(t float64) bool {
	wait := float64(missedAfter)
	if e.fetched.failed {
		wait = retryAfter
	}
	return t-e.missedAt >= wait
}

func (e *entry) unknown(kid string) *problem.Problem {
	p := problem.New(problem.UnknownKey, "").WithLog("issuer %s has %d usable keys, none for kid %s (where it runs as several replicas, look whether each has a key ring of its own: all need one)", problem.Quote(e.source.Issuer), len(e.set.issuer.Keys), problem.Quote(kid))
	if e.set.note != "" {
		p.Log += "; " + e.set.note
	}
	if e.fetched.failed {
		p.Log += "; the last attempt to fetch them failed: " + e.fetched.reason
	}
	return p
}

// endpoint looks for a token endpoint.
func (s *search) endpoint(t float64, e *entry) (string, verdict) {
	failed := e.asked.failed && (s.saw(&e.asked) || e.asked.failedLately(t))
	servable := e.located != nil && t < e.located.until+maxStale
	switch {
	case s.located(t, e) || failed && servable:
		if e.located.endpoint == "" {
			return "", s.refuse(e.located.fault)
		}
		return e.located.endpoint, verdict{}
	case failed:
		return "", s.refuse("its discovery document cannot be fetched: " + e.asked.reason)
	}
	return "", s.wait(t, e, func() { s.discover(t, e) })
}

// located reports whether it is known where the issuer's documents lie.
func (s *search) located(t float64, e *entry) bool {
	return e.located != nil && (t < e.located.until || s.saw(&e.asked) && !e.asked.failed)
}

// fetch waits for the next document on the way to the keys.
func (s *search) fetch(t float64, e *entry) verdict {
	return s.wait(t, e, func() {
		url := s.source.JWKSURI
		if url == "" {
			if !s.located(t, e) {
				s.discover(t, e)
				return
			}
			url = e.located.url
		}
		etag := ""
		if e.set != nil && e.set.url == url {
			etag = e.set.etag
		}
		s.cache.fly(t, e, keys, s.source.request(url, "application/jwk-set+json, application/json", etag), timeout)
	})
}

// discover asks at the first place or, where that had no document, at the second. Both together
// have the time of one fetch.
func (s *search) discover(t float64, e *entry) {
	at, url := metadata, s.source.metadataURL()
	if !e.elsewhere || t >= e.discoverBy { // or nobody went on when there was time
		at, url = discovery, s.source.discovery()
		e.elsewhere, e.discoverBy = false, t+timeout
	}
	left := math.Ceil((e.discoverBy-t)*1000) / 1000
	s.cache.fly(t, e, at, s.source.request(url, "application/json", ""), left)
}

// wait joins the fetch under way, or begins one.
func (s *search) wait(t float64, e *entry, begin func()) verdict {
	if s.asks++; s.asks > maxAsks {
		return s.refuse("its documents do not come to rest")
	}
	if e.pending != nil && e.pending.abandoned(t) {
		s.cache.land(e)
	}
	if e.pending == nil {
		begin()
	}
	return verdict{wait: e.pending}
}

// answered goes on after a fetch. The first answer of a flight counts; others
// find its outcome in the cache.
func (s *search) answered(p *pending, a need.Answer) need.Step {
	if !a.HasFailed && a.Status == 0 {
		return need.WrongAnswer(need.Fetch)
	}
	if s.cache.awaits(s.source.Issuer, p) {
		p.once.Do(func() { p.content = p.read(s.source, s.cache.ttl, a) })
		s.cache.install(a.Now, s.source.Issuer, p)
	}
	return s.run(a.Now)
}
