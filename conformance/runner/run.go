package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tallystick/tallystick/conformance"
)

// Result is one vector on one leg.
type Result struct {
	Vector  conformance.Vector
	Seconds float64
	Failure string // "" when it passed, or is known to fail
	Known   string // why it is known to fail; "" when it is not, or passed
}

// LegReport is everything that one leg did.
type LegReport struct {
	Name    string
	Broken  string // why the leg could not run, or could not go on; "" when it could
	Results []Result
	Left    int  // vectors that were left out: heavy ones, on a slow leg, and those that it cannot play
	Partial bool // it plays some vectors only
}

// Report is a whole run.
type Report struct {
	Legs []LegReport
}

// Plan says what to run.
type Plan struct {
	Vectors []conformance.Vector
	// Reference is the leg that the others are compared with. It is run first,
	// and reported where Legs names it or it breaks.
	Reference Source
	Legs      []Source
	// Heavy has slow legs run heavy vectors too.
	Heavy bool
	// ExpectationsOnly judges legs by what the vectors expect alone: for other
	// implementations, whose texts and version are their own.
	ExpectationsOnly bool
	// StopAtFailure ends a leg at its first vector that fails.
	StopAtFailure bool
	// StepLimit is how long one call may take.
	StepLimit time.Duration
	// Parallel is how many legs run at the same time after the reference; 0 counts as 1.
	Parallel int
	// Known lists what is known to fail; it may be nil.
	Known *KnownFailing
	// Watch is told how the run goes on; it may be nil.
	Watch Watcher
}

// reference holds what the reference leg answered.
type reference struct {
	version []byte
	answers map[string][][]byte // by the name of the vector
}

// Run runs every vector through every leg: the reference alone, then the others,
// Parallel of them at a time. The report has them in the order of Legs.
func Run(ctx context.Context, plan Plan) Report {
	if plan.Watch == nil {
		plan.Watch = nobody{}
	}
	known := reference{answers: map[string][][]byte{}}
	first := plan.runLeg(ctx, plan.Reference, known.learn, known.learnVersion)
	report := Report{Legs: make([]LegReport, len(plan.Legs))}
	compare, compareVersion := known.compare, known.compareVersion
	if plan.ExpectationsOnly {
		compare, compareVersion = anyAnswers, anyVersion
	}
	free := make(chan struct{}, max(plan.Parallel, 1))
	named := false
	var running sync.WaitGroup
	for at, source := range plan.Legs {
		if source.Name == plan.Reference.Name {
			report.Legs[at], named = first, true
			continue
		}
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			report.Legs[at] = plan.runLeg(ctx, source, compare, compareVersion)
		})
	}
	running.Wait()
	if !named && first.Broken != "" {
		report.Legs = append([]LegReport{first}, report.Legs...)
	}
	return report
}

// nobody watches.
type nobody struct{}

func (nobody) LegStarted(string)         {}
func (nobody) VectorDone(string, Result) {}
func (nobody) LegEnded(string, string)   {}

type judge func(vector string, answers [][]byte) error

// errStopped ends a copy of a leg because another copy of it broke, or because a
// vector failed and the run stops there.
var errStopped = errors.New("the leg was stopped")

func (p Plan) runLeg(ctx context.Context, source Source, judge judge, greet func(version []byte) error) (report LegReport) {
	report = LegReport{Name: source.Name, Partial: source.Plays != nil}
	p.Watch.LegStarted(source.Name)
	defer func() { p.Watch.LegEnded(source.Name, report.Broken) }()
	work := p.workOf(source)
	report.Left = len(p.Vectors) - len(work.vectors)
	broken := make([]error, max(source.Copies, 1))
	var running sync.WaitGroup
	for at := range broken {
		running.Go(func() { broken[at] = work.stopAt(p.runCopy(ctx, source, work, judge, greet)) })
	}
	running.Wait()
	report.Results = work.done()
	for _, err := range broken {
		if err != nil && !errors.Is(err, errStopped) && report.Broken == "" {
			report.Broken = err.Error()
		}
	}
	return report
}

// work is what is left of a leg's vectors; its copies take from it in turn.
type work struct {
	vectors []conformance.Vector
	results []*Result
	mutex   sync.Mutex
	next    int
	stopped bool
}

func (p Plan) workOf(source Source) *work {
	w := &work{}
	for _, vector := range p.Vectors {
		heavy := source.Slow && !p.Heavy && vector.Heavy()
		if !heavy && (source.Plays == nil || source.Plays(vector)) {
			w.vectors = append(w.vectors, vector)
		}
	}
	w.results = make([]*Result, len(w.vectors))
	return w
}

// take returns the place of the next vector, false when there is none.
func (w *work) take() (int, bool, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.stopped {
		return 0, false, errStopped
	}
	at := w.next
	w.next++
	return at, at < len(w.vectors), nil
}

// stopAt has the other copies stop where err is not nil.
func (w *work) stopAt(err error) error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.stopped = w.stopped || err != nil
	return err
}

// done returns the results of all copies in the vectors' order.
func (w *work) done() []Result {
	var results []Result
	for _, result := range w.results {
		if result != nil {
			results = append(results, *result)
		}
	}
	return results
}

// runCopy runs vectors on one copy of a leg until none is left.
func (p Plan) runCopy(ctx context.Context, source Source, work *work, judge judge, greet func(version []byte) error) error {
	leg, err := p.open(ctx, source, greet)
	if err != nil {
		return err
	}
	err = p.runVectors(ctx, source, leg, work, judge)
	if closing := leg.Close(); closing != nil && err == nil {
		err = fmt.Errorf("at its end: %w", closing)
	}
	return err
}

func (p Plan) runVectors(ctx context.Context, source Source, leg Leg, work *work, judge judge) error {
	for {
		at, more, err := work.take()
		if err != nil || !more {
			return err
		}
		result, broken := p.runVector(ctx, source, leg, work.vectors[at], judge)
		if broken == nil {
			p.Known.judge(source.Name, &result)
		}
		work.results[at] = &result
		p.Watch.VectorDone(source.Name, result)
		if broken != nil {
			return fmt.Errorf("at %s: %w", result.Vector.Name, broken)
		}
		if p.StopAtFailure && result.Failure != "" {
			return errStopped
		}
	}
}

// open starts a leg and asks for its version: a leg that cannot even say that
// could not run, which is another thing than a failed vector.
func (p Plan) open(ctx context.Context, source Source, greet func([]byte) error) (Leg, error) {
	leg, err := source.Open(ctx)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, p.StepLimit)
	defer cancel()
	version, err := leg.Call(limited, Call{Op: "version", Request: []byte("{}")})
	if err == nil {
		err = greet(version)
	}
	if err != nil {
		leg.Close() // the first error is the one to report
		return nil, err
	}
	return leg, nil
}

func (p Plan) runVector(ctx context.Context, source Source, leg Leg, vector conformance.Vector, judge judge) (Result, error) {
	started := time.Now()
	s := &scenario{leg: leg, hostCrypto: source.HostCrypto, limit: p.StepLimit}
	err := s.run(ctx, vector)
	result := Result{Vector: vector, Seconds: time.Since(started).Seconds()}
	var wrong *failure
	if err != nil && !errors.As(err, &wrong) {
		result.Failure = err.Error()
		return result, err
	}
	if differs := judge(vector.Name, s.answers); err == nil {
		err = differs
	}
	if err != nil {
		result.Failure = err.Error()
	}
	return result, nil
}

func anyAnswers(string, [][]byte) error { return nil }
func anyVersion([]byte) error           { return nil }

func (r *reference) learn(vector string, answers [][]byte) error {
	r.answers[vector] = answers
	return nil
}

func (r *reference) learnVersion(version []byte) error {
	r.version = version
	return nil
}

func (r *reference) compareVersion(version []byte) error {
	if r.version != nil && !bytes.Equal(r.version, version) {
		return fmt.Errorf("its answer to \"version\" is not the reference leg's: another build (build both anew), or another implementation (--expectations)\n%s", difference(version, r.version))
	}
	return nil
}

// compare demands the reference's answers, byte for byte, as far as it got: its
// last answer of a failed vector is the wrong one, so that a leg which gave the
// right one there differs.
func (r *reference) compare(vector string, answers [][]byte) error {
	wanted := r.answers[vector]
	for at := range min(len(answers), len(wanted)) {
		if !bytes.Equal(answers[at], wanted[at]) {
			return failed("answer %d differs from the reference leg's\n%s", at+1, difference(answers[at], wanted[at]))
		}
	}
	return nil
}

// difference shows two answers from a little before their first different byte.
func difference(got, want []byte) string {
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	window := func(text []byte) []byte { return text[max(0, at-80):min(len(text), at+120)] }
	return fmt.Sprintf("at byte %d\n  reference: …%s…\n  this leg:  …%s…", at, window(want), window(got))
}

// Counts returns how many results passed and failed, and how many failed as
// they are known to.
func (r Report) Counts() (passed, failed, known int) {
	for _, leg := range r.Legs {
		for _, result := range leg.Results {
			switch {
			case result.Failure != "":
				failed++
			case result.Known != "":
				known++
			default:
				passed++
			}
		}
	}
	return passed, failed, known
}

// Exit codes of a run.
const (
	ExitPassed = 0
	ExitFailed = 1
	ExitBroken = 2 // a leg, or the run itself, could not run; it wins over ExitFailed
)

// ExitCode returns what the process should end with.
func (r Report) ExitCode() int {
	code := ExitPassed
	for _, leg := range r.Legs {
		if leg.Broken != "" {
			return ExitBroken
		}
		for _, result := range leg.Results {
			if result.Failure != "" {
				code = ExitFailed
			}
		}
	}
	return code
}
