"""Signers: key text, key objects and strangers' functions, sync and async."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, rsa

from support import BODY, ORIGIN, KeyPair, agent_app, call, in_child
from tallystick import (
    AgentAuth,
    InvalidArgumentError,
    InvalidKeyError,
    KeyManager,
    OrchestratorClient,
    OverloadedError,
    SignerFailedError,
)
from tallystick._core import signing
from tallystick._core.signing import MAX_OUT, CoreSigning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask import Flask

URL = ORIGIN + "/agent"
SECRET = "a secret in a stranger's exception"


def key_object(keys: KeyPair) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(keys.private.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def sync_function(keys: KeyPair) -> Callable[[bytes], bytes]:
    key = key_object(keys)
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def async_function(keys: KeyPair) -> Any:
    sign = sync_function(keys)

    async def signer(data: bytes) -> bytes:
        await asyncio.sleep(0)
        return sign(data)

    return signer


def awaitable_function(keys: KeyPair) -> Any:
    signer = async_function(keys)
    return lambda data: signer(data)


def pkcs1_text(keys: KeyPair) -> str:
    return (
        key_object(keys)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode()
    )


SIGNERS = {
    "PKCS#8 text": lambda keys: keys.private,
    "PKCS#1 text": pkcs1_text,
    "bytes": lambda keys: keys.private.encode(),
    "key object": key_object,
    "function": sync_function,
    "async function": async_function,
    "function that returns an awaitable": awaitable_function,
}


@pytest.fixture
def app(keys_dir: Path) -> Flask:
    return agent_app(AgentAuth(keys_dir))


@pytest.mark.parametrize("make", SIGNERS.values(), ids=SIGNERS.keys())
@pytest.mark.parametrize("public", [True, False], ids=["checked", "unchecked"])
def test_every_signer_signs_sync_and_async(
    app: Flask, keys: KeyPair, make: Callable[[KeyPair], Any], public: bool, backend: str
) -> None:
    client = OrchestratorClient(
        "orchestrator",
        make(keys),
        public_key=keys.public if public and callable(make(keys)) else None,
        backend=backend,
    )
    assert call(app, client.sign("POST", URL, BODY)).status == 200
    assert call(app, asyncio.run(client.asign("POST", URL, BODY))).status == 200


def test_without_cryptography_the_core_signs(app: Flask, keys: KeyPair, backend: str) -> None:
    client = OrchestratorClient("orchestrator", keys.private, backend=backend)
    client._signing = CoreSigning(keys.private)
    client.close()
    assert call(app, client.sign("POST", URL, BODY)).status == 200
    assert call(app, asyncio.run(client.asign("POST", URL, BODY))).status == 200


def test_text_needs_no_cryptography_installed(app: Flask, keys: KeyPair) -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from tallystick import OrchestratorClient\n"
        "client = OrchestratorClient('orchestrator', sys.stdin.read())\n"
        f"print(client.sign('POST', {URL!r}, {BODY!r})['Authorization'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        input=keys.private,
        capture_output=True,
        text=True,
        check=True,
    )
    assert call(app, {"Authorization": ran.stdout.strip()}).status == 200


def encrypted(keys: KeyPair) -> str:
    return (
        key_object(keys)
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
        .decode()
    )


def private_text(key: Any) -> str:
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return str(text.decode())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda keys: keys.public, "public"),
        (encrypted, "encrypted"),
        (lambda keys: private_text(ec.generate_private_key(ec.SECP384R1())), "P-256"),
        (lambda keys: private_text(ed448.Ed448PrivateKey.generate()), "Ed25519"),
        (lambda keys: private_text(rsa.generate_private_key(65537, 1024)), "1024"),
        (lambda keys: keys.private + keys.private, "2|one"),
        (lambda keys: "not a key", "key"),
        (lambda keys: "", "key"),
        (lambda keys: keys.private[:200], "damaged"),
        (lambda keys: b"\xff\xfe", "key"),
    ],
    ids=[
        "public",
        "encrypted",
        "P-384",
        "Ed448",
        "weak",
        "two",
        "garbage",
        "empty",
        "cut",
        "binary",
    ],
)
def test_a_text_that_cannot_sign_says_why_and_quotes_nothing(
    keys: KeyPair, make: Callable[[KeyPair], Any], says: str
) -> None:
    text = make(keys)
    with pytest.raises(InvalidKeyError, match=says) as refused:
        OrchestratorClient("orchestrator", text)
    assert refused.value.code == "invalid_key"
    for line in str(text).splitlines()[1:-1]:
        assert line not in str(refused.value) + refused.value.log
    assert OrchestratorClient("orchestrator", keys.private)


@pytest.mark.parametrize("signer", [None, 7, ["key"]])
def test_what_is_no_signer_is_refused(signer: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="signer"):
        OrchestratorClient("orchestrator", signer)


def test_an_unfit_key_object_is_refused(keys: KeyPair) -> None:
    with pytest.raises(InvalidKeyError, match="1024"):
        OrchestratorClient("orchestrator", rsa.generate_private_key(65537, 1024))


def raising(data: bytes) -> bytes:
    raise ConnectionError(SECRET)


async def raising_later(data: bytes) -> bytes:
    raise ConnectionError(SECRET)


def raising_stop(data: bytes) -> bytes:
    raise StopIteration(b"signature")


BAD = {
    "raises": (raising, "ConnectionError"),
    "raises later": (raising_later, "ConnectionError"),
    "stops": (raising_stop, ""),
    "text": (lambda data: "signature", "str"),
    "nothing": (lambda data: None, "NoneType"),
    "empty": (lambda data: b"", ""),
    "short": (lambda data: b"x" * 255, ""),
    "wrong": (lambda data: b"x" * 256, ""),
}


@pytest.mark.parametrize(("signer", "says"), BAD.values(), ids=BAD.keys())
def test_a_function_that_fails_or_lies_is_signer_failed(
    keys: KeyPair, signer: Any, says: str
) -> None:
    client = OrchestratorClient("orchestrator", signer, public_key=keys.public)
    with pytest.raises(SignerFailedError) as refused:
        client.sign("POST", URL, BODY)
    assert says in refused.value.log + refused.value.message
    assert SECRET not in refused.value.log + refused.value.message
    with pytest.raises(SignerFailedError):
        asyncio.run(client.asign("POST", URL, BODY))


def test_the_signers_own_exception_is_the_cause(keys: KeyPair) -> None:
    client = OrchestratorClient("orchestrator", raising)
    with pytest.raises(SignerFailedError) as refused:
        client.sign("POST", URL, BODY)
    assert refused.value.__cause__ is not None
    assert isinstance(refused.value.__cause__.__cause__, ConnectionError)


def test_a_signature_by_another_key_is_found_where_the_public_key_is_known(
    app: Flask, keys: KeyPair, other_keys: KeyPair
) -> None:
    lying = sync_function(other_keys)
    with pytest.raises(SignerFailedError):
        OrchestratorClient("orchestrator", lying, public_key=keys.public).sign("POST", URL)
    unchecked = OrchestratorClient("orchestrator", lying).sign("POST", URL, BODY)
    assert call(app, unchecked).code == "invalid_signature"


def test_a_wrong_public_key_is_refused_at_once(keys: KeyPair) -> None:
    with pytest.raises(InvalidKeyError):
        OrchestratorClient("orchestrator", sync_function(keys), public_key="no key")


def test_a_function_that_never_answers_is_given_up(app: Flask, keys: KeyPair) -> None:
    released = threading.Event()
    sign = sync_function(keys)

    def slow(data: bytes) -> bytes:
        released.wait(60)
        return sign(data)

    async def slow_async(data: bytes) -> bytes:
        await asyncio.sleep(3600)
        return sign(data)

    for signer in (slow, slow_async):
        client = OrchestratorClient("orchestrator", signer, signer_timeout=0.05)
        with pytest.raises(SignerFailedError) as refused:
            client.sign("POST", URL, BODY)
        assert "0.05 seconds" in refused.value.log
        with pytest.raises(SignerFailedError):
            asyncio.run(client.asign("POST", URL, BODY))
    patient = OrchestratorClient("orchestrator", slow)
    released.set()
    assert call(app, patient.sign("POST", URL, BODY)).status == 200


def test_functions_that_never_answer_are_bounded(keys: KeyPair) -> None:
    released = threading.Event()
    started = []

    def stuck(data: bytes) -> bytes:
        started.append(1)
        released.wait(60)
        return b""

    client = OrchestratorClient("orchestrator", stuck, signer_timeout=0.001)
    before = threading.active_count()
    for _ in range(MAX_OUT + 20):
        with pytest.raises(SignerFailedError):
            client.sign("POST", URL, BODY)
    assert threading.active_count() - before <= MAX_OUT
    assert len(started) <= MAX_OUT
    released.set()
    fine = OrchestratorClient("orchestrator", sync_function(keys))
    end = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert fine.sign("POST", URL, BODY)


def test_calls_of_sync_functions_that_are_out_at_once_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()

    def waits(data: bytes) -> bytes:
        released.wait(60)
        return bytes(256)

    async def calls() -> list[Any]:
        client = OrchestratorClient("orchestrator", waits, signer_timeout=50)
        asked = [asyncio.ensure_future(client.asign("POST", URL)) for _ in range(MAX_OUT + 3)]
        refused, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert all(isinstance(each.exception(), SignerFailedError) for each in refused)
        released.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    # Functions that other tests left stuck keep their places.
    monkeypatch.setattr(signing._threads, "_places", threading.Semaphore(MAX_OUT))
    answers = asyncio.run(calls())
    assert all("Authorization" in answer for answer in answers[:MAX_OUT])
    for answer in answers[MAX_OUT:]:
        assert isinstance(answer, SignerFailedError)
        assert f"{MAX_OUT} earlier" in answer.log


def test_calls_that_wait_for_an_async_function_are_bounded() -> None:
    async def calls() -> list[Any]:
        released = asyncio.Event()

        async def waits(data: bytes) -> bytes:
            await released.wait()
            return bytes(256)

        client = OrchestratorClient("orchestrator", waits, signer_timeout=50)
        asked = [asyncio.ensure_future(client.asign("POST", URL)) for _ in range(1024 + 3)]
        await asyncio.sleep(0)
        released.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert "Authorization" in await client.asign("POST", URL)
        return answers

    answers = asyncio.run(calls())
    assert all("Authorization" in answer for answer in answers[:1024])
    for answer in answers[1024:]:
        assert isinstance(answer, OverloadedError)
        assert "1024 operations" in answer.log


def test_a_child_signs_while_the_parents_functions_are_stuck(keys: KeyPair) -> None:
    released = threading.Event()
    stuck = OrchestratorClient(
        "orchestrator", lambda data: str(released.wait(60)).encode(), signer_timeout=0.001
    )
    for _ in range(MAX_OUT):
        with pytest.raises(SignerFailedError):
            stuck.sign("POST", URL, BODY)
    fine = OrchestratorClient("orchestrator", sync_function(keys))
    try:
        with pytest.raises(SignerFailedError) as refused:
            fine.sign("POST", URL, BODY)
        assert str(MAX_OUT) in refused.value.log
        assert in_child(lambda: list(fine.sign("POST", URL, BODY))) == ["Authorization"]
    finally:
        released.set()


def test_a_fork_waits_until_no_thread_is_inside_openssl() -> None:
    entered = threading.Event()
    left: list[int] = []

    def sign_slowly() -> None:
        with signing._openssl:
            entered.set()
            time.sleep(0.3)
            left.append(1)

    thread = threading.Thread(target=sign_slowly)
    thread.start()
    assert entered.wait(30)
    # A thread that is inside at the fork never leaves in the child.
    assert in_child(lambda: len(left)) == 1
    thread.join()


@pytest.mark.medium
def test_a_child_signs_amid_threads_that_sign_for_the_first_time(keys: KeyPair) -> None:
    client = OrchestratorClient("orchestrator", keys.private)
    stop = threading.Event()

    def keep_signing() -> None:
        while not stop.is_set():
            # The first signature of a thread takes the lock that a fork must not meet.
            thread = threading.Thread(target=client.sign, args=("POST", URL))
            thread.start()
            thread.join()

    threads = [threading.Thread(target=keep_signing) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            assert in_child(lambda: len(client.sign("POST", URL))) == 1
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_an_async_function_runs_in_the_callers_loop(keys: KeyPair) -> None:
    loops = []
    sign = sync_function(keys)

    async def signer(data: bytes) -> bytes:
        loops.append(asyncio.get_running_loop())
        return sign(data)

    async def both() -> bool:
        await OrchestratorClient("orchestrator", signer).asign("POST", URL)
        return loops == [asyncio.get_running_loop()]

    assert asyncio.run(both())


def test_the_event_loop_runs_on_while_a_function_signs(keys: KeyPair) -> None:
    sign = sync_function(keys)
    ticked = threading.Event()

    def waits_for_the_loop(data: bytes) -> bytes:
        assert ticked.wait(30)
        return sign(data)

    async def tick() -> None:
        ticked.set()

    async def both() -> None:
        client = OrchestratorClient("orchestrator", waits_for_the_loop, signer_timeout=50)
        await asyncio.gather(client.asign("POST", URL), tick())

    asyncio.run(both())


def test_a_key_of_3072_bits_signs_too(tmp_path: Path) -> None:
    private, public = KeyManager.generate_rsa_keypair(3072)
    (tmp_path / "orchestrator.pem").write_text(public)
    client = OrchestratorClient("orchestrator", private)
    app = agent_app(AgentAuth(tmp_path))
    assert call(app, client.sign("POST", URL, BODY)).status == 200


class Wrapper:
    """Has the shape of a key of cryptography, as some KMS clients do."""

    def __init__(self, key: rsa.RSAPrivateKey, answer: Any) -> None:
        self._key = key
        self._answer = answer

    def public_key(self) -> rsa.RSAPublicKey:
        return self._key.public_key()

    def private_numbers(self) -> None:
        raise NotImplementedError

    def sign(self, data: bytes, *how: Any) -> Any:
        answer = self._answer
        return self._key.sign(data, *how) if answer is None else answer(data)


def test_a_key_object_of_a_stranger_is_checked(app: Flask, keys: KeyPair) -> None:
    key = key_object(keys)

    def fails(data: bytes) -> bytes:
        raise OSError("the HSM is locked")

    for wrong in (lambda _: b"", lambda _: b"x" * 256, lambda _: "text", lambda _: None, fails):
        client = OrchestratorClient("orchestrator", Wrapper(key, wrong))  # type: ignore[arg-type]
        with pytest.raises(SignerFailedError):
            client.sign("POST", URL, BODY)
        with pytest.raises(SignerFailedError):
            asyncio.run(client.asign("POST", URL, BODY))
    good = OrchestratorClient("orchestrator", Wrapper(key, None))  # type: ignore[arg-type]
    assert call(app, good.sign("POST", URL, BODY)).status == 200
    assert call(app, asyncio.run(good.asign("POST", URL, BODY))).status == 200
