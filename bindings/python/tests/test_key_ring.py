"""The key ring's file: made once, shared, rotated, and never lost."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from support import DEADLINE, KeyPair, in_child, newest
from tallystick import AuthSkill, InvalidConfigError, KeyManager
from tallystick._core.core import call_json
from tallystick._core.loading import load_core
from tallystick._core.signing import SigningFailure
from tallystick._files import watched_text
from tallystick._files.key_ring import ring_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.medium

BOB = "https://bob.example/agents/bob"


def skill(folder: Path, **options: Any) -> AuthSkill:
    return AuthSkill(base_url=BOB, keys_dir=str(folder), **options)


def key_ids(folder: Path) -> list[str]:
    document = json.loads(newest(folder / "bob.ring.json").read_text())
    return [key["kid"] for key in document["keys"]]


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("bob", "bob"),
        ("@team/bob", "team_bob"),
        ("http://a:1/b", "http___a_1_b"),
        ("../../x", ".._.._x"),
        ("a\\b", "a_b"),
    ],
)
def test_the_file_is_named_as_webagents_names_keys(agent: str, name: str) -> None:
    assert str(ring_file("/keys", agent)) == f"/keys/{name}.ring.json"


def test_many_processes_that_start_together_make_one_ring(tmp_path: Path) -> None:
    program = (
        "import sys, tallystick\n"
        f"skill = tallystick.AuthSkill(base_url={BOB!r}, keys_dir=sys.argv[1])\n"
        "print(skill.verify_token(skill.generate_token(skill.base_url)).key_id)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "k")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(8)
    ]
    found = [process.communicate(timeout=DEADLINE) for process in processes]
    assert [error for _, error in found] == [b""] * 8
    assert len({key for key, _ in found}) == 1
    assert found[0][0].decode().strip() == key_ids(tmp_path / "k")[0]
    names = sorted(entry.name for entry in (tmp_path / "k").iterdir())
    assert names == ["bob.ring.json.1"]
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "k" / "bob.ring.json.1").stat().st_mode & 0o777 == 0o600


def test_a_rotation_is_seen_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 0)
    one, two = skill(tmp_path / "k"), skill(tmp_path / "k")
    before = two.generate_token(BOB)
    rotated = one.rotate_keys()
    after = two.verify_token(two.generate_token(BOB))
    assert after.key_id == rotated["active"]
    assert two.verify_token(before).key_id == rotated["retired"][0]
    assert key_ids(tmp_path / "k") == [rotated["active"], rotated["next"], *rotated["retired"]]

    def elsewhere() -> Any:
        return one.rotate_keys(force=True)

    again = in_child(elsewhere)
    assert two.verify_token(two.generate_token(BOB)).key_id == again["active"]
    assert two.verify_token(before).key_id == rotated["retired"][0]


def test_a_ring_that_cannot_be_read_once_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 0)
    one, two = skill(tmp_path / "k"), skill(tmp_path / "k")

    def short_of_descriptors() -> list[str]:
        before = two.verify_token(two.generate_token(BOB)).key_id
        rotated = one.rotate_keys()
        taken: list[int] = []
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, limits[0]), limits[1]))
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        found = [two.verify_token(two.generate_token(BOB)).key_id for _ in range(2)]
        for descriptor in taken:
            os.close(descriptor)
        said = [r.getMessage() for r in caplog.records if "ring.json" in r.getMessage()]
        after = two.verify_token(two.generate_token(BOB)).key_id
        assert (found, after) == ([before, before], rotated["active"])
        return said

    (said,) = in_child(short_of_descriptors)
    assert "Too many open files" in said


def test_stolen_keys_are_revoked_at_once(tmp_path: Path) -> None:
    for revoke in (True, False):
        folder = tmp_path / str(revoke)
        one = skill(folder)
        stolen = one.generate_token(BOB)
        before = set(key_ids(folder))
        one.rotate_keys(force=True, revoke=revoke)
        assert len(before & set(key_ids(folder))) == (0 if revoke else 2)
        assert (one.validate_token(stolen) is None) is revoke
        assert one.verify_token(one.generate_token(BOB)).key_id not in before or not revoke


def test_a_token_under_way_is_signed_with_the_key_that_was_dropped(tmp_path: Path) -> None:
    # The ring is taken, the core has asked for the old key a moment before.
    with skill(tmp_path) as bob:
        signing = bob._engine.signing
        keys = key_ids(tmp_path)
        need = {"key": keys[0], "alg": "RS256", "input": "header.claims"}
        assert signing.sign(need)
        bob.rotate_keys(revoke=True)
        assert not set(keys) & set(key_ids(tmp_path))
        assert signing.sign(need)
        bob.rotate_keys(revoke=True)
        with pytest.raises(SigningFailure, match="no private key"):
            signing.sign(need)


def test_the_file_is_looked_at_once_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 3600)
    one, two = skill(tmp_path / "k"), skill(tmp_path / "k")
    before = two.verify_token(two.generate_token(BOB)).key_id
    one.rotate_keys()
    assert two.verify_token(two.generate_token(BOB)).key_id == before


@pytest.mark.parametrize("damage", ["text", "mode", "gone"])
def test_a_ring_that_is_damaged_while_running_goes_on_in_memory(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watched_text, "LOOK_EVERY", 0)
    running = skill(tmp_path / "k")
    path = newest(tmp_path / "k" / "bob.ring.json")
    good = path.read_text()
    if damage == "text":
        path.write_text("{")
    elif damage == "mode":
        path.chmod(0o644)
    else:
        path.unlink()
    for _ in range(3):
        assert running.verify_token(running.generate_token(BOB))
    said = [record.getMessage() for record in caplog.records if "bob.ring.json" in record.message]
    assert len(said) == 1
    with pytest.raises(InvalidConfigError, match=r"bob\.ring\.json"):
        running.rotate_keys()
    if damage != "mode":
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(good)
    path.chmod(0o600)
    assert running.rotate_keys()["retired"]


def test_the_key_of_webagents_becomes_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    private, public = KeyManager.generate_rsa_keypair()
    folder = tmp_path / "k"
    folder.mkdir(mode=0o700)
    (folder / "bob.pem").touch(mode=0o600)
    (folder / "bob.pem").write_text(private)
    found = skill(folder)
    key = call_json(load_core(), "key.inspect", {"text": public})["keys"][0]["kid"]
    assert found.verify_token(found.generate_token(BOB)).key_id == key
    assert (folder / "bob.pem").read_text() == private
    assert "bob.pem" in caplog.text
    assert private not in caplog.text


def test_a_key_of_webagents_that_others_can_read_is_refused(tmp_path: Path, keys: KeyPair) -> None:
    folder = tmp_path / "k"
    folder.mkdir(mode=0o700)
    (folder / "bob.pem").write_text(keys.private)
    (folder / "bob.pem").chmod(0o644)
    with pytest.raises(InvalidConfigError, match=r"bob\.pem is open .*chmod 600"):
        skill(folder)
    assert [entry.name for entry in folder.iterdir() if entry.suffix == ".json"] == []


@pytest.mark.parametrize("bits", [2048, 3072])
def test_the_size_of_keys(tmp_path: Path, bits: int) -> None:
    found = skill(tmp_path / "k", key_bits=bits)
    served = found.serve("GET", "/.well-known/jwks.json")
    assert served is not None
    for key in json.loads(served.body)["keys"]:
        assert len(key["n"]) == {2048: 342, 3072: 512}[bits]


def test_the_wrong_size_of_keys(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="bits"):
        skill(tmp_path / "k", key_bits=1024)
    assert not (tmp_path / "k").exists()


def test_keys_without_cryptography(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import tallystick\n"
        "folder, backend = sys.argv[1:]\n"
        f"skill = tallystick.AuthSkill(base_url={BOB!r}, keys_dir=folder, backend=backend)\n"
        "print(skill.verify_token(skill.generate_token(skill.base_url)).agent_id)"
    )
    for name in ("native", "wasm"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / name), name],
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (done.stdout, done.stderr) == (b"bob\n", b"")


def test_dead_keys_are_dropped_at_the_next_start(tmp_path: Path) -> None:
    first = skill(tmp_path / "k")
    first.rotate_keys()
    path = newest(tmp_path / "k" / "bob.ring.json")
    document = json.loads(path.read_text())
    retired = next(key for key in document["keys"] if key["state"] == "retired")
    assert retired["dead_at"] > time.time() + 300
    skill(tmp_path / "k")
    assert retired["kid"] in key_ids(tmp_path / "k")
    retired["dead_at"] = int(time.time()) - 1
    path.write_text(json.dumps(document))
    skill(tmp_path / "k")
    assert retired["kid"] not in key_ids(tmp_path / "k")


def test_a_folder_without_room_makes_no_half_ring(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys, tallystick\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))\n"
        f"tallystick.AuthSkill(base_url={BOB!r}, keys_dir=sys.argv[1], store='memory:')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "k")],
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert b"bob.ring.json cannot be written (File too large): free space" in done.stderr
    assert b"PRIVATE KEY" not in done.stderr
    assert os.listdir(tmp_path / "k") == []
    assert skill(tmp_path / "k").generate_token(BOB)
