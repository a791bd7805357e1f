"""The legs "python-native" and "python-wasm" of the conformance suite.

Questions on standard input, answers of the package's core on standard output,
one JSON object a line; conformance/DRIVERS.md describes the exchange.
"""

from __future__ import annotations

import argparse
import json
import sys
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from tallystick._core.loading import load_core

if TYPE_CHECKING:
    from tallystick._core.core import Core


def answer(core: Core, line: str) -> str:
    """Return the line that answers a line."""
    question = json.loads(line)
    said = core.call(question["op"], b64decode(question["request"]), b64decode(question["body"]))
    return json.dumps({"id": question["id"], "answer": b64encode(said).decode()})


def main() -> None:
    """Answer until standard input is closed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=["native", "wasm"], required=True)
    core = load_core(parser.parse_args().backend)
    for line in sys.stdin:
        print(answer(core, line), flush=True)


if __name__ == "__main__":
    main()
