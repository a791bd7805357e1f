"""Access tokens in Python, against PyJWT."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from tallystick import AuthSkill, KeyManager
from timing import ROUNDS, race

AGENT = "https://bob.example/agents/bob"
FRESH = 300  # new tokens in each round


class Quiet(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def issuing(folder: str) -> Iterator[AuthSkill]:
    """Yield an agent that issues its own tokens; its key set is served over HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = "http://127.0.0.1:{1}".format(*listener.getsockname())
        with AuthSkill(
            base_url=f"{url}/alice",
            keys_dir=folder,
            token_ttl=3600,
            store="memory:",
            backend="native",
        ) as skill:
            app = Flask("alice")
            app.register_blueprint(skill.blueprint(), url_prefix="/alice")
            server = make_server("127.0.0.1", 0, app, fd=listener.fileno(), request_handler=Quiet)
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield skill
            finally:
                server.shutdown()
                thread.join()
                server.server_close()


def loaded_key(skill: AuthSkill, token: str) -> Any:
    """The key that PyJWT needs for a token, from the set that is published."""
    served = skill.serve("GET", "/.well-known/jwks.json")
    assert served
    keys = jwt.PyJWKSet.from_dict(json.loads(served.body))
    return keys[jwt.get_unverified_header(token)["kid"]].key


def encoder(issuer: str) -> Callable[[int], None]:
    private = load_pem_private_key(KeyManager.generate_rsa_keypair()[0].encode(), None)
    assert isinstance(private, RSAPrivateKey)

    def encode(n: int) -> None:
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": "alice",
            "aud": AGENT,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
        }
        claims |= {
            "jti": os.urandom(16).hex(),
            "scope": "read",
            "client_id": "alice",
            "token_type": "Bearer",
        }
        jwt.encode({**claims, "agent_path": ""}, private, "RS256", headers={"kid": "1"})

    return encode


def measure(folder: str) -> dict[str, float]:
    """Return the best microseconds of each contestant; keys go into the folder."""
    with (
        issuing(folder) as alice,
        AuthSkill(
            base_url=AGENT, keys_dir=folder, dev_mode=True, store="memory:", backend="native"
        ) as bob,
    ):
        token = alice.generate_token(AGENT, ["read"])
        header = [f"Bearer {token}"]

        def verify(authorization: list[str]) -> None:
            bob.verify(authorization, method="GET", path="/chat")

        verify(header)  # fetches the key set
        key = loaded_key(alice, token)
        issuer = alice.issuer

        def decode(n: int) -> None:
            jwt.decode(token, key, ["RS256"], audience=AGENT, issuer=issuer)

        fresh = [[f"Bearer {alice.generate_token(AGENT, ['read'])}"] for _ in range(FRESH * ROUNDS)]
        return race(
            {
                "reused": (1000, lambda n: verify(header)),
                "PyJWT: decode": (1000, decode),
                "new": (FRESH, lambda n: verify(fresh[n])),
                "issue": (100, lambda n: alice.generate_token(AGENT, ["read"])),
                "PyJWT: encode": (100, encoder(alice.issuer)),
            }
        )
