"""What .github/ and the pages name is there: make targets, and folders with pinned packages."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

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


def test_dependabot_looks_at_every_lock_file() -> None:
    text = (ROOT / ".github" / "dependabot.yml").read_text()
    looked = {
        f"{folder}".strip("/")
        for update in yaml.safe_load(text)["updates"]
        for folder in update.get("directories", [update.get("directory")])
    }
    listed = ["git", "ls-files", "*package-lock.json", "*requirements*.txt", "*go.mod"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    locked = {str(Path(file).parent) for file in files.split()}
    assert {folder or "." for folder in looked} >= locked
