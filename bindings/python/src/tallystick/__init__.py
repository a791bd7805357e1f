"""Signed requests between AI agents and their orchestrators.

The names of rotagent are here with its signatures: changing the import is the
whole migration. Importing this package loads nothing; each name loads what it
needs when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallystick._generated import *  # noqa: F403
    from tallystick.agent import AgentAuth
    from tallystick.caller import Caller
    from tallystick.client import OrchestratorClient
    from tallystick.core import BackendUnavailableError
    from tallystick.dev_tools import DevTools
    from tallystick.errors import ErrorResponse, TallystickError
    from tallystick.keys import KeyManager, PublicKey
    from tallystick.replay import ReplayStore
    from tallystick.replay.sqlite import SQLiteReplay

__version__ = "0.1.0"

__all__ = [
    "AgentAuth",
    "BackendUnavailableError",
    "Caller",
    "DevTools",
    "ErrorResponse",
    "KeyManager",
    "OrchestratorClient",
    "PublicKey",
    "ReplayStore",
    "SQLiteReplay",
    "TallystickError",
]

_HOMES = {
    "AgentAuth": "agent",
    "BackendUnavailableError": "core",
    "Caller": "caller",
    "DevTools": "dev_tools",
    "ErrorResponse": "errors",
    "KeyManager": "keys",
    "OrchestratorClient": "client",
    "PublicKey": "keys",
    "ReplayStore": "replay",
    "SQLiteReplay": "replay.sqlite",
    "TallystickError": "errors",
}


def __getattr__(name: str) -> Any:
    """Load a public name at first use (PEP 562)."""
    home = _HOMES.get(name, "_generated" if name.endswith("Error") else None)
    if home is not None:
        found = getattr(import_module(f"tallystick.{home}"), name, None)
        if found is not None:
            globals()[name] = found
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from tallystick._generated import ERRORS

    return sorted({*globals(), *__all__, *(error.__name__ for error in ERRORS.values())})
