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

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from cloche.codec import compression
from cloche.domain.errors import BadRequest, Problem, RequestTimeout
from cloche.gateway.pipeline import Ask, Gateway
from cloche.http.chat_paths import read_ask
from cloche.http.exchange import ChatExchange, too_large
from cloche.http.handlers import MAX_BODY
from cloche.wire import errors

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers; uvicorn's httptools protocol has no bound of its own."""

MIN_BODY_RATE = 32 * 1024
"""Bytes a second: a client that sends its body more slowly runs out of time."""

_FRAMING = 8
"""Bytes on the wire for one byte of body, at most: a body may come in chunks of one byte, and end in trailers."""

_MAX_QUEUED = 16
"""Requests that may wait on a connection for the answers before them, with up to 64 KiB of body each."""

_VERSIONS = ("1.1", "1.0")


class Lane:
    """What all connections of one server share."""

    def __init__(self, gateway: Gateway, *, max_body: int, read_seconds: float) -> None:
        self.gateway = gateway
        self.max_body = max_body
        self.read_seconds = read_seconds
        self.body_room = _FRAMING * max(max_body, MAX_BODY) + MAX_HEAD
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
        self._room = MAX_HEAD  # bytes that may still come of the part of the request being read
        self._in_body = False  # a head was accepted, and its body is not complete
        self._refused = False  # nothing more is read
        self._fault = _NO_HTTP
        self._reading_since = self.loop.time()  # when the request now being read began; 0 while none is
        self._idle_since = 0.0  # when the last answer was complete

    # ---------------------------------------------------------------- bytes in

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, with a bound on its size and a time by which it must be complete.

        In place of uvicorn's, which answers bad bytes at once: in the middle of the answer to an earlier request.
        """
        if self._refused:
            return
        if self._reading_since == 0.0:
            self._reading_since = self.loop.time()
        self._room -= len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(BadRequest(self._fault))
        else:
            if self._room < 0:
                self._refuse(BadRequest(_HEAD_TOO_LARGE if not self._in_body else "the body has too much framing"))

    def on_message_begin(self) -> None:
        """A request begins.  uvicorn would build its ASGI scope now; the lane waits until it knows who will need it."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_headers_complete(self) -> None:
        """Decide who answers."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_decline_upgrade` goes on
        ask = read_ask(self.url, self.headers) if self.parser.get_method() == b"POST" else None
        self._check_head(dict(self.headers) if ask is None else ask.headers)
        self._in_body = True
        self._room = self.lane.body_room
        if ask is None:
            self._leave_to_asgi()
            return
        exchange = self._open(ask)
        before = self.cycle
        self.cycle = exchange  # type: ignore[assignment] # it has what uvicorn uses
        if before is None or before.response_complete:
            self._start_asgi_task(exchange, self.app)
        else:
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
            self._hold_back()

    def _check_head(self, fields: dict[bytes, bytes]) -> None:
        """Refuse what the parser lets pass and RFC 9112 does not: two servers could read it differently."""
        version = self.parser.get_http_version()
        coding = fields.get(b"transfer-encoding")
        if version not in _VERSIONS:
            self._fault = f"HTTP/{version} is not served; use HTTP/1.1"
        elif b"host" not in fields and version == "1.1":
            self._fault = "an HTTP/1.1 request must have a Host header"
        elif coding is not None and coding.lower() != b"chunked":
            self._fault = "the only Transfer-Encoding that is served is 'chunked'"
        elif len(fields) < len(self.headers) and (repeated := _repeated(self.headers)):
            self._fault = f"the header {repeated.decode()} is given twice"
        elif self._room < 0 and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            self._fault = _HEAD_TOO_LARGE
        else:
            return
        raise httptools.HttpParserError(self._fault)  # only this makes the parser stop

    def _decline_upgrade(self, rest: bytes) -> None:
        """Serve a request as if it had not offered another protocol, which Java's HTTP client does with every one.

        The parser takes such a request to end at its head, so a new one reads it again without the offer.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(BadRequest("CONNECT is not served: this is no proxy"))
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%b: %b" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _leave_to_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)  # the scope holds this list
        super().on_headers_complete()
        self.headers = _DROPPED  # type: ignore[assignment] # what comes now are trailers; the scope holds the head
        if self.pipeline:
            self._hold_back()

    def _hold_back(self) -> None:
        """Read on while little is queued, unlike uvicorn: whoever does not read does not notice that a client left."""
        if len(self.pipeline) < _MAX_QUEUED:
            self.flow.resume_reading()
        else:
            self.flow.pause_reading()

    def _open(self, ask: Ask) -> ChatExchange:
        http_1_1 = self.parser.get_http_version() == "1.1"
        exchange = ChatExchange(
            self,
            ask,
            ask.headers.get(b"content-encoding", b"").decode("latin-1").strip().lower(),
            keep_alive=http_1_1 and self.parser.should_keep_alive(),
            chunked=http_1_1,
        )
        length = ask.headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.lane.max_body:
            exchange.problem = too_large(self.lane.max_body)
        self.headers = _DROPPED  # type: ignore[assignment]
        if self.expect_100_continue and http_1_1:
            exchange.waits_for_continue = exchange.problem is None and exchange.call.problem is None
            if not exchange.waits_for_continue:  # the client asks whether it should send its body: it need not
                exchange.keep_alive = False
                exchange.more_body = False
        return exchange

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """uvicorn calls this when the answers before `cycle` are complete."""
        if isinstance(cycle, Problem):
            self._write_refusal(cycle)
        elif not isinstance(cycle, ChatExchange):
            super()._start_asgi_task(cycle, app)
        else:
            cycle.on_turn = True
            self._active = cycle
            if not cycle.more_body:
                cycle.start()
            elif cycle.waits_for_continue:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        cycle: Any = self.cycle
        if isinstance(cycle, ChatExchange):
            if not cycle.response_complete:
                cycle.take(body)
                if not cycle.on_turn and cycle.size > HIGH_WATER_LIMIT:
                    self.flow.pause_reading()
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is complete."""
        if not self._in_body:
            return  # the offer of an upgrade: see `on_headers_complete`
        self._in_body = False
        self._room = MAX_HEAD
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

    def on_response_complete(self) -> None:
        """As uvicorn's, but an idle connection is closed by `check_deadline`: a timer for every answer costs 2.5 µs."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()

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

    def _refuse(self, problem: Problem) -> None:
        """Read no more.  What was wrong is said when the answers before it are complete, and the connection closed."""
        self._refused = True
        cycle: Any = self.cycle
        if not self._in_body:
            if cycle is None or cycle.response_complete:
                self._write_refusal(problem)
            else:
                self.pipeline.appendleft((problem, self.app))  # type: ignore[arg-type]
        elif cycle.response_complete:
            self.transport.close()  # it was answered before it was complete
        elif isinstance(cycle, ChatExchange):
            cycle.refuse(problem)
        elif self.pipeline:  # the newest in it is the one being read
            self.pipeline[0] = (problem, self.app)  # type: ignore[assignment]
        else:
            self._write_refusal(problem)

    def _write_refusal(self, problem: Problem) -> None:
        body = errors.body(problem)
        head = b"%b%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % (STATUS_LINE[problem.status], self.lane.default_headers(self), len(body)) + body)
        self.transport.close()

    # ---------------------------------------------------------------- the end

    def check_deadline(self) -> None:
        """Close the connection if the request now being read is late, or none has come for long."""
        if self._refused or self.transport is None or self.transport.is_closing():
            return
        since, now = self._reading_since, self.loop.time()
        cycle: Any = self.cycle
        if since == 0.0:
            if cycle.response_complete and now - self._idle_since > self.timeout_keep_alive:
                self.transport.close()
            return
        if self.pipeline or not (self._in_body or cycle is None or cycle.response_complete):
            self._reading_since = now  # an earlier answer is under way: the client may be waiting for it
            return
        received = cycle.size if self._in_body and isinstance(cycle, ChatExchange) else 0
        if now - since <= self.lane.read_seconds + received / MIN_BODY_RATE:
            return
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
        self.cycle = None  # type: ignore[assignment] # it refers back, and may hold a large body

    def shutdown(self) -> None:
        """The server drains: finish the answer under way, and begin none that is queued behind it."""
        if self._active is not None:
            self._active.keep_alive = False
        super().shutdown()


class _Dropped:
    """Stands where the parser's callback puts headers once the head is complete: trailers count for nothing."""

    def append(self, field: tuple[bytes, bytes]) -> None:
        """Forget it."""


_DROPPED = _Dropped()
_NO_HTTP = "this is not a valid HTTP request"
_HEAD_TOO_LARGE = "the request line and headers are larger than 64 KiB"
_SINGLE = frozenset((b"host", b"content-length", b"authorization", b"content-encoding", b"transfer-encoding"))


def _repeated(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    """A header that may be given only once and is given twice; names are lower case."""
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in seen and name in _SINGLE:
            return name
        seen.add(name)
    return None
