package runner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tallystick/tallystick/conformance"
)

// settings are the flags of the command.
type settings struct {
	legs, vectors list
	list          bool
	out           string
	reference     string
	driver        string
	stepLimit     time.Duration
	jobs          int
	places        Places
}

// list is a flag that may be given several times or with commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	*l = append(*l, strings.Split(text, ",")...)
	return nil
}

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
	flags.Var(&s.legs, "leg", "run this leg only (repeat, or separate with commas)")
	flags.Var(&s.vectors, "vector", "run vectors of this name only; * takes any run (repeat, or separate with commas)")
	flags.BoolVar(&s.list, "list", false, "list legs and vectors and run nothing")
	flags.StringVar(&s.out, "out", "", "folder of report.json and junit.xml (default ROOT/build/conformance)")
	flags.StringVar(&s.reference, "reference", "wazero", "leg that the others are compared with")
	flags.StringVar(&s.driver, "driver", "", `one more leg, "driver": a command that speaks the exchange of conformance/README.md`)
	flags.DurationVar(&s.stepLimit, "step-timeout", time.Minute, "how long one call may take")
	flags.IntVar(&s.jobs, "jobs", runtime.NumCPU(), "how many legs run at the same time")
	s.places.Flags(flags)
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	return s, s.findRoot()
}

// findRoot goes up from the working folder to the checkout.
func (s *settings) findRoot() error {
	if s.places.Root == "" {
		folder, err := os.Getwd()
		if err != nil {
			return err
		}
		for ; !isCheckout(folder); folder = filepath.Dir(folder) {
			if folder == filepath.Dir(folder) {
				return errors.New("no go.mod from the working folder upwards: say where the checkout is with --root")
			}
		}
		s.places.Root = folder
	}
	if s.out == "" {
		s.out = filepath.Join(s.places.Root, "build/conformance")
	}
	return nil
}

func isCheckout(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}

func (s settings) execute(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	suite, err := conformance.Load()
	if err != nil {
		return 0, err
	}
	sources := s.places.Sources()
	reference, there := find(sources, s.reference)
	if !there {
		return 0, fmt.Errorf("there is no leg %q to compare with (--list shows the names)", s.reference)
	}
	if s.driver != "" {
		sources = append(sources, DriverSource("driver", Command{Args: strings.Fields(s.driver)}))
	}
	legs, err := selectLegs(sources, s.legs)
	if err != nil {
		return 0, err
	}
	vectors := suite.Select(s.vectors)
	if len(vectors) == 0 {
		return 0, fmt.Errorf("no vector is named like %s (--list shows the names)", s.vectors.String())
	}
	if s.list {
		writeList(stdout, legs, vectors)
		return ExitPassed, nil
	}
	report := Run(ctx, Plan{
		Vectors: vectors, Reference: reference, Legs: legs, StepLimit: s.stepLimit, Jobs: s.jobs,
		Started: func(leg string) { fmt.Fprintf(stderr, "conformance: %s: %d vectors\n", leg, len(vectors)) },
	})
	return s.conclude(report, stdout)
}

func (s settings) conclude(report Report, stdout io.Writer) (int, error) {
	if err := report.WriteFiles(s.out); err != nil {
		return 0, err
	}
	report.WriteTable(stdout)
	passed, failed := report.Counts()
	fmt.Fprintf(stdout, "\n%d passed, %d failed\n", passed, failed)
	return report.ExitCode(), nil
}

func selectLegs(sources []Source, names []string) ([]Source, error) {
	if len(names) == 0 {
		return sources, nil
	}
	var chosen []Source
	for _, name := range names {
		source, there := find(sources, name)
		if !there {
			return nil, fmt.Errorf("there is no leg %q (--list shows the names)", name)
		}
		chosen = append(chosen, source)
	}
	return chosen, nil
}

func find(sources []Source, name string) (Source, bool) {
	for _, source := range sources {
		if source.Name == name {
			return source, true
		}
	}
	return Source{}, false
}

func writeList(out io.Writer, legs []Source, vectors []conformance.Vector) {
	for _, leg := range legs {
		fmt.Fprintln(out, "leg    ", leg.Name)
	}
	for _, vector := range vectors {
		fmt.Fprintf(out, "%-7s %s: %s\n", vector.Kind, vector.Name, vector.Says)
	}
}
