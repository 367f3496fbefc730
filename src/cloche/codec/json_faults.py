"""Every fault of a JSON value at once: msgspec stops at the first one, and whoever mends a file wants to see them all.

A value that converts costs one conversion; only a faulty one is taken apart.  Must not know what fields mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from cloche.codec.json_text import explain

Faults = list[tuple[str, str]]
"""(field path, what is wrong) for each."""

WHOLE = "the body"
"""How a path is told that leads nowhere in particular."""

MOST = 50
"""Faults that are told of one value: beyond that nobody reads on."""


def faults(value: Any, kind: Any, path: str = "") -> Faults:
    """What keeps `value` from being a `kind`, up to MOST; empty if nothing does.  `path`: where the value stands."""
    found: Faults = []
    _look(value, kind, path, found)
    return found[:MOST]


def below(path: str, inner: str) -> str:
    """The path of something inside of what stands at `path`."""
    return f"{path}{inner}" if inner.startswith("[") or not path or not inner else f"{path}.{inner}"


def _look(value: Any, kind: Any, path: str, found: Faults) -> None:
    if len(found) >= MOST:
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        where, what = explain(error)
    else:
        return
    before = len(found)
    _take_apart(value, _plain(kind, value), path, found)
    if len(found) == before:
        found.append((below(path, where), what))


def _take_apart(value: Any, kind: Any, path: str, found: Faults) -> None:
    if get_origin(kind) is list and isinstance(value, list):
        for index, item in enumerate(value):
            _look(item, get_args(kind)[0], f"{path}[{index}]", found)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        for name, inner in value.items():
            if name in fields:
                _look(inner, fields[name].type, below(path, name), found)
            elif kind.__struct_config__.forbid_unknown_fields:
                found.append((below(path, str(name)), "there is no such field"))
        missing = (name for name, field in fields.items() if field.required and name not in value)
        found.extend((below(path, name), "this field is required") for name in missing)


def _plain(kind: Any, value: Any) -> Any:
    """The type that the value was most likely meant to have: without annotations, and without what it may be else."""
    for each in _members(kind):
        shape = get_origin(each) or each
        if isinstance(value, list) and shape is list:
            return each
        if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            return each
    return None


def _members(kind: Any) -> Iterator[Any]:
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _members(get_args(kind)[0])
    elif origin in (Union, UnionType):
        for each in get_args(kind):
            yield from _members(each)
    else:
        yield kind
