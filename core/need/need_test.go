package need

import (
	"testing"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
)

func TestAStepIsOneOfThree(t *testing.T) {
	resume := func(Answer) Step { return Done(2) }
	for name, step := range map[string]Step{
		"result":  Done(1),
		"problem": Refuse(problem.New(problem.Internal, "")),
		"need":    Ask(&Need{Kind: Keys}, resume),
		"wrong":   WrongAnswer(Keys),
	} {
		set := 0
		for _, is := range []bool{step.Result != nil, step.Problem != nil, step.Need != nil} {
			if is {
				set++
			}
		}
		if set != 1 || (step.Resume != nil) != (step.Need != nil) {
			t.Errorf("%s: %+v", name, step)
		}
	}
}

func TestAWrongAnswerNamesItsNeed(t *testing.T) {
	p := WrongAnswer(Claim).Problem
	if p.Code != problem.InvalidArgument || p.Message != `the answer does not fit the need "claim"` {
		t.Error(p)
	}
}

func TestABodyIsOneThing(t *testing.T) {
	for name, c := range map[string]struct {
		body ReceivedBody
		want int
	}{
		"none":                {ReceivedBody{}, 0},
		"no bytes":            {ReceivedBody{Bytes: []byte{}}, 0},
		"bytes":               {ReceivedBody{Bytes: []byte("x")}, 1},
		"a digest":            {ReceivedBody{SHA256: "x"}, 1},
		"bytes and both":      {ReceivedBody{Bytes: []byte("x"), SHA256: "x", TooLarge: true}, 3},
		"states":              {ReceivedBody{Unavailable: true, Malformed: true, Overloaded: true}, 3},
		"a reason is no more": {ReceivedBody{Unavailable: true, Reason: "x"}, 1},
	} {
		if got := c.body.Members(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Bytes are borrowed: only what is said of them stays.
func TestABodyIsLetGo(t *testing.T) {
	for name, c := range map[string]struct {
		bytes    string
		sha256   string
		tooLarge bool
	}{
		"within the limit": {"hello", digest.Hex([]byte("hello")), false},
		"over it":          {"hello!", "", true},
		"empty":            {"", digest.Hex(nil), false},
	} {
		body := ReceivedBody{Bytes: []byte(c.bytes)}
		body.LetGo(5)
		if body.Bytes != nil || body.SHA256 != c.sha256 || body.TooLarge != c.tooLarge {
			t.Errorf("%s: %+v", name, body)
		}
	}
	kept := ReceivedBody{SHA256: "of the host"}
	kept.LetGo(5)
	if kept.SHA256 != "of the host" {
		t.Error(kept)
	}
}

func TestABodyThatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		body ReceivedBody
		want problem.Code
	}{
		"too large":   {ReceivedBody{TooLarge: true}, problem.BodyTooLarge},
		"broken":      {ReceivedBody{Malformed: true}, problem.MalformedRequest},
		"no room":     {ReceivedBody{Overloaded: true}, problem.Overloaded},
		"read before": {ReceivedBody{Unavailable: true}, problem.BodyUnavailable},
		"unreadable":  {ReceivedBody{Unavailable: true, Reason: "a disk"}, problem.BodyUnavailable},
	} {
		if p := c.body.There(5); p == nil || p.Code != c.want {
			t.Errorf("%s: %v", name, p)
		}
	}
	if p := new(ReceivedBody).There(5); p != nil {
		t.Error(p)
	}
}
