"""JSON of services that are loose with their own types, read as a known shape.

A null where a field may be left out is a field that is left out; a null in a list is nothing; `12.0` is the whole
number 12.  Behind proxies, guardrails and other languages' encoders all of that comes, and none of it is a reason to
withhold an answer that is paid for.  What fits its shape is read at full speed: the mending begins where that fails.
What a shape leaves open (`Raw`, `Any`, a dict) is never touched: it may be a model's own words.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Raw, inspect

Shape = TypeVar("Shape")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading raises for what is not JSON, not UTF-8, or of another shape."""

_NULL = b"null"
_encode = msgspec.json.Encoder().encode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_read_items = msgspec.json.Decoder(list[Raw]).decode
_read_number = msgspec.json.Decoder(float).decode


def read(text: bytes | Raw, shape: type[Shape]) -> Shape:
    """The text as that shape.  Raises one of UNREADABLE."""
    return reader(shape)(text)


def reader(shape: type[Shape]) -> Callable[[bytes | Raw], Shape]:
    """What reads texts as that shape, and raises one of UNREADABLE."""
    made: Callable[[bytes | Raw], Shape] = _reader(cast(Any, shape))
    return made


@cache
def _reader(shape: Any) -> Callable[[bytes | Raw], Any]:
    decode = msgspec.json.Decoder(shape).decode

    def read_text(text: bytes | Raw) -> Any:
        if isinstance(text, bytes) and not text.isascii():
            str(text, "utf-8")  # what stays raw, or is skipped, is not looked at by the decoder
        try:
            return decode(text)
        except msgspec.ValidationError:
            return decode(_mended(bytes(text).strip(), inspect.type_info(shape)))

    return read_text


def _mended(text: bytes, kind: inspect.Type) -> bytes:
    """The text with its nulls left out and its whole numbers whole, as far as its shape asks for that."""
    if isinstance(kind, inspect.UnionType):
        [*members] = (each for each in kind.types if not isinstance(each, inspect.NoneType))
        return text if text == _NULL or len(members) != 1 else _mended(text, members[0])
    if isinstance(kind, inspect.StructType) and text.startswith(b"{"):
        return _encode(_mended_fields(text, kind))
    if isinstance(kind, inspect.ListType) and text.startswith(b"["):
        items = (bytes(item).strip() for item in _read_items(text))
        bears_null = _bears_null(kind.item_type)
        return _encode([Raw(_mended(item, kind.item_type)) for item in items if item != _NULL or bears_null])
    if isinstance(kind, inspect.IntType) and text[:1] in b"-0123456789":
        return str(int(_read_number(text))).encode()
    return text


def _mended_fields(text: bytes, kind: inspect.StructType) -> dict[str, Raw]:
    known = {field.encode_name: field for field in kind.fields}
    mended = {}
    for name, value in _read_fields(text).items():
        field, given = known.get(name), bytes(value).strip()
        if field is None or (given == _NULL and not field.required and not _bears_null(field.type)):
            continue
        mended[name] = Raw(_mended(given, field.type))
    return mended


def _bears_null(kind: inspect.Type) -> bool:
    """Whether null is a value of this kind."""
    if isinstance(kind, inspect.UnionType):
        return any(_bears_null(each) for each in kind.types)
    return isinstance(kind, inspect.NoneType | inspect.AnyType | inspect.RawType)
