"""A long life: the memory of a process stays flat."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support import KeyPair

pytestmark = pytest.mark.slow

SCRIPT = """
import gc, io, logging, os, sys
from tallystick import AgentAuth, OrchestratorClient
from flask import Flask
logging.disable()

class Anything:
    def claim(self, id, seconds):
        return True

backend, keys_dir, warm, total = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
app = Flask("agent")
auth = AgentAuth(keys_dir, store=Anything(), max_lifetime=86_400, backend=backend)
client = OrchestratorClient("orchestrator", sys.stdin.read(), ttl=86_400, backend=backend)
app.post("/agent")(auth.require_auth(lambda: "ok"))
body = b"x" * 1024
headers = client.sign("POST", "http://localhost/agent", body)
context = app.test_request_context("/agent", method="POST", data=body, headers=headers)
environ = context.request.environ
counts = {}

def verify(environ, body):
    with app.request_context({**environ, "wsgi.input": io.BytesIO(body)}):
        status = app.make_response(app.dispatch_request()).status_code
        counts[status] = counts.get(status, 0) + 1

def resident():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

for number in range(1, total + 1):
    verify(environ, body if number % 10 else body[:-1] + b"y")
    if number == warm:
        before = resident()
print(resident() - before, counts[200], counts[401])
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc of Linux")
@pytest.mark.parametrize(
    ("backend", "warm", "total"), [("native", 20_000, 100_000), ("wasm", 4_000, 20_000)]
)
def test_memory_is_flat(keys_dir: Path, keys: KeyPair, backend: str, warm: int, total: int) -> None:
    """A leak of one answer per call would be 40 MB on native and 8 MB on wasm."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, backend, str(keys_dir), str(warm), str(total)],
        input=keys.private,
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    grown, accepted, refused = map(int, ran.stdout.split())
    assert accepted == total * 9 // 10
    assert refused == total // 10
    assert grown < 4 << 20, f"grew by {grown} bytes"
