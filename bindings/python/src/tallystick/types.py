"""The values that the package returns and takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = [
    "AuthContext",
    "Body",
    "Caller",
    "ClientSecret",
    "CommandResult",
    "RegisteredClient",
    "Registration",
    "Store",
]


@dataclass(frozen=True)
class Caller:
    """The verified sender of a request, in ``flask.g.auth``.

    ``issuer``
        whose key signed the token.
    ``jti``
        the token's id; "" for a development token without one.
    ``issued_at``, ``expires_at``
        seconds since 1970; ``issued_at`` is ``None`` where the token has none.
    ``key_id``
        RFC 7638 thumbprint of the key.
    ``claims``
        all verified claims.
    ``development``
        true when replay and body were not checked.
    """

    issuer: str
    jti: str
    issued_at: float | None
    expires_at: float
    key_id: str
    claims: dict[str, Any]
    development: bool


@dataclass(frozen=True)
class AuthContext:
    """Who calls, as a verified access token says (the AOAuth seed's ``AuthContext``).

    ``user_id``, ``agent_id``, ``source_agent``
        the identity: of a user, of an agent, of the agent that calls.
    ``authenticated``
        always true: there is no context for a refused token.
    ``scopes``, ``namespaces``
        granted scopes, and what follows ``namespace:`` in them.
    ``issuer``, ``issuer_type``
        who issued the token; ``"portal"``, ``"agent"`` or ``"user"``.
    ``agent_url``, ``name``, ``namespace``
        the caller's URL, dotted name and namespace, derived from what was verified
        (protocol section 5).
    ``trust_labels``
        labels that the issuer may give, such as ``verified``.
    ``token_id``, ``issued_at``, ``expires_at``, ``key_id``, ``client_id``
        of the token; times in seconds since 1970.
    ``bound``
        whether the token was made for this very request.
    ``raw_claims``
        all verified claims; not in the ``repr``.

    Never holds the token itself.
    """

    user_id: str | None = None
    agent_id: str | None = None
    source_agent: str | None = None
    authenticated: bool = False
    scopes: list[str] = field(default_factory=list)
    namespaces: list[str] = field(default_factory=list)
    issuer: str | None = None
    issuer_type: str = "unknown"
    raw_claims: dict[str, Any] = field(default_factory=dict, repr=False)
    agent_url: str | None = None
    name: str | None = None
    namespace: str | None = None
    trust_labels: list[str] = field(default_factory=list)
    token_id: str | None = None
    issued_at: float | None = None
    expires_at: float = 0
    key_id: str = ""
    client_id: str | None = None
    bound: bool = False

    def has_scope(self, scope: str) -> bool:
        """Tell whether exactly this scope was granted."""
        return scope in self.scopes

    def has_namespace(self, namespace: str) -> bool:
        """Tell whether the caller is in this namespace."""
        return namespace in self.namespaces

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the raw claims."""
        members = asdict(self)
        del members["raw_claims"]
        return members


@dataclass(frozen=True)
class CommandResult:
    """The result of a slash command: ``data`` for programs, ``display`` for people.

    ``data`` may hold a whole token, so it is not in the ``repr``.
    """

    data: dict[str, Any] = field(repr=False)
    display: str

    def __str__(self) -> str:
        return self.display


@dataclass(frozen=True)
class Registration:
    """The result of registering a client.

    ``client_secret``
        the client's secret, which is shown only here, and not in the ``repr``. ``None`` for a
        client with a public key.
    """

    client_id: str
    client_secret: str | None = field(repr=False)


@dataclass(frozen=True)
class RegisteredClient:
    """A client that an authority knows, without its secret.

    ``scopes``
        patterns of what it may ask for.
    ``namespaces``, ``trust``
        what its tokens get as ``namespace:`` scopes and ``trust:`` labels.
    ``targets``
        patterns of the agents that it may get tokens for; ``None`` is all.
    ``authentication``
        how it authenticates: ``"secret"``, ``"public_key"`` or, a public client, ``"none"``.
    ``redirect_uris``
        where browsers may be sent to when a user has signed in; ``None``: users do not.
    """

    client_id: str
    scopes: list[str]
    namespaces: list[str]
    trust: list[str]
    targets: list[str] | None
    authentication: str
    redirect_uris: list[str] | None = None


@dataclass(frozen=True)
class ClientSecret:
    """A client's secret and its salted hash. Neither is in the ``repr``.

    ``secret``
        for the client: its ``client_secret``.
    ``secret_hash``
        for the setting ``clients``: ``{"client_id": ..., "secret_hash": ...}``.
    """

    secret: str = field(repr=False)
    secret_hash: str = field(repr=False)


class Body(NamedTuple):
    """The bytes of a body, or why there are none.

    ``too_large``
        over the limit.
    ``unavailable``
        something read it before.
    ``malformed``
        its transfer was broken, or ended too early.
    ``overloaded``
        there is no room for it now.
    """

    data: bytes = b""
    too_large: bool = False
    unavailable: bool = False
    malformed: bool = False
    overloaded: bool = False


@runtime_checkable
class Store(Protocol):
    """What the option ``store`` takes besides a URL: any object with this method, sync or async.

    ``claim`` claims ``id`` (32 lower-case hex digits that stand for one token of one issuer) and
    keeps it for that many ``seconds``. It returns ``True`` when the id was free, ``False`` when it
    was claimed before, in one atomic step among everything that shares the store. An ``Exception``,
    or any other result, refuses the request with 503. It must end by itself, in a few seconds.

    Called from any thread. An async one is awaited by asynchronous hosts in their event loop; for
    synchronous hosts it runs in one event loop of this package.
    """

    def claim(self, id: str, seconds: int, /) -> bool | Awaitable[bool]:  # noqa: A002
        """Claim once, for a whole number of seconds."""
