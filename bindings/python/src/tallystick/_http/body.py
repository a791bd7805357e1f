"""The exact bytes of a request's body, up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Union

from tallystick._core.arguments import body_bytes
from tallystick.types import Body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tallystick._core.engine import Engine, Need, Reply
    from tallystick._http.room import Buffers, Room

    Given = Union[bytes, Callable[[int], Union[Body, bytes]]]
    AGiven = Union[bytes, Callable[[int], Awaitable[Union[Body, bytes]]]]
    Read = Callable[[int, Room], Body]
    ARead = Callable[[int, Room], Awaitable[Body]]

__all__ = [
    "MALFORMED",
    "OVERLOADED",
    "TOO_LARGE",
    "UNAVAILABLE",
    "BodyNeed",
    "GivenBody",
    "RequestBody",
    "agiven_body",
    "aunread",
    "told",
    "unread",
]

TOO_LARGE = Body(too_large=True)
UNAVAILABLE = Body(unavailable=True)
MALFORMED = Body(malformed=True)
OVERLOADED = Body(overloaded=True)


class RequestBody(Protocol):
    """The body of one request, read at most once."""

    def at_once(self, buffers: Buffers) -> Body | None:
        """Read a small body before the core is asked; return ``None`` for others."""

    def read(self, limit: int, room: Room) -> Body:
        """Read up to ``limit`` bytes, and no more than ``room`` has left."""


class GivenBody:
    """A body that a program gives: the bytes, or a function that reads them."""

    def __init__(self, given: Given) -> None:
        self._read = given if callable(given) else None
        self._data = b"" if callable(given) else body_bytes(given)

    def at_once(self, buffers: Buffers) -> Body | None:
        return self.read(buffers.max_body, buffers.asked) if self._read is None else None

    def read(self, limit: int, room: Room) -> Body:  # noqa: ARG002 - the program's own memory
        return _bounded(self._data if self._read is None else self._read(limit), limit)


def agiven_body(given: AGiven) -> ARead:
    """Do the same for a coroutine function."""
    data = b"" if callable(given) else body_bytes(given)

    async def read(limit: int, room: Room) -> Body:  # noqa: ARG001
        return _bounded(await given(limit) if callable(given) else data, limit)

    return read


def unread(limit: int, room: Room) -> Body:  # noqa: ARG001
    """Read nothing: there is no body to be had."""
    return UNAVAILABLE


async def aunread(limit: int, room: Room) -> Body:  # noqa: ARG001
    """Do the same as a coroutine."""
    return UNAVAILABLE


def _bounded(given: object, limit: int) -> Body:
    """Return a :class:`Body` or bytes as a body; ``invalid_argument`` for anything else."""
    body = given if isinstance(given, Body) else Body(body_bytes(given))  # type: ignore[arg-type]
    # The core gets a digest and cannot see the length.
    return TOO_LARGE if len(body.data) > limit else body


class BodyNeed:
    """Answers the need ``body`` of one verification.

    If that starts again, nothing is read twice.
    """

    __slots__ = ("_engine", "_room", "_told")

    def __init__(self, engine: Engine, room: Room) -> None:
        self._engine = engine
        self._room = room
        self._told: Reply | None = None

    def answer(self, need: Need, read: Read) -> Reply:
        if self._told is None:
            self._told = told(read(need["max_bytes"], self._room), self._engine)
        return self._told

    async def aanswer(self, need: Need, read: ARead) -> Reply:
        if self._told is None:
            self._told = told(await read(need["max_bytes"], self._room), self._engine)
        return self._told


def told(body: Body, engine: Engine) -> Reply:
    """Return the answer to the need ``body`` (abi.md): members, and bytes."""
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
