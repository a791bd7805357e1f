"""The demo's Flask agent: everything is default but the folder of keys, and a store if given.

Run by gunicorn with --preload, so AgentAuth is made once, before the fork.
"""

import os

from flask import Flask, Response, g, request

from tallystick import AgentAuth

app = Flask(__name__)
auth = AgentAuth(os.environ["DEMO_KEYS_DIR"], store=os.environ.get("DEMO_STORE"))


@app.route("/agent", methods=["POST"])
@auth.require_auth
def agent() -> dict[str, str]:
    return {"answer": f"you asked {request.get_json()['query']!r}", "caller": g.auth.issuer}


@app.after_request
def name_the_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    return response
