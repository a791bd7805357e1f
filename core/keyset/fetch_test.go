package keyset

import (
	"testing"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

// Ten searches at once: one flight for each document, whoever answers first.
func TestOneFlight(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	steps := make([]need.Step, 10)
	for i := range steps {
		steps[i] = h.begin(stranger, kid(0))
		if steps[i].Need.Request.Flight != steps[0].Need.Request.Flight {
			t.Fatal("another flight for the same fetch")
		}
	}
	for i := range steps {
		steps[i] = steps[i].Resume(h.answer(steps[i].Need))
	}
	second := steps[0].Need.Request.Flight
	for i := range steps {
		if steps[i].Need == nil || steps[i].Need.Request.Flight != second {
			t.Fatalf("search %d: %+v", i, steps[i])
		}
	}
	steps[0] = steps[0].Resume(h.answer(steps[0].Need))
	h.web[issuer+"/keys"] = failed("only the first answer counts")
	for i := range steps {
		if got := outcomeOf(h.drive(steps[i])); got != "1" {
			t.Errorf("search %d: %s", i, got)
		}
	}
}

func TestOneFlightForOneURL(t *testing.T) {
	h := newHost(t, 3600, 10)
	a := Source{Issuer: "https://a.example", Configured: true, JWKSURI: "https://k.example/keys"}
	b, c := a, a
	b.Issuer, c.Issuer, c.Configured = "https://b.example", "https://c.example", false
	h.web[a.JWKSURI] = reply(jwks(jwk(0)))
	one, two, other := h.begin(a, ""), h.begin(b, ""), h.begin(c, "")
	if one.Need.Request.Flight != two.Need.Request.Flight {
		t.Error("two flights for one URL")
	}
	if other.Need.Request.Flight == one.Need.Request.Flight || other.Need.Request.Redirects != 0 {
		t.Error("a stranger shares the flight of a configured issuer, which may redirect")
	}
	if outcomeOf(h.drive(one)) != "1" || outcomeOf(h.drive(two)) != "1" || outcomeOf(h.drive(other)) != "1" {
		t.Error("not every waiting issuer got the answer")
	}
}

func TestAbandonedFlight(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	lost := h.begin(stranger, kid(0))
	h.now += 29
	if again := h.begin(stranger, kid(0)); again.Need.Request.Flight != lost.Need.Request.Flight {
		t.Error("replaced too soon")
	}
	h.now++
	next := h.begin(stranger, kid(0))
	if next.Need.Request.Flight == lost.Need.Request.Flight {
		t.Error("not replaced")
	}
	h.web[issuer+"/evil"] = reply(jwks(jwk(1)))
	late := reply(document(issuer, issuer+"/evil"))
	late.Now = h.now
	if waiting := lost.Resume(late); waiting.Need == nil || waiting.Need.Request.Flight != next.Need.Request.Flight {
		t.Errorf("an answer that came too late counts: %+v", waiting)
	}
	if got := outcomeOf(h.drive(next)); got != "1" {
		t.Error(got)
	}
}

func TestWrongAnswerChangesNothing(t *testing.T) {
	h := newHost(t, 3600, 10)
	h.publish(issuer, jwks(jwk(0)))
	step := h.begin(stranger, kid(0))
	if got := step.Resume(need.Answer{Now: h.now, Claim: "claimed"}); got.Problem == nil || got.Problem.Code != problem.InvalidArgument {
		t.Errorf("%+v", got)
	}
	h.expect(stranger, kid(0), "1", 2)
}

func TestAbandonedFlightIsNotJoinedByOthers(t *testing.T) {
	h := newHost(t, 3600, 10)
	a := Source{Issuer: "https://a.example", Configured: true, JWKSURI: "https://k.example/keys"}
	b := a
	b.Issuer = "https://b.example"
	lost := h.begin(a, "")
	h.now += maxFlight
	if next := h.begin(b, ""); next.Need.Request.Flight == lost.Need.Request.Flight {
		t.Error("it waits for what nobody fetches")
	}
}

// Two answers at the same moment: the second must not undo the first.
func TestFlightArrivesOnce(t *testing.T) {
	h := newHost(t, 3600, 10)
	fixed := Source{Issuer: issuer, Configured: true, JWKSURI: issuer + "/keys"}
	h.web[fixed.JWKSURI] = reply(jwks(jwk(0)))
	step := h.begin(fixed, "")
	p := h.cache.entries[issuer].pending
	h.drive(step)
	p.content = content{fault: "late"}
	h.cache.install(h.now, issuer, p)
	if e := h.cache.Entries(h.now)[0]; e.Note != "" || e.Keys != 1 {
		t.Errorf("%+v", e)
	}
}
