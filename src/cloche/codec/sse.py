"""Server-sent events, incremental: bytes in any cut, data payloads out.  No I/O, no JSON.

Reads what providers really send (WHATWG event stream): LF, CRLF or CR line ends, comments, `event:`/`id:`/`retry:`
fields, several `data:` lines in one event, a missing space after the colon, a byte order mark.  Only data counts for
chat streams, so a payload list is all that comes out.  The common case, whole `data: …` blocks ended by one blank
line, is taken by one split of the buffer; everything else goes line by line.
"""

from __future__ import annotations

from cloche.domain.errors import ProviderBroken

MAX_EVENT = 32 * 1024 * 1024
"""Bytes that may wait for the end of one event; a provider that sends more in one event is broken."""

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"


class Decoder:
    """Feed it the body of one stream."""

    __slots__ = ("_data", "_data_size", "_pending", "_started", "_waiting")

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # pieces of a line or block that has not ended, joined when its end comes
        self._waiting = 0  # bytes in _pending
        self._data: list[bytes] = []  # data lines of the event that has not ended
        self._data_size = 0
        self._started = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that `data` completes."""
        if self._pending:
            # A long event comes in many pieces: join once, when a line end is there, not at every piece.
            self._keep(data)
            if b"\n" not in data and b"\r" not in data:
                return []
            data = self._take()
        if not self._started:
            if len(data) < 3 and _BOM.startswith(data):
                self._keep(data)
                return []
            self._started = True
            data = data.removeprefix(_BOM)
        if not self._data and b"\r" not in data:
            return self._feed_blocks(data)
        return self._feed_lines(data)

    def whole_events(self, data: bytes) -> list[bytes]:
        """The payloads of `data` if it is nothing but whole events of one `data: ` line each, and nothing is pending
        before it: then it may pass as it is.  Empty otherwise; `data` is not taken in."""
        if (
            not self._started
            or self._pending
            or self._data
            or data[:6] != b"data: "
            or data[-2:] != b"\n\n"
            or b"\r" in data
        ):
            return []
        payloads = data[6:-2].split(b"\n\ndata: ")
        return payloads if data.count(b"\n") == 2 * len(payloads) else []

    def close(self) -> list[bytes]:
        """The end of the body.  An event without its blank line counts if its last line is whole or the body ended
        cleanly there: providers that close right after `data: [DONE]` mean it."""
        rest = self._take()
        if not self._started:
            rest = rest.removeprefix(_BOM)
        return self._feed_lines(rest + b"\n\n") if rest or self._data else []

    def _feed_blocks(self, data: bytes) -> list[bytes]:
        """Whole blocks of one `data: ` line each; falls back to lines at the first block that is something else."""
        *blocks, rest = data.split(b"\n\n")
        for block in blocks:
            if block[:6] != b"data: " or b"\n" in block:
                return self._feed_lines(data)
        payloads = [block[6:] for block in blocks]
        if b"\n" in rest:  # an event of several lines: joining it again at each of them would take quadratic time
            return payloads + self._feed_lines(rest)
        if rest:
            self._keep(rest)
        return payloads

    def _feed_lines(self, data: bytes) -> list[bytes]:
        payloads = []
        # A CR at the very end may be the first half of CRLF: it waits for the next piece.
        if data.endswith(b"\r"):
            data, tail = data[:-1], b"\r"
        else:
            tail = b""
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        rest = lines.pop() + tail
        for line in lines:
            if not line:
                if self._data:
                    payloads.append(b"\n".join(self._data))
                    self._data.clear()
                    self._data_size = 0
            elif line.startswith(b"data"):
                field, _, value = line.partition(b":")
                if field == b"data":
                    self._data.append(value[1:] if value[:1] == b" " else value)
                    self._data_size += len(line)
        if rest:
            self._keep(rest)
        self._check_size()
        return payloads

    def _keep(self, data: bytes) -> None:
        self._pending.append(data)
        self._waiting += len(data)
        self._check_size()

    def _check_size(self) -> None:
        if self._waiting + self._data_size > MAX_EVENT:
            raise ProviderBroken("the provider sent a stream event larger than 32 MiB")

    def _take(self) -> bytes:
        data = b"".join(self._pending)
        self._pending.clear()
        self._waiting = 0
        return data


def encode(payload: bytes) -> bytes:
    """One event: a `data: ` line and the blank line.  Never `id:` or `event:` lines, which break MLflow's parser."""
    return b"data: " + payload + b"\n\n"


def encode_all(payloads: list[bytes]) -> bytes:
    """Several events in one piece."""
    return b"data: " + b"\n\ndata: ".join(payloads) + b"\n\n" if payloads else b""
