"""Hashing a client's secret (PBKDF2) in OpenSSL, which is faster than the core."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from tallystick._core.core import Core, call_json
from tallystick._core.engine import members_of
from tallystick._core.problems import error
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from tallystick._core.engine import Need, Reply

__all__ = ["answer_derive", "make_secret"]


def answer_derive(need: Need) -> Reply:
    """Answer the need ``derive``: milliseconds of work, without the GIL."""
    try:
        return "", _derived(need)
    except (ValueError, OverflowError, MemoryError) as reason:
        # The name only: the text could quote the secret.
        return members_of({"failed": type(reason).__name__}), b""


def make_secret(core: Core, secret: str | None) -> dict[str, Any]:
    """Return ``secret``, drawn at random if it is ``None``, and its ``secret_hash``."""
    asked = {"derive": "host"} if secret is None else {"derive": "host", "secret": secret}
    first = _first_step(core, asked)
    told = {"derive": "host", "secret": first["secret"], "salt": first["derive"]["salt"]}
    return call_json(core, "client.secret", told, _derived(first["derive"]))


def _first_step(core: Core, asked: dict[str, str]) -> dict[str, Any]:
    try:
        return call_json(core, "client.secret", asked)
    except TallystickError as refused:
        message = refused.message.removeprefix("client.secret: ")
        raise error(refused.code, f"secret: {message}") from None


def _derived(need: dict[str, Any]) -> bytes:
    salt = base64.urlsafe_b64decode(need["salt"] + "==")
    return hashlib.pbkdf2_hmac(
        "sha256", need["secret"].encode(), salt, need["iterations"], need["length"]
    )
