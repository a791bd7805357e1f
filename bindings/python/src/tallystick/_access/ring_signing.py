"""Signatures outside the core: the needs ``sign`` and ``check``."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tallystick._core.engine import members_of
from tallystick._core.signing import SigningFailure, key_signing, signature_matches
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick._core.core import Core
    from tallystick._core.engine import Engine, Need, Reply
    from tallystick._core.signing import Signing

__all__ = ["RingSigning"]

MAX_CHECK_KEYS = 1024
"""Public keys of others that are kept loaded. Beyond that all are loaded anew."""

_VALID: Reply = ('"valid":true', b"")
_INVALID: Reply = ('"valid":false', b"")


class RingSigning:
    """Signs with the keys of a ring, or with ``signing``, and checks with the keys of others.

    ``cryptography``, where it is installed, signs RSA faster than the core, and in
    WebAssembly it checks all faster too. Thread-safe and fork-safe.
    """

    def __init__(self, core: Core, signing: Signing | None) -> None:
        self._core = core
        self._signing = signing
        self._signs = find_spec("cryptography") is not None
        self._checks = self._signs and core.name == "wasm"
        self._pems: dict[str, str] = {}
        # Those of the ring before: a token may be under way when its key is dropped.
        self._former: dict[str, str] = {}
        self._loaded: dict[str, Signing] = {}
        self._public: dict[str, Any] = {}

    @property
    def configuration(self) -> dict[str, Any]:
        """Members of ``access`` in ``engine.open``."""
        signing = "host" if self._signs else "core"
        return {
            # A signer that was given may be wrong: the core checks its signatures.
            "signing": signing if self._signing is None else "external",
            "rsa": "host" if self._checks else "core",
        }

    @property
    def blocks(self) -> bool:
        """Whether the core makes the signature, and takes so long that a loop must not wait."""
        return self._signing is None and not self._signs

    def take(self, ring: dict[str, Any]) -> None:
        """Sign with the private keys of this ring from now on."""
        if not self._signs or self._signing is not None:
            return
        pems = {key["kid"]: key["private_pem"] for key in ring["keys"] if "private_pem" in key}
        if pems == self._pems:
            return
        former = self._pems
        kept = {**former, **pems}
        self._loaded = {kid: signing for kid, signing in self._loaded.items() if kid in kept}
        self._former, self._pems = former, pems

    def sign(self, need: Need) -> bytes:
        """Sign, or raise :class:`SigningFailure`."""
        return self._signing_for(need).sign(need["input"].encode())

    async def asign(self, need: Need) -> bytes:
        """Do the same without blocking the event loop."""
        return await self._signing_for(need).asign(need["input"].encode())

    def check(self, need: Need, engine: Engine) -> Reply:
        """Tell whether a signature matches."""
        public = self._public.get(need["key"])
        if public is None:
            try:
                public = self._load_public(need["key"], engine)
            except TallystickError as refused:
                return members_of({"failed": refused.message}), b""
        signature = base64.urlsafe_b64decode(need["signature"] + "==")
        matches = signature_matches(public, need["alg"], signature, need["input"].encode())
        return _VALID if matches else _INVALID

    def _signing_for(self, need: Need) -> Signing:
        if self._signing is not None:
            return self._signing
        kid = need["key"]
        signing = self._loaded.get(kid)
        if signing is None:
            pem = self._pems.get(kid) or self._former.get(kid)
            if pem is None:
                raise SigningFailure("the key ring has no private key with that thumbprint")
            signing = self._loaded[kid] = key_signing(pem, need["alg"])
        return signing

    def _load_public(self, name: str, engine: Engine) -> Any:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        pem = engine.call("engine.key", {"key": name})["public_pem"]
        if len(self._public) >= MAX_CHECK_KEYS:
            self._public = {}
        public = self._public[name] = load_pem_public_key(pem.encode())
        return public
