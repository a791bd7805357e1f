"""Signed requests and access tokens between AI agents.

The names of rotagent are here with its signatures: changing the import is the
whole migration. Importing this package loads nothing; each name loads what it
needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick._generated import (
        AmbiguousAuthorizationError,
        BodyTamperedError,
        BodyTooLargeError,
        BodyUnavailableError,
        CheckFailedError,
        InsufficientScopeError,
        InternalError,
        InvalidArgumentError,
        InvalidAudienceError,
        InvalidClaimsError,
        InvalidConfigError,
        InvalidKeyError,
        InvalidSignatureError,
        InvalidURLError,
        IssuerDeniedError,
        KeysUnavailableError,
        MalformedRequestError,
        MalformedTokenError,
        MissingAuthorizationError,
        OverloadedError,
        ReplayDetectedError,
        ReplayStoreUnavailableError,
        SignerFailedError,
        TokenExpiredError,
        TokenNotYetValidError,
        TokenRefusedError,
        TokenUnavailableError,
        TrustDeniedError,
        UnknownEngineError,
        UnknownIssuerError,
        UnknownKeyError,
        UnknownOperationError,
        UnknownTicketError,
        UnsupportedAlgorithmError,
        WrongTargetError,
    )
    from tallystick.agent import AgentAuth
    from tallystick.asgi import AuthEndpoints, AuthMiddleware
    from tallystick.authority import Authority, new_client_secret
    from tallystick.client import OrchestratorClient
    from tallystick.dev_tools import DevTools
    from tallystick.errors import (
        BackendUnavailableError,
        ErrorResponse,
        StoreUnavailableError,
        TallystickError,
    )
    from tallystick.flask import auth_blueprint
    from tallystick.keys import KeyManager, PublicKey
    from tallystick.outbound import (
        aiohttp_middleware,
        httpx2_auth,
        httpx_auth,
        requests_auth,
    )
    from tallystick.skill import AuthSkill
    from tallystick.stores.memory import MemoryStore
    from tallystick.stores.postgresql import PostgreSQLStore
    from tallystick.stores.redis import RedisStore
    from tallystick.stores.sqlite import SQLiteStore
    from tallystick.types import (
        AuthContext,
        Body,
        Caller,
        ClientSecret,
        CommandResult,
        RegisteredClient,
        Registration,
        Store,
    )

__version__ = "0.1.0"

__all__ = [
    "AgentAuth",
    "AmbiguousAuthorizationError",
    "AuthContext",
    "AuthEndpoints",
    "AuthMiddleware",
    "AuthSkill",
    "Authority",
    "BackendUnavailableError",
    "Body",
    "BodyTamperedError",
    "BodyTooLargeError",
    "BodyUnavailableError",
    "Caller",
    "CheckFailedError",
    "ClientSecret",
    "CommandResult",
    "DevTools",
    "ErrorResponse",
    "InsufficientScopeError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidAudienceError",
    "InvalidClaimsError",
    "InvalidConfigError",
    "InvalidKeyError",
    "InvalidSignatureError",
    "InvalidURLError",
    "IssuerDeniedError",
    "KeyManager",
    "KeysUnavailableError",
    "MalformedRequestError",
    "MalformedTokenError",
    "MemoryStore",
    "MissingAuthorizationError",
    "OrchestratorClient",
    "OverloadedError",
    "PostgreSQLStore",
    "PublicKey",
    "RedisStore",
    "RegisteredClient",
    "Registration",
    "ReplayDetectedError",
    "ReplayStoreUnavailableError",
    "SQLiteStore",
    "SignerFailedError",
    "Store",
    "StoreUnavailableError",
    "TallystickError",
    "TokenExpiredError",
    "TokenNotYetValidError",
    "TokenRefusedError",
    "TokenUnavailableError",
    "TrustDeniedError",
    "UnknownEngineError",
    "UnknownIssuerError",
    "UnknownKeyError",
    "UnknownOperationError",
    "UnknownTicketError",
    "UnsupportedAlgorithmError",
    "WrongTargetError",
    "aiohttp_middleware",
    "auth_blueprint",
    "httpx2_auth",
    "httpx_auth",
    "new_client_secret",
    "requests_auth",
]

_HOMES = {
    "AgentAuth": "agent",
    "AuthContext": "types",
    "AuthEndpoints": "asgi",
    "AuthMiddleware": "asgi",
    "AuthSkill": "skill",
    "Authority": "authority",
    "BackendUnavailableError": "errors",
    "Body": "types",
    "Caller": "types",
    "ClientSecret": "types",
    "CommandResult": "types",
    "DevTools": "dev_tools",
    "ErrorResponse": "errors",
    "KeyManager": "keys",
    "MemoryStore": "stores.memory",
    "OrchestratorClient": "client",
    "PublicKey": "keys",
    "RegisteredClient": "types",
    "Registration": "types",
    "PostgreSQLStore": "stores.postgresql",
    "RedisStore": "stores.redis",
    "SQLiteStore": "stores.sqlite",
    "Store": "types",
    "StoreUnavailableError": "errors",
    "TallystickError": "errors",
    "aiohttp_middleware": "outbound",
    "auth_blueprint": "flask",
    "httpx2_auth": "outbound",
    "httpx_auth": "outbound",
    "new_client_secret": "authority",
    "requests_auth": "outbound",
}


def __getattr__(name: str) -> Any:
    """Load a public name at first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # What has no home of its own is an error class of the core's table.
    home = import_module(f"tallystick.{_HOMES.get(name, '_generated')}")
    found = globals()[name] = getattr(home, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
