"""Where the used tokens of an engine are remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallystick._core.engine import Need, Reply

__all__ = ["UsedTokens"]


class UsedTokens(Protocol):
    """The store of one engine, shared or in the core. Thread-safe and fork-safe."""

    def start(self) -> None:
        """Log a failure that would refuse every claim, and what the operator should know."""

    def configuration(self) -> dict[str, Any]:
        """Return members of ``engine.open``, each time that the engine opens."""

    def answer(self, need: Need) -> Reply:
        """Answer the need ``claim``. If the store fails, the core refuses the request."""

    @property
    def note(self) -> Callable[[float], None] | None:
        """What notes the expiry of a token that was accepted, in seconds since 1970.

        ``None`` where used tokens are not remembered in the engine, and so not lost with it.
        """
