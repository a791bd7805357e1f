"""Answering the need ``claim`` from whichever store there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.engine import CLAIMED, members_of
from tallystick.replay import StoreUnavailableError

if TYPE_CHECKING:
    import logging

    from tallystick.engine import Need, Reply
    from tallystick.replay import ClaimAnswerer

__all__ = ["Claims"]

_EXISTS: Reply = ('"claim":"exists"', b"")


class Claims:
    """Asks a store, and logs once when it stops answering or has a notice.

    Thread-safe and fork-safe.
    """

    def __init__(self, store: ClaimAnswerer, logger: logging.Logger) -> None:
        self._store = store
        self._logger = logger
        self._failure = ""

    def check(self) -> None:
        """Log what would refuse every claim now."""
        try:
            self._store.check()
        except StoreUnavailableError as reason:
            self._note(str(reason))
        self._tell()

    def answer(self, need: Need) -> Reply:
        """Claim what the need names; a store that fails makes the core refuse."""
        try:
            claimed = self._store.claim_need(need)
        except StoreUnavailableError as reason:
            self._note(str(reason))
            return members_of({"claim": "unavailable", "failed": str(reason)}), b""
        self._failure = ""
        self._tell()
        return CLAIMED if claimed else _EXISTS

    def _tell(self) -> None:
        notice = self._store.notice()
        if notice:
            self._logger.warning("%s", notice)

    def _note(self, failure: str) -> None:
        if failure != self._failure:
            self._logger.error("%s", failure)
        self._failure = failure
