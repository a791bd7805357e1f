"""Reading a folder of authorized keys: names and texts.

The core decides which file belongs to whom, and which keys are usable.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tallystick._core.forks import ForkAware
from tallystick._core.problems import shown
from tallystick.errors import TallystickError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KeysFolder", "read_files"]

MAX_FILES = 10_000
MAX_FILE_SIZE = 256 << 10
MAX_TOTAL_SIZE = 12 << 20
"""Bytes of all files together: as many as fit, escaped, into one request of the ABI."""

CERTAIN_AFTER_NS = 2_000_000_000
"""Nanoseconds after which the times of a file tell two writes apart for certain."""

File = dict[str, str]
Version = tuple[str, int, int, int, int]


class FolderUnreadableError(Exception):
    """The folder itself cannot be read. The text says why."""


@dataclass(frozen=True)
class _Listing:
    """The versions of a folder's files, to see whether it has changed."""

    versions: tuple[Version, ...] | None
    certain: bool

    def proves_same(self, earlier: _Listing | None) -> bool:
        return earlier is not None and earlier.certain and self.versions == earlier.versions


class KeysFolder(ForkAware):
    """One folder of keys, read again when it has changed.

    ``path`` need not exist. Log lines name it and the fix, once per change.
    Thread-safe and fork-safe.
    """

    def __init__(self, path: str, logger: logging.Logger) -> None:
        super().__init__()
        self.path = path
        self._logger = logger
        self._lock = threading.Lock()
        self._delivered: _Listing | None = None
        self._unread: list[File] = []
        self._said = ""

    def load(self) -> list[File]:
        """Return all files for a new engine; none when the folder cannot be read."""
        with self._lock:
            self._delivered = None
            try:
                listing, files = self._read()
            except FolderUnreadableError as reason:
                self._say(logging.ERROR, str(reason))
                return []
            self._note(listing, files)
            return files

    def refresh(self, deliver: Callable[[list[File]], None]) -> dict[str, Any]:
        """Bring an engine up to date and return what to resume with.

        ``deliver`` gets the whole new content when the folder has changed. The content counts
        as delivered only after ``deliver`` has returned: a key that was removed must not live
        on because one delivery failed.
        """
        with self._lock:
            try:
                self._update(deliver)
            except FolderUnreadableError as reason:
                self._delivered = None
                self._say(logging.ERROR, str(reason))
                return {"failed": str(reason)}
            except TallystickError as refused:
                return {"failed": f"the keys in {shown(self.path)} were refused: {refused.message}"}
            return {"unchanged": True}

    def _update(self, deliver: Callable[[list[File]], None]) -> None:
        if _list(self.path).proves_same(self._delivered) and self._still_unread():
            return
        listing, files = self._read()
        deliver(files)
        self._note(listing, files)

    def _note(self, listing: _Listing, files: list[File]) -> None:
        self._delivered = listing
        self._unread = [file for file in files if "failed" in file]

    def _still_unread(self) -> bool:
        """Tell whether unreadable files still fail in the same way, which no listing shows."""
        return all(_read_file(self.path, file["name"]) == file for file in self._unread)

    def _read(self) -> tuple[_Listing, list[File]]:
        # Listed before it is read: the next listing shows a change in between.
        listing = _list(self.path)
        files = read_files(self.path)
        if listing.versions is None:
            self._say(
                logging.WARNING,
                f"the keys folder {shown(self.path)} does not exist, every caller is unknown: "
                "create it and put ISSUER.pem with each caller's public key into it",
            )
        elif not listing.versions:
            self._say(
                logging.WARNING,
                f"the keys folder {shown(self.path)} is empty, every caller is unknown: "
                "put ISSUER.pem with each caller's public key into it",
            )
        else:
            self._said = ""
        return listing, files

    def _say(self, level: int, message: str) -> None:
        if message != self._said:
            self._logger.log(level, "%s", message)
        self._said = message

    def after_fork_in_child(self) -> None:
        self._lock = threading.Lock()


def read_files(path: str) -> list[File]:
    """Return ``files`` as ``engine.open`` takes them; none of a missing folder.

    A file that cannot be read is listed with the reason; one that has gone is left out.
    Raises :class:`FolderUnreadableError` when the folder itself cannot be read.
    """
    files: list[File] = []
    total = 0
    for entry in _entries(path) or []:
        file = _read_file(path, entry.name)
        if file is None:
            continue
        total += len(file.get("text", ""))
        if total > MAX_TOTAL_SIZE:
            raise FolderUnreadableError(
                f"the keys folder {shown(path)} holds over {MAX_TOTAL_SIZE} characters: "
                "keep nothing but public keys in it"
            )
        files.append(file)
    return files


def _list(path: str) -> _Listing:
    entries = _entries(path)
    if entries is None:
        return _Listing(None, certain=True)
    versions = tuple(sorted(_version(entry) for entry in entries))
    newest = max((times for found in versions for times in found[3:]), default=0)
    return _Listing(versions, certain=newest < time.time_ns() - CERTAIN_AFTER_NS)


def _entries(path: str) -> list[os.DirEntry[str]] | None:
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if len(found) == MAX_FILES:
                    raise FolderUnreadableError(
                        f"the keys folder {shown(path)} holds over {MAX_FILES} files: "
                        "keep nothing but public keys in it"
                    )
                # A name that cannot be printed is no issuer, and may be no text for JSON.
                if entry.name.isprintable():
                    found.append(entry)
    except FileNotFoundError:
        return None
    except NotADirectoryError as reason:
        raise FolderUnreadableError(f"the keys folder {shown(path)} is not a folder") from reason
    except OSError as reason:
        raise FolderUnreadableError(
            f"the keys folder {shown(path)} cannot be read ({reason.strerror}): "
            "let this user list and read it"
        ) from reason
    return sorted(found, key=lambda entry: entry.name)


def _version(entry: os.DirEntry[str]) -> Version:
    try:
        status = os.stat(entry.path)
    except OSError:
        return entry.name, -1, -1, 0, 0
    return entry.name, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def _read_file(folder: str, name: str) -> File | None:
    path = os.path.join(folder, name)
    try:
        content = _content(path)
    except FileNotFoundError:
        if os.path.islink(path) and not os.path.exists(path):
            return {"name": name, "unusable": "a link to a file that is not there"}
        return None
    except OSError as reason:
        # Nobody can open a socket, and waiting does not change that.
        if not os.path.exists(path) or os.path.isfile(path):
            return {"name": name, "failed": reason.strerror or type(reason).__name__}
        content = None
    if content is None:
        return {"name": name, "unusable": "not a regular file"}
    if len(content) > MAX_FILE_SIZE:
        return {"name": name, "unusable": f"larger than {MAX_FILE_SIZE} bytes"}
    try:
        return {"name": name, "text": content.decode()}
    except UnicodeDecodeError:
        return {"name": name, "unusable": "not UTF-8 text"}


def _content(path: str) -> bytes | None:
    """Return the content of a regular file, up to one byte over the limit."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_FILE_SIZE + 1)
    finally:
        os.close(descriptor)
