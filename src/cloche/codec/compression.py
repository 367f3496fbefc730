"""Request bodies that come compressed: gzip, deflate and zstd, never inflated beyond a bound.  No I/O."""

from __future__ import annotations

import zlib

import zstandard

from cloche.domain.errors import BadRequest

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS  # zlib reads the header and tells the two apart
_ZSTD_PIECE = 256
"""Bytes that are inflated at a time: the bound is checked after each piece, and so few become 8 MiB at most."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The inflated body, at most `limit` bytes.  BadRequest for an unknown encoding, broken data, or more than that."""
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _inflate(body, limit)
    if encoding == "zstd":
        return _unzstd(body, limit)
    raise BadRequest(f"Content-Encoding: '{encoding}' is not supported; use gzip, deflate or zstd")


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise BadRequest("the body is not what its Content-Encoding says: it could not be inflated") from None
    _check_size(len(inflated), limit)
    if not inflater.eof or inflater.unused_data:
        raise BadRequest("the compressed body is cut short or has surplus bytes")
    return inflated


def _unzstd(body: bytes, limit: int) -> bytes:
    # The window bound caps memory: a frame may declare a window far larger than its content.
    inflater = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()
    parts: list[bytes] = []
    size = position = 0
    try:
        while position < len(body) and not inflater.eof:
            parts.append(inflater.decompress(body[position : position + _ZSTD_PIECE]))
            position += _ZSTD_PIECE
            size += len(parts[-1])
            _check_size(size, limit)
    except zstandard.ZstdError:
        raise BadRequest("the body is not what its Content-Encoding says: it could not be inflated") from None
    if not inflater.eof or inflater.unused_data or position < len(body):
        raise BadRequest("the compressed body is cut short or has surplus bytes")
    return b"".join(parts)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise BadRequest(f"the body inflates to more than {limit} bytes, which is the limit")
