"""The SQLite store: atomic, bounded, durable, in time, and never a pass where it fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tallystick
from support import (
    ORIGIN,
    KeyPair,
    agent_app,
    call,
    fork_without_hooks,
    in_child,
    privileged,
    signed_call,
    unprivileged,
)
from tallystick import AgentAuth, OrchestratorClient, SQLiteStore, StoreUnavailableError
from tallystick.stores import sqlite_format
from tallystick.stores.sqlite import default_path
from tallystick.stores.sqlite_file import PRUNE_EVERY, PRUNE_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tallystick.stores.base import Deadline

pytestmark = pytest.mark.medium

NOW = 1_700_000_000


class Clock:
    """The time of this process; ``None`` is the machine's."""

    now: float | None = None
    real = staticmethod(time.time)

    def time(self) -> float:
        return self.real() if self.now is None else self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    clock.now = NOW
    monkeypatch.setattr(time, "time", clock.time)
    return clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = SQLiteStore(path)
    yield store
    store.close()


def key(number: int) -> str:
    return f"{number:032x}"


def delete(path: Path) -> None:
    for file in list(path.parent.iterdir()):
        file.unlink()


def rows(path: Path, table: str = "tallystick_used") -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)


def test_a_claim_is_made_once(store: SQLiteStore) -> None:
    assert store.claim(key(1), 60)
    assert not store.claim(key(1), 60)
    assert not store.claim(key(1), 90)
    assert store.claim(key(2), 60)


def test_another_process_and_a_restart_see_it(store: SQLiteStore, path: Path) -> None:
    assert store.claim(key(1), 60)
    other = SQLiteStore(path)
    assert not other.claim(key(1), 60)
    assert other.claim(key(2), 60)
    store.close()
    other.close()
    assert not store.claim(key(2), 60)
    other.close()


def test_exactly_one_of_many_threads_and_processes_wins(store: SQLiteStore, path: Path) -> None:
    script = (
        "import sys; from tallystick import SQLiteStore\n"
        "store = SQLiteStore(sys.argv[1], timeout=30)\n"
        "store._check(); print(flush=True); sys.stdin.readline()\n"
        "print(*(int(store.claim(f'{n:032x}', 600)) for n in range(200)))"
    )
    command = [sys.executable, "-c", script, str(path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    wins = [0] * 200
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            claims = pool.map(lambda n: store.claim(key(n), 600), range(200))
            wins = [a + b for a, b in zip(wins, claims, strict=True)]
    for process in processes:
        output, _ = process.communicate()
        wins = [a + int(b) for a, b in zip(wins, output.split(), strict=True)]
    assert wins == [1] * 200


def test_an_asynchronous_host_claims_the_same(store: SQLiteStore) -> None:
    async def claims() -> list[bool]:
        twins = (store.aclaim(key(number % 20), 60) for number in range(100))
        return await asyncio.gather(*twins)

    assert sum(asyncio.run(claims())) == 20
    assert not store.claim(key(1), 60)
    assert sum(in_child(lambda: asyncio.run(claims()))) == 0
    asyncio.run(store.aclose())
    assert sum(asyncio.run(claims())) == 0


def test_expired_claims_are_forgotten_in_bounded_batches(
    store: SQLiteStore, path: Path, clock: Clock
) -> None:
    for number in range(600):
        assert store.claim(key(number), 1 + number % 7)
    assert rows(path) == 600
    clock.now = NOW + 100
    counts = [600]
    for number in range(600, 600 + 12 * PRUNE_EVERY):
        assert store.claim(key(number), 60)
        counts.append(rows(path) - (number - 599))
    forgotten = [a - b for a, b in pairwise(counts)]
    assert max(forgotten) == PRUNE_ROWS
    assert sum(forgotten) == 600


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 60), st.integers(-30, 90)),
        min_size=1,
        max_size=60,
    )
)
@settings(deadline=None, max_examples=40)
def test_no_token_is_ever_claimed_twice_whatever_the_clock_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
) -> None:
    store = SQLiteStore(tmp_path_factory.mktemp("clock") / "store.sqlite3")
    store._file._claims = PRUNE_EVERY - 3  # so that pruning happens early and late
    claimed: set[tuple[int, int]] = set()
    with pytest.MonkeyPatch.context() as patch:
        clock = Clock()
        patch.setattr(time, "time", clock.time)
        clock.now = NOW
        for number, lifetime, step in steps:
            clock.now += step
            left = NOW + lifetime + 60 - int(clock.now)
            if left < 1:
                continue  # the token has expired: the core does not ask
            with contextlib.suppress(StoreUnavailableError):
                if store.claim(key(number * 100 + lifetime), left):
                    assert (number, lifetime) not in claimed
                    claimed.add((number, lifetime))
    store.close()


def test_a_clock_that_steps_back_reopens_nothing(store: SQLiteStore, clock: Clock) -> None:
    assert store.claim(key(1), 60)
    clock.now = NOW + 5_000
    for number in range(2, 2 + PRUNE_EVERY):
        store.claim(key(number), 5_000)
    clock.now = NOW
    for forgotten in (1, 999):
        with pytest.raises(StoreUnavailableError, match="clock of this host was set back"):
            store.claim(key(forgotten), 60)
    assert store.claim(key(998), 61)
    assert not store.claim(key(998), 61)


def test_a_claim_is_kept_for_its_seconds(store: SQLiteStore, path: Path, clock: Clock) -> None:
    clock.now = NOW + 0.5
    assert store.claim(key(1), 60)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (row,) = connection.execute("SELECT id, expires_at FROM tallystick_used").fetchall()
    assert row == (bytes(15) + b"\x01", NOW + 61)


def test_file_and_folder_are_for_the_user_alone(store: SQLiteStore, path: Path) -> None:
    previous = os.umask(0)
    try:
        assert store.claim(key(1), 60)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["store.sqlite3", "store.sqlite3-shm", "store.sqlite3-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_the_format_of_the_file(store: SQLiteStore, path: Path) -> None:
    store.claim(key(1), 60)
    with contextlib.closing(sqlite3.connect(path)) as connection:

        def pragma(name: str) -> object:
            return connection.execute(f"PRAGMA {name}").fetchone()[0]

        names = ("application_id", "user_version", "page_size", "journal_mode")
        assert [pragma(name) for name in names] == [0x54414C59, 1, 1024, "wal"]
        columns = {
            table: [
                row[1:4] for row in connection.execute(f"PRAGMA table_info(tallystick_{table})")
            ]
            for table in ("used", "values", "state")
        }
        assert columns == {
            "used": [("id", "BLOB", 1), ("expires_at", "INTEGER", 1)],
            "values": [("id", "BLOB", 1), ("value", "BLOB", 1), ("expires_at", "INTEGER", 1)],
            "state": [
                ("one", "INTEGER", 0),
                ("pruned", "INTEGER", 1),
                ("lost_at", "INTEGER", 1),
                ("born", "BLOB", 1),
            ],
        }
        one, pruned, lost_at, born = connection.execute("SELECT * FROM tallystick_state").fetchone()
        assert (one, pruned, lost_at, len(born)) == (1, 0, 0, 16)


def test_it_survives_kill_minus_nine(store: SQLiteStore, path: Path) -> None:
    script = (
        "import os, sys; from tallystick import SQLiteStore\n"
        "store = SQLiteStore(sys.argv[1])\n"
        f"assert store.claim({key(1)!r}, 60)\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not store.claim(key(1), 60)
    assert store.claim(key(2), 60)


def test_a_full_file_refuses_and_recovers_when_claims_expire(path: Path, clock: Clock) -> None:
    store = SQLiteStore(path, max_bytes=64 << 10)
    number = 0
    with pytest.raises(StoreUnavailableError, match="max_bytes") as refused:
        for number in range(10_000):
            assert store.claim(key(number), 60)
    assert str(path) in str(refused.value)
    assert number > 100
    assert not store.claim(key(0), 60)
    assert path.stat().st_size <= 64 << 10
    with pytest.raises(StoreUnavailableError, match="max_bytes"):
        store.put(key(0), bytes(1000), 60)
    clock.now = NOW + 100
    assert store.claim(key(20_000), 1000)
    store.put(key(0), bytes(1000), 60)
    store.close()


def test_a_disk_that_takes_no_more_refuses_and_recovers(path: Path) -> None:
    # The operating system's limit on a file's size is what a full disk looks like.
    script = (
        "import resource, signal, sys; from tallystick import SQLiteStore, StoreUnavailableError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = SQLiteStore(sys.argv[1]); store.claim(f'{0:032x}', 600)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "for n in range(1, 10_000):\n"
        "    try: store.claim(f'{n:032x}', 600)\n"
        "    except StoreUnavailableError as reason: print(reason); break\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "print(*(store.claim(f'{i:032x}', 600) for i in (n, 0)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    reason, recovered = ran.stdout.splitlines()
    assert str(path) in reason
    assert recovered == "True False"


def agent_status(app: object, client: OrchestratorClient) -> tuple[int, str]:
    answer = signed_call(app, client)  # type: ignore[arg-type]
    return answer.status, str(answer.json.get("code", ""))


@contextlib.contextmanager
def no_start(keys_dir: Path, path: Path, says: str) -> Iterator[None]:
    """An agent does not start; after what is done in the block it does."""
    with pytest.raises(StoreUnavailableError, match=says) as refused:
        AgentAuth(keys_dir, store=f"sqlite://{path}")
    assert f"store sqlite://{path} cannot be used" in str(refused.value)
    assert refused.value.code == "replay_store_unavailable"
    yield
    AgentAuth(keys_dir, store=f"sqlite://{path}")


def test_a_file_that_is_no_database_is_an_error_at_the_start(keys_dir: Path, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("Dear diary, " * 1000)
    with no_start(keys_dir, path, "not a database"):
        path.rename(path.with_suffix(".old"))
    assert path.with_suffix(".old").read_text().startswith("Dear diary")


def test_a_folder_in_place_of_the_file_is_an_error_at_the_start(keys_dir: Path, path: Path) -> None:
    path.mkdir(parents=True)
    with no_start(keys_dir, path, "it is a folder: name a file in it"):
        path.rmdir()


def test_a_read_only_folder_is_an_error_at_the_start(keys: KeyPair, open_dir: Path) -> None:
    (open_dir / "orchestrator.pem").write_text(keys.public)
    path = open_dir / "folder" / "store.sqlite3"
    path.parent.mkdir(mode=0o555)
    with unprivileged(), no_start(open_dir, path, "writable for this user"), privileged():
        path.parent.chmod(0o777)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("CREATE TABLE notes (note TEXT)", "it belongs to another application"),
        ("PRAGMA application_id = 5", "it belongs to another application"),
        ("PRAGMA user_version = 7", "it belongs to another application"),
    ],
)
def test_a_database_of_another_application_is_left_alone(
    keys_dir: Path, path: Path, statement: str, says: str
) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
    path.chmod(0o600)
    before = path.read_bytes()
    with no_start(keys_dir, path, says):
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]
        path.unlink()


def test_a_file_of_another_version_is_left_alone(keys_dir: Path, path: Path) -> None:
    SQLiteStore(path)._check()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    with (
        no_start(keys_dir, path, "its format is version 2, and this package has 1"),
        contextlib.closing(sqlite3.connect(path)) as connection,
    ):
        connection.execute("PRAGMA user_version = 1")


@pytest.mark.parametrize("how", ["delete", "replace"])
def test_a_file_lost_under_us_is_503_for_what_was_issued_before(
    keys_dir: Path, path: Path, client: OrchestratorClient, clock: Clock, how: str
) -> None:
    clock.now = None
    app = agent_app(AgentAuth(keys_dir, store=f"sqlite://{path}"))
    headers = client.sign("POST", ORIGIN + "/agent", b"")
    assert call(app, headers, b"").status == 200
    unused = client.sign("POST", ORIGIN + "/agent", b"")
    delete(path)
    if how == "replace":
        SQLiteStore(path)._check()
    assert agent_status(app, client) == (503, "replay_store_unavailable")
    for early in (headers, unused):
        refused = call(app, early, b"")
        assert (refused.status, refused.code) == (503, "replay_store_unavailable")
        assert refused.headers["retry-after"]
    clock.now = clock.real() + 10
    fresh = client.sign("POST", ORIGIN + "/agent", b"")
    assert call(app, unused, b"").status == 503
    assert [call(app, fresh, b"").status for _ in range(2)] == [200, 429]


def test_the_log_says_once_that_the_file_was_lost(
    keys_dir: Path,
    path: Path,
    client: OrchestratorClient,
    caplog: pytest.LogCaptureFixture,
    clock: Clock,
) -> None:
    clock.now = None
    app = agent_app(
        AgentAuth(keys_dir, store=f"sqlite://{path}", logger=logging.getLogger("own.agent"))
    )
    assert agent_status(app, client) == (200, "")
    # The same file, opened again: nothing was lost.
    in_child(lambda: None)
    assert agent_status(app, client) == (200, "")
    assert "was deleted or replaced" not in caplog.text
    before = clock.real()
    delete(path)
    for _ in range(3):
        assert agent_status(app, client) == (503, "replay_store_unavailable")
    clock.now = clock.real() + 10
    assert agent_status(app, client) == (200, "")
    said = [record.getMessage() for record in caplog.records if record.name == "own.agent"]
    (line,) = [text for text in said if text.startswith(f"store sqlite://{path} was deleted")]
    (lost_at,) = re.findall(r"issued by (\d+) \(seconds since 1970\)", line)
    assert before <= int(lost_at) <= clock.real() + 1


def test_a_new_agent_and_a_child_know_of_an_earlier_loss(
    keys_dir: Path, path: Path, client: OrchestratorClient
) -> None:
    app = agent_app(AgentAuth(keys_dir, store=f"sqlite://{path}"))
    early = client.sign("POST", ORIGIN + "/agent", b"")
    assert agent_status(app, client) == (200, "")
    delete(path)
    assert agent_status(app, client) == (503, "replay_store_unavailable")
    later = agent_app(AgentAuth(keys_dir, store=f"sqlite://{path}"))
    assert call(later, early, b"").status == 503
    assert in_child(lambda: call(app, early, b"").status) == 503
    # Elsewhere nothing was lost.
    other = agent_app(AgentAuth(keys_dir, store=f"sqlite://{path}-other"))
    assert call(other, early, b"").status == 200


def test_a_loss_that_could_not_be_noted_is_noted_at_the_next_opening(path: Path) -> None:
    store = SQLiteStore(path, timeout=0.05)
    assert store.claim(key(1), 60)
    store.close()
    delete(path)
    SQLiteStore(path)._check()
    real = sqlite_format.transaction

    @contextlib.contextmanager
    def failing(connection: sqlite3.Connection) -> Iterator[None]:
        with real(connection):
            yield
            raise sqlite3.OperationalError("disk I/O error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tallystick.stores.sqlite_file.transaction", failing)
        with pytest.raises(StoreUnavailableError, match="I/O"):
            store.claim(key(1), 60)
    assert store.lost_at is None
    with pytest.raises(StoreUnavailableError, match="was deleted or replaced"):
        store.claim(key(1), 60)
    assert store.lost_at is not None
    other = SQLiteStore(path)
    other._check()
    assert other.lost_at == store.lost_at
    assert store.claim(key(1), 60)
    store.close()


def test_garbage_written_over_the_file_is_a_loss(store: SQLiteStore, path: Path) -> None:
    assert store.claim(key(1), 60)
    store.close()
    shutil.copy(sys.executable, path)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        store.claim(key(1), 60)
    path.unlink()
    with pytest.raises(StoreUnavailableError, match="was deleted or replaced"):
        store.claim(key(1), 60)
    assert store.lost_at is not None


def test_processes_tell_each_other_of_a_loss_in_the_new_file(path: Path, clock: Clock) -> None:
    idle, busy, late = SQLiteStore(path), SQLiteStore(path), SQLiteStore(path)
    assert idle.claim(key(1), 60)
    clock.now = NOW + 10
    assert busy.claim(key(2), 60)
    delete(path)
    # One that starts with the new file cannot know, until another has noted it.
    clock.now = NOW + 20
    assert late.claim(key(3), 60)
    assert late.lost_at is None
    clock.now = NOW + 30.5
    with pytest.raises(StoreUnavailableError, match=f"issued by {NOW + 31} "):
        busy.claim(key(4), 60)
    with pytest.raises(StoreUnavailableError, match=f"issued by {NOW + 31} "):
        late.claim(key(5), 60)
    # It was covered by what was noted: fresh tokens are not refused once more.
    clock.now = NOW + 600
    with pytest.raises(StoreUnavailableError, match=f"issued by {NOW + 31} "):
        idle.claim(key(6), 60)
    assert [store.lost_at for store in (idle, busy, late)] == [NOW + 31] * 3
    assert [store.claim(key(number), 60) for number, store in enumerate((idle, busy, late))]


def test_an_older_copy_in_place_of_the_file_is_a_loss(path: Path) -> None:
    here = SQLiteStore(path)
    assert here.claim(key(1), 60)
    copy = path.with_name("copy")
    with (
        contextlib.closing(sqlite3.connect(path)) as now,
        contextlib.closing(sqlite3.connect(copy)) as old,
    ):
        now.backup(old)
    copy.chmod(0o600)
    assert here.claim(key(2), 90)
    for closed in (False, True):
        for file in path.parent.glob(path.name + "-*"):
            file.unlink()
        if closed:
            here.close()
            shutil.copy(copy, path.with_name("again"))
            path.with_name("again").rename(path)
        else:
            shutil.copy(copy, path.with_name("first"))
            path.with_name("first").rename(path)
        with pytest.raises(StoreUnavailableError, match="was deleted or replaced"):
            here.claim(key(2), 90)
    assert not here.claim(key(1), 90)
    assert here.claim(key(3), 91)


def test_a_file_that_is_replaced_while_it_is_opened_is_not_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = SQLiteStore(path), SQLiteStore(path)
    prepare = sqlite_format.prepare

    def slowly(connection: sqlite3.Connection, max_pages: int, deadline: Deadline) -> None:
        prepare(connection, max_pages, deadline)
        delete(path)
        path.touch(0o600)

    monkeypatch.setattr("tallystick.stores.sqlite_file.prepare", slowly)
    with pytest.raises(StoreUnavailableError, match="replaced while it was being opened"):
        here.claim(key(1), 60)
    monkeypatch.undo()
    assert here.claim(key(1), 60)
    assert not there.claim(key(1), 60)


def test_values(store: SQLiteStore, path: Path, clock: Clock) -> None:
    assert store.get(key(1)) is None
    store.put(key(1), b"one", 60)
    assert store.claim(key(1), 60)  # another space of names
    other = SQLiteStore(path)
    assert other.get(key(1)) == b"one"
    other.put(key(1), bytes(64 << 10), 30)
    assert store.get(key(1)) == bytes(64 << 10)
    assert [store.take(key(1)), other.take(key(1))] == [bytes(64 << 10), None]
    store.put(key(2), b"", 30)
    clock.now = NOW + 29
    assert other.get(key(2)) == b""
    clock.now = NOW + 30
    assert [other.get(key(2)), store.take(key(2))] == [None, None]
    other.close()


def test_values_asynchronously(store: SQLiteStore) -> None:
    async def values() -> list[object]:
        await store.aput(key(1), b"one", 60)
        return [await store.aget(key(1)), await store.atake(key(1)), await store.atake(key(1))]

    assert asyncio.run(values()) == [b"one", b"one", None]


def test_a_value_is_taken_by_one_of_many(store: SQLiteStore, path: Path) -> None:
    stores = [store, SQLiteStore(path, timeout=30)]
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            store.put(key(number), b"code", 60)
            taken = list(pool.map(lambda n: stores[n % 2].take(key(number)), range(8)))  # noqa: B023
            assert sorted(taken, key=str) == sorted([b"code", *[None] * 7], key=str)


def test_expired_values_are_forgotten_in_bounded_batches(
    store: SQLiteStore, path: Path, clock: Clock
) -> None:
    for number in range(300):
        store.put(key(number), b"x", 1 + number % 7)
    clock.now = NOW + 100
    counts = [300]
    for number in range(300, 300 + 6 * PRUNE_EVERY):
        store.put(key(number), b"x", 60)
        counts.append(rows(path, "tallystick_values") - (number - 299))
    forgotten = [a - b for a, b in pairwise(counts)]
    assert 0 < max(forgotten) <= PRUNE_ROWS
    assert sum(forgotten) == 300


@pytest.mark.parametrize("id", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 31 + "\n"])
def test_an_id_is_32_digits(store: SQLiteStore, id: str) -> None:
    calls: list[Callable[[str], object]] = [
        lambda each: store.claim(each, 60),
        lambda each: store.put(each, b"x", 60),
        store.get,
        store.take,
        lambda each: asyncio.run(store.aclaim(each, 60)),
        lambda each: asyncio.run(store.aput(each, b"x", 60)),
        lambda each: asyncio.run(store.aget(each)),
        lambda each: asyncio.run(store.atake(each)),
    ]
    for ask in calls:
        with pytest.raises(tallystick.InvalidArgumentError, match="id must be 32"):
            ask(id)
        ask(key(1))


def test_seconds_and_values_are_bounded(store: SQLiteStore) -> None:
    wrong: Any
    for wrong in (0, -1, (1 << 31) + 1, 1.5, "60", True, None):
        with pytest.raises(tallystick.InvalidArgumentError, match=r"^seconds "):
            store.claim(key(1), wrong)
        with pytest.raises(tallystick.InvalidArgumentError, match=r"^seconds "):
            store.put(key(1), b"", wrong)
    for wrong in ("text", None, bytearray(1), bytes((64 << 10) + 1)):
        with pytest.raises(tallystick.InvalidArgumentError, match=r"^value "):
            store.put(key(1), wrong, 60)
    assert store.claim(key(1), 1 << 31)
    store.put(key(1), bytes(64 << 10), 1)


def test_a_database_that_is_held_refuses_after_a_bounded_time(path: Path) -> None:
    store = SQLiteStore(path, timeout=0.05)
    assert store.claim(key(1), 60)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.claim(key(2), 60)
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.take(key(2))
    holder.execute("ROLLBACK")
    holder.close()
    assert store.claim(key(2), 60)
    store.close()


TIMEOUT = 0.5


@contextlib.contextmanager
def held_by_a_stopped_process(path: Path) -> Iterator[None]:
    with held(path, 0) as process:
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)


def test_all_threads_that_wait_end_within_one_deadline(path: Path) -> None:
    """Fault 5: each waited its two seconds behind the others."""
    store = SQLiteStore(path, timeout=TIMEOUT)
    assert store.claim(key(0), 60)

    def claim(number: int) -> tuple[float, bool]:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            store.claim(key(number), 60)
        return time.monotonic() - began, True

    with held_by_a_stopped_process(path), ThreadPoolExecutor(64) as pool:
        ended = list(pool.map(claim, range(1, 65)))
    assert max(ended)[0] < 2 * TIMEOUT
    assert all(store.claim(key(number), 60) for number in range(1, 65))
    store.close()


def test_all_tasks_that_wait_end_within_one_deadline(path: Path) -> None:
    store = SQLiteStore(path, timeout=TIMEOUT)
    assert store.claim(key(0), 60)

    async def claims() -> float:
        began = time.monotonic()
        waiting = (store.aclaim(key(number), 60) for number in range(1, 65))
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in ended} == {StoreUnavailableError}
        return time.monotonic() - began

    with held_by_a_stopped_process(path):
        assert asyncio.run(claims()) < 2 * TIMEOUT
    assert all(store.claim(key(number), 60) for number in range(1, 65))
    store.close()


def test_a_wait_after_a_wait_has_what_is_left(path: Path, clock: Clock) -> None:
    """A claim that prunes waits twice, for two transactions."""
    store = SQLiteStore(path, timeout=TIMEOUT)
    assert store.claim(key(1), 1)
    clock.now = NOW + 60
    store._file._claims = 0
    prune = store._file._prune

    def slowly(connection: sqlite3.Connection, now: float) -> None:
        prune(connection, now)
        time.sleep(0.8 * TIMEOUT)
        holder.execute("BEGIN IMMEDIATE")

    holder = sqlite3.connect(path, isolation_level=None)
    store._file._prune = slowly  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.claim(key(2), 60)
    assert time.monotonic() - began < 1.6 * TIMEOUT
    holder.execute("ROLLBACK")
    holder.close()
    assert store.claim(key(2), 60)
    assert store._file._patience > 0.9 * TIMEOUT
    store.close()


def test_no_connection_crosses_a_fork(store: SQLiteStore) -> None:
    assert store.claim(key(1), 60)
    assert store._file._connection is not None

    def child() -> list[bool]:
        assert store._file._connection is None
        return [store.claim(key(n), 60) for n in (1, 2)]

    assert in_child(child) == [False, True]
    assert not store.claim(key(2), 60)
    assert store.claim(key(3), 60)


def test_a_fork_waits_for_a_claim_and_the_child_can_claim(path: Path) -> None:
    # SQLite's locks are not fair: a loop that never pauses starves whoever waits, until
    # the bounded time is over and the claim is refused.
    store = SQLiteStore(path, timeout=60)
    stop = threading.Event()

    def claim_on() -> None:
        for number in range(1_000_000):
            store.claim(key(number), 60)
            if number % 50 == 0 and stop.wait(0.002):
                return

    thread = threading.Thread(target=claim_on)
    thread.start()
    try:
        for number in range(20):
            fresh = key(2_000_000 + number)
            assert in_child(partial(store.claim, fresh, 60)) is True
            assert not store.claim(fresh, 60)
    finally:
        stop.set()
        thread.join()


def test_a_connection_that_crossed_a_fork_is_not_used(store: SQLiteStore, path: Path) -> None:
    def child() -> str:
        with pytest.raises(StoreUnavailableError) as refused:
            store.claim(key(2), 60)
        return str(refused.value)

    assert store.claim(key(1), 60)
    assert str(path) in in_child(child, fork_without_hooks)
    assert store.claim(key(2), 60)
    store.close()
    assert in_child(lambda: store.claim(key(3), 60), fork_without_hooks) is True


def test_the_default_path_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert SQLiteStore().path == tmp_path / "tallystick" / "store.sqlite3"
    monkeypatch.setenv("HOME", "/home/somebody")
    for unset in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", unset)
        home = "/home/somebody/.local/state/tallystick/store.sqlite3"
        assert str(default_path()) == home


@pytest.mark.parametrize(
    "options", [{"max_bytes": 1000}, {"max_bytes": 1e6}, {"timeout": 0}, {"timeout": 61}]
)
def test_wrong_options_are_refused(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(tallystick.InvalidArgumentError, match=rf"^{next(iter(options))} "):
        SQLiteStore(path, **options)
    SQLiteStore(path, max_bytes=16 << 10, timeout=60)


def test_a_link_in_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    with pytest.raises(StoreUnavailableError, match="symbolic links"):
        SQLiteStore(path)._check()
    assert not target.exists()
    path.unlink()
    SQLiteStore(path)._check()


def test_a_file_that_everybody_may_write_is_refused(path: Path) -> None:
    SQLiteStore(path)._check()
    path.chmod(0o666)
    with pytest.raises(StoreUnavailableError, match="every user may write"):
        SQLiteStore(path)._check()
    path.chmod(0o600)
    SQLiteStore(path)._check()


class RequestTimeout(Exception):  # noqa: N818
    """What a server's time limit raises in whatever runs at that moment."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def raises(*_: object) -> None:
        raise RequestTimeout

    before = signal.signal(signal.SIGALRM, raises)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def held(path: Path, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the file's lock for some time; 0 is for ever."""
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "time.sleep(float(sys.argv[2]) or 1000)\n"
        "connection.execute('ROLLBACK')\n"
    )
    command = [sys.executable, "-c", program, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        if not seconds:
            process.kill()


@pytest.mark.parametrize("opened", [True, False])
def test_an_interruption_while_it_waits_leaves_no_transaction_open(
    path: Path, opened: bool, clock: Clock
) -> None:
    earlier = SQLiteStore(path)
    for number in range(2 * PRUNE_ROWS):
        earlier.claim(key(number), 300)
    earlier.claim(key(1 << 120), 1)  # expired where the second sweep looks
    earlier.close()
    clock.now = NOW + 2
    store = SQLiteStore(path)
    if opened:
        # The next claim but these prunes, and begins a transaction for it.
        for number in range(2 * PRUNE_EVERY):
            assert store.claim(key((1 << 121) + number), 298)
    with held(path, 0.6), pytest.raises(RequestTimeout), time_limit(0.2):
        store.claim(key(1 << 122), 298)
    # Raised after the wait: SQLite goes on waiting when a signal comes.
    fresh = [key((1 << 123) + number) for number in range(30)]
    assert all(store.claim(each, 298) for each in fresh)
    other = SQLiteStore(path, timeout=0.1)
    assert not any(other.claim(each, 298) for each in fresh)
    assert not any(store.claim(each, 298) for each in fresh)
    store.close()
    other.close()


def test_a_transaction_that_was_left_open_is_not_claimed_in(store: SQLiteStore, path: Path) -> None:
    assert store.claim(key(1), 60)
    connection = store._file._connection
    assert connection is not None
    connection.execute("BEGIN IMMEDIATE")
    assert store.claim(key(2), 60)
    other = SQLiteStore(path, timeout=0.1)
    assert not any(other.claim(key(number), 60) for number in (1, 2))
    other.close()


def test_a_store_that_opens_leaves_the_locks_of_others_alone(tmp_path: Path) -> None:
    """To open and close the file, as any code may do, ends all locks of this process on it."""
    path = tmp_path / "store.sqlite3"
    SQLiteStore(path).claim("0" * 32, 60)
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("SELECT count(*) FROM tallystick_used").fetchone()  # in use, until it is closed
    SQLiteStore(path).claim("1" * 32, 60)
    script = (
        "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1], timeout=0).execute(sys.argv[2]))"
    )
    leave = [sys.executable, "-c", script, str(path), "PRAGMA journal_mode = DELETE"]
    other = subprocess.run(leave, capture_output=True, text=True)
    assert "database is locked" in other.stderr
    held.close()
    subprocess.run(leave, check=True)
