"""ASGI: the endpoints as an application, and a guard for any application."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Union, cast

from tallystick._access.token_endpoint import (
    PATHS,
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
)
from tallystick._http.refusal import Served, log_refusal
from tallystick._http.request import aunread
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tallystick._http.asgi_request import Receive, Scope, Send
    from tallystick.errors import ErrorResponse
    from tallystick.skill import AuthSkill

    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Endpoints = Union[TokenEndpoint, Mapping[str, TokenEndpoint]]

__all__ = ["AuthEndpoints", "AuthMiddleware"]

_NOT_FOUND = Served(404, {"content-type": "text/plain; charset=utf-8"}, "Not Found\n")


class AuthEndpoints:
    """An ASGI application with the discovery document, the key set and the token endpoint.

    ``endpoints``
        one :class:`tallystick.AuthSkill` or :class:`tallystick.Authority`, served at
        the root of where this is mounted; or several by name, each below ``/{name}/``.
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
            found = self._find(path_below_mount(scope))
            if found is not None:
                reader = BodyReader(scope, receive)
                served = await _serve(*found, scope, reader)
                if served is not None:
                    return await respond(send, served)
                receive = reader.receive
        if self._app is not None:
            return await self._app(scope, receive, send)
        return await _alone(scope, receive, send)

    def _find(self, path: str) -> tuple[TokenEndpoint, str] | None:
        if isinstance(self._endpoints, TokenEndpoint):
            return self._endpoints, path
        name, _, rest = path.removeprefix("/").partition("/")
        endpoint = self._endpoints.get(name)
        return None if endpoint is None else (endpoint, "/" + rest)


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

    The caller is ``scope["auth"]`` and ``scope["state"]["auth"]``
    (:class:`tallystick.AuthContext`; Starlette: ``request.state.auth``). A WebSocket
    is verified by its handshake and closed (1008) when refused. Other events, such as lifespan,
    pass. The body is read only for a bound token, and the application can read it again. Serves
    any number of requests at once.
    """

    def __init__(
        self,
        app: App,
        skill: AuthSkill,
        *,
        scopes: Sequence[str] = (),
        bind: bool = False,
        on_error: Callable[[TallystickError], object] | None = None,
    ) -> None:
        if not callable(app) or not is_agent(skill):
            raise error("invalid_argument", "AuthMiddleware takes an application and an AuthSkill")
        must_be_callable("on_error", on_error)
        self._app = app
        self._engine = engine_of(skill)
        self._required = self._engine.requirement(scopes, bind)
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (ASGI 3)."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        reader = BodyReader(scope, receive)
        # A handshake has no body.
        read = reader.read if scope["type"] == "http" else aunread
        try:
            try:
                auth = await self._engine.averify(facts_of(scope), read, self._required)
            except TallystickError as refused:
                return await self._refuse(refused, scope, receive, send)
            state = {**scope.get("state", {}), "auth": auth}
            return await self._app({**scope, "auth": auth, "state": state}, reader.receive, send)
        finally:
            reader.release()

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


async def _serve(
    endpoint: TokenEndpoint, path: str, scope: Scope, reader: BodyReader
) -> Served | None:
    asked: dict[str, Any] = {
        "authorization": header_values(scope, b"authorization"),
        "content_type": ", ".join(header_values(scope, b"content-type")),
        "if_none_match": ", ".join(header_values(scope, b"if-none-match")),
    }
    if path not in PATHS:
        return None
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
