"""An agent that has no file descriptor left whenever it opens the keys of one caller.

Arguments: the folder of keys, with ``orchestrator.pem`` and ``second.pem``, and files with the
private keys of these two. Prints how a call of each ended during the shortage and after it.
Nothing in the folder changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path

from tallystick import AgentAuth, OrchestratorClient, TallystickError

DEADLINE = 30
taken: list[int] = []
short = True


def exhaust(event: str, arguments: tuple[object, ...]) -> None:
    """Take every descriptor that is left right before that file is opened, and no other."""
    if event != "open":
        return
    release()
    if short and str(arguments[0]).endswith("orchestrator.pem"):
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))


def release() -> None:
    """Give back what was taken."""
    while taken:
        os.close(taken.pop())


def call(name: str) -> str:
    """Send one signed call, and tell how it ended."""
    headers = clients[name].sign("POST", "http://agent.example/agent", b"{}")
    authorization = [headers["Authorization"]]
    try:
        auth.verify(authorization, method="POST", path="/agent", body=b"{}")
    except TallystickError as refused:
        return refused.code
    finally:
        release()
    return "accepted"


folder, *private = sys.argv[1:]
names = ("orchestrator", "second")
clients = {
    name: OrchestratorClient(name, Path(path).read_text())
    for name, path in zip(names, private, strict=True)
}
# The files' times can be trusted by then: a listing alone would say that nothing changed.
time.sleep(2.1)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
sys.addaudithook(exhaust)
auth = AgentAuth(folder, store="memory:")
release()
during = [call(name) for name in names]
short = False
end = time.monotonic() + DEADLINE
while (after := call("orchestrator")) != "accepted" and time.monotonic() < end:
    time.sleep(0.1)
print(json.dumps({"during": during, "after": [after, call("second")]}))
