"""JSON schemas in the dialect that Claude models take where an answer or a call is bound to its schema.

That dialect has closed objects only and no bounds on numbers, lengths or counts.  Objects are closed, and a bound is
told to the model in the description instead.  Must not know requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from cloche.domain.errors import BadRequest

Schema = dict[str, Any]

_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)
_MAPS = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf")


def bound(schema: Schema, path: str) -> Schema | None:
    """The schema in that dialect; None if it has objects of any fields, which the dialect cannot say.  BadRequest for
    one that is nested too deeply to be read."""
    try:
        return None if _is_open(schema) else _closed(schema)
    except RecursionError:
        raise BadRequest(f"{path}: is nested too deeply") from None


def _inner(schema: Schema) -> Iterator[Schema]:
    """The schemas right inside a schema."""
    for name in _MAPS:
        if isinstance(schema.get(name), dict):
            yield from (each for each in schema[name].values() if isinstance(each, dict))
    for name in _LISTS:
        if isinstance(schema.get(name), list):
            yield from (each for each in schema[name] if isinstance(each, dict))
    if isinstance(schema.get("items"), dict):
        yield schema["items"]


def _is_open(schema: Schema) -> bool:
    """Whether an object in it may have fields that it does not name."""
    if schema.get("additionalProperties", False) is not False:
        return True
    if _is_object(schema) and not schema.get("properties") and "additionalProperties" not in schema:
        return True
    return any(_is_open(each) for each in _inner(schema))


def _is_object(schema: Schema) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _closed(schema: Schema) -> Schema:
    found = {name: _with_inner(name, value, _closed) for name, value in schema.items() if name not in _BOUNDS}
    if "oneOf" in found and "anyOf" not in found:
        found["anyOf"] = found.pop("oneOf")
    if _is_object(schema):
        found["additionalProperties"] = False
    bounds = {name: schema[name] for name in _BOUNDS if name in schema}
    if bounds:
        told = msgspec.json.encode(bounds).decode()
        found["description"] = f"{found['description']} {told}" if found.get("description") else told
    return found


def _with_inner(name: str, value: Any, change: Callable[[Schema], Schema]) -> Any:
    """A keyword's value, the schemas in it changed."""
    if name in _MAPS and isinstance(value, dict):
        return {key: change(each) if isinstance(each, dict) else each for key, each in value.items()}
    if name in _LISTS and isinstance(value, list):
        return [change(each) if isinstance(each, dict) else each for each in value]
    return change(value) if name == "items" and isinstance(value, dict) else value
