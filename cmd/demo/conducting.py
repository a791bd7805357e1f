"""Runs one caller of the demo and judges what it reports."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from threading import Timer
from typing import IO, Any

from processes import Process, pipes, running

TIME_LIMIT = 120  # seconds for one caller

Deeds = Mapping[str, Callable[[], object]]


def conduct(
    command: Sequence[str],
    log: IO[str],
    settings: dict[str, Any] | None = None,
    deeds: Deeds | None = None,
    **options: Any,
) -> tuple[int, int]:
    """Print a caller's calls; return how many were as expected, of how many.

    The caller gets its settings as one line of JSON and writes a line of JSON for each
    call: ``{"sent", "expected", "got"}``. With ``{"do": name}`` it has one of ``deeds``
    done, and reads a line when that is over. The options are those of ``Popen``.
    """
    right = total = 0
    with running(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, **options
    ) as process:
        limit = Timer(TIME_LIMIT, process.kill)
        limit.start()
        try:
            tell(process, settings)
            for line in pipes(process)[1]:
                message = json.loads(line)
                if deeds and "do" in message:
                    tell(process, deeds[message["do"]]())
                    continue
                right, total = right + show(**message), total + 1
            if process.wait() != 0:
                print(f"  BAD the caller ended with status {process.returncode}", flush=True)
                total += 1
        finally:
            limit.cancel()
    return right, total


def tell(process: Process, message: object) -> None:
    stdin, _ = pipes(process)
    try:
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()
    except BrokenPipeError:
        pass  # it ended: its status says so


def show(sent: str, expected: str, got: str) -> bool:
    as_expected = got == expected
    wanted = "as expected" if as_expected else f"expected {expected}"
    print(f"  {'ok ' if as_expected else 'BAD'} {sent} -> {got} ({wanted})", flush=True)
    return as_expected
