"""The fast lane: chat calls leave uvicorn's path before they become ASGI requests, everything else stays on it.

A subclass of uvicorn's httptools protocol.  uvicorn keeps sockets, TLS, parsing, keep-alive, pipelining, flow
control and shutdown; for the paths in `ChatPaths` a ChatExchange takes the place of uvicorn's RequestResponseCycle
and no scope, task or ASGI message is made, which costs half of uvicorn's raw ASGI path (docs/performance.md).  The
class is no documented extension point, so uvicorn is pinned, the subclass is thin, and `lane = false` serves the
same calls through ASGI.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from cloche.codec import compression
from cloche.domain.errors import BadRequest, Problem, RequestTimeout
from cloche.gateway.pipeline import Ask, Gateway
from cloche.http.chat_paths import read_ask
from cloche.http.exchange import ChatExchange, too_large
from cloche.wire import errors

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; uvicorn's httptools protocol has no bound of its own."""

MIN_BODY_RATE = 32 * 1024
"""Bytes a second: a client that sends its body more slowly runs out of time."""


class Lane:
    """What all connections of one server share."""

    def __init__(self, gateway: Gateway, *, max_body: int, read_seconds: float) -> None:
        self.gateway = gateway
        self.max_body = max_body
        self.read_seconds = read_seconds
        self._headers: Any = None
        self._rendered = b""

    def default_headers(self, protocol: LaneProtocol) -> bytes:
        """uvicorn's default headers (the date), rendered when uvicorn renews them and not before."""
        headers = protocol.server_state.default_headers
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

    def check_deadlines(self, state: ServerState) -> None:
        """Close the connections whose request takes too long to come.  Called once a second."""
        connections: list[Any] = list(state.connections)
        for connection in connections:
            if isinstance(connection, LaneProtocol):
                connection.check_deadline()


class LaneProtocol(HttpToolsProtocol):
    """One client connection."""

    def __init__(
        self,
        lane: Lane,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.lane = lane
        self._active: ChatExchange | None = None  # the chat call whose answer is next on the connection
        self._head_bytes = 0
        self._reading_since = self.loop.time()  # when the request now being read began; 0 while none is

    # ---------------------------------------------------------------- bytes in

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, with a bound on its head and a time by which it must be complete."""
        if self._reading_since == 0.0:
            self._reading_since = self.loop.time()
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("the request line and headers are larger than 64 KiB")

    def on_message_begin(self) -> None:
        """A request begins.  uvicorn would build its ASGI scope now; the lane waits until it knows who will need it."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Decide who answers."""
        self._head_bytes = -(1 << 62)  # the head is complete: what follows is body, which has a bound of its own
        ask = read_ask(self.url, self.headers) if self.parser.get_method() == b"POST" else None
        if ask is None:
            self._leave_to_asgi()
            return
        exchange = self._open(*ask)
        before = self.cycle
        self.cycle = exchange  # type: ignore[assignment] # it has what uvicorn uses
        if before is None or before.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]

    def _leave_to_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the scope holds this list
        super().on_headers_complete()

    def _open(self, ask: Ask, fields: dict[bytes, bytes]) -> ChatExchange:
        http_1_1 = self.parser.get_http_version() == "1.1"
        exchange = ChatExchange(
            self,
            ask,
            fields.get(b"content-encoding", b"").decode("latin-1").strip().lower(),
            keep_alive=http_1_1 and self.parser.should_keep_alive(),
            chunked=http_1_1,
        )
        length = fields.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.lane.max_body:
            exchange.problem = too_large(self.lane.max_body)
        if self.expect_100_continue and http_1_1:
            if exchange.problem is None and exchange.call.problem is None:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            else:  # the client waits to hear whether it should send its body: it need not
                exchange.keep_alive = False
                exchange.more_body = False
        return exchange

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """uvicorn calls this when the answers before `cycle` are complete."""
        if not isinstance(cycle, ChatExchange):
            super()._start_asgi_task(cycle, app)
            return
        cycle.on_turn = True
        self._active = cycle
        if not cycle.more_body:
            cycle.start()

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        cycle: Any = self.cycle
        if isinstance(cycle, ChatExchange):
            if not cycle.response_complete:
                cycle.take(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        self._head_bytes = 0
        self._reading_since = 0.0
        cycle: Any = self.cycle
        if not isinstance(cycle, ChatExchange):
            super().on_message_complete()
        elif cycle.more_body and not cycle.response_complete:
            cycle.more_body = False
            if cycle.on_turn:
                cycle.start()

    # ---------------------------------------------------------------- bytes out

    def exchange_complete(self, exchange: ChatExchange) -> None:
        """The answer of `exchange` has been written: next request, keep-alive, or close."""
        if self._active is exchange:
            self._active = None
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def pause_writing(self) -> None:
        """The client reads more slowly than the answer comes."""
        super().pause_writing()
        if self._active is not None:
            self._active.call.slow()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self._active is not None:
            self._active.call.caught_up()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets one error in the dialect of the clients, and the connection is closed."""
        self._refuse(BadRequest(msg))

    def _refuse(self, problem: Problem) -> None:
        body = errors.body(problem)
        head = b"HTTP/1.1 %d %b\r\n%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        reason = b"Request Timeout" if problem.status == 408 else b"Bad Request"
        self.transport.write(head % (problem.status, reason, self.lane.default_headers(self), len(body)) + body)
        self.transport.close()

    # ---------------------------------------------------------------- the end

    def check_deadline(self) -> None:
        """Close the connection if the request now being read is late."""
        now = self.loop.time()
        since = self._reading_since
        if since == 0.0 or self.transport is None or self.transport.is_closing():
            return
        cycle: Any = self.cycle
        received = cycle.size if isinstance(cycle, ChatExchange) else 0
        if now - since <= self.lane.read_seconds + received / MIN_BODY_RATE:
            return
        if cycle is not None and not cycle.response_complete and not isinstance(cycle, ChatExchange):
            return  # an ASGI request reads its body at its own pace
        if self.headers is None:
            self.transport.close()  # connected and never said a word
        else:
            self._refuse(RequestTimeout("the request did not come to its end in time"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: stop what it asked for."""
        queued: list[Any] = [cycle for cycle, _ in self.pipeline]
        for exchange in (self._active, self.cycle, *queued):
            if isinstance(exchange, ChatExchange):
                exchange.response_complete = True
                exchange.call.hang_up()
        self._active = None
        super().connection_lost(exc)
