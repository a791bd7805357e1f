package parity

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
)

// Exit codes of the command, as those of the runner.
const (
	ExitSame      = runner.ExitPassed
	ExitDifferent = runner.ExitFailed
	ExitBroken    = runner.ExitBroken // a leg, or the run itself, could not run
)

const usage = `Looks for an input that two legs answer differently: plays mutated vectors on
all of them and stops at the first difference, which is made small and written
as a vector. Equal seeds make equal cases.

  fuzz-parity                              2000 cases, all legs that are there
  fuzz-parity --cases 100000 --seed 7      a long run
  fuzz-parity --seed 7 --case 4711         one case again
  fuzz-parity --leg c --driver "my-driver --flag"

Ends with 0 when no answers differ, with 1 when some do, with 2 when a leg could
not run.

`

// settings are the flags of the command.
type settings struct {
	legs      string
	driver    string
	seed      seed
	cases     int
	one       int // number of the case, or -1
	most      int
	minutes   float64
	out       string
	stepLimit time.Duration
	places    runner.Places
}

// seed is a number, or "random", which draws one.
type seed uint64

func (s *seed) String() string { return strconv.FormatUint(uint64(*s), 10) }

func (s *seed) Set(text string) error {
	if text == "random" {
		*s = seed(rand.Uint32())
		return nil
	}
	number, err := strconv.ParseUint(text, 10, 64)
	*s = seed(number)
	return err
}

// Main is the command: it returns the exit code.
func Main(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	chosen, err := parseFlags(arguments, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return ExitSame
	}
	if err == nil {
		var code int
		if code, err = chosen.run(ctx, stdout, stderr); err == nil {
			return code
		}
	}
	fmt.Fprintln(stderr, "fuzz-parity:", err)
	return ExitBroken
}

func parseFlags(arguments []string, stderr io.Writer) (settings, error) {
	s := settings{seed: 1}
	flags := flag.NewFlagSet("fuzz-parity", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&s.legs, "leg", "", "compare these legs only with the core (separate with commas; default: the eight and the installed runtimes)")
	flags.StringVar(&s.driver, "driver", "", `one more leg, "driver": a command that speaks the exchange of conformance/DRIVERS.md`)
	flags.Var(&s.seed, "seed", "what cases are made from: a number, or random")
	flags.IntVar(&s.cases, "cases", 2000, "how many cases to play")
	flags.IntVar(&s.one, "case", -1, "play the case with this number alone")
	flags.IntVar(&s.most, "most", 1, "stop at this many differences")
	flags.Float64Var(&s.minutes, "minutes", 0, "stop after so many minutes, whatever is left (default: never)")
	flags.StringVar(&s.out, "out", "", "folder for a case that was found (default ROOT/build/conformance/parity)")
	flags.DurationVar(&s.stepLimit, "step-timeout", 30*time.Second, "how long one call may take")
	s.places.Flags(flags)
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if err := s.places.FindRoot(); err != nil {
		return s, err
	}
	if s.places.Root == "" {
		return s, errors.New("no checkout from the working folder upwards: name it with --root")
	}
	if s.out == "" {
		s.out = filepath.Join(s.places.Root, "build/conformance/parity")
	}
	return s, s.check(flags.Args())
}

func (s settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is not a flag", rest[0])
	case s.cases < 1:
		return errors.New("--cases must be at least 1")
	case s.most < 1:
		return errors.New("--most must be at least 1")
	case s.minutes < 0:
		return errors.New("--minutes must not be negative")
	}
	return nil
}

func (s settings) plan(suite *conformance.Suite, sources []runner.Source, progress io.Writer) Plan {
	plan := Plan{
		Corpus: NewCorpus(suite.Vectors()), Seed: uint64(s.seed), Cases: s.cases,
		Most: s.most, Sources: sources, StepLimit: s.stepLimit, Progress: progress,
	}
	if s.one >= 0 {
		plan.First, plan.Cases = s.one, 1
	}
	if s.minutes > 0 {
		plan.Until = time.Now().Add(time.Duration(s.minutes * float64(time.Minute)))
	}
	return plan
}

// sources are the chosen legs without "go", which is the reference anyway, and without those that
// have no whole ABI: cases are made of any operation.
func (s settings) sources() ([]runner.Source, error) {
	sources := slices.DeleteFunc(s.places.AllSources(), func(s runner.Source) bool { return s.Plays != nil })
	command := strings.Fields(s.driver)
	if len(command) > 0 {
		sources = append(sources, runner.DriverSource("driver", runner.Command{Args: command}))
	}
	named := runner.ByDefault(sources)
	if s.legs != "" {
		var err error
		names := strings.Split(s.legs, ",")
		if len(command) > 0 {
			names = append(names, "driver")
		}
		if named, err = runner.Named(sources, names); err != nil {
			return nil, err
		}
	}
	var chosen []runner.Source
	for _, source := range named {
		if source.Name != runner.CoreSource().Name {
			chosen = append(chosen, source)
		}
	}
	if len(chosen) == 0 {
		return nil, errors.New("there is nothing to compare with the leg go: choose another one too")
	}
	return chosen, nil
}

func (s settings) run(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	sources, err := s.sources()
	if err != nil {
		return 0, err
	}
	suite, err := conformance.Load()
	if err != nil {
		return 0, err
	}
	plan := s.plan(suite, sources, stderr)
	fmt.Fprintf(stderr, "fuzz-parity: seed %d\n", plan.Seed)
	outcome, err := Run(ctx, plan)
	outcome.Tally.write(stdout)
	for _, found := range outcome.Found {
		err = errors.Join(err, s.report(found, suite, stdout))
	}
	if err != nil {
		return 0, s.explain(outcome, err)
	}
	fmt.Fprintf(stdout, "%d cases, %d legs, %d differences (%d random)\n", outcome.Cases, outcome.Legs, len(outcome.Found), outcome.Tally.random())
	if len(outcome.Found) > 0 {
		return ExitDifferent, nil
	}
	return ExitSame, nil
}

func (s settings) report(found *Found, suite *conformance.Suite, stdout io.Writer) error {
	found.write(stdout)
	file, err := found.save(s.out, suite.Vectors())
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "written to %s; again: --seed %d --case %d\n", file, s.seed, found.Case.Number)
	return nil
}

// explain names the case at which a leg broke.
func (s settings) explain(outcome Outcome, err error) error {
	if outcome.Stuck == nil {
		return err
	}
	return fmt.Errorf("%w\nagain: --seed %d --case %d", err, s.seed, outcome.Stuck.Number)
}
