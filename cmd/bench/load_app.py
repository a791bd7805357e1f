"""The application of load.py. ``GUARD`` says who verifies: nothing, a store's URL, or PyJWT."""

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from flask import Flask, jsonify, request

from tallystick import AgentAuth

GUARD = os.environ["GUARD"]
KEYS = Path(os.environ["KEYS"])

logging.getLogger("tallystick").setLevel(logging.ERROR)
app = Flask(__name__)


def agent() -> Any:
    return jsonify(length=len(request.get_data()))


def by_hand() -> Any:
    """Do the same in the lines that people write: PyJWT, a hash of the body, SET NX in Redis."""
    import jwt
    from redis import Redis

    key = (KEYS / "orchestrator.pem").read_text()
    used = Redis.from_url(os.environ["REDIS"])

    def guarded() -> Any:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, key, algorithms=["RS256"], issuer="orchestrator")
        if claims["content_sha256"] != hashlib.sha256(request.get_data()).hexdigest():
            return jsonify(error="Body Tampered"), 401
        left = int(claims["exp"] - claims["iat"]) + 60
        if not used.set("byhand:" + claims["jti"], 1, nx=True, ex=left):
            return jsonify(error="Replay Detected"), 429
        return agent()

    return guarded


if GUARD == "none":
    view: Any = agent
elif GUARD == "PyJWT":
    view = by_hand()
else:
    view = AgentAuth(KEYS, store=GUARD).require_auth(agent)
app.add_url_rule("/agent", view_func=view, methods=["POST"], endpoint="agent")
