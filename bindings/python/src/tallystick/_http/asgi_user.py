"""The caller in the form in which Starlette has users."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tallystick.types import AuthContext

__all__ = ["User"]


class User:
    """``scope["user"]`` of a verified request: what ``starlette.authentication.BaseUser`` has.

    Made without Starlette, so that it need not be installed.
    """

    __slots__ = ("_auth",)

    def __init__(self, auth: AuthContext) -> None:
        self._auth = auth

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The caller's dotted name. Two issuers' users may have names alike: see ``identity``."""
        return self._auth.name or ""

    @property
    def identity(self) -> str:
        """The caller's URL, which no other caller has."""
        return self._auth.agent_url or ""

    def __repr__(self) -> str:
        return f"User({self.identity!r})"
