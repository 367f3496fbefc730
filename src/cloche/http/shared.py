"""What all connections of one server share: the gateway, the bounds, and the sum of what they hold.

Must not know a connection's state; lane.py and exchange.py keep that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn.server import ServerState

from cloche.codec import compression
from cloche.domain.errors import Problem
from cloche.gateway.pipeline import Gateway
from cloche.http.context import MAX_BODY
from cloche.http.head import MAX_HEAD
from cloche.telemetry import CallRecord

if TYPE_CHECKING:
    from cloche.http.exchange import ChatExchange

_FRAMING = 8
"""Bytes on the wire for one byte of body, at most: a body may come in chunks of one byte, and end in trailers."""

_BODIES = 16
"""Bodies of the largest size that may be in the making at once, over all connections."""


class Lane:
    """What all connections of one server share.

    `record`: takes the record of a request that is refused before there is a call or an ASGI request.
    """

    def __init__(
        self, gateway: Gateway, record: Callable[[CallRecord], None], *, max_body: int, read_seconds: float
    ) -> None:
        self.gateway = gateway
        self.record = record
        self.max_body = max_body
        self.read_seconds = read_seconds
        self.body_room = _FRAMING * max(max_body, MAX_BODY) + MAX_HEAD
        self.max_unread = _BODIES * max_body
        self.unread = 0  # bytes of bodies that have come and whose calls have not begun
        self._headers: Any = None
        self._rendered = b""

    def default_headers(self, state: ServerState) -> bytes:
        """uvicorn's default headers (the date), rendered when uvicorn renews them and not before."""
        headers = state.default_headers
        if headers is not self._headers:
            self._headers = headers
            self._rendered = b"".join(b"%b: %b\r\n" % pair for pair in headers)
        return self._rendered

    def answer_compressed(self, exchange: ChatExchange, body: bytes) -> None:
        """Inflate first; a body that cannot be is the caller's fault."""
        try:
            body = compression.decompress(body, exchange.encoding, self.max_body)
        except Problem as problem:
            exchange.call.fail(problem)
            return
        self.gateway.answer(exchange.call, exchange.ask, body)
