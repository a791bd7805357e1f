package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// folder is a store of files in one folder, for any number of processes. Its faults are those that
// stores of users may have.
type folder struct {
	path  string
	fault string
	mutex sync.Mutex
}

func openFolder(fault string) func(string) (tallystick.Store, error) {
	return func(path string) (tallystick.Store, error) { return &folder{path: path, fault: fault}, nil }
}

func (f *folder) file(kind, id string) string { return filepath.Join(f.path, kind+id) }

func (f *folder) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	if ctx.Err() != nil && f.fault != "context" {
		return false, ctx.Err()
	}
	switch f.fault {
	case "error":
		return false, errors.New("it is broken")
	case "one for all":
		id = "all"
	case "short":
		seconds = 0
	case "each process":
		id += strconv.Itoa(os.Getpid())
	case "two steps":
		if _, err := os.Stat(f.file("used", id)); err == nil {
			return false, nil
		}
		time.Sleep(time.Millisecond)
		return true, os.WriteFile(f.file("used", id), nil, 0o600)
	}
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	return f.createUntil(f.file("used", id), until)
}

// createUntil makes a file that is for some time, by its time of change.
func (f *folder) createUntil(path string, until time.Time) (bool, error) {
	if status, err := os.Stat(path); err == nil && status.ModTime().Before(time.Now()) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	// A file that is linked has its time already.
	mine := filepath.Join(f.path, rand.Text())
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		return false, err
	}
	if err := os.Chtimes(mine, until, until); err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(mine) }()
	err := os.Link(mine, path)
	if errors.Is(err, os.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func TestAStoreOfFilesPasses(t *testing.T) {
	Run(t, openFolder(""), Options{Start: (*testing.T).TempDir, IDs: 30})
}

// newFolder makes the folder in the process of the test, and none in the others.
func newFolder(t *testing.T) string { return t.TempDir() }

// mustFail runs the test of a store that must fail it.
func mustFail(t *testing.T, open func(string) (tallystick.Store, error), options Options, step, said string) {
	t.Helper()
	if os.Getenv(environmentTest) == t.Name() {
		serve(open)
	}
	err := check(t, open, options, step)
	if err == nil || !strings.Contains(err.Error(), said) {
		t.Errorf("%v", err)
	}
}

const (
	race = "claim: one of many gets an id"
	free = "claim: other ids are free"
)

func TestFaults(t *testing.T) {
	for _, each := range []struct{ fault, step, said string }{
		{"error", race, race + ": a call returned the error: it is broken"},
		{"two steps", race, "were told that it was free: Claim must be one atomic step for all processes"},
		{"each process", race, "of 8 claimants of one id, 4 were told that it was free"},
		{"one for all", free, "an id that nobody claimed was not free"},
		{"short", "claim: an id is kept", "an id that was claimed for 2 s was free again after 1.5 s"},
		{"context", "a call whose context", "where its context had ended before: it must return an error"},
	} {
		t.Run(strings.ReplaceAll(each.fault, " ", "-"), func(t *testing.T) {
			mustFail(t, openFolder(each.fault), Options{Start: newFolder, Claimants: 8, IDs: 5}, each.step, each.said)
		})
	}
}

func TestAnOpenThatFailsAndAProcessThatDies(t *testing.T) {
	t.Run("fails", func(t *testing.T) {
		open := func(string) (tallystick.Store, error) { return nil, errors.New("no such server") }
		mustFail(t, open, Options{}, "", "open: no such server")
	})
	t.Run("nothing", func(t *testing.T) {
		mustFail(t, func(string) (tallystick.Store, error) { return nil, nil }, Options{}, "", "open returned no store")
	})
	t.Run("dies", func(t *testing.T) {
		open := func(string) (tallystick.Store, error) {
			if os.Getenv(environmentTest) != "" {
				os.Exit(3)
			}
			return &folder{}, nil
		}
		mustFail(t, open, Options{}, "", "a process that used the store has died")
	})
}

// held is a store of this process with values and documents.
type held struct {
	folder
	values   map[string][]byte
	versions map[string]int64
	hangs    bool
}

func openHeld(fault string) (*held, func(string) (tallystick.Store, error)) {
	store := &held{folder: folder{fault: fault}, values: map[string][]byte{}, versions: map[string]int64{}}
	return store, func(path string) (tallystick.Store, error) {
		store.path = path
		return store, nil
	}
}

func (h *held) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.hangs && h.fault != "answers while it hangs" {
		return false, errors.New("the server hangs")
	}
	if _, there := h.values[id]; there && h.fault == "one space" {
		return false, nil
	}
	return h.folder.Claim(ctx, id, seconds)
}

func (h *held) Put(_ context.Context, id string, value []byte, seconds int64) error {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	h.values[id] = value
	if h.fault == "cuts" {
		h.values[id] = value[:min(len(value), 1000)]
	}
	if h.fault != "keeps" {
		time.AfterFunc(time.Duration(seconds)*time.Second, func() { _, _, _ = h.Take(context.Background(), id) })
	}
	return nil
}

func (h *held) Get(_ context.Context, id string) ([]byte, bool, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	value, there := h.values[id]
	return value, there, nil
}

func (h *held) Take(ctx context.Context, id string) ([]byte, bool, error) {
	value, there, err := h.Get(ctx, id)
	if h.fault == "two steps to take" {
		time.Sleep(time.Millisecond)
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	_, still := h.values[id]
	delete(h.values, id)
	return value, there && (still || h.fault == "two steps to take"), err
}

func (h *held) Read(ctx context.Context, name string) (int64, []byte, error) {
	value, _, err := h.Get(ctx, name)
	return h.versions[name], value, err
}

func (h *held) Write(_ context.Context, name string, expected int64, document []byte) (bool, error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.versions[name] != expected && h.fault != "any version" {
		return false, nil
	}
	h.versions[name]++
	h.values[name] = document
	return true, nil
}

func TestAStoreOfOneProcessPassesWithAllThatItKeeps(t *testing.T) {
	store, open := openHeld("")
	hang := func(hangs bool) func() error {
		return func() error {
			store.mutex.Lock()
			defer store.mutex.Unlock()
			store.hangs = hangs
			return nil
		}
	}
	Run(t, open, Options{Start: newFolder, Processes: 1, IDs: 10, Pause: hang(true), Resume: hang(false),
		Restart: func() error { return nil }})
}

func TestFaultsOfWhatIsKept(t *testing.T) {
	for _, each := range []struct{ fault, step, said string }{
		{"cuts", "put, get, take", "get returned 1000 bytes that are not the 65536 that were put"},
		{"one space", "put, get, take", "a value and a claim of one id must be apart"},
		{"keeps", "a value is gone", "reported true, not false: it was put for 2 s, over 3 s ago"},
		{"two steps to take", "take: one", "took one value: Take must be one atomic step"},
		{"any version", "read, write", "write reported true, not false: the document has an older version"},
		{"any version", "write: one", "wrote version 1: Write must be one atomic step"},
		{"answers while it hangs", "a server that hangs", "claim returned true while its server hung: it must " +
			"return an error"},
	} {
		t.Run(strings.ReplaceAll(each.fault, " ", "-"), func(t *testing.T) {
			t.Parallel()
			store, open := openHeld(each.fault)
			hang := func() error {
				store.hangs = true
				return nil
			}
			options := Options{Start: newFolder, Processes: 1, IDs: 10, Pause: hang, Resume: hang}
			mustFail(t, open, options, each.step, each.said)
		})
	}
}

func TestWhatARestartMayForget(t *testing.T) {
	now := time.Now()
	claimed := func(after time.Duration, lostAt time.Time) attempt {
		return attempt{ID: "one", True: true, Began: now.Add(after), LostAt: lostAt}
	}
	lost := now.Add(time.Second)
	for name, each := range map[string]struct {
		attempts []attempt
		said     string
	}{
		"told":     {[]attempt{claimed(2*time.Second, lost), claimed(0, time.Time{})}, ""},
		"silently": {[]attempt{claimed(2*time.Second, time.Time{}), claimed(0, time.Time{})}, "was free once more"},
		"too early": {[]attempt{claimed(3*time.Second, lost), claimed(2*time.Second, lost)},
			"was free once more"},
		"nothing": {nil, "no claim was answered"},
	} {
		err := claimedOnce(each.attempts)
		if (err == nil) != (each.said == "") || (err != nil && !strings.Contains(err.Error(), each.said)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	slow := run{options: withDefaults(Options{})}
	if err := slow.inTime([]attempt{{Took: 3 * time.Second}}); err != nil {
		t.Error(err)
	}
	if err := slow.inTime([]attempt{{Took: 5 * time.Second}}); err == nil {
		t.Error("5 s are in time")
	}
}
