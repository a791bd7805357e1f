"""``Authority``: a portal of your own, which signs tokens for registered agents."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallystick._access.client_secret import make_secret
from tallystick._access.config import read_authority
from tallystick._access.engine import AccessEngine, Host
from tallystick._access.startup import shared_ring
from tallystick._access.token_endpoint import TokenEndpoint
from tallystick._core.arguments import (
    KEY_TYPE,
    choose_logger,
    must_be_flag,
    must_be_number,
    must_be_path,
    must_be_text,
    must_be_texts,
    must_be_utf8,
    new_keys,
    refuse_unknown,
    wrong_type,
)
from tallystick._core.loading import load_core
from tallystick._core.problems import error, options_named
from tallystick.authority.clients import Clients
from tallystick.stores import BaseStore, choose_documents, choose_store, open_store
from tallystick.stores.claims import StoreClaims
from tallystick.types import ClientSecret, Registration

if TYPE_CHECKING:
    import logging
    from collections.abc import Sequence

    from tallystick.flask import Blueprint
    from tallystick.types import RegisteredClient, Store

__all__ = ["Authority", "new_client_secret"]

DEFAULT_KEYS_DIR = "~/.tallystick/authority"


class Authority(TokenEndpoint):
    """Registers clients, issues access tokens to them and publishes its keys.

    ``issuer``
        its URL: ``iss`` of what it signs, and the agents' ``authority``.
    ``keys_dir``
        folder of its key ring and, by default, of its clients (mode 0700).
    ``clients_file``
        JSON file of the registered clients (mode 0600; default
        ``{keys_dir}/clients.json``). Several processes may use it at once.
    ``token_ttl``
        seconds that its tokens live, 1 to 86,400 (default 300).
    ``allowed_scopes``
        patterns of the scopes that clients may ask for. A client gets those that these and its
        own allow; default: all that its own allow. Namespaces and labels are assigned instead.
    ``leeway``, ``clock_skew``
        seconds by which a client's assertion may be late, and its clock ahead, 0 to 300 each
        (default 30).
    ``realm``
        of the ``WWW-Authenticate`` challenge (default ``tallystick``).
    ``key_type``
        kind of keys that are made, as of :class:`tallystick.AuthSkill`.
    ``key_bits``
        bits of RSA keys that are made: 2048 (default), 3072 or 4096.
    ``store``, ``backend``, ``logger``
        as of :class:`tallystick.AuthSkill`.
    ``store_key``
        as of :class:`tallystick.AuthSkill`: the clients lie in that store, too, and begin with
        those of ``clients_file``, if there is one.
    ``providers``
        OpenID providers that say who users are, by a name that becomes part of each user's id:
        ``{"company": {"issuer": URL, "client_id": ..., "client_secret": ...}}``; ``google`` needs
        no issuer and may have a ``hosted_domain``. Each must know
        ``{issuer}/auth/callback/{name}`` as redirect URI. Users sign in here then, and clients
        with ``redirect_uris`` act for them. Needs a store that keeps values, as all of this
        package do.

    Thread-safe and fork-safe; a context manager. Raises ``invalid_argument``, and
    ``invalid_config`` for a damaged file; no error, ``repr`` or log holds a key or a secret.
    """

    def __init__(
        self,
        issuer: str,
        *,
        keys_dir: str | os.PathLike[str] | None = DEFAULT_KEYS_DIR,
        clients_file: str | os.PathLike[str] | None = None,
        token_ttl: int | None = None,
        allowed_scopes: Sequence[str] | None = None,
        leeway: float | None = None,
        clock_skew: float | None = None,
        realm: str | None = None,
        key_type: str | None = KEY_TYPE,
        key_bits: int | None = None,
        store: str | Store | None = None,
        store_key: str | None = None,
        providers: Mapping[str, Mapping[str, str]] | None = None,
        backend: str | None = None,
        logger: logging.Logger | None = None,
        **unknown: Any,
    ) -> None:
        refuse_unknown("Authority", unknown, bits="key_bits", replay="store")
        options = _checked(issuer, token_ttl, allowed_scopes, leeway, clock_skew, realm)
        keys_dir = DEFAULT_KEYS_DIR if keys_dir is None else keys_dir
        must_be_path("keys_dir", keys_dir)
        must_be_path("clients_file", clients_file)
        made = new_keys(key_type, key_bits)
        core = load_core(backend)
        logger = choose_logger(logger)
        with options_named(*options, base_url="issuer"):
            settings = read_authority(core, options, os.fspath(keys_dir), logger)
        default = Path(settings.keys_dir) / "clients.json"
        file = default if clients_file is None else Path(clients_file).expanduser()
        signing_in = _providers(providers)
        # The core's own memory keeps no values.
        kept = open_store(store) if signing_in and store == "memory:" else store
        used = choose_store(kept, logger)
        if signing_in and not (isinstance(used, StoreClaims) and isinstance(used.store, BaseStore)):
            raise error(
                "invalid_argument",
                "providers need a store that keeps values: one of this package, such as "
                "store='sqlite:'",
            )
        stored = choose_documents(core, used, store_key)
        document = stored.open(settings.documents["clients"], "list of clients") if stored else None
        self._clients = Clients(core, file, logger, document)
        access = {**settings.access, "providers": signing_in} if signing_in else settings.access
        host = Host(
            used,
            ring=shared_ring(core, settings, made, logger, stored),
            sources=(self._clients,),
        )
        self._engine = AccessEngine(core, {**access, "role": "authority"}, host, logger)

    def register_client(
        self,
        client_id: str,
        *,
        secret: str | None = None,
        public_key: str | None = None,
        scopes: Sequence[str] = (),
        namespaces: Sequence[str] = (),
        trust: Sequence[str] = (),
        targets: Sequence[str] | None = None,
        redirect_uris: Sequence[str] | None = None,
        public: bool = False,
    ) -> Registration:
        """Register a client, or replace one of that id. Only this call returns its secret.

        It counts at once here, and within a second in other processes that serve this
        authority. A client that is replaced loses its old secret and permissions, which is
        logged (INFO).

        ``secret``
            at least 16 characters; drawn at random when not given. Only its salted
            hash is stored.
        ``public_key``
            PEM, JWK or JWKS in place of a secret: the client authenticates with
            ``private_key_jwt`` (RFC 7523), and there is no ``client_secret``.
        ``scopes``
            patterns of what it may ask for.
        ``namespaces``, ``trust``
            what its tokens get as ``namespace:`` scopes and ``trust:`` labels.
        ``targets``
            patterns of the agents that it may get tokens for; ``None`` is all.
        ``redirect_uris``
            where browsers may be sent to when a user has signed in: ``https`` URLs, to the letter;
            ``http://127.0.0.1`` and ``http://[::1]``, with any port, for an app on its user's
            machine; or ``com.example.app:/callback``. ``None``: users do not sign in for it.
        ``public``
            it has neither secret nor key: an app on its user's machine, which could keep none.
            Without ``redirect_uris`` it is for devices that have no browser (RFC 8628).

        Raises ``invalid_argument`` if the core refuses the client, ``invalid_config`` if the file
        cannot be used; then nothing changes.
        """
        must_be_utf8("client_id", client_id)
        for name, value in (("secret", secret), ("public_key", public_key)):
            if value is not None:
                must_be_utf8(name, value)
        permissions: dict[str, Any] = {
            "scopes": must_be_texts("scopes", scopes),
            "namespaces": must_be_texts("namespaces", namespaces),
            "trust": must_be_texts("trust", trust),
            "targets": None if targets is None else must_be_texts("targets", targets),
            "redirect_uris": (
                None if redirect_uris is None else must_be_texts("redirect_uris", redirect_uris)
            ),
        }
        must_be_flag("public", public)
        if public:
            permissions["public"] = True
        made = self._engine.judged(
            lambda deliver: self._clients.register(
                deliver, client_id, secret=secret, public_key=public_key, **permissions
            )
        )
        return Registration(client_id, made)

    def remove_client(self, client_id: str) -> bool:
        """Forget a client; ``False`` when there was none of that id.

        Its tokens stay valid until they expire.
        """
        must_be_text("client_id", client_id)
        return self._clients.remove(self._engine.feed, client_id)

    def list_clients(self) -> list[RegisteredClient]:
        """Return the clients, without their secrets."""
        return self._clients.listed()

    def blueprint(self, name: str = "tallystick") -> Blueprint:
        """Return a Flask blueprint with the documents and the token endpoint.

        ``name`` tells several blueprints of one application apart.
        """
        from tallystick.flask import auth_blueprint

        return auth_blueprint(self, name=name)

    def __repr__(self) -> str:
        return f"<Authority {self.issuer!r}>"


_PROVIDER = ("issuer", "client_id", "client_secret", "hosted_domain")


def _providers(option: object) -> list[dict[str, str]]:
    """Return the providers as the core takes them. What is wrong with them the core says."""
    if option is None:
        return []
    if not isinstance(option, Mapping):
        raise wrong_type("providers", 'a mapping such as {"company": {"issuer": ...}}', option)
    listed = []
    for name, provider in option.items():
        if not isinstance(provider, Mapping):
            raise wrong_type(f"providers[{name!r}]", "a mapping", provider)
        must_be_utf8("providers", name)
        for member, value in provider.items():
            if member not in _PROVIDER:
                raise error(
                    "invalid_argument",
                    f"providers[{name!r}]: {member!r} is unknown: there are {', '.join(_PROVIDER)}",
                )
            must_be_utf8(f"providers[{name!r}][{member!r}]", value)
        listed.append({"name": name, "client_id": "", "client_secret": "", **provider})
    return listed


def _checked(
    issuer: str,
    token_ttl: int | None,
    allowed_scopes: Sequence[str] | None,
    leeway: float | None,
    clock_skew: float | None,
    realm: str | None,
) -> dict[str, Any]:
    """Return the options that were given, by the names that the core has for them."""
    must_be_utf8("issuer", issuer)
    options: dict[str, Any] = {"base_url": issuer, "agent_id": "authority"}
    numbers = {"token_ttl": token_ttl, "leeway": leeway, "clock_skew": clock_skew}
    for name, number in numbers.items():
        if number is not None:
            must_be_number(name, number)
            options[name] = number
    if allowed_scopes is not None:
        options["allowed_scopes"] = must_be_texts("allowed_scopes", allowed_scopes)
    if realm is not None:
        must_be_utf8("realm", realm)
        options["realm"] = realm
    return options


def new_client_secret(secret: str | None = None) -> ClientSecret:
    """Return a secret with its hash. Without an argument it is drawn at random (256 bits).

    A given one has at least 16 characters, else ``invalid_argument``. Each call makes
    another salt and so another hash. Thread-safe and fork-safe.
    """
    if secret is not None:
        must_be_utf8("secret", secret)
    answer = make_secret(load_core(), secret)
    return ClientSecret(answer["secret"], answer["secret_hash"])
