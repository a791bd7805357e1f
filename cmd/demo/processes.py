"""The demo's processes: each is started, waited for, and stopped by its id."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

NODE = os.environ.get("NODE", "node")
START_LIMIT = 30  # seconds until a server answers
WORKERS = 2

Process = subprocess.Popen[str]


class CannotStartError(Exception):
    """Why a process does not run, worded for whoever started the demo."""


@dataclass
class Site:
    """A server that runs."""

    url: str
    process: Process

    def stop(self) -> None:
        end(self.process)


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[Process]:
    """Start a process and stop it by its id."""
    try:
        process: Process = subprocess.Popen(command, text=True, **options)
    except OSError as reason:
        raise CannotStartError(
            f"{command[0]} cannot be run ({reason.strerror}): is it installed?"
        ) from None
    try:
        yield process
    finally:
        end(process)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def pipes(process: Process) -> tuple[IO[str], IO[str]]:
    """Return the standard input and output of a process that was started with pipes for both."""
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def end(process: Process) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def gunicorn(
    what: str,
    application: str,
    log: IO[str],
    environment: Callable[[str], dict[str, str]],
) -> Iterator[Site]:
    """Serve a Flask application in two workers; ``environment`` is told its URL. Yields a Site."""
    with listening() as listener:
        url = "http://127.0.0.1:{1}".format(*listener.getsockname())
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "--preload",
            "--no-control-socket",
            "--workers",
            str(WORKERS),
        ]
        command += [
            "--bind",
            f"fd://{listener.fileno()}",
            "--chdir",
            str(Path(__file__).parent),
            application,
        ]
        variables = {**os.environ, **environment(url)}
        with running(
            command, pass_fds=[listener.fileno()], stdout=log, stderr=log, env=variables
        ) as process:
            # Gunicorn's alone from here: a call after its end is refused, instead of waiting
            # for nobody.
            listener.close()
            wait_until_up(what, process, url)
            yield Site(url, process)


def listening() -> socket.socket:
    listener = socket.socket()
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
    except OSError as reason:
        listener.close()
        raise CannotStartError(f"no port can be had on 127.0.0.1 ({reason.strerror})") from None
    return listener


def wait_until_up(what: str, process: Process, url: str) -> None:
    """Wait for any HTTP answer."""
    last = time.monotonic() + START_LIMIT
    while time.monotonic() < last:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=START_LIMIT)
        try:
            connection.request("GET", "/")
            connection.getresponse()
            return
        except (OSError, http.client.HTTPException):
            if process.poll() is not None:
                raise CannotStartError(
                    f"{what} ended with status {process.returncode} at its start"
                ) from None
            time.sleep(0.05)
        finally:
            connection.close()
    raise CannotStartError(f"{what} did not answer within {START_LIMIT} seconds")


@contextmanager
def node(what: str, script: Path, log: IO[str], *arguments: str, given: str = "") -> Iterator[Site]:
    """Run a server in Node, as :func:`program` does."""
    with program(what, [NODE, str(script), *arguments], log, given=given) as site:
        yield site


@contextmanager
def program(what: str, command: Sequence[str], log: IO[str], *, given: str = "") -> Iterator[Site]:
    """Run a server that ends with its standard input. Yields a Site.

    It is given one line of input and prints one, its URL, when it serves.
    """
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process:
        stdin, stdout = pipes(process)
        with suppress(BrokenPipeError):  # it ended: no URL comes
            stdin.write(given + "\n")
            stdin.flush()
        url = stdout.readline().strip()
        if not url:
            raise CannotStartError(f"{what} ended with status {process.wait(10)} at its start")
        yield Site(url, process)
