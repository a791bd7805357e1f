"""The seed's hooks: a token goes out, a caller comes in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tallystick.access.asgi_request import describe as describe_asgi
from tallystick.access.asgi_request import header_values
from tallystick.access.wording import verified
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.access.context import AuthContext
    from tallystick.access.host import AccessHost

__all__ = ["Hooks"]

HEADER = "Authorization"


class Hooks:
    """The hooks of :class:`tallystick.AuthSkill`.

    A context is anything with ``get`` and attributes, such as webagents' own; it is
    changed and returned. Each is for one thread or task.
    """

    _host: AccessHost

    if TYPE_CHECKING:

        def authorization(self, target: str, scopes: Sequence[str] | None = None) -> str: ...
        async def aauthorization(self, target: str, scopes: Sequence[str] | None = None) -> str: ...
        def covers(self, target: str, url: str) -> bool: ...
        def verify_members(self, members: str, read: None) -> AuthContext: ...
        async def averify_members(self, members: str, read: None) -> AuthContext: ...

    def on_request_outgoing(self, context: Any) -> Any:
        """Put a token for ``target_agent`` (or ``target_url``) into ``context.headers``.

        ``requested_scopes`` are its scopes. A context without a target stays as it is,
        and so does one whose ``target_url`` is not that agent's: whoever is there could
        use the token at the agent. Errors as of ``generate_token``.
        """
        wanted = self._wanted(context)
        if wanted is not None:
            _put(context, self.authorization(*wanted))
        return context

    async def aon_request_outgoing(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        wanted = self._wanted(context)
        if wanted is not None:
            _put(context, await self.aauthorization(*wanted))
        return context

    def on_connection(self, context: Any) -> Any:
        """Verify the bearer token in ``context.request.headers`` (or ``context.headers``).

        ``context.auth`` is then its :class:`tallystick.AuthContext`. Without a bearer
        token the context stays as it is: whether an endpoint needs a caller is the
        endpoint's to say. Raises the error of the refusal for an invalid one.
        """
        members = _describe(context)
        if members is not None:
            try:
                context.auth = self.verify_members(members, None)
            except TallystickError as refused:
                _unless_absent(refused)
        return context

    async def aon_connection(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        members = _describe(context)
        if members is not None:
            try:
                context.auth = await self.averify_members(members, None)
            except TallystickError as refused:
                _unless_absent(refused)
        return context

    def _wanted(self, context: Any) -> tuple[str, Sequence[str] | None] | None:
        agent, url = context.get("target_agent"), context.get("target_url")
        if not agent and not url:
            return None
        if agent and url and not self.covers(agent, str(url)):
            self._host.logger.log(
                logging.WARNING,
                "no token was put into a request: its target_url is not below its target_agent",
            )
            return None
        return str(agent or url), context.get("requested_scopes")


def _put(context: Any, authorization: str) -> None:
    if getattr(context, "headers", None) is None:
        context.headers = {}
    headers = context.headers
    for name in [name for name in headers if str(name).lower() == HEADER.lower()]:
        # Two of them would be refused at the other end.
        del headers[name]
    headers[HEADER] = authorization


def _describe(context: Any) -> str | None:
    """Word the members of ``access.verify``; ``None`` where there is no such header."""
    request = getattr(context, "request", None)
    scope = getattr(request, "scope", None)
    if isinstance(scope, dict) and scope.get("type") == "http":
        described = describe_asgi(scope)
        return described if header_values(scope, b"authorization") else None
    holder = context if request is None else request
    value = _header(getattr(holder, "headers", None))
    # What the request was is not known here: a token that is bound to one fits none.
    return None if value is None else verified([value], "UNKNOWN", "/", "", "")


def _header(headers: Any) -> str | None:
    if headers is None:
        return None
    for name, value in headers.items():
        if str(name).lower() == HEADER.lower():
            return str(value)
    return None


def _unless_absent(refused: TallystickError) -> None:
    # Credentials of another kind are no token: the same as none.
    if refused.code != "missing_authorization":
        raise refused
