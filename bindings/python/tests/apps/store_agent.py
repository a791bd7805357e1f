"""An agent with a store of the environment, used before there are workers: WSGI, ASGI, Celery.

``STORE`` is the store's URL, ``NAMES`` what its keys or tables begin with, ``FIRST`` a token that
is verified while this is imported, ``BROKER`` the one of Celery.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from flask import Flask, g, jsonify

from support import BODY
from tallystick import AgentAuth, Body, PostgreSQLStore, RedisStore, TallystickError

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

    from tallystick.types import Store


def store_of(url: str, names: str) -> str | Store:
    if url.startswith("redis:"):
        return RedisStore(url, prefix=f"{names}:")
    if url.startswith("postgresql:"):
        return PostgreSQLStore(url, table=names)
    return url


auth = AgentAuth(os.environ["KEYS_DIR"], store=store_of(os.environ["STORE"], os.environ["NAMES"]))
app = Flask(__name__)


@app.post("/agent")
@auth.require_auth
def agent() -> ResponseReturnValue:
    return jsonify(issuer=g.auth.issuer)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request under an ASGI server."""
    if scope["type"] != "http":
        return
    values = [value.decode() for name, value in scope["headers"] if name == b"authorization"]
    status = 200

    async def read(most: int) -> Body | bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body

    try:
        await auth.averify(values, method=scope["method"], path=scope["path"], body=read)
    except TallystickError as refused:
        status = refused.response.status if refused.response else 500
    body = json.dumps({"status": status}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def outcome(authorization: str) -> str:
    """Verify one token: "accepted", or the code of its refusal."""
    try:
        auth.verify(authorization, method="POST", path="/agent", body=BODY)
    except TallystickError as refused:
        return refused.code
    return "accepted"


if "BROKER" in os.environ:
    from celery import Celery  # type: ignore[import-untyped]

    worker = Celery("store_agent", broker=os.environ["BROKER"], backend=os.environ["BROKER"])

    @worker.task(name="outcomes")  # type: ignore[untyped-decorator]
    def outcomes(tokens: list[str]) -> list[str]:
        return [outcome(token) for token in tokens]


if outcome(os.environ["FIRST"]) not in ("accepted", "replay_detected"):
    raise SystemExit("the agent does not work before there are workers")
