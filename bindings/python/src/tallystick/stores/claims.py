"""What answers the need ``claim`` of an engine from a store."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

from tallystick._core.engine import CLAIMED, members_of
from tallystick._core.forks import ForkAware
from tallystick._core.problems import error
from tallystick.errors import StoreUnavailableError
from tallystick.stores.base import BaseStore

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from tallystick._core.engine import Need, Reply
    from tallystick.stores.base import ClaimStore

__all__ = ["StoreClaims"]

QUIET = 1.0
"""Seconds without a failure, after which a store that answers is well again."""

MOST_FAILURES = 16
"""Distinct failures that are logged until the store is well again."""

_EXISTS: Reply = ('"claim":"exists"', b"")


class StoreClaims:
    """The claims of one engine in a store. Thread-safe and fork-safe.

    ``owned``: the store is this engine's alone, and closes with it.
    """

    note = None

    @property
    def setting(self) -> str:
        """How the store was chosen, without its secret."""
        return self.store._setting

    def __init__(self, store: ClaimStore, logger: logging.Logger, *, owned: bool = False) -> None:
        self.store = store
        self._logger = logger
        self._owned = owned
        self._trouble = Trouble(store._setting, logger)
        self._feed: Callable[[dict[str, Any]], None] | None = None
        # Which loss the engine knows of, and since when: in seconds since 1970.
        self._told = 0
        self._told_at = 0.0

    def start(self, feed: Callable[[dict[str, Any]], None]) -> None:
        self._feed = feed
        try:
            self.store._check()
        except StoreUnavailableError as reason:
            if self.store._required:
                raise
            self._trouble.failed(str(reason), self._logger.warning)
        self._log_notices()
        self._tell()

    def configuration(self) -> dict[str, Any]:
        lost_at = self._lost_at()
        if lost_at == 0:
            return {"replay": "host"}
        if lost_at > self._told:
            self._told_at = time.time()
            self._told = lost_at
        return {"replay": "host", "replay_lost_at": lost_at}

    def answer(self, need: Need) -> Reply:
        try:
            claimed = self.store.claim(need["id"], need["seconds"])
        except StoreUnavailableError as reason:
            return self._failed(str(reason))
        return self._claimed(need, claimed)

    async def aanswer(self, need: Need) -> Reply:
        try:
            claimed = await self.store.aclaim(need["id"], need["seconds"])
        except StoreUnavailableError as reason:
            return self._failed(str(reason))
        return self._claimed(need, claimed)

    def value(self, need: Need) -> Reply:
        try:
            value = _asked(_values(self.store), need)
        except StoreUnavailableError as reason:
            return self._no_value(str(reason))
        return self._valued(value)

    async def avalue(self, need: Need) -> Reply:
        try:
            value = await _aasked(_values(self.store), need)
        except StoreUnavailableError as reason:
            return self._no_value(str(reason))
        return self._valued(value)

    def _valued(self, value: bytes | None) -> Reply:
        if self._trouble.going_on:
            self._trouble.over()
        if self.store._notices:
            self._log_notices()
        return "", value or b""

    def _no_value(self, reason: str) -> Reply:
        self._trouble.failed(reason, self._logger.error)
        return members_of({"failed": reason}), b""

    def close(self) -> None:
        if self._owned:
            self.store.close()

    def _claimed(self, need: Need, claimed: bool) -> Reply:
        if self._trouble.going_on:
            self._trouble.over()
        if self.store._notices:
            self._log_notices()
        if self.store.lost_at is not None:
            self._tell()
            # The core compared the token with the loss when it asked, maybe before it was told.
            if need["now"] <= self._told_at:
                return _unavailable(f"{self.store._setting} lost what it held during the request")
        return CLAIMED if claimed else _EXISTS

    def _failed(self, reason: str) -> Reply:
        self._trouble.failed(reason, self._logger.error)
        self._tell()
        return _unavailable(reason)

    def _tell(self) -> None:
        """Tell the engine that the store lost what it held."""
        lost_at = self._lost_at()
        if lost_at > self._told and self._feed is not None:
            self._feed({"replay_lost_at": lost_at})
            # In this order: whoever sees the second sees the first.
            self._told_at = time.time()
            self._told = lost_at

    def _lost_at(self) -> int:
        lost_at = self.store.lost_at
        return 0 if lost_at is None else math.ceil(lost_at)

    def _log_notices(self) -> None:
        notices = self.store._notices
        while notices:
            try:
                self._logger.warning("%s", notices.popleft())
            except IndexError:
                return  # another thread logged it


def _values(store: ClaimStore) -> BaseStore:
    if isinstance(store, BaseStore):
        return store
    raise error("internal", f"{store._setting} keeps no values")


def _asked(store: BaseStore, need: Need) -> bytes | None:
    if need["kind"] == "put":
        store.put(need["id"], need["value"].encode(), need["seconds"])
        return None
    return store.get(need["id"]) if need["kind"] == "get" else store.take(need["id"])


async def _aasked(store: BaseStore, need: Need) -> bytes | None:
    if need["kind"] == "put":
        await store.aput(need["id"], need["value"].encode(), need["seconds"])
        return None
    if need["kind"] == "get":
        return await store.aget(need["id"])
    return await store.atake(need["id"])


class Trouble(ForkAware):
    """Logs each distinct failure of a store once, and once that it is over."""

    def __init__(self, setting: str, logger: logging.Logger) -> None:
        super().__init__()
        self._setting = setting
        self._logger = logger
        self._lock = threading.Lock()
        self._logged: set[str] = set()
        self._last = 0.0
        self.going_on = False

    def failed(self, reason: str, log: Callable[[str, str], None]) -> None:
        """Log a failure, unless it was logged since the store was well."""
        with self._lock:
            self._last = time.monotonic()
            self.going_on = True
            if reason in self._logged or len(self._logged) >= MOST_FAILURES:
                return
            self._logged.add(reason)
        log("%s", reason)

    def over(self) -> None:
        """Log that the store answers, unless others still fail."""
        with self._lock:
            if not self.going_on or time.monotonic() - self._last < QUIET:
                return
            self.going_on = False
            self._logged.clear()
        self._logger.warning("%s answers again", self._setting)

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


def _unavailable(reason: str) -> Reply:
    return members_of({"claim": "unavailable", "failed": reason}), b""
