"""``AuthSkill`` in this process: tokens go out and come in, with both backends."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agents import agent, receiver
from servers import Handler, serving
from support import DEADLINE, KeyPair, in_child, newest
from tallystick import (
    AuthContext,
    AuthSkill,
    InsufficientScopeError,
    InvalidArgumentError,
    InvalidAudienceError,
    InvalidConfigError,
    IssuerDeniedError,
    KeysUnavailableError,
    MalformedTokenError,
    ReplayDetectedError,
    TallystickError,
    TokenExpiredError,
    TrustDeniedError,
    UnknownIssuerError,
    UnknownKeyError,
    WrongTargetError,
)
from tallystick._access.token_endpoint import engine_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

BOB = "https://bob.example/agents/bob"
PRIVATE = "BEGIN PRIVATE KEY"


@pytest.fixture
def alice(tmp_path: Path, backend: str) -> Iterator[AuthSkill]:
    with agent(tmp_path, "alice", backend=backend) as (skill, _):
        yield skill


@pytest.fixture
def bob(tmp_path: Path, backend: str) -> Iterator[AuthSkill]:
    with receiver(tmp_path, backend=backend) as skill:
        yield skill


def test_a_token_says_who_sent_it(alice: AuthSkill, bob: AuthSkill) -> None:
    before = time.time()
    token = alice.generate_token(BOB, ["read", "admin"])
    found = bob.verify_token(token)
    assert found.authenticated
    assert (found.agent_id, found.source_agent, found.client_id) == ("alice", "alice", "alice")
    assert (found.user_id, found.issuer, found.issuer_type) == (None, alice.issuer, "agent")
    # What it claims beyond what is allowed here is not granted.
    assert found.scopes == ["read"]
    assert found.has_scope("read")
    assert not found.has_scope("admin")
    assert found.namespaces == []
    assert not found.has_namespace("production")
    assert found.agent_url == alice.issuer
    assert found.name == alice.name
    assert found.trust_labels == []
    assert found.token_id
    assert found.issued_at is not None
    assert before - 1 <= found.issued_at <= time.time()
    assert found.expires_at == found.issued_at + 300
    assert found.key_id == alice.rotate_keys(force=True)["retired"][0]
    assert not found.bound
    assert found.raw_claims["aud"] == BOB
    assert "raw_claims" not in found.to_dict()
    assert found.to_dict()["scopes"] == ["read"]


def test_the_context_is_frozen_and_shows_no_token(alice: AuthSkill, bob: AuthSkill) -> None:
    token = alice.generate_token(BOB, extra_claims={"note": "n0te"})
    found = bob.verify_token(token)
    assert found == bob.verify_token(token)
    assert found.raw_claims["note"] == "n0te"
    for part in (token, token.split(".")[2], "n0te"):
        assert part not in repr(found)
    with pytest.raises(FrozenInstanceError):
        found.authenticated = False  # type: ignore[misc]


def test_every_form_of_the_verification_agrees(alice: AuthSkill, bob: AuthSkill) -> None:
    token = alice.generate_token(BOB)
    found = bob.verify_token(token)
    header = [f"bearer {token}"]
    assert bob.validate_token(token) == found
    assert bob.verify(header, method="GET", path="/x") == found

    async def others() -> list[AuthContext | None]:
        return [
            await bob.averify_token(token),
            await bob.avalidate_token(token),
            await bob.averify(header, method="GET", path="/x"),
        ]

    assert asyncio.run(others()) == [found] * 3


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "\ud800", "x" * 20_000])
def test_what_is_no_token(bob: AuthSkill, token: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(MalformedTokenError):
        bob.verify_token(token)
    assert bob.validate_token(token) is None
    assert asyncio.run(bob.avalidate_token(token)) is None
    assert "malformed_token" in caplog.text


def test_a_token_for_somebody_else(alice: AuthSkill, bob: AuthSkill) -> None:
    with pytest.raises(InvalidAudienceError):
        bob.verify_token(alice.generate_token("https://bob.example/agents/rob"))
    assert bob.verify_token(alice.generate_token(BOB))


def test_what_a_receiver_requires(alice: AuthSkill, bob: AuthSkill) -> None:
    header = [alice.authorize(BOB, ["read"])["Authorization"]]
    request: dict[str, Any] = {"method": "GET", "path": "/x"}
    assert bob.verify(header, **request, scopes=["read"])
    with pytest.raises(InsufficientScopeError) as refused:
        bob.verify(header, **request, scopes=["read", "write"])
    answer = refused.value.response
    assert answer is not None
    assert answer.status == 403
    assert 'scope="read write"' in answer.headers["www-authenticate"]
    with pytest.raises(TallystickError) as unbound:
        bob.verify(header, **request, bind=True)
    assert unbound.value.response is not None


def test_a_bound_token_is_for_one_request_and_once(alice: AuthSkill, bob: AuthSkill) -> None:
    request: dict[str, Any] = {"method": "POST", "path": "/x", "query": "a=1"}

    def sign(body: bytes = b"{}") -> list[str]:
        url = f"{BOB}/x?a=1"
        return [alice.authorize(BOB, method="POST", url=url, body=body, bind=True)["Authorization"]]

    header = sign()
    assert sign() != header
    with pytest.raises(TallystickError, match="body"):
        bob.verify(header, **request, body=b"[]")
    with pytest.raises(WrongTargetError):
        bob.verify(header, **{**request, "path": "/y"}, body=b"{}")
    assert bob.verify(header, **request, body=b"{}", bind=True).bound
    with pytest.raises(ReplayDetectedError):
        bob.verify(header, **request, body=b"{}")
    with pytest.raises(TallystickError):
        bob.verify_token(sign()[0].removeprefix("Bearer "))

    async def slowly() -> AuthContext:
        return await bob.averify(sign(), **request, body=b"{}")

    assert asyncio.run(slowly()).bound


def test_a_body_is_read_for_a_bound_token_alone(alice: AuthSkill, bob: AuthSkill) -> None:
    asked: list[int] = []

    def read(limit: int) -> Any:
        from tallystick.types import Body

        asked.append(limit)
        return Body(b"x")

    url = f"{BOB}/x"
    request: dict[str, Any] = {"method": "POST", "path": "/x", "body": read}
    bob.verify([alice.authorize(BOB)["Authorization"]], **request)
    assert asked == []
    bound = alice.authorize(BOB, method="POST", url=url, body="x", bind=True)["Authorization"]
    assert bob.verify([bound], **request).bound
    assert asked == [10 << 20]


def test_bind_needs_the_request(alice: AuthSkill) -> None:
    with pytest.raises(InvalidArgumentError, match="method and the URL"):
        alice.authorize(BOB, bind=True)
    with pytest.raises(InvalidArgumentError, match=r"json\.dumps"):
        alice.authorize(BOB, method="GET", url=BOB, body={}, bind=True)  # type: ignore[arg-type]


def test_a_token_is_kept_for_the_same_target_and_scopes(alice: AuthSkill) -> None:
    kept = alice.authorize(BOB, ["read"])
    assert alice.authorize(BOB, ["read"]) == kept
    assert asyncio.run(alice.aauthorize(BOB, ["read"])) == kept
    assert alice.authorize(BOB, ["write"]) != kept
    assert alice.authorize(BOB + "2", ["read"]) != kept
    assert alice.authorize(BOB, ["read"], reuse=False) != kept
    assert alice.generate_token(BOB, ["read"]) not in kept
    assert asyncio.run(alice.agenerate_token(BOB, ["read"])) not in kept


def test_scopes_are_a_list(alice: AuthSkill) -> None:
    for wrong in (alice.generate_token, alice.authorize):
        with pytest.raises(InvalidArgumentError, match="not one text"):
            wrong(BOB, "read")
    with pytest.raises(InvalidArgumentError, match="not one text"):
        alice.require_scopes  # noqa: B018
        alice.verify([], method="GET", path="/", scopes="read")


def test_talk_to_and_deny_and_allow(tmp_path: Path, backend: str) -> None:
    with agent(tmp_path, "carol", backend=backend, talk_to=[f"{BOB}"]) as (carol, site):
        with pytest.raises(TrustDeniedError):
            carol.generate_token("https://eve.example/agents/eve")
        token = carol.generate_token(BOB)
        with receiver(tmp_path, backend=backend, deny=[site.url]) as denying:
            with pytest.raises(IssuerDeniedError) as refused:
                denying.verify_token(token)
            assert refused.value.response is not None
            assert refused.value.response.status == 403
        with (
            receiver(tmp_path, backend=backend, allow=["https://a.example/**"]) as allowing,
            pytest.raises(UnknownIssuerError),
        ):
            allowing.verify_token(token)
        with receiver(tmp_path, backend=backend, allow=[site.url]) as allowing:
            assert allowing.verify_token(token).agent_id == "carol"
        with (
            receiver(tmp_path, backend=backend, accept_from=["nobody"]) as picky,
            pytest.raises(TrustDeniedError),
        ):
            picky.verify_token(token)


def test_an_expired_token(tmp_path: Path, backend: str) -> None:
    with (
        agent(tmp_path, "carol", backend=backend) as (carol, site),
        receiver(tmp_path, backend=backend, leeway=0) as bob,
    ):
        key = json.loads(newest(tmp_path / "carol" / "carol.ring.json").read_text())["keys"][0]
        private = load_pem_private_key(key["private_pem"].encode(), None)
        now = int(time.time())
        claims = {"iss": site.url, "sub": "carol", "aud": BOB, "iat": now - 9, "scope": "read"}
        claims["aoauth"] = {"mode": "self", "agent_url": site.url}

        def sign(expires: int) -> str:
            head = {"kid": key["kid"]}
            return jwt.encode({**claims, "exp": expires}, private, "RS256", headers=head)  # type: ignore[arg-type]

        with pytest.raises(TokenExpiredError):
            bob.verify_token(sign(now - 1))
        assert bob.verify_token(sign(now + 60)).agent_id == "carol"
        assert carol.issuer == site.url


def test_pyjwt_reads_what_we_write(alice: AuthSkill) -> None:
    token = alice.generate_token(BOB, ["read"])
    client = jwt.PyJWKClient(alice.base_url + "/.well-known/jwks.json")
    key = client.get_signing_key_from_jwt(token).key
    claims = jwt.decode(token, key, ["RS256"], audience=BOB, issuer=alice.issuer)
    assert claims["sub"] == "alice"
    assert claims["aoauth"] == {"mode": "self", "agent_url": alice.base_url}
    assert claims["token_type"] == "Bearer"
    assert set(claims) >= {"iat", "nbf", "exp", "jti", "scope", "client_id"}


def test_keys_that_are_given_are_not_fetched(tmp_path: Path, keys: KeyPair, backend: str) -> None:
    issuer = "https://static.example"
    now = int(time.time())
    claims = {"iss": issuer, "sub": "s", "aud": BOB, "iat": now, "exp": now + 60, "scope": "read"}
    token = jwt.encode(claims, keys.private, "RS256")
    with receiver(tmp_path, backend=backend, keys={issuer: keys.public}) as bob:
        assert bob.verify_token(token).issuer == issuer
    with receiver(tmp_path, backend=backend) as bob, pytest.raises(KeysUnavailableError):
        bob.verify_token(token)


def issued(issuer: str, keys: KeyPair, **header: Any) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "sub": "m", "aud": BOB, "iat": now, "exp": now + 60, "scope": "read"}
    claims["aoauth"] = {"mode": "self", "agent_url": issuer}
    return jwt.encode(claims, keys.private, "RS256", headers={"kid": "k1", **header})


def public_jwk(keys: KeyPair, **members: Any) -> dict[str, Any]:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    public: Any = load_pem_public_key(keys.public.encode())
    jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public))
    return {**jwk, "kid": "k1", "use": "sig", "alg": "RS256", **members}


EC_KEY = {"kty": "EC", "crv": "P-256", "kid": "k1", "x": "AA", "y": "AA"}
OCT_KEY = {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}


def documents(key_set: Any) -> Callable[[Handler], None]:
    """Serve this key set at the well-known address, and no discovery document."""

    def behave(handler: Handler) -> None:
        if handler.path != "/.well-known/jwks.json":
            return handler.answer(status=404)
        return handler.json(key_set)

    return behave


GOOD_SETS: list[Callable[[KeyPair], Any]] = [
    lambda keys: {"keys": [public_jwk(keys)]},
    lambda keys: {"keys": [EC_KEY, OCT_KEY, public_jwk(keys)]},
    lambda keys: {"keys": [public_jwk(keys), public_jwk(keys)]},
]


@pytest.mark.parametrize("key_set", GOOD_SETS)
def test_key_sets_of_strangers(
    tmp_path: Path, keys: KeyPair, key_set: Callable[[KeyPair], Any], backend: str
) -> None:
    with serving(documents(key_set(keys))) as site:
        bob = receiver(tmp_path, backend=backend)
        assert bob.verify_token(issued(site.url, keys)).issuer == site.url
        assert bob.verify_token(issued(site.url, keys)).issuer == site.url
        bob.close()
    assert [path for _, path in site.seen].count("/.well-known/jwks.json") == 1


def slow(handler: Handler) -> None:
    time.sleep(6)
    handler.answer(b"{}")


def huge(handler: Handler) -> None:
    handler.answer(b"[" + b" " * (300 << 10) + b"]")


def html(handler: Handler) -> None:
    handler.answer(b"<html>", content_type="text/html")


def redirect(handler: Handler) -> None:
    handler.answer(status=302, location="https://example.com/jwks.json")


BAD_SITES: list[tuple[Callable[[Handler], None], type[TallystickError]]] = [
    (slow, KeysUnavailableError),
    (huge, KeysUnavailableError),
    (html, KeysUnavailableError),
    (redirect, KeysUnavailableError),
    (lambda handler: handler.answer(status=500), KeysUnavailableError),
    (lambda handler: handler.answer(b"{"), KeysUnavailableError),
    (documents({"keys": []}), UnknownKeyError),
    (documents({"keys": [EC_KEY, OCT_KEY]}), UnknownKeyError),
    (documents([]), KeysUnavailableError),
]


@pytest.mark.parametrize(("behave", "refusal"), BAD_SITES)
def test_sites_of_strangers_that_misbehave(
    tmp_path: Path,
    keys: KeyPair,
    behave: Callable[[Handler], None],
    refusal: type[TallystickError],
) -> None:
    with serving(behave) as site, receiver(tmp_path) as bob:
        with pytest.raises(refusal) as refused:
            bob.verify_token(issued(site.url, keys))
        answer = refused.value.response
        assert answer is not None
        assert answer.status == (503 if refusal is KeysUnavailableError else 401)
        # It is remembered, after one more look for a key that is missing.
        counts = []
        for _ in range(3):
            with pytest.raises(refusal):
                bob.verify_token(issued(site.url, keys))
            counts.append(len(site.seen))
        assert counts[0] == counts[2]


PRIVATE_ISSUERS = [
    "https://127.0.0.1",
    "https://localhost",
    "https://[::1]",
    "https://10.0.0.1",
    "https://169.254.169.254",
    "https://2130706433",
    "https://0x7f.1",
    "https://127.1",
    "https://localhost.",
    "http://example.com",
    "https://user@example.com",
    "https://user:pw@example.com",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("issuer", PRIVATE_ISSUERS)
def test_no_token_makes_this_agent_call_inside(
    tmp_path: Path, keys: KeyPair, issuer: str, backend: str
) -> None:
    with serving(documents({"keys": [public_jwk(keys)]})) as site:
        inside = issuer if issuer.startswith("file") else f"{issuer}:{site.port}"
        with AuthSkill(base_url=BOB, keys_dir=str(tmp_path / "k"), backend=backend) as bob:
            with pytest.raises(TallystickError) as refused:
                bob.verify_token(issued(inside, keys))
            assert refused.value.response is not None
        assert site.seen == []


def test_plain_http_on_the_loopback_is_for_development_alone(tmp_path: Path, keys: KeyPair) -> None:
    with serving(documents({"keys": [public_jwk(keys)]})) as site:
        token = issued(site.url, keys)
        with (
            AuthSkill(base_url=BOB, keys_dir=str(tmp_path / "k")) as bob,
            pytest.raises(TallystickError),
        ):
            bob.verify_token(token)
        assert site.seen == []
        trusted = [{"issuer": site.url}]
        with AuthSkill(base_url=BOB, keys_dir=str(tmp_path / "k"), trusted_issuers=trusted) as bob:
            assert bob.verify_token(token).issuer == site.url
        with receiver(tmp_path) as bob:
            assert bob.verify_token(token).issuer == site.url


def test_many_threads_and_tasks_fetch_a_strangers_keys_once(tmp_path: Path, keys: KeyPair) -> None:
    def behave(handler: Handler) -> None:
        time.sleep(0.2)
        documents({"keys": [public_jwk(keys)]})(handler)

    with serving(behave) as site, receiver(tmp_path) as bob, ThreadPoolExecutor(33) as pool:
        token = issued(site.url, keys)

        async def tasks() -> list[AuthContext]:
            return await asyncio.gather(*(bob.averify_token(token) for _ in range(32)))

        loop = pool.submit(asyncio.run, tasks())
        threads = list(pool.map(lambda _: bob.verify_token(token), range(32)))
        assert len({found.token_id for found in threads + loop.result()}) == 1
    assert [path for _, path in site.seen].count("/.well-known/jwks.json") == 1


def test_rotation_loses_no_token(alice: AuthSkill, bob: AuthSkill) -> None:
    old = alice.authorize(BOB)["Authorization"]
    request: dict[str, Any] = {"method": "GET", "path": "/x"}
    assert bob.verify([old], **request)
    rotated = alice.rotate_keys(force=True)
    new = alice.authorize(BOB, reuse=False)["Authorization"]
    assert bob.verify([new], **request).key_id == rotated["active"]
    assert bob.verify([old], **request).key_id == rotated["retired"][0]


def test_rotation_waits_until_the_next_key_is_known(alice: AuthSkill) -> None:
    first = alice.rotate_keys()
    with pytest.raises(InvalidArgumentError, match="seconds"):
        alice.rotate_keys()
    assert alice.rotate_keys(force=True)["active"] == first["next"]


def test_what_is_no_verdict_is_no_none(tmp_path: Path, keys: KeyPair, backend: str) -> None:
    with receiver(tmp_path, backend=backend) as bob:
        unknown = issued("http://localhost:9", keys)
        for validate in (bob.validate_token, lambda t: asyncio.run(bob.avalidate_token(t))):
            with pytest.raises(KeysUnavailableError):
                validate(unknown)
            with pytest.raises(KeysUnavailableError):
                bob.run_command(f"/auth/validate {unknown}")
            with pytest.raises(KeysUnavailableError) as down:
                bob.on_connection({"headers": {"authorization": f"Bearer {unknown}"}})
            assert down.value.response is not None
            assert down.value.response.status == 503
            assert bob.run_command("/auth/validate x").data["valid"] is False
            assert validate("x") is None
            assert validate(None) is None
            for wrong in (5, b"x", ["x"]):
                with pytest.raises(InvalidArgumentError, match=r"^token takes a text"):
                    validate(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match=r"^token takes a text"):
            bob.verify_token(None)  # type: ignore[arg-type]
        with serving(documents({"keys": [public_jwk(keys)]})) as site:
            good = issued(site.url, keys)
            assert bob.validate_token(good) == bob.verify_token(good)


def test_development_mode_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, backend: str
) -> None:
    said = "development mode: plain http on loopback is accepted"
    options: dict[str, Any] = {"base_url": BOB, "keys_dir": str(tmp_path), "backend": backend}
    with AuthSkill(**options, dev_mode=False) as skill:
        assert skill.verify_token(skill.generate_token(BOB))
    assert said not in caplog.text
    with AuthSkill(**options, dev_mode=True) as skill:
        skill.close()
        assert skill.verify_token(skill.generate_token(BOB))
    warned = [entry for entry in caplog.records if said in entry.getMessage()]
    assert [entry.levelno for entry in warned] == [logging.WARNING]


def test_the_issuer_is_down_after_it_was_known(tmp_path: Path, keys: KeyPair) -> None:
    with receiver(tmp_path) as bob:
        with agent(tmp_path, "carol") as (carol, _):
            token = carol.generate_token(BOB)
            other = carol.generate_token(BOB)
            assert bob.verify_token(token)
        assert bob.verify_token(token)
        assert bob.verify_token(other)
        with pytest.raises(KeysUnavailableError):
            bob.verify_token(issued("http://localhost:9", keys))


def test_a_child_works(alice: AuthSkill, bob: AuthSkill) -> None:
    token = alice.generate_token(BOB)
    assert bob.verify_token(token)

    def work() -> list[str | None]:
        new = alice.generate_token(BOB)
        return [bob.verify_token(token).agent_id, bob.verify_token(new).agent_id]

    assert in_child(work) == ["alice", "alice"]
    assert work() == ["alice", "alice"]


UNANNOUNCED = """
import ctypes, os, sys
from tallystick import AuthSkill
url = "https://a.example/agents/a"
skill = AuthSkill(base_url=url, keys_dir=sys.argv[1], backend=sys.argv[2])
old = skill.generate_token(url)
assert skill.verify_token(old)
pid = ctypes.PyDLL(None).fork()
for token in (old, skill.generate_token(url)):
    assert skill.verify_token(token).agent_id == "a"
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_child_of_a_server_that_forks_without_pythons_hooks_works(
    tmp_path: Path, backend: str
) -> None:
    # A process of its own: such servers fork before they start threads, and CPython's
    # own locks are not made for anything else.
    done = subprocess.run(
        [sys.executable, "-c", UNANNOUNCED, str(tmp_path / "k"), backend],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"7\n", b"")


def test_commands(alice: AuthSkill, bob: AuthSkill) -> None:
    status = alice.run_command("/auth")
    assert status.data["mode"] == "self-issued"
    assert "self-issued" in str(status)
    made = alice.run_command(f"/auth/token {BOB} read")
    token = made.data["token"]
    assert token not in made.display
    assert token.split(".")[2] not in made.display
    for text in (repr(made), str(made), f"{[made]}"):
        assert token not in text
        assert token.split(".")[2] not in text
    assert made.display in str(made)
    assert repr(made) == f"CommandResult(display={made.display!r})"
    shown = alice.run_command(f"/auth/token {BOB} read --show")
    assert shown.data["token"] in shown.display
    valid = bob.run_command(f"/auth/validate {token}")
    assert valid.data["valid"] is True
    assert token not in valid.display
    assert bob.run_command("/auth/validate x").data["valid"] is False
    assert asyncio.run(bob.arun_command("/auth/jwks")).data["total_entries"] == 1
    with pytest.raises(InvalidArgumentError, match="/auth/help"):
        bob.run_command("/nothing")


def test_references_and_what_a_token_may_be_sent_to(alice: AuthSkill) -> None:
    engine = engine_of(alice)
    assert engine.resolve("@bob") == "https://robutler.ai/agents/bob"
    assert engine.resolve(BOB) == BOB
    assert engine.covers(BOB, BOB + "/chat?x=1")
    assert not engine.covers(BOB, BOB + "by")
    assert not engine.covers(BOB, "https://evil.example/agents/bob")


def test_what_is_held_is_told(alice: AuthSkill, bob: AuthSkill) -> None:
    bob.verify_token(alice.generate_token(BOB))
    alice.authorize(BOB)
    assert bob.stats()["access"]["issuers"]["cached"] == 1
    assert alice.stats()["access"]["tokens"] == 1


def test_nothing_shows_a_secret(
    alice: AuthSkill, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "s3cret-s3cret-s3cret"
    with AuthSkill(authority="https://portal.example", agent_id="p", client_secret=secret) as p:
        assert p.mode == "portal"
        assert repr(p) == "<AuthSkill 'p' (portal)>"
        assert secret not in repr(vars(p))
        assert secret not in repr(vars(p._engine.engine))
    alice.authorize(BOB)
    alice.rotate_keys(force=True)
    for held in (
        alice,
        alice._engine,
        alice._engine._ring,
        alice._engine.signing,
        alice._engine.engine,
    ):
        assert PRIVATE not in repr(held)
    assert PRIVATE not in caplog.text
    assert secret not in caplog.text


def test_a_verifier_without_a_name_leaves_no_file(
    tmp_path: Path, keys: KeyPair, backend: str
) -> None:
    with serving(lambda handler: handler.json({"keys": [public_jwk(keys)]})) as site:
        keys_dir = tmp_path / "none"
        options = {"jwks_uri": site.url + "/jwks", "audience": BOB, "keys_dir": str(keys_dir)}
        with AuthSkill(options, backend=backend) as verifier:
            assert verifier.verify_token(issued(site.url, keys)).issuer == site.url
            with pytest.raises(UnknownIssuerError):
                verifier.verify_token(issued("https://other.example", keys))
            with pytest.raises(TallystickError):
                verifier.generate_token(BOB)
        assert not keys_dir.exists()


def kms(keys: KeyPair) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    private: Any = load_pem_private_key(keys.private.encode(), None)
    return lambda data: bytes(private.sign(data, padding.PKCS1v15(), hashes.SHA256()))


def test_a_key_that_somebody_else_holds(
    tmp_path: Path, keys: KeyPair, other_keys: KeyPair, bob: AuthSkill, backend: str
) -> None:
    sign = kms(keys)

    async def slowly(data: bytes) -> bytes:
        await asyncio.sleep(0)
        return sign(data)

    for signer in (sign, slowly):
        options: dict[str, Any] = {"signer": signer, "public_key": keys.public}
        with agent(tmp_path, "held", backend=backend, **options) as (held, _):
            assert bob.verify_token(held.generate_token(BOB)).agent_id == "held"
            assert asyncio.run(held.agenerate_token(BOB))
            with pytest.raises(InvalidArgumentError, match="where it is held"):
                held.rotate_keys()
    assert not (tmp_path / "held").exists()
    wrong: dict[str, Any] = {"signer": sign, "public_key": other_keys.public}
    with agent(tmp_path, "wrong", backend=backend, **wrong) as (held, _):
        with pytest.raises(TallystickError) as refused:
            held.generate_token(BOB)
        assert refused.value.code == "signer_failed"


PORTAL: dict[str, Any] = {"authority": "https://portal.example"}
UNFIT: list[tuple[dict[str, Any], str, str]] = [
    ({"signer": len}, "invalid_argument", "^signer is a function .* needs its public_key"),
    ({"public_key": "x"}, "invalid_argument", "^public_key needs a signer"),
    ({"signer_timeout": 5}, "invalid_argument", "^signer_timeout needs a signer"),
    ({"signer": "PEM", "public_key": "x"}, "invalid_argument", "^signer is a function"),
    ({"signer": len, "public_key": "x"}, "invalid_key", "^public_key: no key found"),
    ({"signer": len, "public_key": "x", **PORTAL}, "invalid_argument", "^signer cannot be used"),
    ({"public_key": "x", **PORTAL}, "invalid_argument", "^public_key needs a signer"),
    ({"signer_timeout": 5, **PORTAL}, "invalid_argument", "^signer_timeout needs a signer"),
]


@pytest.mark.parametrize(("options", "code", "words"), UNFIT)
def test_signers_that_do_not_fit(
    tmp_path: Path, options: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(TallystickError, match=words) as refused:
        AuthSkill(base_url=BOB, keys_dir=str(tmp_path), **options)
    assert refused.value.code == code


def test_and_those_that_do(tmp_path: Path, keys: KeyPair) -> None:
    fit: dict[str, Any] = {"signer": kms(keys), "public_key": keys.public, "signer_timeout": 5}
    AuthSkill(base_url=BOB, keys_dir=str(tmp_path), store="memory:", **fit).close()
    AuthSkill(base_url=BOB, store="memory:", **PORTAL).close()


def test_a_replay_memory_in_the_process(tmp_path: Path, alice: AuthSkill, backend: str) -> None:
    with receiver(tmp_path, backend=backend, store="memory:") as bob:
        bound = alice.authorize(BOB, method="GET", url=BOB + "/x", bind=True)["Authorization"]
        request: dict[str, Any] = {"method": "GET", "path": "/x"}
        assert bob.verify([bound], **request).bound
        with pytest.raises(ReplayDetectedError):
            bob.verify([bound], **request)
        # The window is lost with the engine: what may have been in it is refused.
        bob.close()
        with pytest.raises(TallystickError) as refused:
            bob.verify([bound], **request)
        assert refused.value.code == "replay_store_unavailable"


def test_a_ring_that_was_damaged_names_the_file(tmp_path: Path) -> None:
    options = {"base_url": BOB, "keys_dir": str(tmp_path / "k")}
    with AuthSkill(options) as skill:
        path = newest(tmp_path / "k" / "bob.ring.json")
        good = path.read_text()
        kept = skill.generate_token(BOB)
    for bad in (
        "",
        "[]",
        "{",
        "{}",
        '{"version": 9, "keys": []}',
        good[:-200],
        good.replace("next", "nxt"),
    ):
        path.write_text(bad)
        with pytest.raises(InvalidConfigError, match=r"bob\.ring\.json") as refused:
            AuthSkill(options)
        assert PRIVATE not in str(refused.value)
        assert path.read_text() == bad
    path.write_text(good)
    with AuthSkill(options) as skill:
        assert skill.verify_token(kept)
