"""The option ``store``: URLs, a store of one's own, losses, and what the log says."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support import ORIGIN, agent_app, call, in_child, signed_call
from tallystick import (
    AgentAuth,
    Authority,
    AuthSkill,
    InvalidArgumentError,
    MemoryStore,
    OrchestratorClient,
    SQLiteStore,
    Store,
    StoreUnavailableError,
    TallystickError,
)
from tallystick.stores import claims, memory, open_store
from tallystick.stores.base import ClaimStore, without_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tallystick._core.engine import Need


class Own:
    """A whole store in three lines; what it answers can be set."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}
        self.answer: Any = None
        self.thread = threading.current_thread()

    def claim(self, id: str, seconds: int) -> Any:
        self.thread = threading.current_thread()
        if isinstance(self.answer, BaseException):
            raise self.answer
        if self.answer is not None:
            return self.answer
        free = id not in self.used
        self.used[id] = seconds
        return free


class Asynchronous(Own):
    """The same, with a claim that takes a while."""

    loop: asyncio.AbstractEventLoop

    async def claim(self, id: str, seconds: int) -> Any:
        self.loop = asyncio.get_running_loop()
        await asyncio.sleep(0)
        return super().claim(id, seconds)


@pytest.fixture(params=[Own, Asynchronous])
def own(request: pytest.FixtureRequest) -> Any:
    return request.param()


def sign(client: OrchestratorClient) -> dict[str, str]:
    return client.sign("POST", ORIGIN + "/agent", b"")


def averify(auth: AgentAuth, headers: dict[str, str]) -> str:
    """Verify in an event loop of its own; return who called, or the code of the refusal."""

    async def verify() -> str:
        try:
            caller = await auth.averify(headers["Authorization"], method="POST", path="/agent")
        except TallystickError as refused:
            return refused.code
        return caller.issuer

    return asyncio.run(verify())


def test_a_store_of_ones_own_gets_an_id_and_a_duration(
    keys_dir: Path, client: OrchestratorClient, backend: str, own: Any
) -> None:
    app = agent_app(AgentAuth(keys_dir, store=own, backend=backend))
    headers = sign(client)
    assert [call(app, headers, b"").status for _ in range(2)] == [200, 429]
    assert call(app, sign(client), b"").status == 200
    for claimed, seconds in own.used.items():
        assert re.fullmatch("[0-9a-f]{32}", claimed)
        assert isinstance(seconds, int)
        # What the token has left, and a minute.
        assert 117 <= seconds <= 122
    assert len(own.used) == 2


def test_asynchronous_hosts_ask_the_same_store(
    keys_dir: Path, client: OrchestratorClient, backend: str, own: Any
) -> None:
    auth = AgentAuth(keys_dir, store=own, backend=backend)
    headers = sign(client)
    assert averify(auth, headers) == "orchestrator"
    # A synchronous one in a thread of its own, an asynchronous one in the host's loop.
    assert (own.thread is threading.current_thread()) == isinstance(own, Asynchronous)
    assert averify(auth, headers) == "replay_detected"
    assert call(agent_app(auth), headers, b"").status == 429


def test_an_asynchronous_store_of_synchronous_hosts_has_one_loop(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    store = Asynchronous()
    auth = AgentAuth(keys_dir, store=store)
    loops = set()
    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(call, agent_app(auth), sign(client), b"").result().status == 200
        loops.add(store.loop)
    assert len(loops) == 1
    assert in_child(lambda: call(agent_app(auth), sign(client), b"").status) == 200
    assert call(agent_app(auth), sign(client), b"").status == 200


ANSWERS = [
    (ConnectionError("down"), "raised ConnectionError: down"),
    (ConnectionError("down \udcff"), "raised ConnectionError: down"),
    (StopIteration(True), "raised"),
    (1, "returned int"),
    (0, "returned int"),
    ("claimed", "returned str"),
    ([True], "returned list"),
    ({"claimed": True}, "returned dict"),
]


@pytest.mark.parametrize(("answer", "says"), ANSWERS, ids=repr)
@pytest.mark.parametrize("host", ["sync", "async"])
def test_a_store_that_does_not_answer_plainly_refuses(
    keys_dir: Path,
    client: OrchestratorClient,
    caplog: pytest.LogCaptureFixture,
    own: Any,
    answer: object,
    says: str,
    host: str,
) -> None:
    auth = AgentAuth(keys_dir, store=own)

    def used(headers: dict[str, str]) -> str:
        if host == "async":
            return averify(auth, headers)
        answer = call(agent_app(auth), headers, b"")
        return "orchestrator" if answer.status == 200 else answer.code

    headers = sign(client)
    own.answer = answer
    assert used(headers) == "replay_store_unavailable"
    assert f"store {type(own).__name__}: claim {says}" in caplog.text
    own.answer = None
    assert used(headers) == "orchestrator"


def test_a_refusal_for_the_store_says_when_to_come_again(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    store = Own()
    store.answer = 1
    refused = call(agent_app(AgentAuth(keys_dir, store=store)), sign(client), b"")
    assert (refused.status, refused.code) == (503, "replay_store_unavailable")
    assert refused.headers["retry-after"]
    assert "Own" not in refused.body.decode()


def test_a_result_that_can_be_awaited_is_awaited(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    inner = Asynchronous()

    class Wrapped:
        def claim(self, id: str, seconds: int) -> Any:
            return inner.claim(id, seconds)

    auth = AgentAuth(keys_dir, store=Wrapped())
    headers = sign(client)
    assert call(agent_app(auth), headers, b"").status == 200
    assert averify(auth, headers) == "replay_detected"
    assert averify(auth, sign(client)) == "orchestrator"


def test_what_has_no_claim_of_two_is_no_store(keys_dir: Path) -> None:
    class Former:
        def claim(self, issuer: str, jti: str, expires_at: int) -> bool:
            return True

    wrong: Any
    for wrong in (5, object(), Own, Former(), b"memory:", {}, ["memory:"]):
        with pytest.raises(InvalidArgumentError, match=r"claim\(id, seconds\), not "):
            AgentAuth(keys_dir, store=wrong)
    assert isinstance(Own(), Store)
    AgentAuth(keys_dir, store=Own())


def test_the_option_has_a_new_name(keys_dir: Path, tmp_path: Path) -> None:
    old: dict[str, Any] = {"replay": "memory"}
    for make in (
        lambda **given: AgentAuth(keys_dir, **given),
        lambda **given: AuthSkill(base_url="@a", keys_dir=tmp_path, **given),
        lambda **given: Authority("https://portal.example", keys_dir=tmp_path, **given),
    ):
        with pytest.raises(InvalidArgumentError, match=r"^replay is now store"):
            make(**old)
        make(store="memory:")
    with pytest.raises(TypeError, match="unexpected keyword argument 'stor'"):
        AgentAuth(keys_dir, stor="memory:")


FORMS = "memory:, sqlite:, sqlite:///absolute/path, redis://"

WRONG = [
    ("memory", "store='memory' is no URL: write 'memory:'"),
    ("sqlite", "store='sqlite' is no URL: write 'sqlite:'"),
    ("/a b/used.sqlite3", "store='/a b/used.sqlite3' is no URL: write 'sqlite:///a%20b/used."),
    ("./used.sqlite3", "is no URL: write 'sqlite:///"),
    ("", "store must not be empty"),
    ("sqlite:///a%00b", "path must not have a NUL in it"),
    ("sqlite:used.sqlite3", "a file is written 'sqlite:///absolute/path'"),
    ("sqlite:/used.sqlite3", "a file is written 'sqlite:///absolute/path'"),
    ("sqlite://used.sqlite3", "a file is written 'sqlite:///absolute/path'"),
    ("sqlite:///used.sqlite3?mode=ro", "a file is written 'sqlite:///absolute/path'"),
    ("mysql://user:secret@db/x", f"store: mysql:// is none of {FORMS}"),
    ("user:secret@db", f"store: it is none of {FORMS}"),
    ("redis:secret@db", f"store: it is none of {FORMS}"),
    ("secret@db", f"store: it is none of {FORMS}"),
    ("memory://secret@x", f"store: memory:// is none of {FORMS}"),
]


@pytest.mark.parametrize(("url", "says"), WRONG)
def test_another_text_is_told_what_to_write(
    keys_dir: Path, tmp_path: Path, url: str, says: str
) -> None:
    for choose in (open_store, lambda url: AgentAuth(keys_dir, store=url)):
        with pytest.raises(InvalidArgumentError) as refused:
            choose(url)
        assert says in str(refused.value)
        assert "secret" not in str(refused.value)
    assert not list(tmp_path.rglob("*.sqlite3"))


def test_a_path_is_told_its_url(keys_dir: Path, tmp_path: Path) -> None:
    path: Any = tmp_path / "used tokens"
    with pytest.raises(InvalidArgumentError, match="is no URL: write 'sqlite:///") as refused:
        AgentAuth(keys_dir, store=path)
    url = str(refused.value).split("'")[-2]
    AgentAuth(keys_dir, store=url)
    assert path.is_file()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.sqlite3", "/a/b.sqlite3"),
        ("sqlite:////a/b", "/a/b"),
        ("SQLite:///a%20b/%3F", "/a b/?"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    store = open_store(url)
    assert isinstance(store, SQLiteStore)
    assert str(store.path) == path


def test_a_url_names_the_default_file_and_the_memory(keys_dir: Path, tmp_path: Path) -> None:
    default = tmp_path / "state" / "tallystick" / "store.sqlite3"
    file = open_store("sqlite:")
    assert isinstance(file, SQLiteStore)
    assert file.path == default
    assert repr(file) == f"<SQLiteStore sqlite://{default}>"
    assert isinstance(open_store("memory:"), MemoryStore)
    assert not default.exists()
    AgentAuth(keys_dir)
    assert default.is_file()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://user:secret@h:1/0", "redis://h:1/0"),
        ("redis://:secret@h?password=secret", "redis://h"),
        ("postgresql://u:se/cret@h/db#secret", "postgresql://h/db"),
        ("postgresql://u:secret#x@h/db", "postgresql://..."),
        ("redis://h?password=secret@x", "redis://..."),
    ],
)
def test_a_setting_holds_no_secret(url: str, said: str) -> None:
    assert without_secret(url) == said


def test_memory_is_of_one_agent_and_sqlite_is_shared(
    keys_dir: Path, client: OrchestratorClient, tmp_path: Path, backend: str
) -> None:
    def statuses(first: AgentAuth, second: AgentAuth) -> list[int]:
        headers = client.sign("POST", ORIGIN + "/agent", b"")
        return [call(agent_app(auth), headers, b"").status for auth in (first, first, second)]

    def agent(store: Any = None) -> AgentAuth:
        return AgentAuth(keys_dir, store=store, backend=backend)

    assert statuses(agent("memory:"), agent("memory:")) == [200, 429, 200]
    assert statuses(agent("sqlite:"), agent()) == [200, 429, 429]
    path = tmp_path / "own.sqlite3"
    assert statuses(agent(f"sqlite://{path}"), agent(SQLiteStore(path))) == [200, 429, 429]
    assert statuses(agent(SQLiteStore(path)), agent("sqlite:")) == [200, 429, 200]
    assert path.exists()
    both = MemoryStore()
    assert statuses(agent(both), agent(both)) == [200, 429, 429]
    assert statuses(agent(both), agent(MemoryStore())) == [200, 429, 200]


def test_development_opens_no_store(keys_dir: Path, tmp_path: Path) -> None:
    AgentAuth(keys_dir, dev_mode=True)
    assert not (tmp_path / "state").exists()


def test_a_store_of_a_url_is_closed_with_its_agent(
    keys_dir: Path, tmp_path: Path, client: OrchestratorClient
) -> None:
    given = SQLiteStore(tmp_path / "given.sqlite3")
    for store, stays in ((f"sqlite://{tmp_path}/own.sqlite3", False), (given, True)):
        auth = AgentAuth(keys_dir, store=store)
        app = agent_app(auth)
        assert signed_call(app, client).status == 200
        file = auth._verifier._used.store._file  # type: ignore[union-attr]
        assert file._connection is not None
        auth.close()
        assert (file._connection is not None) == stays
        assert signed_call(app, client).status == 200


@pytest.mark.parametrize(
    ("made", "times"),
    [
        ("AgentAuth(folder, store='memory:')", 1),
        ("AgentAuth(folder, store=MemoryStore())", 1),
        ("AgentAuth(folder, store='memory:', dev_mode=True)", 0),
        ("AgentAuth(folder)", 0),
        ("AuthSkill(agent_id='a', keys_dir=folder, store='memory:')", 1),
        ("AuthSkill(agent_id='a', keys_dir=folder, store='memory:', dev_mode=True)", 0),
        ("AuthSkill(agent_id='a', keys_dir=folder)", 0),
        ("Authority('https://portal.example', keys_dir=folder, store='memory:')", 1),
        ("Authority('https://portal.example', keys_dir=folder)", 0),
    ],
)
def test_a_memory_of_one_process_says_so_once_in_production(
    made: str, times: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = {
        "AgentAuth": AgentAuth,
        "AuthSkill": AuthSkill,
        "Authority": Authority,
        "MemoryStore": MemoryStore,
    }

    def twice() -> int:
        memory._warned = False
        for _ in range(2):
            eval(made, {**names, "folder": str(tmp_path / "keys")})
        said = [record.getMessage() for record in caplog.records]
        return sum("in the memory of this process alone" in line for line in said)

    assert in_child(twice) == times


KEY = "0123456789abcdef" * 2


def test_a_memory_store_claims_and_keeps_values(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store = MemoryStore()
    assert [store.claim(KEY, 60), store.claim(KEY, 60)] == [True, False]
    assert store.get(KEY) is None
    store.put(KEY, b"first", 30)
    store.put(KEY, b"value", 60)
    now += 59.9
    assert [store.get(KEY), store.claim(KEY, 60)] == [b"value", False]
    now += 0.1
    assert [store.get(KEY), store.claim(KEY, 60)] == [None, True]
    store.put(KEY, b"value", 60)
    assert [store.take(KEY), store.take(KEY)] == [b"value", None]

    async def twins() -> list[object]:
        await store.aput(KEY, b"value", 60)
        return [await store.aclaim(KEY, 60), await store.aget(KEY), await store.atake(KEY)]

    assert asyncio.run(twins()) == [False, b"value", b"value"]
    asyncio.run(store.aclose())
    store.close()
    assert not store.claim(KEY, 60)
    for wrong in ("", "A" * 32):
        for ask in (store.get, store.take, lambda each: store.claim(each, 1)):
            with pytest.raises(InvalidArgumentError, match="id must be 32"):
                ask(wrong)


def test_a_memory_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store = MemoryStore()
    for number in range(memory.MOST_VALUES):
        store.put(f"{number:032x}", b"", 60)
    with pytest.raises(StoreUnavailableError, match=r"is full \(10,000 "):
        store.put(KEY, b"", 60)
    store.put(f"{0:032x}", b"again", 60)
    now += 60
    store.put(KEY, b"", 60)


def test_a_memory_store_survives_a_fork(keys_dir: Path, client: OrchestratorClient) -> None:
    store = MemoryStore()
    app = agent_app(AgentAuth(keys_dir, store=store))
    headers = sign(client)
    assert call(app, headers, b"").status == 200
    with store._used._lock:
        assert in_child(lambda: call(app, headers, b"").status) == 429
    assert call(app, sign(client), b"").status == 200


class Server(ClaimStore):
    """A store of this package, whose failures and losses can be set."""

    def __init__(self, *, required: bool = True) -> None:
        super().__init__("store redis://h", required=required)
        self.failure = ""
        self.used: set[str] = set()
        self.during: Callable[[], None] = lambda: None

    def lose(self, at: float) -> None:
        self._lost_at = at
        self.used.clear()

    def claim(self, id: str, seconds: int) -> bool:
        self.during()
        self._check()
        free = id not in self.used
        self.used.add(id)
        return free

    async def aclaim(self, id: str, seconds: int) -> bool:
        return self.claim(id, seconds)

    def _check(self) -> None:
        if self.failure:
            raise StoreUnavailableError(f"{self._setting}: {self.failure}")

    def close(self) -> None:
        pass


def agent_with(keys_dir: Path, store: ClaimStore, **options: Any) -> AgentAuth:
    options = {"clock_skew": 0, **options}
    return AgentAuth(keys_dir, store=store, logger=logging.getLogger("own"), **options)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the log says of the store, without the refusals."""
    found = [each for each in caplog.records if each.name == "own"]
    lines = [(each.levelname, each.getMessage()) for each in found]
    caplog.clear()
    return [line for line in lines if line[1].startswith("store ")]


def test_a_store_that_cannot_be_used_is_an_error_at_the_start(
    keys_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, client: OrchestratorClient
) -> None:
    store = Server()
    store.failure = "connection refused"
    for make in (
        lambda: AgentAuth(keys_dir, store=store),
        lambda: AuthSkill(base_url="@a", keys_dir=tmp_path, store=store),
        lambda: Authority("https://portal.example", keys_dir=tmp_path, store=store),
    ):
        with pytest.raises(StoreUnavailableError, match=r"^store redis://h: connection refused"):
            make()
    store.failure = ""
    assert signed_call(agent_app(agent_with(keys_dir, store)), client).status == 200
    assert said(caplog) == []


def test_where_it_is_not_required_it_is_a_warning(
    keys_dir: Path,
    caplog: pytest.LogCaptureFixture,
    client: OrchestratorClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claims, "QUIET", 0)
    store = Server(required=False)
    store.failure = "connection refused"
    app = agent_app(agent_with(keys_dir, store))
    assert said(caplog) == [("WARNING", "store redis://h: connection refused")]
    assert signed_call(app, client).code == "replay_store_unavailable"
    assert said(caplog) == []
    store.failure = ""
    assert signed_call(app, client).status == 200
    assert said(caplog) == [("WARNING", "store redis://h answers again")]


def test_each_failure_is_logged_once_and_its_end(
    keys_dir: Path,
    caplog: pytest.LogCaptureFixture,
    client: OrchestratorClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Server()
    auth = agent_with(keys_dir, store)

    def fail(*failures: str) -> None:
        for store.failure in failures:
            assert averify(auth, sign(client)) in ("orchestrator", "replay_store_unavailable")

    with ThreadPoolExecutor(8) as pool:
        store.failure = "down"
        assert {pool.submit(averify, auth, sign(client)).result() for _ in range(20)} == {
            "replay_store_unavailable"
        }
    fail("slow", "down", "slow", "down")
    assert said(caplog) == [("ERROR", "store redis://h: down"), ("ERROR", "store redis://h: slow")]
    # Some calls fail and some do not: it is not over.
    fail("", "down", "", "slow", "")
    assert said(caplog) == []
    monkeypatch.setattr(claims, "QUIET", 0)
    fail("", "")
    assert said(caplog) == [("WARNING", "store redis://h answers again")]
    fail("down")
    assert said(caplog) == [("ERROR", "store redis://h: down")]
    fail(*map(str, range(100)))
    assert len(said(caplog)) == claims.MOST_FAILURES - 1


def test_a_notice_is_logged_once(
    keys_dir: Path, caplog: pytest.LogCaptureFixture, client: OrchestratorClient
) -> None:
    store = Server()
    store._notices.append("store redis://h: no persistence")
    apps = [agent_app(agent_with(keys_dir, store)) for _ in range(2)]
    assert said(caplog) == [("WARNING", "store redis://h: no persistence")]
    store._notices.append("store redis://h: another server")
    assert [signed_call(app, client).status for app in apps] == [200, 200]
    assert said(caplog) == [("WARNING", "store redis://h: another server")]


def test_tokens_from_before_a_loss_are_refused(
    keys_dir: Path, client: OrchestratorClient, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    real, ahead = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    store = Server()
    auths = [agent_with(keys_dir, store, backend=backend) for _ in range(2)]
    old, unused, other = sign(client), sign(client), sign(client)
    assert averify(auths[0], old) == "orchestrator"
    ahead = 5
    store.lose(time.time())
    # The claims that show the loss, one of each engine; then the core refuses by itself.
    assert averify(auths[0], old) == "replay_store_unavailable"
    assert len(store.used) == 1
    assert averify(auths[1], other) == "replay_store_unavailable"
    assert len(store.used) == 2
    for auth in auths:
        assert averify(auth, old) == averify(auth, unused) == "replay_store_unavailable"
        assert len(store.used) == 2
    ahead = 7
    fresh = sign(client)
    assert [averify(auth, fresh) for auth in auths] == ["orchestrator", "replay_detected"]
    # An engine that opens later, in a child or after a close, knows of it.
    auths[0].close()
    assert averify(auths[0], unused) == "replay_store_unavailable"
    assert in_child(lambda: averify(auths[1], unused)) == "replay_store_unavailable"
    assert averify(agent_with(keys_dir, store), unused) == "replay_store_unavailable"
    assert averify(auths[0], sign(client)) == "orchestrator"


def test_a_failure_that_shows_a_loss_is_told_too(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    store = Server()
    auth = agent_with(keys_dir, store)
    early = sign(client)

    def fail() -> None:
        store.lose(time.time())
        raise StoreUnavailableError("store redis://h: another server")

    store.during = fail
    assert averify(auth, sign(client)) == "replay_store_unavailable"
    store.during = lambda: None
    assert averify(auth, early) == "replay_store_unavailable"
    assert store.used == set()


def test_a_claim_of_an_operation_that_began_before_the_loss_was_told_is_refused(
    keys_dir: Path, client: OrchestratorClient
) -> None:
    """The core compares the token with the loss before it asks for the claim."""
    store = Server()
    auth = agent_with(keys_dir, store)
    used = sign(client)
    assert averify(auth, used) == "orchestrator"
    told = threading.Event()
    answer = auth._verifier._used.answer  # type: ignore[union-attr]

    def late(need: Need) -> Any:
        # Another thread meets the loss while this one has not yet made its claim.
        if not told.is_set():
            told.set()
            store.lose(time.time() - 1)
            assert averify(auth, sign(client)) == "replay_store_unavailable"
        return answer(need)

    auth._verifier._used.answer = late  # type: ignore[union-attr,method-assign]
    with pytest.raises(TallystickError) as refused:
        auth.verify(used["Authorization"], method="POST", path="/agent")
    assert refused.value.code == "replay_store_unavailable"
    assert "lost what it held during the request" in refused.value.log


def test_a_bound_access_token_from_before_a_loss_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine for access tokens is told as the one for signed requests is."""
    real, ahead = time.time, 0.0
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    store, url = Server(), "https://bob.example"
    options: dict[str, Any] = {"leeway": 0, "clock_skew": 0, "keys_dir": tmp_path, "store": store}
    with AuthSkill(base_url=url, **options) as skill:

        def bound() -> str:
            return skill.authorize(url, method="GET", url=url + "/x", bind=True)["Authorization"]

        def used(token: str) -> str:
            try:
                caller = skill.verify(token, method="GET", path="/x")
            except TallystickError as refused:
                return refused.code
            return str(caller.bound)

        early, unused = bound(), bound()
        assert [used(early), used(early)] == ["True", "replay_detected"]
        ahead = 2
        store.lose(time.time())
        assert [used(early), used(unused)] == ["replay_store_unavailable"] * 2
        assert len(store.used) == 1
        ahead = 4
        assert used(bound()) == "True"


def test_an_own_claim_that_takes_long_is_no_pass(
    keys_dir: Path, client: OrchestratorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.stores.own.TIMEOUT", 0.2)

    class Slow:
        seconds = 30.0

        async def claim(self, id: str, seconds: int) -> bool:
            await asyncio.sleep(self.seconds)
            return True

    store = Slow()
    app = agent_app(AgentAuth(keys_dir, store=store, dev_mode=False))
    assert signed_call(app, client).code == "replay_store_unavailable"
    store.seconds = 0
    assert signed_call(app, client).status == 200


def test_a_client_of_a_server_is_no_store(keys_dir: Path) -> None:
    redis = pytest.importorskip("redis", reason="the extra [redis] is not installed")
    with pytest.raises(InvalidArgumentError, match=r"a client goes into RedisStore\(client\)"):
        AgentAuth(keys_dir, store=redis.Redis())
    with pytest.raises(InvalidArgumentError, match="the number of a database, such as /0"):
        AgentAuth(keys_dir, store="redis://127.0.0.1:1/prod")
