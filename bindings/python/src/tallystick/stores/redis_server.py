"""What a Redis or Valkey server must be like to hold claims, and whether it is that of before."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from tallystick._core.forks import ForkAware
from tallystick.stores.connections import RefusedServerError, refuse_clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RedisServer"]

LOSS_KEPT = 86_400
"""Seconds for which a loss is told to stores that connect later."""

_QUESTIONS = (
    ("INFO",),
    ("CONFIG", "GET", "maxmemory-policy"),
    ("CONFIG", "GET", "save"),
    ("CONFIG", "GET", "appendonly"),
    ("TIME",),
)


class RedisServer(ForkAware):
    """The server behind a name. Each new connection looks at it before its first claim.

    ``lost_at``
        when it was last seen to be another one, or the same one after a restart, in seconds since
        1970 by this host's clock, rounded up.
    """

    lost_at: int | None = None

    def __init__(self, prefix: str, notice: Callable[[str], None]) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._lost_key = f"{prefix}lost"
        self._notice = notice
        self._run_id = ""

    @property
    def questions(self) -> tuple[tuple[str, ...], ...]:
        """What a new connection asks."""
        return (*_QUESTIONS, ("GET", self._lost_key))

    def is_current(self, run_id: str) -> bool:
        """Tell whether a connection with this run id leads to the server of now."""
        return run_id == self._run_id

    def inspect(self, answers: list[Any]) -> tuple[str, tuple[Any, ...] | None]:
        """Judge the answers, of which some may be errors; raise why claims must not be made there.

        Returns the run id, and the command that tells others of a loss, or ``None``.
        """
        info, policy, save, append, clock, lost = answers
        facts = self._facts(_permitted(info))
        _refuse_kind(facts)
        for answer in (clock, lost):
            if isinstance(answer, Exception):
                raise answer
        self._refuse_eviction(_setting(policy) or facts.get("maxmemory_policy"))
        self._notice_persistence(_setting(save), _setting(append))
        refuse_clock(int(clock[0]) + int(clock[1]) / 1e6)
        return self._recognise(facts.get("run_id", ""), self._told(lost))

    def _facts(self, info: bytes | None) -> dict[str, str]:
        if info is None:
            self._notice(
                "a restart that loses used tokens cannot be noticed, as INFO is forbidden: allow "
                "this user INFO"
            )
            return {}
        lines = (line.partition(":") for line in info.decode("utf-8", "replace").splitlines())
        return {name: value for name, _, value in lines}

    def _refuse_eviction(self, policy: str | None) -> None:
        if policy is None:
            self._notice(
                "CONFIG GET is forbidden: see that maxmemory-policy is noeviction, as a used token "
                "that is evicted is free again"
            )
        elif policy != "noeviction":
            raise RefusedServerError(
                f"the server may evict used tokens: its maxmemory-policy is {policy}",
                "set maxmemory-policy noeviction",
            )

    def _notice_persistence(self, save: str | None, append: str | None) -> None:
        if save is None or append is None:
            self._notice("CONFIG GET is forbidden: see that the server keeps its data on disk")
        elif save == "" and append == "no":
            self._notice(
                "the server keeps nothing on its disk: after its restart, tokens from before it "
                "are refused for as long as they may be used"
            )

    def _told(self, lost: bytes | None) -> int:
        if lost is None:
            return 0
        if lost.isdigit():
            return int(lost)
        raise RefusedServerError(f"the key {self._lost_key} holds no time", "delete that key")

    def _recognise(self, run_id: str, told: int) -> tuple[str, tuple[Any, ...] | None]:
        now = math.ceil(time.time())
        with self._lock:
            before, self._run_id = self._run_id, run_id or self._run_id
            is_other = before not in ("", self._run_id)
            lost = max(self.lost_at or 0, min(told, now), now if is_other else 0)
            self.lost_at = lost or None
        note = ("SET", self._lost_key, lost, "EX", LOSS_KEPT)
        return self._run_id, None if lost <= max(told, now - LOSS_KEPT) else note

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


def _permitted(answer: Any) -> Any:
    """Return an answer; ``None`` if this user may not ask, or the service has no such command."""
    if not isinstance(answer, Exception):
        return answer
    if "no permissions" in str(answer) or "unknown command" in str(answer).lower():
        return None
    raise answer


def _setting(answer: Any) -> str | None:
    """Return the value in an answer to ``CONFIG GET``."""
    pair = _permitted(answer)
    return pair[1].decode("utf-8", "replace") if pair else None


def _refuse_kind(facts: dict[str, str]) -> None:
    # Valkey calls it server_mode.
    mode = facts.get("redis_mode") or facts.get("server_mode") or "standalone"
    if mode != "standalone":
        raise RefusedServerError(
            f"it runs in {mode} mode", "name a server that is alone: clusters are not supported"
        )
    if facts.get("role", "master") != "master":
        raise RefusedServerError(
            "the server is a replica", "name the primary: what a replica holds may be late"
        )
