"""Authorities in processes of their own, in Python and in Node, that are told what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import APPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRY = Path(__file__).parents[2] / "node" / "dist" / "index.js"
NODE = shutil.which("node")

needs_node = pytest.mark.skipif(
    NODE is None or not ENTRY.exists(), reason="the Node package is not built here: make node"
)
LANGUAGES = ["python", pytest.param("node", marks=needs_node)]


class Peer:
    """An authority in a process of its own; see apps/shared_authority.py.

    ``environment``: TALLYSTICK_STORE and TALLYSTICK_STORE_KEY, for replicas.
    """

    def __init__(
        self,
        language: str,
        folder: Path,
        before: Callable[[], None] | None = None,
        **environment: str,
    ) -> None:
        command = [sys.executable, str(APPS / "shared_authority.py"), str(folder)]
        if language == "node":
            command = [str(NODE), str(APPS / "shared_authority.mjs"), str(ENTRY), str(folder)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            preexec_fn=before,
            env={**os.environ, **environment},
        )

    def __enter__(self) -> Peer:
        assert self.read() == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        with self.process:
            pass  # closes its pipes and waits

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, line: str) -> str:
        self.say(line)
        return self.read()

    def wait_until_stopped(self) -> None:
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self) -> str:
        self.process.send_signal(signal.SIGCONT)
        return self.read()


@contextlib.contextmanager
def ready(peers: list[Peer]) -> Iterator[list[Peer]]:
    """Wait until all have started; end all of them afterwards."""
    try:
        yield [peer.__enter__() for peer in peers]
    finally:
        for peer in peers:
            peer.__exit__()


def race(peers: list[Peer], lines: Any) -> list[list[str]]:
    """Have every process do all its lines, at the same time as the others."""
    for number, peer in enumerate(peers):
        assert peer.process.stdin is not None
        peer.process.stdin.write("".join(line + "\n" for line in lines(number)))
        peer.process.stdin.close()
    return [peer.process.stdout.read().split("\n")[:-1] for peer in peers if peer.process.stdout]
