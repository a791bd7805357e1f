"""Mistakes that must not pass in silence."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tallystick import (
    DevTools,
    InvalidArgumentError,
    InvalidConfigError,
    InvalidKeyError,
    OrchestratorClient,
)

if TYPE_CHECKING:
    from pathlib import Path

    from support import KeyPair

URL = "http://127.0.0.1:5001/agent"


@pytest.mark.parametrize("body", [5, [1, 2], {"a": 1}, None])
def test_only_bytes_and_text_are_signed(client: OrchestratorClient, body: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="bytes or text"):
        client.sign("POST", URL, body)


@pytest.mark.parametrize("body", [b"5", bytearray(b"5"), memoryview(b"5"), "5"])
def test_bytes_and_text_are_signed(client: OrchestratorClient, body: Any) -> None:
    assert client.sign("POST", URL, body)["Authorization"].startswith("Bearer ")


def test_a_public_key_beside_a_private_one_is_refused(keys: KeyPair, other_keys: KeyPair) -> None:
    with pytest.raises(InvalidArgumentError, match="public_key"):
        OrchestratorClient("orchestrator", keys.private, public_key=other_keys.public)
    OrchestratorClient("orchestrator", lambda data: data, public_key=other_keys.public)


def test_a_bad_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: KeyPair
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OTHER=1\n")
    with pytest.raises(
        InvalidConfigError, match="MY_KEY is not set in the environment, or empty, and not in"
    ):
        DevTools.generate_bearer_token("hello", env_var="MY_KEY")
    monkeypatch.setenv("MY_KEY", "not base64!")
    with pytest.raises(InvalidKeyError, match=r"^MY_KEY: not base64"):
        DevTools.generate_bearer_token("hello", env_var="MY_KEY")
    monkeypatch.setenv("MY_KEY", base64.b64encode(keys.private.encode()).decode())
    assert DevTools.generate_bearer_token("hello", env_var="MY_KEY") is not None
