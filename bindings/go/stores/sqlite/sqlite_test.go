package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
	"github.com/tallystick/tallystick/bindings/go/storetest"
)

var (
	_   tallystick.ValueStore = (*sqlite.Store)(nil)
	ctx                       = context.Background()
)

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "store.sqlite3") }

func storeOf(t *testing.T, path string, options sqlite.Options) *sqlite.Store {
	t.Helper()
	store, err := sqlite.New(path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// raw opens the file as another program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// change does something in the file, as another program would.
func change(t *testing.T, path, statements string) {
	t.Helper()
	db := raw(t, path)
	if _, err := db.Exec(statements); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, path, query string) (found int64) {
	t.Helper()
	if err := raw(t, path).QueryRow(query).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}

func mustClaim(t *testing.T, store tallystick.Store, id string, want bool) {
	t.Helper()
	if free, err := store.Claim(ctx, id, 60); free != want || err != nil {
		t.Fatal(free, err)
	}
}

// refusal returns the text of the error of a claim.
func refusal(t *testing.T, store tallystick.Store) string {
	t.Helper()
	free, err := store.Claim(ctx, storecheck.NewID(), 60)
	if free || err == nil {
		t.Fatal("it was claimed")
	}
	return err.Error()
}

func mustSay(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}

func TestStoreTest(t *testing.T) {
	open := func(path string) (tallystick.Store, error) {
		// So many wait for each other on a machine that is busy.
		return sqlite.New(path, sqlite.Options{Timeout: 20 * time.Second})
	}
	storetest.Run(t, open, storetest.Options{Start: newPath})
}

func TestRefusesWrongArguments(t *testing.T) {
	storecheck.RefusesWrongArguments(t, storeOf(t, newPath(t), sqlite.Options{}))
	path := newPath(t)
	for _, wrong := range []sqlite.Options{
		{MaxBytes: 16*1024 - 1}, {MaxBytes: -1}, {Timeout: -1}, {Timeout: time.Minute + 1},
	} {
		if _, err := sqlite.New(path, wrong); err == nil || !strings.HasPrefix(err.Error(), "store sqlite://") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	for _, wrong := range []string{"sqlite:file", "sqlite://file", "sqlite:///a?b", "sqlite:///a#b", "sqlite:///%zz"} {
		if _, err := sqlite.New(wrong, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "is written") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	for _, wrong := range []string{"redis://localhost/0", "postgresql://x", "file:x.db"} {
		if _, err := sqlite.New(wrong, sqlite.Options{}); err == nil || !strings.Contains(err.Error(), "of another store") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	storeOf(t, path, sqlite.Options{MaxBytes: 16 * 1024, Timeout: time.Minute})
}

func TestTakesPathsAndURLs(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("XDG_STATE_HOME", folder)
	home := filepath.Join(folder, "tallystick", "store.sqlite3")
	strange := filepath.Join(folder, "a ?#%é.sqlite3")
	for _, each := range []struct{ given, path, setting string }{
		{"", home, "store sqlite://" + home},
		{"sqlite:", home, "store sqlite://" + home},
		{"sqlite://" + home, home, "store sqlite://" + home},
		{strange, strange, "store sqlite://" + folder + "/a%20%3F%23%25%C3%A9.sqlite3"},
		{"sqlite://" + folder + "/a%20%3F%23%25%C3%A9.sqlite3", strange,
			"store sqlite://" + folder + "/a%20%3F%23%25%C3%A9.sqlite3"},
	} {
		store := storeOf(t, each.given, sqlite.Options{})
		if store.Path() != each.path || store.String() != each.setting {
			t.Errorf("%q: %s, %s", each.given, store.Path(), store)
		}
		mustClaim(t, store, storecheck.NewID(), true)
		if _, err := os.Stat(each.path); err != nil {
			t.Error(err)
		}
	}
}

func TestMakesItsFileForThisUserAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "agent", "store.sqlite3")
	mustClaim(t, storeOf(t, path, sqlite.Options{}), storecheck.NewID(), true)
	for file, mode := range map[string]fs.FileMode{
		path: 0o600, path + "-wal": 0o600, filepath.Dir(path): 0o700, filepath.Dir(filepath.Dir(path)): 0o700,
	} {
		status, err := os.Stat(file)
		if err != nil || status.Mode().Perm() != mode {
			t.Error(file, status.Mode(), err)
		}
	}
}

func TestHasTheFormThatEveryLanguageReads(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{})
	before := time.Now().Unix()
	mustClaim(t, store, "0123456789abcdef0123456789abcdef", true)
	if err := store.Put(ctx, storecheck.NewID(), nil, 60); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int64{
		"PRAGMA application_id": 1413565529,
		"PRAGMA user_version":   1,
		"PRAGMA page_size":      1024,
		"SELECT count(*) FROM tallystick_used WHERE id = x'0123456789abcdef0123456789abcdef'": 1,
		"SELECT count(*) FROM tallystick_values WHERE value = x'' AND typeof(value) = 'blob'": 1,
		"SELECT count(*) FROM tallystick_state WHERE one = 1 AND length(born) = 16":           1,
		"SELECT count(*) FROM tallystick_used WHERE typeof(expires_at) = 'integer'":           1,
	} {
		if got := number(t, path, query); got != want {
			t.Errorf("%s: %d", query, got)
		}
	}
	until := number(t, path, "SELECT expires_at FROM tallystick_used")
	if until < before+60 || until > time.Now().Unix()+61 {
		t.Error(until, before)
	}
	var mode string
	if err := raw(t, path).QueryRow("PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		t.Error(mode, err)
	}
}

func TestRefusesAFileThatIsNotItsOwn(t *testing.T) {
	for name, each := range map[string]struct {
		make func(t *testing.T, path string)
		say  []string
	}{
		"another application's": {func(t *testing.T, path string) { change(t, path, "CREATE TABLE other (a)") },
			[]string{"it belongs to another application): move it away, or choose another file"}},
		"a later format": {func(t *testing.T, path string) {
			change(t, path, "CREATE TABLE t (a); PRAGMA application_id = 1413565529; PRAGMA user_version = 2")
		}, []string{"its format is version 2, and this package has 1): move it away"}},
		"a text": {func(t *testing.T, path string) { write(t, path, strings.Repeat("no database ", 100)) },
			[]string{"not a database", ": move it away"}},
		"a folder": {func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"is a directory): name a file in it"}},
		"a symbolic link": {func(t *testing.T, path string) {
			write(t, path+".other", "")
			if err := os.Symlink(path+".other", path); err != nil {
				t.Fatal(err)
			}
		}, []string{"it is a symbolic link)"}},
		"one that everyone may write": {func(t *testing.T, path string) {
			write(t, path, "")
			if err := os.Chmod(path, 0o666); err != nil {
				t.Fatal(err)
			}
		}, []string{"every user may write to it", "chmod 600"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			each.make(t, path)
			before := contents(t, path)
			store := storeOf(t, path, sqlite.Options{})
			if err := store.Check(ctx); err == nil {
				t.Error("Check passed")
			}
			said := refusal(t, store)
			mustSay(t, said, append(each.say, store.String()+" cannot be used (")...)
			if contents(t, path) != before {
				t.Error("it was written to")
			}
			// Works again once it is moved away.
			if err := os.Rename(path, path+".away"); err != nil {
				t.Fatal(err)
			}
			if err := store.Check(ctx); err != nil {
				t.Error(err)
			}
			mustClaim(t, store, storecheck.NewID(), true)
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "a folder"
	}
	return string(text)
}

func TestOpensItsFileAgainAfterItWasClosed(t *testing.T) {
	store, id := storeOf(t, newPath(t), sqlite.Options{}), storecheck.NewID()
	mustClaim(t, store, id, true)
	for range 2 {
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	mustClaim(t, store, id, false)
	if !store.LostAt().IsZero() {
		t.Error(store.LostAt())
	}
}

func TestAFileThatIsLost(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) { remove(t, path, path+"-wal", path+"-shm") },
		"moved away": func(t *testing.T, path string) {
			for _, end := range []string{"", "-wal", "-shm"} {
				if err := os.Rename(path+end, path+".away"+end); err != nil {
					t.Fatal(err)
				}
			}
		},
		"replaced by an older copy": func(t *testing.T, path string) {
			write(t, path+".copy", contents(t, path))
			remove(t, path+"-wal", path+"-shm")
			if err := os.Rename(path+".copy", path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newPath(t)
			one, two := storeOf(t, path, sqlite.Options{}), storeOf(t, path, sqlite.Options{})
			mustClaim(t, one, storecheck.NewID(), true)
			mustClaim(t, two, storecheck.NewID(), true)
			before := time.Now().Add(-time.Second)
			lose(t, path)
			for _, store := range []*sqlite.Store{one, two} {
				mustSay(t, refusal(t, store), "was deleted or replaced while it was in use", "leave the new file alone")
				if store.LostAt().Before(before) || store.LostAt().After(time.Now().Add(time.Second)) {
					t.Error(store.LostAt())
				}
				mustClaim(t, store, storecheck.NewID(), true)
			}
			// Whoever comes later is told.
			later := storeOf(t, path, sqlite.Options{})
			mustClaim(t, later, storecheck.NewID(), true)
			if !later.LostAt().Equal(one.LostAt()) {
				t.Error(later.LostAt(), one.LostAt())
			}
		})
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALossThatAnotherProcessNotesLater(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{})
	mustClaim(t, store, storecheck.NewID(), true)
	lost := time.Now().Unix() + 1
	change(t, path, fmt.Sprintf("UPDATE tallystick_state SET lost_at = %d", lost))
	mustSay(t, refusal(t, store), "was deleted or replaced", fmt.Sprint("issued by ", lost))
	if store.LostAt().Unix() != lost {
		t.Error(store.LostAt())
	}
	mustClaim(t, store, storecheck.NewID(), true)
}

func TestForgetsWhatHasExpiredAndNothingElse(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{})
	live := storecheck.NewID()
	mustClaim(t, store, live, true)
	if err := store.Put(ctx, live, []byte("live"), 60); err != nil {
		t.Fatal(err)
	}
	dead := time.Now().Unix() - 10
	for _, table := range []string{"used (id, expires_at) SELECT", "values (id, value, expires_at) SELECT x'00',"} {
		columns := strings.Replace(table, "SELECT x'00',", "SELECT", 1)
		value := ""
		if strings.HasPrefix(table, "values") {
			value = "x'00', "
		}
		change(t, path, fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 700) "+
			"INSERT INTO tallystick_%s randomblob(16), %s%d FROM n", columns, value, dead))
	}
	for range 64*4 + 1 {
		mustClaim(t, store, storecheck.NewID(), true)
		if err := store.Put(ctx, storecheck.NewID(), nil, 60); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"used", "values"} {
		query := fmt.Sprintf("SELECT count(*) FROM tallystick_%s WHERE expires_at = %d", table, dead)
		if left := number(t, path, query); left != 0 {
			t.Errorf("%s: %d are left", table, left)
		}
	}
	if pruned := number(t, path, "SELECT pruned FROM tallystick_state"); pruned != dead {
		t.Error(pruned)
	}
	mustClaim(t, store, live, false)
	if value, there, err := store.Get(ctx, live); string(value) != "live" || !there || err != nil {
		t.Error(value, there, err)
	}
}

func TestAClockThatStepsBackReopensNothing(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{})
	mustClaim(t, store, storecheck.NewID(), true)
	change(t, path, fmt.Sprintf("UPDATE tallystick_state SET pruned = %d", time.Now().Unix()+1000))
	mustSay(t, refusal(t, store), "has forgotten claims that expire later", "the clock of this host was set back")
	if free, err := store.Claim(ctx, storecheck.NewID(), 2000); !free || err != nil {
		t.Error("what expires later may be claimed", err)
	}
}

func TestAFullFileRefusesAndForgetsNothing(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{MaxBytes: 48 * 1024})
	var claimed []string
	for {
		id := storecheck.NewID()
		free, err := store.Claim(ctx, id, 60)
		if err != nil {
			mustSay(t, err.Error(), "full", "free space on that disk, or raise the limit: Options.MaxBytes")
			break
		}
		if !free {
			t.Fatal("it was not free")
		}
		claimed = append(claimed, id)
	}
	if len(claimed) < 100 || len(claimed) > 5000 {
		t.Fatal(len(claimed))
	}
	for _, id := range claimed {
		mustClaim(t, store, id, false)
	}
	change(t, path, fmt.Sprintf("UPDATE tallystick_used SET expires_at = %d", time.Now().Unix()-10))
	mustClaim(t, store, storecheck.NewID(), true)
}

// hold locks the file as another process does, and returns what lets it go.
func hold(t *testing.T, path string) func() {
	t.Helper()
	connection, err := raw(t, path).Conn(ctx)
	if err == nil {
		_, err = connection.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := connection.ExecContext(ctx, "ROLLBACK"); err != nil {
			t.Error(err)
		}
		_ = connection.Close()
	}
}

func TestAFileThatIsHeldRefusesInTimeAndIsUsedAgain(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{Timeout: 200 * time.Millisecond})
	mustClaim(t, store, storecheck.NewID(), true)
	free := hold(t, path)
	var all sync.WaitGroup
	said := make([]string, 64)
	began := time.Now()
	for at := range said {
		all.Go(func() { said[at] = refusal(t, store) })
	}
	all.Wait()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("64 calls took %v", took)
	}
	for _, each := range said {
		mustSay(t, each, store.String()+" did not answer within 200ms", ": see which process holds the file")
	}
	free()
	mustClaim(t, store, storecheck.NewID(), true)
	if !store.LostAt().IsZero() {
		t.Error("it is the same file", store.LostAt())
	}
}

func TestAFileThatIsHeldIsWaitedFor(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{Timeout: time.Minute})
	mustClaim(t, store, storecheck.NewID(), true)
	free := hold(t, path)
	claimed := make(chan error)
	go func() {
		_, err := store.Claim(ctx, storecheck.NewID(), 60)
		claimed <- err
	}()
	select {
	case err := <-claimed:
		t.Fatal("it did not wait", err)
	case <-time.After(100 * time.Millisecond):
	}
	free()
	if err := <-claimed; err != nil {
		t.Fatal(err)
	}
}

func TestACallerThatGoesAwayIsAnsweredAtOnce(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{Timeout: time.Minute})
	mustClaim(t, store, storecheck.NewID(), true)
	free := hold(t, path)
	caller, leave := context.WithCancel(ctx)
	time.AfterFunc(20*time.Millisecond, leave)
	_, err := store.Claim(caller, storecheck.NewID(), 60)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mustSay(t, err.Error(), store.String()+": its caller ended the call")
	free()
	mustClaim(t, store, storecheck.NewID(), true)
}

func TestOneOf64WinsOverTwoStoresOfOneFile(t *testing.T) {
	path, id := newPath(t), storecheck.NewID()
	stores := []*sqlite.Store{storeOf(t, path, sqlite.Options{}), storeOf(t, path, sqlite.Options{})}
	var all sync.WaitGroup
	won := make([]bool, 64)
	for at := range won {
		all.Go(func() {
			free, err := stores[at%2].Claim(ctx, id, 60)
			if won[at] = free; err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if count := len(slices.DeleteFunc(won, func(each bool) bool { return !each })); count != 1 {
		t.Error(count)
	}
}
