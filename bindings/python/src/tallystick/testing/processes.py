"""The processes that ask a store, and what each call came to."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import multiprocessing
import random
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.stores.base import BaseStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

__all__ = ["LOAD", "Attempt", "FoundError", "Processes", "StoreTestError", "new_ids"]

LOAD = 3.0
"""Seconds of claims around a restart."""

RECOVERY = 20.0
"""Seconds that a store may take to answer after an outage."""

PATIENCE = 120.0
"""Seconds after which a process counts as hanging."""


class StoreTestError(AssertionError):
    """A store does not do what agents rely on. ``check`` is the name of what it failed."""

    def __init__(self, check: str, found: str) -> None:
        super().__init__(f"{check}: {found}")
        self.check = check


class FoundError(Exception):
    """What is wrong with the store."""


class Attempt(NamedTuple):
    """One call. Times are in seconds since 1970.

    ``answer``
        what it returned; a text that names its type in place of what no store may return.
    ``raised``
        what it raised instead.
    """

    id: str
    answer: bool | bytes | str | None
    raised: str
    began: float
    took: float
    lost_at: float | None


def new_ids(count: int) -> list[str]:
    """Return ids that nobody has claimed."""
    return [random.randbytes(16).hex() for _ in range(count)]  # noqa: S311


class Processes:
    """The processes that ask the store."""

    def __init__(self, open_store: Callable[[], Any], processes: int, claimants: int) -> None:
        context = multiprocessing.get_context("spawn")
        # Kept: it is gone with its last reference in this process.
        self._meeting = context.Barrier(processes)
        self._pipes, self._ends = zip(*(context.Pipe() for _ in range(processes)), strict=True)
        self._processes = [
            context.Process(
                target=_serve, args=(end, open_store, claimants, self._meeting), daemon=True
            )
            for end in self._ends
        ]
        self.has: set[str] = set()
        """The methods that the store has."""

    def __enter__(self) -> Processes:
        for process, end in zip(self._processes, self._ends, strict=True):
            process.start()
            end.close()
        try:
            for pipe in self._pipes:
                self.has = set(_received(pipe))
        except BaseException as reason:
            self.__exit__()
            if isinstance(reason, FoundError):
                raise StoreTestError("open_store", str(reason)) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        for process in self._processes:
            process.join(5)
            process.kill()
            process.join()
        for pipe in self._pipes:
            pipe.close()

    def call(self, number: int, method: str, *arguments: Any) -> Attempt:
        """Have one process call a method."""
        self._pipes[number].send(("call", (method, *arguments)))
        attempt: Attempt = _received(self._pipes[number])
        return attempt

    def all(self, task: str, *arguments: Any) -> list[Attempt]:
        """Have all processes do a task at the same time."""
        with self.during(task, *arguments) as attempts:
            pass
        return attempts

    @contextlib.contextmanager
    def during(self, task: str, *arguments: Any) -> Iterator[list[Attempt]]:
        """Do something while all processes do a task; the list is filled afterwards."""
        for pipe in self._pipes:
            pipe.send((task, arguments))
        attempts: list[Attempt] = []
        yield attempts
        for pipe in self._pipes:
            attempts.extend(_received(pipe))


def _received(pipe: Connection) -> Any:
    if not pipe.poll(PATIENCE):
        raise FoundError("a process hangs in a call of the store")
    try:
        passed, result = pipe.recv()
    except EOFError:
        raise FoundError("a process that used the store has died") from None
    if not passed:
        raise FoundError(f"a process failed:\n{result}")
    return result


def _serve(
    pipe: Connection, open_store: Callable[[], Any], claimants: int, meeting: Barrier
) -> None:
    """Do the tasks of one process."""
    try:
        worker = _Worker(open_store(), claimants, meeting)
        pipe.send((True, worker.has))
        while (task := pipe.recv()) is not None:
            name, arguments = task
            pipe.send((True, getattr(worker, name)(*arguments)))
        worker.close()
    except EOFError:
        return
    except BaseException:
        pipe.send((False, traceback.format_exc()))


class _Worker:
    """One process. An async method runs in one event loop, as in an agent."""

    def __init__(self, store: Any, claimants: int, meeting: Barrier) -> None:
        self._store = store
        self._claimants = claimants
        self._meeting = meeting
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def has(self) -> set[str]:
        """The methods that the store has; ``setting``: it is one of this package."""
        names = {
            "claim",
            *(a + name for a in ("", "a") for name in ("claim", "put", "get", "take")),
        }
        found = {name for name in names if callable(getattr(self._store, name, None))}
        return {*found, "setting"} if isinstance(self._store, BaseStore) else found

    def close(self) -> None:
        for name in ("aclose", "close"):
            if callable(getattr(self._store, name, None)):
                self.call(name)

    def call(self, method: str, *arguments: Any) -> Attempt:
        began, clock = time.time(), time.monotonic()
        answer, raised = None, ""
        try:
            answer = getattr(self._store, method)(*arguments)
            if inspect.isawaitable(answer):
                answer = asyncio.run_coroutine_threadsafe(_awaited(answer), self._loop).result()
        except Exception as reason:
            raised = f"{type(reason).__name__}: {reason}"
        if not isinstance(answer, (bool, bytes, type(None))):
            answer = f"an object of {type(answer).__name__}"
        took = time.monotonic() - clock
        key = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        return Attempt(key, answer, raised, began, took, getattr(self._store, "lost_at", None))

    def race(self, method: str, ids: Sequence[str], *arguments: Any) -> list[Attempt]:
        """Have all threads of all processes call with the same id at the same moment."""
        gate = threading.Barrier(self._claimants, action=self._meet)

        def claimant(_: int) -> list[Attempt]:
            attempts = []
            for key in ids:
                gate.wait(PATIENCE)
                attempts.append(self.call(method, key, *arguments))
            return attempts

        return self._threads(claimant)

    def _meet(self) -> None:
        self._meeting.wait(PATIENCE)

    def spread(self, seconds: int) -> list[Attempt]:
        """Have each thread claim an id of its own."""
        return self._threads(lambda _: [self.call("claim", *new_ids(1), seconds)])

    def load(self, ids: Sequence[str], seconds: int) -> list[Attempt]:
        """Have all threads claim some of these ids again and again; return all but refusals."""
        end = time.monotonic() + LOAD

        def claimant(_: int) -> list[Attempt]:
            attempts = []
            while time.monotonic() < end:
                attempt = self.call("claim", random.choice(ids), seconds)  # noqa: S311
                if attempt.answer is not False:
                    attempts.append(attempt)
                time.sleep(0.01 if attempt.raised else 0)
            return attempts

        return self._threads(claimant)

    def recover(self, seconds: int) -> list[Attempt]:
        """Claim until it is answered."""
        end = time.monotonic() + RECOVERY
        while True:
            attempt = self.call("claim", *new_ids(1), seconds)
            if attempt.answer is True:
                return [attempt]
            if time.monotonic() > end:
                raise RuntimeError(f"it does not answer after an outage: {attempt.raised}")
            time.sleep(0.05)

    def _threads(self, claimant: Callable[[int], list[Attempt]]) -> list[Attempt]:
        with ThreadPoolExecutor(self._claimants) as pool:
            return [each for found in pool.map(claimant, range(self._claimants)) for each in found]


async def _awaited(answer: Any) -> Any:
    return await answer
