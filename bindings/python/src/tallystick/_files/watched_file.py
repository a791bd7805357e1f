"""A shared file that other processes may change while an engine uses it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from tallystick._core.forks import ForkAware, entered_child_unannounced
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick._files.shared_file import Look, SharedFile

    Deliver = Callable[[dict[str, Any]], None]

__all__ = ["Glances", "Source", "WatchedFile"]

LOOK_EVERY = 1.0
"""Seconds between two looks at the file."""


class Source(Protocol):
    """Content that an engine is opened with and fed again. Thread-safe and fork-safe."""

    def load(self) -> dict[str, Any]:
        """Return members for ``engine.open``."""

    def refresh(self, deliver: Deliver) -> None:
        """Deliver members for ``engine.feed`` if they have changed."""


class Glances(ForkAware):
    """Looks at something from time to time, in one thread at a time. Thread-safe and fork-safe."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._looked = 0.0

    def _glance(self, every: float, look: Callable[[], None]) -> None:
        """Look if the last look is so many seconds ago.

        It does not wait for another thread that is doing the same.
        """
        if time.monotonic() - self._looked < every:
            return
        entered_child_unannounced()
        lock = self._lock
        if not lock.acquire(blocking=False):
            return
        try:
            look()
        finally:
            lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


class WatchedFile(Glances):
    """Remembers which version of a shared file was delivered. Thread-safe and fork-safe."""

    def __init__(self, file: SharedFile, logger: logging.Logger) -> None:
        super().__init__()
        self.file = file
        self._logger = logger
        self._seen: Look | None = None
        self._found = False
        self._complained = ""
        self._stray = ""

    def read(self) -> str | None:
        """Return the text, which counts as delivered; ``None`` if there is no document."""
        entered_child_unannounced()
        with self._lock:
            # Before it is read: the next look shows a change in between.
            seen = self.file.look(None)
            text = self.file.read().text
            self._seen, self._looked = seen, time.monotonic()
            self._found = text is not None
            self._warn_of_stray()
            return text

    def update(
        self, change: Callable[[str | None], str | None], changed: Callable[[], None] | None = None
    ) -> None:
        """Change the document; see :meth:`SharedFile.update`. The next look reads it again.

        ``changed`` delivers what was committed, before any later version can be delivered: an
        older ring must not replace a newer one, which may have revoked it.
        """
        entered_child_unannounced()
        with self._lock:
            self._seen = None
            self._found = self.file.update(change).text is not None
            if changed is not None:
                changed()

    def refresh(self, deliver: Callable[[str | None], None]) -> None:
        """Call ``deliver`` with the text if it has changed. It looks at most once a second.

        If that fails, the content of before stays in use, the log says so once, and the next
        look tries again. It does not wait for another thread that is doing the same.
        """
        self._glance(LOOK_EVERY, lambda: self._look(deliver))

    def _look(self, deliver: Callable[[str | None], None]) -> None:
        self._looked = time.monotonic()
        before, self._seen = self._seen, self.file.look(self._seen)
        if self._seen == before:
            return
        try:
            text = self.file.read().text
            if text is None and self._found:
                raise self.file.wrong("is gone", "put it back; what was read goes on")
            deliver(text)
            self._found = text is not None
            self._complained = ""
        except TallystickError as refused:
            self._seen = None
            if refused.message != self._complained:
                self._logger.error("%s", refused.message)
            self._complained = refused.message
        self._warn_of_stray()

    def _warn_of_stray(self) -> None:
        stray = self.file.stray()
        if stray not in ("", self._stray):
            self._logger.warning("%s", stray)
        self._stray = stray
