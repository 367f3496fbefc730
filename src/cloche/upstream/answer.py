"""Answers taken apart: bytes in, status, headers and body pieces out.  No sockets, no clocks, no receivers.

llhttp, strict as it comes, refuses what opens the door to response smuggling: bare LF, folded headers, a
Content-Length beside a Transfer-Encoding, two Content-Lengths, bad chunk sizes.  Added here: a bound on everything
that is not body, final status codes only from 200 to 599, and no transfer coding but `chunked`, because a body in
another one could not be decoded.

The parser's callbacks only record.  Whoever feeds reads the record afterwards, so that no receiver ever runs inside
the parser.
"""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from cloche.domain.errors import ProviderBroken
from cloche.upstream.errors import compressed, not_http

_COMPRESSED = frozenset((b"gzip", b"x-gzip", b"deflate", b"br", b"zstd", b"compress"))
"""Content codings; other words in that field, such as `identity` and the name of a character set, change nothing."""


class Answer:
    """The answer being read on one connection, one after another: `expect`, then `feed` until `complete` or `fault`.

    `status`: 0 until the head is there.  `parts`: body pieces since the reader last emptied it.
    `surplus`: bytes came after the end, which nobody asked for.
    """

    __slots__ = (
        "_max_head",
        "_overhead",
        "_parser",
        "complete",
        "fault",
        "headers",
        "keep_alive",
        "on_body",
        "parts",
        "status",
        "surplus",
        "until_eof",
    )

    def __init__(self, max_head: int) -> None:
        self._max_head = max_head
        self.parts: list[bytes] = []
        # The parser calls list.append itself: no Python frame for each body piece.
        self.on_body: Callable[[bytes], None] = self.parts.append
        self._parser = HttpResponseParser(self)
        self.expect()

    def expect(self) -> None:
        """Another answer comes."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.until_eof = self.complete = self.surplus = self.keep_alive = False
        self.fault: ProviderBroken | None = None
        self._overhead = 0

    def feed(self, data: bytes) -> None:
        """Take what arrived.  Never raises: see `fault`."""
        self._overhead += len(data)
        if self._overhead > self._max_head and not self.status:
            self._feed_long(data)
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._give_up(error)
        if self.parts:
            self._overhead = 0
        elif self._overhead > self._max_head and not (self.complete or self.fault):
            self.fault = not_http("too many bytes that are not body")

    def _feed_long(self, data: bytes) -> None:
        """`data` may hold the end of a head of allowed length and much body, or a head that is too long."""
        allowed = len(data) - (self._overhead - self._max_head)
        self._overhead = self._max_head - allowed
        if allowed:
            self.feed(data[:allowed])
        if self.status and self.fault is None:
            self.feed(data[allowed:])
        elif self.fault is None:
            self.fault = not_http("the head is too long")

    def _give_up(self, error: Exception) -> None:
        """The parser will take no more: harmless after the end of the answer, fatal before."""
        if self.complete:
            self.surplus = True
        elif self.fault is None:
            phrase = str(error) if isinstance(error, HttpParserError) else "the protocol was switched"
            self.fault = not_http(phrase)

    @property
    def untouched(self) -> bool:
        """Not one byte has come."""
        return not self.status and not self._overhead

    def end(self) -> None:
        """The other side will send no more, and said so in order: that completes a body without a length."""
        if self.until_eof and self.fault is None:
            self.complete = True

    def dispose(self) -> None:
        """Part with the parser, which refers back: without the cycle no garbage collection is needed."""
        del self._parser

    # Called by the parser.

    def on_message_begin(self) -> None:
        if self.complete:
            raise HttpParserError("surplus")  # stop here, or its body would be taken for more of this one
        if self.headers:  # those of an interim answer
            self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.status:  # later ones are trailers, which have no place in `Receiver`
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        coding = self.headers.get(b"transfer-encoding")
        if coding is None:
            self.until_eof = b"content-length" not in self.headers
        elif coding.lower() != b"chunked":
            self.fault = not_http("unknown transfer coding")
            return
        if status == 200 and not _COMPRESSED.isdisjoint(
            self.headers.get(b"content-encoding", b"").lower().split(b", ")
        ):
            self.fault = compressed()
            return
        if not 200 <= status <= 599:
            self.fault = not_http("impossible status")
            return
        self.status = status

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()
