"""Flask: guarded views, and the documents and the token endpoint as a blueprint."""

from __future__ import annotations

from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union, cast
from urllib.parse import unquote

from flask import Blueprint, Response, abort, current_app, g, request

from tallystick._access.token_endpoint import TokenEndpoint, engine_of, must_be_endpoints
from tallystick._core.problems import error
from tallystick._http.refusal import log_refusal
from tallystick._http.wsgi_request import WSGIBody, facts_and_body
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping

    from flask.blueprints import BlueprintSetupState

    from tallystick._http.request import Facts

    Endpoints = Union[TokenEndpoint, Mapping[str, TokenEndpoint]]
    OnError = Union[Callable[[TallystickError], Any], None]

__all__ = ["Blueprint", "auth_blueprint", "guard"]

View = TypeVar("View", bound="Callable[..., Any]")

# All of them, so that the core answers a wrong one (405).
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


class Verifier(Protocol):
    """Verifies requests."""

    def verify(self, facts: Facts, body: WSGIBody) -> object:
        """Return the caller, or raise the error of the refusal."""


def guard(view: View, verifier: Verifier, logger: logging.Logger, on_error: OnError) -> View:
    """Wrap a view: ``flask.g.auth`` is the caller; a refused request is answered and logged.

    ``on_error``, sync or async, is called with the error and returns what the view would
    return; default: ``error.response`` as it is. What is read of the body counts as held
    until the view has returned. Thread-safe and fork-safe.
    """
    if isinstance(view, type) or not callable(view):
        raise error(
            "invalid_argument",
            "require_auth decorates a view function or method; for a class-based view "
            "write decorators = [auth.require_auth]",
        )
    asynchronous = iscoroutinefunction(view)
    answer = on_error or _plain_response

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        # The request itself: each access through Flask's proxy would look it up.
        current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        facts, body = facts_and_body(current)
        try:
            try:
                g.auth = verifier.verify(facts, body)
            except TallystickError as refused:
                # An error without an answer, such as of a broken core, is raised (Flask: 500).
                log_refusal(logger, refused)
                response = current_app.make_response(current_app.ensure_sync(answer)(refused))
                response.call_on_close(body.discard)
                return response
            if asynchronous:
                return current_app.ensure_sync(view)(*args, **kwargs)
            return view(*args, **kwargs)
        finally:
            body.release()

    return cast("View", guarded)


def auth_blueprint(endpoints: Endpoints, *, name: str = "tallystick") -> Blueprint:
    """Return a blueprint with the documents, the key set and the token endpoint.

    ``endpoints`` is one :class:`tallystick.AuthSkill` or :class:`tallystick.Authority`,
    served at the root of where the blueprint is registered; or several by name, each
    below ``/{name}/``. Their documents are also answered where RFC 8414 and RFC 9728 put them: at
    the root of the application, with the path of ``base_url`` behind the document's name.
    ``name`` tells several blueprints of one application apart.
    """
    must_be_endpoints(endpoints)
    blueprint = Blueprint(name, __name__)
    several = not isinstance(endpoints, TokenEndpoint)

    def view(path: str, agent: str = "") -> Response:
        one = endpoints if isinstance(endpoints, TokenEndpoint) else endpoints.get(agent)
        return abort(404) if one is None else _serve(one, path)

    all_of = [endpoints] if isinstance(endpoints, TokenEndpoint) else list(endpoints.values())
    for path in dict.fromkeys(path for one in all_of for path in engine_of(one).paths):
        blueprint.add_url_rule(
            f"/<agent>{path}" if several else path,
            endpoint=path.replace(".", "-").replace("/", "_"),
            view_func=view,
            defaults={"path": path},
            methods=METHODS,
            provide_automatic_options=False,
        )
    blueprint.record(lambda state: _at_root(state, all_of))
    return blueprint


def _at_root(state: BlueprintSetupState, endpoints: list[TokenEndpoint]) -> None:
    """Add the documents that lie at the root of the server, whatever the blueprint's prefix."""
    for endpoint in endpoints:
        for path in engine_of(endpoint).root_paths:
            rule = unquote(path)  # a route is compared with what was decoded
            if "<" in rule:
                continue  # it would be a variable of the route
            state.app.add_url_rule(
                rule,
                endpoint=f"{state.name_prefix}{state.name}:{path}",
                view_func=partial(_serve, endpoint, path),
                methods=METHODS,
                provide_automatic_options=False,
            )


def _serve(endpoint: TokenEndpoint, path: str) -> Response:
    engine = engine_of(endpoint)
    current = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    body = WSGIBody(current)
    headers = current.headers
    try:
        served = endpoint.serve(
            current.method,
            path,
            authorization=headers.getlist("Authorization"),
            content_type=headers.get("Content-Type", ""),
            if_none_match=headers.get("If-None-Match", ""),
            body=body.read(engine.max_form, engine.buffers.early),
            query=current.environ.get("QUERY_STRING", ""),
            cookie=headers.getlist("Cookie"),
            origin=headers.getlist("Origin"),
        )
    finally:
        body.release()
    if served is None:
        return abort(404)
    response = Response(served.body, served.status, served.headers)
    response.call_on_close(body.discard)
    return response


def _plain_response(refused: TallystickError) -> Response:
    answer = refused.response
    if answer is None:
        raise refused
    return Response(answer.body, answer.status, answer.headers)
