"""Systems without POSIX, such as Windows: the WebAssembly backend and the files."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import APPS, DEADLINE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.medium
def test_without_fcntl_and_what_else_only_posix_has(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(APPS / "no_posix.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.stdout.split("\n"), done.stderr) == (
        ["agent movies", "skill True", "authority ['read66']", "async works", ""],
        "",
    )
