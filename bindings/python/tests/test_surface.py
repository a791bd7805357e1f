"""The package has the names, options, defaults and units of conformance/surface.json, no others."""

from __future__ import annotations

import inspect
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

import tallystick
from tallystick import (
    AgentAuth,
    AuthSkill,
    InvalidArgumentError,
    OrchestratorClient,
    TallystickError,
)
from tallystick._access.config import read_settings
from tallystick._core.loading import load_core

SURFACE = json.loads((Path(__file__).parents[3] / "conformance" / "surface.json").read_text())
UNITS = {"seconds", "bytes", "bits"}
MEMBERS = ("options", "configuration", "methods", "properties", "parameters")

Row = dict[str, Any]


def here(rows: Row) -> Row:
    """Return those of Python; what one language alone has says why."""
    assert all("why" in row for row in rows.values() if "only" in row)
    return {name: row for name, row in rows.items() if row.get("only", "python") == "python"}


CLASSES = here(SURFACE["classes"])
FUNCTIONS = here(SURFACE["functions"])
NEEDS_A_VALUE = object()


def default_of(row: Row) -> Any:
    default = row.get("default", NEEDS_A_VALUE)
    return default["python"] if isinstance(default, dict) else default


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(function).parameters
    return {name: each for name, each in parameters.items() if name != "self"}


def compare(function: Any, rows: Row, what: str) -> None:
    """Compare names, order and defaults."""
    rows = here(rows)
    parameters = parameters_of(function)
    rest = inspect.Parameter.VAR_KEYWORD
    named = [name for name, each in parameters.items() if each.kind != rest or name in rows]
    assert named == list(rows), what
    for name, row in rows.items():
        parameter, wanted = parameters[name], default_of(row)
        if parameter.kind in (rest, inspect.Parameter.VAR_POSITIONAL):
            assert wanted is NEEDS_A_VALUE, f"{what}: {name}"
        elif "by" in row:
            # The core or a file has the default; what it is stands in the docstring.
            assert parameter.default is None, f"{what}: {name}"
        elif wanted is NEEDS_A_VALUE:
            assert parameter.default is inspect.Parameter.empty, f"{what}: {name}"
        else:
            assert plain(parameter.default) == wanted, f"{what}: {name}"


def plain(default: Any) -> Any:
    """Return a default as JSON has it."""
    if isinstance(default, tuple):
        return list(default)
    return default.decode() if isinstance(default, bytes) else default


def documented(docstring: str, name: str) -> str:
    """Return what a docstring says of one option."""
    entry = rf"^ +(?:``\w+``, )*``{name}``(?:, ``\w+``)*(?:\n( {{8}}.*(?:\n {{8,}}.*)*)| +(.*))"
    found = re.search(entry, docstring, re.MULTILINE)
    assert found, f"{name} is not documented"
    return re.sub(r"\s+", " ", found[1] or found[2])


def written(number: float) -> set[str]:
    """Return the ways to write a number, as a size too."""
    sizes = [f"{number / (1 << shift):g} {unit}" for shift, unit in ((20, "MiB"), (30, "GiB"))]
    return {f"{number:,}", str(number), *sizes}


def check_docs(docstring: str, rows: Row, what: str) -> None:
    for name, row in here(rows).items():
        if "unit" not in row:
            continue
        assert row["unit"] in UNITS, f"{what}: {name}"
        text = documented(docstring, name)
        assert row["unit"] in text, f"{what}: {name}: {text}"
        default = default_of(row)
        assert default is NEEDS_A_VALUE or any(each in text for each in written(default)), (
            f"{what}: {name}: {text}"
        )


def test_every_public_name_is_in_the_file_and_the_other_way_round() -> None:
    names = set(tallystick.__all__)
    errors = {
        name
        for name in names
        if name != "TallystickError"
        and inspect.isclass(getattr(tallystick, name))
        and issubclass(getattr(tallystick, name), TallystickError)
    }
    assert names - errors == {*CLASSES, *FUNCTIONS}


def public(cls: type) -> set[str]:
    """Return the names of a class that this package gave it."""
    names = {
        name
        for base in cls.__mro__
        if base.__module__.startswith("tallystick")
        for name in [*vars(base), *vars(base).get("__annotations__", {})]
    }
    made = set(getattr(cls, "_fields", ())) and {name for name in names if name[:1] != "_"}
    return made or {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("name", CLASSES)
def test_members(name: str) -> None:
    cls, rows = getattr(tallystick, name), CLASSES[name]
    methods = here(rows.get("methods", {}))
    twins = {f"a{method}" for method, row in methods.items() if row.get("async")}
    assert public(cls) == {*methods, *twins, *here(rows.get("properties", {}))}


METHODS = [(name, method) for name in CLASSES for method in here(CLASSES[name].get("methods", {}))]


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_methods(name: str, method: str) -> None:
    cls, row = getattr(tallystick, name), CLASSES[name]["methods"][method]
    function = getattr(cls, method)
    compare(function, row["parameters"], f"{name}.{method}")
    for parameter in here(row["parameters"]).values():
        assert parameter.get("unit", "") in inspect.getdoc(function)  # type: ignore[operator]
    if row.get("async"):
        compare(getattr(cls, f"a{method}"), row["parameters"], f"{name}.a{method}")
    if "returns" in row:
        returned = str(inspect.signature(function).return_annotation)
        assert row["returns"] == ("AuthSkill" if returned == "Self" else returned)


@pytest.mark.parametrize("name", [name for name in CLASSES if "options" in CLASSES[name]])
def test_options(name: str) -> None:
    cls, row = getattr(tallystick, name), CLASSES[name]
    compare(cls.__init__, row["options"], name)
    check_docs(cls.__doc__, row["options"], name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    compare(getattr(tallystick, name), FUNCTIONS[name]["parameters"], name)


def test_configuration() -> None:
    rows = CLASSES["AuthSkill"]["configuration"]
    docstring = str(AuthSkill.__doc__)
    table = docstring[docstring.index("key    ") :]
    keys = re.findall(r"^ {4}(``\w+``(?:, ``\w+``)*) ", table, re.MULTILINE)
    assert [name for key in keys for name in re.findall(r"\w+", key)] == list(here(rows))
    check_docs(table, rows, "AuthSkill")
    settings = read_settings(load_core(), {"base_url": "@a"}, {}, logging.getLogger("tallystick"))
    found = {**settings.access, "keys_dir": "~/.webagents/keys"}
    for name, row in here(rows).items():
        default = default_of(row)
        if default not in (None, False) and "by" not in row:
            assert found[name] == default, name


def test_units_of_results() -> None:
    for name, row in CLASSES.items():
        cls = getattr(tallystick, name)
        for member, about in here(row.get("properties", {})).items():
            attribute = inspect.getattr_static(cls, member, None)
            if "unit" in about and isinstance(attribute, property):
                assert about["unit"] in str(attribute.__doc__)
            elif "unit" in about:
                assert about["unit"] in documented(str(cls.__doc__), member)


def test_what_was_public_is_gone() -> None:
    for old, new in SURFACE["removed"]["names"].items():
        assert not found(old), old
        assert not new or found(new), new


def found(name: str) -> bool:
    """Tell whether there is a class, or a member of one."""
    name, _, member = name.partition(".")
    return hasattr(tallystick, name) and (not member or hasattr(getattr(tallystick, name), member))


def test_an_old_option_is_refused_with_the_new_one(tmp_path: Path) -> None:
    for name, options in SURFACE["removed"]["options"].items():
        for old, new in options.items():
            with pytest.raises(InvalidArgumentError, match=rf"^{old} is now .*{new}"):
                make(name, tmp_path, **{old: 2048})
    make("AuthSkill", tmp_path, key_bits=2048).close()
    make("Authority", tmp_path, key_bits=2048).close()


MISTAKES = [
    pytest.param(code, row, value, id=f"{row['class']}-{row['option']}-{value!r}")
    for code, rows in SURFACE["mistakes"].items()
    for row in rows
    for value in row["refused"]
]


@pytest.mark.parametrize(("code", "row", "value"), MISTAKES)
def test_a_mistake_has_one_code_and_names_the_option(
    tmp_path: Path, code: str, row: Row, value: Any
) -> None:
    with pytest.raises(TallystickError, match=rf"\b{row['option']}\b") as refused:
        make(row["class"], tmp_path, **{row["option"]: value})
    assert refused.value.code == code
    assert not list(tmp_path.rglob("*.*")), "a refused start leaves files"


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{row['class']}-{row['option']}")
        for rows in SURFACE["mistakes"].values()
        for row in rows
    ],
)
def test_and_what_is_right_starts(tmp_path: Path, row: Row) -> None:
    given = {} if row["accepted"] is None else {row["option"]: row["accepted"]}
    make(row["class"], tmp_path, **given).close()


def make(name: str, folder: Path, **options: Any) -> Any:
    """Make an object; what it needs is filled in."""
    if name == "AgentAuth":
        return AgentAuth(**{"keys": {}, "store": "memory:", **options})
    if name == "OrchestratorClient":
        return OrchestratorClient(**{"issuer_id": "alice", "signer": signed, **options})
    needed = {"issuer": "https://portal.example"} if name == "Authority" else {"base_url": "@a"}
    needed |= {"keys_dir": str(folder / name), "store": "memory:"}
    return getattr(tallystick, name)(**{**needed, **options})


def signed(data: bytes) -> bytes:
    raise AssertionError("nothing is signed here")
