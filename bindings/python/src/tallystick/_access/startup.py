"""From settings to the :class:`Host` of an engine: its keys and its signer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick._access.engine import Host
from tallystick._core.arguments import SIGNER_TIMEOUT
from tallystick._core.problems import error
from tallystick._core.signing import choose_signing
from tallystick._files.key_ring import FixedRing, SharedRing, ring_file

if TYPE_CHECKING:
    import logging
    import ssl

    from tallystick._access.config import Settings
    from tallystick._access.policy import Policy
    from tallystick._core.arguments import NewKeys
    from tallystick._core.core import Core
    from tallystick._core.signing import SigningFunction
    from tallystick._core.used_tokens import UsedTokens
    from tallystick._files.stored_document import StoredDocuments

__all__ = ["must_go_together", "open_host", "shared_ring"]


def open_host(
    core: Core,
    policy: Policy,
    *,
    signer: SigningFunction | None,
    public_key: str | None,
    signer_timeout: float | None,
    new_keys: NewKeys,
    used: UsedTokens,
    stored: StoredDocuments | None,
    trust: ssl.SSLContext | None,
    logger: logging.Logger,
) -> Host:
    """Return the host of an agent with this policy."""
    settings = policy.settings
    has_ring = settings.mode != "portal" and signer is None and "agent_id" in settings.access
    if stored is not None and stored.has_key and not has_ring:
        raise error(
            "invalid_argument",
            "store_key is for the key ring of an agent that signs: with a signer, an authority, or "
            "without agent_id and base_url there is none",
        )
    if settings.mode == "portal":
        if signer is not None:
            raise error(
                "invalid_argument",
                "signer cannot be used with authority: in portal mode the authority signs",
            )
        return Host(used, trust=trust, policy=policy)
    if signer is None and "agent_id" not in settings.access:
        # It has no name to sign with: it only verifies, and makes no file.
        return Host(used, trust=trust, policy=policy)
    if signer is None:
        ring = shared_ring(core, settings, new_keys, logger, stored)
        return Host(used, trust=trust, ring=ring, policy=policy)
    if not callable(signer) or public_key is None:
        raise error(
            "invalid_argument",
            "signer is a function from bytes to a signature and needs its public_key; "
            "a private key goes into the key ring in keys_dir",
        )
    limit = SIGNER_TIMEOUT if signer_timeout is None else signer_timeout
    signing = choose_signing(core, signer, public_key, limit)
    return Host(used, trust=trust, ring=FixedRing(core, public_key), signing=signing, policy=policy)


def must_go_together(
    signer: SigningFunction | None, public_key: str | None, signer_timeout: float | None
) -> None:
    """Refuse options of a signer that is not there: a file would sign unnoticed."""
    if signer is not None:
        return
    for name, value in (("public_key", public_key), ("signer_timeout", signer_timeout)):
        if value is not None:
            raise error("invalid_argument", f"{name} needs a signer: the function that it is of")


def shared_ring(
    core: Core,
    settings: Settings,
    new_keys: NewKeys,
    logger: logging.Logger,
    stored: StoredDocuments | None,
) -> SharedRing:
    """Return the ring in the keys folder of these settings, or in the store of replicas."""
    access = settings.access
    path = ring_file(settings.keys_dir, access["agent_id"])
    lifetime = access["token_ttl"] + access["leeway"]
    document = None if stored is None else stored.open(settings.documents["ring"], "key ring")
    return SharedRing(core, path, lifetime, new_keys, logger, document)
