"""A WSGI request (PEP 3333) as the core takes it."""

from __future__ import annotations

import contextlib
import socket
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from tallystick._http.request import MALFORMED, OVERLOADED, TOO_LARGE, UNAVAILABLE, Facts, Held
from tallystick.types import Body

if TYPE_CHECKING:
    from tallystick._http.request import Budget, Buffers

__all__ = ["WSGIBody", "facts_and_body"]

_PIECE = 64 << 10

# Seconds for the rest of a refused body, and for each part of it.
_LINGER = 5.0
_LINGER_PART = 1.0


class WSGIRequest(Protocol):
    """The part of werkzeug's ``Request`` that is used here."""

    environ: dict[str, Any]

    @property
    def max_content_length(self) -> int | None:
        """The application's own limit, in bytes."""

    def get_data(self) -> bytes:
        """Return the whole body."""


def facts_of(environ: dict[str, Any]) -> Facts:
    """Return the facts of a request."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    return Facts(
        [] if authorization is None else [authorization],
        environ["REQUEST_METHOD"],
        environ.get("PATH_INFO", ""),
        environ.get("QUERY_STRING", ""),
        environ.get("SCRIPT_NAME", ""),
        environ.get("RAW_URI") or environ.get("REQUEST_URI") or "",
    )


def facts_and_body(request: WSGIRequest) -> tuple[Facts, WSGIBody]:
    """Return the facts of a request, and its body, unread."""
    return facts_of(request.environ), WSGIBody(request)


class WSGIBody:
    """The body of one request, which the view can read again. For one thread.

    These are the bytes after transfer decoding and before anything else (protocol
    section 8). Nothing beyond a limit, or beyond the application's own
    ``MAX_CONTENT_LENGTH``, is read. A body whose stream was consumed before is
    unavailable: its bytes cannot be hashed any more.
    """

    __slots__ = ("_body", "_held", "_length", "_readable", "_request")

    def __init__(self, request: WSGIRequest) -> None:
        self._request = request
        self._readable, self._length = _content_length(request.environ)
        self._held: Held | None = None
        self._body: Body | None = None

    def at_once(self, buffers: Buffers) -> Body | None:
        """Read a small body before the core is asked; return ``None`` for others."""
        environ = self._request.environ
        held = buffers.at_once("HTTP_AUTHORIZATION" in environ, self._length)
        if held is None:
            return None
        self._held = held
        self._body = self._take(buffers.max_body)
        return self._body

    def read(self, limit: int, budget: Budget) -> Body:
        """Read up to ``limit`` bytes, and no more than ``budget`` has left.

        Again, it gives the same.
        """
        if self._body is None:
            self._held = Held(budget)
            self._body = self._take(limit)
        return self._body

    def release(self) -> None:
        """Tell that the request is over."""
        if self._held is not None:
            self._held.release()

    def discard(self) -> None:
        """Read and drop the body of a refused request, in bounded time.

        gunicorn's workers would close the connection with bytes unread. That resets the
        connection, and the answer is lost. Other servers read on themselves.
        """
        connection = self._request.environ.get("gunicorn.socket")
        read = self._body is not None and not (self._body.too_large or self._body.overloaded)
        if connection is None or read or self._length == 0:
            return
        stream, end = self._request.environ["wsgi.input"], time.monotonic() + _LINGER
        # The answer was given: nothing that happens here matters.
        with contextlib.suppress(Exception):
            patience = connection.gettimeout()
            connection.settimeout(_LINGER_PART)
            try:
                while time.monotonic() < end and stream.read(_PIECE):
                    pass
            finally:
                connection.settimeout(patience)

    def _take(self, limit: int) -> Body:
        if not self._readable:
            return MALFORMED
        own_limit = self._request.max_content_length
        if own_limit is not None:
            limit = min(limit, own_limit)
        if self._length is not None and self._length > limit:
            return TOO_LARGE
        if "stream" in self._request.__dict__:
            return _read_before(self._request, self._length, limit)
        body = Body() if self._length == 0 else self._read(limit)
        # The view reads what was hashed, even if that is nothing: werkzeug may see a body where
        # none was seen here.
        self._request.environ["wsgi.input"] = BytesIO(body.data)
        return body

    def _read(self, limit: int) -> Body:
        environ, length = self._request.environ, self._length
        if length is None and not _ends(environ):
            return Body()
        wanted = limit + 1 if length is None else length
        try:
            data = self._pieces(environ["wsgi.input"], wanted)
        except Exception:
            return MALFORMED
        if data is None:
            return OVERLOADED
        if length is not None and len(data) < length:
            # Not one byte: a middleware read it, or the caller has gone.
            return MALFORMED if data or _gone(environ) else UNAVAILABLE
        return TOO_LARGE if len(data) > limit else Body(data)

    def _pieces(self, stream: Any, wanted: int) -> bytes | None:
        held: Held = self._held  # type: ignore[assignment]
        whole: bytes | bytearray = stream.read(min(wanted, _PIECE))
        # Most bodies come in one piece. Others are put together as they come: many small pieces
        # take many times their size.
        part: bytes | bytearray = whole
        while part:
            if len(whole) > held.taken and not held.cover(len(whole)):
                return None
            if len(whole) >= wanted:
                break
            if part is whole:
                whole = bytearray(whole)
            part = stream.read(min(wanted - len(whole), _PIECE))
            whole += part
        return whole if isinstance(whole, bytes) else bytes(whole)


_MAX_DIGITS = 18


def _content_length(environ: dict[str, Any]) -> tuple[bool, int | None]:
    """Return whether the length is readable, and the length: ``None`` if the body ends by itself.

    Servers pass on lengths that they do not understand, and HTTP/2 needs none.
    """
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None and (_ends(environ) or "chunked" in coding.lower()):
        return True, None  # it overrides a length (RFC 9112 section 6.3)
    text = (environ.get("CONTENT_LENGTH") or "").strip(" \t")
    if not text:
        # In HTTP/1 there is no body then (RFC 9112 section 6.3).
        first = environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
        return True, None if _ends(environ) and not first else 0
    if not (text.isascii() and text.isdecimal()) or len(text) > _MAX_DIGITS:
        return False, 0
    return True, int(text)


def _ends(environ: dict[str, Any]) -> bool:
    """Tell whether the server ends the stream. If not, reading it might wait forever.

    Like werkzeug, it looks whether the key is there.
    """
    return "wsgi.input_terminated" in environ


def _gone(environ: dict[str, Any]) -> bool:
    """Tell whether the caller has closed the connection, where the server shows it."""
    connection = environ.get("gunicorn.socket") or environ.get("werkzeug.socket")
    if connection is None:
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except (OSError, ValueError):  # reset; or TLS, which cannot be peeked into
        return True


def _read_before(request: WSGIRequest, length: int | None, limit: int) -> Body:
    """Return a body that the application has read already (form, files, stream, data)."""
    data: bytes | None = getattr(request, "_cached_data", None)
    if data is None and length:
        data = request.get_data()
    if data is None:
        # Nothing tells how much was read of a stream that ends by itself.
        return Body() if length == 0 else UNAVAILABLE
    # Parsing a form consumes the stream and leaves an empty text in the cache. A length shows
    # the difference; without one there is no telling.
    if "form" in request.__dict__ if length is None else len(data) != length:
        return UNAVAILABLE
    return TOO_LARGE if len(data) > limit else Body(data)
