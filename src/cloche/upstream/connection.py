"""One connection to a provider: writes a request, delivers its answer, then goes back to the pool or is closed.

The connection knows when it may serve again: only after a complete answer on an HTTP keep-alive connection, with
nothing left to write and nothing unasked for read.  In all other cases it is aborted.  It must not know how it was
opened (`dial.py`) nor when time is up (`watch.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic, time
from typing import Final, Protocol, cast

from cloche.codec.http_date import with_seconds_to_wait
from cloche.domain.outbound import BytesLike, HttpCall
from cloche.upstream.answer import Answer
from cloche.upstream.errors import cut_off
from cloche.upstream.exchange import AWAITING, READING, LiveExchange, give_up_on
from cloche.upstream.route import Route

# Below this a joined copy is cheaper than handing the kernel a list of pieces; above it the copy shows.
STALE_SECONDS: Final = 1.0
"""How long after a call was put on a used connection its end may still mean that the server had closed it before."""

_JOIN_BELOW: Final = 65536

Reopen = Callable[[LiveExchange, HttpCall, Route], None]


class Home(Protocol):
    """Where connections wait between calls."""

    def join(self, connection: Connection) -> None:
        """It is open."""

    def put(self, connection: Connection) -> None:
        """It may serve again."""

    def leave(self, connection: Connection) -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """`served`: the calls taken so far.  `idle_since`: in monotonic seconds, kept by the pool."""

    __slots__ = (
        "_answer",
        "_call",
        "_carried_at",
        "_exchange",
        "_home",
        "_max_head",
        "_reopen",
        "_transport",
        "idle_since",
        "route",
        "served",
    )

    _transport: asyncio.Transport  # this and the answer from `connection_made` on
    _answer: Answer

    def __init__(self, route: Route, max_head: int, home: Home, reopen: Reopen) -> None:
        self.route = route
        self.served = 0
        self.idle_since = 0.0
        self._max_head = max_head
        self._home = home
        self._reopen = reopen
        self._exchange: LiveExchange | None = None
        self._call: HttpCall | None = None
        self._carried_at = 0.0

    @property
    def closing(self) -> bool:
        """It can carry no call any more."""
        return self._transport.is_closing()

    def carry(self, exchange: LiveExchange, call: HttpCall) -> None:
        """Write the request; the answer goes to the receiver of `exchange`."""
        if self.served:
            self._answer.expect()
        else:
            self._home.join(self)
            if exchange.paused:
                self._transport.pause_reading()
        self.served += 1
        self._carried_at = monotonic()
        self._exchange = exchange
        self._call = call
        exchange.ride(self, AWAITING)
        head = call.head if self.route.proxy is None else self.route.head(call.head)
        write_request(self._transport, head, call.body)

    def pause(self) -> None:
        """Read no more for now; the other side is held back once the buffers between are full."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def cancel(self) -> None:
        """Close at once: what was not written is dropped, what was not read too."""
        self._exchange = None
        self._call = None
        self._transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._answer = Answer(self._max_head)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self.cancel()  # nobody asked: whatever this is must not become the answer to the next call
            return
        self._answer.feed(data)
        receiver = exchange.receiver
        try:
            self._deliver(exchange)
        except Exception as error:  # noqa: BLE001 - the receiver is foreign code: its faults end its own call only
            exchange.end()
            self.cancel()
            give_up_on(receiver, error)

    def eof_received(self) -> None:
        self._cut(None)
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._home.leave(self)
        self._cut(error)
        self._answer.dispose()

    # How an answer goes on and ends.

    def _deliver(self, exchange: LiveExchange) -> None:
        """Tell the receiver what the last read brought.  It may cancel, and then nothing more is told."""
        answer = self._answer
        receiver = exchange.receiver
        if answer.status:
            exchange.heard = True
            if exchange.phase == AWAITING:
                exchange.phase = READING
                self._call = None  # answers may last minutes: do not hold a long prompt's bytes that long
                refused = answer.status >= 400
                headers = with_seconds_to_wait(answer.headers, time()) if refused else answer.headers
                receiver.on_head(answer.status, headers)
            parts = answer.parts
            if parts and not exchange.over:
                data = parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                receiver.on_data(data)
            if exchange.over:
                return
            if answer.complete:
                self._complete(exchange)
                return
        if answer.fault is not None:
            self.cancel()
            exchange.fail(answer.fault)

    def _complete(self, exchange: LiveExchange) -> None:
        receiver = exchange.receiver
        self._exchange = None
        exchange.end()
        receiver.on_end()
        answer = self._answer
        # A request that is still being written was answered early: its rest would precede the next one.
        unwritten = self._transport.get_write_buffer_size()
        if answer.keep_alive and not answer.surplus and not unwritten and self.route.origin.reuse:
            if exchange.paused:
                self._transport.resume_reading()
            self._home.put(self)
        else:
            self.cancel()

    def _cut(self, error: Exception | None) -> None:
        """The other side ended the connection; `error` is None when it did so in order."""
        exchange, call, answer = self._exchange, self._call, self._answer
        if exchange is None:
            return
        self._exchange = self._call = None
        stale = self.served > 1 and monotonic() - self._carried_at < STALE_SECONDS
        if call is not None and stale and answer.untouched:
            # The server closed an idle connection just when this call was put on it (every server does after some
            # time, and both ends cannot know it at once).  A connection that has served before and dies without a
            # byte, at once, is that case, so the call gets a fresh one: later, the server may be working on it.  A
            # fresh connection is never retried: there the server has seen the request, and asking again could run it
            # twice.
            self._reopen(exchange, call, self.route)
            return
        if error is None:
            answer.end()
        if answer.complete:
            self._end_at_eof(exchange)
        else:
            exchange.fail(cut_off(not answer.untouched, error))

    def _end_at_eof(self, exchange: LiveExchange) -> None:
        receiver = exchange.receiver
        exchange.end()
        try:
            receiver.on_end()
        except Exception as error:  # noqa: BLE001 - the receiver is foreign code, and the loop calls us
            give_up_on(receiver, error)


def write_request(transport: asyncio.Transport, head: bytes, body: Sequence[BytesLike]) -> None:
    """Write head, length and body at once.  The body is in memory already, so the transport may queue all of it."""
    size = 0
    for piece in body:
        size += len(piece)
    length = b"content-length: %d\r\n\r\n" % size
    if size < _JOIN_BELOW:
        transport.write(b"".join((head, length, *body)))
    else:
        transport.writelines((head, length, *(memoryview(piece) for piece in body)))
