"""Keys and tokens for trying an agent by hand (rotagent's ``DevTools``)."""

from __future__ import annotations

import base64
import json
import os
import tempfile
import time

from tallystick._core.arguments import must_be_folder, must_be_text
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from tallystick._core.problems import error, shown
from tallystick.errors import TallystickError
from tallystick.keys import KeyManager

__all__ = ["DevTools"]

TOKEN_LIFETIME = 21_600
"""Seconds that a development token lives."""


class DevTools:
    """Development utilities. What they print holds secrets on purpose."""

    @staticmethod
    def setup_persistent_keys(
        keys_dir: str | os.PathLike[str] = "authorized_keys", issuer_id: str = "dev_postman"
    ) -> None:
        """Make a key pair: the public key becomes ``keys_dir/issuer_id.pem``.

        The private key is printed to standard output, as the line for ``.env`` that
        :meth:`generate_bearer_token` reads, and is kept nowhere else. Replaces an
        earlier key of that issuer. Raises ``invalid_argument`` for an issuer that is
        no plain file name, and ``OSError`` when the folder cannot be written.
        """
        must_be_folder("keys_dir", keys_dir)
        must_be_text("issuer_id", issuer_id)
        private_pem, public_pem = KeyManager.generate_rsa_keypair()
        name = _file_name(issuer_id, public_pem)
        os.makedirs(keys_dir, exist_ok=True)
        path = os.path.join(keys_dir, name)
        _write_atomically(path, public_pem)
        encoded = base64.b64encode(private_pem.encode()).decode()
        print(f"Public key of issuer {issuer_id!r} written to {shown(path)}")
        print("Put this line into your .env file (it is a secret; never commit it):")
        print(f"DEV_PRIVATE_KEY={encoded}")

    @staticmethod
    def generate_bearer_token(
        query: str, env_var: str = "DEV_PRIVATE_KEY", issuer_id: str = "dev_postman"
    ) -> tuple[str, str]:
        """Return (and print) a token of 6 hours and the JSON body that it is for.

        The private key is read from the environment variable ``env_var``, else from
        the nearest ``.env`` of the working directory and its parents; the environment
        of this process is not changed. The token names no receiver. Raises
        ``invalid_config`` when there is no such variable, ``invalid_key`` when its
        value is not the base64 of a private key.
        """
        for name, text in (("query", query), ("env_var", env_var), ("issuer_id", issuer_id)):
            must_be_text(name, text)
        body = json.dumps({"query": query}, separators=(",", ":"))
        signed = call_json(
            load_core(),
            "request.sign",
            {
                "issuer": issuer_id,
                "private_key": _private_key(env_var),
                "now": time.time(),
                "unbound": True,
                "ttl": TOKEN_LIFETIME,
            },
            body.encode(),
        )
        token: str = signed["authorization"].removeprefix("Bearer ")
        print(f"Token of issuer {issuer_id!r}, valid for 6 hours:")
        print(f"Authorization: Bearer {token}")
        print("for a POST with exactly this body:")
        print(body)
        return token, body


def _private_key(env_var: str) -> str:
    request = {
        "text": _variable(env_var),
        "encoding": "base64",
        "want": "private",
        "include_private": True,
    }
    try:
        inspected = call_json(load_core(), "key.inspect", request)
    except TallystickError as refused:
        raise error(refused.code, f"{shown(env_var)}: {refused.message}") from None
    # A PEM does not say that an RSA key is for PS256.
    return json.dumps(inspected["keys"][0]["private_jwk"])


def _variable(name: str) -> str:
    from dotenv import dotenv_values, find_dotenv

    path = find_dotenv(usecwd=True)
    value = os.environ.get(name) or (dotenv_values(path).get(name) if path else None)
    if value:
        return value
    where = (
        f"not in {shown(path)}"
        if path
        else f"there is no .env file in {shown(os.getcwd())} or above"
    )
    raise error(
        "invalid_config",
        f"{shown(name)} is not set in the environment, or empty, and {where}: run "
        "DevTools.setup_persistent_keys() and put the line that it prints into .env",
    )


def _file_name(issuer_id: str, public_pem: str) -> str:
    """Return the file name that the core reads back as this issuer, or refuse."""
    name = f"{issuer_id}.pem"
    if os.path.basename(name) == name:
        files = [{"name": name, "text": public_pem}]
        if issuer_id in call_json(load_core(), "keys.load", {"files": files})["issuers"]:
            return name
    raise error(
        "invalid_argument",
        f"issuer_id {issuer_id!r} cannot be the name of a key file: "
        "use letters, digits, '-', '_' and '.', not at the start",
    )


def _write_atomically(path: str, text: str) -> None:
    """Write a public file so that a reader sees the old or the new content."""
    descriptor, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path) or ".")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
