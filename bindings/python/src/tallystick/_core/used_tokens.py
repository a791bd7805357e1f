"""Where the used tokens of an engine are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallystick._core.engine import Need, Reply

__all__ = ["UsedTokens"]


class UsedTokens(Protocol):
    """The store of one engine, shared or in the core. Thread-safe and fork-safe."""

    def start(self, feed: Callable[[dict[str, Any]], None]) -> None:
        """Begin, with an open engine and what feeds it. Log what the operator should know.

        Raises :class:`tallystick.StoreUnavailableError` for a store that cannot be used.
        """

    def configuration(self) -> dict[str, Any]:
        """Return members of ``engine.open``, each time that the engine opens."""

    def answer(self, need: Need) -> Reply:
        """Answer the need ``claim``. If the store fails, the core refuses the request."""

    async def aanswer(self, need: Need) -> Reply:
        """Do the same without blocking the event loop."""

    def value(self, need: Need) -> Reply:
        """Answer the needs ``put``, ``get`` and ``take``. If the store fails, the answer is 503."""

    async def avalue(self, need: Need) -> Reply:
        """Do the same without blocking the event loop."""

    def close(self) -> None:
        """Free what is held for this engine alone; a later claim opens it again."""

    @property
    def note(self) -> Callable[[float], None] | None:
        """What notes the expiry of a token that was accepted, in seconds since 1970.

        ``None`` where used tokens are not remembered in the engine, and so not lost with it.
        """
