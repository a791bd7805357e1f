"""The README's examples, run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tallystick
from support import DEADLINE, KeyPair, gunicorn
from test_access_gunicorn import ask

pytestmark = pytest.mark.medium

PROJECT = Path(__file__).parent.parent
README = (PROJECT / "README.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README, re.DOTALL))


def test_the_examples_are_the_readmes() -> None:
    names = ["agent.py", "kms.py", "make_keys.py", "orchestrator.py", "two_agents.py"]
    assert sorted(BLOCKS) == names
    for name in ("agent.py", "orchestrator.py", "two_agents.py"):
        assert (PROJECT / "examples" / name).read_text() == BLOCKS[name]


def test_the_session_prints_what_it_says(tmp_path: Path) -> None:
    for name, text in BLOCKS.items():
        (tmp_path / name).write_text(text)
    python = [sys.executable]
    subprocess.run([*python, "make_keys.py"], cwd=tmp_path, check=True)
    assert (tmp_path / "orchestrator.key").stat().st_mode & 0o077 == 0
    options = ("--preload", "--workers", "2", "--timeout", str(DEADLINE))
    with gunicorn("agent", dict(os.environ), *options, folder=tmp_path) as server:
        ran = subprocess.run(
            [*python, "orchestrator.py", server.url, "orchestrator.key"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
    command, *output = README.split("$ python orchestrator.py ")[1].splitlines()
    documented_url = command.split()[0]
    assert ran.stdout.strip() == output[0].replace(documented_url, server.url)


def test_a_kms_signs(keys: KeyPair) -> None:
    namespace: dict[str, object] = {}
    exec(BLOCKS["kms.py"], namespace)
    headers_for = namespace["headers_for"]
    assert callable(headers_for)
    means = tallystick.OrchestratorClient("x", keys.private)._means
    assert headers_for(means.sign, keys.public)["Authorization"].startswith("Bearer ")


def test_two_agents_print_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "two_agents.py").write_text(BLOCKS["two_agents.py"])
    options = ("--preload", "--workers", "2", "--threads", "8", "--timeout", str(DEADLINE))
    with gunicorn("two_agents", dict(os.environ), *options, folder=tmp_path) as server:
        answer = ask(server, "GET", "/alice/ask")
    documented = README.split("/alice/ask\n")[1].splitlines()[0]
    assert answer.body.decode().strip() == documented
