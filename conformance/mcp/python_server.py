"""An MCP server of the Python SDK that is protected by Tallystick."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from mcp.server.auth.middleware.auth_context import get_access_token
from serving import agent, arguments, listening, serve

from tallystick import AuthEndpoints, AuthSkill
from tallystick.mcp import McpMiddleware, McpVerifier, auth_settings

if version("mcp").startswith("1."):
    MCPServer = import_module("mcp.server.fastmcp").FastMCP
else:
    MCPServer = import_module("mcp.server").MCPServer


def whoami() -> dict[str, Any]:
    """Tell who calls, as the SDK knows it."""
    caller = get_access_token()
    if caller is None:
        return {}
    return {"client": caller.client_id, "scopes": caller.scopes, "subject": caller.subject}


def by_verifier(skill: AuthSkill, scopes: list[str]) -> Any:
    settings = auth_settings(skill, scopes)
    server = MCPServer(
        "python", auth=settings, token_verifier=McpVerifier(skill), log_level="WARNING"
    )
    server.add_tool(whoami)
    return AuthEndpoints(skill, server.streamable_http_app())


def by_middleware(skill: AuthSkill, scopes: list[str]) -> Any:
    server = MCPServer("python", log_level="WARNING")
    server.add_tool(whoami)
    return McpMiddleware(server.streamable_http_app(), skill, scopes=scopes)


def main() -> None:
    parser = arguments(__doc__)
    guards = {"verifier": by_verifier, "middleware": by_middleware}
    parser.add_argument("--by", choices=guards, default="verifier", help="what is shown")
    asked = parser.parse_args()
    with listening(asked.port) as (listener, url), agent(asked.authority, url) as skill:
        serve(guards[asked.by](skill, asked.required_scope), listener, url)


main()
