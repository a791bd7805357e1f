package keyset

// awaits reports whether an issuer still waits for a fetch.
func (c *Cache) awaits(issuer string, p *pending) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, there := c.entries[issuer]
	return there && e.pending == p
}

// install takes in what a fetch gave, once.
func (c *Cache) install(now float64, issuer string, p *pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, there := c.entries[issuer]
	if !there || e.pending != p {
		return
	}
	t := c.clock.read(now)
	c.land(e)
	if p.stage == keys {
		c.takeKeys(t, e, p.content)
	} else {
		c.takeLocation(t, e, p)
	}
	c.lighten()
}

func (c *Cache) takeLocation(t float64, e *entry, p *pending) {
	got := p.content
	next := got.located
	internal := e.source.internal(e.source.discovery())
	if e.elsewhere = got.elsewhere && p.stage == discovery && !internal; e.elsewhere {
		if t < e.discoverBy { //guard:discovery-deadline always
			return // to the second place
		}
		e.elsewhere, got = false, faulty("no time is left to look at %s", e.source.metadataURL())
	}
	switch {
	case got.elsewhere && internal: //guard:internal-elsewhere never
		reason := "discovery: " + got.fault + ": internal_http is for the discovery document and jwks_uri alone: write jwks_uri"
		c.end(t, &e.asked, reason)
		c.end(t, &e.fetched, reason)
		return
	case got.elsewhere:
		next, got.lifetime = e.source.elsewhere(), c.ttl
	case next == nil:
		c.end(t, &e.asked, "discovery: "+got.fault)
		c.end(t, &e.fetched, "discovery: "+got.fault)
		return
	}
	next.until = t + got.lifetime
	e.located = next
	c.end(t, &e.asked, "")
}

func (c *Cache) takeKeys(t float64, e *entry, got content) {
	switch {
	case got.unchanged && e.set != nil:
		renewed := *e.set
		renewed.until = t + got.lifetime
		e.set = &renewed
		c.end(t, &e.fetched, "")
	case got.set != nil:
		got.set.until = t + got.lifetime
		c.hold(e, got.set)
		c.end(t, &e.fetched, "")
	case got.elsewhere && e.source.JWKSURI == "" && e.located != nil && len(e.located.others) > 0:
		e.located.url, e.located.others = e.located.others[0], e.located.others[1:]
	default:
		if got.elsewhere {
			e.located = nil // the keys have moved: discovery knows where to
		}
		c.end(t, &e.fetched, "JWKS: "+got.fault)
	}
}

// end notes how an attempt ended; without a reason it went well.
func (c *Cache) end(t float64, a *attempt, reason string) {
	c.events++
	*a = attempt{event: c.events, at: t, failed: reason != "", reason: reason}
}
