"""The engine for access tokens, and what answers its needs."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from tallystick._access import core_requests
from tallystick._access.client_secret import answer_derive
from tallystick._access.fetching import Fetcher
from tallystick._access.ring_signing import RingSigning
from tallystick._core.arguments import body_bytes, must_be_text, must_be_texts
from tallystick._core.core import InstanceReplacedError, call_json
from tallystick._core.engine import Engine, members_of
from tallystick._core.problems import error
from tallystick._core.signing import SigningFailure
from tallystick._files.watched_text import PATIENCE
from tallystick._http.request import BodyNeed, Buffers, aunread, unread
from tallystick.errors import TallystickError
from tallystick.types import AuthContext

if TYPE_CHECKING:
    import logging
    import ssl
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from tallystick._core.core import Core
    from tallystick._core.engine import Answer, Configuration, Need, Reply
    from tallystick._core.signing import Signing
    from tallystick._core.used_tokens import UsedTokens
    from tallystick._files.key_ring import Ring
    from tallystick._files.watched_text import Deliver, Source
    from tallystick._http.request import ARead, Facts, Read, RequestBody

    Binding = tuple[Union[str, None], Union[str, None], Union[bytes, str, None]]

__all__ = ["AccessEngine", "Guard", "Host"]

_ATTEMPTS = 3


@dataclass(frozen=True)
class Host:
    """What a host brings to an engine.

    ``ring``
        its signing keys; ``None`` if it signs nothing.
    ``signing``
        signs instead of the keys in the ring, such as a KMS.
    ``policy``
        what may change while it runs; ``None`` if nothing may.
    ``sources``
        other content that it is fed, such as clients.
    ``used``
        remembers used tokens.
    ``trust``
        for TLS certificates; ``None`` is Python's default.
    """

    used: UsedTokens
    ring: Ring | None = None
    signing: Signing | None = None
    policy: Source | None = None
    sources: tuple[Source, ...] = ()
    trust: ssl.SSLContext | None = None


class AccessEngine:
    """Runs the operations of one access engine. Thread-safe and fork-safe.

    ``access`` has the members of ``access`` in ``engine.open``. Where the host has a policy, only
    its keys count each time that the engine opens: the policy may have changed.
    """

    buffers: Buffers
    _below: frozenset[str]
    _at_root: frozenset[str]

    def __init__(
        self, core: Core, access: dict[str, Any], host: Host, logger: logging.Logger
    ) -> None:
        self.core = core
        self.logger = logger
        self.role: str = access["role"]
        self.opened: Answer = {}
        self.signing = RingSigning(core, host.signing)
        self.fetcher = Fetcher(core, host.trust)
        self.used = host.used
        self._ring = host.ring
        fed = (host.policy, host.ring, *host.sources)
        self._sources = [source for source in fed if source is not None]
        self._access = access
        keys = {"keys": access["keys"]} if "keys" in access else {}
        self._lasting = access if host.policy is None else keys
        self._fixed = {"role": self.role, **self.signing.configuration, "derive": "host"}
        self.engine = Engine(
            core, self._configure, self._on_open, used_until=_used_until, note=host.used.note
        )
        self.used.start(self.feed)

    @property
    def paths(self) -> list[str]:
        """The paths of the endpoints below the own URL."""
        return list(self.opened["paths"])

    @property
    def root_paths(self) -> list[str]:
        """Those at the root of the own URL's server, as they are sent."""
        return list(self.opened.get("root_paths", ()))

    def serves(self, path: str, *, at_root: bool = False) -> bool:
        """Tell whether a path is one of the endpoints, or one of those at the root."""
        return path in self._at_root or (not at_root and path in self._below)

    @property
    def max_form(self) -> int:
        """Bytes of a body that the token endpoint takes."""
        return int(self.opened["max_form"])

    @property
    def signs_in_core(self) -> bool:
        """Whether the core makes the signatures, so that a call takes that long."""
        return self._ring is not None and self.signing.blocks

    def run(self, operation: str, members: str, body: bytes = b"", read: Read = unread) -> Answer:
        """Run an operation; ``read`` gives the request's body if it is needed."""
        for look in self._refresh():
            with contextlib.suppress(FutureTimeoutError):
                look.result(PATIENCE)
        needs = _Needs(self, read)
        try:
            return self.engine.run(operation, members, body, needs.answer)
        except TallystickError as refused:
            raise refused from needs.failure

    async def arun(
        self, operation: str, members: str, body: bytes = b"", read: ARead = aunread
    ) -> Answer:
        """Do the same without blocking the event loop."""
        for look in self._refresh():
            await asyncio.wait({asyncio.wrap_future(look)}, timeout=PATIENCE)
        needs = _ANeeds(self, read)
        try:
            return await self.engine.arun(operation, members, body, needs.answer)
        except TallystickError as refused:
            raise refused from needs.failure

    def verify(self, facts: Facts, read: Read, required: str = "") -> AuthContext:
        """Verify one request; ``required`` is what :meth:`requirement` gave."""
        return _context_of(self.run("access.verify", facts.members() + required, b"", read))

    async def averify(self, facts: Facts, read: ARead, required: str = "") -> AuthContext:
        """Do the same without blocking the event loop."""
        members = facts.members() + required
        return _context_of(await self.arun("access.verify", members, b"", read))

    def verify_token(self, token: str) -> AuthContext:
        """Verify a token alone."""
        return _context_of(self.run("access.verify", core_requests.token(token)))

    async def averify_token(self, token: str) -> AuthContext:
        """Do the same without blocking the event loop."""
        return _context_of(await self.arun("access.verify", core_requests.token(token)))

    async def averify_headers(self, authorization: Sequence[str]) -> AuthContext:
        """Verify the token of a request that did not come over HTTP."""
        return _context_of(await self.arun("access.verify", core_requests.headers(authorization)))

    def authorize(
        self,
        target: str,
        scopes: Sequence[str] | None,
        binding: Binding | None = None,
        *,
        reuse: bool = True,
    ) -> dict[str, str]:
        """Return the headers for a call of ``target``; ``binding`` is (method, URL, body)."""
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
        """Return what an endpoint requires, for :meth:`verify`.

        Raises ``invalid_config`` for a wrong pattern, here and not at each request.
        """
        # Copied: an iterator could be read once, and would then require nothing.
        patterns = must_be_texts("scopes", scopes)
        for pattern in patterns:
            call_json(self.core, "scope.match", {"pattern": pattern, "scope": "any"})
        return core_requests.required(patterns, bind)

    def exclusion(self, patterns: Sequence[str]) -> list[str]:
        """Return what a guard leaves out, for :meth:`passes`.

        Raises ``invalid_config`` for a wrong pattern.
        """
        copied = must_be_texts("exclude", patterns)
        asked = {"method": "GET", "path": "/", "exclude": copied}
        call_json(self.core, "guard.passes", asked)
        return copied

    def passes(self, exclude: list[str], facts: Facts, headers: dict[str, list[str]]) -> bool:
        """Tell whether a guard lets a request through without a look at its token."""
        asked = {"exclude": exclude, "method": facts.method, "path": facts.sent, **headers}
        asked["authorization"] = facts.authorization
        return call_json(self.core, "guard.passes", asked)["passes"] is True

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

        It may be sent only below that URL: anyone else who gets it can use it there.
        """
        must_be_text("url", url)
        asked = {"agent_url": agent_url, "url": url}
        return call_json(self.core, "agent.covers", asked)["covers"] is True

    def rotate_keys(self, *, force: bool, revoke: bool) -> dict[str, Any]:
        """Rotate the ring; ``invalid_argument`` if there is none."""
        if self._ring is None:
            raise error(
                "invalid_argument",
                "this agent signs nothing itself: its authority rotates its keys",
            )
        return self._ring.rotate(self.feed, force=force, revoke=revoke)

    def _refresh(self) -> list[Future[None]]:
        """Feed what has changed, at most once a second. Return the looks to be waited for."""
        looks: list[Future[None]] = []
        for source in self._sources:
            look = source.refresh(self._feed_now)
            if look is not None:
                looks.append(look)
        return looks

    def feed(self, members: dict[str, Any]) -> None:
        """Give the engine new members of ``engine.feed``."""
        # An engine that opens next loads everything anew.
        with contextlib.suppress(InstanceReplacedError):
            self._feed_now(members)

    def _feed_now(self, members: dict[str, Any]) -> None:
        """Do the same, or raise :class:`InstanceReplacedError` while no engine is open."""
        if "policy" in members:
            members = {"policy": {**members["policy"], **self._fixed}}
        if "ring" in members:
            self.signing.take(members["ring"])
        self.engine.feed(members)

    def judged(self, change: Callable[[Deliver], str | None]) -> str | None:
        """Make a change that the core sees before it is written, also after :meth:`close`.

        ``change`` gets what feeds the engine, and is called again if that was closed meanwhile.
        """
        for _ in range(_ATTEMPTS):
            self.engine.call("engine.stats", {})  # opens it
            try:
                return change(self._feed_open)
            except InstanceReplacedError:
                continue
        raise error("internal", "the engine was closed again and again during one change")

    def _feed_open(self, members: dict[str, Any]) -> None:
        self.engine.feed(members)

    def body_need(self) -> BodyNeed:
        """Return what answers the need ``body`` of one operation."""
        return BodyNeed(self.engine, self.buffers.asked)

    def answer(self, need: Need) -> Reply:
        """Answer a need that every operation may have."""
        if need["kind"] == "check":
            return self.signing.check(need, self.engine)
        if need["kind"] == "claim":
            return self.used.answer(need)
        raise error(
            "internal", f"the core asked for {need['kind']!r}, which this host cannot answer"
        )

    def close(self) -> None:
        """Free what is held; a later call opens it again."""
        self.engine.close()
        self.fetcher.close()
        self.used.close()

    def _issued(
        self, target: str, scopes: Sequence[str] | None, binding: Binding | None, reuse: bool
    ) -> tuple[str, bytes]:
        members = core_requests.wanted(target, scopes)
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
        access = dict(self._lasting)
        for source in self._sources:
            access.update(source.load())
        access.update(self._fixed)
        if "ring" in access:
            self.signing.take(access["ring"])
        access.update(self.used.configuration())
        return {"access": access}

    def _on_open(self, answer: Answer) -> None:
        if not self.opened:
            # Opened again, the policy is the same, and earlier bodies may still be read.
            self.buffers = Buffers(answer)
            if self._access.get("dev_mode"):
                self.logger.warning(
                    "development mode: plain http on loopback is accepted for issuers that are "
                    "not configured"
                )
            for warning in answer.get("warnings", ()):
                self.logger.warning("%s", warning["message"])
        self.opened = answer
        self._below, self._at_root = frozenset(self.paths), frozenset(self.root_paths)


class Guard:
    """Verifies the requests to one endpoint, with the scopes that it requires."""

    def __init__(self, engine: AccessEngine, required: str) -> None:
        self._engine = engine
        self._required = required

    def verify(self, facts: Facts, body: RequestBody) -> AuthContext:
        """Return the caller, or raise the error of the refusal."""
        return self._engine.verify(facts, body.read, self._required)


_VALUES = ("put", "get", "take")
"""Needs for what waits in the store for a user's browser."""


class _Needs:
    """Answers the needs of one operation, and remembers why a signature failed."""

    __slots__ = ("_body", "_engine", "_read", "failure")

    def __init__(self, engine: AccessEngine, read: Read) -> None:
        self._engine = engine
        self._read = read
        self._body: BodyNeed | None = None
        self.failure: SigningFailure | None = None

    def answer(self, need: Need) -> Reply:
        kind = need["kind"]
        if kind == "fetch":
            return self._engine.fetcher.fetch(need)
        if kind == "body":
            self._body = self._body or self._engine.body_need()
            return self._body.answer(need, self._read)
        if kind == "derive":
            return answer_derive(need)
        if kind in _VALUES:
            return self._engine.used.value(need)
        if kind == "sign":
            try:
                return "", self._engine.signing.sign(need)
            except SigningFailure as reason:
                self.failure = reason
                return _unsigned(reason)
        return self._engine.answer(need)


class _ANeeds:
    """Does the same without blocking the event loop."""

    __slots__ = ("_body", "_engine", "_read", "failure")

    def __init__(self, engine: AccessEngine, read: ARead) -> None:
        self._engine = engine
        self._read = read
        self._body: BodyNeed | None = None
        self.failure: SigningFailure | None = None

    async def answer(self, need: Need) -> Reply:
        kind = need["kind"]
        if kind == "fetch":
            return await self._engine.fetcher.afetch(need)
        if kind == "body":
            self._body = self._body or self._engine.body_need()
            return await self._body.aanswer(need, self._read)
        if kind == "sign":
            try:
                return "", await self._engine.signing.asign(need)
            except SigningFailure as reason:
                self.failure = reason
                return _unsigned(reason)
        if kind == "derive":
            return await asyncio.to_thread(answer_derive, need)
        if kind == "claim":
            return await self._engine.used.aanswer(need)
        if kind in _VALUES:
            return await self._engine.used.avalue(need)
        return self._engine.answer(need)


def _unsigned(reason: SigningFailure) -> Reply:
    return members_of({"failed": str(reason)}), b""


def _headers(answer: Answer) -> dict[str, str]:
    return {"Authorization": answer["authorization"]}


def _used_until(result: Answer) -> float | None:
    # A bound token, or a client's assertion at the token endpoint.
    until: float | None = result["expires_at"] if result.get("bound") else result.get("used_until")
    return until


def _context_of(answer: Answer) -> AuthContext:
    """Make a context of the answer of ``access.verify``, which is changed.

    The constructor of a frozen dataclass sets each field by a call. On every request that would
    cost more than reading the whole answer.
    """
    context = object.__new__(AuthContext)
    answer["token_id"] = answer.pop("jti")
    context.__dict__.update(answer)
    return context
