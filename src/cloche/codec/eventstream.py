"""AWS event streams, incremental: bytes in any cut, frames out.  No I/O, and no opinion about what frames mean.

A frame is its length and the length of its headers, each four bytes and checked together by a CRC; the headers; the
payload; and a CRC of all before it.  A stream that breaks a rule of the format is broken for good: where the next frame
would begin, nobody can tell.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import NamedTuple

from cloche.domain.errors import ProviderBroken

MAX_FRAME = 32 * 1024 * 1024
"""Bytes of one frame; AWS itself allows 24 MiB."""

MAX_HEADERS = 128 * 1024
"""Bytes of a frame's headers, as AWS has it."""

_PRELUDE = 12
_LEAST = _PRELUDE + 4

HeaderValue = bool | int | bytes | str
"""Times are milliseconds since 1970, UUIDs their sixteen bytes."""


class Frame(NamedTuple):
    """`headers` by name; `payload` mostly JSON."""

    headers: dict[str, HeaderValue]
    payload: bytes


class Frames:
    """Feed it the body of one stream."""

    __slots__ = ("_needed", "_pending", "_waiting")

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # pieces of a frame that has not ended, joined when its end is there
        self._waiting = 0  # bytes in _pending
        self._needed = _PRELUDE  # bytes without which nothing more can be told

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.  ProviderBroken for what is no frame."""
        self._pending.append(data)
        self._waiting += len(data)
        if self._waiting < self._needed:
            return []
        return list(self._take(b"".join(self._pending)))

    def close(self) -> None:
        """The body ended.  ProviderBroken if it ended within a frame."""
        if self._waiting:
            raise ProviderBroken("the provider's event stream was cut off")

    def _take(self, data: bytes) -> Iterator[Frame]:
        at = 0
        while len(data) - at >= _PRELUDE:
            length, headers = _prelude(data[at : at + _PRELUDE])
            if len(data) - at < length:
                break
            yield _frame(data[at : at + length], headers)
            at += length
        rest = data[at:]
        self._pending = [rest] if rest else []
        self._waiting = len(rest)
        self._needed = _prelude(rest[:_PRELUDE])[0] if len(rest) >= _PRELUDE else _PRELUDE


def _prelude(data: bytes) -> tuple[int, int]:
    """The length of a frame and that of its headers."""
    length, headers, check = struct.unpack(">III", data)
    if zlib.crc32(data[:8]) != check:
        raise ProviderBroken("the provider's event stream is damaged: the checksum of a frame's lengths is wrong")
    if not _LEAST + headers <= length <= MAX_FRAME or headers > MAX_HEADERS:
        raise ProviderBroken("the provider's event stream has a frame of an impossible length")
    return length, headers


def _frame(data: bytes, headers: int) -> Frame:
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
        raise ProviderBroken("the provider's event stream is damaged: the checksum of a frame is wrong")
    border = _PRELUDE + headers
    try:
        return Frame(dict(_headers(data[_PRELUDE:border])), data[border:-4])
    except (IndexError, KeyError, ValueError, struct.error):
        raise ProviderBroken("the provider's event stream has a frame whose headers cannot be read") from None


def _headers(data: bytes) -> Iterator[tuple[str, HeaderValue]]:
    """Name and value of each.  IndexError, KeyError, ValueError or struct.error for what is none."""
    at = 0
    while at < len(data):
        name, at = _sized(data, at, 1)
        read = _TYPES[data[at]]
        value, at = read(data, at + 1)
        yield name.decode(), value


def _sized(data: bytes, at: int, width: int) -> tuple[bytes, int]:
    """Bytes after their own number, which has `width` bytes; and where they end."""
    start = at + width
    end = start + int.from_bytes(_exactly(data, at, width), "big")
    return _exactly(data, start, end - start), end


def _exactly(data: bytes, at: int, width: int) -> bytes:
    found = data[at : at + width]
    if len(found) < width:
        raise ValueError("cut off")
    return found


_Reader = Callable[[bytes, int], tuple[HeaderValue, int]]


def _constant(value: bool) -> _Reader:
    return lambda data, at: (value, at)


def _number(width: int) -> _Reader:
    return lambda data, at: (int.from_bytes(_exactly(data, at, width), "big", signed=True), at + width)


def _text(data: bytes, at: int) -> tuple[str, int]:
    value, end = _sized(data, at, 2)
    return value.decode(), end


_TYPES: MappingProxyType[int, _Reader] = MappingProxyType(
    {
        0: _constant(True),
        1: _constant(False),
        2: _number(1),
        3: _number(2),
        4: _number(4),
        5: _number(8),
        6: lambda data, at: _sized(data, at, 2),
        7: _text,
        8: _number(8),
        9: lambda data, at: (_exactly(data, at, 16), at + 16),
    }
)
"""How a header's value is read, by the number of its type: true, false, byte, short, int, long, bytes, text, time,
UUID."""
