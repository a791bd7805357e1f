"""The examples of the pages in docs/ are what the core says."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tallystick import KeyManager, TokenExpiredError
from tallystick._core.core import call_json
from tallystick._core.loading import load_core

DOCS = Path(__file__).parents[2] / "docs"
PROTOCOL = (DOCS / "explanation" / "protocol.md").read_text()
ABI = (DOCS / "reference" / "abi.md").read_text()
ERRORS = (DOCS / "reference" / "errors.md").read_text()
NOW = 1700000000
PRIVATE, PUBLIC = KeyManager.generate_rsa_keypair()
OTHER, _ = KeyManager.generate_rsa_keypair()


def section(page: str, heading: str) -> str:
    found = re.search(rf"(?ms)^#+ {re.escape(heading)}$.*?(?=^##|\Z)", page)
    assert found, heading
    return found[0]


def blocks(page: str, heading: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^ *```{language}\n(.*?)^ *```$", section(page, heading))


def call(operation: str, body: bytes = b"", **request: Any) -> dict[str, Any]:
    return call_json(load_core(), operation, request, body)


def sign(body: bytes, **request: Any) -> str:
    signed = call("request.sign", body, private_key=PRIVATE, **request)
    authorization: str = signed["authorization"]
    return authorization.removeprefix("Bearer ")


def payload(token: str, **instead: Any) -> list[tuple[str, Any]]:
    """The claims of a token in their order."""
    text = token.split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return list({**said, **instead}.items())


def test_a_signed_request() -> None:
    heading = "The claims of a signed request"
    (request,) = blocks(PROTOCOL, heading, "http")
    (claims,) = blocks(PROTOCOL, heading, "json")
    line, host, _, body = request.rstrip("\n").split("\n")
    method, path, _ = line.split(" ")
    url = f"https://{host.removeprefix('Host: ')}{path}"
    facts = {"now": NOW, "method": method, "url": url, "jti": json.loads(claims)["jti"]}
    token = sign(body.encode(), issuer="my_orchestrator", **facts)
    assert payload(token) == list(json.loads(claims).items())


def test_an_access_token() -> None:
    (claims,) = blocks(PROTOCOL, "The claims of an access token", "json")
    said = json.loads(claims)
    form = {
        "grant_type": "client_credentials",
        "target": "@bob",
        "client_id": said["sub"],
    }
    secret = call("client.secret")
    form["client_secret"] = secret["secret"]
    client = {
        "client_id": said["sub"],
        "secret_hash": secret["secret_hash"],
        "scopes": ["read"],
    }
    engine = call(
        "engine.open",
        access={
            "role": "authority",
            "base_url": said["iss"],
            "ring": call("ring.update", now=NOW, lifetime=300, fresh=[PRIVATE, OTHER])["ring"],
            "clients": [{**client, "namespaces": ["production"]}],
        },
    )["engine"]
    facts = {"now": NOW, "method": "POST", "path": "/auth/token"}
    facts["content_type"] = "application/x-www-form-urlencoded"
    served = call("access.serve", urlencode(form).encode(), engine=engine, **facts)["response"]
    token = json.loads(served["body"])["access_token"]
    assert payload(token, jti=said["jti"]) == list(said.items())


def test_a_response() -> None:
    (body,) = blocks(PROTOCOL, "The response", "json")
    (challenge,) = blocks(PROTOCOL, "The response", "http")
    facts = {"method": "GET", "url": "https://agent.example/"}
    token = sign(b"", issuer="me", now=NOW, **facts)
    engine = call("engine.open", verifier={"keys": {"me": PUBLIC}})["engine"]
    request = {"method": "GET", "path": "/", "authorization": [f"Bearer {token}"]}
    with pytest.raises(TokenExpiredError) as refusal:
        call("request.verify", b"", engine=engine, now=NOW + 3600, **request)
    response = refusal.value.response
    assert response
    assert json.loads(response.body) == json.loads(body)
    assert f"WWW-Authenticate: {response.headers['www-authenticate']}\n" == challenge
    assert blocks(ERRORS, "What a caller of an agent sees", "json") == [body]


def test_scope_patterns() -> None:
    table = re.findall(r"(?m)^\|(.*)\|(.*)\|(.*)\|$", section(PROTOCOL, "4. Scopes"))[2:]
    assert len(table) == 4
    for row in table:
        (pattern,), matches, others = (re.findall(r"`([^`]*)`", cell) for cell in row)
        for scope in [*matches, *others]:
            matched = call("scope.match", pattern=pattern, scope=scope)["match"]
            assert matched is (scope in matches), (pattern, scope)


def test_a_call() -> None:
    request, answer = blocks(ABI, "The call", "json")
    assert {"ok": call("scope.match", **json.loads(request))} == json.loads(answer)


def test_the_example_of_the_errors(tmp_path: Path) -> None:
    heading = "What a user of the library sees"
    (code,), (output,) = (
        blocks(ERRORS, heading, "python"),
        blocks(ERRORS, heading, "text"),
    )
    (tmp_path / "authorized_keys").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == output, done.stderr
