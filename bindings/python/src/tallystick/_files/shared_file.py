"""Documents that processes of several languages share and change without a lock.

The protocol is ``files.md``, for all languages.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import secrets
import stat
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tallystick._core.problems import error, shown
from tallystick._files.private_text import MAX_SIZE, failed, open_private, wrong
from tallystick._files.shared_text import PATIENCE, PAUSE, Document, SharedText

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tallystick.errors import TallystickError

__all__ = ["Look", "SharedFile"]

MAX_NUMBER = 10**15 - 1
"""The largest number of a version: 15 digits, exact in every language."""

KEEP = 64
"""A version's name is kept while there are fewer newer versions than this."""

MIN_TRIES = 16
"""Tries that a change has at least, however long its process was stopped."""

MAX_TRIES = 1000

READ_TRIES = 100
"""Listings after which a reader gives up because writers were always faster."""

ABANDONED = 3600.0
"""Seconds after which the writer of a temporary file counts as dead."""

_NO_HARD_LINKS = {
    errno.EPERM,
    errno.EOPNOTSUPP,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EINVAL,
    errno.EXDEV,
}

Status = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Look:
    """The state of a document's files at one look, to see whether it has changed."""

    number: int
    newest: Status | None
    plain: Status | None
    folder: Status | None = field(compare=False)


class SharedFile(SharedText):
    """A text in numbered versions, ``NAME.1``, ``NAME.2``, …; 0600 in a folder of 0700.

    ``path``
        ends with NAME. A file of exactly that name is version 0, of an older release.
    ``what``
        names it in errors, such as ``key ring``.

    Every failure is an ``invalid_config`` that names the file and the fix. Used by any
    number of processes. Thread-safe and fork-safe: it holds no state.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self.place = shown(path)
        self._what = what
        self._version = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,14})", re.ASCII)
        self._temporary = re.compile(re.escape("." + path.name) + r"\.[0-9a-f]{16}\.tmp", re.ASCII)

    def read(self) -> Document:
        with self._newest() as found:
            return found.document

    def look(self, before: Look | None) -> Look:
        """Look at the document without reading it.

        With the last look as ``before`` it is cheaper.
        """
        folder = _status(self.path.parent)
        number = None if before is None or before.folder != folder else before.number
        # Two changes of a folder within one tick of its clock look like one.
        if number is None or _status(self._name(number + 1)) is not None:
            with contextlib.suppress(OSError):
                number = max(self._numbers(), default=0)
        number = number or 0
        return Look(number, _status(self._name(number)), _status(self.path), folder)

    def stray(self) -> str:
        """Return a warning if a file NAME lies beside the versions and is none of them; else ""."""
        first, plain = _stat(self._name(1)), _stat(self.path)
        if plain is None or plain.st_size == 0:
            return ""
        if first is not None and os.path.samestat(first, plain):
            return ""
        number = self.look(None).number
        if number == 0:
            return ""
        newest, following = shown(self._name(number).name), shown(self._name(number + 1).name)
        plain_name = shown(self.path.name)
        return (
            f"the {self._what} {shown(self.path)} is not used: the document is {newest} beside it. "
            f"Move {plain_name} away, or, where it is the one to use, run "
            f'"ln {plain_name} {following}", which fails where another '
            "process was faster, and remove it; an older release of tallystick may have written it"
        )

    def update(self, change: Callable[[str | None], str | None]) -> Document:
        end = time.monotonic() + PATIENCE
        for tried in range(MAX_TRIES):
            if tried >= MIN_TRIES and time.monotonic() > end:
                break
            with self._newest() as found:
                text = change(found.document.text)
                if text is None:
                    return found.document
                if found.document.number == 0 and found.document.text is not None:
                    self._adopt()
                elif self._commit(found, text):
                    return Document(found.document.number + 1, text)
            time.sleep(random.uniform(0, PAUSE))  # noqa: S311
        raise self.wrong(
            "is changed by others again and again", "try it later; nothing was changed"
        )

    @property
    def restore(self) -> str:
        return f"restore it from a copy, or move {shown(self.path.name)}* away to begin anew"

    def wrong(self, problem: str, fix: str) -> TallystickError:
        return wrong(self.path, self._what, problem, fix)

    def _name(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path

    def _numbers(self) -> list[int]:
        """Return the numbers of the versions, ascending."""
        try:
            with os.scandir(self.path.parent) as entries:
                found = [self._version.fullmatch(entry.name) for entry in entries]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match[1]) for match in found if match)

    @contextlib.contextmanager
    def _newest(self) -> Iterator[_Found]:
        """Yield the newest version. Its file is held open, so that no other file gets its inode."""
        number = 0
        for _ in range(READ_TRIES):
            try:
                number = max(self._numbers(), default=0)
            except OSError as reason:
                raise self._failed("listed", reason, "let this user list its folder") from reason
            found = self._open(number)
            # A listing may miss what is committed during it; a look at one name does not.
            if _status(self._name(number + 1)) is None and (found or number == 0):
                break
            if found:
                found.close()
            time.sleep(random.uniform(0, PAUSE))  # noqa: S311
        else:
            raise wrong(
                self._name(number),
                self._what,
                "is empty, and nothing newer is there",
                "restore it from a copy",
            )
        try:
            yield found or _Found(Document(0, None), None)
        finally:
            if found:
                found.close()

    def _open(self, number: int) -> _Found | None:
        """Open a version; ``None`` if it is superseded or not there."""
        opened = open_private(self._name(number), self._what)
        if opened is None:
            return None
        descriptor, text = opened
        if text == "" and number > 0:
            os.close(descriptor)
            return None
        return _Found(Document(number, text), descriptor)

    def _adopt(self) -> None:
        """Link the file NAME as version 1: one file, so that both are emptied together."""
        self._make_folder()
        if self.path.is_symlink():
            raise self.wrong("is a symbolic link", "put the file itself there")
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            self._link(self.path, self._name(1))

    def _commit(self, found: _Found, text: str) -> bool:
        """Make the text the next version; ``False``, and nothing done, if there is one already."""
        content = text.encode()
        if not 0 < len(content) <= MAX_SIZE:
            raise self.wrong(f"would not have 1 to {MAX_SIZE} bytes", "remove some of it first")
        self._make_folder()
        number = found.document.number + 1
        if number > MAX_NUMBER:
            raise self.wrong(f"has no number after {number - 1}", "rename that version to one")
        place = self._name(number)
        if _status(place) is not None:
            return False
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}.tmp")
        try:
            self._write(temporary, content)
            self._link(temporary, place)
        except (FileExistsError, FileNotFoundError):
            return False
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()
        self._keep()
        self._certify(found)
        self._tidy()
        return True

    def _write(self, path: Path, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        except OSError as reason:
            fix = "free space there and let this user write to its folder; nothing was changed"
            raise self._failed("written", reason, fix) from reason

    def _link(self, source: Path, target: Path) -> None:
        try:
            os.link(source, target)
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as reason:
            fix = "free space there and let this user write to its folder; nothing was changed"
            if reason.errno in _NO_HARD_LINKS:
                fix = (
                    "keep it on a file system with hard links, as a file of this user; "
                    "nothing was changed"
                )
            raise self._failed("committed", reason, fix) from reason

    def _keep(self) -> None:
        """Write the new name to the disk, so that it survives a loss of power."""
        if os.name != "posix":
            return  # Windows opens no folder
        try:
            descriptor = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as reason:
            fix = "it may be lost with the power: see to that disk, then look whether it is there"
            raise self._failed("kept", reason, fix) from reason

    def _certify(self, found: _Found) -> None:
        """Raise if the new version may have got a name that was given up.

        Names are given up in ascending order. While the version that was read still has its
        name, the next one was never given up.
        """
        number = found.document.number
        newest = max(self._numbers(), default=0)
        if found.is_at(self._name(number)) and newest < number + 1 + KEEP:
            return
        self._tidy()
        raise self.wrong(
            f"was changed by others over {KEEP} times while this process was stopped",
            "the outcome is unknown, so look whether your change is there",
        )

    def _tidy(self) -> None:
        """Empty the superseded versions, give up old names, remove files of dead writers.

        What fails now is done after the next change.
        """
        with contextlib.suppress(OSError):
            numbers = self._numbers()
            newest = numbers[-1]
            for number in numbers[:-1]:
                _empty(self._name(number))
            # The name of version 1 stays, so that no process makes a first version again.
            for number in numbers[:-1]:
                if 1 < number <= newest - KEEP:
                    self._name(number).unlink(missing_ok=True)
            self._remove_abandoned(self._name(newest).stat().st_mtime)

    def _remove_abandoned(self, now: float) -> None:
        # By the clock of the file system, which also dated the temporary files.
        with os.scandir(self.path.parent) as entries:
            for entry in entries:
                if self._temporary.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        if entry.stat(follow_symlinks=False).st_mtime < now - ABANDONED:
                            os.unlink(entry.path)

    def _make_folder(self) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.stat(folder)
        except OSError as reason:
            raise self._failed("written", reason, "make its folder, mode 0700") from reason
        if os.name == "posix" and status.st_mode & 0o077:
            raise error(
                "invalid_config",
                f"the folder {shown(folder)} of the {self._what} is open to other users (mode "
                f"{stat.S_IMODE(status.st_mode):04o}): run chmod 700 on it, or choose another",
            )

    def _failed(self, what: str, reason: OSError, fix: str) -> TallystickError:
        return failed(self.path, self._what, what, reason, fix)


@dataclass(frozen=True)
class _Found:
    """A version whose file is held open."""

    document: Document
    descriptor: int | None

    def is_at(self, path: Path) -> bool:
        """Tell whether the version's file is still there; true if it has none."""
        if self.descriptor is None:
            return True
        status = _stat(path)
        return status is not None and os.path.samestat(status, os.fstat(self.descriptor))

    def close(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


def _empty(path: Path) -> None:
    """Empty a file and leave its name, which still stops slow writers."""
    if (status := _stat(path)) is None or status.st_size == 0:
        return
    # Not by a rename, which would make the name anew if it was given up meanwhile.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _status(path: Path) -> Status | None:
    status = _stat(path)
    if status is None:
        return None
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
