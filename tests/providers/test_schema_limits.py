"""Schemas that would make the engine take all memory never reach it."""

from __future__ import annotations

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
        ({"type": "string", "pattern": "^((a{0,9}){0,9}){0,9}$"}, "schema.pattern: this model cannot"),
        ({"properties": {"a": {"items": UPSIDE_DOWN}}}, "schema.properties.a.items.minLength"),
        ({"properties": {"default": UPSIDE_DOWN}}, "schema.properties.default.minLength"),
        ({"anyOf": [{"type": "null"}, UPSIDE_DOWN]}, "schema.anyOf[1].minLength"),
        ({"$defs": {"x": UPSIDE_DOWN}, "$ref": "#/$defs/x"}, "schema.$defs.x.minLength"),
    ],
    ids=["length", "items", "pattern", "property", "keyword as name", "choice", "definition"],
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
