"""Chat calls over plain ASGI: the way they take where the fast lane is off (`lane = false`).

The same gateway, calls and relays; only the bytes go through ASGI messages, which costs about twice as much.  It
exists so that a new uvicorn can be run before the lane has been fitted to it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Receive, Send

from cloche.codec import compression
from cloche.domain.errors import Problem
from cloche.gateway.pipeline import Ask, Gateway
from cloche.http.exchange import too_large
from cloche.http.streaming import until_gone

_JSON = (b"content-type", b"application/json")
_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]
_HIGH_WATER = 64 * 1024


class _Gone(Exception):
    """The client left."""


class _AsgiReply:
    """The gateway's Reply: messages wait here until the connection takes them."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.waiting = 0  # bytes
        self.call: Any = None

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """A JSON answer in one piece."""
        length = (b"content-length", b"%d" % len(body))
        self._start(status, [_JSON, length, *_pairs(headers)])
        self.messages.put_nowait({"type": "http.response.body", "body": body})
        self.messages.put_nowait(None)

    def begin(self, headers: bytes) -> None:
        """The head of a stream."""
        self._start(200, [*_STREAM, *_pairs(headers)])

    def send(self, data: bytes) -> None:
        """A piece of the stream; too many waiting ones slow the provider down."""
        self.waiting += len(data)
        self.messages.put_nowait({"type": "http.response.body", "body": data, "more_body": True})
        if self.waiting > _HIGH_WATER:
            self.call.slow()

    def finish(self) -> None:
        """The stream is complete."""
        self.messages.put_nowait({"type": "http.response.body", "body": b""})
        self.messages.put_nowait(None)

    def sent(self, message: dict[str, Any]) -> None:
        """The connection took a message."""
        before = self.waiting
        self.waiting -= len(message.get("body", b"")) if message.get("more_body") else 0
        if before > _HIGH_WATER >= self.waiting:
            self.call.caught_up()

    def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        call_id = self.call.id.encode()
        ids = [(b"x-request-id", call_id), (b"databricks-request-id", call_id)]
        self.messages.put_nowait({"type": "http.response.start", "status": status, "headers": headers + ids})


def _pairs(lines: bytes) -> list[tuple[bytes, bytes]]:
    parts = (line.partition(b": ") for line in lines.split(b"\r\n") if line)
    return [(name, value) for name, _, value in parts]


class AsgiChat:
    """Serves chat calls from ASGI messages."""

    def __init__(self, gateway: Gateway, max_body: int) -> None:
        self._gateway = gateway
        self._max_body = max_body

    async def serve(self, ask: Ask, receive: Receive, send: Send) -> None:
        """One call, from its head to the last byte of its answer."""
        reply = _AsgiReply()
        call = reply.call = self._gateway.open(ask, reply)
        try:
            if call.problem is not None:
                raise call.problem
            body = await self._read(receive)
            encoding = ask.headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
            body = compression.decompress(body, encoding, self._max_body)
        except Problem as problem:
            call.fail(problem)
        except _Gone:
            call.hang_up()
            return
        else:
            self._gateway.answer(call, ask, body)
        watch = asyncio.create_task(until_gone(receive))
        watch.add_done_callback(lambda _: reply.messages.put_nowait(None))
        try:
            while (message := await reply.messages.get()) is not None:
                await send(message)
                reply.sent(message)
        finally:
            call.hang_up()
            watch.cancel()

    async def _read(self, receive: Receive) -> bytes:
        pieces, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            size += len(message.get("body", b""))
            if size > self._max_body:
                raise too_large(self._max_body)
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                return b"".join(pieces)
