"""The seed's hooks: a token goes out, a caller comes in."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from tallystick.access.asgi_request import describe as describe_asgi
from tallystick.access.asgi_request import header_values
from tallystick.access.hook_context import (
    authorization_in,
    member,
    must_be_context,
    put_auth,
    put_authorization,
)
from tallystick.access.wording import verified
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.access.host import AccessHost

__all__ = ["Hooks"]


class Hooks:
    """The hooks of :class:`tallystick.AuthSkill`.

    A context is a dict, an object with attributes (``types.SimpleNamespace``) or one with
    ``get``, such as webagents' own; it is changed and returned. Anything else, such as
    ``None`` or a text, raises ``invalid_argument``. Each is for one thread or task.
    """

    _host: AccessHost

    def on_request_outgoing(self, context: Any) -> Any:
        """Put a token for ``target_agent`` (or ``target_url``) into the context's ``headers``.

        The context needs one of these two: a reference or URL of an agent, or the URL of
        the request. ``requested_scopes``, a list, are the token's scopes (default: as of
        ``generate_token``); ``headers`` is a mapping and is made where there is none.
        A context without a target stays as it is, and so does one whose ``target_url`` is
        not that agent's: whoever is there could use the token at the agent. Errors as of
        ``generate_token``.
        """
        wanted = self._wanted(context)
        if wanted is not None:
            put_authorization(context, self._host.authorize(*wanted))
        return context

    async def aon_request_outgoing(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        wanted = self._wanted(context)
        if wanted is not None:
            put_authorization(context, await self._host.aauthorize(*wanted))
        return context

    def on_connection(self, context: Any) -> Any:
        """Verify the bearer token in the ``headers`` of ``request``, else of the context.

        ``auth`` of the context is then its :class:`tallystick.AuthContext`. Headers are a
        mapping, or pairs as in ASGI; their names are of any case. Without an
        ``Authorization`` header, or with one of another scheme than Bearer, the context
        stays as it is: whether an endpoint needs a caller is the endpoint's to say. Raises
        the error of the refusal for a bearer token that is refused, and for two headers.
        """
        members, values = _describe(context)
        if values:
            try:
                put_auth(context, self._host.verify(members, None))
            except TallystickError as refused:
                _unless_absent(refused, values)
        return context

    async def aon_connection(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        members, values = _describe(context)
        if values:
            try:
                put_auth(context, await self._host.averify(members, None))
            except TallystickError as refused:
                _unless_absent(refused, values)
        return context

    def _wanted(self, context: Any) -> tuple[str, Sequence[str] | None] | None:
        must_be_context(context)
        agent, url = member(context, "target_agent"), member(context, "target_url")
        if not agent and not url:
            return None
        if agent and url and not self._host.covers(self._host.resolve(agent), str(url)):
            self._host.logger.log(
                logging.WARNING,
                "no token was put into a request: its target_url is not below its target_agent",
            )
            return None
        return str(agent or url), member(context, "requested_scopes")


def _describe(context: Any) -> tuple[str, list[str]]:
    """Word the members of ``access.verify``; the values are empty where there is no header."""
    must_be_context(context)
    request = member(context, "request")
    scope = getattr(request, "scope", None)
    if isinstance(scope, MutableMapping) and scope.get("type") == "http":
        return describe_asgi(scope), header_values(scope, b"authorization")
    headers = None if request is None else member(request, "headers")
    values = authorization_in(member(context, "headers") if headers is None else headers)
    # What the request was is not known here: a token that is bound to one fits none.
    return verified(values, "UNKNOWN", "/", "", ""), values


def _unless_absent(refused: TallystickError, values: list[str]) -> None:
    """Pass over one header of another kind: it is no token, the same as none."""
    other = len(values) == 1 and not values[0].strip().lower().startswith("bearer")
    if refused.code != "missing_authorization" or not other:
        raise refused
