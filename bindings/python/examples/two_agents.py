import os

import httpx
from flask import Flask, Response, g, jsonify

from tallystick import AuthSkill, auth_blueprint

URL = f"http://127.0.0.1:{os.environ.get('PORT', 5002)}"
# dev_mode: plain http is taken on the loopback. Keys are made in ~/.webagents/keys.
alice = AuthSkill(base_url=f"{URL}/alice", dev_mode=True)
bob = AuthSkill(base_url=f"{URL}/bob", dev_mode=True, allowed_scopes=["read"])

app = Flask(__name__)
app.register_blueprint(auth_blueprint({"alice": alice, "bob": bob}))  # documents, /auth/token


@app.get("/bob/whoami")
@bob.require_scopes("read")  # 401 without a token, 403 without the scope
def whoami() -> Response:
    return jsonify(caller=g.auth.agent_id, scopes=g.auth.scopes)


@app.get("/alice/ask")
def ask() -> bytes:
    headers = alice.authorize(f"{URL}/bob", ["read", "admin"])
    return httpx.get(f"{URL}/bob/whoami", headers=headers).content
