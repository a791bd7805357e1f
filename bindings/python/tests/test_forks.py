"""A process that has used the core forks, and the child uses it too."""

from __future__ import annotations

import multiprocessing
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from support import KeyPair, agent_app, fork_without_hooks, in_child, signed_call
from tallystick import AgentAuth, KeyManager, OrchestratorClient
from tallystick._core import native
from tallystick._core.core import call_json
from tallystick._core.loading import load_core

if TYPE_CHECKING:
    from pathlib import Path

    from flask import Flask

pytestmark = pytest.mark.medium


@pytest.fixture
def app(keys_dir: Path, backend: str) -> Flask:
    return agent_app(AgentAuth(keys_dir, backend=backend))


@pytest.fixture
def own(keys: KeyPair, backend: str) -> OrchestratorClient:
    return OrchestratorClient("orchestrator", keys.private, backend=backend)


def accepted(app: Flask, client: OrchestratorClient, times: int) -> int:
    return sum(signed_call(app, client).status == 200 for _ in range(times))


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "times"), [("native", 5000), ("wasm", 1000)])
def test_a_child_verifies_thousands(app: Flask, own: OrchestratorClient, times: int) -> None:
    assert accepted(app, own, 10) == 10
    assert in_child(lambda: accepted(app, own, times)) == times
    assert accepted(app, own, 10) == 10


def test_children_of_children_work(app: Flask, own: OrchestratorClient) -> None:
    def generation(depth: int) -> list[int]:
        below = in_child(lambda: generation(depth - 1)) if depth else []
        return [accepted(app, own, 50), *below]

    assert accepted(app, own, 10) == 10
    assert generation(3) == [50] * 4


def test_a_child_that_never_used_the_core_can_fork_too(app: Flask, own: OrchestratorClient) -> None:
    assert accepted(app, own, 1) == 1
    assert in_child(lambda: in_child(lambda: accepted(app, own, 50))) == 50


def test_siblings_work_at_the_same_time(app: Flask, own: OrchestratorClient) -> None:
    assert accepted(app, own, 1) == 1
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda: results.append(in_child(lambda: accepted(app, own, 100))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [100] * 4


def test_a_fork_amid_calls_of_other_threads(app: Flask, own: OrchestratorClient) -> None:
    # Python's own lock of a module that a thread is importing does not survive a fork.
    assert accepted(app, own, 1) == 1
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            signed_call(app, own)

    threads = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert in_child(lambda: accepted(app, own, 20)) == 20
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _work(queue: Any, app: Flask, own: OrchestratorClient) -> None:
    queue.put(accepted(app, own, 200))


def test_multiprocessing(app: Flask, own: OrchestratorClient) -> None:
    assert accepted(app, own, 1) == 1
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    children = [context.Process(target=_work, args=(queue, app, own)) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get() for _ in children] == [200, 200]
    for child in children:
        child.join()
        assert child.exitcode == 0


def test_parent_and_children_draw_different_random_bytes(backend: str) -> None:
    def draws() -> list[str]:
        return [call_json(load_core(backend), "key.generate", {})["kid"] for _ in range(2)]

    draws()
    kids = [kid for _ in range(3) for kid in in_child(draws)] + draws()
    assert len(set(kids)) == 8


def test_a_child_gets_an_epoch_of_its_own(backend: str) -> None:
    core = load_core(backend)
    core.call("version", b"{}")
    before = core.generation
    assert in_child(lambda: [core.generation, len(core.call("version", b"{}")) > 0]) == [
        before + 1,
        True,
    ]
    assert core.generation == before


def test_a_fork_without_pythons_hooks_is_noticed(
    keys_dir: Path, keys: KeyPair, own: OrchestratorClient, backend: str
) -> None:
    app = agent_app(AgentAuth(keys_dir, backend=backend, store="memory:"))
    later = OrchestratorClient("orchestrator", keys.private, ttl=120, backend=backend)
    assert accepted(app, own, 10) == 10
    assert in_child(lambda: accepted(app, later, 500), fork_without_hooks) == 500
    assert accepted(app, own, 10) == 10


def test_without_memfd_a_copy_in_a_temporary_file_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    core = load_core("native")
    core.call("version", b"{}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def child() -> list[Any]:
        import tempfile

        tempfile.tempdir = None
        del os.memfd_create
        private, _ = KeyManager.generate_rsa_keypair()
        with open("/proc/self/maps") as maps:
            mapped = any(str(tmp_path) in line for line in maps)
        return [len(private) > 1000, mapped, os.listdir(tmp_path)]

    assert in_child(child) == [True, True, []]


def test_the_copy_in_memory_is_not_the_parents(tmp_path: Path) -> None:
    core = load_core("native")
    core.call("version", b"{}")

    def child() -> list[bool]:
        core.call("version", b"{}")
        with open("/proc/self/maps") as maps:
            lines = maps.read()
        return [str(native.LIBRARY) in lines, "memfd:" + native.LIBRARY.name in lines]

    assert in_child(child) == [True, True]
