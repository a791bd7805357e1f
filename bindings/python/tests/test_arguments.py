"""Arguments of a wrong type are refused by name, and their twins of the right one taken."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yarl
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agents import receiver
from support import newest
from tallystick import (
    AgentAuth,
    AmbiguousAuthorizationError,
    AuthEndpoints,
    Authority,
    AuthSkill,
    DevTools,
    InvalidArgumentError,
    InvalidConfigError,
    InvalidKeyError,
    KeyManager,
    KeysUnavailableError,
    MissingAuthorizationError,
    OrchestratorClient,
    ReplayDetectedError,
    SQLiteStore,
    StoreUnavailableError,
    TallystickError,
    auth_blueprint,
)
from tallystick._access.token_endpoint import engine_of
from tallystick.outbound import aiohttp_middleware, httpx_auth, requests_auth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support import KeyPair

BOB = "https://bob.example/agents/bob"


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuthSkill]:
    with receiver(tmp_path_factory.mktemp("bob")) as skill:
        yield skill


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    folder = tmp_path_factory.mktemp("portal")
    with Authority("https://portal.example", keys_dir=folder) as endpoint:
        yield endpoint


LISTS = [("scopes", ["read"]), ("namespaces", ["prod"]), ("trust", ["verified"])]


@pytest.mark.parametrize(("name", "right"), [*LISTS, ("targets", ["@bob"])])
def test_a_client_is_registered_with_lists(portal: Authority, name: str, right: list[str]) -> None:
    for wrong in (right[0], right[0].encode()):
        given: dict[str, Any] = {name: wrong}
        with pytest.raises(InvalidArgumentError, match=f"^{name} takes a list of texts, not one"):
            portal.register_client("x", **given)
    for value in (5, [5], {right[0]: 1}):
        given = {name: value}
        with pytest.raises(InvalidArgumentError, match=f"^{name}.* takes a "):
            portal.register_client("x", **given)
    assert portal.list_clients() == []
    for taken in (right, tuple(right)):
        given = {name: taken}
        assert portal.register_client("x", **given).client_secret
    assert getattr(portal.list_clients()[0], name) == right
    assert portal.remove_client("x")


@pytest.mark.parametrize(
    "wrong", [{"client_id": None}, {"secret": b"s" * 20}, {"public_key": b"x"}]
)
def test_a_client_is_registered_with_texts(portal: Authority, wrong: dict[str, Any]) -> None:
    right: dict[str, Any] = {"client_id": "x", "secret": "s" * 20}
    (name,) = wrong
    with pytest.raises(InvalidArgumentError, match=f"^{name} takes a text, not"):
        portal.register_client(**{**right, **wrong})
    assert portal.register_client(**right).client_secret == "s" * 20
    assert portal.remove_client("x")


REFUSED_CLIENTS: list[tuple[dict[str, Any], str]] = [
    ({"client_id": ""}, "^client_id must have"),
    ({"client_id": "a b"}, "^client_id must be printable"),
    ({"client_id": "\ud800"}, "^client_id has an unpaired surrogate"),
    ({"scopes": ["a b"]}, r"^scopes\[0\]: a scope pattern"),
    ({"scopes": ["read", "\ud800"]}, r"^scopes\[1\] has an unpaired surrogate"),
    ({"namespaces": ["a b"]}, r"^namespaces\[0\]: "),
    ({"trust": ["a b"]}, r"^trust\[0\]: "),
    ({"targets": ["@***"]}, r"^targets\[0\]: "),
    ({"secret": "short"}, "^secret: a client secret must"),
    ({"secret": None, "public_key": "garbage"}, "^public_key: .*no key found"),
    ({"secret": None, "public_key": ""}, "^public_key must not be empty"),
    ({"public_key": "x"}, "^a client has a public_key or a secret, not both"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED_CLIENTS)
def test_what_is_refused_of_a_client_is_named(
    portal: Authority, wrong: dict[str, Any], words: str
) -> None:
    right: dict[str, Any] = {"client_id": "x", "secret": "s" * 20, "scopes": ["read"]}
    portal.register_client("other")
    with pytest.raises(InvalidArgumentError, match=words):
        portal.register_client(**{**right, **wrong})
    assert [client.client_id for client in portal.list_clients()] == ["other"]
    portal.register_client(**right)
    assert portal.remove_client("x")
    assert portal.remove_client("other")


def test_the_file_is_blamed_for_a_client_that_was_in_it(tmp_path: Path) -> None:
    with Authority("https://portal.example", keys_dir=tmp_path) as portal:
        portal.register_client("old", scopes=["read"])
        file = newest(tmp_path / "clients.json")
        text = file.read_text()
        file.write_text(text.replace('"read"', '"re ad"'))
        with pytest.raises(InvalidConfigError, match=r"^clients\[0\]: scopes\[0\]"):
            portal.register_client("new", scopes=["read"])
        file.write_text(text)
        portal.register_client("new", scopes=["read"])


CALLS: list[tuple[Callable[[AuthSkill, Any], Any], Any, Any, str]] = [
    (lambda skill, target: skill.generate_token(target), None, BOB, "target"),
    (lambda skill, target: skill.authorize(target), 5, BOB, "target"),
    (lambda skill, scopes: skill.generate_token(BOB, scopes), b"read", ["read"], "scopes"),
    (lambda skill, scopes: skill.generate_token(BOB, scopes), [None], ["read"], "scopes"),
    (lambda skill, scopes: skill.generate_token(BOB, scopes), 5, ("read",), "scopes"),
    (lambda skill, claims: skill.generate_token(BOB, None, claims), [], {"a": 1}, "extra_claims"),
    (lambda skill, claims: skill.generate_token(BOB, None, claims), {"a": b""}, {}, "extra_claims"),
    (lambda skill, reference: engine_of(skill).resolve(reference), b"x", "@x", "reference"),
    (lambda skill, url: engine_of(skill).covers(BOB, url), None, BOB, "url"),
    (lambda skill, line: skill.run_command(line), None, "/auth", "line"),
    (lambda skill, scope: skill.require_scopes(scope), ["read"], "read", "separate arguments"),
    (lambda skill, scopes: engine_of(skill).requirement(scopes, False), "read", ["read"], "scopes"),
    (lambda skill, force: skill.rotate_keys(force or True), "yes", None, "^force takes True or"),
    (
        lambda skill, flag: skill.rotate_keys(True, revoke=flag),
        "no",
        False,
        "^revoke takes True or",
    ),
    (lambda skill, flag: skill.authorize(BOB, reuse=flag), "no", False, "^reuse takes True or"),
    (lambda skill, flag: skill.authorize(BOB, bind=flag), "no", False, "^bind takes True or"),
    (lambda skill, flag: httpx_auth(skill, BOB, bind=flag), "no", True, "^bind takes True or"),
    (lambda skill, target: skill.authorize(target), "\ud800", BOB, "^target has an unpaired"),
    (
        lambda skill, scopes: skill.authorize(BOB, scopes),
        ["\ud800"],
        ["read"],
        r"^scopes\[0\] has an",
    ),
    (lambda _, skill: httpx_auth(skill, BOB), None, "skill", "skill"),
    (lambda _, skill: requests_auth(skill, BOB), "x", "skill", "skill"),
    (lambda _, skill: aiohttp_middleware(skill, BOB), 5, "skill", "skill"),
    (lambda skill, target: httpx_auth(skill, target), None, BOB, "target"),
    (lambda skill, scopes: httpx_auth(skill, BOB, scopes), "read", ["read"], "scopes"),
    (lambda skill, url: httpx_auth(skill, BOB, send_to=url), b"x", BOB, "send_to"),
    (lambda _, endpoints: auth_blueprint(endpoints), None, "skill", "endpoints"),
    (lambda skill, wrong: auth_blueprint(wrong or {"a": skill}), ["me"], None, "endpoints"),
    (
        lambda skill, endpoint: auth_blueprint({"a": endpoint or skill}),
        5,
        None,
        r"endpoints\['a'\]",
    ),
    (lambda skill, name: auth_blueprint({name: skill}), "a/b", "ab", "'a/b' is no name"),
    (lambda _, endpoints: AuthEndpoints(endpoints), None, "skill", "endpoints"),
    (lambda skill, name: AuthEndpoints({name: skill}), "", "ab", "endpoints"),
    (lambda skill, app: AuthEndpoints(skill, app), 5, None, "app"),
]


@pytest.mark.parametrize(("call", "wrong", "right", "words"), CALLS)
def test_a_call_names_the_argument(
    bob: AuthSkill, call: Callable[[AuthSkill, Any], Any], wrong: Any, right: Any, words: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        call(bob, wrong)
    call(bob, bob if right == "skill" else right)


def test_a_party_of_nothing_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"endpoints\['a'\] takes .*not NoneType"):
        auth_blueprint({"a": None})  # type: ignore[dict-item]


CONSTRUCTED: list[tuple[str, list[Any], list[Any]]] = [
    ("public_key", [b"x", 5, "\ud800", "x"], [None]),
    ("key_bits", ["2048", True, 1024], [None, 2048]),
    ("signer_timeout", ["1", -1, 0, 51, float("nan"), True, 10], [None]),
    ("logger", ["x", 5], [None, logging.getLogger("own")]),
    ("on_error", ["x", 5], [None, str]),
    ("ssl_context", ["x", True], [None, ssl.create_default_context()]),
    ("keys", ["x", {"i": b"x"}, {5: "x"}, {"i": "\ud800"}, {"\ud800": "x"}], [None, {}]),
]


@pytest.mark.parametrize(("name", "wrong", "right"), CONSTRUCTED)
def test_a_skill_names_the_argument(
    tmp_path: Path, name: str, wrong: list[Any], right: list[Any]
) -> None:
    for value in wrong:
        with pytest.raises(InvalidArgumentError, match=f"^{name}"):
            AuthSkill(base_url=BOB, keys_dir=str(tmp_path), **{name: value})
    for value in right:
        AuthSkill(base_url=BOB, keys_dir=str(tmp_path), **{name: value}).close()


def test_the_entry_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^keys\['orch'\] takes a text, not int$"):
        AgentAuth(keys={"orch": 1}, store="memory:")  # type: ignore[dict-item]
    with pytest.raises(InvalidArgumentError, match=r"^keys\['o'\] has an unpaired surrogate$"):
        AgentAuth(keys={"o": "\ud800"}, store="memory:")
    wrong: Any = ["read", 1]
    with pytest.raises(InvalidArgumentError, match=r"^allowed_scopes\[1\] takes a text, not int$"):
        Authority("https://portal.example", keys_dir=tmp_path, allowed_scopes=wrong)
    with pytest.raises(InvalidArgumentError, match=r"^allowed_scopes\[1\] has an unpaired"):
        Authority("https://portal.example", keys_dir=tmp_path, allowed_scopes=["read", "\ud800"])
    Authority("https://portal.example", keys_dir=tmp_path, allowed_scopes=["read"]).close()
    AgentAuth(keys={}, store="memory:")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("issuer", 5),
        ("issuer", "https://portal.example/\ud800"),
        ("keys_dir", 5),
        ("clients_file", 5),
        ("clients_file", "a\0b"),
        ("key_bits", 1024),
        ("logger", "x"),
        ("realm", ""),
        ("realm", "\ud800"),
    ],
)
def test_an_authority_names_the_argument(tmp_path: Path, name: str, wrong: Any) -> None:
    right: dict[str, Any] = {"issuer": "https://portal.example", "keys_dir": tmp_path}
    with pytest.raises(InvalidArgumentError, match=f"^{name}"):
        Authority(**{**right, name: wrong})
    Authority(**right).close()


@pytest.mark.parametrize(
    ("name", "right"), [("logger", logging.getLogger("own")), ("on_error", str)]
)
def test_agent_auth_names_the_argument(tmp_path: Path, name: str, right: Any) -> None:
    given: dict[str, Any] = {name: "x"}
    with pytest.raises(InvalidArgumentError, match=f"^{name} takes"):
        AgentAuth(tmp_path, **given)
    given = {name: right}
    AgentAuth(tmp_path, **given)


NOT_GIVEN: dict[type[Any], tuple[list[Any], dict[str, Any]]] = {
    AgentAuth: (
        [],
        {"keys": {}, "store": None, "require_target": None, "leeway": None, "realm": None},
    ),
    OrchestratorClient: (
        ["alice", bytes],
        {"ttl": None, "signer_timeout": None, "max_body": None, "max_answer": None},
    ),
    AuthSkill: ([{"leeway": 5}], {"key_bits": None, "signer_timeout": None, "leeway": None}),
    Authority: (["https://portal.example"], {"keys_dir": None, "key_bits": None, "leeway": None}),
}


@pytest.mark.parametrize("cls", NOT_GIVEN)
def test_none_is_as_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cls: type[Any]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    given, options = NOT_GIVEN[cls]
    if cls is AuthSkill:
        options = {**options, "base_url": BOB}
    cls(*given, **options).close()
    for name in options:
        with pytest.raises(TallystickError, match=name):
            cls(*given, **{**options, name: object()})


def test_none_keeps_what_the_configuration_says(tmp_path: Path) -> None:
    config = {"base_url": BOB, "keys_dir": str(tmp_path), "max_body": 7}
    for option, expected in ((None, 7), (9, 9)):
        with AuthSkill(config, max_body=option, store="memory:") as skill:
            assert engine_of(skill).opened["max_body"] == expected


@pytest.mark.parametrize("wrong", ["1", 0, 61])
def test_a_client_names_the_argument(wrong: Any) -> None:
    options: dict[str, Any] = {"signer": lambda data: data}
    with pytest.raises(InvalidArgumentError, match=r"^signer_timeout"):
        OrchestratorClient("x", signer_timeout=wrong, **options)
    OrchestratorClient("x", signer_timeout=1, **options)


NO_NUMBERS = [float("nan"), float("inf"), -float("inf"), 10**400, True, "30", Decimal(30)]


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=lambda value: str(value)[:5])
@pytest.mark.parametrize(
    ("name", "right", "make"),
    [
        ("leeway", 30.5, lambda folder, given: AgentAuth(folder, **given)),
        ("max_body", 1000, lambda folder, given: AgentAuth(folder, **given)),
        ("max_lifetime", 60, lambda folder, given: AgentAuth(folder, store="memory:", **given)),
        ("ttl", 60, lambda folder, given: OrchestratorClient("x", bytes, **given)),
        ("max_bytes", 1 << 20, lambda folder, given: SQLiteStore(folder / "file", **given)),
        ("timeout", 0.5, lambda folder, given: SQLiteStore(folder / "file", **given)),
    ],
)
def test_a_number_is_named(
    tmp_path: Path, name: str, right: Any, make: Callable[[Path, dict[str, Any]], Any], wrong: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"^{name} (takes a number|must be a finite)"):
        make(tmp_path, {name: wrong})
    make(tmp_path, {name: right})


def test_a_keys_size_is_named() -> None:
    for wrong in (float("nan"), "2048", True):
        with pytest.raises(InvalidArgumentError, match=r"^bits takes"):
            KeyManager.generate_rsa_keypair(wrong)  # type: ignore[arg-type]
    assert KeyManager.generate_rsa_keypair(2048)


def test_one_text_is_one_header(bob: AuthSkill) -> None:
    value = bob.authorize(BOB)["Authorization"]
    request: dict[str, Any] = {"method": "GET", "path": "/x"}
    found = bob.verify([value], **request)
    assert bob.verify(value, **request) == found
    assert asyncio.run(bob.averify(value, **request)) == found
    with pytest.raises(MissingAuthorizationError):
        bob.verify(None, **request)
    with pytest.raises(AmbiguousAuthorizationError):
        bob.verify([value, value], **request)
    for wrong in (5, value.encode(), [value.encode()]):
        with pytest.raises(InvalidArgumentError, match=r"^authorization"):
            bob.verify(wrong, **request)  # type: ignore[arg-type]
    for name in request:
        with pytest.raises(InvalidArgumentError, match=f"^{name} takes a text"):
            bob.verify(value, **{**request, name: None})


def test_an_empty_base_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^base_url must not be empty"):
        AgentAuth(str(tmp_path), base_url="", store="memory:")
    AgentAuth(str(tmp_path), base_url="https://a.example", store="memory:")
    AgentAuth(str(tmp_path), store="memory:")


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("keys_dir", [5, ""], [None, "keys"]),
        ("base_url", [5, b"https://a.example"], [None, "https://a.example"]),
        ("realm", [5, b"r", ""], [None, "r"]),
        ("require_target", ["false", 1], [None, True, False]),
    ],
)
def test_an_option_of_agent_auth_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    wrong: list[Any],
    right: list[Any],
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in wrong:
        with pytest.raises(InvalidArgumentError, match=f"^{name} (takes|must not be empty)"):
            AgentAuth(store="memory:", **{name: value})
    for value in right:
        AgentAuth(store="memory:", **{name: value})


def test_a_part_of_a_request_is_named(tmp_path: Path) -> None:
    auth = AgentAuth(tmp_path, store="memory:")
    request: dict[str, Any] = {"method": "GET", "path": "/", "query": "", "mount": ""}
    with pytest.raises(MissingAuthorizationError):
        auth.verify([], **request)
    for name in request:
        with pytest.raises(InvalidArgumentError, match=f"^{name} takes a text, not bytes"):
            auth.verify([], **{**request, name: b"/"})


def test_what_is_signed_and_sent_is_named(keys: KeyPair) -> None:
    for wrong in (5, None):
        with pytest.raises(InvalidArgumentError, match=r"^issuer_id takes a text"):
            OrchestratorClient(wrong, keys.private)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match=r"^method takes a text"):
            OrchestratorClient("x", keys.private).sign(wrong, BOB)  # type: ignore[arg-type]
    client = OrchestratorClient("x", keys.private)
    for method, url, name in (("\ud800", BOB, "method"), ("GET", BOB + "\ud800", "url")):
        with pytest.raises(InvalidArgumentError, match=f"^{name} has an unpaired surrogate"):
            client.sign(method, url)
    client.sign("GET", BOB)
    with pytest.raises(InvalidArgumentError, match=r"^public_key takes a text"):
        OrchestratorClient("x", bytes, public_key=b"x")  # type: ignore[arg-type]

    async def sends(session: Any, url: Any) -> dict[str, Any]:
        return await OrchestratorClient.send_secure_request(session, url, {}, "x", keys.private)

    async def everything() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(InvalidArgumentError, match=r"^session takes an aiohttp"):
                await sends(None, "http://127.0.0.1:9")
            with pytest.raises(InvalidArgumentError, match=r"^url takes a text"):
                await sends(session, None)
            assert "error" in await sends(session, "http://127.0.0.1:9")

    asyncio.run(everything())


def test_a_folder_and_a_tools_argument_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: KeyPair
) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in (None, 5, ""):
        with pytest.raises(InvalidArgumentError, match=r"^directory (takes|must)"):
            KeyManager.load_public_keys(wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidArgumentError, match=r"^keys_dir (takes|must)"):
            DevTools.setup_persistent_keys(wrong)  # type: ignore[arg-type]
    assert KeyManager.load_public_keys(tmp_path) == {}
    DevTools.setup_persistent_keys(tmp_path / "keys")
    monkeypatch.setenv("KEY", base64.b64encode(keys.private.encode()).decode())
    right = {"query": "hello", "env_var": "KEY", "issuer_id": "x"}
    for name in right:
        given: dict[str, Any] = {**right, name: 5}
        with pytest.raises(InvalidArgumentError, match=f"^{name} takes a text"):
            DevTools.generate_bearer_token(**given)
    assert DevTools.generate_bearer_token(**right)
    with pytest.raises(InvalidArgumentError, match=r"^path must not be empty"):
        SQLiteStore("")
    with pytest.raises(InvalidArgumentError, match=r"^path takes a path"):
        SQLiteStore(5)  # type: ignore[arg-type]
    SQLiteStore("file").close()


def test_a_text_and_a_path_that_nothing_can_write_are_named(tmp_path: Path) -> None:
    for wrong, words in (("a\ud800", "unpaired surrogate"), ("a\0b", "NUL"), ("", "empty")):
        for name, make in {
            "keys_dir": lambda path: AgentAuth(path, store="memory:"),
            "directory": KeyManager.load_public_keys,
            "path": SQLiteStore,
        }.items():
            with pytest.raises(InvalidArgumentError, match=f"^{name} .*{words}"):
                make(wrong)
    KeyManager.load_public_keys(str(tmp_path / "caf\u00e9"))
    KeyManager.load_public_keys(str(tmp_path / "caf\udce9"))  # a name that is no UTF-8
    with pytest.raises(InvalidArgumentError, match=r"^realm has an unpaired surrogate"):
        AgentAuth(tmp_path, store="memory:", realm="\ud800")
    with pytest.raises(InvalidArgumentError, match=r"^issuer_id has an unpaired surrogate"):
        OrchestratorClient("\ud800", bytes)
    OrchestratorClient("caf\u00e9", bytes)


def test_a_whole_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^max_body takes a whole number"):
        AgentAuth(tmp_path, store="memory:", max_body=1.5)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"^ttl takes a whole number"):
        OrchestratorClient("x", bytes, ttl=1.5)  # type: ignore[arg-type]
    for wrong in (0, 1024, 10**30):
        with pytest.raises(InvalidArgumentError, match=r"^bits must be 2048, 3072 or 4096"):
            KeyManager.generate_rsa_keypair(wrong)


@pytest.mark.parametrize("wrong", ["", "wasn", 0, False, []])
def test_a_backend_is_named(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^unknown backend"):
        AgentAuth(tmp_path, store="memory:", backend=wrong)
    AgentAuth(tmp_path, store="memory:", backend=None)


def test_another_url_and_a_class_are_no_store(tmp_path: Path) -> None:
    class Store:
        def claim(self, id: str, seconds: int) -> bool:
            return True

    with pytest.raises(InvalidArgumentError, match=r"^store: mysql:// is none of") as refused:
        AgentAuth(tmp_path, store="mysql://:secret@localhost")
    assert "secret" not in str(refused.value)
    with pytest.raises(InvalidArgumentError, match=r"^store takes .*not the class Store"):
        AgentAuth(tmp_path, store=Store)  # type: ignore[arg-type]
    AgentAuth(tmp_path, store=Store())
    AgentAuth(tmp_path, store=SQLiteStore(tmp_path / "file"))


def test_a_claim_of_a_subclass_is_asked(keys_dir: Path, client: OrchestratorClient) -> None:
    class Used(SQLiteStore):
        def claim(self, id: str, seconds: int) -> bool:
            return False

    headers = client.sign("GET", "http://a.example/")
    request: dict[str, Any] = {"method": "GET", "path": "/"}
    auth = AgentAuth(keys_dir, store=Used(keys_dir.parent / "file"))
    with pytest.raises(ReplayDetectedError):
        auth.verify([headers["Authorization"]], **request)
    auth = AgentAuth(keys_dir, store=SQLiteStore(keys_dir.parent / "file"))
    assert auth.verify([headers["Authorization"]], **request).issuer == "orchestrator"


def test_a_key_that_cannot_sign_is_the_signers(keys: KeyPair) -> None:
    curve = ec.generate_private_key(ec.SECP384R1())
    small = rsa.generate_private_key(65537, 1024)
    for wrong in ("", "abc", keys.public, curve, small):
        with pytest.raises(InvalidKeyError, match=r"^signer: "):
            OrchestratorClient("x", wrong)
    with pytest.raises(InvalidArgumentError, match=r"^public_key must not be empty"):
        OrchestratorClient("x", bytes, public_key="")
    OrchestratorClient("x", rsa.generate_private_key(65537, 2048))
    OrchestratorClient("x", bytes, public_key=keys.public)


@pytest.mark.parametrize("wrong", [None, 5, b"http://a.example/", {}])
def test_a_url_is_named(client: OrchestratorClient, wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^url takes a text or a yarl.URL"):
        client.sign("GET", wrong)
    client.sign("GET", yarl.URL("http://a.example/"))


def test_a_folder_and_a_file_in_each_others_place_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(KeysUnavailableError, match="is not a folder"):
        KeyManager.load_public_keys(tmp_path / "file")
    assert "does not exist" not in caplog.text
    with pytest.raises(StoreUnavailableError, match="it is a folder: name a file in it"):
        AgentAuth(tmp_path, store=SQLiteStore(tmp_path))
