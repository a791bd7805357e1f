"""Where used tokens are remembered: the need ``claim``.

Protocol: a claim is one atomic step, exactly one of many claimants wins, and a
store that cannot be reached refuses.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from tallystick.errors import error

if TYPE_CHECKING:
    import logging

    from tallystick.engine import Need
    from tallystick.replay.sqlite import SQLiteReplay

__all__ = [
    "ClaimAnswerer",
    "ReplayStore",
    "StoreUnavailableError",
    "choose_replay",
    "warn_of_memory",
]


MEMORY_OF_ONE_PROCESS = (
    "used tokens are remembered in the memory of this process alone: a token works once in each "
    "process (worker, container, machine), and again after a restart; give the option replay a "
    "store that all of them share"
)
"""The same text in every language."""

_warned = False


@runtime_checkable
class ReplayStore(Protocol):
    """What ``AgentAuth(replay=...)`` takes: any object with this method.

    ``claim`` takes (issuer, jti) until ``expires_at`` and returns ``True`` when it was free,
    ``False`` when it was taken before. It must be one atomic step among everything that
    shares the store. An ``Exception``, or any other result, refuses the request with 503.
    Called from any thread.
    """

    def claim(self, issuer: str, jti: str, expires_at: int) -> bool:
        """Claim once; ``expires_at`` is in whole seconds since 1970."""


class StoreUnavailableError(Exception):
    """A claim could be neither made nor denied; the text is for the operator's log."""


class ClaimAnswerer(Protocol):
    """Something that answers the need ``claim``."""

    def check(self) -> None:
        """Raise :class:`StoreUnavailableError` when a claim would fail now."""

    def claim_need(self, need: Need) -> bool:
        """Claim what the need names; ``True`` when it was free."""

    def notice(self) -> str:
        """Return what the operator should know, once; "" when there is nothing."""


class _Custom:
    """Answers from an application's own store."""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store
        self._name = type(store).__name__

    def check(self) -> None:
        """Nothing is known of it before it is asked."""

    def notice(self) -> str:
        return ""

    def claim_need(self, need: Need) -> bool:
        try:
            claimed: object = self._store.claim(need["issuer"], need["jti"], need["expires_at"])
        except Exception as reason:
            raise StoreUnavailableError(
                f"{self._name}.claim raised {type(reason).__name__}: {reason}"
            ) from reason
        # A coroutine or a count is true as well: only the two answers pass.
        if claimed is True or claimed is False:
            return claimed
        raise StoreUnavailableError(
            f"{self._name}.claim returned {type(claimed).__name__}, not a bool"
        )


def choose_replay(
    replay: str | os.PathLike[str] | ReplayStore | SQLiteReplay,
) -> ClaimAnswerer | None:
    """Return what answers claims, or ``None`` for the core's own window."""
    if replay == "memory":
        return None
    if isinstance(replay, str) and replay != "sqlite" and not _is_path(replay):
        raise error(
            "invalid_argument",
            f"replay={replay!r} is neither 'sqlite' nor 'memory' nor a path: "
            "write a file of this folder as './name'",
        )
    if isinstance(replay, str) and "://" in replay:
        raise error(
            "invalid_argument",
            f"replay={_scheme(replay)!r} is a URL, and no path of a file: give an object with "
            "claim(issuer, jti, expires_at) that talks to that store",
        )
    if isinstance(replay, (str, os.PathLike)):
        from tallystick.replay.sqlite import ReplayFile

        return ReplayFile(None if replay == "sqlite" else replay)
    return _custom(replay)


def warn_of_memory(logger: logging.Logger) -> None:
    """Say once in each process that a restart and other processes know nothing."""
    global _warned
    if not _warned:
        _warned = True
        logger.warning("%s", MEMORY_OF_ONE_PROCESS)


def _scheme(url: str) -> str:
    # The rest of it may hold a password.
    return url[: url.index("://") + 3] + "..."


def _is_path(text: str) -> bool:
    return os.sep in text or (os.altsep is not None and os.altsep in text)


def _custom(store: ReplayStore | SQLiteReplay) -> ClaimAnswerer:
    from tallystick.replay.sqlite import SQLiteReplay, file_of

    claim = getattr(store, "claim", None)
    # A subclass of it that has a claim is an application's own store.
    if isinstance(store, SQLiteReplay) and claim is None:
        return file_of(store)
    if isinstance(store, type) or not callable(claim) or inspect.iscoroutinefunction(claim):
        raise error(
            "invalid_argument",
            f"replay= takes 'sqlite', 'memory', a path or an object with a synchronous "
            f"claim(issuer, jti, expires_at), not {type(store).__name__}",
        )
    return _Custom(cast("ReplayStore", store))
