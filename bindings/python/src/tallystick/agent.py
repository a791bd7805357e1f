"""``AgentAuth``: a Flask decorator that lets only signed requests through."""

from __future__ import annotations

import os
import time
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any, TypeVar

from flask import request

from tallystick.arguments import (
    body_bytes,
    choose_logger,
    must_be_callable,
    must_be_flag,
    must_be_number,
    must_be_path,
    must_be_text,
    must_be_texts,
    must_be_utf8,
    must_be_whole,
)
from tallystick.body import Body, read_body
from tallystick.caller import caller_of
from tallystick.core import InstanceReplacedError, load_core
from tallystick.engine import Engine, members_of
from tallystick.errors import TallystickError, error
from tallystick.folder import KeysFolder
from tallystick.guarding import Refusals, describe, guard
from tallystick.replay import choose_replay
from tallystick.replay.claims import Claims
from tallystick.replay.floor import ReplayFloor

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Sequence

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
    ``max_lifetime``
        seconds that a token may live (default 3,600; 21,600 in development).
    ``replay``
        where used tokens are remembered: ``"sqlite"`` (one file of this user, shared
        by all workers, see :class:`tallystick.SQLiteReplay`), a path of such a file,
        ``"memory"`` (this process alone: with several workers a token works once in
        each) or any :class:`tallystick.ReplayStore`.
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
        base_url: str | None = None,
        require_target: bool = False,
        leeway: float = 0,
        clock_skew: float | None = None,
        max_body: int | None = None,
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
        must_be_flag("require_target", require_target)
        for name, text in _given(base_url=base_url, realm=realm).items():
            must_be_utf8(name, text)
        if base_url == "":
            raise error(
                "invalid_argument",
                "base_url must not be empty, which would be no check of the origin: "
                "leave it out for that",
            )
        numbers = _given(
            leeway=leeway, clock_skew=clock_skew, max_body=max_body, max_lifetime=max_lifetime
        )
        for name, value in numbers.items():
            must_be_number(name, value)
        if max_body is not None:
            must_be_whole("max_body", max_body)
        self._refusals = Refusals(on_error, self._logger)
        self.keys_dir = os.path.abspath("authorized_keys" if keys_dir is None else keys_dir)
        self.dev_mode = _development(dev_mode)
        self._folder = KeysFolder(self.keys_dir, self._logger)
        store = None if self.dev_mode else choose_replay(replay)
        self._claims = None if store is None else Claims(store, self._logger)
        in_core = store is None and not self.dev_mode
        self._floor = ReplayFloor(leeway) if in_core else None
        self._policy = _given(
            reload=True,
            brief=True,
            base_url=base_url,
            require_target=require_target,
            **numbers,
            development=self.dev_mode,
            replay="memory" if store is None else "host_last",
            realm=realm,
        )
        self._max_body = 0
        self._engine = Engine(core, self._configure, self._opened)
        self._announce()

    def require_auth(self, view: View) -> View:
        """Let the view run for verified requests alone; the caller is ``flask.g.auth``.

        Takes sync and async views, methods of class-based views, and serves as an entry
        of a class-based view's ``decorators``.
        """
        return guard(view, self._verify, self._refusals.answer)

    def verify(
        self,
        authorization: Sequence[str],
        *,
        method: str,
        path: str,
        query: str = "",
        mount: str = "",
        body: bytes = b"",
    ) -> Caller:
        """Verify one request from its parts, for hosts other than Flask.

        ``authorization`` has the value of each header of that name; ``path`` is the path
        below ``mount`` as it was sent (percent-encoded), ``query`` the text after ``?``,
        ``body`` the exact bytes. Texts hold one character per byte (latin-1). Raises the
        error of the refusal; its ``response`` is the HTTP answer for the caller.
        """
        headers = ",".join(map(quote, must_be_texts("authorization", authorization)))
        for name, text in (("method", method), ("path", path), ("query", query), ("mount", mount)):
            must_be_text(name, text)
        members = (
            f'"now":{time.time()!r},"authorization":[{headers}],"method":{quote(method)},'
            f'"path":{quote(path)},"query":{quote(query)},"mount":{quote(mount)}'
        )
        data = body if type(body) is bytes else body_bytes(body)
        return self._judge(members, Body(data, too_large=len(data) > self._max_body))

    def close(self) -> None:
        """Free what is held in the core; a later request opens it again.

        With ``replay="memory"`` the memory is among it: afterwards tokens that expire no
        later than those that were used before are refused with 503.
        """
        self._engine.close()

    def _verify(self) -> Caller:
        # The request itself: each access through Flask's proxy would look it up again.
        current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        # First the body, which may come slowly, then the time.
        body = read_body(current, self._max_body)
        return self._judge(describe(current.environ), body)

    def _judge(self, members: str, body: Body) -> Caller:
        if body.too_large:
            told, data = ',"body_too_large":true', b""
        elif body.unavailable:
            told, data = ',"body_unavailable":true', b""
        else:
            told, data = self._engine.hand_over(body.data)
        result = self._engine.run("request.verify", members + told, data, self._answer)
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
        try:
            return members_of(self._folder.refresh(self._deliver))
        except InstanceReplacedError:
            # Whoever asked is gone, and starts over in an instance that has read it all.
            return members_of({"unchanged": True})

    def _deliver(self, files: list[dict[str, str]]) -> None:
        self._warn(self._engine.feed({"files": files}))

    def _configure(self) -> Configuration:
        policy = {**self._policy, "files": self._folder.load()}
        if self._floor is not None:
            policy["replay_floor"] = self._floor.seconds
        return {"verifier": policy}

    def _opened(self, answer: Answer) -> None:
        self._max_body = answer["max_body"]
        self._warn(answer)

    def _warn(self, answer: Answer) -> None:
        for warning in answer["warnings"]:
            self._logger.warning("%s: %s", self.keys_dir, warning["message"])

    def _announce(self) -> None:
        if self.dev_mode:
            self._logger.warning(
                "development mode: replayed requests and changed bodies are accepted"
            )
        if self._claims is not None:
            self._claims.check()


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
