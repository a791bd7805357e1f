"""A store in one SQLite file, for all processes of a machine. The default."""

from __future__ import annotations

import os
from pathlib import Path

from tallystick._core.arguments import must_be_path, must_be_seconds, must_be_size
from tallystick._core.problems import error
from tallystick.stores.base import (
    MOST_TIMEOUT,
    BaseStore,
    Deadline,
    Threads,
    must_be_claim,
    must_be_id,
    must_be_put,
)
from tallystick.stores.sqlite_file import SQLiteFile
from tallystick.stores.sqlite_format import PAGE_SIZE

__all__ = ["SQLiteStore", "default_path"]

MAX_BYTES = 1 << 30

LEAST_PAGES = 16


class SQLiteStore(BaseStore):
    """The default store: one file, for all processes of a machine, whatever their language.

    ``path``
        the file, created 0600 (its folder 0700); ``None`` is ``store.sqlite3`` in
        ``$XDG_STATE_HOME/tallystick`` (else ``~/.local/state/tallystick``), which all agents of
        this user share.
    ``max_bytes``
        bytes of the file (default 1 GiB). A full file refuses, and forgets nothing that has not
        expired. The write-ahead log beside it is not counted: it is moved into the file every
        4,000 pages of 1 KiB, and grows further while several processes claim without a pause.
    ``timeout``
        seconds that a call may last (default 2), with all that it waits for: other threads,
        other processes. Then it raises.

    It survives ``kill -9`` and a restart; a power loss may cost the last claims. ``lost_at`` is set
    where the file was deleted or replaced while it was in use.

    Thread-safe. Fork-safe: no connection is open while a process forks, because SQLite's locks
    belong to a process and not to its children. The file system must be a local one.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        max_bytes: int = MAX_BYTES,
        timeout: float = 2,
    ) -> None:
        must_be_path("path", path)
        must_be_size("max_bytes", max_bytes)
        must_be_seconds("timeout", timeout, MOST_TIMEOUT)
        if max_bytes < LEAST_PAGES * PAGE_SIZE:
            raise error(
                "invalid_argument", f"max_bytes must be {LEAST_PAGES * PAGE_SIZE:,} bytes or more"
            )
        self._path = default_path() if path is None else Path(path).absolute()
        super().__init__("store " + self._path.as_uri().replace("file:", "sqlite:", 1))
        self._timeout = timeout
        self._file = SQLiteFile(self._path, max_bytes // PAGE_SIZE, self._setting)
        # One: the calls of a process wait for each other anyway.
        self._thread = Threads(1)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def lost_at(self) -> float | None:
        """When the file was last seen to be lost, in seconds since 1970; ``None``: never."""
        return self._file.lost_at

    def claim(self, id: str, seconds: int) -> bool:
        """Claim an id for some seconds; ``True`` when it was free. One atomic step."""
        must_be_claim(id, seconds)
        return self._file.claim(Deadline(self._timeout), id, seconds)

    def put(self, id: str, value: bytes, seconds: int) -> None:
        """Keep a value of up to 64 KiB for some seconds. It replaces an earlier one."""
        must_be_put(id, value, seconds)
        self._file.put(Deadline(self._timeout), id, value, seconds)

    def get(self, id: str) -> bytes | None:
        """Return a value that was put, or ``None``."""
        must_be_id(id)
        return self._file.get(Deadline(self._timeout), id)

    def take(self, id: str) -> bytes | None:
        """Return a value and delete it in one atomic step: one of many callers gets it."""
        must_be_id(id)
        return self._file.take(Deadline(self._timeout), id)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._thread.close()
        self._file.close(Deadline(self._timeout))

    async def aclaim(self, id: str, seconds: int) -> bool:
        must_be_claim(id, seconds)
        return await self._thread.run(self._file.claim, Deadline(self._timeout), id, seconds)

    async def aput(self, id: str, value: bytes, seconds: int) -> None:
        must_be_put(id, value, seconds)
        await self._thread.run(self._file.put, Deadline(self._timeout), id, value, seconds)

    async def aget(self, id: str) -> bytes | None:
        must_be_id(id)
        return await self._thread.run(self._file.get, Deadline(self._timeout), id)

    async def atake(self, id: str) -> bytes | None:
        must_be_id(id)
        return await self._thread.run(self._file.take, Deadline(self._timeout), id)

    async def aclose(self) -> None:
        await self._thread.run(self._file.close, Deadline(self._timeout))
        self._thread.close()

    def _check(self) -> None:
        self._file.check(Deadline(self._timeout))


def default_path() -> Path:
    """Return ``$XDG_STATE_HOME/tallystick/store.sqlite3`` (else ``~/.local/state``).

    All agents of a user share it. A token without ``htu`` names no receiver, so a token that
    was used at one agent of this machine is used up at all of them.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    # XDG says that a relative path is ignored.
    base = Path(state) if os.path.isabs(state) else _home() / ".local" / "state"
    return base / "tallystick" / "store.sqlite3"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as reason:
        raise error(
            "invalid_config",
            "this user has no home folder for the store: choose a file with "
            "store='sqlite:///absolute/path', or set the environment variable XDG_STATE_HOME",
        ) from reason
