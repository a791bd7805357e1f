"""Runs one caller of the demo and judges what it reports."""

import json
import subprocess
from threading import Timer

from processes import running

TIME_LIMIT = 120  # seconds for one caller


def conduct(command, log, settings=None, deeds=None):
    """Print a caller's calls; return how many were as expected, of how many.

    The caller gets its settings as one line of JSON and writes a line of JSON for each
    call: ``{"sent", "expected", "got"}``. With ``{"do": name}`` it has one of ``deeds``
    done, and reads a line when that is over.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
    right = total = 0
    with running(command, **pipes) as process:
        limit = Timer(TIME_LIMIT, process.kill)
        limit.start()
        try:
            tell(process, settings)
            for line in process.stdout:
                message = json.loads(line)
                if "do" in message:
                    tell(process, deeds[message["do"]]())
                    continue
                right, total = right + show(**message), total + 1
            if process.wait() != 0:
                print(f"  BAD the caller ended with status {process.returncode}", flush=True)
                total += 1
        finally:
            limit.cancel()
    return right, total


def tell(process, message):
    try:
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it ended: its status says so


def show(sent, expected, got):
    as_expected = got == expected
    wanted = "as expected" if as_expected else f"expected {expected}"
    print(f"  {'ok ' if as_expected else 'BAD'} {sent} -> {got} ({wanted})", flush=True)
    return as_expected
