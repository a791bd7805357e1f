"""Tokens where calls are made: httpx, httpx2, requests and aiohttp against real servers."""

from __future__ import annotations

import contextlib
import logging
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

import tallystick
from outbound_site import CLIENTS, Call, Outcome, Site, serve, streamed
from tallystick import AuthSkill
from tallystick._access.targets import Outbound
from tallystick.errors import TallystickError
from tallystick.outbound import aiohttp_middleware, httpx2_auth, httpx_auth, requests_auth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Client = Callable[..., list[Outcome]]

pytestmark = pytest.mark.medium

BOB = "https://bob.example/agents/bob"
CALLER = "https://caller.example/agents/alice"


@pytest.fixture(params=list(CLIENTS))
def client(request: pytest.FixtureRequest) -> Client:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def skill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthSkill]:
    """The caller, who makes the tokens."""
    folder = str(tmp_path_factory.mktemp("caller"))
    with AuthSkill(base_url=CALLER, keys_dir=folder, store="memory:") as made:
        yield made


@pytest.fixture(scope="module")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bob's keys: each pair takes a while to make."""
    return tmp_path_factory.mktemp("bob")


@pytest.fixture
def site(skill: AuthSkill, keys_dir: Path) -> Iterator[Site]:
    """The agent ``/agents/bob``, who verifies them."""
    with serve() as site:
        site.skill = verifier(skill, f"{site.url}/agents/bob", keys_dir)
        with site.skill:
            yield site


@pytest.fixture
def elsewhere() -> Iterator[Site]:
    """Another origin."""
    with serve() as site:
        yield site


def verifier(caller: AuthSkill, base_url: str, folder: Path) -> AuthSkill:
    document = caller.serve("GET", "/.well-known/jwks.json")
    assert document is not None
    return AuthSkill(
        base_url=base_url,
        keys_dir=str(folder),
        trusted_issuers=[{"issuer": CALLER}],
        keys={CALLER: document.body},
        store="memory:",
    )


def bob(site: Site) -> str:
    return f"{site.url}/agents/bob"


def through(site: Site, target: str) -> str:
    """Return a URL below the agent that redirects to ``target``."""
    return f"{bob(site)}/redirect?to={quote(target, safe='')}"


def test_the_agent_knows_who_called(client: Client, skill: AuthSkill, site: Site) -> None:
    outcomes = client(skill, bob(site), Call(f"{bob(site)}/ask", b"hello"))
    assert outcomes == [(200, {"agent": "alice", "bound": False})]
    assert [seen.body for seen in site.seen] == [b"hello"]


def test_a_token_is_reused(client: Client, skill: AuthSkill, site: Site) -> None:
    calls = [Call(f"{bob(site)}/ask", method="GET")] * 3
    assert [status for status, _ in client(skill, bob(site), *calls)] == [200] * 3
    assert len(set(site.tokens)) == 1
    assert site.tokens[0] is not None


def test_threads_share_a_token(skill: AuthSkill, site: Site) -> None:
    auth = httpx_auth(skill, bob(site))
    httpx.get(f"{bob(site)}/ask", auth=auth, trust_env=False)

    def call() -> None:
        httpx.get(f"{bob(site)}/ask", auth=auth, trust_env=False)

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(site.tokens) == 17
    assert len(set(site.tokens)) == 1


def test_scopes_are_asked_for(client: Client, skill: AuthSkill, site: Site) -> None:
    client(skill, bob(site), Call(bob(site)), scopes=["read"])
    client(skill, bob(site), Call(bob(site)))
    assert site.skill is not None
    found = [site.skill.verify_token(str(token).split()[1]).scopes for token in site.tokens]
    assert found == [["read"], ["read", "write"]]


# Binding


@pytest.mark.parametrize("body", [b'{"a": "\xc3\xa4"}', b"", b"\x00\xff" * 70_000])
def test_bound_to_each_request(client: Client, skill: AuthSkill, site: Site, body: bytes) -> None:
    calls = [Call(f"{bob(site)}/ask?n={n}&q=%20", body) for n in range(2)]
    outcomes = client(skill, bob(site), *calls, bind=True)
    assert outcomes == [(200, {"agent": "alice", "bound": True})] * 2
    assert [seen.body for seen in site.seen] == [body] * 2
    assert len(set(site.tokens)) == 2


def test_a_text_is_bound_as_the_bytes_that_are_sent(
    client: Client, skill: AuthSkill, site: Site
) -> None:
    outcomes = client(skill, bob(site), Call(bob(site), "Grüße 世界"), bind=True)
    assert outcomes == [(200, {"agent": "alice", "bound": True})]
    assert site.seen[0].body == "Grüße 世界".encode()


def test_a_streamed_body_cannot_be_bound(client: Client, skill: AuthSkill, site: Site) -> None:
    call = Call(bob(site), streamed(b"one", b"two"))
    with pytest.raises(TallystickError, match="give bytes or text") as refused:
        client(skill, bob(site), call, bind=True)
    assert refused.value.code == "invalid_argument"
    assert site.seen == []
    assert client(skill, bob(site), call) == [(200, {"agent": "alice", "bound": False})]
    assert site.seen[0].body == b"onetwo"


# Where a token may go


def test_not_to_another_origin(
    client: Client, skill: AuthSkill, site: Site, elsewhere: Site
) -> None:
    client(skill, bob(site), Call(f"{elsewhere.url}/agents/bob/ask"), Call(f"{bob(site)}/ask"))
    assert elsewhere.tokens == [None]
    assert site.tokens != [None]


@pytest.mark.parametrize("path", ["/agents/bobby", "/agents", "/", "/agents/bob/../eve"])
def test_not_beside_the_agent(client: Client, skill: AuthSkill, site: Site, path: str) -> None:
    client(skill, bob(site), Call(f"{site.url}{path}", method="GET"), Call(f"{bob(site)}/ask"))
    assert [token is None for token in site.tokens] == [True, False]


@pytest.mark.parametrize("bind", [False, True])
def test_a_redirect_to_another_origin_leaves_the_token_behind(
    client: Client, skill: AuthSkill, site: Site, elsewhere: Site, bind: bool
) -> None:
    client(skill, bob(site), Call(through(site, f"{elsewhere.url}/agents/bob"), b"x"), bind=bind)
    assert [token is None for token in site.tokens] == [False]
    assert elsewhere.tokens == [None]


def test_a_redirect_below_the_agent_takes_it_along(
    client: Client, skill: AuthSkill, site: Site
) -> None:
    outcomes = client(skill, bob(site), Call(through(site, f"{bob(site)}/ask"), b"x"))
    assert outcomes == [(200, {"agent": "alice", "bound": False})]
    assert site.tokens[0] == site.tokens[1]


@pytest.mark.parametrize("name", ["requests", "aiohttp"])
def test_a_redirect_to_a_neighbour_leaves_it_behind(
    name: str, skill: AuthSkill, site: Site
) -> None:
    CLIENTS[name](skill, bob(site), Call(through(site, "/agents/eve"), b"x"))
    assert [token is None for token in site.tokens] == [False, True]


def test_aiohttp_binds_each_hop(skill: AuthSkill, site: Site) -> None:
    call = Call(through(site, f"{bob(site)}/ask"), b"x")
    outcomes = CLIENTS["aiohttp"](skill, bob(site), call, bind=True)
    assert outcomes == [(200, {"agent": "alice", "bound": True})]
    assert len(set(site.tokens)) == 2


def test_send_to_is_where_the_agent_is_reached(
    client: Client, skill: AuthSkill, site: Site, keys_dir: Path
) -> None:
    public = "https://agents.example/agents/bob"
    call = Call(f"{bob(site)}/ask")
    client(skill, public, call)
    assert site.tokens == [None]
    with verifier(skill, public, keys_dir) as site.skill:
        outcomes = client(skill, public, call, send_to=bob(site))
    assert outcomes == [(200, {"agent": "alice", "bound": False})]


def test_a_function_chooses_the_target(
    client: Client, skill: AuthSkill, site: Site, elsewhere: Site
) -> None:
    def target(url: str) -> str | None:
        return bob(site) if url.startswith(site.url) else None

    client(skill, target, Call(f"{bob(site)}/ask"), Call(elsewhere.url))
    assert [token is None for token in site.tokens] == [False]
    assert elsewhere.tokens == [None]


def test_a_function_cannot_send_a_token_elsewhere(
    client: Client, skill: AuthSkill, site: Site, elsewhere: Site
) -> None:
    client(skill, lambda url: bob(site), Call(elsewhere.url), Call(bob(site)))
    assert elsewhere.tokens == [None]
    assert [token is None for token in site.tokens] == [False]


# A token that the agent does not take


def test_one_more_try_with_a_fresh_token(client: Client, skill: AuthSkill, site: Site) -> None:
    site.refuse = 1
    outcomes = client(skill, bob(site), Call(f"{bob(site)}/ask", b"hello"))
    assert outcomes == [(200, {"agent": "alice", "bound": False})]
    assert [seen.body for seen in site.seen] == [b"hello"] * 2
    assert len(set(site.tokens)) == 2


def test_never_a_third(client: Client, skill: AuthSkill, site: Site) -> None:
    site.refuse = 2
    assert client(skill, bob(site), Call(bob(site), b"x")) == [(401, {})]
    assert len(site.seen) == 2


def test_not_for_another_401(client: Client, skill: AuthSkill, site: Site) -> None:
    site.refuse, site.challenge = 1, 'Bearer realm="test"'
    assert client(skill, bob(site), Call(bob(site), b"x")) == [(401, {})]
    assert len(site.seen) == 1


def test_not_with_a_bound_token(client: Client, skill: AuthSkill, site: Site) -> None:
    site.refuse = 1
    assert client(skill, bob(site), Call(bob(site), b"x"), bind=True) == [(401, {})]
    assert len(site.seen) == 1


def test_not_with_a_body_that_is_gone(client: Client, skill: AuthSkill, site: Site) -> None:
    site.refuse = 1
    assert client(skill, bob(site), Call(bob(site), streamed(b"x"))) == [(401, {})]
    assert len(site.seen) == 1


# Refusals and mistakes


def test_a_refused_target_sends_nothing(client: Client, site: Site, tmp_path: Path) -> None:
    call, site.skill = Call(bob(site)), None
    for talk_to, sent in ((["nobody"], 0), (["everyone"], 1)):
        with AuthSkill(base_url=CALLER, keys_dir=str(tmp_path), talk_to=talk_to) as careful:
            if sent:
                client(careful, bob(site), call)
            else:
                with pytest.raises(TallystickError) as refused:
                    client(careful, bob(site), call)
                assert refused.value.code == "trust_denied"
        assert len(site.seen) == sent


@pytest.mark.parametrize("make", [httpx_auth, httpx2_auth, requests_auth, aiohttp_middleware])
def test_a_wrong_base_url_is_heard_of_at_once(make: Any, skill: AuthSkill) -> None:
    make(skill, "@bob", send_to="https://127.0.0.1:8443/agents/bob")
    with pytest.raises(TallystickError):
        make(skill, "@bob", send_to="bob.example/agents/bob")


def test_a_request_without_a_token_is_logged_once(
    client: Client,
    skill: AuthSkill,
    site: Site,
    elsewhere: Site,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "tallystick")
    site.skill = None
    client(skill, bob(site), Call(bob(site) + "/x"), Call(bob(site) + "/y"))
    assert "no token" not in caplog.text
    # Several calls, one client: one line for each origin.
    client(
        skill,
        bob(site),
        Call(elsewhere.url + "/x?secret=s3cret"),
        Call(elsewhere.url + "/y"),
        Call(site.url + "/agents/other"),
    )
    lines = [r.getMessage() for r in caplog.records if "no token" in r.getMessage()]
    assert [line.partition(": ")[0] for line in lines] == [
        f"no token is sent to {elsewhere.url}",
        f"no token is sent to {site.url}",
    ]
    assert all(f"below {bob(site)}, where" in line and "send_to=" in line for line in lines)
    assert "s3cret" not in caplog.text
    assert "eyJ" not in caplog.text


def test_no_password_is_logged(skill: AuthSkill, caplog: pytest.LogCaptureFixture) -> None:
    outbound = Outbound(skill, BOB, None, False, None)
    for url in ("https://user:s3cret@evil.example/x", "https://[::1]:8/x"):
        with contextlib.suppress(TallystickError):
            outbound.attach("GET", url, b"")
    assert "s3cret" not in caplog.text
    assert "https://[::1]:8:" in caplog.text


def test_they_are_the_packages_own() -> None:
    assert tallystick.httpx_auth is httpx_auth
    assert tallystick.requests_auth is requests_auth
    assert tallystick.aiohttp_middleware is aiohttp_middleware


def test_no_client_is_imported_before_it_is_asked_for() -> None:
    program = (
        "import sys, tallystick.outbound\n"
        "print(*{'aiohttp', 'httpx', 'httpx2', 'requests'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stderr


@pytest.mark.parametrize("make", [httpx_auth, httpx2_auth, requests_auth, aiohttp_middleware])
def test_no_display_of_a_token(make: Any, skill: AuthSkill, site: Site) -> None:
    made = make(skill, bob(site))
    CLIENTS["requests"](skill, bob(site), Call(bob(site)))
    assert str(site.tokens[0]).split()[1] not in repr(made) + repr(vars(made))
