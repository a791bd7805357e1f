"""An MCP client of the Python SDK that gets its token by Tallystick."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

import tallystick

# What the SDK sends its requests with.
if version("mcp").startswith("1."):
    import httpx as http

    token_auth: Any = tallystick.httpx_auth
else:
    import httpx2 as http  # type: ignore[no-redef]

    token_auth = tallystick.httpx2_auth


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the server")
    parser.add_argument("--authority", required=True, help="its issuer URL")
    parser.add_argument("--client-id", required=True)
    parser.add_argument("--scope", required=True, help="scopes, with a space between them")
    parser.add_argument("--target", help="whom the token is for, if it is not the server")
    return parser.parse_args()


async def call(client: Any, url: str) -> dict[str, Any]:
    """Call the server as the SDK does."""
    async with (
        streamable_http_client(url, http_client=client) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        tools = await session.list_tools()
        told = await session.call_tool("whoami", {})
    content: Any = told.content[0]
    return {"tools": [tool.name for tool in tools.tools], "whoami": json.loads(content.text)}


async def run(asked: argparse.Namespace, auth: Any) -> tuple[dict[str, Any], int]:
    refusals: list[Any] = []

    async def note(response: Any) -> None:
        if response.status_code in (401, 403):
            refusals.append(response)

    hooks: Any = {"response": [note]}
    async with http.AsyncClient(auth=auth, event_hooks=hooks, trust_env=False) as client:
        try:
            return await call(client, asked.url), 0
        except Exception:
            if not refusals:
                traceback.print_exc()
                return {}, 1
    challenge = refusals[-1].headers.get("www-authenticate", "")
    return {"refused": refusals[-1].status_code, "www_authenticate": challenge}, 3


def main() -> None:
    asked = parsed()
    with tallystick.AuthSkill(
        authority=asked.authority,
        agent_id=asked.client_id,
        client_secret=os.environ["MCP_CLIENT_SECRET"],
        store="memory:",
        dev_mode=True,
    ) as skill:
        target = asked.target or asked.url
        auth = token_auth(skill, target, asked.scope.split(), send_to=asked.url)
        answer, code = asyncio.run(run(asked, auth))
    print(json.dumps(answer))
    sys.exit(code)


main()
