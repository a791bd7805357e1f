"""The form of every Markdown file: width, length, and links that survive elsewhere."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LISTED = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
NAMES = subprocess.run(LISTED, cwd=ROOT, capture_output=True, text=True, check=True).stdout
PAGES = sorted(name for name in set(NAMES.split("\0")) - {""} if (ROOT / name).exists())
WIDTH = 100

# What is generated, the specification, and what grows with each release.
LONG = {
    *("CHANGELOG.md", "RATIONALE.md", "conformance/PEERS.md", "docs/explanation/protocol.md"),
    *("docs/reference/abi.md", "docs/reference/errors.md", "docs/reference/options.md"),
    "docs/reference/command.md",
}
PACKAGES = ["bindings/node/README.md", "bindings/python/README.md"]


def text(name: str) -> str:
    return (ROOT / name).read_text()


def wide(page: str) -> list[str]:
    """Return the lines that are too wide. What a program prints cannot be broken."""
    printed = re.compile(r"(?ms)^ *```(?:console|http|text)\n.*?^ *```$")
    return [line for line in printed.sub("", page).split("\n") if len(line) > WIDTH]


@pytest.mark.parametrize("name", PAGES)
def test_lines_are_short(name: str) -> None:
    assert wide(text(name)) == []


def test_what_is_wide_is_found() -> None:
    exactly = "x" * WIDTH
    assert wide(exactly) == []
    assert wide(f"a\n{exactly}y\nb") == [f"{exactly}y"]
    assert wide(f"```python\n{exactly}y\n```") == [f"{exactly}y"]
    assert wide(f"```text\n{exactly}y\n```") == []


@pytest.mark.parametrize("name", sorted(set(PAGES) - LONG))
def test_pages_are_short(name: str) -> None:
    most = 120 if name == "README.md" else 220
    assert len(text(name).splitlines()) <= most


@pytest.mark.parametrize("name", PACKAGES)
def test_links_of_package_pages_are_absolute(name: str) -> None:
    """A registry shows them, where nothing lies beside them."""
    links = re.findall(r"\]\(([^)]*)\)", text(name))
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    ours = "https://github.com/tallystick/tallystick/blob/main/"
    for link in links:
        if link.startswith(ours):
            assert (ROOT / link.removeprefix(ours).split("#")[0]).exists(), link


def found(pattern: str, name: str) -> str:
    match = re.search(pattern, text(name))
    assert match, f"{name}: {pattern}"
    return match[1]


def test_pages_ask_for_the_versions_that_the_packages_do() -> None:
    go = found(r"(?m)^go (\d+\.\d+)", "go.mod")
    node = json.loads(text("bindings/node/package.json"))["engines"]["node"].removeprefix(">=")
    least = found(r'requires-python = ">=([\d.]+)"', "bindings/python/pyproject.toml")
    known = re.findall(r"Python :: (3\.\d+)", text("bindings/python/pyproject.toml"))
    steps = yaml.safe_load(text(".github/actions/setup/action.yml"))["runs"]["steps"]
    [ours] = [step["with"]["python-version"] for step in steps if "python" in step["uses"]]
    prose = " ".join(text(name) for name in PAGES if name != "CHANGELOG.md")
    assert set(re.findall(r"\bGo (\d+\.\d+)", prose)) == {go}
    assert set(re.findall(r"\bNode (\d+\.\d+)", prose)) == {node}
    assert set(re.findall(r"\bPython (3\.\d+ to 3\.\d+)", prose)) == {f"{least} to {known[-1]}"}
    assert set(re.findall(r"\bPython (3\.\d+)(?! to)\b", prose)) == {ours}
