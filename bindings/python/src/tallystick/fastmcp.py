"""FastMCP servers (package ``fastmcp``): access tokens of an :class:`AuthSkill`.

    server = FastMCP("orders", auth=FastMcpAuth(skill, required_scopes=["read"]))

Source: MCP authorization 2026-07-28, RFC 9728.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastmcp.server.auth import AccessToken, TokenVerificationError, TokenVerifier
from pydantic import AnyHttpUrl
from starlette.routing import Route

from tallystick._access.token_endpoint import engine_of, must_be_agent
from tallystick._core.arguments import must_be_texts
from tallystick._core.problems import error
from tallystick.asgi import AuthEndpoints
from tallystick.errors import TallystickError
from tallystick.mcp import resource_document, sdk_token, verified

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick.skill import AuthSkill

__all__ = ["FastMcpAuth"]


class FastMcpAuth(TokenVerifier):
    """FastMCP's ``auth``: verifies tokens, and serves the agent's documents.

    ``required_scopes``
        scopes that every request needs, compared by FastMCP as they are written; a request
        without one of them gets 403 with all of them.

    FastMCP then serves the RFC 9728 document of ``skill`` where clients look for it, and what
    else is at the root of its server, such as its token endpoint. The URL of ``skill`` ends with
    the path at which FastMCP serves (``/mcp``), else ``invalid_config`` is raised when the
    application is made. What a tool finds by ``get_access_token()``, and what is logged, is as of
    :class:`tallystick.mcp.McpVerifier`. Without an answer of the store or the issuer FastMCP's
    ``TokenVerificationError`` is raised: its answer is 500. Serves any number of requests at once.
    """

    def __init__(self, skill: AuthSkill, required_scopes: Sequence[str] = ()) -> None:
        must_be_agent(skill)
        super().__init__(required_scopes=must_be_texts("required_scopes", required_scopes))
        self._skill = skill
        self._document = resource_document(skill)

    @property
    def scopes_supported(self) -> list[str]:
        """The scopes of the agent's document."""
        return list(self._document.get("scopes_supported", ()))

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what FastMCP knows of a caller, ``None`` for a token that is refused."""
        try:
            auth = await verified(self._skill, token)
        except TallystickError as failed:
            raise TokenVerificationError(failed.message) from failed
        if auth is None:
            return None
        return sdk_token(AccessToken, auth, token, self._document["resource"])

    def set_mcp_path(self, mcp_path: str | None) -> None:
        """Take the path at which FastMCP serves."""
        resource, path = str(self._document["resource"]), (mcp_path or "").rstrip("/")
        if not resource.endswith(path):
            raise error(
                "invalid_config",
                f"base_url: the server is at the path {path}, and {resource} does not end with it: "
                f"give the agent the whole URL of the server, or FastMCP the path",
            )
        self.base_url = AnyHttpUrl(resource.removesuffix(path))
        super().set_mcp_path(mcp_path)

    def get_routes(self, mcp_path: str | None = None) -> list[Route]:
        """Return the routes of the agent's documents and of its token endpoint."""
        self.set_mcp_path(mcp_path)
        engine, endpoints = engine_of(self._skill), AuthEndpoints(self._skill)
        return [Route(path, endpoint=endpoints) for path in engine.root_paths or engine.paths]
