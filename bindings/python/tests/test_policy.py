"""The policy of a running agent changes: by its file, or by the program."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tallystick import (
    AuthSkill,
    InvalidArgumentError,
    InvalidConfigError,
    IssuerDeniedError,
    TrustDeniedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.medium

ME, OTHER = "https://me.example", "https://other.example"


def eventually(holds: Callable[[], bool]) -> None:
    """Ask until it is so. The file is looked at twice a second."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "nothing has changed"
        time.sleep(0.05)


class Pair:
    """An agent with a configuration file, and another one that calls it."""

    def __init__(self, folder: Path) -> None:
        options: dict[str, Any] = {"store": "memory:"}
        self.folder = folder
        self.file = folder / "auth.json"
        self.caller = AuthSkill(base_url=OTHER, keys_dir=str(folder / "other"), **options)
        served = self.caller.serve("GET", "/.well-known/jwks.json")
        assert served is not None
        self.keys = {OTHER: served.body}
        self.write("")
        self.agent = AuthSkill.from_file(
            self.file, keys=self.keys, keys_dir=str(folder / "me"), **options
        )
        self.token = self.caller.generate_token(ME, ["read"])

    def write(self, more: str) -> None:
        """Write the file; it counts as settled at once."""
        self.file.write_text(f'{{"base_url": "{ME}"{more}}}')
        past = time.time() - 1
        os.utime(self.file, (past, past))

    def name(self) -> str | None:
        return self.agent.verify_token(self.token).name

    def denied(self) -> bool:
        try:
            self.name()
        except IssuerDeniedError:
            return True
        return False


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


DENY = f', "deny": ["{OTHER}"]'


def test_a_new_deny_holds_within_a_second_for_a_token_that_was_verified(pair: Pair) -> None:
    assert pair.name() == "example.other"
    pair.write(DENY)
    eventually(pair.denied)
    pair.write("")
    eventually(lambda: not pair.denied())


def test_a_version_that_is_wrong_is_logged_and_the_old_one_stays(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.write(', "deny": ["other.example"]')
    with caplog.at_level(logging.ERROR, "tallystick"):
        eventually(lambda: pair.name() != "" and caplog.records != [])
        time.sleep(0.6)
        assert pair.name() == "example.other"
    (record,) = caplog.records
    assert record.getMessage().startswith("auth.json: deny[0]: must begin with @")
    assert "stays in use" in record.getMessage()
    assert pair.agent.stats()["policy_refused"].startswith("auth.json: deny[0]")
    pair.write(DENY)
    eventually(pair.denied)
    assert pair.agent.stats()["policy_refused"] == ""


def test_a_file_that_is_gone_or_half_written_changes_nothing(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.file.write_text(f'{{"base_url": "{ME}"')
    assert pair.name() == "example.other"
    pair.file.unlink()
    eventually(lambda: pair.name() != "" and "cannot be read" in caplog.text)
    assert pair.name() == "example.other"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", OTHER),
        ("agent_id", "robert"),
        ("authority", "https://portal.example"),
        ("keys_dir", "elsewhere"),
        ("token_ttl", 60),
        ("dev_mode", True),
        ("leeway", 1),
        ("max_buffered", 1 << 30),
    ],
)
def test_who_the_agent_is_needs_a_restart(pair: Pair, name: str, value: Any) -> None:
    keys_dir = str(pair.folder / "me")
    agent = AuthSkill({"base_url": ME, "keys_dir": keys_dir}, keys=pair.keys, store="memory:")
    mine = {"base_url": ME, "keys_dir": keys_dir}
    with pytest.raises(InvalidConfigError, match=rf"^(configuration: )?{name}(, \w+)*: .*restart"):
        agent.reload({**mine, "deny": [OTHER], name: value})
    assert agent.verify_token(pair.token).name == "example.other"
    agent.reload({**mine, "deny": [OTHER]})
    with pytest.raises(IssuerDeniedError):
        agent.verify_token(pair.token)


def test_reload_reads_the_file_at_once_or_takes_what_it_is_given(pair: Pair) -> None:
    pair.write(', "accept_from": ["nobody"]')
    pair.agent.reload()
    with pytest.raises(TrustDeniedError):
        pair.name()
    pair.agent.reload({"base_url": ME})
    assert pair.name() == "example.other"
    pair.write(', "denny": []')
    with pytest.raises(InvalidConfigError, match=r"^auth\.json: denny: there is no such key"):
        pair.agent.reload()
    assert pair.name() == "example.other"


def test_reload_without_a_file_needs_a_configuration(tmp_path: Path) -> None:
    agent = AuthSkill(base_url=ME, keys_dir=str(tmp_path), store="memory:")
    with pytest.raises(InvalidArgumentError, match=r"reload\(config\) needs a configuration"):
        agent.reload()
    agent.reload({"deny": ["@banned"]})


def test_the_options_go_on_to_override_the_file(tmp_path: Path, pair: Pair) -> None:
    agent = AuthSkill.from_file(
        pair.file, keys=pair.keys, keys_dir=str(tmp_path), deny=[OTHER], store="memory:"
    )
    pair.write(', "allow": ["**"]')
    agent.reload()
    with pytest.raises(IssuerDeniedError):
        agent.verify_token(pair.token)


def test_an_engine_that_opens_again_has_the_new_policy_alone(pair: Pair) -> None:
    pair.agent.reload({"base_url": ME, "accept_from": ["nobody"]})
    pair.agent.reload({"base_url": ME})
    pair.agent.close()
    assert pair.name() == "example.other"
    pair.agent.reload({"base_url": ME, "deny": [OTHER]})
    pair.agent.close()
    assert pair.denied()


def test_children_follow_the_file_too(pair: Pair) -> None:
    assert pair.name() == "example.other"
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            eventually(pair.denied)
            os._exit(0)
        except BaseException:
            os._exit(1)
    pair.write(DENY)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    eventually(pair.denied)
