"""JSON schemas of strangers: whether a value fits one, found out in bounded time and without leaving the process.

The validator is a library's (docs/decisions/0017-json-schema.md), told never to fetch anything and to match patterns in
linear time.  What it cannot be told is when to stop: a schema of a few lines, whose parts refer to each other twice
each, takes longer than anybody waits, and a gateway has one thread for all its calls.  So what a check may cost is
reckoned beforehand.  This module must not know what a schema is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

MOST = 20_000
"""Looks at a part of a schema that the checking of one place of a value may take, at the very most: some 20 ms, for
which every other call waits."""

MOST_IN_ALL = 2_000_000
"""Such looks for all places of a value together: some 0.3 s at the very worst, and mostly a hundredth of that."""

_MOST_TOLD = 100_000
"""Looks up to which the reason is asked for, too: for it the library copies the value for every part that it tries."""

_LARGEST = 100_000
"""Objects, lists and texts that a schema may consist of: they are all looked at before anything else is known."""

_LONGEST_REASON = 500
"""Characters: a reason quotes what it is about."""

_IN_PLACE = ("not", "if", "then", "else")
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_IN_PLACE_MAPS = ("dependentSchemas", "dependencies")
_WITHIN = (
    "items",
    "additionalItems",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_MAPS_OF_OTHERS = ("patternProperties",)
"""More than one of these may be of the same property; of `properties` and `prefixItems` only one is."""

_UNREAD = ("$dynamicRef", "$recursiveRef", "$id", "id")
"""What makes references mean something else than a path within the whole schema: reckoning would miss it."""

Json = dict[str, Any]


class UnusableSchema(ValueError):
    """A schema that is none, or that cannot be checked here; says why."""


class Schema:
    """A schema, ready to check values.  UnusableSchema if it is none."""

    __slots__ = ("_cost", "_validator")

    def __init__(self, schema: Json) -> None:
        import jsonschema_rs  # here, because most processes never check a value against a schema

        if size(schema, _LARGEST) > _LARGEST:
            raise UnusableSchema(f"has more than {_LARGEST} parts")
        try:
            self._cost = _Cost(schema)
            self._validator: Any = jsonschema_rs.validator_for(
                schema, offline=True, pattern_options=jsonschema_rs.RegexOptions()
            )
        except RecursionError:
            raise UnusableSchema("is nested too deeply") from None
        except ValueError as error:
            # What follows the first line quotes the schema once more.
            raise UnusableSchema(str(error).partition("\n")[0]) from None

    def fault(self, value: Any) -> str | None:
        """Where the value does not fit, and why; None if it does."""
        looks = self._cost.of(value)
        if looks > MOST:
            return "it is nested too deeply to be checked"
        most = MOST_IN_ALL // looks
        places = size(value, most)
        if places > most:
            return "it is too large to be checked against a schema of this size"
        if self._validator.is_valid(value):
            return None
        if looks * places > _MOST_TOLD:
            return "it does not fit the schema"
        found = next(self._validator.iter_errors(value))
        place = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in found.instance_path)
        told = f"{place.lstrip('.') or 'the value'}: {found.message}"
        return told if len(told) <= _LONGEST_REASON else f"{told[:_LONGEST_REASON]}…"


def size(value: Any, most: int) -> int:
    """How many values `value` consists of, itself among them; texts count by their length, one for every hundred
    characters more.  Counts no further than `most` makes it."""
    waiting, count = [value], 0
    while waiting and count <= most:
        each = waiting.pop()
        count += 1
        if isinstance(each, str):
            count += len(each) // 100
        elif isinstance(each, dict):
            count += len(each)  # its names
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return count


class _Cost:
    """How often parts of a schema may be looked at.

    `_weight`: how many parts there are where every reference is followed.  Where parts refer to themselves that has no
    end; then `_growth` says how many times more looks one level of the value may take than the level above it.
    """

    __slots__ = ("_growth", "_root", "_turns", "_weight")

    def __init__(self, schema: Json) -> None:
        self._root = schema
        self._turns = False
        weights: dict[int, int] = {}
        self._weight = self._weigh(schema, weights, set())
        if not self._turns and self._weight > MOST:
            raise UnusableSchema("refers to its own parts too often to be checked")
        growths: dict[int, int] = {}
        self._growth = max((self._grow(part, growths, set()) for part in self._parts), default=1) if self._turns else 1

    def of(self, value: Any) -> int:
        """The most that checking one place of this value may take."""
        return self._weight * int(self._growth ** min(_depth(value), 64)) if self._turns else self._weight

    def _weigh(self, part: Any, known: dict[int, int], open_parts: set[int]) -> int:
        if not isinstance(part, dict):
            return 1
        key = id(part)
        if key in open_parts:
            self._turns = True
            return 1
        if key not in known:
            open_parts.add(key)
            inner = (*self._here(part), *(each for group in _within(part) for each in group))
            known[key] = _own(part) + sum(self._weigh(each, known, open_parts) for each in inner)
            open_parts.remove(key)
        return known[key]

    @property
    def _parts(self) -> Iterator[Json]:
        """Every part that is reached."""
        waiting, seen = [self._root], set[int]()
        while waiting:
            part = waiting.pop()
            if id(part) not in seen:
                seen.add(id(part))
                yield part
                inner = (*self._here(part), *(each for group in _within(part) for each in group))
                waiting += [each for each in inner if isinstance(each, dict)]

    def _grow(self, part: Json, known: dict[int, int], open_parts: set[int]) -> int:
        """How many parts may look at one and the same place within what `part` looks at."""
        key = id(part)
        if key in open_parts:
            raise UnusableSchema("refers to itself without end")
        if key not in known:
            open_parts.add(key)
            here = [self._grow(each, known, open_parts) for each in self._here(part) if isinstance(each, dict)]
            known[key] = sum(1 for group in _within(part) if any(isinstance(each, dict) for each in group)) + sum(here)
            open_parts.remove(key)
        return known[key]

    def _here(self, part: Json) -> Iterator[Any]:
        """The parts that look at the same place as `part`."""
        for name in _UNREAD if part is not self._root else _UNREAD[:2]:
            if isinstance(part.get(name), str):
                raise UnusableSchema(f"has {name} within it, which is not read here: refer by a path, as #/$defs/a")
        if isinstance(part.get("$ref"), str):
            yield self._target(part["$ref"])
        yield from (part[name] for name in _IN_PLACE if name in part)
        for name in _IN_PLACE_LISTS:
            yield from part[name] if isinstance(part.get(name), list) else ()
        for name in _IN_PLACE_MAPS:
            yield from part[name].values() if isinstance(part.get(name), dict) else ()

    def _target(self, reference: str) -> Any:
        if reference != "#" and not reference.startswith("#/"):
            raise UnusableSchema(f"refers to {reference[:80]}, which is no path within it")
        found: Any = self._root
        for step in reference[1:].split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                raise UnusableSchema(f"refers to {reference[:80]}, which is not there")
        return found


def _within(part: Json) -> Iterator[list[Any]]:
    """The parts that look within the place of `part`, in groups: of each group, one at most is of the same place."""
    for name in ("properties", "prefixItems", *_WITHIN):
        inner = part.get(name)
        if isinstance(inner, dict):
            yield list(inner.values()) if name == "properties" else [inner]
        elif isinstance(inner, list):
            yield inner
    for name in _MAPS_OF_OTHERS:
        yield from ([each] for each in part[name].values()) if isinstance(part.get(name), dict) else ()


def _own(part: Json) -> int:
    """How much one look at a part takes, without the parts within it: an object or list to compare with is as many
    looks as it has values."""
    others = [part.get("const"), *(part["enum"] if isinstance(part.get("enum"), list) else ())]
    return 1 + sum(size(each, _LARGEST) for each in others if isinstance(each, dict | list))


def _depth(value: Any) -> int:
    """Levels of lists and objects."""
    level, depth = [value], 0
    while level:
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        depth += 1
    return depth
