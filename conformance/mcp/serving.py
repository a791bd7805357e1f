"""What the Python servers have in common: their arguments, their agent, how they serve."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from tallystick import AuthSkill

if TYPE_CHECKING:
    from collections.abc import Iterator


def arguments(about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--authority", required=True, help="its issuer URL")
    parser.add_argument("--port", type=int, required=True, help="0 for a free one")
    parser.add_argument("--required-scope", action="append", default=[])
    return parser


@contextlib.contextmanager
def listening(port: int, path: str = "/mcp") -> Iterator[tuple[socket.socket, str]]:
    """Listen on the loopback, so that the URL is known before the agent is made."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        yield listener, f"http://127.0.0.1:{listener.getsockname()[1]}{path}"


def agent(authority: str, url: str) -> AuthSkill:
    """Return the agent of a server: it takes the authority's tokens for its own URL."""
    return AuthSkill(
        base_url=url,
        authority=authority,
        allowed_scopes=["read", "write"],
        store="memory:",
        dev_mode=True,
    )


def server_of(app: Any) -> uvicorn.Server:
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    return uvicorn.Server(config)


def serve(app: Any, listener: socket.socket, url: str) -> None:
    """Serve until standard input closes."""
    server = server_of(app)

    def end() -> None:
        # Not by sys.stdin, whose lock would be held while the interpreter ends.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        server.should_exit = True

    threading.Thread(target=end, daemon=True).start()
    print(f"READY {url}", flush=True)
    server.run(sockets=[listener])
