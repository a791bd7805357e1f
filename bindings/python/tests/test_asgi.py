"""The ASGI application and the guard, in a real uvicorn."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import UserDict
from typing import TYPE_CHECKING, Any

import pytest

from agents import agent
from support import APPS, DEADLINE, Server, post_twice, stop
from tallystick import (
    AuthEndpoints,
    AuthMiddleware,
    AuthSkill,
    InvalidArgumentError,
    InvalidConfigError,
    TallystickError,
    WrongTargetError,
)
from tallystick._access.token_endpoint import engine_of
from tallystick._http.asgi_request import facts_of, path_below_mount
from tallystick.types import Body
from test_access_gunicorn import ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, MutableMapping
    from pathlib import Path

    ForeignMessage = MutableMapping[str, Any]
    ForeignReceive = Callable[[], Awaitable[ForeignMessage]]
    ForeignSend = Callable[[ForeignMessage], Awaitable[None]]
    ForeignApp = Callable[[ForeignMessage, ForeignReceive, ForeignSend], Awaitable[None]]

pytestmark = pytest.mark.medium


@contextlib.contextmanager
def uvicorn(folder: Path, *options: str, app: str = "app") -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = listener.getsockname()[1]
        os.set_inheritable(listener.fileno(), True)
        environment = {"PORT": str(port), "KEYS_DIR": str(folder / "keys")}
        environment["XDG_STATE_HOME"] = str(folder / "state")
        command = [sys.executable, "-m", "uvicorn", f"asgi_agents:{app}"]
        command += ["--fd", str(listener.fileno()), "--app-dir", str(APPS)]
        process = subprocess.Popen(
            [*command, "--log-level", "warning", *options],
            env={**os.environ, **environment},
            pass_fds=[listener.fileno()],
        )
        try:
            yield Server(port, process)
        finally:
            stop(process)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with uvicorn(tmp_path_factory.mktemp("asgi")) as server:
        yield server


@pytest.fixture
def carol(tmp_path: Path) -> Iterator[AuthSkill]:
    with agent(tmp_path, "carol") as (skill, _):
        yield skill


@pytest.mark.parametrize("mount", ["", "/alice"])
def test_the_documents(server: Server, mount: str) -> None:
    found = ask(server, "GET", f"{mount}/.well-known/openid-configuration")
    assert found.json["issuer"] == server.url + mount
    keys = ask(server, "GET", f"{mount}/.well-known/jwks.json")
    assert len(keys.json["keys"]) == 2
    tag = keys.headers["etag"]
    again = ask(server, "GET", f"{mount}/.well-known/jwks.json", if_none_match=tag)
    assert (again.status, again.body) == (304, b"")
    assert ask(server, "PUT", f"{mount}/.well-known/jwks.json").status == 405
    assert ask(server, "HEAD", f"{mount}/.well-known/jwks.json").headers["content-length"] == str(
        len(keys.body)
    )
    form = "application/x-www-form-urlencoded"
    token = ask(server, "POST", f"{mount}/auth/token", b"a=b", content_type=form)
    assert token.status in (400, 401)
    huge = ask(server, "POST", f"{mount}/auth/token", b"a=" + b"x" * 70_000, content_type=form)
    assert huge.status == 413


def test_two_headers_are_refused(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url, ["read"])["Authorization"]
    for other in (header, "Basic eDp5"):
        for pair in ((header, other), (other, header)):
            refused = post_twice(server.port, "/whoami", *pair)
            assert (refused.status, refused.code) == (400, "ambiguous_authorization")
    form = "application/x-www-form-urlencoded"
    refused = post_twice(server.port, "/auth/token", "Basic eDp5", "Basic eDp5", content_type=form)
    assert (refused.status, refused.json["error"]) == (400, "invalid_request")


def test_a_caller_is_in_the_scope(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url, ["read"])["Authorization"]
    found = ask(server, "POST", "/whoami?x=1", b"x" * 100_000, authorization=header)
    assert found.json == {"agent": "carol", "same": True, "length": 100_000, "up": ["started"]}
    nobody = ask(server, "GET", "/whoami")
    assert (nobody.status, nobody.headers["www-authenticate"][:6]) == (401, "Bearer")
    unscoped = carol.authorize(server.url, ["write"])["Authorization"]
    refused = ask(server, "GET", "/whoami", authorization=unscoped)
    assert (refused.status, refused.code) == (403, "insufficient_scope")
    other = carol.authorize(server.url + "/alice")["Authorization"]
    assert ask(server, "GET", "/alice/x", authorization=other).json["agent"] == "carol"
    assert ask(server, "GET", "/whoami", authorization=other).code == "invalid_audience"


def test_a_bound_body_is_read_and_given_again(server: Server, carol: AuthSkill) -> None:
    def sign(body: bytes) -> str:
        url = server.url + "/bound"
        return carol.authorize(server.url, method="POST", url=url, body=body, bind=True)[
            "Authorization"
        ]

    body = b"x" * 300_000
    header = sign(body)
    found = ask(server, "POST", "/bound", body, authorization=header)
    assert (found.status, found.json["length"]) == (200, len(body))
    assert ask(server, "POST", "/bound", body, authorization=header).code == "replay_detected"
    changed = ask(server, "POST", "/bound", body + b"y", authorization=sign(body))
    assert changed.code == "body_tampered"
    unbound = carol.authorize(server.url)["Authorization"]
    assert ask(server, "POST", "/bound", body, authorization=unbound).status == 401


def handshake(server: Server, path: str = "/whoami", **headers: str) -> bytes:
    """Open a WebSocket (RFC 6455 section 4.1) and return what comes back."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"carol" not in answer and (part := connection.recv(1 << 16)):
            answer += part
            if answer.startswith(b"HTTP/1.1 403"):
                break
        return answer


def test_a_websocket_is_verified_by_its_handshake(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url)["Authorization"]
    accepted = handshake(server, Authorization=header)
    assert accepted.startswith(b"HTTP/1.1 101")
    assert b"carol" in accepted
    assert handshake(server).startswith(b"HTTP/1.1 403")
    assert handshake(server, Authorization=header + "x").startswith(b"HTTP/1.1 403")


def test_alone_it_answers_404_and_lives(tmp_path: Path) -> None:
    with uvicorn(tmp_path, "--lifespan", "on", app="alone") as server:
        assert ask(server, "GET", "/.well-known/jwks.json").status == 200
        assert ask(server, "GET", "/x").status == 404
        assert handshake(server).startswith(b"HTTP/1.1 403")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with uvicorn(tmp_path_factory.mktemp("guarded"), app="everything") as server:
        yield server


PREFLIGHT = {"origin": "https://app.example", "access_control_request_method": "POST"}
RESOURCE = "/.well-known/oauth-protected-resource"
SERVER = "/.well-known/oauth-authorization-server"


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "told"),
    [
        ("GET", "/healthz", {}, 200, "/healthz"),
        ("GET", "/docs/a.css", {}, 200, "/docs/a.css"),
        ("HEAD", "/x", {}, 200, None),
        ("GET", "/x", {}, 401, None),
        ("GET", "/healthz/", {}, 401, None),
        ("GET", "/health%7A", {}, 401, None),
        ("GET", "/docs/%2e%2e/x", {}, 401, None),
        ("GET", "/docs/../x", {}, 401, None),
        ("GET", "//healthz", {}, 401, None),
        ("OPTIONS", "/x", {}, 401, None),
        ("OPTIONS", "/x", PREFLIGHT, 200, "/x"),
        ("OPTIONS", "/x", {**PREFLIGHT, "authorization": "Bearer x"}, 401, None),
        ("GET", "/agents/carol/.well-known/jwks.json", {}, 200, None),
        ("POST", "/agents/carol/auth/token", {}, 400, None),
        ("OPTIONS", "/agents/carol/auth/token", PREFLIGHT, 204, None),
        ("GET", f"{RESOURCE}/agents/carol", {}, 200, None),
        ("GET", f"{SERVER}/agents/carol", {}, 200, None),
        ("GET", f"{RESOURCE}/agents/dora", {}, 401, None),
    ],
)
def test_a_guard_before_everything(
    guarded: Server,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    told: str | None,
) -> None:
    answer = ask(guarded, method, path, b"", **headers)
    assert answer.status == status
    if told is not None:
        assert answer.json == {"path": told}
    if status == 401:
        document = f'resource_metadata="{guarded.url}{RESOURCE}/agents/carol"'
        assert document in answer.headers["www-authenticate"]


def test_the_caller_in_the_form_of_starlette(guarded: Server, carol: AuthSkill) -> None:
    header = carol.authorize(f"{guarded.url}/agents/carol", ["read"])["Authorization"]
    found = ask(guarded, "GET", "/x", authorization=header).json
    assert found == {
        "known": True,
        "name": carol.name,
        "url": carol.base_url,
        "scopes": ["read"],
        "same": True,
    }
    # Starlette's own decorator reads the scopes.
    assert ask(guarded, "GET", "/admin", authorization=header).status == 403
    lacking = carol.authorize(f"{guarded.url}/agents/carol", ["write"])["Authorization"]
    refused = ask(guarded, "GET", "/x", authorization=lacking)
    assert refused.status == 403
    assert 'scope="read", resource_metadata="' in refused.headers["www-authenticate"]


def test_an_excluded_websocket_needs_no_token(guarded: Server) -> None:
    assert b"carol is open" in handshake(guarded, path="/healthz")
    assert handshake(guarded).startswith(b"HTTP/1.1 403")


def test_the_documents_at_the_root_of_the_server(tmp_path: Path) -> None:
    with uvicorn(tmp_path, app="mounted") as server:
        found = ask(server, "GET", f"{RESOURCE}/agents/carol")
        assert found.json["resource"] == f"{server.url}/agents/carol"
        assert found.json["authorization_servers"] == [f"{server.url}/agents/carol"]
        assert found.headers["access-control-allow-origin"] == "*"
        tag = found.headers["etag"]
        assert ask(server, "GET", f"{RESOURCE}/agents/carol", if_none_match=tag).status == 304
        assert ask(server, "GET", f"{SERVER}/alice").json["issuer"] == f"{server.url}/alice"
        assert ask(server, "GET", f"{SERVER}/agents/dora").status == 404
        below = ask(server, "GET", f"/carol{RESOURCE}")
        assert below.json == found.json
        preflight = ask(server, "OPTIONS", f"{RESOURCE}/alice", b"", **PREFLIGHT)
        assert (preflight.status, preflight.body) == (204, b"")
        assert preflight.headers["access-control-allow-headers"] == "*"


@pytest.mark.parametrize("wrong", ["/*", "healthz", "/a*", "", "GET"])
def test_a_wrong_exclusion_is_named_at_the_start(tmp_path: Path, wrong: str) -> None:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError(scope)

    with AuthSkill(base_url="https://bob.example", keys_dir=str(tmp_path)) as skill:
        with pytest.raises(InvalidConfigError, match="exclude"):
            AuthMiddleware(inner, skill, exclude=["/good", wrong])
        with pytest.raises(InvalidArgumentError, match="exclude"):
            AuthMiddleware(inner, skill, exclude="/healthz")


def test_below_a_root_path(tmp_path: Path, carol: AuthSkill) -> None:
    with uvicorn(tmp_path, "--root-path", "/api") as server:
        assert ask(server, "GET", "/.well-known/jwks.json").status == 200
        header = carol.authorize(server.url)["Authorization"]
        assert ask(server, "GET", "/whoami", authorization=header).status == 200


SCOPES = [
    ({"path": "/x", "root_path": "", "raw_path": b"/x"}, "/x", "/x"),
    ({"path": "/api/x", "root_path": "/api", "raw_path": b"/api/x"}, "/x", "/api/x"),
    ({"path": "/api/x", "root_path": "/api/", "raw_path": b"/api/x"}, "/x", "/api/x"),
    ({"path": "/x", "root_path": "/api", "raw_path": b"/x"}, "/x", "/api/x"),
    ({"path": "/apix", "root_path": "/api", "raw_path": b"/apix"}, "/apix", "/api/apix"),
    ({"path": "/a b", "root_path": "", "raw_path": b"/a%20b"}, "/a b", "/a%20b"),
    ({"path": "/api", "root_path": "/api", "raw_path": b"/api"}, "", "/api"),
    ({"path": "/x"}, "/x", "/x"),
]


@pytest.mark.parametrize(("members", "below", "target"), SCOPES)
def test_where_an_application_is_mounted(
    tmp_path: Path, members: dict[str, Any], below: str, target: str
) -> None:
    scope = {"type": "http", "method": "GET", "query_string": b"", "headers": [], **members}
    assert path_below_mount(scope) == below
    # An agent at the mount point takes what was bound to the URL that its caller saw.
    mount = target.removesuffix(target[len(target) - len(below.replace(" ", "%20")) :])
    url = f"https://bob.example{mount}"
    with AuthSkill(agent_id="bob", base_url=url, keys_dir=str(tmp_path / "k")) as bob:
        for bound_to, fits in ((target, True), (target + "y", False)):
            there = f"https://bob.example{bound_to}"
            header = bob.authorize(url, method="GET", url=there, bind=True)["Authorization"]
            scope["headers"] = [(b"authorization", header.encode())]
            if fits:
                assert engine_of(bob).verify(facts_of(scope), lambda *_: Body()).bound
            else:
                with pytest.raises(WrongTargetError):
                    engine_of(bob).verify(facts_of(scope), lambda *_: Body())


def test_the_guard_takes_a_skill() -> None:
    with pytest.raises(InvalidArgumentError, match="AuthSkill"):
        AuthMiddleware(AuthEndpoints({}), None)  # type: ignore[arg-type]


def test_the_guard_fits_the_types_of_starlette(tmp_path: Path) -> None:
    # Checked by mypy as well: Starlette and asgiref say MutableMapping, not dict.
    seen: list[ForeignMessage] = []

    async def inner(scope: ForeignMessage, receive: ForeignReceive, send: ForeignSend) -> None:
        seen.append(scope)

    async def receive() -> ForeignMessage:
        return {"type": "http.disconnect"}

    async def send(message: ForeignMessage) -> None:
        seen.append(message)

    async def connect(app: ForeignApp, scope: ForeignMessage) -> None:
        await app(scope, receive, send)

    with AuthSkill(base_url="https://bob.example/bob", keys_dir=str(tmp_path)) as skill:
        app: ForeignApp = AuthEndpoints(skill, AuthMiddleware(inner, skill))
        header = skill.authorize("https://bob.example/bob")["Authorization"].encode()
        scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "headers": []}
        asyncio.run(connect(app, scope))
        assert seen[0]["status"] == 401
        seen.clear()
        scope["headers"] = [(b"authorization", header)]
        asyncio.run(connect(app, UserDict(scope)))
        assert seen[0]["auth"].agent_id == "bob"


def test_a_body_of_many_small_messages_is_given_again_in_one(tmp_path: Path) -> None:
    body = bytes(n % 251 for n in range(20_000))
    left = [body[n : n + 1] for n in range(len(body))] + [b""] * 20_000
    left.reverse()
    seen: list[ForeignMessage] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([await receive(), await receive()])

    async def receive() -> ForeignMessage:
        if not left:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    async def send(message: ForeignMessage) -> None:
        raise AssertionError(message)

    with AuthSkill(base_url="https://bob.example/bob", keys_dir=str(tmp_path)) as skill:
        url = "https://bob.example/bob"
        bound = skill.authorize(url, bind=True, method="POST", url=url, body=body)
        header = (b"authorization", bound["Authorization"].encode())
        scope = {"type": "http", "method": "POST", "path": "/bob", "headers": [header]}
        asyncio.run(AuthMiddleware(inner, skill)(scope, receive, send))
    whole = {"type": "http.request", "body": body, "more_body": False}
    assert seen == [whole, {"type": "http.disconnect"}]


@pytest.mark.parametrize("kind", ["sync", "async", "failing", "failing later"])
def test_on_error_is_told_of_a_refusal_and_never_changes_it(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    sent: list[ForeignMessage] = []

    def at_once(refused: TallystickError) -> None:
        told.append(refused.code)
        if kind == "failing":
            raise LookupError("of the program")

    async def later(refused: TallystickError) -> None:
        await asyncio.sleep(0)
        told.append(refused.code)
        if kind == "failing later":
            raise LookupError("of the program")

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("a refused request came through")

    async def receive() -> ForeignMessage:
        return {"type": "http.disconnect"}

    async def send(message: ForeignMessage) -> None:
        sent.append(message)

    on_error: Any = later if kind in ("async", "failing later") else at_once
    with AuthSkill(base_url="https://bob.example/bob", keys_dir=str(tmp_path)) as skill:
        app = AuthMiddleware(inner, skill, on_error=on_error)
        asyncio.run(
            app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
        )
    assert told == ["missing_authorization"]
    assert sent[0]["status"] == 401
    assert ("on_error failed: LookupError('of the program')" in caplog.text) == ("fail" in kind)


@pytest.mark.parametrize(
    "path", ["/" + chr(0xD800), "/" + chr(0xDCFF), "/" + chr(0xDC80) + chr(0xD800)]
)
@pytest.mark.parametrize("where", ["path", "root_path"])
def test_what_no_path_can_have_is_refused_with_an_answer(
    tmp_path: Path, path: str, where: str
) -> None:
    sent: list[ForeignMessage] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        sent.append({"status": scope["auth"].agent_id})

    async def receive() -> ForeignMessage:
        return {"type": "http.request"}

    async def send(message: ForeignMessage) -> None:
        sent.append(message)

    with AuthSkill(base_url="https://bob.example/bob", keys_dir=str(tmp_path)) as skill:
        url = "https://bob.example/bob/x"
        bound = skill.authorize("https://bob.example/bob", bind=True, method="GET", url=url)
        header = (b"authorization", bound["Authorization"].encode())
        scope = {"type": "http", "method": "GET", "path": "/bob/x", "headers": [header]}
        app = AuthMiddleware(inner, skill)
        asyncio.run(app({**scope, where: path}, receive, send))
        asyncio.run(app(scope, receive, send))
    assert [message["status"] for message in sent if "status" in message] == [401, "bob"]


def test_a_caller_that_hangs_up_amid_its_body(server: Server, carol: AuthSkill) -> None:
    url = server.url + "/bound"
    header = carol.authorize(server.url, method="POST", url=url, body=b"x" * 100, bind=True)[
        "Authorization"
    ]
    head = (
        f"POST /bound HTTP/1.1\r\nHost: h\r\nAuthorization: {header}\r\nContent-Length: 100\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head.encode() + b"x" * 50)
        time.sleep(0.1)
    found = ask(server, "POST", "/bound", b"x" * 100, authorization=header)
    assert found.status == 200


def test_many_requests_at_once(server: Server, carol: AuthSkill) -> None:
    header = carol.authorize(server.url)["Authorization"]

    async def all_of_them() -> list[int]:
        calls = [
            asyncio.to_thread(ask, server, "GET", "/whoami", authorization=header)
            for _ in range(64)
        ]
        return [answer.status for answer in await asyncio.gather(*calls)]

    assert asyncio.run(all_of_them()) == [200] * 64
