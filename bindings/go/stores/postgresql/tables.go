package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/base"
)

const pruneRows = 256 // expired rows that are deleted at once

// Errors of a statement that makes what another process makes at the same time, and of a role that
// may not make it.
var (
	raced     = []string{"23505", "42P07", "42710"}
	forbidden = []string{"42501", "3F000"}
)

const byHand = "make the tables by hand with the documented statement, or let the role CREATE in that schema"

const stateOfServer = "SELECT current_setting('transaction_read_only'), " +
	"(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

// Of one table: its persistence, columns, unique keys of one column, and the privileges that are
// missing. No row: it is not there.
const factsOfTable = `
SELECT relpersistence::text,
  coalesce((SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)
     FROM pg_attribute WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped), ''),
  coalesce((SELECT string_agg(attname::text, ',') FROM pg_index
     JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
     WHERE indrelid = relation.oid AND indisunique AND indimmediate AND indisvalid
       AND indpred IS NULL AND indnkeyatts = 1), ''),
  coalesce((SELECT string_agg(privilege, ', ')
     FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS needed(privilege)
     WHERE NOT has_table_privilege(relation.oid, privilege)), '')
FROM pg_class AS relation WHERE relation.oid = to_regclass($1)
`

type table struct {
	name    string
	key     string
	columns string // in the order of their names, as in factsOfTable
	create  []string
}

// tables are the tables whose names begin with a prefix, and the statements on them.
type tables struct {
	claim, put, get, take, read, create, update, pruneUsed, pruneValues string

	all []table
}

func tablesOf(prefix string) tables {
	used, values, documents := nameOf(prefix, "used"), nameOf(prefix, "values"), nameOf(prefix, "documents")
	return tables{
		claim: fmt.Sprintf("INSERT INTO %s (id, expires_at) VALUES ($1, %s) ON CONFLICT (id) DO NOTHING",
			used, until("$2")),
		put: fmt.Sprintf("INSERT INTO %s (id, value, expires_at) VALUES ($1, $2, %s) ON CONFLICT (id) DO "+
			"UPDATE SET value = excluded.value, expires_at = excluded.expires_at", values, until("$3")),
		get: fmt.Sprintf("SELECT value FROM %s WHERE id = $1 AND expires_at > now()", values),
		take: fmt.Sprintf("DELETE FROM %s WHERE id = $1 RETURNING CASE WHEN expires_at > now() THEN value END",
			values),
		read: fmt.Sprintf("SELECT version, value FROM %s WHERE name = $1", documents),
		create: fmt.Sprintf("INSERT INTO %s (name, version, value) VALUES ($1, 1, $2) ON CONFLICT (name) DO NOTHING",
			documents),
		update: fmt.Sprintf("UPDATE %s SET version = version + 1, value = $2 WHERE name = $1 AND "+
			"version = $3::bigint", documents),
		pruneUsed:   prune(used),
		pruneValues: prune(values),
		all:         describe(prefix, used, values, documents),
	}
}

func describe(prefix, used, values, documents string) []table {
	// An index lies in the schema of its table.
	index := nameOf(prefix[strings.LastIndex(prefix, ".")+1:], "used_expires_at")
	return []table{
		{used, "id", "expires_at timestamp with time zone, id bytea", []string{
			"CREATE TABLE IF NOT EXISTS " + used + " (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL)",
			"CREATE INDEX IF NOT EXISTS " + index + " ON " + used + " (expires_at)",
		}},
		{values, "id", "expires_at timestamp with time zone, id bytea, value bytea", []string{
			"CREATE TABLE IF NOT EXISTS " + values +
				" (id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL)",
		}},
		{documents, "name", "name text, value bytea, version bigint", []string{
			"CREATE TABLE IF NOT EXISTS " + documents +
				" (name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL)",
		}},
	}
}

func nameOf(prefix, suffix string) string {
	// A quoted name may be a keyword. In lower case it is otherwise the same as a bare one.
	return `"` + strings.ReplaceAll(prefix+"_"+suffix, ".", `"."`) + `"`
}

func until(seconds string) string {
	// By the clock when the row is written: a statement may have waited for another one.
	return "clock_timestamp() + " + seconds + "::bigint * interval '1 second'"
}

func prune(name string) string {
	// By the time of the statement: the index can be asked for it, unlike clock_timestamp().
	return fmt.Sprintf("DELETE FROM %s WHERE id IN (SELECT id FROM %s WHERE expires_at < now() "+
		"ORDER BY expires_at LIMIT %d FOR UPDATE SKIP LOCKED)", name, name, pruneRows)
}

// inspect returns why claims cannot be made on the server behind a new connection.
func inspect(ctx context.Context, connection *pgx.Conn, here func() time.Time) error {
	var readOnly string
	var clock int64
	row := connection.QueryRow(ctx, stateOfServer, pgx.QueryExecModeExec)
	if err := row.Scan(&readOnly, &clock); err != nil {
		return err
	}
	if readOnly != "off" {
		return &base.Refused{What: "it is read-only (a standby, or default_transaction_read_only)",
			Fix: "name the primary: with several hosts, add target_session_attrs=read-write"}
	}
	return base.RefuseClock(time.UnixMilli(clock), here())
}

// prepare makes the tables that are not there. A role that may make none finds them made by hand.
func (t tables) prepare(ctx context.Context, connection *pgx.Conn) error {
	var missing []table
	for _, each := range t.all {
		there, err := each.isThere(ctx, connection)
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, each)
		}
	}
	for _, each := range missing {
		if err := each.make(ctx, connection); err != nil {
			return err
		}
	}
	for _, each := range missing {
		there, err := each.isThere(ctx, connection)
		if err != nil {
			return err
		}
		if !there {
			return &base.Refused{What: fmt.Sprintf("the table %s is not there", each.name), Fix: byHand}
		}
	}
	return nil
}

// isThere tells whether a table is there, and returns an error where it is another one than this.
func (t table) isThere(ctx context.Context, connection *pgx.Conn) (bool, error) {
	var persistence, columns, keys, lacking string
	row := connection.QueryRow(ctx, factsOfTable, pgx.QueryExecModeExec, t.name)
	err := row.Scan(&persistence, &columns, &keys, &lacking)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	case columns != t.columns || !slices.Contains(strings.Split(keys, ","), t.key):
		return false, &base.Refused{
			What: fmt.Sprintf("the table %s has the columns %s, not %s with the primary key %s",
				t.name, columns, t.columns, t.key),
			Fix: "move it away, or choose other tables with the option Table",
		}
	case lacking != "":
		return false, &base.Refused{What: fmt.Sprintf("its role lacks %s on %s", lacking, t.name),
			Fix: "GRANT SELECT, INSERT, UPDATE, DELETE ON " + t.name}
	case persistence != "p":
		return false, &base.Refused{
			What: fmt.Sprintf("the table %s is emptied by a crash: used tokens would pass again", t.name),
			Fix:  fmt.Sprintf("ALTER TABLE %s SET LOGGED", t.name),
		}
	}
	return true, nil
}

func (t table) make(ctx context.Context, connection *pgx.Conn) error {
	for _, statement := range t.create {
		_, err := connection.Exec(ctx, statement, pgx.QueryExecModeExec)
		switch code := codeOf(err); {
		case err == nil || slices.Contains(raced, code):
		case slices.Contains(forbidden, code):
			return &base.Refused{What: "its role may not make " + t.name, Fix: byHand}
		default:
			return err
		}
	}
	return nil
}

// codeOf returns the server's SQLSTATE, or "".
func codeOf(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}
