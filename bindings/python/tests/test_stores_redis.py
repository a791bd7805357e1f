"""A store in Redis, on real servers: what it keeps, what it refuses, and what it does without."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio
import redis.sentinel

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
    RedisStore,
    StoreUnavailableError,
)
from tallystick.testing import check_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

pytestmark = pytest.mark.medium

PASSWORD = "s3cret/word"
IN_URL = ":s3cret%2Fword@"
untyped: Any = redis
SAVED = {"save": "3600 1"}


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with real_servers.redis(password=PASSWORD, config=SAVED) as server:
        yield server


@pytest.fixture
def client(server: Any) -> Iterator[redis.Redis]:
    with redis.Redis(port=server.port, password=PASSWORD) as client:
        yield client


@pytest.fixture
def url(server: Any) -> str:
    return f"redis://{IN_URL}127.0.0.1:{server.port}/0"


@pytest.fixture
def prefix(client: redis.Redis) -> Iterator[str]:
    prefix = f"test{new_id()}:"
    yield prefix
    for key in client.scan_iter(f"{prefix}*"):
        client.delete(key)


@pytest.fixture
def store(url: str, prefix: str) -> Iterator[RedisStore]:
    store = RedisStore(url, prefix=prefix)
    yield store
    store.close()


def open_store(url: str, prefix: str = "tallystick:", timeout: float = 2) -> RedisStore:
    return RedisStore(url, prefix=prefix, timeout=timeout)


def refusal(store: RedisStore) -> str:
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
    assert repr(store).removeprefix("<RedisStore ")[:-1] in str(at_async.value)
    store.close()
    assert str(at_start.value).startswith("store redis")
    return str(at_start.value)


def test_claims_are_keys_with_a_time_to_live(
    store: RedisStore, client: redis.Redis, prefix: str
) -> None:
    key = new_id()
    assert [store.claim(key, 60) for _ in range(3)] == [True, False, False]
    assert client.get(f"{prefix}used:{key}") == b"1"
    assert 58_000 < client.pttl(f"{prefix}used:{key}") <= 60_000
    longest = new_id()
    assert store.claim(longest, 1 << 31)
    assert client.pttl(f"{prefix}used:{longest}") > (1 << 31) * 990


def test_values_are_apart_from_claims(store: RedisStore, client: redis.Redis, prefix: str) -> None:
    key = new_id()
    value = bytes(range(256)) * 256
    store.put(key, b"first", 60)
    store.put(key, value, 60)
    assert client.get(f"{prefix}value:{key}") == value
    assert 58_000 < client.pttl(f"{prefix}value:{key}") <= 60_000
    assert store.claim(key, 60)
    assert store.get(key) == store.take(key) == value
    assert (store.get(key), store.take(key), store.claim(key, 60)) == (None, None, False)


def test_threads_and_loops_see_the_same(store: RedisStore) -> None:
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
    # The next loop opens connections of its own.
    assert asyncio.run(use())[:2] == [False, False]


@pytest.mark.slow
def test_it_passes_the_test_for_stores(tmp_path: Path) -> None:
    with real_servers.redis() as server:
        check_store(
            partial(open_store, server.url),
            pause=server.pause,
            resume=server.resume,
            restart=partial(restart, server),
            progress=print,
        )


def test_it_passes_a_short_test_for_stores(url: str, prefix: str) -> None:
    check_store(partial(open_store, url, prefix), processes=2, claimants=16, ids=20)


# What it waits for.


def in_time(found: list[tuple[Any, float]], count: int, timeout: float) -> None:
    said = {str(reason) for reason, _ in found}
    assert len(found) == count
    assert len(said) == 1
    assert f"(no answer within {timeout:g} s)" in said.pop()
    assert max(seconds for _, seconds in found) < 2 * timeout


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_keeps_no_thread_longer_than_the_deadline(connected: bool) -> None:
    with real_servers.redis() as server:
        store = RedisStore(server.url, timeout=1)
        if connected:
            at_once(64, lambda: store.claim(new_id(), 60))
        server.pause()
        in_time(at_once(64, lambda: store.claim(new_id(), 60)), 64, 1)
        server.resume()
        assert [found for found, _ in at_once(64, lambda: store.claim(new_id(), 60))] == [True] * 64
        store.close()


@pytest.mark.parametrize("connected", [True, False])
def test_a_server_that_hangs_keeps_no_task_longer_than_the_deadline(connected: bool) -> None:
    async def claim(store: RedisStore) -> tuple[Any, float]:
        began = time.monotonic()
        try:
            found: Any = await store.aclaim(new_id(), 60)
        except StoreUnavailableError as reason:
            found = reason
        return found, time.monotonic() - began

    async def claims(server: Any) -> None:
        store = RedisStore(server.url, timeout=1)
        if connected:
            await asyncio.gather(*(claim(store) for _ in range(64)))
        server.pause()
        in_time(await asyncio.gather(*(claim(store) for _ in range(64))), 64, 1)
        server.resume()
        found = await asyncio.gather(*(claim(store) for _ in range(64)))
        assert [claimed for claimed, _ in found] == [True] * 64
        await store.aclose()

    with real_servers.redis() as server:
        asyncio.run(claims(server))


def test_a_connection_that_comes_too_late_serves_the_next_call(server: Any, prefix: str) -> None:
    with Wire(server.port) as wire:
        wire.lag = 0.2  # of each answer: there are several before the first claim
        url = f"redis://{IN_URL}127.0.0.1:{wire.port}/0"
        store = RedisStore(url, prefix=prefix, timeout=0.5)
        with pytest.raises(StoreUnavailableError, match=r"no answer within 0.5 s"):
            store.claim(new_id(), 60)
        time.sleep(1)
        assert store.claim(new_id(), 60)
        assert wire.opened == 1
        store.close()


def test_a_name_that_is_not_resolved_in_time(
    server: Any, url: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(*arguments: Any, **options: Any) -> Any:
        time.sleep(1.5)
        return real(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    store = RedisStore(url.replace("127.0.0.1", "localhost"), prefix=prefix, timeout=0.5)
    in_time(at_once(32, lambda: store.claim(new_id(), 60)), 32, 0.5)

    async def claim() -> float:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"no answer within 0.5 s"):
            await store.aclaim(new_id(), 60)
        await store.aclose()
        return time.monotonic() - began

    assert asyncio.run(claim()) < 1
    eventually(lambda: claimed(store))
    store.close()


def claimed(store: RedisStore) -> bool:
    try:
        return store.claim(new_id(), 60)
    except StoreUnavailableError:
        return False


def test_a_claim_whose_answer_is_lost_is_not_sent_again(server: Any, prefix: str) -> None:
    with Wire(server.port) as wire:
        url = f"redis://{IN_URL}127.0.0.1:{wire.port}/0"
        store = RedisStore(url, prefix=prefix)
        key = new_id()

        async def claim() -> None:
            wire.answers = True
            assert await store.aclaim(new_id(), 60)
            wire.answers = False
            await store.aclaim(key, 60)

        assert store.claim(new_id(), 60)
        wire.answers = False
        with pytest.raises(StoreUnavailableError):
            store.claim(key, 60)
        assert wire.sent.count(key.encode()) == 1
        with pytest.raises(StoreUnavailableError):
            asyncio.run(claim())
        assert wire.sent.count(key.encode()) == 2
        wire.answers = True
        assert not store.claim(key, 60)  # it was made
        store.close()


def test_a_task_that_is_cancelled_leaves_no_answer_behind(store: RedisStore) -> None:
    async def use() -> None:
        keys = [new_id() for _ in range(200)]
        for each in keys:
            task = asyncio.ensure_future(store.aclaim(each, 60))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
        assert [await store.aclaim(new_id(), 60) for _ in range(50)] == [True] * 50
        await store.aclose()

    asyncio.run(use())


def test_at_most_16_connections_are_open(store: RedisStore, client: redis.Redis) -> None:
    before = len(client.client_list())
    assert [found for found, _ in at_once(64, lambda: store.claim(new_id(), 60))] == [True] * 64
    assert len(client.client_list()) <= before + 16


def test_connections_that_ended_while_idle_are_replaced(
    store: RedisStore, client: redis.Redis
) -> None:
    async def use() -> None:
        assert await store.aclaim(new_id(), 60)
        client.client_kill_filter(skipme=True, _type="normal")
        await asyncio.sleep(0.1)
        assert await store.aclaim(new_id(), 60)
        await store.aclose()

    at_once(16, lambda: store.claim(new_id(), 60))
    client.client_kill_filter(skipme=True, _type="normal")
    assert [store.claim(new_id(), 60) for _ in range(32)] == [True] * 32
    asyncio.run(use())
    assert store.lost_at is None


# Losses.


@pytest.fixture
def caller(keys: KeyPair) -> OrchestratorClient:
    return OrchestratorClient("orchestrator", keys.private)


def agent(keys_dir: Path, store: Any) -> Flask:
    return agent_app(AgentAuth(keys_dir, store=store, clock_skew=0))


def sign(client: OrchestratorClient) -> dict[str, str]:
    return client.sign("POST", ORIGIN + "/agent", b"")


def post(app: Flask, headers: dict[str, str]) -> int:
    return call(app, headers, b"").status


def test_a_restart_is_a_loss_and_tokens_from_before_are_503(
    keys_dir: Path, caller: OrchestratorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    with real_servers.redis() as server:
        app = agent(keys_dir, server.url)
        used, unused, other = (sign(caller) for _ in range(3))
        assert [post(app, used), post(app, used)] == [200, 429]
        server.kill()
        assert post(app, other) == 503
        server.start()
        ahead = 5
        for headers in (used, unused, used):
            answer = call(app, headers, b"")
            assert (answer.status, answer.code) == (503, "replay_store_unavailable")
            assert int(answer.headers["retry-after"]) > 0
        ahead = 7
        fresh = sign(caller)
        assert [post(app, fresh), post(app, fresh), post(app, unused)] == [200, 429, 503]
        # A process that starts later is told.
        assert post(agent(keys_dir, server.url), unused) == 503


def test_a_fail_over_amid_claims_lets_nothing_pass_twice(
    keys_dir: Path, caller: OrchestratorClient
) -> None:
    with (
        real_servers.redis() as primary,
        real_servers.redis(replica_of=primary.port) as replica,
        Wire(primary.port) as wire,
        redis.Redis(port=replica.port) as at_replica,
    ):
        store = RedisStore(f"redis://127.0.0.1:{wire.port}/0")
        app = agent(keys_dir, store)
        eventually(lambda: at_replica.info("replication")["master_link_status"] == "up")
        tokens = [sign(caller) for _ in range(400)]
        passed: list[int] = []
        over = threading.Event()

        def ask(mine: list[dict[str, str]]) -> None:
            for number, headers in enumerate(mine):
                if number == len(mine) // 2:
                    over.wait(DEADLINE)
                passed.append([post(app, headers) for _ in range(2)].count(200))

        threads = [threading.Thread(target=ask, args=(tokens[n::8],)) for n in range(8)]
        for thread in threads:
            thread.start()
        primary.kill()
        at_replica.replicaof("NO", "ONE")
        wire.switch(replica.port)
        over.set()
        for thread in threads:
            thread.join()
        assert len(passed) == len(tokens)
        assert set(passed) <= {0, 1}
        assert store.lost_at is not None
        assert {post(app, headers) for headers in tokens} == {503}
        time.sleep(max(0.0, store.lost_at + 1 - time.time()))
        fresh = sign(caller)
        assert [post(app, fresh), post(app, fresh)] == [200, 429]
        store.close()


def test_another_server_behind_the_name_is_a_loss_that_others_are_told(prefix: str) -> None:
    with real_servers.redis() as first, real_servers.redis() as second, Wire(first.port) as wire:
        url = f"redis://127.0.0.1:{wire.port}/0"
        store, late = open_store(url, prefix), open_store(url, prefix)
        key = new_id()
        assert store.claim(key, 60)
        assert store.lost_at is None
        began = time.time()
        wire.switch(second.port)
        assert store.claim(key, 60)
        assert store.lost_at is not None
        assert began <= store.lost_at <= time.time() + 1
        # It has not seen the first server.
        assert late.claim(new_id(), 60)
        assert late.lost_at == store.lost_at
        with redis.Redis(port=second.port) as client:
            assert client.get(f"{prefix}lost") == str(store.lost_at).encode()
            assert 86_000 < client.ttl(f"{prefix}lost") <= 86_400
        store.close()
        late.close()


def test_what_is_told_is_checked(store: RedisStore, client: redis.Redis, prefix: str) -> None:
    client.set(f"{prefix}lost", int(time.time()) + 10_000)
    assert store.claim(new_id(), 60)
    assert store.lost_at is not None
    assert store.lost_at <= time.time() + 1  # later than now would refuse what is to come
    store.close()
    client.set(f"{prefix}lost", "yesterday")
    assert refusal(store).endswith(f"(the key {prefix}lost holds no time): delete that key")


def test_a_child_knows_the_server_of_its_parent() -> None:
    with real_servers.redis() as server:
        store = RedisStore(server.url)
        assert store.claim(new_id(), 60)
        restart(server)
        assert in_child(lambda: store.claim(new_id(), 60) and store.lost_at is not None)
        store.close()


# Servers that it refuses.


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "allkeys-random"])
def test_a_server_that_evicts_is_refused(policy: str) -> None:
    with real_servers.redis(config={"maxmemory-policy": policy}) as server:
        store = RedisStore(server.url)
        said = refusal(store)
        assert f"maxmemory-policy is {policy}): set maxmemory-policy noeviction" in said
        with redis.Redis(port=server.port) as client:
            client.config_set("maxmemory-policy", "noeviction")
        assert store.claim(new_id(), 60)
        store.close()


def test_a_server_without_memory_refuses_and_goes_on_when_there_is_some() -> None:
    with real_servers.redis(config={"maxmemory": "1mb"}) as server:
        store = RedisStore(server.url)
        with redis.Redis(port=server.port) as client:
            with pytest.raises(StoreUnavailableError, match="raise maxmemory"):
                for _ in range(100):
                    store.put(new_id(), bytes(60_000), 60)
            before = client.info("stats")["total_connections_received"]
            for _ in range(20):
                with pytest.raises(StoreUnavailableError, match="raise maxmemory"):
                    store.claim(new_id(), 60)
            assert client.info("stats")["total_connections_received"] == before
            client.config_set("maxmemory", "0")
            assert store.claim(new_id(), 60)
        store.close()


def test_a_replica_is_refused_also_one_that_was_the_primary() -> None:
    with real_servers.redis() as primary, real_servers.redis(replica_of=primary.port) as replica:
        assert "(the server is a replica): name the primary" in refusal(RedisStore(replica.url))
        store = RedisStore(primary.url)
        assert store.claim(new_id(), 60)
        with redis.Redis(port=primary.port) as client:
            client.replicaof("127.0.0.1", str(replica.port))
            for _ in range(3):
                with pytest.raises(StoreUnavailableError, match="name the primary"):
                    store.claim(new_id(), 60)
            client.replicaof("NO", "ONE")
        assert store.claim(new_id(), 60)
        store.close()


def test_a_part_of_a_cluster_is_refused() -> None:
    bus = {"cluster-port": str(real_servers.free_port())}
    with real_servers.redis(cluster=True, config=bus) as server:
        assert "(it runs in cluster mode): name a server that is alone" in refusal(
            RedisStore(server.url)
        )


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("", "correct user and password"),
        (":wrong@", "correct user and password"),
        ("nobody:wrong@", "correct user and password"),
    ],
)
def test_a_wrong_password_is_refused(server: Any, user: str, says: str) -> None:
    said = refusal(RedisStore(f"redis://{user}127.0.0.1:{server.port}/0"))
    assert said.startswith(f"store redis://127.0.0.1:{server.port}/0 cannot be used (")
    assert says in said
    assert "wrong" not in said


def test_a_password_that_nobody_asks_for_is_refused() -> None:
    with real_servers.redis() as server:
        said = refusal(RedisStore(server.url.replace("redis://", "redis://:s3cret@")))
        assert "name none" in said
        assert "s3cret" not in said


def test_a_wrong_address_is_refused(url: str) -> None:
    port = real_servers.free_port()
    assert "refused.): see whether the server runs" in refusal(
        RedisStore(f"redis://127.0.0.1:{port}")
    )
    assert "host and port" in refusal(RedisStore("redis://nosuch.invalid:6379/0"))
    assert "choose a database number" in refusal(RedisStore(url.replace("/0", "/99")))


def test_clocks_that_differ_are_refused(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 100)
    assert "(the server's clock is 100 s ahead of this host's): set both" in refusal(store)
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    assert "(the server's clock is 3600 s behind this host's): set both" in refusal(store)
    monkeypatch.setattr(time, "time", lambda: real() + 50)
    assert store.claim(new_id(), 60)


def notices(store: RedisStore) -> list[str]:
    found = [each.partition(": ")[2] for each in store._notices]
    store._notices.clear()
    return found


def test_a_server_without_persistence_is_noticed_once(store: RedisStore) -> None:
    store._check()
    assert notices(store) == []
    for config in ({}, {"appendonly": "yes"}):
        with real_servers.redis(config=config) as server:
            other = RedisStore(server.url)
            for _ in range(3):
                other._check()
                at_once(8, lambda other=other: other.claim(new_id(), 60))  # type: ignore[misc]
            found = notices(other)
            other.close()
        assert len(found) == (1 if config == {} else 0)
        assert all("keeps nothing on its disk: after its restart" in each for each in found)


def test_where_config_is_forbidden_it_is_noticed_and_the_store_works() -> None:
    renamed = {"rename-command": 'CONFIG ""', "maxmemory-policy": "noeviction"}
    with real_servers.redis(config=renamed) as server:
        store = RedisStore(server.url)
        store._check()
        # INFO tells the policy too.
        (found,) = notices(store)
        assert "see that the server keeps its data on disk" in found
        assert store.claim(new_id(), 60)
        store.close()
    evicting = {"rename-command": 'CONFIG ""', "maxmemory-policy": "allkeys-lru"}
    with real_servers.redis(config=evicting) as server:
        assert "set maxmemory-policy noeviction" in refusal(RedisStore(server.url))


def test_a_user_with_few_rights(client: Any, url: str, prefix: str) -> None:
    def user(name: str, *rights: str) -> RedisStore:
        client.execute_command("ACL", "SETUSER", name, "reset", "on", ">pass", *rights)
        return RedisStore(url.replace(IN_URL, f"{name}:pass@"), prefix=prefix)

    keys = f"~{prefix}*"
    store = user("most", keys, "+set", "+get", "+getdel", "+time", "+info", "+config|get")
    store._check()
    assert store.claim(new_id(), 60)
    assert notices(store) == []
    store.close()
    store = user("few", keys, "+set", "+get", "+getdel", "+time")
    store._check()
    assert store.claim(new_id(), 60)
    assert [each.partition(":")[0] for each in notices(store)] == [
        "a restart that loses used tokens cannot be noticed, as INFO is forbidden",
        "CONFIG GET is forbidden",
        "CONFIG GET is forbidden",
    ]
    store.close()
    assert "allow this user SET, GET" in refusal(user("none", keys))
    assert "allow this user SET, GET" in refusal(user("others", "~other:*", "+@all"))
    store = user("reader", keys, "+get", "+time", "+info", "+config|get")
    store._check()
    with pytest.raises(StoreUnavailableError, match="allow this user SET, GET"):
        store.claim(new_id(), 60)
    store.close()
    for name in ("most", "few", "none", "others", "reader"):
        client.acl_deluser(name)


# TLS.


@pytest.fixture(scope="module")
def tls() -> Iterator[tuple[int, Path]]:
    """A server that speaks TLS alone: its port, and the folder with its authority."""
    port = real_servers.free_port()
    with real_servers.certificates("redis") as folder:
        config = {
            "port": "0",
            "bind": "127.0.0.1 127.0.0.2",
            "tls-port": str(port),
            "tls-auth-clients": "no",
            "tls-cert-file": str(folder / "server.pem"),
            "tls-key-file": str(folder / "server.key"),
        }
        with real_servers.redis(port=port, config=config):
            yield port, folder


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_tls_with_a_trusted_authority(scheme: str, tls: tuple[int, Path]) -> None:
    port, folder = tls
    for host in ("localhost", "127.0.0.1"):
        store = RedisStore(f"{scheme}://{host}:{port}/0?ssl_ca_certs={folder / 'ca.pem'}")
        key = new_id()

        async def claims(store: RedisStore = store, key: str = key) -> list[bool]:
            found = [await store.aclaim(key, 60), await store.aclaim(new_id(), 60)]
            await store.aclose()
            return found

        assert store.claim(key, 60)
        store.put(key, bytes(60_000), 60)
        assert store.take(key) == bytes(60_000)
        assert asyncio.run(claims()) == [False, True]
        store.close()


def test_tls_failures_are_refused(tls: tuple[int, Path], server: Any) -> None:
    port, folder = tls
    said = refusal(RedisStore(f"rediss://localhost:{port}/0"))
    assert "CERTIFICATE_VERIFY_FAILED" in said
    assert "?ssl_ca_certs=FILE" in said
    # Another name than the certificate's.
    said = refusal(RedisStore(f"rediss://127.0.0.2:{port}/0?ssl_ca_certs={folder / 'ca.pem'}"))
    assert "name the host as its certificate does" in said
    said = refusal(RedisStore(f"redis://127.0.0.1:{port}/0"))
    assert "see whether this port speaks TLS (rediss://)" in said
    with pytest.raises(StoreUnavailableError, match=r"TLS|no answer"):
        RedisStore(f"rediss://127.0.0.1:{server.port}/0", timeout=1).claim(new_id(), 60)
    unchecked = RedisStore(f"rediss://localhost:{port}/0?ssl_cert_reqs=none")
    assert unchecked.claim(new_id(), 60)
    unchecked.close()


# What it is made of.


@pytest.mark.parametrize(
    "server",
    [
        "redis:/127.0.0.1",
        "http://127.0.0.1",
        "127.0.0.1:6379",
        "",
        "redis://:s3cret@127.0.0.1:port/0",
        "redis://127.0.0.1:s3cret",
        "redis://:s3cret",
        "redis://127.0.0.1:6379?s3cret=1",
        "redis://:s3cret#x@127.0.0.1/0",
        "redis://:s3/cret@127.0.0.1/0",
        "redis://:s3@cret@127.0.0.1/0",
        "redis://:s3?cret@127.0.0.1/0",
        "redis://:s3cret@127.0.0.1/0?sslca=x",
        "redis://:s3cret@127.0.0.1/0?socket_timeout=9",
        "redis://:s3cret@127.0.0.1/0?db=s3cret",
        "rediss://:s3cret@127.0.0.1/0?ssl_cert_reqs=often",
        "redis://127.0.0.1/0?ssl_ca_certs=x",
        None,
        6379,
        b"redis://127.0.0.1",
        redis.Redis,
        untyped.sentinel.Sentinel([("127.0.0.1", 1)]),
        untyped.sentinel.Sentinel([("127.0.0.1", 1)]).master_for("s3cret"),
        redis.Redis(redis_connect_func=lambda: None),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else type(each).__name__,
)
def test_what_is_no_server_is_a_mistake_of_the_program(server: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="server") as refused:
        RedisStore(server)
    assert "s3" not in str(refused.value)
    assert "cret" not in str(refused.value)


def test_a_cluster_client_is_refused() -> None:
    client = redis.RedisCluster.__new__(redis.RedisCluster)
    with pytest.raises(InvalidArgumentError, match="single server"):
        RedisStore(client)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("prefix", None, "prefix"),
        ("prefix", b"x:", "prefix"),
        ("prefix", "\udc80", "prefix"),
        ("timeout", 0, "timeout"),
        ("timeout", 61, "timeout"),
        ("timeout", "2", "timeout"),
        ("required", "no", "required"),
    ],
)
def test_wrong_options_are_mistakes_of_the_program(option: str, value: Any, says: str) -> None:
    with pytest.raises(InvalidArgumentError, match=says):
        RedisStore("redis://127.0.0.1/0", **{option: value})


def test_a_password_is_in_no_text(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    store = RedisStore(f"redis://joe:s3cret%2Fword@127.0.0.1:{server.port}/0?client_name=s3cret")
    assert repr(store) == f"<RedisStore redis://127.0.0.1:{server.port}/0>"
    said = refusal(store)
    assert "s3cret" not in said + caplog.text
    assert "joe" not in said


@pytest.mark.parametrize("decode", [False, True])
def test_a_client_gives_its_settings(
    server: Any, client: redis.Redis, prefix: str, decode: bool
) -> None:
    options: Any = {"host": "127.0.0.1", "port": server.port, "password": PASSWORD, "db": 3}
    key = new_id()

    async def claim(store: RedisStore) -> bool:
        claimed = await store.aclaim(key, 60)
        await store.aclose()
        return claimed

    with redis.Redis(**options, decode_responses=decode) as given:
        store = RedisStore(given, prefix=prefix)
        assert repr(store) == f"<RedisStore redis://127.0.0.1:{server.port}/3>"
        assert store.claim(key, 60)
        assert not asyncio.run(claim(store))
        assert given.get(f"{prefix}used:{key}") in ("1", b"1")
        given.flushdb()
        store.close()
    given_async = redis.asyncio.Redis(**options, decode_responses=decode, protocol=3)
    store = RedisStore(given_async, prefix=prefix)
    assert asyncio.run(claim(store))
    assert not store.claim(key, 60)
    store.close()
    client.select(3)
    client.flushdb()
    client.select(0)


def test_a_client_on_a_socket_of_the_machine(open_dir: Path) -> None:
    open_dir.chmod(0o777)
    path = open_dir / "redis.sock"
    with real_servers.redis(config={"unixsocket": str(path), "unixsocketperm": "777"}):
        store = RedisStore(redis.Redis(unix_socket_path=str(path)))
        assert repr(store) == f"<RedisStore unix://{path}>"
        assert store.claim(new_id(), 60)
        store.close()


def test_a_client_with_tls_gives_its_authority(tls: tuple[int, Path]) -> None:
    port, folder = tls
    given = redis.Redis(port=port, ssl=True, ssl_ca_certs=str(folder / "ca.pem"))
    store = RedisStore(given)
    assert repr(store) == f"<RedisStore rediss://localhost:{port}/0>"
    assert store.claim(new_id(), 60)
    store.close()
    with pytest.raises(StoreUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        RedisStore(redis.Redis(port=port, ssl=True)).claim(new_id(), 60)


def test_a_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from tallystick import RedisStore, InvalidArgumentError\n"
        "try: RedisStore('redis://127.0.0.1')\n"
        "except InvalidArgumentError as refused: print(refused)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'pip install "tallystick[redis]"' in said.stdout


# Agents.


def test_an_agent_does_not_start_without_it(
    keys_dir: Path, caller: OrchestratorClient, caplog: pytest.LogCaptureFixture
) -> None:
    with real_servers.redis() as server:
        server.kill()
        with pytest.raises(StoreUnavailableError, match="refused"):
            AgentAuth(keys_dir, store=server.url)
        app = agent(keys_dir, RedisStore(server.url, required=False))
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert [post(app, sign(caller)) for _ in range(3)] == [503] * 3
        server.start()
        assert post(app, sign(caller)) == 200


def test_the_log_says_what_a_restart_means(
    keys_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with real_servers.redis() as server:
        AgentAuth(keys_dir, store=server.url)
    (said,) = [record for record in caplog.records if "disk" in record.getMessage()]
    assert said.levelname == "WARNING"
    assert said.getMessage().startswith(f"store {server.url}: the server keeps nothing")


# Processes.


def test_parent_and_children_have_connections_of_their_own(
    store: RedisStore, client: redis.Redis
) -> None:
    key = new_id()
    at_once(8, lambda: store.claim(key, 60))
    ids = {each["id"] for each in client.client_list()}
    stop = threading.Event()
    failed: list[Exception] = []

    def keep_busy() -> None:
        while not stop.is_set():
            try:
                assert store.claim(new_id(), 60)
            except Exception as reason:
                failed.append(reason)

    def child() -> list[int]:
        claims = at_once(16, lambda: sum(store.claim(new_id(), 60) for _ in range(50)))
        return [sum(found for found, _ in claims), int(store.claim(key, 60))]

    threads = [threading.Thread(target=keep_busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            assert in_child(child) == [800, 0]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert [store.claim(new_id(), 60) for _ in range(8)] == [True] * 8
    assert ids <= {each["id"] for each in client.client_list()}


def test_a_fork_without_pythons_hooks_is_noticed(store: RedisStore, client: redis.Redis) -> None:
    key = new_id()
    assert store.claim(key, 60)

    def child() -> list[bool]:
        return [store.claim(key, 60), *(store.claim(new_id(), 60) for _ in range(50))]

    assert in_child(child, fork_without_hooks) == [False] + [True] * 50
    assert [store.claim(new_id(), 60) for _ in range(8)] == [True] * 8


def test_a_child_that_is_forked_inside_of_an_event_loop(store: RedisStore) -> None:
    async def use() -> list[bool]:
        assert await store.aclaim(new_id(), 60)

        def child() -> bool:
            async def claim() -> bool:
                return await store.aclaim(new_id(), 60)

            # The loop of the parent runs in this thread no more.
            asyncio._set_running_loop(None)
            return asyncio.run(claim())

        found = [in_child(child), await store.aclaim(new_id(), 60)]
        await store.aclose()
        return found

    assert asyncio.run(use()) == [True, True]


def test_greenlets_of_gevent_wait_beside_each_other() -> None:
    with real_servers.redis() as server:
        process = subprocess.Popen(
            [sys.executable, "-c", real_servers.GEVENT, "RedisStore", server.url],
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
