"""Access tokens where calls are really made: httpx, requests, aiohttp.

    client = httpx.AsyncClient(auth=httpx_auth(skill, "@bob"))
    session = requests.Session(); session.auth = requests_auth(skill, "@bob")
    session = aiohttp.ClientSession(middlewares=[aiohttp_middleware(skill, "@bob")])

All three take the same arguments:

``skill``
    the :class:`tallystick.AuthSkill` that makes, keeps and reuses the tokens.
``target``
    whom the token is for: ``"@name"``, a name, an agent's URL; or a function from a
    request's URL to one of these, or to ``None`` where no token belongs.
``scopes``
    scopes to ask for; default: the skill's ``allowed_scopes`` without wildcards, and in
    portal mode what the authority gives.
``bind``
    also sign each request's method, URL and body: the token then works once, for
    this very request. The body must be in memory; one that is streamed is refused
    with ``invalid_argument``.
``send_to``
    base URL under which the agent is really reached, where that is not its own URL
    (a proxy, a development port). Default: the agent's URL.

A token is attached only where the core says that ``send_to`` covers the request's URL
(same origin, below its path), so one client may also talk to others. A token that is left
off is logged once for each target and origin (WARNING, the skill's logger). When the answer is
401 with ``error="invalid_token"``, the request is sent once more with a fresh token; never
twice, and never with ``bind``. Refusals of the skill (``trust_denied``,
``token_unavailable``, ...) are raised as they are, before anything is sent.

Thread-safe and fork-safe as the skill is. Source: RFC 6750, protocol sections 2 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.injection.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiohttp.client_middlewares import ClientMiddlewareType

    from tallystick.access.skill import AuthSkill
    from tallystick.injection.httpx import HttpxAuth
    from tallystick.injection.plan import Target
    from tallystick.injection.requests import RequestsAuth

__all__ = ["aiohttp_middleware", "httpx_auth", "requests_auth"]


def httpx_auth(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> HttpxAuth:
    """Return an ``httpx.Auth`` for clients and single requests, sync and async.

    httpx follows redirects only when told to, and then by its own rule: the header is
    dropped for another origin, and kept within the same one.
    """
    from tallystick.injection.httpx import HttpxAuth

    return HttpxAuth(Plan(skill, target, scopes, bind, send_to))


def requests_auth(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> RequestsAuth:
    """Return a ``requests.auth.AuthBase`` for sessions and single requests.

    A redirect takes the token along only to a URL that is covered; a bound one never.
    """
    from tallystick.injection.requests import RequestsAuth

    return RequestsAuth(Plan(skill, target, scopes, bind, send_to))


def aiohttp_middleware(
    skill: AuthSkill,
    target: Target,
    scopes: Sequence[str] | None = None,
    *,
    bind: bool = False,
    send_to: str | None = None,
) -> ClientMiddlewareType:
    """Return a client middleware for sessions and single requests of aiohttp.

    It is asked anew for each hop of a redirect. Needs aiohttp 3.12, which brought
    middlewares, else raises ``invalid_config``. With an older one, give each request the
    headers ``await skill.aauthorize(target)`` and ``allow_redirects=False``.
    """
    from tallystick.injection.aiohttp import middleware

    return middleware(Plan(skill, target, scopes, bind, send_to))
