"""Access tokens in requests that go out: httpx, httpx2, requests, aiohttp.

    client = httpx.AsyncClient(auth=httpx_auth(skill, "@bob"))
    client = httpx2.AsyncClient(auth=httpx2_auth(skill, "@bob"))
    session = requests.Session(); session.auth = requests_auth(skill, "@bob")
    session = aiohttp.ClientSession(middlewares=[aiohttp_middleware(skill, "@bob")])

All take the same arguments:

``skill``
    the :class:`tallystick.AuthSkill` that makes, keeps and reuses the tokens.
``target``
    whom the token is for: ``"@name"``, a name, an agent's URL; or a function from the URL of a
    request to one of these, or to ``None`` for no token.
``scopes``
    scopes to ask for; default: the skill's ``allowed_scopes`` without wildcards, and in
    portal mode what the authority gives.
``bind``
    also sign the method, URL and body of each request. The token then works once, for that
    request only. The body must be in memory; a streamed one raises ``invalid_argument``.
``send_to``
    base URL under which the agent is really reached, where that is not its own URL
    (a proxy, a development port). Default: the agent's URL.

A request gets a token only if ``send_to`` covers its URL (same origin, below its path), so one
client may also talk to others. A request without a token is logged once for each target and
origin (WARNING, the skill's logger). After 401 with ``error="invalid_token"`` the request is
sent once more with a new token; never twice, and never with ``bind``. Errors of the skill
(``trust_denied``, ``token_unavailable``, ...) are raised before anything is sent.

Thread-safe and fork-safe as the skill is. Source: RFC 6750, protocol sections 2 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick._access.targets import Outbound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallystick._access.targets import Target
    from tallystick.outbound.aiohttp import Middleware
    from tallystick.outbound.httpx import HttpxAuth
    from tallystick.outbound.httpx2 import Httpx2Auth
    from tallystick.outbound.requests import RequestsAuth
    from tallystick.skill import AuthSkill

__all__ = ["aiohttp_middleware", "httpx2_auth", "httpx_auth", "requests_auth"]


def httpx_auth(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> HttpxAuth:
    """Return an ``httpx.Auth`` for clients and single requests, sync and async.

    httpx follows redirects only when told to, and keeps the header only within one origin.
    """
    from tallystick.outbound.httpx import HttpxAuth

    return HttpxAuth(Outbound(skill, target, scopes, bind, send_to))


def httpx2_auth(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> Httpx2Auth:
    """Return an ``httpx2.Auth``, which does the same for clients and requests of httpx2.

    The MCP SDK has httpx2 since its version 2.
    """
    from tallystick.outbound.httpx2 import Httpx2Auth

    return Httpx2Auth(Outbound(skill, target, scopes, bind, send_to))


def requests_auth(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> RequestsAuth:
    """Return a ``requests.auth.AuthBase`` for sessions and single requests.

    A redirect keeps the token only if its URL is covered, and never a bound token.
    """
    from tallystick.outbound.requests import RequestsAuth

    return RequestsAuth(Outbound(skill, target, scopes, bind, send_to))


def aiohttp_middleware(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> Middleware:
    """Return a client middleware for sessions and single requests of aiohttp.

    It runs anew for each hop of a redirect. It needs aiohttp 3.12, which has middlewares, else
    it raises ``invalid_config``. With an older one, give each request the headers ``await
    skill.aauthorize(target)`` and ``allow_redirects=False``.
    """
    from tallystick.outbound.aiohttp import middleware

    return middleware(Outbound(skill, target, scopes, bind, send_to))
