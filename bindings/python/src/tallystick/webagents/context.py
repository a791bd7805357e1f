"""``AuthContext`` with the fields that the code of webagents reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallystick.types import AuthContext as VerifiedCaller

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AuthContext"]


class AuthContext(VerifiedCaller):
    """A verified caller: :class:`tallystick.AuthContext` with webagents' own fields.

    ``scope``
        webagents' tier, always ``"user"``: a verified caller. What a token grants is in
        ``scopes``; an issuer cannot make a caller ``owner`` or ``admin``.
    ``groups``, ``principals``
        set by webagents' access skill, if the agent has one.
    """

    scope = "user"
    groups: list[str]
    principals: list[str]

    # The access skill adds its groups to the context that the auth skill made.
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
