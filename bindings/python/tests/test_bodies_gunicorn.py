"""Bodies of many callers at once, and broken ones, under real gunicorn and werkzeug."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from werkzeug.serving import make_server

from support import BODY, DEADLINE, Answer, Server, agent_app, gunicorn, post
from tallystick import AgentAuth, OrchestratorClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

MIB = 1 << 20
WORKERS = {
    "sync": ("--worker-class", "sync"),
    "gthread": ("--worker-class", "gthread", "--threads", "100"),
}


@pytest.fixture(params=WORKERS)
def server(request: pytest.FixtureRequest, keys_dir: Path, tmp_path: Path) -> Iterator[Server]:
    environment = {"KEYS_DIR": str(keys_dir), "RING_DIR": str(tmp_path / "ring"), "OPTIONS": "{}"}
    log = tmp_path / "log"
    with gunicorn("bodies", environment, "--log-file", str(log), *WORKERS[request.param]) as server:
        assert post(server.port, {}).status == 401
        yield server
    # Whoever breaks off is no fault of the program's.
    assert "Traceback" not in log.read_text()


class Caller:
    """A connection whose bytes are written one by one, as no client library would."""

    def __init__(self, port: int, head: str, body: bytes = b"", path: str = "/agent") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        line = f"POST {path} HTTP/1.1\r\nHost: h\r\n{head}\r\n"
        self.socket.sendall(line.encode() + body)

    def answer(self) -> Answer:
        with self.socket:
            whole = b""
            while b"\r\n\r\n" not in whole or len(whole) < _length(whole):
                part = self.socket.recv(1 << 16)
                assert part, whole
                whole += part
        head, _, body = whole.partition(b"\r\n\r\n")
        return Answer(int(head.split(b" ")[1]), {}, body)


def _length(answer: bytes) -> int:
    head, _, _ = answer.lower().partition(b"\r\n\r\n")
    return len(head) + 4 + int(head.split(b"content-length: ")[1].split(b"\r\n")[0])


def sign(client: OrchestratorClient, server: Server, body: bytes) -> str:
    value = client.sign("POST", server.url + "/agent", body)["Authorization"]
    return f"Authorization: {value}\r\n"


def resident(server: Server) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE) as connection:
        connection.sendall(b"GET /memory HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(1 << 16):
            answer += part
    return int(json.loads(answer.partition(b"\r\n\r\n")[2])["resident"])


def test_a_hundred_callers_without_a_token_are_answered_before_their_bodies_are_read(
    server: Server,
) -> None:
    before = resident(server)
    length = f"Content-Length: {10 * MIB}\r\n"
    callers = [Caller(server.port, length) for _ in range(100)]
    for caller in callers:
        assert caller.answer().code == "missing_authorization"
    assert resident(server) - before < 100 * MIB


def test_a_caller_who_sends_it_all_first_reads_the_answer(
    server: Server, client: OrchestratorClient
) -> None:
    body = bytes(10 * MIB)
    before = resident(server)

    def ask(_: int) -> str:
        return post(server.port, {}, body).code

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(ask, range(50))) == {"missing_authorization"}
    assert resident(server) - before < 200 * MIB
    assert Caller(
        server.port, sign(client, server, body) + f"Content-Length: {len(body)}\r\n", body
    ).answer().json == {"length": len(body)}


@pytest.mark.parametrize("broken", ["zzz\r\n", "5\r\nhelloXX", "5\r\nhello\r\n-1\r\n"])
def test_a_broken_chunk_is_malformed_where_the_body_is_needed(
    server: Server, client: OrchestratorClient, broken: str
) -> None:
    chunked = "Transfer-Encoding: chunked\r\n"
    for token, status, code in (
        (sign(client, server, b"hello"), 400, "malformed_request"),
        ("Authorization: Bearer x.y.z\r\n", 401, "malformed_token"),
        ("", 401, "missing_authorization"),
    ):
        answer = Caller(server.port, token + chunked, broken.encode()).answer()
        assert (answer.status, answer.code) == (status, code)
    whole = Caller(
        server.port, sign(client, server, b"hello") + chunked, b"5\r\nhello\r\n0\r\n\r\n"
    )
    assert whole.answer().json == {"length": 5}


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked", "Content-Length: 100"])
@pytest.mark.parametrize("sent", [b"", b"5\r\nhel"])
def test_a_caller_who_goes_away_in_its_body_leaves_no_trace(
    server: Server, client: OrchestratorClient, head: str, sent: bytes
) -> None:
    caller = Caller(server.port, f"{sign(client, server, BODY)}{head}\r\n", sent)
    caller.socket.shutdown(socket.SHUT_WR)
    answer = caller.answer()
    assert (answer.status, answer.code) == (400, "malformed_request")
    body = f"Content-Length: {len(BODY)}\r\n"
    assert Caller(server.port, sign(client, server, BODY) + body, BODY).answer().status == 200


def test_a_broken_form_at_the_token_endpoint_is_an_invalid_request(server: Server) -> None:
    head = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n"
    answer = Caller(server.port, head, b"zzz\r\n", "/auth/token").answer()
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    whole = Caller(server.port, head, b"3\r\na=b\r\n0\r\n\r\n", "/auth/token").answer()
    assert (whole.status, whole.json["error"]) == (401, "invalid_client")


def test_flasks_own_server_takes_a_broken_body_as_gunicorn_does(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    app = agent_app(AgentAuth(keys_dir))
    served = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        own = Server(served.server_port, None)  # type: ignore[arg-type]
        token = sign(client, own, b"hello")
        chunked = "Transfer-Encoding: chunked\r\n"
        answer = Caller(own.port, token + chunked, b"zzz\r\n").answer()
        assert (answer.status, answer.code) == (400, "malformed_request")
        assert Caller(own.port, chunked, b"zzz\r\n").answer().status == 401
        whole = Caller(own.port, token + chunked, b"5\r\nhello\r\n0\r\n\r\n").answer()
        assert whole.json["body"] == "hello"
    finally:
        served.shutdown()
        served.server_close()
