package runner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tallystick/tallystick/conformance"
)

// settings are the flags of the command.
type settings struct {
	legs, vectors list
	all           bool
	heavy         bool
	expectations  bool
	stop          bool
	list, digests bool
	out           string
	reference     string
	driver        string
	knownFailing  string
	stepLimit     time.Duration
	parallel      int
	places        Places
}

// list is a flag that may be given several times or with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = append(*l, strings.Split(text, ",")...)
	return nil
}

const usage = `Runs the conformance vectors through every way to reach the core and compares
the answers. Exit status: 0 all passed, 1 a vector failed, 2 a leg could not run.

Without --leg, in a checkout: the nine legs and those whose runtime
"make setup-runtimes" installed. Elsewhere: the leg go, and the driver if one is given.

  conformance --leg c,node-wasm --vector 'replay/*'
  conformance --driver 'my-driver --flag'

Flags:
`

// Main is the command: it returns the exit code (0 all passed, 1 a vector
// failed, 2 a leg or the run could not run).
func Main(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	chosen, err := parse(arguments, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return ExitPassed
	}
	if err == nil {
		var code int
		if code, err = chosen.execute(ctx, stdout, stderr); err == nil {
			return code
		}
	}
	fmt.Fprintln(stderr, "conformance:", err)
	return ExitBroken
}

func parse(arguments []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	flags.Var(&s.legs, "leg", "run this leg only (repeat, or separate with commas)")
	flags.BoolVar(&s.all, "all", false, "run every leg: one whose runtime is not installed could not run")
	flags.BoolVar(&s.heavy, "heavy", false, "run heavy vectors on slow legs too (wazero-interpreter: some ten minutes)")
	flags.BoolVar(&s.expectations, "expectations", false, "judge by what the vectors expect alone: not by the reference's bytes (its messages, its version)")
	flags.BoolVar(&s.stop, "stop", false, "end a leg at its first vector that fails")
	flags.Var(&s.vectors, "vector", "run vectors of this name only; * takes any run (repeat, or separate with commas)")
	flags.BoolVar(&s.list, "list", false, "list legs and vectors and run nothing")
	flags.BoolVar(&s.digests, "digests", false, "print each vector's digest, as a release keeps them, and run nothing")
	flags.StringVar(&s.out, "out", "", "folder of report.json and junit.xml (default ROOT/build/conformance, outside a checkout conformance-report)")
	flags.StringVar(&s.reference, "reference", "", "leg that the others are compared with (default wazero, where there is no WASM module go)")
	flags.StringVar(&s.driver, "driver", "", `one more leg, "driver": a command that speaks the exchange of conformance/DRIVERS.md`)
	flags.StringVar(&s.knownFailing, "known-failing", "", "file of vectors that are known to fail: lines of LEG VECTOR CAUSE")
	flags.DurationVar(&s.stepLimit, "step-timeout", time.Minute, "how long one call may take")
	flags.IntVar(&s.parallel, "parallel", runtime.NumCPU(), "how many legs run at the same time")
	s.places.Flags(flags)
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if s.parallel < 1 {
		return s, fmt.Errorf("--parallel %d: at least one leg must run", s.parallel)
	}
	return s, s.complete()
}

// complete gives what was not said its default.
func (s *settings) complete() error {
	if err := s.places.FindRoot(); err != nil {
		return err
	}
	if s.out == "" {
		s.out = "conformance-report"
		if s.places.Root != "" {
			s.out = filepath.Join(s.places.Root, "build/conformance")
		}
	}
	if s.reference == "" {
		s.reference = "wazero"
		if s.places.Root == "" && s.places.Module == "" {
			s.reference = "go"
		}
	}
	return nil
}

func (s settings) execute(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	suite, err := conformance.Load()
	if err != nil {
		return 0, err
	}
	if s.digests {
		return ExitPassed, suite.WriteDigests(stdout)
	}
	plan, err := s.plan(suite)
	if err != nil {
		return 0, err
	}
	if s.list {
		writeList(stdout, plan)
		return ExitPassed, nil
	}
	// A report of an earlier run must not pass for this one's.
	if err := RemoveFiles(s.out); err != nil {
		return 0, err
	}
	plan.Watch = NewProgress(stderr, len(plan.Vectors))
	report := Run(ctx, plan)
	if ctx.Err() != nil {
		return 0, errors.New("interrupted: no report is written")
	}
	return s.conclude(report, stdout)
}

func (s settings) plan(suite *conformance.Suite) (Plan, error) {
	plan := Plan{Vectors: suite.Select(s.vectors), Heavy: s.heavy, ExpectationsOnly: s.expectations, StopAtFailure: s.stop, StepLimit: s.stepLimit, Parallel: s.parallel}
	for _, pattern := range s.vectors {
		if len(suite.Select([]string{pattern})) == 0 {
			return plan, fmt.Errorf("no vector is named like %q (--list shows the names)", pattern)
		}
	}
	if err := s.chooseLegs(&plan); err != nil || s.knownFailing == "" {
		return plan, err
	}
	var err error
	if plan.Known, err = ReadKnownFailing(s.knownFailing, suite); err == nil {
		err = plan.Known.demandLegs(s.places.AllSources())
	}
	return plan, err
}

func (s settings) conclude(report Report, stdout io.Writer) (int, error) {
	if err := report.WriteFiles(s.out); err != nil {
		return 0, err
	}
	var table strings.Builder
	report.WriteTable(&table)
	passed, failed, known := report.Counts()
	fmt.Fprintf(&table, "\n%d passed, %d failed", passed, failed)
	if known > 0 {
		fmt.Fprintf(&table, ", %d known to fail", known)
	}
	if _, err := fmt.Fprintln(stdout, table.String()); err != nil {
		return 0, err
	}
	return report.ExitCode(), nil
}

func writeList(out io.Writer, plan Plan) {
	for _, leg := range plan.Legs {
		fmt.Fprintln(out, "leg    ", leg.Name)
	}
	for _, vector := range plan.Vectors {
		fmt.Fprintf(out, "%-7s %s: %s\n", vector.Kind, vector.Name, vector.Says)
	}
}
