"""Redis and PostgreSQL of cmd/servers for tests of stores, and a wire in front of a server."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from support import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SERVERS = Path(__file__).parents[3] / "cmd" / "servers" / "servers.py"


GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, os, sys, time
import tallystick
store = getattr(tallystick, sys.argv[1])(sys.argv[2], timeout=1)
jobs = [gevent.spawn(store.claim, os.urandom(16).hex(), 60) for _ in range(200)]
gevent.joinall(jobs)
print(sum(job.value for job in jobs), flush=True)
sys.stdin.readline()
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic()); gevent.sleep(0.05)
ticker = gevent.spawn(tick)
def fail():
    began = time.monotonic()
    try: store.claim(os.urandom(16).hex(), 60)
    except tallystick.StoreUnavailableError: return time.monotonic() - began
jobs = [gevent.spawn(fail) for _ in range(64)]
gevent.joinall(jobs)
print(max(job.value for job in jobs) < 2, max(b - a for a, b in zip(ticks, ticks[1:])) < 0.5)
"""
"""A program whose greenlets claim; then, after a line of input, while the server hangs."""


def _servers() -> Any:
    described = importlib.util.spec_from_file_location("cmd_servers", SERVERS)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


@contextlib.contextmanager
def redis(**options: Any) -> Iterator[Any]:
    """Run a Redis server, or skip the test where none is installed."""
    yield from _run("redis", options)


@contextlib.contextmanager
def postgresql(**options: Any) -> Iterator[Any]:
    """Run a PostgreSQL server, or skip the test where none is installed."""
    yield from _run("postgresql", options)


def _run(kind: str, options: dict[str, Any]) -> Iterator[Any]:
    servers = _servers()
    try:
        server = getattr(servers, kind)(**options)
    except servers.MissingError as missing:
        pytest.skip(reason=f"the store is tried on a real {kind} server, and {missing}")
    with server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def new_id() -> str:
    return os.urandom(16).hex()


def restart(server: Any) -> None:
    """End a server at once, and start it again after a moment."""
    server.kill()
    time.sleep(0.3)
    server.start()


def eventually(happens: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)
    return found


def at_once(count: int, work: Callable[[], Any]) -> list[tuple[Any, float]]:
    """Do some work in many threads; return what each returned or raised, and its seconds."""
    done: list[tuple[Any, float]] = []

    def one() -> None:
        began = time.monotonic()
        try:
            found = work()
        except Exception as reason:
            found = reason
        done.append((found, time.monotonic() - began))

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(done) == count, "a thread hangs"
    return done


@contextlib.contextmanager
def certificates(user: str) -> Iterator[Path]:
    """A folder that a server's user may read: ca.pem, server.pem and server.key of localhost."""
    ca = trustme.CA()
    server = ca.issue_cert("localhost", "127.0.0.1")
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        folder.chmod(0o755)
        ca.cert_pem.write_to_path(folder / "ca.pem")
        server.cert_chain_pems[0].write_to_path(folder / "server.pem")
        server.private_key_pem.write_to_path(folder / "server.key")
        (folder / "server.key").chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(folder / "server.key", user)
        yield folder


class Wire:
    """Forwards connections to a port, as a name of a service does; ``switch`` ends all of them.

    ``lag`` is in seconds before each answer. ``sent`` is what clients have sent.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.lag = 0.0
        self.answers = True
        self.opened = 0
        self.sent = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def switch(self, port: int) -> None:
        self.target = port
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.opened += 1
            threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        with self._lock:
            self._sockets += [client, server]
        back = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
        back.start()
        self._pump(client, server, True)
        back.join()
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket, sent: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if sent:
                    self.sent += data
                else:
                    time.sleep(self.lag)
                    if not self.answers:
                        break
                target.sendall(data)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
