"""Shared files: modes and owners, versions, whole or not at all, and no lock."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from disks import can_forbid, forbid_hard_links
from support import in_child, newest, unprivileged
from tallystick import InvalidConfigError
from tallystick._files.private_text import MAX_SIZE, read_private
from tallystick._files.shared_file import KEEP, SharedFile
from tallystick._files.shared_text import Document


@pytest.fixture
def file(tmp_path: Path) -> SharedFile:
    return SharedFile(tmp_path / "keys" / "a.ring.json", "key ring")


def replace(file: SharedFile, text: str) -> int:
    return file.update(lambda _: text).number


def place(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def listed(file: SharedFile) -> list[str]:
    return sorted(os.listdir(file.path.parent))


def test_each_change_is_a_new_version_for_the_owner_alone(file: SharedFile) -> None:
    assert file.read() == Document(0, None)
    before = os.umask(0)
    try:
        assert [replace(file, "one"), replace(file, "two")] == [1, 2]
    finally:
        os.umask(before)
    assert file.read() == Document(2, "two")
    assert file.path.parent.stat().st_mode & 0o777 == 0o700
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in file.path.parent.iterdir()}
    assert modes == {"a.ring.json.1": 0o600, "a.ring.json.2": 0o600}


def test_nothing_of_an_old_version_stays_but_its_name(file: SharedFile) -> None:
    for number in range(KEEP + 6):
        replace(file, f"text {number}")
    names = [f"a.ring.json.{number}" for number in (1, *range(7, KEEP + 7))]
    assert listed(file) == sorted(names)
    sizes = {entry.name: entry.stat().st_size for entry in file.path.parent.iterdir()}
    assert {name for name, size in sizes.items() if size} == {f"a.ring.json.{KEEP + 6}"}


def test_a_change_that_changes_nothing_is_no_version(file: SharedFile) -> None:
    replace(file, "one")
    assert file.update(lambda _: None) == Document(1, "one")
    assert listed(file) == ["a.ring.json.1"]


def test_the_file_of_an_older_release_is_taken_over(file: SharedFile) -> None:
    place(file.path, "old")
    assert file.read() == Document(0, "old")
    assert file.update(lambda _: None) == Document(0, "old")
    assert listed(file) == ["a.ring.json"]
    assert file.update(lambda text: f"{text} and new") == Document(2, "old and new")
    assert listed(file) == ["a.ring.json", "a.ring.json.1", "a.ring.json.2"]
    assert file.path.stat().st_size == 0
    assert file.stray() == ""


def test_a_file_that_appears_beside_versions_is_told_of(file: SharedFile) -> None:
    replace(file, "one")
    assert file.stray() == ""
    place(file.path, "by hand")
    assert file.read() == Document(1, "one")
    assert re.search(
        r"a\.ring\.json is not used.*a\.ring\.json\.1 beside it.*json\.2", file.stray()
    )
    file.path.rename(file.path.with_name("a.ring.json.2"))
    assert file.read() == Document(2, "by hand")
    assert file.stray() == ""


def test_a_plain_file_that_is_a_link_is_not_taken_over(file: SharedFile, tmp_path: Path) -> None:
    place(tmp_path / "elsewhere" / "x", "old")
    file.path.parent.mkdir(mode=0o700)
    file.path.symlink_to(tmp_path / "elsewhere" / "x")
    assert file.read() == Document(0, "old")
    with pytest.raises(InvalidConfigError, match="symbolic link: put the file itself there"):
        replace(file, "new")
    assert file.read() == Document(0, "old")


@pytest.mark.parametrize("name", ["0", "01", "-1", "1.5", "+2", "1e3", "٣", "2.bak", "1" * 16, ""])
def test_other_names_are_no_versions(file: SharedFile, name: str) -> None:
    replace(file, "one")
    place(file.path.with_name(f"a.ring.json.{name}"), "no version")
    assert file.read() == Document(1, "one")
    assert replace(file, "two") == 2


def test_the_last_number(file: SharedFile) -> None:
    place(file.path.with_name("a.ring.json." + "9" * 15), "last")
    with pytest.raises(InvalidConfigError, match="no number after"):
        replace(file, "new")
    assert file.read().text == "last"


def test_a_look_sees_every_change(file: SharedFile) -> None:
    looks = [file.look(None)]

    def changed() -> bool:
        looks.append(file.look(looks[-1]))
        return looks[-1] != looks[-2]

    assert not changed()
    replace(file, "one")
    assert changed()
    assert not changed()
    replace(file, "two")
    assert changed()
    newest(file.path).write_text("ten")
    assert changed()
    newest(file.path).chmod(0o644)
    assert changed()
    newest(file.path).chmod(0o600)
    assert changed()
    place(file.path, "beside")
    assert changed()
    place(file.path.with_name("other.ring.json.1"), "another document")
    assert not changed()
    newest(file.path).unlink()
    assert changed()
    assert not changed()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666])
def test_a_file_that_others_can_open_is_refused(file: SharedFile, mode: int) -> None:
    replace(file, "one")
    newest(file.path).chmod(mode)
    with pytest.raises(
        InvalidConfigError, match=rf"a\.ring\.json\.1 is open .*{mode:04o}.*chmod 600"
    ):
        file.read()
    newest(file.path).chmod(0o600)
    assert file.read().text == "one"


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o777])
def test_a_folder_that_others_can_open_is_refused(file: SharedFile, mode: int) -> None:
    folder = file.path.parent
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(InvalidConfigError, match=rf"{folder} .*{mode:04o}.*chmod 700"):
        replace(file, "one")
    folder.chmod(0o700)
    assert replace(file, "one") == 1


def test_a_folder_that_cannot_be_written_to(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir()
    file = SharedFile(home / "keys" / "a.ring.json", "key ring")
    with unprivileged():
        with pytest.raises(InvalidConfigError, match=r"Permission denied"):
            replace(file, "one")
        assert os.listdir(home) == []
    home.chmod(0o777)
    with unprivileged():
        assert replace(file, "one") == 1


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
def test_a_version_that_another_user_put_there(file: SharedFile) -> None:
    replace(file, "one")
    place(file.path.with_name("a.ring.json.2"), "planted")
    os.chown(newest(file.path), 12345, -1)
    with pytest.raises(
        InvalidConfigError, match=r"ring\.json\.2 belongs to another user \(12345\)"
    ):
        file.read()
    # Whoever owns the folder is the owner of what is in it, such as of a mounted volume.
    os.chown(file.path.parent, 12345, -1)
    assert file.read().text == "planted"


def test_a_file_that_this_user_may_not_read(open_dir: Path) -> None:
    home = open_dir / "home"
    home.mkdir()
    home.chmod(0o777)
    file = SharedFile(home / "a.ring.json", "key ring")
    place(file.path, "one")
    if os.getuid() != 0:
        file.path.chmod(0)  # only root can give it away: to its owner it is now as closed
    with unprivileged(), pytest.raises(InvalidConfigError, match="Permission denied"):
        file.read()
    file.path.chmod(0o600)
    assert file.read().text == "one"


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("name", ["a.ring.json", "a.ring.json.3"])
def test_what_is_no_file_is_refused_at_once(file: SharedFile, kind: str, name: str) -> None:
    file.path.parent.mkdir(mode=0o700)
    if kind == "folder":
        file.path.with_name(name).mkdir()
    else:
        os.mkfifo(file.path.with_name(name), 0o600)
    with pytest.raises(InvalidConfigError, match=r"not a regular file: restore|Is a directory"):
        file.read()


def test_a_text_that_is_too_large_or_empty_is_not_committed(file: SharedFile) -> None:
    replace(file, "x" * MAX_SIZE)
    assert len(file.read().text or "") == MAX_SIZE
    for text in ("x" * (MAX_SIZE + 1), ""):
        with pytest.raises(InvalidConfigError, match="would not have 1 to 8388608 bytes"):
            replace(file, text)
    assert listed(file) == ["a.ring.json.1"]


def test_a_file_that_is_too_large_or_no_text_or_empty(file: SharedFile) -> None:
    replace(file, "one")
    path = newest(file.path)
    path.write_bytes(b"x" * (MAX_SIZE + 1))
    with pytest.raises(InvalidConfigError, match=r"json\.1 is over 8388608 bytes: restore it"):
        file.read()
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidConfigError, match=r"json\.1 is not UTF-8"):
        file.read()
    path.write_bytes(b"")
    with pytest.raises(InvalidConfigError, match=r"json\.1 is empty.*restore it from a copy"):
        file.read()
    path.write_bytes(b"two")
    assert file.read().text == "two"


def test_a_document_of_a_newer_release(file: SharedFile) -> None:
    assert file.parse('{"version": 1}', "no ring") == {"version": 1}
    with pytest.raises(InvalidConfigError, match=r"of version 2.*update tallystick.*left as it is"):
        file.parse('{"version": 2, "keys": []}', "no ring")
    for text in (
        "{}",
        '{"version": true}',
        '{"version": 0}',
        '{"version": "1"}',
        "[1]",
        "\ufeff{}",
    ):
        with pytest.raises(InvalidConfigError, match="is no ring: restore it"):
            file.parse(text, "no ring")


def test_a_write_that_fails_leaves_the_last_version(file: SharedFile) -> None:
    def with_little_room() -> list[str | None]:
        # In a child: this limit would hold for the log of the tests too.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        replace(file, "one")
        with pytest.raises(InvalidConfigError) as refused:
            replace(file, "x" * 8192)
        kept = file.read().text
        replace(file, "x" * 4096)
        return [str(refused.value), kept]

    message, kept = in_child(with_little_room)
    assert re.search(r"cannot be written .*File too large.*nothing was changed", message)
    assert kept == "one"
    assert file.read() == Document(2, "x" * 4096)
    assert listed(file) == ["a.ring.json.1", "a.ring.json.2"]


def test_a_disk_that_is_full(small_disk: Path) -> None:
    file = SharedFile(small_disk / "clients.json", "clients file")
    replace(file, "x" * 30_000)
    with pytest.raises(InvalidConfigError, match=r"cannot be written \(No space left.*free space"):
        replace(file, "y" * 50_000)
    assert file.read() == Document(1, "x" * 30_000)
    assert listed(file) == ["clients.json.1"]
    for number in range(7 - len(listed(file))):
        (small_disk / f"other{number}").touch()
    with pytest.raises(
        InvalidConfigError, match=r"cannot be \w+ \(No space left.*nothing was chan"
    ):
        replace(file, "z")
    assert file.read() == Document(1, "x" * 30_000)
    for entry in small_disk.glob("other*"):
        entry.unlink()
    assert replace(file, "z") == 2
    assert listed(file) == ["clients.json.1", "clients.json.2"]


@can_forbid
@pytest.mark.parametrize("errno_", [1, 95], ids=["EPERM", "EOPNOTSUPP"])
@pytest.mark.parametrize("plain", [False, True], ids=["version 1", "version 0"])
def test_a_file_system_without_hard_links(file: SharedFile, errno_: int, *, plain: bool) -> None:
    if plain:
        place(file.path, "one")
    else:
        replace(file, "one")
    before = listed(file)

    def change() -> list[str | None]:
        forbid_hard_links(errno_)
        with pytest.raises(InvalidConfigError) as refused:
            replace(file, "two")
        return [str(refused.value), file.read().text]

    message, kept = in_child(change)
    assert re.search(r"a\.ring\.json cannot be committed.*with hard links.*nothing was", message)
    assert kept == "one"
    assert listed(file) == before
    replace(file, "two")
    assert file.read().text == "two"


def count_up(path: str, times: int) -> None:
    file = SharedFile(Path(path), "counter")
    for _ in range(times):
        file.update(lambda text: json.dumps(json.loads(text or "0") + 1))


@pytest.mark.medium
def test_no_change_is_lost_among_processes_and_threads(file: SharedFile) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(str(file.path), 50)) for _ in range(3)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count_up(str(file.path), 50), range(4)))
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert file.read() == Document(7 * 50, str(7 * 50))


def test_a_change_that_others_are_always_faster_than_gives_up(
    file: SharedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._files.shared_file.PATIENCE", 0)
    tries = 0

    def too_slow(_: str | None) -> str:
        nonlocal tries
        tries += 1
        replace(file, f"faster {tries}")
        return "slow"

    with pytest.raises(InvalidConfigError, match=r"again and again.*nothing was changed"):
        file.update(too_slow)
    assert file.read() == Document(16, "faster 16")


@pytest.mark.parametrize("others", [1, KEEP, KEEP + 1, KEEP + 20])
def test_a_writer_whose_name_was_given_up_is_not_told_that_it_succeeded(
    file: SharedFile, others: int
) -> None:
    outcome: list[str | None] = []

    def late(text: str | None) -> str:
        if not outcome:
            for other in range(others):
                replace(file, f"other {other}")
        outcome.append(text)
        return "late"

    for number in range(KEEP):
        replace(file, f"before {number}")
    last = f"other {others - 1}"
    if others <= KEEP:
        # The name is still there: it is seen, and the change is made again.
        assert file.update(late).text == "late"
        assert outcome == [f"before {KEEP - 1}", last]
    else:
        with pytest.raises(InvalidConfigError, match="outcome is unknown"):
            file.update(late)
        assert outcome == [f"before {KEEP - 1}"]
        assert file.read().text == last
        assert sum(entry.stat().st_size > 0 for entry in file.path.parent.iterdir()) == 1


def test_a_first_version_is_never_made_again(file: SharedFile) -> None:
    outcome: list[str | None] = []

    def late(text: str | None) -> str:
        if not outcome:
            for other in range(KEEP + 10):
                replace(file, str(other))
        outcome.append(text)
        return "late"

    assert file.update(late) == Document(KEEP + 11, "late")
    assert outcome == [None, str(KEEP + 9)]


def test_what_dead_writers_left_is_removed_when_it_is_old(file: SharedFile) -> None:
    replace(file, "one")
    old, new = (file.path.with_name(f".a.ring.json.{digit * 16}.tmp") for digit in "12")
    for path in (old, new):
        place(path, "secret")
    os.utime(old, (0, 0))
    replace(file, "two")
    assert not old.exists()
    assert new.exists()


@pytest.mark.medium
def test_a_reader_is_not_disturbed_by_writers(file: SharedFile) -> None:
    replace(file, "0" * 100_000)
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(
            lambda: [replace(file, str(number % 10) * 100_000) for number in range(200)]
        )
        while not writing.done():
            text = file.read().text or ""
            assert len(text) == 100_000
            assert len(set(text)) == 1
        assert writing.result()[-1] == 201


def test_one_private_file(tmp_path: Path) -> None:
    assert read_private(tmp_path / "a.pem", "private key") is None
    place(tmp_path / "a.pem", "key")
    assert read_private(tmp_path / "a.pem", "private key") == "key"
    (tmp_path / "a.pem").chmod(0o644)
    with pytest.raises(InvalidConfigError, match=r"the private key .*a\.pem is open"):
        read_private(tmp_path / "a.pem", "private key")
