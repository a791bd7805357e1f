"""Several agents under real gunicorn: --preload, two workers, and keys that change."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from agents import agent
from support import DEADLINE, Answer, Server, gunicorn, post, post_twice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tallystick import AuthSkill

pytestmark = pytest.mark.medium

PRELOAD = ("--preload", "--workers", "2", "--threads", "32", "--timeout", str(DEADLINE))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("agents")
    environment = {
        "KEYS_DIR": str(folder / "keys"),
        "XDG_STATE_HOME": str(folder / "state"),
        "OPTIONS": json.dumps({"allowed_scopes": ["read", "tools:*"]}),
    }
    with gunicorn("flask_agents", environment, *PRELOAD) as server:
        yield server


@pytest.fixture
def carol(tmp_path: Path) -> Iterator[AuthSkill]:
    with agent(tmp_path, "carol") as (skill, _):
        yield skill


def ask(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body or None, headers=named)
        response = connection.getresponse()
        headers_ = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers_, response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("mount", ["", "/alice", "/bob"])
def test_each_agent_publishes_its_documents(server: Server, mount: str) -> None:
    found = ask(server, "GET", f"{mount}/.well-known/openid-configuration")
    assert found.status == 200
    assert found.json["issuer"] == server.url + mount
    assert found.json["jwks_uri"] == f"{server.url}{mount}/.well-known/jwks.json"
    keys = ask(server, "GET", f"{mount}/.well-known/jwks.json")
    assert len(keys.json["keys"]) == 2
    assert "private" not in keys.body.decode()
    assert not any("d" in key for key in keys.json["keys"])
    assert "max-age=" in keys.headers["cache-control"]
    tag = keys.headers["etag"]
    assert ask(server, "GET", f"{mount}/.well-known/jwks.json", if_none_match=tag).status == 304
    head = ask(server, "HEAD", f"{mount}/.well-known/jwks.json")
    assert (head.status, head.body) == (200, b"")
    refused = ask(server, "POST", f"{mount}/.well-known/jwks.json")
    assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask(server, "GET", f"{mount}/auth/token").status == 405


def test_documents_at_the_root_of_the_server(server: Server) -> None:
    for name in ("alice", "bob"):
        own = f"{server.url}/{name}"
        resource = ask(server, "GET", f"/.well-known/oauth-protected-resource/{name}")
        assert resource.json["resource"] == own
        assert resource.headers["access-control-allow-origin"] == "*"
        issuer = ask(server, "GET", f"/.well-known/oauth-authorization-server/{name}")
        assert issuer.json["issuer"] == own
        below = ask(server, "GET", f"/{name}/.well-known/oauth-protected-resource")
        assert below.json == resource.json
        asked = {"origin": "https://app.example", "access_control_request_method": "POST"}
        preflight = ask(server, "OPTIONS", f"/{name}/auth/token", b"", **asked)
        assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (
            204,
            "POST",
        )
    root = ask(server, "GET", "/.well-known/oauth-protected-resource")
    assert root.json["resource"] == server.url
    refused = ask(server, "GET", "/bob/whoami")
    document = f'resource_metadata="{server.url}/.well-known/oauth-protected-resource/bob"'
    assert document in refused.headers["www-authenticate"]
    missing = ask(server, "GET", "/.well-known/oauth-protected-resource/carol")
    assert missing.status == 404


@pytest.mark.parametrize("path", ["/carol/.well-known/jwks.json", "/alice/api/auth/jwks", "/x"])
def test_what_is_not_there_is_not_found(server: Server, path: str) -> None:
    assert ask(server, "GET", path).status == 404


def test_a_token_request_without_credentials(server: Server) -> None:
    form = b"grant_type=client_credentials&client_id=x&client_secret=0123456789abcdef"
    kind = "application/x-www-form-urlencoded"
    refused = ask(server, "POST", "/alice/auth/token", form, content_type=kind)
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")
    assert refused.headers["cache-control"] == "no-store"
    huge = ask(server, "POST", "/alice/auth/token", b"a=" + b"x" * 70_000, content_type=kind)
    assert huge.status == 413


def test_two_headers_are_refused_at_the_token_endpoint(server: Server) -> None:
    kind = "application/x-www-form-urlencoded"
    for second in ("Basic eDp5", "Bearer x"):
        refused = post_twice(
            server.port, "/alice/auth/token", "Basic eDp5", second, content_type=kind
        )
        assert (refused.status, refused.json["error"]) == (400, "invalid_request")
    form = b"grant_type=client_credentials"
    alone = ask(
        server, "POST", "/alice/auth/token", form, authorization="Basic eDp5", content_type=kind
    )
    assert (alone.status, alone.json["error"]) == (401, "invalid_client")


def test_two_headers_are_refused(server: Server, carol: AuthSkill) -> None:
    path = "/bob/whoami"
    header = carol.authorize(server.url + "/bob", ["read"])["Authorization"]
    for other in (header, "Basic eDp5", 'Digest a="b", c=d'):
        for pair in ((header, other), (other, header)):
            refused = post_twice(server.port, path, *pair)
            assert (refused.status, refused.code) == (400, "ambiguous_authorization")
            assert 'error="invalid_request"' in refused.headers["www-authenticate"]
    assert ask(server, "GET", path, authorization=header).status == 200


@pytest.mark.parametrize("path", ["/bob/whoami", "/bob/view"])
def test_a_caller_is_known_and_a_stranger_is_not(
    server: Server, carol: AuthSkill, path: str
) -> None:
    header = carol.authorize(server.url + "/bob", ["read", "write"])["Authorization"]
    found = ask(server, "GET", path, authorization=header)
    assert (found.status, found.json["agent"], found.json["scopes"]) == (200, "carol", ["read"])
    assert found.json["forked"]
    nobody = ask(server, "GET", path)
    assert nobody.status == 401
    assert nobody.headers["www-authenticate"].startswith("Bearer")
    wrong = ask(server, "GET", path, authorization=header[:-2] + "AA")
    assert (wrong.status, wrong.code) == (401, "invalid_signature")
    elsewhere = carol.authorize(server.url + "/alice")["Authorization"]
    assert ask(server, "GET", path, authorization=elsewhere).code == "invalid_audience"


def test_a_missing_scope_is_said(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url + "/bob", ["read", "write"])["Authorization"]
    refused = ask(server, "GET", "/bob/write", authorization=header)
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    assert 'scope="write"' in refused.headers["www-authenticate"]


def test_a_bound_token_works_once_in_all_workers(server: Server, carol: AuthSkill) -> None:
    def sign(body: bytes = b"{}") -> str:
        url = server.url + "/bound"
        return carol.authorize(server.url, method="POST", url=url, body=body, bind=True)[
            "Authorization"
        ]

    unbound = carol.authorize(server.url)["Authorization"]
    assert ask(server, "POST", "/bound", b"{}", authorization=unbound).status == 401
    assert ask(server, "POST", "/bound", b"[]", authorization=sign()).code == "body_tampered"
    big = b"x" * (10 << 20)
    whole = ask(server, "POST", "/bound", big, authorization=sign(big))
    assert (whole.status, len(whole.json["body"])) == (200, len(big))
    # Chunked, so that the server reads it to the limit and does not hang up before.
    headers = {"Authorization": sign(big + b"x"), "Transfer-Encoding": "chunked"}
    parts = iter([big, b"x"])
    assert post(server.port, headers, parts, "/bound", encode_chunked=True).status == 413
    header = sign()
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(
                lambda _: ask(server, "POST", "/bound", b"{}", authorization=header), range(16)
            )
        )
    assert sorted(answer.status for answer in answers) == [200] + [429] * 15


def test_a_body_of_an_unbound_request_is_the_views(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url + "/bob")["Authorization"]
    found = ask(server, "POST", "/bob/whoami", b"x" * 100_000, authorization=header)
    assert len(found.json["body"]) == 100_000


@pytest.mark.slow
def test_a_thousand_calls_under_rotation_lose_none(server: Server) -> None:
    """Agents of one server, whose callers fetch from it while it answers."""

    def call(number: int) -> Any:
        # The first key of all that comes next counts as known; the one after it is not,
        # and is fetched when it is seen.
        if number in (300, 700):
            assert ask(server, "POST", "/alice/rotate").status == 200
        answer = ask(server, "GET", "/alice/call")
        return answer.status, answer.body

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(1000)))
    assert [answer for answer in answers if answer[0] != 200] == []
    assert len({json.loads(body)["key"] for _, body in answers}) == 3
    assert len({json.loads(body)["pid"] for _, body in answers}) == 2
