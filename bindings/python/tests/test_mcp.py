"""Access tokens at real MCP servers of the SDK and of FastMCP, and the SDK's clients."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastmcp import FastMCP
from fastmcp.server.auth import MultiAuth, StaticTokenVerifier, TokenVerificationError
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from starlette.applications import Starlette
from starlette.routing import Mount

from agents import authority as serving_authority
from mcp_servers import (
    SERVERS,
    Mcp,
    call_whoami,
    initialize,
    listening,
    running,
    serving_mcp,
    whoami,
    with_fastmcp,
    with_middleware,
)
from servers import serving
from tallystick import AuthSkill, InvalidArgumentError, InvalidConfigError, httpx2_auth
from tallystick.fastmcp import FastMcpAuth
from tallystick.mcp import McpMiddleware, McpVerifier, auth_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mcp.shared.auth import OAuthToken

    from servers import Handler, Site
    from tallystick import Authority

pytestmark = pytest.mark.medium

LOGGER = logging.getLogger("test_mcp")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Authority, Site]]:
    folder = tmp_path_factory.mktemp("authority")
    with serving_authority(folder, store="memory:") as (served, site):
        yield served, site


def client_of(authority: tuple[Authority, Site], name: str) -> AuthSkill:
    served, site = authority
    secret = served.register_client(name, scopes=["read", "write"]).client_secret
    return AuthSkill(authority=site.url, agent_id=name, client_secret=secret, store="memory:")


@pytest.fixture(scope="module")
def caller(authority: tuple[Authority, Site]) -> Iterator[AuthSkill]:
    with client_of(authority, "assistant") as skill:
        yield skill


@pytest.fixture(scope="module", params=list(SERVERS))
def server(authority: tuple[Authority, Site], request: pytest.FixtureRequest) -> Iterator[Mcp]:
    options: dict[str, Any] = {"store": "memory:", "logger": LOGGER}
    with serving_mcp(request.param, authority[1].url, ["read"], **options) as served:
        yield served


def refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """Return level and code of what the agent's logger had to say."""
    records = [record for record in caplog.records if record.name == LOGGER.name]
    return [(record.levelno, record.getMessage().split(": ")[1]) for record in records]


def test_a_tool_knows_its_caller(
    server: Mcp, caller: AuthSkill, authority: tuple[Authority, Site]
) -> None:
    found = whoami(caller, server.url)
    assert (found["client_id"], found["subject"]) == ("assistant", "assistant")
    assert (found["scopes"], found["resource"]) == (["read"], server.url)
    assert found["claims"]["iss"] == authority[1].url
    assert found["expires_at"] == found["claims"]["exp"]


def test_no_token_is_refused(server: Mcp) -> None:
    answer = initialize(server.url, None)
    assert answer.status_code == 401
    assert f'resource_metadata="{server.metadata}"' in answer.headers["www-authenticate"]


def test_a_token_for_another_server_is_refused(
    server: Mcp, caller: AuthSkill, caplog: pytest.LogCaptureFixture
) -> None:
    answer = initialize(server.url, caller.generate_token("http://127.0.0.1:9/mcp", ["read"]))
    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{server.metadata}"' in challenge
    assert refusals(caplog) == [(logging.WARNING, "invalid_audience")]
    assert initialize(server.url, caller.generate_token(server.url, ["read"])).status_code == 200


def test_a_token_without_the_scope_is_refused(server: Mcp, caller: AuthSkill) -> None:
    answer = initialize(server.url, caller.generate_token(server.url, ["write"]))
    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert "read" in challenge
    assert f'resource_metadata="{server.metadata}"' in challenge


def test_a_token_that_was_changed_is_refused(
    server: Mcp, caller: AuthSkill, caplog: pytest.LogCaptureFixture
) -> None:
    token = caller.generate_token(server.url, ["read"])
    changed = token[:-9] + ("B" if token[-9] == "A" else "A") + token[-8:]
    assert initialize(server.url, changed).status_code == 401
    assert refusals(caplog) == [(logging.WARNING, "invalid_signature")]
    assert token not in caplog.text


def test_the_document_says_who_gives_tokens(server: Mcp, authority: tuple[Authority, Site]) -> None:
    answer = httpx2.get(server.metadata, trust_env=False)
    document = answer.json()
    assert document["resource"] == server.url
    assert document["authorization_servers"] == [authority[1].url]
    assert document["scopes_supported"] == ["read", "write"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"]


def test_a_session_is_its_callers(
    server: Mcp, caller: AuthSkill, authority: tuple[Authority, Site]
) -> None:
    began = initialize(server.url, caller.generate_token(server.url, ["read"]))
    headers = {
        "Mcp-Session-Id": began.headers["mcp-session-id"],
        "MCP-Protocol-Version": "2025-06-18",
    }
    listed = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    headers["Accept"] = "application/json, text/event-stream"

    def list_tools(skill: AuthSkill) -> int:
        auth = httpx2_auth(skill, server.url, ["read"])
        return httpx2.post(
            server.url, json=listed, headers=headers, auth=auth, trust_env=False
        ).status_code

    with client_of(authority, "stranger") as stranger:
        assert list_tools(stranger) == 404
    assert list_tools(caller) == 200


STATUS = {"verifier": 500, "middleware": 503, "fastmcp": 500}


@pytest.mark.parametrize("kind", list(SERVERS))
def test_an_outage_lets_nobody_in(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.ExitStack() as up:
        served = up.enter_context(serving_authority(tmp_path, store="memory:"))
        caller = up.enter_context(client_of(served, "assistant"))
        options: dict[str, Any] = {"store": "memory:", "logger": LOGGER}
        with serving_mcp(kind, served[1].url, ["read"], **options) as server:
            token = caller.generate_token(server.url, ["read"])
            assert initialize(server.url, token).status_code == 200
        with serving_mcp(kind, served[1].url, ["read"], **options) as server:
            token = caller.generate_token(server.url, ["read"])
            up.close()
            answer = initialize(server.url, token)
    assert answer.status_code == STATUS[kind]
    assert refusals(caplog) == [(logging.ERROR, "keys_unavailable")]


def test_two_headers_are_refused_by_the_guard_of_this_package(
    server: Mcp, caller: AuthSkill, request: pytest.FixtureRequest
) -> None:
    header = ("Authorization", f"Bearer {caller.generate_token(server.url, ['read'])}")
    one, two = (
        httpx2.post(server.url, json={}, headers=headers, trust_env=False)
        for headers in ([header], [header, header])
    )
    # The others read the first header.
    kind = request.node.callspec.params["server"]
    assert "jsonrpc" in one.json()
    assert two.json().get("code") == ("ambiguous_authorization" if kind == "middleware" else None)


def test_bound_tokens_pass_the_guard_of_this_package(
    server: Mcp, caller: AuthSkill, request: pytest.FixtureRequest
) -> None:
    kind = request.node.callspec.params["server"]
    auth = httpx2_auth(caller, server.url, ["read"], bind=True)
    answer = httpx2.post(server.url, content=b"{}", auth=auth, trust_env=False)
    # What is let through is no message of MCP.
    assert answer.status_code == (400 if kind == "middleware" else 401)


class Flaky:
    """Refuses so many requests before they come to an application, and notes their tokens."""

    def __init__(self, app: Any, times: int, challenge: str) -> None:
        self.app, self.times, self.challenge = app, times, challenge
        self.tokens: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.tokens += [value for name, value in scope["headers"] if name == b"authorization"]
            self.times -= 1
            if self.times >= 0:
                headers = [(b"www-authenticate", self.challenge.encode())]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
        await self.app(scope, receive, send)


@contextlib.contextmanager
def flaky(issuer: str, times: int, error: str) -> Iterator[tuple[str, Flaky]]:
    with (
        listening() as (listener, site),
        AuthSkill(base_url=f"{site}/mcp", authority=issuer, store="memory:") as skill,
    ):
        app = Flaky(with_middleware(skill, ["read"]), times, f'Bearer error="{error}"')
        with running(app, listener):
            yield f"{site}/mcp", app


def test_a_token_that_is_no_longer_good_is_replaced_once(
    caller: AuthSkill, authority: tuple[Authority, Site]
) -> None:
    with flaky(authority[1].url, 1, "invalid_token") as (url, app):
        assert whoami(caller, url)["client_id"] == "assistant"
        assert len(set(app.tokens)) == 2
        assert app.tokens.count(app.tokens[0]) == 1
    with flaky(authority[1].url, 2, "invalid_token") as (url, app):
        auth = httpx2_auth(caller, url, ["read"])
        assert httpx2.post(url, json={}, auth=auth, trust_env=False).status_code == 401
        assert len(set(app.tokens)) == len(app.tokens) == 2
    with flaky(authority[1].url, 1, "invalid_request") as (url, app):
        auth = httpx2_auth(caller, url, ["read"])
        assert httpx2.post(url, json={}, auth=auth, trust_env=False).status_code == 401
        assert len(app.tokens) == 1


def test_a_token_is_not_sent_elsewhere(caller: AuthSkill) -> None:
    elsewhere: list[str | None] = []

    def note(handler: Handler) -> None:
        elsewhere.append(handler.headers["authorization"])
        handler.answer(status=404)

    with serving(note) as other:

        def redirect(handler: Handler) -> None:
            seen.append(handler.headers["authorization"])
            handler.answer(status=307, location=f"http://127.0.0.1:{other.port}/mcp")

        seen: list[str | None] = []
        with serving(redirect) as site:
            url = f"http://127.0.0.1:{site.port}/mcp"
            with pytest.raises(BaseException, match=r"edirect|error"):
                whoami(caller, url)
            auth = httpx2_auth(caller, url, ["read"])
            httpx2.post(url, json={}, auth=auth, follow_redirects=True, trust_env=False)
    # The SDK does not follow it at all, httpx2 does without the token.
    assert None not in seen
    assert elsewhere == [None]


def test_the_guard_names_all_scopes(caller: AuthSkill, authority: tuple[Authority, Site]) -> None:
    with listening() as (listener, site):
        url = f"{site}/mcp"
        with AuthSkill(base_url=url, authority=authority[1].url, store="memory:") as skill:
            app = with_middleware(skill, ["read", "write"], exclude=["GET /healthz"])
            with running(app, listener):
                token = caller.generate_token(url, ["read"])
                challenge = initialize(url, token).headers["www-authenticate"]
                assert 'scope="read write"' in challenge
                assert httpx2.get(f"{site}/healthz", trust_env=False).status_code == 404
                assert httpx2.get(f"{site}/health", trust_env=False).status_code == 401


def test_fastmcp_serves_where_the_agent_says() -> None:
    with AuthSkill(base_url="https://shop.example/mcp", authority="https://a.example") as skill:
        server = FastMCP("shop", auth=FastMcpAuth(skill))
        with pytest.raises(InvalidConfigError, match="base_url"):
            server.http_app(path="/other")
        assert server.http_app(path="/mcp")


def test_fastmcp_at_the_root() -> None:
    with AuthSkill(base_url="https://shop.example", authority="https://a.example") as skill:
        auth = FastMcpAuth(skill)
        paths = [route.path for route in auth.get_routes("/")]
        assert "/.well-known/oauth-protected-resource" in paths
        assert str(auth.base_url) == "https://shop.example/"


def test_below_a_mount_the_documents_are_at_the_root(
    caller: AuthSkill, authority: tuple[Authority, Site]
) -> None:
    with listening() as (listener, site):
        url = f"{site}/a/mcp"
        with AuthSkill(base_url=url, authority=authority[1].url, store="memory:") as skill:
            auth = FastMcpAuth(skill, ["read"])
            below = FastMCP("below", auth=auth).http_app(path="/mcp")
            routes = [*auth.get_well_known_routes("/mcp"), Mount("/a", below)]
            with running(Starlette(routes=routes, lifespan=below.lifespan), listener):
                challenge = initialize(url, None).headers["www-authenticate"]
                [metadata] = re.findall('resource_metadata="([^"]*)"', challenge)
                assert metadata == f"{site}/.well-known/oauth-protected-resource/a/mcp"
                assert httpx2.get(metadata, trust_env=False).json()["resource"] == url
                assert initialize(url, caller.generate_token(url, ["read"])).status_code == 200


def test_several_verifiers_of_fastmcp(caller: AuthSkill, authority: tuple[Authority, Site]) -> None:
    url = "http://127.0.0.1:9/mcp"
    other = StaticTokenVerifier({"known": {"client_id": "other", "scopes": []}})
    with AuthSkill(base_url=url, authority=authority[1].url, store="memory:") as skill:
        both = MultiAuth(verifiers={"tallystick": FastMcpAuth(skill), "static": other})
        found = asyncio.run(both.verify_token(caller.generate_token(url, ["read"])))
        assert found is not None
        assert found.original_client_id == "assistant"
        assert asyncio.run(both.verify_token("known"))
        assert asyncio.run(both.verify_token("unknown")) is None


def test_an_outage_is_no_refusal_among_several_verifiers(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/mcp"
    other = StaticTokenVerifier({"known": {"client_id": "other", "scopes": []}})
    with contextlib.ExitStack() as up:
        served = up.enter_context(serving_authority(tmp_path, store="memory:"))
        caller = up.enter_context(client_of(served, "assistant"))
        token = caller.generate_token(url, ["read"])
        with AuthSkill(base_url=url, authority=served[1].url, store="memory:") as skill:
            both = MultiAuth(verifiers={"tallystick": FastMcpAuth(skill), "static": other})
            up.close()
            with pytest.raises(TokenVerificationError):
                asyncio.run(both.verify_token(token))
            assert asyncio.run(both.verify_token("known"))


@pytest.mark.parametrize("make", [McpVerifier, auth_settings, FastMcpAuth])
def test_a_skill_is_asked_for(make: Any, authority: tuple[Authority, Site]) -> None:
    for wrong in (None, "skill", authority[0]):
        with pytest.raises(InvalidArgumentError, match="skill takes an AuthSkill"):
            make(wrong)
        with pytest.raises(InvalidArgumentError, match="skill takes an AuthSkill"):
            McpMiddleware(with_fastmcp, wrong)  # type: ignore[arg-type]


class Held:
    """The SDK's ``TokenStorage``, in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> None:
        return None

    async def set_client_info(self, client_info: object) -> None:
        raise AssertionError(client_info)


def test_the_sdks_own_client_finds_its_way(server: Mcp, authority: tuple[Authority, Site]) -> None:
    """From the challenge to the documents, to the token endpoint, and back with a token."""
    secret = authority[0].register_client("sdk", scopes=["read", "write"]).client_secret
    provider = ClientCredentialsOAuthProvider(
        server_url=server.url,
        storage=Held(),
        client_id="sdk",
        client_secret=str(secret),
        scope="read",
        issuer=authority[1].url,
    )
    found = call_whoami(provider, server.url)
    assert found["client_id"] == "sdk"
    # Where the challenge names no scopes, the client asks for those of the document.
    assert found["scopes"] in (["read"], ["read", "write"])
    assert found["resource"] == server.url
