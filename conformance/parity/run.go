package parity

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
)

// Plan says what to run.
type Plan struct {
	Corpus Corpus
	Seed   uint64
	First  int // number of the first case
	Cases  int
	// Most is how many differences end the run; 0 counts as 1.
	Most int
	// Until is when no further batch is begun; the zero value is never.
	Until time.Time
	// Sources are the legs to compare with a core of this process.
	Sources []runner.Source
	// StepLimit is how long one call may take.
	StepLimit time.Duration
	// Progress is told how far the run came; it may be nil.
	Progress io.Writer
}

// Outcome is what a run came to.
type Outcome struct {
	Cases int // that were compared
	Legs  int // the reference and those that were compared with it
	Tally Tally
	// Found are the differences, in the order of the cases; at most Plan.Most.
	Found []*Found
	// Stuck is the case at which a leg broke, where one did.
	Stuck *Case
}

// batch is how many cases the legs play before their answers are compared.
const batch = 64

// sayEvery is how often a run says how far it came.
const sayEvery = 5 * time.Second

// Run plays cases until enough of them differ or all are used up. An error means
// that a leg could not run.
func Run(ctx context.Context, plan Plan) (outcome Outcome, err error) {
	open, err := openLegs(ctx, plan.Sources, plan.StepLimit)
	if err != nil {
		return outcome, err
	}
	outcome.Legs = len(open) - 1
	started, said := time.Now(), time.Time{}
	for outcome.Cases < plan.Cases && len(outcome.Found) < max(plan.Most, 1) && err == nil && ctx.Err() == nil {
		if !plan.Until.IsZero() && time.Now().After(plan.Until) {
			break
		}
		err = outcome.batch(ctx, plan, open)
		if time.Since(said) > sayEvery {
			plan.say(outcome, time.Since(started))
			said = time.Now()
		}
	}
	if ctx.Err() != nil {
		outcome.Stuck, err = nil, fmt.Errorf("interrupted after %d cases", outcome.Cases)
	}
	// A leg that broke is the error to report, whatever it says when it is closed.
	if closing := open.close(); err == nil {
		err = closing
	}
	return outcome, err
}

func (o *Outcome) batch(ctx context.Context, plan Plan, open legs) error {
	var cases []Case
	var vectors []conformance.Vector
	for range min(batch, plan.Cases-o.Cases) {
		made := plan.Corpus.Case(plan.Seed, plan.First+o.Cases+len(cases))
		cases, vectors = append(cases, made), append(vectors, made.Vector())
	}
	for at, answered := range open.play(ctx, vectors) {
		if answered.broken != nil {
			o.Stuck = &cases[at]
			return fmt.Errorf("at case %d (%s): %w", cases[at].Number, cases[at].Base.Name, answered.broken)
		}
		o.Cases++
		o.Tally.count(cases[at], answered)
		if which := answered.differs(); which >= 0 && !answered.isRandom() {
			found, err := plan.minimise(ctx, open, cases[at], which, answered)
			o.Found = append(o.Found, found)
			plan.sayFound(found)
			if err != nil || len(o.Found) >= max(plan.Most, 1) {
				return err
			}
		}
	}
	return nil
}

func (p Plan) sayFound(found *Found) {
	if p.Progress != nil {
		fmt.Fprintf(p.Progress, "fuzz-parity: case %d (%s): leg %s differs\n", found.Case.Number, found.Case.Base.Name, found.Leg)
	}
}

func (p Plan) say(o Outcome, took time.Duration) {
	if p.Progress != nil {
		fmt.Fprintf(p.Progress, "fuzz-parity: %d of %d cases, %.0f cases/s, %d random\n", o.Cases, p.Cases, float64(o.Cases)/max(took.Seconds(), 0.001), o.Tally.random())
	}
}
