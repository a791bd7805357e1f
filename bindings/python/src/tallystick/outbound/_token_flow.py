"""What httpx and httpx2, which have the same ``Auth``, share: neither is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tallystick._access.targets import Outbound

__all__ = ["TokenFlow"]


class TokenFlow:
    """The flow of an ``Auth``. ``unread`` is the error for a body that is not in memory."""

    unread: ClassVar[type[Exception]]

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Add a token. If it is refused, try once with a new one."""
        method, url, body = self._parts(request)
        attached = self._outbound.attach(method, url, body)
        if attached is None:
            yield request
            return
        request.headers["Authorization"] = attached.header
        response = yield request
        if body is not None and self._refused(response):
            attached = self._outbound.attach(method, url, body, fresh=True)
            if attached is not None:
                request.headers["Authorization"] = attached.header
                yield request

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Do the same without blocking the event loop."""
        method, url, body = self._parts(request)
        attached = await self._outbound.aattach(method, url, body)
        if attached is None:
            yield request
            return
        request.headers["Authorization"] = attached.header
        response = yield request
        if body is not None and self._refused(response):
            attached = await self._outbound.aattach(method, url, body, fresh=True)
            if attached is not None:
                request.headers["Authorization"] = attached.header
                yield request

    def _refused(self, response: Any) -> bool:
        # After a redirect another server answers.
        if response.history:
            return False
        challenges = response.headers.get_list("www-authenticate")
        return self._outbound.may_retry(response.status_code, challenges)

    def _parts(self, request: Any) -> tuple[str, str, bytes | None]:
        try:
            body: bytes | None = request.content
        except self.unread:
            body = None
        return request.method, str(request.url.copy_with(fragment=None)), body
