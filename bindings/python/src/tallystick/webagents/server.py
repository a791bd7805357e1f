"""The one thing about webagents' server that a skill cannot say for itself.

``WebAgentsServer`` answers ``/{agent}/.well-known/jwks.json`` with a route of its own, made
before those of the skills: the Ed25519 key that signs the agent's requests to the platform,
and an RSA key with a key id that no token of ours has. Peers that look for our keys where the
issuer says they are would never find them. A middleware before the routes answers with both:
our keys, and the server's that are not RSA. (The server's RSA key is not published: whoever
holds a key in an issuer's set can sign tokens for it, also after our ring was rotated.)

An agent that is served at the root (``webagents serve``) has its documents there too.
"""

from __future__ import annotations

import json
from functools import wraps
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from webagents.server.core.app import WebAgentsServer

from tallystick.webagents.skill import AuthSkill

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tallystick.access.party import Served

__all__ = ["install"]

KEYS = "/.well-known/jwks.json"
ROOT_DOCUMENTS = (KEYS, "/.well-known/openid-configuration", "/auth/token")
_MARK = "_tallystick_documents"


def install() -> None:
    """Have each server that is made from now on publish our documents. Idempotent."""
    if hasattr(WebAgentsServer, _MARK):
        return
    original = WebAgentsServer.__init__

    @wraps(original)
    def with_documents(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        self.app.add_middleware(Documents, server=self)

    WebAgentsServer.__init__ = with_documents
    setattr(WebAgentsServer, _MARK, True)


class Documents:
    """Answers for agents that have our skill what their server would answer without it."""

    def __init__(self, app: ASGIApp, server: Any) -> None:
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        found = self._locate(scope)
        agent = None if found is None else await self._agent(found[0])
        skill = None if agent is None else _skill(agent)
        if found is None or skill is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        served = await skill.answer(request, found[1], agent)
        if served is not None and found[1] == KEYS:
            served = _with_other_keys(served, agent)
        response = Response(status_code=404) if served is None else _response(served)
        await response(scope, receive, send)

    def _locate(self, scope: Scope) -> tuple[str, str] | None:
        """Return the agent's name and the path below it."""
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        root = self._server.root_agent
        if root is not None and path in ROOT_DOCUMENTS:
            return root, path
        prefix = f"{self._server.url_prefix}/"
        if not path.endswith(KEYS) or not path.startswith(prefix):
            return None
        name = path[len(prefix) : -len(KEYS)]
        return (name, KEYS) if name and "/" not in name else None

    async def _agent(self, name: str) -> Any:
        return await self._server.resolve_agent(name)


def _skill(agent: Any) -> AuthSkill | None:
    skills = getattr(agent, "skills", None) or {}
    return next((skill for skill in skills.values() if isinstance(skill, AuthSkill)), None)


def _with_other_keys(served: Served, agent: Any) -> Served:
    identity = getattr(agent, "signing_identity", None)
    others = [] if identity is None else identity.jwks()["keys"]
    others = [key for key in others if key.get("kty") != "RSA"]
    if not others or served.status != 200 or not served.body:
        return served
    # The ETag is of the core's document alone.
    headers = {name: value for name, value in served.headers.items() if name != "etag"}
    keys = others + json.loads(served.body)["keys"]
    return served._replace(headers=headers, body=json.dumps({"keys": keys}))


def _response(served: Served) -> Response:
    return Response(served.body, served.status, served.headers)
