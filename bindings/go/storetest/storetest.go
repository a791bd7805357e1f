// Package storetest is a test for stores of your own: what agents rely on, asked of several
// processes at once.
//
//	func TestStore(t *testing.T) {
//		open := func(address string) (tallystick.Store, error) { return mystore.New(address) }
//		storetest.Run(t, open, storetest.Options{
//			Start: func(t *testing.T) string { return startServer(t) },
//		})
//	}
package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// Options say what is checked. The zero value has the defaults.
type Options struct {
	// Start makes what the store needs, such as a server or a folder, in the process of the test
	// alone. Open is given what it returns, in every process. nil: Open is given "".
	Start func(t *testing.T) string
	// Processes is how many processes ask at once (default 4). 1: only the process of the test, for
	// a store that others cannot share.
	Processes int
	// Claimants is how many goroutines in all processes claim one id at once (default 64).
	Claimants int
	// IDs is how many ids they fight for (default 200).
	IDs int
	// Timeout is how long the store gives a call (default 2 s). During an outage none may take twice
	// as long.
	Timeout time.Duration
	// Pause and Resume make the store's server hang and go on; with SIGSTOP and SIGCONT, for
	// example. nil: not checked.
	Pause, Resume func() error
	// Restart ends the server at once and starts it again. A store that forgets what was claimed
	// must say so afterwards: LostAt() time.Time, not before the claim that it has forgotten. nil:
	// not checked.
	Restart func() error
}

// kept is for how many seconds ids are claimed, unless a check is about them.
const kept = 120

// Run checks a store, and fails the test for the first thing that is wrong. It takes some 10 s, and
// more with outages.
//
// Each process but the first is the binary of this test, started anew for this one test: the test
// function runs in it until Run, so what must happen once belongs into Options.Start. Values and
// documents are checked where the store keeps them (tallystick.ValueStore, DocumentStore). A store
// with a method Close is closed at the end.
func Run(t *testing.T, open func(address string) (tallystick.Store, error), options Options) {
	t.Helper()
	if os.Getenv(environmentTest) == t.Name() {
		serve(open)
	}
	if err := check(t, open, options, ""); err != nil {
		t.Fatal(err)
	}
}

// check returns the first thing that is wrong in the steps whose names begin with only.
func check(t *testing.T, open func(string) (tallystick.Store, error), options Options, only string) error {
	t.Helper()
	address := ""
	if options.Start != nil {
		address = options.Start(t)
	}
	run := run{options: withDefaults(options)}
	them, err := startAll(t.Name(), address, open, run.options)
	if err != nil {
		return err
	}
	defer them.end()
	run.them = them
	for _, step := range run.steps() {
		if step.skipped || !strings.HasPrefix(step.name, only) {
			continue
		}
		if err := step.check(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		t.Log(step.name + ": passed")
	}
	return nil
}

func withDefaults(options Options) Options {
	for _, number := range []struct {
		option *int
		normal int
	}{{&options.Processes, 4}, {&options.Claimants, 64}, {&options.IDs, 200}} {
		if *number.option < 1 {
			*number.option = number.normal
		}
	}
	if options.Timeout <= 0 {
		options.Timeout = 2 * time.Second
	}
	return options
}

// run is one run of the test.
type run struct {
	options Options
	them    *workers
}

type step struct {
	name    string
	skipped bool
	check   func() error
}

func (r *run) steps() []step {
	values, documents := r.them.kind >= keepsValues, r.them.kind >= keepsDocuments
	return []step{
		{"claim: one of many gets an id", false, r.oneClaims},
		{"claim: other ids are free", false, r.othersAreFree},
		{"claim: an id is kept for its seconds", false, r.idsAreKept},
		{"put, get, take", !values, r.values},
		{"take: one of many gets a value", !values, r.oneTakes},
		{"a value is gone after its seconds", !values, r.valuesGo},
		{"read, write", !documents, r.documents},
		{"write: one of many writes a version", !documents, r.oneWrites},
		{"a call whose context has ended", false, r.endedContext},
		{"a server that hangs", r.options.Pause == nil || r.options.Resume == nil, r.hangs},
		{"a server that restarts", r.options.Restart == nil, r.restarts},
	}
}

func newID() string {
	return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
}

func newIDs(count int) []string {
	ids := make([]string, count)
	for at := range ids {
		ids[at] = newID()
	}
	return ids
}
