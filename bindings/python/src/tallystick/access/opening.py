"""From settings to what an engine needs of its host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.access.host import Means
from tallystick.access.ring import FileRing, FixedRing, ring_file
from tallystick.errors import error
from tallystick.signing import choose_means

if TYPE_CHECKING:
    import logging
    import os
    import ssl

    from tallystick.access.ring import Ring
    from tallystick.access.settings import Settings
    from tallystick.core import Core
    from tallystick.replay import ReplayStore
    from tallystick.signing import SigningFunction, SigningMeans

__all__ = ["file_ring", "open_means"]


def open_means(
    core: Core,
    settings: Settings,
    *,
    signer: SigningFunction | None,
    public_key: str | None,
    signer_timeout: float,
    key_bits: int,
    replay: str | os.PathLike[str] | ReplayStore,
    trust: ssl.SSLContext | None,
    logger: logging.Logger,
) -> Means:
    """Return what an agent with these settings brings to its engine."""
    if settings.mode == "portal":
        if signer is not None:
            raise error(
                "invalid_argument", "signer goes without authority: in portal mode that one signs"
            )
        return Means(replay=replay, trust=trust)
    if signer is None and public_key is None and "agent_id" not in settings.access:
        # It has no name to sign with: it only verifies, and leaves no file behind.
        return Means(replay=replay, trust=trust)
    ring, signing = _keys(core, settings, signer, public_key, signer_timeout, key_bits, logger)
    return Means(replay=replay, trust=trust, ring=ring, signing=signing)


def _keys(
    core: Core,
    settings: Settings,
    signer: SigningFunction | None,
    public_key: str | None,
    signer_timeout: float,
    key_bits: int,
    logger: logging.Logger,
) -> tuple[Ring, SigningMeans | None]:
    if signer is None:
        if public_key is not None:
            raise error("invalid_argument", "public_key goes with signer")
        return file_ring(core, settings, key_bits, logger), None
    if not callable(signer) or public_key is None:
        raise error(
            "invalid_argument",
            "signer is a function from bytes to a signature and needs its public_key; "
            "a private key goes into the key ring in keys_dir",
        )
    means = choose_means(core, signer, public_key, signer_timeout)
    return FixedRing(core, public_key), means


def file_ring(core: Core, settings: Settings, key_bits: int, logger: logging.Logger) -> FileRing:
    """Return the ring in the keys folder of these settings."""
    access = settings.access
    path = ring_file(settings.keys_dir, access["agent_id"])
    lifetime = access["token_ttl"] + access["leeway"]
    return FileRing(core, path, lifetime, key_bits, logger)
