"""How much of requests' bodies may lie in memory at one time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tallystick.forks import ForkAware

if TYPE_CHECKING:
    from tallystick.engine import Answer

__all__ = ["Buffers", "Held", "Room"]


class Room(ForkAware):
    """So many bytes. Thread-safe; in a forked child all of it is free."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take some; ``False`` where there is not as much."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        """Give some back."""
        with self._lock:
            self._left += size

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._left = self._size


class Held:
    """The room that one body holds: as much as has come of it. For one thread."""

    __slots__ = ("_came", "_room", "_taken")

    def __init__(self, room: Room, taken: int = 0) -> None:
        self._room = room
        self._taken = taken
        self._came = 0

    def grow(self, size: int) -> bool:
        """Make room for a piece that has come; ``False``: there is none."""
        self._came += size
        more = self._came - self._taken
        if more > 0:
            if not self._room.take(more):
                return False
            self._taken += more
        return True

    def release(self) -> None:
        """Give back what is held."""
        taken, self._taken = self._taken, 0
        if taken:
            self._room.give(taken)


class Buffers:
    """How bodies are read, as the core says it when an engine opens (abi.md, need ``body``).

    ``max_body``
        bytes of one body.
    ``early``
        room of bodies that are read before the core is asked.
    ``asked``
        room of bodies that the core has asked for.
    """

    def __init__(self, opened: Answer) -> None:
        self.max_body: int = opened["max_body"]
        self.early = Room(opened["buffer_at_once"])
        self.asked = Room(opened["buffer_asked"])
        self._at_once: int = opened["body_at_once"]

    def at_once(self, authorized: bool, length: int | None) -> Held | None:
        """Return the room for a body that may be read before the core is asked.

        ``authorized``: the request has an Authorization header; ``length`` in bytes,
        ``None`` of a body that ends by itself. ``None``: the body waits for the verdict.
        """
        if not authorized or length is None or length > self._at_once:
            return None
        return Held(self.early, length) if self.early.take(length) else None
