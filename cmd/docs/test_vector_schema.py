"""Validates the conformance vectors against the schema that is published with them.

The enumerations of the schema are compared with the core's tables in
conformance/schema/schema_test.go.
"""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

CONFORMANCE = Path(__file__).parents[2] / "conformance"
SCHEMA = json.loads((CONFORMANCE / "schema" / "vectors.schema.json").read_text())
FILES = sorted((CONFORMANCE / "vectors").glob("*.json"))
VALIDATOR = Draft202012Validator(SCHEMA)

Vector = dict[str, Any]  # a wrong one, too
Members = tuple[str | int, ...]  # the way to a member

ACCEPT: Vector = {
    "name": "scope/exact",
    "kind": "accept",
    "says": "the same scope",
    "source": "protocol.md section 4",
    "steps": [
        {
            "op": "scope.match",
            "request": {"pattern": "read", "scope": "read"},
            "expect": {"ok": {"match": True}},
        }
    ],
}
REJECT: Vector = {
    "name": "scope/missing",
    "kind": "reject",
    "says": "no scope",
    "source": "abi.md scope.match",
    "twin": "scope/exact",
    "steps": [
        {
            "op": "scope.match",
            "request": {"pattern": "read"},
            "expect": {
                "error": "invalid_argument",
                "response": {"status": 500, "words": "x"},
            },
        }
    ],
}


def faults(vector: Vector) -> list[str]:
    file = {"area": "scope", "about": "Scopes.", "vectors": [vector]}
    return [error.message for error in VALIDATOR.iter_errors(file)]


def changed(vector: Vector, path: Members, value: object) -> Vector:
    """A copy with one member set, or taken out where the value is None."""
    vector = copy.deepcopy(vector)
    *parents, last = path
    inside: Any = vector
    for part in parents:
        inside = inside[part]
    if value is None:
        del inside[last]
    else:
        inside[last] = value
    return vector


STEP: Members = ("steps", 0)
EXPECT: Members = ("steps", 0, "expect")
BROKEN: dict[str, tuple[Vector, Members, object]] = {
    "unknown member of a vector": (ACCEPT, ("skip",), True),
    "unknown member of a step": (ACCEPT, (*STEP, "timeout"), 1),
    "unknown expectation": (ACCEPT, (*EXPECT, "warns"), {}),
    "unknown member of a response": (REJECT, (*EXPECT, "response", "headers"), {}),
    "unknown kind": (ACCEPT, ("kind",), "skip"),
    "unknown code": (REJECT, (*EXPECT, "error"), "bad_token"),
    "unknown kind of need": (ACCEPT, EXPECT, {"need": {"kind": "clock"}}),
    "need without a kind": (ACCEPT, EXPECT, {"need": {}}),
    "unknown operation that is answered": (ACCEPT, (*STEP, "op"), "scope.matches"),
    "operation with other characters": (REJECT, (*STEP, "op"), "scope match"),
    "two expectations": (ACCEPT, (*EXPECT, "ok_includes"), {}),
    "no expectation": (ACCEPT, EXPECT, {}),
    "accept that expects an error": (ACCEPT, EXPECT, {"error": "invalid_argument"}),
    "response without an error": (
        ACCEPT,
        (*EXPECT, "response"),
        {"status": 401, "words": "x"},
    ),
    "body_json without ok": (REJECT, (*EXPECT, "body_json"), {"a": 1}),
    "reject without a twin": (REJECT, ("twin",), None),
    "accept with a twin": (ACCEPT, ("twin",), "scope/exact"),
    "name without an area": (ACCEPT, ("name",), "exact"),
    "name in upper case": (ACCEPT, ("name",), "scope/Exact"),
    "superseded by no name": (ACCEPT, ("superseded_by",), "later"),
    "no source": (ACCEPT, ("source",), None),
    "empty sentence": (ACCEPT, ("says",), ""),
    "no steps": (ACCEPT, ("steps",), []),
    "no request": (ACCEPT, (*STEP, "request"), None),
    "two requests": (ACCEPT, (*STEP, "request_text"), "{}"),
    "request that is no object": (ACCEPT, (*STEP, "request"), [1]),
    "two bodies": (ACCEPT, STEP, {**ACCEPT["steps"][0], "body": "a", "body_fill": 1}),
    "body that is no base64": (ACCEPT, (*STEP, "body_base64"), "_w=="),
    "body that is too large": (ACCEPT, (*STEP, "body_fill"), (16 << 20) + 1),
    "too many repetitions": (ACCEPT, (*STEP, "repeat"), 2001),
    "repetitions that are no integer": (ACCEPT, (*STEP, "repeat"), "2"),
    "name of a saved value": (ACCEPT, (*STEP, "save"), {"Engine": "ok.engine"}),
}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert len(FILES) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_valid(path: Path) -> None:
    file = json.loads(path.read_text())
    errors = [f"{list(e.path)}: {e.message}" for e in VALIDATOR.iter_errors(file)]
    assert errors == []
    assert file["area"] == path.stem


@pytest.mark.parametrize(
    "vector",
    [
        ACCEPT,
        REJECT,
        changed(ACCEPT, ("superseded_by",), "scope/exact-2"),
        changed(ACCEPT, (*STEP, "body_base64"), "/w=="),
        changed(ACCEPT, (*STEP, "body_fill"), 16 << 20),
        changed(ACCEPT, (*STEP, "repeat"), 2000),
        changed(ACCEPT, (*STEP, "save"), {"engine": "ok.engine"}),
        changed(ACCEPT, EXPECT, {"need": {"kind": "fetch"}}),
        changed(
            changed(REJECT, (*STEP, "op"), "scope.matches"),
            EXPECT,
            {"error": "unknown_operation"},
        ),
    ],
)
def test_good_vector_is_valid(vector: Vector) -> None:
    assert faults(vector) == []


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_vector_is_invalid(fault: str) -> None:
    vector, path, value = BROKEN[fault]
    assert faults(changed(vector, path, value)) != []


@pytest.mark.parametrize("member", ["area", "about", "vectors"])
def test_file_without_a_member_is_invalid(member: str) -> None:
    file = {"area": "scope", "about": "Scopes.", "vectors": [ACCEPT]}
    assert list(VALIDATOR.iter_errors(file)) == []
    del file[member]
    assert list(VALIDATOR.iter_errors(file)) != []


def test_file_without_vectors_is_invalid() -> None:
    assert list(VALIDATOR.iter_errors({"area": "a", "about": "a", "vectors": []})) != []
