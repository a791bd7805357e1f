"""requests: an ``AuthBase``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from requests.auth import AuthBase

from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from tallystick._access.targets import Attached, Outbound

__all__ = ["RequestsAuth"]


@dataclass
class _Call:
    """One call with all its redirects, which share its hooks."""

    attached: Attached
    retried: bool = False


class RequestsAuth(AuthBase):
    """Made by :func:`tallystick.outbound.requests_auth`."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        if isinstance(r.body, str):
            # The encoding of a text depends on the version of urllib3.
            r.body = r.body.encode()
        attached = self._outbound.attach(str(r.method), _url(r), _body(r))
        if attached is not None:
            r.headers["Authorization"] = attached.header
            hook = partial(self._answered, _Call(attached))
            r.register_hook("response", hook)  # type: ignore[no-untyped-call]
        return r

    def _answered(self, call: _Call, response: Response, **options: Any) -> Response:
        request = response.request
        if request.headers.get("Authorization") != call.attached.header:
            return response
        if response.is_redirect:
            self._before_redirect(call, response)
            return response
        challenges = [response.headers.get("www-authenticate", "")]
        if call.retried or not self._outbound.may_retry(response.status_code, challenges):
            return response
        return self._again(call, response, options)

    def _before_redirect(self, call: _Call, response: Response) -> None:
        """Remove the token from the next hop, unless that is covered.

        requests copies it within one host, also from http to https.
        """
        following = urljoin(str(response.url), response.headers["location"])
        if self._outbound.bind or not self._covered(call.attached.send_to, following):
            del response.request.headers["Authorization"]

    def _covered(self, send_to: str, url: str) -> bool:
        try:
            return self._outbound.covers(send_to, url)
        except TallystickError:
            # A URL that the core cannot read gets no token.
            return False

    def _again(self, call: _Call, response: Response, options: dict[str, Any]) -> Response:
        call.retried = True
        request = response.request
        body = _body(request)
        attached = (
            None
            if body is None
            else self._outbound.attach(str(request.method), _url(request), body, fresh=True)
        )
        if attached is None:
            return response
        call.attached = attached
        # The connection is free only after the answer was read.
        _ = response.content
        response.close()
        request.headers["Authorization"] = attached.header
        connection: Any = response.connection
        again: Response = connection.send(request, **options)
        again.history.append(response)
        again.request = request
        return again


def _url(request: PreparedRequest) -> str:
    return str(request.url).partition("#")[0]


def _body(request: PreparedRequest) -> bytes | None:
    body: Any = request.body
    if body is None:
        return b""
    return body if isinstance(body, bytes) else None
