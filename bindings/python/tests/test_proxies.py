"""Fetches through the environment's proxy, and plain http inside of a network."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from servers import Handler, serving, trusting
from tallystick._access.fetching import Fetcher
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from test_fetching import failure, need, said

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.medium

NAME = "keys.example"
"""A name that only the proxy can find: this machine's own names are never asked through it."""


class _Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT, which leads to the server's own target whatever was asked for."""

    server: Proxy

    def handle(self) -> None:
        request = self.rfile.readline().decode().split()
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        self.server.asked.append((request[0], request[1], headers.get("proxy-authorization")))
        if request[0] != "CONNECT" or request[1].startswith("refused."):
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        with socket.create_connection(self.server.target) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            forth = threading.Thread(target=_copy, args=(self.connection, there), daemon=True)
            forth.start()
            _copy(there, self.connection)
            forth.join(5)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for one in (source, target):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class Proxy(socketserver.ThreadingTCPServer):
    """A small real proxy."""

    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.target = target
        super().__init__(("127.0.0.1", 0), _Tunnel)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Site:
    """An https server of NAME behind a proxy that the environment names."""

    def __init__(self, fetcher: Fetcher, proxy: Proxy, port: int) -> None:
        self.fetcher, self.proxy, self.port = fetcher, proxy, port
        self.url = f"https://{NAME}:{port}"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    ca = trustme.CA()

    def behave(handler: Handler) -> None:
        if handler.path == "/moved":
            handler.answer(status=302, location="/end")
        else:
            handler.answer((handler.headers["host"] or "").encode(), etag='"1"')

    with serving(behave, ca, NAME) as server, Proxy(("127.0.0.1", server.port)) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "intranet.example")
        monkeypatch.delenv("https_proxy", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        fetcher = Fetcher(load_core(), trusting(ca))
        yield Site(fetcher, proxy, server.port)
        fetcher.close()
        proxy.shutdown()


def test_configured_issuers_are_fetched_by_the_proxy(site: Site) -> None:
    reply = site.fetcher.fetch(need(site.url + "/moved", proxy=True, redirects=3))
    assert (said(reply)["status"], reply[1]) == (200, f"{NAME}:{site.port}".encode())
    assert site.proxy.asked
    assert set(site.proxy.asked) == {("CONNECT", f"{NAME}:{site.port}", "Basic dXNlcjpwQHNz")}
    assert "p@ss" not in repr(site.fetcher._pools)
    assert "dXNl" not in repr(site.fetcher._pools)


def test_a_proxy_that_refuses_is_a_failure_without_its_password(site: Site) -> None:
    said = failure(site.fetcher.fetch(need("https://refused.example/", proxy=True)))
    assert "403" in said
    assert "p@ss" not in said
    assert "p%40ss" not in said


@pytest.mark.parametrize(
    ("url", "members"),
    [
        ("/", {"address": "public"}),
        ("/", {"address": "public", "proxy": True}),
        ("/", {"address": "internal", "proxy": True}),
        ("/", {}),
        ("https://intranet.example:1/", {"proxy": True}),
        ("https://localhost:1/", {"proxy": True}),
        ("http://127.0.0.1:1/", {"proxy": True}),
    ],
)
def test_others_are_not(site: Site, url: str, members: dict[str, Any]) -> None:
    target = site.url + url if url == "/" else url
    assert failure(site.fetcher.fetch(need(target, timeout=2, **members)))
    assert site.proxy.asked == []


def test_what_is_no_proxy_is_not_gone_past(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:p@127.0.0.1:1")
    said = failure(site.fetcher.fetch(need(site.url + "/", proxy=True)))
    assert "HTTPS_PROXY is not the URL of a proxy" in said
    assert "user" not in said.replace("a user and password", "")


def own_address() -> str | None:
    """Return an address of this machine at which plain http inside of a network may be."""
    core = load_core()
    for family, beyond in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "fd00::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((beyond, 9))  # sends nothing
            except OSError:
                continue
            address = str(probe.getsockname()[0])
        if call_json(core, "address.check", {"address": address})["internal"]:
            return address
    return None


def test_plain_http_inside_is_at_private_addresses() -> None:
    fetcher = Fetcher(load_core())

    def behave(handler: Handler) -> None:
        if handler.path == "/moved":
            handler.answer(status=302, location="/")
        else:
            handler.answer(b"{}")

    with serving(behave) as site:
        for url in (site.url, site.url.replace("localhost", "127.0.0.1"), "http://169.254.169.254"):
            assert "not of a network inside" in failure(
                fetcher.fetch(need(url + "/", address="internal"))
            )
    address = own_address()
    if address is None:
        pytest.skip("this machine has no private address to serve plain http at")
    with serving(behave, host=address) as site:
        host = f"[{address}]" if ":" in address else address
        reply = fetcher.fetch(need(f"http://{host}:{site.port}/", address="internal"))
        assert said(reply)["status"] == 200
        moved = fetcher.fetch(need(f"http://{host}:{site.port}/moved", address="internal"))
        assert said(moved)["status"] == 302
    fetcher.close()
