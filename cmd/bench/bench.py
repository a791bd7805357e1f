"""Measures Tallystick against its peers in one run and prints ratios.

Machines differ, so only ratios within one run mean something. Each figure is the
best of several rounds, in which the contestants take turns.
"""

import argparse
import gzip
import hashlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from importlib.metadata import version
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from flask import Flask
from rotagent import AgentAuth as RotagentAuth
from tallystick import AgentAuth, KeyManager, OrchestratorClient
from werkzeug.test import EnvironBuilder

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BODY = b"tally " * 170 + b"sign"  # 1 KiB, the same in the processes that sign
URL = "http://127.0.0.1:5001/agent"
ROUNDS = 7
REQUESTS = 150  # of each contestant in each round
LIVE = 100_000

PRIVATE_PEM, PUBLIC_PEM = None, None


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def race(contestants, rounds=ROUNDS):
    """Time (count, function of a number) by name; return the best microseconds of each."""
    best = dict.fromkeys(contestants, float("inf"))
    for turn in range(rounds):
        for name, (count, run) in contestants.items():
            started = time.perf_counter()
            for n in range(turn * count, (turn + 1) * count):
                run(n)
            best[name] = min(best[name], (time.perf_counter() - started) / count * 1e6)
    return best


def sign_many(private_pem, count):
    client = OrchestratorClient("orchestrator", private_pem, ttl=3600)
    return [client.sign("POST", URL, BODY)["Authorization"] for _ in range(count)]


def tokens(private_pem, count):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.starmap(sign_many, [(private_pem, 1000)] * (count // 1000))
    return [token for part in parts for token in part]


def application(auth):
    """A Flask application of one view, guarded where auth is given."""
    app = Flask("bench")

    def view():
        return "ok"

    app.add_url_rule("/agent", "agent", auth.require_auth(view) if auth else view, methods=["POST"])
    environ = EnvironBuilder(path="/agent", method="POST", base_url="http://127.0.0.1:5001").get_environ()

    def call(token=None):
        statuses = []
        request = {**environ, "wsgi.input": io.BytesIO(BODY), "CONTENT_LENGTH": str(len(BODY))}
        if token:
            request["HTTP_AUTHORIZATION"] = token
        answer = app(request, lambda status, headers, info=None: statuses.append(status))
        b"".join(answer)
        if statuses != ["200 OK"]:
            raise SystemExit(f"bench: a request was refused: {statuses} {answer}")

    return call


def python_tokens(keys_dir, folder, fresh):
    private, public = (
        load_pem_private_key(PRIVATE_PEM.encode(), None),
        load_pem_public_key(PUBLIC_PEM.encode()),
    )
    auth = AgentAuth(keys_dir, replay="memory", dev_mode=False)
    client = OrchestratorClient("orchestrator", PRIVATE_PEM)
    digest = hashlib.sha256(BODY).hexdigest()
    facts = {"method": "POST", "path": "/agent", "body": BODY}

    def encode(n):
        now = int(time.time())
        claims = {"iss": "orchestrator", "iat": now, "exp": now + 60, "jti": os.urandom(16).hex()}
        jwt.encode({**claims, "content_sha256": digest, "htm": "POST", "htu": URL}, private, "RS256")

    return race(
        {
            "python native: verify": (1000, lambda n: auth.verify([fresh[n]], **facts)),
            "PyJWT: decode": (1000, lambda n: jwt.decode(fresh[n][7:], public, ["RS256"])),
            "python fast: sign": (100, lambda n: client.sign("POST", URL, BODY)),
            "PyJWT: encode": (100, encode),
        }
    )


def flask_requests(keys_dir, folder, fresh, live):
    """Return what each adds to a Flask request, with few or with 100,000 live jtis."""
    with redirect_stdout(io.StringIO()):
        rotagent = RotagentAuth(keys_dir, dev_mode=False)
    ours = {
        "flask + memory": AgentAuth(keys_dir, replay="memory", dev_mode=False),
        "flask + SQLite": AgentAuth(keys_dir, replay=str(folder / f"{len(live)}.sqlite3"), dev_mode=False),
    }
    calls = {name: application(auth) for name, auth in ours.items()}
    for name, call in calls.items():
        say(f"{name}: {len(live):,} live jtis")
        for token in live:
            call(token)
    rotagent.replay_cache.update({f"{n:032x}": time.time() + 3600 for n in range(len(live))})
    calls["flask + rotagent"] = application(rotagent)
    bare = application(None)
    contestants = {name: (REQUESTS, lambda n, call=call: call(fresh[n])) for name, call in calls.items()}
    best = race({"flask alone": (REQUESTS, lambda n: bare()), **contestants})
    return {name: best[name] - best["flask alone"] for name in calls}


def node():
    say("node")
    command = [os.environ.get("NODE", "node"), str(HERE / "bench.mjs")]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {row["name"]: row["microseconds"] for row in map(json.loads, printed.splitlines())}


def window():
    """Bytes for each live jti, as the Go test of the replay window measures it."""
    command = ["go", "test", "-run", "TestBytesPerLiveID", "-count=1", "-v", "./core/replay"]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return float(printed.split(" bytes for each")[0].split()[-1])


def measure(live_count):
    global PRIVATE_PEM, PUBLIC_PEM
    PRIVATE_PEM, PUBLIC_PEM = KeyManager.generate_rsa_keypair()
    rows = []

    def row(what, value, peer, reference, target):
        rows.append(
            {"what": what, "us": value, "peer": peer, "peer_us": reference, "ratio": value / reference, "target": target}
        )

    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as name:
        folder = Path(name)
        keys_dir = folder / "keys"
        keys_dir.mkdir()
        (keys_dir / "orchestrator.pem").write_text(PUBLIC_PEM)
        say(f"signing {live_count + 8000:,} tokens")
        signed = tokens(PRIVATE_PEM, live_count + 8000)
        fresh, live = signed[:8000], signed[8000:]
        p = python_tokens(str(keys_dir), folder, fresh)
        row("verify a request, Python native", p["python native: verify"], "PyJWT decode", p["PyJWT: decode"], 0.9)
        row("sign a request, Python [fast]", p["python fast: sign"], "PyJWT encode", p["PyJWT: encode"], 1.1)
        for label, prefill, targets in (("no", [], (1 / 3, 2 / 3)), (f"{live_count:,}", live, (1 / 20, 1 / 20))):
            added = flask_requests(str(keys_dir), folder, fresh, prefill)
            reference = added.pop("flask + rotagent")
            for (what, value), target in zip(added.items(), targets, strict=True):
                row(f"{what}, {label} live jtis", value, "rotagent", reference, target)
    n = node()
    verify, core, sign = (n[f"node wasm, {kind}"] for kind in ("host RSA: verify", "core RSA: verify", "host RSA: sign"))
    row("verify a request, Node WASM", verify, "jose jwtVerify", n["jose: jwtVerify"], 0.5)
    row("verify a request, Node WASM", verify, "fast-jwt", n["fast-jwt: verify, uncached"], 1.5)
    row("verify a request, Node WASM", verify, "jsonwebtoken", n["jsonwebtoken: verify"], None)
    row("sign a request, Node WASM", sign, "jose", n["jose: sign"], 1.1)
    row("sign a request, Node WASM", sign, "jsonwebtoken", n["jsonwebtoken: sign"], None)
    row("verify, Node WASM, RSA in the core", core, "jose jwtVerify", n["jose: jwtVerify"], 2.0)
    module = (ROOT / "build/wasm/tallystick.wasm").read_bytes()
    sizes = {
        "WASM module, gzipped": (len(gzip.compress(module, 9)) / 1e6, "MB", 1.8),
        "WASM module ready in Node": (n["node wasm: ready"] / 1000, "ms", 100),
        "replay window, for each live jti": (window(), "bytes", 100),
    }
    return rows, sizes


def show(rows, sizes):
    print(f"{'what':40} {'us':>9}   {'against':16} {'us':>9} {'ratio':>7}  target")
    for r in rows:
        target = "" if r["target"] is None else f"<= {r['target']:.2f} {'ok' if r['ratio'] <= r['target'] else 'MISSED'}"
        print(f"{r['what']:40} {r['us']:9.1f}   {r['peer']:16} {r['peer_us']:9.1f} {r['ratio']:7.2f}  {target}")
    for what, (value, unit, target) in sizes.items():
        print(f"{what:40} {value:9.2f} {unit:5} <= {target} {'ok' if value <= target else 'MISSED'}")


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--live", type=int, default=LIVE, help="live jtis of the second Flask run (default %(default)s)")
    options = parser.parse_args()
    rows, sizes = measure(options.live)
    if options.json:
        print(json.dumps({"rows": rows, "sizes": sizes}, indent=2))
        return
    print(f"PyJWT {version('PyJWT')}, rotagent {version('rotagent')}, cryptography {version('cryptography')}, Python {sys.version.split()[0]}")
    show(rows, sizes)


if __name__ == "__main__":
    main()
