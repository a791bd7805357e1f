"""ASGI: the endpoints as an application, and a guard for any application."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Union, cast

from tallystick._access.token_endpoint import (
    TokenEndpoint,
    engine_of,
    is_agent,
    must_be_endpoints,
)
from tallystick._core.arguments import must_be_callable
from tallystick._core.problems import error
from tallystick._http.asgi_request import (
    BodyReader,
    facts_of,
    header_values,
    path_below_mount,
    respond,
    sent_path,
)
from tallystick._http.asgi_user import User
from tallystick._http.refusal import Served, log_refusal
from tallystick._http.request import aunread
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tallystick._http.asgi_request import Receive, Scope, Send
    from tallystick._http.request import Facts
    from tallystick.errors import ErrorResponse
    from tallystick.skill import AuthSkill

    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Endpoints = Union[TokenEndpoint, Mapping[str, TokenEndpoint]]

__all__ = ["AuthEndpoints", "AuthMiddleware"]

_NOT_FOUND = Served(404, {"content-type": "text/plain; charset=utf-8"}, "Not Found\n")


class AuthEndpoints:
    """An ASGI application with the documents, the key set and the token endpoint.

    ``endpoints``
        one :class:`tallystick.AuthSkill` or :class:`tallystick.Authority`, served at
        the root of where this is mounted; or several by name, each below ``/{name}/``.
        Their documents are also answered where RFC 8414 and RFC 9728 put them: at the root of
        the server, with the path of ``base_url`` behind the document's name.
    ``app``
        gets all other requests; without one the answer to them is 404.

    Serves any number of requests at once.
    """

    def __init__(self, endpoints: Endpoints, app: App | None = None) -> None:
        must_be_endpoints(endpoints)
        must_be_callable("app", app)
        self._endpoints = endpoints
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (ASGI 3)."""
        if scope["type"] == "http":
            found = self._find(scope)
            if found is not None:
                reader = BodyReader(scope, receive)
                served = await _serve(*found, scope, reader)
                if served is not None:
                    return await respond(send, served)
                receive = reader.receive
        if self._app is not None:
            return await self._app(scope, receive, send)
        return await _alone(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[TokenEndpoint, str] | None:
        if isinstance(self._endpoints, TokenEndpoint):
            return _at(self._endpoints, scope)
        below = path_below_mount(scope)
        name, _, rest = below.removeprefix("/").partition("/")
        endpoint = self._endpoints.get(name)
        if endpoint is not None:
            path = "/" + rest
            return (endpoint, path) if engine_of(endpoint).serves(path) else None
        sent = sent_path(scope)
        for other in self._endpoints.values():
            for path in (below, sent):
                if engine_of(other).serves(path, at_root=True):
                    return other, path
        return None


class AuthMiddleware:
    """Lets only requests with a valid access token through to an ASGI application.

    ``scopes``
        patterns of which each must be granted, else the answer is 403.
    ``bind``
        takes only tokens that are bound to their request.
    ``on_error``
        called with the :class:`TallystickError` of a refused request before it is
        answered, such as to count it; sync or async. If it fails, that is logged and the request
        is answered all the same.
    ``exclude``
        what needs no token: a path (``"/healthz"``), all below one (``"/docs/*"``), or one of
        both behind a method (``"GET /status"``, ``"OPTIONS /*"``). Paths are compared as callers
        send them, and never decoded.

    The caller is ``scope["auth"]`` and ``scope["state"]["auth"]``
    (:class:`tallystick.AuthContext`; Starlette: ``request.auth`` and ``request.state.auth``).
    ``scope["user"]`` is what Starlette's ``request.user`` has: ``is_authenticated``,
    ``display_name`` (the caller's name) and ``identity`` (its URL). None of them is set where
    something is excluded. Requests for the documents and the token endpoint of ``skill`` are
    answered here. CORS preflights pass without a token: the application looks at the method. A
    WebSocket is verified by its handshake and closed (1008) when refused. Other events, such as
    lifespan, pass. The body is read only for a bound token, and the application can read it again.
    Serves any number of requests at once.
    """

    def __init__(
        self,
        app: App,
        skill: AuthSkill,
        *,
        scopes: Sequence[str] = (),
        bind: bool = False,
        on_error: Callable[[TallystickError], object] | None = None,
        exclude: Sequence[str] = (),
    ) -> None:
        if not callable(app) or not is_agent(skill):
            raise error("invalid_argument", "AuthMiddleware takes an application and an AuthSkill")
        must_be_callable("on_error", on_error)
        self._app = app
        self._skill = skill
        self._engine = engine_of(skill)
        self._required = self._engine.requirement(scopes, bind)
        self._exclude = self._engine.exclusion(exclude)
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (ASGI 3)."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        reader = BodyReader(scope, receive)
        facts = facts_of(scope)
        own = self._own(facts) if scope["type"] == "http" else ""
        if own:
            served = await _serve(self._skill, own, scope, reader)
            return await respond(send, _NOT_FOUND if served is None else served)
        if self._passes(facts, scope):
            return await self._app(scope, receive, send)
        # A handshake has no body.
        read = reader.read if scope["type"] == "http" else aunread
        try:
            try:
                auth = await self._engine.averify(facts, read, self._required)
            except TallystickError as refused:
                return await self._refuse(refused, scope, receive, send)
            state = {**scope.get("state", {}), "auth": auth}
            known = {**scope, "auth": auth, "user": User(auth), "state": state}
            return await self._app(known, reader.receive, send)
        finally:
            reader.release()

    def _own(self, facts: Facts) -> str:
        """Return the path of an own endpoint that a request is for, "" for none."""
        for path in (facts.path, facts.sent):
            if self._engine.serves(path):
                return path
        return ""

    def _passes(self, facts: Facts, scope: Scope) -> bool:
        if not self._exclude and facts.method != "OPTIONS":
            return False
        headers = {
            "origin": header_values(scope, b"origin"),
            "request_method": header_values(scope, b"access-control-request-method"),
        }
        return self._engine.passes(self._exclude, facts, headers)

    async def _refuse(
        self, refused: TallystickError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        log_refusal(self._engine.logger, refused)
        await self._tell(refused)
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        answer = cast("ErrorResponse", refused.response)
        return await respond(send, Served(answer.status, answer.headers, answer.body))

    async def _tell(self, refused: TallystickError) -> None:
        if self._on_error is None:
            return
        try:
            told = self._on_error(refused)
            if inspect.isawaitable(told):
                await told
        except Exception as reason:
            self._engine.logger.error("on_error failed: %r", reason, exc_info=reason)


def _at(endpoint: TokenEndpoint, scope: Scope) -> tuple[TokenEndpoint, str] | None:
    """Return the endpoint with the path by which it knows what a request is for."""
    engine = engine_of(endpoint)
    for path in (path_below_mount(scope), sent_path(scope)):
        if engine.serves(path):
            return endpoint, path
    return None


async def _serve(
    endpoint: TokenEndpoint, path: str, scope: Scope, reader: BodyReader
) -> Served | None:
    asked: dict[str, Any] = {
        "authorization": header_values(scope, b"authorization"),
        "content_type": ", ".join(header_values(scope, b"content-type")),
        "if_none_match": ", ".join(header_values(scope, b"if-none-match")),
        "query": scope["query_string"].decode("latin-1"),
        "cookie": header_values(scope, b"cookie"),
        "origin": header_values(scope, b"origin"),
    }
    try:
        engine = engine_of(endpoint)
        body = await reader.read(engine.max_form, engine.buffers.early)
        return await endpoint.aserve(scope["method"], path, **asked, body=body)
    finally:
        reader.release()


async def _alone(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is for no application."""
    if scope["type"] == "http":
        await respond(send, _NOT_FOUND)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    elif scope["type"] == "lifespan":
        await _live(receive, send)


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
