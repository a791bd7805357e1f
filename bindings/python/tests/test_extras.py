"""What is said where an extra is not installed."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.medium


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


SELF = """
import sys
for name in sys.argv[2:]:
    sys.modules[name] = None
from tallystick import AuthSkill
url = "https://a.example/agents/a"
skill = AuthSkill(base_url=url, keys_dir=sys.argv[1])
print(skill.verify_token(skill.generate_token(url)).agent_id)
"""


def test_what_needs_no_fetching_needs_no_extra(tmp_path: Path) -> None:
    done = run(SELF, str(tmp_path / "k"), "httpx", "httpcore", "yaml", "cryptography")
    assert (done.stdout, done.stderr) == ("a\n", "")


def test_fetching_names_its_extra(tmp_path: Path) -> None:
    program = SELF + (
        "stranger = AuthSkill(base_url='https://b.example/b', keys_dir=sys.argv[1])\n"
        "skill.verify_token(stranger.generate_token(url))"
    )
    done = run(program, str(tmp_path / "k"), "httpx")
    assert done.returncode == 1
    assert "install tallystick[access]" in done.stderr


def test_yaml_names_its_extra(tmp_path: Path) -> None:
    (tmp_path / "auth.yaml").write_text("base_url: '@a'\n")
    program = "import sys; sys.modules['yaml'] = None; from tallystick import AuthSkill;"
    done = run(program + "AuthSkill.from_file(sys.argv[1])", str(tmp_path / "auth.yaml"))
    assert done.returncode == 1
    assert "auth.yaml: reading YAML needs PyYAML: install tallystick[access]" in done.stderr
