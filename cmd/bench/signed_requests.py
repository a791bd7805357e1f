"""Signed requests in Python, against PyJWT and rotagent."""

import hashlib
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from flask import Flask
from rotagent import AgentAuth as RotagentAuth
from werkzeug.test import EnvironBuilder

from tallystick import AgentAuth, KeyManager, OrchestratorClient
from timing import Report, race, say

BODY = b"tally " * 170 + b"sign"  # 1 KiB, the same in the processes that sign
URL = "http://127.0.0.1:5001/agent"
REQUESTS = 150  # of each contestant in each round


def sign_many(private_pem: str, count: int) -> list[str]:
    client = OrchestratorClient("orchestrator", private_pem, ttl=3600)
    return [client.sign("POST", URL, BODY)["Authorization"] for _ in range(count)]


def tokens(private_pem: str, count: int) -> list[str]:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        parts = pool.starmap(sign_many, [(private_pem, 1000)] * (count // 1000))
    return [token for part in parts for token in part]


def discard(_: bytes) -> None:
    """Write no output: what WSGI wants to be returned, and no application here calls."""


def application(auth: AgentAuth | RotagentAuth | None) -> Callable[[str | None], None]:
    """A Flask application of one view, guarded where auth is given."""
    app = Flask("bench")

    def view() -> str:
        return "ok"

    app.add_url_rule("/agent", "agent", auth.require_auth(view) if auth else view, methods=["POST"])
    environ = EnvironBuilder(
        path="/agent", method="POST", base_url="http://127.0.0.1:5001"
    ).get_environ()

    def call(token: str | None) -> None:
        statuses: list[str] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: object = None
        ) -> Callable[[bytes], object]:
            statuses.append(status)
            return discard

        request = {**environ, "wsgi.input": io.BytesIO(BODY), "CONTENT_LENGTH": str(len(BODY))}
        if token:
            request["HTTP_AUTHORIZATION"] = token
        answer = app(request, start_response)
        b"".join(answer)
        if statuses != ["200 OK"]:
            raise SystemExit(f"bench: a request was refused: {statuses} {answer}")

    return call


def python_tokens(
    keys_dir: str, private_pem: str, public_pem: str, fresh: Sequence[str]
) -> dict[str, float]:
    private = load_pem_private_key(private_pem.encode(), None)
    public = load_pem_public_key(public_pem.encode())
    assert isinstance(private, RSAPrivateKey)
    assert isinstance(public, RSAPublicKey)
    auth = AgentAuth(keys_dir, store="memory:", dev_mode=False)
    client = OrchestratorClient("orchestrator", private_pem)
    digest = hashlib.sha256(BODY).hexdigest()

    def verify(n: int) -> None:
        auth.verify([fresh[n]], method="POST", path="/agent", body=BODY)

    def encode(n: int) -> None:
        now = int(time.time())
        claims = {"iss": "orchestrator", "iat": now, "exp": now + 60, "jti": os.urandom(16).hex()}
        jwt.encode(
            {**claims, "content_sha256": digest, "htm": "POST", "htu": URL}, private, "RS256"
        )

    return race(
        {
            "python native: verify": (1000, verify),
            "PyJWT: decode": (1000, lambda n: jwt.decode(fresh[n][7:], public, ["RS256"])),
            "python fast: sign": (100, lambda n: client.sign("POST", URL, BODY)),
            "PyJWT: encode": (100, encode),
        }
    )


def flask_requests(
    keys_dir: str, folder: Path, fresh: Sequence[str], live: Sequence[str]
) -> dict[str, float]:
    """Return what each adds to a Flask request, with few or with 100,000 live jtis."""
    with redirect_stdout(io.StringIO()):
        rotagent = RotagentAuth(keys_dir, dev_mode=False)
    ours = {
        "flask + memory": AgentAuth(keys_dir, store="memory:", dev_mode=False),
        "flask + SQLite": AgentAuth(
            keys_dir, store=f"sqlite://{folder}/{len(live)}.sqlite3", dev_mode=False
        ),
    }
    calls = {name: application(auth) for name, auth in ours.items()}
    for name, call in calls.items():
        say(f"{name}: {len(live):,} live jtis")
        for token in live:
            call(token)
    rotagent.replay_cache.update({f"{n:032x}": time.time() + 3600 for n in range(len(live))})
    calls["flask + rotagent"] = application(rotagent)
    bare = application(None)
    contestants = {
        name: (REQUESTS, lambda n, call=call: call(fresh[n])) for name, call in calls.items()
    }
    best = race({"flask alone": (REQUESTS, lambda n: bare(None)), **contestants})
    return {name: best[name] - best["flask alone"] for name in calls}


def measure(live_count: int, row: Report) -> None:
    private_pem, public_pem = KeyManager.generate_rsa_keypair()
    with tempfile.TemporaryDirectory(prefix="tallystick-bench-") as name:
        folder = Path(name)
        keys_dir = folder / "keys"
        keys_dir.mkdir()
        (keys_dir / "orchestrator.pem").write_text(public_pem)
        say(f"signing {live_count + 8000:,} tokens")
        signed = tokens(private_pem, live_count + 8000)
        fresh, live = signed[:8000], signed[8000:]
        p = python_tokens(str(keys_dir), private_pem, public_pem, fresh)
        row(
            "verify a request, Python native",
            p["python native: verify"],
            "PyJWT decode",
            p["PyJWT: decode"],
            0.9,
        )
        row(
            "sign a request, Python [fast]",
            p["python fast: sign"],
            "PyJWT encode",
            p["PyJWT: encode"],
            1.1,
        )
        for label, prefill, targets in (
            ("no", [], (1 / 3, 2 / 3)),
            (f"{live_count:,}", live, (1 / 20, 1 / 20)),
        ):
            added = flask_requests(str(keys_dir), folder, fresh, prefill)
            reference = added.pop("flask + rotagent")
            for (what, value), target in zip(added.items(), targets, strict=True):
                row(f"{what}, {label} live jtis", value, "rotagent", reference, target)
