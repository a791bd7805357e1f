"""A virtual environment for the real webagents, made once and kept in ``build/``.

webagents brings some 110 packages, so it has an environment of its own. Its folder is
named by the hash of ``requirements.txt``: a fresh checkout makes it once (some 90
seconds), a changed file makes another. ``python tests/webagents_env/environment.py``
makes it and prints its interpreter; with ``--theirs-alone``, for peers of other
languages, nothing of this checkout is built or installed.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
BUILD = PROJECT.parent.parent / "build" / "webagents"
PYTHON = "3.11"
TIME_LIMIT = 900
"""Seconds that one step of the installation may take."""


class CannotMakeError(RuntimeError):
    """The environment cannot be made; the message says what is missing."""


def interpreter(*, with_ours: bool = True) -> Path:
    """Return the environment's Python, with the current sources of ours installed if need be."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = BUILD / digest
    BUILD.mkdir(parents=True, exist_ok=True)
    with _lock(BUILD / f"{digest}.lock"):
        python = folder / "bin" / "python"
        if not (folder / ".complete").exists():
            _make(folder, python)
        if with_ours:
            _install_ours(folder, python)
    return python


def _make(folder: Path, python: Path) -> None:
    # What an interrupted attempt left behind is not trusted.
    shutil.rmtree(folder, ignore_errors=True)
    _say(f"making {folder}, once: Python {PYTHON} and {_count()} packages")
    _run("making the environment", _base_python(), "-m", "venv", folder)
    _pip(python, "installing webagents 0.3.9", "-r", REQUIREMENTS)
    (folder / ".complete").touch()


def _install_ours(folder: Path, python: Path) -> None:
    """Install this checkout's package, unless it is what was installed last."""
    installed = folder / ".tallystick"
    state = _state_of_sources()
    if installed.exists() and installed.read_text() == state:
        return
    _pip(
        python,
        "installing this checkout",
        "--no-deps",
        "--no-build-isolation",
        "--force-reinstall",
        PROJECT,
    )
    installed.write_text(state)


def _state_of_sources() -> str:
    root = PROJECT.parent.parent
    files = [PROJECT / "pyproject.toml", PROJECT / "hatch_build.py", root / "go.mod"]
    files += (path for path in (PROJECT / "src").rglob("*.py"))
    for folder in ("core", "cshared", "wasm"):
        files += (path for path in (root / folder).rglob("*.go"))
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _base_python() -> Path:
    if sys.version_info[:2] == (3, 11):
        return Path(sys.executable)
    found = shutil.which(f"python{PYTHON}")
    if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
        return Path(found)
    for folder in sorted((Path.home() / ".pyenv" / "versions").glob(f"{PYTHON}.*")):
        return folder / "bin" / "python"
    raise CannotMakeError(
        f"no python{PYTHON} found: the pinned packages of webagents 0.3.9 are for that version"
    )


def _pip(python: Path, what: str, *arguments: str | Path) -> None:
    options = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--quiet")
    _run(what, python, "-m", "pip", "install", *options, *arguments)


def _run(what: str, *command: str | Path) -> None:
    _say(what)
    try:
        subprocess.run(
            [str(part) for part in command],
            check=True,
            timeout=TIME_LIMIT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired as reason:
        raise CannotMakeError(f"{what}: not done after {TIME_LIMIT} seconds") from reason
    except subprocess.CalledProcessError as reason:
        raise CannotMakeError(f"{what}: exit {reason.returncode}\n{reason.stdout}") from reason


def _count() -> int:
    return sum("==" in line for line in REQUIREMENTS.read_text().splitlines())


def _say(words: str) -> None:
    print(f"webagents environment: {words}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="make the environment and print its Python")
    parser.add_argument("--theirs-alone", action="store_true", help="leave this checkout out")
    try:
        print(interpreter(with_ours=not parser.parse_args().theirs_alone))
    except CannotMakeError as reason:
        sys.exit(f"webagents environment: {reason}")
