"""Our key set in webagents' server, which has a route of its own for it.

``WebAgentsServer`` answers ``/{agent}/.well-known/jwks.json`` with a route of its own, made
before those of the skills: the Ed25519 key that signs the agent's requests to the platform,
and an RSA key with a key id that no token of ours has. Peers that look for our keys where the
issuer says they are would never find them. A middleware before the routes answers with both:
our keys, and the server's that are not RSA. (The server's RSA key is not published: whoever
holds a key in an issuer's set can sign tokens for it, also after our ring was rotated. That is so
of the Ed25519 key, where a receiver takes EdDSA, but the platform looks for it there.)

An agent that is served at the root (``webagents serve``) has its documents there too.
"""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import Response
from webagents.server.core.app import WebAgentsServer

from tallystick._http.asgi_request import BodyReader, path_below_mount
from tallystick.webagents.skill import MOUNT, AuthSkill, sent_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tallystick._http.refusal import Served

__all__ = ["install"]

KEYS = "/.well-known/jwks.json"
ROOT_DOCUMENTS = (
    KEYS,
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
    "/auth/token",
    "/auth/authorize",
)
_MARK = "_tallystick_documents"


def install() -> None:
    """Have each server that is made from now on publish our documents. Idempotent."""
    if hasattr(WebAgentsServer, _MARK):
        return
    original = WebAgentsServer.__init__

    @wraps(original)
    def with_documents(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        # The innermost: the server's own middlewares (CORS, its floor) serve these answers,
        # too.
        self.app.user_middleware.append(Middleware(Documents, server=self))

    WebAgentsServer.__init__ = with_documents
    setattr(WebAgentsServer, _MARK, True)


class Documents:
    """Answers the documents of agents that have our skill, before their server does."""

    def __init__(self, app: ASGIApp, server: Any) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] in {"http", "websocket"}:
            scope[MOUNT] = self._mount(scope)
        name, path = self._locate(scope)
        agent = await self._agent(name) if name else None
        skill = _skill(agent)
        if skill is None:
            await self._app(scope, receive, send)
            return
        reader = BodyReader(scope, receive)
        try:
            served = await skill.answer(HTTPConnection(scope), path, reader.read, agent)
        finally:
            reader.release()
        if served is not None and path == KEYS:
            served = _with_other_keys(served, agent)
        response = Response(status_code=404) if served is None else _response(served)
        await response(scope, receive, send)

    def _mount(self, scope: Scope) -> str:
        """Return where the agent that is asked is mounted, as it was sent.

        Tokens that are bound to a request name the path as its sender sees it, which a
        proxy or the mount at the root may have made longer. Where the spelling hides
        where the agent's path ends (``%2F``), there is no answer, and none is accepted.
        """
        path, prefix = path_below_mount(scope), f"{self._server.url_prefix}/"
        if not path.startswith(prefix):
            return ""
        outside = scope["path"].removesuffix(path)
        mount = outside + prefix + path[len(prefix) :].split("/", 1)[0]
        sent = sent_path(scope)
        clear = sent == mount or sent.startswith(mount + "/")
        return mount if clear else ""

    def _locate(self, scope: Scope) -> tuple[str, str]:
        """Return the name of the agent whose document is asked for, and its path below it."""
        path = path_below_mount(scope) if scope["type"] == "http" else ""
        root = getattr(self._server, "root_agent", None)
        if root is not None and path in ROOT_DOCUMENTS:
            return root, path
        prefix = f"{self._server.url_prefix}/"
        if not path.endswith(KEYS) or not path.startswith(prefix):
            return "", ""
        name = path[len(prefix) : -len(KEYS)]
        return ("", "") if "/" in name else (name, KEYS)

    async def _agent(self, name: str) -> Any:
        try:
            return await self._server.resolve_agent(name)
        except Exception:
            # The server's own route tries again, and answers.
            return None


def _skill(agent: Any) -> AuthSkill | None:
    skills = getattr(agent, "skills", None) or {}
    return next((skill for skill in skills.values() if isinstance(skill, AuthSkill)), None)


def _with_other_keys(served: Served, agent: Any) -> Served:
    identity = getattr(agent, "signing_identity", None)
    others = [] if identity is None else identity.jwks()["keys"]
    others = [key for key in others if key.get("kty") != "RSA"]
    if not others or served.status != 200 or not served.body:
        return served
    # The ETag is that of the core's document.
    headers = {name: value for name, value in served.headers.items() if name != "etag"}
    keys = others + json.loads(served.body)["keys"]
    return served._replace(headers=headers, body=json.dumps({"keys": keys}))


def _response(served: Served) -> Response:
    return Response(served.body, served.status, served.headers)
