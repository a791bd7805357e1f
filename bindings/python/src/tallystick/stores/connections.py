"""Connections to a server: some for the threads of a process, others for each event loop.

Each answers one question at a time. They are opened when they are needed.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import sys
import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from tallystick._core.arguments import must_be_flag, must_be_seconds
from tallystick._core.forks import ForkAware, entered_child_unannounced, keep_forever
from tallystick._core.problems import error
from tallystick._core.threads import in_thread
from tallystick.errors import StoreUnavailableError
from tallystick.stores.base import MOST_TIMEOUT, BaseStore, Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

__all__ = [
    "AnsweredError",
    "AsyncConnection",
    "Connection",
    "RefusedServerError",
    "ServerStore",
    "must_be_one_address",
    "refuse_clock",
    "wait_for_socket",
]

MOST_CLOCK_DIFFERENCE = 60
"""Seconds that the clocks of a server and of this host may differ."""

Opened = TypeVar("Opened", bound="_Usable")
Usable = TypeVar("Usable", bound="_Usable")
Found = TypeVar("Found")


class AnsweredError(Exception):
    """The server answered with an error. The connection is good for the next question.

    ``code`` is the server's, or "".
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class RefusedServerError(Exception):
    """Claims must not be made on this server. ``what`` says why, ``fix`` what to do."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


class _Usable(Protocol):
    def usable(self) -> bool:
        """Tell whether the next question may go over it. Does not wait, and raises nothing."""

    def close(self) -> None:
        """Close it without waiting for the server. Raises nothing."""


class Connection(_Usable, Protocol):
    """A connection of threads."""

    def ask(self, question: Any, deadline: Deadline) -> Any:
        """Return the server's answer. After any error but :class:`AnsweredError` it is closed."""


class AsyncConnection(_Usable, Protocol):
    """A connection of the tasks of one event loop."""

    async def ask(self, question: Any) -> Any:
        """Return the server's answer. After any error but :class:`AnsweredError` it is closed."""


AsyncConnect: TypeAlias = "Callable[[], Coroutine[Any, Any, AsyncConnection]]"


class ServerStore(BaseStore):
    """A store on a server. Thread-safe; a forked child opens connections of its own.

    ``timeout``
        seconds for one call: for a free connection, for connecting, and for the answer.
    ``most``
        connections of one process, and of each event loop.
    """

    def __init__(self, setting: str, *, required: bool, timeout: float, most: int) -> None:
        must_be_flag("required", required)
        must_be_seconds("timeout", timeout, MOST_TIMEOUT)
        super().__init__(setting, required=required)
        self._timeout = timeout
        self._noticed: dict[str, object] = {}
        self._pool = _Pool(most, self._connect)
        self._pools = _LoopPools(most, self._aopen)

    @abstractmethod
    def _connect(self) -> Connection:
        """Open a connection and check the server. Runs in a thread of its own."""

    @abstractmethod
    async def _aconnect(self) -> AsyncConnection:
        """Open a connection and check the server. May be cancelled at any time."""

    @abstractmethod
    def _explained(self, reason: Exception) -> tuple[str, str]:
        """Return what happened and what to do, without a secret."""

    def _check(self) -> None:
        self._pool.close()
        try:
            self._pool.reach(Deadline(self._timeout))
        except Exception as reason:
            raise self._failed(reason) from reason
        # Nothing is open when a server forks its workers after this.
        self._pool.close()

    async def _aopen(self) -> AsyncConnection:
        return await _within(self._timeout, self._aconnect())

    def _ask(self, question: Any) -> Any:
        try:
            return self._pool.ask(question, Deadline(self._timeout))
        except Exception as reason:
            raise self._failed(reason) from reason

    async def _aask(self, question: Any) -> Any:
        try:
            return await _within(self._timeout, self._pools.current().ask(question))
        except Exception as reason:
            raise self._failed(reason) from reason

    def _failed(self, reason: Exception) -> StoreUnavailableError:
        if isinstance(reason, RefusedServerError):
            return self._unusable(reason.what, reason.fix)
        # Python has two classes of this name, and so have libraries of clients.
        if type(reason).__name__ == "TimeoutError":
            return self._unusable(
                f"no answer within {self._timeout:g} s",
                "see whether the server runs, can be reached and is not overloaded",
            )
        return self._unusable(*self._explained(reason))

    def _unusable(self, what: str, fix: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._setting} cannot be used ({what}): {fix}")

    def _notice(self, text: str) -> None:
        """Tell the operator, once in each process."""
        # One step: threads look at the server at the same time.
        mine = object()
        if self._noticed.setdefault(text, mine) is mine:
            self._notices.append(f"{self._setting}: {text}")

    def close(self) -> None:
        self._pool.close()

    async def aclose(self) -> None:
        self._pools.close()
        self._pool.close()


class _Pool(ForkAware):
    """The connections of the threads of one process."""

    def __init__(self, most: int, connect: Callable[[], Connection]) -> None:
        super().__init__()
        self._most = most
        self._connect = connect
        self._start()

    def _start(self) -> None:
        self._places = threading.Semaphore(self._most)
        self._doors = threading.Semaphore(self._most)
        self._idle: list[Connection] = []

    def ask(self, question: Any, deadline: Deadline) -> Any:
        if os.getpid() != self._pid:
            entered_child_unannounced()
        places, idle = self._places, self._idle
        if not places.acquire(timeout=deadline.left()):
            raise TimeoutError
        try:
            connection = _next(idle) or self._open(deadline)
            try:
                answer = connection.ask(question, deadline)
            except AnsweredError:
                self._keep(connection, idle)
                raise
            except BaseException:
                connection.close()
                raise
            self._keep(connection, idle)
            return answer
        finally:
            places.release()

    def reach(self, deadline: Deadline) -> None:
        """Open a connection."""
        if os.getpid() != self._pid:
            entered_child_unannounced()
        idle = self._idle
        self._keep(self._open(deadline), idle)

    def close(self) -> None:
        idle, self._idle = self._idle, []
        _close_all(idle)

    def _open(self, deadline: Deadline) -> Connection:
        # What arrives too late for this call serves a later one.
        doors, idle = self._doors, self._idle
        if not doors.acquire(timeout=deadline.left()):
            raise TimeoutError
        arrived = _next(idle)
        if arrived is not None:
            doors.release()
            return arrived
        try:
            arrival = in_thread(self._connect, "tallystick-connect")
        except BaseException:
            doors.release()
            raise
        arrival.add_done_callback(lambda _: doors.release())
        try:
            return arrival.result(deadline.left())
        except BaseException:
            arrival.add_done_callback(lambda late: self._keep_late(late, idle))
            raise

    def _keep_late(self, arrival: Future[Connection], idle: list[Connection]) -> None:
        if arrival.exception() is None:
            self._keep(arrival.result(), idle)

    def _keep(self, connection: Connection, idle: list[Connection]) -> None:
        if idle is self._idle and len(idle) < self._most:
            idle.append(connection)
        else:
            connection.close()

    def __del__(self) -> None:
        if os.getpid() == self._pid:
            _close_all(self._idle)

    def after_fork_in_child(self) -> None:
        # Closing them would end the parent's sessions.
        keep_forever(self._idle)
        self._start()


class _AsyncPool:
    """The connections of the tasks of one event loop."""

    def __init__(self, most: int, connect: AsyncConnect) -> None:
        self._most = most
        self._connect = connect
        self._places = asyncio.Semaphore(most)
        self._doors = asyncio.Semaphore(most)
        self._idle: list[AsyncConnection] = []
        self._closed = False

    async def ask(self, question: Any) -> Any:
        async with self._places:
            connection = _next(self._idle) or await self._open()
            try:
                answer = await connection.ask(question)
            except AnsweredError:
                self._keep(connection)
                raise
            except BaseException:
                connection.close()
                raise
            self._keep(connection)
            return answer

    def close(self) -> None:
        self._closed = True
        _close_all(self._idle)

    async def _open(self) -> AsyncConnection:
        # What arrives too late for this call serves a later one.
        await self._doors.acquire()
        arrived = _next(self._idle)
        if arrived is not None:
            self._doors.release()
            return arrived
        arrival = asyncio.ensure_future(self._connect())
        arrival.add_done_callback(lambda _: self._doors.release())
        try:
            return await asyncio.shield(arrival)
        except asyncio.CancelledError:
            arrival.add_done_callback(self._keep_late)
            raise

    def _keep_late(self, arrival: asyncio.Future[AsyncConnection]) -> None:
        if not arrival.cancelled() and arrival.exception() is None:
            self._keep(arrival.result())

    def _keep(self, connection: AsyncConnection) -> None:
        if self._closed or len(self._idle) >= self._most:
            connection.close()
        else:
            self._idle.append(connection)


class _LoopPools(ForkAware):
    """A pool for each event loop: a connection belongs to the loop that it was opened in."""

    def __init__(self, most: int, connect: AsyncConnect) -> None:
        super().__init__()
        self._most = most
        self._connect = connect
        self._pools: dict[asyncio.AbstractEventLoop, _AsyncPool] = {}

    def current(self) -> _AsyncPool:
        """Return the pool of the running loop."""
        if os.getpid() != self._pid:
            entered_child_unannounced()
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            self._forget_closed_loops()
            pool = self._pools[loop] = _AsyncPool(self._most, self._connect)
        return pool

    def close(self) -> None:
        """Close the connections of the running loop."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            pool.close()

    def _forget_closed_loops(self) -> None:
        for loop, pool in list(self._pools.items()):
            if loop.is_closed():
                self._pools.pop(loop, None)
                pool.close()

    def after_fork_in_child(self) -> None:
        keep_forever(self._pools)
        self._pools = {}


def refuse_clock(server: float) -> None:
    """Refuse a server by its time, in seconds since 1970, where this host has another one."""
    ahead = server - time.time()
    if abs(ahead) > MOST_CLOCK_DIFFERENCE:
        how = "ahead of" if ahead > 0 else "behind"
        raise RefusedServerError(
            f"the server's clock is {abs(ahead):.0f} s {how} this host's",
            "set both clocks, for example with NTP",
        )


def must_be_one_address(url: str) -> None:
    """Refuse a URL in which a part of the password would be read as the address.

    The address is in the texts of errors.
    """
    _, _, rest = url.partition("://")
    user, found, address = rest.partition("@")
    if "@" in address or (found and any(mark in user for mark in "/?#")):
        raise error(
            "invalid_argument",
            "server: a special character in the URL's user, password or options must be "
            "percent-encoded (@ is %40, / is %2F, ? is %3F, # is %23)",
        )


def wait_for_socket(descriptor: Any, seconds: float, *, write: bool = False) -> bool:
    """Wait until a socket can be read, or also be written; tell whether it can in time."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | (select.POLLOUT if write else 0))
        return bool(poll.poll(math.ceil(seconds * 1000)))
    found = select.select([descriptor], [descriptor] if write else [], [], seconds)
    return bool(found[0] or found[1])


def _next(idle: list[Usable]) -> Usable | None:
    """Take a connection that can be used; close those that cannot."""
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        if connection.usable():
            return connection
        connection.close()


def _close_all(idle: list[Any]) -> None:
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return
        connection.close()


async def _within(seconds: float, work: Coroutine[Any, Any, Found]) -> Found:
    if sys.version_info >= (3, 11):
        async with asyncio.timeout(seconds):
            return await work
    return await asyncio.wait_for(work, seconds)
