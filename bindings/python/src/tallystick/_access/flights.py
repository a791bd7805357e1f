"""One fetch for all who ask for the same thing at the same time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from tallystick._core.forks import ForkAware, entered_child_unannounced

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Flights"]

T = TypeVar("T")


class Flights(ForkAware, Generic[T]):
    """The futures of fetches that are under way. Thread-safe and fork-safe.

    One that waits may give up without ending the fetch for others: these futures are running
    from the start, so they cannot be cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._open: dict[Hashable, Future[T]] = {}

    def join(self, key: Hashable, start: Callable[[Future[T]], None]) -> Future[T]:
        """Return the future for ``key``; the first call for a key calls ``start``.

        ``start`` must give the future a result soon.
        """
        entered_child_unannounced()
        with self._lock:
            flight = self._open.get(key)
            if flight is not None:
                return flight
            flight = self._open[key] = Future()
            flight.set_running_or_notify_cancel()
        flight.add_done_callback(lambda _: self._land(key, flight))
        try:
            start(flight)
        except BaseException as reason:
            flight.set_exception(reason)
            raise
        return flight

    def _land(self, key: Hashable, flight: Future[T]) -> None:
        with self._lock:
            if self._open.get(key) is flight:
                del self._open[key]

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._open = {}


async def landed(flight: Future[T]) -> T:
    """Wait for a flight in a task."""
    return await asyncio.wrap_future(flight)
