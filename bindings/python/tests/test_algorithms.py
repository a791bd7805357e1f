"""RS256, PS256, ES256 and EdDSA: a key is good for one, and PyJWT is the judge of all."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from werkzeug.serving import make_server

from agents import agent, authority, receiver
from support import BODY, DEADLINE, ORIGIN, agent_app, call, newest, post
from tallystick import (
    AgentAuth,
    AuthSkill,
    DevTools,
    InvalidArgumentError,
    InvalidConfigError,
    InvalidKeyError,
    KeyManager,
    OrchestratorClient,
    SignerFailedError,
    TallystickError,
    UnsupportedAlgorithmError,
)
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from tallystick._core.signing import CoreSigning, CryptographySigning, key_signing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask import Flask

URL = ORIGIN + "/agent"
BOB = "https://bob.example/agents/bob"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
TYPES = {"rsa": "RS256", "ec": "ES256", "ed25519": "EdDSA"}


@dataclass(frozen=True, repr=False)
class Key:
    """One key in the forms that its users have it in."""

    algorithm: str
    private: str
    public: str
    object: Any

    @property
    def text(self) -> str:
        """The private key as text that says what it is good for."""
        return self._jwk(self.private, "private") if self.algorithm == "PS256" else self.private

    @property
    def public_text(self) -> str:
        return self._jwk(self.public, "public") if self.algorithm == "PS256" else self.public

    def sign(self, data: bytes) -> bytes:
        """Sign as a KMS does, whose ECDSA signatures are DER."""
        if self.algorithm == "EdDSA":
            return bytes(self.object.sign(data))
        if self.algorithm == "ES256":
            return bytes(self.object.sign(data, ec.ECDSA(hashes.SHA256())))
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        scheme = pss if self.algorithm == "PS256" else padding.PKCS1v15()
        return bytes(self.object.sign(data, scheme, hashes.SHA256()))

    def token(self, claims: dict[str, Any], algorithm: str = "", **header: Any) -> str:
        """Return a token as PyJWT makes it."""
        return jwt.encode(claims, self.object, algorithm or self.algorithm, header)

    @staticmethod
    def _jwk(pem: str, want: str) -> str:
        request = {"text": pem, "want": want, "include_private": want == "private"}
        (inspected,) = call_json(load_core(), "key.inspect", request)["keys"]
        return json.dumps({**inspected[f"{want}_jwk"], "alg": "PS256"})


def made(algorithm: str) -> Key:
    kind = {"ES256": "ec", "EdDSA": "ed25519"}.get(algorithm, "rsa")
    private, public = KeyManager.generate_key_pair(kind)
    key = serialization.load_pem_private_key(private.encode(), None)
    return Key(algorithm, private, public, key)


KEYS = {algorithm: made(algorithm) for algorithm in ALGORITHMS}
OTHERS = {algorithm: made(algorithm) for algorithm in ALGORITHMS}


@pytest.fixture(params=ALGORITHMS)
def key(request: pytest.FixtureRequest) -> Key:
    return KEYS[request.param]


def claims_of(body: bytes = BODY, issuer: str = "orchestrator") -> dict[str, Any]:
    """Return what a peer's token of a signed request says."""
    now = int(time.time())
    digest = hashlib.sha256(body).hexdigest()
    identity = base64.urlsafe_b64encode(hashlib.sha256(str(time.time_ns()).encode()).digest())
    return {
        "iss": issuer,
        "iat": now,
        "exp": now + 60,
        "content_sha256": digest,
        "jti": identity.decode()[:22],
    }


def fill(folder: Path) -> None:
    """Write the public keys into a keys folder; each issuer is named by its algorithm."""
    for name, key in KEYS.items():
        if name == "PS256":  # a PEM cannot say so
            (folder / f"{name}.jwks.json").write_text(f'{{"keys": [{key.public_text}]}}')
        else:
            (folder / f"{name}.pem").write_text(key.public)


def header_of(authorization: str) -> dict[str, Any]:
    return jwt.get_unverified_header(authorization.removeprefix("Bearer "))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# Keys that are made.


@pytest.mark.parametrize(
    ("key_type", "kind"),
    [
        ("rsa", rsa.RSAPrivateKey),
        ("ec", ec.EllipticCurvePrivateKey),
        ("ed25519", ed25519.Ed25519PrivateKey),
    ],
)
def test_a_new_pair_of_each_type(key_type: str, kind: type) -> None:
    private, public = KeyManager.generate_key_pair(key_type)
    key = serialization.load_pem_private_key(private.encode(), None)
    assert isinstance(key, kind)
    spki = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert spki.decode() == public


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dsa",), 'type must be "rsa", "ec" or "ed25519"'),
        ((5,), "type takes"),
        (("ec", 256), "bits is for RSA keys"),
        (("ed25519", 2048), "bits is for RSA keys"),
        (("rsa", 1024), "bits must be 2048, 3072 or 4096"),
        (("rsa", "2048"), "bits takes 2048"),
    ],
)
def test_a_pair_that_is_not_made(arguments: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^{says}"):
        KeyManager.generate_key_pair(*arguments)
    assert KeyManager.generate_key_pair("ec", None)
    assert KeyManager.generate_key_pair("rsa", 3072)


def test_a_folder_of_keys_says_what_they_are_good_for(tmp_path: Path) -> None:
    fill(tmp_path)
    loaded = KeyManager.load_public_keys(tmp_path)
    assert {name: key.alg for name, key in loaded.items()} == {name: name for name in ALGORITHMS}
    assert [loaded[name].bits for name in ALGORITHMS] == [2048, 2048, 256, 256]
    for name, each in loaded.items():
        found = each.to_cryptography()
        assert type(found) is type(KEYS[name].object.public_key())


# Signed requests.


SIGNERS: dict[str, Callable[[Key], dict[str, Any]]] = {
    "text": lambda key: {"signer": key.text},
    "bytes": lambda key: {"signer": key.text.encode()},
    "object": lambda key: {"signer": key.object},
    "function": lambda key: {"signer": key.sign, "public_key": key.public_text},
}


@pytest.mark.parametrize("signer", SIGNERS)
def test_each_signer_signs_by_its_key(key: Key, signer: str, backend: str) -> None:
    if signer == "object" and key.algorithm == "PS256":
        key = KEYS["RS256"]  # an object cannot say that it is for PS256
    client = OrchestratorClient("orchestrator", **SIGNERS[signer](key), backend=backend)
    app = agent_app(AgentAuth(keys={"orchestrator": key.public_text}, backend=backend))

    async def signed() -> dict[str, str]:
        return await client.asign("POST", URL, BODY)

    for headers in (client.sign("POST", URL, BODY), asyncio.run(signed())):
        token = headers["Authorization"].removeprefix("Bearer ")
        assert header_of(token)["alg"] == key.algorithm
        told = jwt.decode(token, key.object.public_key(), [key.algorithm])
        assert told["iss"] == "orchestrator"
        assert call(app, headers).json["issuer"] == "orchestrator"
        again = call(app, headers)
        assert (again.status, again.code) == (429, "replay_detected")


@contextlib.contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.medium
def test_a_server_takes_all_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "authorized_keys"
    folder.mkdir()
    fill(folder)
    with serving(agent_app(AgentAuth(folder))) as url:
        for algorithm, key in KEYS.items():
            client = OrchestratorClient(algorithm, key.text)
            port = int(url.rpartition(":")[2])
            answer = post(port, client.sign("POST", f"{url}/agent", BODY))
            assert answer.status == 200, answer.body
            stranger = OrchestratorClient(algorithm, OTHERS[algorithm].text)
            answer = post(port, stranger.sign("POST", f"{url}/agent", BODY))
            # A JWK has a kid of its own, which the stranger's token does not name.
            code = "unknown_key" if algorithm == "PS256" else "invalid_signature"
            assert (answer.status, answer.code) == (401, code)


def test_the_c_library_signs_what_it_is_quick_at(key: Key) -> None:
    native = OrchestratorClient("orchestrator", key.text, backend="native")
    kind = CoreSigning if key.algorithm in ("ES256", "EdDSA") else CryptographySigning
    assert isinstance(native._signing, kind)
    assert not native._signing.blocks


@pytest.mark.medium
@pytest.mark.parametrize("name", ["native", "wasm"])
def test_signing_needs_no_cryptography(key: Key, name: str) -> None:
    script = (
        "import asyncio, sys; sys.modules['cryptography'] = None\n"
        "from tallystick import OrchestratorClient\n"
        f"client = OrchestratorClient('orchestrator', sys.stdin.read(), backend={name!r})\n"
        f"print(client.sign('POST', {URL!r}, {BODY!r})['Authorization'])\n"
        f"print(asyncio.run(client.asign('POST', {URL!r}, {BODY!r}))['Authorization'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=key.text,
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    app = agent_app(AgentAuth(keys={"orchestrator": key.public_text}))
    for line in ran.stdout.split("\n")[:2]:
        assert header_of(line)["alg"] == key.algorithm
        assert call(app, {"Authorization": line}).status == 200


def test_pyjwt_signs_and_an_agent_verifies(key: Key, backend: str) -> None:
    app = agent_app(AgentAuth(keys={"orchestrator": key.public_text}, backend=backend))
    assert call(app, bearer(key.token(claims_of()))).status == 200
    forged = OTHERS[key.algorithm].token(claims_of())
    assert call(app, bearer(forged)).code == "invalid_signature"


def test_both_names_of_eddsa_are_read(backend: str) -> None:
    key = KEYS["EdDSA"]
    app = agent_app(AgentAuth(keys={"orchestrator": key.public}, backend=backend))

    def named(name: str) -> dict[str, str]:
        # PyJWT knows EdDSA alone.
        parts = [json.dumps(part).encode() for part in ({"alg": name}, claims_of())]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = base64.urlsafe_b64encode(key.sign(signed)).rstrip(b"=")
        return bearer(f"{signed.decode()}.{signature.decode()}")

    for name in ("EdDSA", "Ed25519"):
        assert call(app, named(name)).status == 200
    assert call(app, named("Ed448")).code == "unsupported_algorithm"


@pytest.mark.parametrize(
    ("of", "says"),
    [("RS256", "PS256"), ("PS256", "RS256"), ("RS256", "ES256"), ("ES256", "EdDSA")],
)
def test_a_header_never_chooses(of: str, says: str, backend: str) -> None:
    key = KEYS[of]
    app = agent_app(AgentAuth(keys={"orchestrator": key.public_text}, backend=backend))
    # What PyJWT signs with the same RSA key is a right signature, of the other algorithm.
    signer = key if {of, says} == {"RS256", "PS256"} else KEYS[says]
    refused = call(app, bearer(signer.token(claims_of(), says)))
    assert (refused.status, refused.code) == (401, "unsupported_algorithm")
    assert call(app, bearer(key.token(claims_of()))).status == 200


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS384", "RS512", "ES384"])
def test_what_no_key_is_good_for(algorithm: str, backend: str) -> None:
    signer: Any = {"HS256": "x" * 64, "none": None}.get(algorithm, KEYS["RS256"].object)
    if algorithm == "ES384":
        signer = ec.generate_private_key(ec.SECP384R1())
    keys = {"orchestrator": KEYS["RS256"].public + KEYS["ES256"].public}
    app = agent_app(AgentAuth(keys=keys, backend=backend))
    token = jwt.encode(claims_of(), signer, algorithm)
    assert call(app, bearer(token)).code == "unsupported_algorithm"
    assert call(app, bearer(KEYS["RS256"].token(claims_of()))).status == 200


def test_algorithms_narrow_what_is_taken(key: Key, backend: str, caplog: Any) -> None:
    keys = {"orchestrator": key.public_text}
    token = key.token(claims_of())
    others = [each for each in ALGORITHMS if each != key.algorithm]
    app = agent_app(AgentAuth(keys=keys, algorithms=others, backend=backend))
    refused = call(app, bearer(token))
    assert (refused.status, refused.code) == (401, "unsupported_algorithm")
    assert "setting algorithms" in caplog.text
    app = agent_app(AgentAuth(keys=keys, algorithms=(key.algorithm,), backend=backend))
    assert call(app, bearer(token)).status == 200


def test_a_development_token_is_signed_by_its_key(key: Key, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("DEV_PRIVATE_KEY", base64.b64encode(key.text.encode()).decode())
    token, body = DevTools.generate_bearer_token("x")
    assert header_of(token)["alg"] == key.algorithm
    app = agent_app(AgentAuth(keys={"dev_postman": key.public_text}, dev_mode=True))
    assert call(app, bearer(token), body.encode()).status == 200


# Functions of a KMS.


def test_a_function_may_give_der_or_raw_bytes(backend: str) -> None:
    key = KEYS["ES256"]
    app = agent_app(AgentAuth(keys={"orchestrator": key.public}, backend=backend))
    raw = key_signing(key.private, "ES256").sign
    for sign in (key.sign, raw):
        client = OrchestratorClient("orchestrator", sign, public_key=key.public, backend=backend)
        headers = client.sign("POST", URL, BODY)
        assert len(base64.urlsafe_b64decode(headers["Authorization"].split(".")[2] + "==")) == 64
        assert call(app, headers).status == 200


def test_an_object_of_another_package_is_checked(backend: str) -> None:
    key = KEYS["ES256"]

    class Held:
        """A key whose private half is elsewhere."""

        def __init__(self, sign: Callable[[bytes], Any]) -> None:
            self._sign = sign

        def public_key(self) -> Any:
            return key.object.public_key()

        def private_bytes(self) -> bytes:
            raise NotImplementedError

        def sign(self, data: bytes, scheme: Any) -> Any:
            assert isinstance(scheme.algorithm, hashes.SHA256)
            return self._sign(data)

    app = agent_app(AgentAuth(keys={"orchestrator": key.public}, backend=backend))
    held: Any = Held(key.sign)
    client = OrchestratorClient("orchestrator", held, backend=backend)
    assert call(app, client.sign("POST", URL, BODY)).status == 200
    for lying in (OTHERS["ES256"].sign, lambda data: b"", lambda data: None):
        held = Held(lying)
        with pytest.raises(SignerFailedError):
            OrchestratorClient("orchestrator", held, backend=backend).sign("POST", URL, BODY)


def test_a_function_that_signs_otherwise_is_found_out(key: Key, backend: str) -> None:
    for algorithm, other in KEYS.items():
        client = OrchestratorClient(
            "orchestrator", other.sign, public_key=key.public_text, backend=backend
        )
        if algorithm == key.algorithm:
            assert client.sign("POST", URL, BODY)
            continue
        with pytest.raises(SignerFailedError):
            client.sign("POST", URL, BODY)


def test_a_function_without_its_public_key_signs_rs256(backend: str) -> None:
    for algorithm in ("ES256", "EdDSA"):
        client = OrchestratorClient("orchestrator", KEYS[algorithm].sign, backend=backend)
        with pytest.raises(SignerFailedError, match="RSA"):
            client.sign("POST", URL, BODY)
    client = OrchestratorClient("orchestrator", KEYS["RS256"].sign, backend=backend)
    assert header_of(client.sign("POST", URL, BODY)["Authorization"])["alg"] == "RS256"


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP256K1()])
def test_other_curves_are_refused(curve: ec.EllipticCurve) -> None:
    with pytest.raises(InvalidKeyError, match=r"^signer: .*P-256"):
        OrchestratorClient("orchestrator", ec.generate_private_key(curve))
    assert OrchestratorClient("orchestrator", KEYS["ES256"].object)


# Access tokens.


@pytest.mark.medium
@pytest.mark.parametrize("key_type", TYPES)
def test_a_skill_signs_by_its_key_type(tmp_path: Path, key_type: str, backend: str) -> None:
    with (
        agent(tmp_path, "alice", key_type=key_type, backend=backend) as (alice, site),
        receiver(tmp_path, backend=backend) as bob,
    ):
        token = alice.generate_token(BOB, ["read"])
        found = jwt.PyJWKClient(f"{site.url}/.well-known/jwks.json").get_signing_key_from_jwt(token)
        told = jwt.decode(token, found, [TYPES[key_type]], audience=BOB)
        assert (told["sub"], header_of(token)["alg"]) == ("alice", TYPES[key_type])
        assert bob.verify_token(token).agent_id == "alice"
        assert asyncio.run(bob.averify_token(asyncio.run(alice.agenerate_token(BOB)))).authenticated
        bound = alice.authorize(BOB, bind=True, method="POST", url=f"{BOB}/x", body=BODY)
        request: dict[str, Any] = {"method": "POST", "path": "/x", "body": BODY}
        assert bob.verify([bound["Authorization"]], **request).bound
        head, payload, signature = token.split(".")
        other = "A" if signature[20] != "A" else "B"
        wrong = f"{head}.{payload}.{signature[:20]}{other}{signature[21:]}"
        assert bob.validate_token(wrong) is None


@pytest.mark.medium
@pytest.mark.parametrize("key_type", ["ec", "ed25519"])
def test_a_skill_signs_without_cryptography(tmp_path: Path, key_type: str, backend: str) -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from tallystick import AuthSkill\n"
        f"skill = AuthSkill(base_url={BOB!r}, keys_dir=sys.argv[1], key_type=sys.argv[2],"
        " backend=sys.argv[3])\n"
        "token = skill.generate_token(skill.base_url)\n"
        "assert skill.verify_token(token).authenticated\n"
        "print(token)"
    )
    folder = tmp_path / "keys"
    ran = subprocess.run(
        [sys.executable, "-c", script, str(folder), key_type, backend],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE,
    )
    token = ran.stdout.strip()
    assert header_of(token)["alg"] == TYPES[key_type]
    with AuthSkill(base_url=BOB, keys_dir=str(folder), backend=backend) as skill:
        assert skill.verify_token(token).authenticated


@pytest.mark.medium
def test_a_ring_changes_its_kind_by_rotation(tmp_path: Path) -> None:
    def algorithms() -> list[str]:
        document = json.loads(newest(tmp_path / "bob.ring.json").read_text())
        texts = [key["private_pem"] for key in document["keys"] if key["state"] != "retired"]
        asked = [call_json(load_core(), "key.inspect", {"text": text}) for text in texts]
        return [inspected["keys"][0]["alg"] for inspected in asked]

    with AuthSkill(base_url=BOB, keys_dir=str(tmp_path)) as skill:
        old = skill.generate_token(BOB)
    assert algorithms() == ["RS256", "RS256"]
    with AuthSkill(base_url=BOB, keys_dir=str(tmp_path), key_type="ec") as skill:
        assert header_of(skill.generate_token(BOB))["alg"] == "RS256"
        assert algorithms() == ["RS256", "RS256"]
        skill.rotate_keys(force=True)
        assert algorithms() == ["RS256", "ES256"]
        between = skill.generate_token(BOB)
        skill.rotate_keys(force=True)
        assert algorithms() == ["ES256", "ES256"]
        new = skill.generate_token(BOB)
        assert [header_of(each)["alg"] for each in (old, between, new)] == ["RS256"] * 2 + ["ES256"]
        for token in (old, between, new):
            assert skill.verify_token(token).authenticated


@pytest.mark.parametrize("cls", ["AuthSkill", "Authority"])
@pytest.mark.parametrize("key_type", ["ec", "ed25519"])
def test_a_size_is_for_rsa_alone(tmp_path: Path, cls: str, key_type: str) -> None:
    import tallystick

    def start(**options: Any) -> Any:
        named = {"base_url": BOB} if cls == "AuthSkill" else {"issuer": "https://portal.example"}
        make = getattr(tallystick, cls)
        return make(**named, keys_dir=str(tmp_path / "keys"), store="memory:", **options)

    with pytest.raises(InvalidArgumentError, match=r"^key_bits is for RSA keys"):
        start(key_type=key_type, key_bits=2048)
    assert not (tmp_path / "keys").exists()
    start(key_type=key_type).close()


@pytest.mark.medium
@pytest.mark.parametrize("key_type", TYPES)
def test_an_authority_and_its_clients_have_keys_of_all_kinds(
    tmp_path: Path, key_type: str, backend: str
) -> None:
    with authority(tmp_path, key_type=key_type, backend=backend) as (portal, site):
        for algorithm, key in KEYS.items():
            name = algorithm.lower()
            portal.register_client(name, public_key=key.public_text, scopes=["read"])
            options: dict[str, Any] = {"authority": site.url, "dev_mode": True, "backend": backend}
            options |= {"client_id": name, "client_key": key.text}
            with AuthSkill(base_url=f"@{name}", **options) as member:
                token = member.generate_token(f"@{name}", ["read"])
                assert header_of(token)["alg"] == TYPES[key_type]
                assert member.verify_token(token).agent_id == name


@pytest.mark.medium
def test_a_skills_algorithms_narrow_and_can_be_reloaded(tmp_path: Path, backend: str) -> None:
    keys = {"https://idp.example": KEYS["ES256"].public}
    now = int(time.time())
    claims = {"iss": "https://idp.example", "sub": "u", "aud": BOB, "exp": now + 60, "iat": now}
    token = KEYS["ES256"].token({**claims, "scope": "read", "client_id": "u"})
    config = {"base_url": BOB, "keys_dir": str(tmp_path), "algorithms": ["RS256", "ES256"]}
    with AuthSkill(config, keys=keys, backend=backend) as skill:
        assert skill.verify_token(token).issuer == "https://idp.example"
        skill.reload({**config, "algorithms": ["RS256"]})
        with pytest.raises(UnsupportedAlgorithmError) as refused:
            skill.verify_token(token)
        assert "setting algorithms" in refused.value.log
        with pytest.raises(InvalidConfigError, match="algorithms"):
            skill.reload({**config, "algorithms": ["HS256"]})
        skill.reload(config)
        assert skill.verify_token(token)


@pytest.mark.medium
def test_pyjwt_signs_and_a_skill_verifies(tmp_path: Path, key: Key, backend: str) -> None:
    now = int(time.time())
    claims = {"iss": "https://idp.example", "sub": "u", "aud": BOB, "exp": now + 60, "iat": now}
    claims |= {"scope": "read", "client_id": "u"}
    # One RSA key that is good for RS256 here and for PS256 there is two keys.
    keys = {"https://idp.example": key.public_text, "https://other.example": KEYS["RS256"].public}
    if key.algorithm == "PS256":
        keys["https://other.example"] = key.public
    options: dict[str, Any] = {"keys": keys, "keys_dir": str(tmp_path), "backend": backend}
    with AuthSkill(base_url=BOB, **options) as skill:
        assert skill.verify_token(key.token(claims)).issuer == "https://idp.example"
        with pytest.raises(TallystickError, match="signature"):
            skill.verify_token(OTHERS[key.algorithm].token(claims))
        other = {**claims, "iss": "https://other.example"}
        rs256 = key if key.algorithm == "PS256" else KEYS["RS256"]
        assert skill.verify_token(rs256.token(other, "RS256"))
        if key.algorithm != "RS256":
            with pytest.raises(UnsupportedAlgorithmError) as refused:
                skill.verify_token(key.token(other))
            assert "its key is for RS256" in refused.value.log


@pytest.mark.medium
def test_ecdsa_numbers_out_of_range(tmp_path: Path, backend: str) -> None:
    key = KEYS["ES256"]
    now = int(time.time())
    claims = {"iss": "https://idp.example", "sub": "u", "aud": BOB, "exp": now + 60, "iat": now}
    token = key.token({**claims, "client_id": "u"})
    head, payload, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    der = key.sign(f"{head}.{payload}".encode())
    wrong = [bytes(64), bytes(32) + raw[32:], raw[:32] + bytes(32), der, raw[:63], raw + b"\0"]
    wrong += [order.to_bytes(32, "big") + raw[32:], raw[:32] + order.to_bytes(32, "big")]
    options: dict[str, Any] = {"keys_dir": str(tmp_path), "backend": backend}
    with AuthSkill(base_url=BOB, keys={"https://idp.example": key.public}, **options) as skill:
        for each in wrong:
            bad = base64.urlsafe_b64encode(each).decode().rstrip("=")
            with pytest.raises(TallystickError, match="signature"):
                skill.verify_token(f"{head}.{payload}.{bad}")
        assert skill.verify_token(token)


@pytest.mark.medium
def test_a_key_that_somebody_else_holds(tmp_path: Path, key: Key, backend: str) -> None:
    options: dict[str, Any] = {"base_url": BOB, "keys_dir": str(tmp_path), "backend": backend}
    if key.algorithm == "PS256":  # the PEM of a ring cannot say so
        with pytest.raises(InvalidKeyError, match="sign RS256"):
            AuthSkill(signer=key.sign, public_key=key.public_text, **options)
        return
    with AuthSkill(signer=key.sign, public_key=key.public_text, **options) as skill:
        token = skill.generate_token(BOB)
        assert header_of(token)["alg"] == key.algorithm
        told = jwt.decode(token, key.object.public_key(), [key.algorithm], audience=BOB)
        assert told["client_id"] == "bob"
        assert skill.verify_token(token).authenticated
        served = skill.serve("GET", "/.well-known/jwks.json")
        assert served is not None
        (published,) = json.loads(served.body)["keys"]
        assert published["alg"] == key.algorithm
    lying = OTHERS[key.algorithm].sign
    with (
        AuthSkill(signer=lying, public_key=key.public_text, **options) as skill,
        pytest.raises(SignerFailedError),
    ):
        skill.generate_token(BOB)
