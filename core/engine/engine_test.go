package engine

import (
	"slices"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

const start = 1000.0

// asks is an operation that waits for an answer of the kind and ends in its status.
func asks(kind need.Kind) need.Step {
	return need.Ask(&need.Need{Kind: kind}, func(a need.Answer) need.Step { return need.Done(a.Status) })
}

func suspend(t *testing.T, e *Engine, now float64, kind need.Kind) uint64 {
	t.Helper()
	ticket, p := e.Suspend(now, asks(kind), nil)
	if p != nil {
		t.Fatal(p, p.Log)
	}
	return ticket
}

func TestATicketWorksOnce(t *testing.T) {
	e := New(nil, nil, "")
	ticket := suspend(t, e, start, need.Fetch)
	step, _, p := e.Resume(ticket, need.Answer{Now: start + 1, Status: 204})
	if p != nil || step.Result != 204 {
		t.Fatalf("%+v %v", step, p)
	}
	if _, _, p = e.Resume(ticket, need.Answer{Now: start + 1}); p == nil || p.Code != problem.UnknownTicket {
		t.Error("a second time:", p)
	}
	if e.Tickets() != 0 {
		t.Error(e.Tickets())
	}
}

// A host that answers another need than the one that was asked mixed two operations up.
func TestAnAnswerFitsItsNeed(t *testing.T) {
	said := map[string]need.Answer{
		"keys":      {Keys: &authorizedkeys.Set{}},
		"unchanged": {Unchanged: true},
		"claim":     {Claim: "claimed"},
		"valid":     {HasValid: true},
		"status":    {Status: 204},
		"headers":   {Headers: map[string]string{}},
		"digest":    {Body: need.ReceivedBody{SHA256: "x"}},
		"too large": {Body: need.ReceivedBody{TooLarge: true}},
		"broken":    {Body: need.ReceivedBody{Malformed: true}},
		"no room":   {Body: need.ReceivedBody{Overloaded: true}},
		"read":      {Body: need.ReceivedBody{Unavailable: true}},
		"bytes":     {Content: []byte("x")},
		"failed":    {HasFailed: true, Body: need.ReceivedBody{Unavailable: true}},
		"nothing":   {},
	}
	body := []string{"digest", "too large", "broken", "no room", "read", "bytes"}
	for kind, own := range map[need.Kind][]string{
		need.Keys:   {"keys", "unchanged"},
		need.Claim:  {"claim"},
		need.Sign:   {"bytes"},
		need.Check:  {"valid"},
		need.Fetch:  {"status", "headers", "bytes"},
		need.Body:   body,
		need.Derive: {"bytes"},
	} {
		for name, answer := range said {
			e := New(nil, nil, "")
			answer.Now = start
			step, _, p := e.Resume(suspend(t, e, start, kind), answer)
			fits := slices.Contains(own, name) || name == "failed" || name == "nothing"
			if p != nil || (step.Problem == nil) != fits || e.Tickets() != 0 {
				t.Errorf("%s answered with %s: %+v %v", kind, name, step.Problem, p)
			}
		}
	}
}

func TestATicketEndsByAge(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  need.Kind
		later float64
		works bool
	}{
		{"in time", need.Fetch, maxAge, true},
		{"too late", need.Fetch, maxAge + 1, false},
		{"a body in time", need.Body, maxBodyAge, true},
		{"a body too late", need.Body, maxBodyAge + 1, false},
		{"a clock that steps back a little", need.Fetch, -maxAge, true},
		{"a clock that steps back further", need.Fetch, -maxAge - 1, false},
	} {
		e := New(nil, nil, "")
		_, _, p := e.Resume(suspend(t, e, start, c.kind), need.Answer{Now: start + c.later})
		if (p == nil) != c.works {
			t.Errorf("%s: %v", c.name, p)
		}
		if e.Tickets() != 0 {
			t.Errorf("%s: its place is taken", c.name)
		}
	}
}

// What waits for strangers has bounds of its own, within the bound of all.
func TestTicketsAreBounded(t *testing.T) {
	for _, c := range []struct {
		kind  need.Kind
		most  int
		after float64
	}{
		{need.Fetch, maxTickets, maxAge + 1},
		{need.Body, maxBodies, maxBodyAge + 1},
		{need.Derive, maxDerivations, maxAge + 1},
	} {
		e := New(nil, nil, "")
		for range c.most {
			suspend(t, e, start, c.kind)
		}
		if _, p := e.Suspend(start+1, asks(c.kind), nil); p == nil || p.Code != problem.Overloaded {
			t.Errorf("%s: one more: %v", c.kind, p)
		}
		if c.most < maxTickets {
			suspend(t, e, start+1, need.Keys) // others go on
		}
		// Those that nobody came back for make room.
		suspend(t, e, start+c.after, c.kind)
	}
}

func TestAnAnswerMakesRoom(t *testing.T) {
	e := New(nil, nil, "")
	var last uint64
	for range maxDerivations {
		last = suspend(t, e, start, need.Derive)
	}
	if _, _, p := e.Resume(last, need.Answer{Now: start}); p != nil {
		t.Fatal(p)
	}
	suspend(t, e, start, need.Derive)
}

func TestOneOfManyThreadsResumes(t *testing.T) {
	e := New(nil, nil, "")
	ticket := suspend(t, e, start, need.Fetch)
	var wait sync.WaitGroup
	var mu sync.Mutex
	resumed := 0
	for range 64 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			if _, _, p := e.Resume(ticket, need.Answer{Now: start}); p == nil {
				mu.Lock()
				resumed++
				mu.Unlock()
			}
		}()
	}
	wait.Wait()
	if resumed != 1 {
		t.Error(resumed)
	}
}
