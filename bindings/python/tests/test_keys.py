"""KeyManager, with cryptography as the judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import KeyPair, unprivileged
from tallystick import InvalidArgumentError, KeyManager, KeysUnavailableError, PublicKey

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_new_pair_is_pkcs8_and_spki_and_belongs_together(bits: int) -> None:
    private_pem, public_pem = KeyManager.generate_rsa_keypair(bits)
    assert private_pem.startswith("-----BEGIN PRIVATE KEY-----\n")
    private = serialization.load_pem_private_key(private_pem.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == bits
    spki = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert spki.decode() == public_pem


def test_pairs_differ(keys: KeyPair, other_keys: KeyPair) -> None:
    assert keys.private != other_keys.private
    assert keys.public != other_keys.public


@pytest.mark.parametrize("bits", [1024, 2047, 8192, -1])
def test_other_sizes_are_refused(bits: int) -> None:
    with pytest.raises(InvalidArgumentError, match="bits"):
        KeyManager.generate_rsa_keypair(bits)


def test_a_folder_is_loaded_by_issuer(
    keys_dir: Path, keys: KeyPair, other_keys: KeyPair, caplog: pytest.LogCaptureFixture
) -> None:
    (keys_dir / "rotating.pub").write_text(other_keys.public + keys.public)
    (keys_dir / "private.pem").write_text(keys.private)
    (keys_dir / "README.txt").write_text("not a key")
    loaded = KeyManager.load_public_keys(keys_dir)
    assert sorted(loaded) == ["orchestrator", "rotating"]
    key = loaded["orchestrator"]
    assert isinstance(key, str)
    assert key == keys.public
    assert key.bits == 2048
    assert key.jwk["kty"] == "RSA"
    assert len(key.kid) == 43
    assert key.others == ()
    assert key.alg == "RS256"
    loaded_key = key.to_cryptography()
    assert isinstance(loaded_key, rsa.RSAPublicKey)
    assert loaded_key.public_numbers() == _public_numbers(keys.public)
    (other,) = loaded["rotating"].others
    assert isinstance(other, PublicKey)
    assert other.kid == key.kid
    assert "private.pem" in caplog.text
    assert "README" not in caplog.text


def _public_numbers(pem: str) -> rsa.RSAPublicNumbers:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key.public_numbers()


def test_a_missing_folder_is_empty_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert KeyManager.load_public_keys(tmp_path / "missing") == {}
    assert str(tmp_path / "missing") in caplog.text


def test_an_unreadable_folder_is_an_error(open_dir: Path, keys: KeyPair) -> None:
    (open_dir / "orchestrator.pem").write_text(keys.public)
    assert KeyManager.load_public_keys(open_dir)
    open_dir.chmod(0)
    with unprivileged(), pytest.raises(KeysUnavailableError, match=str(open_dir)):
        KeyManager.load_public_keys(open_dir)
    open_dir.chmod(0o755)
