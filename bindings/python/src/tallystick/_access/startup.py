"""From settings to the :class:`Host` of an engine: its keys and its signer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick._access.engine import Host
from tallystick._core.problems import error
from tallystick._core.signing import choose_signing
from tallystick._files.key_ring import FileRing, FixedRing, ring_file

if TYPE_CHECKING:
    import logging
    import ssl

    from tallystick._access.config import Settings
    from tallystick._access.policy import Policy
    from tallystick._core.core import Core
    from tallystick._core.signing import Signing, SigningFunction
    from tallystick._core.used_tokens import UsedTokens
    from tallystick._files.key_ring import Ring

__all__ = ["file_ring", "open_host"]


def open_host(
    core: Core,
    policy: Policy,
    *,
    signer: SigningFunction | None,
    public_key: str | None,
    signer_timeout: float,
    key_bits: int,
    used: UsedTokens,
    trust: ssl.SSLContext | None,
    logger: logging.Logger,
) -> Host:
    """Return the host of an agent with this policy."""
    settings = policy.settings
    if settings.mode == "portal":
        if signer is not None:
            raise error(
                "invalid_argument",
                "signer cannot be used with authority: in portal mode the authority signs",
            )
        return Host(used, trust=trust, policy=policy)
    if signer is None and public_key is None and "agent_id" not in settings.access:
        # It has no name to sign with: it only verifies, and makes no file.
        return Host(used, trust=trust, policy=policy)
    ring, signing = _keys(core, settings, signer, public_key, signer_timeout, key_bits, logger)
    return Host(used, trust=trust, ring=ring, signing=signing, policy=policy)


def _keys(
    core: Core,
    settings: Settings,
    signer: SigningFunction | None,
    public_key: str | None,
    signer_timeout: float,
    key_bits: int,
    logger: logging.Logger,
) -> tuple[Ring, Signing | None]:
    if signer is None:
        if public_key is not None:
            raise error("invalid_argument", "public_key needs a signer")
        return file_ring(core, settings, key_bits, logger), None
    if not callable(signer) or public_key is None:
        raise error(
            "invalid_argument",
            "signer is a function from bytes to a signature and needs its public_key; "
            "a private key goes into the key ring in keys_dir",
        )
    signing = choose_signing(core, signer, public_key, signer_timeout)
    return FixedRing(core, public_key), signing


def file_ring(core: Core, settings: Settings, key_bits: int, logger: logging.Logger) -> FileRing:
    """Return the ring in the keys folder of these settings."""
    access = settings.access
    path = ring_file(settings.keys_dir, access["agent_id"])
    lifetime = access["token_ttl"] + access["leeway"]
    return FileRing(core, path, lifetime, key_bits, logger)
