"""The exact bytes of a Flask request's body, and never more than allowed."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from werkzeug.exceptions import ClientDisconnected

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from werkzeug.wrappers import Request

__all__ = ["Body", "aknown_body", "known_body", "read_body"]


class Body(NamedTuple):
    """The bytes, or why they are not to be had."""

    data: bytes = b""
    too_large: bool = False
    unavailable: bool = False


def known_body(data: bytes) -> Callable[[int], Body]:
    """Return what gives a body that is at hand, up to the limit that it is asked with."""
    return lambda limit: _TOO_LARGE if len(data) > limit else Body(data)


def aknown_body(data: bytes) -> Callable[[int], Awaitable[Body]]:
    """Do the same for who awaits it."""
    known = known_body(data)

    async def read(limit: int) -> Body:
        return known(limit)

    return read


_TOO_LARGE = Body(too_large=True)
_UNAVAILABLE = Body(unavailable=True)


def read_body(request: Request, limit: int) -> Body:
    """Read the body and put it back, so that the view reads it again as it likes.

    These are the bytes after transfer decoding and before anything else (protocol
    section 8). Nothing beyond ``limit`` bytes, or beyond the application's own
    ``MAX_CONTENT_LENGTH``, is read. A body whose stream was consumed before is
    unavailable: its bytes cannot be hashed any more.
    """
    environ = request.environ
    length = _content_length(environ)
    own_limit = request.max_content_length
    if own_limit is not None:
        limit = min(limit, own_limit)
    if length is not None and length > limit:
        return _TOO_LARGE
    if "stream" in request.__dict__:
        return _read_before(request, length, limit)
    if length is None:
        data = _read(environ["wsgi.input"], limit + 1) if _ends(environ) else b""
    else:
        data = _read(environ["wsgi.input"], length) if length else b""
    environ["wsgi.input"] = BytesIO(data)
    if length is not None and len(data) < length:
        return _cut_short(data)
    return _TOO_LARGE if len(data) > limit else Body(data)


def _content_length(environ: dict[str, Any]) -> int | None:
    """Return the announced length; ``None`` of a body that ends by itself."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None  # it overrides a length (RFC 9112 section 6.3)
    text = environ.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdecimal() else 0


def _ends(environ: dict[str, Any]) -> bool:
    """Tell whether the server ends the stream; else reading it might wait forever."""
    return bool(environ.get("wsgi.input_terminated"))


def _read(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := stream.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def _read_before(request: Request, length: int | None, limit: int) -> Body:
    """Return a body that the application touched (form, files, stream, data) already."""
    data: bytes | None = getattr(request, "_cached_data", None)
    if data is None and length:
        data = request.get_data()
    if data is None:
        return Body() if length == 0 else _UNAVAILABLE
    # Parsing a form consumes the stream and leaves an empty text in the cache. With a
    # length the difference shows; without one the form could be any.
    if "form" in request.__dict__ if length is None else len(data) != length:
        return _UNAVAILABLE
    return _TOO_LARGE if len(data) > limit else Body(data)


def _cut_short(data: bytes) -> Body:
    if data:
        raise ClientDisconnected
    # Nothing at all: a middleware consumed it.
    return _UNAVAILABLE
