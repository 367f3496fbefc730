"""Traces: what a span says, and the W3C's `traceparent`, by which one program tells another where it is in a trace.

Must not know where spans go, or in which bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

Value = str | bool | int | float | list[str]
"""Of an attribute."""

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class Span(Struct, frozen=True):
    """A stretch of a trace.  Times are Unix nanoseconds.  `parent` b"": it is the first.  `error`: why it failed, if it
    did.  `state`: the vendors' own words of `tracestate`."""

    trace_id: bytes
    span_id: bytes
    parent: bytes
    name: str
    kind: Literal["server", "client"]
    began: int
    ended: int
    attributes: Mapping[str, Value]
    error: str | None = None
    state: str = ""


class Parent(NamedTuple):
    """The span of another program that a request comes from.  `sampled`: whether that program keeps it."""

    trace_id: bytes
    span_id: bytes
    sampled: bool


def read_parent(header: bytes | None) -> Parent | None:
    """The parent in a `traceparent`; None if there is none, or it is not as it must be."""
    found = None if header is None else _PARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id = found[1], bytes.fromhex(found[2].decode()), bytes.fromhex(found[3].decode())
    # Later versions may have more at the end; version 00 has not, and ff is none.
    if version == b"ff" or (version == b"00" and found[5]) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Parent(trace_id, span_id, bool(int(found[4], 16) & 1))


def parent_header(trace_id: bytes, span_id: bytes) -> str:
    """The `traceparent` of a span that is kept."""
    return f"00-{trace_id.hex()}-{span_id.hex()}-01"
