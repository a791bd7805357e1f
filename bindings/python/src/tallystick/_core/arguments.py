"""Type checks of arguments: the error names the argument.

Each function raises ``invalid_argument``. What a value means is for the core to judge.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tallystick._core.problems import error

if TYPE_CHECKING:
    from collections.abc import Collection

    from tallystick.errors import TallystickError

__all__ = [
    "KEY_BITS",
    "KEY_TYPE",
    "MAX_SIGNER_TIMEOUT",
    "SIGNER_TIMEOUT",
    "NewKeys",
    "body_bytes",
    "choose_logger",
    "header_lines",
    "issuer_keys",
    "must_be_bits",
    "must_be_callable",
    "must_be_flag",
    "must_be_folder",
    "must_be_number",
    "must_be_path",
    "must_be_seconds",
    "must_be_size",
    "must_be_text",
    "must_be_texts",
    "must_be_trust",
    "must_be_utf8",
    "must_be_whole",
    "new_keys",
    "refuse_unknown",
    "wrong_type",
]

SIGNER_TIMEOUT = 10
MAX_SIGNER_TIMEOUT = 50
"""Seconds. The core waits a minute for a signature."""

KEY_BITS = 2048
KEY_TYPE = "rsa"

NewKeys = dict[str, Any]
"""What keys that are made are like: ``type``, and ``bits`` of RSA, as the core takes both."""

MAX_NUMBER = 1 << 53
"""The largest number that the core reads. JSON cannot write nan and infinity."""


def wrong_type(name: str, wanted: str, value: object) -> TallystickError:
    """Return the error for a value of another type than the one wanted."""
    return error("invalid_argument", f"{name} takes {wanted}, not {type(value).__name__}")


def refuse_unknown(name: str, unknown: Collection[str], **renamed: str) -> None:
    """Refuse options that a class does not have. For a former one the error says the new name."""
    for option in unknown:
        if option in renamed:
            raise error("invalid_argument", f"{option} is now {renamed[option]}")
        raise TypeError(f"{name}() got an unexpected keyword argument {option!r}")


def body_bytes(body: bytes | str) -> bytes:
    """Return a body's bytes; a text stands for its UTF-8."""
    if type(body) is bytes:
        return body
    if isinstance(body, str):
        try:
            return body.encode()
        except UnicodeEncodeError:
            raise error(
                "invalid_argument", "the body's text has an unpaired surrogate: give bytes"
            ) from None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    # bytes(5) would be five zeros, which would then be signed.
    raise error(
        "invalid_argument",
        f"the body must be bytes or text, not {type(body).__name__}: for JSON, json.dumps it first",
    )


def must_be_text(name: str, value: object) -> None:
    """Refuse what is no text."""
    if not isinstance(value, str):
        raise wrong_type(name, "a text", value)


def must_be_utf8(name: str, value: object) -> None:
    """Refuse what is no text, or none that UTF-8 can write.

    This is for what a program writes. What a caller sends is for the core to refuse.
    """
    must_be_text(name, value)
    try:
        str(value).encode()
    except UnicodeEncodeError:
        raise error("invalid_argument", f"{name} has an unpaired surrogate") from None


def issuer_keys(name: str, keys: Any) -> dict[str, str]:
    """Return texts of keys by their issuers."""
    if not isinstance(keys, Mapping):
        raise wrong_type(name, 'a mapping such as {"issuer": "PEM, JWK or JWKS"}', keys)
    for issuer, text in keys.items():
        must_be_utf8(f"{name}: the issuer {issuer!r}", issuer)
        must_be_utf8(f"{name}[{issuer!r}]", text)
    return dict(keys)


def must_be_texts(name: str, value: Any) -> list[str]:
    """Return a list of texts. One text is refused: its letters would count as the list.

    This is for what a program writes, as :func:`must_be_utf8` is.
    """
    found = _listed(name, value)
    for place, each in enumerate(found):
        must_be_utf8(f"{name}[{place}]", each)
    return found


def _listed(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        raise error("invalid_argument", f"{name} takes a list of texts, not one text")
    if isinstance(value, Mapping) or not hasattr(value, "__iter__"):
        raise wrong_type(name, "a list of texts", value)
    return list(value)


def header_lines(name: str, value: Any) -> list[str]:
    """Return the values of one header: none, one text or a list of texts."""
    if value is None:
        return []
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise wrong_type(name, "one text, or a list of texts", value)
    if isinstance(value, str):
        return [value]
    found = _listed(name, value)
    for place, each in enumerate(found):
        must_be_text(f"{name}[{place}]", each)
    return found


def must_be_callable(name: str, value: object) -> None:
    """Refuse what is neither ``None`` nor callable."""
    if value is not None and not callable(value):
        raise wrong_type(name, "a function", value)


def must_be_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false: the text "false" would be true."""
    if not isinstance(value, bool):
        raise wrong_type(name, "True or False", value)


def must_be_path(name: str, value: object) -> None:
    """Refuse what is neither ``None`` nor a path; an empty one would be the working folder."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise wrong_type(name, "a path", value)
    if value is None:
        return
    if value == "":
        raise error("invalid_argument", f"{name} must not be empty")
    try:
        written = os.fsencode(value)
    except UnicodeEncodeError:
        raise error("invalid_argument", f"{name} has an unpaired surrogate") from None
    if b"\0" in written:
        raise error("invalid_argument", f"{name} must not have a NUL in it")


def must_be_folder(name: str, value: object) -> None:
    """Refuse what is no path."""
    if value is None:
        raise wrong_type(name, "a path", value)
    must_be_path(name, value)


def must_be_trust(name: str, value: object) -> None:
    """Refuse what is neither ``None`` nor an ``ssl.SSLContext``."""
    if value is not None and not isinstance(value, ssl.SSLContext):
        raise wrong_type(name, "an ssl.SSLContext", value)


def must_be_number(name: str, value: Any) -> None:
    """Refuse what is no number. The core says which numbers are allowed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong_type(name, "a number", value)
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise error("invalid_argument", f"{name} must be a finite number within 2^53")


def must_be_whole(name: str, value: Any) -> None:
    """Refuse what is no whole number. The core says which ones are allowed."""
    must_be_number(name, value)
    if not isinstance(value, int):
        raise wrong_type(name, "a whole number", value)


def must_be_size(name: str, value: Any) -> None:
    """Refuse what is no whole number of bytes."""
    must_be_whole(name, value)
    if value < 0:
        raise error("invalid_argument", f"{name} must be 0 bytes or more")


def must_be_seconds(name: str, value: Any, most: float) -> None:
    """Refuse what is no time limit, in seconds up to ``most``."""
    must_be_number(name, value)
    if not 0 < value <= most:
        raise error("invalid_argument", f"{name} must be over 0, up to {most:,} seconds")


def must_be_bits(name: str, value: object) -> None:
    """Refuse what is no size of keys that the core makes."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, "2048, 3072 or 4096", value)
    if value not in (2048, 3072, 4096):
        raise error("invalid_argument", f"{name} must be 2048, 3072 or 4096")


def new_keys(
    kind: object, bits: object, kind_name: str = "key_type", bits_name: str = "key_bits"
) -> NewKeys:
    """Return what the options of these names say about keys that are made."""
    kind = KEY_TYPE if kind is None else kind
    if not isinstance(kind, str):
        raise wrong_type(kind_name, '"rsa", "ec" or "ed25519"', kind)
    if kind not in ("rsa", "ec", "ed25519"):
        raise error("invalid_argument", f'{kind_name} must be "rsa", "ec" or "ed25519"')
    if kind == "rsa":
        bits = KEY_BITS if bits is None else bits
        must_be_bits(bits_name, bits)
        return {"type": kind, "bits": bits}
    if bits is not None:
        raise error(
            "invalid_argument",
            f"{bits_name} is for RSA keys: leave it out, or leave out {kind_name}",
        )
    return {"type": kind}


def choose_logger(value: Any) -> logging.Logger:
    """Return the logger that was given, or the package's own."""
    if value is None:
        return logging.getLogger("tallystick")
    if not callable(getattr(value, "log", None)) or not callable(getattr(value, "warning", None)):
        raise wrong_type("logger", "a logging.Logger", value)
    logger: logging.Logger = value
    return logger
