"""Uses the package as on a system without POSIX: argv is a folder."""

from __future__ import annotations

# What of Python itself needs POSIX on this machine is loaded before it goes.
import asyncio
import concurrent.futures
import ctypes
import logging
import os
import sqlite3
import ssl
import subprocess
import sys
import tempfile
from typing import Any

GONE = (
    *("O_CLOEXEC", "O_NONBLOCK", "O_NOFOLLOW", "O_DIRECTORY", "O_NOCTTY", "O_SYNC"),
    *("register_at_fork", "fork", "forkpty", "memfd_create", "MFD_CLOEXEC"),
    *("getuid", "geteuid", "getgid", "getegid", "fchmod", "fchown", "chown", "lchown"),
    *("killpg", "setsid", "waitid", "mkfifo", "sched_getaffinity", "pread", "pwrite"),
)


def leave_posix() -> None:
    for name in GONE:
        delattr(os, name)
    for module in ("fcntl", "pwd", "grp", "resource", "termios"):
        sys.modules[module] = None  # type: ignore[assignment]
    os.environ["TALLYSTICK_BACKEND"] = "wasm"
    os.name = "other"  # not "nt": pathlib would want Windows itself


def open_to_all(path: str) -> None:
    """What every file looks like there."""
    with open(path, "ab"):
        os.chmod(path, 0o666)


def main(folder: str) -> None:
    from tallystick import AgentAuth, Authority, AuthSkill, KeyManager, OrchestratorClient
    from tallystick._files import watched_text
    from tallystick._files.shared_file import KEEP

    watched_text.LOOK_EVERY = 0

    logging.basicConfig(level=logging.WARNING)
    keys = os.path.join(folder, "authorized_keys")
    os.mkdir(keys)
    private, public = KeyManager.generate_rsa_keypair()
    with open(os.path.join(keys, "movies.pem"), "w", encoding="utf-8") as file:
        file.write(public)
    used = os.path.join(folder, "store.sqlite3")
    open_to_all(used)
    store = f"sqlite://{used}"
    client = OrchestratorClient("movies", private)
    agent = AgentAuth(keys, store=store)
    header = client.sign("POST", "http://localhost/agent", b"x")["Authorization"]
    print("agent", agent.verify([header], method="POST", path="/agent", body=b"x").issuer)

    ring = os.path.join(folder, "keys")
    options: dict[str, Any] = {
        "base_url": "https://bob.example/bob",
        "keys_dir": ring,
        "store": store,
    }
    with AuthSkill(**options):
        open_to_all(os.path.join(ring, "bob.ring.json.1"))
        os.chmod(ring, 0o777)
    with AuthSkill(**options) as one, AuthSkill(**options) as two:
        rotated = one.rotate_keys()
        found = two.verify_token(two.generate_token("https://bob.example/bob"))
        print("skill", found.key_id == rotated["active"])

    portal = "https://portal.example"
    with Authority(portal, keys_dir=os.path.join(folder, "a")) as authority:
        for number in range(KEEP + 3):
            authority.register_client("alice", public_key=public, scopes=[f"read{number}"])
        print("authority", authority.list_clients()[0].scopes)
    print("async", asyncio.run(asyncio.sleep(0, "works")))


leave_posix()
main(sys.argv[1])
assert concurrent.futures
assert ctypes
assert sqlite3
assert ssl
assert subprocess
assert tempfile
