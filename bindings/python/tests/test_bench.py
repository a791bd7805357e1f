"""The benchmark's own arguments; it is run by ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.medium

BENCH = Path(__file__).parents[3] / "cmd" / "bench" / "bench.py"


@pytest.mark.parametrize(
    ("number", "status", "says"),
    [
        ("-1", 2, "argument --live: -1 is below 0"),
        ("1.5", 2, "argument --live: invalid count value: '1.5'"),
        ("0", 0, "usage: make bench"),
        ("5", 0, "usage: make bench"),
    ],
)
def test_live_takes_numbers_from_0(number: str, status: int, says: str) -> None:
    # Asking for help ends it once the number was taken.
    command = [sys.executable, str(BENCH), "--live", number, "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == status
    assert says in ran.stdout + ran.stderr
