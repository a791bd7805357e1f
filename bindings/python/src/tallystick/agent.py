"""``AgentAuth``: lets only signed requests through."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick._core.arguments import (
    choose_logger,
    issuer_keys,
    must_be_callable,
    must_be_flag,
    must_be_number,
    must_be_path,
    must_be_texts,
    must_be_utf8,
    must_be_whole,
    refuse_unknown,
)
from tallystick._core.core import InstanceReplacedError
from tallystick._core.engine import Engine, members_of
from tallystick._core.loading import load_core
from tallystick._core.problems import error, options_named, shown
from tallystick._files.keys_folder import KeysFolder
from tallystick._http.request import BodyNeed, Buffers, GivenBody, agiven_body, given_facts
from tallystick.stores import choose_store
from tallystick.types import Caller

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tallystick._core.core import Core
    from tallystick._core.engine import Answer, Configuration, Need, Reply
    from tallystick._core.used_tokens import UsedTokens
    from tallystick._http.request import ARead, Facts, RequestBody
    from tallystick.errors import TallystickError
    from tallystick.types import Body, Store

__all__ = ["AgentAuth"]

View = TypeVar("View", bound="Callable[..., Any]")


class AgentAuth:
    """Verifies signed requests to a Flask application (rotagent's ``AgentAuth``).

    ``keys_dir``
        folder of callers' public keys, ``ISSUER.pem`` each (default
        ``./authorized_keys``). Read again when it changed, at most once a second.
    ``keys``
        ``{"issuer": "PEM, JWK or JWKS"}``: callers' public keys instead of a folder. Both
        together raise ``invalid_argument``.
    ``dev_mode``
        skip the replay and body checks. ``None``: only when the environment variable
        ``APP_ENV`` is exactly ``development``.
    ``base_url``
        URL under which callers reach the application's root; with it a token made
        for another origin is refused.
    ``require_target``
        refuse tokens that name no method and URL, as rotagent's do.
    ``algorithms``
        what is taken of ``["RS256", "PS256", "ES256", "EdDSA"]`` (default: all). The caller's key
        decides which of these a token must have.
    ``leeway``
        seconds after a token's ``exp`` to forgive, 0 to 300 (default 0).
    ``clock_skew``
        seconds that a caller's clock may run ahead, 0 to 300 (default 5): forgives ``iat``
        and ``nbf`` in the future, never ``exp``.
    ``max_body``
        bytes of a request's body (default 10 MiB); more is 413.
    ``max_buffered``
        bytes that all bodies may hold in this process at one time (default 64 MiB, or
        four times ``max_body``); what comes on top is 503.
    ``max_lifetime``
        seconds that a token may live (default 3,600; 21,600 in development).
    ``store``
        where used tokens are remembered. A URL: ``sqlite:`` (the default: one file of this
        user, for all workers of a machine), ``sqlite:///absolute/path``, ``redis://``,
        ``rediss://``, ``valkey://``, ``valkeys://``, ``postgresql://`` (for many machines) or
        ``memory:`` (this process alone: with several workers a token works once in each, which
        the log says once). Or an object: a store of this package, or any
        :class:`tallystick.Store`.
    ``realm``
        of the ``WWW-Authenticate`` challenge.
    ``on_error``
        called with the :class:`TallystickError` of a refused request, sync or async;
        returns what the view would return. Default: ``error.response`` as it is.
    ``backend``
        ``"native"`` or ``"wasm"``; default: the environment variable ``TALLYSTICK_BACKEND``,
        else native where it loads.
    ``logger``
        default ``logging.getLogger("tallystick")``.

    Thread-safe. Fork-safe: made and used before a fork (``gunicorn --preload``), it
    serves in every child. Raises ``invalid_argument`` and ``invalid_key``, and
    :class:`tallystick.StoreUnavailableError` for a store that cannot be used.
    """

    def __init__(
        self,
        keys_dir: str | os.PathLike[str] | None = None,
        dev_mode: bool | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        base_url: str | None = None,
        require_target: bool | None = False,
        algorithms: Sequence[str] | None = None,
        leeway: float | None = 0,
        clock_skew: float | None = None,
        max_body: int | None = None,
        max_buffered: int | None = None,
        max_lifetime: float | None = None,
        store: str | Store | None = None,
        realm: str | None = None,
        on_error: Callable[[TallystickError], Any] | None = None,
        backend: str | None = None,
        logger: logging.Logger | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("AgentAuth", unknown, replay="store")
        core = load_core(backend)
        logger = choose_logger(logger)
        must_be_callable("on_error", on_error)
        must_be_path("keys_dir", keys_dir)
        if keys is not None and keys_dir is not None:
            raise error("invalid_argument", "give keys_dir or keys, not both")
        require_target = False if require_target is None else require_target
        must_be_flag("require_target", require_target)
        for name, text in _given(base_url=base_url, realm=realm).items():
            must_be_utf8(name, text)
        if base_url == "":
            raise error(
                "invalid_argument",
                "base_url must not be empty, which would be no check of the origin: "
                "leave it out for that",
            )
        if realm == "":
            raise error("invalid_argument", "realm must not be empty: leave it out for the default")
        sizes = _given(max_body=max_body, max_buffered=max_buffered)
        numbers = _given(leeway=leeway, clock_skew=clock_skew, max_lifetime=max_lifetime, **sizes)
        for name, value in numbers.items():
            must_be_number(name, value)
        for name, value in sizes.items():
            must_be_whole(name, value)
        self._dev_mode = _development(dev_mode)
        given = None if keys is None else issuer_keys("keys", keys)
        path = os.path.abspath("authorized_keys" if keys_dir is None else keys_dir)
        self._folder = KeysFolder(path, logger) if keys is None else None
        policy = _given(
            keys=given,
            reload=keys is None,
            base_url=base_url,
            require_target=require_target,
            algorithms=None if algorithms is None else must_be_texts("algorithms", algorithms),
            **numbers,
            development=self._dev_mode,
            realm=realm,
        )
        used = None if self._dev_mode else choose_store(store, logger)
        self._logger = logger
        self._on_error = on_error
        with options_named(*policy):
            self._verifier = Verifier(core, policy, self._folder, used, logger)

    @property
    def dev_mode(self) -> bool:
        """Whether the replay and body checks are skipped."""
        return self._dev_mode

    @property
    def keys_dir(self) -> str | None:
        """The folder of keys as an absolute path; ``None`` where ``keys`` were given."""
        return None if self._folder is None else self._folder.path

    def require_auth(self, view: View) -> View:
        """Run the view for verified requests only; the caller is ``flask.g.auth``.

        Takes sync and async views, methods of class-based views, and serves as an entry
        of a class-based view's ``decorators``.
        """
        from tallystick.flask import guard

        return guard(view, self._verifier, self._logger, self._on_error)

    def verify(
        self,
        authorization: Sequence[str] | str | None,
        *,
        method: str,
        path: str,
        query: str = "",
        mount: str = "",
        body: bytes | Callable[[int], Body | bytes] = b"",
    ) -> Caller:
        """Verify one request from its parts, for hosts other than Flask.

        ``authorization`` has the value of each header of that name (one text is one
        header, ``None`` none); ``path`` is the path below ``mount`` as it was sent
        (percent-encoded), ``query`` the text after ``?``. Texts hold one character per
        byte (latin-1). ``body`` has the exact bytes, or reads them: it is called with
        the most bytes to read, and only if everything but the body is right. Raises the error
        of the refusal; its ``response`` is the HTTP answer for the caller.
        """
        facts = given_facts(authorization, method, path, query, mount)
        return self._verifier.verify(facts, GivenBody(body))

    async def averify(
        self,
        authorization: Sequence[str] | str | None,
        *,
        method: str,
        path: str,
        query: str = "",
        mount: str = "",
        body: bytes | Callable[[int], Awaitable[Body | bytes]] = b"",
    ) -> Caller:
        """Do the same without blocking the event loop; ``body`` may be a coroutine function."""
        facts = given_facts(authorization, method, path, query, mount)
        return await self._verifier.averify(facts, agiven_body(body))

    def close(self) -> None:
        """Free what is held, with a store that was given by URL; a later request opens it again.

        With ``store="memory:"`` this frees the memory of used tokens: afterwards tokens that
        expire no later than those that were used are refused with 503.
        """
        self._verifier.close()


class Verifier:
    """The engine of one agent, and the answers to its needs.

    ``policy``
        members of ``verifier`` in ``engine.open`` that do not change.
    ``folder``
        its keys, if they are not in the policy.
    ``used``
        ``None``: replay is not checked.

    Thread-safe and fork-safe.
    """

    buffers: Buffers

    def __init__(
        self,
        core: Core,
        policy: dict[str, Any],
        folder: KeysFolder | None,
        used: UsedTokens | None,
        logger: logging.Logger,
    ) -> None:
        self._policy = policy
        self._folder = folder
        self._used = used
        self._logger = logger
        self._warned: list[str] = []
        note = None if used is None else used.note
        self._engine = Engine(
            core, self._configure, self._opened, used_until=_used_until, note=note
        )
        if used is None:
            logger.warning("development mode: replayed requests and changed bodies are accepted")
        else:
            used.start(self._feed)

    def verify(self, facts: Facts, body: RequestBody) -> Caller:
        """Verify one request, or raise the error of its refusal."""
        # First the body, which may come slowly, then the time.
        early = body.at_once(self.buffers)
        if early is not None:
            return self._verify_with(facts, early)
        wanted = BodyNeed(self._engine, self.buffers.asked)

        def answer(need: Need) -> Reply:
            if need["kind"] == "body":
                return wanted.answer(need, body.read)
            return self._answer(need)

        members = facts.members() + ',"body_pending":true'
        return _caller_of(self._engine.run("request.verify", members, b"", answer))

    async def averify(self, facts: Facts, read: ARead) -> Caller:
        """Do the same without blocking the event loop."""
        wanted = BodyNeed(self._engine, self.buffers.asked)

        async def answer(need: Need) -> Reply:
            if need["kind"] == "body":
                return await wanted.aanswer(need, read)
            if need["kind"] == "claim" and self._used is not None:
                return await self._used.aanswer(need)
            # It reads the folder of keys.
            return await asyncio.to_thread(self._answer, need)

        members = facts.members() + ',"body_pending":true'
        return _caller_of(await self._engine.arun("request.verify", members, b"", answer))

    def close(self) -> None:
        """Free what is held; a later request opens it again."""
        self._engine.close()
        if self._used is not None:
            self._used.close()

    def _verify_with(self, facts: Facts, body: Body) -> Caller:
        verified = self._engine.judge("request.verify", facts.members(), body, self._answer)
        return _caller_of(verified)

    def _answer(self, need: Need) -> Reply:
        if need["kind"] == "keys" and self._folder is not None:
            return self._refresh(self._folder), b""
        if need["kind"] == "claim" and self._used is not None:
            return self._used.answer(need)
        raise error(
            "internal", f"the core asked for {need['kind']!r}, which this host cannot answer"
        )

    def _refresh(self, folder: KeysFolder) -> str:
        try:
            return members_of(folder.refresh(self._deliver))
        except InstanceReplacedError:
            # The engine that asked is gone; the next one reads all keys.
            return members_of({"unchanged": True})

    def _deliver(self, files: list[dict[str, str]]) -> None:
        self._warn(self._engine.feed({"files": files}))

    def _feed(self, members: dict[str, Any]) -> None:
        # An engine that is closed or replaced reads everything anew.
        with contextlib.suppress(InstanceReplacedError):
            self._engine.feed(members)

    def _configure(self) -> Configuration:
        policy = {**self._policy, "replay": "memory"}
        if self._folder is not None:
            policy["files"] = self._folder.load()
        if self._used is not None:
            policy.update(self._used.configuration())
        return {"verifier": policy}

    def _opened(self, answer: Answer) -> None:
        # Opened again, the policy is the same, and earlier bodies may still be read.
        if not hasattr(self, "buffers"):
            self.buffers = Buffers(answer)
        self._warn(answer)

    def _warn(self, answer: Answer) -> None:
        messages = [warning["message"] for warning in answer["warnings"]]
        where = "keys" if self._folder is None else shown(self._folder.path)
        for message in messages:
            if message not in self._warned:
                self._logger.warning("%s: %s", where, message)
        self._warned = messages


def _used_until(result: Answer) -> float | None:
    expires_at: float | None = result.get("claims", {}).get("exp")
    return expires_at


def _caller_of(result: Answer) -> Caller:
    """Return the caller of a verified request."""
    claims = result["claims"]
    caller = object.__new__(Caller)
    # Faster than __init__, which sets each member of a frozen dataclass by a call.
    caller.__dict__.update(
        issuer=claims["iss"],
        jti=claims.get("jti", ""),
        issued_at=claims.get("iat"),
        expires_at=claims["exp"],
        key_id=result["key_id"],
        claims=claims,
        development=result["development"],
    )
    return caller


def _development(dev_mode: bool | None) -> bool:
    if dev_mode is None:
        return os.environ.get("APP_ENV") == "development"
    if not isinstance(dev_mode, bool):
        # The text "false" is true in Python: it must not switch checks off.
        raise error("invalid_argument", "dev_mode takes True, False or None")
    return dev_mode


def _given(**members: Any) -> dict[str, Any]:
    """Leave out members that were not given: the core has the defaults."""
    return {name: value for name, value in members.items() if value is not None}
