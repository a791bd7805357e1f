"""Peers as their users have them: rotagent 0.1.0, PyJWT, aiohttp."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest
import rotagent
from flask import Flask, jsonify
from werkzeug.serving import make_server

import tallystick
from support import BODY, ORIGIN, KeyPair, agent_app, call
from tallystick._core.core import call_json
from tallystick._core.loading import load_core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

PAYLOAD = {"query": "What movies are playing?", "ä": 1}


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def rotagent_app(keys_dir: Path) -> Flask:
    app = Flask("rotagent")
    auth = rotagent.AgentAuth(str(keys_dir), dev_mode=False)

    @app.post("/agent")
    @auth.require_auth  # type: ignore[untyped-decorator]
    def agent() -> Any:
        return jsonify(served_by="rotagent")

    return app


def ask(send: Callable[..., Any], url: str, issuer: str, private: str) -> dict[str, Any]:
    async def once() -> Any:
        async with aiohttp.ClientSession() as session:
            return await send(
                session=session,
                url=url,
                payload=PAYLOAD,
                issuer_id=issuer,
                private_key_pem=private,
            )

    return dict(asyncio.run(once()))


SENDERS = [
    rotagent.OrchestratorClient.send_secure_request,
    tallystick.OrchestratorClient.send_secure_request,
]


@pytest.mark.parametrize("send", SENDERS, ids=["rotagent", "tallystick"])
@pytest.mark.parametrize("agent", ["rotagent", "tallystick"])
def test_each_client_calls_each_agent_and_is_answered_alike(
    keys_dir: Path, keys: KeyPair, other_keys: KeyPair, send: Callable[..., Any], agent: str
) -> None:
    app = (
        rotagent_app(keys_dir) if agent == "rotagent" else agent_app(tallystick.AgentAuth(keys_dir))
    )
    with serving(app) as url:
        answer = ask(send, url, "orchestrator", keys.private)
        assert answer["agent_url"] == url
        assert "error" not in answer
        if agent == "tallystick":
            assert json.loads(answer["body"]) == PAYLOAD
        refused = {"error": "Auth Failed", "agent_url": url}
        assert ask(send, url, "orchestrator", other_keys.private) == refused
        assert ask(send, url, "stranger", keys.private) == refused


def test_rotagents_key_files_and_tokens_of_its_dev_tools_work_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rotagent.DevTools.setup_persistent_keys()
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("DEV_PRIVATE_KEY=")]
    monkeypatch.setenv("DEV_PRIVATE_KEY", line.partition("=")[2])
    app = agent_app(tallystick.AgentAuth(dev_mode=True))
    for dev_tools in (rotagent.DevTools, tallystick.DevTools):
        token, body = dev_tools.generate_bearer_token("x")
        assert call(app, {"Authorization": f"Bearer {token}"}, body.encode()).status == 200


def test_pyjwt_verifies_what_we_sign(keys: KeyPair, backend: str) -> None:
    client = tallystick.OrchestratorClient("orchestrator", keys.private, backend=backend)
    token = client.sign("POST", ORIGIN + "/agent?a=1", BODY)["Authorization"].removeprefix(
        "Bearer "
    )
    claims = jwt.decode(
        token,
        keys.public,
        algorithms=["RS256"],
        issuer="orchestrator",
        options={"require": ["iss", "iat", "exp", "jti", "content_sha256", "htm", "htu"]},
    )
    assert claims["content_sha256"] == hashlib.sha256(BODY).hexdigest()
    assert claims["query_sha256"] == hashlib.sha256(b"a=1").hexdigest()
    assert (claims["htm"], claims["htu"]) == ("POST", ORIGIN + "/agent")
    assert isinstance(claims["iat"], int)
    assert claims["exp"] == claims["iat"] + 60


def test_we_verify_what_pyjwt_signs(keys: KeyPair, other_keys: KeyPair, backend: str) -> None:
    core = load_core(backend)
    token = jwt.encode({"iss": "someone", "n": [1, 2.5]}, keys.private, algorithm="RS256")
    verified = call_json(core, "jws.verify", {"token": token, "key": keys.public})
    assert verified["header"] == {"alg": "RS256", "typ": "JWT"}
    payload = jwt.utils.base64url_decode(verified["payload"])
    assert json.loads(payload) == {"iss": "someone", "n": [1, 2.5]}
    with pytest.raises(tallystick.InvalidSignatureError):
        call_json(core, "jws.verify", {"token": token, "key": other_keys.public})
