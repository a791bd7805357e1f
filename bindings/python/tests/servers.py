"""Small real HTTP servers that behave, or misbehave, as a test says."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trustme

    Behaviour = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open and hands each request to the server's behaviour."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    behaviour: ClassVar[Behaviour]

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("content-length", "0")))
        type(self).behaviour(self)

    do_POST = do_GET  # noqa: N815

    def answer(
        self,
        body: bytes = b"",
        status: int = 200,
        content_type: str = "application/json",
        **headers: str,
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def json(self, document: Any, **options: Any) -> None:
        self.answer(json.dumps(document).encode(), **options)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sockets: list[Any] = []

    def process_request(self, request: Any, client_address: Any) -> None:
        self.sockets.append(request)
        super().process_request(request, client_address)

    def hang_up(self) -> None:
        """End the connections that are kept: a server that is down answers none."""
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the test."""

    def server_bind(self) -> None:
        # Without the look-up of the own name that HTTPServer makes.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


@dataclass
class Site:
    port: int
    scheme: str
    seen: list[tuple[str, str]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"


@contextlib.contextmanager
def serving(
    behaviour: Behaviour,
    ca: trustme.CA | None = None,
    name: str = "localhost",
    host: str = "127.0.0.1",
) -> Iterator[Site]:
    """Serve at an address, with TLS, as a name, where a certificate authority is given."""
    site: Site

    def noted(handler: Handler) -> None:
        site.seen.append((handler.command, handler.path))
        site.connections.add(handler.client_address)
        behaviour(handler)

    kind = type("NotedHandler", (Handler,), {"behaviour": staticmethod(noted)})
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = type("FamilyServer", (_Server,), {"address_family": family})((host, 0), kind)
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(context)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    site = Site(server.server_address[1], "http" if ca is None else "https")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        server.hang_up()


def trusting(ca: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context
