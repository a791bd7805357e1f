"""A store of the application: any object with ``claim(id, seconds)``, sync or async."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from tallystick._core.problems import error
from tallystick.errors import StoreUnavailableError
from tallystick.stores.base import ClaimStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["own_store"]


def own_store(store: object) -> ClaimStore:
    """Return an application's store with what this package wants of one.

    Raises ``invalid_argument`` for what has no ``claim(id, seconds)``.
    """
    claim = getattr(store, "claim", None)
    if isinstance(store, type) or not callable(claim) or not _takes_two(claim):
        raise error(
            "invalid_argument",
            "store takes a URL such as 'redis://127.0.0.1:6379/0' or an object with "
            f"claim(id, seconds), not {_said(store)}; a client goes into RedisStore(client) or "
            "PostgreSQLStore(pool)",
        )
    return OwnStore(type(store).__name__, claim)


def _said(store: object) -> str:
    return f"the class {store.__name__}" if isinstance(store, type) else type(store).__name__


def _takes_two(claim: Callable[..., Any]) -> bool:
    try:
        inspect.signature(claim).bind("", 1)
    except TypeError:
        return False
    except ValueError:
        return True  # it says nothing of its parameters
    return True


TIMEOUT = 2.0
"""Seconds that an asynchronous claim may take, and any claim of an asynchronous host."""


class OwnStore(ClaimStore):
    """Claims in a store of the application, which sees no loss."""

    def __init__(self, name: str, claim: Callable[..., Any]) -> None:
        super().__init__(f"store {name}")
        self._name = name
        self._ask = claim
        self._asynchronous = inspect.iscoroutinefunction(claim)

    def _check(self) -> None:
        """An unknown store is only asked when there is a claim."""

    def claim(self, id: str, seconds: int) -> bool:
        answer = self._asked(id, seconds)
        if answer is True or answer is False:
            return answer
        if inspect.isawaitable(answer):
            from tallystick._access.background import background

            # A client of an asynchronous store belongs to one loop: here always the same.
            answer = background.wait(self._awaited(answer))
        return self._plain(answer)

    async def aclaim(self, id: str, seconds: int) -> bool:
        if self._asynchronous:
            answer = self._asked(id, seconds)
        else:
            answer = await self._in_time(asyncio.to_thread(self._asked, id, seconds))
        if inspect.isawaitable(answer):
            answer = await self._awaited(answer)
        return self._plain(answer)

    def _asked(self, id: str, seconds: int) -> object:
        try:
            return self._ask(id, seconds)
        except Exception as reason:
            raise self._raised(reason) from reason

    async def _awaited(self, answer: Any) -> object:
        try:
            return await self._in_time(answer)
        except StoreUnavailableError:
            raise
        except Exception as reason:
            raise self._raised(reason) from reason

    async def _in_time(self, answer: Awaitable[object]) -> object:
        try:
            return await asyncio.wait_for(answer, TIMEOUT)
        except asyncio.TimeoutError:
            raise StoreUnavailableError(
                f"{self._setting}: claim did not answer within {TIMEOUT:g} s"
            ) from None

    def _raised(self, reason: Exception) -> StoreUnavailableError:
        said = f"{type(reason).__name__}: {reason}"
        return StoreUnavailableError(f"{self._setting}: claim raised {said}")

    def _plain(self, answer: object) -> bool:
        # Another object would count as true or false: only True and False pass.
        if answer is True or answer is False:
            return answer
        raise StoreUnavailableError(
            f"{self._setting}: claim returned {type(answer).__name__}: it must return True where "
            "the id was free, else False"
        )

    def close(self) -> None:
        """The application closes its own."""
