"""Processes that run inside the environment of the real webagents."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers import serving
from support import DEADLINE, Answer, stop
from webagents_env.environment import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

PROGRAMS = Path(__file__).parent / "webagents_env"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def webagents_interpreter(config: pytest.Config) -> Path:
    """Return the Python that has webagents; the first time it is made, for all to see."""
    capture = config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    with shown:
        return _made()


@cache
def _made() -> Path:
    return interpreter()


class Peer:
    """The AuthSkill of webagents 0.3.9 in a process of its own (``peer.py``)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lock = threading.Lock()

    def do(self, what: str, **members: Any) -> Any:
        """Run one of its methods; an exception there is a ``PeerError`` here."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"do": what, **members}).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise PeerError("the process has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer["ok"]


class PeerError(Exception):
    """What webagents raised."""


@contextlib.contextmanager
def peer(python: Path, folder: Path) -> Iterator[Peer]:
    with (folder / "peer.log").open("w") as log:
        process = subprocess.Popen(
            [python, PROGRAMS / "peer.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(folder),
        )
    # A peer that hangs must not hang the tests: without its process, reading ends.
    watchdog = threading.Timer(4 * DEADLINE, process.kill)
    watchdog.start()
    try:
        yield Peer(process)
    finally:
        watchdog.cancel()
        stop(process)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def run_in(
    python: Path, folder: Path, program: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in the environment to its end."""
    return subprocess.run(
        [python, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=_environment(folder),
        check=False,
    )


class Served:
    """A server of webagents (``app.py``)."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def get(self, path: str, token: str | None = None, **headers: str) -> Answer:
        return self.ask("GET", path, _bearer(token) | headers)

    def post(
        self, path: str, body: Any, token: str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """POST a form (text) or JSON (anything else)."""
        if isinstance(body, str):
            return self.ask("POST", path, FORM | _bearer(token) | (headers or {}), body.encode())
        kind = {"Content-Type": "application/json"}
        data = json.dumps(body).encode()
        return self.ask("POST", path, kind | _bearer(token) | (headers or {}), data)

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()


@contextlib.contextmanager
def served(
    python: Path, folder: Path, skill: str, config: dict[str, Any] | None = None, **settings: Any
) -> Iterator[Served]:
    """Serve with one or the other skill. ``{url}`` in a text stands for the server's URL."""
    folder.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        found = Served(listener.getsockname()[1], folder / "server.log")
        known = {"skill": skill, "config": config or {}, **settings, "fd": listener.fileno()}
        with found._log.open("w") as log:
            process = subprocess.Popen(
                [python, PROGRAMS / "app.py", json.dumps(known).replace("{url}", found.url)],
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
                env=_environment(folder),
            )
        try:
            yield found
        finally:
            stop(process)


@contextlib.contextmanager
def publish(document: str) -> Iterator[str]:
    """Serve a JSON document on loopback; yields its URL."""
    with serving(lambda handler: handler.answer(document.encode())) as site:
        yield f"{site.url}/jwks.json"


def _environment(folder: Path) -> dict[str, str]:
    names = ("PATH", "LANG", "TMPDIR")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "WEBAGENTS_KEYS_DIR": str(folder / "keys"),
    }


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
