"""What a replay window inside the core may have held when it was lost."""

from __future__ import annotations

import math
import threading

from tallystick.forks import ForkAware

__all__ = ["ReplayFloor"]


class ReplayFloor(ForkAware):
    """Remembers the latest expiry of what was accepted (``replay_floor`` in abi.md).

    A window dies with its instance: by a trap, a fork or a close. The next one
    refuses what expires no later than this, as it may have been used before.
    Thread-safe and fork-safe.
    """

    def __init__(self) -> None:
        super().__init__()
        self._latest = 0.0
        self._lock = threading.Lock()

    def note(self, expires_at: float) -> None:
        """Note an accepted token's expiry, in seconds since 1970."""
        with self._lock:
            self._latest = max(self._latest, expires_at)

    @property
    def seconds(self) -> int:
        """The floor for a new window; 0 when nothing was accepted yet."""
        return math.ceil(self._latest)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
