"""Every MCP client calls every protected MCP server, over real streamable HTTP.

README.md says what the programs in this folder take and print. Each file that is named like one is
found here: nothing else is to be done for a new one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from serving import listening, server_of

from tallystick import AuthEndpoints, Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
TIME_LIMIT = 60
CLIENT_ID = "caller"
METADATA = "/.well-known/oauth-protected-resource/mcp"


INTERPRETERS = {".py": sys.executable, ".mjs": "node"}


@dataclass(frozen=True)
class Program:
    """A program of this folder: a script, or a folder with a main package in Go."""

    path: Path
    options: tuple[str, ...] = ()
    old_sdk: bool = False


def found(role: str) -> dict[str, Program]:
    """Return the programs of a role (server, client) by name."""
    scripts = [path for path in sorted(FOLDER.glob(f"*_{role}.*")) if path.suffix in INTERPRETERS]
    programs = {path.stem.removesuffix(f"_{role}"): Program(path) for path in scripts}
    if (FOLDER / f"go{role}").is_dir():
        programs["go"] = Program(FOLDER / f"go{role}")
    return programs


CLIENTS = found("client")
CLIENTS["python-1"] = Program(FOLDER / "python_client.py", old_sdk=True)
SERVERS = found("server")
SERVERS["python-1"] = Program(FOLDER / "python_server.py", old_sdk=True)
SERVERS["python-middleware"] = Program(FOLDER / "python_server.py", ("--by", "middleware"))
SERVERS["node-middleware"] = Program(FOLDER / "node_server.mjs", ("--by", "middleware"))
SERVERS["go-verifier"] = Program(FOLDER / "goserver", ("--by", "verifier"))


@dataclass(frozen=True)
class Launcher:
    """Says how programs are started. What that needs is made in a folder at first use."""

    folder: Path

    def command(self, program: Program) -> list[str]:
        interpreter = INTERPRETERS.get(program.path.suffix)
        if interpreter is not None:
            return [interpreter, str(program.path), *program.options]
        # `go run` would leave its child behind.
        binary = self.folder / program.path.name
        if not binary.exists():
            package = f"./{program.path.relative_to(ROOT)}"
            subprocess.run(["go", "build", "-o", binary, package], cwd=ROOT, check=True)
        return [str(binary), *program.options]

    def environment(self, program: Program) -> dict[str, str]:
        if not program.old_sdk:
            return {**os.environ}
        # Version 1 of the SDK, before the one that is installed.
        libraries = self.folder / "libraries"
        if not libraries.exists():
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            wanted = ["--target", str(libraries), "-r", str(FOLDER / "requirements.txt")]
            subprocess.run([*pip, "--disable-pip-version-check", *wanted], check=True)
        return {**os.environ, "PYTHONPATH": str(libraries)}


@dataclass(frozen=True)
class Issuer:
    """The authority, with one client."""

    url: str
    secret: str


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    folder = tmp_path_factory.mktemp("authority")
    with (
        listening(0, path="") as (listener, url),
        Authority(url, keys_dir=folder, store="memory:") as authority,
    ):
        secret = authority.register_client(CLIENT_ID, scopes=["read", "write"]).client_secret
        server = server_of(AuthEndpoints(authority))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield Issuer(url, str(secret))
        server.should_exit = True
        thread.join(TIME_LIMIT)


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Launcher:
    return Launcher(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module", params=SERVERS)
def server(issuer: Issuer, launcher: Launcher, request: pytest.FixtureRequest) -> Iterator[str]:
    """Start a server; return its URL."""
    arguments = ["--authority", issuer.url, "--port", "0", "--required-scope", "read"]
    program = SERVERS[request.param]
    process = subprocess.Popen(
        [*launcher.command(program), *arguments],
        env=launcher.environment(program),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        ready = process.stdout.readline().split()
        assert ready[:1] == ["READY"], ready
        yield ready[1]
    finally:
        process.stdin.close()
        assert process.wait(TIME_LIMIT) == 0
        process.stdout.close()


@pytest.fixture(params=CLIENTS)
def client(issuer: Issuer, launcher: Launcher, request: pytest.FixtureRequest) -> Any:
    """Return what calls a server: from a URL and options to what was printed, and the exit code."""
    program = CLIENTS[request.param]

    def call(url: str, *options: str, scope: str = "read") -> tuple[dict[str, Any], int]:
        arguments = ["--url", url, "--authority", issuer.url, "--client-id", CLIENT_ID]
        done = subprocess.run(
            [*launcher.command(program), *arguments, "--scope", scope, *options],
            env={**launcher.environment(program), "MCP_CLIENT_SECRET": issuer.secret},
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        assert done.stdout, done.stderr
        assert issuer.secret not in done.stdout + done.stderr
        return json.loads(done.stdout), done.returncode

    return call


def names_its_document(challenge: str, url: str) -> bool:
    return f'resource_metadata="{url.removesuffix("/mcp")}{METADATA}"' in challenge


def test_a_client_calls_a_server(client: Any, server: str) -> None:
    printed, code = client(server)
    assert code == 0
    assert printed["tools"] == ["whoami"]
    assert printed["whoami"] == {"client": CLIENT_ID, "scopes": ["read"], "subject": CLIENT_ID}


def test_a_token_for_another_server_is_refused(client: Any, server: str) -> None:
    printed, code = client(server, "--target", "http://127.0.0.1:9/mcp")
    assert code == 3
    assert printed["refused"] in (401, 403)
    assert names_its_document(printed["www_authenticate"], server)


def test_a_token_without_the_scope_is_refused(client: Any, server: str) -> None:
    printed, code = client(server, scope="write")
    assert (code, printed["refused"]) == (3, 403)
    assert "read" in printed["www_authenticate"]
    assert names_its_document(printed["www_authenticate"], server)


def test_no_token_is_refused(server: str) -> None:
    answer = httpx.post(server, json={}, trust_env=False)
    assert answer.status_code == 401
    assert names_its_document(answer.headers["www-authenticate"], server)


def test_the_document_says_who_gives_tokens(server: str, issuer: Issuer) -> None:
    document = httpx.get(server.removesuffix("/mcp") + METADATA, trust_env=False).json()
    assert document["resource"] == server
    assert document["authorization_servers"] == [issuer.url]
