"""Who called: what a verified request says about its sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Caller"]


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
