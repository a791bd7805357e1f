"""``AuthSkill``: our access tokens as a ``Skill`` of webagents."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from webagents.agents.skills.base import Skill
from webagents.agents.tools.decorators import command, hook, http

from tallystick._access.config import read_settings
from tallystick._access.token_endpoint import engine_of
from tallystick._core.loading import load_core
from tallystick._core.problems import error
from tallystick._generated import CODES
from tallystick.errors import StoreUnavailableError, TallystickError
from tallystick.skill import AuthSkill as Tokens
from tallystick.types import Body
from tallystick.webagents.context import AuthContext
from tallystick.webagents.refusal import AuthError, refuse, unverifiable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import HTTPConnection
    from starlette.responses import Response

    from tallystick._http.refusal import Served
    from tallystick._http.request import Budget

    ReadForm = Callable[[int, Budget], Awaitable[Body]]

__all__ = ["AuthSkill"]

MAX_IDENTITIES = 16
"""Agents that one skill instance serves at a time (webagents makes one for each)."""

MOUNT = "tallystick.mount"
"""Key of an ASGI scope: where the agent is mounted, as it was sent."""

UNAVAILABLE = 503
"""HTTP status of a failure that may pass."""

_VERIFIED = "tallystick.verified"

# Settings that are not active are logged when the skill is opened.
_UNHEARD = logging.Logger("unheard", logging.CRITICAL + 1)


# webagents asks for the name of this class: a server whose agents verify their callers answers
# other origins (CORS), and one that does not answers only loopback.
class AuthSkill(Skill):
    """AOAuth for one agent of webagents; see :mod:`tallystick.webagents`.

    ``config``
        the seed's keys, as of :class:`tallystick.AuthSkill`; a wrong one raises
        ``invalid_config`` here. ``keys_dir`` defaults to ``WEBAGENTS_KEYS_DIR``, else to
        ``~/.webagents/keys``; an RSA key that webagents made there is taken over.
    ``options``
        any option of :class:`tallystick.AuthSkill`, such as ``signer`` or ``store``.

    Thread-safe. The agent is known from the first request or ``initialize`` on; before,
    ``base_url`` or ``agent_id`` must be set for what needs an identity.
    """

    identifies_caller = True

    def __init__(self, config: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(config, scope="all")
        self.logger = options.setdefault("logger", logging.getLogger(__name__))
        self._options = options
        # A mistake is raised here, not at the first request.
        read_settings(load_core(options.get("backend")), self.config, {}, _UNHEARD)
        self._identities: dict[str, Tokens] = {}
        self._lock = threading.Lock()

    async def initialize(self, agent: Any) -> None:
        """Take the agent's identity (webagents calls this before a run)."""
        await super().initialize(agent)
        await self._ready(agent)

    def generate_token(
        self,
        target: str,
        scopes: list[str] | None = None,
        extra_claims: dict[str, Any] | None = None,
    ) -> str:
        """Return a token for ``target``; see :meth:`tallystick.AuthSkill.generate_token`."""
        return self.tokens().generate_token(target, scopes, extra_claims)

    async def validate_token(self, token: str | None) -> AuthContext | None:
        """Return who the token is from, or ``None`` for one that is refused.

        What is no verdict on the token, such as an issuer whose keys cannot be had, raises
        :class:`AuthError` with the status 503 or 500: webagents answers with it. (A request
        whose hook raises an exception that is not webagents' own would be let in.)
        """
        try:
            caller = await (await self._ready()).avalidate_token(token)
        except TallystickError as unknown:
            raise self._refuse(unknown) from None
        return None if caller is None else AuthContext.from_verified(caller)

    async def verify_token(self, token: str) -> AuthContext:
        """Return who the token is from, or raise the :class:`TallystickError` of its refusal."""
        return AuthContext.from_verified(await (await self._ready()).averify_token(token))

    def tokens(self, agent: Any = None) -> Tokens:
        """Return the :class:`tallystick.AuthSkill` behind this one, for its other methods.

        Raises ``invalid_config`` as long as no identity is known.
        """
        options = self._identity(agent or self.agent)
        name = json.dumps(options, sort_keys=True)
        with self._lock:
            found = self._identities.get(name)
            if found is None:
                found = self._identities[name] = self._open(options)
                self._forget_oldest()
        return found

    async def answer(
        self, request: HTTPConnection, path: str, read: ReadForm, agent: Any = None
    ) -> Served | None:
        """Answer one request to the documents or the token endpoint, ``path`` below the agent.

        ``read`` reads the body, and is given the most bytes to read.
        """
        tokens = await self._ready(agent)
        method = request.scope["method"]
        wanted = method == "POST"
        engine = engine_of(tokens)
        body = await read(engine.max_form, engine.buffers.early) if wanted else Body()
        return await tokens.aserve(
            method,
            path,
            authorization=_values(request, "authorization"),
            content_type=request.headers.get("content-type", ""),
            if_none_match=request.headers.get("if-none-match", ""),
            body=body,
        )

    # Hooks: names and priorities are those of webagents 0.3.9.

    @hook("on_request_outgoing", priority=10, scope="all")
    async def inject_token(self, context: Any) -> Any:
        """Put a token for ``target_agent`` or ``target_url`` into ``context.headers``.

        ``requested_scopes`` default to ``["read"]``, as in 0.3.9.
        """
        if not (context.get("target_agent") or context.get("target_url")):
            return context
        if context.get("requested_scopes") is None:
            context.set("requested_scopes", ["read"])
        tokens = await self._ready(getattr(context, "agent", None))
        return await tokens.aon_request_outgoing(context)

    @hook("on_connection", priority=5, scope="all")
    async def validate_request(self, context: Any) -> Any:
        """Put the verified caller into ``context.auth``, or raise :class:`AuthError`.

        A request without an ``Authorization`` header stays anonymous.
        """
        try:
            request = getattr(context, "request", None)
            authorization = _values(context if request is None else request, "authorization")
            if authorization:
                tokens = await self._ready(getattr(context, "agent", None))
                context.auth = await _caller(tokens, request, authorization)
        except TallystickError as refused:
            raise self._refuse(refused) from None
        except Exception:
            # Of any other exception webagents makes a line in the log, and lets the
            # request in.
            self.logger.exception("a request cannot be verified")
            raise unverifiable() from None
        return context

    # HTTP endpoints, below the agent's own path.

    @http("/.well-known/openid-configuration", method="get", scope="all")
    async def openid_configuration(self, context: Any = None) -> Response:
        """OpenID Connect discovery."""
        return await self._endpoint(context, "/.well-known/openid-configuration")

    @http("/.well-known/oauth-authorization-server", method="get", scope="all")
    async def authorization_server(self, context: Any = None) -> Response:
        """Discovery by RFC 8414."""
        return await self._endpoint(context, "/.well-known/oauth-authorization-server")

    @http("/.well-known/oauth-protected-resource", method="get", scope="all")
    async def protected_resource(self, context: Any = None) -> Response:
        """Who gives tokens for this agent (RFC 9728)."""
        return await self._endpoint(context, "/.well-known/oauth-protected-resource")

    @http("/.well-known/jwks.json", method="get", scope="all")
    async def jwks_endpoint(self, context: Any = None) -> Response:
        """Public keys (RFC 7517)."""
        return await self._endpoint(context, "/.well-known/jwks.json")

    @http("/auth/token", method="post", scope="all")
    async def token_endpoint(self, context: Any = None) -> Response:
        """OAuth token endpoint (RFC 6749 section 3.2)."""
        return await self._endpoint(context, "/auth/token")

    @http("/auth/authorize", method="get", scope="all")
    async def authorization_endpoint(self, context: Any = None) -> Response:
        """OAuth authorization endpoint (RFC 6749 section 3.1): there is no grant for it."""
        return await self._endpoint(context, "/auth/authorize")

    # Commands, in a REPL and under ``/{agent}/command``.

    @command("/auth", description="AOAuth status and configuration")
    async def auth_status(self) -> dict[str, Any]:
        """Show mode, identity and endpoints."""
        return await self._command("/auth")

    @command("/auth/token", description="Generate a token for an agent", scope="owner")
    async def generate_token_command(self, target: str, scopes: str = "read") -> dict[str, Any]:
        """Generate a token for ``target`` with space-separated ``scopes``."""
        return await self._command("/auth/token", target, *scopes.split())

    @command("/auth/validate", description="Validate a token")
    async def validate_token_command(self, token: str) -> dict[str, Any]:
        """Say who a token is from, or why it is refused."""
        return await self._command("/auth/validate", token)

    @command("/auth/jwks", description="Show the keys of others that are kept")
    async def jwks_stats(self) -> dict[str, Any]:
        """Show the JWKS cache."""
        return await self._command("/auth/jwks")

    async def _ready(self, agent: Any = None) -> Tokens:
        options = self._identity(agent or self.agent)
        known = self._identities.get(json.dumps(options, sort_keys=True))
        if known is not None:
            return known
        # Opening makes keys where there are none, which takes a second.
        return await asyncio.to_thread(self.tokens, agent)

    def _open(self, options: dict[str, Any]) -> Tokens:
        opened = Tokens(self.config, **{**self._options, **options})
        if opened.mode == "self-issued" and not (self._given("base_url") or "base_url" in options):
            self.logger.warning(
                "base_url is not set, nor public_url of the server: others will look for this "
                "agent's keys at %s",
                opened.base_url,
            )
        return opened

    def _given(self, name: str) -> Any:
        """Return what the configuration says about a key, plain or as a file has it."""
        if self._options.get(name) is not None:
            return self._options[name]
        settings = self.config.get("skills", {}).get("auth") or self.config
        return settings.get(name)

    def _refuse(self, refused: TallystickError) -> Exception:
        if refused.response is None:
            self.logger.error("a request cannot be verified: %s", refused)
            return unverifiable()
        self.logger.warning("refused: %s: %s", refused.code, refused.log or refused.message)
        return refuse(refused, refused.response)

    async def _endpoint(self, context: Any, path: str) -> Response:
        from starlette.responses import Response

        served = await self.answer(context.request, path, _body_of(context.request), context.agent)
        if served is None:
            return Response(status_code=404)
        return Response(served.body, served.status, served.headers)

    async def _command(self, *words: str) -> dict[str, Any]:
        try:
            line = " ".join(map(_word, words))
            result = await (await self._ready()).arun_command(line)
        except StoreUnavailableError as down:
            # Its text is for the operator alone.
            raise self._refuse(down) from None
        except TallystickError as wrong:
            raise _failed_command(wrong) from None
        return {**result.data, "display": result.display}

    def _identity(self, agent: Any) -> dict[str, Any]:
        """Return the options that follow from the agent, where the configuration is silent."""
        options: dict[str, Any] = {}
        name = getattr(agent, "id", None) or getattr(agent, "name", None)
        if not self._given("agent_id") and name:
            options["agent_id"] = name
        public = _public_url(agent)
        if public and not self._given("base_url") and not self._given("authority"):
            options["base_url"] = public
        rules = (getattr(agent, "config", None) or {}).get("accept_from")
        if rules is not None and self._given("accept_from") is None:
            options["accept_from"] = rules
        keys_dir = os.environ.get("WEBAGENTS_KEYS_DIR")
        if keys_dir and not self._given("keys_dir"):
            options["keys_dir"] = keys_dir
        return options

    def _forget_oldest(self) -> None:
        if len(self._identities) > MAX_IDENTITIES:
            self._identities.pop(next(iter(self._identities))).close()


async def _caller(tokens: Tokens, request: Any, authorization: list[str]) -> AuthContext:
    """Verify a request, once: an endpoint and the run that it starts both ask."""
    scope = getattr(request, "scope", None)
    if not isinstance(scope, dict):
        # Not from HTTP: a token that is bound to a request has none here.
        return AuthContext.from_verified(await engine_of(tokens).averify_headers(authorization))
    kept = scope.setdefault(_VERIFIED, {})
    name = (tokens, *authorization)
    if name not in kept:
        kept[name] = AuthContext.from_verified(await _verify(tokens, request, authorization))
    caller: AuthContext = kept[name]
    return caller


async def _verify(tokens: Tokens, request: HTTPConnection, authorization: list[str]) -> Any:
    scope = request.scope
    return await tokens.averify(
        authorization,
        method=scope.get("method", "GET"),
        # What is below the agent: its base URL says what callers see in front of that.
        path=sent_path(scope)[len(scope.get(MOUNT, "")) :],
        query=scope.get("query_string", b"").decode("latin-1"),
        body=_body_of(request),
    )


def _body_of(request: Any) -> Callable[..., Awaitable[Body]]:
    """Read a body as webagents does, whose own routes keep it in memory."""

    async def read(limit: int, _: Budget | None = None) -> Body:
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > limit:
            return Body(too_large=True)
        data: bytes = await request.body() if request.scope["type"] == "http" else b""
        return Body(too_large=True) if len(data) > limit else Body(data)

    return read


def sent_path(scope: Any) -> str:
    """Return a request's path as it was sent, one character per byte."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("latin-1")


def _values(source: Any, name: str) -> list[str]:
    """Return the value of each header of a name; ``source`` is a request or a context."""
    headers = getattr(source, "headers", None) or {}
    return [value for key, value in headers.items() if key.lower() == name]


def _public_url(agent: Any) -> str | None:
    """Return the URL that the server publishes the agent under, where it knows one."""
    issuer = getattr(getattr(agent, "signing_identity", None), "issuer", None)
    absolute = isinstance(issuer, str) and issuer.startswith(("http://", "https://"))
    return issuer if absolute else None


def _failed_command(wrong: TallystickError) -> AuthError:
    if CODES[wrong.code].status == UNAVAILABLE:
        later = {"retry-after": "1"}
        return AuthError(wrong.message, wrong.code, status=UNAVAILABLE, headers=later)
    return AuthError(wrong.message, wrong.code, status=400)


def _word(value: str) -> str:
    """Refuse what would be more than one word of a command line, or an option of it."""
    if not isinstance(value, str) or value.split() != [value] or value.startswith("-"):
        raise error("invalid_argument", "each argument is one word that does not begin with '-'")
    return value
