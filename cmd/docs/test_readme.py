"""Runs the commands and examples of README.md as a reader would.

Each block behind ``<!-- example: NAME -->`` is written to NAME in a scratch folder
and run there through the installed packages.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = dict(re.findall(r"<!-- example: (\S+) -->\n```\w+\n(.*?)```", README, re.DOTALL))
TIME_LIMIT = 60


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    """Run to the end and return what was printed; a failure shows everything."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def serving(command: Sequence[str], folder: Path, port: int, **environment: str) -> Iterator[str]:
    """Start a server, wait until it listens, stop it by its process id."""
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(TIME_LIMIT)


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(TIME_LIMIT * 10):
        assert process.poll() is None, "the server ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples, the keys that keys.py makes, and the packed npm package."""
    folder = tmp_path_factory.mktemp("readme")
    for name, text in EXAMPLES.items():
        (folder / name).write_text(text)
    package = ROOT / "bindings" / "node"
    # It is built: of tests that run at once, none may take it away from the others.
    pack = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    run([*pack, str(package)], package)
    (folder / "package.json").write_text('{"name":"scratch","private":true}')
    tarball = next(folder.glob("tallystick-*.tgz"))
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", str(tarball)], folder)
    printed = run([sys.executable, "keys.py"], folder)
    assert printed == "dict_keys(['my_orchestrator'])\n"
    return folder


@pytest.fixture
def flask_agent(scratch: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket"]
    command += ["--workers", "2", "--bind", f"127.0.0.1:{port}", "agent:app"]
    with serving(command, scratch, port, XDG_STATE_HOME=str(tmp_path)) as url:
        yield url


@pytest.fixture
def node_agent(scratch: Path) -> Iterator[str]:
    port = free_port()
    with serving(["node", "agent.mjs"], scratch, port, PORT=str(port)) as url:
        yield url


def test_every_example_is_known() -> None:
    assert set(EXAMPLES) == {
        *("agent.py", "orchestrator.mjs", "orchestrator.py", "agent.mjs", "keys.py"),
        *("chat.py", "auth.yaml", "caller.mjs", "authority.py", "portal.py"),
    }


def test_first_example(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```\n```text\n(.*?)```", README, re.DOTALL)
    assert example
    code, output = example.groups()
    assert run([sys.executable, "-c", code], tmp_path) == output


def test_node_orchestrator_calls_the_flask_agent(scratch: Path, flask_agent: str) -> None:
    printed = run(["node", "orchestrator.mjs"], scratch, AGENT_URL=flask_agent)
    assert "result: 'HELLO'" in printed
    assert "caller: 'my_orchestrator'" in printed
    assert printed.endswith("\n200\n")


def test_python_orchestrator_calls_the_flask_agent(scratch: Path, flask_agent: str) -> None:
    printed = run([sys.executable, "orchestrator.py"], scratch, AGENT_URL=flask_agent)
    assert "'result': 'HELLO'" in printed
    assert "'caller': 'my_orchestrator'" in printed


def test_python_orchestrator_calls_the_node_agent(scratch: Path, node_agent: str) -> None:
    printed = run([sys.executable, "orchestrator.py"], scratch, AGENT_URL=node_agent)
    assert "'result': 'hello'" in printed
    assert "'caller': 'my_orchestrator'" in printed


def test_a_stranger_is_refused(scratch: Path, flask_agent: str) -> None:
    code = EXAMPLES["orchestrator.py"].replace('"my_orchestrator"', '"stranger"')
    printed = run([sys.executable, "-c", code], scratch, AGENT_URL=flask_agent)
    assert "'error': 'Auth Failed'" in printed


def gunicorn(application: str, port: int) -> list[str]:
    command = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket"]
    return [*command, "--workers", "2", "--bind", f"127.0.0.1:{port}", application]


def test_node_caller_with_access_tokens(scratch: Path, tmp_path: Path) -> None:
    port, own = free_port(), f"http://127.0.0.1:{free_port()}"
    place = {"AGENT_URL": f"http://127.0.0.1:{port}", "XDG_STATE_HOME": str(tmp_path)}
    with serving(gunicorn("chat:app", port), scratch, port, **place):
        printed = run(["node", "caller.mjs"], scratch, OWN_URL=own, **place)
    assert printed.startswith("200 {")
    assert "scopes: [ 'read' ]" in printed
    assert printed.endswith("\n200\n403\n")


def test_portal_example(scratch: Path) -> None:
    port = free_port()
    place = {"AUTHORITY_URL": f"http://127.0.0.1:{port}"}
    register = re.search(r"```sh\npython (-m tallystick.authority register .*?)  #", README)
    assert register
    with serving(gunicorn("authority:app", port), scratch, port, **place):
        shell = f'"{sys.executable}" {register[1]} --json'
        secret = json.loads(run(["sh", "-c", shell], scratch, **place))["client_secret"]
        printed = run([sys.executable, "portal.py"], scratch, ALICE_SECRET=secret, **place)
    caller = "alice portal ['read', 'namespace:production'] ['production'] ['verified']\n"
    assert printed.startswith(caller)
    assert "Mode:           portal" in printed


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?m)(?:^|`)make ([a-z-]+)", README))))
def test_every_make_target_exists(target: str) -> None:
    run(["make", "--dry-run", "--always-make", target], ROOT)
