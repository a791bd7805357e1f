"""The package as it is installed: wheel, editable, source distribution, other Pythons."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parent.parent

SMOKE = """
import sys, tempfile, pathlib, importlib.metadata
from flask import Flask
from tallystick import AgentAuth, KeyManager, OrchestratorClient
private, public = KeyManager.generate_rsa_keypair()
folder = tempfile.mkdtemp()
pathlib.Path(folder, "me.pem").write_text(public)
app = Flask("agent")
auth = AgentAuth(folder, store="sqlite://" + str(pathlib.Path(folder, "store.sqlite3")))
app.post("/agent")(auth.require_auth(lambda: "ok"))
headers = OrchestratorClient("me", private).sign("POST", "http://localhost/agent", b"{}")
answers = [app.test_client().post("/agent", data=b"{}", headers=headers) for _ in range(2)]
print(*sys.version_info[:2], *(answer.status_code for answer in answers))
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    ran = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, PROJECT)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_is_of_this_platform_and_holds_both_cores(wheel: Path) -> None:
    assert wheel.name.startswith("tallystick-0.1.0-py3-none-")
    assert "any" not in wheel.name
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "tallystick/py.typed" in names
    assert "tallystick/_lib/tallystick.wasm" in names
    assert any(name.startswith("tallystick/_lib/") and "wasm" not in name for name in names)
    assert not [name for name in names if name.startswith(("tests", "go/"))]


def interpreter(version: str) -> Path:
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "-c", ""], check=False).returncode == 0:
        return Path(found)
    # The fixtures give every test a HOME of its own: pyenv's versions lie in the user's.
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    for folder in sorted((home / ".pyenv" / "versions").glob(f"{version}.*")):
        return folder / "bin" / "python"
    pytest.skip(reason=f"the wheel is tried with python{version}, which is not in PATH or pyenv")


@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_the_wheel_works_on_other_pythons(wheel: Path, tmp_path: Path, version: str) -> None:
    run(interpreter(version), "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel)
    assert run(python, "-c", SMOKE).split() == [*version.split("."), "200", "429"]


def test_a_source_distribution_builds_elsewhere(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--sdist", "--outdir", tmp_path, PROJECT)
    (sdist,) = tmp_path.glob("tallystick-0.1.0.tar.gz")
    with tarfile.open(sdist) as archive:
        names = archive.getnames()
    assert "tallystick-0.1.0/go/go.mod" in names
    assert not [name for name in names if "_lib" in name or name.endswith((".pem", ".so"))]
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, sdist)
    (wheel,) = tmp_path.glob("*.whl")
    run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--target",
        tmp_path / "to",
        wheel,
    )
    found = run(
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import tallystick; print(tallystick.__file__)\n" + SMOKE,
        tmp_path / "to",
    ).splitlines()
    assert found[0].startswith(str(tmp_path))
    assert found[1].split()[2:] == ["200", "429"]


def test_an_editable_install_builds_into_the_sources(tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--system-site-packages", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--disable-pip-version-check",
        "-e",
        PROJECT,
    )
    place = run(python, "-c", "import tallystick; print(tallystick.__file__)")
    assert Path(place.strip()).is_relative_to(PROJECT / "src")


def test_without_go_the_error_says_so(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import hatch_build, pathlib\n"
        "hatch_build._build(pathlib.Path('.'), pathlib.Path(sys.argv[2]))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(PROJECT), str(tmp_path)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "'go' is not on PATH" in ran.stderr
    assert "https://go.dev/dl/" in ran.stderr
