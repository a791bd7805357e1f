"""OrchestratorClient over real aiohttp, against real servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yarl
from werkzeug.serving import make_server

import tallystick
from support import BODY, KeyPair, agent_app, call
from tallystick import (
    AgentAuth,
    BodyTooLargeError,
    InvalidArgumentError,
    InvalidURLError,
    OrchestratorClient,
)
from tallystick import client as client_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAYLOAD = {"query": "What movies are playing?", "größe": [1, 2.5, None, True]}


def send(
    orchestrator: OrchestratorClient, url: str, payload: Any = PAYLOAD, **options: Any
) -> dict[str, Any]:
    async def once() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            return await orchestrator.send(session, url, payload, **options)

    return asyncio.run(once())


def send_secure(url: str, payload: Any, issuer: Any, key: Any) -> dict[str, Any]:
    async def once() -> dict[str, Any]:
        async with aiohttp.ClientSession() as session:
            return await OrchestratorClient.send_secure_request(
                session=session,
                url=url,
                payload=payload,
                issuer_id=issuer,
                private_key_pem=key,
            )

    return asyncio.run(once())


@pytest.fixture
def agent_url(keys_dir: Path) -> Iterator[str]:
    """Our agent behind werkzeug's server."""
    server = make_server("127.0.0.1", 0, agent_app(AgentAuth(keys_dir)), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextlib.contextmanager
def stranger(answer: Callable[[BaseHTTPRequestHandler], object]) -> Iterator[str]:
    """A server that answers every POST as it is told to."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with contextlib.suppress(ConnectionError):
                answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answering(status: int, body: bytes, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_an_agent_accepts_what_is_sent(agent_url: str, keys: KeyPair) -> None:
    answer = send_secure(agent_url, PAYLOAD, "orchestrator", keys.private)
    assert answer["issuer"] == "orchestrator"
    assert answer["agent_url"] == agent_url
    assert json.loads(answer["body"]) == PAYLOAD
    assert ": " not in answer["body"]


def test_the_object_form_sends_the_same(
    agent_url: str, client: OrchestratorClient, backend: str, keys: KeyPair
) -> None:
    own = OrchestratorClient("orchestrator", keys.private, backend=backend)
    for orchestrator in (client, own):
        assert send(orchestrator, agent_url)["issuer"] == "orchestrator"


def test_a_refusal_is_returned_in_rotagents_words(agent_url: str, other_keys: KeyPair) -> None:
    answer = send_secure(agent_url, PAYLOAD, "orchestrator", other_keys.private)
    assert answer == {"error": "Auth Failed", "agent_url": agent_url}


def test_a_trailing_slash_is_dropped(agent_url: str, client: OrchestratorClient) -> None:
    answer = send(client, agent_url + "/")
    assert answer["issuer"] == "orchestrator"
    assert answer["agent_url"] == agent_url + "/"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"{}", "Auth Failed"),
        (429, b"{}", "Replay Detected"),
        (500, b"oops", "Status 500"),
        (204, b"", "Status 204"),
        (307, b"", "Status 307"),
        (200, b"<html>", "The agent's answer is not a JSON object"),
        (200, b"[1]", "The agent's answer is not a JSON object"),
        (200, b"", "The agent's answer is not a JSON object"),
        (200, b'{"a":' + b"9" * 5000 + b"}", None),
    ],
)
def test_what_an_agent_may_answer(
    client: OrchestratorClient, status: int, body: bytes, error: str | None
) -> None:
    with stranger(answering(status, body)) as url:
        answer = send(client, url)
    assert answer["agent_url"] == url
    assert answer["error"] == error if error else answer["error"]


def test_an_answers_own_agent_url_is_replaced(client: OrchestratorClient) -> None:
    with stranger(answering(200, b'{"agent_url":"evil","result":{"a":[1,null]}}')) as url:
        assert send(client, url) == {"agent_url": url, "result": {"a": [1, None]}}


def test_a_redirect_is_not_followed(client: OrchestratorClient) -> None:
    with (
        stranger(answering(200, b'{"stolen":true}')) as thief,
        stranger(answering(308, b"", Location=thief + "/agent")) as url,
    ):
        assert send(client, url) == {"error": "Status 308", "agent_url": url}


def test_a_huge_answer_is_not_read(keys: KeyPair) -> None:
    fits = b'{"a":"' + b"x" * 992 + b'"}'
    with stranger(answering(200, fits)) as url:
        client = OrchestratorClient("orchestrator", keys.private, max_answer=1000)
        assert len(send(client, url)["a"]) == 992
        client = OrchestratorClient("orchestrator", keys.private, max_answer=999)
        assert "over 999 bytes" in send(client, url)["error"]


def test_a_huge_body_is_not_signed(keys: KeyPair) -> None:
    client = OrchestratorClient("orchestrator", keys.private, max_body=10)
    for size in (0, 10):
        assert client.sign("POST", "https://a.example/agent", b"x" * size)
    with pytest.raises(BodyTooLargeError, match=r"over max_body \(10 bytes\)"):
        client.sign("POST", "https://a.example/agent", b"x" * 11)
    with pytest.raises(BodyTooLargeError):
        asyncio.run(client.asign("POST", "https://a.example/agent", b"x" * 11))
    with pytest.raises(BodyTooLargeError):
        send(client, "https://a.example", "x" * 9)
    with stranger(answering(200, b'{"a":1}')) as url:
        assert send(client, url, "x" * 8)["a"] == 1


def test_a_slow_agent_is_an_error(client: OrchestratorClient) -> None:
    done = threading.Event()
    with stranger(lambda handler: done.wait(60)) as url:
        answer = send(client, url, timeout=0.2)
        done.set()
    assert answer == {"error": "no answer within 0.2 seconds", "agent_url": url}


@pytest.mark.parametrize("wrong", [0, -1, "1", None, 86_401, float("nan")])
def test_a_time_limit_is_seconds(client: OrchestratorClient, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^timeout "):
        send(client, "http://127.0.0.1:9", timeout=wrong)


def test_an_agent_that_is_down_is_an_error(client: OrchestratorClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    answer = send(client, url)
    assert answer["agent_url"] == url
    assert "Cannot connect" in answer["error"]


def test_a_connection_cut_short_is_an_error(client: OrchestratorClient) -> None:
    with stranger(lambda handler: handler.connection.close()) as url:
        answer = send(client, url)
    assert answer["agent_url"] == url
    assert answer["error"]


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:5000",
        "localhost",
        "ftp://localhost",
        "http://",
        "http://localhost?a=1",
        "http://localhost#a",
        "http://user:secret@localhost",
        "",
    ],
)
def test_a_url_that_is_none_is_an_exception(client: OrchestratorClient, url: str) -> None:
    with pytest.raises(InvalidURLError) as refused:
        send(client, url)
    assert refused.value.code == "invalid_url"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("payload", [{"a": float("nan")}, {"a": object()}, {1, 2}, b"bytes"])
def test_a_payload_that_is_not_json_is_an_exception(
    client: OrchestratorClient, payload: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="payload is not JSON"):
        send(client, "http://localhost", payload)


def test_a_payload_that_contains_itself_is_an_exception(client: OrchestratorClient) -> None:
    payload: list[Any] = []
    payload.append(payload)
    with pytest.raises(InvalidArgumentError, match="payload is not JSON"):
        send(client, "http://localhost", payload)


def test_a_wrong_key_is_an_exception_that_does_not_quote_it(keys: KeyPair) -> None:
    broken = keys.private.replace("M", "!", 3)
    with pytest.raises(tallystick.InvalidKeyError) as refused:
        send_secure("http://localhost", {}, "orchestrator", broken)
    assert broken.splitlines()[1] not in repr(refused.value)
    with pytest.raises(InvalidArgumentError, match="private_key_pem takes a text"):
        send_secure("http://localhost", {}, "orchestrator", object())


def test_the_static_form_keeps_clients_ready_within_bounds(agent_url: str, keys: KeyPair) -> None:
    client_module._cached_client.cache_clear()
    for _ in range(3):
        send_secure(agent_url, PAYLOAD, "orchestrator", keys.private)
    assert client_module._cached_client.cache_info().hits == 2
    assert client_module._cached_client.cache_parameters()["maxsize"] == 128


def test_headers_are_for_one_method_url_and_body(keys_dir: Path, keys: KeyPair) -> None:
    app = agent_app(AgentAuth(keys_dir, require_target=True))
    own = OrchestratorClient("orchestrator", keys.private)
    url = yarl.URL("http://localhost/agent")
    for body in (BODY, BODY.decode(), bytearray(BODY), memoryview(BODY)):
        headers = own.sign("POST", url, body)  # type: ignore[arg-type]
        assert list(headers) == ["Authorization"]
        assert call(app, headers).status == 200
    assert call(app, own.sign("PUT", url, BODY)).code == "wrong_target"
    assert call(app, own.sign("POST", url / "x", BODY)).code == "wrong_target"
    assert call(app, own.sign("POST", url, b"")).code == "body_tampered"


def test_signing_in_an_event_loop_gives_the_same(keys_dir: Path, keys: KeyPair) -> None:
    app = agent_app(AgentAuth(keys_dir))
    own = OrchestratorClient("orchestrator", keys.private)
    headers = asyncio.run(own.asign("POST", "http://localhost/agent", BODY))
    assert call(app, headers).status == 200


def test_a_relative_or_foreign_url_is_not_signed(client: OrchestratorClient) -> None:
    for url in ("/agent", "http://localhost/käse", "file:///etc/passwd"):
        with pytest.raises(InvalidURLError):
            client.sign("POST", url)
    assert client.sign("POST", str(yarl.URL("http://localhost/käse")))


def test_an_international_host_is_signed_as_it_is_sent(client: OrchestratorClient) -> None:
    answer = send(client, "http://agent.invalid")
    assert "error" in answer


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ttl": 0}, InvalidArgumentError),
        ({"ttl": 86_401}, InvalidArgumentError),
        ({"signer_timeout": 0}, InvalidArgumentError),
        ({"signer_timeout": 51}, InvalidArgumentError),
        ({"max_body": -1}, InvalidArgumentError),
        ({"max_body": 1.5}, InvalidArgumentError),
        ({"max_answer": "1"}, InvalidArgumentError),
        ({"backend": "jvm"}, InvalidArgumentError),
    ],
)
def test_wrong_options_are_refused(
    keys: KeyPair, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        OrchestratorClient("orchestrator", keys.private, **options)


@pytest.mark.parametrize("issuer", ["", "a\nb", "x" * 513, "\ud800"])
def test_wrong_issuers_are_refused(keys: KeyPair, issuer: str) -> None:
    with pytest.raises(tallystick.TallystickError):
        OrchestratorClient(issuer, keys.private)


def test_a_closed_client_opens_again(keys: KeyPair) -> None:
    own = OrchestratorClient("orchestrator", keys.private)
    own.close()
    assert own.sign("GET", "http://localhost/")
    assert keys.private.splitlines()[1] not in repr(vars(own))
