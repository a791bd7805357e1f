"""Asks PyJWT, joserfc and fnmatch, for package peers.

The exchange is the one of conformance/DRIVERS.md: one JSON object a line, until
standard input is closed. The operation is "peer.task", the request a question
and the answer a reply of package peers (question.go).
"""

import base64
import fnmatch
import functools
import importlib.metadata
import json
import sys
import warnings
from typing import Any

import joserfc.jwk
import joserfc.jws
import joserfc.jwt
import jwt
import time_machine
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm

# What reads a key for an algorithm.
PYJWT_READERS: dict[str, Any] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "EdDSA": OKPAlgorithm(),
}
JOSERFC_READERS: dict[str, Any] = {
    "RS256": joserfc.jwk.RSAKey,
    "PS256": joserfc.jwk.RSAKey,
    "ES256": joserfc.jwk.ECKey,
    "EdDSA": joserfc.jwk.OKPKey,
}


def is_jwk(text: str) -> bool:
    return text.lstrip().startswith("{")


def to_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def to_base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


# Reading a private key takes most of the time of a signature.
@functools.lru_cache(maxsize=64)
def pyjwt_key(text: str, alg: str) -> Any:
    if is_jwk(text):
        return jwt.PyJWK.from_json(text, alg)
    return PYJWT_READERS[alg].prepare_key(text)


@functools.lru_cache(maxsize=64)
def joserfc_key(text: str, alg: str) -> Any:
    return JOSERFC_READERS[alg].import_key(json.loads(text) if is_jwk(text) else text)


class PyJWT:
    def jws_verify(self, q: dict[str, Any]) -> dict[str, Any]:
        got = jwt.PyJWS().decode_complete(q["token"], pyjwt_key(q["key"], q["alg"]), q["allowed"])
        return {"header": to_json(got["header"]), "payload": to_base64(got["payload"])}

    def jwt_verify(self, q: dict[str, Any]) -> dict[str, Any]:
        options: Any = {"require": q.get("required", [])}
        # PyJWT takes no time, so that of the process stands still meanwhile.
        with time_machine.travel(q["now"], tick=False):
            got = jwt.decode_complete(
                q["token"],
                pyjwt_key(q["key"], q["alg"]),
                q["allowed"],
                options=options,
                audience=q.get("audience"),
                issuer=q.get("issuer"),
                leeway=q["leeway"],
            )
        return {"header": to_json(got["header"]), "claims": to_json(got["payload"])}

    def jws_sign(self, q: dict[str, Any]) -> dict[str, Any]:
        headers = json.loads(q["header"])
        payload = base64.b64decode(q["payload"])
        return {
            "token": jwt.PyJWS().encode(
                payload, pyjwt_key(q["key"], q["alg"]), q["alg"], headers=headers
            )
        }

    def key_import(self, q: dict[str, Any]) -> dict[str, Any]:
        pyjwt_key(q["key"], q["alg"])
        return {}


class Joserfc:
    def jws_verify(self, q: dict[str, Any]) -> dict[str, Any]:
        got = joserfc.jws.deserialize_compact(
            q["token"], joserfc_key(q["key"], q["alg"]), q["allowed"]
        )
        return {"header": to_json(got.headers()), "payload": to_base64(got.payload)}

    def jwt_verify(self, q: dict[str, Any]) -> dict[str, Any]:
        got = joserfc.jwt.decode(q["token"], joserfc_key(q["key"], q["alg"]), q["allowed"])
        options: dict[str, Any] = {name: {"essential": True} for name in q.get("required", [])}
        if "issuer" in q:
            options["iss"] = {"essential": True, "value": q["issuer"]}
        if "audience" in q:
            options["aud"] = {"essential": True, "values": q["audience"]}
        joserfc.jwt.JWTClaimsRegistry(now=q["now"], leeway=q["leeway"], **options).validate(
            got.claims
        )
        return {"header": to_json(got.header), "claims": to_json(got.claims)}

    def jws_sign(self, q: dict[str, Any]) -> dict[str, Any]:
        header = json.loads(q["header"])
        payload = base64.b64decode(q["payload"])
        return {
            "token": joserfc.jws.serialize_compact(
                header, payload, joserfc_key(q["key"], q["alg"]), [q["alg"]]
            )
        }

    def key_import(self, q: dict[str, Any]) -> dict[str, Any]:
        joserfc_key(q["key"], q["alg"])
        return {}

    def key_thumbprint(self, q: dict[str, Any]) -> dict[str, Any]:
        return {"thumbprint": joserfc_key(q["key"], q["alg"]).thumbprint()}


class Fnmatch:
    def glob_match(self, q: dict[str, Any]) -> dict[str, Any]:
        return {"match": fnmatch.fnmatchcase(q["scope"], q["pattern"])}


PEERS = {"PyJWT": PyJWT(), "joserfc": Joserfc(), "fnmatch": Fnmatch()}


def versions() -> dict[str, str]:
    found = {
        name: importlib.metadata.version(name) for name in ("PyJWT", "joserfc", "cryptography")
    }
    behind = f" (cryptography {found['cryptography']})"
    return {
        "PyJWT": found["PyJWT"] + behind,
        "joserfc": found["joserfc"] + behind,
        "fnmatch": "standard library",
    }


def ask(operation: str, question: dict[str, Any]) -> dict[str, Any]:
    peer, task = operation.split(".", 1)
    method = getattr(PEERS[peer], task.replace(".", "_"))
    try:
        return {"accepted": method(question)}
    except Exception as refusal:
        return {"refused": f"{type(refusal).__name__}: {refusal}"[:300]}


def main() -> None:
    warnings.simplefilter("ignore")  # of key lengths: the answer is what counts
    for line in sys.stdin:
        asked = json.loads(line)
        question = json.loads(base64.b64decode(asked["request"]))
        answer = versions() if asked["op"] == "versions" else ask(asked["op"], question)
        print(
            json.dumps({"id": asked["id"], "answer": to_base64(to_json(answer).encode())}),
            flush=True,
        )


if __name__ == "__main__":
    main()
