"""PATCH of SCIM 2.0 (RFC 7644 §3.5.2): operations that change a part of a document.

Where the standard is stricter than its clients, they are followed: a value to be removed that is not there is no fault,
because the end is as asked; `remove` takes a list of values beside a filter; and `op` may have any case.
Must not know what the attributes mean; the changed document is read again like a whole one.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec

from cloche.domain.errors import BadRequest, InvalidFields
from cloche.wire import scim_query
from cloche.wire.scim import Document

_MANY = frozenset(("emails", "entitlements", "members", "roles"))
_ONE = frozenset(("userName", "displayName", "active", "externalId", "applicationId", "name"))
_PATH = re.compile(r"(?:urn:[\w:.-]+:)?(?P<name>\w+)(?:\[(?P<filter>.+)\])?(?:\.(?P<part>\w+))?")


class Operation(msgspec.Struct, frozen=True):
    """One change.  Without a path `value` is an object of attributes."""

    op: str
    path: str | None = None
    value: Any = None


class Patch(msgspec.Struct, frozen=True):
    """The body: changes that are made in their order, all or none."""

    operations: list[Operation] = msgspec.field(name="Operations")


class _Place(msgspec.Struct, frozen=True):
    """Where a change goes.  `where`: which of the values; `part`: which of their attributes; `field`: for messages."""

    name: str
    where: scim_query.Filter | None
    part: str | None
    field: str


def patched(document: Document, patch: Patch) -> Document:
    """The document with all changes made.  BadRequest, InvalidFields name the operation that cannot be."""
    changed = dict(document)
    for index, operation in enumerate(patch.operations):
        field = f"Operations[{index}]"
        kind = operation.op.lower()
        if kind not in ("add", "replace", "remove"):
            raise InvalidFields([(f"{field}.op", "must be add, replace or remove")])
        if operation.path:
            if operation.value is None and kind != "remove" and operation.path != "active":
                raise InvalidFields([(f"{field}.value", "this field is required")])
            _change(changed, kind, _place(operation.path, field), operation.value)
        elif isinstance(operation.value, dict) and kind != "remove":
            for name, value in operation.value.items():
                if name not in ("schemas", "id", "meta"):
                    _change(changed, kind, _place(name, field), value)
        else:
            raise InvalidFields([(f"{field}.path", "this field is required, unless value is an object to add")])
    return changed


def _place(path: str, field: str) -> _Place:
    found = _PATH.fullmatch(path)
    if found is None:
        raise InvalidFields([(f"{field}.path", "is no path of SCIM: ATTRIBUTE, or ATTRIBUTE[FILTER]")])
    if found["name"] not in _MANY | _ONE:
        raise InvalidFields([(f"{field}.path", f"there is no attribute {found['name']!r} that can be changed")])
    if found["filter"] and found["name"] in _ONE:
        raise InvalidFields([(f"{field}.path", f"'{found['name']}' has one value: a filter has nothing to choose")])
    where = scim_query.read_filter(found["filter"]) if found["filter"] else None
    return _Place(found["name"], where, found["part"], field)


def _change(document: Document, kind: str, place: _Place, value: Any) -> None:
    if place.name in _MANY:
        document[place.name] = _changed_values(document.get(place.name) or [], kind, place, value)
    elif kind == "remove":
        document.pop(place.name, None)
    elif place.name == "active":
        # The Databricks SDK leaves out what is false, so a missing value can only be that.
        document[place.name] = False if value is None else value
    elif place.part is not None:
        before = document.get(place.name)
        document[place.name] = {**(before if isinstance(before, dict) else {}), place.part: value}
    else:
        document[place.name] = value


def _changed_values(values: list[Document], kind: str, place: _Place, value: Any) -> list[Document]:
    where = place.where
    if kind == "remove":
        if where is not None:
            return [each for each in values if not where(each)]
        gone = [each["value"] for each in _given(value, place)] if value else None
        return [] if gone is None else [each for each in values if each["value"] not in gone]
    if where is not None:
        return _chosen_replaced(values, where, place, value)
    given = _given(value, place)
    if kind == "replace":
        return given
    there = {each["value"] for each in values}
    return values + [each for each in given if each["value"] not in there]


def _chosen_replaced(values: list[Document], where: scim_query.Filter, place: _Place, value: Any) -> list[Document]:
    if not any(where(each) for each in values):
        raise BadRequest(f"{place.field}.path: no value of '{place.name}' fits the filter")
    if place.part == "value" and not isinstance(value, str):
        _refuse(place)
    over = {place.part: value} if place.part else _given(value, place)[0]
    return [each | over if where(each) else each for each in values]


def _given(value: Any, place: _Place) -> list[Document]:
    """The values of an operation, each as an object with `value`."""
    listed = value if isinstance(value, list) else [value]
    given = [{"value": each} if isinstance(each, str) else each for each in listed]
    if not given and place.where is not None:
        _refuse(place)
    for each in given:
        if not isinstance(each, dict) or not isinstance(each.get("value"), str):
            _refuse(place)
    return given


def _refuse(place: _Place) -> NoReturn:
    raise InvalidFields([(f"{place.field}.value", f"must be a list of objects with 'value', for '{place.name}'")])
