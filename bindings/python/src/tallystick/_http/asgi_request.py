"""An ASGI request as the core takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tallystick._http.request import MALFORMED, OVERLOADED, TOO_LARGE, Facts, Held
from tallystick.types import Body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from tallystick._http.refusal import Served
    from tallystick._http.request import Budget

    # The types of asgiref and Starlette: a dict fits, and so does what a server makes.
    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["BodyReader", "facts_of", "header_values", "path_below_mount", "respond", "sent_path"]


def facts_of(scope: Scope) -> Facts:
    """Return the facts of a scope of the type ``http`` or ``websocket``."""
    mount = _mount(scope)
    raw = scope.get("raw_path")
    target = "" if raw is None else raw.decode("latin-1")
    if raw is not None and not _holds(str(scope["path"]), mount):
        target = _wire(mount) + target
    return Facts(
        header_values(scope, b"authorization"),
        scope.get("method", "GET"),
        _wire(path_below_mount(scope)),
        scope.get("query_string", b"").decode("latin-1"),
        _wire(mount),
        target,
    )


def header_values(scope: Scope, wanted: bytes) -> list[str]:
    """Return the value of each header of that (lower-case) name."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]


def path_below_mount(scope: Scope) -> str:
    """Return the decoded path below where the application is mounted.

    Servers and frameworks differ on whether ``path`` has ``root_path`` in front.
    """
    path, mount = str(scope["path"]), _mount(scope)
    return path[len(mount) :] if _holds(path, mount) else path


def sent_path(scope: Scope) -> str:
    """Return the path as the server got it, not decoded; "" if that is not known."""
    raw = scope.get("raw_path")
    return "" if raw is None else str(raw.decode("latin-1")).partition("?")[0]


def _mount(scope: Scope) -> str:
    return str(scope.get("root_path", "")).rstrip("/")


def _holds(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount + "/")


def _wire(path: str) -> str:
    """Return a decoded path as one character per byte, as the ABI has it.

    An unpaired surrogate stands for a byte that was no UTF-8 (PEP 383), or for nothing that a
    request can have; then it becomes bytes that are no UTF-8 either.
    """
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "surrogatepass")
    return data.decode("latin-1")


class BodyReader:
    """Reads a request's body at most once, and gives it to the application again."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._length = _announced(scope)
        self._read: list[Message] = []
        self._held: Held | None = None

    async def read(self, limit: int, budget: Budget) -> Body:
        """Return the whole body.

        At most ``limit`` bytes are kept, and at most what ``budget`` has left.
        """
        if self._length is not None and self._length > limit:
            return TOO_LARGE
        held = self._held = Held(budget)
        # Put together as they come: many small messages take hundreds of times their size.
        data = bytearray()
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                self._read.append(message)
                return MALFORMED  # the caller went away
            part = message.get("body", b"")
            if len(data) + len(part) > limit:
                return TOO_LARGE
            data += part
            if not held.cover(len(data)):
                return OVERLOADED
            if not message.get("more_body", False):
                body = bytes(data)
                self._read.append({"type": "http.request", "body": body, "more_body": False})
                return Body(body)

    def release(self) -> None:
        """Tell that the request is over."""
        if self._held is not None:
            self._held.release()

    async def receive(self) -> Message:
        """The ``receive`` of the application: first what was read, in one piece, then the rest.

        For an application that is given a body that was read whole, or not at all.
        """
        return self._read.pop(0) if self._read else await self._receive()


def _announced(scope: Scope) -> int | None:
    lengths = header_values(scope, b"content-length")
    digits = lengths[0] if lengths else ""
    # Without a usable length the body ends by itself: the server sees to that.
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None


async def respond(send: Send, served: Served) -> None:
    """Send one whole answer."""
    body = served.body.encode()
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in _named(served)]
    await send({"type": "http.response.start", "status": served.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _named(served: Served) -> list[tuple[str, str]]:
    headers = dict(served.headers)
    if served.body:
        headers.setdefault("content-length", str(len(served.body.encode())))
    return list(headers.items())
