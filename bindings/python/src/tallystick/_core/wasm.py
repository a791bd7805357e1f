"""The WebAssembly module through wasmtime (extra ``[wasm]``).

One instance, one call at a time, behind a lock. An instance is replaced after a trap, and
when its memory is over the ceiling: WASM memory never shrinks.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tallystick._core.core import Core, InstanceReplacedError, check_abi
from tallystick._core.forks import LockedAcrossForks, entered_child_unannounced, keep_forever
from tallystick._core.problems import error
from tallystick.errors import BackendUnavailableError

if TYPE_CHECKING:
    import wasmtime

__all__ = ["wasm_core"]

MODULE = Path(__file__).parent.parent / "_lib" / "tallystick.wasm"

MEMORY_CEILING = 256 << 20
"""Bytes. An instance with more memory is replaced after its call."""

MEMORY_LIMIT = 1 << 30
"""Bytes. An instance that needs more memory traps."""

_NEED = b'{"need":'
_PANIC = b'{"error":{"code":"internal"'

INPUT_SIZE = 64 << 10
"""Bytes of the input buffer that an instance keeps; larger inputs are allocated."""

_logger = logging.getLogger("tallystick")


class _Instance:
    """One instantiated module. Not thread-safe; unusable after a trap."""

    def __init__(self, engine: wasmtime.Engine, module: wasmtime.Module) -> None:
        import wasmtime

        self._store = wasmtime.Store(engine)
        self._store.set_limits(memory_size=MEMORY_LIMIT)
        self._store.set_wasi(wasmtime.WasiConfig())
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        _define_random(linker)
        instance = linker.instantiate(self._store, module)
        self._exports = cast("dict[str, Any]", instance.exports(self._store))
        self._memory: Any = self._exports["memory"]
        self._call: Any = self._exports["tally_call"]
        self._free: Any = self._exports["tally_free"]
        self._exports["_initialize"](self._store)
        check_abi(self._exports["tally_abi_version"](self._store), MODULE.name)
        self._input = self._allocate(INPUT_SIZE)

    @property
    def memory_size(self) -> int:
        return int(self._memory.data_len(self._store))

    def call(self, operation: bytes, request: bytes, body: bytes) -> bytes:
        size = len(operation) + len(request) + len(body)
        start = self._input if size <= INPUT_SIZE else self._allocate(size)
        try:
            return self._call_at(start, operation, request, body)
        finally:
            if start != self._input:
                self._free(self._store, start)

    def _call_at(self, start: int, operation: bytes, request: bytes, body: bytes) -> bytes:
        self._write(start, operation + request + body)
        request_at = start + len(operation)
        body_at = request_at + len(request)
        packed = self._call(
            self._store, start, len(operation), request_at, len(request), body_at, len(body)
        )
        pointer, length = (packed >> 32) & 0xFFFFFFFF, packed & 0xFFFFFFFF
        if pointer == 0:
            raise MemoryError("the core could not allocate its answer")
        # The answer is the core's until the next call: nothing to free (abi.md).
        return self._read(pointer, length)

    def _allocate(self, size: int) -> int:
        pointer = int(self._exports["tally_alloc"](self._store, size)) & 0xFFFFFFFF
        if pointer == 0:
            raise MemoryError(f"the core could not allocate {size} bytes")
        return pointer

    def _address(self, offset: int, size: int) -> int:
        # The memory may have moved or grown since the last call: ask each time.
        if offset + size > self.memory_size:
            raise MemoryError("the core answered with an address outside its memory")
        return ctypes.addressof(self._memory.data_ptr(self._store).contents) + offset

    def _write(self, offset: int, data: bytes) -> None:
        ctypes.memmove(self._address(offset, len(data)), data, len(data))

    def _read(self, offset: int, size: int) -> bytes:
        return ctypes.string_at(self._address(offset, size), size)


def _define_random(linker: wasmtime.Linker) -> None:
    """Give the module the system's entropy instead of wasmtime's.

    wasmtime draws from a generator of the thread, which a fork copies: parent and child
    would make the same token ids and the same keys.
    """
    import wasmtime

    def random_get(caller: wasmtime.Caller, pointer: int, length: int) -> int:
        memory: Any = caller["memory"]
        memory.write(caller, os.urandom(length & 0xFFFFFFFF), pointer & 0xFFFFFFFF)
        return 0

    i32 = wasmtime.ValType.i32
    kind = wasmtime.FuncType([i32(), i32()], [i32()])
    linker.allow_shadowing = True
    linker.define_func("wasi_snapshot_preview1", "random_get", kind, random_get, access_caller=True)


class WasmCore(LockedAcrossForks, Core):
    """The core as WebAssembly. Calls wait for each other."""

    name = "wasm"
    host_hashes = True

    def __init__(self) -> None:
        super().__init__()
        self.generation = 0
        self._engine, self._module = _compile()
        # In a forked child the compiler would wait for threads that are not there.
        self._compiled = bytes(self._module.serialize())
        self._instance: _Instance | None = _Instance(self._engine, self._module)
        atexit.register(self._release)

    def call(
        self, operation: str, request: bytes, body: bytes = b"", generation: int | None = None
    ) -> bytes:
        entered_child_unannounced()
        with self._lock:
            if generation is not None and generation != self.generation:
                raise InstanceReplacedError
            instance = self._instance or self._start()
            try:
                answer = instance.call(operation.encode(), request, body)
            except Exception as trap:
                # After a trap a module still answers, with broken state.
                self._retire("it trapped")
                raise error("internal", "the WebAssembly core failed and was replaced") from trap
            except BaseException:
                self._retire("a call was interrupted")
                raise
            if answer.startswith(_PANIC):
                self._retire("it panicked")
                return answer
            # Not in the middle of an operation, which would start over and grow the memory
            # again.
            if instance.memory_size > MEMORY_CEILING and not answer.startswith(_NEED):
                self._retire(f"its memory has grown over {MEMORY_CEILING} bytes")
            return answer

    def _start(self) -> _Instance:
        if self._module is None:
            self._engine, self._module = _load(self._compiled)
        self._instance = _Instance(self._engine, self._module)
        return self._instance

    def _retire(self, why: str) -> None:
        _logger.warning("the WebAssembly core is replaced: %s", why)
        self._instance = None
        self.generation += 1

    def after_fork_in_child(self) -> None:
        # Destructors of the parent's objects may wait for threads that are not here, so
        # none may run. The child starts from what the parent compiled.
        for inherited in (self._instance, self._module, self._engine):
            keep_forever(inherited)
        super().after_fork_in_child()
        self._instance = self._module = self._engine = None
        self.generation += 1

    def _release(self) -> None:
        # At exit, while the module wasmtime still has what its destructors call.
        if self._lock.acquire(timeout=1):
            self._instance = self._module = self._engine = None
            self._lock.release()


@cache
def wasm_core() -> Core:
    """Return the process's WebAssembly core, or say what to install."""
    if not MODULE.exists():
        raise BackendUnavailableError(
            f"{MODULE.name} is not in this installation: reinstall tallystick where Go is present"
        )
    try:
        import wasmtime  # noqa: F401
    except ImportError as reason:
        raise BackendUnavailableError(
            "the wasm backend needs wasmtime: pip install 'tallystick[wasm]'"
        ) from reason
    return WasmCore()


def _compile() -> tuple[Any, Any]:
    """Compile the module, or take it from wasmtime's cache (3 s against 60 ms)."""
    import wasmtime

    config = wasmtime.Config()
    try:
        config.cache = True
    except wasmtime.WasmtimeError as reason:
        _logger.warning("wasmtime has no cache here, each start compiles anew: %s", reason)
        config = wasmtime.Config()
    engine = wasmtime.Engine(config)
    return engine, wasmtime.Module.from_file(engine, str(MODULE))


def _load(compiled: bytes) -> tuple[Any, Any]:
    """Take the module from what this program compiled before."""
    import wasmtime

    engine = wasmtime.Engine(wasmtime.Config())
    return engine, wasmtime.Module.deserialize(engine, compiled)
