"""A shared text that other processes may change while an engine uses it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from tallystick._core.core import InstanceReplacedError
from tallystick._core.forks import ForkAware, entered_child_unannounced
from tallystick._core.threads import in_thread
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick._files.shared_file import Look, SharedFile
    from tallystick._files.shared_text import Document
    from tallystick._files.stored_document import StoredDocument, StoredLook

    Deliver = Callable[[dict[str, Any]], None]

__all__ = ["PATIENCE", "Glances", "Source", "Watched", "WatchedStore", "WatchedText"]

LOOK_EVERY = 1.0
"""Seconds between two looks at the text."""

PATIENCE = 0.5
"""Seconds that a request waits for a look at another machine, at most."""


class Source(Protocol):
    """Content that an engine is opened with and fed again. Thread-safe and fork-safe."""

    def load(self) -> dict[str, Any]:
        """Return members for ``engine.open``."""

    def refresh(self, deliver: Deliver) -> Future[None] | None:
        """Deliver members for ``engine.feed`` if they have changed.

        ``deliver`` may raise :class:`InstanceReplacedError`; then they are delivered again. Where
        a look waits for another machine, it goes on in a thread, and is returned if the caller
        should wait for it, for ``PATIENCE``.
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


class Watched(Protocol):
    """A shared text, and which version of it was delivered. Thread-safe and fork-safe."""

    def read(self) -> str | None:
        """Return the text, which counts as delivered; ``None`` if there is no document."""

    def update(
        self, change: Callable[[str | None], str | None], changed: Callable[[], None] | None = None
    ) -> None:
        """Change the document; see :meth:`SharedText.update`.

        ``changed`` delivers what was committed, before any later version can be delivered: an
        older ring must not replace a newer one, which may have revoked it.
        """

    def refresh(self, deliver: Callable[[str | None], None]) -> Future[None] | None:
        """Call ``deliver`` with the text if it has changed; see :meth:`Source.refresh`.

        If that fails, the content of before stays in use, the log says so once, and the next
        look tries again.
        """


class WatchedText(Glances):
    """Watches a text that lies on this machine: each look is made at once."""

    def __init__(self, text: SharedFile, logger: logging.Logger) -> None:
        super().__init__()
        self.text = text
        self._logger = logger
        self._seen: Look | None = None
        self._found = False
        self._complained = ""
        self._stray = ""

    def read(self) -> str | None:
        entered_child_unannounced()
        with self._lock:
            # Before it is read: the next look shows a change in between.
            seen = self.text.look(None)
            text = self.text.read().text
            self._seen, self._looked = seen, time.monotonic()
            self._found = text is not None
            self._warn_of_stray()
            return text

    def update(
        self, change: Callable[[str | None], str | None], changed: Callable[[], None] | None = None
    ) -> None:
        entered_child_unannounced()
        with self._lock:
            self._seen = None
            self._found = self.text.update(change).text is not None
            if changed is not None:
                changed()

    def refresh(self, deliver: Callable[[str | None], None]) -> None:
        # It looks at most once a second, and does not wait for another thread that is doing it.
        self._glance(LOOK_EVERY, lambda: self._look(deliver))

    def _look(self, deliver: Callable[[str | None], None]) -> None:
        self._looked = time.monotonic()
        before, self._seen = self._seen, None
        seen = self.text.look(before)
        if seen == before:
            self._seen = seen
            return
        try:
            text = self.text.read().text
            if text is None and self._found:
                raise self.text.wrong("is gone", "put it back; what was read goes on")
            deliver(text)
            self._found = text is not None
            self._complained = ""
            self._seen = seen
        except InstanceReplacedError:
            return  # the next look delivers it
        except TallystickError as refused:
            if refused.message != self._complained:
                self._logger.error("%s", refused.message)
            self._complained = refused.message
        self._warn_of_stray()

    def _warn_of_stray(self) -> None:
        stray = self.text.stray()
        if stray not in ("", self._stray):
            self._logger.warning("%s", stray)
        self._stray = stray


class WatchedStore(ForkAware):
    """Watches a document that lies on another machine: each look goes on in a thread.

    No lock is held while it waits: under gevent the thread that holds it would be the one that
    waits for it. What was read last is kept, so that an engine that opens anew, such as that of a
    forked child, does not wait for the store.
    """

    def __init__(self, document: StoredDocument, logger: logging.Logger) -> None:
        super().__init__()
        self.text = document
        self._logger = logger
        self._lock = threading.Lock()
        self._look: StoredLook | None = None
        self._known: Document | None = None
        self._complained = ""
        # The look that is under way, and when it began; when the last one ended.
        self._looking: Future[None] | None = None
        self._began = 0.0
        self._ended = 0.0

    def read(self) -> str | None:
        entered_child_unannounced()
        if self._known is None:
            look = self.text.look(None)
            self._look, self._known = look, look.document
            self._ended = time.monotonic()
        return self._known.text

    def update(
        self, change: Callable[[str | None], str | None], changed: Callable[[], None] | None = None
    ) -> None:
        entered_child_unannounced()
        document = self.text.update(change)
        with self._lock:
            if self._is_newer(document):
                self._known = document
                self._look = None
                if changed is not None:
                    changed()

    def refresh(self, deliver: Callable[[str | None], None]) -> Future[None] | None:
        entered_child_unannounced()
        now = time.monotonic()
        looking = self._looking
        if looking is None:
            if now - self._ended < LOOK_EVERY:
                return None
            looking = self._begin(deliver)
        # A store that does not answer holds nobody up again until it does.
        waits = not self._complained and time.monotonic() - self._began < PATIENCE
        return looking if waits else None

    def _begin(self, deliver: Callable[[str | None], None]) -> Future[None]:
        looking: Future[None] = Future()
        looking.set_running_or_notify_cancel()
        with self._lock:
            if self._looking is not None:
                return self._looking
            self._looking, self._began = looking, time.monotonic()

        def look() -> None:
            try:
                self._look_once(deliver)
            finally:
                self._ended, self._looking = time.monotonic(), None
                looking.set_result(None)

        try:
            in_thread(look, "tallystick-look")
        except BaseException:
            self._looking = None
            raise
        return looking

    def _look_once(self, deliver: Callable[[str | None], None]) -> None:
        before = self._look
        try:
            look = self.text.look(before)
            with self._lock:
                if look is not before and self._is_newer(look.document):
                    deliver(look.document.text)
                    self._known = look.document
                self._look = look
            self._complained = ""
        except InstanceReplacedError:
            self._known = look.document  # for the engine that opens next; delivered again then
        except TallystickError as refused:
            if refused.message != self._complained:
                self._logger.error("%s", refused.message)
            self._complained = refused.message

    def _is_newer(self, document: Document) -> bool:
        known = self._known
        return known is None or document.number >= known.number

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        # The first request looks, and waits for it.
        self._looking, self._ended = None, 0.0
