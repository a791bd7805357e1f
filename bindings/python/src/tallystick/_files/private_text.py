"""Reading text that only its owner may read: a version of a shared file, a private key."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from tallystick._core.problems import error, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tallystick.errors import TallystickError

__all__ = ["MAX_SIZE", "failed", "open_private", "read_private", "wrong"]

MAX_SIZE = 8 << 20
"""Bytes of a document: as many as fit, escaped, into one request of the ABI."""

# Not "move it away": the older versions of a document are empty (files.md).
_RESTORE = "restore it from a copy"


def read_private(path: Path, what: str) -> str | None:
    """Return the text of one private file; ``None`` if there is none."""
    opened = open_private(path, what)
    if opened is None:
        return None
    os.close(opened[0])
    return opened[1]


def open_private(path: Path, what: str) -> tuple[int, str] | None:
    """Open a private file. Return its descriptor, which the caller closes, and its text."""
    # Without O_NONBLOCK a named pipe in the place of the file would block the reader.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    except OSError as reason:
        raise failed(path, what, "read", reason, "let this user read it") from reason
    try:
        return descriptor, _text(path, what, descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def _text(path: Path, what: str, descriptor: int) -> str:
    try:
        _check(path, what, os.fstat(descriptor))
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(MAX_SIZE + 1)
        if len(content) <= MAX_SIZE and os.fstat(descriptor).st_size != len(content):
            return ""  # emptied while it was read
    except OSError as reason:
        raise failed(path, what, "read", reason, "let this user read it") from reason
    if len(content) > MAX_SIZE:
        raise wrong(path, what, f"is over {MAX_SIZE} bytes", _RESTORE)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise wrong(path, what, "is not UTF-8 text", _RESTORE) from None


def _check(path: Path, what: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise wrong(path, what, "is not a regular file", _RESTORE)
    if os.name != "posix":
        return
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise wrong(
            path,
            what,
            f"is open to other users (mode {mode:04o})",
            "run chmod 600 on it, and rotate its keys if others may have read them",
        )
    # The folder's owner decides anyway; nobody else may put a file there.
    if status.st_uid not in (0, os.geteuid(), os.stat(path.parent).st_uid):
        raise wrong(
            path,
            what,
            f"belongs to another user ({status.st_uid})",
            "see who put it there; chown it to this user if it is the right one",
        )


def wrong(path: Path, what: str, problem: str, fix: str) -> TallystickError:
    """Make the error that names a file, what is wrong with it and what to do."""
    return error("invalid_config", f"the {what} {shown(path)} {problem}: {fix}")


def failed(path: Path, what: str, done: str, reason: OSError, fix: str) -> TallystickError:
    """Make the same for what the system refused."""
    text = reason.strerror or type(reason).__name__
    return wrong(path, what, f"cannot be {done} ({text})", fix)
