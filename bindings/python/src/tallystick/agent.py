"""``AgentAuth``: a Flask decorator that lets only signed requests through."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick.arguments import (
    body_bytes,
    choose_logger,
    header_lines,
    issuer_keys,
    must_be_callable,
    must_be_flag,
    must_be_number,
    must_be_path,
    must_be_text,
    must_be_utf8,
    must_be_whole,
    wire,
)
from tallystick.body import Body, aknown_body, known_body, read_by, told
from tallystick.caller import caller_of
from tallystick.core import InstanceReplacedError, load_core
from tallystick.engine import Engine, members_of
from tallystick.errors import TallystickError, error
from tallystick.folder import KeysFolder
from tallystick.guarding import Refusals, describe, guard
from tallystick.replay import choose_replay, warn_of_memory
from tallystick.replay.claims import Claims
from tallystick.replay.floor import ReplayFloor
from tallystick.room import Buffers

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from flask import Request

    from tallystick.body import FlaskBody
    from tallystick.caller import Caller
    from tallystick.engine import Answer, Configuration, Need, Reply
    from tallystick.replay import ReplayStore
    from tallystick.replay.sqlite import SQLiteReplay

__all__ = ["AgentAuth"]

View = TypeVar("View", bound="Callable[..., Any]")


class AgentAuth:
    """Verifies signed requests to a Flask application (rotagent's ``AgentAuth``).

    ``keys_dir``
        folder of callers' public keys, ``ISSUER.pem`` each (default
        ``./authorized_keys``). Read again when it changed, at most once a second.
    ``keys``
        ``{"issuer": "PEM, JWK or JWKS"}``: callers' public keys in place of a folder; with
        ``keys_dir`` it is ``invalid_config``.
    ``dev_mode``
        skip the replay and body checks. ``None``: only when the environment variable
        ``APP_ENV`` is exactly ``development``.
    ``base_url``
        URL under which callers reach the application's root; with it a token made
        for another origin is refused.
    ``require_target``
        refuse tokens that name no method and URL, as rotagent's do.
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
    ``replay``
        where used tokens are remembered: ``"sqlite"`` (one file of this user, shared
        by all workers, see :class:`tallystick.SQLiteReplay`), a path of such a file,
        ``"memory"`` (this process alone: with several workers a token works once in
        each, which the log says once) or any :class:`tallystick.ReplayStore`.
    ``realm``
        of the ``WWW-Authenticate`` challenge.
    ``on_error``
        called with the :class:`TallystickError` of a refused request, sync or async;
        returns what the view would return. Default: ``error.response`` as it is.
    ``backend``
        ``"native"`` or ``"wasm"``, see :func:`tallystick.core.load_core`.
    ``logger``
        default ``logging.getLogger("tallystick")``.

    Thread-safe. Fork-safe: made and used before a fork (``gunicorn --preload``), it
    serves in every child. Raises ``invalid_argument`` and ``invalid_config``.
    """

    def __init__(
        self,
        keys_dir: str | os.PathLike[str] | None = None,
        dev_mode: bool | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        base_url: str | None = None,
        require_target: bool = False,
        leeway: float = 0,
        clock_skew: float | None = None,
        max_body: int | None = None,
        max_buffered: int | None = None,
        max_lifetime: float | None = None,
        replay: str | os.PathLike[str] | ReplayStore | SQLiteReplay = "sqlite",
        realm: str | None = None,
        on_error: Callable[[TallystickError], Any] | None = None,
        backend: str | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        core = load_core(backend)
        self._logger = choose_logger(logger)
        must_be_callable("on_error", on_error)
        must_be_path("keys_dir", keys_dir)
        if keys is not None and keys_dir is not None:
            raise error("invalid_config", "give keys_dir or keys, not both")
        must_be_flag("require_target", require_target)
        for name, text in _given(base_url=base_url, realm=realm).items():
            must_be_utf8(name, text)
        if base_url == "":
            raise error(
                "invalid_argument",
                "base_url must not be empty, which would be no check of the origin: "
                "leave it out for that",
            )
        sizes = _given(max_body=max_body, max_buffered=max_buffered)
        numbers = _given(leeway=leeway, clock_skew=clock_skew, max_lifetime=max_lifetime, **sizes)
        for name, value in numbers.items():
            must_be_number(name, value)
        for name, value in sizes.items():
            must_be_whole(name, value)
        self._refusals = Refusals(on_error, self._logger)
        self._dev_mode = _development(dev_mode)
        self._keys = None if keys is None else issuer_keys("keys", keys)
        path = os.path.abspath("authorized_keys" if keys_dir is None else keys_dir)
        self._folder = KeysFolder(path, self._logger) if keys is None else None
        store = None if self._dev_mode else choose_replay(replay)
        self._claims = None if store is None else Claims(store, self._logger)
        in_core = store is None and not self._dev_mode
        self._floor = ReplayFloor() if in_core else None
        self._policy = _given(
            reload=keys is None,
            base_url=base_url,
            require_target=require_target,
            **numbers,
            development=self._dev_mode,
            replay="memory" if store is None else "host",
            realm=realm,
        )
        self._warned: list[str] = []
        self._engine = Engine(core, self._configure, self._opened)
        self._announce()

    @property
    def dev_mode(self) -> bool:
        """Whether the replay and body checks are skipped."""
        return self._dev_mode

    @property
    def keys_dir(self) -> str | None:
        """The folder of keys as an absolute path; ``None`` where ``keys`` were given."""
        return None if self._folder is None else self._folder.path

    def require_auth(self, view: View) -> View:
        """Let the view run for verified requests alone; the caller is ``flask.g.auth``.

        Takes sync and async views, methods of class-based views, and serves as an entry
        of a class-based view's ``decorators``.
        """
        return guard(view, self._verify, self._refusals.answer)

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
        the most bytes to read, and only where all but the body is good. Raises the error
        of the refusal; its ``response`` is the HTTP answer for the caller.
        """
        members = _worded(authorization, method, path, query, mount)
        if callable(body):
            return self._judge_late(members, body)
        read = known_body(body if type(body) is bytes else body_bytes(body))
        return self._judge(members, read(self._buffers.max_body))

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
        members = _worded(authorization, method, path, query, mount)
        read = body if callable(body) else aknown_body(body_bytes(body))
        asked = _Asked()

        async def answer(need: Need) -> Reply:
            if need["kind"] != "body":
                # The folder of keys and the file of used tokens.
                return await asyncio.to_thread(self._answer, need)
            if asked.told is None:
                limit = need["max_bytes"]
                asked.told = told(read_by(await read(limit), limit), self._engine)
            return asked.told

        pending = members + ',"body_pending":true'
        return self._accepted(await self._engine.arun("request.verify", pending, b"", answer))

    def close(self) -> None:
        """Free what is held in the core; a later request opens it again.

        With ``replay="memory"`` the memory is among it: afterwards tokens that expire no
        later than those that were used before are refused with 503.
        """
        self._engine.close()

    def _verify(self, request: Request, body: FlaskBody) -> Caller:
        # First a small body, which may come slowly, then the time.
        early = body.at_once(self._buffers)
        members = describe(request.environ)
        if early is not None:
            return self._judge(members, early)
        return self._judge_late(members, lambda limit: body.read(limit, self._buffers.asked))

    def _judge(self, members: str, body: Body) -> Caller:
        said, data = told(body, self._engine)
        if said:
            members = f"{members},{said}"
        return self._accepted(self._engine.run("request.verify", members, data, self._answer))

    def _judge_late(self, members: str, read: Callable[[int], Body | bytes]) -> Caller:
        asked = _Asked()

        def answer(need: Need) -> Reply:
            if need["kind"] != "body":
                return self._answer(need)
            # Once, however often the verification has to start again.
            if asked.told is None:
                limit = need["max_bytes"]
                asked.told = told(read_by(read(limit), limit), self._engine)
            return asked.told

        pending = members + ',"body_pending":true'
        return self._accepted(self._engine.run("request.verify", pending, b"", answer))

    def _accepted(self, result: Answer) -> Caller:
        caller = caller_of(result)
        if self._floor is not None:
            self._floor.note(caller.expires_at)
        return caller

    def _answer(self, need: Need) -> Reply:
        if need["kind"] == "keys":
            return self._refresh(), b""
        if need["kind"] == "claim" and self._claims is not None:
            return self._claims.answer(need)
        raise error("internal", f"the core asked for {need['kind']!r}, which nothing here answers")

    def _refresh(self) -> str:
        if self._folder is None:
            return members_of({"unchanged": True})
        try:
            return members_of(self._folder.refresh(self._deliver))
        except InstanceReplacedError:
            # Whoever asked is gone, and starts over in an instance that has read it all.
            return members_of({"unchanged": True})

    def _deliver(self, files: list[dict[str, str]]) -> None:
        self._warn(self._engine.feed({"files": files}))

    def _configure(self) -> Configuration:
        folder = self._folder
        keys = {"keys": self._keys} if folder is None else {"files": folder.load()}
        policy = {**self._policy, **keys}
        if self._floor is not None:
            policy["replay_floor"] = self._floor.seconds
        return {"verifier": policy}

    def _opened(self, answer: Answer) -> None:
        # Opened again, it is the same policy, and bodies of before may be under way.
        if not hasattr(self, "_buffers"):
            self._buffers = Buffers(answer)
        self._warn(answer)

    def _warn(self, answer: Answer) -> None:
        messages = [warning["message"] for warning in answer["warnings"]]
        for message in messages:
            if message not in self._warned:
                self._logger.warning("%s: %s", self.keys_dir or "keys", message)
        self._warned = messages

    def _announce(self) -> None:
        if self._dev_mode:
            self._logger.warning(
                "development mode: replayed requests and changed bodies are accepted"
            )
        elif self._claims is None:
            warn_of_memory(self._logger)
        if self._claims is not None:
            self._claims.check()


class _Asked:
    """What the core was told of the body that it asked for."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        self.told: Reply | None = None


def _worded(
    authorization: Sequence[str] | str | None, method: str, path: str, query: str, mount: str
) -> str:
    headers = ",".join(map(wire, header_lines("authorization", authorization)))
    for name, text in (("method", method), ("path", path), ("query", query), ("mount", mount)):
        must_be_text(name, text)
    return (
        f'"now":{time.time()!r},"authorization":[{headers}],"method":{wire(method)},'
        f'"path":{wire(path)},"query":{wire(query)},"mount":{wire(mount)}'
    )


def _development(dev_mode: bool | None) -> bool:
    if dev_mode is None:
        return os.environ.get("APP_ENV") == "development"
    if not isinstance(dev_mode, bool):
        # The text "false" is true in Python: it must not switch checks off.
        raise error("invalid_argument", "dev_mode takes True, False or None")
    return dev_mode


def _given(**members: Any) -> dict[str, Any]:
    """Leave out what was not given: the core has the defaults."""
    return {name: value for name, value in members.items() if value is not None}
