"""httpx: an ``httpx.Auth``."""

from __future__ import annotations

import httpx

from tallystick.outbound._token_flow import TokenFlow

__all__ = ["HttpxAuth"]


class HttpxAuth(TokenFlow, httpx.Auth):
    """Made by :func:`tallystick.outbound.httpx_auth`."""

    unread = httpx.RequestNotRead
