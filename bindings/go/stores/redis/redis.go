// Package redis is a store in Redis 6.2 or later, or Valkey, for any number of machines. Its keys
// are those of Python's and Node's stores, which may use the same server.
package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

// DefaultPrefix is what keys begin with.
const DefaultPrefix = "tallystick:"

const mostConnections = 16

const (
	userFix    = "correct user and password, which are percent-encoded in a URL"
	tlsFix     = "see whether this port speaks TLS (rediss://), and the server's log"
	clusterFix = "name a server that is alone: clusters are not supported"
	otherFix   = "see whether the server runs, whether host and port are right, and the server's log"
)

var fixes = []base.Fix{
	{Words: "read only replica", Do: "name the primary, which takes writes"},
	{Words: "used memory", Do: "raise maxmemory: nothing may be evicted, as a used token would be free again"},
	{Words: "MISCONF", Do: "see the server's log: it cannot write to its disk"},
	{Words: "loading", Do: "wait until it has read its data"},
	{Words: "no permissions",
		Do: "allow this user SET, GET, GETDEL, TIME, INFO and CONFIG|GET on these keys"},
	{Words: "without any password", Do: "the server wants no password: name none"},
	{Words: "uthenticat", Do: userFix},
	{Words: "NOAUTH", Do: userFix},
	{Words: "username-password", Do: userFix},
	{Words: "MOVED", Do: clusterFix},
	{Words: "slot not served", Do: clusterFix},
	{Words: "DB index", Do: "choose a database number that the server has"},
	{Words: "unknown command", Do: "Redis 6.2 or later, or Valkey, is needed"},
	{Words: "max number of clients", Do: "raise maxclients of the server"},
	{Words: "certificate is valid for", Do: "name the host as its certificate does"},
	{Words: "cannot validate certificate for", Do: "name the host as its certificate does"},
	{Words: "certificate", Do: "name its authority: rediss://HOST:PORT/0?ssl_ca_certs=FILE"},
	{Words: "does not look like a TLS handshake",
		Do: "this port speaks no TLS: write redis://, or name the port that does"},
	{Words: "EOF", Do: tlsFix},
	{Words: "reset by peer", Do: tlsFix},
	{Words: "no such host", Do: "correct the name of its host"},
	{Words: "refused", Do: "see whether the server runs, and whether host and port are right"},
}

// Options of a store; the zero value has the defaults.
type Options struct {
	// Prefix is what its keys begin with (default "tallystick:"). Stores with one prefix share what
	// was used.
	Prefix string
	// Timeout is how long a call may last (default 2 s, at most 1 min), all waiting included: for a
	// free connection, for connecting, and for the answer. After that it refuses.
	Timeout time.Duration
	// NotRequired: whether a verifier starts although the server cannot be used, which is then a
	// notice and not an error of Check. Claims are refused all the same until it can.
	NotRequired bool
}

// A Store keeps used tokens and values on a server.
//
// The server must be a primary that is alone, with maxmemory-policy noeviction and a clock within
// 60 s of this host's. After its restart, or where another server is behind the name, what was used
// may be forgotten: LostAt tells, so that tokens from before that are refused. A Store opens at most
// 16 connections, when they are needed. No command is sent a second time: whether a claim was made
// whose answer is lost, nobody knows.
//
// Safe for concurrent use. Every error's text begins with the setting (String), says what happened
// and what to do, and holds no secret.
type Store struct {
	at      base.Server[*line]
	used    string
	values  string
	options *redis.Options
	server  server
}

// New returns the store of a URL: redis://, rediss:// (with TLS), valkey:// or valkeys://, then
// USER:PASSWORD@HOST:PORT/DATABASE. User and password are percent-encoded. With ?ssl_ca_certs=FILE
// the server's certificate is checked against that file. Errors tell of wrong arguments alone:
// nothing is opened yet.
func New(url string, options Options) (*Store, error) {
	how, name, err := optionsOf(url)
	if err != nil {
		return nil, fmt.Errorf("store redis: %w", err)
	}
	return newStore(how, name, options)
}

// NewFromClient returns a store that connects as a client does: a *redis.Client of a single server,
// or of sentinels (redis.NewFailoverClient). The store opens connections of its own; the client may
// be closed. Time limits and tries are the store's.
func NewFromClient(client redis.UniversalClient, options Options) (*Store, error) {
	how, name, err := optionsOfClient(client)
	if err != nil {
		return nil, fmt.Errorf("store redis: %w", err)
	}
	return newStore(how, name, options)
}

func newStore(how *redis.Options, name string, options Options) (*Store, error) {
	setting := "store " + name
	limit, err := base.Timeout(options.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	prefix := options.Prefix
	if prefix == "" {
		prefix = DefaultPrefix
	}
	if !utf8.ValidString(prefix) {
		return nil, fmt.Errorf("%s: Prefix must be UTF-8", setting)
	}
	store := &Store{
		at: base.Server[*line]{
			Setting: setting, Timeout: limit, NotRequired: options.NotRequired, Stays: stays, Explain: explain,
		},
		used: prefix + "used:", values: prefix + "value:", options: how,
		server: server{lostKey: prefix + "lost", now: time.Now},
	}
	// For a dialer that does not end with its context, as the library's does with TLS.
	how.DialTimeout = 2 * limit
	store.server.notice = func(text string) { store.at.Notices.Add(setting + ": " + text) }
	store.at.Pool = base.NewPool(mostConnections, 2*limit, store.connect)
	return store, nil
}

// Claim claims an id, 32 lower-case hex digits, for 1 to 2^31 seconds, and reports whether it was
// free. It is one atomic step. It returns an error where the server cannot be used in time.
func (s *Store) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	if _, err := base.Claim(id, seconds); err != nil {
		return false, s.at.Said(err)
	}
	return ask(ctx, s, func(ctx context.Context, client *redis.Client) (bool, error) {
		answer, err := client.Do(ctx, "SET", s.used+id, "1", "NX", "PX", seconds*1000).Result()
		if errors.Is(err, redis.Nil) {
			return false, nil
		}
		if err == nil && answer != "OK" {
			err = strange(answer)
		}
		return err == nil, err
	})
}

// Put keeps a value of up to 64 KiB for some seconds, and replaces an earlier one. Errors as of
// Claim.
func (s *Store) Put(ctx context.Context, id string, value []byte, seconds int64) error {
	if _, err := base.Put(id, value, seconds); err != nil {
		return s.at.Said(err)
	}
	// The caller may use its slice again, while a call that it gave up goes on.
	value = append([]byte{}, value...)
	_, err := ask(ctx, s, func(ctx context.Context, client *redis.Client) (struct{}, error) {
		return struct{}{}, client.Do(ctx, "SET", s.values+id, value, "PX", seconds*1000).Err()
	})
	return err
}

// Get returns a value that was put, and whether there is one. Errors as of Claim.
func (s *Store) Get(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, "GET", id)
}

// Take returns a value and deletes it in one atomic step: one of many callers gets it. Errors as of
// Claim.
func (s *Store) Take(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, "GETDEL", id)
}

func (s *Store) find(ctx context.Context, command, id string) ([]byte, bool, error) {
	if _, err := base.Key(id); err != nil {
		return nil, false, s.at.Said(err)
	}
	value, err := ask(ctx, s, func(ctx context.Context, client *redis.Client) ([]byte, error) {
		answer, err := client.Do(ctx, command, s.values+id).Result()
		if errors.Is(err, redis.Nil) {
			return nil, nil
		}
		text, ok := answer.(string)
		if err == nil && !ok {
			err = strange(answer)
		}
		return []byte(text), err
	})
	return value, value != nil, err
}

// Check tells whether the server can be reached and used.
func (s *Store) Check(ctx context.Context) error { return s.at.Check(ctx) }

// LostAt returns when the server was last seen to be another one or restarted, by the clock of this
// host; the zero time: never.
func (s *Store) LostAt() time.Time {
	lost := s.server.lost()
	if lost == 0 {
		return time.Time{}
	}
	return time.Unix(lost, 0)
}

// Notices returns what the operator should read, each text once.
func (s *Store) Notices() []string { return s.at.Notices.Take() }

// Close closes the connections; the next call opens others. It returns nil.
func (s *Store) Close() error {
	s.at.Pool.Close()
	return nil
}

// Timeout returns how long a call may last, with all that it waits for.
func (s *Store) Timeout() time.Duration { return s.at.Timeout }

// String returns the setting without its secret, such as "store redis://127.0.0.1:6379/0".
func (s *Store) String() string { return s.at.Setting }

// Format writes what String returns, whatever the verb: the fields hold the password.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func strange(answer any) error {
	return &base.Refused{What: fmt.Sprintf("it answered with %T", answer), Fix: "see whether it is Redis or Valkey"}
}

// ask asks the server something.
func ask[Found any](
	ctx context.Context, s *Store, question func(context.Context, *redis.Client) (Found, error),
) (Found, error) {
	return base.Question(ctx, &s.at, func(ctx context.Context, line *line) (Found, error) {
		return question(ctx, line.client)
	})
}

// stays tells whether a connection is kept after an error: another one would meet the same.
func stays(err error) bool {
	said := err.Error()
	return strings.Contains(said, "used memory") || strings.Contains(said, "no permissions") ||
		strings.Contains(said, "MISCONF")
}

func explain(cause error) (what, fix string) {
	text := base.Plain(cause)
	return text, base.FixOf(text, fixes, otherFix)
}

// line is one connection, a client that makes no second one.
type line struct {
	client     *redis.Client
	connection net.Conn
	server     *server
	runID      string
}

func (s *Store) connect(ctx context.Context) (*line, error) {
	connection, err := dialled(ctx, s.options)
	if err != nil {
		return nil, err
	}
	one := &line{connection: connection, server: &s.server}
	greet := func(ctx context.Context, connection *redis.Conn) (err error) {
		one.runID, err = s.server.inspect(ctx, connection)
		return err
	}
	one.client = redis.NewClient(single(s.options, connection, greet))
	// It greets before its first command.
	if err := one.client.Time(ctx).Err(); err != nil {
		one.Close()
		return nil, err
	}
	return one, nil
}

// Usable implements base.Line. All that an idle connection may have to read is its end.
func (l *line) Usable() bool {
	return l.server.isCurrent(l.runID) && !base.HasToRead(l.connection)
}

// Close implements base.Line.
func (l *line) Close() {
	_ = l.client.Close()
	_ = l.connection.Close()
}
