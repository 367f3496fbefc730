"""The client's side of one chat call on the fast lane: body pieces in, answer bytes out.

It stands where uvicorn keeps its RequestResponseCycle and has the attributes that uvicorn's protocol reads and writes
there (`response_complete`, `more_body`, `body`, `keep_alive`, `disconnected`, `message_event`), so that keep-alive,
pipelining and graceful shutdown stay uvicorn's.  It is also the gateway's Reply.  It must not know what a chat is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from cloche.domain.errors import BadRequest, LimitExceeded, Problem

if TYPE_CHECKING:
    from cloche.gateway.call import Call
    from cloche.gateway.pipeline import Ask
    from cloche.http.lane import LaneProtocol

_JSON = b"content-type: application/json\r\n"
_STREAM = b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"


class _NoEvent:
    """uvicorn wakes a waiting application through its cycle's event; nobody waits here."""

    def set(self) -> None:
        """Nothing to wake."""


_NO_EVENT = _NoEvent()


class ChatExchange:
    """One request and its answer.  `problem`: known before the body is read; the answer will be that."""

    __slots__ = (
        "ask",
        "call",
        "chunked",
        "disconnected",
        "encoding",
        "keep_alive",
        "kept",
        "message_event",
        "more_body",
        "on_turn",
        "pieces",
        "problem",
        "protocol",
        "response_complete",
        "size",
        "waits_for_continue",
    )

    def __init__(self, protocol: LaneProtocol, ask: Ask, encoding: str, *, keep_alive: bool, chunked: bool) -> None:
        self.protocol = protocol
        self.ask = ask
        self.encoding = encoding
        self.keep_alive = keep_alive
        self.chunked = chunked
        self.message_event = _NO_EVENT
        self.response_complete = False
        self.disconnected = False
        self.more_body = True
        self.on_turn = False  # the answers before this one on the connection are complete
        self.waits_for_continue = False  # the client sends its body when it is told to
        self.pieces: list[bytes] = []
        self.size = 0
        self.kept = 0  # bytes in `pieces`, which count against what all connections may hold
        self.problem: Problem | None = None
        self.call: Call = protocol.lane.gateway.open(ask, self)

    # ---------------------------------------------------------------- the request

    def take(self, piece: bytes) -> None:
        """A piece of the body.  What is refused anyway is read to its end but not kept."""
        self.size += len(piece)
        lane = self.protocol.lane
        limit = lane.max_body
        if self.size > limit:
            self.release()
            self.problem = self.problem or too_large(limit)
            if self.size > 4 * limit:
                self.refuse(self.problem)
        elif self.problem is None and self.call.problem is None:
            self.pieces.append(piece)
            self.kept += len(piece)
            lane.unread += len(piece)
            if lane.unread > lane.max_unread:
                self.release()
                self.problem = LimitExceeded("this server is reading too many large requests at once")

    def release(self) -> None:
        """The body, or what has come of it, is not kept here any longer."""
        self.pieces = []
        self.protocol.lane.unread -= self.kept
        self.kept = 0

    def refuse(self, problem: Problem) -> None:
        """The request cannot or should not be read to its end: answer that, and close the connection after it."""
        self.problem = problem
        self.keep_alive = False
        self.more_body = False
        if self.on_turn:
            self.start()

    def start(self) -> None:
        """The body is complete and the connection is ours: answer."""
        pieces = self.pieces
        self.release()
        if self.response_complete:
            return
        call = self.call
        problem = call.problem or self.problem
        if problem is not None:
            call.fail(problem)
            return
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        lane = self.protocol.lane
        if self.encoding:
            lane.answer_compressed(self, body)
        else:
            lane.gateway.answer(call, self.ask, body)

    # ---------------------------------------------------------------- the answer (gateway's Reply)

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Head and body in one write."""
        if not self.on_turn:
            return  # failed in the queue by a shutdown: this must not get into the answer that is under way
        head = b"".join(
            (
                STATUS_LINE[status],
                self.protocol.lane.default_headers(self.protocol.server_state),
                _JSON,
                headers,
                self._ids(),
                b"content-length: %d\r\n\r\n" % len(body),
            )
        )
        self.protocol.transport.write(head + body if len(body) < _LARGE else head)
        if len(body) >= _LARGE:
            self.protocol.transport.write(body)
        self._complete()

    def begin(self, headers: bytes) -> None:
        """The head of an event stream; an HTTP/1.0 client gets it until the connection closes."""
        framing = b"transfer-encoding: chunked\r\n\r\n" if self.chunked else b"\r\n"
        self.protocol.transport.write(
            b"".join(
                (
                    STATUS_LINE[200],
                    self.protocol.lane.default_headers(self.protocol.server_state),
                    _STREAM,
                    headers,
                    self._ids(),
                    framing,
                )
            )
        )

    def send(self, data: bytes) -> None:
        """One chunk of the stream."""
        self.protocol.transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def finish(self) -> None:
        """The end of the stream."""
        if self.chunked:
            self.protocol.transport.write(b"0\r\n\r\n")
        self._complete()

    def _ids(self) -> bytes:
        call_id = self.call.id
        close = "" if self.keep_alive else "connection: close\r\n"
        return f"x-request-id: {call_id}\r\ndatabricks-request-id: {call_id}\r\n{close}".encode()

    def _complete(self) -> None:
        self.response_complete = True
        self.protocol.exchange_complete(self)


_LARGE = 256 * 1024
"""Bytes from which a second write costs less than copying the body behind its head."""


def too_large(limit: int) -> Problem:
    """The body is larger than the operator allows."""
    return BadRequest(f"the body is larger than {limit} bytes, which is the limit")
