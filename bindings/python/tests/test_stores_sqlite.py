"""The replay file: atomic, bounded, durable, and never a pass where it fails."""

from __future__ import annotations

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
from typing import TYPE_CHECKING

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
from tallystick import AgentAuth, OrchestratorClient
from tallystick.errors import StoreUnavailableError
from tallystick.stores import sqlite as sqlite_module
from tallystick.stores.sqlite import PRUNE_EVERY, PRUNE_ROWS, ReplayFile, default_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

NOW = 1_700_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "replay.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[ReplayFile]:
    store = ReplayFile(path)
    yield store
    store.close()


def token(number: int) -> bytes:
    return number.to_bytes(16, "big")


def rows(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        (count,) = connection.execute("SELECT count(*) FROM tallystick_used").fetchone()
        return int(count)
    finally:
        connection.close()


def test_a_claim_is_made_once(store: ReplayFile) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    assert not store.claim_id(token(1), NOW + 60, NOW)
    assert not store.claim_id(token(1), NOW + 90, NOW)
    assert store.claim_id(token(2), NOW + 60, NOW)


def test_another_process_and_a_restart_see_it(store: ReplayFile, path: Path) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    other = ReplayFile(path)
    assert not other.claim_id(token(1), NOW + 60, NOW)
    assert other.claim_id(token(2), NOW + 60, NOW)
    store.close()
    other.close()
    assert not store.claim_id(token(2), NOW + 60, NOW)
    other.close()


def test_exactly_one_of_many_threads_and_processes_wins(store: ReplayFile, path: Path) -> None:
    script = (
        "import sys; from tallystick.stores.sqlite import ReplayFile\n"
        "store = ReplayFile(sys.argv[1])\n"
        "store.check(); print(flush=True); sys.stdin.readline()\n"
        "print(*(int(store.claim_id(n.to_bytes(16, 'big'), 2**40, 0)) for n in range(200)))"
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
            claims = pool.map(lambda n: store.claim_id(token(n), 2**40, 0), range(200))
            wins = [a + b for a, b in zip(wins, claims, strict=True)]
    for process in processes:
        output, _ = process.communicate()
        wins = [a + int(b) for a, b in zip(wins, output.split(), strict=True)]
    assert wins == [1] * 200


def test_expired_claims_are_forgotten_in_bounded_batches(store: ReplayFile, path: Path) -> None:
    for number in range(600):
        assert store.claim_id(token(number), NOW + number % 7, NOW)
    assert rows(path) == 600
    later = NOW + 100
    counts = [600]
    for number in range(600, 600 + 12 * PRUNE_EVERY):
        assert store.claim_id(token(number), later + 60, later)
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
def test_nothing_is_ever_claimed_twice_whatever_the_clock_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, int]]
) -> None:
    store = ReplayFile(tmp_path_factory.mktemp("clock") / "replay.sqlite3")
    store._claims = PRUNE_EVERY - 3  # so that pruning happens early and late
    claimed: set[tuple[int, int]] = set()
    now = NOW
    for number, lifetime, step in steps:
        now += step
        expires_at = NOW + lifetime
        if store.claim_id(token(number * 100 + lifetime), expires_at, now):
            assert (number, lifetime) not in claimed
            claimed.add((number, lifetime))
    store.close()


def test_a_clock_that_steps_back_reopens_nothing(store: ReplayFile) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    for number in range(2, 2 + PRUNE_EVERY):
        store.claim_id(token(number), NOW + 10_000, NOW + 5_000)
    assert not store.claim_id(token(1), NOW + 60, NOW)
    assert not store.claim_id(token(999), NOW + 60, NOW)
    assert store.claim_id(token(998), NOW + 61, NOW)


def test_file_and_folder_are_for_the_user_alone(store: ReplayFile, path: Path) -> None:
    previous = os.umask(0)
    try:
        assert store.claim_id(token(1), NOW + 60, NOW)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["replay.sqlite3", "replay.sqlite3-shm", "replay.sqlite3-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_it_survives_kill_minus_nine(store: ReplayFile, path: Path) -> None:
    script = (
        "import os, sys; from tallystick.stores.sqlite import ReplayFile\n"
        "store = ReplayFile(sys.argv[1])\n"
        f"assert store.claim_id(bytes(15) + b'\\x01', {NOW + 60}, {NOW})\n"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not store.claim_id(token(1), NOW + 60, NOW)
    assert store.claim_id(token(2), NOW + 60, NOW)


def test_a_full_file_refuses_and_recovers_when_claims_expire(path: Path) -> None:
    store = ReplayFile(path, max_bytes=64 << 10)
    number = 0
    with pytest.raises(StoreUnavailableError, match="max_bytes") as refused:
        for number in range(10_000):
            assert store.claim_id(token(number), NOW + 60, NOW)
    assert str(path) in str(refused.value)
    assert number > 100
    assert not store.claim_id(token(0), NOW + 60, NOW)
    assert path.stat().st_size <= 64 << 10
    assert store.claim_id(token(20_000), NOW + 1000, NOW + 100)
    store.close()


def test_a_disk_that_takes_no_more_refuses_and_recovers(path: Path) -> None:
    # The operating system's limit on a file's size is what a full disk looks like.
    script = (
        "import resource, signal, sys; from tallystick.stores.sqlite import ReplayFile\n"
        "from tallystick.stores import StoreUnavailableError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "store = ReplayFile(sys.argv[1]); store.claim_id(bytes(16), 2**40, 0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
        "for n in range(1, 10_000):\n"
        "    try: store.claim_id(n.to_bytes(16, 'big'), 2**40, 0)\n"
        "    except StoreUnavailableError as reason: print(reason); break\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)\n"
        "print(*(store.claim_id(i.to_bytes(16, 'big'), 2**40, 0) for i in (n, 0)))"
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


def test_a_file_that_is_no_database_is_503_until_it_is_moved_away(
    keys_dir: Path, path: Path, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_text("Dear diary, " * 1000)
    app = agent_app(AgentAuth(keys_dir, replay=path))
    assert str(path) in caplog.text
    assert "not a database" in caplog.text
    answer = signed_call(app, client)
    assert (answer.status, answer.code) == (503, "replay_store_unavailable")
    assert str(path) not in answer.body.decode()
    path.rename(path.with_suffix(".old"))
    assert signed_call(app, client).status == 200
    assert path.with_suffix(".old").read_text().startswith("Dear diary")


def test_a_read_only_folder_is_503_until_it_can_be_written(
    keys: KeyPair, open_dir: Path, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    (open_dir / "orchestrator.pem").write_text(keys.public)
    path = open_dir / "folder" / "replay.sqlite3"
    twin = agent_app(AgentAuth(open_dir, replay=open_dir / "writable.sqlite3"))
    assert agent_status(twin, client) == (200, "")
    path.parent.mkdir(mode=0o555)
    with unprivileged():
        app = agent_app(AgentAuth(open_dir, replay=path))
        assert str(path) in caplog.text
        assert "writable" in caplog.text
        assert agent_status(app, client) == (503, "replay_store_unavailable")
        with privileged():
            path.parent.chmod(0o777)
        assert agent_status(app, client) == (200, "")


def test_a_folder_in_place_of_the_file_is_503(
    keys_dir: Path, path: Path, client: OrchestratorClient
) -> None:
    path.mkdir(parents=True)
    app = agent_app(AgentAuth(keys_dir, replay=path))
    assert agent_status(app, client) == (503, "replay_store_unavailable")
    path.rmdir()
    assert agent_status(app, client) == (200, "")


@pytest.mark.parametrize("how", ["delete", "replace"])
def test_a_file_deleted_under_us_is_503_once_and_reopens_no_token(
    keys_dir: Path,
    path: Path,
    client: OrchestratorClient,
    keys: KeyPair,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    app = agent_app(AgentAuth(keys_dir, replay=path))
    headers = client.sign("POST", ORIGIN + "/agent", b"")
    assert call(app, headers, b"").status == 200
    for file in list(path.parent.iterdir()):
        file.unlink()
    if how == "replace":
        fresh = ReplayFile(path)
        fresh.check()
    assert agent_status(app, client) == (503, "replay_store_unavailable")
    assert "was deleted or replaced" in caplog.text
    # The new file has not seen this token; this process has.
    assert call(app, headers, b"").status == 429
    later = OrchestratorClient("orchestrator", keys.private, ttl=120)
    assert agent_status(app, later) == (200, "")


def test_the_log_says_once_until_when_fresh_tokens_are_refused_after_a_loss(
    keys_dir: Path,
    path: Path,
    client: OrchestratorClient,
    keys: KeyPair,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def warnings() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.name == "own.agent"]
        return [text for text in found if "may have been used in the file that was lost" in text]

    app = agent_app(AgentAuth(keys_dir, replay=path, logger=logging.getLogger("own.agent")))
    long = OrchestratorClient("orchestrator", keys.private, ttl=120)
    before = int(time.time())
    assert agent_status(app, long) == (200, "")
    # The same file, opened again: nothing was lost.
    in_child(lambda: None)
    assert agent_status(app, client) == (200, "")
    assert warnings() == []
    for file in list(path.parent.iterdir()):
        file.unlink()
    assert agent_status(app, client) == (503, "replay_store_unavailable")
    for _ in range(2):
        assert agent_status(app, client) == (429, "replay_detected")
    (warning,) = warnings()
    assert str(path) in warning
    (until,) = re.findall(r"expires by (\d+) \(seconds since 1970\)", warning)
    assert before + 120 <= int(until) <= time.time() + 123
    later = OrchestratorClient("orchestrator", keys.private, ttl=180)
    assert agent_status(app, later) == (200, "")
    assert len(warnings()) == 1


def test_a_floor_that_could_not_be_written_is_raised_at_the_next_opening(path: Path) -> None:
    store = ReplayFile(path, busy_timeout=0.05)
    assert store.claim_id(token(1), NOW + 60, NOW)
    store.close()
    for file in list(path.parent.iterdir()):
        file.unlink()
    ReplayFile(path).check()
    real = sqlite_module._transaction

    @contextlib.contextmanager
    def failing(connection: sqlite3.Connection) -> Iterator[None]:
        with real(connection):
            yield
            raise sqlite3.OperationalError("disk I/O error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite_module, "_transaction", failing)
        with pytest.raises(StoreUnavailableError, match="I/O"):
            store.claim_id(token(1), NOW + 60, NOW)
    assert store.take_notice() == ""
    assert not store.claim_id(token(1), NOW + 60, NOW)
    assert f"expires by {NOW + 60} " in store.take_notice()
    assert store.take_notice() == ""
    assert store.claim_id(token(2), NOW + 61, NOW)
    store.close()


def test_garbage_written_over_the_file_reopens_no_token(store: ReplayFile, path: Path) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    store.close()
    shutil.copy(sys.executable, path)
    with pytest.raises(StoreUnavailableError, match="not a database"):
        store.claim_id(token(1), NOW + 60, NOW)
    path.unlink()
    assert not store.claim_id(token(1), NOW + 60, NOW)
    assert store.claim_id(token(2), NOW + 61, NOW)


def test_a_database_that_is_held_refuses_after_a_bounded_time(path: Path) -> None:
    store = ReplayFile(path, busy_timeout=0.05)
    assert store.claim_id(token(1), NOW + 60, NOW)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"):
        store.claim_id(token(2), NOW + 60, NOW)
    holder.execute("ROLLBACK")
    holder.close()
    assert store.claim_id(token(2), NOW + 60, NOW)
    store.close()


def test_no_connection_crosses_a_fork(store: ReplayFile) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    assert store._connection is not None

    def child() -> list[bool]:
        assert store._connection is None
        return [store.claim_id(token(n), NOW + 60, NOW) for n in (1, 2)]

    assert in_child(child) == [False, True]
    assert not store.claim_id(token(2), NOW + 60, NOW)
    assert store.claim_id(token(3), NOW + 60, NOW)


def test_a_fork_waits_for_a_claim_and_the_child_can_claim(path: Path) -> None:
    # SQLite's locks are not fair: a loop that never pauses starves whoever waits, until
    # the bounded time is over and the claim is refused.
    store = ReplayFile(path, busy_timeout=60)
    stop = threading.Event()

    def claim_on() -> None:
        for number in range(1_000_000):
            store.claim_id(token(number), NOW + 60, NOW)
            if number % 50 == 0 and stop.wait(0.002):
                return

    thread = threading.Thread(target=claim_on)
    thread.start()
    try:
        for number in range(20):
            fresh = token(2_000_000 + number)
            assert in_child(partial(store.claim_id, fresh, NOW + 60, NOW)) is True
            assert not store.claim_id(fresh, NOW + 60, NOW)
    finally:
        stop.set()
        thread.join()


def test_a_connection_that_crossed_a_fork_is_not_used(store: ReplayFile, path: Path) -> None:
    def child() -> str:
        with pytest.raises(StoreUnavailableError) as refused:
            store.claim_id(token(2), NOW + 60, NOW)
        return str(refused.value)

    assert store.claim_id(token(1), NOW + 60, NOW)
    assert str(path) in in_child(child, fork_without_hooks)
    assert store.claim_id(token(2), NOW + 60, NOW)
    store.close()
    assert in_child(lambda: store.claim_id(token(3), NOW + 60, NOW), fork_without_hooks) is True


def test_the_default_path_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "tallystick" / "replay.sqlite3"
    monkeypatch.setenv("HOME", "/home/somebody")
    for unset in ("", "relative/path"):
        monkeypatch.setenv("XDG_STATE_HOME", unset)
        home = "/home/somebody/.local/state/tallystick/replay.sqlite3"
        assert str(default_path()) == home


@pytest.mark.parametrize("options", [{"max_bytes": 1000}, {"busy_timeout": -1}])
def test_wrong_options_are_refused(path: Path, options: dict[str, int]) -> None:
    with pytest.raises(tallystick.InvalidArgumentError, match=r"max_bytes.*busy_timeout"):
        ReplayFile(path, **options)


def test_time_is_the_needs_and_not_the_stores(store: ReplayFile) -> None:
    need = {"kind": "claim", "id": token(7).hex(), "expires_at": NOW + 60, "now": NOW + 0.5}
    assert store.claim_need(need)
    assert not store.claim_need(need)


def test_what_others_claimed_in_a_deleted_file_stays_claimed(path: Path) -> None:
    here, there = ReplayFile(path), ReplayFile(path)
    assert here.claim_id(token(1), NOW + 60, NOW)
    assert there.claim_id(token(2), NOW + 90, NOW)
    for file in list(path.parent.iterdir()):
        file.unlink()
    with pytest.raises(StoreUnavailableError, match="was deleted or replaced"):
        here.claim_id(token(2), NOW + 90, NOW)
    assert not here.claim_id(token(2), NOW + 90, NOW)
    assert here.claim_id(token(3), NOW + 91, NOW)


def test_an_older_copy_in_place_of_the_file_reopens_nothing(path: Path) -> None:
    here = ReplayFile(path)
    assert here.claim_id(token(1), NOW + 60, NOW)
    copy = path.with_name("copy")
    with (
        contextlib.closing(sqlite3.connect(path)) as now,
        contextlib.closing(sqlite3.connect(copy)) as old,
    ):
        now.backup(old)
    copy.chmod(0o600)
    assert here.claim_id(token(2), NOW + 90, NOW)
    for file in path.parent.glob(path.name + "-*"):
        file.unlink()
    copy.rename(path)
    with pytest.raises(StoreUnavailableError, match="was deleted or replaced"):
        here.claim_id(token(2), NOW + 90, NOW)
    assert not here.claim_id(token(2), NOW + 90, NOW)
    assert not ReplayFile(path).claim_id(token(2), NOW + 90, NOW)
    assert here.claim_id(token(3), NOW + 91, NOW)


def test_a_file_that_is_replaced_while_it_is_opened_is_not_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = ReplayFile(path), ReplayFile(path)
    prepare = ReplayFile._prepare

    def slowly(store: ReplayFile, connection: sqlite3.Connection) -> None:
        prepare(store, connection)
        for file in list(path.parent.iterdir()):
            file.unlink()
        path.touch(0o600)

    monkeypatch.setattr(ReplayFile, "_prepare", slowly)
    with pytest.raises(StoreUnavailableError, match="replaced while it was being opened"):
        here.claim_id(token(1), NOW + 60, NOW)
    monkeypatch.undo()
    assert here.claim_id(token(1), NOW + 60, NOW)
    assert not there.claim_id(token(1), NOW + 60, NOW)


def test_a_link_in_place_of_the_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    with pytest.raises(StoreUnavailableError, match="symbolic links"):
        ReplayFile(path).check()
    assert not target.exists()
    path.unlink()
    ReplayFile(path).check()


def test_a_file_that_everybody_may_write_is_refused(path: Path) -> None:
    ReplayFile(path).check()
    path.chmod(0o666)
    with pytest.raises(StoreUnavailableError, match="every user may write"):
        ReplayFile(path).check()
    path.chmod(0o600)
    ReplayFile(path).check()


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
def held(path: Path, seconds: float) -> Iterator[None]:
    """Let another process hold the file's lock for some time."""
    program = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('held', flush=True)\n"
        "time.sleep(float(sys.argv[2]))\n"
        "connection.execute('ROLLBACK')\n"
    )
    command = [sys.executable, "-c", program, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield


@pytest.mark.parametrize("opened", [True, False])
def test_an_interruption_while_it_waits_leaves_no_transaction_open(
    path: Path, opened: bool
) -> None:
    earlier = ReplayFile(path)
    for number in range(2 * PRUNE_ROWS):
        earlier.claim_id(token(number), NOW + 300, NOW)
    earlier.claim_id(token(1 << 120), NOW + 1, NOW)  # expired where the second sweep looks
    earlier.close()
    store = ReplayFile(path)
    if opened:
        # The next claim but these prunes, and begins a transaction for it.
        for number in range(2 * PRUNE_EVERY):
            assert store.claim_id(token((1 << 121) + number), NOW + 300, NOW + 2)
    with held(path, 0.6), pytest.raises(RequestTimeout), time_limit(0.2):
        store.claim_id(token(1 << 122), NOW + 300, NOW + 2)
    # Raised after the wait: SQLite goes on waiting when a signal comes.
    fresh = [token((1 << 123) + number) for number in range(30)]
    assert all(store.claim_id(each, NOW + 300, NOW + 2) for each in fresh)
    other = ReplayFile(path, busy_timeout=0.1)
    assert not any(other.claim_id(each, NOW + 300, NOW + 2) for each in fresh)
    assert not any(store.claim_id(each, NOW + 300, NOW + 2) for each in fresh)
    store.close()
    other.close()


def test_a_transaction_that_was_left_open_is_not_claimed_in(store: ReplayFile, path: Path) -> None:
    assert store.claim_id(token(1), NOW + 60, NOW)
    connection = store._connection
    assert connection is not None
    connection.execute("BEGIN IMMEDIATE")
    assert store.claim_id(token(2), NOW + 60, NOW)
    other = ReplayFile(path, busy_timeout=0.1)
    assert not any(other.claim_id(token(number), NOW + 60, NOW) for number in (1, 2))
    other.close()
