"""Which backend carries the core, and what the low-level call promises."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import tallystick
from tallystick import _generated
from tallystick._core import native, problems, wasm
from tallystick._core.core import InstanceReplacedError, call_json, check_abi
from tallystick._core.loading import load_core
from tallystick.errors import BackendUnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_call_answers_json(backend: str) -> None:
    core = load_core(backend)
    assert core.name == backend
    version = json.loads(core.call("version", b"{}"))["ok"]
    assert version["version"] == tallystick.__version__
    assert version["abi"] == _generated.ABI_VERSION
    assert "request.verify" in version["operations"]


@pytest.mark.medium
@pytest.mark.parametrize("body", [b"", b"\x00", b"x" * 100_000, bytes(range(256)) * 5000])
def test_both_backends_answer_the_same_bytes(body: bytes) -> None:
    answers = [load_core(name).call("digest.body", b"{}", body) for name in ("native", "wasm")]
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["ok"]["content_sha256"] == (
        __import__("hashlib").sha256(body).hexdigest()
    )


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("no.such", b"{}", "unknown_operation"),
        ("", b"{}", "unknown_operation"),
        ("vérsion", b"{}", "unknown_operation"),
        ("version", b"", "invalid_argument"),
        ("version", b"[]", "invalid_argument"),
        ("version", b'{"a":1}', "invalid_argument"),
        ("engine.close", b'{"engine":4711}', "unknown_engine"),
    ],
)
def test_refusals_are_answers(backend: str, operation: str, request_: bytes, code: str) -> None:
    assert json.loads(load_core(backend).call(operation, request_))["error"]["code"] == code


def test_call_json_raises_the_class_of_the_code(backend: str) -> None:
    with pytest.raises(tallystick.UnknownEngineError):
        call_json(load_core(backend), "engine.close", {"engine": 4711})
    assert call_json(load_core(backend), "scope.match", {"pattern": "a", "scope": "a"})["match"]


def test_calls_from_many_threads_do_not_mix(backend: str) -> None:
    core = load_core(backend)

    def digest(number: int) -> str:
        answer = json.loads(core.call("digest.body", b"{}", str(number).encode() * 1000))
        return str(answer["ok"]["content_sha256"])

    numbers = [number % 50 for number in range(1000)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(digest, numbers))
    assert len(set(found)) == 50
    assert found == [found[number] for number in numbers]


def test_a_call_for_another_epoch_is_not_made(backend: str) -> None:
    core = load_core(backend)
    assert core.call("version", b"{}", b"", core.generation)
    with pytest.raises(InstanceReplacedError):
        core.call("version", b"{}", b"", core.generation - 1)


def test_the_backend_is_chosen_by_argument_then_environment_then_native(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_core().name == "native"
    monkeypatch.setenv("TALLYSTICK_BACKEND", "wasm")
    assert load_core().name == "wasm"
    assert load_core("native").name == "native"
    monkeypatch.setenv("TALLYSTICK_BACKEND", "jvm")
    # The same words as in Node.
    words = r'^unknown backend "jvm" \(variable TALLYSTICK_BACKEND\): use "native" or "wasm"$'
    with pytest.raises(tallystick.InvalidArgumentError, match=words):
        load_core()
    with pytest.raises(tallystick.InvalidArgumentError, match=r'"j\\nm" \(argument backend\)'):
        load_core("j\nm")
    monkeypatch.setenv("TALLYSTICK_BACKEND", "")
    assert load_core().name == "native"


def run(script: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_two_processes_never_draw_the_same_secret(backend: str) -> None:
    script = (
        "from tallystick._core.loading import load_core;"
        f"core = load_core({backend!r});"
        "print(core.call('client.secret', b'{}').decode())"
    )
    first, second = (json.loads(run(script))["ok"]["secret"] for _ in range(2))
    assert len(first) == len(second) >= 32
    assert first != second


def test_a_length_that_no_memory_has_is_refused_and_does_not_end_the_process() -> None:
    script = (
        "import ctypes; from tallystick._core import native\n"
        "library = native._Library(str(native.LIBRARY)); size = ctypes.c_size_t()\n"
        "for length in (1, 2**64 - 1):\n"
        "    at = library.call(b'version', 7, b'{}', 2, b'x', length, ctypes.byref(size))\n"
        "    print(ctypes.string_at(at, size.value)[:30])\n"
    )
    fine, refused = run(script).splitlines()
    assert fine.startswith('b\'{"ok":')
    assert refused.startswith('b\'{"error":{"code":"invalid_arg')


def test_importing_the_package_loads_nothing() -> None:
    script = (
        "import sys, tallystick; dir(tallystick)\n"
        "heavy = {'flask', 'aiohttp', 'cryptography', 'wasmtime', 'sqlite3', 'ctypes'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(script) == "[]"


def test_without_native_the_wasm_backend_serves() -> None:
    script = (
        "from pathlib import Path\n"
        "from tallystick._core import native; native.LIBRARY = Path('/nowhere')\n"
        "from tallystick._core.loading import load_core; print(load_core().name)"
    )
    assert run(script) == "wasm"


def test_without_any_backend_the_error_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['wasmtime'] = None\n"
        "from pathlib import Path\n"
        "from tallystick._core import native; native.LIBRARY = Path('/nowhere')\n"
        "from tallystick import BackendUnavailableError\n"
        "from tallystick._core.loading import load_core\n"
        "try: load_core()\n"
        "except BackendUnavailableError as reason: print(reason)"
    )
    message = run(script)
    assert "Go and a C compiler" in message
    assert "pip install 'tallystick[wasm]'" in message


def test_a_library_that_does_not_load_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libtallystick.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(native, "LIBRARY", broken)
    with pytest.raises(BackendUnavailableError, match=r"tallystick\[wasm\]"):
        native.NativeCore()


def test_a_missing_module_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wasm, "MODULE", tmp_path / "tallystick.wasm")
    wasm.wasm_core.cache_clear()
    with pytest.raises(BackendUnavailableError, match=r"tallystick\.wasm"):
        wasm.wasm_core()


def test_another_abi_is_refused() -> None:
    check_abi(_generated.ABI_VERSION, "this")
    with pytest.raises(BackendUnavailableError, match="ABI 999"):
        check_abi(999, "that")


def test_every_code_has_one_class_that_is_exported() -> None:
    assert set(_generated.ERRORS) == set(_generated.CODES)
    classes = list(_generated.ERRORS.values())
    assert len(set(classes)) == len(classes)
    for code, kind in _generated.ERRORS.items():
        assert kind.code == code
        assert kind.__bases__ == (tallystick.TallystickError,)
        assert getattr(tallystick, kind.__name__) is kind
    assert {kind.__name__ for kind in classes} < set(tallystick.__all__)


def test_names_that_are_not_public_are_not_there() -> None:
    assert all(getattr(tallystick, name) is not None for name in tallystick.__all__)
    with pytest.raises(AttributeError, match="NoSuchError"):
        tallystick.NoSuchError  # noqa: B018


def test_a_code_of_a_newer_core_is_still_an_error() -> None:
    made = problems.error_from({"code": "brand_new", "message": "something new"})
    assert type(made) is tallystick.TallystickError
    assert made.code == "brand_new"


CALLS_ALONE = """
import json, time
from pathlib import Path
from tallystick._core.loading import load_core

def switches():
    threads = [path for path in Path("/proc/self/task").iterdir() if int(path.name) != main]
    lines = [line for path in threads for line in (path / "status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))

main, core, count = int(Path("/proc/self").resolve().name), load_core("native"), 0
for call in range(1000):
    if call == 200:
        count = switches()
    core.call("scope.match", b'{"pattern":"a","scope":"a"}')
    end = time.perf_counter() + 0.0007
    while time.perf_counter() < end:
        pass
print((switches() - count) / 800)
"""


@pytest.mark.medium
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc says who was switched")
def test_a_thread_that_calls_alone_does_not_wake_the_others_of_the_library() -> None:
    """Each call would wake Go's monitor once and a half, on another CPU (cshared/place.go)."""
    ran = subprocess.run(
        [sys.executable, "-c", CALLS_ALONE], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(ran.stdout) < 1
