"""Runs the worked example of conformance/DRIVERS.md, a driver in Perl, over all vectors."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = Path("conformance", "drivers", "perl", "driver.pl")
TIME_LIMIT = 120

Conformance = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Conformance:
    """Run the suite, built as a command of its own so that its exit code is seen."""
    folder = tmp_path_factory.mktemp("conformance")
    command = str(folder / "conformance")
    package = "./conformance/cmd/conformance"
    subprocess.run(
        ["go", "build", "-o", command, package],
        cwd=ROOT,
        check=True,
        timeout=TIME_LIMIT,
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [command, "--out", str(folder / "reports"), *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )

    return run


@pytest.fixture(scope="module")
def c_driver(conformance: Conformance) -> str:
    """The C driver, which the leg c compiles before it runs."""
    done = conformance("--leg", "c", "--reference", "c", "--vector", "scope/*")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(Path("build", "conformance", "driver-c"))


def test_example_is_short() -> None:
    assert len((ROOT / EXAMPLE).read_text().splitlines()) <= 40


def test_example_passes_all_vectors(conformance: Conformance, c_driver: str) -> None:
    command = f"perl {EXAMPLE} {c_driver}"
    done = conformance("--leg", "driver", "--driver", command, "--reference", "c")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")


def test_example_without_a_driver_behind_it_could_not_run(conformance: Conformance) -> None:
    command = f"perl {EXAMPLE} true"
    done = conformance("--leg", "driver", "--driver", command, "--reference", "c")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the driver behind driver.pl ended" in done.stdout


def ask(operation: str, request: bytes, body: bytes = b"") -> dict[str, Any]:
    """One question to the example alone: behind it is a program that answers nothing."""
    question = {"id": 7, "op": operation, "request": b64(request), "body": b64(body)}
    done = subprocess.run(
        ["perl", str(EXAMPLE), "true"],
        cwd=ROOT,
        input=json.dumps(question, separators=(",", ":")) + "\n",
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_example_digests_by_itself() -> None:
    said = ask("digest.body", b"{}", b'{"hello": "world"}\n')
    answer = json.loads(base64.b64decode(said["answer"]))
    # RFC 9530 appendix B.1
    digest = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert said["id"] == 7
    assert answer["ok"]["content_digest"] == digest


@pytest.mark.parametrize(
    ("operation", "request_text"), [("digest.body", b'{"a":1}'), ("version", b"{}")]
)
def test_example_hands_on_what_it_does_not_know(operation: str, request_text: bytes) -> None:
    said = ask(operation, request_text)
    assert said == {"id": 7, "failed": "the driver behind driver.pl ended"}


def test_usage() -> None:
    done = subprocess.run(
        ["perl", str(EXAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert done.returncode != 0
    assert done.stderr.startswith("usage: driver.pl COMMAND")
