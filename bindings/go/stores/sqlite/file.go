package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

const (
	pruneEvery = 64  // claims of a process between two prunings
	pruneRows  = 256 // rows that one pruning looks at: four for each claim, faster than the claims
)

const (
	// Nothing is claimed that would expire before the last pruning, so that a clock that steps back
	// reopens nothing; and nothing before a loss is known that another process noted.
	claimRow = `INSERT INTO tallystick_used (id, expires_at)
SELECT ?1, ?2 FROM tallystick_state WHERE pruned < ?2 AND lost_at <= ?3
ON CONFLICT (id) DO NOTHING`

	// The tables are pruned in the order of their ids: an index by expiry would double what each
	// claim writes.
	lookRows = `SELECT count(*), max(id), max(CASE WHEN expires_at < ?1 THEN expires_at END) FROM (
SELECT id, expires_at FROM tallystick_used WHERE id > ?2 ORDER BY id LIMIT ?3)`
	forgetRows = `DELETE FROM tallystick_used WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3`
	readState  = `SELECT pruned, lost_at, born FROM tallystick_state`
	noteLoss   = `UPDATE tallystick_state SET lost_at = max(lost_at, ?1)`
	notePruned = `UPDATE tallystick_state SET pruned = max(pruned, ?1)`

	putValue = `INSERT INTO tallystick_values (id, value, expires_at) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`
	getValue    = `SELECT value FROM tallystick_values WHERE id = ?1 AND expires_at > ?2`
	deleteValue = `DELETE FROM tallystick_values WHERE id = ?1`
	lookValues  = `SELECT count(*), max(id) FROM (
SELECT id FROM tallystick_values WHERE id > ?1 ORDER BY id LIMIT ?2)`
	forgetValues = `DELETE FROM tallystick_values WHERE id > ?1 AND id <= ?2 AND expires_at <= ?3`
)

var fixes = []base.Fix{
	{Words: errFolder.Error(), Do: "name a file in it"},
	{Words: errLink.Error(), Do: "name the file that it leads to"},
	{Words: "not a database", Do: another},
	{Words: "malformed", Do: another},
	{Words: "full", Do: "free space on that disk, or raise the limit: Options.MaxBytes of the store"},
	{Words: "locked", Do: "see which process holds it"},
}

const otherFix = "make the file and its folder writable for this user, or choose another file"

// file is the file of a store, opened when it is needed. One call at a time; each ends with its
// context. Times in it are whole seconds since 1970, and one statement is one atomic step.
type file struct {
	path     string
	setting  string
	maxPages int64
	timeout  time.Duration
	lostAt   atomic.Int64 // 0: never

	place chan struct{} // what follows belongs to whoever holds it
	db    *sql.DB
	open  *sql.Conn
	claim *sql.Stmt
	state *sql.Stmt
	last  used
	noted int64 // the loss that this process knows of
	// Counted, and where the prunings are.
	claims, puts       int
	swept, sweptValues []byte
}

// used is which file was used last, and when. born is nil before the first, and empty when that
// file is known to be lost.
type used struct {
	file os.FileInfo
	born []byte
	at   float64
}

// call does something with the file. Its error is a *base.Unavailable.
func call[Found any](ctx context.Context, f *file, work func(context.Context) (Found, error)) (Found, error) {
	ctx, done := base.Limit(ctx, f.timeout)
	defer done()
	var none Found
	free, err := base.Wait(ctx, f.place)
	if err != nil {
		return none, f.failed(err, "other calls of this process wait for it")
	}
	return base.Within(ctx, func(ctx context.Context) (Found, error) {
		defer free()
		found, err := work(ctx)
		var said *base.Unavailable
		if err == nil || errors.As(err, &said) {
			return found, err
		}
		// After any failure the next call starts with a fresh connection.
		f.close()
		return none, f.failed(err, "another process may hold it")
	})
}

// failed returns the text of an error.
func (f *file) failed(cause error, wait string) error {
	var said *base.Unavailable
	switch {
	case errors.As(cause, &said):
		return cause
	case errors.Is(cause, base.ErrEnded):
		return base.Said(f.setting+": its caller ended the call before the file had answered", cause)
	case errors.Is(cause, context.DeadlineExceeded):
		return base.Said(fmt.Sprintf("%s did not answer within %v (%s): see which process holds the file",
			f.setting, f.timeout, wait), cause)
	}
	text := base.Plain(cause)
	var path *os.PathError
	if errors.As(cause, &path) {
		text = path.Err.Error()
	}
	return base.Unusable(f.setting, text, base.FixOf(text, fixes, otherFix), cause)
}

func (f *file) tryClaim(ctx context.Context, key []byte, seconds int64) (bool, error) {
	if err := f.current(ctx); err != nil {
		return false, err
	}
	now := time.Now()
	if f.claims%pruneEvery == 0 {
		if err := f.prune(ctx, now); err != nil {
			return false, err
		}
	}
	f.claims++
	until := ceil(now) + seconds
	claimed, err := f.write(ctx, now, func() (sql.Result, error) {
		return f.claim.ExecContext(ctx, key, until, f.noted)
	})
	if err != nil {
		return false, err
	}
	f.last.at = instant(now)
	if claimed {
		return true, nil
	}
	return false, f.whyNot(ctx, until)
}

// whyNot returns nil where the id is there, and else why nothing may be claimed.
func (f *file) whyNot(ctx context.Context, until int64) error {
	pruned, lost, _, err := f.readState(ctx)
	switch {
	case err != nil:
		return err
	case lost > f.noted:
		f.noted = lost
		f.lostAt.Store(lost)
		return f.lost()
	case until <= pruned:
		return base.Said(f.setting+" has forgotten claims that expire later than this one: the clock of "+
			"this host was set back: set it right, or wait until it has caught up", nil)
	}
	return nil
}

func (f *file) put(ctx context.Context, key, value []byte, seconds int64) error {
	if err := f.current(ctx); err != nil {
		return err
	}
	now := time.Now()
	if f.puts%pruneEvery == 0 {
		if err := f.pruneValues(ctx, now); err != nil {
			return err
		}
	}
	f.puts++
	_, err := f.write(ctx, now, func() (sql.Result, error) {
		// A nil slice would be NULL.
		return f.open.ExecContext(ctx, putValue, key, append([]byte{}, value...), ceil(now)+seconds)
	})
	return err
}

func (f *file) get(ctx context.Context, key []byte) ([]byte, error) {
	if err := f.current(ctx); err != nil {
		return nil, err
	}
	return f.valueOf(ctx, key)
}

func (f *file) take(ctx context.Context, key []byte) (value []byte, err error) {
	if err := f.current(ctx); err != nil {
		return nil, err
	}
	err = transaction(ctx, f.open, writing, func() error {
		if value, err = f.valueOf(ctx, key); err != nil {
			return err
		}
		_, err := f.open.ExecContext(ctx, deleteValue, key)
		return err
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// valueOf returns a value, or nil where there is none.
func (f *file) valueOf(ctx context.Context, key []byte) ([]byte, error) {
	var value []byte
	err := f.open.QueryRowContext(ctx, getValue, key, instant(time.Now())).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err == nil && value == nil {
		value = []byte{}
	}
	return value, err
}

// write writes a row, and reports whether it did. A full file is pruned first.
func (f *file) write(ctx context.Context, now time.Time, statement func() (sql.Result, error)) (bool, error) {
	result, err := statement()
	if err != nil && hasCode(err, codeFull) {
		// Twice: the first pruning may be near the end of the table.
		for range 2 {
			if err := errors.Join(f.prune(ctx, now), f.pruneValues(ctx, now)); err != nil {
				return false, err
			}
		}
		result, err = statement()
	}
	if err != nil {
		return false, err
	}
	rows, err := result.RowsAffected()
	return rows == 1, err
}

func (f *file) prune(ctx context.Context, now time.Time) error {
	before := f.swept
	var seen int
	var end []byte
	var latest sql.NullInt64
	look := f.open.QueryRowContext(ctx, lookRows, now.Unix(), before, pruneRows)
	if err := look.Scan(&seen, &end, &latest); err != nil {
		return err
	}
	if f.swept = []byte{}; seen == pruneRows {
		f.swept = end
	}
	if !latest.Valid {
		return nil
	}
	return transaction(ctx, f.open, writing, func() error {
		if _, err := f.open.ExecContext(ctx, notePruned, latest.Int64); err != nil {
			return err
		}
		_, err := f.open.ExecContext(ctx, forgetRows, before, end, latest.Int64)
		return err
	})
}

func (f *file) pruneValues(ctx context.Context, now time.Time) error {
	before := f.sweptValues
	var seen int
	var end []byte
	if err := f.open.QueryRowContext(ctx, lookValues, before, pruneRows).Scan(&seen, &end); err != nil {
		return err
	}
	if f.sweptValues = []byte{}; seen == pruneRows {
		f.sweptValues = end
	}
	if seen == 0 {
		return nil
	}
	_, err := f.open.ExecContext(ctx, forgetValues, before, end, now.Unix())
	return err
}

func (f *file) readState(ctx context.Context) (pruned, lost int64, born []byte, err error) {
	err = f.state.QueryRowContext(ctx).Scan(&pruned, &lost, &born)
	return pruned, lost, born, err
}

// current opens the file that is there now. It returns an error where that is another one than the
// one that was used.
func (f *file) current(ctx context.Context) error {
	if f.open != nil {
		now, err := identity(f.path)
		if err != nil {
			return err
		}
		if isSame(now, f.last.file) {
			return nil
		}
		// Whatever takes its place is another file, even an older copy of it.
		f.last.born = []byte{}
		f.close()
	}
	isOther, err := f.reopen(ctx)
	if err == nil && isOther {
		err = f.lost()
	}
	return err
}

// check opens the file, where it is not open.
func (f *file) check(ctx context.Context) error {
	if f.open != nil {
		return f.current(ctx)
	}
	_, err := f.reopen(ctx)
	return err
}

func (f *file) lost() error {
	return base.Said(fmt.Sprintf("%s was deleted or replaced while it was in use: tokens that were issued "+
		"by %d (seconds since 1970) are refused until they have expired, because they may have been used "+
		"before: leave the new file alone", f.setting, f.lostAt.Load()), nil)
}

// reopen opens the file, and returns whether it is another one than the one that was used.
func (f *file) reopen(ctx context.Context) (isOther bool, err error) {
	if err := create(f.path); err != nil {
		return false, err
	}
	now, err := identity(f.path)
	if err != nil {
		return false, err
	}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if err := f.connect(ctx); err != nil {
		return false, err
	}
	var born []byte
	var noted int64
	err = transaction(ctx, f.open, writing, func() error {
		if err := execute(ctx, f.open, schema); err != nil {
			return err
		}
		born, noted, isOther, err = f.recognise(ctx, now)
		return err
	})
	if err != nil {
		return false, err
	}
	if then, err := identity(f.path); err != nil || !isSame(now, then) {
		return false, errors.Join(errors.New("it was replaced while it was being opened"), err)
	}
	f.last, f.noted = used{now, born, instant(time.Now())}, noted
	f.lostAt.Store(max(f.lostAt.Load(), noted))
	return isOther, nil
}

func (f *file) connect(ctx context.Context) (err error) {
	if f.db, err = sql.Open("sqlite", address(f.path)); err != nil {
		return err
	}
	f.db.SetMaxOpenConns(1)
	if f.open, err = f.db.Conn(ctx); err != nil {
		return err
	}
	// The driver ends a wait for other processes with the context of the call.
	wait := fmt.Sprintf("PRAGMA busy_timeout = %d", 2*base.MostTimeout.Milliseconds())
	if err := execute(ctx, f.open, wait); err != nil {
		return err
	}
	if err := examine(ctx, f.open, f.setting); err != nil {
		return err
	}
	return prepare(ctx, f.open, f.maxPages)
}

// recognise returns the file's id, the loss that is noted in it, and whether it is another file. It
// prepares the statements, whose tables are there now.
func (f *file) recognise(ctx context.Context, now os.FileInfo) (born []byte, noted int64, isOther bool, err error) {
	if f.claim, err = f.open.PrepareContext(ctx, claimRow); err != nil {
		return nil, 0, false, err
	}
	if f.state, err = f.open.PrepareContext(ctx, readState); err != nil {
		return nil, 0, false, err
	}
	if _, noted, born, err = f.readState(ctx); err != nil {
		return nil, 0, false, err
	}
	if f.last.born == nil || (bytes.Equal(born, f.last.born) && isSame(now, f.last.file)) {
		return born, noted, false, nil
	}
	// What was noted after the last use here covers all that was claimed here.
	if float64(noted) < f.last.at {
		noted = ceil(time.Now())
		_, err = f.open.ExecContext(ctx, noteLoss, noted)
	}
	return born, noted, true, err
}

func (f *file) close() {
	db, open := f.db, f.open
	f.db, f.open, f.claim, f.state = nil, nil, nil, nil
	// What cannot be closed is of no use to the caller.
	if open != nil {
		_ = open.Close()
	}
	if db != nil {
		_ = db.Close()
	}
}

// address returns the URL by which SQLite opens a path.
func address(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive of Windows
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

func instant(now time.Time) float64 { return float64(now.UnixNano()) / 1e9 }

func ceil(now time.Time) int64 { return int64(math.Ceil(instant(now))) }
