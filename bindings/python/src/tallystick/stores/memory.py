"""Stores in the memory of this process: the core's window, and an object for tests."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tallystick._core.forks import ForkAware
from tallystick._core.problems import error
from tallystick.errors import StoreUnavailableError
from tallystick.stores.base import BaseStore, must_be_claim, must_be_id, must_be_put

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick._core.engine import Need, Reply

__all__ = ["CoreMemory", "MemoryStore"]

MEMORY_OF_ONE_PROCESS = (
    "used tokens are remembered in the memory of this process alone: a token works once in each "
    "process (worker, container, machine), and again after a restart; give the option store a "
    "store that all of them share"
)
"""The same text in every language."""

MOST_CLAIMS = 100_000
"""Live claims of a :class:`MemoryStore`; one more is refused. Some 15 MB."""

MOST_VALUES = 10_000

_warned = False

Value = TypeVar("Value")


class CoreMemory(ForkAware):
    """The window of the core, for ``memory:``. Thread-safe and fork-safe.

    Remembers the latest expiry of what was accepted (``replay_floor`` in abi.md): the core's memory
    is lost with its instance, after a trap, a fork or a close. The next one refuses tokens that
    expire no later than this, as they may have been used before.
    """

    def __init__(self, logger: logging.Logger, *, warns: bool = True) -> None:
        super().__init__()
        self._logger = logger
        self._warns = warns
        self._latest = 0.0
        self._lock = threading.Lock()

    def start(self, feed: Callable[[dict[str, Any]], None]) -> None:  # noqa: ARG002
        """Warn, once in each process, that a restart and other processes know nothing."""
        if self._warns and _first_of_process():
            self._logger.warning("%s", MEMORY_OF_ONE_PROCESS)

    def value(self, need: Need) -> Reply:
        """Keep nothing: the core's memory has used tokens alone."""
        raise error("internal", f"the core asked for {need['kind']!r} of its own memory")

    async def avalue(self, need: Need) -> Reply:
        """Do the same."""
        return self.value(need)

    def configuration(self) -> dict[str, Any]:
        return {"replay": "memory", "replay_floor": self.floor}

    def answer(self, need: Need) -> Reply:
        raise error("internal", f"the core asked for {need['kind']!r}, which it does itself here")

    async def aanswer(self, need: Need) -> Reply:
        return self.answer(need)

    def close(self) -> None:
        """The window is closed with its engine."""

    def note(self, expires_at: float) -> None:
        with self._lock:
            self._latest = max(self._latest, expires_at)

    @property
    def floor(self) -> int:
        """The latest expiry that was accepted, in seconds since 1970; 0 at the start."""
        return math.ceil(self._latest)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


class MemoryStore(BaseStore):
    """A store in the memory of this process, for tests: it is gone with the process.

    It holds up to 10,000 values and 100,000 claims, and refuses more.

    Thread-safe. A forked child has a copy of its own: what one process claims is free in the other.
    """

    def __init__(self) -> None:
        super().__init__("store memory:")
        self._used = _Kept[bool](MOST_CLAIMS)
        self._values = _Kept[bytes](MOST_VALUES)

    def claim(self, id: str, seconds: int) -> bool:
        """Claim an id for some seconds; ``True`` when it was free. One atomic step."""
        must_be_claim(id, seconds)
        return self._used.add(id, True, seconds)

    def put(self, id: str, value: bytes, seconds: int) -> None:
        """Keep a value of up to 64 KiB for some seconds. It replaces an earlier one."""
        must_be_put(id, value, seconds)
        self._values.put(id, value, seconds)

    def get(self, id: str) -> bytes | None:
        """Return a value that was put, or ``None``."""
        must_be_id(id)
        return self._values.get(id)

    def take(self, id: str) -> bytes | None:
        """Return a value and delete it in one atomic step: one of many callers gets it."""
        must_be_id(id)
        return self._values.take(id)

    def close(self) -> None:
        """Nothing is freed: what it holds would be lost."""

    async def aclaim(self, id: str, seconds: int) -> bool:
        return self.claim(id, seconds)

    async def aput(self, id: str, value: bytes, seconds: int) -> None:
        self.put(id, value, seconds)

    async def aget(self, id: str) -> bytes | None:
        return self.get(id)

    async def atake(self, id: str) -> bytes | None:
        return self.take(id)

    async def aclose(self) -> None:
        """Nothing is freed: what it holds would be lost."""

    def _check(self) -> None:
        if _first_of_process():
            self._notices.append(MEMORY_OF_ONE_PROCESS)


def _first_of_process() -> bool:
    global _warned
    first, _warned = not _warned, True
    return first


class _Kept(ForkAware, Generic[Value]):
    """What is kept by id for some time, up to a number. Thread-safe and fork-safe."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Value]] = {}

    def add(self, id: str, value: Value, seconds: int) -> bool:
        """Keep a value, if there is none."""
        with self._lock:
            if self._live(id) is not None:
                return False
            self._keep(id, value, seconds)
            return True

    def put(self, id: str, value: Value, seconds: int) -> None:
        with self._lock:
            self._keep(id, value, seconds)

    def get(self, id: str) -> Value | None:
        with self._lock:
            return self._live(id)

    def take(self, id: str) -> Value | None:
        with self._lock:
            value = self._live(id)
            self._held.pop(id, None)
            return value

    def _live(self, id: str) -> Value | None:
        until, value = self._held.get(id, (0.0, None))
        return value if until > time.monotonic() else None

    def _keep(self, id: str, value: Value, seconds: int) -> None:
        now = time.monotonic()
        if id not in self._held and len(self._held) >= self._most:
            self._held = {each: kept for each, kept in self._held.items() if kept[0] > now}
            if len(self._held) >= self._most:
                raise StoreUnavailableError(
                    f"store memory: is full ({self._most:,} that have not expired): it is for "
                    "tests, so give the option store 'sqlite:' or the URL of a server"
                )
        self._held[id] = (now + seconds, value)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
