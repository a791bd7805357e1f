"""ASGI: the endpoints as an application, and a guard for any application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Union, cast

from tallystick.access.asgi_request import BodyReader, describe, header_values, path_below_mount
from tallystick.access.party import PATHS, Party, Served, host_of, must_be_parties
from tallystick.access.skill import AuthSkill
from tallystick.arguments import must_be_callable
from tallystick.body import UNAVAILABLE, Body
from tallystick.errors import TallystickError, error
from tallystick.refusals import log_refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tallystick.access.asgi_request import Receive, Scope, Send
    from tallystick.errors import ErrorResponse

    App = Callable[[Scope, Receive, Send], Awaitable[None]]
    Parties = Union[Party, Mapping[str, Party]]

__all__ = ["AuthEndpoints", "AuthMiddleware"]

_NOT_FOUND = Served(404, {"content-type": "text/plain; charset=utf-8"}, "Not Found\n")


class AuthEndpoints:
    """An ASGI application with the discovery document, the key set and the token endpoint.

    ``parties``
        one :class:`tallystick.AuthSkill` or :class:`tallystick.Authority`, served at
        the root of where this is mounted; or several by name, each below ``/{name}/``.
    ``app``
        gets what is not for these endpoints; without one the answer is 404.

    Serves any number of requests at once.
    """

    def __init__(self, parties: Parties, app: App | None = None) -> None:
        must_be_parties(parties)
        must_be_callable("app", app)
        self._parties = parties
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (ASGI 3)."""
        if scope["type"] == "http":
            found = self._party(path_below_mount(scope))
            if found is not None:
                reader = BodyReader(scope, receive)
                served = await _serve(*found, scope, reader)
                if served is not None:
                    return await respond(send, served)
                receive = reader.receive
        if self._app is not None:
            return await self._app(scope, receive, send)
        return await _alone(scope, receive, send)

    def _party(self, path: str) -> tuple[Party, str] | None:
        if isinstance(self._parties, Party):
            return self._parties, path
        name, _, rest = path.removeprefix("/").partition("/")
        party = self._parties.get(name)
        return None if party is None else (party, "/" + rest)


class AuthMiddleware:
    """Lets only requests with a valid access token through to an ASGI application.

    ``scopes``
        patterns of which each must be granted, else the answer is 403.
    ``bind``
        takes only tokens that are bound to their request.
    ``on_error``
        called with the :class:`TallystickError` of a refused request before it is
        answered, such as to count it.

    The caller is ``scope["auth"]`` and ``scope["state"]["auth"]``
    (:class:`tallystick.AuthContext`; Starlette: ``request.state.auth``). A WebSocket
    is verified by its handshake and closed (1008) when refused; what is neither, such
    as lifespan, passes. The body is read for a bound token alone, and given to the
    application again. Serves any number of requests at once.
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
        if not callable(app) or not isinstance(skill, AuthSkill):
            raise error("invalid_argument", "AuthMiddleware takes an application and an AuthSkill")
        must_be_callable("on_error", on_error)
        self._app = app
        self._host = host_of(skill)
        self._required = self._host.requirement(scopes, bind)
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (ASGI 3)."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        reader = BodyReader(scope, receive)

        async def read(limit: int) -> Body:
            # A handshake has no body to be bound to.
            if scope["type"] != "http":
                return UNAVAILABLE
            return await reader.read(limit, self._host.buffers.asked)

        try:
            try:
                auth = await self._host.averify(describe(scope) + self._required, read)
            except TallystickError as refused:
                return await self._refuse(refused, scope, receive, send)
            state = {**scope.get("state", {}), "auth": auth}
            return await self._app({**scope, "auth": auth, "state": state}, reader.receive, send)
        finally:
            reader.release()

    async def _refuse(
        self, refused: TallystickError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        log_refusal(self._host.logger, refused)
        if self._on_error is not None:
            self._on_error(refused)
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        answer = cast("ErrorResponse", refused.response)
        return await respond(send, Served(answer.status, answer.headers, answer.body))


async def respond(send: Send, served: Served) -> None:
    """Send one whole answer."""
    body = served.body.encode()
    headers = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in _named(served)]
    await send({"type": "http.response.start", "status": served.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _named(served: Served) -> list[tuple[str, str]]:
    headers = dict(served.headers)
    if served.body:
        headers.setdefault("content-length", str(len(served.body.encode())))
    return list(headers.items())


async def _serve(party: Party, path: str, scope: Scope, reader: BodyReader) -> Served | None:
    asked: dict[str, Any] = {
        "authorization": header_values(scope, b"authorization"),
        "content_type": ", ".join(header_values(scope, b"content-type")),
        "if_none_match": ", ".join(header_values(scope, b"if-none-match")),
    }
    if path not in PATHS:
        return None
    try:
        host = host_of(party)
        body = await reader.read(host.max_form, host.buffers.early)
        return await party.aserve(scope["method"], path, **asked, body=body)
    finally:
        reader.release()


async def _alone(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what nothing is for."""
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
