// Package memory is a store in the memory of one process: for a service that is alone, and for
// tests. A token works once in each process, and again after a restart.
package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
	"github.com/tallystick/tallystick/core/replay"
)

// memoryOfOneProcess is the same text in every language.
const memoryOfOneProcess = "used tokens are remembered in the memory of this process alone: a " +
	"token works once in each process (worker, container, machine), and again after a restart; " +
	"give the option Store a store that all of them share"

const setting = "store memory:"

// Defaults of Options.
const (
	DefaultMostClaims = 1_000_000 // some 150 MB where all are live
	DefaultMostValues = 10_000
)

// Options are the limits of a store; the zero value has the defaults.
type Options struct {
	// MostClaims is how many ids may be claimed at one time (default 1,000,000).
	MostClaims int
	// MostValues is how many values may be kept at one time (default 10,000).
	MostValues int
}

// A Store keeps used tokens and values in this process. One that is full refuses, and forgets
// nothing that has not expired. What two Stores hold is apart.
//
// Safe for concurrent use.
type Store struct {
	used    *replay.Window
	began   time.Time
	now     func() time.Time
	notices base.Notices

	mutex      sync.Mutex
	values     map[string]value
	mostClaims int
	mostValues int
}

type value struct {
	content []byte
	until   time.Duration // since the store began
}

// New returns an empty store. It returns an error for a negative limit.
func New(options Options) (*Store, error) {
	claims, err := limit("MostClaims", options.MostClaims, DefaultMostClaims)
	if err != nil {
		return nil, err
	}
	values, err := limit("MostValues", options.MostValues, DefaultMostValues)
	if err != nil {
		return nil, err
	}
	return &Store{
		used: replay.New(claims, 0), began: time.Now(), now: time.Now, values: map[string]value{},
		mostClaims: claims, mostValues: values,
	}, nil
}

func limit(name string, given, normal int) (int, error) {
	if given < 0 {
		return 0, fmt.Errorf("%s: %s must be 1 or more, not %d (0: %d)", setting, name, given, normal)
	}
	if given == 0 {
		return normal, nil
	}
	return given, nil
}

// Claim claims an id, 32 lower-case hex digits, for 1 to 2^31 seconds, and reports whether it was
// free. It returns an error for other arguments, where ctx has ended, and where the store is full.
func (s *Store) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	key, err := base.Claim(id, seconds)
	if err != nil {
		return false, said(err)
	}
	if err := ctx.Err(); err != nil {
		return false, said(err)
	}
	// By the clock that judges tokens: where that is set back, the window knows what it has forgotten
	// and refuses what it cannot know.
	now := s.now().Unix()
	switch s.used.Claim(replay.ID(key), now+seconds, now) {
	case replay.Claimed:
		return true, nil
	case replay.Lost:
		return false, said(errors.New("has forgotten claims that expire later than this one: the clock of this " +
			"host was set back: set it right, or wait until it has caught up"))
	case replay.Full:
		return false, full(s.mostClaims, "MostClaims")
	default:
		return false, nil
	}
}

// Put keeps a value of up to 64 KiB for some seconds, and replaces an earlier one. Errors as of
// Claim, and where the value is larger.
func (s *Store) Put(ctx context.Context, id string, content []byte, seconds int64) error {
	if _, err := base.Put(id, content, seconds); err != nil {
		return said(err)
	}
	if err := ctx.Err(); err != nil {
		return said(err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	now := s.age()
	if _, there := s.values[id]; !there && len(s.values) >= s.mostValues {
		s.forgetExpired(now)
		if len(s.values) >= s.mostValues {
			return full(s.mostValues, "MostValues")
		}
	}
	kept := append([]byte{}, content...)
	s.values[id] = value{kept, now + time.Duration(seconds)*time.Second}
	return nil
}

// Get returns a value that was put, and whether there is one. Errors as of Claim.
func (s *Store) Get(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, id, false)
}

// Take returns a value and deletes it in one atomic step: one of many callers gets it. Errors as of
// Claim.
func (s *Store) Take(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, id, true)
}

func (s *Store) find(ctx context.Context, id string, take bool) ([]byte, bool, error) {
	if _, err := base.Key(id); err != nil {
		return nil, false, said(err)
	}
	if err := ctx.Err(); err != nil {
		return nil, false, said(err)
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	found, there := s.values[id]
	if take {
		delete(s.values, id)
	}
	if !there || found.until <= s.age() {
		return nil, false, nil
	}
	return slices.Clone(found.content), true, nil
}

func (s *Store) forgetExpired(now time.Duration) {
	for id, kept := range s.values {
		if kept.until <= now {
			delete(s.values, id)
		}
	}
}

func (s *Store) age() time.Duration { return time.Since(s.began) }

var warned atomic.Bool

// Check adds a notice, once in each process, that other processes and a restart know nothing of
// what is used here. It returns nil.
func (s *Store) Check(context.Context) error {
	if !warned.Swap(true) {
		s.notices.Add(memoryOfOneProcess)
	}
	return nil
}

// Notices returns what the operator should read, each text once.
func (s *Store) Notices() []string { return s.notices.Take() }

// Timeout returns how long a call may last: it waits for nothing.
func (s *Store) Timeout() time.Duration { return time.Second }

// String returns "store memory:".
func (s *Store) String() string { return setting }

func said(err error) error { return base.Said(setting+": "+err.Error(), err) }

func full(most int, option string) error {
	return base.Said(fmt.Sprintf("%s is full (%d that have not expired): raise its option %s, or use "+
		"the store of a file or a server, as stores/sqlite or stores/redis", setting, most, option), nil)
}
