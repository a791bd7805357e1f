from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support import KeyPair
from tallystick import KeyManager, OrchestratorClient
from tallystick.stores import memory

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

CACHE = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write out half a surrogate in what a test printed: xdist cannot send it on."""
    report = yield
    report.sections = [(name, _sendable(text)) for name, text in report.sections]
    return report


def _sendable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep every test from the developer's own settings and replay file."""
    for name in ("APP_ENV", "TALLYSTICK_BACKEND", "DEV_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    # The default keys folder is in the home folder. The cache of compiled WebAssembly
    # stays: compiling takes seconds.
    monkeypatch.setenv("XDG_CACHE_HOME", CACHE)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    # Once in a process: whichever test is the first must not see it.
    monkeypatch.setattr(memory, "_warned", True)


@pytest.fixture(params=["native", pytest.param("wasm", marks=pytest.mark.medium)])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def keys() -> KeyPair:
    return KeyPair(*KeyManager.generate_rsa_keypair())


@pytest.fixture(scope="session")
def other_keys() -> KeyPair:
    return KeyPair(*KeyManager.generate_rsa_keypair())


@pytest.fixture
def keys_dir(tmp_path: Path, keys: KeyPair) -> Path:
    """A folder that knows ``orchestrator``."""
    folder = tmp_path / "authorized_keys"
    folder.mkdir()
    (folder / "orchestrator.pem").write_text(keys.public)
    return folder


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that other users can get at, for tests of permissions."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def client(keys: KeyPair) -> OrchestratorClient:
    """Signs as ``orchestrator``."""
    return OrchestratorClient("orchestrator", keys.private)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB and eight files, for tests of one that is full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=8,mode=0700", "tmpfs"]
    if os.getuid() != 0 or subprocess.run([*options, str(folder)], check=False).returncode:
        pytest.skip(reason="a full disk is a tmpfs of 64 KiB, which only root may mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
