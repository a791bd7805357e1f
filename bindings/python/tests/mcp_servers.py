"""Real MCP servers of the SDK and of FastMCP, each with one tool, and real clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastmcp
import httpx2
import uvicorn
from fastmcp.server.dependencies import get_access_token as fastmcp_access_token
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token

from support import DEADLINE
from tallystick import AuthEndpoints, AuthSkill, httpx2_auth
from tallystick.fastmcp import FastMcpAuth
from tallystick.mcp import McpMiddleware, McpVerifier, auth_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mcp.server.auth.provider import AccessToken


@contextlib.contextmanager
def listening() -> Iterator[tuple[socket.socket, str]]:
    """Listen, so that the URL is known before the agent is made."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def running(app: Any, listener: socket.socket) -> Iterator[None]:
    """Serve an ASGI application under uvicorn until the end of the block."""
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(DEADLINE)


def shown(caller: AccessToken | None) -> dict[str, Any]:
    """Return what a tool finds, without the token."""
    return {} if caller is None else caller.model_dump(exclude={"token"})


def with_verifier(skill: AuthSkill, scopes: list[str]) -> Any:
    server = MCPServer("test", auth=auth_settings(skill, scopes), token_verifier=McpVerifier(skill))
    server.add_tool(lambda: shown(get_access_token()), name="whoami")
    return AuthEndpoints(skill, server.streamable_http_app())


def with_middleware(skill: AuthSkill, scopes: list[str], **options: Any) -> Any:
    server = MCPServer("test")
    server.add_tool(lambda: shown(get_access_token()), name="whoami")
    return McpMiddleware(server.streamable_http_app(), skill, scopes=scopes, **options)


def with_fastmcp(skill: AuthSkill, scopes: list[str]) -> Any:
    server = fastmcp.FastMCP("test", auth=FastMcpAuth(skill, scopes))

    @server.tool
    def whoami() -> dict[str, Any]:
        return shown(fastmcp_access_token())

    return server.http_app(path="/mcp")


SERVERS: dict[str, Callable[..., Any]] = {
    "verifier": with_verifier,
    "middleware": with_middleware,
    "fastmcp": with_fastmcp,
}


@dataclass
class Mcp:
    """A server that runs, at ``url``, and the agent that guards it."""

    url: str
    skill: AuthSkill

    @property
    def metadata(self) -> str:
        return self.url.removesuffix("/mcp") + "/.well-known/oauth-protected-resource/mcp"


@contextlib.contextmanager
def serving_mcp(kind: str, authority: str, scopes: list[str], **options: Any) -> Iterator[Mcp]:
    """Serve one of ``SERVERS``."""
    with listening() as (listener, site):
        url = f"{site}/mcp"
        with AuthSkill(
            base_url=url, authority=authority, allowed_scopes=["read", "write"], **options
        ) as skill:
            app = SERVERS[kind](skill, scopes)
            with running(app, listener):
                yield Mcp(url, skill)


def whoami(caller: AuthSkill, url: str) -> dict[str, Any]:
    """Call the tool by the SDK's client, with a caller's token."""
    return call_whoami(httpx2_auth(caller, url, ["read"]), url)


def call_whoami(auth: httpx2.Auth, url: str) -> dict[str, Any]:
    """Call the tool by the SDK's client."""

    async def call() -> Any:
        async with (
            httpx2.AsyncClient(auth=auth, trust_env=False) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            told = await client.call_tool("whoami", {})
        [content] = told.content
        return json.loads(content.text)  # type: ignore[union-attr]

    found: dict[str, Any] = asyncio.run(call())
    return found


def initialize(url: str, token: str | None, **headers: str) -> httpx2.Response:
    """Send the first message of a client, with or without a token."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    headers["Accept"] = "application/json, text/event-stream"
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    return httpx2.post(url, json=message, headers=headers, trust_env=False)
