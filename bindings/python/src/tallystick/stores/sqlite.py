"""A replay memory in one SQLite file, shared by all processes of a machine.

It survives ``kill -9`` and a restart (WAL; an unsynced power loss may cost the last
claims). Times are whole seconds since 1970.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tallystick._core.arguments import must_be_number, must_be_path, must_be_whole
from tallystick._core.forks import LockedAcrossForks, entered_child_unannounced, keep_forever
from tallystick._core.problems import error
from tallystick.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tallystick._core.engine import Need

__all__ = ["ReplayFile", "SQLiteReplay", "default_path", "file_of"]

PRUNE_EVERY = 64
"""Claims of a process between two prunings."""

PRUNE_ROWS = 256
"""Rows that one pruning looks at: four for each claim, so that it is faster than the claims."""

MAX_BYTES = 1 << 30

ID_SIZE = 16
"""Bytes of the id that stands for an issuer and a jti."""

PAGE_SIZE = 1024
"""Bytes of a page. A claim writes one page; a small one costs half as much as a usual one."""

CACHE_KIB = 16_384
"""KiB of pages that a connection caches: some 400,000 live ids. Claims go to random pages."""

CHECKPOINT_PAGES = 4000
"""Pages in the log before they are moved into the file."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS tallystick_used (
    id BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallystick_floor (
    one INTEGER PRIMARY KEY CHECK (one = 1), pruned INTEGER NOT NULL, born BLOB NOT NULL);
INSERT OR IGNORE INTO tallystick_floor VALUES (1, -9223372036854775808, randomblob(16));
"""

# One statement is one atomic step. Tokens that expire before the last pruning count as taken,
# so that a clock that steps back reopens nothing.
_CLAIM = """
INSERT INTO tallystick_used (id, expires_at)
SELECT ?, ? WHERE ? > (SELECT pruned FROM tallystick_floor)
ON CONFLICT (id) DO NOTHING
"""

# The table is pruned in the order of its ids: an index by expiry would double what each claim
# writes.
_LOOK = """
SELECT count(*), max(id), max(CASE WHEN expires_at < ? THEN expires_at END) FROM (
    SELECT id, expires_at FROM tallystick_used WHERE id > ? ORDER BY id LIMIT ?)
"""
_FORGET = "DELETE FROM tallystick_used WHERE id > ? AND id <= ? AND expires_at <= ?"
_RAISE = "UPDATE tallystick_floor SET pruned = max(pruned, ?)"

_FIXES = (
    ("Is a directory", "it is a folder: name a file in it"),
    ("not a database", "move it away, or choose another file with AgentAuth(replay=PATH)"),
    ("malformed", "move it away, or choose another file with AgentAuth(replay=PATH)"),
    ("full", "free space on that disk, or raise the limit: SQLiteReplay(PATH, max_bytes=...)"),
    ("locked", "see which process holds it; claims wait for a bounded time"),
)
_DEFAULT_FIX = (
    "make the file and its folder writable for this user, "
    "or choose another file with AgentAuth(replay=PATH)"
)


def default_path() -> Path:
    """Return ``$XDG_STATE_HOME/tallystick/replay.sqlite3`` (else ``~/.local/state``).

    All agents of a user share it. A token without ``htu`` names no receiver, so a token that
    was used at one agent of this machine is used up at all of them.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # XDG says that a relative path is ignored.
    base = Path(state) if os.path.isabs(state) else _home() / ".local" / "state"
    return base / "tallystick" / "replay.sqlite3"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as reason:
        raise error(
            "invalid_config",
            "this user has no home folder for the replay file: choose one with "
            "AgentAuth(replay=PATH) or the environment variable XDG_STATE_HOME",
        ) from reason


class ReplayFile(LockedAcrossForks):
    """The file behind a :class:`SQLiteReplay`: answers the need ``claim`` (abi.md)."""

    _connection: sqlite3.Connection | None = None
    _cursor: sqlite3.Cursor | None = None

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        busy_timeout: float = 2.0,
    ) -> None:
        super().__init__()
        must_be_path("path", path)
        must_be_number("max_bytes", max_bytes)
        must_be_number("busy_timeout", busy_timeout)
        if max_bytes < 16 * PAGE_SIZE or not 0 <= busy_timeout <= 60:
            raise error(
                "invalid_argument",
                f"SQLiteReplay takes max_bytes of at least {16 * PAGE_SIZE} bytes "
                "and a busy_timeout of 0 to 60 seconds",
            )
        self._path = default_path() if path is None else Path(path).absolute()
        self._name = os.fspath(self._path)
        self._max_pages = max_bytes // PAGE_SIZE
        self._busy_timeout = busy_timeout
        self._file: tuple[int, int] | None = None
        self._born: bytes | None = None
        self._latest: int | None = None
        self._claims = 0
        self._swept = b""
        self._broken = ""
        self.notice = ""

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    def check(self) -> None:
        """Create and try the file, then close it. Raises what a claim would raise."""
        with self._lock:
            try:
                self._open()
            except (sqlite3.Error, OSError) as reason:
                raise self._failed(reason) from reason
            self._close()

    def claim_need(self, need: Need) -> bool:
        """Claim for the need ``claim`` (abi.md); see :meth:`claim_id`."""
        return self._claim(bytes.fromhex(need["id"]), need["expires_at"], need["now"])

    def take_notice(self) -> str:
        """Return, once, that tokens are refused because the file was lost; else ""."""
        with self._lock:
            notice, self.notice = self.notice, ""
        return notice

    def claim_id(self, identifier: bytes, expires_at: int, now: float) -> bool:
        """Claim 16 bytes that stand for (issuer, jti); ``True`` when they were free.

        ``expires_at`` is in whole seconds since 1970, ``now`` in seconds. Raises
        ``invalid_argument`` and :class:`tallystick.StoreUnavailableError`, whose text
        names the file and the fix.
        """
        if not isinstance(identifier, bytes) or len(identifier) != ID_SIZE:
            raise error("invalid_argument", f"identifier must be {ID_SIZE} bytes")
        must_be_whole("expires_at", expires_at)
        must_be_number("now", now)
        return self._claim(identifier, expires_at, now)

    def _claim(self, identifier: bytes, expires_at: int, now: float) -> bool:
        if os.getpid() != self._pid:
            entered_child_unannounced()
        with self._lock:
            try:
                return self._claim_locked(identifier, expires_at, now)
            except (sqlite3.Error, OSError) as reason:
                raise self._failed(reason) from reason
            except BaseException:
                # A signal handler may raise anywhere, also after the begin of a transaction:
                # claims in that transaction would be lost.
                self._close()
                raise

    def _claim_locked(self, identifier: bytes, expires_at: int, now: float) -> bool:
        cursor = self._current()
        if self._claims % PRUNE_EVERY == 0:
            self._prune(cursor.connection, now)
        self._claims += 1
        try:
            claimed = _insert(cursor, identifier, expires_at)
        except sqlite3.Error as reason:
            if "full" not in str(reason):
                raise
            # Twice: the first pruning may be near the end of the table.
            self._prune(cursor.connection, now)
            self._prune(cursor.connection, now)
            claimed = _insert(cursor, identifier, expires_at)
        self._latest = max(self._latest or expires_at, expires_at)
        return claimed

    def close(self) -> None:
        """Close the file; the next claim opens it again."""
        with self._lock:
            self._close()

    def _failed(self, reason: Exception) -> StoreUnavailableError:
        # After any failure the next claim starts with a fresh connection.
        with contextlib.suppress(sqlite3.Error):
            self._close()
        text = getattr(reason, "strerror", None) or str(reason)
        fix = next((fix for word, fix in _FIXES if word in text), _DEFAULT_FIX)
        return StoreUnavailableError(f"the replay file {self._path} cannot be used ({text}): {fix}")

    def _current(self) -> sqlite3.Cursor:
        if self._broken:
            raise StoreUnavailableError(self._broken)
        if self._connection is None or self._cursor is None or self._connection.in_transaction:
            self._close()
            return self._open()
        if _identity(self._name) != self._file:
            self._remember(self._connection)
            self._close()
            raise StoreUnavailableError(
                f"the replay file {self._path} was deleted or replaced while in use; a new one is "
                "started, and tokens that are known to have been used stay refused: leave it alone"
            )
        return self._cursor

    def _remember(self, connection: sqlite3.Connection) -> None:
        # Whatever takes its place is another file, even an older copy of this one.
        self._born = b""
        # The deleted file is still open here, with the claims of other processes.
        with contextlib.suppress(sqlite3.Error):
            (latest,) = connection.execute("SELECT max(expires_at) FROM tallystick_used").fetchone()
            if latest is not None:
                self._latest = max(self._latest or latest, latest)

    def _open(self) -> sqlite3.Cursor:
        if self._broken:
            raise StoreUnavailableError(self._broken)
        _create(self._path)
        before = _identity(self._name)
        connection = sqlite3.connect(
            self._path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
            if _identity(self._name) != before:
                raise OSError("it was replaced while it was being opened")
        except BaseException:
            # Else it would keep its locks as long as the exception is referenced.
            connection.close()
            raise
        self._connection, self._cursor, self._file = connection, connection.cursor(), before
        return self._cursor

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        self._switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
        with _transaction(connection):
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            born, raised = self._recognise(connection)
        self._born = born
        if raised:
            self.notice = (
                f"the replay file {self._path} is not the one that was used: a token that expires "
                f"by {self._latest} (seconds since 1970) is refused as used, because it may have "
                "been used in the file that was lost"
            )

    def _recognise(self, connection: sqlite3.Connection) -> tuple[bytes, bool]:
        """Return the id of this file, and whether another file was lost."""
        born, pruned = connection.execute("SELECT born, pruned FROM tallystick_floor").fetchone()
        if self._born in (None, born) or self._latest is None or self._latest <= pruned:
            return born, False
        # Another file than the one before: tokens that this process may have accepted stay
        # refused.
        connection.execute(_RAISE, (self._latest,))
        return born, True

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        # SQLite does not wait here for other processes that switch at this moment.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as reason:
                if "locked" not in str(reason) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise OSError("this file system cannot share memory; a local one is needed")
            return

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        before = self._swept
        look = connection.execute(_LOOK, (int(now), before, PRUNE_ROWS))
        seen, last, latest = look.fetchone()
        self._swept = last if seen == PRUNE_ROWS else b""
        if latest is not None:
            with _transaction(connection):
                connection.execute(_RAISE, (latest,))
                connection.execute(_FORGET, (before, last, latest))

    def _close(self) -> None:
        connection, self._connection, self._cursor, self._file = self._connection, None, None, None
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
            f"this process was forked while the replay file {self._path} was in use: "
            "load the application after the fork, or fork through os.fork()"
        )


class SQLiteReplay:
    """The default store of used tokens: one file, for all workers of a machine.

    ``path``
        the file, created 0600 (its folder 0700); ``None`` is :func:`default_path`.
    ``max_bytes``
        bytes of the file (default 1 GiB). A full file refuses new claims and forgets no live
        one. The write-ahead log beside it is not counted: it is moved into the file every 4,000
        pages of 1 KiB, and grows further while several processes claim without a pause.
    ``busy_timeout``
        seconds that a claim waits for other processes (default 2). After that it refuses.

    Thread-safe. Fork-safe: no connection is open while a process forks, because
    SQLite's locks belong to a process and not to its children.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        busy_timeout: float = 2.0,
    ) -> None:
        self._file = ReplayFile(path, max_bytes=max_bytes, busy_timeout=busy_timeout)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def close(self) -> None:
        """Close the file; the next claim opens it again."""
        self._file.close()


def file_of(store: SQLiteReplay) -> ReplayFile:
    """Return the file of a store, which makes the claims."""
    return store._file  # noqa: SLF001


def _insert(cursor: sqlite3.Cursor, identifier: bytes, expires_at: int) -> bool:
    return cursor.execute(_CLAIM, (identifier, expires_at, expires_at)).rowcount == 1


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _create(path: Path) -> None:
    """Make the file before SQLite does, which would take the mode from the umask."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A symbolic link would let its owner choose the file that is created or written.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        # On Windows every file that is not read-only shows as writable for all.
        if os.name == "posix" and os.fstat(descriptor).st_mode & stat.S_IWOTH:
            raise PermissionError(
                0, "every user may write to it and so free used tokens: chmod 600"
            )
    finally:
        os.close(descriptor)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
