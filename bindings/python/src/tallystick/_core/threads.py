"""Work in a thread of its own."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["in_thread"]

Found = TypeVar("Found")


def in_thread(work: Callable[[], Found], name: str) -> Future[Found]:
    """Begin work in a daemon thread; what it returns or raises is in the future.

    The future cannot be cancelled: whoever gives up says what becomes of the result.
    """
    future: Future[Found] = Future()
    future.set_running_or_notify_cancel()
    threading.Thread(target=_fulfil, args=(future, work), name=name, daemon=True).start()
    return future


def _fulfil(future: Future[Found], work: Callable[[], Found]) -> None:
    try:
        found = work()
    except BaseException as reason:
        future.set_exception(reason)
    else:
        future.set_result(found)
