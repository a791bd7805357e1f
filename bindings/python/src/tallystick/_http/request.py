"""One HTTP request as the core takes it: its facts, and its body up to a limit."""

from __future__ import annotations

import inspect
import threading
import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, NamedTuple, Protocol, Union

from tallystick._core.arguments import (
    header_lines,
    must_be_flag,
    must_be_text,
    wrong_type,
)
from tallystick._core.forks import ForkAware
from tallystick.types import Body

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tallystick._core.engine import Answer, Engine, Need, Reply

    Given = Union[bytes, Callable[[int], Union[Body, bytes]]]
    AGiven = Union[bytes, Callable[[int], Awaitable[Union[Body, bytes]]]]
    Read = Callable[[int, "Budget"], Body]
    ARead = Callable[[int, "Budget"], Awaitable[Body]]

__all__ = [
    "MALFORMED",
    "OVERLOADED",
    "TOO_LARGE",
    "UNAVAILABLE",
    "BodyNeed",
    "Budget",
    "Buffers",
    "Facts",
    "GivenBody",
    "Held",
    "RequestBody",
    "agiven_body",
    "aunread",
    "given_facts",
    "joined",
    "unread",
    "wire",
]


class Facts(NamedTuple):
    """The facts of one request: texts with one character per byte (latin-1).

    ``authorization``
        the value of each header of that name.
    ``path``
        below ``mount``: as it was sent, or decoded where ``raw_target`` is a text.
    ``raw_target``
        of a server that decodes the path: the target as it was sent, "" if it is not known.
    """

    authorization: list[str]
    method: str
    path: str
    query: str = ""
    mount: str = ""
    raw_target: str | None = None

    @property
    def sent(self) -> str:
        """The path as the caller sent it, as far as that is known, without the query."""
        if self.raw_target:
            return self.raw_target.partition("?")[0]
        return self.mount + self.path

    def members(self) -> str:
        """Return the members of ``request.verify`` and ``access.verify``, with the present time."""
        authorization, method, path, query, mount, raw_target = self
        # Looked at together: on every request, a call for each text would cost more.
        together = "".join((*authorization, method, path, query, mount, raw_target or ""))
        said = quote if together.isascii() else wire
        members = (
            f'"now":{time.time()!r},"authorization":[{",".join(map(said, authorization))}],'
            f'"method":{said(method)},"path":{said(path)},"query":{said(query)},'
            f'"mount":{said(mount)}'
        )
        if raw_target is None:
            return members
        return f'{members},"path_decoded":true,"raw_target":{said(raw_target)}'


def given_facts(
    authorization: Sequence[str] | str | None, method: str, path: str, query: str, mount: str
) -> Facts:
    """Return the facts that a program gives. Raises ``invalid_argument`` for wrong types."""
    headers = header_lines("authorization", authorization)
    for name, text in (("method", method), ("path", path), ("query", query), ("mount", mount)):
        must_be_text(name, text)
    return Facts(headers, method, path, query, mount)


def wire(text: str) -> str:
    """Return a text of a request as JSON.

    JSON has no unpaired surrogates. They become a character that no request can have, which the
    core refuses.
    """
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return quote(text)


def joined(texts: Sequence[str]) -> str:
    """Return texts of a request as the inside of a JSON list."""
    return ",".join(map(wire, texts))


TOO_LARGE = Body(too_large=True)
UNAVAILABLE = Body(unavailable=True)
MALFORMED = Body(malformed=True)
OVERLOADED = Body(overloaded=True)


class RequestBody(Protocol):
    """The body of one request, read at most once."""

    def at_once(self, buffers: Buffers) -> Body | None:
        """Read a small body before the core is asked; return ``None`` for others."""

    def read(self, limit: int, budget: Budget) -> Body:
        """Read up to ``limit`` bytes, and no more than ``budget`` has left."""


def received(body: bytes) -> bytes:
    """Return the bytes of a body that was received: of a text, who knows how it was decoded."""
    if not isinstance(body, (bytes, bytearray, memoryview)):
        raise wrong_type("body", "the bytes as they were received, or a function", body)
    return bytes(body)


class GivenBody:
    """A body that a program gives: the bytes, or a function that reads them."""

    __slots__ = ("_given",)

    def __init__(self, given: Given) -> None:
        self._given = given if callable(given) else Body(received(given))

    def at_once(self, buffers: Buffers) -> Body | None:
        given = self._given
        return None if callable(given) else _bounded(given, buffers.max_body)

    def read(self, limit: int, budget: Budget) -> Body:  # noqa: ARG002 - the program's own memory
        given = self._given
        return _bounded(_body_of(given(limit)) if callable(given) else given, limit)


def agiven_body(given: AGiven) -> ARead:
    """Do the same for a coroutine function."""
    if not callable(given):
        whole = Body(received(given))

        async def ready(limit: int, budget: Budget) -> Body:  # noqa: ARG001
            return _bounded(whole, limit)

        return ready

    async def read(limit: int, budget: Budget) -> Body:  # noqa: ARG001
        found: object = given(limit)
        return _bounded(_body_of(await found if inspect.isawaitable(found) else found), limit)

    return read


def unread(limit: int, budget: Budget) -> Body:  # noqa: ARG001
    """Read nothing: there is no body to be had."""
    return UNAVAILABLE


async def aunread(limit: int, budget: Budget) -> Body:  # noqa: ARG001
    """Do the same as a coroutine."""
    return UNAVAILABLE


def _body_of(given: object) -> Body:
    """Return a :class:`Body` or bytes as a body; ``invalid_argument`` for anything else."""
    if inspect.iscoroutine(given):
        given.close()
        raise wrong_type("body", "a function that is not async (averify takes those)", given)
    body = given if isinstance(given, Body) else Body(given)  # type: ignore[arg-type]
    for name in Body._fields[1:]:
        must_be_flag(f"body: {name}", getattr(body, name))
    return body._replace(data=received(body.data))


def _bounded(body: Body, limit: int) -> Body:
    # The core gets a digest and cannot see the length.
    return TOO_LARGE if len(body.data) > limit else body


class BodyNeed:
    """Answers the need ``body`` of one verification.

    If that starts again, nothing is read twice.
    """

    __slots__ = ("_budget", "_engine", "_told")

    def __init__(self, engine: Engine, budget: Budget) -> None:
        self._engine = engine
        self._budget = budget
        self._told: Reply | None = None

    def answer(self, need: Need, read: Read) -> Reply:
        if self._told is None:
            self._told = self._engine.told(read(need["max_bytes"], self._budget))
        return self._told

    async def aanswer(self, need: Need, read: ARead) -> Reply:
        if self._told is None:
            self._told = self._engine.told(await read(need["max_bytes"], self._budget))
        return self._told


class Budget(ForkAware):
    """A budget of bytes. Thread-safe; in a forked child all of it is free."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._left = size
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take bytes; ``False`` if fewer are left."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._left += size

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._left = self._size


class Held:
    """The bytes that one body holds: as many as have come of it. For one thread."""

    __slots__ = ("_budget", "taken")

    def __init__(self, budget: Budget, taken: int = 0) -> None:
        self._budget = budget
        self.taken = taken

    def cover(self, size: int) -> bool:
        """Take what is missing of as many bytes as have come; ``False`` if it is not left."""
        if size > self.taken:
            if not self._budget.take(size - self.taken):
                return False
            self.taken = size
        return True

    def release(self) -> None:
        """Give back what is held."""
        taken, self.taken = self.taken, 0
        if taken:
            self._budget.give(taken)


class Buffers:
    """The limits on bodies that the core states when an engine opens (abi.md, need ``body``).

    ``max_body``
        bytes of one body.
    ``early``
        budget of bodies that are read before the core is asked.
    ``asked``
        budget of bodies that the core has asked for.
    """

    def __init__(self, opened: Answer) -> None:
        self.max_body: int = opened["max_body"]
        self.early = Budget(opened["buffer_at_once"])
        self.asked = Budget(opened["buffer_asked"])
        self._at_once: int = opened["body_at_once"]

    def at_once(self, authorized: bool, length: int | None) -> Held | None:
        """Take the budget of a body that may be read before the core is asked.

        ``authorized``: the request has an Authorization header. ``length`` is in bytes,
        ``None`` for a body that ends by itself. Returns ``None`` for a body that has to wait
        for the verdict.
        """
        if not authorized or length is None or length > self._at_once:
            return None
        return Held(self.early, length) if self.early.take(length) else None
