"""How many bytes of requests' bodies may be in memory at one time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tallystick._core.forks import ForkAware

if TYPE_CHECKING:
    from tallystick._core.engine import Answer

__all__ = ["Buffers", "Held", "Room"]


class Room(ForkAware):
    """A budget of bytes. Thread-safe; in a forked child all of it is free."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take bytes; ``False`` if fewer are left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._left += size

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._left = self._size


class Held:
    """The bytes that one body holds: as many as have come of it. For one thread."""

    __slots__ = ("_came", "_room", "_taken")

    def __init__(self, room: Room, taken: int = 0) -> None:
        self._room = room
        self._taken = taken
        self._came = 0

    def grow(self, size: int) -> bool:
        """Take as many bytes as have come; ``False`` if they are not left."""
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
    """The limits on bodies that the core states when an engine opens (abi.md, need ``body``).

    ``max_body``
        bytes of one body.
    ``early``
        budget of bodies that are read before the core is asked.
    ``asked``
        budget of bodies that the core has asked for.
    """

    def __init__(self, opened: Answer) -> None:
        self.max_body: int = opened["max_body"]
        self.early = Room(opened["buffer_at_once"])
        self.asked = Room(opened["buffer_asked"])
        self._at_once: int = opened["body_at_once"]

    def at_once(self, authorized: bool, length: int | None) -> Held | None:
        """Take the budget of a body that may be read before the core is asked.

        ``authorized``: the request has an Authorization header. ``length`` is in bytes,
        ``None`` for a body that ends by itself. Returns ``None`` for a body that has to wait
        for the verdict.
        """
        if not authorized or length is None or length > self._at_once:
            return None
        return Held(self.early, length) if self.early.take(length) else None
