"""Measures a Flask agent under gunicorn with each store, beside the bare application.

Prints the requests a second of each as a part of those that the bare application serves, in one
run. wrk sends requests that were signed before, each once. The servers are the project's own
(cmd/servers); PostgreSQL's data lie in memory, with synchronous_commit as it is by default.
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
    from collections.abc import Callable, Iterator

    Guard = str | Callable[[contextlib.ExitStack], str]

BODY = ('{"message":"' + "x" * 1010 + '"}').encode()
TARGETS = {"memory": 0.8, "SQLite": 0.65, "Redis": 0.55}
"""The part of the bare application's requests that is to be reached."""


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
def served(guard: str, port: int, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run the application with two workers."""
    command = [sys.executable, "-m", "gunicorn", "-w", "2", "-b", f"127.0.0.1:{port}"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--backlog", "256", "load_app:app"],
            cwd=HERE,
            env={**os.environ, **environment, "GUARD": guard},
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
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("bench-load: wrk is not installed (make setup-servers)")
    with tempfile.TemporaryDirectory(prefix="tallystick-load-") as folder:
        results = measure(Path(folder), given.seconds, given.rounds)
    report(results, as_json=given.json)


def measure(folder: Path, seconds: int, rounds: int) -> dict[str, list[Result]]:
    from tallystick import KeyManager

    private_pem, public_pem = KeyManager.generate_rsa_keypair()
    keys = folder / "keys"
    keys.mkdir()
    (keys / "orchestrator.pem").write_text(public_pem)
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}/agent"
    tokens = folder / "tokens"
    count = 3000 * seconds
    say(f"signing {count:,} requests")
    tokens.write_text("\n".join(sign(private_pem, url, count)) + "\n")
    results: dict[str, list[Result]] = {}
    with contextlib.ExitStack() as stack:
        for turn in range(rounds):
            for name, guard, environment in contestants(folder, turn):
                with contextlib.ExitStack() as one:
                    chosen = guard if isinstance(guard, str) else guard(one)
                    environment = {**environment, "KEYS": str(keys)}
                    if name == "by hand":
                        environment["REDIS"], chosen = chosen, "by hand"
                    one.enter_context(served(chosen, port, environment, folder / "log"))
                    load(url, Path(os.devnull), 1, refused_is_right=True)
                    results.setdefault(name, []).append(load(url, tokens, seconds))
                    say(f"{name}: {results[name][-1].rate:,.0f} requests a second")
        stack.close()
    return results


def contestants(folder: Path, turn: int) -> list[tuple[str, Guard, dict[str, str]]]:
    """Return a name, the guard or what starts its server, and the environment of each."""

    def redis(stack: contextlib.ExitStack) -> str:
        return stack.enter_context(servers.redis()).url

    def postgresql(stack: contextlib.ExitStack) -> str:
        return stack.enter_context(servers.postgresql()).url

    return [
        ("bare", "none", {}),
        ("memory", "memory:", {}),
        ("SQLite", f"sqlite://{folder}/{turn}.sqlite3", {}),
        ("Redis", redis, {}),
        ("PostgreSQL", postgresql, {}),
        ("by hand", redis, {}),
    ]


def report(results: dict[str, list[Result]], *, as_json: bool) -> None:
    rates = {name: statistics.median(one.rate for one in turns) for name, turns in results.items()}
    p95 = {name: statistics.median(one.p95 for one in turns) for name, turns in results.items()}
    rows = [
        {
            "what": name,
            "requests_per_second": round(rates[name]),
            "p95_ms": round(p95[name], 2),
            "of_bare": round(rates[name] / rates["bare"], 3),
            "target": TARGETS.get(name),
        }
        for name in results
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    print("Flask under gunicorn, 2 workers, 1 KiB of JSON: medians of turns")
    for row in rows:
        target = f"  (at least {row['target']})" if row["target"] else ""
        print(
            f"  {row['what']:<11} {row['requests_per_second']:>7,} requests/s"
            f"  p95 {row['p95_ms']:>6} ms  {row['of_bare']:.3f} of bare{target}"
        )


if __name__ == "__main__":
    main()
