"""Files with secrets: permissions, whole or not at all, one writer at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import in_child, unprivileged
from tallystick import InvalidConfigError
from tallystick.access.private_file import MAX_SIZE, PrivateFile


@pytest.fixture
def file(tmp_path: Path) -> PrivateFile:
    return PrivateFile(tmp_path / "keys" / "a.ring.json", "key ring")


def replace(file: PrivateFile, text: str) -> None:
    file.write(text, file.stamp())


def test_the_file_and_its_folder_are_for_the_owner_alone(file: PrivateFile) -> None:
    before = os.umask(0)
    try:
        assert file.create("one")
        with file.locked():
            replace(file, "two")
    finally:
        os.umask(before)
    assert file.read() == "two"
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in file.path.parent.iterdir()}
    assert modes == {"a.ring.json": 0o600, ".a.ring.json.lock": 0o600}


def test_what_is_there_is_never_created_again(file: PrivateFile) -> None:
    assert file.read() is None
    assert file.create("one")
    assert not file.create("two")
    assert file.read() == "one"


def test_what_another_program_changed_is_not_overwritten(file: PrivateFile) -> None:
    file.create("one")
    stamp = file.stamp()
    file.write("two", stamp)
    with pytest.raises(InvalidConfigError, match="changed by another program"):
        file.write("three", stamp)
    assert file.read() == "two"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_file_that_others_can_open_is_refused(file: PrivateFile, mode: int) -> None:
    file.create("one")
    file.path.chmod(mode)
    with pytest.raises(InvalidConfigError, match=rf"a\.ring\.json is open .*{mode:04o}.*chmod 600"):
        file.read()
    file.path.chmod(0o600)
    assert file.read() == "one"


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
def test_a_folder_that_others_can_open_is_refused(file: PrivateFile, mode: int) -> None:
    folder = file.path.parent
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InvalidConfigError, match=rf"{folder} .*{mode:04o}.*chmod 700"):
        file.create("one")
    with pytest.raises(InvalidConfigError, match="chmod 700"), file.locked():
        pass
    folder.chmod(0o700)
    assert file.create("one")


def test_a_folder_that_cannot_be_written_to(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir()
    with unprivileged():
        with pytest.raises(InvalidConfigError, match=r"Permission denied"):
            PrivateFile(home / "keys" / "a.ring.json", "key ring").create("one")
        assert os.listdir(home) == []
    home.chmod(0o777)
    with unprivileged():
        assert PrivateFile(home / "keys" / "a.ring.json", "key ring").create("one")


def test_a_file_of_another_user(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir()
    home.chmod(0o777)
    file = PrivateFile(home / "a.ring.json", "key ring")
    file.path.touch(mode=0o600)
    if os.getuid() != 0:
        file.path.chmod(0)  # only root can give it away: to its owner it is now as closed
    with unprivileged(), pytest.raises(InvalidConfigError, match="Permission denied"):
        file.read()
    file.path.chmod(0o600)
    assert file.read() == ""


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_refused_at_once(file: PrivateFile, kind: str) -> None:
    file.path.parent.mkdir(mode=0o700)
    if kind == "folder":
        file.path.mkdir()
    else:
        os.mkfifo(file.path, 0o600)
    with pytest.raises(InvalidConfigError, match=r"not a regular file|Is a directory"):
        file.read()


def test_a_file_that_is_too_large_or_no_text(file: PrivateFile) -> None:
    file.create("x" * MAX_SIZE)
    assert len(file.read() or "") == MAX_SIZE
    replace(file, "x" * (MAX_SIZE + 1))
    with pytest.raises(InvalidConfigError, match="over 8388608 bytes"):
        file.read()
    file.path.write_bytes(b"\xff")
    with pytest.raises(InvalidConfigError, match="not UTF-8"):
        file.read()


def test_a_write_that_fails_leaves_the_file_as_it_was(file: PrivateFile) -> None:
    def on_a_full_disk() -> list[str | None]:
        # In a child: this limit would hold for the log of the tests too.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        file.create("one")
        with pytest.raises(InvalidConfigError) as refused:
            replace(file, "x" * 8192)
        kept = file.read()
        replace(file, "x" * 4096)
        return [str(refused.value), kept]

    message, kept = in_child(on_a_full_disk)
    assert re.search(r"cannot be written .*File too large.*free space", message)
    assert kept == "one"
    assert file.read() == "x" * 4096
    assert [entry.name for entry in file.path.parent.iterdir()] == ["a.ring.json"]


def count_up(path: str, times: int) -> None:
    file = PrivateFile(Path(path), "counter")
    for _ in range(times):
        with file.locked():
            stamp, found = file.stamp(), file.read()
            file.write(json.dumps(json.loads(found or "0") + 1), stamp)


def test_no_change_is_lost_among_processes_and_threads(file: PrivateFile) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(str(file.path), 50)) for _ in range(3)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count_up(str(file.path), 50), range(4)))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert file.read() == str(7 * 50)


def test_a_child_that_was_forked_amid_a_change_does_not_keep_the_lock(file: PrivateFile) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with file.locked():
            held.set()
            free.wait()
            file.create("one")

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    releaser = threading.Timer(0.2, free.set)
    releaser.start()

    def change() -> str | None:
        with file.locked():
            replace(file, "two")
        return file.read()

    assert in_child(change) == "two"
    holder.join()
    releaser.join()
    assert change() == "two"


def test_a_lock_that_is_never_released_ends_in_an_error(
    file: PrivateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.access.private_file.PATIENCE", 0.2)
    read_end, write_end = os.pipe()
    with file.locked():
        pass
    pid = os.fork()
    if pid == 0:
        with file.locked():
            os.write(write_end, b"x")
            signal.pause()
    assert os.read(read_end, 1) == b"x"
    try:
        with pytest.raises(InvalidConfigError, match=r"locked by another process"), file.locked():
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read_end)
        os.close(write_end)
    with file.locked():
        assert file.create("one")
