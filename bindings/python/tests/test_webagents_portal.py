"""webagents 0.3.9 in portal mode against our ``Authority``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
import pytest

from servers import Handler, serving
from tallystick import Authority, AuthSkill
from webagents_support import Peer, PeerError, peer, served, webagents_interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Peer]:
    python = webagents_interpreter(request.config)
    with peer(python, tmp_path_factory.mktemp("peer")) as running:
        yield running


class Portal:
    """An authority behind a real server, which is at its URL from the start."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.authority = Authority(url, keys_dir=folder, store="memory:")
        self.secrets = {
            name: str(
                self.authority.register_client(
                    name,
                    scopes=["read", "write"],
                    namespaces=["production"],
                    trust=["verified"],
                ).client_secret
            )
            for name in ("theo", "olga", "bob")
        }

    def answer(self, handler: Handler) -> None:
        answer = self.authority.serve(
            handler.command,
            handler.path,
            content_type=handler.headers.get("content-type", ""),
            authorization=handler.headers.get_all("authorization", []),
            body=handler.body,
        )
        if answer is None:
            handler.answer(status=404)
            return
        headers = {name: value for name, value in answer.headers.items() if name != "content-type"}
        handler.answer(answer.body.encode(), answer.status, **headers)

    def settings(self, name: str) -> dict[str, object]:
        return {
            "authority": self.url,
            "agent_id": name,
            "allowed_scopes": ["read", "write", "namespace:*"],
            "robutler": {"client_id": name, "client_secret": self.secrets[name]},
        }


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    held: list[Portal] = []
    with serving(lambda handler: held[0].answer(handler)) as site:
        held.append(Portal(site.url, tmp_path_factory.mktemp("authority")))
        with held[0].authority:
            yield held[0]


@pytest.fixture(scope="module")
def ours(portal: Portal) -> Iterator[AuthSkill]:
    with AuthSkill(portal.settings("olga"), store="memory:") as skill:
        yield skill


def test_their_provider_gets_a_token_that_we_read(
    theirs: Peer, ours: AuthSkill, portal: Portal
) -> None:
    theirs.do("open", skill="theo", name="theo", config=portal.settings("theo"))
    token = theirs.do("generate", skill="theo", target="@olga", scopes=["read"])
    caller = ours.verify_token(token)
    assert (caller.agent_id, caller.issuer, caller.issuer_type) == ("theo", portal.url, "portal")
    assert caller.name == "theo"
    assert caller.scopes == ["read", "namespace:production"]
    assert caller.namespaces == ["production"]
    assert caller.trust_labels == ["verified"]


def test_our_token_is_read_by_them(theirs: Peer, ours: AuthSkill, portal: Portal) -> None:
    theirs.do("open", skill="reader", name="theo", config=portal.settings("theo"))
    token = ours.generate_token("@theo", ["read"])
    caller = theirs.do("validate", skill="reader", token=token)
    assert (caller["agent_id"], caller["issuer_type"]) == ("olga", "portal")
    assert "production" in caller["namespaces"]


def test_the_key_id_that_they_look_for(portal: Portal) -> None:
    answer = portal.authority.serve("GET", "/api/auth/jwks")
    assert answer is not None
    kids = [key["kid"] for key in json.loads(answer.body)["keys"]]
    with AuthSkill(portal.settings("olga"), store="memory:") as skill:
        assert jwt.get_unverified_header(skill.generate_token("@theo"))["kid"] in kids


def test_a_wrong_secret(theirs: Peer, portal: Portal) -> None:
    wrong = portal.settings("theo") | {"robutler": {"client_id": "theo", "client_secret": "x" * 32}}
    theirs.do("open", skill="wrong", name="theo", config=wrong)
    with pytest.raises(PeerError, match="401"):
        theirs.do("generate", skill="wrong", target="@olga", scopes=["read"])


def test_a_scope_that_the_client_may_not_have(theirs: Peer, portal: Portal) -> None:
    theirs.do("open", skill="greedy", name="theo", config=portal.settings("theo"))
    with pytest.raises(PeerError, match="400"):
        theirs.do("generate", skill="greedy", target="@olga", scopes=["read", "admin"])
    assert theirs.do("generate", skill="greedy", target="@olga", scopes=["read", "write"])


def test_the_drop_in_in_portal_mode(
    request: pytest.FixtureRequest, ours: AuthSkill, portal: Portal, tmp_path: Path
) -> None:
    python = webagents_interpreter(request.config)
    settings = {name: value for name, value in portal.settings("bob").items() if name != "agent_id"}
    with served(python, tmp_path / "server", "tallystick", settings) as server:
        who = server.get("/bob/who", ours.generate_token("@bob", ["read"])).json
        assert (who["agent"], who["issuer"]) == ("olga", portal.url)
        elsewhere = server.get("/bob/who", ours.generate_token("@theo", ["read"]))
        assert (elsewhere.status, elsewhere.code) == (401, "invalid_audience")
        made = server.get("/bob/outgoing?target_agent=@olga").json["Authorization"]
        assert ours.verify([made], method="GET", path="/").agent_id == "bob"
        keys = server.get("/bob/.well-known/jwks.json").json["keys"]
        assert [key["kty"] for key in keys] == ["OKP"]
        discovery = server.get("/bob/.well-known/openid-configuration").json
        assert discovery["issuer"] == portal.url
