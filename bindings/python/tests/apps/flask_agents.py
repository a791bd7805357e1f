"""What gunicorn serves in the tests: agents that were used before the workers were forked."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from flask import Flask, g, jsonify, request
from flask.views import MethodView

from tallystick import AuthSkill, auth_blueprint

if TYPE_CHECKING:
    from flask.typing import ResponseReturnValue

ORIGIN = f"http://127.0.0.1:{os.environ['PORT']}"
PARENT = os.getpid()
OPTIONS: dict[str, Any] = {"dev_mode": True, "keys_dir": os.environ["KEYS_DIR"]}
OPTIONS |= json.loads(os.environ.get("OPTIONS", "{}"))

app = Flask(__name__)
skills = {name: AuthSkill(base_url=f"{ORIGIN}/{name}", **OPTIONS) for name in ("alice", "bob")}
root = AuthSkill(agent_id="root", base_url=ORIGIN, **OPTIONS)
app.register_blueprint(auth_blueprint(skills))
app.register_blueprint(root.blueprint("root"))


def caller() -> ResponseReturnValue:
    return jsonify(
        agent=g.auth.agent_id,
        scopes=g.auth.scopes,
        bound=g.auth.bound,
        key=g.auth.key_id,
        body=request.get_data(as_text=True),
        pid=os.getpid(),
        forked=os.getpid() != PARENT,
    )


@app.route("/bob/whoami", methods=["GET", "POST"])
@skills["bob"].require_auth
def whoami() -> ResponseReturnValue:
    return caller()


@app.get("/bob/write")
@skills["bob"].require_scopes("write")
async def write() -> ResponseReturnValue:
    return caller()


@app.post("/bound")
@root.require_scopes("read", bind=True)
def bound() -> ResponseReturnValue:
    return caller()


class View(MethodView):
    decorators = [skills["bob"].require_scopes("read")]

    def get(self) -> ResponseReturnValue:
        return caller()


app.add_url_rule("/bob/view", view_func=View.as_view("view"))


@app.get("/alice/call")
def call() -> ResponseReturnValue:
    """Have alice call bob, who has to fetch her keys from this very server."""
    header = skills["alice"].authorize(f"{ORIGIN}/bob", reuse=False)["Authorization"]
    asked = urllib.request.Request(f"{ORIGIN}/bob/whoami", headers={"Authorization": header})
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.read(), 200
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.read(), refused.code


@app.post("/alice/rotate")
def rotate() -> ResponseReturnValue:
    return jsonify(skills["alice"].rotate_keys(force=True))


if not root.verify_token(root.generate_token(ORIGIN)).authenticated:
    raise SystemExit("an agent does not work before the fork")
