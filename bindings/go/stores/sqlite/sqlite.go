// Package sqlite is a store in one SQLite file, for all processes of a machine, whatever their
// language: Python's and Node's default store is the same file.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

// DefaultMaxBytes is the default limit of a file: 1 GiB.
const DefaultMaxBytes = 1 << 30

const leastPages = 16

// Options are the limits of a store; the zero value has the defaults.
type Options struct {
	// MaxBytes of the file (default 1 GiB). A full file refuses, and forgets nothing that has not
	// expired. The write-ahead log beside it is not counted: it is moved into the file every 4,000
	// pages of 1 KiB, and grows further while several processes claim without a pause.
	MaxBytes int64
	// Timeout is how long a call may last (default 2 s, at most 1 min), with all that it waits for:
	// other goroutines, other processes.
	Timeout time.Duration
}

// A Store keeps used tokens and values in one file, which is opened at its first use.
//
// It survives kill -9 and a restart; a power loss may cost the last claims. LostAt is set where the
// file was deleted or replaced while it was in use. The file system must be a local one.
//
// Safe for concurrent use. Every error's text begins with the setting (String), and says what
// happened and what to do.
type Store struct{ file *file }

// New returns the store of a file: an absolute or relative path, or a URL ("sqlite:" or
// "sqlite:///absolute/path"). "" and "sqlite:" are DefaultPath. The file is created with mode 0600
// and its folder with 0700. Errors tell of wrong arguments alone: nothing is opened yet.
func New(path string, options Options) (*Store, error) {
	path, err := pathOf(path)
	if err != nil {
		return nil, fmt.Errorf("store sqlite: %w", err)
	}
	setting := "store " + strings.Replace(address(path), "file:", "sqlite:", 1)
	limit, err := base.Timeout(options.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	most := options.MaxBytes
	if most == 0 {
		most = DefaultMaxBytes
	}
	if most < leastPages*pageSize {
		return nil, fmt.Errorf("%s: MaxBytes must be %d or more", setting, leastPages*pageSize)
	}
	return &Store{&file{
		path: path, setting: setting, maxPages: most / pageSize, timeout: limit,
		place: make(chan struct{}, 1), swept: []byte{}, sweptValues: []byte{},
	}}, nil
}

// DefaultPath returns $XDG_STATE_HOME/tallystick/store.sqlite3 (else ~/.local/state), which all
// agents of a user share. A token without htu names no receiver, so a token that was used at one
// agent of this machine is used up at all of them.
func DefaultPath() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	// XDG says that a relative path is ignored.
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("this user has no home folder for the store: choose a file, or set the " +
				"environment variable XDG_STATE_HOME")
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "tallystick", "store.sqlite3"), nil
}

func pathOf(given string) (string, error) {
	rest, isURL := strings.CutPrefix(given, "sqlite:")
	switch {
	case rest == "":
		return DefaultPath()
	case !isURL && scheme.MatchString(given):
		return "", errOther
	case !isURL:
		return filepath.Abs(given)
	case !strings.HasPrefix(rest, "///") || strings.ContainsAny(rest, "?#"):
		return "", errWritten
	}
	path, err := url.PathUnescape(rest)
	if err != nil {
		return "", errWritten
	}
	path = strings.TrimLeft(path, "/")
	if runtime.GOOS != "windows" {
		path = "/" + path
	}
	return filepath.FromSlash(path), nil
}

// scheme is how a URL begins; a letter alone before the colon is a drive of Windows.
var scheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]+:`)

var errOther = errors.New("the URL is of another store: a file is a path, or 'sqlite:///absolute/path'")

var errWritten = errors.New("a file is written 'sqlite:///absolute/path', and 'sqlite:' is the file of " +
	"this user (in a path, % is %25, ? is %3F and # is %23)")

// Claim claims an id, 32 lower-case hex digits, for 1 to 2^31 seconds, and reports whether it was
// free. It is one atomic step. It returns an error where the file cannot be used in time, where it
// is full, and after it was replaced.
func (s *Store) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	key, err := base.Claim(id, seconds)
	if err != nil {
		return false, s.said(err)
	}
	claimed, err := call(ctx, s.file, func(ctx context.Context) (bool, error) {
		return s.file.tryClaim(ctx, key, seconds)
	})
	return claimed, s.failed(err)
}

// Put keeps a value of up to 64 KiB for some seconds, and replaces an earlier one. Errors as of
// Claim.
func (s *Store) Put(ctx context.Context, id string, value []byte, seconds int64) error {
	key, err := base.Put(id, value, seconds)
	if err != nil {
		return s.said(err)
	}
	// The caller may use its slice again, while a call that it gave up goes on.
	value = append([]byte{}, value...)
	_, err = call(ctx, s.file, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.file.put(ctx, key, value, seconds)
	})
	return s.failed(err)
}

// Get returns a value that was put, and whether there is one. Errors as of Claim.
func (s *Store) Get(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, id, s.file.get)
}

// Take returns a value and deletes it in one atomic step: one of many callers gets it. Errors as of
// Claim.
func (s *Store) Take(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, id, s.file.take)
}

func (s *Store) find(
	ctx context.Context, id string, look func(context.Context, []byte) ([]byte, error),
) ([]byte, bool, error) {
	key, err := base.Key(id)
	if err != nil {
		return nil, false, s.said(err)
	}
	value, err := call(ctx, s.file, func(ctx context.Context) ([]byte, error) { return look(ctx, key) })
	return value, value != nil, s.failed(err)
}

// Check creates the file where it is missing, opens it and tells whether it can be used.
func (s *Store) Check(ctx context.Context) error {
	_, err := call(ctx, s.file, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.file.check(ctx)
	})
	return s.failed(err)
}

// LostAt returns when the file was last seen to be lost, by the clock of this host; the zero time:
// never.
func (s *Store) LostAt() time.Time {
	lost := s.file.lostAt.Load()
	if lost == 0 {
		return time.Time{}
	}
	return time.Unix(lost, 0)
}

// Close closes the file; the next call opens it again.
func (s *Store) Close() error {
	_, err := call(context.Background(), s.file, func(context.Context) (struct{}, error) {
		s.file.close()
		return struct{}{}, nil
	})
	return s.failed(err)
}

// Path returns the path of the file.
func (s *Store) Path() string { return s.file.path }

// Timeout returns how long a call may last, with all that it waits for.
func (s *Store) Timeout() time.Duration { return s.file.timeout }

// String returns the setting, such as "store sqlite:///var/lib/agent/store.sqlite3".
func (s *Store) String() string { return s.file.setting }

func (s *Store) said(err error) error { return base.Said(s.file.setting+": "+err.Error(), err) }

func (s *Store) failed(err error) error {
	if err == nil {
		return nil
	}
	return s.file.failed(err, "another process may hold it")
}
