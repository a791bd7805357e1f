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
    from tallystick.access.asgi import AuthEndpoints, AuthMiddleware
    from tallystick.access.context import AuthContext, CommandResult
    from tallystick.access.flask_endpoints import auth_blueprint
    from tallystick.access.skill import AuthSkill
    from tallystick.agent import AgentAuth
    from tallystick.authority import Authority, RegisteredClient, Registration
    from tallystick.authority.secret import ClientSecret, new_client_secret
    from tallystick.body import Body
    from tallystick.caller import Caller
    from tallystick.client import OrchestratorClient
    from tallystick.core import BackendUnavailableError
    from tallystick.dev_tools import DevTools
    from tallystick.errors import ErrorResponse, TallystickError
    from tallystick.injection import aiohttp_middleware, httpx_auth, requests_auth
    from tallystick.keys import KeyManager, PublicKey
    from tallystick.replay import ReplayStore, StoreUnavailableError
    from tallystick.replay.sqlite import SQLiteReplay

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
    "MissingAuthorizationError",
    "OrchestratorClient",
    "OverloadedError",
    "PublicKey",
    "RegisteredClient",
    "Registration",
    "ReplayDetectedError",
    "ReplayStore",
    "ReplayStoreUnavailableError",
    "SQLiteReplay",
    "SignerFailedError",
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
    "httpx_auth",
    "new_client_secret",
    "requests_auth",
]

_HOMES = {
    "AgentAuth": "agent",
    "AuthContext": "access.context",
    "AuthEndpoints": "access.asgi",
    "AuthMiddleware": "access.asgi",
    "AuthSkill": "access.skill",
    "Authority": "authority",
    "BackendUnavailableError": "core",
    "Body": "body",
    "Caller": "caller",
    "ClientSecret": "authority.secret",
    "CommandResult": "access.context",
    "DevTools": "dev_tools",
    "ErrorResponse": "errors",
    "KeyManager": "keys",
    "OrchestratorClient": "client",
    "PublicKey": "keys",
    "RegisteredClient": "authority",
    "Registration": "authority",
    "ReplayStore": "replay",
    "SQLiteReplay": "replay.sqlite",
    "StoreUnavailableError": "replay",
    "TallystickError": "errors",
    "aiohttp_middleware": "injection",
    "auth_blueprint": "access.flask_endpoints",
    "httpx_auth": "injection",
    "new_client_secret": "authority.secret",
    "requests_auth": "injection",
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
