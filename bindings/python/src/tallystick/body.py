"""The exact bytes of a Flask request's body, and never more than allowed."""

from __future__ import annotations

import contextlib
import socket
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.arguments import body_bytes
from tallystick.room import Held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from werkzeug.wrappers import Request

    from tallystick.engine import Engine, Reply
    from tallystick.room import Buffers, Room

__all__ = ["Body", "FlaskBody", "aknown_body", "known_body", "read_by", "told"]

_PIECE = 64 << 10

# Seconds that the rest of a refused body may take, and that each part of it may.
_LINGER = 5.0
_LINGER_PART = 1.0


class Body(NamedTuple):
    """The bytes, or why they are not to be had.

    ``too_large``
        over the limit.
    ``unavailable``
        something read it before.
    ``malformed``
        its transfer was broken, or ended too early.
    ``overloaded``
        there is no room for it now.
    """

    data: bytes = b""
    too_large: bool = False
    unavailable: bool = False
    malformed: bool = False
    overloaded: bool = False


TOO_LARGE = Body(too_large=True)
UNAVAILABLE = Body(unavailable=True)
MALFORMED = Body(malformed=True)
OVERLOADED = Body(overloaded=True)


def read_by(given: object, limit: int) -> Body:
    """Return what a caller's function gave: a :class:`Body`, or the bytes alone.

    Raises ``invalid_argument`` for anything else.
    """
    body = given if isinstance(given, Body) else Body(body_bytes(given))  # type: ignore[arg-type]
    # Of a digest the core does not see the length.
    return TOO_LARGE if len(body.data) > limit else body


def told(body: Body, engine: Engine) -> Reply:
    """Return what the core is told of a body: members, and bytes (abi.md, need ``body``)."""
    if body.too_large:
        return '"body_too_large":true', b""
    if body.malformed:
        return '"body_malformed":true', b""
    if body.overloaded:
        return '"overloaded":true', b""
    if body.unavailable:
        return '"body_unavailable":true', b""
    digest, data = engine.hand_over(body.data)
    return digest.removeprefix(","), data


def known_body(data: bytes) -> Callable[[int], Body]:
    """Return what gives a body that is at hand, up to the limit that it is asked with."""
    return lambda limit: TOO_LARGE if len(data) > limit else Body(data)


def aknown_body(data: bytes) -> Callable[[int], Awaitable[Body]]:
    """Do the same for who awaits it."""
    known = known_body(data)

    async def read(limit: int) -> Body:
        return known(limit)

    return read


class FlaskBody:
    """The body of one request, which the view reads again as it likes. For one thread.

    These are the bytes after transfer decoding and before anything else (protocol
    section 8). Nothing beyond a limit, or beyond the application's own
    ``MAX_CONTENT_LENGTH``, is read. A body whose stream was consumed before is
    unavailable: its bytes cannot be hashed any more.
    """

    __slots__ = ("_body", "_held", "_length", "_readable", "_request")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._readable, self._length = _content_length(request.environ)
        self._held: Held | None = None
        self._body: Body | None = None

    def at_once(self, buffers: Buffers) -> Body | None:
        """Read it before the core is asked, where that may be; else ``None``."""
        environ = self._request.environ
        held = buffers.at_once("HTTP_AUTHORIZATION" in environ, self._length)
        if held is None:
            return None
        self._held = held
        self._body = self._take(buffers.max_body)
        return self._body

    def read(self, limit: int, room: Room) -> Body:
        """Read up to ``limit`` bytes, as far as there is room; a second time gives the same."""
        if self._body is None:
            self._held = Held(room)
            self._body = self._take(limit)
        return self._body

    def release(self) -> None:
        """Tell that the request is over."""
        if self._held is not None:
            self._held.release()

    def discard(self) -> None:
        """Read past a body that nobody wants, in bounded time.

        gunicorn's workers would close the connection with it unread, which resets it and
        takes the answer with it. Other servers do this themselves.
        """
        connection = self._request.environ.get("gunicorn.socket")
        read = self._body is not None and not (self._body.too_large or self._body.overloaded)
        if connection is None or read or self._length == 0:
            return
        stream, end = self._request.environ["wsgi.input"], time.monotonic() + _LINGER
        # Whatever ends it, nothing is left to be said.
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
        # The view reads what was hashed, also where that is nothing: werkzeug may see a
        # body where this sees none.
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
            # Nothing at all: a middleware consumed it, or the caller has gone.
            return MALFORMED if data or _gone(environ) else UNAVAILABLE
        return TOO_LARGE if len(data) > limit else Body(data)

    def _pieces(self, stream: Any, wanted: int) -> bytes | None:
        held: Held = self._held  # type: ignore[assignment]
        data: bytes = stream.read(min(wanted, _PIECE))
        parts = [data]
        while data:
            if not held.grow(len(data)):
                return None
            wanted -= len(data)
            if not wanted:
                break
            data = stream.read(min(wanted, _PIECE))
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


_MAX_DIGITS = 18


def _content_length(environ: dict[str, Any]) -> tuple[bool, int | None]:
    """Return whether the length can be read, and it; ``None`` of a body that ends by itself.

    Servers hand on what they do not understand, and HTTP/2 needs no length.
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
    """Tell whether the server ends the stream; else reading it might wait forever.

    As werkzeug does, which looks whether the key is there.
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
    except (OSError, ValueError):  # it was reset; or it has TLS, which cannot be looked into
        return True


def _read_before(request: Request, length: int | None, limit: int) -> Body:
    """Return a body that the application touched (form, files, stream, data) already."""
    data: bytes | None = getattr(request, "_cached_data", None)
    if data is None and length:
        data = request.get_data()
    if data is None:
        # How much of a stream that ends by itself was read before, nothing tells.
        return Body() if length == 0 else UNAVAILABLE
    # Parsing a form consumes the stream and leaves an empty text in the cache. With a
    # length the difference shows; without one the form could be any.
    if "form" in request.__dict__ if length is None else len(data) != length:
        return UNAVAILABLE
    return TOO_LARGE if len(data) > limit else Body(data)
