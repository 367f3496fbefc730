"""The fast lane: chat calls leave uvicorn's path before they become ASGI requests, everything else stays on it.

A subclass of uvicorn's httptools protocol.  uvicorn keeps sockets, TLS, parsing, keep-alive, pipelining, flow
control and shutdown; for the paths in chat_paths.py a ChatExchange takes the place of uvicorn's RequestResponseCycle
and no scope, task or ASGI message is made, which costs half of uvicorn's raw ASGI path (docs/performance.md).  The
class is no documented extension point, so uvicorn is pinned, the subclass is thin, and `lane = false` serves the
same calls through ASGI.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from cloche.domain.errors import BadRequest, Problem, RequestTimeout
from cloche.gateway.call import new_id
from cloche.gateway.pipeline import Ask
from cloche.http.chat_paths import read_ask
from cloche.http.exchange import ChatExchange, too_large
from cloche.http.head import HEAD_TOO_LARGE, MAX_HEAD, fault_in
from cloche.http.shared import Lane
from cloche.telemetry import CallRecord
from cloche.wire import errors

MIN_BODY_RATE = 32 * 1024
"""Bytes a second: a client that sends its body more slowly runs out of time."""

STALLED_SECONDS = 3.0
"""A client that takes nothing of an answer for so long is left when the server drains."""

_MAX_QUEUED = 16
"""Requests that may wait on a connection for the answers before them, with up to 64 KiB of body each."""

_MAX_LOGGED_PATH = 1024


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
        self._answering = False  # an answer is under way, of the lane or of ASGI
        self._advancing = False  # `_advance` is at work
        self._unsent = 0  # bytes that waited for the client to read when `check_deadline` last looked
        self._unsent_since = 0.0  # when they last became fewer
        self.url = b""

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
                self._refuse(BadRequest(HEAD_TOO_LARGE if not self._in_body else "the body has too much framing"))

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
        if (before is None or before.response_complete) and not self.flow.write_paused:
            self._start_asgi_task(exchange, self.app)
        else:
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
            self._hold_back()

    def _check_head(self, fields: dict[bytes, bytes]) -> None:
        """Make the parser stop, which only its own error does, at a head that is not served."""
        fault = fault_in(self.parser.get_http_version(), self.headers, fields)
        if fault is None and self._room < 0:
            size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            fault = HEAD_TOO_LARGE if size > MAX_HEAD else None
        if fault is not None:
            self._fault = fault
            raise httptools.HttpParserError(fault)

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
        """Read on while little is queued, unlike uvicorn: whoever does not read does not notice that a client left.

        Not from a client that does not read itself: each of its requests would add an answer to those that wait.
        """
        if len(self.pipeline) < _MAX_QUEUED and not self.flow.write_paused:
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
        """Called, by uvicorn too, when the answers before `cycle` are complete."""
        self._answering = True
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
        self.url = b""
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
        self.server_state.total_requests += 1
        self._answering = False
        if self.transport.is_closing():
            return
        self._idle_since = self.loop.time()
        if self.pipeline:
            self._advance()
        else:
            self._hold_back()

    def _advance(self) -> None:
        """Start what is queued until an answer takes time.  Nothing while the client does not read: see `_hold_back`.

        A loop, where uvicorn goes one call deeper for each answer.
        """
        if self._advancing:
            return
        self._advancing = True
        while self.pipeline and not (self._answering or self.flow.write_paused) and not self.transport.is_closing():
            self._start_asgi_task(*self.pipeline.pop())
        self._advancing = False
        self._hold_back()

    def pause_writing(self) -> None:
        """The client reads more slowly than the answers come."""
        super().pause_writing()
        self._hold_back()
        if self._active is not None:
            self._active.call.slow()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self._active is not None:
            self._active.call.caught_up()
        self._advance()

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
        """Answer what never became a call: with an id and a line in the log, like every other request."""
        now, call_id = self.loop.time(), new_id()
        took = (now - (self._reading_since or now)) * 1000
        body = errors.body(problem)
        fields = (
            f"content-type: application/json\r\nx-request-id: {call_id}\r\ndatabricks-request-id: {call_id}\r\n"
            f"cloche-overhead-ms: {took:.3f}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        default = self.lane.default_headers(self.server_state)
        self.transport.write(b"".join((STATUS_LINE[problem.status], default, fields.encode(), body)))
        self.transport.close()
        self.lane.record(
            CallRecord(
                time=time.time(),
                request_id=call_id,
                method=self.parser.get_method().decode() if self.url else "-",
                path=self.url.partition(b"?")[0][:_MAX_LOGGED_PATH].decode("latin-1") or "-",
                status=problem.status,
                duration_ms=round(took, 3),
                outcome="error",
                error_code=problem.code,
                detail=problem.message,
            )
        )

    # ---------------------------------------------------------------- the end

    def check_deadline(self) -> None:
        """Close the connection if the request now being read is late, none has come for long, or nobody reads."""
        if self.transport is None:
            return
        since, now = self._reading_since, self.loop.time()
        if self._nobody_reads(now, self.lane.read_seconds):
            self.transport.abort()
        if self._refused or self.transport.is_closing():
            return
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

    def check_stalled(self) -> None:
        """Close the connection if the server drains and the client takes nothing of its answer."""
        if self.transport is not None and self._nobody_reads(self.loop.time(), STALLED_SECONDS):
            self.transport.abort()

    def _nobody_reads(self, now: float, patience: float) -> bool:
        """Whether the client has not taken one byte of its answers for so many seconds.

        A stream of a model may wait: its provider waits with it.
        """
        unsent = self.transport.get_write_buffer_size()
        if not unsent or unsent < self._unsent or not self._unsent or self._active is not None:
            self._unsent_since = now
        self._unsent = unsent
        return now - self._unsent_since > patience

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: stop what it asked for."""
        queued: list[Any] = [cycle for cycle, _ in self.pipeline]
        for exchange in (self._active, self.cycle, *queued):
            if isinstance(exchange, ChatExchange):
                exchange.response_complete = True
                exchange.release()
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
