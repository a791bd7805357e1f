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

import random
import time
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tallystick.stores.base import MAX_VALUE
from tallystick.testing.processes import (
    LOAD,
    Attempt,
    FoundError,
    Processes,
    StoreTestError,
    new_ids,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["StoreTestError", "check_store"]

KEPT = 120
"""Seconds for which ids are claimed, unless a check is about them."""

_WRONG_IDS = ("", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n", b"0" * 32, None, 7)
_WRONG_SECONDS = (0, -1, 1.5, True, "60", None, 2**31 + 1)


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
    with Processes(open_store, processes, -(-claimants // processes)) as them:
        outages = _Outages(timeout, pause, resume, restart)
        for name, check in _checks(them, ids, outages):
            began = time.monotonic()
            try:
                check()
            except FoundError as found:
                raise StoreTestError(name, str(found)) from None
            if progress is not None:
                progress(f"{name}: passed in {time.monotonic() - began:.1f} s")


class _Outages(NamedTuple):
    timeout: float
    pause: Callable[[], object] | None
    resume: Callable[[], object] | None
    restart: Callable[[], object] | None


def _checks(
    them: Processes, ids: int, outages: _Outages
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


def _one_of_many(them: Processes, claim: str, ids: int) -> None:
    attempts = them.all("race", claim, new_ids(ids), KEPT)
    wins: dict[str, int] = defaultdict(int)
    for attempt in attempts:
        wins[attempt.id] += _claimed(attempt)
    for winners in wins.values():
        if winners != 1:
            raise FoundError(
                f"of {len(attempts) // ids} claimants of one id, {winners} were told that it was "
                "free: claim must be one atomic step for all processes"
            )


def _others_are_free(them: Processes, claim: str) -> None:
    # They differ in one digit each.
    (first,) = new_ids(1)
    others = [f"{first[:n]}{int(first[n], 16) ^ 1:x}{first[n + 1 :]}" for n in range(32)]
    for key in (first, *others):
        if not _claimed(them.call(0, claim, key, KEPT)):
            raise FoundError("an id that nobody claimed was not free")


def _are_kept(them: Processes, claims: Sequence[str]) -> None:
    # On a machine that is busy the second claim may come too late to tell anything.
    for _ in range(5):
        firsts = {claim: them.call(0, claim, *new_ids(1), 2) for claim in claims}
        if not all(map(_claimed, firsts.values())):
            raise FoundError("an id that nobody claimed was not free")
        _sleep_until(min(first.began for first in firsts.values()) + 1.5)
        seconds = {claim: them.call(-1, claim, firsts[claim].id, 2) for claim in claims}
        told = [c for c in claims if seconds[c].began + seconds[c].took < firsts[c].began + 2]
        for claim in told:
            if _claimed(seconds[claim]):
                raise FoundError("an id that was claimed for 2 s was free again after 1.5 s")
        if len(told) == len(claims):
            break
    # Then they may be free or taken, and a claim is answered.
    time.sleep(3)
    for claim in claims:
        _claimed(them.call(0, claim, firsts[claim].id, 2))


def _values(them: Processes, a: str) -> None:
    unknown, key = new_ids(2)
    for method in (f"{a}get", f"{a}take"):
        _expect(them.call(0, method, unknown), None, "there is no value")
    for value in (b"", b"\0\xff\n" * 5, random.randbytes(MAX_VALUE)):  # noqa: S311
        _expect(them.call(0, f"{a}put", key, value, KEPT), None, "it returns None")
        _expect(them.call(-1, f"{a}get", key), value, "another process put this value")
    if not _claimed(them.call(0, f"{a}claim", key, KEPT)):
        raise FoundError("putting a value has claimed its id: they must be apart")
    _expect(them.call(0, f"{a}take", key), value, "it was put")
    _expect(them.call(-1, f"{a}get", key), None, "the value was taken")


def _one_takes(them: Processes, a: str, ids: int) -> None:
    values = {key: key.encode() for key in new_ids(max(1, ids // 10))}
    for key, value in values.items():
        _expect(them.call(0, f"{a}put", key, value, KEPT), None, "it returns None")
    taken: dict[str, int] = defaultdict(int)
    for attempt in them.all("race", f"{a}take", list(values)):
        if attempt.answer is not None or attempt.raised:
            _expect(attempt, values[attempt.id], "it was put")
            taken[attempt.id] += 1
    wrong = [taken[key] for key in values if taken[key] != 1]
    if wrong:
        raise FoundError(f"{wrong[0]} took one value: take must be one atomic step")


def _values_go(them: Processes, values: Sequence[str]) -> None:
    keys = dict(zip(values, new_ids(len(values)), strict=True))
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


def _refuses_wrong(them: Processes) -> None:
    (key,) = new_ids(1)
    calls: list[tuple[Any, ...]] = [("claim", wrong, 60) for wrong in _WRONG_IDS]
    calls += [("claim", key, wrong) for wrong in _WRONG_SECONDS]
    calls += [("put", key, b"", wrong) for wrong in _WRONG_SECONDS]
    calls += [("put", key, wrong, 60) for wrong in ("text", None, bytes(MAX_VALUE + 1))]
    calls += [(method, wrong) for method in ("get", "take") for wrong in _WRONG_IDS]
    for method, *arguments in calls:
        if not them.call(0, method, *arguments).raised.startswith("InvalidArgumentError"):
            said = ", ".join(repr(each)[:50] for each in arguments)
            raise FoundError(f"{method}({said}) did not raise invalid_argument")


def _hangs(them: Processes, outages: _Outages) -> None:
    if outages.pause is None or outages.resume is None:
        return
    outages.pause()
    try:
        attempts = them.all("spread", KEPT)
    finally:
        outages.resume()
    for attempt in attempts:
        if not attempt.raised:
            raise FoundError(
                f"claim returned {attempt.answer!r} while its server hung: it must raise"
            )
    _in_time(attempts, outages.timeout)
    them.all("recover", KEPT)
    # The server may have made the claims that it did not answer.
    for attempt in attempts:
        if sum(_claimed(them.call(each, "claim", attempt.id, KEPT)) for each in (0, -1)) > 1:
            raise FoundError("an id that was claimed while the server hung was free twice")


def _restarts(them: Processes, outages: _Outages) -> None:
    if outages.restart is None:
        return
    ids = new_ids(2000)
    with them.during("load", ids, KEPT) as attempts:
        time.sleep(LOAD / 3)
        outages.restart()
    _in_time(attempts, outages.timeout)
    them.all("recover", KEPT)
    attempts += [them.call(0, "claim", each.id, KEPT) for each in attempts if each.answer is True]
    accepted: dict[str, Attempt] = {}
    for attempt in sorted(attempts, key=lambda each: each.began):
        if attempt.raised or not _claimed(attempt):
            continue
        before = accepted.get(attempt.id)
        if before is not None and (attempt.lost_at or 0) < before.began:
            raise FoundError(
                "an id that was claimed around the restart was free once more: what a store "
                "forgets it must tell in lost_at"
            )
        accepted[attempt.id] = attempt
    if not accepted:
        raise FoundError("no claim was answered")


def _claimed(attempt: Attempt) -> bool:
    if attempt.raised:
        raise FoundError(f"a call raised {attempt.raised}")
    if attempt.answer is True or attempt.answer is False:
        return attempt.answer
    raise FoundError(f"claim returned {attempt.answer!r}: it must return True or False")


def _expect(attempt: Attempt, answer: bytes | None, why: str) -> None:
    if attempt.raised:
        raise FoundError(f"a call raised {attempt.raised}")
    if attempt.answer != answer:
        raise FoundError(f"a call returned {attempt.answer!r:.60}, not {answer!r:.60}: {why}")


def _in_time(attempts: Iterable[Attempt], timeout: float) -> None:
    longest = max(attempt.took for attempt in attempts)
    if longest > 2 * timeout:
        raise FoundError(f"a call took {longest:.1f} s, and its timeout is {timeout:g} s")


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.time()))
