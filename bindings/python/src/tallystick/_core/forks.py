"""What survives a fork and what does not.

In a forked child a Go runtime hangs, a lock that another thread held stays locked, and
SQLite's records of file locks are wrong. Whatever owns one of these is :class:`ForkAware`
and starts afresh in the child.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Protocol

    class AnyLock(Protocol):
        """A lock of :mod:`threading`."""

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
        def release(self) -> None: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, kind: Any, reason: Any, trace: Any, /) -> None: ...


__all__ = ["ForkAware", "LockedAcrossForks", "entered_child_unannounced", "keep_forever"]


class ForkAware:
    """Something that is told about forks as long as it is alive.

    Subclasses call ``super().__init__()`` and override what they need. ``_pid`` is the process that
    it was made in or told of last.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        key = id(self)
        _members[key] = weakref.ref(self, lambda _: _members.pop(key, None))

    def before_fork(self) -> None:
        """Runs in the forking thread, before the fork."""

    def after_fork_in_parent(self) -> None:
        """Runs in the forking thread, after the fork."""

    def after_fork_in_child(self) -> None:
        """Runs in the child's only thread: replace locks, forget what died."""


class LockedAcrossForks(ForkAware):
    """Owns a lock, ``_lock``, that the forking thread holds during a fork.

    So no other thread is inside the code that the lock guards: what it held in there would
    never be released in the child. After ``PATIENCE`` seconds the fork goes on without the
    lock.
    """

    PATIENCE = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._lock = self._new_lock()
        self._forker: int | None = None

    @staticmethod
    def _new_lock() -> AnyLock:
        return threading.Lock()

    @property
    def _held_for_fork(self) -> bool:
        return self._forker == threading.get_ident()

    def before_fork(self) -> None:
        if self._lock.acquire(timeout=self.PATIENCE):
            self._forker = threading.get_ident()

    def after_fork_in_parent(self) -> None:
        if self._held_for_fork:
            self._forker = None
            self._lock.release()

    def after_fork_in_child(self) -> None:
        self._lock = self._new_lock()
        self._forker = None


# A dict and not a WeakSet: its values are copied in one step, whatever other threads
# create meanwhile, and an exception in a hook of fork is only printed.
_members: dict[int, weakref.ref[ForkAware]] = {}
_child_locks: dict[int, threading.Lock] = {}
_pid = os.getpid()


def _alive() -> list[ForkAware]:
    members = [reference() for reference in list(_members.values())]
    return [member for member in members if member is not None]


def _before() -> None:
    for member in _alive():
        member.before_fork()


def _after_in_parent() -> None:
    for member in _alive():
        member.after_fork_in_parent()


def _after_in_child() -> None:
    global _pid
    members = _alive()
    for member in members:
        member.after_fork_in_child()
    _pid = os.getpid()
    for member in members:
        member._pid = _pid  # noqa: SLF001


def entered_child_unannounced() -> None:
    """Do the child's work when a server forked without Python's hooks.

    uWSGI does so by default. Cheap (one ``getpid``) where nothing is to be done.
    """
    pid = os.getpid()
    if pid == _pid:
        return
    # A thread that is not here may hold a lock of the parent; this lock is made in this
    # process. dict.setdefault is atomic.
    with _child_locks.setdefault(pid, threading.Lock()):
        if pid != _pid:
            _after_in_child()


def keep_forever(inherited: object) -> None:
    """Keep the destructor of an object of the parent from ever running in the child."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=_after_in_parent,
        after_in_child=_after_in_child,
    )
