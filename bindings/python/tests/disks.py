"""Disks that are full, and file systems without hard links."""

from __future__ import annotations

import ctypes
import platform
import struct

import pytest

can_forbid = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "aarch64"), reason="system call numbers of two machines"
)


def forbid_hard_links(errno_: int) -> None:
    """Have the kernel refuse this process's hard links, as a file system without them does."""
    link_numbers = {"x86_64": (86, 265), "aarch64": (37,)}[platform.machine()]
    load, refuse, allow = (0x20, 0, 0, 0), (0x06, 0, 0, 0x00050000 | errno_), (6, 0, 0, 0x7FFF0000)
    program = [load]
    for number in link_numbers:
        program += [(0x15, 0, 1, number), refuse]
    code = b"".join(struct.pack("HBBI", *step) for step in [*program, allow])
    buffer = ctypes.create_string_buffer(code)

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_void_p))

    filters = Filter(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(filters), 0, 0) == 0  # PR_SET_SECCOMP
