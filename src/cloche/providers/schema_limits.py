"""JSON schemas that would end the model for everybody, refused before the engine sees them.

llama.cpp turns a schema into a grammar.  Where a lower bound is above the upper one it never gets to the end of that
and takes all the memory of the machine; a `pattern` with nested repetitions does the same.  Databricks takes no
`pattern` either.  All other faults of a schema the engine reports itself.  This module must not know what a schema
is for.
"""

from __future__ import annotations

from typing import Any

from cloche.domain.errors import BadRequest

_BOUNDS = (("minItems", "maxItems"), ("minLength", "maxLength"))


def check_schema(schema: dict[str, Any], path: str) -> None:
    """BadRequest, which names the place below `path`, if the schema has a lower bound above the upper one, or a
    pattern."""
    # Every object is looked at, also those that are data and no schema: a property may have the name of any keyword.
    left: list[tuple[Any, str]] = [(schema, path)]
    while left:
        part, where = left.pop()
        if isinstance(part, dict):
            _check_bounds(part, where)
            left += [(value, f"{where}.{name}") for name, value in part.items()]
        elif isinstance(part, list):
            left += [(value, f"{where}[{index}]") for index, value in enumerate(part)]


def _check_bounds(part: dict[str, Any], where: str) -> None:
    for low, high in _BOUNDS:
        least, most = part.get(low), part.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            raise BadRequest(f"{where}.{low}: {least} is more than {high}, which is {most}")
    if isinstance(part.get("pattern"), str):
        raise BadRequest(f"{where}.pattern: this model cannot be held to a pattern")
