"""What guards of Flask views share: the request's parts, the wrapper, the refusal."""

from __future__ import annotations

import time
from functools import wraps
from inspect import iscoroutinefunction
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any, TypeVar, cast

from flask import Response, current_app, g, request

from tallystick.body import FlaskBody
from tallystick.errors import TallystickError, error
from tallystick.refusals import log_refusal

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from flask import Request

    Verify = Callable[[Request, FlaskBody], Any]

__all__ = ["Refusals", "describe", "guard"]

View = TypeVar("View", bound="Callable[..., Any]")


def guard(view: View, verify: Verify, refuse: Callable[[TallystickError], Any]) -> View:
    """Wrap a view: ``flask.g.auth`` is what ``verify`` returned, or ``refuse`` answers.

    What ``verify`` reads of the body counts as held until the view has returned.
    """
    if isinstance(view, type) or not callable(view):
        raise error(
            "invalid_argument",
            "require_auth decorates a view function or method; for a class-based view "
            "write decorators = [auth.require_auth]",
        )
    asynchronous = iscoroutinefunction(view)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        # The request itself: each access through Flask's proxy would look it up again.
        current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        body = FlaskBody(current)
        try:
            try:
                g.auth = verify(current, body)
            except TallystickError as refused:
                answer = current_app.make_response(refuse(refused))
                answer.call_on_close(body.discard)
                return answer
            if asynchronous:
                return current_app.ensure_sync(view)(*args, **kwargs)
            return view(*args, **kwargs)
        finally:
            body.release()

    return cast("View", guarded)


class Refusals:
    """Logs why a request was refused, and answers it. Thread-safe and fork-safe.

    ``on_error``, sync or async, is called with the error and returns what the view would
    return; default: ``error.response`` as it is.
    """

    def __init__(
        self, on_error: Callable[[TallystickError], Any] | None, logger: logging.Logger
    ) -> None:
        self._on_error = on_error or _plain_response
        self._logger = logger

    def answer(self, refused: TallystickError) -> Any:
        """Return the answer; raise what is no verdict but a broken core (Flask: 500)."""
        log_refusal(self._logger, refused)
        return current_app.ensure_sync(self._on_error)(refused)


def describe(environ: dict[str, Any]) -> str:
    """Word the members of ``request.verify`` and ``access.verify`` (PEP 3333)."""
    authorization = environ.get("HTTP_AUTHORIZATION")
    headers = "" if authorization is None else quote(authorization)
    raw_target = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    return (
        f'"now":{time.time()!r},"authorization":[{headers}],'
        f'"method":{quote(environ["REQUEST_METHOD"])},"path":{quote(environ.get("PATH_INFO", ""))},'
        f'"query":{quote(environ.get("QUERY_STRING", ""))},'
        f'"mount":{quote(environ.get("SCRIPT_NAME", ""))},'
        f'"path_decoded":true,"raw_target":{quote(raw_target)}'
    )


def _plain_response(refused: TallystickError) -> Response:
    answer = refused.response
    if answer is None:
        raise refused
    return Response(answer.body, answer.status, answer.headers)
