"""Values that come one on each line (NDJSON), incremental: bytes in any cut, lines out.  No I/O, no JSON."""

from __future__ import annotations

from cloche.codec.sse import MAX_EVENT
from cloche.domain.errors import ProviderBroken


class LineDecoder:
    """Feed it the body of one stream."""

    __slots__ = ("_pending", "_waiting")

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # pieces of a line that has not ended, joined when its end comes
        self._waiting = 0  # bytes in _pending

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their ends; blank ones are left out.  ProviderBroken for a line that
        is far too long."""
        if b"\n" not in data:
            self._pending.append(data)
            self._waiting += len(data)
            if self._waiting > MAX_EVENT:
                raise ProviderBroken("the provider sent a stream event larger than 32 MiB")
            return []
        *lines, rest = b"".join([*self._pending, data]).split(b"\n")
        self._pending, self._waiting = [rest], len(rest)
        return [line for line in map(bytes.strip, lines) if line]

    def close(self) -> list[bytes]:
        """The body ended: the last line, where it has no end."""
        rest = b"".join(self._pending).strip()
        self._pending, self._waiting = [], 0
        return [rest] if rest else []
