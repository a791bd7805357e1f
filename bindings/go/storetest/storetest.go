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
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
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

func (r *run) oneClaims() error {
	for range r.options.IDs {
		attempts, err := r.them.race(call{Method: "claim", ID: newID(), Seconds: kept})
		if err != nil {
			return err
		}
		won, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if won != 1 {
			return fmt.Errorf("of %d claimants of one id, %d were told that it was free: Claim must be one "+
				"atomic step for all processes", len(attempts), won)
		}
	}
	return nil
}

func countTrue(attempts []attempt) (count int, err error) {
	for _, each := range attempts {
		if each.Error != "" {
			return 0, fmt.Errorf("a call returned the error: %s", each.Error)
		}
		if each.True {
			count++
		}
	}
	return count, nil
}

// mustClaim claims an id that nobody has claimed.
func (r *run) mustClaim(id string, seconds int64) (attempt, error) {
	got := r.them.first(call{Method: "claim", ID: id, Seconds: seconds})
	if got.Error != "" {
		return got, fmt.Errorf("a call returned the error: %s", got.Error)
	}
	if !got.True {
		return got, fmt.Errorf("an id that nobody claimed was not free")
	}
	return got, nil
}

func (r *run) othersAreFree() error {
	id := newID()
	if _, err := r.mustClaim(id, kept); err != nil {
		return err
	}
	// They differ in one digit each.
	for at := range id {
		other := []byte(id)
		if other[at] = '0'; id[at] == '0' {
			other[at] = 'f'
		}
		if _, err := r.mustClaim(string(other), kept); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) idsAreKept() error {
	var id string
	// On a machine that is busy the second claim may come too late to tell anything.
	for range 5 {
		id = newID()
		first, err := r.mustClaim(id, 2)
		if err != nil {
			return err
		}
		time.Sleep(time.Until(first.Began.Add(1500 * time.Millisecond)))
		second := r.them.last(call{Method: "claim", ID: id, Seconds: 2})
		if second.Error != "" {
			return fmt.Errorf("a call returned the error: %s", second.Error)
		}
		if second.ended().After(first.Began.Add(2 * time.Second)) {
			continue
		}
		if second.True {
			return fmt.Errorf("an id that was claimed for 2 s was free again after 1.5 s")
		}
		break
	}
	// Then it may be free or taken, and a claim is answered.
	time.Sleep(3 * time.Second)
	if got := r.them.first(call{Method: "claim", ID: id, Seconds: 2}); got.Error != "" {
		return fmt.Errorf("a call returned the error: %s", got.Error)
	}
	return nil
}

// expect returns what is wrong with an answer. found: whether there must be a value.
func expect(got attempt, found bool, value []byte, why string) error {
	switch {
	case got.Error != "":
		return fmt.Errorf("a call returned the error: %s", got.Error)
	case got.True != found:
		return fmt.Errorf("%s reported %t, not %t: %s", got.Method, got.True, found, why)
	case found && !bytes.Equal(got.Value, value):
		return fmt.Errorf("%s returned %d bytes that are not the %d that were put: %s",
			got.Method, len(got.Value), len(value), why)
	}
	return nil
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) values() error {
	id := newID()
	for _, method := range []string{"get", "take"} {
		got := r.them.first(call{Method: method, ID: newID()})
		if err := expect(got, false, nil, "there is no value"); err != nil {
			return err
		}
	}
	large := make([]byte, 64<<10)
	for at := range large {
		large[at] = byte(rand.Uint32())
	}
	for _, value := range [][]byte{{}, []byte("\x00\xff\n\x00\xff\n"), large} {
		put := r.them.first(call{Method: "put", ID: id, Value: value, Seconds: kept})
		got := r.them.last(call{Method: "get", ID: id})
		err := firstOf(failure(put), expect(got, true, value, "another process put this value"))
		if err != nil {
			return err
		}
	}
	if _, err := r.mustClaim(id, kept); err != nil {
		return fmt.Errorf("%w: a value and a claim of one id must be apart", err)
	}
	take, get := call{Method: "take", ID: id}, call{Method: "get", ID: id}
	return firstOf(
		expect(r.them.first(take), true, large, "it was put"),
		expect(r.them.last(get), false, nil, "the value was taken"),
	)
}

func failure(got attempt) error {
	if got.Error != "" {
		return fmt.Errorf("a call returned the error: %s", got.Error)
	}
	return nil
}

func (r *run) oneTakes() error {
	for range max(1, r.options.IDs/10) {
		id := newID()
		put := r.them.first(call{Method: "put", ID: id, Value: []byte(id), Seconds: kept})
		if err := failure(put); err != nil {
			return err
		}
		attempts, err := r.them.race(call{Method: "take", ID: id})
		if err != nil {
			return err
		}
		taken, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if taken != 1 {
			return fmt.Errorf("%d of %d took one value: Take must be one atomic step", taken, len(attempts))
		}
	}
	return nil
}

func (r *run) valuesGo() error {
	id, value := newID(), []byte("value")
	put := r.them.first(call{Method: "put", ID: id, Value: value, Seconds: 2})
	if err := failure(put); err != nil {
		return err
	}
	time.Sleep(time.Until(put.Began.Add(time.Second)))
	got := r.them.last(call{Method: "get", ID: id})
	if got.ended().Before(put.Began.Add(2 * time.Second)) {
		if err := expect(got, true, value, "it was put for 2 s, 1 s ago"); err != nil {
			return err
		}
	}
	time.Sleep(2500 * time.Millisecond)
	why := "it was put for 2 s, over 3 s ago"
	return firstOf(
		expect(r.them.first(call{Method: "get", ID: id}), false, nil, why),
		expect(r.them.last(call{Method: "take", ID: id}), false, nil, why),
	)
}

func (r *run) documents() error {
	name := "storetest." + newID()
	got := r.them.first(call{Method: "read", ID: name})
	if got.Version != 0 || got.Error != "" {
		return fmt.Errorf("a document that is not there has version %d %s: it must be 0", got.Version, got.Error)
	}
	large := bytes.Repeat([]byte{0, 255, 13, 10}, 2<<20)
	for version, document := range [][]byte{{}, large, []byte("{}")} {
		early := call{Method: "write", ID: name, Value: document, Version: int64(version) + 1}
		now := call{Method: "write", ID: name, Value: document, Version: int64(version)}
		err := firstOf(
			expect(r.them.first(early), false, nil, "the document has an older version"),
			expect(r.them.first(now), true, nil, "the document has this version"),
			expect(r.them.last(now), false, nil, "the document has a newer version"),
		)
		if err != nil {
			return err
		}
		read := r.them.last(call{Method: "read", ID: name})
		if read.Version != int64(version)+1 || !bytes.Equal(read.Value, document) {
			return fmt.Errorf("read returned version %d and %d bytes %s, not version %d and the %d that were written",
				read.Version, len(read.Value), read.Error, version+1, len(document))
		}
	}
	return nil
}

func (r *run) oneWrites() error {
	name := "storetest." + newID()
	for version := range int64(5) {
		attempts, err := r.them.race(call{Method: "write", ID: name, Version: version, Value: []byte(name)})
		if err != nil {
			return err
		}
		wrote, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if wrote != 1 {
			return fmt.Errorf("%d of %d wrote version %d: Write must be one atomic step",
				wrote, len(attempts), version+1)
		}
	}
	return nil
}

func (r *run) endedContext() error {
	id := newID()
	got := r.them.first(call{Method: "claim", ID: id, Seconds: kept, Ended: true})
	if got.Error == "" {
		return fmt.Errorf("claim returned %t where its context had ended before: it must return an error", got.True)
	}
	return failure(r.them.first(call{Method: "claim", ID: id, Seconds: kept}))
}

func (r *run) hangs() error {
	if err := r.options.Pause(); err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	attempts, failed := r.them.all(task{Kind: taskSpread})
	if err := r.options.Resume(); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if failed != nil {
		return failed
	}
	for _, each := range attempts {
		if each.Error == "" {
			return fmt.Errorf("claim returned %t while its server hung: it must return an error", each.True)
		}
	}
	if err := r.inTime(attempts); err != nil {
		return err
	}
	if _, err := r.them.all(task{Kind: taskRecover}); err != nil {
		return err
	}
	// The server may have made the claims that it did not answer.
	for _, each := range attempts {
		again := call{Method: "claim", ID: each.ID, Seconds: kept}
		free, err := countTrue([]attempt{r.them.first(again), r.them.last(again)})
		if err != nil {
			return err
		}
		if free > 1 {
			return fmt.Errorf("an id that was claimed while the server hung was free twice")
		}
	}
	return nil
}

func (r *run) restarts() error {
	ids := newIDs(2000)
	var restarted error
	attempts, err := r.them.during(task{Kind: taskLoad, IDs: ids}, func() {
		time.Sleep(load / 3)
		restarted = r.options.Restart()
	})
	if restarted != nil {
		return fmt.Errorf("restart: %w", restarted)
	}
	if err != nil {
		return err
	}
	if err := r.inTime(attempts); err != nil {
		return err
	}
	if _, err := r.them.all(task{Kind: taskRecover}); err != nil {
		return err
	}
	for _, each := range slices.Clone(attempts) {
		if each.True {
			attempts = append(attempts, r.them.first(call{Method: "claim", ID: each.ID, Seconds: kept}))
		}
	}
	return claimedOnce(attempts)
}

func claimedOnce(attempts []attempt) error {
	slices.SortFunc(attempts, func(a, b attempt) int { return a.Began.Compare(b.Began) })
	accepted := map[string]attempt{}
	for _, each := range attempts {
		if !each.True || each.Error != "" {
			continue
		}
		if before, there := accepted[each.ID]; there && each.LostAt.Before(before.Began) {
			return fmt.Errorf("an id that was claimed around the restart was free once more: what a store " +
				"forgets it must tell in LostAt")
		}
		accepted[each.ID] = each
	}
	if len(accepted) == 0 {
		return fmt.Errorf("no claim was answered")
	}
	return nil
}

func (r *run) inTime(attempts []attempt) error {
	for _, each := range attempts {
		if each.Took > 2*r.options.Timeout {
			return fmt.Errorf("a call took %v, and its timeout is %v", each.Took, r.options.Timeout)
		}
	}
	return nil
}
