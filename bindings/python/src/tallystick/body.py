"""The exact bytes of a Flask request's body, and never more than allowed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

__all__ = ["Body", "read_body"]


@dataclass(frozen=True)
class Body:
    """The bytes, or why they are not to be had."""

    data: bytes = b""
    too_large: bool = False
    unavailable: bool = False


_TOO_LARGE = Body(too_large=True)
_UNAVAILABLE = Body(unavailable=True)


def read_body(request: Request, limit: int) -> Body:
    """Read and keep the body, so that the view can read it again.

    These are the bytes after transfer decoding and before anything else (protocol
    section 8). Of a body over ``limit`` bytes nothing beyond the limit is read. A body
    whose stream was consumed before is unavailable: its bytes cannot be hashed.
    """
    length = request.content_length
    try:
        if length is not None:
            return _read_sized(request, length, limit)
        return _read_unsized(request, limit)
    except RequestEntityTooLarge:  # the application's own MAX_CONTENT_LENGTH
        return _TOO_LARGE


def _read_sized(request: Request, length: int, limit: int) -> Body:
    if length > limit:
        return _TOO_LARGE
    touched = _stream_was_touched(request)
    data = request.get_data(cache=True)
    if len(data) == length:
        return Body(data)
    if data and not touched:
        raise ClientDisconnected
    return _UNAVAILABLE


def _read_unsized(request: Request, limit: int) -> Body:
    chunked = "HTTP_TRANSFER_ENCODING" in request.environ
    if not _stream_was_touched(request):
        # One byte over the limit: LimitedStream refuses when it reaches its own.
        source = request.environ["wsgi.input"]
        request.environ["wsgi.input"] = LimitedStream(source, limit + 1, is_max=True)
    elif getattr(request, "_cached_data", None) is None:
        # Without either header there is no body (RFC 9112 section 6.3).
        return _UNAVAILABLE if chunked else Body()
    data = request.get_data(cache=True)
    return _TOO_LARGE if len(data) > limit else Body(data)


def _stream_was_touched(request: Request) -> bool:
    """Tell whether the application got at the stream (form, files, stream) already."""
    return "stream" in request.__dict__
