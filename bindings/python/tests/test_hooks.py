"""The seed's hooks, with contexts as webagents and applications have them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agents import agent, receiver
from tallystick import AuthContext, AuthSkill, InvalidAudienceError, MalformedTokenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOB = "https://bob.example/agents/bob"


class Context(SimpleNamespace):
    """Values by name, and attributes: what the seed's skill uses of a context."""

    def __init__(self, values: dict[str, Any] | None = None, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.values = values or {}

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[AuthSkill]:
    with agent(tmp_path, "alice") as (skill, _):
        yield skill


@pytest.fixture
def bob(tmp_path: Path) -> Iterator[AuthSkill]:
    with receiver(tmp_path) as skill:
        yield skill


def outgoing(skill: AuthSkill, context: Any) -> Any:
    return skill.on_request_outgoing(context)


def aoutgoing(skill: AuthSkill, context: Any) -> Any:
    return asyncio.run(skill.aon_request_outgoing(context))


def incoming(skill: AuthSkill, context: Any) -> Any:
    return skill.on_connection(context)


def aincoming(skill: AuthSkill, context: Any) -> Any:
    return asyncio.run(skill.aon_connection(context))


BOTH_OUT = pytest.mark.parametrize("send", [outgoing, aoutgoing])
BOTH_IN = pytest.mark.parametrize("receive", [incoming, aincoming])


@BOTH_OUT
@pytest.mark.parametrize("headers", [{}, {"authorization": "old"}, None])
def test_a_token_goes_out(
    alice: AuthSkill, bob: AuthSkill, send: Any, headers: dict[str, str] | None
) -> None:
    context = Context({"target_agent": BOB, "requested_scopes": ["read"]}, headers=headers)
    assert send(alice, context) is context
    assert [name.lower() for name in context.headers] == ["authorization"]
    kind, token = context.headers["Authorization"].split(" ")
    assert kind == "Bearer"
    assert bob.verify_token(token).scopes == ["read"]


@BOTH_OUT
def test_a_target_url_will_do(alice: AuthSkill, bob: AuthSkill, send: Any) -> None:
    context = send(alice, Context({"target_url": BOB}))
    assert bob.verify_token(context.headers["Authorization"].split(" ")[1]).agent_id == "alice"


@BOTH_OUT
def test_no_target_no_token(alice: AuthSkill, send: Any) -> None:
    context = Context({}, headers={"x": "y"})
    assert send(alice, context).headers == {"x": "y"}


@BOTH_OUT
def test_a_token_is_not_sent_to_somebody_else(
    alice: AuthSkill, send: Any, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Context({"target_agent": BOB, "target_url": "https://evil.example/x"}, headers={})
    assert send(alice, elsewhere).headers == {}
    assert "target_url" in caplog.text
    below = Context({"target_agent": BOB, "target_url": f"{BOB}/chat"}, headers={})
    assert "Authorization" in send(alice, below).headers


@BOTH_IN
@pytest.mark.parametrize("place", ["request", "context", "lower"])
def test_a_caller_comes_in(alice: AuthSkill, bob: AuthSkill, receive: Any, place: str) -> None:
    name = "authorization" if place == "lower" else "Authorization"
    headers = {"x": "y", name: alice.authorization(BOB)}
    if place == "request":
        context = Context(request=SimpleNamespace(headers=headers), headers={})
    else:
        context = Context(headers=headers)
    assert receive(bob, context) is context
    assert isinstance(context.auth, AuthContext)
    assert context.auth.agent_id == "alice"


@BOTH_IN
@pytest.mark.parametrize("headers", [None, {}, {"Authorization": "Basic YTpi"}])
def test_nobody_comes_in(bob: AuthSkill, receive: Any, headers: dict[str, str] | None) -> None:
    context = receive(bob, Context(headers=headers))
    assert not hasattr(context, "auth")
    assert not hasattr(receive(bob, Context()), "auth")


@BOTH_IN
def test_an_invalid_token_is_refused(alice: AuthSkill, bob: AuthSkill, receive: Any) -> None:
    with pytest.raises(MalformedTokenError):
        receive(bob, Context(headers={"Authorization": "Bearer x"}))
    other = alice.authorization("https://other.example/agents/x")
    context = Context(headers={"Authorization": other})
    with pytest.raises(InvalidAudienceError):
        receive(bob, context)
    assert not hasattr(context, "auth")


@BOTH_IN
def test_a_bound_token_needs_its_request(alice: AuthSkill, bob: AuthSkill, receive: Any) -> None:
    def bound() -> str:
        return alice.authorization(BOB, method="GET", url=f"{BOB}/x", bind=True)

    with pytest.raises(Exception, match="another method"):
        receive(bob, Context(headers={"Authorization": bound()}))
    value = bound()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"authorization", value.encode())],
    }
    request = SimpleNamespace(scope=scope, headers={"authorization": value})
    with pytest.raises(Exception, match="body"):
        # Its body is the application's: a hook cannot read it, and so cannot check it.
        receive(bob, Context(request=request))
    unbound = alice.authorization(BOB)
    scope["headers"] = [(b"authorization", unbound.encode())]
    request = SimpleNamespace(scope=scope, headers={"authorization": unbound})
    assert receive(bob, Context(request=request)).auth.agent_id == "alice"
