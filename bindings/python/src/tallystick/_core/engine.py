"""Engines, and the one loop that answers what the core needs.

An engine is opened from a stored configuration. It is opened again when its instance is
gone: after a fork, after a WebAssembly trap.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections import deque
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any

from tallystick._core.core import Core, InstanceReplacedError
from tallystick._core.forks import ForkAware, entered_child_unannounced
from tallystick._core.problems import error, error_from

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tallystick.types import Body

__all__ = ["CLAIMED", "Answer", "Configuration", "Engine", "Need", "Reply", "members_of"]

Answer = dict[str, Any]
Need = dict[str, Any]
Configuration = dict[str, Any]
Reply = tuple[str, bytes]
"""What a host found: the members for ``engine.resume``, as the inside of a JSON object in
ASCII ("" for none), and the body."""

CLAIMED: Reply = ('"claim":"claimed"', b"")
"""The answer to the need ``claim`` when the token was free."""


@dataclass(frozen=True)
class _Handle:
    """An engine's number, and the generation of the core in which it is valid."""

    core: Core
    generation: int
    number: int


_decoder = json.JSONDecoder()

MAX_OPEN_CLAIMS = 1024
"""Claims that tasks of one engine may wait for at once; one more is ``overloaded``."""

_OVERLOADED: Reply = ('"claim":"overloaded"', b"")

_ATTEMPTS = 3
_REPLACED = "the core was replaced again and again during one operation"

# Engines that were garbage-collected. A finalizer may run inside any call, so it must not
# call the core: the next engine that opens closes these.
_abandoned: deque[_Handle] = deque()


class Engine(ForkAware):
    """A compiled configuration inside the core. Thread-safe and fork-safe.

    ``configure`` returns the request of ``engine.open``, each time that the engine opens.
    ``opened`` gets each answer (``max_body``, ``warnings``, ``key_id``).
    ``used_until`` says of a result until when the token counts as used that its operation used
    up, in seconds since 1970, or ``None``. ``note`` is told so before the caller gets the result.
    If the engine was closed or replaced meanwhile, another one may have accepted the same token,
    and the operation starts again there. Without ``note`` nothing of this is done.
    """

    _handle: _Handle | None = None

    def __init__(
        self,
        core: Core,
        configure: Callable[[], Configuration],
        opened: Callable[[Answer], None] | None = None,
        *,
        used_until: Callable[[Answer], float | None] | None = None,
        note: Callable[[float], None] | None = None,
    ) -> None:
        super().__init__()
        self._core = core
        self._configure = configure
        self._opened = opened
        self._used_until = used_until
        self._note = note
        self._lock = threading.Lock()
        self._open_claims = 0
        self._open()

    def run(
        self, operation: str, members: str, body: bytes, host: Callable[[Need], Reply]
    ) -> Answer:
        """Run an operation and have ``host`` answer each need; return its result.

        ``members`` is the inside of a JSON object, ASCII, without ``engine``. Raises
        the class of the core's error.
        """
        for _ in range(_ATTEMPTS):
            handle = self._handle or self._open()
            try:
                answer = self._call(handle, operation, members, body)
                while "need" in answer:
                    try:
                        reply = host(answer["need"])
                    except BaseException:
                        self._give_up(handle, answer.get("ticket"))
                        raise
                    answer = self._go_on(handle, answer, reply)
                return self._end(handle, answer)
            except InstanceReplacedError:
                # Only the last answer changes state, so starting over is safe.
                self._forget(handle)
        raise error("internal", _REPLACED)

    def judge(
        self, operation: str, members: str, body: Body, host: Callable[[Need], Reply]
    ) -> Answer:
        """Do the same for a request whose body is known."""
        said, data = self.told(body)
        return self.run(operation, f"{members},{said}" if said else members, data, host)

    async def arun(
        self, operation: str, members: str, body: bytes, host: Callable[[Need], Awaitable[Reply]]
    ) -> Answer:
        """Do the same with a host that answers asynchronously."""
        # The loop of run again, with await. One generator for both would slow every
        # request.
        for _ in range(_ATTEMPTS):
            handle = self._handle or self._open()
            try:
                answer = self._call(handle, operation, members, body)
                while "need" in answer:
                    try:
                        reply = await self._ask(answer, host)
                    except BaseException:
                        self._give_up(handle, answer.get("ticket"))
                        raise
                    answer = self._go_on(handle, answer, reply)
                return self._end(handle, answer)
            except InstanceReplacedError:
                self._forget(handle)
        raise error("internal", _REPLACED)

    async def _ask(self, answer: Answer, host: Callable[[Need], Awaitable[Reply]]) -> Reply:
        if "ticket" in answer:
            return await host(answer["need"])
        # The core does not count the claims that end a verification. Threads are bounded by
        # their number; tasks are not.
        with self._lock:
            if self._open_claims >= MAX_OPEN_CLAIMS:
                return _OVERLOADED
            self._open_claims += 1
        try:
            return await host(answer["need"])
        finally:
            with self._lock:
                self._open_claims -= 1

    def call(self, operation: str, members: dict[str, Any]) -> Answer:
        """Run an operation of the engine that needs nothing of the host."""
        return self.run(operation, members_of(members), b"", _needs_nothing)

    def feed(self, members: dict[str, Any]) -> Answer:
        """Run ``engine.feed`` without opening anything.

        Raises :class:`InstanceReplacedError` when no engine is open: the next one reads
        everything anew.
        """
        handle = self._handle
        if handle is None:
            raise InstanceReplacedError
        return _result(self._call(handle, "engine.feed", members_of(members), b""))

    def hand_over(self, body: bytes) -> tuple[str, bytes]:
        """Return what the core is given of a body: a member with its digest, or its bytes.

        SHA-256 is some 20 times slower in WebAssembly than here (abi.md).
        """
        if not self._core.host_hashes:
            return "", body
        return f',"body_sha256":"{hashlib.sha256(body).hexdigest()}"', b""

    def told(self, body: Body) -> Reply:
        """Return the answer to the need ``body`` (abi.md)."""
        if body.too_large:
            return '"body_too_large":true', b""
        if body.malformed:
            return '"body_malformed":true', b""
        if body.overloaded:
            return '"overloaded":true', b""
        if body.unavailable:
            return '"body_unavailable":true', b""
        digest, data = self.hand_over(body.data)
        return digest.removeprefix(","), data

    def close(self) -> None:
        """Free the engine in the core; a later call opens it again."""
        with self._lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            _close(handle)

    def _call(self, handle: _Handle, operation: str, members: str, body: bytes) -> Answer:
        separator = "," if members else ""
        request = f'{{"engine":{handle.number}{separator}{members}}}'.encode()
        answer = _read(self._core.call(operation, request, body, handle.generation))
        if "error" in answer and answer["error"]["code"] == "unknown_engine":
            self._start_again_if_closed(handle)
        return answer

    def _start_again_if_closed(self, handle: _Handle) -> None:
        # Another thread closed the engine during the operation: the next one knows the same.
        if self._handle is not handle:
            raise InstanceReplacedError

    def _go_on(self, handle: _Handle, answer: Answer, reply: Reply) -> Answer:
        if "ticket" in answer:
            return self._resume(handle, answer["ticket"], reply)
        # The claim was the last step: no second call of the core is needed.
        need = answer["need"]
        if reply == CLAIMED:
            claimed: Answer = need["claimed"]
            return claimed
        members = f'"issuer":{quote(need["issuer"])},"jti":{quote(need["jti"])},{reply[0]}'
        return self._call(handle, "claim.refuse", members, b"")

    def _end(self, handle: _Handle, answer: Answer) -> Answer:
        result = _result(answer)
        if self._note is None or self._used_until is None:
            return result
        until = self._used_until(result)
        if until is not None:
            # Noted first: an engine that opens later knows of it, one that opened before shows.
            self._note(until)
            if self._handle is not handle:
                raise InstanceReplacedError
        return result

    def _resume(self, handle: _Handle, ticket: int, reply: Reply) -> Answer:
        found, body = reply
        separator = "," if found else ""
        members = f'"ticket":{ticket},"now":{time.time()!r}{separator}{found}'
        answer = self._call(handle, "engine.resume", members, body)
        if "error" in answer and answer["error"]["code"] == "invalid_argument":
            # An answer that the core could not read leaves the ticket open.
            self._give_up(handle, ticket)
        return answer

    def _give_up(self, handle: _Handle, ticket: int | None) -> None:
        # An abandoned ticket would take a place in the core for a minute.
        if ticket is None:
            return
        with contextlib.suppress(InstanceReplacedError):
            members = f'"ticket":{ticket},"now":{time.time()!r},"failed":"the host gave up"'
            self._call(handle, "engine.resume", members, b"")

    def _open(self) -> _Handle:
        entered_child_unannounced()
        while _abandoned:
            _close(_abandoned.popleft())
        with self._lock:
            if self._handle is None:
                self._handle = self._open_once()
            return self._handle

    def _open_once(self) -> _Handle:
        request = json.dumps(self._configure()).encode()
        for _ in range(3):
            generation = self._core.generation
            try:
                answer = _result(_read(self._core.call("engine.open", request, b"", generation)))
            except InstanceReplacedError:
                continue
            if self._opened is not None:
                self._opened(answer)
            return _Handle(self._core, generation, answer["engine"])
        raise error("internal", "the core was replaced again and again while an engine opened")

    def _forget(self, handle: _Handle) -> None:
        with self._lock:
            if self._handle is handle:
                self._handle = None

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()
        self._open_claims = 0
        self._handle = None

    def __del__(self) -> None:
        if self._handle is not None:
            _abandoned.append(self._handle)


def members_of(members: dict[str, Any]) -> str:
    """Return the inside of a JSON object, ASCII."""
    why = members.get("failed")
    if isinstance(why, str) and not why.isascii():
        # It may quote a path or an error of other code. The core refuses unpaired
        # surrogates.
        members = {**members, "failed": why.encode("utf-8", "replace").decode()}
    return json.dumps(members)[1:-1]


def _read(answer: bytes) -> Answer:
    # json.loads would guess the encoding and look for white space first.
    read: Answer = _decoder.raw_decode(answer.decode())[0]
    return read


def _result(answer: Answer) -> Answer:
    if "error" in answer:
        raise error_from(answer["error"])
    result: Answer = answer["ok"]
    return result


def _close(handle: _Handle) -> None:
    request = json.dumps({"engine": handle.number}).encode()
    try:
        handle.core.call("engine.close", request, b"", handle.generation)
    except InstanceReplacedError:
        return  # closed with its instance


def _needs_nothing(need: Need) -> Reply:
    raise error(
        "internal", f"the core asked for {need['kind']!r} in an operation that needs nothing"
    )
