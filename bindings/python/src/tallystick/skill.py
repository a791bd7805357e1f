"""``AuthSkill``: access tokens for one agent (the AOAuth seed)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from tallystick._access import core_requests, hooks
from tallystick._access.config_file import read_document
from tallystick._access.engine import AccessEngine, Guard
from tallystick._access.policy import Policy
from tallystick._access.startup import must_go_together, open_host
from tallystick._access.token_endpoint import TokenEndpoint
from tallystick._core.arguments import (
    KEY_TYPE,
    MAX_SIGNER_TIMEOUT,
    choose_logger,
    issuer_keys,
    must_be_callable,
    must_be_flag,
    must_be_folder,
    must_be_seconds,
    must_be_trust,
    must_be_utf8,
    new_keys,
)
from tallystick._core.loading import load_core
from tallystick._core.problems import error, is_verdict
from tallystick._http.refusal import log_refusal
from tallystick._http.request import GivenBody, agiven_body, given_facts
from tallystick.errors import TallystickError
from tallystick.stores import choose_documents, choose_store
from tallystick.types import CommandResult

if TYPE_CHECKING:
    import logging
    import os
    import ssl
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from typing_extensions import Self

    from tallystick._core.signing import SigningFunction
    from tallystick.flask import Blueprint
    from tallystick.types import AuthContext, Body, Store

__all__ = ["AuthSkill"]

View = TypeVar("View", bound="Callable[..., Any]")


class AuthSkill(TokenEndpoint):
    """Issues, gets and verifies access tokens for one agent.

    ``config``
        a mapping with the seed's keys, plain or as ``{"skills": {"auth": ...}}``; for a
        file see :meth:`from_file`. ``${NAME}`` stands for an environment variable.
    ``options``
        any key of the configuration (table below), overriding it.
    ``signer``, ``public_key``
        self-issued: a function from bytes to a signature by the key's algorithm, sync or async,
        such as a KMS, and its public key (RSA, EC on P-256 or Ed25519; PEM or JWK).
        :class:`tallystick.OrchestratorClient` says how many calls may run at once. Without
        these two the keys are in ``{keys_dir}/{agent_id}.ring.json``, which is made at the
        first start. Agents with the same ``agent_id`` (or last segment of ``base_url``) in
        one ``keys_dir`` share one key ring: give each a ``keys_dir`` or an ``agent_id`` of
        its own.
    ``signer_timeout``
        seconds that such a function may take, up to 50 (default 10).
    ``key_type``
        kind of keys that are made: ``"rsa"`` (default; they sign RS256), ``"ec"`` (P-256, ES256)
        or ``"ed25519"`` (EdDSA). A key ring keeps the keys that it has: the next one but one is
        the first of another kind that signs.
    ``key_bits``
        bits of RSA keys that are made: 2048 (default), 3072 or 4096.
    ``keys``
        ``{"issuer": "PEM, JWK or JWKS"}``: keys of issuers, instead of fetching them. These
        issuers are trusted: they need no entry in ``allow``; ``deny`` and ``accept_from`` still
        hold for them.
    ``store``
        where used tokens that are bound to one request are remembered, as of
        :class:`tallystick.AgentAuth`.
    ``store_key``
        32 bytes as base64 or hex, with a store in PostgreSQL: replicas on several machines then
        share one key ring, which lies there, encrypted with this key. It begins with the ring in
        ``keys_dir``, if there is one.
    ``ssl_context``
        for fetching; default: Python's own trust.
    ``on_error``
        Flask: called with the :class:`TallystickError` of a refused request; returns
        what the view would return. Default: ``error.response`` as it is.
    ``backend``
        ``"native"`` or ``"wasm"``; default: the environment variable ``TALLYSTICK_BACKEND``,
        else native where it loads.
    ``logger``
        default ``logging.getLogger("tallystick")``.

    ====================  ====================  ==========================================
    key                   default               meaning
    ====================  ====================  ==========================================
    ``authority``         none                  URL of a portal, which then signs
    ``agent_id``          end of ``base_url``   ``sub`` and ``client_id`` of own tokens
    ``base_url``          from ``agent_id``     own URL or ``@name``: the audience accepted
    ``token_ttl``         300                   seconds that own tokens live, to 86,400
    ``allowed_scopes``    ``[read, write]``     patterns of what is asked for and granted
    ``trusted_issuers``   none                  ``[{issuer, jwks_uri, type, …}]``
    ``allow``, ``deny``   none                  patterns of issuers
    ``accept_from``       everybody             rules of who may call
    ``talk_to``           everybody             rules of whom tokens are made for
    ``jwks_cache_ttl``    3,600                 seconds that keys of others are kept
    ``client_id``         ``agent_id``          at the authority, with one of the next two
    ``client_secret``     none                  secret there
    ``client_key``        none                  private PEM there, for private_key_jwt
    ``audience``          none                  audiences accepted besides ``base_url``
    ``jwks_uri``          none                  only one issuer is taken, with these keys
    ``issuer``            from ``jwks_uri``     that issuer
    ``keys_dir``          ~/.webagents/keys     folder of the key ring, mode 0700
    ``clients``           none                  who may use the own token endpoint:
                                                ``[{client_id, secret_hash, scopes, ...}]``,
                                                see :func:`tallystick.new_client_secret`
    ``dev_mode``          false                 takes plain http on the loopback
    ``leeway``            30                    seconds after ``exp`` to forgive, to 300
    ``clock_skew``        30                    seconds that clocks may run ahead, to 300
    ``max_lifetime``      86,400                seconds that a foreign token may live
    ``max_body``          10,485,760            bytes of a body that a token is bound to
    ``max_buffered``      67,108,864            bytes that all bodies and forms may hold in one
                                                process; more where ``max_body`` is
    ``require_binding``   false                 takes only tokens bound to their request
    ``algorithms``        all                   what is taken of ``RS256``, ``PS256``,
                                                ``ES256`` and ``EdDSA``
    ``realm``             tallystick            of the ``WWW-Authenticate`` challenge
    ``google``            none                  accepted, not active
    ``robutler``          none                  its ``client_id`` and ``client_secret`` serve
                                                at the authority
    ====================  ====================  ==========================================

    Thread-safe. Fork-safe: made and used before a fork (``gunicorn --preload``), it
    works in every child. A context manager. Raises ``invalid_config`` that names the
    file, the key and the fix, and ``invalid_argument``; no error, ``repr`` or log holds
    a token, a key or a secret.
    """

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        *,
        signer: SigningFunction | None = None,
        public_key: str | None = None,
        signer_timeout: float | None = None,
        key_type: str | None = KEY_TYPE,
        key_bits: int | None = None,
        keys: dict[str, str] | None = None,
        store: str | Store | None = None,
        store_key: str | None = None,
        ssl_context: ssl.SSLContext | None = None,
        on_error: Callable[[TallystickError], Any] | None = None,
        backend: str | None = None,
        logger: logging.Logger | None = None,
        **options: Any,
    ) -> None:
        logger = choose_logger(logger)
        if public_key is not None:
            must_be_utf8("public_key", public_key)
        if signer_timeout is not None:
            must_be_seconds("signer_timeout", signer_timeout, MAX_SIGNER_TIMEOUT)
        must_go_together(signer, public_key, signer_timeout)
        made = new_keys(key_type, key_bits)
        must_be_callable("on_error", on_error)
        must_be_trust("ssl_context", ssl_context)
        core = load_core(backend)
        self._policy = Policy(core, config, options, logger)
        self._on_error = on_error
        access = self._policy.access
        used = choose_store(store, logger, development=access.get("dev_mode", False))
        host = open_host(
            core,
            self._policy,
            signer=signer,
            public_key=public_key,
            signer_timeout=signer_timeout,
            new_keys=made,
            used=used,
            stored=choose_documents(core, used, store_key),
            trust=ssl_context,
            logger=logger,
        )
        access = {**access, "role": "agent"}
        if keys is not None:
            access["keys"] = issuer_keys("keys", keys)
        self._engine = AccessEngine(core, access, host, logger)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], **options: Any) -> Self:
        """Return a skill with the configuration of a file: strict JSON (``.json``) or YAML 1.2.

        The file is watched: what changes in it holds within a second, also for tokens that were
        verified before. A version that is wrong is logged, and the one before it stays; so does
        one that changes who the agent is, which needs a restart.

        ``options`` are those of the class, without ``config``, and override the file. YAML
        needs the extra ``[access]``. Raises ``invalid_config`` that names the file, the line
        or key, and the fix.
        """
        must_be_folder("path", path)
        return cls(read_document(path), **options)

    def reload(self, config: Mapping[str, Any] | None = None) -> None:
        """Let another configuration hold from now on.

        ``config``
            as of the class; ``None`` is the file of :meth:`from_file`, which is read at once.

        The options of the class override it, as they did before. Raises ``invalid_config`` where
        it is wrong, or changes what needs a restart: who the agent is (``authority``,
        ``agent_id``, ``base_url``, ``audience``, its credentials there), ``keys_dir``,
        ``token_ttl``, ``dev_mode``, ``leeway``, ``clock_skew``, ``jwks_cache_ttl``, ``realm``,
        ``max_body`` and ``max_buffered``. Then nothing changes. Other processes do not know of it.
        """
        self._policy.reload(self._engine.feed, config)

    def stats(self) -> dict[str, Any]:
        """Return how much the core holds: the answer of ``engine.stats``.

        ``policy_refused`` says besides why the newest version of the configuration file does
        not hold; "" where it does.
        """
        return {**super().stats(), "policy_refused": self._policy.refused}

    @property
    def mode(self) -> str:
        """``"portal"`` or ``"self-issued"``."""
        return str(self._engine.opened["mode"])

    @property
    def agent_id(self) -> str:
        """``sub`` of the agent's own tokens."""
        return str(self._engine.opened["agent_id"])

    @property
    def name(self) -> str:
        """The agent's dotted name (protocol section 5)."""
        return str(self._engine.opened["name"])

    def generate_token(
        self,
        target: str,
        scopes: Sequence[str] | None = None,
        extra_claims: dict[str, Any] | None = None,
    ) -> str:
        """Return a new access token for ``target``, a reference or URL of an agent.

        Without ``scopes`` the token has the allowed ones without wildcards; in portal mode it
        has those that the agent is registered for. Raises ``invalid_argument``,
        ``trust_denied`` (by ``talk_to``), ``token_refused`` (by the authority),
        ``token_unavailable`` (the authority did not answer) and ``signer_failed``.
        """
        members = core_requests.wanted(target, scopes, extra_claims)
        return str(self._engine.run("access.issue", members)["token"])

    async def agenerate_token(
        self,
        target: str,
        scopes: Sequence[str] | None = None,
        extra_claims: dict[str, Any] | None = None,
    ) -> str:
        """Do the same without blocking the event loop."""
        if self._engine.signs_in_core:
            return await asyncio.to_thread(self.generate_token, target, scopes, extra_claims)
        members = core_requests.wanted(target, scopes, extra_claims)
        return str((await self._engine.arun("access.issue", members))["token"])

    def authorize(
        self,
        target: str,
        scopes: Sequence[str] | None = None,
        *,
        method: str | None = None,
        url: str | None = None,
        body: bytes | str | None = None,
        bind: bool = False,
        reuse: bool = True,
    ) -> dict[str, str]:
        """Return the headers that authorize a call of ``target``: ``{"Authorization": ...}``.

        A token is kept and used again until shortly before it expires, unless ``reuse`` is
        false. ``bind`` makes one that works once, for one request only: ``method``, ``url``
        (absolute, as it will be sent) and the exact bytes of ``body``. Errors as of
        :meth:`generate_token`.
        """
        must_be_flag("bind", bind)
        must_be_flag("reuse", reuse)
        binding = (method, url, body) if bind else None
        return self._engine.authorize(target, scopes, binding, reuse=reuse)

    async def aauthorize(
        self,
        target: str,
        scopes: Sequence[str] | None = None,
        *,
        method: str | None = None,
        url: str | None = None,
        body: bytes | str | None = None,
        bind: bool = False,
        reuse: bool = True,
    ) -> dict[str, str]:
        """Do the same without blocking the event loop."""
        must_be_flag("bind", bind)
        must_be_flag("reuse", reuse)
        binding = (method, url, body) if bind else None
        return await self._engine.aauthorize(target, scopes, binding, reuse=reuse)

    def validate_token(self, token: str | None) -> AuthContext | None:
        """Return who the token is from, or ``None`` for one that is refused.

        ``None`` for a token, as of a missing header, gives ``None``. The log says why a token
        was refused. Errors that are no verdict on the token are raised: codes with a status
        from 500 on, such as ``keys_unavailable``, ``replay_store_unavailable``,
        ``overloaded``, ``internal`` and ``invalid_argument``.
        """
        try:
            return None if token is None else self.verify_token(token)
        except TallystickError as refused:
            self._refused(refused)
            return None

    async def avalidate_token(self, token: str | None) -> AuthContext | None:
        """Do the same without blocking the event loop."""
        try:
            return None if token is None else await self.averify_token(token)
        except TallystickError as refused:
            self._refused(refused)
            return None

    def verify_token(self, token: str) -> AuthContext:
        """Return who the token is from, or raise the error of its refusal.

        A token that is bound to a request is refused here; use :meth:`verify` for it.
        """
        return self._engine.verify_token(token)

    async def averify_token(self, token: str) -> AuthContext:
        """Do the same without blocking the event loop."""
        return await self._engine.averify_token(token)

    def verify(
        self,
        authorization: Sequence[str] | str | None,
        *,
        method: str,
        path: str,
        query: str = "",
        mount: str = "",
        body: bytes | Callable[[int], Body | bytes] = b"",
        scopes: Sequence[str] = (),
        bind: bool = False,
    ) -> AuthContext:
        """Verify one request from its parts, for hosts other than Flask and ASGI.

        ``authorization`` has the value of each header of that name (one text is one
        header, ``None`` none); ``path`` is the path below ``mount`` as it was sent
        (percent-encoded), ``query`` the text after ``?``. Texts hold one character per
        byte (latin-1). ``body`` has the exact bytes, or reads them: it is called with the
        most bytes to read, and only for a bound token. ``scopes`` are patterns of which
        each must be granted; ``bind`` takes only tokens that are bound to the request.
        Raises the error of the refusal; its ``response`` is the HTTP answer for the caller.
        """
        facts = given_facts(authorization, method, path, query, mount)
        required = core_requests.required(scopes, bind)
        return self._engine.verify(facts, GivenBody(body).read, required)

    async def averify(
        self,
        authorization: Sequence[str] | str | None,
        *,
        method: str,
        path: str,
        query: str = "",
        mount: str = "",
        body: bytes | Callable[[int], Awaitable[Body | bytes]] = b"",
        scopes: Sequence[str] = (),
        bind: bool = False,
    ) -> AuthContext:
        """Do the same without blocking the event loop; ``body`` may be a coroutine function."""
        facts = given_facts(authorization, method, path, query, mount)
        required = core_requests.required(scopes, bind)
        return await self._engine.averify(facts, agiven_body(body), required)

    def require_auth(self, view: View) -> View:
        """Run a Flask view for verified callers only; the caller is ``flask.g.auth``.

        Takes sync and async views, methods of class-based views, and serves as an entry
        of a class-based view's ``decorators``.
        """
        return self.require_scopes()(view)

    def require_scopes(self, *scopes: str, bind: bool = False) -> Callable[[View], View]:
        """Do the same and require scopes: patterns of which each must be granted.

        A caller without one of them gets 403 with the scopes needed. ``bind`` takes only tokens
        that are bound to the request.
        """
        from tallystick.flask import guard

        for scope in scopes:
            if not isinstance(scope, str):
                raise error(
                    "invalid_argument",
                    'require_scopes takes names as separate arguments: require_scopes("read", '
                    f'"write"), not {type(scope).__name__}',
                )
        verifier = Guard(self._engine, self._engine.requirement(scopes, bind))
        logger, on_error = self._engine.logger, self._on_error
        return lambda view: guard(view, verifier, logger, on_error)

    def blueprint(self, name: str = "tallystick") -> Blueprint:
        """Return a Flask blueprint with the documents and the token endpoint.

        ``name`` tells several blueprints of one application apart; for several agents
        below ``/{agent}/`` use :func:`tallystick.auth_blueprint`.
        """
        from tallystick.flask import auth_blueprint

        return auth_blueprint(self, name=name)

    def on_request_outgoing(self, context: Any) -> Any:
        """Put a token for ``target_agent`` (or ``target_url``) into the context's ``headers``.

        A context is a dict, an object with attributes (``types.SimpleNamespace``) or one
        with ``get``, such as webagents' own; it is changed and returned. Anything else, such
        as ``None`` or a text, raises ``invalid_argument``. Each is for one thread or task.

        ``target_agent`` is a reference or URL of an agent, ``target_url`` the URL of the
        request. ``requested_scopes``, a list, are the token's scopes (default: as of
        ``generate_token``); ``headers`` is a mapping and is made if there is none. A context
        without a target is not changed, nor one whose ``target_url`` is not the agent's:
        whoever is there could use the token at the agent. Errors as of
        ``generate_token``.
        """
        return hooks.outgoing(self._engine, context)

    async def aon_request_outgoing(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        return await hooks.aoutgoing(self._engine, context)

    def on_connection(self, context: Any) -> Any:
        """Verify the bearer token in the ``headers`` of ``request``, else of the context.

        ``auth`` of the context is then its :class:`tallystick.AuthContext`. Headers are a
        mapping, or pairs as in ASGI; their names are of any case. Without an
        ``Authorization`` header, or with one of another scheme than Bearer, the context is not
        changed: each endpoint decides whether it needs a caller. Raises the error of the
        refusal for a bearer token that is refused, and for two headers.
        """
        return hooks.connection(self._engine, context)

    async def aon_connection(self, context: Any) -> Any:
        """Do the same without blocking the event loop."""
        return await hooks.aconnection(self._engine, context)

    def run_command(self, line: str) -> CommandResult:
        """Run a slash command of the seed, such as ``/auth/token @bob read``.

        ``/auth/help`` lists them. No display shows a whole token, except with ``--show``.
        """
        return CommandResult(**self._engine.run("access.command", core_requests.command(line)))

    async def arun_command(self, line: str) -> CommandResult:
        """Do the same without blocking the event loop."""
        return CommandResult(
            **await self._engine.arun("access.command", core_requests.command(line))
        )

    def __repr__(self) -> str:
        return f"<AuthSkill {self.agent_id!r} ({self.mode})>"

    def _refused(self, refused: TallystickError) -> None:
        if not is_verdict(refused):
            raise refused
        log_refusal(self._engine.logger, refused)
