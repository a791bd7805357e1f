"""The C-shared library through ctypes.

ctypes lets go of the GIL during a call, so verifications run in parallel.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from tallystick._core.core import Core, InstanceReplacedError, check_abi
from tallystick._core.forks import entered_child_unannounced
from tallystick.errors import BackendUnavailableError

__all__ = ["native_core"]

_NAMES = {"darwin": "libtallystick.dylib", "win32": "tallystick.dll"}
LIBRARY = Path(__file__).parent.parent / "_lib" / _NAMES.get(sys.platform, "libtallystick.so")


class _Library:
    """The three functions of ``tallystick.h``, typed."""

    def __init__(self, path: str) -> None:
        library = ctypes.CDLL(path)
        version = library.tally_abi_version
        version.argtypes = []
        version.restype = ctypes.c_uint32
        check_abi(version(), path)
        self.call = library.tally_call
        self.call.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.POINTER(ctypes.c_size_t),
        ]
        # A c_char_p result would be copied and its pointer lost: a leak per call.
        self.call.restype = ctypes.c_void_p
        # Too short a call to let go of the GIL.
        self.free = ctypes.PyDLL(path).tally_free
        self.free.argtypes = [ctypes.c_void_p]
        self.free.restype = None


class NativeCore(Core):
    """The core as machine code in this process."""

    name = "native"

    def __init__(self) -> None:
        super().__init__()
        self.generation = 0
        self._lock = threading.Lock()
        self._library: _Library | None = _open(LIBRARY, 0)

    def call(
        self, operation: str, request: bytes, body: bytes = b"", generation: int | None = None
    ) -> bytes:
        if os.getpid() != self._pid:
            entered_child_unannounced()
        if generation is not None and generation != self.generation:
            raise InstanceReplacedError
        library = self._library or self._reload()
        name = operation.encode()
        length = ctypes.c_size_t()
        answer = library.call(
            name, len(name), request, len(request), body, len(body), ctypes.byref(length)
        )
        if not answer:
            raise MemoryError("the core could not allocate its answer")
        try:
            return ctypes.string_at(answer, length.value)
        finally:
            library.free(answer)

    def _reload(self) -> _Library:
        with self._lock:
            if self._library is None:
                self._library = _open(LIBRARY, self.generation)
            return self._library

    def after_fork_in_child(self) -> None:
        # The parent's Go runtime is here without its threads: never call it again.
        self._lock = threading.Lock()
        self._library = None
        self.generation += 1


@cache
def native_core() -> Core:
    """Return the process's native core, or say what to install."""
    if not LIBRARY.exists():
        raise BackendUnavailableError(
            f"the native library {LIBRARY.name} is not in this installation: reinstall "
            "tallystick where Go and a C compiler are present, or install 'tallystick[wasm]'"
        )
    return NativeCore()


def _open(path: Path, forks: int) -> _Library:
    try:
        return _Library(str(path)) if forks == 0 else _open_copy(path, forks)
    except OSError as reason:
        raise BackendUnavailableError(
            f"the native library cannot be loaded ({reason}); on musl it never can: "
            "install 'tallystick[wasm]'"
        ) from reason


def _open_copy(path: Path, forks: int) -> _Library:
    """Load the library once more, as a file that the loader has not seen.

    The loader answers with what it already has for a known path or inode, and that
    is the parent's dead runtime.
    """
    try:
        return _open_in_memory(path, forks)
    except (AttributeError, OSError):
        return _open_temporary(path)


def _open_in_memory(path: Path, forks: int) -> _Library:
    descriptor = os.memfd_create(path.name, os.MFD_CLOEXEC)
    try:
        with path.open("rb") as source, open(descriptor, "wb", closefd=False) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        # One "./" per generation: a descriptor's number may have been used for an
        # ancestor's copy, and the loader still knows that path.
        return _Library("/proc/self/" + "./" * forks + f"fd/{descriptor}")
    finally:
        os.close(descriptor)


def _open_temporary(path: Path) -> _Library:
    folder = tempfile.mkdtemp(prefix="tallystick-")
    try:
        return _Library(shutil.copy(path, folder))
    finally:
        # Windows keeps a loaded file: it has no fork, so it never comes here.
        with contextlib.suppress(OSError):
            shutil.rmtree(folder)
