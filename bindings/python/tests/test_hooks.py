"""The seed's hooks, with contexts as webagents and applications have them."""

from __future__ import annotations

import asyncio
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from agents import agent, receiver
from tallystick import (
    AmbiguousAuthorizationError,
    AuthContext,
    AuthSkill,
    InvalidArgumentError,
    InvalidAudienceError,
    MalformedTokenError,
    MissingAuthorizationError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

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
    headers = {"x": "y", name: alice.authorize(BOB)["Authorization"]}
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
    other = alice.authorize("https://other.example/agents/x")["Authorization"]
    context = Context(headers={"Authorization": other})
    with pytest.raises(InvalidAudienceError):
        receive(bob, context)
    assert not hasattr(context, "auth")


@BOTH_IN
def test_a_bound_token_needs_its_request(alice: AuthSkill, bob: AuthSkill, receive: Any) -> None:
    def bound() -> str:
        return alice.authorize(BOB, method="GET", url=f"{BOB}/x", bind=True)["Authorization"]

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
    unbound = alice.authorize(BOB)["Authorization"]
    scope["headers"] = [(b"authorization", unbound.encode())]
    request = SimpleNamespace(scope=scope, headers={"authorization": unbound})
    assert receive(bob, Context(request=request)).auth.agent_id == "alice"


@BOTH_IN
@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "AUTHORIZATION", b"authorization"]
)
@pytest.mark.parametrize("form", ["mapping", "pairs", "request", "object", "list"])
def test_a_caller_comes_in_by_a_plain_dict(
    alice: AuthSkill, bob: AuthSkill, receive: Any, name: Any, form: str
) -> None:
    def context(value: Any) -> dict[str, Any]:
        value = value.encode() if isinstance(name, bytes) else value
        headers: Any = {name: [value] if form == "list" else value, "x": "y"}
        if form == "pairs":
            headers = list(headers.items())
        if form == "request":
            return {"request": {"headers": headers}, "headers": {}}
        if form == "object":
            return {"request": SimpleNamespace(headers=headers)}
        return {"headers": headers}

    good = context(alice.authorize(BOB)["Authorization"])
    assert receive(bob, good)["auth"].agent_id == "alice"
    bad = context("Bearer x")
    with pytest.raises(MalformedTokenError):
        receive(bob, bad)
    assert "auth" not in bad
    other = context("Basic YTpi")
    assert "auth" not in receive(bob, other)


@BOTH_IN
def test_a_header_that_is_meant_as_a_token_is_one(
    alice: AuthSkill, bob: AuthSkill, receive: Any
) -> None:
    value = alice.authorize(BOB)["Authorization"]
    assert receive(bob, {"headers": {"Authorization": value}})["auth"]
    for wrong in ("Bearer", "bearer "):
        with pytest.raises(MissingAuthorizationError):
            receive(bob, {"headers": {"Authorization": wrong}})
    for two in (f"{value} x", f"{value}, {value}", f"Basic YTpi,{value}", "Basic YTpi, Basic YTpi"):
        with pytest.raises(AmbiguousAuthorizationError):
            receive(bob, {"headers": {"Authorization": two}})
    for several in (
        {"Authorization": value, "authorization": value},
        {"Authorization": [value, "Basic YTpi"]},
        {"Authorization": "Basic YTpi", "authorization": "Basic YTpi"},
        [("authorization", value), ("Authorization", value)],
    ):
        with pytest.raises(AmbiguousAuthorizationError, match="exactly one"):
            receive(bob, {"headers": several})
    for none in ({}, {"Authorization": None}, {"Authorization": "Digest a=b"}, None):
        assert "auth" not in receive(bob, {"headers": none})


NO_CONTEXTS: list[Any] = [None, 5, b"x", "x", [], ()]


@pytest.mark.parametrize("context", NO_CONTEXTS)
@pytest.mark.parametrize("hook", [outgoing, aoutgoing, incoming, aincoming])
def test_what_is_no_context(bob: AuthSkill, hook: Any, context: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^context takes a dict or an object"):
        hook(bob, context)
    assert hook(bob, {}) == {}
    assert hook(bob, SimpleNamespace()) == SimpleNamespace()


@BOTH_IN
@pytest.mark.parametrize("headers", [5, "Authorization: Bearer x", [5], {"Authorization": 5}])
def test_what_are_no_headers(bob: AuthSkill, receive: Any, headers: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^headers"):
        receive(bob, {"headers": headers})
    assert receive(bob, {"headers": {"x": "y"}}) == {"headers": {"x": "y"}}


@BOTH_IN
def test_a_context_that_takes_no_caller(alice: AuthSkill, bob: AuthSkill, receive: Any) -> None:
    context = {"headers": alice.authorize(BOB)}
    with pytest.raises(InvalidArgumentError, match="auth cannot be set"):
        receive(bob, MappingProxyType(context))
    assert receive(bob, context)["auth"].agent_id == "alice"


@BOTH_OUT
@pytest.mark.parametrize("headers", [{}, {"AUTHORIZATION": "old"}, None])
def test_a_token_goes_out_by_dict_and_by_attributes(
    alice: AuthSkill, bob: AuthSkill, send: Any, headers: Any
) -> None:
    def members() -> dict[str, Any]:
        copy = None if headers is None else dict(headers)
        return {"target_agent": BOB, "requested_scopes": ["read"], "headers": copy}

    by_name = send(alice, members())["headers"]
    by_attribute = send(alice, SimpleNamespace(**members())).headers
    for found in (by_name, by_attribute):
        assert list(found) == ["Authorization"]
        assert bob.verify_token(found["Authorization"].split(" ")[1]).scopes == ["read"]
    with pytest.raises(InvalidArgumentError, match=r"^headers takes a mapping"):
        send(alice, {**members(), "headers": []})
    with pytest.raises(InvalidArgumentError, match=r"^scopes takes a list"):
        send(alice, {**members(), "requested_scopes": "read"})
