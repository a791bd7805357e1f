"""Sends one process tokens of 10,000 issuers and prints what its key cache holds, as JSON.

The native core's operations are called directly, with a host that answers each fetch from
memory: so nothing but the core grows.
"""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

from tallystick._core.core import call_json
from tallystick._core.loading import load_core

AGENT = "https://bob.example/agents/bob"
ISSUERS = 10_000
FULL = 2_000  # issuers after which the cache has long been full

core = load_core("native")


def call(operation: str, body: bytes = b"", **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(core.call(operation, json.dumps(request).encode(), body))
    if "error" in answer:
        raise SystemExit(f"bench: {operation}: {answer['error']}")
    return answer


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(issuer: str, kid: str, now: int) -> str:
    """A token whose signature the host is asked about: it says that every one is good."""
    header = {"alg": "RS256", "typ": "JWT", "kid": kid}
    claims = {"iss": issuer, "sub": "bot", "aud": AGENT, "iat": now, "nbf": now, "exp": now + 300}
    claims |= {
        "jti": "0" * 32,
        "scope": "read",
        "client_id": "bot",
        "token_type": "Bearer",
        "agent_path": "",
    }
    parts = [base64url(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, base64url(bytes(256))])


def accept(engine: int, issuer: str, keys: bytes, kid: str, now: int) -> None:
    answer = call("access.verify", engine=engine, now=now, token=token(issuer, kid, now))
    fetched = 0
    while "need" in answer:
        turn = {"engine": engine, "ticket": answer["ticket"], "now": now}
        if answer["need"]["kind"] == "check":
            answer = call("engine.resume", valid=True, **turn)
        elif answer["need"]["url"].endswith("jwks.json"):
            fetched += 1
            answer = call(
                "engine.resume",
                keys,
                status=200,
                headers={"content-type": "application/json"},
                **turn,
            )
        else:
            answer = call("engine.resume", status=404, headers={}, **turn)
    if fetched != 1 or answer["ok"]["issuer"] != issuer:
        raise SystemExit(
            f"bench: the token of {issuer} was not verified with fetched keys: {answer}"
        )


def peak() -> float:
    """Megabytes that this process has held at most so far.

    From Linux's own page: getrusage's figure goes on from whoever started the process.
    """
    status = Path("/proc/self/status").read_text()
    [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) / 1024


def main() -> None:
    key = call_json(core, "key.generate", {})
    jwk = {**key["public_jwk"], "kid": key["kid"], "use": "sig", "alg": "RS256"}
    keys = json.dumps({"keys": [jwk]}).encode()
    access = {"authority": "https://portal.example", "base_url": AGENT, "rsa": "host"}
    engine = call("engine.open", access=access)["ok"]["engine"]
    now = int(time.time())
    empty = peak()
    held = {}
    started = time.perf_counter()
    for n in range(ISSUERS):
        if n == FULL:
            held["full"] = peak()
        accept(engine, f"https://agents-{n}.example", keys, key["kid"], now)
    microseconds = (time.perf_counter() - started) / ISSUERS * 1e6
    cached = call("engine.stats", engine=engine)["ok"]["access"]["issuers"]["cached"]
    growth = peak() - held["full"]
    print(
        json.dumps(
            {
                "cached": cached,
                "filled": held["full"] - empty,
                "growth": growth,
                "microseconds": microseconds,
            }
        )
    )


if __name__ == "__main__":
    main()
