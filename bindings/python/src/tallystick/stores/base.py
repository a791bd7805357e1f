"""What the stores of this package have in common: their arguments, their time limit, their texts.

A store is one object that many engines, threads and tasks may use. It answers within its
``timeout``, or raises :class:`tallystick.StoreUnavailableError`.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick._core.arguments import must_be_text, must_be_whole, wrong_type
from tallystick._core.forks import ForkAware, entered_child_unannounced, keep_forever
from tallystick._core.problems import error

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAX_DOCUMENT",
    "MAX_SECONDS",
    "MAX_VALUE",
    "MOST_TIMEOUT",
    "BaseStore",
    "ClaimStore",
    "Deadline",
    "DocumentStore",
    "Threads",
    "must_be_claim",
    "must_be_document",
    "must_be_duration",
    "must_be_id",
    "must_be_name",
    "must_be_put",
    "must_be_version",
    "without_secret",
]

MAX_SECONDS = 1 << 31
"""The longest that something is kept."""

MAX_VALUE = 64 << 10
"""Bytes of a value."""

MAX_DOCUMENT = 8 << 20
"""Bytes of a document that is read and written with versions."""

MOST_TIMEOUT = 60
"""Seconds, the longest time limit of a store."""

Found = TypeVar("Found")

_is_id = re.compile("[0-9a-f]{32}").fullmatch
_is_name = re.compile("[A-Za-z0-9._-]{1,200}").fullmatch


class ClaimStore(ABC):
    """What an engine asks of a store: claims. Thread-safe and fork-safe.

    ``setting`` is how the store was chosen, without its secret: texts for the operator begin
    with it, such as ``store redis://127.0.0.1:6379/0``.
    """

    def __init__(self, setting: str, *, required: bool = True) -> None:
        self._setting = setting
        # Else an engine starts although the store cannot be used.
        self._required = required
        # Set before the call that saw the loss returns or raises.
        self._lost_at: float | None = None
        # Messages for the operator, each of which is logged once.
        self._notices: deque[str] = deque()

    @property
    def lost_at(self) -> float | None:
        """When the store was last seen to have lost what it held; ``None``: never.

        In seconds since 1970, by the clock of this host. It only grows.
        """
        return self._lost_at

    @abstractmethod
    def _check(self) -> None:
        """Raise :class:`StoreUnavailableError` where the store cannot be reached or used.

        Called when an engine starts, maybe inside of a running event loop.
        """

    @abstractmethod
    def claim(self, id: str, seconds: int) -> bool:
        """Claim an id for some seconds; ``True`` when it was free. One atomic step."""

    @abstractmethod
    async def aclaim(self, id: str, seconds: int) -> bool:
        """Do the same without blocking the event loop."""

    @abstractmethod
    def close(self) -> None:
        """Free connections and files; the next call opens them again."""


class BaseStore(ClaimStore):
    """A store of this package. ``id`` is 32 lower-case hex digits.

    Every method raises ``invalid_argument`` for a wrong argument, and
    :class:`tallystick.StoreUnavailableError` where the store cannot answer in time. That error's
    text names the setting, what happened and what to do, and holds no secret.
    """

    @abstractmethod
    def put(self, id: str, value: bytes, seconds: int) -> None:
        """Keep a value of up to 64 KiB for some seconds. It replaces an earlier one."""

    @abstractmethod
    def get(self, id: str) -> bytes | None:
        """Return a value that was put, or ``None``."""

    @abstractmethod
    def take(self, id: str) -> bytes | None:
        """Return a value and delete it in one atomic step: one of many callers gets it."""

    @abstractmethod
    async def aput(self, id: str, value: bytes, seconds: int) -> None:
        """Do the same without blocking the event loop."""

    @abstractmethod
    async def aget(self, id: str) -> bytes | None:
        """Do the same without blocking the event loop."""

    @abstractmethod
    async def atake(self, id: str) -> bytes | None:
        """Do the same without blocking the event loop."""

    @abstractmethod
    async def aclose(self) -> None:
        """Do the same without blocking the event loop."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._setting.removeprefix('store ')}>"


class DocumentStore(BaseStore):
    """A store that keeps documents too, such as key rings, without expiry.

    ``name``: 1 to 200 of ``A-Z a-z 0-9 . _ -``. Errors as of :class:`BaseStore`.
    """

    @abstractmethod
    def read(self, name: str) -> tuple[int, bytes] | None:
        """Return a document's version and the document, or ``None`` where there is none."""

    @abstractmethod
    def write(self, name: str, expected_version: int, value: bytes) -> bool:
        """Write a document of up to 8 MiB, where its version is still the expected one.

        Its version is then ``expected_version + 1``. 0: there must be none yet. ``False``: it has
        another version.
        """

    @abstractmethod
    async def aread(self, name: str) -> tuple[int, bytes] | None:
        """Do what :meth:`read` does without blocking the event loop."""

    @abstractmethod
    async def awrite(self, name: str, expected_version: int, value: bytes) -> bool:
        """Do what :meth:`write` does without blocking the event loop."""


class Deadline:
    """The end of one call, for everything that it waits for. Made when the call begins."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, at least 0."""
        left = self._end - time.monotonic()
        return left if left > 0 else 0.0


class Threads(ForkAware):
    """A few threads for calls that block, for asynchronous hosts. A forked child starts its own.

    Not the event loop's own threads: what waits for the store would keep them from everything else.
    A call is given a :class:`Deadline` that began before it waited for its thread.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[..., Found], *arguments: Any) -> Found:
        """Call a function in a thread. It must not raise ``StopIteration``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._started(), function, *arguments)

    def close(self) -> None:
        """End the threads when they have nothing to do; the next call starts others."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False)

    def _started(self) -> ThreadPoolExecutor:
        entered_child_unannounced()
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._most, "tallystick-store")
            return self._pool

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._pool is not None:
            keep_forever(self._pool)
        self._pool = None


def must_be_id(id: object) -> None:
    """Refuse what is no id: 32 lower-case hex digits."""
    if not isinstance(id, str):
        raise wrong_type("id", "a text", id)
    if _is_id(id) is None:
        raise error("invalid_argument", "id must be 32 lower-case hex digits")


def must_be_duration(seconds: Any) -> None:
    """Refuse what is no whole number of seconds from 1 to 2^31."""
    if type(seconds) is int and 1 <= seconds <= MAX_SECONDS:
        return
    must_be_whole("seconds", seconds)
    raise error("invalid_argument", "seconds must be 1 to 2^31")


def must_be_claim(id: object, seconds: Any) -> None:
    """Refuse wrong arguments of ``claim``."""
    must_be_id(id)
    must_be_duration(seconds)


def must_be_put(id: object, value: object, seconds: Any) -> None:
    """Refuse wrong arguments of ``put``."""
    must_be_claim(id, seconds)
    _must_be_bytes(value, MAX_VALUE, "64 KiB")


def must_be_document(value: object) -> None:
    """Refuse what is no value of a document: bytes, up to 8 MiB."""
    _must_be_bytes(value, MAX_DOCUMENT, "8 MiB")


def must_be_name(name: object) -> None:
    """Refuse what is no name of a document."""
    must_be_text("name", name)
    if _is_name(str(name)) is None:
        raise error("invalid_argument", "name must be 1 to 200 of A-Z a-z 0-9 . _ -")


def must_be_version(version: Any) -> None:
    """Refuse what is no version of a document: a whole number, 0 where there is none yet."""
    must_be_whole("expected_version", version)
    if version < 0:
        raise error("invalid_argument", "expected_version must be 0 or more")


def without_secret(url: str) -> str:
    """Return a URL without user, password, query and fragment, which may hold a secret."""
    scheme, _, rest = url.partition("://")
    address = re.split("[?#]", rest)[0]
    if rest.count("@") != address.count("@"):
        # A password that is not percent-encoded, or a query with an @: either may be secret.
        return f"{scheme}://..."
    return f"{scheme}://{address.rpartition('@')[2]}"


def _must_be_bytes(value: object, most: int, written: str) -> None:
    if not isinstance(value, bytes):
        raise wrong_type("value", "bytes", value)
    if len(value) > most:
        raise error("invalid_argument", f"value must be at most {written}")
