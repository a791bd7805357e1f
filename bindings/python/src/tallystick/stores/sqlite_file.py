"""The file of an SQLite store: its claims and values, and whether it is still the same file.

Times are whole seconds since 1970. One statement is one atomic step. WAL: what is claimed survives
``kill -9``.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick._core.forks import LockedAcrossForks, entered_child_unannounced, keep_forever
from tallystick.errors import StoreUnavailableError
from tallystick.stores.sqlite_format import (
    ANOTHER,
    SCHEMA,
    create,
    examine,
    identity,
    prepare,
    transaction,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tallystick._core.forks import AnyLock
    from tallystick.stores.base import Deadline

__all__ = ["PRUNE_EVERY", "PRUNE_ROWS", "SQLiteFile"]

PRUNE_EVERY = 64
"""Claims of a process between two prunings."""

PRUNE_ROWS = 256
"""Rows that one pruning looks at: four for each claim, so that it is faster than the claims."""

SLACK = 0.05
"""Seconds by which SQLite may wait longer than a call's deadline."""

# Nothing is claimed that would expire before the last pruning, so that a clock that steps back
# reopens nothing; and nothing before a loss is known that another process noted.
_CLAIM = """
INSERT INTO tallystick_used (id, expires_at)
SELECT ?1, ?2 FROM tallystick_state WHERE pruned < ?2 AND lost_at <= ?3
ON CONFLICT (id) DO NOTHING
"""

# The tables are pruned in the order of their ids: an index by expiry would double what each claim
# writes.
_LOOK = """
SELECT count(*), max(id), max(CASE WHEN expires_at < ? THEN expires_at END) FROM (
    SELECT id, expires_at FROM tallystick_used WHERE id > ? ORDER BY id LIMIT ?)
"""
_FORGET = "DELETE FROM tallystick_used WHERE id > ? AND id <= ? AND expires_at <= ?"
_STATE = "SELECT pruned, lost_at, born FROM tallystick_state"
_NOTE = "UPDATE tallystick_state SET lost_at = max(lost_at, ?)"
_RAISE = "UPDATE tallystick_state SET pruned = max(pruned, ?)"

_PUT = """
INSERT INTO tallystick_values (id, value, expires_at) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
"""
_GET = "SELECT value FROM tallystick_values WHERE id = ? AND expires_at > ?"
_DELETE = "DELETE FROM tallystick_values WHERE id = ?"
_LOOK_VALUES = "SELECT id, expires_at FROM tallystick_values WHERE id > ? ORDER BY id LIMIT ?"
_FORGET_VALUE = "DELETE FROM tallystick_values WHERE id = ? AND expires_at <= ?"

_FIXES = (
    ("Is a directory", "it is a folder: name a file in it"),
    ("not a database", ANOTHER),
    ("malformed", ANOTHER),
    ("full", "free space on that disk, or raise the limit: SQLiteStore(path, max_bytes=...)"),
    ("locked", "see which process holds it"),
)
_DEFAULT_FIX = (
    "make the file and its folder writable for this user, or choose another file with "
    "store='sqlite:///absolute/path'"
)

Row = tuple[Any, ...]
Found = TypeVar("Found")


class SQLiteFile(LockedAcrossForks):
    """The file, opened when it is needed. Each call ends with its deadline.

    ``lost_at``
        when it was last seen to be another file than the one that was used, or ``None``.

    Thread-safe and fork-safe. Raises :class:`StoreUnavailableError` alone.
    """

    lost_at: float | None = None

    _connection: sqlite3.Connection | None = None
    _cursor: sqlite3.Cursor | None = None

    def __init__(self, path: Path, max_pages: int, setting: str) -> None:
        super().__init__()
        self._path = path
        self._name = os.fspath(path)
        self._max_pages = max_pages
        self._setting = setting
        self._broken = ""
        # Seconds that the connection waits for other processes.
        self._patience = 0.0
        # Which file was used last and when: None before the first, b"" when it is known to be lost.
        self._file: tuple[int, int] | None = None
        self._born: bytes | None = None
        self._used_at = 0.0
        self._noted = 0
        self._claims = 0
        self._puts = 0
        self._swept = b""
        self._swept_values = b""

    def check(self, deadline: Deadline) -> None:
        """Create and try the file, then close it."""
        self._call(deadline, self._check, deadline)

    def close(self, deadline: Deadline) -> None:
        """Close the file; the next call opens it again."""
        self._call(deadline, self._close)

    def claim(self, deadline: Deadline, id: str, seconds: int) -> bool:
        """Claim an id; ``True`` when it was free."""
        return self._call(deadline, self._claim, deadline, bytes.fromhex(id), seconds)

    def put(self, deadline: Deadline, id: str, value: bytes, seconds: int) -> None:
        """Keep a value."""
        self._call(deadline, self._put, deadline, bytes.fromhex(id), value, seconds)

    def get(self, deadline: Deadline, id: str) -> bytes | None:
        """Return a value that was put."""
        return self._call(deadline, self._get, deadline, bytes.fromhex(id))

    def take(self, deadline: Deadline, id: str) -> bytes | None:
        """Return a value that was put, and delete it."""
        return self._call(deadline, self._take, deadline, bytes.fromhex(id))

    @staticmethod
    def _new_lock() -> AnyLock:
        # One that says whether this thread holds it.
        return threading.RLock()

    def _call(self, deadline: Deadline, action: Callable[..., Found], *arguments: Any) -> Found:
        if os.getpid() != self._pid:
            entered_child_unannounced()
        lock = self._lock
        # A signal handler may raise anywhere, also right after the lock was taken.
        try:
            if not lock.acquire(timeout=deadline.left()):
                raise StoreUnavailableError(
                    f"{self._setting} did not answer in time: other threads of this process wait "
                    "for it: see which process holds the file"
                )
            try:
                return action(*arguments)
            except (sqlite3.Error, OSError) as reason:
                raise self._failed(reason) from reason
            except StoreUnavailableError:
                raise
            except BaseException:
                # Maybe after the begin of a transaction: claims in it would be lost.
                self._close()
                raise
        finally:
            try:  # noqa: SIM105 - the release must be the first call
                lock.release()
            except RuntimeError:
                pass

    def _failed(self, reason: Exception) -> StoreUnavailableError:
        # After any failure the next call starts with a fresh connection.
        with contextlib.suppress(sqlite3.Error):
            self._close()
        text = getattr(reason, "strerror", None) or str(reason)
        fix = next((fix for word, fix in _FIXES if word in text), _DEFAULT_FIX)
        return StoreUnavailableError(f"{self._setting} cannot be used ({text}): {fix}")

    def _check(self, deadline: Deadline) -> None:
        self._close()
        self._open(deadline)
        self._close()

    def _claim(self, deadline: Deadline, key: bytes, seconds: int) -> bool:
        cursor = self._current(deadline)
        now = time.time()
        if self._claims % PRUNE_EVERY == 0:
            self._prune(cursor.connection, now)
            self._wait_until(deadline, cursor.connection)
        self._claims += 1
        until = math.ceil(now) + seconds
        claimed = self._write(cursor, _CLAIM, (key, until, self._noted), now)
        self._used_at = now
        return claimed or self._exists(cursor, until)

    def _exists(self, cursor: sqlite3.Cursor, until: int) -> bool:
        """Return ``False`` where the id is there, and raise where nothing may be claimed."""
        pruned, lost_at, _ = cursor.execute(_STATE).fetchone()
        if lost_at > self._noted:
            self._noted = self.lost_at = lost_at
            raise self._lost()
        if until <= pruned:
            raise StoreUnavailableError(
                f"{self._setting} has forgotten claims that expire later than this one: the "
                "clock of this host was set back: set it right, or wait until it has caught up"
            )
        return False

    def _put(self, deadline: Deadline, key: bytes, value: bytes, seconds: int) -> None:
        cursor = self._current(deadline)
        now = time.time()
        if self._puts % PRUNE_EVERY == 0:
            self._prune_values(cursor.connection, now)
            self._wait_until(deadline, cursor.connection)
        self._puts += 1
        self._write(cursor, _PUT, (key, value, math.ceil(now) + seconds), now)

    def _get(self, deadline: Deadline, key: bytes) -> bytes | None:
        return _value_of(self._current(deadline), key)

    def _take(self, deadline: Deadline, key: bytes) -> bytes | None:
        cursor = self._current(deadline)
        with transaction(cursor.connection):
            value = _value_of(cursor, key)
            cursor.execute(_DELETE, (key,))
        return value

    def _write(self, cursor: sqlite3.Cursor, statement: str, row: Row, now: float) -> bool:
        try:
            return cursor.execute(statement, row).rowcount == 1
        except sqlite3.Error as reason:
            if "full" not in str(reason):
                raise
        # Twice: the first pruning may be near the end of the table.
        for _ in range(2):
            self._prune(cursor.connection, now)
            self._prune_values(cursor.connection, now)
        return cursor.execute(statement, row).rowcount == 1

    def _current(self, deadline: Deadline) -> sqlite3.Cursor:
        """Return the cursor of the file that is there now. Raises where that is another one."""
        if self._cursor is None or self._cursor.connection.in_transaction:
            self._close()
            lost = self._open(deadline)
        elif identity(self._name) != self._file:
            # Whatever takes its place is another file, even an older copy of it.
            self._born = b""
            self._close()
            lost = self._open(deadline)
        else:
            self._wait_until(deadline, self._cursor.connection)
            lost = False
        if lost or self._cursor is None:
            raise self._lost()
        return self._cursor

    def _lost(self) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"{self._setting} was deleted or replaced while it was in use: tokens that were issued "
            f"by {self.lost_at} (seconds since 1970) are refused until they have expired, because "
            "they may have been used before: leave the new file alone"
        )

    def _open(self, deadline: Deadline) -> bool:
        """Open the file, and return whether it is another one than the one that was used."""
        if self._broken:
            raise StoreUnavailableError(self._broken)
        create(self._path)
        file = identity(self._name)
        left = deadline.left()
        connection = sqlite3.connect(
            self._path, timeout=left, isolation_level=None, check_same_thread=False
        )
        try:
            examine(connection, self._setting)
            prepare(connection, self._max_pages, deadline)
            with transaction(connection):
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                born, noted, lost = self._recognise(connection, file)
            if identity(self._name) != file:
                raise OSError("it was replaced while it was being opened")
        except BaseException:
            # Else it would keep its locks as long as the exception is referenced.
            connection.close()
            raise
        self._connection, self._cursor, self._patience = connection, connection.cursor(), left
        self._file, self._born, self._used_at, self._noted = file, born, time.time(), noted
        if noted:
            self.lost_at = max(self.lost_at or 0, noted)
        return lost

    def _recognise(
        self, connection: sqlite3.Connection, file: tuple[int, int] | None
    ) -> tuple[bytes, int, bool]:
        """Return the file's id, the loss that is noted in it, and whether it is another file."""
        _, noted, born = connection.execute(_STATE).fetchone()
        if self._born is None or (born, file) == (self._born, self._file):
            return born, noted, False
        # What was noted after the last use here covers all that was claimed here.
        if noted < self._used_at:
            noted = math.ceil(time.time())
            connection.execute(_NOTE, (noted,))
        return born, noted, True

    def _wait_until(self, deadline: Deadline, connection: sqlite3.Connection) -> None:
        """Have SQLite wait for other processes no longer than the call may last."""
        left = deadline.left()
        if abs(left - self._patience) > SLACK:
            connection.execute(f"PRAGMA busy_timeout = {int(left * 1000)}")
            self._patience = left

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        before = self._swept
        look = connection.execute(_LOOK, (int(now), before, PRUNE_ROWS))
        seen, last, latest = look.fetchone()
        self._swept = last if seen == PRUNE_ROWS else b""
        if latest is not None:
            with transaction(connection):
                connection.execute(_RAISE, (latest,))
                connection.execute(_FORGET, (before, last, latest))

    def _prune_values(self, connection: sqlite3.Connection, now: float) -> None:
        look = connection.execute(_LOOK_VALUES, (self._swept_values, PRUNE_ROWS))
        seen = look.fetchall()
        self._swept_values = seen[-1][0] if len(seen) == PRUNE_ROWS else b""
        dead = [(key, int(now)) for key, expires_at in seen if expires_at <= now]
        if dead:
            with transaction(connection):
                connection.executemany(_FORGET_VALUE, dead)

    def _close(self) -> None:
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            connection.close()

    def __del__(self) -> None:
        entered_child_unannounced()
        with contextlib.suppress(sqlite3.Error):
            self._close()

    def before_fork(self) -> None:
        super().before_fork()
        if self._held_for_fork:
            with contextlib.suppress(sqlite3.Error):
                self._close()

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        if self._connection is None:
            return
        # Using or closing it here would act on the parent's locks.
        keep_forever(self._connection)
        keep_forever(self._cursor)
        self._connection, self._cursor = None, None
        self._broken = (
            f"{self._setting} was in use while this process was forked without Python's hooks: "
            "load the application after the fork, or fork through os.fork()"
        )


def _value_of(cursor: sqlite3.Cursor, key: bytes) -> bytes | None:
    found = cursor.execute(_GET, (key, time.time())).fetchone()
    return None if found is None else bytes(found[0])
