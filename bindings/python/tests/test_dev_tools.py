"""DevTools: rotagent's way of trying an agent by hand."""

from __future__ import annotations

import base64
import os
import stat
import time
from typing import TYPE_CHECKING

import jwt
import pytest

import tallystick
from support import KeyPair, agent_app, call
from tallystick import AgentAuth, DevTools, KeyManager

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.medium


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, the working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def printed_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("DEV_PRIVATE_KEY=")
    ]
    return line


def test_setup_then_token_then_call(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DevTools.setup_persistent_keys()
    (project / ".env").write_text(printed_line(capsys) + "\n")
    assert (project / "authorized_keys" / "dev_postman.pem").is_file()
    app = agent_app(AgentAuth(dev_mode=True))
    token, body = DevTools.generate_bearer_token(query="What are the best action movies?")
    assert body == '{"query":"What are the best action movies?"}'
    for _ in range(2):
        answer = call(app, {"Authorization": f"Bearer {token}"}, body.encode())
        assert answer.json["issuer"] == "dev_postman"
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 21_600
    assert "htu" not in claims
    out = capsys.readouterr().out
    assert f"Bearer {token}" in out
    assert body in out


def test_a_development_token_is_too_old_to_be_used_in_production(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    DevTools.setup_persistent_keys()
    (project / ".env").write_text(printed_line(capsys))
    token, body = DevTools.generate_bearer_token("x")
    answer = call(agent_app(AgentAuth()), {"Authorization": f"Bearer {token}"}, body.encode())
    assert answer.code == "invalid_claims"


def test_the_public_file_is_public_and_replaced_whole(project: Path) -> None:
    DevTools.setup_persistent_keys("keys", "me")
    path = project / "keys" / "me.pem"
    first = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    DevTools.setup_persistent_keys("keys", "me")
    assert path.read_text() != first
    assert [file.name for file in path.parent.iterdir()] == ["me.pem"]
    assert "PRIVATE" not in path.read_text()


@pytest.mark.parametrize(
    "issuer", ["../evil", "/etc/evil", "a/b", "", ".", "..", ".hidden", "a\nb", "a\x00b"]
)
def test_an_issuer_that_is_no_file_name_writes_nothing(project: Path, issuer: str) -> None:
    with pytest.raises(tallystick.InvalidArgumentError, match="issuer_id"):
        DevTools.setup_persistent_keys("keys", issuer)
    assert list(project.iterdir()) == []


def test_the_environment_comes_before_the_file_and_is_not_changed(
    project: Path, keys: KeyPair, other_keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("MY_KEY=" + base64.b64encode(keys.private.encode()).decode())
    token, _ = DevTools.generate_bearer_token("x", env_var="MY_KEY", issuer_id="me")
    assert jwt.decode(token, keys.public, algorithms=["RS256"])["iss"] == "me"
    assert "MY_KEY" not in os.environ
    monkeypatch.setenv("MY_KEY", base64.b64encode(other_keys.private.encode()).decode())
    token, _ = DevTools.generate_bearer_token("x", env_var="MY_KEY")
    assert jwt.decode(token, other_keys.public, algorithms=["RS256"])["exp"] > time.time()


def test_an_env_file_of_a_parent_folder_is_found(
    project: Path, keys: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text(
        "DEV_PRIVATE_KEY=" + base64.b64encode(keys.private.encode()).decode()
    )
    (project / "below").mkdir()
    monkeypatch.chdir(project / "below")
    assert DevTools.generate_bearer_token("x")


@pytest.mark.parametrize("content", [None, "", "OTHER=1", "DEV_PRIVATE_KEY="])
def test_a_missing_variable_is_named(project: Path, content: str | None) -> None:
    if content is not None:
        (project / ".env").write_text(content)
    with pytest.raises(tallystick.InvalidConfigError, match="DEV_PRIVATE_KEY") as refused:
        DevTools.generate_bearer_token("x")
    assert "setup_persistent_keys" in str(refused.value)


@pytest.mark.parametrize(
    "value", ["not base64!", base64.b64encode(b"no key").decode(), "PUBLIC", "QUFB"]
)
def test_a_value_that_is_no_key_is_refused_and_not_quoted(
    project: Path, keys: KeyPair, value: str
) -> None:
    if value == "PUBLIC":
        value = base64.b64encode(keys.public.encode()).decode()
    (project / ".env").write_text(f"DEV_PRIVATE_KEY='{value}'")
    with pytest.raises(tallystick.InvalidKeyError) as refused:
        DevTools.generate_bearer_token("x")
    assert value not in str(refused.value)


def test_a_folder_that_cannot_be_written_is_the_systems_error(project: Path) -> None:
    (project / "keys").write_text("a file")
    with pytest.raises(OSError, match="keys"):
        DevTools.setup_persistent_keys("keys", "me")
    KeyManager.load_public_keys(project)
