"""A shared text that other processes may change while an engine uses it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from tallystick._core.forks import ForkAware, entered_child_unannounced
from tallystick._core.threads import in_thread
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from concurrent.futures import Future

    from tallystick._files.shared_text import SharedText

    Deliver = Callable[[dict[str, Any]], None]

__all__ = ["Glances", "Source", "WatchedText"]

LOOK_EVERY = 1.0
"""Seconds between two looks at the text."""

OVERDUE = 4.0
"""Seconds since the end of the last look, after which what was read may be too old to use.

While requests come, one look follows another, and each ends sooner.
"""


class Source(Protocol):
    """Content that an engine is opened with and fed again. Thread-safe and fork-safe."""

    def load(self) -> dict[str, Any]:
        """Return members for ``engine.open``."""

    def refresh(self, deliver: Deliver) -> Future[None] | None:
        """Deliver members for ``engine.feed`` if they have changed.

        Where a look waits for another machine, it goes on in a thread, and is returned if the
        caller should wait for it.
        """


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


class WatchedText(Glances):
    """Remembers which version of a shared text was delivered. Thread-safe and fork-safe."""

    def __init__(self, text: SharedText, logger: logging.Logger) -> None:
        super().__init__()
        self.text = text
        self._logger = logger
        self._seen: Any = None
        self._found = False
        self._complained = ""
        self._stray = ""
        # The look that is under way in a thread, and when the last one ended.
        self._looking: Future[None] | None = None
        self._ended = 0.0

    def read(self) -> str | None:
        """Return the text, which counts as delivered; ``None`` if there is no document."""
        entered_child_unannounced()
        with self._lock:
            # Before it is read: the next look shows a change in between.
            seen = self.text.look(None)
            text = self.text.read().text
            self._seen, self._looked = seen, time.monotonic()
            self._ended = self._looked
            self._found = text is not None
            self._warn_of_stray()
            return text

    def update(
        self, change: Callable[[str | None], str | None], changed: Callable[[], None] | None = None
    ) -> None:
        """Change the document; see :meth:`SharedText.update`. The next look reads it again.

        ``changed`` delivers what was committed, before any later version can be delivered: an
        older ring must not replace a newer one, which may have revoked it.
        """
        entered_child_unannounced()
        with self._lock:
            self._seen = None
            self._found = self.text.update(change).text is not None
            if changed is not None:
                changed()

    def refresh(self, deliver: Callable[[str | None], None]) -> Future[None] | None:
        """Call ``deliver`` with the text if it has changed. It looks at most once a second.

        If that fails, the content of before stays in use, the log says so once, and the next
        look tries again. It does not wait for another thread that is doing the same. A look at
        another machine goes on in a thread, and is returned if the last one is long ago.
        """
        if not self.text.is_remote:
            self._glance(LOOK_EVERY, lambda: self._look(deliver))
            return None
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._begin(deliver)
        return self._looking if now - self._ended >= OVERDUE else None

    def _begin(self, deliver: Callable[[str | None], None]) -> None:
        entered_child_unannounced()
        lock = self._lock
        if not lock.acquire(blocking=False):
            return

        def look() -> None:
            try:
                self._look(deliver)
            finally:
                self._ended = time.monotonic()
                lock.release()

        try:
            self._looking = in_thread(look, "tallystick-look")
        except BaseException:
            lock.release()
            raise

    def _look(self, deliver: Callable[[str | None], None]) -> None:
        self._looked = time.monotonic()
        before, self._seen = self._seen, None
        try:
            seen = self.text.look(before)
            if seen == before:
                self._seen = seen
                return
            self._read_again(deliver)
            self._seen = seen
        except TallystickError as refused:
            if refused.message != self._complained:
                self._logger.error("%s", refused.message)
            self._complained = refused.message
        self._warn_of_stray()

    def _read_again(self, deliver: Callable[[str | None], None]) -> None:
        text = self.text.read().text
        if text is None and self._found:
            raise self.text.wrong("is gone", "put it back; what was read goes on")
        deliver(text)
        self._found = text is not None
        self._complained = ""

    def _warn_of_stray(self) -> None:
        stray = self.text.stray()
        if stray not in ("", self._stray):
            self._logger.warning("%s", stray)
        self._stray = stray

    def after_fork_in_child(self) -> None:
        super().after_fork_in_child()
        self._looking = None
