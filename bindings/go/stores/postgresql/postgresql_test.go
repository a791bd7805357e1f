package postgresql_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tallystick/tallystick/bindings/go"
	check "github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/postgresql"
	"github.com/tallystick/tallystick/bindings/go/storetest"
)

var (
	_   tallystick.DocumentStore = (*postgresql.Store)(nil)
	ctx                          = context.Background()
)

func storeOf(t *testing.T, url string, options postgresql.Options) *postgresql.Store {
	t.Helper()
	store, err := postgresql.New(url, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

var numbers atomic.Int64

// newName returns a name that no table or role has.
func newName() string { return fmt.Sprintf("t%d", numbers.Add(1)) }

// newRole makes a role that may make no tables, whose password is "s3cret".
func newRole(t *testing.T, server *check.Server) (url string) {
	t.Helper()
	role := newName()
	server.Must("sql CREATE ROLE " + role + " LOGIN PASSWORD 's3cret'")
	return fmt.Sprintf("postgresql://%s:s3cret@127.0.0.1:%d/tally", role, server.Port)
}

// rawOf returns a connection for what a test itself asks a server.
func rawOf(t *testing.T, server *check.Server) *pgx.Conn {
	t.Helper()
	raw, err := pgx.Connect(ctx, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close(ctx) })
	return raw
}

func do(t *testing.T, raw *pgx.Conn, statement string) {
	t.Helper()
	if _, err := raw.Exec(ctx, statement, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

func numberOf(t *testing.T, raw *pgx.Conn, query string, arguments ...any) (found int64) {
	t.Helper()
	if err := raw.QueryRow(ctx, query, arguments...).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

// patience is for a machine that does much else.
const patience = 5 * time.Second

func TestStoreTest(t *testing.T) {
	var server *check.Server
	open := func(url string) (tallystick.Store, error) {
		return postgresql.New(url, postgresql.Options{Timeout: patience})
	}
	storetest.Run(t, open, storetest.Options{
		Timeout: patience,
		Start: func(t *testing.T) string {
			server = check.StartServer(t, "postgresql")
			return server.URL
		},
		Pause:   func() error { return server.Do("pause") },
		Resume:  func() error { return server.Do("resume") },
		Restart: func() error { return errors.Join(server.Do("kill"), server.Do("start")) },
	})
}

func TestOnOneServer(t *testing.T) {
	server := check.StartServer(t, "postgresql")
	for name, test := range map[string]func(*testing.T, *check.Server){
		"uses the rows of every language":           usesTheRows,
		"refuses wrong arguments":                   refusesWrongArguments,
		"keeps documents by version":                keepsDocuments,
		"deletes what expired and nothing else":     deletesExpired,
		"makes tables once":                         makesTablesOnce,
		"finds tables made by hand":                 findsTablesMadeByHand,
		"refuses other tables":                      refusesOtherTables,
		"refuses where a table was dropped":         refusesDropped,
		"names what is wrong and hides a password":  namesWhatIsWrong,
		"refuses a read-only server":                refusesReadOnly,
		"refuses another clock":                     refusesAnotherClock,
		"takes a pool":                              takesAPool,
		"starts without a server where it may":      startsWithout,
		"says that what expired cannot be deleted":  saysThatItCannotPrune,
		"answers a caller that goes away, at once ": answersWhoGoesAway,
	} {
		t.Run(name, func(t *testing.T) { test(t, server) })
	}
}

func usesTheRows(t *testing.T, server *check.Server) {
	raw := rawOf(t, server)
	store, id := storeOf(t, server.URL, postgresql.Options{}), check.NewID()
	if won := check.WinnersOf64(t, func() (bool, error) { return store.Claim(ctx, id, 100) }); won != 1 {
		t.Error(won)
	}
	key, _ := hex.DecodeString(id)
	const leftOf = "SELECT extract(epoch FROM expires_at - now())::bigint FROM tallystick_used WHERE id = $1"
	left := numberOf(t, raw, leftOf, key)
	if left < 50 || left > 100 {
		t.Error(left)
	}
	if err := store.Put(ctx, id, []byte("\x00\xff\\'"), 100); err != nil {
		t.Fatal(err)
	}
	if numberOf(t, raw, `SELECT count(*) FROM tallystick_values WHERE id = $1 AND value = '\x00ff5c27'`, key) != 1 {
		t.Error("the value is not as it was put")
	}
	won := check.WinnersOf64(t, func() (bool, error) {
		_, there, err := store.Take(ctx, id)
		return there, err
	})
	if won != 1 {
		t.Error(won)
	}
	const ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tallystick'"
	if open := numberOf(t, raw, ours); open < 1 || open > 8 {
		t.Error(open)
	}
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check.MustClaim(t, store, id, false)
	if !strings.HasSuffix(server.URL, strings.TrimPrefix(store.String(), "store postgresql://")) {
		t.Error(store)
	}
}

func refusesWrongArguments(t *testing.T, server *check.Server) {
	check.RefusesWrongArguments(t, storeOf(t, server.URL, postgresql.Options{Table: newName()}))
	for _, url := range []string{
		"", "postgresql:tally", "mysql://user:s3cret@host/tally", "postgresql://user:s3cret@host:99999/tally",
		"postgresql://user:s3cret@host:port/tally", "postgresql://user:s3/cret@host/tally",
		"postgresql://user:s3?cret@host/tally", "postgresql://user:s3%ret@host/tally",
		"postgresql://user:s3@cret@host/tally", "postgresql://user:s3cret@host/tally?sslmode=cret",
		"postgresql://host:s3cret", "postgresql://:s3cret/tally", "postgresql://user:s3?cret", "postgresql:s3cret",
	} {
		store, err := postgresql.New(url, postgresql.Options{})
		if err == nil || store != nil || !strings.HasPrefix(err.Error(), "store postgresql: ") {
			t.Errorf("%s: %v", url, err)
		} else if strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "cret") {
			t.Errorf("it quotes a secret: %v", err)
		}
	}
	for _, options := range []postgresql.Options{
		{Table: "A"}, {Table: "a.b.c"}, {Table: strings.Repeat("a", 42)}, {Table: "a;b"}, {Table: "a\n"},
		{Timeout: -1}, {Timeout: time.Hour},
	} {
		_, err := postgresql.New(server.URL, options)
		if err == nil || !strings.HasPrefix(err.Error(), "store postgresql://127.0.0.1:") {
			t.Errorf("%+v: %v", options, err)
		}
	}
	if _, err := postgresql.NewFromPool(nil, postgresql.Options{}); err == nil {
		t.Error("no pool was taken")
	}
	for _, scheme := range []string{"postgres", "POSTGRESQL"} {
		url := strings.Replace(server.URL, "postgresql", scheme, 1)
		check.MustClaim(t, storeOf(t, url, postgresql.Options{Timeout: time.Minute}), check.NewID(), true)
	}
}

func keepsDocuments(t *testing.T, server *check.Server) {
	raw, store := rawOf(t, server), storeOf(t, server.URL, postgresql.Options{})
	name := "ring-" + check.NewID()
	var winner atomic.Int64
	var next atomic.Int64
	won := check.WinnersOf64(t, func() (bool, error) {
		mine := next.Add(1)
		wrote, err := store.Write(ctx, name, 0, []byte{byte(mine)})
		if wrote {
			winner.Store(mine)
		}
		return wrote, err
	})
	version, document, err := store.Read(ctx, name)
	if won != 1 || version != 1 || !bytes.Equal(document, []byte{byte(winner.Load())}) || err != nil {
		t.Error(won, version, document, err)
	}
	// As another language writes it.
	do(t, raw, "UPDATE tallystick_documents SET version = 7, value = '\\x00ff' WHERE name = '"+name+"'")
	version, document, err = store.Read(ctx, name)
	if version != 7 || string(document) != "\x00\xff" || err != nil {
		t.Error(version, document, err)
	}
	if wrote, err := store.Write(ctx, name, 6, nil); wrote || err != nil {
		t.Error(wrote, err)
	}
	if wrote, err := store.Write(ctx, name, 7, nil); !wrote || err != nil {
		t.Error(wrote, err)
	}
}

func deletesExpired(t *testing.T, server *check.Server) {
	raw, table := rawOf(t, server), newName()
	store := storeOf(t, server.URL, postgresql.Options{Table: table})
	live := check.NewID()
	check.MustClaim(t, store, live, true)
	if err := store.Put(ctx, live, nil, 60); err != nil {
		t.Fatal(err)
	}
	do(t, raw, "INSERT INTO "+table+"_used SELECT sha256(i::text::bytea), now() - interval '1 second' "+
		"FROM generate_series(1, 300) AS i")
	do(t, raw, "INSERT INTO "+table+"_values SELECT sha256(i::text::bytea), '', now() - interval '1 second' "+
		"FROM generate_series(1, 300) AS i")
	for _, rows := range []int64{300 - 256 + 64, 128} {
		for numberOf(t, raw, "SELECT count(*) FROM "+table+"_used") != rows {
			check.MustClaim(t, store, check.NewID(), true)
			if err := store.Put(ctx, check.NewID(), nil, 60); err != nil {
				t.Fatal(err)
			}
			if numberOf(t, raw, "SELECT count(*) FROM "+table+"_used") > 500 {
				t.Fatal("nothing was deleted")
			}
		}
		if kept := numberOf(t, raw, "SELECT count(*) FROM "+table+"_values"); kept != rows {
			t.Error(kept, rows)
		}
	}
	check.MustClaim(t, store, live, false)
	if _, there, err := store.Get(ctx, live); !there || err != nil {
		t.Error(there, err)
	}
}

func makesTablesOnce(t *testing.T, server *check.Server) {
	raw, schema := rawOf(t, server), newName()
	do(t, raw, "CREATE SCHEMA "+schema)
	for _, table := range []string{newName(), schema + ".select", schema + "." + strings.Repeat("a", 41)} {
		var all sync.WaitGroup
		var won atomic.Int64
		id := check.NewID()
		for range 8 {
			store := storeOf(t, server.URL, postgresql.Options{Table: table, Timeout: 20 * time.Second})
			all.Go(func() {
				free, err := store.Claim(ctx, id, 60)
				if err != nil {
					t.Error(err)
				}
				if free {
					won.Add(1)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Error(table, won.Load())
		}
	}
}

// byHand is what anyone may make by hand.
func byHand(table string) string {
	return strings.ReplaceAll("CREATE TABLE T_used (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL); "+
		"CREATE INDEX ON T_used (expires_at); "+
		"CREATE TABLE T_values (id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL); "+
		"CREATE TABLE T_documents (name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL)", "T_", table+"_")
}

func findsTablesMadeByHand(t *testing.T, server *check.Server) {
	raw, url, table := rawOf(t, server), newRole(t, server), newName()
	role, _, _ := strings.Cut(strings.TrimPrefix(url, "postgresql://"), ":")
	store := storeOf(t, url, postgresql.Options{Table: table})
	check.Say(t, check.Refusal(t, store), fmt.Sprintf("(its role may not make %q_used", table)[:24],
		"): make the tables by hand with the documented statement, or let the role CREATE in that schema")
	do(t, raw, byHand(table))
	check.Say(t, check.Refusal(t, store), "(its role lacks SELECT, INSERT, UPDATE, DELETE on ",
		"): GRANT SELECT, INSERT, UPDATE, DELETE ON ")
	do(t, raw, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s_used, %s_values TO %s", table, table, role))
	do(t, raw, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE ON %s_documents TO %s", table, role))
	check.Say(t, check.Refusal(t, store), "(its role lacks DELETE on ")
	do(t, raw, fmt.Sprintf("GRANT DELETE ON %s_documents TO %s", table, role))
	for range 65 {
		check.MustClaim(t, store, check.NewID(), true)
	}
	if wrote, err := store.Write(ctx, "a", 0, nil); !wrote || err != nil {
		t.Error(wrote, err)
	}
}

func refusesOtherTables(t *testing.T, server *check.Server) {
	raw := rawOf(t, server)
	for change, said := range map[string]string{
		"ALTER TABLE T_used ADD jti text": "T_used\" has the columns expires_at timestamp with time zone, id bytea, " +
			"jti text, not expires_at timestamp with time zone, id bytea with the primary key id): move it away, or " +
			"choose other tables with the option Table",
		"ALTER TABLE T_used ALTER id TYPE text USING id::text":                             "id text, not",
		"ALTER TABLE T_used DROP CONSTRAINT T_used_pkey":                                   "with the primary key id",
		"ALTER TABLE T_used DROP CONSTRAINT T_used_pkey, ADD PRIMARY KEY (id, expires_at)": "with the primary key id",
		"ALTER TABLE T_used SET UNLOGGED": "T_used\" is emptied by a crash: used tokens would pass again): " +
			"ALTER TABLE \"T_used\" SET LOGGED",
		"ALTER TABLE T_documents DROP version": "T_documents\" has the columns name text, value bytea, not",
	} {
		table := newName()
		do(t, raw, byHand(table))
		check.MustClaim(t, storeOf(t, server.URL, postgresql.Options{Table: table}), check.NewID(), true)
		do(t, raw, strings.ReplaceAll(change, "T_", table+"_"))
		store := storeOf(t, server.URL, postgresql.Options{Table: table})
		check.Say(t, check.Refusal(t, store), strings.ReplaceAll(said, "T_", table+"_"))
	}
}

func refusesDropped(t *testing.T, server *check.Server) {
	raw, table := rawOf(t, server), newName()
	store := storeOf(t, server.URL, postgresql.Options{Table: table})
	check.MustClaim(t, store, check.NewID(), true)
	do(t, raw, "DROP TABLE "+table+"_used")
	for range 3 {
		check.Say(t, check.Refusal(t, store), "does not exist): a table was dropped while in use")
	}
	check.MustClaim(t, storeOf(t, server.URL, postgresql.Options{Table: table}), check.NewID(), true)
	check.Answers(t, store)
}

func namesWhatIsWrong(t *testing.T, server *check.Server) {
	good := newRole(t, server)
	const userFix = "): correct user and password, which are percent-encoded in a URL"
	role := strings.TrimPrefix(good[:strings.Index(good, ":s3cret")], "postgresql://")
	for url, parts := range map[string][]string{
		strings.Replace(good, fmt.Sprint(":", server.Port), ":1", 1): {
			"store postgresql://127.0.0.1:1/tally cannot be used (", "refused): see whether the server runs"},
		strings.Replace(good, "s3cret", "s3cret2", 1): {"password authentication failed", userFix},
		strings.Replace(good, role, "nobody", 1):      {"password authentication failed", userFix},
		strings.Replace(good, "/tally", "/nowhere", 1): {
			`(database "nowhere" does not exist): create the database, or correct its name in the URL`},
		good + "?sslmode=require": {"): see whether the server speaks TLS: sslmode in the URL"},
		"postgresql://u:s3cret@no-such.invalid/t": {
			"store postgresql://no-such.invalid/t cannot be used ("},
	} {
		store := storeOf(t, url, postgresql.Options{Timeout: 20 * time.Second})
		err := store.Check(ctx)
		if err == nil {
			t.Fatal("Check passed: ", url)
		}
		check.Say(t, err.Error(), append(parts, store.String())...)
		cause := errors.Unwrap(err)
		for _, text := range []string{fmt.Sprintf("%v %+v %#v", err, err, err), fmt.Sprintf("%+v %#v", cause, cause),
			fmt.Sprintf("%v %+v %#v", store, store, store)} {
			if strings.Contains(text, "s3cret") {
				t.Errorf("it shows the password: %s", text)
			}
		}
	}
}

func refusesReadOnly(t *testing.T, server *check.Server) {
	url := newRole(t, server)
	role, _, _ := strings.Cut(strings.TrimPrefix(url, "postgresql://"), ":")
	server.Must("sql ALTER ROLE " + role + " SET default_transaction_read_only = on")
	check.Say(t, check.Refusal(t, storeOf(t, url, postgresql.Options{})),
		"(it is read-only (a standby, or default_transaction_read_only)): name the primary: with several hosts")
}

func refusesAnotherClock(t *testing.T, server *check.Server) {
	for ahead, said := range map[time.Duration]string{
		-90 * time.Second: "s ahead of this host's): set both clocks", time.Hour: "s behind this host's): set both clocks",
	} {
		store := storeOf(t, server.URL, postgresql.Options{})
		store.SetClock(func() time.Time { return time.Now().Add(ahead) })
		check.Say(t, check.Refusal(t, store), "(the server's clock is ", said)
	}
	store := storeOf(t, server.URL, postgresql.Options{})
	store.SetClock(func() time.Time { return time.Now().Add(50 * time.Second) })
	check.MustClaim(t, store, check.NewID(), true)
}

func takesAPool(t *testing.T, server *check.Server) {
	config, err := pgxpool.ParseConfig(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	password := config.ConnConfig.Password
	config.ConnConfig.Password = "none"
	config.BeforeConnect = func(_ context.Context, each *pgx.ConnConfig) error {
		each.Password = password
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	store, err := postgresql.NewFromPool(pool, postgresql.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	pool.Close() // the connections are the store's own
	check.MustClaim(t, store, check.NewID(), true)
	if want := fmt.Sprintf("store postgresql://127.0.0.1:%d/tally", server.Port); store.String() != want {
		t.Error(store)
	}
}

func startsWithout(t *testing.T, server *check.Server) {
	relay := check.StartRelay(t, "127.0.0.1:1")
	url := strings.Replace(server.URL, fmt.Sprintf("127.0.0.1:%d", server.Port), relay.Address, 1)
	required := storeOf(t, url, postgresql.Options{})
	if err := required.Check(ctx); err == nil {
		t.Error("Check passed")
	}
	store := storeOf(t, url, postgresql.Options{NotRequired: true})
	if err := store.Check(ctx); err != nil {
		t.Error(err)
	}
	if said := store.Notices(); len(said) != 1 || !strings.HasPrefix(said[0], store.String()+" cannot be used (") {
		t.Error(said)
	}
	check.Refusal(t, store)
	relay.Lead(fmt.Sprintf("127.0.0.1:%d", server.Port))
	check.MustClaim(t, store, check.NewID(), true)
	if err := required.Check(ctx); err != nil {
		t.Error(err)
	}
}

func saysThatItCannotPrune(t *testing.T, server *check.Server) {
	raw, url, table := rawOf(t, server), newRole(t, server), newName()
	role, _, _ := strings.Cut(strings.TrimPrefix(url, "postgresql://"), ":")
	do(t, raw, byHand(table))
	all := fmt.Sprintf("%s_used, %s_values, %s_documents", table, table, table)
	do(t, raw, fmt.Sprintf("GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", all, role))
	store := storeOf(t, url, postgresql.Options{Table: table})
	check.MustClaim(t, store, check.NewID(), true)
	do(t, raw, fmt.Sprintf("REVOKE DELETE ON %s FROM %s", all, role))
	for range 130 {
		check.MustClaim(t, store, check.NewID(), true)
	}
	said := store.Notices()
	const grow = "what expired cannot be deleted, so that its tables grow (permission denied"
	if len(said) != 1 || !strings.Contains(said[0], grow) {
		t.Error(said)
	}
}

func answersWhoGoesAway(t *testing.T, server *check.Server) {
	raw, table := rawOf(t, server), newName()
	store := storeOf(t, server.URL, postgresql.Options{Table: table, Timeout: time.Minute})
	id := check.NewID()
	check.MustClaim(t, store, id, true)
	do(t, raw, "BEGIN; LOCK TABLE "+table+"_used")
	caller, leave := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, leave)
	_, err := store.Claim(caller, check.NewID(), 60)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	check.Say(t, fmt.Sprint(err), store.String()+": its caller ended the call")
	do(t, raw, "COMMIT")
	check.MustClaim(t, store, id, false)
}

func TestAServerThatHangsAndIsKilledAndRestarted(t *testing.T) {
	server := check.StartServer(t, "postgresql")
	store := storeOf(t, server.URL, postgresql.Options{Timeout: 500 * time.Millisecond})
	check.Answers(t, store)
	id := check.NewID()
	check.MustClaim(t, store, id, true)
	server.Must("pause")
	began := time.Now()
	for range 2 { // over connections of before, and over new ones
		for _, said := range check.RefusalsOf64(t, store) {
			check.Say(t, said, store.String()+" cannot be used (no answer within 500ms): see whether the server runs, "+
				"can be reached and is not overloaded")
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("128 calls took %v", took)
	}
	server.Must("resume")
	check.Answers(t, store)
	check.MustClaim(t, store, id, false)
	for _, end := range []string{"kill", "stop"} {
		server.Must(end)
		check.Fails(t, store, "refused): see whether the server runs, whether host and port are right")
		server.Must("start")
		check.Answers(t, store)
		check.MustClaim(t, store, id, false)
	}
}
