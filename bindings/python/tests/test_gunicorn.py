"""The agent under real gunicorn: --preload, several workers, the wire as it is."""

from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from support import BODY, DEADLINE, KeyPair, Server, gunicorn, post, post_twice
from tallystick import OrchestratorClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

PRELOAD = ("--preload", "--workers", "4", "--timeout", str(DEADLINE))


@pytest.fixture
def environment(keys_dir: Path, keys: KeyPair, tmp_path: Path) -> dict[str, str]:
    private = tmp_path / "private.pem"
    private.touch(mode=0o600)
    private.write_text(keys.private)
    return {"KEYS_DIR": str(keys_dir), "PRIVATE_KEY": str(private)}


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    with gunicorn("preloaded", environment, *PRELOAD) as server:
        yield server


def sign(client: OrchestratorClient, server: Server, target: str = "/agent") -> dict[str, str]:
    return client.sign("POST", server.url + target, BODY)


def until_each_worker_answered(workers: int, ask: Callable[[], int]) -> set[int]:
    """Ask on several connections at once until so many process ids have answered."""
    pids: set[int] = set()
    end = time.monotonic() + DEADLINE
    with ThreadPoolExecutor(workers) as pool:
        while len(pids) < workers:
            assert time.monotonic() < end, f"only {pids} answered"
            pids.update(pool.map(lambda _: ask(), range(workers)))
    return pids


@pytest.mark.slow
@pytest.mark.parametrize(("name", "each"), [("native", 5000), ("wasm", 1000)])
def test_every_preloaded_worker_verifies_thousands(
    environment: dict[str, str], name: str, each: int
) -> None:
    done: dict[int, int] = {}
    with gunicorn("preloaded", {**environment, "TALLYSTICK_BACKEND": name}, *PRELOAD) as server:

        def ask() -> int:
            answer = post(server.port, {}, path=f"/verify-many?n={each // 5}").json
            assert answer["forked"]
            assert answer["accepted"] == each // 5
            done[answer["pid"]] = done.get(answer["pid"], 0) + each // 5
            return int(answer["pid"])

        until_each_worker_answered(4, ask)
        with ThreadPoolExecutor(4) as pool:
            end = time.monotonic() + DEADLINE
            while min(done.values()) < each:
                assert time.monotonic() < end, done
                list(pool.map(lambda _: ask(), range(4)))
    assert len(done) == 4


def test_two_headers_are_refused_and_use_no_token_up(
    server: Server, client: OrchestratorClient
) -> None:
    headers = sign(client, server)
    for pair in ((headers["Authorization"],) * 2, ("Basic eDp5", headers["Authorization"])):
        refused = post_twice(server.port, "/agent", *pair)
        assert (refused.status, refused.code) == (400, "ambiguous_authorization")
        assert refused.json["error"] == "Missing/Invalid Authorization header"
    assert post(server.port, headers).status == 200


def test_one_token_sent_64_times_at_once_is_accepted_exactly_once(
    server: Server, client: OrchestratorClient
) -> None:
    until_each_worker_answered(4, lambda: int(post(server.port, sign(client, server)).json["pid"]))
    for _ in range(3):
        headers = sign(client, server)
        with ThreadPoolExecutor(64) as pool:
            statuses = list(pool.map(lambda _, h=headers: post(server.port, h).status, range(64)))
        assert sorted(statuses) == [200] + [429] * 63


@pytest.mark.slow
def test_kill_minus_nine_and_a_restart_forget_nothing(
    environment: dict[str, str], client: OrchestratorClient
) -> None:
    with gunicorn("preloaded", environment, *PRELOAD) as server:
        used = sign(client, server)
        pid = post(server.port, used).json["pid"]
        os.kill(pid, signal.SIGKILL)
        for _ in range(8):
            assert post(server.port, used).code == "replay_detected"
        assert post(server.port, sign(client, server)).status == 200
        same_port = server.port
    with gunicorn("preloaded", environment, *PRELOAD) as server:
        # Signed for the first server's port; no base_url is set, so only the path counts.
        assert same_port != server.port
        assert post(server.port, used).code == "replay_detected"
        assert post(server.port, sign(client, server)).status == 200


def test_a_key_dropped_in_is_known_to_every_worker(
    server: Server, keys_dir: Path, other_keys: KeyPair
) -> None:
    second = OrchestratorClient("second", other_keys.private)
    assert post(server.port, sign(second, server)).code == "unknown_issuer"
    (keys_dir / "second.pem").write_text(other_keys.public)
    end = time.monotonic() + DEADLINE
    accepted: set[int] = set()
    while len(accepted) < 4:
        assert time.monotonic() < end
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: post(server.port, sign(second, server)), range(4)))
        accepted.update(answer.json["pid"] for answer in answers if answer.status == 200)


@pytest.mark.parametrize(
    "target",
    [
        "/agent/a%2Fb",
        "/agent/a%20b",
        "/agent/k%C3%A4se",
        "/agent/%ff",
        "/agent/a+b;c=d,e",
        "/agent/x?q=a%26b&c",
        "/agent?",
        "/agent?q=%22",
    ],
)
def test_the_target_is_compared_as_it_was_sent(
    server: Server, client: OrchestratorClient, target: str
) -> None:
    headers = sign(client, server, target)
    assert post(server.port, headers, path=target + "x").code == "wrong_target"
    assert post(server.port, headers, path=target).status == 200


def raw(server: Server, head: str, body: bytes = BODY) -> int:
    """Send bytes that no client library would; return the status."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + body)
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return int(answer.split(b" ")[1])


def test_two_authorization_headers_are_refused(server: Server, client: OrchestratorClient) -> None:
    value = sign(client, server)["Authorization"]
    head = f"POST /agent HTTP/1.1\nHost: h\nConnection: close\nContent-Length: {len(BODY)}\n"
    one = f"Authorization: {value}\n"
    assert raw(server, f"{head}{one}{one}\n") == 400
    assert raw(server, f"{head}Authorization: {value}, {value}\n\n") == 400
    assert raw(server, f"{head}{one}\n") == 200


def test_a_chunked_body_is_hashed_after_transfer_decoding(
    server: Server, client: OrchestratorClient
) -> None:
    headers = {**sign(client, server), "Transfer-Encoding": "chunked"}
    changed = post(server.port, headers, [BODY[:5], BODY[5:], b" "], encode_chunked=True)
    assert changed.code == "body_tampered"
    answer = post(server.port, headers, [BODY[:5], BODY[5:]], encode_chunked=True)
    assert answer.json["length"] == len(BODY)


def test_a_body_of_ten_mebibytes_is_taken_and_one_byte_more_is_not(
    server: Server, keys: KeyPair
) -> None:
    body = b"x" * (10 << 20)
    client = OrchestratorClient("orchestrator", keys.private, max_body=len(body) + 1)
    fits = client.sign("POST", server.url + "/agent", body)
    assert post(server.port, fits, body).json["length"] == len(body)
    over = client.sign("POST", server.url + "/agent", body + b"x")
    refused = post(
        server.port,
        {**over, "Transfer-Encoding": "chunked"},
        iter([body, b"x"]),
        encode_chunked=True,
    )
    assert refused.status == 413
