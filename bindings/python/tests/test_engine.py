"""Engines: the loop over needs, and their survival of instances."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import tallystick
from support import BODY, DEADLINE, ORIGIN, KeyPair, agent_app, call, in_child, signed_call
from tallystick import AgentAuth, OrchestratorClient, OverloadedError
from tallystick._core.engine import CLAIMED, Engine
from tallystick._core.loading import load_core
from tallystick._core.wasm import WasmCore

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.medium


def signer(keys: KeyPair, core: Any, opened: Any = None) -> Engine:
    public = {"issuer": "me", "rsa": "host", "public_key": keys.public}
    return Engine(core, lambda: {"signer": public}, opened)


def members() -> str:
    return json.dumps({"now": time.time(), "method": "POST", "url": ORIGIN})[1:-1]


def test_a_host_that_raises_ends_the_operation(keys: KeyPair, backend: str) -> None:
    engine = signer(keys, load_core(backend))

    def host(need: dict[str, Any]) -> Any:
        raise StopIteration({"authorization": "a pass that nobody gave"})

    # Were it caught as the end of the loop, its value would be the result.
    with pytest.raises(StopIteration):
        engine.run("request.sign", members(), b"", host)
    assert engine.call("engine.stats", {})["tickets"] == 0


def test_a_host_that_is_cancelled_leaves_no_ticket(keys: KeyPair, backend: str) -> None:
    engine = signer(keys, load_core(backend))
    asked = asyncio.Event()

    async def host(need: dict[str, Any]) -> Any:
        asked.set()
        await asyncio.sleep(DEADLINE)

    async def cancelled() -> tuple[int, int]:
        waiting = asyncio.ensure_future(engine.arun("request.sign", members(), b"", host))
        await asked.wait()
        before = engine.call("engine.stats", {})["tickets"]
        waiting.cancel()
        await asyncio.wait([waiting])
        return before, engine.call("engine.stats", {})["tickets"]

    assert asyncio.run(cancelled()) == (1, 0)


def test_a_host_that_answers_wrongly_is_refused(keys: KeyPair, backend: str) -> None:
    engine = signer(keys, load_core(backend))
    replies = ['"claim":"claimed"', '"unchanged":true', '"valid":true']

    def host(need: dict[str, Any]) -> Any:
        return replies[-1], b""

    while replies:
        with pytest.raises(tallystick.TallystickError):
            engine.run("request.sign", members(), b"", host)
        replies.pop()
    assert engine.call("engine.stats", {})["tickets"] == 0


def test_what_is_asked_unasked_for_is_refused(keys: KeyPair) -> None:
    engine = signer(keys, load_core())
    with pytest.raises(tallystick.InternalError, match="'sign'"):
        engine.call("request.sign", json.loads("{" + members() + "}"))


@pytest.mark.slow
def test_collected_engines_are_closed(keys: KeyPair, backend: str) -> None:
    core = load_core(backend)
    for _ in range(5000):  # over the core's bound of engines, were they kept
        signer(keys, core)
    gc.collect()
    assert signer(keys, core).call("engine.stats", {})["tickets"] == 0


def test_an_engine_is_told_each_opening(keys: KeyPair) -> None:
    answers: list[dict[str, Any]] = []
    engine = signer(keys, load_core(), answers.append)
    engine.close()
    engine.call("engine.stats", {})
    engine.call("engine.stats", {})
    assert len(answers) == 2
    assert len(answers[0]["key_id"]) == 43


def retire(core: Any) -> None:
    """Make the instance trap as it would by itself: by broken memory."""
    instance = core._instance
    instance._input = 0xFFFF_FFF0
    with pytest.raises(tallystick.InternalError):
        core.call("version", b"{}")


def test_a_trap_retires_the_instance_and_engines_open_again(
    keys_dir: Path, keys: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    core = load_core("wasm")
    app = agent_app(AgentAuth(keys_dir, backend="wasm"))
    client = OrchestratorClient("orchestrator", keys.private, backend="wasm")
    assert signed_call(app, client).status == 200
    before = core.generation
    retire(core)
    assert core.generation == before + 1
    assert "replaced" in caplog.text
    assert signed_call(app, client).status == 200


def test_an_instance_lost_between_need_and_answer_starts_the_operation_over(
    keys: KeyPair,
) -> None:
    core = load_core("wasm")
    engine = signer(keys, core)
    real = OrchestratorClient("me", keys.private)._signing
    asked = []

    def host(need: dict[str, Any]) -> Any:
        asked.append(need["input"])
        if len(asked) == 1:
            retire(core)
        return "", real.sign(need["input"].encode())

    assert engine.run("request.sign", members(), b"", host)["authorization"]
    assert len(asked) == 2


def test_an_engine_closed_between_need_and_answer_starts_the_operation_over(
    keys: KeyPair, backend: str
) -> None:
    engine = signer(keys, load_core(backend))
    real = OrchestratorClient("me", keys.private)._signing
    asked = []

    def host(need: dict[str, Any]) -> Any:
        asked.append(need["input"])
        if len(asked) == 1:
            engine.close()
        return "", real.sign(need["input"].encode())

    assert engine.run("request.sign", members(), b"", host)["authorization"]
    assert len(asked) == 2


@pytest.mark.parametrize(("free", "status", "asked"), [(True, 200, 1), (False, 429, 2)])
def test_an_instance_lost_during_a_claim_does_not_undo_it(
    keys_dir: Path, keys: KeyPair, free: bool, status: int, asked: int
) -> None:
    core = load_core("wasm")

    class Store:
        asked = 0

        def claim(self, id: str, seconds: int) -> bool:
            self.asked += 1
            if self.asked == 1:
                retire(core)
            return free

    store = Store()
    app = agent_app(AgentAuth(keys_dir, store=store, backend="wasm"))
    client = OrchestratorClient("orchestrator", keys.private, backend="wasm")
    assert signed_call(app, client).status == status
    # A claim that was made needs the core no more; a refusal is worded by it.
    assert store.asked == asked


def test_a_store_that_is_interrupted_leaves_nothing_behind(
    keys_dir: Path, keys: KeyPair, backend: str
) -> None:
    class Store:
        interrupted = False

        def claim(self, id: str, seconds: int) -> bool:
            if not self.interrupted:
                self.interrupted = True
                raise KeyboardInterrupt
            return True

    auth = AgentAuth(keys_dir, store=Store(), backend=backend)
    app = agent_app(auth)
    client = OrchestratorClient("orchestrator", keys.private)
    with pytest.raises(KeyboardInterrupt):
        signed_call(app, client)
    assert auth._verifier._engine.call("engine.stats", {})["tickets"] == 0
    assert signed_call(app, client).status == 200


def test_an_instance_lost_while_the_keys_are_read_does_not_stop_the_agent(
    keys_dir: Path, client: OrchestratorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = AgentAuth(keys_dir, backend="wasm")
    app = agent_app(auth)
    assert auth._folder is not None
    read = auth._folder._read
    reads: list[int] = []

    def lose_the_instance() -> Any:
        reads.append(1)
        if len(reads) == 1:
            retire(load_core("wasm"))
        return read()

    monkeypatch.setattr(auth._folder, "_read", lose_the_instance)
    statuses: list[int] = []
    # In a thread of its own: what this would find is a deadlock.
    thread = threading.Thread(
        target=lambda: statuses.append(signed_call(app, client).status), daemon=True
    )
    thread.start()
    thread.join(DEADLINE)
    assert statuses == [200]
    assert len(reads) >= 2


def test_an_instance_that_is_always_lost_is_an_error(keys: KeyPair) -> None:
    core = load_core("wasm")
    engine = signer(keys, core)

    def host(need: dict[str, Any]) -> Any:
        retire(core)
        return "", b""

    with pytest.raises(tallystick.InternalError, match="again and again"):
        engine.run("request.sign", members(), b"", host)


@pytest.mark.parametrize("how", ["trap", "close"])
def test_a_token_is_not_accepted_again_when_its_window_was_lost(
    keys_dir: Path, keys: KeyPair, client: OrchestratorClient, how: str
) -> None:
    auth = AgentAuth(keys_dir, store="memory:", backend="wasm")
    app = agent_app(auth)
    later = OrchestratorClient("orchestrator", keys.private, ttl=120)
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    assert call(app, headers).status == 200
    if how == "trap":
        retire(load_core("wasm"))
    else:
        auth.close()
    again = call(app, headers)
    assert (again.status, again.code) == (503, "replay_store_unavailable")
    assert signed_call(app, later).status == 200


def test_a_child_does_not_accept_what_its_parent_did(
    keys_dir: Path, keys: KeyPair, client: OrchestratorClient, backend: str
) -> None:
    app = agent_app(AgentAuth(keys_dir, store="memory:", backend=backend))
    later = OrchestratorClient("orchestrator", keys.private, ttl=120)
    headers = client.sign("POST", ORIGIN + "/agent", BODY)
    assert call(app, headers).status == 200
    assert in_child(lambda: [call(app, headers).code, signed_call(app, later).status]) == [
        "replay_store_unavailable",
        200,
    ]
    assert call(app, headers).code == "replay_detected"


def test_a_memory_over_its_ceiling_is_replaced(
    keys_dir: Path, client: OrchestratorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = load_core("wasm")
    assert isinstance(core, WasmCore)
    app = agent_app(AgentAuth(keys_dir, backend="wasm"))
    assert signed_call(app, client).status == 200
    instance = core._instance
    assert instance is not None
    monkeypatch.setattr("tallystick._core.wasm.MEMORY_CEILING", instance.memory_size + (8 << 20))
    before = core.generation
    core.call("digest.body", b"{}", b"x" * 1000)
    assert core.generation == before
    core.call("digest.body", b"{}", b"x" * (20 << 20))
    assert core.generation == before + 1
    assert signed_call(app, client).status == 200


def test_open_claims_of_tasks_are_bounded(
    keys: KeyPair, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    monkeypatch.setattr("tallystick._core.engine.MAX_OPEN_CLAIMS", 2)
    verifier = {"keys": {"me": keys.public}, "replay": "host"}
    engine = Engine(load_core(backend), lambda: {"verifier": verifier})
    client = OrchestratorClient("me", keys.private)

    async def run() -> list[Any]:
        free = asyncio.Event()

        async def claims(need: dict[str, Any]) -> Any:
            await free.wait()
            return CLAIMED

        async def verify() -> Any:
            token = client.sign("POST", ORIGIN, b"")["Authorization"]
            request = {"now": time.time(), "authorization": [token], "method": "POST", "path": "/"}
            return await engine.arun("request.verify", json.dumps(request)[1:-1], b"", claims)

        two = [asyncio.ensure_future(verify()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError) as refused:
            await verify()
        assert refused.value.response is not None
        assert refused.value.response.status == 503
        free.set()
        return [*await asyncio.gather(*two), await verify()]

    assert [result["claims"]["iss"] for result in asyncio.run(run())] == ["me"] * 3
