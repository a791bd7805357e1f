"""Configuration: files that say what they seem to say, and errors that say what to do."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support import DEADLINE
from tallystick import (
    AgentAuth,
    Authority,
    AuthSkill,
    InvalidArgumentError,
    InvalidConfigError,
    KeyManager,
    KeysUnavailableError,
)
from tallystick._access.config import Settings, read_settings
from tallystick._access.config_file import MAX_SIZE, read_document
from tallystick._core.loading import load_core

ROOT = Path(__file__).parents[3]
SURFACE = json.loads((ROOT / "conformance" / "surface.json").read_text())

SEED = """\
skills:
  auth:
    # Operating Mode
    authority: "https://robutler.ai"   # Set for Portal mode
    agent_id: "my-agent"
    base_url: "@my-agent"
    token_ttl: 300
    allowed_scopes:
      - read
      - write
      - namespace:*
      - tools:*
    trusted_issuers:
      - issuer: "https://partner.ai"
        jwks_uri: "https://partner.ai/.well-known/jwks.json"
        type: "agent"
    allow:
      - "@myteam/*"
      - "@trusted-agent"
    deny:
      - "@banned-*"
    google:
      client_id: "${GOOGLE_CLIENT_ID}"
      client_secret: "${GOOGLE_CLIENT_SECRET}"
      hosted_domain: "company.com"
    robutler:
      client_id: "my-agent"
      client_secret: "${ROBUTLER_SECRET}"
    keys_dir: "~/.webagents/keys"
    jwks_cache_ttl: 3600
"""

VARIABLES = {
    "GOOGLE_CLIENT_ID": "google-id",
    "GOOGLE_CLIENT_SECRET": "google-secret",
    "ROBUTLER_SECRET": "robutler-secret",
}


def read(config: Any = None, **options: Any) -> Settings:
    return read_settings(load_core(), config, options, logging.getLogger("tallystick"))


def read_file(path: Path) -> Settings:
    return read(read_document(path))


def document(tmp_path: Path, text: str, name: str = "auth.yaml") -> dict[str, Any]:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    return read_document(path)


def refusal(tmp_path: Path, text: str | bytes, name: str = "auth.yaml") -> str:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidConfigError) as refused:
        read_document(path)
    assert str(path) in refused.value.message
    return refused.value.message


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("variables")
def test_the_seeds_reference_is_read_from_each_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    yaml_file, json_file = tmp_path / "auth.yaml", tmp_path / "auth.json"
    yaml_file.write_text(SEED)
    nested = read_document(yaml_file)
    json_file.write_text(json.dumps(nested))
    found = read_file(yaml_file)
    assert found.mode == "portal"
    assert found.access["robutler"]["client_secret"] == "robutler-secret"
    assert found.access["trusted_issuers"][0]["issuer"] == "https://partner.ai"
    assert "google" in caplog.text
    assert "google-secret" not in caplog.text
    others = [
        read_file(json_file),
        read(read_document(str(json_file))),
        read(nested),
        read(nested["skills"]["auth"]),
    ]
    assert [other.access for other in others] == [found.access] * len(others)


def test_options_override_the_configuration() -> None:
    assert read({"base_url": "@a", "token_ttl": 60}, token_ttl=90).access["token_ttl"] == 90
    assert read({"base_url": "@a", "token_ttl": 60}).access["token_ttl"] == 60


def test_the_home_folder_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read({"base_url": "@a"}).keys_dir == f"{tmp_path}/.webagents/keys"
    assert read({"base_url": "@a", "keys_dir": "~/k"}).keys_dir == f"{tmp_path}/k"


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "auth.yaml"
    path.write_text('base_url: "@a"\nclient_secret: "${NOT_THERE}"\n')
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(InvalidConfigError, match=r"auth\.yaml: client_secret: .*NOT_THERE"):
        read_file(path)
    monkeypatch.setenv("NOT_THERE", "0123456789abcdef")
    assert read_file(path).access["client_secret"] == "0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("base_ur: '@a'", "base_ur"),
        ("token_ttl: '300'", "token_ttl"),
        ("token_ttl: 0", "token_ttl"),
        ("allow: '@a'", "allow"),
        ("dev_mode: yes", "dev_mode"),
        ("trusted_issuers: [{issuer: 'https://a.example', typ: agent}]", "typ"),
    ],
)
def test_a_wrong_setting_names_the_file_the_key_and_the_fix(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "auth.yaml"
    path.write_text(text)
    with pytest.raises(InvalidConfigError, match=rf"auth\.yaml: .*{named}.*write|remove"):
        read_file(path)


def test_a_file_has_a_method_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text('{"base_url": "@file", "token_ttl": 60}')
    given: list[Any] = [path, str(path)]
    for each in given:
        with pytest.raises(InvalidArgumentError, match=r"use AuthSkill.from_file\(path\)"):
            AuthSkill(each, keys_dir=str(tmp_path / "keys"))
        with AuthSkill.from_file(each, keys_dir=str(tmp_path / "keys"), token_ttl=90) as skill:
            assert skill.agent_id == "file"
    wrong: Any = {"base_url": "@file"}
    with pytest.raises(InvalidArgumentError, match=r"^path takes a path, not dict"):
        AuthSkill.from_file(wrong)


@pytest.mark.parametrize("config", [5, ["a"], object()])
def test_what_is_no_configuration(config: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=type(config).__name__):
        read(config)


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"])
def test_settings_are_plain_data(value: Any) -> None:
    words = rf": base_url: it is not plain data \({type(value).__name__}\)"
    with pytest.raises(InvalidConfigError, match="^configuration" + words):
        read({"base_url": value})
    with pytest.raises(InvalidConfigError, match="^configuration" + words):
        read({"skills": {"auth": {"base_url": value}}})
    with pytest.raises(InvalidConfigError, match="^options" + words):
        read(base_url=value)
    assert read(base_url="https://a.example/a").access["base_url"] == "https://a.example/a"


def test_a_setting_that_utf_8_cannot_write_is_named() -> None:
    for wrong in ("\ud800", ["\ud800"], {"\ud800": 1}):
        for config, options in (({"realm": wrong}, {}), ({}, {"realm": wrong})):
            with pytest.raises(InvalidConfigError, match="realm: it has an unpaired surrogate"):
                read({"base_url": "@a", **config}, **options)
    with pytest.raises(InvalidConfigError, match=r'^configuration: "\\ud800": it has an unpaired'):
        read({"base_url": "@a", "\ud800": 1})
    assert read({"base_url": "@a", "realm": "r"}).access["realm"] == "r"


@pytest.mark.parametrize("nested", [False, True])
def test_an_option_of_the_program_is_no_setting(nested: bool) -> None:
    logger: Any = logging.getLogger("own")
    for name, value in {"logger": logger, "on_error": print, "onError": print}.items():
        option = name.replace("E", "_e")
        settings = {"base_url": "@a", name: value}
        words = (
            rf"^configuration: {name}: is an option of the program and no key .* as in AuthSkill\("
            rf"config, {option}=\.\.\.\) or AuthSkill\.from_file\(path, {option}=\.\.\.\)$"
        )
        with pytest.raises(InvalidConfigError, match=words):
            read({"skills": {"auth": settings}} if nested else settings)
    settings = {"base_url": "@a", "a\nb": print}
    with pytest.raises(InvalidConfigError, match=r'^configuration: "a\\nb": it is not plain data'):
        read({"skills": {"auth": settings}} if nested else settings)
    assert read({"base_url": "@a"}).mode == "self-issued"


def test_a_misspelt_option_that_is_a_function_is_told_of_the_right_one(tmp_path: Path) -> None:
    for wrong, meant in {"on_eror": "on_error", "onError": "on_error", "loger": "logger"}.items():
        with pytest.raises(InvalidConfigError, match=rf"^options: {wrong}: .*write {meant} or"):
            read({"base_url": "@a"}, **{wrong: print})
    # A key of the configuration is none of them, however alike.
    for name in SURFACE["classes"]["AuthSkill"]["configuration"]:
        with pytest.raises(InvalidConfigError, match=rf"^options: {name}: it is not plain data"):
            read({"base_url": "@a"}, **{name: print})
    AuthSkill(base_url="@a", keys_dir=str(tmp_path), store="memory:", on_error=print).close()


def test_file_is_told_how_a_file_is_read(tmp_path: Path) -> None:
    path = str(tmp_path / "auth.json")
    with pytest.raises(InvalidConfigError, match=r"^configuration: file: .*AuthSkill\.from_file"):
        AuthSkill({"file": path})
    with pytest.raises(InvalidArgumentError, match=r"^file is now AuthSkill\.from_file\(path\)"):
        AuthSkill(file=path)
    with pytest.raises(TypeError, match="unexpected keyword argument 'file'"):
        Authority("https://portal.example", keys_dir=tmp_path, file=path)
    (tmp_path / "auth.json").write_text('{"base_url": "@a"}')
    AuthSkill.from_file(path, keys_dir=str(tmp_path / "keys"), store="memory:").close()


def test_a_path_stays_in_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "no\nfolder"
    with pytest.raises(InvalidConfigError, match=r'^".*/no\\nfolder/auth\.json": it cannot be'):
        AuthSkill.from_file(folder / "auth.json")
    AgentAuth(folder, store="memory:")
    KeyManager.load_public_keys(folder)
    file = tmp_path / "a\nfile"
    file.write_text("{")
    with pytest.raises(InvalidConfigError, match=r'^".*/a\\nfile": '):
        AuthSkill.from_file(file)
    with pytest.raises(KeysUnavailableError, match=r'the keys folder ".*/a\\nfile" is not'):
        KeyManager.load_public_keys(file)
    with pytest.raises(InvalidConfigError, match=r'^the key ring ".*/a\\nfile/x/authority\.ring'):
        Authority("https://portal.example", keys_dir=file / "x")
    told = [message for message in caplog.messages if "folder" in message]
    assert told
    assert all("\n" not in message for message in told)
    with pytest.raises(InvalidConfigError, match=rf"^{tmp_path}/caf\u00e9: it cannot be read"):
        AuthSkill.from_file(tmp_path / "caf\u00e9")


def test_the_keys_folder_may_be_a_path_object(tmp_path: Path) -> None:
    for given in (tmp_path, str(tmp_path)):
        assert read({"keys_dir": given, "base_url": "@a"}).keys_dir == str(tmp_path)
        assert read(keys_dir=given, base_url="@a").keys_dir == str(tmp_path)
    with pytest.raises(InvalidConfigError, match="base_url"):
        read(base_url=tmp_path)


def test_no_error_shows_a_setting_that_is_no_text() -> None:
    options: dict[str, Any] = {"authority": "https://portal.example", "agent_id": "a"}
    with pytest.raises(InvalidConfigError, match="client_secret") as refused:
        read(**options, client_secret=b"s3cret-s3cret-s3cret")
    assert "s3cret" not in str(refused.value)
    assert read(**options, client_secret="s3cret-s3cret-s3cret").mode == "portal"


YAML = json.loads((ROOT / "conformance" / "yaml.json").read_text())
"""What every language reads alike."""


@pytest.mark.parametrize("case", YAML["read"], ids=repr)
def test_yaml_is_read_by_the_core_schema_of_1_2(tmp_path: Path, case: dict[str, Any]) -> None:
    found = document(tmp_path, case["text"])["a"]
    assert found == case["value"]
    assert isinstance(found, bool) is isinstance(case["value"], bool)


@pytest.mark.parametrize("case", YAML["refused"], ids=repr)
def test_a_fault_in_yaml_names_the_line(tmp_path: Path, case: dict[str, Any]) -> None:
    message = refusal(tmp_path, case["text"])
    assert not case["line"] or f"line {case['line']}: " in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: {b: 1,\n  b: 2}", "line 2: the key 'b' is there twice: correct the YAML"),
        ("a: 1\nb: *x\n", "line 2: aliases"),
        ("a: 1\nb: \x01\n", "line 2: a character that YAML does not allow"),
        ("a: " + "[" * 5000, "nested over 64 deep"),
        ("a: " + "9" * 5000, "line 1: not a number that can be read"),
        ("- a\n", "must be a mapping"),
    ],
    ids=["twice", "alias", "character", "deep", "number", "list"],
)
def test_a_fault_in_yaml_is_named(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


JSON_FAULTS = [
    ('{"a": 1,\n"a": 2}', "'a' is there twice"),
    ('{"a": {"b": 1, "b": 1}}', "'b' is there twice"),
    ('{"a": NaN}', "NaN"),
    ('{"a": -Infinity}', "Infinity"),
    ('{"a": 1,\n}', "line 2"),
    ("base_url: '@a'", "line 1"),
    ("[" * 100_000, "deeply"),
    ("[1]", "must be a mapping"),
]


@pytest.mark.parametrize(("text", "words"), JSON_FAULTS)
def test_a_fault_in_json_is_named(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text, "auth.json")
    assert document(tmp_path, '{"a": {"b": 1}}', "fine.json") == {"a": {"b": 1}}


@pytest.mark.parametrize("name", ["auth.yaml", "auth.json"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidConfigError, match=rf"{name}: it cannot be read \(No such file"):
        read_document(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InvalidConfigError, match="Is a directory"):
        read_document(tmp_path / name)
    (tmp_path / name).rmdir()
    assert "line 2: not UTF-8" in refusal(tmp_path, b'{"a":\n"\xff"}', name)
    assert "over 1048576 bytes" in refusal(tmp_path, b" " * (MAX_SIZE + 1), name)


def test_an_empty_file_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert document(tmp_path, "# nothing\n") == {}
    assert document(tmp_path, "\ufeffa: 1\n") == {"a": 1}
    assert document(tmp_path, '\ufeff{"a": 1}', "auth.json") == {"a": 1}


SECRET = "5ecret-5ecret-5ecret"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("auth.yaml", f"client_secret: '{SECRET}\nbase_url: [\n"),
        ("auth.yaml", f"client_secret: {SECRET}: x\n"),
        ("auth.yaml", f"client_secret: [{SECRET}\n"),
        ("auth.json", f'{{"client_secret": "{SECRET}" x'),
        ("auth.yaml", f"client_secret: ['{SECRET}']\n"),
        ("auth.yaml", f"token_ttl: '{SECRET}'\n"),
    ],
)
def test_no_error_shows_what_the_file_holds(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    program = f"import tallystick; tallystick.AuthSkill.from_file({str(tmp_path / name)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 1
    assert name.encode() in done.stderr
    assert SECRET.encode() not in done.stderr


def test_the_package_imports_neither_httpx_nor_yaml() -> None:
    program = (
        "import sys, tallystick; tallystick.AgentAuth; tallystick.AuthSkill; tallystick.Authority;"
        "tallystick.httpx_auth; tallystick.requests_auth; tallystick.aiohttp_middleware;"
        "unwanted = {'httpx', 'httpcore', 'yaml', 'flask', 'requests', 'aiohttp'};"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=DEADLINE, check=True
    )
    assert done.stdout.strip() == b"[]"
