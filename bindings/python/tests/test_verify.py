"""AgentAuth.verify: requests in parts, without Flask's request."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support import BODY, DEADLINE, ORIGIN
from tallystick import (
    AgentAuth,
    AmbiguousAuthorizationError,
    Body,
    BodyTamperedError,
    BodyTooLargeError,
    InvalidArgumentError,
    MissingAuthorizationError,
    OrchestratorClient,
    ReplayDetectedError,
    TallystickError,
    WrongTargetError,
)
from tallystick.stores.memory import CoreMemory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def auth(keys_dir: Path, backend: str) -> AgentAuth:
    return AgentAuth(keys_dir, backend=backend, max_body=len(BODY))


def verify(auth: AgentAuth, client: OrchestratorClient, **changed: Any) -> tuple[str, str]:
    """Return the issuer, or the code and the status of the refusal."""
    token = client.sign("POST", ORIGIN + "/agent?a=1", BODY)["Authorization"]
    parts: dict[str, Any] = {"method": "POST", "path": "/agent", "query": "a=1", "body": BODY}
    try:
        return auth.verify(changed.pop("authorization", [token]), **{**parts, **changed}).issuer, ""
    except TallystickError as refused:
        status = "no response" if refused.response is None else str(refused.response.status)
        return type(refused).__name__, status


def test_a_request_in_parts_is_verified(auth: AgentAuth, client: OrchestratorClient) -> None:
    assert verify(auth, client) == ("orchestrator", "")


@pytest.mark.parametrize(
    ("changed", "error", "status"),
    [
        ({"body": b"x"}, BodyTamperedError, "401"),
        ({"body": BODY + b"x"}, BodyTooLargeError, "413"),
        ({"query": "a=2"}, WrongTargetError, "401"),
        ({"path": "/other"}, WrongTargetError, "401"),
        ({"method": "PUT"}, WrongTargetError, "401"),
        ({"mount": "/api"}, WrongTargetError, "401"),
        ({"authorization": []}, MissingAuthorizationError, "401"),
        ({"authorization": ["Basic YTpi"]}, MissingAuthorizationError, "401"),
        ({"authorization": ["Bearer x", "Basic YTpi"]}, AmbiguousAuthorizationError, "400"),
        ({"authorization": ["Basic YTpi,Bearer x"]}, AmbiguousAuthorizationError, "400"),
    ],
)
def test_what_differs_is_refused(
    auth: AgentAuth,
    client: OrchestratorClient,
    changed: dict[str, Any],
    error: type[TallystickError],
    status: str,
) -> None:
    assert verify(auth, client, **changed) == (error.__name__, status)


def test_bodies_and_headers_of_other_types(auth: AgentAuth, client: OrchestratorClient) -> None:
    parts: dict[str, Any] = {"method": "POST", "path": "/agent"}
    bodies: list[Any] = [bytearray(b"x"), memoryview(b"x"), b"x"]
    for body in bodies:
        header = client.sign("POST", "http://a.example/agent", b"x")["Authorization"]
        assert auth.verify([header], **parts, body=body).issuer == "orchestrator"
    with pytest.raises(InvalidArgumentError, match="authorization takes a list"):
        auth.verify(5, **parts)  # type: ignore[arg-type]
    for wrong in (5, None):
        with pytest.raises(InvalidArgumentError, match="body takes the bytes as they were"):
            auth.verify(["Bearer x"], **parts, body=wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="body takes the bytes as they were received"):
        auth.verify(["Bearer x"], **parts, body="x")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="unpaired surrogate"):
        client.sign("POST", "http://a.example/agent", "\udcff")


def test_a_function_gives_the_bytes_of_the_body(
    auth: AgentAuth, client: OrchestratorClient
) -> None:
    assert verify(auth, client, body=lambda limit: BODY) == ("orchestrator", "")
    assert verify(auth, client, body=lambda limit: Body(BODY)) == ("orchestrator", "")
    assert verify(auth, client, body=lambda limit: b"x") == ("BodyTamperedError", "401")
    over = verify(auth, client, body=lambda limit: BODY + b"x")
    assert over == ("BodyTooLargeError", "413")
    # What is no body must not pass for a request without one.
    empty = client.sign("POST", ORIGIN + "/agent?a=1", b"")["Authorization"]
    wrongs: list[Any] = [None, 0, {}, [], object(), "", Body(""), Body(None), Body(0)]  # type: ignore[arg-type]
    wrongs += [Body(too_large="no"), Body(malformed=1), Body(b"", None)]  # type: ignore[arg-type]
    for wrong in wrongs:
        refused = verify(auth, client, authorization=empty, body=lambda limit, given=wrong: given)
        assert refused == ("InvalidArgumentError", "no response"), wrong

    async def late(limit: int) -> bytes:
        return b""

    with pytest.raises(InvalidArgumentError, match="not async"):
        auth.verify(empty, method="POST", path="/agent", query="a=1", body=late)  # type: ignore[arg-type]
    assert verify(auth, client, authorization=empty, body=lambda limit: b"")[0] == "orchestrator"


def test_a_path_has_no_query(auth: AgentAuth, client: OrchestratorClient) -> None:
    refused = verify(auth, client, path="/agent?a=1", query="")
    assert refused == ("InvalidArgumentError", "no response")
    assert verify(auth, client, path="/agent", query="a=1") == ("orchestrator", "")


def test_a_token_that_is_used_while_the_engine_closes_works_once(
    keys_dir: Path, client: OrchestratorClient, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = client.sign("POST", ORIGIN + "/agent", BODY)["Authorization"]
    noting, closed = threading.Event(), threading.Event()
    note = CoreMemory.note

    def slow(store: CoreMemory, expires_at: float) -> None:
        # The first of the two has claimed its token, and has not said so yet.
        if not noting.is_set():
            noting.set()
            assert closed.wait(DEADLINE)
        note(store, expires_at)

    monkeypatch.setattr(CoreMemory, "note", slow)
    auth = AgentAuth(keys_dir, backend=backend, store="memory:")

    def used() -> str:
        try:
            return auth.verify(token, method="POST", path="/agent", body=BODY).issuer
        except TallystickError as refused:
            return refused.code

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(used)
        assert noting.wait(DEADLINE)
        auth.close()
        second = used()
        closed.set()
        assert sorted([first.result(DEADLINE), second]) == ["orchestrator", "replay_detected"]


def test_it_works_once(auth: AgentAuth, client: OrchestratorClient) -> None:
    token = client.sign("GET", ORIGIN + "/agent")["Authorization"]
    assert auth.verify([token], method="GET", path="/agent").issuer == "orchestrator"
    with pytest.raises(ReplayDetectedError):
        auth.verify([token], method="GET", path="/agent")
