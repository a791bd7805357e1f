"""The core behind one function, whichever backend carries it.

core = load_core()
core.call("version", b"{}")
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from tallystick.errors import error
from tallystick.forks import ForkAware

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BackendUnavailableError", "Core", "InstanceReplacedError", "load_core"]

BACKEND_VARIABLE = "TALLYSTICK_BACKEND"


class BackendUnavailableError(ImportError):
    """No backend can carry the core here; the message says what to install."""


class InstanceReplacedError(Exception):
    """The instance that an engine or ticket lived in is gone; nothing was done."""


class Core(ForkAware):
    """One loaded core. Thread-safe; fork-safe: a child gets an instance of its own.

    ``name`` is ``"native"`` or ``"wasm"``. ``epoch`` changes whenever the instance
    does (after a fork, after a trap): engine numbers and tickets of an older epoch
    mean nothing, or something else, in the new one.
    """

    name: str
    epoch: int
    host_hashes: bool = False
    """Whether bodies are better hashed here than in the core."""

    @abstractmethod
    def call(
        self, operation: str, request: bytes, body: bytes = b"", epoch: int | None = None
    ) -> bytes:
        """Run one operation (abi.md) and return its answer, JSON as bytes.

        ``request`` is one JSON object in UTF-8, ``body`` raw bytes. With ``epoch``
        the call is made only in that very instance, else
        :class:`InstanceReplacedError`. A broken instance is an exception
        with the code ``internal``; refusals of the core are in the answer.
        """


def load_core(backend: str | None = None) -> Core:
    """Return this process's core, loading it at first use.

    ``backend`` is ``"native"`` (the C-shared library through ctypes), ``"wasm"``
    (through wasmtime, extra ``[wasm]``) or ``None``: the environment variable
    ``TALLYSTICK_BACKEND``, else native, else wasm. Raises
    :class:`BackendUnavailableError` where it cannot load, ``invalid_argument`` for
    another name.
    """
    wanted = os.environ.get(BACKEND_VARIABLE) or "auto" if backend is None else backend
    if wanted == "auto":
        return _first_that_loads()
    loader = _LOADERS.get(wanted) if isinstance(wanted, str) else None
    if loader is None:
        raise error(
            "invalid_argument",
            f"unknown backend {wanted!r} (argument backend= or {BACKEND_VARIABLE}): "
            "use 'native' or 'wasm'",
        )
    return loader()


def _first_that_loads() -> Core:
    reasons: list[str] = []
    for load in _LOADERS.values():
        try:
            return load()
        except BackendUnavailableError as reason:
            reasons.append(str(reason))
    raise BackendUnavailableError("; ".join(reasons))


def _load_native() -> Core:
    from tallystick.backends.native import native_core

    return native_core()


def _load_wasm() -> Core:
    from tallystick.backends.wasm import wasm_core

    return wasm_core()


_LOADERS: dict[str, Callable[[], Core]] = {"native": _load_native, "wasm": _load_wasm}


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
    import json

    from tallystick.errors import error_from

    answer = json.loads(core.call(operation, json.dumps(request).encode(), body))
    if "error" in answer:
        raise error_from(answer["error"])
    result: dict[str, Any] = answer["ok"]
    return result
