"""The folder of authorized keys: what is in it counts, from the next second on."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import KeyPair, agent_app, privileged, signed_call, unprivileged
from tallystick import AgentAuth, InvalidArgumentError, OrchestratorClient
from tallystick._files.keys_folder import MAX_FILE_SIZE, KeysFolder, read_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Flask

    from support import Answer

pytestmark = pytest.mark.medium


def eventually(app: Flask, client: OrchestratorClient, code: str) -> Answer:
    """Call until the answer is as wanted: the folder is read once a second at most."""
    end = time.monotonic() + 30
    while True:
        answer = signed_call(app, client)
        if (answer.json.get("code") or "accepted") == code:
            return answer
        assert time.monotonic() < end, f"still {answer.json}"
        time.sleep(0.1)


def test_added_changed_and_removed_files_count_without_a_restart(
    keys_dir: Path, keys: KeyPair, other_keys: KeyPair, client: OrchestratorClient, backend: str
) -> None:
    app = agent_app(AgentAuth(keys_dir, backend=backend))
    second = OrchestratorClient("second", other_keys.private)
    assert signed_call(app, client).status == 200
    assert signed_call(app, second).code == "unknown_issuer"
    (keys_dir / "second.pem").write_text(other_keys.public)
    eventually(app, second, "accepted")
    (keys_dir / "second.pem").write_text(keys.public)
    eventually(app, second, "invalid_signature")
    (keys_dir / "second.pem").unlink()
    eventually(app, second, "unknown_issuer")
    assert signed_call(app, client).status == 200


def test_a_rotation_has_both_keys_in_one_file(
    keys_dir: Path, keys: KeyPair, other_keys: KeyPair, client: OrchestratorClient
) -> None:
    app = agent_app(AgentAuth(keys_dir))
    rotated = OrchestratorClient("orchestrator", other_keys.private)
    assert signed_call(app, rotated).code == "invalid_signature"
    (keys_dir / "orchestrator.pem").write_text(other_keys.public + keys.public)
    eventually(app, rotated, "accepted")
    assert signed_call(app, client).status == 200


def test_a_folder_that_kubernetes_mounts_is_swapped_as_a_whole(
    tmp_path: Path, keys: KeyPair, other_keys: KeyPair, client: OrchestratorClient, backend: str
) -> None:
    # A ConfigMap is mounted as links through ..data, which one rename turns to a new folder.
    folder = tmp_path / "keys"
    for version, public in (("..v1", keys.public), ("..v2", other_keys.public)):
        (folder / version).mkdir(parents=True)
        (folder / version / "orchestrator.pem").write_text(public)
    (folder / "..data").symlink_to("..v1")
    (folder / "orchestrator.pem").symlink_to("..data/orchestrator.pem")
    app = agent_app(AgentAuth(folder, backend=backend))
    rotated = OrchestratorClient("orchestrator", other_keys.private)
    assert signed_call(app, client).status == 200
    assert signed_call(app, rotated).code == "invalid_signature"
    (folder / "..next").symlink_to("..v2")
    (folder / "..next").rename(folder / "..data")
    eventually(app, rotated, "accepted")
    assert signed_call(app, client).code == "invalid_signature"


@pytest.mark.parametrize("state", ["missing", "empty"])
def test_a_missing_or_empty_folder_knows_nobody_until_a_key_is_dropped_in(
    tmp_path: Path,
    keys: KeyPair,
    client: OrchestratorClient,
    state: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "later"
    if state == "empty":
        folder.mkdir()
    app = agent_app(AgentAuth(folder))
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert str(folder) in warning
    assert "ISSUER.pem" in warning
    assert signed_call(app, client).code == "unknown_issuer"
    folder.mkdir(exist_ok=True)
    (folder / "orchestrator.pem").write_text(keys.public)
    eventually(app, client, "accepted")


def test_an_unreadable_folder_is_503_until_it_can_be_read(
    open_dir: Path, keys: KeyPair, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    keys_dir = open_dir / "keys"
    keys_dir.mkdir()
    (keys_dir / "orchestrator.pem").write_text(keys.public)
    assert signed_call(agent_app(AgentAuth(keys_dir)), client).status == 200
    keys_dir.chmod(0)
    caplog.clear()
    with unprivileged():
        app = agent_app(AgentAuth(keys_dir, store="memory:"))
        assert str(keys_dir) in caplog.text
        answer = signed_call(app, client)
        with privileged():
            keys_dir.chmod(0o755)
        eventually(app, client, "accepted")
    assert (answer.status, answer.code) == (503, "keys_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert str(keys_dir) not in answer.body.decode()


def test_a_file_in_place_of_the_folder_is_503(
    tmp_path: Path, keys: KeyPair, client: OrchestratorClient
) -> None:
    folder = tmp_path / "keys"
    folder.write_text(keys.public)
    app = agent_app(AgentAuth(folder))
    assert signed_call(app, client).code == "keys_unavailable"
    folder.unlink()
    folder.mkdir()
    (folder / "orchestrator.pem").write_text(keys.public)
    eventually(app, client, "accepted")


def test_a_file_that_cannot_be_read_once_is_503_and_is_read_again(
    tmp_path: Path, keys_dir: Path, keys: KeyPair, other_keys: KeyPair
) -> None:
    (keys_dir / "second.pem").write_text(other_keys.public)
    private = [tmp_path / "orchestrator.private", tmp_path / "second.private"]
    for path, pair in zip(private, (keys, other_keys), strict=True):
        path.write_text(pair.private)
    program = Path(__file__).parent / "apps" / "short_of_descriptors.py"
    ran = subprocess.run(
        [sys.executable, str(program), str(keys_dir), *map(str, private)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(ran.stdout) == {
        "during": ["keys_unavailable", "accepted"],
        "after": ["accepted", "accepted"],
    }
    # Said once, although it is tried again and again.
    assert ran.stderr.count("orchestrator.pem is not used: Too many open files") == 1


def test_a_file_that_stays_unreadable_is_503_and_costs_nobody_else(
    open_dir: Path, keys: KeyPair, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    keys_dir = open_dir / "keys"
    keys_dir.mkdir()
    (keys_dir / "orchestrator.pem").write_text(keys.public)
    (keys_dir / "second.pem").write_text(keys.public)
    (keys_dir / "second.pem").chmod(0)
    second = OrchestratorClient("second", keys.private)
    # What is imported on first use must be so before the user changes.
    assert signed_call(agent_app(AgentAuth(keys_dir)), client).status == 200
    time.sleep(2.1)
    with unprivileged():
        app = agent_app(AgentAuth(keys_dir, store="memory:"))
        for _ in range(2):
            answer = signed_call(app, second)
            assert (answer.status, answer.code) == (503, "keys_unavailable")
            assert answer.headers["retry-after"] == "1"
            assert signed_call(app, client).status == 200
            time.sleep(1.1)
        assert caplog.text.count("second.pem is not used") == 1
        with privileged():
            (keys_dir / "second.pem").chmod(0o644)
        eventually(app, second, "accepted")


def certificate(keys: KeyPair) -> str:
    key = serialization.load_pem_private_key(keys.private.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "orchestrator")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1))
        .not_valid_after(datetime(2099, 1, 1))
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM).decode()


def weak_key(_: KeyPair) -> str:
    key = rsa.generate_private_key(65537, 1024).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda keys: keys.private, "private key"),
        (certificate, "certificate"),
        (weak_key, "1024"),
        (lambda keys: "garbage", "not used"),
        (lambda keys: "", "empty"),
        (lambda keys: keys.public.replace("M", "!", 1), "not used"),
    ],
    ids=["private", "certificate", "weak", "garbage", "empty", "broken"],
)
def test_a_file_that_is_no_good_is_named_and_costs_its_own_issuer_only(
    keys_dir: Path,
    keys: KeyPair,
    client: OrchestratorClient,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[KeyPair], str],
    says: str,
) -> None:
    (keys_dir / "bad.pem").write_text(make(keys))
    app = agent_app(AgentAuth(keys_dir))
    (warning,) = [r.getMessage() for r in caplog.records]
    assert "bad.pem" in warning
    assert says in warning
    assert keys.private.splitlines()[3] not in caplog.text
    bad = OrchestratorClient("bad", keys.private)
    assert signed_call(app, bad).code == "unknown_issuer"
    assert signed_call(app, client).status == 200
    (keys_dir / "bad.pem").write_text(keys.public)
    eventually(app, bad, "accepted")


def test_a_bad_file_dropped_in_later_is_logged_too(
    keys_dir: Path, keys: KeyPair, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    app = agent_app(AgentAuth(keys_dir))
    assert signed_call(app, client).status == 200
    (keys_dir / "bad.pem").write_text(keys.private)
    end = time.monotonic() + 30
    while "bad.pem" not in caplog.text:
        assert signed_call(app, client).status == 200
        assert time.monotonic() < end
        time.sleep(0.1)


def test_two_files_for_one_issuer_are_refused_and_both_named(
    keys_dir: Path, keys: KeyPair, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    (keys_dir / "orchestrator.pub").write_text(keys.public)
    app = agent_app(AgentAuth(keys_dir))
    assert "orchestrator.pem and orchestrator.pub" in caplog.text
    assert signed_call(app, client).code == "unknown_issuer"
    (keys_dir / "orchestrator.pub").unlink()
    eventually(app, client, "accepted")


@pytest.fixture
def folder(keys_dir: Path) -> KeysFolder:
    return KeysFolder(str(keys_dir), logging.getLogger("test"))


def test_unchanged_is_said_only_of_a_folder_that_did_not_change(
    folder: KeysFolder, keys_dir: Path, keys: KeyPair
) -> None:
    deliveries: list[list[str]] = []

    def deliver(files: list[dict[str, str]]) -> None:
        deliveries.append([file["name"] for file in files])

    old = time.time() - 60
    os.utime(keys_dir / "orchestrator.pem", (old, old))
    folder.load()
    # Its ctime is of this second, in which two writes may look the same.
    assert folder.refresh(deliver) == {"unchanged": True}
    assert deliveries == [["orchestrator.pem"]]
    time.sleep(2.1)
    folder.refresh(deliver)
    assert len(deliveries) == 2
    for _ in range(3):
        assert folder.refresh(deliver) == {"unchanged": True}
    assert len(deliveries) == 2
    (keys_dir / "second.pem").write_text(keys.public)
    folder.refresh(deliver)
    assert deliveries[2:] == [["orchestrator.pem", "second.pem"]]


def test_a_failed_delivery_is_made_again(folder: KeysFolder) -> None:
    def refuse(files: list[dict[str, str]]) -> None:
        raise InvalidArgumentError("no")

    taken: list[list[dict[str, str]]] = []
    time.sleep(2.1)
    folder.load()
    assert folder.refresh(taken.append) == {"unchanged": True}
    assert taken == []
    folder._delivered = None
    assert "failed" in folder.refresh(refuse)
    assert folder.refresh(taken.append) == {"unchanged": True}
    assert len(taken) == 1


def test_files_are_bounded_and_only_regular_ones_are_read(
    keys_dir: Path, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    (keys_dir / "fits.pem").write_text("x" * MAX_FILE_SIZE)
    (keys_dir / "huge.pem").write_text("x" * (MAX_FILE_SIZE + 1))
    (keys_dir / "binary.pem").write_bytes(b"\xff\xfe\x00")
    (keys_dir / "folder.pem").mkdir()
    os.mkfifo(keys_dir / "pipe.pem")
    monkeypatch.chdir(keys_dir)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.pem")
    (keys_dir / "dangling.pem").symlink_to("nowhere")
    (keys_dir / "linked.pem").symlink_to("orchestrator.pem")
    (keys_dir / os.fsdecode(b"bad\xff.pem")).write_text(keys.public)
    found = {file["name"]: file for file in read_files(str(keys_dir))}
    assert found.pop("orchestrator.pem")["text"] == keys.public
    assert found.pop("linked.pem")["text"] == keys.public
    assert len(found.pop("fits.pem")["text"]) == MAX_FILE_SIZE
    assert all(file.keys() == {"name", "unusable"} for file in found.values())
    assert {name: file["unusable"] for name, file in found.items()} == {
        "binary.pem": "not UTF-8 text",
        "dangling.pem": "a link to a file that is not there",
        "folder.pem": "not a regular file",
        "huge.pem": f"larger than {MAX_FILE_SIZE} bytes",
        "pipe.pem": "not a regular file",
        "socket.pem": "not a regular file",
    }


def test_a_folder_of_too_many_files_is_refused_as_a_whole(
    tmp_path: Path, keys: KeyPair, client: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "orchestrator.pem").write_text(keys.public)
    for number in range(10_000):
        (folder / f"{number}.txt").touch()
    app = agent_app(AgentAuth(folder))
    assert signed_call(app, client).code == "keys_unavailable"
    assert "10000 files" in caplog.text
    (folder / "0.txt").unlink()
    eventually(app, client, "accepted")
