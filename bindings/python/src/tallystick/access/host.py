"""An access engine, and everything that answers what it needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from tallystick.access import wording
from tallystick.access.context import context_of
from tallystick.access.derivation import answer_derive
from tallystick.access.fetching import Fetcher
from tallystick.access.ring_signing import RingSigning
from tallystick.arguments import body_bytes, must_be_text, must_be_texts
from tallystick.body import Body, read_by, told
from tallystick.core import Core, InstanceReplacedError, call_json
from tallystick.engine import Engine, members_of
from tallystick.errors import TallystickError, error
from tallystick.replay import choose_replay, warn_of_memory
from tallystick.replay.claims import Claims
from tallystick.replay.floor import ReplayFloor
from tallystick.room import Buffers
from tallystick.signing import SigningFailure

if TYPE_CHECKING:
    import logging
    import os
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from tallystick.access.context import AuthContext
    from tallystick.access.ring import Ring
    from tallystick.access.watched import Source
    from tallystick.engine import Answer, Configuration, Need, Reply
    from tallystick.replay import ReplayStore
    from tallystick.signing import SigningMeans

    ReadBody = Callable[[int], Union[Body, bytes]]
    AReadBody = Callable[[int], Awaitable[Union[Body, bytes]]]
    Binding = tuple[Union[str, None], Union[str, None], Union[bytes, str, None]]

__all__ = ["AccessHost", "Means"]


@dataclass(frozen=True)
class Means:
    """What a host brings to an engine.

    ``ring``
        where its signing keys come from; ``None`` where it signs nothing.
    ``signing``
        signs in place of the ring's own keys, such as a KMS.
    ``sources``
        what else it is fed.
    ``replay``
        as of :class:`tallystick.AgentAuth`.
    ``trust``
        for TLS certificates; ``None`` is Python's own default.
    """

    replay: str | os.PathLike[str] | ReplayStore
    ring: Ring | None = None
    signing: SigningMeans | None = None
    sources: tuple[Source, ...] = ()
    trust: ssl.SSLContext | None = None


class AccessHost:
    """Runs the operations of one access engine. Thread-safe and fork-safe.

    ``access`` has the members of ``access`` in ``engine.open`` that do not change.
    """

    def __init__(
        self, core: Core, access: dict[str, Any], means: Means, logger: logging.Logger
    ) -> None:
        self.core = core
        self.logger = logger
        self.role: str = access["role"]
        self.opened: Answer = {}
        self._ring = means.ring
        self._sources = means.sources if means.ring is None else (means.ring, *means.sources)
        self.signing = RingSigning(core, means.signing)
        self.fetcher = Fetcher(core, means.trust)
        store = choose_replay(means.replay)
        self.claims = None if store is None else Claims(store, logger)
        self.floor = ReplayFloor() if store is None else None
        self._access = {
            **access,
            **self.signing.configuration,
            "derive": "host",
            "replay": "memory" if store is None else "host",
        }
        self.engine = Engine(core, self._configure, self._on_open)
        if self.claims is not None:
            self.claims.check()
        elif not access.get("dev_mode"):
            warn_of_memory(logger)

    @property
    def max_form(self) -> int:
        """Bytes of a body that the token endpoint takes."""
        return int(self.opened["max_form"])

    @property
    def signs_in_core(self) -> bool:
        """Whether making a token takes a signature's time inside the core."""
        return self._ring is not None and self.signing.in_core

    def run(
        self, operation: str, members: str, body: bytes = b"", read: ReadBody | None = None
    ) -> Answer:
        """Run an operation; ``read`` gives the request's body where that is needed."""
        self.refresh()
        asked = _Asked(self, read, None)
        try:
            return self.engine.run(operation, members, body, asked.answer)
        except TallystickError as refused:
            raise refused from asked.failure

    async def arun(
        self, operation: str, members: str, body: bytes = b"", read: AReadBody | None = None
    ) -> Answer:
        """Do the same without blocking the event loop."""
        self.refresh()
        asked = _Asked(self, None, read)
        try:
            return await self.engine.arun(operation, members, body, asked.aanswer)
        except TallystickError as refused:
            raise refused from asked.failure

    def verify(self, members: str, read: ReadBody | None) -> AuthContext:
        """Run ``access.verify`` with members as :mod:`tallystick.access.wording` has them."""
        return self._verified(self.run("access.verify", members, b"", read))

    async def averify(self, members: str, read: AReadBody | None) -> AuthContext:
        """Do the same without blocking the event loop."""
        return self._verified(await self.arun("access.verify", members, b"", read))

    def authorize(
        self,
        target: str,
        scopes: Sequence[str] | None,
        binding: Binding | None = None,
        *,
        reuse: bool = True,
    ) -> dict[str, str]:
        """Return the headers for a call of ``target``; ``binding`` is the request's parts."""
        members, data = self._issued(target, scopes, binding, reuse)
        return _headers(self.run("access.issue", members, data))

    async def aauthorize(
        self,
        target: str,
        scopes: Sequence[str] | None,
        binding: Binding | None = None,
        *,
        reuse: bool = True,
    ) -> dict[str, str]:
        """Do the same without blocking the event loop."""
        members, data = self._issued(target, scopes, binding, reuse)
        if self.signs_in_core and (binding is not None or not reuse):
            return _headers(await asyncio.to_thread(self.run, "access.issue", members, data))
        return _headers(await self.arun("access.issue", members, data))

    def requirement(self, scopes: Sequence[str], bind: bool) -> str:
        """Word what an endpoint requires once, for :meth:`verify`.

        Raises ``invalid_config`` for what is no pattern: now, and not at each request.
        """
        for pattern in must_be_texts("scopes", scopes):
            call_json(self.core, "scope.match", {"pattern": pattern, "scope": "any"})
        return wording.required(scopes, bind)

    def resolve(self, reference: str) -> str:
        """Return the URL of an agent from a reference: ``@name``, a name or a URL."""
        must_be_text("reference", reference)
        request = {"reference": reference}
        authority = self._access.get("authority")
        if authority:
            request["authority"] = authority
        return str(call_json(self.core, "agent.resolve", request)["url"])

    def covers(self, agent_url: str, url: str) -> bool:
        """Tell whether a token for the agent at ``agent_url`` may be sent to ``url``.

        It may below that URL alone: whoever else gets it can use it there.
        """
        must_be_text("url", url)
        asked = {"agent_url": agent_url, "url": url}
        return call_json(self.core, "agent.covers", asked)["covers"] is True

    def rotate_keys(self, *, force: bool, revoke: bool) -> dict[str, Any]:
        """Rotate the ring; ``invalid_argument`` where there is none."""
        if self._ring is None:
            raise error(
                "invalid_argument",
                "this agent signs nothing itself: its authority rotates its keys",
            )
        return self._ring.rotate(self.feed, force=force, revoke=revoke)

    def refresh(self) -> None:
        """Feed what changed on the disk, at most once a second."""
        for source in self._sources:
            source.refresh(self.feed)

    def feed(self, members: dict[str, Any]) -> None:
        """Give the engine new members of ``engine.feed``."""
        if "ring" in members:
            self.signing.take(members["ring"])
        try:
            self.engine.feed(members)
        except InstanceReplacedError:
            return  # what opens next loads everything anew

    def close(self) -> None:
        """Free what is held; a later call opens it again."""
        self.engine.close()
        self.fetcher.close()

    def _verified(self, answer: Answer) -> AuthContext:
        if answer["bound"] and self.floor is not None:
            self.floor.note(answer["expires_at"])
        return context_of(answer)

    def _issued(
        self, target: str, scopes: Sequence[str] | None, binding: Binding | None, reuse: bool
    ) -> tuple[str, bytes]:
        members = wording.wanted(target, scopes)
        if binding is None:
            return (members + ',"reuse":true' if reuse else members), b""
        method, url, body = binding
        if method is None or url is None:
            raise error("invalid_argument", "bind=True needs the method and the URL of the request")
        must_be_text("method", method)
        digest, data = self.engine.hand_over(b"" if body is None else body_bytes(body))
        bound = members_of({"method": method, "url": str(url)})
        return f'{members},"bind":{{{bound}{digest}}}', data

    def _configure(self) -> Configuration:
        access = dict(self._access)
        for source in self._sources:
            access.update(source.load())
        if "ring" in access:
            self.signing.take(access["ring"])
        if self.floor is not None:
            access["replay_floor"] = self.floor.seconds
        return {"access": access}

    def _on_open(self, answer: Answer) -> None:
        if not self.opened:
            # Opened again, it is the same policy, and bodies of before may be under way.
            self.buffers = Buffers(answer)
            if self._access.get("dev_mode"):
                self.logger.warning(
                    "development mode: plain http on loopback is accepted for issuers that are "
                    "not configured"
                )
            for warning in answer.get("warnings", ()):
                self.logger.warning("%s", warning["message"])
        self.opened = answer


class _Asked:
    """Answers the needs of one operation, and remembers why a signature failed."""

    __slots__ = ("_aread", "_host", "_read", "_told", "failure")

    def __init__(self, host: AccessHost, read: ReadBody | None, aread: AReadBody | None) -> None:
        self._host = host
        self._read = read
        self._aread = aread
        self._told: Reply | None = None
        self.failure: SigningFailure | None = None

    def answer(self, need: Need) -> Reply:
        kind = need["kind"]
        if kind == "fetch":
            return self._host.fetcher.fetch(need)
        if kind == "body":
            # Once, however often the verification has to start again.
            if self._told is None:
                limit = need["max_bytes"]
                body = _UNREAD if self._read is None else read_by(self._read(limit), limit)
                self._told = told(body, self._host.engine)
            return self._told
        if kind == "derive":
            return answer_derive(need)
        if kind == "sign":
            try:
                return "", self._host.signing.sign(need)
            except SigningFailure as reason:
                return self._unsigned(reason)
        return self._quick(need)

    async def aanswer(self, need: Need) -> Reply:
        kind = need["kind"]
        if kind == "fetch":
            return await self._host.fetcher.afetch(need)
        if kind == "body":
            if self._told is None:
                limit = need["max_bytes"]
                body = _UNREAD if self._aread is None else read_by(await self._aread(limit), limit)
                self._told = told(body, self._host.engine)
            return self._told
        if kind == "sign":
            try:
                return "", await self._host.signing.asign(need)
            except SigningFailure as reason:
                return self._unsigned(reason)
        if kind == "derive":
            return await asyncio.to_thread(answer_derive, need)
        if kind == "claim":
            return await asyncio.to_thread(self._quick, need)
        return self._quick(need)

    def _quick(self, need: Need) -> Reply:
        if need["kind"] == "check":
            return self._host.signing.check(need, self._host.engine)
        if need["kind"] == "claim" and self._host.claims is not None:
            return self._host.claims.answer(need)
        raise error("internal", f"the core asked for {need['kind']!r}, which nothing here answers")

    def _unsigned(self, reason: SigningFailure) -> Reply:
        self.failure = reason
        return members_of({"failed": str(reason)}), b""


_UNREAD = Body(unavailable=True)


def _headers(answer: Answer) -> dict[str, str]:
    return {"Authorization": answer["authorization"]}
