"""Builds the Go core into the package.

A checkout has the Go sources two folders up; a source distribution carries them
in ``go/``. Both are built by the project's own Makefile.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

GO_SOURCES = ("Makefile", "go.mod", "go.sum", "LICENSE", "core", "cshared", "wasm")
PRODUCTS = ("build/cshared/libtallystick.so", "build/wasm/tallystick.wasm")
NATIVE_NAMES = {"darwin": "libtallystick.dylib", "win32": "tallystick.dll"}


class CoreBuildHook(BuildHookInterface[Any]):
    """Puts the C library and the WebAssembly module beside the Python modules."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Prepare a wheel, an editable install or a source distribution."""
        root = self._go_root()
        if self.target_name == "sdist":
            build_data["force_include"].update(_sources(root))
            return
        library = Path(self.root) / "src" / "tallystick" / "_lib"
        _build(root, library)
        build_data["artifacts"].append("src/tallystick/_lib/*")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{_platform()}"

    def _go_root(self) -> Path:
        carried = Path(self.root) / "go"
        checkout = Path(self.root).parent.parent
        for root in (carried, checkout):
            if (root / "go.mod").is_file():
                return root
        raise RuntimeError(
            f"tallystick: the Go sources are neither in {carried} nor in {checkout}: "
            "install from a checkout of the project or from its source distribution"
        )


def _sources(root: Path) -> dict[str, str]:
    return {str(root / name): f"go/{name}" for name in GO_SOURCES if (root / name).exists()}


def _build(root: Path, library: Path) -> None:
    for tool, purpose in (("go", "the core"), ("make", "the build"), (_compiler(), "cgo")):
        if shutil.which(tool) is None:
            raise RuntimeError(
                f"tallystick: '{tool}' is not on PATH, but {purpose} needs it: install it "
                "(Go: https://go.dev/dl/), or install a wheel of tallystick for this platform"
            )
    # An outer make must not hand its job slots and variables to this one.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    subprocess.run(["make", "-C", str(root), "cshared", "wasm"], check=True, env=environment)
    library.mkdir(exist_ok=True)
    for product in PRODUCTS:
        name = Path(product).name
        if name.endswith(".so"):
            name = NATIVE_NAMES.get(sys.platform, name)
        _place(root / product, library / name)


def _compiler() -> str:
    return os.environ.get("CC", "gcc").split()[0]


def _place(source: Path, target: Path) -> None:
    """Replace, never overwrite: a running process may have the old file mapped."""
    temporary = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
