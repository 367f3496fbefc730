"""What is different between two JSON values, readable: one line for each place, with what was and what is there.

Parts of a list are known by their names where they have any, so that an entity that moved is no change of all others:
then only their order is different.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from cloche.codec.json_faults import below

_NAMES = ("name", "served_entity_name", "key")


class Difference(msgspec.Struct, frozen=True):
    """One place.  `before` or `after` is null where there is nothing on that side."""

    path: str
    before: Any
    after: Any


def differences(before: Any, after: Any) -> list[Difference]:
    """Every place where two values are different, in the order of the first."""
    return list(_compare(before, after, ""))


def _compare(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if before == after:
        return
    parts_before, parts_after = _parts(before), _parts(after)
    if parts_before is None or parts_after is None or isinstance(before, dict) != isinstance(after, dict):
        yield Difference(path, before, after)
        return
    if parts_before == parts_after:
        yield Difference(path, [_name(part) for part in before], [_name(part) for part in after])
        return
    for step in dict.fromkeys((*parts_before, *parts_after)):
        yield from _compare(parts_before.get(step), parts_after.get(step), below(path, step))


def _parts(value: Any) -> dict[str, Any] | None:
    """The parts of an object or list by the step that leads to each; None for anything else."""
    if isinstance(value, dict):
        return dict(value)
    if not isinstance(value, list):
        return None
    named = {f"[{_name(item)}]": item for item in value}
    if len(named) == len(value) and all(_name(item) for item in value):
        return named
    return {f"[{index}]": item for index, item in enumerate(value)}


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return ""
    return next((str(item[name]) for name in _NAMES if isinstance(item.get(name), str)), "")
