"""Which backend carries the core in this process.

core = load_core()
core.call("version", b"{}")
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tallystick._core.problems import error
from tallystick.errors import BackendUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tallystick._core.core import Core

__all__ = ["load_core"]

BACKEND_VARIABLE = "TALLYSTICK_BACKEND"


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
        found = json.dumps(wanted[:100]) if isinstance(wanted, str) else type(wanted).__name__
        source = f"variable {BACKEND_VARIABLE}" if backend is None else "argument backend"
        raise error(
            "invalid_argument", f'unknown backend {found} ({source}): use "native" or "wasm"'
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
    from tallystick._core.native import native_core

    return native_core()


def _load_wasm() -> Core:
    from tallystick._core.wasm import wasm_core

    return wasm_core()


_LOADERS: dict[str, Callable[[], Core]] = {"native": _load_native, "wasm": _load_wasm}
