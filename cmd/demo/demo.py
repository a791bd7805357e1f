"""Runs agents and their callers, in all languages, against each other.

Prints one line per call: what was sent, what came back and what was expected.
Exit status 0 only when every answer is the expected one. Stops what it started.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from access_tokens import scenes as access_tokens
from processes import CannotStartError
from signed_requests import scenes as signed_requests

Scene = Callable[[Path, IO[str]], tuple[int, int]]
ACTS: dict[str, tuple[Scene, ...]] = {
    "Act one: signed requests": signed_requests.SCENES,
    "Act two: access tokens": access_tokens.SCENES,
}


def play(scene: Scene, folder: Path, log: IO[str]) -> tuple[int, int]:
    """Return how many calls were as expected, of how many."""
    folder.mkdir()
    print(scene.__doc__, flush=True)
    try:
        return scene(folder, log)
    except CannotStartError as reason:
        print(f"  BAD {reason}", flush=True)
        return 0, 1


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # an exit that stops every process
        signal.signal(number, lambda *_: sys.exit("demo: stopped before its end"))
    os.environ.pop("APP_ENV", None)  # development would skip checks that are shown here
    with tempfile.TemporaryDirectory(prefix="tallystick-demo-") as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = str(folder / "state")
        path = folder / "processes.log"
        right = total = 0
        with path.open("w") as log:
            for act, scenes in ACTS.items():
                print(act)
                for scene in scenes:
                    counted = play(scene, folder / f"{scene.__module__}.{scene.__name__}", log)
                    right, total = right + counted[0], total + counted[1]
        if right != total:
            print("\nWhat the processes logged:\n" + path.read_text())
    print(f"demo: {right} of {total} as expected")
    return 0 if right == total else 1


if __name__ == "__main__":
    sys.exit(main())
