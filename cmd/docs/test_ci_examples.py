"""Runs the CI examples of conformance/README.md, and its Go test, as another repository would.

The runner is built from this checkout and stands for the installed one; the packages
are those that this checkout builds, installed in a scratch repository.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "conformance" / "README.md").read_text()


def found(pattern: str, text: str) -> str:
    """Return what the pattern's group matches; it must be there."""
    match = re.search(pattern, text, re.DOTALL)
    assert match, pattern
    return match[1]


SECTION = found(r"## In your own CI\n(.*?)\n## ", README)
GITHUB, GITLAB = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL))
GITHUB_JOB, GITLAB_JOB = GITHUB["jobs"]["conformance"], GITLAB["conformance"]
GITHUB_RUNS = [step["run"] for step in GITHUB_JOB["steps"] if "run" in step]
ONE_LINER = found(r"```sh\n(.*?)\n```", SECTION)
PACKAGE = "github.com/tallystick/tallystick/conformance/cmd/conformance"
TIME_LIMIT = 120

LINES = {
    "github": next(line for line in GITHUB_RUNS if line.startswith("conformance ")),
    "gitlab": GITLAB_JOB["script"][0],
    "one line": ONE_LINER,
}


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    """Run to the end and return what was printed; a failure shows everything."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def arguments(line: str) -> list[str]:
    """What follows the runner's name, with this test's Python in place of the example's."""
    words = shlex.split(line.replace("\\\n", " "))
    given = words[next(at for at, word in enumerate(words) if "conformance" in word) + 1 :]
    if "--python" in given:
        given[given.index("--python") + 1] = sys.executable
    return given


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A repository that has the npm package, and the runner."""
    folder = tmp_path_factory.mktemp("repository")
    tools = tmp_path_factory.mktemp("tools")
    run(["go", "build", "-o", str(tools), "./conformance/cmd/conformance"], ROOT)
    package = ROOT / "bindings" / "node"
    # It is built: of tests that run at once, none may take it away from the others.
    pack = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(tools)]
    run([*pack, str(package)], package)
    (folder / "package.json").write_text('{"name":"scratch","private":true}')
    tarball = str(next(tools.glob("tallystick-*.tgz")))
    run(["npm", "install", "--silent", "--no-audit", "--no-fund", tarball], folder)
    return folder, tools / "conformance"


@pytest.mark.parametrize("example", LINES)
def test_example_runs(repository: tuple[Path, Path], example: str) -> None:
    folder, runner = repository
    given = arguments(LINES[example])
    printed = run([str(runner), *given], folder, TALLYSTICK_PYTHON=sys.executable)
    assert printed.splitlines()[-1].endswith(" passed, 0 failed")
    reports = folder / "conformance-report"
    assert "<testsuite" in (reports / "junit.xml").read_text()


def test_reports_are_where_the_examples_look() -> None:
    assert arguments(LINES["github"])[-2:] == ["--out", "conformance-report"]
    assert arguments(LINES["gitlab"])[-2:] == ["--out", "conformance-report"]
    artifacts = GITLAB_JOB["artifacts"]
    assert artifacts["reports"]["junit"] == "conformance-report/junit.xml"
    assert artifacts["when"] == "always"
    upload = GITHUB_JOB["steps"][-1]
    assert upload["with"]["path"] == "conformance-report/"
    assert upload["if"] == "always()"


def test_examples_install_this_version() -> None:
    release = found(r'Release = "(.*?)"', (ROOT / "core" / "abi" / "abi.go").read_text())
    assert GITHUB_JOB["env"]["TALLYSTICK"] == release
    assert GITLAB_JOB["variables"]["TALLYSTICK"] == release
    assert f"{PACKAGE}@v{release}" in ONE_LINER
    install = f'go install "{PACKAGE}@v$TALLYSTICK"'
    assert install in GITHUB_RUNS
    assert install in GITLAB_JOB["before_script"]


def test_go_example_runs_in_another_module(repository: tuple[Path, Path], tmp_path: Path) -> None:
    _, runner = repository
    example = found(r"<!-- example: conformance_test.go -->\n```go\n(.*?)```", README)
    (tmp_path / "conformance_test.go").write_text(example)
    module = f"{PACKAGE.split('/conformance')[0]}"
    (tmp_path / "go.mod").write_text(
        f"module example.com/mine\n\ngo 1.26\n\nrequire {module} v0.0.0\n"
        f"\nreplace {module} => {ROOT}\n"
    )
    (tmp_path / "go.sum").write_text((ROOT / "go.sum").read_text())
    # The leg c compiles the driver that stands for the reader's own.
    run(
        [
            str(runner),
            "--root",
            str(ROOT),
            "--leg",
            "c",
            "--vector",
            "abi/call",
            "--reference",
            "go",
            "--out",
            str(tmp_path),
        ],
        tmp_path,
    )
    driver = tmp_path / "bin" / "my-driver"
    driver.parent.mkdir()
    driver.write_text(f'#!/bin/sh\n[ "$1" = --flag ] && exec {ROOT}/build/conformance/driver-c\n')
    driver.chmod(0o755)
    path = f"{driver.parent}:{os.environ['PATH']}"
    printed = run(
        ["go", "test", "-mod=mod", "-v", "."],
        tmp_path,
        PATH=path,
        GOFLAGS="-buildvcs=false",
    )
    assert "--- PASS: TestConformance/scope/" in printed
    driver.write_text("#!/bin/sh\nexit 1\n")
    failed = subprocess.run(
        ["go", "test", "-mod=mod", "."],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "GOFLAGS": "-buildvcs=false"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert failed.returncode == 1
    assert "leg mine could not run" in failed.stdout
