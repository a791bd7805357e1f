"""What verified tokens and commands give back."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick.engine import Answer

__all__ = ["AuthContext", "CommandResult", "context_of"]


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


def context_of(answer: Answer) -> AuthContext:
    """Wrap the answer of ``access.verify``, which is used up.

    A frozen dataclass sets each field through a call: on every request that would
    cost more than reading the whole answer.
    """
    context = object.__new__(AuthContext)
    answer["token_id"] = answer.pop("jti")
    context.__dict__.update(answer)
    return context


@dataclass(frozen=True)
class CommandResult:
    """What a slash command gives: ``data`` for programs, ``display`` for people.

    ``data`` may hold a whole token, so it is not in the ``repr``.
    """

    data: dict[str, Any] = field(repr=False)
    display: str

    def __str__(self) -> str:
        return self.display
