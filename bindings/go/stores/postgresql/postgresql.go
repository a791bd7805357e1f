// Package postgresql is a store in PostgreSQL 11 or later, for any number of machines. Its tables
// are those of Python's and Node's stores, which may use the same database.
package postgresql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

// DefaultTable is what the names of tables begin with.
const DefaultTable = "tallystick"

const (
	mostConnections = 8
	pruneEvery      = 64 // claims, or values, of a process between two prunings
	farewell        = 100 * time.Millisecond
)

const (
	userFix  = "correct user and password, which are percent-encoded in a URL"
	mostFix  = "raise max_connections of the server, or run fewer processes"
	startFix = "wait until the server has started"
	otherFix = "see whether the server runs, whether host and port are right, and the server's log"
)

// fixesOfCodes are found by the beginning of SQLSTATE.
var fixesOfCodes = []base.Fix{
	{Words: "28", Do: userFix},
	{Words: "3D000", Do: "create the database, or correct its name in the URL"},
	{Words: "42501", Do: "GRANT SELECT, INSERT, UPDATE, DELETE on the tables to this role"},
	{Words: "25006", Do: "name the primary: with several hosts, add target_session_attrs=read-write"},
	{Words: "42P01", Do: "a table was dropped while in use: used tokens may pass again when it is made anew"},
	{Words: "26000", Do: "behind PgBouncer, let it prepare statements: max_prepared_statements"},
	{Words: "53300", Do: mostFix},
	{Words: "53", Do: "free space on the server's disk"},
	{Words: "57P", Do: startFix},
}

var fixesOfTexts = []base.Fix{
	{Words: "pg_hba.conf", Do: "let the server's pg_hba.conf allow this host, user and database"},
	{Words: "certificate is valid for", Do: "name the host as its certificate does"},
	{Words: "cannot validate certificate for", Do: "name the host as its certificate does"},
	{Words: "certificate", Do: "name its authority: ?sslmode=verify-full&sslrootcert=FILE"},
	{Words: "server refused TLS connection", Do: "see whether the server speaks TLS: sslmode in the URL"},
	{Words: "no such host", Do: "correct the name of its host"},
}

// left has the errors of a server that is no longer there or no longer the primary: read-only
// transaction, shutdown, connection failure.
var left = []string{"25006", "57P", "08"}

var isTable = regexp.MustCompile(`^([a-z_][a-z0-9_]{0,40}\.)?[a-z_][a-z0-9_]{0,40}$`)

// Options of a store; the zero value has the defaults.
type Options struct {
	// Table is what the names of its three tables begin with (default "tallystick"): up to 41 of
	// a-z, 0-9 and _, optionally with a schema and a dot in front. Stores with one name share what
	// was used.
	Table string
	// Timeout is how long a call may last (default 2 s, at most 1 min), all waiting included: for a
	// free connection, for connecting, and for the answer. After that it refuses.
	Timeout time.Duration
	// NotRequired: whether a verifier starts although the server cannot be used, which is then a
	// notice and not an error of Check. Claims are refused all the same until it can.
	NotRequired bool
}

// A Store keeps used tokens, values and documents in a database.
//
// The tables are made where they are missing; a role that may make none finds them made by hand.
// The server must be a primary with a clock within 60 s of this host's. A Store opens at most 8
// connections, when they are needed. No statement is sent a second time: whether a claim was made
// whose answer is lost, nobody knows. A loss of what was used is not visible here: a standby that
// takes over should be a synchronous one.
//
// Safe for concurrent use. Every error's text begins with the setting (String), says what happened
// and what to do, and holds no secret.
type Store struct {
	at     base.Server[*line]
	how    source
	tables tables
	found  atomic.Bool // that the tables are there
	claims atomic.Uint64
	puts   atomic.Uint64
	now    func() time.Time
}

// source is how to connect. prepare, where it is set, changes the settings of each connection.
type source struct {
	config  *pgx.ConnConfig
	prepare func(context.Context, *pgx.ConnConfig) error
}

var errURL = errors.New("server must be a URL of postgresql or postgres, such as postgresql://HOST/DATABASE")

// New returns the store of a URL: postgresql:// or postgres://, then
// USER:PASSWORD@HOST:PORT/DATABASE and what pgx reads behind it, such as ?sslmode=verify-full. User
// and password are percent-encoded. Errors tell of wrong arguments alone: nothing is opened yet.
func New(url string, options Options) (*Store, error) {
	scheme, _, found := strings.Cut(url, "://")
	if scheme = strings.ToLower(scheme); !found || (scheme != "postgresql" && scheme != "postgres") {
		return nil, fmt.Errorf("store postgresql: %w", errURL)
	}
	if err := base.OneAddress(url); err != nil {
		return nil, fmt.Errorf("store postgresql: %w", err)
	}
	config, err := pgxpool.ParseConfig(scheme + url[len(scheme):])
	if err != nil {
		// Its text may quote a password.
		return nil, errors.New("store postgresql: the URL cannot be read: write " +
			"postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with user and password percent-encoded")
	}
	return newStore(source{config.ConnConfig, nil}, base.WithoutSecret(url), options)
}

// NewFromPool returns a store that connects as a pool does. The store opens connections of its own;
// the pool may be closed.
func NewFromPool(pool *pgxpool.Pool, options Options) (*Store, error) {
	if pool == nil {
		return nil, errors.New("store postgresql: pool must not be nil")
	}
	config := pool.Config()
	host := config.ConnConfig.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	name := fmt.Sprintf("postgresql://%s:%d/%s", host, config.ConnConfig.Port, config.ConnConfig.Database)
	return newStore(source{config.ConnConfig, config.BeforeConnect}, name, options)
}

func newStore(how source, name string, options Options) (*Store, error) {
	setting := "store " + name
	limit, err := base.Timeout(options.Timeout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	prefix := options.Table
	if prefix == "" {
		prefix = DefaultTable
	}
	if !isTable.MatchString(prefix) {
		return nil, fmt.Errorf("%s: Table must be up to 41 of a-z, 0-9 and _, optionally with a schema and a "+
			"dot in front", setting)
	}
	how.config.ConnectTimeout = 2 * limit
	if how.config.RuntimeParams["application_name"] == "" {
		how.config.RuntimeParams["application_name"] = "tallystick"
	}
	store := &Store{
		at: base.Server[*line]{
			Setting: setting, Timeout: limit, NotRequired: options.NotRequired, Stays: stays, Explain: explain,
		},
		how: how, tables: tablesOf(prefix), now: time.Now,
	}
	store.at.Pool = base.NewPool(mostConnections, 2*limit, store.connect)
	return store, nil
}

// Claim claims an id, 32 lower-case hex digits, for 1 to 2^31 seconds, and reports whether it was
// free. It is one atomic step. It returns an error where the server cannot be used in time.
func (s *Store) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	key, err := base.Claim(id, seconds)
	if err != nil {
		return false, s.at.Said(err)
	}
	prunes := s.claims.Add(1)%pruneEvery == 0
	return ask(ctx, s, func(ctx context.Context, connection *pgx.Conn) (bool, error) {
		if err := s.prune(ctx, connection, prunes, s.tables.pruneUsed); err != nil {
			return false, err
		}
		return wrote(connection.Exec(ctx, s.tables.claim, key, seconds))
	})
}

// Put keeps a value of up to 64 KiB for some seconds, and replaces an earlier one. Errors as of
// Claim.
func (s *Store) Put(ctx context.Context, id string, value []byte, seconds int64) error {
	key, err := base.Put(id, value, seconds)
	if err != nil {
		return s.at.Said(err)
	}
	// The caller may use its slice again, while a call that it gave up goes on. nil would be NULL.
	value = append([]byte{}, value...)
	prunes := s.puts.Add(1)%pruneEvery == 0
	_, err = ask(ctx, s, func(ctx context.Context, connection *pgx.Conn) (bool, error) {
		if err := s.prune(ctx, connection, prunes, s.tables.pruneValues); err != nil {
			return false, err
		}
		return wrote(connection.Exec(ctx, s.tables.put, key, value, seconds))
	})
	return err
}

// Get returns a value that was put, and whether there is one. Errors as of Claim.
func (s *Store) Get(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, s.tables.get, id)
}

// Take returns a value and deletes it in one atomic step: one of many callers gets it. Errors as of
// Claim.
func (s *Store) Take(ctx context.Context, id string) ([]byte, bool, error) {
	return s.find(ctx, s.tables.take, id)
}

func (s *Store) find(ctx context.Context, statement, id string) ([]byte, bool, error) {
	key, err := base.Key(id)
	if err != nil {
		return nil, false, s.at.Said(err)
	}
	value, err := ask(ctx, s, func(ctx context.Context, connection *pgx.Conn) (value []byte, err error) {
		err = connection.QueryRow(ctx, statement, key).Scan(&value)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, nil
		}
		return value, err
	})
	return value, value != nil, err
}

// Read returns a document and its version; version 0: there is none. A name is 1 to 200 of
// A-Z a-z 0-9 . _ - and errors are as of Claim.
func (s *Store) Read(ctx context.Context, name string) (version int64, document []byte, err error) {
	if err := base.Name(name); err != nil {
		return 0, nil, s.at.Said(err)
	}
	type found struct {
		version int64
		content []byte
	}
	got, err := ask(ctx, s, func(ctx context.Context, connection *pgx.Conn) (got found, err error) {
		err = connection.QueryRow(ctx, s.tables.read, name).Scan(&got.version, &got.content)
		if errors.Is(err, pgx.ErrNoRows) {
			return found{}, nil
		}
		return got, err
	})
	return got.version, got.content, err
}

// Write writes a document of up to 8 MiB where its version is still the expected one (0: there must
// be none yet), and reports whether it did. Its version is then one higher. Errors as of Claim.
func (s *Store) Write(ctx context.Context, name string, expectedVersion int64, document []byte) (bool, error) {
	if err := base.Write(name, expectedVersion, document); err != nil {
		return false, s.at.Said(err)
	}
	document = append([]byte{}, document...)
	return ask(ctx, s, func(ctx context.Context, connection *pgx.Conn) (bool, error) {
		if expectedVersion == 0 {
			return wrote(connection.Exec(ctx, s.tables.create, name, document))
		}
		return wrote(connection.Exec(ctx, s.tables.update, name, document, expectedVersion))
	})
}

// Check tells whether the server can be reached and used. It makes the tables that are missing.
func (s *Store) Check(ctx context.Context) error { return s.at.Check(ctx) }

// Notices returns what the operator should read, each text once.
func (s *Store) Notices() []string { return s.at.Notices.Take() }

// Close closes the connections; the next call opens others. It returns nil.
func (s *Store) Close() error {
	s.at.Pool.Close()
	return nil
}

// Timeout returns how long a call may last, with all that it waits for.
func (s *Store) Timeout() time.Duration { return s.at.Timeout }

// String returns the setting without its secret, such as "store postgresql://db:5432/agents".
func (s *Store) String() string { return s.at.Setting }

// Format writes what String returns, whatever the verb: the fields hold the password.
func (s *Store) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func wrote(tag pgconn.CommandTag, err error) (bool, error) {
	return err == nil && tag.RowsAffected() == 1, err
}

// prune deletes some of what expired. That it cannot is told, and stops nobody.
func (s *Store) prune(ctx context.Context, connection *pgx.Conn, due bool, statement string) error {
	if !due {
		return nil
	}
	_, err := connection.Exec(ctx, statement)
	if err == nil || !stays(err) {
		return err
	}
	text, _ := explain(err)
	s.at.Notices.Add(fmt.Sprintf("%s: what expired cannot be deleted, so that its tables grow (%s)", s.at.Setting, text))
	return nil
}

// ask asks the server something.
func ask[Found any](
	ctx context.Context, s *Store, question func(context.Context, *pgx.Conn) (Found, error),
) (Found, error) {
	return base.Question(ctx, &s.at, func(ctx context.Context, line *line) (Found, error) {
		return question(ctx, line.connection)
	})
}

// stays tells whether a connection is kept after an error, which the server answered.
func stays(err error) bool {
	code := codeOf(err)
	for _, begin := range left {
		if strings.HasPrefix(code, begin) {
			return false
		}
	}
	return code != ""
}

// withoutConfig returns why a connection failed, without its settings, which hold the password.
func withoutConfig(err error) error {
	var failed *pgconn.ConnectError
	if errors.As(err, &failed) && failed.Unwrap() != nil {
		return failed.Unwrap()
	}
	return err
}

func explain(cause error) (what, fix string) {
	var said *pgconn.PgError
	if !errors.As(cause, &said) {
		text := base.Plain(cause)
		return text, base.FixOf(text, fixesOfTexts, otherFix)
	}
	text := strings.Join(strings.Fields(said.Message), " ")
	fix = base.FixOf(text, fixesOfTexts[:1], "")
	for _, each := range fixesOfCodes {
		if fix == "" && strings.HasPrefix(said.Code, each.Words) {
			fix = each.Do
		}
	}
	if fix == "" {
		fix = otherFix
	}
	return text, fix
}

// line is one connection.
type line struct{ connection *pgx.Conn }

func (s *Store) connect(ctx context.Context) (*line, error) {
	config := s.how.config.Copy()
	if s.how.prepare != nil {
		if err := s.how.prepare(ctx, config); err != nil {
			return nil, err
		}
	}
	connection, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, withoutConfig(err)
	}
	one := &line{connection}
	if err = inspect(ctx, connection, s.now); err == nil && !s.found.Load() {
		if err = s.tables.prepare(ctx, connection); err == nil {
			s.found.Store(true)
		}
	}
	if err != nil {
		one.Close()
		return nil, err
	}
	return one, nil
}

// Usable implements base.Line. All that an idle connection may have to read is its end.
func (l *line) Usable() bool {
	return !l.connection.IsClosed() && !base.HasToRead(l.connection.PgConn().Conn())
}

// Close implements base.Line. It says farewell and does not wait for the server.
func (l *line) Close() {
	connection := l.connection.PgConn()
	_ = connection.Conn().SetDeadline(time.Now().Add(farewell))
	connection.Frontend().Send(&pgproto3.Terminate{})
	_ = connection.Frontend().Flush()
	_ = connection.Conn().Close()
}
