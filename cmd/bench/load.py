"""Measures agents with each store beside the bare application: Flask under gunicorn, and node:http.

Prints for Flask the requests a second as a part of those that the bare application serves, for
node:http the microseconds that a request takes longer, in one run. wrk sends requests that were
signed before, each once. The servers are the project's own (cmd/servers); PostgreSQL's data lie in
memory, with synchronous_commit as it is by default.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "servers"))

import servers  # noqa: E402
from timing import say  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = ('{"message":"' + "x" * 1010 + '"}').encode()
TARGETS = {"memory": 0.8, "SQLite": 0.65, "Redis": 0.55}
"""The part of the bare application's requests that is to be reached, under Flask."""

BY_HAND = "by hand (Redis)"
MOST_A_SECOND = 6000
"""Requests that are signed for each second of a turn."""


@dataclass
class Contestant:
    """One application: what serves it, and who verifies (``GUARD`` of the applications).

    ``server`` is a kind of server of cmd/servers. ``live`` is how many claims its store has before.
    """

    name: str
    host: str
    guard: str = ""
    server: str = ""
    live: int = 0


@dataclass
class Result:
    """One turn of wrk: requests a second, and milliseconds."""

    rate: float
    p50: float
    p95: float


def sign_many(private_pem: str, url: str, count: int) -> list[str]:
    """Sign by OpenSSL: the core takes four times as long."""
    import jwt
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(private_pem.encode(), None)
    digest, now = hashlib.sha256(BODY).hexdigest(), int(time.time())
    claims = {"iss": "orchestrator", "iat": now, "exp": now + 3500, "content_sha256": digest}
    target = {"htm": "POST", "htu": url}
    return [
        jwt.encode({**claims, **target, "jti": secrets.token_hex(16)}, key, "RS256")  # type: ignore[arg-type]
        for _ in range(count)
    ]


def sign(private_pem: str, url: str, count: int) -> list[str]:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.starmap(sign_many, [(private_pem, url, count // 2)] * 2)
    return [token for part in parts for token in part]


@contextlib.contextmanager
def served(one: Contestant, port: int, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run an application: Flask with two workers, or one process of Node."""
    command = ["node", "load_app.mjs"]
    if one.host == "flask":
        command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}"]
        command += ["--backlog", "256", "load_app:app"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **environment, "PORT": str(port)},
            stdout=output,
            stderr=output,
        )
    try:
        wait(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"bench-load: the application does not start: {log.read_text()[-2000:]}")


def load(url: str, tokens: Path, seconds: int, refused_is_right: bool = False) -> Result:
    command = ["wrk", "-t2", "-c16", f"-d{seconds}s", "-s", str(HERE / "load.lua"), url]
    printed = subprocess.run([*command, "--", str(tokens)], stdout=subprocess.PIPE, check=True)
    found = json.loads(printed.stdout.splitlines()[-1])
    if found["refused"] and not refused_is_right:
        raise SystemExit(f"bench-load: {found['refused']} of {found['requests']} were refused")
    return Result(found["requests"] / found["seconds"], found["p50"], found["p95"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="of each turn (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default 3)")
    parser.add_argument(
        "--live", type=int, default=0, help="also measure stores that hold so many claims"
    )
    parser.add_argument("--only", default="", help="measure names that contain this text, and bare")
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("bench-load: wrk is not installed (make setup-servers)")
    with tempfile.TemporaryDirectory(prefix="tallystick-load-") as folder:
        turns = measure(Path(folder), chosen(given.only, given.live), given.seconds, given.rounds)
    report(turns, as_json=given.json)


def chosen(only: str, live: int) -> list[Contestant]:
    """Return who takes part."""
    stores = [("memory", "memory:", ""), ("SQLite", "sqlite:", "")]
    stores += [("Redis", "", "redis"), ("PostgreSQL", "", "postgresql")]
    all_of_them = []
    for host in ("flask", "node"):
        all_of_them.append(Contestant("bare", host, "none"))
        all_of_them += [Contestant(name, host, guard, server) for name, guard, server in stores]
        if host == "flask" and live:
            all_of_them += [
                Contestant(f"{name}, {live:,} live", host, guard, server, live)
                for name, guard, server in stores[1:]
            ]
        libraries = ["PyJWT"] if host == "flask" else ["jose", "fast-jwt"]
        all_of_them += [
            Contestant(f"{library} {BY_HAND}", host, library, "redis") for library in libraries
        ]
    return [one for one in all_of_them if only in f"{one.host} {one.name}" or one.guard == "none"]


def measure(
    folder: Path, contestants: list[Contestant], seconds: int, rounds: int
) -> list[tuple[Contestant, list[Result]]]:
    from tallystick import KeyManager

    private_pem, public_pem = KeyManager.generate_rsa_keypair()
    keys = folder / "keys"
    keys.mkdir()
    (keys / "orchestrator.pem").write_text(public_pem)
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}/agent"
    tokens = folder / "tokens"
    count = MOST_A_SECOND * seconds
    say(f"signing {count:,} requests")
    tokens.write_text("\n".join(sign(private_pem, url, count)) + "\n")
    turns: list[tuple[Contestant, list[Result]]] = [(one, []) for one in contestants]
    for _ in range(rounds):
        for one, results in turns:
            with contextlib.ExitStack() as stack:
                environment = {"KEYS": str(keys), **prepared(one, folder, stack)}
                stack.enter_context(served(one, port, environment, folder / "log"))
                load(url, Path(os.devnull), 1, refused_is_right=True)
                results.append(load(url, tokens, seconds, refused_is_right=one.guard == "none"))
            say(f"{one.host}, {one.name}: {results[-1].rate:,.0f} requests a second")
    return turns


def prepared(one: Contestant, folder: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    """Start the server of one application, and give its store the claims that it has before."""
    url = one.guard
    if url == "sqlite:":
        url = f"sqlite://{folder}/{secrets.token_hex(8)}.sqlite3"
    elif one.server:
        url = stack.enter_context(getattr(servers, one.server)()).url
    if one.live:
        from tallystick.stores import open_store

        with contextlib.closing(open_store(url)) as store:
            for _ in range(one.live):
                store.claim(secrets.token_hex(16), 3600)
    return {"GUARD": one.guard, "REDIS": url} if one.name.endswith(BY_HAND) else {"GUARD": url}


def report(turns: list[tuple[Contestant, list[Result]]], *, as_json: bool) -> None:
    bare: dict[str, float] = {}
    rows = []
    for one, results in turns:
        rate = statistics.median(result.rate for result in results)
        bare.setdefault(one.host, rate)
        rows.append(
            {
                "host": one.host,
                "what": one.name,
                "requests_per_second": round(rate),
                "p95_ms": round(statistics.median(result.p95 for result in results), 2),
                "of_bare": round(rate / bare[one.host], 3),
                "microseconds_added": round(1e6 / rate - 1e6 / bare[one.host]),
                "target": TARGETS.get(one.name) if one.host == "flask" else None,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("1 KiB of JSON: Flask under gunicorn with 2 workers, node:http in 1 process")
    for row in rows:
        target = f"  (at least {row['target']})" if row["target"] else ""
        print(
            f"  {row['host']:<6}{row['what']:<26}{row['requests_per_second']:>7,} requests/s"
            f"  p95 {row['p95_ms']:>6} ms  {row['of_bare']:.3f} of bare"
            f"  {row['microseconds_added']:>+5} us{target}"
        )


if __name__ == "__main__":
    main()
