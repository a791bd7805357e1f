"""What several tests need: keys, applications, processes. Nothing in here is a mock."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, g, jsonify, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask.typing import ResponseReturnValue

    from tallystick import AgentAuth, OrchestratorClient

ORIGIN = "http://localhost"
BODY = b'{"query":"What movies are playing?"}'
APPS = Path(__file__).parent / "apps"
DEADLINE = 120
"""Seconds after which something that hangs is killed and the test fails."""


@dataclass(frozen=True, repr=False)
class KeyPair:
    private: str
    public: str


def agent_app(auth: AgentAuth) -> Flask:
    """An application with one guarded view, which says who called with what."""
    app = Flask("agent")

    @app.post("/agent")
    @auth.require_auth
    def agent() -> ResponseReturnValue:
        return jsonify(issuer=g.auth.issuer, body=request.get_data(as_text=True), pid=os.getpid())

    return app


def newest(path: Path) -> Path:
    """Return the file of a shared document's newest version (files.md)."""
    numbers = [int(entry.suffix[1:]) for entry in path.parent.glob(path.name + ".[1-9]*")]
    return path.with_name(f"{path.name}.{max(numbers)}")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


def call(app: Flask, headers: dict[str, str], body: bytes = BODY, path: str = "/agent") -> Answer:
    """Call an application in this process."""
    response = app.test_client().post(path, data=body, headers=headers)
    return Answer(response.status_code, dict(response.headers.items()), response.get_data())


def signed_call(
    app: Flask, client: OrchestratorClient, body: bytes = BODY, path: str = "/agent"
) -> Answer:
    return call(app, client.sign("POST", ORIGIN + path, body), body, path)


def post(
    port: int, headers: dict[str, str], body: Any = BODY, path: str = "/agent", **options: Any
) -> Answer:
    """Call a server over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("POST", path, body=body, headers=headers, **options)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def post_twice(port: int, path: str, first: str, second: str, **headers: str) -> Answer:
    """Send one request with two ``Authorization`` headers."""
    fields = http.client.HTTPMessage()
    for name, value in headers.items():
        fields[name.replace("_", "-")] = value
    for value in (first, second):
        fields["Authorization"] = value
    return post(port, fields, path=path)  # type: ignore[arg-type]


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def gunicorn(
    app: str, environment: dict[str, str], *options: str, folder: Path = APPS
) -> Iterator[Server]:
    """Serve ``<folder>/<app>.py`` on a socket that listens before the server does."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        port = str(listener.getsockname()[1])
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"]
        process = subprocess.Popen(
            [*command, "--chdir", str(folder), "--log-level", "warning", *options, f"{app}:app"],
            env={**os.environ, "PORT": port, **environment},
            pass_fds=[listener.fileno()],
        )
        try:
            yield Server(listener.getsockname()[1], process)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def fork_without_hooks() -> int:
    """Fork as a server written in C does: Python and its hooks are not told."""
    return int(ctypes.PyDLL(None).fork())


def in_child(work: Callable[[], Any], fork: Callable[[], int] = os.fork) -> Any:
    """Fork, run ``work`` in the child, and return its result (JSON); fail where it hangs."""
    read_end, write_end = os.pipe()
    pid = fork()
    if pid == 0:
        os.close(read_end)
        _report(work, write_end)
    os.close(write_end)
    try:
        result = json.loads(_read_all(read_end, pid))
    finally:
        os.close(read_end)
        os.waitpid(pid, 0)
    if "error" in result:
        raise AssertionError(f"in the child: {result['error']}")
    return result["ok"]


def _report(work: Callable[[], Any], write_end: int) -> None:
    try:
        try:
            result = {"ok": work()}
        except BaseException:
            result = {"error": traceback.format_exc()}
        os.write(write_end, json.dumps(result).encode())
    finally:
        # No cleanup of the parent's in the child.
        os._exit(0)


def _read_all(descriptor: int, pid: int) -> bytes:
    parts: list[bytes] = []
    end = time.monotonic() + DEADLINE
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0, end - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError("the child hangs")
        part = os.read(descriptor, 1 << 16)
        if not part:
            return b"".join(parts)
        parts.append(part)


@contextlib.contextmanager
def _acting_as(user: int) -> Iterator[None]:
    if os.getuid() != 0:
        yield
        return
    before = os.geteuid()
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(before)


def unprivileged() -> contextlib.AbstractContextManager[None]:
    """Be bound by file permissions, also where the tests run as root."""
    return _acting_as(65534)


def privileged() -> contextlib.AbstractContextManager[None]:
    """Be root again for a moment, where the tests run as root."""
    return _acting_as(0)
