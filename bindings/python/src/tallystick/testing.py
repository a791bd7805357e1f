"""A test for stores of your own: what agents rely on, asked of several processes at once.

::

    from tallystick.testing import check_store
    from myagent import MyStore

    def open_store():
        return MyStore("dynamodb://used-tokens")

    if __name__ == "__main__":  # each process imports this file
        check_store(open_store, progress=print)
        print("agents may rely on this store")
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import multiprocessing
import random
import threading
import time
import traceback
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.stores.base import MAX_VALUE, BaseStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

__all__ = ["StoreTestError", "check_store"]

KEPT = 120
"""Seconds for which ids are claimed, unless a check is about them."""

LOAD = 3.0
"""Seconds of claims around a restart."""

RECOVERY = 20.0
"""Seconds that a store may take to answer after an outage."""

PATIENCE = 120.0
"""Seconds after which a process counts as hanging."""

_WRONG_IDS = ("", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n", b"0" * 32, None, 7)
_WRONG_SECONDS = (0, -1, 1.5, True, "60", None, 2**31 + 1)


class StoreTestError(AssertionError):
    """A store does not do what agents rely on. ``check`` is the name of what it failed."""

    def __init__(self, check: str, found: str) -> None:
        super().__init__(f"{check}: {found}")
        self.check = check


def check_store(
    open_store: Callable[[], Any],
    *,
    processes: int = 4,
    claimants: int = 64,
    ids: int = 200,
    timeout: float = 2,
    pause: Callable[[], object] | None = None,
    resume: Callable[[], object] | None = None,
    restart: Callable[[], object] | None = None,
    progress: Callable[[str], object] | None = None,
) -> None:
    """Check a store. Raises :class:`StoreTestError` for the first thing that is wrong.

    ``open_store``
        returns the store: any object with ``claim(id, seconds)``, sync or async. Several new
        processes call it, once each, so it is a function of a module, or a ``functools.partial`` of
        one. ``aclaim``, and ``put``, ``get`` and ``take`` (``aput`` ...), are checked where the
        store has them.
    ``processes``, ``claimants``
        how many processes, and how many threads in all of them, claim one id at once.
    ``ids``
        how many ids they fight for.
    ``timeout``
        seconds that the store gives a call. During an outage none may take twice as long.
    ``pause``, ``resume``
        make the store's server hang, and go on; with SIGSTOP and SIGCONT, for example.
    ``restart``
        ends the server at once and starts it again. A store that forgets what was claimed must say
        so afterwards: ``lost_at``, in seconds since 1970, not before the claim it has forgotten.
    ``progress``
        gets a line of text for each check that was passed.

    Takes some 15 s, and more with outages. The processes are spawned, and end with this one.
    """
    with _Processes(open_store, processes, -(-claimants // processes)) as them:
        outages = _Outages(timeout, pause, resume, restart)
        for name, check in _checks(them, ids, outages):
            began = time.monotonic()
            try:
                check()
            except _FoundError as found:
                raise StoreTestError(name, str(found)) from None
            if progress is not None:
                progress(f"{name}: passed in {time.monotonic() - began:.1f} s")


class _FoundError(Exception):
    """What is wrong with the store."""


class _Attempt(NamedTuple):
    """One call. Times are in seconds since 1970.

    ``answer``
        what it returned; a text that names its type in place of what no store may return.
    ``raised``
        what it raised instead.
    """

    id: str
    answer: bool | bytes | str | None
    raised: str
    began: float
    took: float
    lost_at: float | None


class _Outages(NamedTuple):
    timeout: float
    pause: Callable[[], object] | None
    resume: Callable[[], object] | None
    restart: Callable[[], object] | None


def _checks(
    them: _Processes, ids: int, outages: _Outages
) -> Iterator[tuple[str, Callable[[], None]]]:
    claims = [name for name in ("claim", "aclaim") if name in them.has]
    values = [a for a in ("", "a") if {f"{a}put", f"{a}get", f"{a}take"} <= them.has]
    if "setting" in them.has:
        yield "wrong arguments are refused", partial(_refuses_wrong, them)
    for claim in claims:
        yield f"{claim}: one of many gets an id", partial(_one_of_many, them, claim, ids)
        yield f"{claim}: other ids are free", partial(_others_are_free, them, claim)
    yield "an id is kept for its seconds", partial(_are_kept, them, claims)
    for a in values:
        yield f"{a}put, {a}get, {a}take", partial(_values, them, a)
        yield f"{a}take: one of many gets a value", partial(_one_takes, them, a, ids)
    if values:
        yield "a value is gone after its seconds", partial(_values_go, them, values)
    if outages.pause is not None and outages.resume is not None:
        yield "a server that hangs", partial(_hangs, them, outages)
    if outages.restart is not None:
        yield "a server that restarts", partial(_restarts, them, outages)


def _one_of_many(them: _Processes, claim: str, ids: int) -> None:
    attempts = them.all("race", claim, _new_ids(ids), KEPT)
    wins: dict[str, int] = defaultdict(int)
    for attempt in attempts:
        wins[attempt.id] += _claimed(attempt)
    for winners in wins.values():
        if winners != 1:
            raise _FoundError(
                f"of {len(attempts) // ids} claimants of one id, {winners} were told that it was "
                "free: claim must be one atomic step for all processes"
            )


def _others_are_free(them: _Processes, claim: str) -> None:
    # They differ in one digit each.
    (first,) = _new_ids(1)
    others = [f"{first[:n]}{int(first[n], 16) ^ 1:x}{first[n + 1 :]}" for n in range(32)]
    for key in (first, *others):
        if not _claimed(them.call(0, claim, key, KEPT)):
            raise _FoundError("an id that nobody claimed was not free")


def _are_kept(them: _Processes, claims: Sequence[str]) -> None:
    # On a machine that is busy the second claim may come too late to tell anything.
    for _ in range(5):
        firsts = {claim: them.call(0, claim, *_new_ids(1), 2) for claim in claims}
        if not all(map(_claimed, firsts.values())):
            raise _FoundError("an id that nobody claimed was not free")
        _sleep_until(min(first.began for first in firsts.values()) + 1.5)
        seconds = {claim: them.call(-1, claim, firsts[claim].id, 2) for claim in claims}
        told = [c for c in claims if seconds[c].began + seconds[c].took < firsts[c].began + 2]
        for claim in told:
            if _claimed(seconds[claim]):
                raise _FoundError("an id that was claimed for 2 s was free again after 1.5 s")
        if len(told) == len(claims):
            break
    # Then they may be free or taken, and a claim is answered.
    time.sleep(3)
    for claim in claims:
        _claimed(them.call(0, claim, firsts[claim].id, 2))


def _values(them: _Processes, a: str) -> None:
    unknown, key = _new_ids(2)
    for method in (f"{a}get", f"{a}take"):
        _expect(them.call(0, method, unknown), None, "there is no value")
    for value in (b"", b"\0\xff\n" * 5, random.randbytes(MAX_VALUE)):  # noqa: S311
        _expect(them.call(0, f"{a}put", key, value, KEPT), None, "it returns None")
        _expect(them.call(-1, f"{a}get", key), value, "another process put this value")
    if not _claimed(them.call(0, f"{a}claim", key, KEPT)):
        raise _FoundError("putting a value has claimed its id: they must be apart")
    _expect(them.call(0, f"{a}take", key), value, "it was put")
    _expect(them.call(-1, f"{a}get", key), None, "the value was taken")


def _one_takes(them: _Processes, a: str, ids: int) -> None:
    values = {key: key.encode() for key in _new_ids(max(1, ids // 10))}
    for key, value in values.items():
        _expect(them.call(0, f"{a}put", key, value, KEPT), None, "it returns None")
    taken: dict[str, int] = defaultdict(int)
    for attempt in them.all("race", f"{a}take", list(values)):
        if attempt.answer is not None or attempt.raised:
            _expect(attempt, values[attempt.id], "it was put")
            taken[attempt.id] += 1
    wrong = [taken[key] for key in values if taken[key] != 1]
    if wrong:
        raise _FoundError(f"{wrong[0]} took one value: take must be one atomic step")


def _values_go(them: _Processes, values: Sequence[str]) -> None:
    keys = dict(zip(values, _new_ids(len(values)), strict=True))
    puts = {a: them.call(0, f"{a}put", keys[a], b"value", 2) for a in values}
    _sleep_until(min(put.began for put in puts.values()) + 1)
    for a, put in puts.items():
        found = them.call(-1, f"{a}get", keys[a])
        if found.began + found.took < put.began + 2:
            _expect(found, b"value", "it was put for 2 s, 1 s ago")
    time.sleep(2.5)
    for a in values:
        for method in (f"{a}get", f"{a}take"):
            _expect(them.call(0, method, keys[a]), None, "it was put for 2 s, over 3 s ago")


def _refuses_wrong(them: _Processes) -> None:
    (key,) = _new_ids(1)
    calls: list[tuple[Any, ...]] = [("claim", wrong, 60) for wrong in _WRONG_IDS]
    calls += [("claim", key, wrong) for wrong in _WRONG_SECONDS]
    calls += [("put", key, b"", wrong) for wrong in _WRONG_SECONDS]
    calls += [("put", key, wrong, 60) for wrong in ("text", None, bytes(MAX_VALUE + 1))]
    calls += [(method, wrong) for method in ("get", "take") for wrong in _WRONG_IDS]
    for method, *arguments in calls:
        if not them.call(0, method, *arguments).raised.startswith("InvalidArgumentError"):
            said = ", ".join(repr(each)[:50] for each in arguments)
            raise _FoundError(f"{method}({said}) did not raise invalid_argument")


def _hangs(them: _Processes, outages: _Outages) -> None:
    if outages.pause is None or outages.resume is None:
        return
    outages.pause()
    try:
        attempts = them.all("spread", KEPT)
    finally:
        outages.resume()
    for attempt in attempts:
        if not attempt.raised:
            raise _FoundError(
                f"claim returned {attempt.answer!r} while its server hung: it must raise"
            )
    _in_time(attempts, outages.timeout)
    them.all("recover", KEPT)
    # The server may have made the claims that it did not answer.
    for attempt in attempts:
        if sum(_claimed(them.call(each, "claim", attempt.id, KEPT)) for each in (0, -1)) > 1:
            raise _FoundError("an id that was claimed while the server hung was free twice")


def _restarts(them: _Processes, outages: _Outages) -> None:
    if outages.restart is None:
        return
    ids = _new_ids(2000)
    with them.during("load", ids, KEPT) as attempts:
        time.sleep(LOAD / 3)
        outages.restart()
    _in_time(attempts, outages.timeout)
    them.all("recover", KEPT)
    attempts += [them.call(0, "claim", each.id, KEPT) for each in attempts if each.answer is True]
    accepted: dict[str, _Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: each.began):
        if attempt.raised or not _claimed(attempt):
            continue
        before = accepted.get(attempt.id)
        if before is not None and (attempt.lost_at or 0) < before.began:
            raise _FoundError(
                "an id that was claimed around the restart was free once more: what a store "
                "forgets it must tell in lost_at"
            )
        accepted[attempt.id] = attempt
    if not accepted:
        raise _FoundError("no claim was answered")


def _claimed(attempt: _Attempt) -> bool:
    if attempt.raised:
        raise _FoundError(f"a call raised {attempt.raised}")
    if attempt.answer is True or attempt.answer is False:
        return attempt.answer
    raise _FoundError(f"claim returned {attempt.answer!r}: it must return True or False")


def _expect(attempt: _Attempt, answer: bytes | None, why: str) -> None:
    if attempt.raised:
        raise _FoundError(f"a call raised {attempt.raised}")
    if attempt.answer != answer:
        raise _FoundError(f"a call returned {attempt.answer!r:.60}, not {answer!r:.60}: {why}")


def _in_time(attempts: Iterable[_Attempt], timeout: float) -> None:
    longest = max(attempt.took for attempt in attempts)
    if longest > 2 * timeout:
        raise _FoundError(f"a call took {longest:.1f} s, and its timeout is {timeout:g} s")


def _new_ids(count: int) -> list[str]:
    return [random.randbytes(16).hex() for _ in range(count)]  # noqa: S311


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.time()))


class _Processes:
    """The processes that ask the store."""

    def __init__(self, open_store: Callable[[], Any], processes: int, claimants: int) -> None:
        context = multiprocessing.get_context("spawn")
        # Kept: it is gone with its last reference in this process.
        self._meeting = context.Barrier(processes)
        self._pipes, self._ends = zip(*(context.Pipe() for _ in range(processes)), strict=True)
        self._processes = [
            context.Process(
                target=_serve, args=(end, open_store, claimants, self._meeting), daemon=True
            )
            for end in self._ends
        ]
        self.has: set[str] = set()
        """The methods that the store has."""

    def __enter__(self) -> _Processes:
        for process, end in zip(self._processes, self._ends, strict=True):
            process.start()
            end.close()
        try:
            for pipe in self._pipes:
                self.has = set(_received(pipe))
        except BaseException as reason:
            self.__exit__()
            if isinstance(reason, _FoundError):
                raise StoreTestError("open_store", str(reason)) from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        for process in self._processes:
            process.join(5)
            process.kill()
            process.join()
        for pipe in self._pipes:
            pipe.close()

    def call(self, number: int, method: str, *arguments: Any) -> _Attempt:
        """Have one process call a method."""
        self._pipes[number].send(("call", (method, *arguments)))
        attempt: _Attempt = _received(self._pipes[number])
        return attempt

    def all(self, task: str, *arguments: Any) -> list[_Attempt]:
        """Have all processes do a task at the same time."""
        with self.during(task, *arguments) as attempts:
            pass
        return attempts

    @contextlib.contextmanager
    def during(self, task: str, *arguments: Any) -> Iterator[list[_Attempt]]:
        """Do something while all processes do a task; the list is filled afterwards."""
        for pipe in self._pipes:
            pipe.send((task, arguments))
        attempts: list[_Attempt] = []
        yield attempts
        for pipe in self._pipes:
            attempts.extend(_received(pipe))


def _received(pipe: Connection) -> Any:
    if not pipe.poll(PATIENCE):
        raise _FoundError("a process hangs in a call of the store")
    try:
        passed, result = pipe.recv()
    except EOFError:
        raise _FoundError("a process that used the store has died") from None
    if not passed:
        raise _FoundError(f"a process failed:\n{result}")
    return result


def _serve(
    pipe: Connection, open_store: Callable[[], Any], claimants: int, meeting: Barrier
) -> None:
    """Do the tasks of one process."""
    try:
        worker = _Worker(open_store(), claimants, meeting)
        pipe.send((True, worker.has))
        while (task := pipe.recv()) is not None:
            name, arguments = task
            pipe.send((True, getattr(worker, name)(*arguments)))
        worker.close()
    except EOFError:
        return
    except BaseException:
        pipe.send((False, traceback.format_exc()))


class _Worker:
    """One process. An async method runs in one event loop, as in an agent."""

    def __init__(self, store: Any, claimants: int, meeting: Barrier) -> None:
        self._store = store
        self._claimants = claimants
        self._meeting = meeting
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @property
    def has(self) -> set[str]:
        """The methods that the store has; ``setting``: it is one of this package."""
        names = {
            "claim",
            *(a + name for a in ("", "a") for name in ("claim", "put", "get", "take")),
        }
        found = {name for name in names if callable(getattr(self._store, name, None))}
        return {*found, "setting"} if isinstance(self._store, BaseStore) else found

    def close(self) -> None:
        for name in ("aclose", "close"):
            if callable(getattr(self._store, name, None)):
                self.call(name)

    def call(self, method: str, *arguments: Any) -> _Attempt:
        began, clock = time.time(), time.monotonic()
        answer, raised = None, ""
        try:
            answer = getattr(self._store, method)(*arguments)
            if inspect.isawaitable(answer):
                answer = asyncio.run_coroutine_threadsafe(_awaited(answer), self._loop).result()
        except Exception as reason:
            raised = f"{type(reason).__name__}: {reason}"
        if not isinstance(answer, (bool, bytes, type(None))):
            answer = f"an object of {type(answer).__name__}"
        took = time.monotonic() - clock
        key = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        return _Attempt(key, answer, raised, began, took, getattr(self._store, "lost_at", None))

    def race(self, method: str, ids: Sequence[str], *arguments: Any) -> list[_Attempt]:
        """Have all threads of all processes call with the same id at the same moment."""
        gate = threading.Barrier(self._claimants, action=self._meet)

        def claimant(_: int) -> list[_Attempt]:
            attempts = []
            for key in ids:
                gate.wait(PATIENCE)
                attempts.append(self.call(method, key, *arguments))
            return attempts

        return self._threads(claimant)

    def _meet(self) -> None:
        self._meeting.wait(PATIENCE)

    def spread(self, seconds: int) -> list[_Attempt]:
        """Have each thread claim an id of its own."""
        return self._threads(lambda _: [self.call("claim", *_new_ids(1), seconds)])

    def load(self, ids: Sequence[str], seconds: int) -> list[_Attempt]:
        """Have all threads claim some of these ids again and again; return all but refusals."""
        end = time.monotonic() + LOAD

        def claimant(_: int) -> list[_Attempt]:
            attempts = []
            while time.monotonic() < end:
                attempt = self.call("claim", random.choice(ids), seconds)  # noqa: S311
                if attempt.answer is not False:
                    attempts.append(attempt)
                time.sleep(0.01 if attempt.raised else 0)
            return attempts

        return self._threads(claimant)

    def recover(self, seconds: int) -> list[_Attempt]:
        """Claim until it is answered."""
        end = time.monotonic() + RECOVERY
        while True:
            attempt = self.call("claim", *_new_ids(1), seconds)
            if attempt.answer is True:
                return [attempt]
            if time.monotonic() > end:
                raise RuntimeError(f"it does not answer after an outage: {attempt.raised}")
            time.sleep(0.05)

    def _threads(self, claimant: Callable[[int], list[_Attempt]]) -> list[_Attempt]:
        with ThreadPoolExecutor(self._claimants) as pool:
            return [each for found in pool.map(claimant, range(self._claimants)) for each in found]


async def _awaited(answer: Any) -> Any:
    return await answer
