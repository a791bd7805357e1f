"""The Flask side in this process: decorators, refusals of one's own, several blueprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, g, request

from agents import agent
from tallystick import (
    AuthEndpoints,
    AuthMiddleware,
    AuthSkill,
    InvalidArgumentError,
    TallystickError,
    auth_blueprint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

BOB = "https://bob.example/agents/bob"


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[AuthSkill]:
    with agent(tmp_path, "alice") as (skill, _):
        yield skill


def bob(tmp_path: Path, **options: Any) -> AuthSkill:
    return AuthSkill(base_url=BOB, keys_dir=str(tmp_path / "k"), dev_mode=True, **options)


def test_a_refusal_of_ones_own(
    tmp_path: Path, alice: AuthSkill, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(refused: TallystickError) -> tuple[str, int]:
        return f"no: {refused.code}", 418

    skill = bob(tmp_path, on_error=refuse)
    app = Flask("bob")
    app.get("/x")(skill.require_scopes("read")(lambda: g.auth.agent_id))
    client = app.test_client()
    header = alice.authorize(BOB, ["read"])
    assert client.get("/x", headers=header).text == "alice"
    refused = client.get("/x")
    assert (refused.status_code, refused.text) == (418, "no: missing_authorization")
    unscoped = alice.authorize(BOB, ["write"])
    assert client.get("/x", headers=unscoped).text == "no: insufficient_scope"
    assert "refused: insufficient_scope" in caplog.text
    assert header["Authorization"][40:] not in caplog.text


def test_a_body_is_left_to_the_view_unless_a_token_is_bound_to_it(
    tmp_path: Path, alice: AuthSkill
) -> None:
    skill = bob(tmp_path)
    app = Flask("bob")

    @app.post("/x")
    @skill.require_auth
    def view() -> str:
        return f"{g.auth.bound} {len(request.stream.read())}"

    client = app.test_client()
    header = alice.authorize(BOB)
    assert client.post("/x", data=b"x" * 10, headers=header).text == "False 10"

    def bound(body: bytes) -> dict[str, str]:
        value = alice.authorize(BOB, method="POST", url=f"{BOB}/x", body=body, bind=True)[
            "Authorization"
        ]
        return {"Authorization": value}

    assert client.post("/x", data=b"x" * 10, headers=bound(b"x" * 10)).text == "True 10"
    assert client.post("/x", data=b"x" * 10, headers=bound(b"x" * 9)).status_code == 401


def test_a_body_that_was_read_before_cannot_be_checked(tmp_path: Path, alice: AuthSkill) -> None:
    skill = bob(tmp_path)
    app = Flask("bob")
    app.before_request(lambda: request.stream.read() and None)
    app.post("/x")(skill.require_auth(lambda: "ok"))
    value = alice.authorize(BOB, method="POST", url=f"{BOB}/x", body=b"x", bind=True)[
        "Authorization"
    ]
    refused = app.test_client().post("/x", data=b"x", headers={"Authorization": value})
    assert refused.status_code >= 400
    header = alice.authorize(BOB)
    assert app.test_client().post("/x", data=b"x", headers=header).text == "ok"


def test_what_is_decorated(tmp_path: Path) -> None:
    skill = bob(tmp_path)
    for wrong in (5, type("View", (), {})):
        with pytest.raises(InvalidArgumentError, match="decorators"):
            skill.require_auth(wrong)  # type: ignore[type-var]
    for pattern in ("a b", "", "é", '"'):
        with pytest.raises(InvalidArgumentError, match="scope"):
            skill.require_scopes(pattern)
        with pytest.raises(InvalidArgumentError, match="scope"):
            AuthMiddleware(AuthEndpoints(skill), skill, scopes=[pattern])
    # The text "no" would be true, and None no binding where one was meant.
    for flag in (None, "", "no", 1):
        with pytest.raises(InvalidArgumentError, match="bind takes True or False"):
            skill.require_scopes("a", bind=flag)  # type: ignore[arg-type]
    skill.require_scopes("a", "b:*", bind=True)


def test_scopes_of_an_iterator_are_required(tmp_path: Path) -> None:
    skill = bob(tmp_path)
    app = AuthEndpoints(skill)
    listed = AuthMiddleware(app, skill, scopes=["write"])
    iterated = AuthMiddleware(app, skill, scopes=iter(["write"]))  # type: ignore[arg-type]
    assert iterated._required == listed._required
    assert listed._required != AuthMiddleware(app, skill)._required


def test_several_blueprints_and_prefixes(tmp_path: Path) -> None:
    skill = bob(tmp_path)
    app = Flask("bob")
    app.register_blueprint(skill.blueprint())
    app.register_blueprint(skill.blueprint("second"), url_prefix="/deep")
    app.register_blueprint(auth_blueprint({"a": skill}, name="third"), url_prefix="/all")
    client = app.test_client()
    for prefix in ("", "/deep", "/all/a"):
        found = client.get(f"{prefix}/.well-known/openid-configuration")
        assert found.get_json()["issuer"] == BOB
    assert client.get("/all/b/.well-known/openid-configuration").status_code == 404
    assert client.get("/api/auth/jwks").status_code == 404
