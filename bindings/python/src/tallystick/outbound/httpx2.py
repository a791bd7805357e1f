"""httpx2: an ``httpx2.Auth``."""

from __future__ import annotations

import httpx2

from tallystick.outbound._token_flow import TokenFlow

__all__ = ["Httpx2Auth"]


class Httpx2Auth(TokenFlow, httpx2.Auth):
    """Made by :func:`tallystick.outbound.httpx2_auth`."""

    unread = httpx2.RequestNotRead
