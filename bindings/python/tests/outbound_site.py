"""A real HTTP server that verifies tokens, and the clients that call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import httpx
import httpx2
import requests

from tallystick.errors import TallystickError
from tallystick.outbound import aiohttp_middleware, httpx2_auth, httpx_auth, requests_auth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tallystick import AuthSkill

AGENT = "/agents/bob"
REFUSAL = 'Bearer realm="test", error="invalid_token"'


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    authorization: str | None
    body: bytes


@dataclass
class Site:
    """An origin. ``skill`` verifies what comes with a token; ``refuse`` so many are refused."""

    url: str
    skill: AuthSkill | None = None
    refuse: int = 0
    challenge: str = REFUSAL
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def tokens(self) -> list[str | None]:
        return [request.authorization for request in self.seen]

    def note(self, seen: Seen) -> bool:
        """Record a request; tell whether it is to be refused."""
        with self.lock:
            self.seen.append(seen)
            self.refuse -= 1
            return self.refuse >= 0

    def judge(self, seen: Seen) -> tuple[int, dict[str, str], str]:
        if self.skill is None or seen.authorization is None:
            return 200, {}, json.dumps({"anonymous": True})
        parts = urlsplit(seen.target)
        try:
            caller = self.skill.verify(
                [seen.authorization],
                method=seen.method,
                path=parts.path.removeprefix(AGENT),
                mount=AGENT,
                query=parts.query,
                body=seen.body,
            )
        except TallystickError as refused:
            answer = refused.response
            return (
                (500, {}, "{}") if answer is None else (answer.status, answer.headers, answer.body)
            )
        return 200, {}, json.dumps({"agent": caller.agent_id, "bound": caller.bound})


@contextlib.contextmanager
def serve() -> Iterator[Site]:
    """Serve on a port of its own until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    site = Site(f"http://127.0.0.1:{server.server_address[1]}")
    server.site = site  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        seen = Seen(self.command, self.path, self.headers["Authorization"], self._body())
        if site.note(seen):
            self._answer(401, {"WWW-Authenticate": site.challenge}, "{}")
            return
        query = parse_qs(urlsplit(self.path).query)
        if "to" in query:
            self._answer(307, {"Location": query["to"][0]}, "")
            return
        self._answer(*site.judge(seen))

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


@dataclass(frozen=True)
class Call:
    """What a client is asked to send. ``body``: bytes, or a function that streams them."""

    url: str
    body: Any = None
    method: str = "POST"


Outcome = tuple[int, Any]


def with_httpx(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    return _sent(httpx.Client, httpx_auth(skill, target, **options), calls)


def with_httpx2(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    return _sent(httpx2.Client, httpx2_auth(skill, target, **options), calls)


def _sent(kind: Any, auth: Any, calls: tuple[Call, ...]) -> list[Outcome]:
    with kind(auth=auth, follow_redirects=True, trust_env=False) as client:
        return [_of_httpx(client.request(c.method, c.url, content=_sync(c.body))) for c in calls]


def with_httpx_async(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    return asyncio.run(_asent(httpx.AsyncClient, httpx_auth(skill, target, **options), calls))


def with_httpx2_async(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    return asyncio.run(_asent(httpx2.AsyncClient, httpx2_auth(skill, target, **options), calls))


async def _asent(kind: Any, auth: Any, calls: tuple[Call, ...]) -> list[Outcome]:
    async with kind(auth=auth, follow_redirects=True, trust_env=False) as client:
        return [
            _of_httpx(await client.request(c.method, c.url, content=_async(c.body))) for c in calls
        ]


def with_requests(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = requests_auth(skill, target, **options)
        answers = [session.request(c.method, c.url, data=_sync(c.body), timeout=60) for c in calls]
        return [(answer.status_code, answer.json()) for answer in answers]


def with_aiohttp(skill: AuthSkill, target: Any, *calls: Call, **options: Any) -> list[Outcome]:
    async def send() -> list[Outcome]:
        middleware = aiohttp_middleware(skill, target, **options)
        outcomes = []
        async with aiohttp.ClientSession(middlewares=(middleware,)) as session:
            for c in calls:
                async with session.request(c.method, c.url, data=_async(c.body)) as answer:
                    outcomes.append((answer.status, await answer.json(content_type=None)))
        return outcomes

    return asyncio.run(send())


CLIENTS: dict[str, Callable[..., list[Outcome]]] = {
    "httpx": with_httpx,
    "httpx-async": with_httpx_async,
    "httpx2": with_httpx2,
    "httpx2-async": with_httpx2_async,
    "requests": with_requests,
    "aiohttp": with_aiohttp,
}


def streamed(*parts: bytes) -> Any:
    """Return a body that is not in memory when it is sent."""
    return lambda: iter(parts)


def _of_httpx(answer: httpx.Response | httpx2.Response) -> Outcome:
    return answer.status_code, answer.json()


def _sync(body: Any) -> Any:
    return body() if callable(body) else body


def _async(body: Any) -> Any:
    if not callable(body):
        return body

    async def parts() -> Any:
        for part in body():
            yield part

    return parts()
