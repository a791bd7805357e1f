"""Python and Node change the same documents; some are stopped or killed at every step."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from disks import can_forbid, forbid_hard_links
from shared_peers import LANGUAGES, Peer, needs_node, race, ready
from support import newest
from tallystick import new_client_secret
from tallystick._files.shared_file import KEEP, SharedFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET_HASH = new_client_secret().secret_hash


def register(file: SharedFile, name: str) -> None:
    """What an authority does to the document, without its hash and its core."""

    def change(text: str | None) -> str:
        clients = json.loads(text)["clients"] if text else []
        known = [client for client in clients if client["client_id"] != name]
        client = {"client_id": name, "scopes": [], "secret_hash": SECRET_HASH}
        return json.dumps({"version": 1, "clients": [*known, client]})

    file.update(change)


def names(folder: Path) -> set[str]:
    clients = json.loads(newest(folder / "clients.json").read_text())["clients"]
    found = [client["client_id"] for client in clients]
    assert len(found) == len(set(found))
    return set(found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "authority"


@pytest.fixture
def clients(folder: Path) -> SharedFile:
    return SharedFile(folder / "clients.json", "clients file")


@pytest.mark.medium
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_disk_that_is_full(small_disk: Path, language: str) -> None:
    with Peer(language, small_disk) as peer:
        assert peer.ask("register first -1") == "ok"
        kept = newest(small_disk / "clients.json")
        ballast = small_disk / "ballast"
        # To the last page: what the change needs is not there.
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        answer = peer.ask("register second -1")
        assert re.search(
            r"error .*clients\.json.*no space left.*nothing was changed", answer, re.IGNORECASE
        )
        assert newest(small_disk / "clients.json") == kept
        assert names(small_disk) == {"first"}
        assert list(small_disk.glob(".*")) == []
        ballast.unlink()
        assert peer.ask("register second -1") == "ok"
        assert names(small_disk) == {"first", "second"}


@can_forbid
@pytest.mark.medium
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_system_without_hard_links(folder: Path, clients: SharedFile, language: str) -> None:
    register(clients, "first")
    with Peer(language, folder):
        pass  # makes the key ring
    with Peer(language, folder, lambda: forbid_hard_links(errno.EPERM)) as peer:
        answer = peer.ask("register second -1")
    assert re.search(r"error .*clients\.json.*hard links.*nothing was changed", answer)
    assert names(folder) == {"first"}
    assert [entry for entry in folder.iterdir() if entry.name.startswith(".")] == []
    with Peer(language, folder) as peer:
        assert peer.ask("register second -1") == "ok"


@pytest.mark.medium
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_document_of_a_newer_release_is_left_alone(
    folder: Path, clients: SharedFile, language: str
) -> None:
    register(clients, "first")
    with Peer(language, folder) as peer:
        assert peer.ask("register second -1") == "ok"
        text = newest(clients.path).read_text()
        newest(clients.path).write_text(text.replace('"version": 1', '"version": 2'))
        answer = peer.ask("register third -1")
        assert re.search(r"error .*clients\.json.*is of version 2.*update tallystick", answer)
        assert newest(clients.path).read_text() == text.replace('"version": 1', '"version": 2')
        newest(clients.path).write_text(text)
        assert peer.ask("register third -1") == "ok"
    assert names(folder) == {"first", "second", "third"}


@pytest.mark.medium
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_file_of_an_older_release_is_taken_over(
    folder: Path, clients: SharedFile, language: str
) -> None:
    register(clients, "old")
    newest(clients.path).rename(clients.path)
    with Peer(language, folder) as peer:
        assert peer.ask("register new -1") == "ok"
    assert names(folder) == {"old", "new"}
    assert clients.path.stat().st_size == 0
    assert clients.stray() == ""


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("others", [1, KEEP + 10])
def test_a_process_that_is_stopped_at_any_step_holds_nobody_and_loses_nothing(
    folder: Path, clients: SharedFile, language: str, others: int
) -> None:
    acknowledged, unknown = {"first"}, []
    register(clients, "first")
    with Peer(language, folder) as peer:
        for step in range(200):
            answer = peer.ask(f"register late{step} {step}")
            stopped = answer == "stop"
            if stopped:
                peer.wait_until_stopped()
                for _ in range(others):
                    register(clients, "other")
                answer = peer.go_on()
            if answer == "ok":
                acknowledged.add(f"late{step}")
            else:
                assert "outcome is unknown" in answer
                unknown.append(step)
            assert acknowledged <= names(folder)
            if not stopped:
                break
    assert step > 8
    assert (len(unknown) > 0) is (others > KEEP)
    assert len(unknown) < step


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_process_that_is_killed_at_any_step_holds_nobody(
    folder: Path, clients: SharedFile, language: str
) -> None:
    acknowledged = {"first"}
    register(clients, "first")
    for step in range(200):
        with Peer(language, folder) as peer:
            answer = peer.ask(f"register killed {step}")
        if answer != "stop":
            break
        register(clients, f"after{step}")
        acknowledged.add(f"after{step}")
        assert acknowledged <= names(folder)
        old = [entry for entry in folder.iterdir() if entry.name.startswith("clients.json.")]
        assert [entry for entry in old if entry.stat().st_size] == [newest(clients.path)]
    assert answer == "ok"
    assert step > 8
    for entry in folder.glob(".clients.json.*.tmp"):
        os.utime(entry, (0, 0))
    register(clients, "last")
    assert list(folder.glob(".*")) == []


@pytest.fixture
def peers(folder: Path) -> Iterator[list[Peer]]:
    with ready([Peer(language, folder) for language in ["python", "node"] * 2]) as peers:
        yield peers


@needs_node
@pytest.mark.slow
def test_python_and_node_register_clients_at_the_same_time(folder: Path, peers: list[Peer]) -> None:
    each = 150
    answers = race(peers, lambda number: [f"register c{number}-{i} -1" for i in range(each)])
    assert answers == [["ok"] * each] * len(peers)
    assert names(folder) == {f"c{n}-{i}" for n in range(len(peers)) for i in range(each)}
    assert newest(folder / "clients.json").name == f"clients.json.{each * len(peers)}"


@needs_node
@pytest.mark.slow
def test_python_and_node_rotate_one_ring_at_the_same_time(folder: Path, peers: list[Peer]) -> None:
    each = 4
    answers = race(peers, lambda _: ["rotate"] * each)
    active = [key for found in answers for key in found]
    # Each rotation makes another key the active one; a lost one would be made active twice.
    assert len(set(active)) == each * len(peers)
    ring = newest(folder / "authority.ring.json")
    assert ring.name == f"authority.ring.json.{1 + each * len(peers)}"
    states = {key["kid"]: key["state"] for key in json.loads(ring.read_text())["keys"]}
    assert set(active) <= set(states)
    assert sorted(states.values()).count("retired") == each * len(peers)
