"""Schemas that would make the engine take all memory or minutes never reach it, and cost nothing to refuse."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from cloche.domain.errors import BadRequest
from cloche.providers.schema_limits import check_schema

UPSIDE_DOWN = {"type": "string", "minLength": 5, "maxLength": 2}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (UPSIDE_DOWN, "schema.minLength: 5 is more than maxLength, which is 2"),
        ({"type": "array", "minItems": 2, "maxItems": 1.0}, "schema.minItems"),
        ({"type": "array", "maxItems": 2001}, "schema.maxItems: 2001 is more than 2000"),
        ({"type": "string", "minLength": 1e9}, "schema.minLength: 1000000000.0 is more than 2000"),
        ({"type": "string", "pattern": "^((a{0,9}){0,9}){0,9}$"}, "schema.pattern: this model cannot"),
        ({"properties": {"a": {"items": UPSIDE_DOWN}}}, "schema.properties.a.items.minLength"),
        ({"properties": {"default": UPSIDE_DOWN}}, "schema.properties.default.minLength"),
        ({"anyOf": [{"type": "null"}, UPSIDE_DOWN]}, "schema.anyOf[1].minLength"),
        ({"$defs": {"x": UPSIDE_DOWN}, "$ref": "#/$defs/x"}, "schema.$defs.x.minLength"),
    ],
    ids=[
        "length",
        "items",
        "many items",
        "long text",
        "pattern",
        "property",
        "keyword as name",
        "choice",
        "definition",
    ],
)
def test_ruinous_schemas(schema: dict[str, Any], told: str) -> None:
    """Wherever in a schema a lower bound is above the upper one or a pattern stands, the place is named."""
    with pytest.raises(BadRequest) as caught:
        check_schema(schema, "schema")
    assert caught.value.message.startswith(told)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 2, "maxLength": 2},
        {"type": "array", "items": {"type": "string"}, "minItems": 3},
        {
            "properties": {
                "pattern": {"type": "string"},
                "minItems": {"type": "integer"},
                "maxItems": {"type": "integer"},
            }
        },
        {},
    ],
    ids=["equal", "open", "names", "empty"],
)
def test_bounds_that_can_be_met(schema: dict[str, Any]) -> None:
    """Schemas that a value can fit pass, also where properties have the names of bounds."""
    check_schema(schema, "schema")


def nested(levels: int) -> dict[str, Any]:
    """A schema that is so many objects deep."""
    schema: dict[str, Any] = {}
    for _ in range(levels - 1):
        schema = {"not": schema}
    return schema


def with_names(*counts: int) -> dict[str, Any]:
    """A schema with objects of so many properties each."""
    return {"anyOf": [{"properties": {f"p{number}": {} for number in range(count)}} for count in counts]}


LIMITS = [
    (with_names(64), with_names(65), "schema.anyOf[0].properties: the schema has 65 property names or more", 64),
    (
        with_names(32, 32),
        with_names(32, 33),
        "schema.anyOf[1].properties: the schema has 65 property names or more",
        64,
    ),
    ({"enum": [1] * 256}, {"enum": [1] * 257}, "schema.enum: the schema has 257 enum values or more", 256),
    (
        {"items": {"title": "x" * 65_525}},
        {"items": {"title": "x" * 65_526}},
        "schema.items: the schema has 65537 ch",
        65536,
    ),
    (nested(16), nested(17), "schema" + ".not" * 16 + ": is on level 17 of the schema", 16),
]


@pytest.mark.parametrize(
    ("fits", "too_large", "told", "limit"), LIMITS, ids=["names", "names in all", "enum", "size", "depth"]
)
def test_limits(fits: dict[str, Any], too_large: dict[str, Any], told: str, limit: int) -> None:
    """What is as large as it may be passes; one more is refused with the place and both numbers."""
    check_schema(fits, "schema")
    with pytest.raises(BadRequest) as caught:
        check_schema(too_large, "schema")
    assert caught.value.message.startswith(told)
    assert f" {limit}" in caught.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {"x" * 200_000: {str(number): {} for number in range(1000)}},
        {"properties": {"x" * 200_000: {"properties": {str(number): {} for number in range(1000)}}}},
        {"anyOf": [[] for _ in range(100_000)]},
        {"required": ["x"] * 100_000},
        nested(100_000),
    ],
    ids=["a long name", "a long property", "lists", "texts", "levels"],
)
def test_a_refusal_costs_little(schema: dict[str, Any]) -> None:
    """However large the schema, refusing it takes a megabyte at most, and the message is short."""
    tracemalloc.start()
    try:
        with pytest.raises(BadRequest) as caught:
            check_schema(schema, "schema")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert len(caught.value.message) < 400
