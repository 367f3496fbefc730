"""AWS event-stream frames, written the slow and plain way: the other side of what codec/eventstream.py reads."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any


def header(name: str, kind: int, value: bytes) -> bytes:
    """One header.  `value`: as it stands behind the type, its own length included where it has one."""
    return bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value


def text(name: str, value: str) -> bytes:
    """A header whose value is a text, as nearly all are."""
    return header(name, 7, struct.pack(">H", len(value.encode())) + value.encode())


def frame(headers: bytes, payload: bytes) -> bytes:
    """One frame around headers and payload."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


def event(kind: str, **fields: Any) -> bytes:
    """An event with a JSON payload, as Bedrock sends it."""
    headers = text(":event-type", kind) + text(":content-type", "application/json") + text(":message-type", "event")
    return frame(headers, json.dumps(fields).encode())


def exception(kind: str, message: str) -> bytes:
    """The exception that ends a stream."""
    headers = text(":exception-type", kind) + text(":content-type", "application/json")
    return frame(headers + text(":message-type", "exception"), json.dumps({"message": message}).encode())
