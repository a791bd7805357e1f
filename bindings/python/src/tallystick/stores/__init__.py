"""Where used tokens are remembered: the option ``replay``.

A claim is one atomic step: of many claimants exactly one wins. A store that cannot be reached
refuses.
"""

from __future__ import annotations

import inspect
import os
from typing import TYPE_CHECKING, Any, Protocol, cast

from tallystick._core.engine import CLAIMED, members_of
from tallystick._core.problems import error
from tallystick.errors import StoreUnavailableError
from tallystick.stores.memory import MemoryStore

if TYPE_CHECKING:
    import logging

    from tallystick._core.engine import Need, Reply
    from tallystick._core.used_tokens import UsedTokens
    from tallystick.stores.sqlite import SQLiteReplay
    from tallystick.types import ReplayStore

__all__ = ["choose_store"]

_EXISTS: Reply = ('"claim":"exists"', b"")


def choose_store(
    replay: str | os.PathLike[str] | ReplayStore | SQLiteReplay,
    logger: logging.Logger,
    *,
    development: bool = False,
) -> UsedTokens:
    """Return the store that the option asks for."""
    if replay == "memory":
        return MemoryStore(logger, warns=not development)
    return SharedStore(_answerer(replay), logger)


class ClaimAnswerer(Protocol):
    """Answers the need ``claim``."""

    def check(self) -> None:
        """Raise :class:`StoreUnavailableError` when a claim would fail now."""

    def claim_need(self, need: Need) -> bool:
        """Claim what the need names; ``True`` when it was free."""

    notice: str
    """A message for the operator; "" if there is none."""

    def take_notice(self) -> str:
        """Return the message, once."""


class SharedStore:
    """A store that other processes share. Its failures and notices are logged once.

    Thread-safe and fork-safe.
    """

    note = None

    def __init__(self, store: ClaimAnswerer, logger: logging.Logger) -> None:
        self._store = store
        self._logger = logger
        self._failure = ""

    def start(self) -> None:
        try:
            self._store.check()
        except StoreUnavailableError as reason:
            self._log_failure(str(reason))
        self._log_notice()

    def configuration(self) -> dict[str, Any]:
        return {"replay": "host"}

    def answer(self, need: Need) -> Reply:
        try:
            claimed = self._store.claim_need(need)
        except StoreUnavailableError as reason:
            self._log_failure(str(reason))
            return members_of({"claim": "unavailable", "failed": str(reason)}), b""
        self._failure = ""
        self._log_notice()
        return CLAIMED if claimed else _EXISTS

    def _log_notice(self) -> None:
        if self._store.notice:
            self._logger.warning("%s", self._store.take_notice())

    def _log_failure(self, failure: str) -> None:
        if failure != self._failure:
            self._logger.error("%s", failure)
        self._failure = failure


class _Custom:
    """Claims in a store of the application."""

    notice = ""

    def __init__(self, store: ReplayStore) -> None:
        self._store = store
        self._name = type(store).__name__

    def check(self) -> None:
        """An unknown store is only asked when there is a claim."""

    def take_notice(self) -> str:
        return self.notice

    def claim_need(self, need: Need) -> bool:
        try:
            claimed: object = self._store.claim(need["issuer"], need["jti"], need["expires_at"])
        except Exception as reason:
            raise StoreUnavailableError(
                f"{self._name}.claim raised {type(reason).__name__}: {reason}"
            ) from reason
        # A coroutine or a number would count as true: only True and False pass.
        if claimed is True or claimed is False:
            return claimed
        raise StoreUnavailableError(
            f"{self._name}.claim returned {type(claimed).__name__}, not a bool"
        )


def _answerer(replay: str | os.PathLike[str] | ReplayStore | SQLiteReplay) -> ClaimAnswerer:
    if isinstance(replay, str) and replay != "sqlite" and not _is_path(replay):
        raise error(
            "invalid_argument",
            f"replay={replay!r} is neither 'sqlite' nor 'memory' nor a path: "
            "write a file of this folder as './name'",
        )
    if isinstance(replay, str) and "://" in replay:
        raise error(
            "invalid_argument",
            f"replay={_scheme(replay)!r} is a URL and not a path: give an object with "
            "claim(issuer, jti, expires_at) that talks to that store",
        )
    if isinstance(replay, (str, os.PathLike)):
        from tallystick.stores.sqlite import ReplayFile

        return ReplayFile(None if replay == "sqlite" else replay)
    return _custom(replay)


def _scheme(url: str) -> str:
    # The rest of it may hold a password.
    return url[: url.index("://") + 3] + "..."


def _is_path(text: str) -> bool:
    return os.sep in text or (os.altsep is not None and os.altsep in text)


def _custom(store: ReplayStore | SQLiteReplay) -> ClaimAnswerer:
    from tallystick.stores.sqlite import SQLiteReplay, file_of

    claim = getattr(store, "claim", None)
    # A subclass with a method claim is a store of the application.
    if isinstance(store, SQLiteReplay) and claim is None:
        return file_of(store)
    if isinstance(store, type) or not callable(claim) or inspect.iscoroutinefunction(claim):
        raise error(
            "invalid_argument",
            f"replay= takes 'sqlite', 'memory', a path or an object with a synchronous "
            f"claim(issuer, jti, expires_at), not {type(store).__name__}",
        )
    return _Custom(cast("ReplayStore", store))
