package keyset

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

func name(i int) string { return fmt.Sprintf("https://i%d.example", i) }

func TestChurn(t *testing.T) {
	const capacity = 100
	h := newHost(t, 3600, capacity)
	kept := Source{Issuer: "https://kept.example", Configured: true}
	h.publish(kept.Issuer, jwks(jwk(2)))
	h.expect(kept, kid(2), "1", 2)
	flying := Source{Issuer: "https://flying.example"}
	h.publish(flying.Issuer, jwks(jwk(2)))
	waiting := h.begin(flying, "")
	for i := range 10_000 {
		s := Source{Issuer: name(i)}
		switch i % 3 {
		case 0: // never answered: the negative answer is an entry too
			h.web = web{}
		default:
			h.publish(s.Issuer, jwks(jwk(i%2)))
		}
		h.find(s, "")
		h.fetched, h.web = nil, web{}
		if i%50 == 0 {
			h.now++
			if i%1000 == 0 {
				h.cache.Entries(h.now)
			}
		}
	}
	c := h.cache
	if n := c.Stats().Cached; n != capacity {
		t.Errorf("%d entries", n)
	}
	if lists := c.idle.Len() + c.flying.Len() + c.configured.Len(); lists != len(c.entries) || len(c.flights) > 1 || len(c.keys) > 3 {
		t.Errorf("%d in lists, %d entries, %d flights, %d keys", lists, len(c.entries), len(c.flights), len(c.keys))
	}
	if !c.Holds(h.now, kept.Issuer, kid(2)) {
		t.Error("strangers evicted a configured issuer")
	}
	h.publish(flying.Issuer, jwks(jwk(2)))
	if h.now-start < maxFlight {
		t.Fatal("the test is too short")
	}
	if got := outcomeOf(h.drive(waiting)); got != "1" {
		t.Errorf("the waiting search ended with %s", got)
	}
}

func TestFloodOfFlights(t *testing.T) {
	const capacity = 20
	h := newHost(t, 3600, capacity)
	first := Source{Issuer: name(0)}
	h.publish(first.Issuer, jwks(jwk(0)))
	waiting := h.begin(first, "")
	for i := 1; i < capacity; i++ {
		h.begin(Source{Issuer: name(i)}, "")
	}
	if step := h.begin(Source{Issuer: name(capacity)}, ""); step.Problem == nil || step.Problem.Code != problem.KeysUnavailable || !strings.Contains(step.Problem.Log, "full") {
		t.Errorf("a new stranger amid a flood: %+v", step)
	}
	if got := outcomeOf(h.drive(waiting)); got != "1" {
		t.Errorf("a flight was lost in the flood: %s", got)
	}
	for i := range capacity { // configured issuers always get in
		s := Source{Issuer: "https://c" + name(i)[8:], Configured: true}
		h.publish(s.Issuer, jwks(jwk(1)))
		h.expect(s, "", "1", 2)
	}
	if step := h.begin(Source{Issuer: name(capacity)}, ""); step.Problem == nil {
		t.Error("a stranger pushed out a configured issuer")
	}
	for i := range capacity {
		if !h.cache.Holds(h.now, "https://c"+name(i)[8:], kid(1)) {
			t.Errorf("configured issuer %d was pushed out while strangers were there", i)
		}
	}
	h2 := newHost(t, 3600, 1)
	h2.begin(Source{Issuer: name(1)}, "")
	h2.now += maxFlight
	if step := h2.begin(Source{Issuer: name(2)}, ""); step.Need == nil {
		t.Error("an abandoned flight keeps its place")
	}
}

func TestWeightOfStrangers(t *testing.T) {
	h := newHost(t, 3600, 1)
	c := h.cache
	c.capacity = 300
	heavy := &set{until: math.Inf(1)}
	for i := range 3 {
		for range 20 {
			heavy.issuer.Keys = append(heavy.issuer.Keys, jose.Key{Public: pair(i).Public()})
		}
	}
	for i := range 300 {
		e := c.enter(start, Source{Issuer: name(i)})
		s := *heavy
		c.fly(start, e, keys, request{url: name(i)}, timeout)
		e.pending.content = content{set: &s, lifetime: 3600}
		c.install(start, name(i), e.pending)
	}
	if limit := 300 * weightEach; c.weight > limit || len(c.entries) < 30 {
		t.Errorf("%d bytes in %d entries, the limit is %d", c.weight, len(c.entries), limit)
	}
	for len(c.entries) > 0 {
		c.evict(start, true)
	}
	if c.weight != 0 || len(c.keys) != 0 {
		t.Errorf("%d bytes and %d keys are left of nothing", c.weight, len(c.keys))
	}
}

func TestAnotherSourceIsAnotherEntry(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	h.expect(stranger, kid(0), "1", 2)
	h.expect(Source{Issuer: issuer, Configured: true}, kid(0), "1", 2)
	if n := h.cache.Stats().Cached; n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	c := New(60, 8)
	body := jwks(jwk(0))
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 300 {
				s := Source{Issuer: name(i % 12), Configured: i%12 == 0}
				now := start + float64(i) + float64(worker)/10
				step := c.Find(now, s, rs256(""), func(_ float64, keys []*jose.PublicKey) need.Step { return need.Done(len(keys)) })
				for range 20 {
					if step.Need == nil {
						break
					}
					a := reply(document(s.Issuer, s.Issuer+"/keys"))
					if strings.HasSuffix(step.Need.Request.URL, "/keys") {
						a = reply(body)
					}
					a.Now = now + 0.1
					step = step.Resume(a)
				}
				if step.Need != nil || step.Problem != nil && step.Problem.Code != problem.KeysUnavailable {
					t.Errorf("%+v", step)
				}
				c.Holds(now, s.Issuer, kid(0))
				c.Entries(now)
			}
		})
	}
	group.Wait()
	if n := c.Stats().Cached; n > 8 {
		t.Errorf("%d entries", n)
	}
}

func TestSourceIsCheckedThoughAnotherWasGood(t *testing.T) {
	h := newHost(t, 3600, 10)
	plain := Source{Issuer: "http://127.0.0.1", Configured: true}
	h.publish(plain.Issuer, jwks(jwk(0)))
	h.expect(plain, kid(0), "1", 2)
	plain.Configured = false
	h.expect(plain, kid(0), "unknown_issuer", 0)
}

func TestWhoIsUsedStays(t *testing.T) {
	h := newHost(t, 3600, 2)
	for i := range 3 {
		h.publish(name(i), jwks(jwk(0)))
	}
	h.find(Source{Issuer: name(0)}, "")
	h.find(Source{Issuer: name(1)}, "")
	if !h.cache.Holds(h.now, name(0), kid(0)) { // the use
		t.Fatal("not held")
	}
	h.find(Source{Issuer: name(2)}, "")
	if !h.cache.Holds(h.now, name(0), kid(0)) || h.cache.Holds(h.now, name(1), kid(0)) {
		t.Error("the one that was used last went first")
	}
}

func TestOldestFlightGoesFirst(t *testing.T) {
	h := newHost(t, 3600, 2)
	h.begin(Source{Issuer: name(0)}, "")
	h.now += 20
	h.begin(Source{Issuer: name(1)}, "")
	h.begin(Source{Issuer: name(0)}, "") // waits for the same fetch, which is no younger by that
	h.now += 10
	if step := h.begin(Source{Issuer: name(2)}, ""); step.Need == nil {
		t.Errorf("an abandoned flight keeps its place: %+v", step.Problem)
	}
}

func TestEqualKeysAreOneObject(t *testing.T) {
	h := newHost(t, 3600, 10)
	for i := range 2 {
		h.publish(name(i), jwks(jwk(0)))
		h.find(Source{Issuer: name(i)}, "")
	}
	first, second := h.cache.entries[name(0)].set, h.cache.entries[name(1)].set
	if first.issuer.Keys[0].Public != second.issuer.Keys[0].Public {
		t.Error("one key is in memory twice")
	}
}

// An issuer is a part of a token's text, all of which its entry would keep in memory.
func TestAnEntryKeepsNoToken(t *testing.T) {
	h := newHost(t, 3600, 10)
	s := Source{Issuer: name(0)}
	h.find(s, "")
	for key, e := range h.cache.entries {
		if key != s.Issuer || e.source != s {
			t.Fatal(key, e.source)
		}
		if token := unsafe.StringData(s.Issuer); unsafe.StringData(key) == token || unsafe.StringData(e.source.Issuer) == token {
			t.Error("the entry shares the token's memory")
		}
	}
}
