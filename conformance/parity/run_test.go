package parity

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
	"github.com/tallystick/tallystick/core/abi"
)

type call func(op string, request, body []byte) []byte

// wrong is a real core behind a function that changes what goes in or out.
func wrong(change func(core call) call) runner.Source {
	return runner.Source{Name: "wrong", Open: func(context.Context) (runner.Leg, error) {
		return runner.InProcess(change(abi.New().Call)), nil
	}}
}

// lenient takes padding and spaces after a token, as many JWT libraries do.
func lenient(core call) call {
	more := regexp.MustCompile(`[= ]+"\]`)
	return func(op string, request, body []byte) []byte {
		if op == "request.verify" {
			request = more.ReplaceAll(request, []byte(`"]`))
		}
		return core(op, request, body)
	}
}

// rounding reads times as whole seconds.
func rounding(core call) call {
	return func(op string, request, body []byte) []byte {
		if op == "request.verify" {
			request = bytes.Replace(request, []byte(`.999`), nil, 1)
		}
		return core(op, request, body)
	}
}

// starless takes * for a letter.
func starless(core call) call {
	return func(op string, request, body []byte) []byte {
		if op == "scope.match" {
			request = bytes.ReplaceAll(request, []byte("*"), []byte("x"))
		}
		return core(op, request, body)
	}
}

func plan(t *testing.T, source runner.Source, vectors ...string) Plan {
	t.Helper()
	return Plan{Corpus: NewCorpus(suite(t, vectors...)), Seed: 1, Cases: 20000, Sources: []runner.Source{source}, StepLimit: time.Minute}
}

func run(t *testing.T, p Plan) Outcome {
	t.Helper()
	outcome, err := Run(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

func first(t *testing.T, outcome Outcome) *Found {
	t.Helper()
	if len(outcome.Found) == 0 {
		t.Fatalf("%d cases found nothing", outcome.Cases)
	}
	return outcome.Found[0]
}

// TestMostGoesOn: a run that shall find more does not stop at the first.
func TestMostGoesOn(t *testing.T) {
	p := plan(t, wrong(starless), "scope/*")
	p.Most = 2
	found := run(t, p).Found
	if len(found) != 2 || found[0].Case.Number >= found[1].Case.Number {
		t.Errorf("%d found", len(found))
	}
}

func TestEqualCoresDoNotDiffer(t *testing.T) {
	p := plan(t, wrong(func(core call) call { return core }), "*")
	p.Cases = 300
	outcome := run(t, p)
	if outcome.Found != nil || outcome.Cases != 300 || outcome.Legs != 2 {
		t.Errorf("%+v", outcome)
	}
	if len(outcome.Tally.ends) < 10 || outcome.Tally.ends["ok"] < 30 {
		t.Errorf("the cases do not reach deep: %v", outcome.Tally.ends)
	}
}

func TestWrongLegsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(call) call
		vectors string
		most    int // bytes of all requests of the small case
	}{
		"padding": {lenient, "gate/*", 2500},
		"times":   {rounding, "times/*", 2500},
	} {
		t.Run(name, func(t *testing.T) {
			p := plan(t, wrong(c.change), c.vectors)
			outcome := run(t, p)
			if len(outcome.Found) != 1 {
				t.Fatalf("%d cases found %d differences", outcome.Cases, len(outcome.Found))
			}
			smaller(t, outcome.Found[0], c.most)
			kept := load(t, outcome.Found[0])
			if !differs(t, wrong(c.change), kept) {
				t.Errorf("the vector that was written does not show it: %s", text(t, kept))
			}
			if differs(t, wrong(func(core call) call { return core }), kept) {
				t.Error("a right core differs too")
			}
		})
	}
}

func smaller(t *testing.T, found *Found, most int) {
	t.Helper()
	if !found.Repeats || found.Leg != "wrong" {
		t.Errorf("repeats: %v, leg %s", found.Repeats, found.Leg)
	}
	vector, size := found.vector(), 0
	for _, step := range vector.Steps {
		size += len(step.Request)
		if step.RequestText != nil {
			size += len(*step.RequestText)
		}
	}
	if len(vector.Steps) > 2 || size > most || len(found.Case.Mutations) > 1 {
		t.Errorf("%d calls, %d bytes, %d mutations: %s", len(vector.Steps), size, len(found.Case.Mutations), text(t, vector.Steps))
	}
}

// load writes what was found and reads it as the suite is read.
func load(t *testing.T, found *Found) conformance.Vector {
	t.Helper()
	folder := t.TempDir()
	if _, err := found.save(folder, suite(t)); err != nil {
		t.Fatal(err)
	}
	loaded, err := conformance.LoadFrom(os.DirFS(folder))
	if err != nil {
		t.Fatal(err)
	}
	return loaded.Vectors()[0]
}

func differs(t *testing.T, source runner.Source, vector conformance.Vector) bool {
	t.Helper()
	open, err := openLegs(context.Background(), []runner.Source{source}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	answered := open.play(context.Background(), []conformance.Vector{vector})[0]
	if err := open.close(); err != nil || answered.broken != nil {
		t.Fatal(err, answered.broken)
	}
	return answered.differs() >= 0
}

// TestSuiteRunsWhatWasFound: the runner passes the vector on a right leg and fails
// it on the wrong one.
func TestSuiteRunsWhatWasFound(t *testing.T) {
	found := first(t, run(t, plan(t, wrong(starless), "scope/*")))
	report := runner.Run(context.Background(), runner.Plan{
		Vectors: []conformance.Vector{load(t, found)}, Reference: runner.CoreSource(),
		Legs: []runner.Source{runner.CoreSource(), wrong(starless)}, StepLimit: time.Minute,
	})
	if right, other := report.Legs[0].Results[0].Failure, report.Legs[1].Results[0].Failure; right != "" || other == "" {
		t.Errorf("the right leg: %q, the wrong one: %q", right, other)
	}
}

// TestRepeatFindsTheSame: seed and number are enough.
func TestRepeatFindsTheSame(t *testing.T) {
	p := plan(t, wrong(starless), "scope/*")
	found := first(t, run(t, p))
	p.First, p.Cases = found.Case.Number, 1
	if again := first(t, run(t, p)); text(t, found.vector()) != text(t, again.vector()) {
		t.Error("the case alone is another one")
	}
}

// TestDifferenceThatDoesNotRepeat is reported as it was found.
func TestDifferenceThatDoesNotRepeat(t *testing.T) {
	var once sync.Once
	moody := wrong(func(core call) call {
		return func(op string, request, body []byte) []byte {
			answer := core(op, request, body)
			if op == "scope.match" {
				once.Do(func() { answer = []byte(`{"ok":{"match":"perhaps"}}`) })
			}
			return answer
		}
	})
	found := first(t, run(t, plan(t, moody, "scope/*")))
	if found.Repeats {
		t.Fatalf("%+v", found)
	}
	var out strings.Builder
	found.write(&out)
	if !strings.Contains(out.String(), "did not show again") || !strings.Contains(out.String(), "perhaps") {
		t.Error(out.String())
	}
}

// TestRandomAnswersAreNotCompared: two cores draw other secrets, so there is
// nothing to compare; with a secret given there is.
func TestRandomAnswersAreNotCompared(t *testing.T) {
	drawn := conformance.Vector{Name: "a/drawn", Kind: conformance.Accept, Steps: []conformance.Step{{Op: "client.secret", Request: []byte(`{}`)}}}
	given := conformance.Vector{Name: "a/given", Kind: conformance.Accept, Steps: []conformance.Step{{Op: "scope.match", Request: []byte(`{"pattern":"a","scope":"a"}`)}}}
	open, err := openLegs(context.Background(), []runner.Source{wrong(func(core call) call { return core })}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var tally Tally
	for at, answered := range open.play(context.Background(), []conformance.Vector{drawn, given}) {
		tally.count(Case{Base: []conformance.Vector{drawn, given}[at]}, answered)
	}
	if err := open.close(); err != nil || tally.random() != 1 || tally.randoms["a/drawn"] != 1 || tally.ends["ok"] != 1 {
		t.Errorf("%v %+v", err, tally)
	}
}

// TestInterruptedRunSaysSo: it is neither a difference nor a pass.
func TestInterruptedRunSaysSo(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stopping := wrong(func(core call) call {
		return func(op string, request, body []byte) []byte {
			if op == "scope.match" {
				stop()
			}
			return core(op, request, body)
		}
	})
	outcome, err := Run(ctx, plan(t, stopping, "scope/*"))
	if err == nil || !strings.Contains(err.Error(), "interrupted") || len(outcome.Found) > 0 {
		t.Errorf("%v %+v", err, outcome)
	}
}

func TestExpectationsHoldNoMarks(t *testing.T) {
	for answer, want := range map[string]string{
		`{"ok":{"engine":"$engine","issuers":1}}`:                         `{"issuers":1}`,
		`{"ok":{"a":["$varies",1],"b":{"c":"$varies","d":"$5"},"e":1.0}}`: `{"b":{"d":"$$5"},"e":1.0}`,
	} {
		if got := string(expect([]byte(answer)).OKIncludes); got != want {
			t.Errorf("%s became %s", answer, got)
		}
	}
	if got := expect([]byte(`{"need":{"kind":"keys"},"ticket":"$ticket"}`)); string(got.Need) != `{"kind":"keys"}` {
		t.Errorf("%+v", got)
	}
	if got := expect([]byte(`{"error":{"code":"internal","message":"x"}}`)); got.Error != "internal" {
		t.Errorf("%+v", got)
	}
}
