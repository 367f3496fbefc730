"""JSON of services that are loose with their own types: what can be read is read, and what is open stays as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cloche.codec import tolerant


class Inner(msgspec.Struct, rename="camel"):
    """A part of a body."""

    some_text: str = "none"
    count: int | None = None


class Body(msgspec.Struct):
    """A body with every kind of field."""

    number: int = 0
    inner: Inner | None = None
    items: list[Inner] = []
    names: list[str] | None = None
    open: msgspec.Raw = msgspec.Raw(b"")
    anything: Any = None
    must: str = "must"


class Strict(msgspec.Struct):
    """A body that must have its field."""

    must: str


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"number": 12.0}', Body(number=12)),
        (b'{"number": 12.7}', Body(number=12)),
        (b'{"number": 1.2e1}', Body(number=12)),
        (b'{"number": null, "must": null}', Body()),
        (b'{"inner": null, "number": null}', Body()),
        (b'{"inner": {"someText": null, "count": 3.0}}', Body(inner=Inner(count=3))),
        (b'{"items": null}', Body()),
        (b'{"items": [null, {"count": 1.0}, {"someText": null}]}', Body(items=[Inner(count=1), Inner()])),
        (b'{"names": ["a", null]}', Body(names=["a"])),
        (b' {"number": null, "unknown": {"a": null}} ', Body()),
    ],
)
def test_what_is_loose(text: bytes, expected: Body) -> None:
    """Nulls of fields that may be left out, nulls in lists and whole numbers written as others are no fault."""
    assert tolerant.read(text, Body) == expected


def test_what_is_open_stays_as_it_is() -> None:
    """A model's own words keep their nulls, their floats and their spelling, also where the rest is mended."""
    body = tolerant.read(b'{"number": null, "open": {"a" : null, "b":1.0}, "anything": [null, 1.0]}', Body)
    assert bytes(body.open) == b'{"a" : null, "b":1.0}'
    assert body.anything == [None, 1.0]


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"", Body),
        (b"<html>", Body),
        (b"5", Body),
        (b"null", Body),
        (b'{"number": "12"}', Body),
        (b'{"number": 1e999}', Body),
        (b'{"number": true}', Body),
        (b'{"items": {}}', Body),
        (b'{"must": null}', Strict),
        (b"{}", Strict),
        (b'{"open": "\xff"}', Body),
        (b'{"skipped": "\xff"}', Body),
        (b'{"open": ' + b"[" * 100_000, Body),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_read(text: bytes, shape: type[Any]) -> None:
    """What is no JSON, no UTF-8 or of another shape raises what callers are told to expect."""
    with pytest.raises(tolerant.UNREADABLE):
        tolerant.read(text, shape)
