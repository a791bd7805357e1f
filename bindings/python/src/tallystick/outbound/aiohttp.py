"""aiohttp: a client middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp.payload import BytesPayload

from tallystick._core.problems import error

if TYPE_CHECKING:
    from aiohttp import ClientRequest, ClientResponse
    from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType

    from tallystick._access.targets import Outbound

    Middleware = ClientMiddlewareType

__all__ = ["middleware"]


def middleware(outbound: Outbound) -> Middleware:
    """Return the middleware; raise ``invalid_config`` if this aiohttp has none."""
    if not hasattr(aiohttp, "ClientMiddlewareType"):
        raise error(
            "invalid_config",
            f"aiohttp {aiohttp.__version__} has no client middlewares: install aiohttp>=3.12, or "
            "send the headers that skill.aauthorize(target) returns, without redirects",
        )

    async def attach_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        method, url, body = request.method, str(request.url), await _body(request)
        attached = await outbound.aattach(method, url, body)
        if attached is None:
            return await handler(request)
        request.headers["Authorization"] = attached.header
        response = await handler(request)
        challenges = response.headers.getall("WWW-Authenticate", [])
        if body is None or not outbound.may_retry(response.status, challenges):
            return response
        attached = await outbound.aattach(method, url, body, fresh=True)
        if attached is None:
            return response
        response.release()
        request.headers["Authorization"] = attached.header
        return await handler(request)

    return attach_token


async def _body(request: ClientRequest) -> bytes | None:
    """Return the bytes that will be sent, or ``None`` if they are not in memory."""
    body = request.body
    if isinstance(body, BytesPayload) and not request.compress:
        return await body.as_bytes()
    return b"" if body == b"" else None
