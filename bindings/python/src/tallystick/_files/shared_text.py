"""A text in numbered versions that several processes share, wherever it lies."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick._core.problems import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallystick.errors import TallystickError

__all__ = ["PATIENCE", "PAUSE", "Document", "SharedText"]

PATIENCE = 30.0
"""Seconds. A change gives up when other processes were faster for this long."""

PAUSE = 0.004
"""Seconds before another try, at most. Drawn at random, so that writers do not stay in step."""


class Document(NamedTuple):
    """The newest version; ``text`` is ``None`` where there is no document."""

    number: int
    text: str | None


class SharedText(ABC):
    """A key ring, or the clients of an authority. Thread-safe and fork-safe.

    ``place``
        says in errors and logs where it lies.

    Every failure is a :class:`tallystick.TallystickError` that names the place and the fix.
    """

    place: str

    @abstractmethod
    def read(self) -> Document:
        """Return the newest version."""

    @abstractmethod
    def update(self, change: Callable[[str | None], str | None]) -> Document:
        """Commit what ``change`` makes of the newest version, and return the result.

        ``change`` gets the text (``None`` if there is none) and returns the new one, or
        ``None`` to leave it. It is called again if another process was faster.
        """

    @property
    @abstractmethod
    def restore(self) -> str:
        """What to do if its text is damaged."""

    @abstractmethod
    def wrong(self, problem: str, fix: str) -> TallystickError:
        """Make the error that names the place, what is wrong with it and what to do."""

    def parse(self, text: str, kind: str) -> dict[str, Any]:
        """Return the JSON object of format 1 in the text; ``kind`` says what it should be."""
        try:
            document: object = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        version = document.get("version") if isinstance(document, dict) else None
        if isinstance(document, dict) and version == 1 and version is not True:
            self._must_be_here(document)
            return document
        # "from None": the reason quotes the text, which holds private keys.
        if type(version) is int and version > 1:
            raise self.wrong(
                f"is of version {version}, which this release does not know",
                "update tallystick here; it was left as it is",
            ) from None
        raise self.wrong(f"is {kind}", self.restore) from None

    def leave(self, place: str) -> None:
        """Replace the text by a note of where it lies from now on: nobody goes on with it."""
        note = json.dumps({"version": 1, "moved_to": place}, indent=1) + "\n"
        self.update(lambda _: note)

    def _must_be_here(self, document: dict[str, Any]) -> None:
        place = document.get("moved_to")
        if place is not None:
            raise self.wrong(
                f"was moved to {shown(str(place))}",
                "give the options store and store_key; where it is lost there, " + self.restore,
            )
