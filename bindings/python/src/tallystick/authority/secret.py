"""Making the secret of a client whose hash goes into the setting ``clients``."""

from __future__ import annotations

from dataclasses import dataclass, field

from tallystick.access.derivation import make_secret
from tallystick.arguments import must_be_text
from tallystick.core import load_core

__all__ = ["ClientSecret", "new_client_secret"]


@dataclass(frozen=True)
class ClientSecret:
    """A client's secret, and its salted hash for who checks it; neither is in the ``repr``.

    ``secret``
        for the client: its ``client_secret``.
    ``secret_hash``
        for the setting ``clients``: ``{"client_id": ..., "secret_hash": ...}``.
    """

    secret: str = field(repr=False)
    secret_hash: str = field(repr=False)


def new_client_secret(secret: str | None = None) -> ClientSecret:
    """Return a secret with its hash; drawn at random (256 bits) when none is given.

    A given one has at least 16 characters, else ``invalid_argument``. Each call makes
    another salt and so another hash. Thread-safe and fork-safe.
    """
    if secret is not None:
        must_be_text("secret", secret)
    answer = make_secret(load_core(), secret)
    return ClientSecret(answer["secret"], answer["secret_hash"])
