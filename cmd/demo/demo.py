"""Runs agents and orchestrators of both languages against each other.

Prints one line per call: what was sent, what came back and what was expected.
Exit status 0 only when every answer is the expected one. Stops what it started.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
NODE = os.environ.get("NODE", "node")
TIME_LIMIT = 120  # seconds for one orchestrator
WORKERS = 2


@contextmanager
def running(command, **options):
    """Start a process and stop it by its id."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def flask_agent(keys_dir, state, log):
    """A Flask agent under gunicorn --preload; yields its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        command = [sys.executable, "-m", "gunicorn", "--preload", "--no-control-socket", "--workers", str(WORKERS)]
        command += ["--bind", f"fd://{listener.fileno()}", "--chdir", str(HERE), "flask_agent:app"]
        environment = {**os.environ, "DEMO_KEYS_DIR": keys_dir, "XDG_STATE_HOME": state}
        options = {"stdout": log, "stderr": log, "env": environment}
        with running(command, pass_fds=[listener.fileno()], **options):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def node_agent(keys_dir, log):
    """A Node agent; yields its URL."""
    command = [NODE, str(HERE / "node_agent.mjs"), keys_dir]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
    with running(command, **pipes) as process:
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the Node agent did not start")
        yield url


def conduct(command):
    """Run an orchestrator and print its calls; return how many were right, of how many."""
    right = total = 0
    with running(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            call = json.loads(line)
            as_expected = call["got"] == call["expected"]
            right, total = right + as_expected, total + 1
            wanted = "as expected" if as_expected else f"expected {call['expected']}"
            mark = "ok " if as_expected else "BAD"
            print(f"  {mark} {call['sent']} -> {call['got']} ({wanted})", flush=True)
        if process.wait(TIME_LIMIT) != 0:
            print(f"  BAD the orchestrator ended with status {process.returncode}")
            total += 1
    return right, total


def first_act(folder, log):
    keys_dir = folder / "flask_keys"
    keys_dir.mkdir()
    print(f"Node orchestrator -> Flask agent (gunicorn --preload, {WORKERS} workers)")
    with flask_agent(str(keys_dir), str(folder / "state"), log) as url:
        return conduct([NODE, str(HERE / "orchestrator.mjs"), url, str(keys_dir), str(WORKERS)])


def second_act(folder, log):
    keys_dir = folder / "node_keys"
    keys_dir.mkdir()
    print("Python orchestrator -> Node agent")
    with node_agent(str(keys_dir), log) as url:
        return conduct([sys.executable, str(HERE / "orchestrator.py"), url, str(keys_dir)])


def main():
    with tempfile.TemporaryDirectory(prefix="tallystick-demo-") as name:
        folder = Path(name)
        path = folder / "agents.log"
        with path.open("w") as log:
            acts = [act(folder, log) for act in (first_act, second_act)]
        right, total = (sum(column) for column in zip(*acts, strict=True))
        if right != total:
            print("\nWhat the agents logged:\n" + path.read_text())
    print(f"demo: {right} of {total} as expected")
    return 0 if right == total else 1


if __name__ == "__main__":
    sys.exit(main())
