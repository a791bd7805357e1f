// Package conformancetest runs the conformance vectors as Go tests: for the
// author of another implementation, or of another way to reach this one.
package conformancetest

import (
	"context"
	"testing"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
)

// stepLimit is how long one call may take.
const stepLimit = time.Minute

// Run runs the vectors whose names match one of the patterns ("*" takes any run
// of characters; all of them without a pattern) through a leg, each as a subtest
// of its name. Every answer must be what the vector expects and, byte for byte,
// what the core of this module answers. A leg that cannot run, and patterns that
// no name matches, end the test. Call it from the test's own goroutine.
//
//	func TestConformance(t *testing.T) {
//		leg := runner.DriverSource("mine", runner.Command{Args: []string{"my-driver", "--flag"}})
//		conformancetest.Run(t, leg)
//	}
func Run(t *testing.T, leg runner.Source, patterns ...string) {
	t.Helper()
	suite, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	vectors := suite.Select(patterns)
	for _, pattern := range patterns {
		if len(suite.Select([]string{pattern})) == 0 {
			t.Fatalf("no vector is named like %q", pattern)
		}
	}
	report := runner.Run(context.Background(), runner.Plan{
		Vectors: vectors, Reference: runner.CoreSource(), Legs: []runner.Source{leg}, StepLimit: stepLimit,
	})
	for _, done := range report.Legs {
		tell(t, done)
	}
}

func tell(t *testing.T, done runner.LegReport) {
	t.Helper()
	for _, result := range done.Results {
		t.Run(result.Vector.Name, func(t *testing.T) {
			if result.Failure != "" {
				t.Errorf("%s (%s)\n%s", result.Vector.Says, result.Vector.Source, result.Failure)
			}
		})
	}
	if done.Broken != "" {
		t.Fatalf("leg %s could not run: %s", done.Name, done.Broken)
	}
}
