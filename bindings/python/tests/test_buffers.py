"""Bodies that are kept have a bound, and are read once all else of a request is good."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, request

from support import BODY, DEADLINE, ORIGIN, Answer, call, in_child
from tallystick import AgentAuth, AuthSkill, Body, OrchestratorClient, TallystickError
from tallystick._http.request import Budget, Held

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1 << 20
REQUEST: dict[str, Any] = {"method": "POST", "path": "/agent"}


@pytest.fixture
def auth(keys_dir: Path, backend: str) -> AgentAuth:
    return AgentAuth(keys_dir, backend=backend)


def header(client: OrchestratorClient, body: bytes = BODY) -> str:
    return client.sign("POST", ORIGIN + "/agent", body)["Authorization"]


def refusal(work: Callable[[], object]) -> TallystickError:
    with pytest.raises(TallystickError) as refused:
        work()
    return refused.value


def test_what_comes_on_top_is_overloaded_and_small_bodies_go_on(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    app = Flask("agent")
    auth = AgentAuth(keys_dir, max_body=MIB, max_buffered=4 * MIB)
    inside, leave = threading.Semaphore(0), threading.Event()

    @app.post("/agent")
    @auth.require_auth
    def agent() -> str:
        if len(request.get_data()) == MIB:
            inside.release()
            leave.wait(DEADLINE)
        return "in"

    def send(first: int, size: int = MIB) -> Answer:
        body = bytes([first]) + bytes(size - 1)
        return call(app, client.sign("POST", ORIGIN + "/agent", body), body)

    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(send, first) for first in range(3)]
        for _ in held:
            assert inside.acquire(timeout=DEADLINE)
        over, small = send(3), send(4, 100)
        leave.set()
        assert (over.status, over.code, over.headers["retry-after"]) == (503, "overloaded", "1")
        assert small.status == 200
        assert [answer.result().status for answer in held] == [200] * 3
    assert [send(first).status for first in range(5, 15)] == [200] * 10


def test_room_is_given_back_by_views_that_fail_and_by_refusals(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    app = Flask("agent")
    auth = AgentAuth(keys_dir, max_body=MIB, max_buffered=MIB)

    @app.post("/agent")
    @auth.require_auth
    def agent() -> str:
        raise ValueError

    body = bytes(MIB)
    for _ in range(3):
        assert call(app, client.sign("POST", ORIGIN + "/agent", body), body).status == 500
        tampered = call(app, client.sign("POST", ORIGIN + "/agent", body), body[:-1] + b"x")
        assert tampered.code == "body_tampered"


def test_a_reader_is_asked_last_and_once(auth: AgentAuth, client: OrchestratorClient) -> None:
    asked: list[int] = []

    def read(limit: int) -> Body:
        asked.append(limit)
        return Body(BODY)

    good = header(client)
    for authorization in (None, (), "", good + "x"):
        refusal(partial(auth.verify, authorization, **REQUEST, body=read))
    refusal(lambda: auth.verify(good, method="PUT", path="/agent", body=read))
    assert asked == []
    assert auth.verify(good, **REQUEST, body=read).issuer == "orchestrator"
    assert asked == [10 << 20]


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        (Body(b"other"), "body_tampered", 401),
        (Body(too_large=True), "body_too_large", 413),
        (Body(malformed=True), "malformed_request", 400),
        (Body(overloaded=True), "overloaded", 503),
        (Body(unavailable=True), "body_unavailable", 500),
    ],
)
def test_what_a_reader_says_has_its_answer(
    auth: AgentAuth, client: OrchestratorClient, body: Body, code: str, status: int
) -> None:
    good = header(client)
    refused = refusal(lambda: auth.verify(good, **REQUEST, body=lambda _: body))
    assert refused.code == code
    assert refused.response is not None
    assert refused.response.status == status
    assert auth.verify(good, **REQUEST, body=BODY).issuer == "orchestrator"


def test_averify_decides_as_verify_does(auth: AgentAuth, client: OrchestratorClient) -> None:
    async def read(_: int) -> Body:
        await asyncio.sleep(0)
        return Body(BODY)

    async def all_of_it() -> list[str]:
        good, late = header(client), header(client)
        codes = [(await auth.averify(good, **REQUEST, body=BODY)).issuer]
        codes.append((await auth.averify([late], **REQUEST, body=read)).issuer)
        known: Any = lambda _: BODY  # noqa: E731 - what a program without types may give
        at_once = await auth.averify(header(client), **REQUEST, body=known)
        codes.append(at_once.issuer)
        for authorization, body in (
            (good, BODY),
            (late, read),
            (None, read),
            (header(client), b""),
        ):
            try:
                await auth.averify(authorization, **REQUEST, body=body)
            except TallystickError as refused:
                codes.append(refused.code)
        return codes

    assert asyncio.run(all_of_it()) == [
        "orchestrator",
        "orchestrator",
        "orchestrator",
        "replay_detected",
        "replay_detected",
        "missing_authorization",
        "body_tampered",
    ]


def test_one_header_may_be_one_text_and_two_are_two(
    auth: AgentAuth, client: OrchestratorClient
) -> None:
    good = header(client)
    assert refusal(lambda: auth.verify([good, good], **REQUEST)).code == "ambiguous_authorization"
    assert refusal(lambda: auth.verify(5, **REQUEST)).code == "invalid_argument"  # type: ignore[arg-type]
    assert auth.verify(good, **REQUEST, body=BODY).issuer == "orchestrator"


@pytest.mark.parametrize("bad", ["/€", "/\ud800"])
@pytest.mark.parametrize("name", ["method", "path", "query", "mount"])
def test_what_no_request_can_have_is_refused_with_an_answer(
    auth: AgentAuth, skill: AuthSkill, name: str, bad: str
) -> None:
    for verify in (auth.verify, skill.verify):
        refused = refusal(partial(verify, None, **{**REQUEST, name: bad}))
        assert refused.code == "malformed_request"
        assert refused.response is not None
        assert refused.response.status == 400
        token = refusal(partial(verify, "Bearer " + bad, **REQUEST))
        assert token.code == "malformed_token"


@pytest.mark.parametrize("bad", ["€", "\ud800"])
def test_the_endpoints_answer_whatever_was_sent(skill: AuthSkill, bad: str) -> None:
    assert skill.serve("GET", "/" + bad) is None
    assert skill.serve(bad, "/auth/token").status == 405  # type: ignore[union-attr]
    form = {"authorization": "Basic " + bad, "content_type": bad, "if_none_match": bad}
    assert skill.serve("POST", "/auth/token", **form).status == 400  # type: ignore[union-attr,arg-type]
    assert skill.serve("GET", "/.well-known/jwks.json", **form).status == 200  # type: ignore[union-attr,arg-type]


@pytest.fixture
def skill(tmp_path: Path, backend: str) -> AuthSkill:
    return AuthSkill(
        base_url="https://agent.example", keys_dir=str(tmp_path), store="memory:", backend=backend
    )


def test_a_budget_is_counted_by_what_came_and_is_free_in_a_child() -> None:
    budget = Budget(100)
    held, other = Held(budget), Held(budget)
    assert held.cover(60)
    assert not other.cover(41)
    assert in_child(lambda: budget.take(100))
    held.release()
    held.release()
    assert budget.take(100)
    assert not budget.take(1)
