"""Schemas of strangers: values are checked against them in bounded time, and nothing outside is asked."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec.json_schema import Schema, UnusableSchema

SOON = 5.0
"""Seconds: far more than any check takes, far less than those that this guards against."""


def chain(keyword: str, length: int) -> dict[str, Any]:
    """A schema whose parts refer to the next one twice each: 2 ** length looks at one value."""
    parts = {f"d{at}": {keyword: [{"$ref": f"#/$defs/d{at + 1}"}] * 2} for at in range(length)}
    return {"$defs": {**parts, f"d{length}": {"type": "integer"}}, "$ref": "#/$defs/d0"}


TWICE = {
    "$defs": {"a": {"items": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}},
    "$ref": "#/$defs/a",
}
NODE = {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}
TREE = {
    "$id": "https://schemas.test/tree",
    "$defs": {"node": {"type": "object", "properties": {"left": NODE, "right": NODE, "id": {"type": "integer"}}}},
    "$ref": "#/$defs/node",
}


def nested(levels: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_fault_and_its_place() -> None:
    """A value that fits has no fault; of another the place and the reason are told."""
    person = Schema({"type": "object", "properties": {"ages": {"items": {"type": "integer"}}}, "required": ["ages"]})
    assert person.fault({"ages": [1]}) is None
    assert person.fault({"ages": [1, "x"]}) == 'ages[1]: "x" is not of type "integer"'
    assert person.fault({}) == 'the value: "ages" is a required property'


def test_references() -> None:
    """Parts may refer to each other and to themselves, as deep as the value goes."""
    tree = Schema(TREE)
    value: dict[str, Any] = {"id": 1}
    for _ in range(200):
        value = {"left": value, "right": None, "id": 1}
    assert tree.fault(value) is None
    assert tree.fault({"left": {"right": {"id": "x"}}}) is not None


@pytest.mark.parametrize("keyword", ["anyOf", "allOf", "oneOf"])
def test_a_schema_that_would_never_end(keyword: str) -> None:
    """A small schema that needs 2 ** 60 looks is refused at once; one that needs a thousand is not."""
    began = time.monotonic()
    with pytest.raises(UnusableSchema, match="too often"):
        Schema(chain(keyword, 60))
    assert Schema(chain(keyword, 10)).fault("x") is not None
    assert time.monotonic() - began < SOON


def test_a_value_that_would_take_for_ever() -> None:
    """Where each level doubles the work, a flat value is checked and a deep one is not."""
    schema = Schema(TWICE)
    began = time.monotonic()
    assert schema.fault(nested(5)) is None
    assert schema.fault(nested(60)) == "it is nested too deeply to be checked"
    assert time.monotonic() - began < SOON


def test_a_pattern_that_would_take_for_ever() -> None:
    """A pattern with nested repetitions is matched in linear time."""
    began = time.monotonic()
    assert Schema({"pattern": "^(a+)+$"}).fault("a" * 5000 + "b") is not None
    assert time.monotonic() - began < SOON


def deep() -> dict[str, Any]:
    """A schema of many levels."""
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(5000):
        schema = {"allOf": [schema]}
    return schema


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "objekt"}, "objekt"),
        ({"$ref": "#"}, "itself without end"),
        ({"$ref": "#/$defs/a"}, "not there"),
        ({"$ref": "http://127.0.0.1:1/x"}, "no path within it"),
        ({"$ref": "#anchor"}, "no path within it"),
        ({"properties": {"a": {"$id": "b", "$ref": "#/x"}}}, r"\$id"),
        ({"items": {"$dynamicRef": "#a"}}, "dynamicRef"),
        ({"$schema": "http://127.0.0.1:1/x"}, "meta-schema"),
        ({"pattern": "(?=a)b"}, "regex"),
        (deep(), "too deeply"),
    ],
)
def test_what_is_no_schema(schema: dict[str, Any], why: str) -> None:
    """A schema that is none, or that leads outside, is told with the reason."""
    with pytest.raises(UnusableSchema, match=why):
        Schema(schema)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYWORDS = st.sampled_from(["type", "items", "properties", "anyOf", "$ref", "$defs", "not", "required", "enum", "id"])


@given(st.dictionaries(KEYWORDS, JSON | st.dictionaries(KEYWORDS, JSON, max_size=2), max_size=4), JSON)
def test_any_object_is_a_schema_or_is_refused(schema: dict[str, Any], value: Any) -> None:
    """Whatever is sent as a schema ends in a check or in a refusal."""
    try:
        checked = Schema(schema)
    except UnusableSchema:
        return
    fault = checked.fault(value)
    assert fault is None or ": " in fault or "deeply" in fault


LARGE = [
    ({"anyOf": [{"const": [at]} for at in range(5000)]}, [1] * 100_000),
    ({"items": {"enum": [{"a": at} for at in range(5000)]}}, [{"a": 4999}] * 5000),
    ({"anyOf": [{"contains": {"const": -1}}] * 5000}, list(range(20_000))),
    ({"items": {"anyOf": [{"const": at} for at in range(15_000)]}}, [-1] * 3000),
    ({"type": "object"}, list(range(150_000))),
    ({"pattern": "^b"}, "a" * 1_000_000),
]


@pytest.mark.parametrize(("schema", "value"), LARGE)
def test_a_large_value_is_soon_refused_in_few_words(schema: dict[str, Any], value: Any) -> None:
    """What many parts of a schema would look at in a large value takes neither the time nor the memory of all calls,
    and a reason does not quote all of it."""
    check = Schema(schema)
    tracemalloc.start()
    began = time.perf_counter()
    fault = check.fault(value)
    took = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert fault is not None
    assert len(fault) < 600
    assert took < SOON
    assert peak < 64 * 1024 * 1024


def test_a_schema_may_only_be_so_large() -> None:
    """One of more parts than anybody writes is refused before each is looked at."""
    with pytest.raises(UnusableSchema, match="has more than"):
        Schema({"enum": list(range(200_000))})


def test_an_answer_of_common_size_is_checked_against_a_common_schema() -> None:
    """What models write in a thousand lines is not too large."""
    fields: dict[str, Any] = {f"f{at}": {"type": ["string", "null"], "enum": ["x", "y", None]} for at in range(40)}
    check = Schema({"items": {"type": "object", "properties": fields, "required": list(fields)}})
    assert check.fault([dict.fromkeys(fields, "x")] * 400) is None
    assert check.fault([dict.fromkeys(fields, "x")] * 20 + [dict.fromkeys(fields, "z")]) == (
        '[20].f0: "z" is not one of "x", "y" or null'
    )
