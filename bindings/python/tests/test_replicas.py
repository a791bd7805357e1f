"""Replicas on several machines: one key ring and one list of clients, in a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import jwt
import psycopg
import pytest

import real_servers
from real_servers import at_once, eventually, new_id
from shared_peers import Peer, needs_node, race, ready
from support import DEADLINE, fork_without_hooks, gunicorn, in_child
from tallystick import (
    Authority,
    AuthSkill,
    InvalidArgumentError,
    InvalidConfigError,
    PostgreSQLStore,
    StoreUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.medium

KEY = "0f" * 32
URL = "https://agent.example"

Opened = Any


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with real_servers.postgresql() as server:
        yield server


@pytest.fixture
def table(server: Any) -> Iterator[str]:
    table = f"test_{new_id()[:12]}"
    yield table
    with contextlib.closing(psycopg.connect(server.url, autocommit=True)) as client:
        for each in ("used", "values", "documents"):
            client.execute(f"DROP TABLE IF EXISTS {table}_{each}")


@pytest.fixture
def open_replica(server: Any, table: str, tmp_path: Path) -> Iterator[Callable[..., AuthSkill]]:
    """Make a replica on a machine of its own: it has its own folder."""
    opened: list[AuthSkill] = []

    def open_one(**options: Any) -> AuthSkill:
        machine = tmp_path / f"machine{len(opened)}"
        options = {"store_key": KEY, "keys_dir": str(machine), "base_url": URL, **options}
        options.setdefault("store", PostgreSQLStore(server.url, table=table))
        opened.append(AuthSkill(options.pop("config", None), **options))
        return opened[-1]

    yield open_one
    for skill in opened:
        skill.close()


@pytest.fixture
def row(server: Any, table: str) -> Callable[..., Any]:
    """Ask about the one document."""

    def ask(statement: str, *values: Any) -> Any:
        with contextlib.closing(psycopg.connect(server.url, autocommit=True)) as client:
            found = client.execute(statement.format(f"{table}_documents"), values)
            return found.fetchone() if found.description else None

    return ask


def published(skill: AuthSkill | Authority) -> set[str]:
    served = skill.serve("GET", "/.well-known/jwks.json")
    assert served is not None
    return {key["kid"] for key in json.loads(served.body)["keys"]}


def signed_by(skill: AuthSkill) -> str:
    return kid_of(skill.generate_token("https://other.example"))


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_replicas_sign_with_one_ring(open_replica: Opened, tmp_path: Path) -> None:
    first, second = open_replica(), open_replica()
    assert published(first) == published(second)
    assert signed_by(first) == signed_by(second)
    rotated = first.rotate_keys(force=True)
    assert signed_by(first) == rotated["active"]
    eventually(lambda: signed_by(second) == rotated["active"])
    assert published(second) == published(first)
    # The other one, too; and what the first rotation made is not lost.
    again = second.rotate_keys(force=True)
    assert set(again["retired"]) == {*rotated["retired"], rotated["active"]}
    eventually(lambda: signed_by(first) == again["active"])
    assert not list(tmp_path.glob("machine*/*"))


def test_a_token_of_one_is_verified_by_the_other(open_replica: Opened) -> None:
    first, second = open_replica(), open_replica()
    token = first.generate_token(URL, ["read"])
    assert second.verify_token(token).agent_url == URL


def test_the_ring_is_encrypted(open_replica: Opened, row: Opened) -> None:
    open_replica()
    name, version, value = row("SELECT name, version, value FROM {}")
    assert name.startswith("ring-")
    assert version == 1
    assert b"PRIVATE" not in value
    assert b"kid" not in value


def test_another_key_opens_nothing(open_replica: Opened, row: Opened) -> None:
    open_replica()
    with pytest.raises(InvalidConfigError) as wrong:
        open_replica(store_key="0e" * 32)
    text = str(wrong.value)
    assert "the key ring ring-" in text
    assert "give the store_key that it was encrypted with" in text
    assert "0e0e" not in text
    open_replica()
    # A row that somebody changed is not a ring either.
    row("UPDATE {} SET value = value || 'x'::bytea")
    with pytest.raises(InvalidConfigError, match="was not sealed with this"):
        open_replica()


def test_the_key_must_not_be_forgotten(open_replica: Opened) -> None:
    keyless = open_replica(store_key=None)
    assert "PRIVATE" not in repr(keyless)
    open_replica(agent_id="other", base_url="https://other.example", store_key=None)
    open_replica()
    with pytest.raises(InvalidArgumentError, match=r"lies in store postgresql://.*give store_key"):
        open_replica(store_key=None)


@pytest.mark.parametrize("key", ["short", "", KEY[2:], "correct horse battery staple"])
def test_what_is_no_key(open_replica: Opened, key: str) -> None:
    with pytest.raises(InvalidArgumentError, match="store_key") as wrong:
        open_replica(store_key=key)
    assert not key or key not in str(wrong.value)


@pytest.mark.parametrize("store", ["memory:", "sqlite:", "redis://127.0.0.1:1", None])
def test_only_postgresql_keeps_rings(open_replica: Opened, store: str | None) -> None:
    with pytest.raises(InvalidArgumentError, match="store_key needs store: a store in PostgreSQL"):
        open_replica(store=store)


def test_an_agent_that_signs_nothing_has_no_ring(open_replica: Opened) -> None:
    with pytest.raises(InvalidArgumentError, match="store_key is for the key ring of an agent"):
        open_replica(authority="https://portal.example", client_secret="x" * 32)
    with pytest.raises(InvalidArgumentError, match="store_key is for the key ring of an agent"):
        open_replica(base_url=None, audience=URL, jwks_uri="https://portal.example/keys")


def test_it_begins_with_the_ring_of_the_machine(
    open_replica: Opened,
    row: Opened,
    server: Any,
    table: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with AuthSkill(base_url=URL, keys_dir=str(tmp_path / "machine0"), store="memory:") as before:
        kids, token = published(before), before.generate_token(URL, ["read"])
    with caplog.at_level(logging.WARNING):
        first = open_replica()
    assert "was moved to ring-" in caplog.text
    assert published(first) == kids
    assert open_replica().verify_token(token).agent_url == URL
    # The private keys are in the file no more, and nobody goes on with them.
    assert not any("PRIVATE" in file.read_text() for file in (tmp_path / "machine0").iterdir())
    with pytest.raises(InvalidConfigError, match=r"was moved to ring-.*give the options store"):
        AuthSkill(base_url=URL, keys_dir=str(tmp_path / "machine0"), store="memory:")
    row("DELETE FROM {}")
    with pytest.raises(InvalidConfigError, match=r"was moved to ring-.*where it is lost there"):
        AuthSkill(
            base_url=URL,
            keys_dir=str(tmp_path / "machine0"),
            store=PostgreSQLStore(server.url, table=table),
            store_key=KEY,
        )


def test_an_older_ring_is_not_taken(
    open_replica: Opened, row: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = open_replica(), open_replica()
    version, value = row("SELECT version, value FROM {}")
    active = first.rotate_keys(revoke=True)["active"]
    eventually(lambda: signed_by(second) == active)
    # Somebody puts the stolen keys back. With its version it opens.
    row("UPDATE {} SET version = %s, value = %s", version, value)
    eventually(
        lambda: signed_by(second) == active and "went back from version 2 to 1" in caplog.text
    )
    with pytest.raises(InvalidConfigError, match="went back from version 2 to 1"):
        second.rotate_keys()
    row("DELETE FROM {}")
    eventually(lambda: signed_by(second) == active and "is gone" in caplog.text)
    # Nor does a child of a process that knows a ring make another one.
    assert in_child(lambda: signed_by(second)) == active
    with pytest.raises(InvalidConfigError, match="is gone"):
        second.rotate_keys(force=True)


def test_another_document_of_the_same_version_is_taken(open_replica: Opened, row: Opened) -> None:
    # After a fail-over that lost the last version.
    first, idle = open_replica(), open_replica()
    version, value = row("SELECT version, value FROM {}")
    lost = first.rotate_keys(force=True)["active"]
    eventually(lambda: signed_by(idle) == lost)
    row("UPDATE {} SET version = %s, value = %s", version, value)
    other = open_replica().rotate_keys(revoke=True)["active"]
    eventually(lambda: signed_by(idle) == other)


def test_a_server_that_hangs_does_not_hold_up_an_agent(
    open_replica: Opened, server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = open_replica()
    before = signed_by(first)
    server.pause()
    try:
        end = time.monotonic() + 4
        signed = 0
        while time.monotonic() < end:
            assert signed_by(first) == before
            signed += 1
        # A look has 2 s: who waited for each would have signed thrice.
        assert signed > 10
        with pytest.raises(StoreUnavailableError):
            first.rotate_keys(force=True)
    finally:
        server.resume()
    assert "store postgresql://" in caplog.text
    active = eventually(lambda: _rotated(first))
    assert signed_by(first) == active


def _rotated(skill: AuthSkill) -> str | None:
    with contextlib.suppress(StoreUnavailableError):
        return str(skill.rotate_keys(force=True)["active"])
    return None


def test_an_idle_replica_asks_before_it_answers(
    open_replica: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._files.watched_text.LOOK_EVERY", 0.05)
    # So that a busy machine does not matter.
    monkeypatch.setattr("tallystick._files.watched_text.PATIENCE", DEADLINE)
    first, second = open_replica(), open_replica()
    for _ in range(3):
        active = first.rotate_keys(force=True)["active"]
        time.sleep(0.1)
        # Every one of those that come at once.
        assert {kid for kid, _ in at_once(8, lambda: signed_by(second))} == {active}

    async def asynchronous() -> None:
        for _ in range(3):
            active = first.rotate_keys(force=True)["active"]
            await asyncio.sleep(0.1)
            served = await second.aserve("GET", "/.well-known/jwks.json")
            assert served is not None
            assert active in served.body

    asyncio.run(asynchronous())


def test_a_forked_child_follows(open_replica: Opened) -> None:
    first, second = open_replica(), open_replica()
    signed_by(second)

    def child() -> None:
        active = first.rotate_keys(force=True)["active"]
        eventually(lambda: signed_by(second) == active)

    in_child(child)
    eventually(lambda: signed_by(second) == signed_by(first))


def test_a_child_that_was_forked_without_a_word_follows(open_replica: Opened) -> None:
    first = open_replica()
    signed_by(first)

    def child() -> bool:
        return bool(first.rotate_keys(force=True)["active"] == signed_by(first))

    assert in_child(child, fork_without_hooks)


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_workers_of_gunicorn_follow(kind: str, server: Any, tmp_path: Path) -> None:
    url = f"https://{kind}.example"
    environment = {
        "URL": url,
        "KEYS_DIR": str(tmp_path / "served"),
        "STORE": server.url,
        "STORE_KEY": KEY,
    }
    options = ["--preload", "--workers", "2", "--worker-class", kind, "--timeout", "30"]

    def kid() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/token") as answer:
            return kid_of(answer.read().decode())

    with (
        gunicorn("replica", environment, *options) as served,
        AuthSkill(base_url=url, keys_dir=str(tmp_path), store=server.url, store_key=KEY) as other,
    ):
        for _ in range(2):
            active = other.rotate_keys(force=True)["active"]
            eventually(lambda: {found for found, _ in at_once(16, kid)} == {active})  # noqa: B023


@pytest.fixture
def authority_of(server: Any, table: str, tmp_path: Path) -> Iterator[Callable[[str], Authority]]:
    opened: list[Authority] = []

    def open_one(machine: str) -> Authority:
        store = PostgreSQLStore(server.url, table=table)
        opened.append(
            Authority(
                "https://portal.example", keys_dir=tmp_path / machine, store=store, store_key=KEY
            )
        )
        return opened[-1]

    yield open_one
    for authority in opened:
        authority.close()


def test_replicas_of_an_authority_have_the_same_clients(
    authority_of: Opened, row: Opened, tmp_path: Path
) -> None:
    before = Authority("https://portal.example", keys_dir=tmp_path / "one", store="memory:")
    before.register_client("old", scopes=["read"])
    before.close()
    first, second = authority_of("one"), authority_of("two")
    assert [client.client_id for client in second.list_clients()] == ["old"]
    first.register_client("alice", scopes=["read"])
    second.register_client("bob", scopes=["read"])
    assert {client.client_id for client in first.list_clients()} == {"old", "alice", "bob"}
    row("CREATE TABLE kept_{0} AS SELECT * FROM {0} WHERE name LIKE 'clients-%%' AND %s", True)
    row("DELETE FROM {} WHERE name LIKE 'clients-%%' AND %s", True)
    # It would be a list of this client alone.
    with pytest.raises(InvalidConfigError, match="is gone"):
        first.register_client("carol", scopes=["read"])
    row("INSERT INTO {0} SELECT * FROM kept_{0}")
    row("DROP TABLE kept_{}")
    assert second.remove_client("alice")
    assert {client.client_id for client in first.list_clients()} == {"old", "bob"}
    assert published(first) == published(second)
    _, value = row("SELECT version, value FROM {} WHERE name LIKE 'clients-%%' AND %s", True)
    assert b"alice" not in value
    assert b"old" not in value


@pytest.fixture
def peers(server: Any, tmp_path: Path) -> Iterator[list[Peer]]:
    environment = {"TALLYSTICK_STORE": server.url, "TALLYSTICK_STORE_KEY": KEY}
    started = [
        Peer(language, tmp_path / f"machine{number}", **environment)
        for number, language in enumerate(["python", "node"] * 2)
    ]
    with ready(started) as peers:
        yield peers


@needs_node
def test_python_and_node_change_one_ring_and_one_list(
    peers: list[Peer], server: Any, tmp_path: Path
) -> None:
    each, rotations = 30, 3

    def lines(number: int) -> list[str]:
        return [f"register c{number}-{i} -1" for i in range(each)] + ["rotate"] * rotations

    answers = race(peers, lines)
    assert [found[:each] for found in answers] == [["ok"] * each] * len(peers)
    active = [key for found in answers for key in found[each:]]
    # Each rotation makes another key the active one; a lost one would be made active twice.
    assert len(set(active)) == rotations * len(peers)
    options: dict[str, Any] = {"store": server.url, "store_key": KEY}
    with Authority("https://portal.example", keys_dir=tmp_path / "last", **options) as last:
        names = {client.client_id for client in last.list_clients()}
        assert names == {f"c{n}-{i}" for n in range(len(peers)) for i in range(each)}
        assert set(active) <= published(last)
