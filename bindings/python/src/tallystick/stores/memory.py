"""Used tokens in the memory of the core, for this process only."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

from tallystick._core.forks import ForkAware
from tallystick._core.problems import error

if TYPE_CHECKING:
    import logging

    from tallystick._core.engine import Need, Reply

__all__ = ["MemoryStore"]

MEMORY_OF_ONE_PROCESS = (
    "used tokens are remembered in the memory of this process alone: a token works once in each "
    "process (worker, container, machine), and again after a restart; give the option replay a "
    "store that all of them share"
)
"""The same text in every language."""

_warned = False


class MemoryStore(ForkAware):
    """Remembers the latest expiry of what was accepted (``replay_floor`` in abi.md).

    The core's memory is lost with its instance: after a trap, a fork or a close. The next one
    refuses tokens that expire no later than this, as they may have been used before.
    Thread-safe and fork-safe.
    """

    def __init__(self, logger: logging.Logger, *, warns: bool = True) -> None:
        super().__init__()
        self._logger = logger
        self._warns = warns
        self._latest = 0.0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Warn, once in each process, that a restart and other processes know nothing."""
        global _warned
        if self._warns and not _warned:
            _warned = True
            self._logger.warning("%s", MEMORY_OF_ONE_PROCESS)

    def configuration(self) -> dict[str, Any]:
        return {"replay": "memory", "replay_floor": self.floor}

    def answer(self, need: Need) -> Reply:
        raise error("internal", f"the core asked for {need['kind']!r}, which it does itself here")

    def note(self, expires_at: float) -> None:
        with self._lock:
            self._latest = max(self._latest, expires_at)

    @property
    def floor(self) -> int:
        """The latest expiry that was accepted, in seconds since 1970; 0 at the start."""
        return math.ceil(self._latest)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
