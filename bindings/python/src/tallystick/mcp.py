"""MCP servers of the Python SDK (package ``mcp``): access tokens of an :class:`AuthSkill`.

    server = MCPServer("orders", auth=auth_settings(skill), token_verifier=McpVerifier(skill))
    app = AuthEndpoints(skill, server.streamable_http_app())

or, with the package's own guard in place of the SDK's, ``McpMiddleware(app, skill)``.
For versions 1.30 and 2 of the SDK; in 1.30 the class is ``FastMCP``. Source: MCP authorization
2026-07-28, RFC 9728, RFC 8707.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from starlette.authentication import AuthCredentials

from tallystick._access.token_endpoint import engine_of, must_be_agent
from tallystick._core.arguments import must_be_texts
from tallystick._http.asgi_request import header_values
from tallystick._http.refusal import log_refusal
from tallystick.asgi import AuthMiddleware
from tallystick.errors import TallystickError
from tallystick.types import AuthContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick._http.asgi_request import Receive, Scope, Send
    from tallystick.asgi import App
    from tallystick.skill import AuthSkill

__all__ = ["McpMiddleware", "McpVerifier", "auth_settings"]

DOCUMENT = "/.well-known/oauth-protected-resource"

Token = TypeVar("Token", bound=AccessToken)


class McpVerifier:
    """The SDK's ``TokenVerifier``: ``token_verifier=`` of its server.

    What a tool then finds by the SDK's ``get_access_token()``: ``client_id`` (of the token; where
    it names none, the caller's URL), ``scopes``, ``expires_at`` (seconds since 1970), ``resource``
    (the agent's own, of its RFC 9728 document: the token is for it), ``subject`` and ``claims``.

    A refused token is one that the SDK refuses (401), and the log of ``skill`` says why. The scopes
    that ``auth_settings`` asks for are compared by the SDK, as they are written (403, which names
    the first that is missing). Without an answer of the store or the issuer the error is logged and
    raised, which the SDK answers with 500. :class:`McpMiddleware` answers 503 then, names all
    scopes, takes patterns, and tokens that are bound to their request.

    Serves any number of requests at once.
    """

    def __init__(self, skill: AuthSkill) -> None:
        must_be_agent(skill)
        self._skill = skill
        self._resource: str = resource_document(skill)["resource"]

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what the SDK knows of a caller, ``None`` for a token that is refused."""
        auth = await verified(self._skill, token)
        return None if auth is None else sdk_token(AccessToken, auth, token, self._resource)


class McpMiddleware(AuthMiddleware):
    """:class:`tallystick.AuthMiddleware` before the application of an SDK's server.

    Options and answers are those of the class. The server itself is made without ``auth``; its
    tools find the caller by the SDK's ``get_access_token()``, as of :class:`McpVerifier`, and its
    sessions belong to who began them.
    """

    def __init__(self, app: App, skill: AuthSkill, **options: Any) -> None:
        must_be_agent(skill)
        super().__init__(_SdkCaller(app, resource_document(skill)["resource"]), skill, **options)


def auth_settings(skill: AuthSkill, required_scopes: Sequence[str] = ()) -> AuthSettings:
    """Return ``auth=`` of the SDK's server: its URL, and who gives tokens for it.

    ``required_scopes`` are those that every request needs.
    """
    must_be_agent(skill)
    scopes = must_be_texts("required_scopes", required_scopes)
    document = resource_document(skill)
    return AuthSettings(
        issuer_url=[*document["authorization_servers"], skill.issuer][0],
        resource_server_url=document["resource"],
        required_scopes=scopes,
        validate_token_resource=True,
    )


class _SdkCaller:
    """Hands the verified caller of a request on in the form of the SDK."""

    def __init__(self, app: App, resource: str) -> None:
        self._app = app
        self._known = cast("App", AuthContextMiddleware(cast("Any", app)))
        self._resource = resource

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        auth = scope.get("auth")
        if not isinstance(auth, AuthContext):  # what the guard leaves out
            return await self._app(scope, receive, send)
        [header] = header_values(scope, b"authorization")
        token = sdk_token(AccessToken, auth, header.partition(" ")[2].strip(), self._resource)
        user, granted = AuthenticatedUser(token), AuthCredentials(token.scopes)
        return await self._known({**scope, "user": user, "auth": granted}, receive, send)


def resource_document(skill: AuthSkill) -> dict[str, Any]:
    """Return what the agent is as a protected resource (RFC 9728 section 2)."""
    served = skill.serve("GET", DOCUMENT)
    return dict(json.loads(served.body)) if served is not None else {}


async def verified(skill: AuthSkill, token: str) -> AuthContext | None:
    """Return who a token is from, ``None`` for one that is refused. The log says why.

    Raises the error that is no verdict on the token, which is logged as well.
    """
    try:
        return await skill.avalidate_token(token)
    except TallystickError as failed:
        log_refusal(engine_of(skill).logger, failed)
        raise


def sdk_token(kind: type[Token], auth: AuthContext, token: str, resource: str) -> Token:
    """Return a caller in the form of the SDK."""
    return kind(
        token=token,
        client_id=auth.client_id or auth.agent_url or "",
        scopes=auth.scopes,
        expires_at=int(auth.expires_at),
        resource=resource,
        subject=auth.raw_claims.get("sub"),
        claims=auth.raw_claims,
    )
