"""Where used tokens are remembered, and what an application's own store may answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from support import ORIGIN, agent_app, call, in_child, signed_call
from tallystick import (
    AgentAuth,
    Authority,
    AuthSkill,
    InvalidArgumentError,
    OrchestratorClient,
    SQLiteReplay,
)
from tallystick.stores import memory

if TYPE_CHECKING:
    from pathlib import Path


class Store:
    """A whole store in three lines; what it answers can be set."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], int] = {}
        self.answer: Any = None

    def claim(self, issuer: str, jti: str, expires_at: int) -> Any:
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.answer is not None:
            return self.answer
        return self.used.setdefault((issuer, jti), expires_at) is expires_at


def test_a_custom_store_gets_issuer_jti_and_expiry(
    keys_dir: Path, client: OrchestratorClient, backend: str
) -> None:
    store = Store()
    app = agent_app(AgentAuth(keys_dir, replay=store, backend=backend))
    headers = client.sign("POST", ORIGIN + "/agent", b"")
    before = time.time()
    assert [call(app, headers, b"").status for _ in range(2)] == [200, 429]
    ((issuer, jti), expires_at) = store.used.popitem()
    assert issuer == "orchestrator"
    assert len(jti) == 32
    assert isinstance(expires_at, int)
    assert before + 58 <= expires_at <= before + 63


async def _coroutine() -> bool:
    return True


@pytest.mark.parametrize(
    "answer",
    [
        ConnectionError("down"),
        ConnectionError("down \udcff"),
        StopIteration(True),
        1,
        "claimed",
        [True],
        {"claimed": True},
    ],
    ids=repr,
)
def test_a_store_that_does_not_answer_plainly_refuses(
    keys_dir: Path,
    client: OrchestratorClient,
    caplog: pytest.LogCaptureFixture,
    answer: object,
) -> None:
    store = Store()
    app = agent_app(AgentAuth(keys_dir, replay=store))
    headers = client.sign("POST", ORIGIN + "/agent", b"")
    store.answer = answer
    refused = call(app, headers, b"")
    assert (refused.status, refused.code) == (503, "replay_store_unavailable")
    assert refused.headers["retry-after"]
    assert "Store.claim" in caplog.text
    store.answer = None
    assert call(app, headers, b"").status == 200


def test_a_coroutine_is_no_answer(keys_dir: Path, client: OrchestratorClient) -> None:
    store = Store()
    app = agent_app(AgentAuth(keys_dir, replay=store))
    store.answer = _coroutine()
    assert signed_call(app, client).code == "replay_store_unavailable"
    store.answer.close()
    store.answer = True
    assert signed_call(app, client).status == 200


def test_an_asynchronous_store_is_refused_at_once(keys_dir: Path) -> None:
    class Asynchronous:
        async def claim(self, issuer: str, jti: str, expires_at: int) -> bool:
            return True

    with pytest.raises(InvalidArgumentError, match="synchronous"):
        AgentAuth(keys_dir, replay=Asynchronous())  # type: ignore[arg-type]


def test_memory_is_of_one_agent_and_sqlite_is_shared(
    keys_dir: Path, client: OrchestratorClient, tmp_path: Path, backend: str
) -> None:
    def statuses(first: AgentAuth, second: AgentAuth) -> list[int]:
        headers = client.sign("POST", ORIGIN + "/agent", b"")
        return [call(agent_app(auth), headers, b"").status for auth in (first, first, second)]

    def agent(replay: Any) -> AgentAuth:
        return AgentAuth(keys_dir, replay=replay, backend=backend)

    assert statuses(agent("memory"), agent("memory")) == [200, 429, 200]
    assert statuses(agent("sqlite"), agent("sqlite")) == [200, 429, 429]
    path = tmp_path / "own.sqlite3"
    assert statuses(agent(path), agent(str(path))) == [200, 429, 429]
    assert statuses(agent(SQLiteReplay(path)), agent("sqlite")) == [200, 429, 200]
    assert path.exists()


def test_the_default_file_is_in_the_users_state_folder(keys_dir: Path, tmp_path: Path) -> None:
    AgentAuth(keys_dir)
    assert (tmp_path / "state" / "tallystick" / "replay.sqlite3").is_file()


def test_development_opens_no_store(keys_dir: Path, tmp_path: Path) -> None:
    AgentAuth(keys_dir, dev_mode=True)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("made", "times"),
    [
        ("AgentAuth(folder, replay='memory')", 1),
        ("AgentAuth(folder, replay='memory', dev_mode=True)", 0),
        ("AgentAuth(folder)", 0),
        ("AuthSkill(agent_id='a', keys_dir=folder, replay='memory')", 1),
        ("AuthSkill(agent_id='a', keys_dir=folder, replay='memory', dev_mode=True)", 0),
        ("AuthSkill(agent_id='a', keys_dir=folder)", 0),
        ("Authority('https://portal.example', keys_dir=folder, replay='memory')", 1),
        ("Authority('https://portal.example', keys_dir=folder)", 0),
    ],
)
def test_a_memory_of_one_process_says_so_once_in_production(
    made: str, times: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = {"AgentAuth": AgentAuth, "AuthSkill": AuthSkill, "Authority": Authority}

    def twice() -> int:
        memory._warned = False
        for _ in range(2):
            eval(made, {**names, "folder": str(tmp_path / "keys")})
        said = [record.getMessage() for record in caplog.records]
        return sum("in the memory of this process alone" in line for line in said)

    assert in_child(twice) == times
