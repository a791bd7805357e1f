"""What gunicorn serves in the tests: an agent that was used before the workers were forked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, g, jsonify, request

from tallystick import AgentAuth, OrchestratorClient

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

app = Flask(__name__)
auth = AgentAuth(os.environ["KEYS_DIR"], store=os.environ.get("STORE", "sqlite:"))
client = OrchestratorClient("orchestrator", Path(os.environ["PRIVATE_KEY"]).read_text())
PARENT = os.getpid()


@app.post("/agent")
@app.post("/agent/<path:rest>")
@auth.require_auth
def agent(rest: str = "") -> ResponseReturnValue:
    return jsonify(
        issuer=g.auth.issuer,
        pid=os.getpid(),
        forked=os.getpid() != PARENT,
        rest=rest,
        length=len(request.get_data()),
    )


@app.post("/verify-many")
def verify_many() -> ResponseReturnValue:
    """Accept so many requests in this very worker."""
    accepted = sum(_call_once() for _ in range(int(request.args["n"])))
    return jsonify(accepted=accepted, pid=os.getpid(), forked=os.getpid() != PARENT)


def _call_once() -> bool:
    headers = client.sign("POST", "http://localhost/agent", b"{}")
    return app.test_client().post("/agent", data=b"{}", headers=headers).status_code == 200


if not _call_once():
    raise SystemExit("the agent does not work before the fork")
