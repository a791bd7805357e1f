"""Files with secrets: one writer at a time, whole or not at all, for their owner alone."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from typing import TYPE_CHECKING

from tallystick.errors import TallystickError, error
from tallystick.forks import LockedAcrossForks, entered_child_unannounced

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["PrivateFile"]

MAX_SIZE = 8 << 20
"""Bytes that are read of a file: what fits, escaped, into one request of the ABI."""

PATIENCE = 30.0
"""Seconds to wait for another process that changes the file."""

Stamp = tuple[int, int, int, int]


class _InProcess(LockedAcrossForks):
    """The lock among threads: a POSIX lock is the whole process's, and no child's."""

    @property
    def lock(self) -> threading.Lock:
        return self._lock


_in_process = _InProcess()


class PrivateFile:
    """A text file of mode 0600 in a folder of mode 0700.

    ``what`` names it in errors, such as ``key ring``. Every failure is an
    ``invalid_config`` that names the file and the fix; what was in the file stays.
    Used by any number of processes. Thread-safe and fork-safe: it holds no state.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        self._what = what

    def read(self) -> str | None:
        """Return the text; ``None`` where there is no file."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with open(descriptor, "rb") as file:
                self._check(os.fstat(descriptor))
                content = file.read(MAX_SIZE + 1)
        except FileNotFoundError:
            return None
        except OSError as reason:
            raise self._failed("read", reason, "let this user read it") from reason
        if len(content) > MAX_SIZE:
            raise self.wrong(f"is over {MAX_SIZE} bytes", "move it away")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self.wrong(
                "is not UTF-8 text", "restore it from a copy or move it away"
            ) from None

    def stamp(self) -> Stamp | None:
        """Return what changes when the file does; ``None`` where there is none."""
        try:
            status = os.stat(self.path)
        except OSError:
            return None
        # Each write makes a new file, so the inode alone tells two apart.
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes and threads from changing the file meanwhile.

        The lock is on a file of its own, ``.NAME.lock``, and ends with its holder.
        """
        entered_child_unannounced()
        with _in_process.lock, self._locked_for_others():
            yield

    @contextlib.contextmanager
    def _locked_for_others(self) -> Iterator[None]:
        self._make_folder()
        lock = self.path.with_name(f".{self.path.name}.lock")
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as reason:
            raise self._failed("locked", reason, "let this user write to its folder") from reason
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def write(self, text: str, since: Stamp | None) -> None:
        """Replace the file, or leave it as it was.

        ``since`` is its stamp when it was read. Another language's binding has a lock of
        its own: what that changed meanwhile is not overwritten.
        """

        def replace(temporary: str, path: Path) -> None:
            if self.stamp() != since:
                raise self.wrong("was changed by another program meanwhile", "do it once more")
            os.replace(temporary, path)

        self._place(text, replace)

    def create(self, text: str) -> bool:
        """Make the file; ``False`` where one appeared meanwhile, which stays."""
        try:
            self._place(text, os.link)
        except FileExistsError:
            return False
        return True

    def wrong(self, problem: str, fix: str) -> TallystickError:
        """Make the error that names the file, what is wrong with it and what to do."""
        return error("invalid_config", f"the {self._what} {self.path} {problem}: {fix}")

    def _place(self, text: str, place: Callable[[str, Path], None]) -> None:
        self._make_folder()
        temporary = ""
        try:
            # mkstemp makes it 0600 and never follows what lies there.
            descriptor, temporary = tempfile.mkstemp(
                prefix=f".{self.path.name}.", dir=self.path.parent
            )
            with open(descriptor, "wb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(descriptor)
            place(temporary, self.path)
        except FileExistsError:
            raise
        except OSError as reason:
            fix = "free space there and let this user write to its folder; nothing was changed"
            raise self._failed("written", reason, fix) from reason
        finally:
            if temporary:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        self._keep()

    def _keep(self) -> None:
        """Make the new name survive a loss of power."""
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

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
                f"the folder {folder} of the {self._what} is open to other users (mode "
                f"{stat.S_IMODE(status.st_mode):04o}): run chmod 700 on it, or choose another",
            )

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self.wrong("is not a regular file", "move it away")
        if os.name == "posix" and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise self.wrong(
                f"is open to other users (mode {mode:04o})",
                "run chmod 600 on it, and rotate its keys if others may have read them",
            )

    def _wait_for(self, descriptor: int) -> None:
        try:
            import fcntl
        except ImportError:
            raise self.wrong(
                "cannot be locked on this system", "use one with POSIX locks"
            ) from None
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                if time.monotonic() > end:
                    raise self.wrong(
                        f"was locked by another process for {PATIENCE:g} seconds",
                        "see which process holds it",
                    ) from None
                time.sleep(0.01)
            except OSError as reason:
                raise self._failed("locked", reason, "keep it on a local disk") from reason
            else:
                return

    def _failed(self, what: str, reason: OSError, fix: str) -> TallystickError:
        return self.wrong(f"cannot be {what} ({reason.strerror or type(reason).__name__})", fix)
