"""One fetch for everybody who asks for the same at the same time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

from tallystick.forks import ForkAware, entered_child_unannounced

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["Flights"]

T = TypeVar("T")


class Flights(ForkAware, Generic[T]):
    """Futures of what is under way. Thread-safe and fork-safe.

    Whoever waits may give up without ending it for the others: a future here is
    running from the start, so it cannot be cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._open: dict[Hashable, Future[T]] = {}

    def join(self, key: Hashable, start: Callable[[Future[T]], None]) -> Future[T]:
        """Return the future for ``key``; ``start`` is called for the first who asks.

        ``start`` sees to it that the future gets a result, and soon.
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
