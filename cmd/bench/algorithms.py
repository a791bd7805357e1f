"""Signed requests with ES256 and EdDSA in Python, against PyJWT."""

import hashlib
import os
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from signed_requests import BODY, URL
from tallystick import AgentAuth, KeyManager, OrchestratorClient
from timing import ROUNDS, Report, race, say

REQUESTS = 1000  # of each contestant in each round
ALGORITHMS = {"ES256": "ec", "EdDSA": "ed25519"}


def measure(row: Report) -> None:
    for algorithm, key_type in ALGORITHMS.items():
        say(algorithm)
        best = contest(algorithm, key_type)
        row(f"verify {algorithm}, Python", best["verify"], "PyJWT decode", best["decode"], 1.1)
        row(f"sign {algorithm}, Python", best["sign"], "PyJWT encode", best["encode"], None)


def contest(algorithm: str, key_type: str) -> dict[str, float]:
    private_pem, public_pem = KeyManager.generate_key_pair(key_type)
    private = load_pem_private_key(private_pem.encode(), None)
    public = load_pem_public_key(public_pem.encode())
    assert isinstance(private, EllipticCurvePrivateKey | Ed25519PrivateKey)
    assert isinstance(public, EllipticCurvePublicKey | Ed25519PublicKey)
    auth = AgentAuth(keys={"orchestrator": public_pem}, store="memory:", dev_mode=False)
    client = OrchestratorClient("orchestrator", private_pem, ttl=3600)
    tokens = [client.sign("POST", URL, BODY)["Authorization"] for _ in range(REQUESTS * ROUNDS)]
    digest = hashlib.sha256(BODY).hexdigest()

    def encode(_: int) -> None:
        now = int(time.time())
        claims = {"iss": "orchestrator", "iat": now, "exp": now + 60, "jti": os.urandom(16).hex()}
        jwt.encode(
            {**claims, "content_sha256": digest, "htm": "POST", "htu": URL}, private, algorithm
        )

    def verify(n: int) -> None:
        auth.verify([tokens[n]], method="POST", path="/agent", body=BODY)

    return race(
        {
            "verify": (REQUESTS, verify),
            "decode": (REQUESTS, lambda n: jwt.decode(tokens[n][7:], public, [algorithm])),
            "sign": (REQUESTS, lambda n: client.sign("POST", URL, BODY)),
            "encode": (REQUESTS, encode),
        }
    )
