"""An authority and the agents of its portal."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agents import agent, authority
from servers import Handler, serving
from support import APPS, DEADLINE, KeyPair, gunicorn, in_child, newest
from tallystick import (
    Authority,
    AuthSkill,
    InvalidArgumentError,
    InvalidConfigError,
    KeysUnavailableError,
    RegisteredClient,
    TallystickError,
    TokenRefusedError,
    TokenUnavailableError,
    UnknownIssuerError,
    new_client_secret,
)
from tallystick._files import watched_text
from test_access_gunicorn import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Site

pytestmark = pytest.mark.medium

Portal = tuple[Authority, "Site"]


@pytest.fixture
def portal(tmp_path: Path, backend: str) -> Iterator[Portal]:
    with authority(tmp_path, backend=backend) as found:
        yield found


def registered(endpoint: Authority, site: Site, backend: str) -> AuthSkill:
    return member(
        site, "alice", endpoint.register_client("alice", scopes=["read"]).client_secret, backend
    )


def member(site: Site, name: str, secret: str | None, backend: str, **options: Any) -> AuthSkill:
    options = {"authority": site.url, "agent_id": name, "client_secret": secret, **options}
    given = {name: value for name, value in options.items() if value is not None}
    return AuthSkill(given, backend=backend, dev_mode=True)


def test_agents_of_a_portal(portal: Portal, backend: str) -> None:
    endpoint, site = portal
    secret = endpoint.register_client(
        "alice", scopes=["read", "tools:*"], namespaces=["production"], trust=["verified"]
    ).client_secret
    bobs = endpoint.register_client("bob", scopes=["read"]).client_secret
    allowed = ["read", "tools:*", "namespace:*"]
    alice = member(site, "alice", secret, backend)
    bob = member(site, "bob", bobs, backend, allowed_scopes=allowed)
    assert (alice.mode, alice.issuer) == ("portal", site.url)
    token = alice.generate_token("@bob", ["read", "tools:search"])
    found = bob.verify_token(token)
    assert (found.agent_id, found.name, found.issuer_type) == ("alice", "alice", "portal")
    assert found.scopes == ["read", "tools:search", "namespace:production"]
    assert found.has_namespace("production")
    assert found.trust_labels == ["verified"]
    assert found.agent_url == f"{site.url}/agents/alice"
    assert asyncio.run(alice.agenerate_token("bob", ["read"]))
    kept = alice.authorize("@bob", ["read"])["Authorization"]
    assert alice.authorize(f"{site.url}/agents/bob", ["read"])["Authorization"] == kept
    rotated = endpoint.rotate_keys()
    after = bob.verify_token(alice.generate_token("@bob", ["read"]))
    assert after.key_id == rotated["active"]
    assert bob.verify_token(token).key_id == rotated["retired"][0]


def test_a_portals_token_is_bound_to_its_request(portal: Portal, backend: str) -> None:
    endpoint, site = portal
    alice = member(
        site, "alice", endpoint.register_client("alice", scopes=["read"]).client_secret, backend
    )
    bob = member(site, "bob", None, backend, require_binding=True)
    url = f"{site.url}/agents/bob/x"
    request: dict[str, Any] = {"method": "POST", "path": "/x"}
    scopes = ["read"]
    header = alice.authorize("@bob", scopes, method="POST", url=url, body=b"{}", bind=True)[
        "Authorization"
    ]
    with pytest.raises(TallystickError):
        bob.verify([header], **request, body=b"[]")
    assert bob.verify([header], **request, body=b"{}").bound
    with pytest.raises(TallystickError) as unbound:
        bob.verify([alice.authorize("@bob", scopes)["Authorization"]], **request)
    assert unbound.value.response is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_secret": "wrong-wrong-wrong"}, "invalid_client"),
        ({"agent_id": "mallory"}, "invalid_client"),
        ({"client_id": "mallory"}, "invalid_client"),
    ],
)
def test_an_authority_says_no(
    portal: Portal, backend: str, change: dict[str, str], words: str
) -> None:
    endpoint, site = portal
    secret = endpoint.register_client("alice", scopes=["read"]).client_secret
    assert member(site, "alice", secret, backend).generate_token("@bob", ["read"])
    refused_member = member(site, "alice", secret, backend, **change)
    with pytest.raises(TokenRefusedError, match=words):
        refused_member.generate_token("@bob", ["read"])


def test_scopes_and_targets_that_a_client_may_not_have(portal: Portal, backend: str) -> None:
    endpoint, site = portal
    secret = endpoint.register_client("alice", scopes=["read"], targets=["@bob"]).client_secret
    alice = member(site, "alice", secret, backend)
    assert alice.generate_token("@bob", ["read"])
    with pytest.raises(TokenRefusedError, match="invalid_scope"):
        alice.generate_token("@bob", ["write"])
    with pytest.raises(TokenRefusedError, match="invalid_target"):
        alice.generate_token("@carol", ["read"])


def test_an_authority_that_is_down(tmp_path: Path, backend: str) -> None:
    with authority(tmp_path, backend=backend) as (endpoint, site):
        secret = endpoint.register_client("alice", scopes=["read"]).client_secret
        alice, bob = member(site, "alice", secret, backend), member(site, "bob", None, backend)
        token = alice.generate_token("@bob", ["read"])
        assert bob.verify_token(token)
        fresh = member(site, "bob", None, backend)
    # Keys that are known go on, and so does a token that is kept.
    assert bob.verify_token(token)
    with pytest.raises(KeysUnavailableError) as refused:
        fresh.verify_token(token)
    assert refused.value.response is not None
    assert refused.value.response.status == 503
    assert "retry-after" in refused.value.response.headers
    with pytest.raises(TokenUnavailableError):
        alice.generate_token("@bob", ["read"])


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[", b'{"access_token": "x"}'])
def test_an_authority_that_answers_nonsense(backend: str, body: bytes) -> None:
    with serving(lambda handler: handler.answer(body)) as site:
        alice = member(site, "alice", "0123456789abcdef", backend)
        with pytest.raises((TokenUnavailableError, TokenRefusedError)) as refused:
            alice.generate_token("@bob", ["read"])
        assert "0123456789abcdef" not in str(refused.value) + refused.value.log


def test_private_key_jwt(portal: Portal, keys: KeyPair, other_keys: KeyPair, backend: str) -> None:
    endpoint, site = portal
    assert (
        endpoint.register_client("alice", public_key=keys.public, scopes=["read"]).client_secret
        is None
    )
    alice = member(site, "alice", None, backend, client_key=keys.private)
    assert alice.generate_token("@bob", ["read"])
    assert asyncio.run(alice.agenerate_token("@bob", ["read"]))
    other = member(site, "alice", None, backend, client_key=other_keys.private)
    with pytest.raises(TokenRefusedError, match="invalid_client"):
        other.generate_token("@bob", ["read"])


def test_a_used_assertion_stays_used_when_the_window_is_lost(
    keys: KeyPair, tmp_path: Path, backend: str
) -> None:
    url = "https://portal.example"

    def answered(endpoint: Authority, **claims: Any) -> tuple[int, str]:
        now = int(time.time())
        fresh = {"iat": now, "exp": now + 60, "jti": uuid.uuid4().hex}
        names = {"iss": "alice", "sub": "alice", "aud": f"{url}/auth/token"}
        form = {
            "grant_type": "client_credentials",
            "target": "@bob",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode({**names, **fresh, **claims}, keys.private, "RS256"),
        }
        kind, body = "application/x-www-form-urlencoded", urlencode(form).encode()
        answer = endpoint.serve("POST", "/auth/token", content_type=kind, body=body)
        assert answer is not None
        return answer.status, json.loads(answer.body).get("error", "")

    with Authority(url, keys_dir=tmp_path, backend=backend, store="memory:") as endpoint:
        endpoint.register_client("alice", public_key=keys.public, scopes=["read"])
        until = int(time.time()) + 100
        used = {"jti": "used", "exp": until}
        assert answered(endpoint, **used) == (200, "")
        assert answered(endpoint, **used) == (401, "invalid_client")
        endpoint.close()  # what follows opens it again, with an empty window
        assert answered(endpoint, **used) == (503, "temporarily_unavailable")
        assert answered(endpoint, jti="new", exp=until) == (503, "temporarily_unavailable")
        assert answered(endpoint, exp=until + 100) == (200, "")


class Counting:
    """Passes requests on to a portal's server and counts those for tokens."""

    def __init__(self, behave: Any) -> None:
        self.behave = behave
        self.tokens = 0

    def __call__(self, handler: Handler) -> None:
        if handler.command == "POST":
            self.tokens += 1
            time.sleep(0.3)
        self.behave(handler)


def test_64_threads_and_64_tasks_get_one_token(tmp_path: Path, backend: str) -> None:
    from agents import Late

    late = Late()
    counting = Counting(late)
    with serving(counting) as site, Authority(site.url, keys_dir=tmp_path / "a") as endpoint:
        late.endpoint = endpoint
        secret = endpoint.register_client("alice", scopes=["read"]).client_secret
        alice = member(site, "alice", secret, backend)

        async def tasks() -> list[dict[str, str]]:
            wanted = (alice.aauthorize("@bob", ["read"]) for _ in range(64))
            return await asyncio.gather(*wanted)

        with ThreadPoolExecutor(65) as pool:
            loop = pool.submit(asyncio.run, tasks())
            threads = list(pool.map(lambda _: alice.authorize("@bob", ["read"]), range(64)))
            found = threads + loop.result(DEADLINE)
            assert len({each["Authorization"] for each in found}) == 1
        assert counting.tokens == 1


def test_a_client_is_judged_although_the_authority_was_closed(tmp_path: Path) -> None:
    endpoint = Authority("https://portal.example", keys_dir=tmp_path)
    endpoint.close()
    with pytest.raises(InvalidArgumentError, match=r"^scopes\[0\]: a scope pattern"):
        endpoint.register_client("alice", scopes=["re ad"])
    endpoint.close()
    endpoint.register_client("alice", scopes=["read"])
    assert [client.scopes for client in endpoint.list_clients()] == [["read"]]
    endpoint.close()


def test_a_client_registered_twice_has_the_new_secret(portal: Portal, backend: str) -> None:
    endpoint, site = portal
    old = endpoint.register_client("alice", scopes=["read"]).client_secret
    new = endpoint.register_client(
        "alice", scopes=["read"], secret="s3cret-s3cret-s3cret"
    ).client_secret
    assert new == "s3cret-s3cret-s3cret"
    with pytest.raises(TokenRefusedError):
        member(site, "alice", old, backend).generate_token("@bob", ["read"])
    assert member(site, "alice", new, backend).generate_token("@bob", ["read"])
    assert endpoint.remove_client("alice")
    assert not endpoint.remove_client("alice")
    with pytest.raises(TokenRefusedError):
        member(site, "alice", new, backend).generate_token("@bob", ["read"])


def test_replacing_a_client_is_logged(portal: Portal, caplog: pytest.LogCaptureFixture) -> None:
    endpoint, _ = portal
    caplog.set_level(logging.INFO, "tallystick")
    endpoint.register_client("alice")
    assert "replaced" not in caplog.text
    with pytest.raises(TallystickError):
        endpoint.register_client("alice", scopes=["a b"])
    assert "replaced" not in caplog.text
    secret = endpoint.register_client("alice").client_secret
    replaced = [entry for entry in caplog.records if "replaced" in entry.getMessage()]
    assert [entry.getMessage() for entry in replaced] == ["the client 'alice' is replaced"]
    assert replaced[0].levelno == logging.INFO
    assert str(secret) not in caplog.text


def test_the_file_of_clients(portal: Portal, tmp_path: Path) -> None:
    endpoint, _ = portal
    secret = endpoint.register_client("alice", scopes=["read"], trust=["verified"]).client_secret
    path = newest(tmp_path / "authority" / "clients.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret is not None
    assert secret not in path.read_text()
    entry = json.loads(path.read_text())["clients"][0]
    assert re.fullmatch(r"pbkdf2-sha256\$\d+\$[^$]+\$[^$]+", entry["secret_hash"])
    assert endpoint.list_clients() == [
        RegisteredClient(
            client_id="alice",
            scopes=["read"],
            namespaces=[],
            trust=["verified"],
            targets=None,
            authentication="secret",
        )
    ]
    assert repr(endpoint).startswith("<Authority 'http://")


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "short"},
        {"public_key": "no key"},
        {"scopes": ["a b"]},
        {"client_id": ""},
        {"client_id": "a\nb"},
        {"trust": ["a b"]},
    ],
)
def test_what_the_core_refuses_never_gets_into_the_file(
    portal: Portal, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    endpoint, _ = portal
    endpoint.register_client("alice", scopes=["read"])
    path = newest(tmp_path / "authority" / "clients.json")
    before = path.read_text()
    with pytest.raises(TallystickError):
        endpoint.register_client(**{"client_id": "bob", **wrong})
    assert path.read_text() == before
    assert endpoint.register_client("bob", scopes=["a:b"]).client_secret


def test_a_secret_and_a_key_at_once(portal: Portal, keys: KeyPair) -> None:
    with pytest.raises(InvalidArgumentError, match="not both"):
        portal[0].register_client("a", secret="0123456789abcdef", public_key=keys.public)


def test_several_processes_serve_one_authority(
    portal: Portal, tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 0)
    endpoint, site = portal
    with Authority(site.url, keys_dir=tmp_path / "authority", backend=backend) as other:
        secret = other.register_client("alice", scopes=["read"]).client_secret
    assert member(site, "alice", secret, backend).generate_token("@bob", ["read"])
    second = in_child(lambda: endpoint.register_client("bob", scopes=["read"]).client_secret)
    assert member(site, "bob", second, backend).generate_token("@bob", ["read"])
    assert [client.client_id for client in endpoint.list_clients()] == ["alice", "bob"]


def test_clients_stay_when_their_file_vanishes(
    portal: Portal,
    tmp_path: Path,
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 0)
    endpoint, site = portal
    folder = tmp_path / "authority"
    assert endpoint.remove_client("nobody") is False  # no document yet: none is gone
    secret = endpoint.register_client("alice", scopes=["read"]).client_secret
    aside = newest(folder / "clients.json").rename(tmp_path / "aside")
    alice = member(site, "alice", secret, backend)
    assert alice.generate_token("@bob", ["read"])
    assert alice.generate_token("@bob", ["read"])
    (line,) = [text for text in caplog.messages if "clients.json" in text]
    assert "is gone: put it back; what was read goes on" in line
    aside.rename(folder / "clients.json.1")
    assert endpoint.remove_client("alice")
    with pytest.raises(TokenRefusedError):
        alice.generate_token("@bob", ["read"])


def register_many(url: str, folder: str, number: int) -> None:
    with Authority(url, keys_dir=folder) as endpoint:
        for index in range(10):
            endpoint.register_client(f"client-{number}-{index}", scopes=["read"])


def test_no_registration_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = [("https://portal.example", str(tmp_path / "a"), number) for number in range(4)]
    processes = [context.Process(target=register_many, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLINE)
        assert process.exitcode == 0
    with Authority("https://portal.example", keys_dir=tmp_path / "a") as endpoint:
        assert len(endpoint.list_clients()) == 40


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"version":1,"clients": [1]}', '{"version":1,"clients":{}}', "{}"]
)
def test_a_damaged_file_of_clients(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "a"
    with Authority("https://portal.example", keys_dir=folder) as endpoint:
        endpoint.register_client("alice")
    newest(folder / "clients.json").write_text(text)
    with pytest.raises(InvalidConfigError, match=r"clients\.json is no list of clients"):
        Authority("https://portal.example", keys_dir=folder)


def test_pyjwt_reads_what_an_authority_writes(portal: Portal, backend: str) -> None:
    endpoint, site = portal
    alice = member(
        site, "alice", endpoint.register_client("alice", scopes=["read"]).client_secret, backend
    )
    token = alice.generate_token("@bob", ["read"])
    key = jwt.PyJWKClient(site.url + "/api/auth/jwks").get_signing_key_from_jwt(token).key
    claims = jwt.decode(token, key, ["RS256"], audience=f"{site.url}/agents/bob", issuer=site.url)
    assert claims["sub"] == claims["client_id"] == "alice"
    assert claims["aoauth"]["mode"] == "portal"


def test_an_agents_own_token_endpoint(tmp_path: Path, backend: str) -> None:
    with Authority("https://x.example", keys_dir=tmp_path / "a") as maker:
        secret = maker.register_client("carol").client_secret
        path = newest(tmp_path / "a" / "clients.json")
        client = {**json.loads(path.read_text())["clients"][0], "scopes": ["read"]}
    with agent(tmp_path, "bob", backend=backend, clients=[client]) as (bob, _):
        form = f"grant_type=client_credentials&client_id=carol&client_secret={secret}&scope=read"
        kind = "application/x-www-form-urlencoded"
        served = bob.serve("POST", "/auth/token", content_type=kind, body=form.encode())
        assert served is not None
        assert served.status == 200
        answer = json.loads(served.body)
        found = bob.verify_token(answer["access_token"])
        assert found.raw_claims["sub"] == "carol"
        assert found.raw_claims["aud"] == bob.base_url
        elsewhere = f"{form}&target=https://other.example/x".encode()
        refused = asyncio.run(bob.aserve("POST", "/auth/token", content_type=kind, body=elsewhere))
        assert refused is not None
        assert json.loads(refused.body)["error"] == "invalid_target"


def test_a_portals_agent_trusts_nobody_else_by_an_allow_list(portal: Portal, backend: str) -> None:
    _, site = portal
    bob = member(site, "bob", None, backend, allow=["@friend"])
    now = int(time.time())
    claims = {"iss": "https://evil.example", "sub": "friend", "aud": bob.base_url}
    private = KeyPairs.private()
    forged = jwt.encode({**claims, "iat": now, "exp": now + 60}, private, "RS256")
    with pytest.raises(UnknownIssuerError):
        bob.verify_token(forged)


class KeyPairs:
    @staticmethod
    def private() -> str:
        from tallystick import KeyManager

        return KeyManager.generate_rsa_keypair()[0]


def run(*arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tallystick.authority", *arguments],
        input=given,
        text=True,
        capture_output=True,
        timeout=DEADLINE,
        env={**os.environ, **environment},
        check=False,
    )


def test_the_command_line(tmp_path: Path) -> None:
    common = ["--issuer", "https://portal.example", "--keys-dir", str(tmp_path / "a"), "--json"]
    made = run("register", "alice", "--scope", "read", "--namespace", "prod", *common)
    assert (made.returncode, made.stderr) == (0, "")
    secret = json.loads(made.stdout)["client_secret"]
    assert len(secret) >= 32
    given = run("register", "bob", "--secret-from-stdin", *common, given="s3cret-s3cret-s3cret\n")
    assert json.loads(given.stdout) == {
        "client_id": "bob",
        "client_secret": None,
        "replaced": False,
    }
    listed = run("list", *common)
    assert [client["client_id"] for client in json.loads(listed.stdout)["clients"]] == [
        "alice",
        "bob",
    ]
    assert secret not in listed.stdout
    assert json.loads(run("remove", "bob", *common).stdout) == {"removed": True}
    gone = run("remove", "bob", *common)
    assert (gone.returncode, json.loads(gone.stdout)) == (1, {"removed": False})
    assert "bob is not registered" in gone.stderr
    told = run("remove", "bob", *common[:-1])
    assert (told.returncode, told.stdout) == (1, "")
    assert "bob is not registered" in told.stderr
    first = json.loads(run("rotate", *common).stdout)
    refused = run("rotate", *common)
    assert refused.returncode == 1
    assert "seconds" in refused.stderr
    assert json.loads(run("rotate", "--force", *common).stdout)["active"] == first["next"]
    told = run("list", *common[:-1])
    assert told.stdout == "alice: read\n"
    another = [*common[:2], "--keys-dir", str(tmp_path / "another"), "--json"]
    run("rotate", "--force", "--key-type", "ec", *another)
    run("rotate", "--force", *another)  # stays what its keys are
    ring = newest(tmp_path / "another" / "authority.ring.json")
    keys = json.loads(ring.read_text())["keys"]
    made_now = [load_pem_private_key(key["private_pem"].encode(), None) for key in keys]
    assert len(made_now) > 2
    assert all(isinstance(key, ec.EllipticCurvePrivateKey) for key in made_now)
    spoken = run("register", "carol", *common[:-1])
    assert spoken.stdout.startswith("carol is registered; its secret, which is shown this once")
    assert run("register", "carol", *common[:-1]).stdout.startswith("carol is replaced; its secret")
    by_environment = run(
        "list",
        "--json",
        TALLYSTICK_ISSUER="https://portal.example",
        TALLYSTICK_KEYS_DIR=str(tmp_path / "a"),
    )
    assert len(json.loads(by_environment.stdout)["clients"]) == 2


def test_a_secret_for_the_setting_clients(tmp_path: Path, backend: str) -> None:
    made = new_client_secret()
    assert len(made.secret) >= 32
    assert made.secret not in repr(made) + str(made)
    assert made.secret_hash not in repr(made)
    given = new_client_secret("s3cret-s3cret-s3cret")
    assert given.secret == "s3cret-s3cret-s3cret"
    with pytest.raises(InvalidArgumentError, match="16"):
        new_client_secret("short")
    with pytest.raises(InvalidArgumentError, match=r"^secret takes a text"):
        new_client_secret(b"s" * 20)  # type: ignore[arg-type]
    by_line = json.loads(run("secret", "--json").stdout)
    by_stdin = run("secret", "--secret-from-stdin", given="t4cret-t4cret-t4cret\n")
    assert "t4cret" not in by_stdin.stdout
    known = {
        "a": (made.secret, made.secret_hash),
        "b": (given.secret, given.secret_hash),
        "c": (by_line["client_secret"], by_line["secret_hash"]),
        "d": ("t4cret-t4cret-t4cret", by_stdin.stdout.strip().removeprefix("secret_hash: ")),
    }
    clients = [
        {"client_id": name, "secret_hash": found[1], "scopes": ["read"]}
        for name, found in known.items()
    ]
    with agent(tmp_path, "portal", backend=backend, clients=clients) as (endpoint, _):
        for name, (secret, _) in known.items():
            statuses = []
            for tried in (secret, secret + "x"):
                form = urlencode(
                    {"grant_type": "client_credentials", "resource": endpoint.base_url}
                )
                basic = base64.b64encode(f"{name}:{tried}".encode()).decode()
                served = endpoint.serve(
                    "POST",
                    "/auth/token",
                    authorization=f"Basic {basic}",
                    content_type="application/x-www-form-urlencoded",
                    body=form.encode(),
                )
                assert served is not None
                statuses.append(served.status)
            assert statuses == [200, 401]
    words = run("secret").stdout.splitlines()
    assert [line.partition(": ")[0] for line in words] == ["client_secret", "secret_hash"]


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    wrong = run("list", "--issuer", "no url at all", "--keys-dir", str(tmp_path / "a"))
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("python -m tallystick.authority: ")
    assert "Traceback" not in wrong.stderr
    assert run("list", "--keys-dir", str(tmp_path)).returncode == 2
    assert "serve" in run("--help").stdout
    missing = run(
        "register",
        "x",
        "--public-key",
        str(tmp_path / "none.pem"),
        "--issuer",
        "https://a.example",
        "--keys-dir",
        str(tmp_path / "a"),
    )
    assert (missing.returncode, "none.pem" in missing.stderr) == (1, True)
    assert "Traceback" not in missing.stderr


def test_the_development_server(tmp_path: Path) -> None:
    arguments = ["--issuer", "http://localhost", "--keys-dir", str(tmp_path / "a"), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tallystick.authority", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        where = json.loads(process.stdout.readline())
        assert where["host"] == "127.0.0.1"
        from http.client import HTTPConnection

        connection = HTTPConnection("127.0.0.1", where["port"], timeout=DEADLINE)
        connection.request("GET", "/api/auth/jwks")
        assert len(json.loads(connection.getresponse().read())["keys"]) == 2
        connection.close()
    finally:
        process.terminate()  # a background job of a shell ignores SIGINT
        _, said = process.communicate(timeout=DEADLINE)
    assert "development server" in said
    assert "gunicorn" in said
    assert "Traceback" not in said


def test_under_gunicorn(tmp_path: Path) -> None:
    folder = str(tmp_path / "a")
    with Authority("https://portal.example", keys_dir=folder) as endpoint:
        secret = endpoint.register_client("alice", scopes=["read"]).client_secret
    environment = {"TALLYSTICK_ISSUER": "https://portal.example", "TALLYSTICK_KEYS_DIR": folder}
    with gunicorn("authority_app", environment, "--preload", "--workers", "2") as server:
        form = f"grant_type=client_credentials&client_id=alice&client_secret={secret}&target=@bob"
        kind = "application/x-www-form-urlencoded"
        for path in ("/auth/token", "/api/auth/token"):
            got = ask(server, "POST", path, form.encode(), content_type=kind)
            assert got.status == 200
            assert got.json["token_type"] == "Bearer"
    assert (APPS / "authority_app.py").exists()


def test_secrets_are_derived_off_the_event_loop_while_others_are_served(
    tmp_path: Path, backend: str
) -> None:
    form = "grant_type=client_credentials&target=@bob&client_id=%s&client_secret=%s"
    kind = "application/x-www-form-urlencoded"
    with Authority("https://portal.example", keys_dir=tmp_path / "a", backend=backend) as endpoint:
        secret = endpoint.register_client("alice", scopes=["read"]).client_secret
        right = (form % ("alice", secret)).encode()
        first = endpoint.serve("POST", "/auth/token", content_type=kind, body=right)
        assert first is not None
        assert first.status == 200
        wrong = [(form % (name, "wrong-" * 4)).encode() for name in ("alice", "nobody")] * 40
        ended: list[int] = []

        async def attempt(body: bytes) -> None:
            served = await endpoint.aserve("POST", "/auth/token", content_type=kind, body=body)
            assert served is not None
            ended.append(served.status)

        async def attempts() -> list[int]:
            tasks = [asyncio.create_task(attempt(body)) for body in wrong]
            await asyncio.sleep(0)  # each gets as far as it comes without a thread
            document = await endpoint.aserve("GET", "/.well-known/jwks.json")
            assert document is not None
            assert document.status == 200
            waited = list(ended)
            await asyncio.gather(*tasks)
            return waited

        # 64 derivations at a time; those above are asked to come again.
        assert asyncio.run(attempts()) == [503] * 16
        assert sorted(ended) == [401] * 64 + [503] * 16
        again = endpoint.serve("POST", "/auth/token", content_type=kind, body=right)
        assert again is not None
        assert again.status == 200
