"""Every make target that pages, forms and workflows name is there."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "conformance/README.md", ".ci/run")),
    *(ROOT / ".github").rglob("*.md"),
    *(ROOT / ".github").rglob("*.yml"),
    ROOT / ".pre-commit-config.yaml",
]
NAMED = {
    target
    for file in FILES
    for target in re.findall(r"(?m)(?:^|[`\"]|: )make ([a-z-]+)", file.read_text())
}


def test_targets_are_found() -> None:
    assert {"check", "demo", "fuzz", "links", "mutation", "quick", "test-slow"} <= NAMED


@pytest.mark.parametrize("target", sorted(NAMED))
def test_the_target_exists(target: str) -> None:
    command = ["make", "--dry-run", "--always-make", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
