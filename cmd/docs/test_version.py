"""What is built and installed has the version that core/abi says.

The files that name it are written by ``make generate``; a Go test keeps them fresh.
"""

import importlib.metadata
import json
import re
import subprocess
from pathlib import Path

from test_pages import call

import tallystick

ROOT = Path(__file__).parents[2]
NODE = ROOT / "bindings" / "node"
[RELEASE] = re.findall(r'(?m)^\tRelease = "(.*)"$', (ROOT / "core" / "abi" / "abi.go").read_text())
ASK_NODE = """\
import { loadCore } from "tallystick";
console.log((await loadCore()).call("version", "{}").toString());
"""


def test_the_python_package() -> None:
    assert importlib.metadata.version("tallystick") == RELEASE
    assert tallystick.__version__ == RELEASE


def test_the_core_in_python() -> None:
    assert call("version")["version"] == RELEASE


def test_the_core_in_node() -> None:
    command = ["node", "--input-type=module", "--eval", ASK_NODE]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["ok"]["version"] == RELEASE, done.stderr


def test_the_node_package() -> None:
    assert json.loads((NODE / "package.json").read_text())["version"] == RELEASE
    [root, *_] = json.loads((NODE / "package-lock.json").read_text())["packages"].values()
    assert root["version"] == RELEASE


def test_the_c_header() -> None:
    header = (ROOT / "cshared" / "tallystick.h").read_text()
    assert f'\n#define TALLY_VERSION "{RELEASE}"\n' in header
