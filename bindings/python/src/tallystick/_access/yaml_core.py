"""YAML 1.2 with the core schema, through PyYAML, which reads YAML 1.1.

In YAML 1.1 ``no`` is false, ``012`` is ten, ``1:30`` is ninety and a date is no
text. Settings that are read so do not say what their writer meant.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["InvalidYAMLError", "parse"]

_TAG = "tag:yaml.org,2002:"

MAX_DEPTH = 64
"""How deep mappings and lists may nest."""


class InvalidYAMLError(ValueError):
    """Says what is wrong, and the line (from 1).

    Never quotes the document, which may hold secrets.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")


class _CoreLoader(yaml.SafeLoader):
    """Takes plain values of the core schema; no tag, repeated key, anchor or alias."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's way: empty, not inherited
    yaml_constructors = {}  # noqa: RUF012
    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            # A few aliases of aliases make gigabytes.
            problem = "aliases (*name) are not read: write the value out"
        elif event.anchor is not None:
            problem = "anchors (&name) are not read: write the value out"
        elif event.tag is not None:
            problem = "tags (!name) are not read: write a plain value"
        elif self._depth == MAX_DEPTH:
            problem = f"nested over {MAX_DEPTH} deep"
        else:
            self._depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self._depth -= 1
        raise InvalidYAMLError(problem, _line(event))


def parse(text: str) -> object:
    """Return what one YAML document says; raises :class:`InvalidYAMLError`."""
    try:
        # A subclass of SafeLoader, which makes only plain data.
        return yaml.load(text, _CoreLoader)  # noqa: S506
    except yaml.MarkedYAMLError as reason:
        # Its text quotes the line, which may hold a secret.
        raise InvalidYAMLError(reason.problem or "not YAML", _line_of(reason)) from None
    except yaml.reader.ReaderError as reason:
        line = text.count("\n", 0, int(reason.position)) + 1
        raise InvalidYAMLError("a character that YAML does not allow", line) from None
    except RecursionError:
        raise InvalidYAMLError("nested too deeply", 1) from None


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _line_of(reason: yaml.MarkedYAMLError) -> int:
    mark = reason.problem_mark or reason.context_mark
    return 1 if mark is None else int(mark.line) + 1


def _mapping(loader: _CoreLoader, node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise InvalidYAMLError("a key must be text: put it in quotes", _line(key_node))
        if key in found:
            raise InvalidYAMLError(f"the key {key!r} is there twice", _line(key_node))
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _sequence(loader: _CoreLoader, node: yaml.SequenceNode) -> list[Any]:
    return [loader.construct_object(child, deep=True) for child in node.value]


def _text(loader: _CoreLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _null(loader: _CoreLoader, node: yaml.ScalarNode) -> None:  # noqa: ARG001
    return None


def _boolean(loader: _CoreLoader, node: yaml.ScalarNode) -> bool:
    return _text(loader, node).lower() == "true"


_BASES = {"0o": 8, "0x": 16}


def _integer(loader: _CoreLoader, node: yaml.ScalarNode) -> int:
    text = _text(loader, node)
    try:
        return int(text, _BASES.get(text[:2], 10))
    except ValueError:  # Python reads no more than some thousand digits
        raise InvalidYAMLError("not a number that can be read", _line(node)) from None


def _number(loader: _CoreLoader, node: yaml.ScalarNode) -> float:
    return float(_text(loader, node))


# YAML 1.2.2 section 10.3.2. Infinities and NaN stay text: no setting takes them.
for _name, _pattern, _first, _construct in (
    ("null", r"^(?:null|Null|NULL|~|)$", ["n", "N", "~", ""], _null),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF"), _boolean),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789"), _integer),
    (
        "float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
        _number,
    ),
):
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(_pattern), _first)
    _CoreLoader.add_constructor(_TAG + _name, _construct)
_CoreLoader.add_constructor(_TAG + "str", _text)
_CoreLoader.add_constructor(_TAG + "seq", _sequence)
_CoreLoader.add_constructor(_TAG + "map", _mapping)
