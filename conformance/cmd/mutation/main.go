// Command mutation switches off each guard of the core in turn and shows that a
// conformance vector turns red for each. It ends with 0 when every guard is
// covered, with 1 when a guard is not, with 2 when that could not be found out.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/tallystick/tallystick/conformance/mutation"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx))
}

func run(ctx context.Context) int {
	pattern := flag.String("guard", "*", "names of guards, with * and ?, separated by commas")
	list := flag.Bool("list", false, "list the guards and try none")
	check := flag.Bool("check", false, "read the markers, check each mutant's types, and try none")
	asJSON := flag.Bool("json", false, "print the outcomes as JSON")
	root := flag.String("root", ".", "the checkout")
	parallel := flag.Int("parallel", 2, "mutants at a time")
	flag.Parse()
	guards, err := chosen(root, *pattern)
	switch {
	case err != nil:
	case *list:
		for _, g := range guards {
			fmt.Printf("%-28s %-8s %s:%d\n", g.Name, g.Operator, g.File, g.Line)
		}
		return 0
	case *check:
		if err = mutation.CheckTypes(ctx, *root, guards); err == nil {
			fmt.Printf("%d guards, every mutant type-checks\n", len(guards))
			return 0
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		return 2
	}
	outcomes, err := tryAll(ctx, *root, guards, max(1, *parallel))
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		return 2
	}
	return say(outcomes, *asJSON)
}

// chosen returns the guards of a name, and makes root absolute.
func chosen(root *string, pattern string) (guards []mutation.Guard, err error) {
	if *root, err = filepath.Abs(*root); err != nil {
		return nil, err
	}
	all, err := mutation.Guards(*root)
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		for one := range strings.SplitSeq(pattern, ",") {
			matches, err := path.Match(one, g.Name)
			if err != nil {
				return nil, fmt.Errorf("--guard: %w", err)
			}
			if matches {
				guards = append(guards, g)
				break
			}
		}
	}
	if guards == nil {
		return nil, fmt.Errorf("--guard %s: no guard has such a name (--list shows them)", pattern)
	}
	return guards, nil
}

func tryAll(ctx context.Context, root string, guards []mutation.Guard, parallel int) ([]mutation.Outcome, error) {
	trial, err := mutation.NewTrial(ctx, root, guards)
	if err != nil {
		return nil, err
	}
	defer trial.Close()
	outcomes := make([]mutation.Outcome, len(guards))
	errs := make([]error, len(guards))
	var group sync.WaitGroup
	var saying sync.Mutex
	places := make(chan struct{}, parallel)
	done := 0
	for i, g := range guards {
		places <- struct{}{}
		group.Go(func() {
			defer func() { <-places }()
			outcomes[i], errs[i] = trial.Try(ctx, g)
			saying.Lock()
			defer saying.Unlock()
			done++
			fmt.Fprintf(os.Stderr, "%3d/%d  %-28s %s\n", done, len(guards), g.Name, verdict(outcomes[i], errs[i]))
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

func verdict(o mutation.Outcome, err error) string {
	switch {
	case err != nil:
		return "could not be tried: " + err.Error()
	case !o.Covered:
		return "NO VECTOR NOTICED"
	}
	return "noticed by " + o.First
}

func say(outcomes []mutation.Outcome, asJSON bool) int {
	uncovered := 0
	for _, o := range outcomes {
		if !o.Covered {
			uncovered++
			fmt.Fprintf(os.Stderr, "not covered: %s\n", o.Guard)
		}
	}
	if asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(outcomes); err != nil {
			fmt.Fprintln(os.Stderr, "mutation:", err)
			return 2
		}
	} else {
		fmt.Printf("%d guards, %d covered, %d not\n", len(outcomes), len(outcomes)-uncovered, uncovered)
	}
	if uncovered > 0 {
		return 1
	}
	return 0
}
