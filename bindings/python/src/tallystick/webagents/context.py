"""``AuthContext`` as the code of webagents reads and writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallystick.access.context import AuthContext as VerifiedCaller

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AuthContext"]


class AuthContext(VerifiedCaller):
    """A verified caller: :class:`tallystick.AuthContext` with webagents' own fields.

    ``scope``
        webagents' tier, always ``"user"``: a caller that was verified. What a token
        grants is in ``scopes``; an issuer cannot make anybody ``owner`` or ``admin``.
    ``groups``, ``principals``
        set by webagents' access skill where the agent has one.
    """

    scope = "user"
    groups: list[str]
    principals: list[str]

    # The access skill adds its groups to whatever the auth skill made.
    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {"groups", "principals"}:
            super().__setattr__(name, value)
        self.__dict__[name] = value

    @classmethod
    def from_verified(cls, caller: VerifiedCaller) -> Self:
        """Give a verified caller webagents' fields."""
        context = object.__new__(cls)
        context.__dict__.update(caller.__dict__)
        return context
