"""The tables of a store in PostgreSQL: the statements on them, and what they must be like."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tallystick.stores.connections import AnsweredError, RefusedServerError, refuse_clock
from tallystick.stores.postgresql_session import Question, Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallystick.stores.postgresql_session import Answer

__all__ = ["Tables", "inspect_server"]

PRUNE_ROWS = 256
"""Expired rows that are deleted at once."""

_RACED = ("23505", "42P07", "42710")
"""Errors of a statement that makes what another process makes at the same time."""

_FORBIDDEN = ("42501", "3F000")

_BY_HAND = (
    "make the tables by hand with the documented statement, or let the role CREATE in that schema"
)

_STATE = "SELECT current_setting('transaction_read_only'), extract(epoch FROM clock_timestamp())"

# Of one table: whether it is there, its persistence, columns, unique keys of one column, and the
# privileges that are missing.
_FACTS = """
SELECT relpersistence,
  (SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attname)
     FROM pg_attribute WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped),
  (SELECT string_agg(attname, ',') FROM pg_index
     JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
     WHERE indrelid = relation.oid AND indisunique AND indimmediate AND indisvalid
       AND indpred IS NULL AND indnkeyatts = 1),
  (SELECT string_agg(privilege, ', ')
     FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS needed(privilege)
     WHERE NOT has_table_privilege(relation.oid, privilege))
FROM pg_class AS relation WHERE relation.oid = to_regclass($1)
"""


class _Table(NamedTuple):
    name: str
    key: str
    columns: str
    """In the order of their names, as in _FACTS."""
    create: tuple[str, ...]


class Tables:
    """The tables whose names begin with ``prefix``, and the statements on them."""

    def __init__(self, prefix: str) -> None:
        used, values, documents = (_name(prefix, each) for each in ("used", "values", "documents"))
        self.claim = Statement(
            "claim",
            f"INSERT INTO {used} (id, expires_at) VALUES ($1, {_until('$2')}) "
            "ON CONFLICT (id) DO NOTHING",
        )
        self.put = Statement(
            "put",
            f"INSERT INTO {values} (id, value, expires_at) VALUES ($1, $2, {_until('$3')}) "
            "ON CONFLICT (id) DO UPDATE SET value = excluded.value, "
            "expires_at = excluded.expires_at",
        )
        self.get = Statement(
            "get", f"SELECT value FROM {values} WHERE id = $1 AND expires_at > now()"
        )
        self.take = Statement(
            "take",
            f"DELETE FROM {values} WHERE id = $1 "
            "RETURNING CASE WHEN expires_at > now() THEN value END",
        )
        self.read = Statement("read", f"SELECT version, value FROM {documents} WHERE name = $1")
        self.create = Statement(
            "create",
            f"INSERT INTO {documents} (name, version, value) VALUES ($1, 1, $2) "
            "ON CONFLICT (name) DO NOTHING",
        )
        self.update = Statement(
            "update",
            f"UPDATE {documents} SET version = version + 1, value = $2 "
            "WHERE name = $1 AND version = $3::bigint",
        )
        self.prune_used = Statement("prune_used", _prune(used))
        self.prune_values = Statement("prune_values", _prune(values))
        self._tables = _tables(prefix, used, values, documents)

    def prepare(self, ask: Callable[[Question], Answer]) -> None:
        """Make the tables that are not there. A role that may make none finds them made by hand.

        Raises :class:`RefusedServerError` where they are others than these.
        """
        missing = [table for table in self._tables if not _is_there(table, ask)]
        for table in missing:
            for statement in table.create:
                _make(table, statement, ask)
        for table in missing:
            if not _is_there(table, ask):
                raise RefusedServerError(f"the table {table.name} is not there", _BY_HAND)


def inspect_server(ask: Callable[[Question], Answer]) -> None:
    """Raise why claims cannot be made on the server behind a new session."""
    read_only, clock = ask(Question(Statement("", _STATE))).rows[0]
    if read_only != b"off":
        raise RefusedServerError(
            "it is read-only (a standby, or default_transaction_read_only)",
            "name the primary: with several hosts, add target_session_attrs=read-write",
        )
    refuse_clock(float(clock or 0))


def _is_there(table: _Table, ask: Callable[[Question], Answer]) -> bool:
    rows = ask(Question(Statement("", _FACTS), (table.name,))).rows
    if not rows:
        return False
    persistence, columns, keys, lacking = ((each or b"").decode() for each in rows[0])
    if columns != table.columns or table.key not in keys.split(","):
        raise RefusedServerError(
            f"the table {table.name} has the columns {columns}, not {table.columns} with the "
            f"primary key {table.key}",
            "move it away, or choose other tables with the option table",
        )
    if lacking:
        raise RefusedServerError(
            f"its role lacks {lacking} on {table.name}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table.name}",
        )
    if persistence != "p":
        raise RefusedServerError(
            f"the table {table.name} is emptied by a crash: used tokens would pass again",
            f"ALTER TABLE {table.name} SET LOGGED",
        )
    return True


def _make(table: _Table, statement: str, ask: Callable[[Question], Answer]) -> None:
    try:
        ask(Question(Statement("", statement)))
    except AnsweredError as reason:
        if reason.code in _RACED:
            return
        if reason.code in _FORBIDDEN:
            raise RefusedServerError(f"its role may not make {table.name}", _BY_HAND) from None
        raise


def _tables(prefix: str, used: str, values: str, documents: str) -> tuple[_Table, ...]:
    # An index lies in the schema of its table.
    index = _name(prefix.rpartition(".")[2], "used_expires_at")
    return (
        _Table(
            used,
            "id",
            "expires_at timestamp with time zone, id bytea",
            (
                f"CREATE TABLE IF NOT EXISTS {used} "
                "(id bytea PRIMARY KEY, expires_at timestamptz NOT NULL)",
                f"CREATE INDEX IF NOT EXISTS {index} ON {used} (expires_at)",
            ),
        ),
        _Table(
            values,
            "id",
            "expires_at timestamp with time zone, id bytea, value bytea",
            (
                f"CREATE TABLE IF NOT EXISTS {values} "
                "(id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL)",
            ),
        ),
        _Table(
            documents,
            "name",
            "name text, value bytea, version bigint",
            (
                f"CREATE TABLE IF NOT EXISTS {documents} "
                "(name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL)",
            ),
        ),
    )


def _name(prefix: str, suffix: str) -> str:
    # A quoted name may be a keyword. In lower case it is otherwise the same as a bare one.
    return ".".join(f'"{part}"' for part in f"{prefix}_{suffix}".split("."))


def _until(seconds: str) -> str:
    # By the clock when the row is written: a statement may have waited for another one.
    return f"clock_timestamp() + {seconds}::bigint * interval '1 second'"


def _prune(table: str) -> str:
    # By the time of the statement: the index can be asked for it, unlike clock_timestamp().
    return (
        f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE expires_at < now() "
        f"ORDER BY expires_at LIMIT {PRUNE_ROWS} FOR UPDATE SKIP LOCKED)"
    )
