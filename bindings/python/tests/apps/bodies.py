"""What gunicorn serves in the tests of bodies: an agent, a token endpoint, their memory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, jsonify, request

from tallystick import AgentAuth, Authority

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

app = Flask(__name__)
auth = AgentAuth(os.environ["KEYS_DIR"], store="memory:", **json.loads(os.environ["OPTIONS"]))
authority = Authority(
    f"http://127.0.0.1:{os.environ['PORT']}", keys_dir=os.environ["RING_DIR"], store="memory:"
)
app.register_blueprint(authority.blueprint())


@app.post("/agent")
@auth.require_auth
def agent() -> ResponseReturnValue:
    return jsonify(length=len(request.get_data()))


@app.get("/memory")
def memory() -> ResponseReturnValue:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return jsonify(resident=pages * os.sysconf("SC_PAGE_SIZE"))
