package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"modernc.org/sqlite"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

// The format of the file, the same in every language.
const (
	pageSize        = 1024       // a claim writes one page; a small one costs half as much as a usual one
	cacheKiB        = 16_384     // some 400,000 live ids: claims go to random pages
	checkpointPages = 4000       // pages in the log before they are moved into the file
	application     = 1413565529 // application_id: 0x54414C59, which is TALY
	version         = 1          // user_version: of the format
)

const schema = `
CREATE TABLE IF NOT EXISTS tallystick_used (
    id BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallystick_values (
    id BLOB PRIMARY KEY, value BLOB NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallystick_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), pruned INTEGER NOT NULL,
    lost_at INTEGER NOT NULL DEFAULT 0, born BLOB NOT NULL);
INSERT OR IGNORE INTO tallystick_state (one, pruned, born) VALUES (1, 0, randomblob(16));
PRAGMA application_id = 1413565529;
PRAGMA user_version = 1;
`

const another = "move it away, or choose another file"

// Codes of SQLite's results.
const (
	codeBusy = 5
	codeFull = 13
)

func hasCode(err error, code int) bool {
	var said *sqlite.Error
	return errors.As(err, &said) && said.Code()&0xff == code
}

// examine refuses a file of something else before anything is written into it.
func examine(ctx context.Context, connection *sql.Conn, setting string) error {
	var found, format, tables int64
	questions := []struct {
		text string
		into *int64
	}{
		{"PRAGMA application_id", &found},
		{"PRAGMA user_version", &format},
		{"SELECT count(*) FROM sqlite_master", &tables},
	}
	// In one transaction: another process may make the tables at this moment.
	err := transaction(ctx, connection, reading, func() error {
		for _, question := range questions {
			if err := connection.QueryRowContext(ctx, question.text).Scan(question.into); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if (found == application && format == version) || (found == 0 && format == 0 && tables == 0) {
		return nil
	}
	what := "it belongs to another application"
	if found == application {
		what = fmt.Sprintf("its format is version %d, and this package has %d", format, version)
	}
	return base.Unusable(setting, what, another, nil)
}

// prepare sets up a connection. What is new gets the format's page size, and WAL.
func prepare(ctx context.Context, connection *sql.Conn, maxPages int64) error {
	if err := execute(ctx, connection, fmt.Sprintf("PRAGMA page_size = %d", pageSize)); err != nil {
		return err
	}
	if err := switchToWAL(ctx, connection); err != nil {
		return err
	}
	return execute(ctx, connection,
		"PRAGMA synchronous = NORMAL",
		fmt.Sprintf("PRAGMA cache_size = -%d", cacheKiB),
		fmt.Sprintf("PRAGMA wal_autocheckpoint = %d", checkpointPages),
		fmt.Sprintf("PRAGMA max_page_count = %d", maxPages),
	)
}

func switchToWAL(ctx context.Context, connection *sql.Conn) error {
	for {
		var mode string
		err := connection.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return errors.New("this file system cannot share memory; a local one is needed")
		}
		if err == nil || !hasCode(err, codeBusy) {
			return err
		}
		// SQLite does not wait here for other processes that switch at this moment.
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func execute(ctx context.Context, connection *sql.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := connection.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// The beginnings of a transaction.
const (
	reading = "BEGIN"
	writing = "BEGIN IMMEDIATE"
)

// transaction does something in one transaction. After an error the connection is to be closed.
func transaction(ctx context.Context, connection *sql.Conn, begin string, work func() error) error {
	if err := execute(ctx, connection, begin); err != nil {
		return err
	}
	if err := work(); err != nil {
		// Not with ctx, which may have ended.
		_ = execute(context.Background(), connection, "ROLLBACK")
		return err
	}
	return execute(ctx, connection, "COMMIT")
}

// creating is held while a file is made: closing the descriptor of a file that another connection
// of this process has opened would free its locks.
var creating sync.Mutex

// create makes the file before SQLite does, which would take the mode from the umask.
func create(path string) error {
	creating.Lock()
	defer creating.Unlock()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Not Stat: a symbolic link would let its owner choose the file that is created or written.
	status, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			return nil // another process made it
		}
		if err != nil {
			return err
		}
		return file.Close()
	}
	if err != nil {
		return err
	}
	return refuseKind(status)
}

func refuseKind(status os.FileInfo) error {
	switch mode := status.Mode(); {
	case mode.IsDir():
		return errFolder
	case mode&os.ModeSymlink != 0:
		return errLink
	case !mode.IsRegular():
		return errors.New("it is no file")
	case runtime.GOOS != "windows" && mode.Perm()&0o002 != 0:
		return errors.New("every user may write to it and so free used tokens: chmod 600")
	}
	return nil
}

var (
	errFolder = errors.New("is a directory")
	errLink   = errors.New("it is a symbolic link")
)

// identity returns which file lies there now, or nil.
func identity(path string) (os.FileInfo, error) {
	status, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return status, err
}

func isSame(one, other os.FileInfo) bool {
	return one != nil && other != nil && os.SameFile(one, other)
}
