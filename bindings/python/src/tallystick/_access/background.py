"""One event loop in a thread of its own, for fetching and for asynchronous stores.

So one set of connections serves threads and tasks of any event loop, and one time limit covers
everything: a name that does not resolve, an answer of a byte a second.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick._core.forks import ForkAware, entered_child_unannounced, keep_forever

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["background"]

Found = TypeVar("Found")

PATIENCE = 1
"""Seconds that the end of the program waits for what is being closed."""


class Background(ForkAware):
    """The loop, started at first use. Thread-safe; a forked child starts its own."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._running: set[asyncio.Task[object]] = set()
        self._closing: set[asyncio.Task[object]] = set()

    def wait(self, coroutine: Coroutine[Any, Any, Found]) -> Found:
        """Run a coroutine in the loop, and return what it returns."""
        entered_child_unannounced()
        with self._lock:
            loop = self._loop or self._open()
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, coroutine: Coroutine[Any, Any, object], *, closes: bool = False) -> None:
        """Run a coroutine in the loop. What ``closes`` something is waited for by :meth:`stop`."""
        entered_child_unannounced()
        with self._lock:
            loop = self._loop or self._open()
            loop.call_soon_threadsafe(self._run, coroutine, closes)

    def _run(self, coroutine: Coroutine[Any, Any, object], closes: bool) -> None:
        # The loop itself holds tasks only weakly.
        tasks = self._closing if closes else self._running
        task = asyncio.ensure_future(coroutine)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def stop(self) -> None:
        """End the thread; the next call starts another."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._wind_up(), loop)
        thread.join(2 * PATIENCE)
        if not thread.is_alive():
            loop.close()

    async def _wind_up(self) -> None:
        if self._closing:
            await asyncio.wait(self._closing, timeout=PATIENCE)
        asyncio.get_running_loop().stop()

    def _open(self) -> asyncio.AbstractEventLoop:
        self._loop = loop = asyncio.new_event_loop()
        # A daemon: a fetch that is under way does not keep a program from ending.
        self._thread = threading.Thread(
            target=loop.run_forever, name="tallystick-background", daemon=True
        )
        self._thread.start()
        return loop

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        if self._loop is not None:
            # Closing it would remove the parent's sockets from the parent's epoll.
            keep_forever(self._loop)
        self._loop = None
        self._thread = None
        self._running, self._closing = set(), set()


background = Background()
atexit.register(background.stop)
