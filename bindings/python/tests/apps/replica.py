"""What gunicorn serves in the tests: a replica that has signed before its workers are forked."""

from __future__ import annotations

import os

from flask import Flask

from tallystick import AuthSkill

app = Flask(__name__)
skill = AuthSkill(
    base_url=os.environ["URL"],
    keys_dir=os.environ["KEYS_DIR"],
    store=os.environ["STORE"],
    store_key=os.environ["STORE_KEY"],
)
skill.generate_token(skill.base_url)


@app.get("/token")
def token() -> str:
    return skill.generate_token(skill.base_url)
