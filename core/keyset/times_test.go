package keyset

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/need"
)

func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		header string
		ttl    float64
		want   float64
	}{
		{"", 3600, 3600}, {"max-age=600", 3600, 600}, {"public, Max-Age=600, must-revalidate", 3600, 600}, {`max-age="600"`, 3600, 600},
		{"max-age=10", 3600, 60}, {"max-age=99999", 3600, 3600}, {"max-age=99999999999999999999", 3600, 3600},
		{"max-age=x", 3600, 60}, {"max-age=-1", 3600, 60}, {"max-age", 3600, 60}, {"max-age=600, max-age=90", 3600, 90},
		{"no-store", 3600, 60}, {"no-cache, max-age=600", 3600, 60}, {"private", 3600, 3600},
		{"no-store", 20, 20}, {"max-age=600", 20, 20}, {"max-age=10", 20, 20}, {"", 20, 20}, {"max-age=600", 60, 60},
	} {
		if got := lifetime(c.header, c.ttl); got != c.want {
			t.Errorf("%q with a ttl of %.0f: %.0f, want %.0f", c.header, c.ttl, got, c.want)
		}
		h := newHost(t, c.ttl, 10)
		h.publish(issuer, jwks(jwk(0)), "cache-control", c.header)
		h.find(stranger, kid(0))
		h.now += c.want - 0.5
		if _, n := h.find(stranger, kid(0)); n != 0 {
			t.Errorf("%q: fetched again before its end", c.header)
		}
		h.now += 0.5
		if _, n := h.find(stranger, kid(0)); n == 0 {
			t.Errorf("%q: not fetched again at its end", c.header)
		}
	}
}

func TestRevalidation(t *testing.T) {
	fixed := Source{Issuer: issuer, Configured: true, JWKSURI: issuer + "/keys"}
	h := newHost(t, 3600, 10)
	h.web[fixed.JWKSURI] = reply(jwks(jwk(0)), "etag", `W/"a"`, "cache-control", "max-age=100")
	h.expect(fixed, kid(0), "1", 1)
	h.now += 100
	h.web[fixed.JWKSURI] = need.Answer{Status: 304, Headers: map[string]string{"cache-control": "max-age=200"}}
	h.expect(fixed, kid(0), "1", 1)
	if sent := h.fetched[1].Headers["if-none-match"]; sent != `W/"a"` || h.fetched[0].Headers["if-none-match"] != "" {
		t.Errorf("If-None-Match: %q", sent)
	}
	h.now += 199
	h.expect(fixed, kid(0), "1", 0)
	h.now++
	h.web[fixed.JWKSURI] = reply(jwks(jwk(1)))
	h.expect(fixed, kid(1), "1", 1)
	if h.cache.Key(kid(0)) != nil || h.cache.Key(kid(1)) == nil {
		t.Error("the index of keys is not that of the sets")
	}
	for tag, want := range map[string]string{`"a"`: `"a"`, `W/"a"`: `W/"a"`, `""`: `""`, `a`: "", `"a`: "", `"`: "", "\"a\nb\"": "", `"a"b"`: "", `"` + strings.Repeat("a", 300) + `"`: ""} {
		if got := validETag(tag); got != want {
			t.Errorf("entity-tag %q is kept as %q", tag, got)
		}
	}
}

func TestMissingKidRefreshesOnceAMinute(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(1), "unknown_key", 2) // the first fetch
	h.expect(stranger, kid(1), "unknown_key", 1)
	h.expect(stranger, "another", "unknown_key", 0)
	h.publish(issuer, jwks(jwk(0), jwk(1))) // a rotation
	h.now += 59
	h.expect(stranger, kid(1), "unknown_key", 0)
	h.expect(stranger, kid(0), "1", 0)
	h.now++
	h.expect(stranger, kid(1), "1", 1)
}

func TestMissingKidAndFailure(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
	h.web[issuer+"/keys"] = failed("down")
	h.expect(stranger, kid(1), "unknown_key", 1)
	h.expect(stranger, kid(0), "1", 0)
	h.now += 9
	h.expect(stranger, kid(1), "unknown_key", 0)
	h.now++
	h.publish(issuer, jwks(jwk(1)))
	h.expect(stranger, kid(1), "1", 1)
}

func TestStaleIfError(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
	h.now += 3600
	h.web[issuer+pathDiscovery] = failed("down")
	h.expect(stranger, kid(0), "1", 1)
	if !h.cache.Holds(h.now, issuer, kid(0)) {
		t.Error("a stale set that is served is not held")
	}
	h.expect(stranger, kid(0), "1", 0)
	h.expect(stranger, kid(1), "keys_unavailable", 0)
	h.now += 9
	h.expect(stranger, kid(0), "1", 0)
	h.now++
	if h.cache.Holds(h.now, issuer, kid(0)) {
		t.Error("held although a refresh is due")
	}
	h.expect(stranger, kid(0), "1", 1)
	h.now = start + 3600 + maxStale - 1
	h.expect(stranger, kid(0), "1", 1)
	h.now++
	if h.cache.Holds(h.now, issuer, kid(0)) {
		t.Error("held a day after its end")
	}
	h.expect(stranger, kid(0), "keys_unavailable", 0) // it failed a second ago
	h.now += 10
	h.expect(stranger, kid(0), "keys_unavailable", 1)
	h.now += 10
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
}

func TestFailureIsRemembered(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.expect(stranger, kid(0), "keys_unavailable", 3)
	h.publish(issuer, jwks(jwk(0)))
	h.now += 9.9
	h.expect(stranger, kid(0), "keys_unavailable", 0)
	step := h.begin(stranger, kid(0))
	if !strings.Contains(step.Problem.Log, "status 404") {
		t.Errorf("the log does not say why: %s", step.Problem.Log)
	}
	h.now += 0.1
	h.expect(stranger, kid(0), "1", 2)
}

func TestKeysThatMoved(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)), "cache-control", "max-age=60", "etag", `"a"`)
	h.expect(stranger, kid(0), "1", 2)
	h.now += 60
	h.web[issuer+pathDiscovery] = reply(document(issuer, issuer+"/keys"), "cache-control", "max-age=60")
	delete(h.web, issuer+"/keys")
	h.web[issuer+pathDiscovery] = reply(document(issuer, issuer+"/new"))
	h.web[issuer+"/new"] = reply(jwks(jwk(1)))
	h.expect(stranger, kid(0), "1", 1) // stale, and the old place is forgotten
	h.now += 10
	h.expect(stranger, kid(1), "1", 2)
	if tag, sent := h.fetched[len(h.fetched)-1].Headers["if-none-match"]; sent {
		t.Errorf("the tag %s of the old place is sent to the new one", tag)
	}
}

// A ttl that is over before the answer is there must not make it ask for ever.
func TestShortLifeEndsSearch(t *testing.T) {
	h := newHost(t, 1, 10)
	h.publish(issuer, jwks(jwk(0)))
	steps := []need.Step{h.begin(stranger, kid(0)), h.begin(stranger, kid(0))}
	for round := 0; steps[0].Need != nil || steps[1].Need != nil; round++ {
		for i := range steps {
			h.now += 3
			if steps[i].Need != nil {
				steps[i] = steps[i].Resume(h.answer(steps[i].Need))
			}
		}
		if round > maxAsks {
			t.Fatal("does not end")
		}
	}
	if outcomeOf(steps[0]) != "1" || outcomeOf(steps[1]) != "1" {
		t.Errorf("%+v %+v", steps[0], steps[1])
	}
	if last := h.fetched[len(h.fetched)-1].Flight; last != 2 {
		t.Errorf("%d flights for two documents", last)
	}
}

// The same for a document that another search got, and for a failure.
func TestOutcomeCountsForWhoeverWaited(t *testing.T) {
	h := newHost(t, 1, 10)
	h.publish(issuer, jwks(jwk(0)))
	authority := Source{Issuer: issuer, Configured: true, Authority: true}
	endpoint := h.cache.TokenEndpoint(h.now, authority, func(float64, string) need.Step { return need.Done(1) })
	keys := h.begin(authority, kid(0))
	h.drive(endpoint)
	h.now += 6
	if keys = keys.Resume(h.answer(keys.Need)); keys.Need.Request.URL != issuer+"/keys" {
		t.Errorf("discovery is asked again: %s", keys.Need.Request.URL)
	}
	h.web = web{issuer + "/keys": failed("down")}
	late := h.begin(authority, kid(0))
	h.drive(keys)
	h.now += 15
	if late = late.Resume(h.answer(late.Need)); outcomeOf(late) != "keys_unavailable" {
		t.Errorf("%+v", late)
	}
}

func TestClockThatStepsBack(t *testing.T) {
	h := newHost(t, 100, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
	h.now += 90
	h.expect(stranger, kid(0), "1", 0)
	h.now -= 1_000_000
	h.expect(stranger, kid(0), "1", 0)
	h.now += 9
	h.expect(stranger, kid(0), "1", 0)
	h.now++ // 100 s have gone by, whatever the clock was set to
	h.expect(stranger, kid(0), "1", 2)
	h.web[issuer+"/keys"], h.web[issuer+pathDiscovery] = failed("down"), failed("down")
	h.now += 100
	h.expect(stranger, kid(0), "1", 1)
	for range 100 { // never longer than a day, though the clock stays in the same hour
		h.now += 1000
		h.find(stranger, kid(0))
		h.now -= 1000
		h.find(stranger, kid(0))
	}
	h.expect(stranger, kid(0), "keys_unavailable", 0)
}

func TestClockJitterIsNoStep(t *testing.T) {
	var c clock
	for range 1000 {
		c.read(start + 1)
		c.read(start)
	}
	if got := c.read(start + 1); got != start+1 {
		t.Errorf("a clock with jitter ran on by %f s", got-start-1)
	}
	if got := c.read(start - 9); got != start+1 {
		t.Errorf("went back to %f", got-start)
	}
	if got := c.read(start - 8); got != start+2 {
		t.Errorf("after a step back it stands at %f", got-start)
	}
}
