"""Act two: an authority, agents that sign their own tokens, and agents that it signs for."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

from conducting import conduct
from processes import NODE, WORKERS, gunicorn, node
from tallystick import Authority

HERE = Path(__file__).parent
# "mallory" is known to the authority like anybody else: it is the agents that deny him.
CLIENTS = ("caller", "mallory", "portal")


def node_to_flask(folder, log):
    """Node makes the tokens, Python verifies: Flask agents (gunicorn, 2 workers), an authority"""
    with python_authority(folder / "authority", log) as (authority, secrets, deeds):

        def environment(url):
            return {"DEMO_AGENTS": agents_settings(url, folder, authority, secrets)}

        with gunicorn(
            "the Flask agents", "access_tokens.flask_agents:app", log, environment
        ) as agents:
            settings = caller_settings(agents, authority, folder, secrets, WORKERS)
            return conduct([NODE, str(HERE / "caller.mjs")], log, settings, deeds)


def python_to_node(folder, log):
    """Python makes the tokens, Node verifies: Node agents, an authority in Node"""
    with node_authority(folder / "authority", log) as (authority, secrets, deeds):
        settings = agents_settings(None, folder, authority, secrets)
        with node("the Node agents", HERE / "node_agents.mjs", log, given=settings) as agents:
            settings = caller_settings(agents, authority, folder, secrets, 1)
            return conduct([sys.executable, str(HERE / "caller.py")], log, settings, deeds)


SCENES = (node_to_flask, python_to_node)


@contextmanager
def python_authority(keys_dir, log):
    """Serve an authority from two workers; keys and clients are managed from here."""
    application = "tallystick.authority.commands:application()"

    def environment(url):
        return {"TALLYSTICK_ISSUER": url, "TALLYSTICK_KEYS_DIR": str(keys_dir)}

    with (
        gunicorn("the authority", application, log, environment) as site,
        Authority(site.url, keys_dir=keys_dir) as authority,
    ):
        secrets = {
            name: authority.register_client(
                name, scopes=["read", "write"], namespaces=["demo"], trust=["verified"]
            )
            for name in CLIENTS
        }
        deeds = {
            "rotate the authority": lambda: authority.rotate_keys(force=True),
            "stop the authority": site.stop,
        }
        yield site, secrets, deeds


@contextmanager
def node_authority(keys_dir, log):
    """Serve an authority in Node, which rotates its keys when it is told to."""
    given = {"keysDir": str(keys_dir), "clients": CLIENTS}
    with node("the authority", HERE / "authority.mjs", log, given=json.dumps(given)) as site:
        secrets = json.loads(site.process.stdout.readline())

        def rotate():
            site.process.stdin.write("rotate\n")
            site.process.stdin.flush()
            return json.loads(site.process.stdout.readline())

        yield site, secrets, {"rotate the authority": rotate, "stop the authority": site.stop}


def agents_settings(url, folder, authority, secrets):
    settings = {
        "url": url,
        "keysDir": str(folder / "agents"),
        "authority": authority.url,
        "secret": secrets["portal"],
    }
    return json.dumps(settings)


def caller_settings(agents, authority, folder, secrets, workers):
    return {
        "agents": agents.url,
        "authority": authority.url,
        "keysDir": str(folder / "caller"),
        "secrets": secrets,
        "workers": workers,
    }
