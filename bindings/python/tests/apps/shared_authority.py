"""An authority that is told on stdin what to do, and stops itself at a step of its file's change.

``register NAME STEP``: registers a client; before the STEP-th call to the operating system that
names a file it says ``stop`` and raises SIGSTOP (none where STEP is -1). It answers ``ok``, or
``error`` and the message. ``rotate``: replaces the key, and answers with the active one's id.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from tallystick import Authority, TallystickError

STEPS = ("scandir", "open", "mkdir", "link", "unlink", "fsync", "ftruncate")
left = -1


def stopping(real: Any) -> Any:
    def call(*arguments: Any, **options: Any) -> Any:
        global left
        left -= 1
        if left == -1:
            print("stop", flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
        return real(*arguments, **options)

    return call


def main(folder: str) -> None:
    global left
    options: dict[str, Any] = {
        "store": os.environ.get("TALLYSTICK_STORE", "memory:"),
        "store_key": os.environ.get("TALLYSTICK_STORE_KEY"),
    }
    with Authority("https://portal.example", keys_dir=folder, **options) as authority:
        print("ready", flush=True)
        for name in STEPS:
            setattr(os, name, stopping(getattr(os, name)))
        for line in sys.stdin:
            verb, *arguments = line.split()
            try:
                if verb == "rotate":
                    answer = authority.rotate_keys(force=True)["active"]
                else:
                    left = int(arguments[1])
                    authority.register_client(arguments[0], scopes=["read"])
                    answer = "ok"
            except TallystickError as refused:
                answer = f"error {refused}"
            left = -1
            print(answer, flush=True)


main(sys.argv[1])
