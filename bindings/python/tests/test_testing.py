"""The test for stores: it passes those that are good, and names what is wrong with the others."""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tallystick import SQLiteStore
from tallystick.testing import StoreTestError, check_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.medium


class Files:
    """A whole store for the processes of a machine. It keeps everything for ever."""

    lost_at: float | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self, id: str, seconds: int) -> Any:
        self.look()
        try:
            os.close(os.open(self.folder / id, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def look(self) -> None:
        if (self.folder / "down").exists():
            raise ConnectionError("down")


class Asynchronous(Files):
    async def claim(self, id: str, seconds: int) -> Any:
        await asyncio.sleep(0)
        return super().claim(id, seconds)


class NotAtomic(Files):
    def claim(self, id: str, seconds: int) -> bool:
        if (self.folder / id).exists():
            return False
        (self.folder / id).touch()
        return True


class ForgetsEarly(Files):
    def claim(self, id: str, seconds: int) -> bool:
        path = self.folder / id
        if path.exists() and path.stat().st_mtime < time.time() - 1:
            path.unlink(missing_ok=True)
        return bool(super().claim(id, seconds))


class ReturnsOne(Files):
    def claim(self, id: str, seconds: int) -> int:
        return int(super().claim(id, seconds))


class ReturnsNothing(Files):
    def claim(self, id: str, seconds: int) -> None:
        super().claim(id, seconds)


class TakesTheBeginning(Files):
    def claim(self, id: str, seconds: int) -> Any:
        return super().claim(id[:31], seconds)


class Raises(Files):
    def claim(self, id: str, seconds: int) -> bool:
        raise KeyError(id)


class Dies(Files):
    def claim(self, id: str, seconds: int) -> bool:
        os._exit(1)


class Opens(Files):
    def __init__(self, folder: Path) -> None:
        raise ConnectionError("nothing listens there")


class PassesWhenDown(Files):
    def look(self) -> None:
        pass


class HangsWhenDown(Files):
    def look(self) -> None:
        while (self.folder / "down").exists():
            time.sleep(0.01)


class SlowWhenDown(Files):
    def look(self) -> None:
        if (self.folder / "down").exists():
            time.sleep(1.5)
        super().look()


class TellsLoss(Files):
    def claim(self, id: str, seconds: int) -> Any:
        claimed = super().claim(id, seconds)
        lost = self.folder / "lost"
        if lost.exists():
            self.lost_at = lost.stat().st_mtime
        return claimed


class Values(Files):
    """Values in files beside the claims."""

    def put(self, id: str, value: bytes, seconds: int) -> None:
        written = self.folder / f"{id}.{os.urandom(8).hex()}"
        written.write_bytes(value)
        until = time.time() + seconds
        os.utime(written, (until, until))
        written.rename(self.folder / f"{id}.value")

    def get(self, id: str) -> bytes | None:
        return self.read(self.folder / f"{id}.value")

    def take(self, id: str) -> bytes | None:
        taken = self.folder / f"{id}.{os.urandom(8).hex()}"
        try:
            (self.folder / f"{id}.value").rename(taken)
        except FileNotFoundError:
            return None
        return self.read(taken)

    def read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes() if path.stat().st_mtime > time.time() else None
        except FileNotFoundError:
            return None


class TakeIsTwoSteps(Values):
    def take(self, id: str) -> bytes | None:
        found = self.get(id)
        time.sleep(0.002)
        (self.folder / f"{id}.value").unlink(missing_ok=True)
        return found


class ValuesStay(Values):
    def read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


class ValuesAreClaims(Values):
    def put(self, id: str, value: bytes, seconds: int) -> None:
        super().put(id, value, seconds)
        self.claim(id, seconds)


class ValuesAreText(Values):
    def put(self, id: str, value: bytes, seconds: int) -> None:
        super().put(id, value.decode(errors="replace").encode(), seconds)


def sqlite(path: Path) -> SQLiteStore:
    return SQLiteStore(path)


class TakesAnyId(SQLiteStore):
    def claim(self, id: str, seconds: int) -> bool:
        return super().claim(id if isinstance(id, str) and len(id) == 32 else "0" * 32, seconds)


def check(open_store: Callable[[], Any], **options: Any) -> list[str]:
    lines: list[str] = []
    options = {"processes": 2, "claimants": 8, "ids": 20, **options}
    check_store(open_store, progress=lines.append, **options)
    return [line.partition(": passed")[0] for line in lines]


CLAIM = ["claim: one of many gets an id", "claim: other ids are free"]
KEPT = "an id is kept for its seconds"
VALUES = ["put, get, take", "take: one of many gets a value"]
GONE = "a value is gone after its seconds"


@pytest.mark.parametrize("store", [Files, Asynchronous])
def test_a_good_store_passes(store: type[Files], tmp_path: Path) -> None:
    assert check(partial(store, tmp_path)) == [*CLAIM, KEPT]


def test_values_are_checked_where_there_are_some(tmp_path: Path) -> None:
    assert check(partial(Values, tmp_path)) == [*CLAIM, KEPT, *VALUES, GONE]


def test_a_store_of_this_package_passes_with_all_its_methods(tmp_path: Path) -> None:
    passed = check(partial(sqlite, tmp_path / "store.sqlite3"))
    assert passed == [
        "wrong arguments are refused",
        *CLAIM,
        *(line.replace("claim", "aclaim") for line in CLAIM),
        KEPT,
        *VALUES,
        "aput, aget, atake",
        "atake: one of many gets a value",
        GONE,
    ]


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (NotAtomic, "claim: one of many gets an id: of 8 claimants of one id, [2-8] were told"),
        (ForgetsEarly, "an id is kept for its seconds: .* free again after 1.5 s"),
        (ReturnsOne, "one of many gets an id: claim returned 'an object of int'"),
        (ReturnsNothing, "one of many gets an id: claim returned None"),
        (TakesTheBeginning, "claim: other ids are free"),
        (Raises, "one of many gets an id: a call raised KeyError"),
        (Dies, "one of many gets an id: a process that used the store has died"),
        (Opens, "(?s)open_store: a process failed.*nothing listens there"),
        (TakeIsTwoSteps, "take: one of many gets a value: [2-8] took one value"),
        (ValuesStay, "a value is gone after its seconds: .* over 3 s ago"),
        (ValuesAreClaims, "put, get, take: putting a value has claimed its id"),
        (ValuesAreText, "put, get, take: a call returned .*: another process put this value"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_broken_store_fails(store: type[Files], says: str, tmp_path: Path) -> None:
    with pytest.raises(StoreTestError, match=says) as failed:
        check(partial(store, tmp_path))
    assert failed.value.check in str(failed.value)


def test_a_store_of_this_package_must_refuse_wrong_ids(tmp_path: Path) -> None:
    with pytest.raises(StoreTestError, match=r"claim\(''\, 60\) did not raise invalid_argument"):
        check(partial(TakesAnyId, tmp_path / "store.sqlite3"))


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (PassesWhenDown, "a server that hangs: claim returned True"),
        (HangsWhenDown, "a server that hangs: a process hangs"),
        (SlowWhenDown, "a server that hangs: a call took 1.5 s, and its timeout is 0.5 s"),
    ],
)
def test_an_outage_is_no_pass_and_no_wait(
    store: type[Files], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.testing.processes.PATIENCE", 6)
    outage = {"pause": (tmp_path / "down").touch, "resume": (tmp_path / "down").unlink}
    with pytest.raises(StoreTestError, match=says):
        check(partial(store, tmp_path), **outage, timeout=0.5)


def test_a_store_that_raises_during_an_outage_passes(tmp_path: Path) -> None:
    outage = {"pause": (tmp_path / "down").touch, "resume": (tmp_path / "down").unlink}
    assert check(partial(Files, tmp_path), **outage) == [*CLAIM, KEPT, "a server that hangs"]


def lose(folder: Path) -> None:
    (folder / "down").touch()
    time.sleep(0.1)
    for path in folder.glob("[0-9a-f]" * 32):
        path.unlink()
    (folder / "lost").touch()
    (folder / "down").unlink()


def test_what_a_restart_loses_must_be_told(tmp_path: Path) -> None:
    with pytest.raises(StoreTestError, match=r"a server that restarts: an id .* lost_at"):
        check(partial(Files, tmp_path), restart=partial(lose, tmp_path))


def test_a_restart_that_loses_may_be_told(tmp_path: Path) -> None:
    passed = check(partial(TellsLoss, tmp_path), restart=partial(lose, tmp_path))
    assert passed == [*CLAIM, KEPT, "a server that restarts"]


def be_down(folder: Path) -> None:
    (folder / "down").touch()
    time.sleep(0.3)
    (folder / "down").unlink()


def test_a_restart_that_loses_nothing_needs_no_telling(tmp_path: Path) -> None:
    passed = check(partial(Files, tmp_path), restart=partial(be_down, tmp_path))
    assert passed == [*CLAIM, KEPT, "a server that restarts"]
