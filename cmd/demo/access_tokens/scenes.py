"""Act two: an authority, agents that sign their own tokens, and agents that it signs for."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from conducting import Deeds, conduct
from processes import NODE, WORKERS, Site, gunicorn, node, pipes
from tallystick import Authority

HERE = Path(__file__).parent
# "mallory" is known to the authority like anybody else: it is the agents that deny him.
CLIENTS = ("caller", "mallory", "portal")

Secrets = dict[str, str | None]  # by client


def node_to_flask(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Node makes the tokens, Python verifies: Flask agents (gunicorn, 2 workers), an authority"""
    with python_authority(folder / "authority", log) as (authority, secrets, deeds):

        def environment(url: str) -> dict[str, str]:
            return {"DEMO_AGENTS": agents_settings(url, folder, authority, secrets)}

        with gunicorn(
            "the Flask agents", "access_tokens.flask_agents:app", log, environment
        ) as agents:
            settings = caller_settings(agents, authority, folder, secrets, WORKERS)
            return conduct([NODE, str(HERE / "caller.mjs")], log, settings, deeds)


def python_to_node(folder: Path, log: IO[str]) -> tuple[int, int]:
    """Python makes the tokens, Node verifies: Node agents, an authority in Node"""
    with node_authority(folder / "authority", log) as (authority, secrets, deeds):
        given = agents_settings(None, folder, authority, secrets)
        with node("the Node agents", HERE / "node_agents.mjs", log, given=given) as agents:
            settings = caller_settings(agents, authority, folder, secrets, 1)
            command = [sys.executable, "-m", "access_tokens.caller"]
            return conduct(command, log, settings, deeds, cwd=HERE.parent)


SCENES = (node_to_flask, python_to_node)


@contextmanager
def python_authority(keys_dir: Path, log: IO[str]) -> Iterator[tuple[Site, Secrets, Deeds]]:
    """Serve an authority from two workers; keys and clients are managed from here."""
    application = "tallystick.authority.commands:application()"

    def environment(url: str) -> dict[str, str]:
        return {"TALLYSTICK_ISSUER": url, "TALLYSTICK_KEYS_DIR": str(keys_dir)}

    with (
        gunicorn("the authority", application, log, environment) as site,
        Authority(site.url, keys_dir=keys_dir) as authority,
    ):
        secrets = {
            name: authority.register_client(
                name, scopes=["read", "write"], namespaces=["demo"], trust=["verified"]
            ).client_secret
            for name in CLIENTS
        }
        deeds = {
            "rotate the authority": lambda: authority.rotate_keys(force=True),
            "stop the authority": site.stop,
        }
        yield site, secrets, deeds


@contextmanager
def node_authority(keys_dir: Path, log: IO[str]) -> Iterator[tuple[Site, Secrets, Deeds]]:
    """Serve an authority in Node, which rotates its keys when it is told to."""
    given = {"keysDir": str(keys_dir), "clients": CLIENTS}
    with node("the authority", HERE / "authority.mjs", log, given=json.dumps(given)) as site:
        stdin, stdout = pipes(site.process)
        secrets = json.loads(stdout.readline())

        def rotate() -> object:
            stdin.write("rotate\n")
            stdin.flush()
            return json.loads(stdout.readline())

        yield site, secrets, {"rotate the authority": rotate, "stop the authority": site.stop}


def agents_settings(url: str | None, folder: Path, authority: Site, secrets: Secrets) -> str:
    settings = {
        "url": url,
        "keysDir": str(folder / "agents"),
        "authority": authority.url,
        "secret": secrets["portal"],
    }
    return json.dumps(settings)


def caller_settings(
    agents: Site, authority: Site, folder: Path, secrets: Secrets, workers: int
) -> dict[str, Any]:
    return {
        "agents": agents.url,
        "authority": authority.url,
        "keysDir": str(folder / "caller"),
        "secrets": secrets,
        "workers": workers,
    }
