"""The core behind one function, whichever backend carries it."""

from __future__ import annotations

import json
from abc import abstractmethod
from typing import Any

from tallystick._core.forks import ForkAware
from tallystick._core.problems import error_from
from tallystick.errors import BackendUnavailableError

__all__ = ["Core", "InstanceReplacedError", "call_json", "check_abi"]


class InstanceReplacedError(Exception):
    """The instance that held an engine or a ticket is gone; nothing was done."""


class Core(ForkAware):
    """One loaded core. Thread-safe; fork-safe: a child gets an instance of its own.

    ``name`` is ``"native"`` or ``"wasm"``. ``generation`` changes whenever the instance
    does (after a fork, after a trap): engine numbers and tickets of an older generation
    mean nothing, or something else, in the new one.
    """

    name: str
    generation: int
    host_hashes: bool = False
    """Whether the host hashes bodies, because it is faster than the core."""

    @abstractmethod
    def call(
        self, operation: str, request: bytes, body: bytes = b"", generation: int | None = None
    ) -> bytes:
        """Run one operation (abi.md) and return its answer, JSON as bytes.

        ``request`` is one JSON object in UTF-8, ``body`` raw bytes. With ``generation`` the
        call is made only in that very instance, else :class:`InstanceReplacedError`. A
        broken instance is an exception with the code ``internal``; refusals of the core are
        in the answer.
        """


def check_abi(found: int, what: str) -> None:
    """Refuse a core of another ABI than the one this package was generated for."""
    from tallystick._generated import ABI_VERSION

    if found != ABI_VERSION:
        raise BackendUnavailableError(
            f"{what} speaks ABI {found}, this package needs {ABI_VERSION}: reinstall tallystick"
        )


def call_json(
    core: Core, operation: str, request: dict[str, Any], body: bytes = b""
) -> dict[str, Any]:
    """Run one operation that needs nothing of the host; return its ``ok`` member."""
    answer = json.loads(core.call(operation, json.dumps(request).encode(), body))
    if "error" in answer:
        raise error_from(answer["error"])
    result: dict[str, Any] = answer["ok"]
    return result
