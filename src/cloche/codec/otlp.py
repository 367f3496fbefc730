"""Spans in the bytes of OTLP: `ExportTraceServiceRequest` of opentelemetry-proto, as protobuf.

Protobuf and not JSON because older versions of MLflow take nothing else.  Of protobuf four things are needed, and a
message is a few fields, so they are written here (docs/decisions/0023).  About 45 µs for a call of two spans.  Must not
know what a span is about.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from cloche.domain.trace import Span, Value

_KINDS = MappingProxyType({"server": 2, "client": 3})
_ERROR = 2
_SAMPLED = 1

_fixed64 = struct.Struct("<Q").pack
_double = struct.Struct("<d").pack


def encode(spans: Iterable[Span], resource: Mapping[str, Value], scope: str, version: str) -> bytes:
    """A request body.  `resource`: what the spans are of; `scope`, `version`: who made them."""
    maker = _text(1, scope) + _text(2, version)
    scoped = _message(1, maker) + b"".join(_message(2, _span(each)) for each in spans)
    return _message(1, _message(1, _attributes(1, resource)) + _message(2, scoped))


def _span(span: Span) -> bytes:
    parts = [
        _message(1, span.trace_id),
        _message(2, span.span_id),
        _text(3, span.state) if span.state else b"",
        _message(4, span.parent) if span.parent else b"",
        _text(5, span.name),
        b"\x30" + _varint(_KINDS[span.kind]),  # 6
        b"\x39" + _fixed64(span.began),  # 7
        b"\x41" + _fixed64(span.ended),  # 8
        _attributes(9, span.attributes),
        _message(15, _text(2, span.error) + b"\x18" + _varint(_ERROR)) if span.error is not None else b"",
        b"\x85\x01" + struct.pack("<I", _SAMPLED),  # 16
    ]
    return b"".join(parts)


def _attributes(field: int, attributes: Mapping[str, Value]) -> bytes:
    return b"".join(_message(field, _text(1, name) + _message(2, _value(each))) for name, each in attributes.items())


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, bool):
        return b"\x10" + _varint(int(value))
    if isinstance(value, int):
        return b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    if isinstance(value, float):
        return b"\x21" + _double(value)
    return _message(5, b"".join(_message(1, _value(each)) for each in value))


def _text(field: int, text: str) -> bytes:
    # Half of a surrogate pair, which a JSON escape can make, is no UTF-8.
    return _message(field, text.encode("utf-8", "replace"))


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
