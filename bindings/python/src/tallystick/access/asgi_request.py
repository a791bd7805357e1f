"""An ASGI request as the core takes it."""

from __future__ import annotations

import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any

from tallystick.body import MALFORMED, OVERLOADED, TOO_LARGE, Body
from tallystick.room import Held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from tallystick.room import Room

    # As asgiref and Starlette have them: a dict is one, and so is what a server makes.
    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

__all__ = ["BodyReader", "describe", "header_values", "path_below_mount"]


def describe(scope: Scope) -> str:
    """Word the members of ``access.verify`` from a scope of the type ``http``."""
    values = ",".join(map(quote, header_values(scope, b"authorization")))
    query = scope.get("query_string", b"").decode("latin-1")
    return (
        f'"now":{time.time()!r},"authorization":[{values}],'
        f'"method":{quote(scope.get("method", "GET"))},"query":{quote(query)},{_path(scope)}'
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


def _path(scope: Scope) -> str:
    mount = _mount(scope)
    members = (
        f'"path":{quote(_wire(path_below_mount(scope)))},"mount":{quote(_wire(mount))},'
        '"path_decoded":true'
    )
    raw = scope.get("raw_path")
    if raw is None:
        return members
    target = raw.decode("latin-1")
    if not _holds(str(scope["path"]), mount):
        target = _wire(mount) + target
    return f'{members},"raw_target":{quote(target)}'


def _mount(scope: Scope) -> str:
    return str(scope.get("root_path", "")).rstrip("/")


def _holds(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount + "/")


def _wire(path: str) -> str:
    """Return a decoded path as one character per byte, as the ABI has it."""
    return path.encode().decode("latin-1")


class BodyReader:
    """Reads a request's body at most once, and gives it to the application again."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._length = _announced(scope)
        self._read: list[Message] = []
        self._held: Held | None = None

    async def read(self, limit: int, room: Room) -> Body:
        """Return the whole body; nothing beyond ``limit`` bytes, or the room, is kept."""
        if self._length is not None and self._length > limit:
            return TOO_LARGE
        held = self._held = Held(room)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            self._read.append(message)
            if message["type"] != "http.request":
                return MALFORMED  # the caller went away
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                return TOO_LARGE
            if not held.grow(len(part)):
                return OVERLOADED
            parts.append(part)
            if not message.get("more_body", False):
                return Body(b"".join(parts))

    def release(self) -> None:
        """Tell that the request is over."""
        if self._held is not None:
            self._held.release()

    async def receive(self) -> Message:
        """Be the application's ``receive``: first what was read, then the rest."""
        return self._read.pop(0) if self._read else await self._receive()


def _announced(scope: Scope) -> int | None:
    lengths = header_values(scope, b"content-length")
    digits = lengths[0] if lengths else ""
    # What is no length, or as long as none, ends by itself: the server sees to that.
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 19 else None
