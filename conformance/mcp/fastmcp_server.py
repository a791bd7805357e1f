"""An MCP server of FastMCP that is protected by Tallystick."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token
from serving import agent, arguments, listening, serve

from tallystick.fastmcp import FastMcpAuth


def whoami() -> dict[str, Any]:
    """Tell who calls, as FastMCP knows it."""
    caller = get_access_token()
    if caller is None:
        return {}
    return {"client": caller.client_id, "scopes": caller.scopes, "subject": caller.subject}


def main() -> None:
    asked = arguments(__doc__).parse_args()
    with listening(asked.port) as (listener, url), agent(asked.authority, url) as skill:
        server = FastMCP("fastmcp", auth=FastMcpAuth(skill, asked.required_scope))
        server.tool(whoami)
        serve(server.http_app(path="/mcp"), listener, url)


main()
