r"""Plays a Markdown page as a reader would: writes its examples, types its commands.

- A block of code whose first line is a comment with a name, such as ``# agent.py``, is a
  file of that name.
- A block of the language ``console`` has commands behind ``$`` and what they print. A
  command that ends with ``&`` is a server: the next one waits until it listens. A line
  behind ``\`` begins with ``>``.

Each port that a page names is replaced by a free one, everywhere. ``…`` in what is
printed stands for any text.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
NODE = ROOT / "bindings" / "node"
TIME_LIMIT = 60

EXAMPLE = re.compile(r"(?ms)^```\w+\n((?:#|//) ([\w./-]+\.\w+)$.*?)^```$")
CONSOLE = re.compile(r"(?ms)^```console\n(.*?)^```$")
PORT = re.compile(r"(?<=127\.0\.0\.1:)50\d\d|(?<=[( =])50\d\d(?=[,);\s]|$)")


@dataclass(frozen=True)
class Command:
    """What is typed, and what is printed then."""

    line: str
    output: str

    @property
    def serves(self) -> bool:
        return self.line.endswith(" &")


def examples(page: str) -> dict[str, str]:
    """Return the page's files by their names."""
    found = [(name, text) for text, name in EXAMPLE.findall(page)]
    assert len(dict(found)) == len(found), "a name is there twice"
    return dict(found)


def commands(page: str) -> list[Command]:
    """Return what the page's console blocks type, in order."""
    typed = []
    for block in CONSOLE.findall(page):
        before, *parts = re.split(r"(?m)^\$ ", block)
        assert before == "", "a console block begins with what it types"
        typed += [Command(*re.sub(r"\\\n> *", "", part).split("\n", 1)) for part in parts]
    return typed


def fits(printed: str, documented: str) -> bool:
    """Tell whether a program printed what the page says."""
    pattern = ".*?".join(re.escape(part) for part in documented.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@dataclass
class Session:
    """A scratch folder in which the page's commands run. Servers end with it."""

    folder: Path
    page: str
    ports: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> "Session":
        modules = self.folder / "node_modules"
        modules.mkdir()
        (modules / "tallystick").symlink_to(NODE)
        for name in ("express", "@modelcontextprotocol"):
            (modules / name).symlink_to(NODE / "node_modules" / name)
        files = examples(self.page)
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.on_free_ports(text))
        if any(name.endswith(".go") for name in files):
            (self.folder / "go.mod").write_text(go_module())
            (self.folder / "go.sum").write_text((ROOT / "go.sum").read_text())
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.terminate()
        for server in self.servers:
            server.wait(TIME_LIMIT)

    def on_free_ports(self, text: str) -> str:
        return PORT.sub(lambda port: self.ports.setdefault(port[0], str(free_port())), text)

    def play(self) -> None:
        """Run every command and compare what it prints."""
        for command in commands(self.page):
            line = self.on_free_ports(command.line)
            if command.serves:
                self.serve(line.removesuffix(" &"))
                continue
            printed = self.run(line)
            assert fits(printed, self.on_free_ports(command.output)), printed

    def run(self, line: str) -> str:
        if line.startswith("export "):
            return self.export(line)
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def export(self, line: str) -> str:
        """Set variables for the commands that follow; ``$(…)`` is what a command prints."""
        script = f"{line}; env --null"
        shell = ["bash", "-c", script]
        done = subprocess.run(
            shell, cwd=self.folder, env=self.environment(), capture_output=True, timeout=TIME_LIMIT
        )
        assert done.returncode == 0, done.stderr.decode()
        after = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
        names = [word.split("=")[0] for word in shlex.split(line)[1:] if "=" in word]
        self.variables |= {name: after[name] for name in names if name in after}
        return ""

    def serve(self, line: str) -> None:
        server = subprocess.Popen(
            ["bash", "-c", f"exec env {line}"], cwd=self.folder, env=self.environment()
        )
        self.servers.append(server)
        port = listening_port(line, self.folder)
        deadline = time.monotonic() + TIME_LIMIT
        while time.monotonic() < deadline:
            assert server.poll() is None, f"the server ended: {line}"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the server does not listen: {line}")

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        home = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state")}
        # Go's caches are the user's: a scratch HOME would have none.
        go = {"GOMODCACHE": go_env("GOMODCACHE"), "GOCACHE": go_env("GOCACHE"), "CGO_ENABLED": "0"}
        return {**os.environ, **home, **go, "PATH": path, **self.variables}


@cache
def go_env(name: str) -> str:
    return subprocess.run(
        ["go", "env", name], capture_output=True, text=True, check=True
    ).stdout.strip()


def go_module() -> str:
    """Return a module that has this checkout as the package, with all that it requires."""
    name = "github.com/tallystick/tallystick"
    own = (ROOT / "go.mod").read_text().replace(f"module {name}", "module example")
    return f"{own}\nrequire {name} v0.0.0\nreplace {name} => {ROOT}\n"


def listening_port(line: str, folder: Path) -> int:
    """Return the port of a server: in its command, or else in the file that it runs."""
    in_command = re.findall(r"127\.0\.0\.1:(\d+)|PORT=(\d+)|--port (\d+)", line)
    if in_command:
        return int("".join(in_command[0]))
    scripts = re.findall(r"\S+\.(?:mjs|py)", line) or [f"{line}.go"]
    text = (folder / scripts[0]).read_text()
    [ports] = re.findall(r'listen\((\d+)|ListenAndServe\("127.0.0.1:(\d+)', text)
    return int("".join(ports))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
