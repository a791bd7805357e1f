"""What uvicorn serves in the tests: endpoints, and applications behind the guard."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute

from tallystick import AuthEndpoints, AuthMiddleware, AuthSkill

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

    from tallystick._http.asgi_request import Receive, Scope, Send

ORIGIN = f"http://127.0.0.1:{os.environ['PORT']}"
OPTIONS: dict[str, Any] = {"dev_mode": True, "keys_dir": os.environ["KEYS_DIR"]}

root = AuthSkill(agent_id="root", base_url=ORIGIN, **OPTIONS)
alice = AuthSkill(base_url=f"{ORIGIN}/alice", **OPTIONS)
started: list[str] = []


async def whoami(scope: Scope, receive: Receive, send: Send) -> None:
    """Say who calls, and what with: over HTTP and over a WebSocket."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": str(scope["auth"].agent_id)})
        await send({"type": "websocket.close"})
    else:
        await say(scope, receive, send)


async def say(scope: Scope, receive: Receive, send: Send) -> None:
    auth = scope["state"]["auth"]
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    found = {"agent": auth.agent_id, "same": auth is scope["auth"], "length": len(body)}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(found | {"up": started}).encode()})


async def live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        started.append("started")
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


guarded = AuthMiddleware(whoami, root, scopes=["read"])
bound = AuthMiddleware(whoami, root, bind=True)
alices = AuthMiddleware(whoami, alice)


async def route(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope.get("path", "")
    app = bound if path == "/bound" else alices if path.startswith("/alice") else guarded
    await app(scope, receive, send)


several = AuthEndpoints({"alice": alice}, route)
app = AuthEndpoints(root, several)
alone = AuthEndpoints(root)

# One guard in front of everything, of an agent whose URL has a path.
carol = AuthSkill(base_url=f"{ORIGIN}/agents/carol", **OPTIONS)


def who(request: Request) -> JSONResponse:
    """Say by Starlette's means who calls."""
    if "user" not in request.scope:
        assert "auth" not in request.scope
        return JSONResponse({"path": request.url.path})
    user, auth = request.user, request.auth
    same = auth is request.state.auth
    found = {"known": user.is_authenticated, "name": user.display_name, "url": user.identity}
    return JSONResponse({**found, "scopes": auth.scopes, "same": same})


@requires("admin")
def admin(request: Request) -> JSONResponse:
    """Need a scope that nobody has."""
    return who(request)


async def echo(socket: WebSocket) -> None:
    """Take a WebSocket without a token."""
    await socket.accept()
    await socket.send_text("carol is open")
    await socket.close()


methods = ["GET", "HEAD", "POST", "OPTIONS"]
everything = Starlette(
    routes=[
        Route("/admin", admin, methods=methods),
        WebSocketRoute("/healthz", echo),
        Route("/{path:path}", who, methods=methods),
    ],
    middleware=[
        Middleware(
            AuthMiddleware,
            skill=carol,
            scopes=["read"],
            exclude=["/healthz", "/docs/*", "HEAD /*"],
        )
    ],
)
mounted = AuthEndpoints({"carol": carol, "alice": alice})
