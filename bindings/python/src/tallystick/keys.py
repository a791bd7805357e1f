"""Key pairs, and the public keys of callers (rotagent's ``KeyManager``)."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from tallystick._core.arguments import KEY_TYPE, must_be_bits, must_be_folder, new_keys
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from tallystick._core.problems import error, shown
from tallystick._files.keys_folder import FolderUnreadableError, read_files

if TYPE_CHECKING:
    from tallystick._core.signing import CheckingKey

__all__ = ["KeyManager", "PublicKey"]


class PublicKey(str):
    """The public key of an issuer: its SPKI PEM text, with details as attributes.

    ``kid``
        RFC 7638 thumbprint.
    ``alg``
        what it is good for: ``RS256``, ``PS256``, ``ES256`` or ``EdDSA``.
    ``bits``
        size of the modulus, or of the curve's field.
    ``jwk``
        the key as a JWK.
    ``others``
        further keys of the same issuer, in the order of the file (rotation).
    """

    __slots__ = ("alg", "bits", "jwk", "kid", "others")

    kid: str
    alg: str
    bits: int
    jwk: dict[str, Any]
    others: tuple[PublicKey, ...]

    def __new__(cls, loaded: dict[str, Any], others: tuple[PublicKey, ...] = ()) -> PublicKey:
        key = super().__new__(cls, loaded["public_pem"])
        key.kid = loaded["kid"]
        key.alg = loaded["alg"]
        key.bits = loaded["bits"]
        key.jwk = loaded["public_jwk"]
        key.others = others
        return key

    def to_cryptography(self) -> CheckingKey:
        """Return it as a key object of ``cryptography`` (extra ``[fast]``)."""
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        key: Any = load_pem_public_key(self.encode())
        loaded: CheckingKey = key
        return loaded


class KeyManager:
    """Makes and loads keys. Thread-safe and fork-safe."""

    @staticmethod
    def generate_rsa_keypair(bits: int = 2048) -> tuple[str, str]:
        """Return a new ``(private_pem, public_pem)``: PKCS#8 and SPKI.

        ``bits`` is 2048, 3072 or 4096; ``invalid_argument`` otherwise.
        """
        must_be_bits("bits", bits)
        pair = call_json(load_core(), "key.generate", {"bits": bits})
        return pair["private_pem"], pair["public_pem"]

    @staticmethod
    def generate_key_pair(type: str = KEY_TYPE, bits: int | None = None) -> tuple[str, str]:
        """Return a new ``(private_pem, public_pem)``: PKCS#8 and SPKI.

        ``type`` is ``"rsa"``, ``"ec"`` (P-256) or ``"ed25519"``; ``bits`` of an RSA key are 2048
        (default), 3072 or 4096; ``invalid_argument`` otherwise.
        """
        pair = call_json(load_core(), "key.generate", new_keys(type, bits, "type", "bits"))
        return pair["private_pem"], pair["public_pem"]

    @staticmethod
    def load_public_keys(directory: str | os.PathLike[str]) -> dict[str, PublicKey]:
        """Return the public keys of a folder by issuer (``ISSUER.pem``, ``.pub``, ...).

        A missing folder is an empty one. Files that cannot be used (a private key, a
        weak one, two for one issuer) are left out and named in the log, logger
        ``tallystick``. Raises ``keys_unavailable`` when the folder cannot be read.
        """
        must_be_folder("directory", directory)
        logger = logging.getLogger("tallystick")
        path = os.path.abspath(directory)
        if not os.path.exists(path):
            logger.warning("the keys folder %s does not exist", shown(path))
        try:
            files = read_files(path)
        except FolderUnreadableError as reason:
            raise error("keys_unavailable", str(reason)) from reason
        loaded = call_json(load_core(), "keys.load", {"files": files})
        for warning in loaded["warnings"]:
            logger.warning("%s: %s", shown(path), warning["message"])
        return {issuer: _first_of(keys) for issuer, keys in loaded["issuers"].items()}


def _first_of(keys: list[dict[str, Any]]) -> PublicKey:
    return PublicKey(keys[0], tuple(PublicKey(key) for key in keys[1:]))
