"""A2A agents of the Python SDK (package ``a2a-sdk``): what a card says, and whose a task is.

    card = AgentCard(name="orders", ..., **card_security(skill, {"read": "Read orders"}))
    app = AuthMiddleware(Starlette(routes=[*create_agent_card_routes(card), ...]), skill,
                         scopes=["read"], exclude=["GET /.well-known/agent-card.json"])
    tasks = InMemoryTaskStore(owner_resolver=caller_url)

For version 1 of the SDK. Source: A2A 1.0, SecurityScheme and SecurityRequirement.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict

from a2a.types import (
    ClientCredentialsOAuthFlow,
    HTTPAuthSecurityScheme,
    OAuth2SecurityScheme,
    OAuthFlows,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)

from tallystick._access.token_endpoint import must_be_agent
from tallystick._core.arguments import must_be_texts
from tallystick.types import AuthContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from a2a.server.context import ServerCallContext

    from tallystick.skill import AuthSkill

__all__ = ["CardSecurity", "caller_url", "card_security"]

DOCUMENT = "/.well-known/oauth-authorization-server"


class CardSecurity(TypedDict):
    """Two members of an ``AgentCard``."""

    security_schemes: dict[str, SecurityScheme]
    security_requirements: list[SecurityRequirement]


def card_security(skill: AuthSkill, scopes: Mapping[str, str]) -> CardSecurity:
    """Return the members of an ``AgentCard`` that say how callers authenticate.

    ``scopes`` has what every call needs, each with words for people. There are two ways, and either
    does: ``oauth2``, client credentials at the authority of ``skill``, or at ``skill`` itself where
    it has none, and ``bearer``, a token from elsewhere, such as one that an agent signs for itself.
    Thread-safe.
    """
    must_be_agent(skill)
    needed = must_be_texts("scopes", list(scopes))
    served = skill.serve("GET", DOCUMENT)
    server = json.loads(served.body) if served is not None else {}
    flow = ClientCredentialsOAuthFlow(token_url=server["token_endpoint"], scopes=dict(scopes))
    oauth2 = OAuth2SecurityScheme(flows=OAuthFlows(client_credentials=flow))
    bearer = HTTPAuthSecurityScheme(scheme="Bearer", bearer_format="JWT")
    return {
        "security_schemes": {
            "oauth2": SecurityScheme(oauth2_security_scheme=oauth2),
            "bearer": SecurityScheme(http_auth_security_scheme=bearer),
        },
        "security_requirements": [
            SecurityRequirement(schemes={"oauth2": StringList(list=needed)}),
            SecurityRequirement(schemes={"bearer": StringList()}),
        ],
    }


def caller_url(context: ServerCallContext) -> str:
    """Return the URL of the caller that ``AuthMiddleware`` verified, "" without one.

    ``owner_resolver=`` of the SDK's stores: a caller then sees its own tasks alone. The SDK's
    default takes the caller's name, which another issuer's caller may have as well. Thread-safe.
    """
    auth = context.state.get("auth")
    return (auth.agent_url or "") if isinstance(auth, AuthContext) else ""
