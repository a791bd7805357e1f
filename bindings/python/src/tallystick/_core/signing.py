"""Who makes the signature: the core, ``cryptography`` or the caller's own function."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import json
import threading
from typing import TYPE_CHECKING, Any, Protocol, Union

from tallystick._core.core import Core, call_json
from tallystick._core.forks import ForkAware
from tallystick._core.problems import error
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptography.hazmat.primitives.asymmetric.ec import (
        EllipticCurvePrivateKey,
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    from tallystick._core.arguments import NewKeys

    PrivateKey = Union[RSAPrivateKey, EllipticCurvePrivateKey, Ed25519PrivateKey]
    CheckingKey = Union[RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey]
    SigningFunction = Callable[[bytes], Union[bytes, Awaitable[bytes]]]
    Signer = Union[str, bytes, PrivateKey, SigningFunction]

__all__ = [
    "Signing",
    "SigningFailure",
    "choose_signing",
    "generate_key",
    "key_signing",
    "signature_matches",
]

QUICK = ("ES256", "EdDSA")
"""What the C library signs itself in less time than it takes to ask for a signature."""

MAX_OUT = 64
"""Calls of signing functions at one time. One that never returns keeps its place."""

HALF = 32
"""Bytes of r and of s in an ECDSA signature on P-256."""


class SigningFailure(Exception):  # noqa: N818 - it never leaves the package
    """No signature was made. The text is for the operator's log."""


class Signing(Protocol):
    """One way to sign. Thread-safe and fork-safe."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Members of ``signer`` in ``engine.open``, besides the issuer and the ttl."""

    @property
    def blocks(self) -> bool:
        """Whether the core makes the signature, and takes so long that a loop must not wait."""

    def sign(self, data: bytes) -> bytes:
        """Sign by the key's algorithm, or raise :class:`SigningFailure`."""

    async def asign(self, data: bytes) -> bytes:
        """Do the same without blocking the event loop."""


class CoreSigning:
    """The core holds the private key and asks for nothing."""

    def __init__(self, text: str, *, blocks: bool = True) -> None:
        self.configuration = {"private_key": text}
        self.blocks = blocks

    def sign(self, data: bytes) -> bytes:  # noqa: ARG002
        raise SigningFailure("the core asked for a signature that it makes itself")

    async def asign(self, data: bytes) -> bytes:
        return self.sign(data)


class _Gate(ForkAware):
    """Any number of threads may pass; a fork waits until all are out again.

    OpenSSL takes locks for its random numbers when it blinds a signature. A lock that
    another thread holds during a fork stays locked in the child, which then hangs at its
    first signature.
    """

    PATIENCE = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.after_fork_in_child()

    def __enter__(self) -> None:
        with self._changed:
            while self._closed:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._closed and self._inside == 0:
                self._changed.notify_all()

    def before_fork(self) -> None:
        with self._changed:
            self._closed += 1
            self._changed.wait_for(lambda: self._inside == 0, self.PATIENCE)

    def after_fork_in_parent(self) -> None:
        with self._changed:
            self._closed -= 1
            self._changed.notify_all()

    def after_fork_in_child(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = 0


_openssl = _Gate()


class CryptographySigning:
    """A key object of ``cryptography``, which signs RSA faster than the core.

    ``algorithm``
        what the key is good for: it is not the object that says so, an RSA key may be for two.
    ``public_key``
        its public half as the core reads it; one for PS256 must be a JWK, which says so.
    """

    blocks = False

    def __init__(self, key: Any, algorithm: str, public_key: str | None = None) -> None:
        # An object of another package, such as a KMS, may have the same methods.
        self._own = type(key).__module__.partition(".")[0] == "cryptography"
        self.configuration = {
            "rsa": "host" if self._own else "external",
            "public_key": public_key or _public_pem(key),
        }
        self._key = key
        self._parameters = _parameters(algorithm)
        self._is_der = algorithm == "ES256"

    def sign(self, data: bytes) -> bytes:
        if not self._own:
            return self._sign_strangely(data)
        with _openssl:
            made: bytes = self._key.sign(data, *self._parameters)
        return _raw(made) if self._is_der else made

    def _sign_strangely(self, data: bytes) -> bytes:
        try:
            with _openssl:
                return _bytes_of(self._key.sign(data, *self._parameters))
        except SigningFailure:
            raise
        except Exception as reason:
            raise _failure(reason) from reason

    async def asign(self, data: bytes) -> bytes:
        return await asyncio.to_thread(self.sign, data)


def _parameters(algorithm: str) -> tuple[Any, ...]:
    """Return what the methods ``sign`` and ``verify`` of a key object are given besides."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding

    sha256 = hashes.SHA256()
    if algorithm == "EdDSA":
        return ()
    if algorithm == "ES256":
        return (ec.ECDSA(sha256),)
    if algorithm == "PS256":
        return (padding.PSS(padding.MGF1(sha256), sha256.digest_size), sha256)
    return (padding.PKCS1v15(), sha256)


def _raw(der: bytes) -> bytes:
    """Return an ECDSA signature as a token has it (RFC 7518 section 3.4)."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(number.to_bytes(HALF, "big") for number in decode_dss_signature(der))


def _der(raw: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    return encode_dss_signature(
        int.from_bytes(raw[:HALF], "big"), int.from_bytes(raw[HALF:], "big")
    )


def _public_pem(key: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    spki: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return spki.decode()


def signature_matches(public: CheckingKey, algorithm: str, signature: bytes, data: bytes) -> bool:
    """Verify a signature as a token has it through ``cryptography``."""
    from cryptography.exceptions import InvalidSignature

    checking: Any = public
    try:
        checking.verify(
            _der(signature) if algorithm == "ES256" else signature, data, *_parameters(algorithm)
        )
    except InvalidSignature:
        return False
    return True


def generate_key(core: Core, new_keys: NewKeys) -> str:
    """Return a new private key as PKCS#8 PEM; ``cryptography`` makes one of RSA faster."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError:
        return _generated_by(core, new_keys)
    if new_keys["type"] != "rsa":
        return _generated_by(core, new_keys)
    with _openssl:
        key = rsa.generate_private_key(65537, new_keys["bits"])
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _generated_by(core: Core, new_keys: NewKeys) -> str:
    pem: str = call_json(core, "key.generate", new_keys)["private_pem"]
    return pem


class FunctionSigning:
    """A function of the program, such as a KMS. It may raise, lie or never return."""

    blocks = False

    def __init__(
        self, function: SigningFunction, public_key: str | None, time_limit: float
    ) -> None:
        self.configuration: dict[str, Any] = {"rsa": "external"}
        if public_key is not None:
            self.configuration["public_key"] = public_key
        self._function = function
        self._time_limit = time_limit

    def sign(self, data: bytes) -> bytes:
        try:
            return _bytes_of(_threads.start(self._finish, data).result(self._time_limit))
        except SigningFailure:
            raise
        except concurrent.futures.TimeoutError as reason:
            raise self._too_slow() from reason
        except Exception as reason:
            raise _failure(reason) from reason

    async def asign(self, data: bytes) -> bytes:
        try:
            return _bytes_of(await asyncio.wait_for(self._ask(data), self._time_limit))
        except SigningFailure:
            raise
        except asyncio.TimeoutError as reason:
            raise self._too_slow() from reason
        except Exception as reason:
            raise _failure(reason) from reason

    def _finish(self, data: bytes) -> object:
        answer = self._function(data)
        return asyncio.run(_await(answer)) if inspect.isawaitable(answer) else answer

    async def _ask(self, data: bytes) -> object:
        if inspect.iscoroutinefunction(self._function):
            return await self._function(data)
        answer = await asyncio.wrap_future(_threads.start(self._function, data))
        return await answer if inspect.isawaitable(answer) else answer

    def _too_slow(self) -> SigningFailure:
        return SigningFailure(f"the signing function gave no answer in {self._time_limit} seconds")


async def _await(answer: Awaitable[bytes]) -> bytes:
    return await answer


def _bytes_of(signature: object) -> bytes:
    if isinstance(signature, (bytes, bytearray, memoryview)):
        return bytes(signature)
    raise SigningFailure(f"the signing function returned {type(signature).__name__}, not bytes")


def _failure(reason: BaseException) -> SigningFailure:
    # Its text may hold anything, so it is chained and not quoted.
    return SigningFailure(f"the signing function raised {type(reason).__name__}")


class _Threads(ForkAware):
    """Daemon threads: a function that never returns does not keep the process from ending."""

    def __init__(self) -> None:
        super().__init__()
        self._places = threading.Semaphore(MAX_OUT)

    def start(
        self, function: Callable[[bytes], object], data: bytes
    ) -> concurrent.futures.Future[object]:
        places = self._places
        if not places.acquire(blocking=False):
            raise SigningFailure(f"{MAX_OUT} earlier signing functions have not answered yet")
        future: concurrent.futures.Future[object] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        context = contextvars.copy_context()

        def work() -> None:
            try:
                future.set_result(context.run(function, data))
            except BaseException as reason:
                # Wrapped here: a future does not take StopIteration and would never end.
                failure = _failure(reason)
                failure.__cause__ = reason
                future.set_exception(failure)
            finally:
                places.release()

        threading.Thread(target=work, name="tallystick-signer", daemon=True).start()
        return future

    def after_fork_in_child(self) -> None:
        self._places = threading.Semaphore(MAX_OUT)


_threads = _Threads()


def choose_signing(
    core: Core, signer: Signer, public_key: str | None, time_limit: float
) -> Signing:
    """Return what signs with ``signer``; ``invalid_key`` for a text that is no usable key."""
    if public_key == "":
        raise error(
            "invalid_argument",
            "public_key must not be empty, which would be no check of what the function signs: "
            "leave it out for that",
        )
    is_key = hasattr(signer, "sign") and _has_private_half(signer)
    if callable(signer) and not is_key:
        return FunctionSigning(signer, public_key, time_limit)
    if public_key is not None:
        raise error(
            "invalid_argument", "public_key goes with a signing function: a private key has its own"
        )
    if isinstance(signer, (str, bytes)):
        return _from_text(core, signer)
    if is_key:
        public_pem = _public_pem(signer)
        (public,) = _inspect(core, {"text": public_pem, "want": "public"})
        return CryptographySigning(signer, public["alg"], public_pem)
    raise error(
        "invalid_argument",
        "a signer is PEM or JWK text, a private key object of cryptography (RSA, EC on P-256 or "
        f"Ed25519), or a function from bytes to a signature, not {type(signer).__name__}",
    )


def _has_private_half(signer: object) -> bool:
    # Those of EC and RSA have numbers, one of Ed25519 has bytes alone.
    return hasattr(signer, "private_numbers") or hasattr(signer, "private_bytes")


def _from_text(core: Core, text: str | bytes) -> Signing:
    keys = _inspect(core, {"text": _decode(text), "want": "private", "include_private": True})
    if len(keys) != 1:
        raise error("invalid_key", f"the signer's text holds {len(keys)} keys: give one")
    key = keys[0]
    if core.name == "native" and key["alg"] in QUICK:
        return CoreSigning(key["private_pem"], blocks=False)
    try:
        return key_signing(key["private_pem"], key["alg"], json.dumps(key["public_jwk"]))
    except ImportError:
        # A PEM does not say that an RSA key is for PS256.
        return CoreSigning(json.dumps(key["private_jwk"]))


def _inspect(core: Core, request: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        keys: list[dict[str, Any]] = call_json(core, "key.inspect", request)["keys"]
    except TallystickError as refused:
        raise error(refused.code, f"signer: {refused.message}") from None
    return keys


def key_signing(pem: str, algorithm: str, public_key: str | None = None) -> CryptographySigning:
    """Load a private key into ``cryptography``; ``ImportError`` where it is missing."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(pem.encode(), password=None)
    return CryptographySigning(key, algorithm, public_key)


def _decode(text: str | bytes) -> str:
    # latin-1 cannot fail, so no exception quotes the key; the core refuses the rest.
    return text if isinstance(text, str) else text.decode("latin-1")
