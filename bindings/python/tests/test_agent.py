"""AgentAuth in a Flask application, on both backends."""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from flask import Flask, g, jsonify, request
from flask.views import MethodView

import tallystick
from support import BODY, ORIGIN, KeyPair, agent_app, call, signed_call
from tallystick import AgentAuth, InvalidArgumentError, OrchestratorClient
from tallystick._generated import CODES

if TYPE_CHECKING:
    from pathlib import Path

    from flask.typing import ResponseReturnValue


@pytest.fixture
def auth(keys_dir: Path, backend: str) -> AgentAuth:
    return AgentAuth(keys_dir, backend=backend)


@pytest.fixture
def app(auth: AgentAuth) -> Flask:
    return agent_app(auth)


def test_a_signed_request_reaches_the_view_with_its_body(
    app: Flask, client: OrchestratorClient
) -> None:
    answer = signed_call(app, client)
    assert answer.status == 200
    assert answer.json["issuer"] == "orchestrator"
    assert answer.json["body"] == BODY.decode()


def test_the_caller_is_in_g_auth(
    auth: AgentAuth, client: OrchestratorClient, keys_dir: Path
) -> None:
    app = Flask("agent")
    seen: list[tallystick.Caller] = []

    @app.post("/agent")
    @auth.require_auth
    def agent() -> ResponseReturnValue:
        seen.append(g.auth)
        return ""

    before = time.time()
    assert signed_call(app, client).status == 200
    (caller,) = seen
    public = tallystick.KeyManager.load_public_keys(keys_dir)["orchestrator"]
    assert caller.issuer == "orchestrator"
    assert caller.key_id == public.kid
    assert caller.issued_at is not None
    assert int(before) <= caller.issued_at <= time.time()
    assert caller.expires_at == caller.issued_at + 60
    assert caller.claims["jti"] == caller.jti
    assert caller.claims["htu"] == ORIGIN + "/agent"
    assert not caller.development
    with pytest.raises(AttributeError):
        caller.issuer = "someone else"  # type: ignore[misc]


def test_no_header_is_refused_with_a_bare_challenge(app: Flask) -> None:
    answer = call(app, {})
    assert (answer.status, answer.code) == (401, "missing_authorization")
    assert answer.json["error"] == "Missing/Invalid Authorization header"
    assert answer.headers["www-authenticate"] == 'Bearer realm="tallystick"'
    assert answer.headers["content-type"] == "application/json"


def test_the_same_token_works_once(app: Flask, client: OrchestratorClient) -> None:
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    assert call(app, headers).status == 200
    again = call(app, headers)
    assert (again.status, again.code) == (429, "replay_detected")
    assert again.json["error"] == "Replay Detected"
    assert signed_call(app, client).status == 200


def test_a_changed_body_is_refused_and_does_not_use_the_token_up(
    app: Flask, client: OrchestratorClient
) -> None:
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    changed = call(app, headers, BODY + b" ")
    assert (changed.status, changed.code) == (401, "body_tampered")
    assert call(app, headers).status == 200


def test_an_unknown_issuer_is_named(app: Flask, keys: KeyPair) -> None:
    answer = signed_call(app, OrchestratorClient("stranger", keys.private))
    assert (answer.status, answer.code) == (401, "unknown_issuer")
    assert answer.json["error"] == "Unknown Issuer: stranger"


def test_a_signature_by_another_key_is_refused(
    app: Flask, client: OrchestratorClient, other_keys: KeyPair
) -> None:
    answer = signed_call(app, OrchestratorClient("orchestrator", other_keys.private))
    assert (answer.status, answer.code) == (401, "invalid_signature")
    assert signed_call(app, client).status == 200


def rotagent_token(private: str, **changes: Any) -> dict[str, str]:
    now = time.time()
    claims = {
        "iss": "orchestrator",
        "iat": now,
        "exp": now + 60,
        "jti": os.urandom(16).hex(),
        "content_sha256": __import__("hashlib").sha256(BODY).hexdigest(),
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return {"Authorization": "Bearer " + jwt.encode(claims, private, algorithm="RS256")}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": time.time() - 1, "iat": time.time() - 30}, "token_expired"),
        ({"nbf": time.time() + 3600}, "token_not_yet_valid"),
        ({"jti": None}, "invalid_claims"),
        ({"exp": time.time() + 7200}, "invalid_claims"),
        ({"aud": "someone"}, "invalid_audience"),
        ({"content_sha256": "0" * 64}, "body_tampered"),
        ({"htm": "GET", "htu": ORIGIN + "/agent"}, "wrong_target"),
        ({"htm": "POST", "htu": ORIGIN + "/other"}, "wrong_target"),
    ],
)
def test_each_wrong_claim_has_its_error(
    app: Flask, keys: KeyPair, changes: dict[str, Any], code: str
) -> None:
    refused = call(app, rotagent_token(keys.private, **changes))
    assert (refused.status, refused.code) == (CODES[code].status, code)
    assert refused.json["error"] == CODES[code].words
    assert call(app, rotagent_token(keys.private)).status == 200


@pytest.mark.parametrize(
    ("path", "accepted"), [("/agent?a=1", True), ("/agent?a=2", False), ("/agent", False)]
)
def test_the_query_is_signed(
    app: Flask, client: OrchestratorClient, path: str, accepted: bool
) -> None:
    headers = client.sign("POST", ORIGIN + "/agent?a=1", BODY)
    answer = call(app, headers, path=path)
    assert answer.status == (200 if accepted else 401)
    if not accepted:
        assert answer.code == "wrong_target"


def test_an_app_under_a_mount_point_sees_the_whole_path(
    app: Flask, client: OrchestratorClient
) -> None:
    def at(url: str) -> int:
        headers = client.sign("POST", url, BODY)
        return (
            app.test_client()
            .post("/agent", data=BODY, headers=headers, base_url=ORIGIN + "/mounted")
            .status_code
        )

    assert at(ORIGIN + "/mounted/agent") == 200
    assert at(ORIGIN + "/agent") == 401


def test_base_url_checks_the_origin(
    keys_dir: Path, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    app = agent_app(AgentAuth(keys_dir, base_url="https://agent.example"))
    assert call(app, client.sign("POST", "https://agent.example/agent", BODY)).status == 200
    refused = call(app, client.sign("POST", "https://other.example/agent", BODY))
    assert refused.code == "wrong_target"
    assert "base_url" in caplog.text
    assert "https://other.example" in caplog.text
    assert b"example" not in refused.body


def test_require_target_refuses_tokens_that_name_no_receiver(
    keys_dir: Path, client: OrchestratorClient, keys: KeyPair
) -> None:
    app = agent_app(AgentAuth(keys_dir, require_target=True))
    assert call(app, rotagent_token(keys.private)).code == "invalid_claims"
    assert signed_call(app, client).status == 200


def test_leeway_forgives_clocks(keys_dir: Path, keys: KeyPair) -> None:
    def late() -> dict[str, str]:
        return rotagent_token(keys.private, iat=time.time() - 70, exp=time.time() - 10)

    assert call(agent_app(AgentAuth(keys_dir, leeway=30)), late()).status == 200
    assert call(agent_app(AgentAuth(keys_dir)), late()).code == "token_expired"


def test_max_lifetime_bounds_tokens(keys_dir: Path, keys: KeyPair) -> None:
    app = agent_app(AgentAuth(keys_dir, max_lifetime=30))
    short = rotagent_token(keys.private, iat=int(time.time()), exp=int(time.time()) + 30)
    assert call(app, rotagent_token(keys.private)).code == "invalid_claims"
    assert call(app, short).status == 200


def test_the_realm_is_in_the_challenge(keys_dir: Path) -> None:
    app = agent_app(AgentAuth(keys_dir, realm="movies"))
    assert call(app, {}).headers["www-authenticate"] == 'Bearer realm="movies"'


def test_on_error_may_be_async(keys_dir: Path, client: OrchestratorClient) -> None:
    async def words(error: tallystick.TallystickError) -> ResponseReturnValue:
        return error.code, 418

    app = agent_app(AgentAuth(keys_dir, on_error=words))
    answer = call(app, {})
    assert (answer.status, answer.body) == (418, b"missing_authorization")
    assert signed_call(app, client).status == 200


def test_on_error_words_the_response(keys_dir: Path, client: OrchestratorClient) -> None:
    def words(error: tallystick.TallystickError) -> ResponseReturnValue:
        assert error.response is not None
        return {"denied": error.code}, error.response.status, {"X-Denied": "yes"}

    app = agent_app(AgentAuth(keys_dir, on_error=words))
    answer = call(app, {})
    assert (answer.status, answer.json) == (401, {"denied": "missing_authorization"})
    assert answer.headers["X-Denied"] == "yes"
    assert signed_call(app, client).status == 200


def test_async_views(auth: AgentAuth, client: OrchestratorClient) -> None:
    app = Flask("agent")

    @app.post("/agent")
    @auth.require_auth
    async def agent() -> ResponseReturnValue:
        return jsonify(issuer=g.auth.issuer, body=request.get_json(force=True))

    assert signed_call(app, client).json["body"] == json.loads(BODY)
    assert call(app, {}).status == 401
    assert agent.__name__ == "agent"


def test_methods_of_class_based_views(auth: AgentAuth, client: OrchestratorClient) -> None:
    app = Flask("agent")

    class Whole(MethodView):
        decorators = [auth.require_auth]

        def post(self, name: str) -> ResponseReturnValue:
            return jsonify(issuer=g.auth.issuer, name=name)

    class OneMethod(MethodView):
        @auth.require_auth
        async def post(self) -> ResponseReturnValue:
            return jsonify(issuer=g.auth.issuer, kind=type(self).__name__)

        def get(self) -> ResponseReturnValue:
            return "open"

    app.add_url_rule("/whole/<name>", view_func=Whole.as_view("whole"))
    app.add_url_rule("/method", view_func=OneMethod.as_view("method"))
    whole = signed_call(app, client, path="/whole/x")
    assert whole.json == {"issuer": "orchestrator", "name": "x"}
    assert call(app, {}, path="/whole/x").status == 401
    method = signed_call(app, client, path="/method")
    assert method.json == {"issuer": "orchestrator", "kind": "OneMethod"}
    assert call(app, {}, path="/method").status == 401
    assert app.test_client().get("/method").get_data() == b"open"


def test_a_class_is_no_view(auth: AgentAuth) -> None:
    with pytest.raises(tallystick.InvalidArgumentError, match="decorators"):
        auth.require_auth(MethodView)


def test_a_refused_request_leaves_no_caller_behind(
    auth: AgentAuth, client: OrchestratorClient
) -> None:
    app = agent_app(auth)
    with app.app_context():
        assert signed_call(app, client).status == 200
        assert call(app, {}).status == 401


def test_development_mode_skips_replay_and_body_but_not_the_signature(
    keys_dir: Path,
    client: OrchestratorClient,
    other_keys: KeyPair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = agent_app(AgentAuth(keys_dir, dev_mode=True))
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    assert [call(app, headers, body).status for body in (BODY, b"other", b"")] == [200] * 3
    forged = OrchestratorClient("orchestrator", other_keys.private)
    assert signed_call(app, forged).code == "invalid_signature"
    assert caplog.text.count("development mode") == 1


@pytest.mark.parametrize(
    ("value", "development"),
    [("development", True), ("Development", False), ("production", False), ("", False)],
)
def test_app_env_must_say_development_exactly(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch, value: str, development: bool
) -> None:
    monkeypatch.setenv("APP_ENV", value)
    assert AgentAuth(keys_dir).dev_mode is development
    assert AgentAuth(keys_dir, dev_mode=False).dev_mode is False


def test_production_is_the_default(keys_dir: Path) -> None:
    assert AgentAuth(keys_dir).dev_mode is False


@pytest.mark.parametrize(
    ("options", "ahead", "fine"),
    [
        ({}, 4, True),
        ({}, 15, False),
        ({"leeway": 300}, 15, False),
        ({"clock_skew": 0}, 4, False),
        ({"clock_skew": 300}, 15, True),
    ],
)
def test_a_clock_that_runs_ahead(
    keys_dir: Path, keys: KeyPair, options: dict[str, Any], ahead: float, fine: bool
) -> None:
    app = agent_app(AgentAuth(keys_dir, **options))
    now = time.time()
    early = rotagent_token(keys.private, iat=now + ahead, exp=now + ahead + 60)
    answer = call(app, early)
    assert answer.status == 200 if fine else answer.code == "token_not_yet_valid"
    if fine:
        assert call(app, early).code == "replay_detected"


def test_dev_mode_takes_no_text(keys_dir: Path) -> None:
    with pytest.raises(tallystick.InvalidArgumentError, match="dev_mode"):
        AgentAuth(keys_dir, dev_mode="false")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"base_url": "agent.example"}, InvalidArgumentError, "base_url"),
        ({"leeway": -1}, InvalidArgumentError, "leeway"),
        ({"clock_skew": 301}, InvalidArgumentError, "clock_skew"),
        ({"clock_skew": "5"}, InvalidArgumentError, "clock_skew"),
        ({"max_lifetime": 0}, InvalidArgumentError, "max_lifetime"),
        ({"max_body": 1 << 40}, InvalidArgumentError, "max_body"),
        ({"realm": 'a"b'}, InvalidArgumentError, "realm"),
        ({"backend": "jvm"}, InvalidArgumentError, '"jvm"'),
        ({"store": "memmory"}, InvalidArgumentError, "'memmory'"),
        ({"store": object()}, InvalidArgumentError, "claim"),
        ({"leeway": "30"}, InvalidArgumentError, "leeway"),
    ],
)
def test_wrong_options_are_named(
    keys_dir: Path, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        AgentAuth(keys_dir, **options)


def test_keys_are_given_in_place_of_a_folder(
    keys_dir: Path, keys: KeyPair, client: OrchestratorClient, backend: str
) -> None:
    auth = AgentAuth(keys={"orchestrator": keys.public}, backend=backend)
    assert auth.keys_dir is None
    assert signed_call(agent_app(auth), client).status == 200
    auth.close()
    assert signed_call(agent_app(auth), client).status == 200
    other = AgentAuth(keys={"somebody": keys.public}, backend=backend)
    assert signed_call(agent_app(other), client).code == "unknown_issuer"
    with pytest.raises(InvalidArgumentError, match="keys_dir or keys, not both"):
        AgentAuth(keys_dir, keys={"orchestrator": keys.public})
    wrong: Any = [keys.public]
    with pytest.raises(InvalidArgumentError, match=r"^keys takes a mapping"):
        AgentAuth(keys=wrong)


def test_a_text_that_is_no_key_is_refused(keys: KeyPair) -> None:
    AgentAuth(keys={"orchestrator": keys.public}, store="memory:")
    with pytest.raises(tallystick.InvalidKeyError, match="mallory"):
        AgentAuth(keys={"orchestrator": keys.public, "mallory": "no key"}, store="memory:")


def test_the_default_folder_is_authorized_keys_of_the_working_directory(
    keys_dir: Path, monkeypatch: pytest.MonkeyPatch, client: OrchestratorClient, tmp_path: Path
) -> None:
    monkeypatch.chdir(keys_dir.parent)
    auth = AgentAuth()
    monkeypatch.chdir("/")
    assert auth.keys_dir == str(keys_dir)
    assert signed_call(agent_app(auth), client).status == 200


def test_refusals_are_logged_with_more_than_the_response_says(
    keys_dir: Path, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    own = logging.getLogger("my.agent")
    app = agent_app(AgentAuth(keys_dir, logger=own))
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    assert call(app, headers).status == 200
    assert caplog.records == []
    assert call(app, headers).status == 429
    (record,) = caplog.records
    assert record.name == "my.agent"
    assert "orchestrator" in record.getMessage()
    assert headers["Authorization"] not in caplog.text


def test_a_closed_agent_opens_again(auth: AgentAuth, client: OrchestratorClient) -> None:
    app = agent_app(auth)
    assert signed_call(app, client).status == 200
    auth.close()
    auth.close()
    assert signed_call(app, client).status == 200
