"""What is wrong with a request's head that the HTTP parser lets pass.  Must not know connections or calls.

RFC 9112 refuses these because two servers behind one another could read them differently, which is how requests are
smuggled.
"""

from __future__ import annotations

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; uvicorn's httptools protocol has no bound of its own."""

HEAD_TOO_LARGE = "the request line and headers are larger than 64 KiB"

_VERSIONS = ("1.1", "1.0")
_SINGLE = frozenset((b"host", b"content-length", b"authorization", b"content-encoding", b"transfer-encoding"))


def fault_in(version: str, headers: list[tuple[bytes, bytes]], fields: dict[bytes, bytes]) -> str | None:
    """Why a head is refused, in words for the caller; None if it is not.  `fields`: `headers` by name, lower case."""
    coding = fields.get(b"transfer-encoding")
    if version not in _VERSIONS:
        return f"HTTP/{version} is not served; use HTTP/1.1"
    if b"host" not in fields and version == "1.1":
        return "an HTTP/1.1 request must have a Host header"
    if coding is not None and coding.lower() != b"chunked":
        return "the only Transfer-Encoding that is served is 'chunked'"
    if len(fields) < len(headers) and (repeated := _repeated(headers)):
        return f"the header {repeated.decode()} is given twice"
    return None


def _repeated(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """A header that may be given only once and is given twice; names are lower case."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _SINGLE:
            return name
        seen.add(name)
    return None
