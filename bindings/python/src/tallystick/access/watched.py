"""A private file that other processes may change while an engine uses it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tallystick.errors import TallystickError
from tallystick.forks import ForkAware, entered_child_unannounced

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick.access.private_file import PrivateFile, Stamp

    Deliver = Callable[[dict[str, Any]], None]

__all__ = ["Source", "WatchedFile"]

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""

_UNKNOWN = (0, 0, 0, 0)
"""No file's stamp."""

T = TypeVar("T")


class Source(Protocol):
    """Something that an engine is opened with and fed again. Thread-safe and fork-safe."""

    def load(self) -> dict[str, Any]:
        """Return members for ``engine.open``."""

    def refresh(self, deliver: Deliver) -> None:
        """Deliver members for ``engine.feed`` when they changed."""


class WatchedFile(ForkAware):
    """Remembers what of a file was delivered. Thread-safe and fork-safe."""

    def __init__(self, file: PrivateFile, logger: logging.Logger) -> None:
        super().__init__()
        self.file = file
        self._logger = logger
        self._lock = threading.Lock()
        self._known: Stamp | None = None
        self._looked = 0.0

    def load(self, read: Callable[[], T]) -> T:
        """Return what ``read`` gives, as known from now on."""
        entered_child_unannounced()
        with self._lock:
            # Before it is read: a change in between shows at the next look.
            stamp = self.file.stamp()
            found = read()
            # Where there was none, reading may have made it: the next look will tell.
            self._known, self._looked = stamp or _UNKNOWN, time.monotonic()
            return found

    def refresh(self, deliver: Callable[[], None]) -> None:
        """Call ``deliver`` when the file changed, looking at most once a second.

        When that fails what was known before goes on, and the log says so once per
        change.
        """
        if time.monotonic() - self._looked < LOOK_EVERY:
            return
        entered_child_unannounced()
        with self._lock:
            self._looked = time.monotonic()
            stamp = self.file.stamp()
            if stamp == self._known:
                return
            try:
                deliver()
            except TallystickError as refused:
                self._logger.error("%s", refused.message)
            self._known = stamp

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
