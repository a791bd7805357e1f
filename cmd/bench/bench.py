"""Measures Tallystick against its peers in one run and prints ratios.

Machines differ, so only ratios within one run mean something. Each figure is the
best of several rounds, in which the contestants take turns.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict

import access_tokens
import algorithms
import signed_requests
from timing import say

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIVE = 100_000
STARTS = 7

Sizes = dict[str, tuple[float, str, float | None]]  # value, unit, what it is to be at most


class Row(TypedDict):
    what: str
    us: float
    peer: str
    peer_us: float
    ratio: float
    target: float | None


def script(*command: str) -> list[dict[str, Any]]:
    """Run a script that prints JSON lines; return them."""
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in printed.splitlines()]


def node(name: str, *arguments: str) -> dict[str, float]:
    """Return the microseconds by name that a script in Node measures."""
    say(f"node: {name}")
    rows = script(os.environ.get("NODE", "node"), str(HERE / name), *arguments)
    return {row["name"]: row["microseconds"] for row in rows}


def go_benchmarks(package: str, benchtime: str) -> dict[str, float]:
    """Return the best microseconds of each of a package's benchmarks, which take turns."""
    command = ["go", "test", "-run", "^$", "-bench", ".", "-benchtime", benchtime, package]
    printed = "".join(
        subprocess.run(
            [*command, "-count", "1"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        for _ in range(5)
    )
    best: dict[str, float] = {}
    for name, nanoseconds in re.findall(
        r"^Benchmark([\w/]+)\S*\s+\d+\s+([\d.]+) ns/op", printed, re.MULTILINE
    ):
        best[name] = min(best.get(name, float("inf")), float(nanoseconds) / 1000)
    return best


def window() -> float:
    """Bytes for each live jti, as the Go test of the replay window measures it."""
    command = ["go", "test", "-run", "TestBytesPerLiveID", "-count=1", "-v", "./core/replay"]
    printed = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return float(printed.split(" bytes for each")[0].split()[-1])


def measure(live_count: int) -> tuple[list[Row], Sizes]:
    rows: list[Row] = []

    def row(what: str, value: float, peer: str, reference: float, target: float | None) -> None:
        ratio = value / reference
        rows.append(
            {
                "what": what,
                "us": value,
                "peer": peer,
                "peer_us": reference,
                "ratio": ratio,
                "target": target,
            }
        )

    signed_requests.measure(live_count, row)
    n = node("signed_requests.mjs")
    verify, core, sign = (
        n[f"node wasm, {kind}"]
        for kind in ("host RSA: verify", "core RSA: verify", "host RSA: sign")
    )
    row("verify a request, Node WASM", verify, "jose jwtVerify", n["jose: jwtVerify"], 0.5)
    row("verify a request, Node WASM", verify, "fast-jwt", n["fast-jwt: verify, uncached"], 1.5)
    row("verify a request, Node WASM", verify, "jsonwebtoken", n["jsonwebtoken: verify"], None)
    row("sign a request, Node WASM", sign, "jose", n["jose: sign"], 1.1)
    row("sign a request, Node WASM", sign, "jsonwebtoken", n["jsonwebtoken: sign"], None)
    row("verify, Node WASM, RSA in the core", core, "jose jwtVerify", n["jose: jwtVerify"], 2.0)
    algorithms.measure(row)
    n = node("algorithms.mjs")
    for algorithm in algorithms.ALGORITHMS:
        jwt_verify, sign_jwt = n[f"{algorithm}: jwtVerify"], n[f"{algorithm}: SignJWT"]
        row(
            f"verify {algorithm}, Node",
            n[f"{algorithm}: verify"],
            "jose jwtVerify",
            jwt_verify,
            1.1,
        )
        row(f"sign {algorithm}, Node", n[f"{algorithm}: sign"], "jose SignJWT", sign_jwt, None)
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as folder:
        say("access tokens")
        p = access_tokens.measure(folder)
        n = node("access_tokens.mjs", folder)
    row("reused access token, Python native", p["reused"], "PyJWT decode", p["PyJWT: decode"], 0.9)
    row("new access token, Python native", p["new"], "PyJWT decode", p["PyJWT: decode"], None)
    row("reused access token, Node WASM", n["reused"], "jose jwtVerify", n["jose: jwtVerify"], 0.6)
    row("new access token, Node WASM", n["new"], "jose jwtVerify", n["jose: jwtVerify"], None)
    row(
        "issue an access token, Python native", p["issue"], "PyJWT encode", p["PyJWT: encode"], None
    )
    row("issue an access token, Node WASM", n["issue"], "jose SignJWT", n["jose: SignJWT"], None)
    say("go")
    # As many calls as tokens were signed before: signing takes most of the time.
    g = go_benchmarks("./bindings/go", "1000x")
    row("verify a request, Go", g["Verify"], "golang-jwt parse", g["Parse"], 0.6)
    row("  the RSA signature alone, Go", g["Signature"], "golang-jwt parse", g["Parse"], None)
    row("Protect, net/http", g["Protect"], "golang-jwt parse", g["Parse"], 0.9)
    row("sign a request, Go", g["Sign"], "crypto/rsa", g["SignRSA"], 1.03)
    return rows, {**sizes(), **patterns(), **churn()}


def ready() -> float:
    """Return the best microseconds until a fresh process of Node can verify."""
    return min(node("startup.mjs")["node wasm: ready"] for _ in range(STARTS))


def start_of(program: Path) -> float:
    """Return the best milliseconds of a program that prints its version and ends."""
    best = float("inf")
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([program, "version"], stdout=subprocess.DEVNULL, check=True)
        best = min(best, time.perf_counter() - began)
    return best * 1000


def sizes() -> Sizes:
    command = ROOT / "build/tallystick"
    module = (ROOT / "build/wasm/tallystick.wasm").read_bytes()
    return {
        "WASM module, gzipped": (len(gzip.compress(module, 9)) / 1e6, "MB", 2.4),
        "WASM module ready in Node": (ready() / 1000, "ms", 100),
        "replay window, for each live jti": (window(), "bytes", 100),
        "the command, starting": (start_of(command), "ms", 50),
        "the command, its file": (command.stat().st_size / 1e6, "MB", 25),
    }


def patterns() -> Sizes:
    say("decisions")
    us = go_benchmarks("./cmd/bench", "300ms")
    return {
        "trust and scope decision, 1,000 of each": (us["Trust/1000"] + us["Scopes/1000"], "us", 50),
        "  trust alone, 1,000 patterns": (us["Trust/1000"], "us", None),
        "  trust alone, 10,000 patterns": (us["Trust/10000"], "us", None),
        "  trust, ten times as many patterns": (us["Trust/10000"] / us["Trust/1000"], "x", 15),
        "  two scopes alone, 1,000 patterns": (us["Scopes/1000"], "us", None),
        "  two scopes alone, 10,000 patterns": (us["Scopes/10000"], "us", None),
        "  two scopes, ten times as many patterns": (
            us["Scopes/10000"] / us["Scopes/1000"],
            "x",
            15,
        ),
    }


def churn() -> Sizes:
    say("10,000 issuers")
    [found] = script(sys.executable, str(HERE / "churn.py"))
    return {
        "issuers cached after 10,000": (found["cached"], "", 1000),
        "memory of the first 2,000 issuers": (found["filled"], "MB", None),
        "more memory for the next 8,000": (found["growth"], "MB", 8),
    }


def show(rows: list[Row], sizes: Sizes) -> None:
    print(f"{'what':40} {'us':>9}   {'against':16} {'us':>9} {'ratio':>7}  target")
    for r in rows:
        reached = (
            ""
            if r["target"] is None
            else f"<= {r['target']:.2f} {'ok' if r['ratio'] <= r['target'] else 'MISSED'}"
        )
        print(
            f"{r['what']:40} {r['us']:9.1f}   {r['peer']:16} {r['peer_us']:9.1f}"
            f" {r['ratio']:7.2f}  {reached}"
        )
    for what, (value, unit, target) in sizes.items():
        wanted = "" if target is None else f"<= {target} {'ok' if value <= target else 'MISSED'}"
        print(f"{what:40} {value:9.2f} {unit:5} {wanted}".rstrip())


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--live",
        type=count,
        default=LIVE,
        help="live jtis of the second Flask run (default %(default)s)",
    )
    options = parser.parse_args()
    rows, sizes = measure(options.live)
    if options.json:
        print(json.dumps({"rows": rows, "sizes": sizes}, indent=2))
        return
    print(
        f"PyJWT {version('PyJWT')}, rotagent {version('rotagent')},"
        f" cryptography {version('cryptography')}, Python {sys.version.split()[0]}"
    )
    show(rows, sizes)


if __name__ == "__main__":
    main()
