"""JSON schemas that would end the model for everybody, refused before the engine sees them.

llama.cpp turns a schema into a grammar.  Where a lower bound is above the upper one it never gets to the end of that
and takes all the memory of the machine; a `pattern` with nested repetitions does the same, and thousands of properties
or of values in an `enum` take minutes.  Databricks takes no `pattern` and no more than 64 keys either.  All other
faults of a schema the engine reports itself.  This module must not know what a schema is for.
"""

from __future__ import annotations

from typing import Any

from cloche.domain.errors import BadRequest

MAX_DEPTH = 16
"""Levels of objects and lists, one within the other."""

MAX_COUNTS = {"property names": 64, "enum values": 256, "characters in names and texts": 65_536}
"""In the whole schema."""

MAX_REPEATS = 2000
"""Items of a list or characters of a text that a bound may speak of: beyond, llama.cpp drops the grammar, now and then
without a word."""

_BOUNDS = (("minItems", "maxItems"), ("minLength", "maxLength"))
_LONGEST_PATH = 200


def check_schema(schema: dict[str, Any], path: str) -> None:
    """BadRequest, which names the place below `path`, if the schema is too large, or has a lower bound above the upper
    one, or a pattern."""
    _Inspection(path).visit(schema)


class _Inspection:
    """A walk through one schema, which stops at the first fault: a schema that is far too large costs no more than one
    of the largest size.  The place is put into words for the fault only, because a name may be megabytes long."""

    __slots__ = ("_counts", "_trail")

    def __init__(self, path: str) -> None:
        self._trail: list[str | int] = [path]
        self._counts = dict.fromkeys(MAX_COUNTS, 0)

    def visit(self, part: dict[str, Any] | list[Any]) -> None:
        """Check an object or a list and all within it.

        Every object is looked at, also those that are data and no schema: a property may have the name of any keyword.
        """
        if len(self._trail) > MAX_DEPTH:
            raise self._fault(f"is on level {len(self._trail)} of the schema, but this model takes {MAX_DEPTH} levels")
        if isinstance(part, dict):
            self._check_keywords(part)
        for key, value in part.items() if isinstance(part, dict) else enumerate(part):
            length = len(value) if isinstance(value, str) else 1
            self._count("characters in names and texts", length + (len(key) if isinstance(key, str) else 0))
            if isinstance(value, dict | list):
                self._trail.append(key)
                self.visit(value)
                self._trail.pop()

    def _check_keywords(self, part: dict[str, Any]) -> None:
        for low, high in _BOUNDS:
            least, most = part.get(low), part.get(high)
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                raise self._fault(f"{least} is more than {high}, which is {most}", low)
            for name, bound in ((low, least), (high, most)):
                if isinstance(bound, int | float) and bound > MAX_REPEATS:
                    raise self._fault(f"{bound} is more than {MAX_REPEATS}, which this model can be held to", name)
        if isinstance(part.get("pattern"), str):
            raise self._fault("this model cannot be held to a pattern", "pattern")
        if isinstance(part.get("properties"), dict):
            self._count("property names", len(part["properties"]), "properties")
        if isinstance(part.get("enum"), list):
            self._count("enum values", len(part["enum"]), "enum")

    def _count(self, what: str, number: int, *below: str) -> None:
        self._counts[what] += number
        if self._counts[what] > MAX_COUNTS[what]:
            found = f"the schema has {self._counts[what]} {what} or more"
            raise self._fault(f"{found}, but this model takes at most {MAX_COUNTS[what]}", *below)

    def _fault(self, what: str, *below: str) -> BadRequest:
        """A refusal that names the place of the walk, or a place `below` it."""
        path = str(self._trail[0])
        for key in (*self._trail[1:], *below):
            path += f"[{key}]" if isinstance(key, int) else f".{key[:_LONGEST_PATH]}"
        if len(path) > _LONGEST_PATH:
            path = path[:_LONGEST_PATH] + "…"
        return BadRequest(f"{path}: {what}")
