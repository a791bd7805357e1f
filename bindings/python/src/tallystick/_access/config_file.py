"""Reading a configuration file: strict YAML 1.2 or strict JSON."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from tallystick._core.problems import error, shown

if TYPE_CHECKING:
    from tallystick.errors import TallystickError

__all__ = ["Document", "read_document", "stamp_of"]

Stamp = tuple[int, int, int]

MAX_SIZE = 1 << 20
"""Bytes of a configuration file."""


class Document(dict[str, Any]):
    """What a configuration file holds.

    ``source`` names it in errors, ``path`` is absolute, and ``stamp`` was taken before it was read.
    """

    source = ""
    path = ""
    stamp: Stamp | None = None


def read_document(path: str | os.PathLike[str]) -> Document:
    """Return the settings in a file: JSON if its name ends with ``.json``, else YAML.

    Raises ``invalid_config`` that names the file, the line where there is one, and
    what to do. No error quotes the content: it may hold secrets.
    """
    name = os.fspath(path)
    stamp = stamp_of(name)
    text = _text(name)
    document = _json(name, text) if name.lower().endswith(".json") else _yaml(name, text)
    if document is not None and not isinstance(document, dict):
        raise _wrong(name, "it must be a mapping of settings, such as base_url: '@my-agent'")
    found = Document(document or {})
    found.source = shown(os.path.basename(name))
    found.path = os.path.abspath(name)
    found.stamp = stamp
    return found


def stamp_of(path: str) -> Stamp | None:
    """Return what shows that a file has changed; ``None`` where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            content = file.read(MAX_SIZE + 1)
    except OSError as reason:
        raise _wrong(
            name,
            f"it cannot be read ({reason.strerror}): check the path and let this user read it",
        ) from None
    if len(content) > MAX_SIZE:
        raise _wrong(name, f"it is over {MAX_SIZE} bytes: keep nothing but settings in it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        line = content.count(b"\n", 0, reason.start) + 1
        raise _wrong(name, f"line {line}: not UTF-8 text: save the file as UTF-8") from None


def _yaml(name: str, text: str) -> object:
    try:
        from tallystick._access.yaml_core import InvalidYAMLError, parse
    except ImportError:
        raise _wrong(
            name,
            "reading YAML needs PyYAML: install tallystick[access], or write the settings as JSON",
        ) from None
    try:
        return parse(text)
    except InvalidYAMLError as reason:
        raise _wrong(name, f"{reason}: correct the YAML there") from None


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as reason:
        raise _wrong(name, f"line {reason.lineno}: {reason.msg}: correct the JSON there") from None
    except _StrictnessError as reason:
        raise _wrong(name, f"{reason}: correct the JSON there") from None
    except (RecursionError, ValueError):
        raise _wrong(name, "nested too deeply, or a number too long to read") from None


class _StrictnessError(Exception):
    """JSON that is not strict, though Python's reader takes it."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _StrictnessError(f"the key {twice!r} is there twice")
    return found


def _no_number(name: str) -> NoReturn:
    raise _StrictnessError(f"{name} is no number of JSON")


def _wrong(name: str, problem: str) -> TallystickError:
    return error("invalid_config", f"{shown(name)}: {problem}")
