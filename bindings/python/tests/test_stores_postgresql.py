"""A store in PostgreSQL, on real servers: what it keeps, what it refuses, what it does without."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest

import real_servers
from real_servers import Wire, at_once, eventually, new_id, restart
from support import (
    DEADLINE,
    ORIGIN,
    KeyPair,
    agent_app,
    call,
    fork_without_hooks,
    in_child,
)
from tallystick import (
    AgentAuth,
    InvalidArgumentError,
    OrchestratorClient,
    PostgreSQLStore,
    StoreUnavailableError,
)
from tallystick.stores.postgresql import PRUNE_EVERY
from tallystick.stores.postgresql_tables import PRUNE_ROWS
from tallystick.testing import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

pytestmark = pytest.mark.medium


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with real_servers.postgresql() as server:
        yield server


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    """The owner of the database."""
    with contextlib.closing(psycopg.connect(server.url, autocommit=True)) as client:
        yield client


@pytest.fixture
def table(client: Any) -> Iterator[str]:
    table = f"test_{new_id()[:12]}"
    yield table
    for each in ("used", "values", "documents"):
        client.execute(f"DROP TABLE IF EXISTS {table}_{each}")


@pytest.fixture
def store(server: Any, table: str) -> Iterator[PostgreSQLStore]:
    store = PostgreSQLStore(server.url, table=table)
    yield store
    store.close()


def open_store(url: str, table: str = "tallystick", timeout: float = 2) -> PostgreSQLStore:
    return PostgreSQLStore(url, table=table, timeout=timeout)


def refusal(store: PostgreSQLStore) -> str:
    """Return why a store may not be used, at the start and at a claim alike."""
    with pytest.raises(StoreUnavailableError) as at_start:
        store._check()
    with pytest.raises(StoreUnavailableError) as at_claim:
        store.claim(new_id(), 60)
    assert str(at_start.value) == str(at_claim.value)

    async def claim() -> None:
        try:
            await store.aclaim(new_id(), 60)
        finally:
            await store.aclose()

    with pytest.raises(StoreUnavailableError) as at_async:
        asyncio.run(claim())
    assert str(at_async.value) == str(at_start.value)
    store.close()
    assert str(at_start.value).startswith("store postgresql://")
    return str(at_start.value)


def test_claims_are_rows_that_expire(store: PostgreSQLStore, client: Any, table: str) -> None:
    key, longest = new_id(), new_id()
    assert [store.claim(key, 60) for _ in range(3)] == [True, False, False]
    assert store.claim(longest, 1 << 31)
    left = "SELECT extract(epoch FROM expires_at - now()) FROM {}_used WHERE id = %s"
    (seconds,) = client.execute(left.format(table), (bytes.fromhex(key),)).fetchone()
    assert 55 < seconds <= 60
    (seconds,) = client.execute(left.format(table), (bytes.fromhex(longest),)).fetchone()
    assert seconds > (1 << 31) - 5


def test_values_are_apart_from_claims(store: PostgreSQLStore) -> None:
    key = new_id()
    value = bytes(range(256)) * 256
    store.put(key, b"first", 60)
    store.put(key, value, 60)
    assert store.claim(key, 60)
    assert store.get(key) == store.take(key) == value
    assert (store.get(key), store.take(key), store.claim(key, 60)) == (None, None, False)


def test_threads_and_loops_see_the_same(store: PostgreSQLStore) -> None:
    key, other = new_id(), new_id()

    async def use() -> list[Any]:
        found: list[Any] = [await store.aclaim(key, 60), await store.aclaim(other, 60)]
        await store.aput(key, b"\0value", 60)
        found += [await store.aget(key), await store.atake(key), await store.atake(key)]
        await store.aclose()
        return found

    assert store.claim(key, 60)
    assert asyncio.run(use()) == [False, True, b"\0value", b"\0value", None]
    assert not store.claim(other, 60)
    assert asyncio.run(use())[:2] == [False, False]


def test_a_document_has_versions(store: PostgreSQLStore) -> None:
    assert store.read("ring") is None
    assert store.write("ring", 0, b"first")
    assert not store.write("ring", 0, b"other")
    assert store.read("ring") == (1, b"first")
    big = os.urandom(8 << 20)
    assert store.write("ring", 1, big)
    assert not store.write("ring", 1, b"late")
    assert not store.write("ring", 3, b"early")
    assert not store.write("nothing", 1, b"")
    assert store.read("ring") == (2, big)
    assert store.write("ring", 2, b"")
    assert store.read("ring") == (3, b"")

    async def use() -> list[Any]:
        found: list[Any] = [await store.aread("ring"), await store.awrite("ring", 2, b"")]
        found += [await store.awrite("ring", 3, big), await store.aread("none")]
        await store.aclose()
        return found

    assert asyncio.run(use()) == [(3, b""), False, True, None]


def test_of_many_writers_of_one_version_one_succeeds(store: PostgreSQLStore) -> None:
    for version in range(10):
        written = at_once(16, lambda version=version: store.write("ring", version, b""))  # type: ignore[misc]
        assert [found for found, _ in written].count(True) == 1
    assert store.read("ring") == (10, b"")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("", 0, b""), "name"),
        (("a" * 201, 0, b""), "name"),
        (("a/b", 0, b""), "name"),
        (("a\n", 0, b""), "name"),
        ((None, 0, b""), "name"),
        (("a", -1, b""), "expected_version"),
        (("a", True, b""), "expected_version"),
        (("a", 1.0, b""), "expected_version"),
        (("a", 0, "text"), "value"),
        (("a", 0, bytes((8 << 20) + 1)), "value"),
    ],
)
def test_wrong_documents_are_mistakes_of_the_program(
    store: PostgreSQLStore, arguments: Any, says: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        store.write(*arguments)
    if says == "name":
        with pytest.raises(InvalidArgumentError, match=says):
            store.read(arguments[0])


@pytest.mark.slow
def test_it_passes_the_test_for_stores() -> None:
    with real_servers.postgresql() as server:
        check_store(
            partial(open_store, server.url),
            pause=server.pause,
            resume=server.resume,
            restart=partial(restart, server),
            progress=print,
        )


def test_it_passes_a_short_test_for_stores(server: Any, table: str) -> None:
    check_store(partial(open_store, server.url, table), processes=2, claimants=16, ids=20)


# What it waits for.


def in_time(found: list[tuple[Any, float]], count: int, timeout: float) -> None:
    said = {str(reason) for reason, _ in found}
    assert len(found) == count
    assert len(said) == 1
    assert f"(no answer within {timeout:g} s)" in said.pop()
    assert max(seconds for _, seconds in found) < 2 * timeout


def test_a_server_that_hangs_keeps_nobody_longer_than_the_deadline() -> None:
    async def claim(store: PostgreSQLStore) -> tuple[Any, float]:
        began = time.monotonic()
        try:
            found: Any = await store.aclaim(new_id(), 60)
        except StoreUnavailableError as reason:
            found = reason
        return found, time.monotonic() - began

    async def claims(server: Any, connected: bool) -> None:
        store = PostgreSQLStore(server.url, timeout=1)
        if connected:
            await asyncio.gather(*(claim(store) for _ in range(64)))
        server.pause()
        in_time(await asyncio.gather(*(claim(store) for _ in range(64))), 64, 1)
        server.resume()
        await asyncio.sleep(0.5)
        found = await asyncio.gather(*(claim(store) for _ in range(64)))
        assert [claimed for claimed, _ in found] == [True] * 64
        await store.aclose()

    with real_servers.postgresql() as server:
        PostgreSQLStore(server.url)._check()
        for connected in (True, False):
            store = PostgreSQLStore(server.url, timeout=1)
            if connected:
                at_once(64, lambda store=store: store.claim(new_id(), 60))  # type: ignore[misc]
            server.pause()
            in_time(at_once(64, lambda store=store: store.claim(new_id(), 60)), 64, 1)  # type: ignore[misc]
            server.resume()
            time.sleep(0.5)
            again = at_once(64, lambda store=store: store.claim(new_id(), 60))  # type: ignore[misc]
            assert [found for found, _ in again] == [True] * 64
            store.close()
            asyncio.run(claims(server, connected))


def test_a_claim_waits_for_another_transaction_until_its_deadline(
    server: Any, table: str, client: Any
) -> None:
    store = PostgreSQLStore(server.url, table=table, timeout=1)
    key = new_id()
    store._check()
    with psycopg.connect(server.url) as other:
        other.execute(
            f"INSERT INTO {table}_used VALUES (%s, now() + interval '1 minute')",
            (bytes.fromhex(key),),
        )
        in_time(at_once(4, lambda: store.claim(key, 60)), 4, 1)
        assert store.claim(new_id(), 60)
        other.rollback()
    # The server may have made one of those claims.
    assert isinstance(store.claim(key, 60), bool)
    assert not store.claim(key, 60)
    store.close()


def test_a_claim_whose_answer_is_lost_is_not_sent_again(server: Any, table: str) -> None:
    with Wire(server.port) as wire:
        url = server.url.replace(str(server.port), str(wire.port)) + "?sslmode=disable"
        store = PostgreSQLStore(url, table=table)
        key = new_id()
        assert store.claim(new_id(), 60)
        wire.answers = False
        with pytest.raises(StoreUnavailableError):
            store.claim(key, 60)
        assert wire.sent.count(bytes.fromhex(key)) == 1
        wire.answers = True
        assert not store.claim(key, 60)  # it was made
        store.close()


def test_a_task_that_is_cancelled_leaves_no_answer_behind(store: PostgreSQLStore) -> None:
    async def use() -> None:
        for _ in range(60):
            task = asyncio.ensure_future(store.aclaim(new_id(), 60))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
        assert [await store.aclaim(new_id(), 60) for _ in range(50)] == [True] * 50
        await store.aclose()

    asyncio.run(use())


OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tallystick'"


def test_at_most_8_connections_are_open(store: PostgreSQLStore, client: Any) -> None:
    assert [found for found, _ in at_once(64, lambda: store.claim(new_id(), 60))] == [True] * 64
    assert 1 <= client.execute(OURS).fetchone()[0] <= 8
    store.close()
    eventually(lambda: client.execute(OURS).fetchone()[0] == 0)
    assert store.claim(new_id(), 60)


def end_sessions(server: Any) -> None:
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'tallystick'"
    )
    time.sleep(0.2)


def test_connections_that_ended_while_idle_are_replaced(
    server: Any, store: PostgreSQLStore
) -> None:
    async def use() -> None:
        assert await store.aclaim(new_id(), 60)
        end_sessions(server)
        assert await store.aclaim(new_id(), 60)
        await store.aclose()

    at_once(16, lambda: store.claim(new_id(), 60))
    end_sessions(server)
    assert [store.claim(new_id(), 60) for _ in range(32)] == [True] * 32
    asyncio.run(use())


# What it forgets.


def rows(client: Any, table: str) -> int:
    return int(client.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_expired_rows_are_deleted_in_bounded_batches(
    store: PostgreSQLStore, client: Any, table: str
) -> None:
    store._check()
    for each, value in (("used", ""), ("values", "'\\x00',")):
        client.execute(
            f"INSERT INTO {table}_{each} SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), {value} "
            "now() - interval '1 second' FROM generate_series(1, 600) AS n"
        )
    for number in range(4 * PRUNE_EVERY):
        assert store.claim(new_id(), 60)
        store.put(new_id(), b"", 60)
        if number == PRUNE_EVERY - 1:
            assert rows(client, f"{table}_used") == 600 - PRUNE_ROWS + number + 1
    assert rows(client, f"{table}_used") == rows(client, f"{table}_values") == 4 * PRUNE_EVERY


def test_the_index_is_used_to_find_what_expired(
    store: PostgreSQLStore, client: Any, table: str
) -> None:
    store._check()
    client.execute(
        f"INSERT INTO {table}_used SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), "
        "now() + interval '1 hour' FROM generate_series(1, 5000) AS n"
    )
    client.execute(f"ANALYZE {table}_used")
    plan = client.execute(f"EXPLAIN {store._tables.prune_used.text}").fetchall()
    assert f"{table}_used_expires_at" in str(plan)


def test_rows_that_others_lock_are_left_to_them(
    server: Any, store: PostgreSQLStore, client: Any, table: str
) -> None:
    store._check()
    client.execute(f"INSERT INTO {table}_used VALUES ('\\x00', now() - interval '1 second')")
    with psycopg.connect(server.url) as other:
        other.execute(f"SELECT * FROM {table}_used FOR UPDATE")
        began = time.monotonic()
        assert [store.claim(new_id(), 60) for _ in range(PRUNE_EVERY)] == [True] * PRUNE_EVERY
        assert time.monotonic() - began < 2
    assert rows(client, f"{table}_used") == PRUNE_EVERY + 1


def test_what_cannot_be_deleted_is_noticed_and_claims_go_on(
    store: PostgreSQLStore, client: Any, table: str
) -> None:
    store._check()
    client.execute(
        f"CREATE FUNCTION {table}_no() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''never''; END'"
    )
    client.execute(f"CREATE TRIGGER no BEFORE DELETE ON {table}_used EXECUTE FUNCTION {table}_no()")
    assert [store.claim(new_id(), 60) for _ in range(3 * PRUNE_EVERY)] == [True] * 3 * PRUNE_EVERY
    (said,) = store._notices
    assert said.endswith("what expired cannot be deleted, so that its tables grow (never)")
    client.execute(f"DROP FUNCTION {table}_no CASCADE")


# Servers and tables that it refuses.


def test_wrong_users_passwords_databases_and_addresses_are_refused(server: Any) -> None:
    for url in (server.url_of("tally", "wr0ng"), server.url_of("nobody")):
        said = refusal(PostgreSQLStore(url))
        assert "correct user and password" in said
        assert "wr0ng" not in said
        assert said.startswith(f"store postgresql://127.0.0.1:{server.port}/tally cannot be used (")
    said = refusal(PostgreSQLStore(server.url.removesuffix("/tally") + "/none"))
    assert "create the database" in said
    port = real_servers.free_port()
    said = refusal(PostgreSQLStore(f"postgresql://127.0.0.1:{port}/tally"))
    assert "refused" in said
    assert "see whether the server runs" in said
    assert "host and port" in refusal(PostgreSQLStore("postgresql://nosuch.invalid/tally"))
    with pytest.raises(StoreUnavailableError, match="sslmode in the URL"):
        PostgreSQLStore(f"{server.url}?sslmode=require").claim(new_id(), 60)


def test_a_standby_and_a_read_only_server_are_refused(server: Any, table: str) -> None:
    with (
        real_servers.postgresql() as primary,
        real_servers.postgresql(standby_of=primary) as standby,
    ):
        PostgreSQLStore(primary.url)._check()
        assert "name the primary" in refusal(PostgreSQLStore(standby.url))
        both = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        url = primary.url.replace(f"127.0.0.1:{primary.port}", both)
        store = PostgreSQLStore(f"{url}?target_session_attrs=read-write")
        assert store.claim(new_id(), 60)
        # Fail-over amid claims, to a standby that was in step.
        primary.kill()
        standby.sql("SELECT pg_promote()", "postgres")
        assert eventually(lambda: claimed(store))
        store.close()
    option = "?options=-c%20default_transaction_read_only%3Don"
    assert "it is read-only" in refusal(PostgreSQLStore(server.url + option, table=table))


def claimed(store: PostgreSQLStore) -> bool:
    try:
        return store.claim(new_id(), 60)
    except StoreUnavailableError:
        return False


def test_a_server_that_becomes_read_only_refuses(
    server: Any, store: PostgreSQLStore, client: Any
) -> None:
    assert store.claim(new_id(), 60)
    client.execute("ALTER DATABASE tally SET default_transaction_read_only = on")
    try:
        end_sessions(server)
        with pytest.raises(StoreUnavailableError, match="name the primary"):
            store.claim(new_id(), 60)
    finally:
        client.execute("SET default_transaction_read_only = off")
        client.execute("ALTER DATABASE tally RESET default_transaction_read_only")
    assert store.claim(new_id(), 60)


def test_clocks_that_differ_are_refused(
    store: PostgreSQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 100)
    assert "(the server's clock is 100 s ahead of this host's): set both" in refusal(store)
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert "(the server's clock is 3600 s behind this host's): set both" in refusal(store)
    monkeypatch.setattr(time, "time", lambda: real() + 50)
    assert store.claim(new_id(), 60)


@pytest.mark.parametrize(
    ("name", "made", "says"),
    [
        ("used", "(id text PRIMARY KEY, expires_at timestamptz)", "has the columns"),
        ("used", "(id bytea PRIMARY KEY, expires_at bigint)", "has the columns"),
        ("used", "(id bytea PRIMARY KEY)", "has the columns"),
        ("used", "(id bytea, expires_at timestamptz)", "primary key id"),
        ("used", "(id bytea, expires_at timestamptz, UNIQUE (id, expires_at))", "primary key id"),
        ("values", "(id bytea PRIMARY KEY, value text, expires_at timestamptz)", "has the columns"),
        ("documents", "(name text, version bigint, value bytea)", "primary key name"),
        ("documents", "(name text PRIMARY KEY, version int, value bytea)", "has the columns"),
    ],
)
def test_tables_of_another_version_are_refused(
    store: PostgreSQLStore, client: Any, table: str, name: str, made: str, says: str
) -> None:
    client.execute(f"CREATE TABLE {table}_{name} {made}")
    said = refusal(store)
    assert f'"{table}_{name}"' in said
    assert says in said
    assert "choose other tables with the option table" in said
    client.execute(f"DROP TABLE {table}_{name}")
    assert store.claim(new_id(), 60)


def test_a_unique_index_that_is_partial_is_no_primary_key(
    store: PostgreSQLStore, client: Any, table: str
) -> None:
    client.execute(f"CREATE TABLE {table}_used (id bytea, expires_at timestamptz)")
    client.execute(f"CREATE UNIQUE INDEX ON {table}_used (id) WHERE expires_at IS NOT NULL")
    assert "primary key id" in refusal(store)


def test_a_table_that_a_crash_empties_is_refused(
    store: PostgreSQLStore, client: Any, table: str
) -> None:
    client.execute(
        f"CREATE UNLOGGED TABLE {table}_used (id bytea PRIMARY KEY, expires_at timestamptz)"
    )
    assert f'ALTER TABLE "{table}_used" SET LOGGED' in refusal(store)
    client.execute(f"ALTER TABLE {table}_used SET LOGGED")
    assert store.claim(new_id(), 60)


BY_HAND = """
CREATE TABLE {0}_used (id bytea PRIMARY KEY, expires_at timestamptz NOT NULL);
CREATE INDEX {0}_used_expires_at ON {0}_used (expires_at);
CREATE TABLE {0}_values
    (id bytea PRIMARY KEY, value bytea NOT NULL, expires_at timestamptz NOT NULL);
CREATE TABLE {0}_documents (name text PRIMARY KEY, version bigint NOT NULL, value bytea NOT NULL);
"""


def test_a_role_that_may_make_no_tables_finds_those_made_by_hand(
    server: Any, client: Any, table: str
) -> None:
    server.sql("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    store = PostgreSQLStore(server.url_of("guest", "guest"), table=table)
    said = refusal(store)
    assert f'its role may not make "{table}_used"' in said
    assert "make the tables by hand" in said
    client.execute(BY_HAND.format(table))
    lacking = f'lacks SELECT, INSERT, UPDATE, DELETE on "{table}_used"'
    assert lacking in refusal(store)
    for each in ("used", "values", "documents"):
        client.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table}_{each} TO guest")
    store._check()
    key = new_id()
    assert [store.claim(key, 60) for _ in range(2)] == [True, False]
    assert [store.claim(new_id(), 60) for _ in range(PRUNE_EVERY)] == [True] * PRUNE_EVERY
    assert store.write("ring", 0, b"")
    assert list(store._notices) == []
    client.execute(f"REVOKE INSERT ON {table}_used FROM guest")
    with pytest.raises(StoreUnavailableError, match="GRANT SELECT, INSERT, UPDATE, DELETE"):
        store.claim(new_id(), 60)
    store.close()
    client.execute(f"DROP TABLE {table}_used, {table}_values, {table}_documents")
    server.sql("DROP ROLE guest")


def test_a_schema_can_be_named(server: Any, client: Any) -> None:
    assert "its role may not make" in refusal(PostgreSQLStore(server.url, table="order.tally"))
    client.execute('CREATE SCHEMA "order"')
    store = PostgreSQLStore(server.url, table="order.tally")
    assert store.claim(new_id(), 60)
    assert rows(client, '"order".tally_used') == 1
    client.execute('DROP SCHEMA "order" CASCADE')
    with pytest.raises(StoreUnavailableError, match="a table was dropped while in use"):
        store.claim(new_id(), 60)
    store.close()


def test_stores_that_start_together_make_the_tables_once(server: Any, table: str) -> None:
    stores = [PostgreSQLStore(server.url, table=table) for _ in range(12)]
    waiting = list(stores)
    assert [found for found, _ in at_once(12, lambda: waiting.pop()._check())] == [None] * 12
    key = new_id()
    waiting = list(stores)
    claims = [found for found, _ in at_once(12, lambda: waiting.pop().claim(key, 60))]
    assert claims.count(True) == 1
    for store in stores:
        store.close()


# TLS.


def test_tls() -> None:
    with real_servers.certificates("postgres") as folder:
        config = {
            "ssl": "on",
            "ssl_cert_file": str(folder / "server.pem"),
            "ssl_key_file": str(folder / "server.key"),
        }
        with real_servers.postgresql(config=config) as server:
            trusting = f"sslmode=verify-full&sslrootcert={folder / 'ca.pem'}"
            store = PostgreSQLStore(f"{server.url}?{trusting}")
            key = new_id()
            assert store.claim(key, 60)
            store.put(key, bytes(60_000), 60)
            assert store.take(key) == bytes(60_000)

            async def claim() -> list[bool]:
                found = [await store.aclaim(key, 60), await store.aclaim(new_id(), 60)]
                await store.aclose()
                return found

            assert asyncio.run(claim()) == [False, True]
            store.close()
            other = server.url.replace("@127.0.0.1", "@other.example")
            for url, says in (
                (f"{other}?{trusting}&hostaddr=127.0.0.1", "name the host as its certificate does"),
                (f"{server.url}?sslmode=verify-full&sslrootcert=system", "name its authority"),
            ):
                with pytest.raises(StoreUnavailableError, match=says):
                    PostgreSQLStore(url).claim(new_id(), 60)


# What it is made of.


@pytest.mark.parametrize(
    "server",
    [
        "redis://127.0.0.1",
        "dbname=tally password=s3cret",
        "",
        "postgresql://u:s3cret@127.0.0.1:port/tally",
        "postgresql://u:s3@cret@127.0.0.1/tally",
        "postgresql://u:s3/cret@127.0.0.1/tally",
        "postgresql://u:s3#cret@127.0.0.1/tally",
        "postgresql://u:s3?cret@127.0.0.1/tally",
        "postgresql://u:s3%zzcret@127.0.0.1/tally",
        "postgresql://u:s3cret@127.0.0.1/tally?nonsense=s3cret",
        None,
        5432,
        psycopg.Connection,
        psycopg_pool.ConnectionPool("nonsense=s3cret", open=False),
        psycopg_pool.ConnectionPool(lambda: "password=s3cret", open=False),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else type(each).__name__,
)
def test_what_is_no_server_is_a_mistake_of_the_program(server: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="server") as refused:
        PostgreSQLStore(server)
    assert "s3" not in str(refused.value)
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("table", ""),
        ("table", "Tally"),
        ("table", "1x"),
        ("table", "a.b.c"),
        ("table", "x" * 42),
        ("table", 'x"; DROP TABLE y'),
        ("table", "x\n"),
        ("table", None),
        ("timeout", 0),
        ("timeout", True),
        ("required", 1),
    ],
)
def test_wrong_options_are_mistakes_of_the_program(option: str, value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=option):
        PostgreSQLStore("postgresql://127.0.0.1/tally", **{option: value})


def test_a_password_is_in_no_text(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    store = PostgreSQLStore(
        f"postgresql://joe:s3cret%40word@127.0.0.1:{server.port}/tally?application_name=s3cret"
    )
    assert repr(store) == f"<PostgreSQLStore postgresql://127.0.0.1:{server.port}/tally>"
    assert "s3cret" not in refusal(store) + caplog.text


@pytest.mark.parametrize("kind", [psycopg_pool.ConnectionPool, psycopg_pool.AsyncConnectionPool])
def test_a_pool_gives_its_settings(server: Any, table: str, kind: Any) -> None:
    user, _, rest = server.url.removeprefix("postgresql://").partition("@")
    name, _, password = user.partition(":")
    given = kind(
        f"postgresql://{rest}",
        kwargs={"user": name, "password": "a password of tests", "autocommit": False},
        open=False,
    )
    assert password
    store = PostgreSQLStore(given, table=table)
    assert repr(store) == f"<PostgreSQLStore postgresql://{rest}>"
    key = new_id()
    assert [store.claim(key, 60) for _ in range(2)] == [True, False]
    store.close()


def test_a_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from tallystick import PostgreSQLStore, InvalidArgumentError\n"
        "try: PostgreSQLStore('postgresql://127.0.0.1')\n"
        "except InvalidArgumentError as refused: print(refused)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'pip install "tallystick[postgresql]"' in said.stdout


# Agents.


@pytest.fixture
def caller(keys: KeyPair) -> OrchestratorClient:
    return OrchestratorClient("orchestrator", keys.private)


def sign(client: OrchestratorClient) -> dict[str, str]:
    return client.sign("POST", ORIGIN + "/agent", b"")


def post(app: Flask, headers: dict[str, str]) -> int:
    return call(app, headers, b"").status


def test_an_agent_refuses_during_an_outage_and_loses_nothing(
    keys_dir: Path, caller: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    with real_servers.postgresql() as server:
        server.kill()
        with pytest.raises(StoreUnavailableError, match="refused"):
            AgentAuth(keys_dir, store=server.url)
        app = agent_app(AgentAuth(keys_dir, store=PostgreSQLStore(server.url, required=False)))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        used = sign(caller)
        assert post(app, used) == 503
        server.start()
        assert [post(app, used), post(app, used)] == [200, 429]
        restart(server)
        assert post(app, used) == 429
        assert post(app, sign(caller)) == 200


# Processes.


def test_parent_and_children_have_connections_of_their_own(
    store: PostgreSQLStore, client: Any
) -> None:
    key = new_id()
    at_once(8, lambda: store.claim(key, 60))
    pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tallystick'"
    before = set(client.execute(pids).fetchall())
    stop = threading.Event()
    failed: list[Exception] = []

    def keep_busy() -> None:
        while not stop.is_set():
            try:
                assert store.claim(new_id(), 60)
            except Exception as reason:
                failed.append(reason)

    def child() -> list[int]:
        claims = at_once(16, lambda: sum(store.claim(new_id(), 60) for _ in range(20)))
        return [sum(found for found, _ in claims), int(store.claim(key, 60))]

    threads = [threading.Thread(target=keep_busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            assert in_child(child) == [320, 0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert [store.claim(new_id(), 60) for _ in range(8)] == [True] * 8
    assert before <= set(client.execute(pids).fetchall())


def test_a_fork_without_pythons_hooks_is_noticed(store: PostgreSQLStore) -> None:
    key = new_id()
    assert store.claim(key, 60)

    def child() -> list[bool]:
        return [store.claim(key, 60), *(store.claim(new_id(), 60) for _ in range(50))]

    assert in_child(child, fork_without_hooks) == [False] + [True] * 50
    assert [store.claim(new_id(), 60) for _ in range(8)] == [True] * 8


def test_greenlets_of_gevent_wait_beside_each_other() -> None:
    with real_servers.postgresql() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", real_servers.GEVENT, "PostgreSQLStore", server.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "200\n"
        server.pause()
        output, _ = process.communicate("\n", timeout=DEADLINE)
        server.resume()
        assert output == "True True\n"
