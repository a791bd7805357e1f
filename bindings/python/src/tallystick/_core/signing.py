"""Who makes the signature: the core, ``cryptography`` or the caller's own function."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import threading
from typing import TYPE_CHECKING, Any, Protocol, Union, cast

from tallystick._core.core import Core, call_json
from tallystick._core.forks import ForkAware
from tallystick._core.problems import error
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

    SigningFunction = Callable[[bytes], Union[bytes, Awaitable[bytes]]]
    Signer = Union[str, bytes, RSAPrivateKey, SigningFunction]

__all__ = [
    "Signing",
    "SigningFailure",
    "choose_signing",
    "generate_key",
    "key_signing",
    "signature_matches",
]

MAX_OUT = 64
"""Calls of signing functions at one time. One that never returns keeps its place."""


class SigningFailure(Exception):  # noqa: N818 - it never leaves the package
    """No signature was made. The text is for the operator's log."""


class Signing(Protocol):
    """One way to sign. Thread-safe and fork-safe."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Members of ``signer`` in ``engine.open``, besides the issuer and the ttl."""

    @property
    def in_core(self) -> bool:
        """Whether the core makes the signature, and the call takes that long."""

    def sign(self, data: bytes) -> bytes:
        """Sign with RSASSA-PKCS1-v1_5 and SHA-256, or raise :class:`SigningFailure`."""

    async def asign(self, data: bytes) -> bytes:
        """Do the same without blocking the event loop."""


class CoreSigning:
    """The core holds the private key and asks for nothing."""

    in_core = True

    def __init__(self, text: str) -> None:
        self.configuration = {"private_key": text}

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
    """A key object of ``cryptography``, which signs faster than the core."""

    in_core = False

    def __init__(self, key: RSAPrivateKey) -> None:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding

        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        # An object of another package, such as a KMS, may have the same methods.
        self._own = type(key).__module__.partition(".")[0] == "cryptography"
        self.configuration = {
            "rsa": "host" if self._own else "external",
            "public_key": public.decode(),
        }
        self._key = key
        self._padding = padding.PKCS1v15()
        self._hash = hashes.SHA256()

    def sign(self, data: bytes) -> bytes:
        if not self._own:
            return self._sign_strangely(data)
        with _openssl:
            return self._key.sign(data, self._padding, self._hash)

    def _sign_strangely(self, data: bytes) -> bytes:
        try:
            with _openssl:
                return _bytes_of(self._key.sign(data, self._padding, self._hash))
        except SigningFailure:
            raise
        except Exception as reason:
            raise _failure(reason) from reason

    async def asign(self, data: bytes) -> bytes:
        return await asyncio.to_thread(self.sign, data)


def signature_matches(public: RSAPublicKey, signature: bytes, data: bytes) -> bool:
    """Verify RSASSA-PKCS1-v1_5 with SHA-256 through ``cryptography``."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def generate_key(core: Core, bits: int) -> str:
    """Return a new RSA private key as PKCS#8 PEM; ``cryptography`` makes it faster."""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError:
        pem: str = call_json(core, "key.generate", {"bits": bits})["private_pem"]
        return pem
    with _openssl:
        key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


class FunctionSigning:
    """A function of the program, such as a KMS. It may raise, lie or never return."""

    in_core = False

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
    is_key = hasattr(signer, "private_numbers") and hasattr(signer, "sign")
    if callable(signer) and not is_key:
        return FunctionSigning(signer, public_key, time_limit)
    if public_key is not None:
        raise error(
            "invalid_argument", "public_key goes with a signing function: a private key has its own"
        )
    if isinstance(signer, (str, bytes)):
        return _from_text(core, signer)
    if is_key:
        signing = CryptographySigning(cast("RSAPrivateKey", signer))
        _inspect(core, {"text": signing.configuration["public_key"], "want": "public"})
        return signing
    raise error(
        "invalid_argument",
        "a signer is PEM or JWK text, an RSA private key object of cryptography, or a function "
        f"from bytes to a signature, not {type(signer).__name__}",
    )


def _from_text(core: Core, text: str | bytes) -> Signing:
    keys = _inspect(core, {"text": _decode(text), "want": "private", "include_private": True})
    if len(keys) != 1:
        raise error("invalid_key", f"the signer's text holds {len(keys)} keys: give one")
    pem: str = keys[0]["private_pem"]
    try:
        return key_signing(pem)
    except ImportError:
        return CoreSigning(pem)


def _inspect(core: Core, request: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        keys: list[dict[str, Any]] = call_json(core, "key.inspect", request)["keys"]
    except TallystickError as refused:
        raise error(refused.code, f"signer: {refused.message}") from None
    return keys


def key_signing(pem: str) -> CryptographySigning:
    """Load a private key into ``cryptography``; ``ImportError`` where it is missing."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key(pem.encode(), password=None)
    return CryptographySigning(key)


def _decode(text: str | bytes) -> str:
    # latin-1 cannot fail, so no exception quotes the key; the core refuses the rest.
    return text if isinstance(text, str) else text.decode("latin-1")
