"""The format of an SQLite store's file, the same in every language, and how it is opened."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
import time
from typing import TYPE_CHECKING

from tallystick.errors import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tallystick.stores.base import Deadline

__all__ = [
    "ANOTHER",
    "PAGE_SIZE",
    "SCHEMA",
    "create",
    "examine",
    "identity",
    "prepare",
    "transaction",
]

PAGE_SIZE = 1024
"""Bytes of a page. A claim writes one page; a small one costs half as much as a usual one."""

CACHE_KIB = 16_384
"""KiB of pages that a connection caches: some 400,000 live ids. Claims go to random pages."""

CHECKPOINT_PAGES = 4000
"""Pages in the log before they are moved into the file."""

APPLICATION = 1413565529
"""``application_id`` of the file: 0x54414C59, which is TALY."""

VERSION = 1
"""``user_version``: of the format."""

SCHEMA = """
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
"""

ANOTHER = "move it away, or choose another file with store='sqlite:///absolute/path'"


def examine(connection: sqlite3.Connection, setting: str) -> None:
    """Refuse a file of something else before anything is written into it."""
    # In one statement: another process may make the file at this moment.
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if (application, version) == (
        APPLICATION,
        VERSION,
    ) or application == version == tables == 0:
        return
    what = (
        f"its format is version {version}, and this package has {VERSION}"
        if application == APPLICATION
        else "it belongs to another application"
    )
    raise StoreUnavailableError(f"{setting} cannot be used ({what}): {ANOTHER}")


def prepare(connection: sqlite3.Connection, max_pages: int, deadline: Deadline) -> None:
    """Set up a connection. What is new gets the format's page size, and WAL."""
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    _switch_to_wal(connection, deadline)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA max_page_count = {max_pages}")


def _switch_to_wal(connection: sqlite3.Connection, deadline: Deadline) -> None:
    # SQLite does not wait here for other processes that switch at this moment.
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as reason:
            if "locked" not in str(reason) or deadline.left() == 0:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise OSError("this file system cannot share memory; a local one is needed")
        return


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do something in one transaction."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def create(path: Path) -> None:
    """Make the file before SQLite does, which would take the mode from the umask."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        # Not opened here: to close it would end the locks that other connections of this
        # process have on it (POSIX).
        _must_be_own_file(path)


def _must_be_own_file(path: Path) -> None:
    mode = path.lstat().st_mode
    # A symbolic link would let its owner choose the file that is created or written.
    if stat.S_ISLNK(mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # On Windows every file that is not read-only shows as writable for all.
    if os.name == "posix" and mode & stat.S_IWOTH:
        raise PermissionError(0, "every user may write to it and so free used tokens: chmod 600")
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def identity(path: str) -> tuple[int, int] | None:
    """Return which file lies there now."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
