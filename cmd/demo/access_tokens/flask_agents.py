"""The demo's Flask agents, one application each, on one server.

Run by gunicorn with --preload, so all are made once, before the fork.
"""

import json
import os

from flask import Flask, Response, g
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tallystick import AuthSkill

settings = json.loads(os.environ.pop("DEMO_AGENTS"))
url, authority, keys_dir = settings["url"], settings["authority"], settings["keysDir"]
agents = {
    # Signs its own tokens. dev_mode: issuers that nobody configured may be on this
    # machine, over plain http.
    "self": AuthSkill(
        base_url=f"{url}/self",
        keys_dir=keys_dir,
        dev_mode=True,
        deny=["http://127.0.0.1:*/mallory"],
    ),
    # The authority signs for it.
    "portal": AuthSkill(
        authority=authority,
        base_url=f"{url}/portal",
        client_id="portal",
        client_secret=settings["secret"],
        deny=["@mallory"],
    ),
    # The same, but nobody calls it while the authority runs.
    "late": AuthSkill(authority=authority, base_url=f"{url}/late"),
}


def application(skill: AuthSkill) -> Flask:
    app = Flask(__name__)
    app.register_blueprint(skill.blueprint())

    def answer() -> dict[str, str | None]:
        return {"caller": f"{g.auth.agent_id} ({g.auth.issuer_type})", "key": g.auth.key_id}

    app.post("/read", endpoint="read")(skill.require_scopes("read")(answer))
    app.post("/write", endpoint="write")(skill.require_scopes("read", "write")(answer))
    app.post("/bound", endpoint="bound")(skill.require_scopes("read", bind=True)(answer))

    @app.post("/token")
    @skill.require_auth
    def token() -> dict[str, str]:
        return {"token": skill.generate_token(g.auth.agent_url, ["read"])}

    @app.after_request
    def name_the_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return app


app = DispatcherMiddleware(
    Flask(__name__), {f"/{name}": application(skill) for name, skill in agents.items()}
)
