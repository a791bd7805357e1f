"""Thousands of requests to many processes that share nothing but a store: none is accepted twice.

Under gunicorn, uvicorn and Celery, in processes that were forked and spawned, and in Python and
Node at once. Each process that forks has used its store before.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import real_servers
from real_servers import eventually, new_id
from shared_peers import ENTRY, NODE, needs_node
from support import APPS, BODY, DEADLINE, KeyPair, gunicorn, stop
from tallystick import OrchestratorClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

TOKENS, TIMES = 700, 3
"""So many tokens, each sent so many times."""

AT_ONCE = 32
"""Connections of the sender."""

STORES = ["sqlite", "redis", "postgresql"]

GUNICORN = {
    "sync": ["--workers", "4"],
    "gthread": ["--workers", "2", "--worker-class", "gthread", "--threads", "8"],
    "gevent": ["--workers", "2", "--worker-class", "gevent"],
}


@pytest.fixture(scope="module")
def redis() -> Iterator[Any]:
    with real_servers.redis() as server:
        yield server


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Any]:
    with real_servers.postgresql() as server:
        yield server


@pytest.fixture
def signed(keys: KeyPair) -> list[str]:
    client = OrchestratorClient("orchestrator", keys.private)
    url = "http://localhost/agent"
    return [client.sign("POST", url, BODY)["Authorization"] for _ in range(TOKENS + 1)]


@pytest.fixture
def environment(
    store: str, request: pytest.FixtureRequest, keys_dir: Path, tmp_path: Path, signed: list[str]
) -> dict[str, str]:
    """What an agent with a new store is started with."""
    url = f"sqlite://{tmp_path}/used.sqlite3"
    if store != "sqlite":
        url = request.getfixturevalue(store).url
    names = f"t{new_id()[:12]}"
    path = os.pathsep.join([str(APPS.parent), os.environ.get("PYTHONPATH", "")])
    return {
        "KEYS_DIR": str(keys_dir),
        "STORE": url,
        "NAMES": names,
        "FIRST": signed[-1],
        "PYTHONPATH": path,
    }


def request_of(token: str) -> bytes:
    return (
        b"POST /agent HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\n"
        + f"Authorization: {token}\r\nContent-Length: {len(BODY)}\r\n\r\n".encode()
        + BODY
    )


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    head = await asyncio.wait_for(reader.read(), DEADLINE)
    writer.close()
    return int(head.split(b" ", 2)[1])


async def send_all(port: int, tokens: list[str]) -> Counter[tuple[str, int]]:
    """Send each token some times, in a random order; count each token's answers by status."""
    waiting = tokens * TIMES
    random.shuffle(waiting)
    found: Counter[tuple[str, int]] = Counter()

    async def sender() -> None:
        while waiting:
            token = waiting.pop()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_of(token))
            found[token, await answer(reader, writer)] += 1

    await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
    return found


def must_be_once(found: Counter[tuple[str, int]], tokens: list[str], accepted: Any = 200) -> None:
    statuses: Counter[Any] = Counter()
    for (_, status), count in found.items():
        statuses[status] += count
    assert [found[token, accepted] for token in tokens] == [1] * len(tokens), statuses
    assert sum(statuses.values()) == len(tokens) * TIMES
    assert len(statuses) == 2, statuses


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("kind", GUNICORN)
def test_workers_of_gunicorn(kind: str, environment: dict[str, str], signed: list[str]) -> None:
    options = ["--preload", "--timeout", str(DEADLINE), *GUNICORN[kind]]
    with gunicorn("store_agent", environment, *options) as server:
        found = asyncio.run(send_all(server.port, signed[:TOKENS]))
    must_be_once(found, signed[:TOKENS])


@pytest.mark.parametrize("store", STORES)
def test_workers_of_uvicorn(environment: dict[str, str], signed: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "store_agent:asgi", "--workers", "2"]
    process = subprocess.Popen(
        [*command, "--port", str(port), "--app-dir", str(APPS), "--log-level", "warning"],
        env={**os.environ, **environment},
    )
    try:
        eventually(lambda: _listens(port))
        found = asyncio.run(send_all(port, signed[:TOKENS]))
    finally:
        stop(process)
    must_be_once(found, signed[:TOKENS])


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_that_are_forked_and_spawned(
    method: str, environment: dict[str, str], signed: list[str], tmp_path: Path
) -> None:
    # A process of its own, which may be forked while it has one thread alone.
    program = tmp_path / "parent.py"
    program.write_text(PARENT)
    (tmp_path / "tokens").write_text("\n".join(signed[:TOKENS]))
    finished = subprocess.run(
        [sys.executable, str(program), method, str(tmp_path / "tokens")],
        env={**os.environ, **environment, "PYTHONPATH": f"{APPS}{os.pathsep}{APPS.parent}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    found: Counter[Any] = Counter(tuple(line.split("\t")) for line in finished.stdout.splitlines())
    must_be_once(found, signed[:TOKENS], "accepted")


PARENT = f"""
import multiprocessing, random, sys
import store_agent

def verify(tokens, results):
    random.shuffle(tokens)
    results.put([(token, store_agent.outcome(token)) for token in tokens])

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    tokens = open(sys.argv[2]).read().splitlines()
    results = context.Queue()
    workers = [context.Process(target=verify, args=(tokens, results)) for _ in range({TIMES})]
    for worker in workers:
        worker.start()
    for _ in workers:
        for token, code in results.get(timeout={DEADLINE}):
            print(token, code, sep="\\t")
    for worker in workers:
        worker.join()
"""


@pytest.mark.parametrize("store", STORES)
def test_workers_of_celery(
    environment: dict[str, str], signed: list[str], redis: Any, tmp_path: Path
) -> None:
    from celery import Celery  # type: ignore[import-untyped]

    broker = redis.url.removesuffix("/0") + "/1"
    command = [sys.executable, "-m", "celery", "--app", "store_agent:worker", "worker"]
    process = subprocess.Popen(
        [*command, "--pool", "prefork", "--concurrency", "4", "--loglevel", "error"],
        env={**os.environ, **environment, "BROKER": broker},
        cwd=APPS,
    )
    tokens = signed[:TOKENS]
    waiting = tokens * TIMES
    random.shuffle(waiting)
    pieces = [waiting[start : start + 25] for start in range(0, len(waiting), 25)]
    try:
        with Celery(broker=broker, backend=broker) as client:
            asked = [client.send_task("outcomes", [piece]) for piece in pieces]
            codes = [each.get(timeout=DEADLINE) for each in asked]
    finally:
        stop(process)
    found: Counter[Any] = Counter()
    for piece, each in zip(pieces, codes, strict=True):
        found.update(zip(piece, each, strict=True))
    must_be_once(found, tokens, "accepted")


async def send_at_once(ports: list[int], token: str, times: int) -> list[int]:
    """Send one token on so many connections; the last bytes leave together."""
    text = request_of(token)
    connections = [
        await asyncio.open_connection("127.0.0.1", ports[number % len(ports)])
        for number in range(times)
    ]
    for _, writer in connections:
        writer.write(text[:-1])
    await asyncio.gather(*(writer.drain() for _, writer in connections))
    for _, writer in connections:
        writer.write(text[-1:])
    return await asyncio.gather(*(answer(*connection) for connection in connections))


@contextlib.contextmanager
def node_server(environment: dict[str, str]) -> Iterator[int]:
    process = subprocess.Popen(
        [str(NODE), str(APPS / "store_agent.mjs"), str(ENTRY)],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        assert process.stdin is not None
        process.stdin.close()


@needs_node
@pytest.mark.parametrize("store", STORES)
def test_one_token_sent_64_times_at_once_to_two_servers(
    environment: dict[str, str], signed: list[str]
) -> None:
    options = ["--preload", "--timeout", str(DEADLINE), *GUNICORN["gthread"]]
    with (
        gunicorn("store_agent", environment, *options) as python,
        node_server(environment) as node,
    ):
        for token in signed[:200]:
            found = asyncio.run(send_at_once([python.port, node], token, 64))
            assert Counter(found) == {200: 1, 429: 63}
