"""Who called: what a verified request says about its sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Caller", "caller_of"]


@dataclass(frozen=True)
class Caller:
    """The verified sender of a request, in ``flask.g.auth``.

    ``issuer``
        whose key signed the token.
    ``jti``
        the token's id; "" for a development token without one.
    ``issued_at``, ``expires_at``
        seconds since 1970; ``issued_at`` is ``None`` where the token has none.
    ``key_id``
        RFC 7638 thumbprint of the key.
    ``claims``
        all verified claims.
    ``development``
        true when replay and body were not checked.
    """

    issuer: str
    jti: str
    issued_at: float | None
    expires_at: float
    key_id: str
    claims: dict[str, Any]
    development: bool


def caller_of(result: dict[str, Any]) -> Caller:
    """Return the caller of a verified request."""
    claims = result["claims"]
    caller = object.__new__(Caller)
    # As __init__ would, which sets each member of a frozen dataclass by a call.
    caller.__dict__.update(
        issuer=claims["iss"],
        jti=claims.get("jti", ""),
        issued_at=claims.get("iat"),
        expires_at=claims["exp"],
        key_id=result["key_id"],
        claims=claims,
        development=result["development"],
    )
    return caller
