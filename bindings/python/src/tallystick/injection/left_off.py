"""Saying once that a request goes out without a token."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import logging

__all__ = ["LeftOff"]

MAX_KNOWN = 1000
"""Pairs of a target and an origin that are remembered as said."""


class LeftOff:
    """Logs each target and origin once. Thread-safe and fork-safe: it takes no lock."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: set[tuple[str, str]] = set()

    def tell(self, target: str, agent_url: str, url: str) -> None:
        """Log that a token for ``target``, reached at ``agent_url``, does not go to ``url``."""
        origin = _origin(url)
        if (target, origin) in self._said or len(self._said) >= MAX_KNOWN:
            return
        self._said.add((target, origin))
        self._logger.warning(
            "no token is sent to %s: it is not below %s, where the agent %s is; "
            "send_to= says where it is really reached",
            origin,
            agent_url,
            target,
        )


def _origin(url: str) -> str:
    """Return the origin for a log: a user's password in the URL stays out of it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return "a URL that cannot be read"
    return f"{parts.scheme}://[{host}]{port}" if ":" in host else f"{parts.scheme}://{host}{port}"
