"""A Call: one chat request's journey from the first header to the log line.

It is driven by callbacks, not awaited: a task per call would cost half of what the whole pass-through costs
(docs/decisions/0002).  Whatever happens, the call is finished exactly once: answered, failed or hung up on, and then
its record is offered.  This module must not know how bytes reach the client (`Reply`) or the provider (`Exchange`).
"""

from __future__ import annotations

import itertools
import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, Protocol, TypeVarTuple

from cloche.domain.chat import Usage
from cloche.domain.endpoint import CHAT_TASK
from cloche.domain.errors import Problem
from cloche.domain.translation import Report
from cloche.gateway.tried import Tried
from cloche.gateway.tried import told as attempts_told
from cloche.snapshot import Grant, Target
from cloche.telemetry import Outcome
from cloche.wire import errors

if TYPE_CHECKING:
    from cloche.gateway.payloads import Logged
    from cloche.gateway.tracing import Trace
    from cloche.gateway.tracking import Tracked

log = logging.getLogger("cloche.gateway")

_Args = TypeVarTuple("_Args")


class Reply(Protocol):
    """The way back to the client.  Either `whole` once, or `begin`, `send`*, `finish`."""

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """A JSON answer in one piece.  `headers`: further header lines, each ended by CRLF."""

    def begin(self, headers: bytes) -> None:
        """Status 200 and the head of an event stream."""

    def send(self, data: bytes) -> None:
        """A piece of the stream."""

    def finish(self) -> None:
        """The stream is complete."""


class _Nobody:
    """The reply of a call that has ended."""

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Ignored."""

    def begin(self, headers: bytes) -> None:
        """Ignored."""

    def send(self, data: bytes) -> None:
        """Ignored."""

    def finish(self) -> None:
        """Ignored."""


NOBODY = _Nobody()
_NO_HEADERS: Mapping[bytes, bytes] = MappingProxyType({})


class Source(Protocol):
    """Whatever is producing the answer: it can be slowed down and stopped."""

    def pause(self) -> None:
        """The client is slow."""

    def resume(self) -> None:
        """The client has caught up."""

    def cancel(self) -> None:
        """Nobody wants the answer."""


class Governed(Protocol):
    """What an endpoint's rules have to do with a call."""

    def recover(self, problem: Problem) -> bool:
        """An attempt has failed and nothing was sent: whether there is another, which has been begun then."""

    def ended(self) -> None:
        """The call has ended."""


class Reserved(Protocol):
    """What a call holds of limited things."""

    def settle(self, call: Call) -> None:
        """The call has ended: give back what it did not use."""


class Call:
    """What is known of one request, and the three ways it can end."""

    __slots__ = (
        "arrived",
        "attempts",
        "cache",
        "client_request_id",
        "coalesced",
        "ended",
        "ended_at",
        "endpoint",
        "first_byte_at",
        "governed",
        "grant",
        "headers",
        "heard_at",
        "hedge",
        "id",
        "limits",
        "logged",
        "on_end",
        "outcome",
        "path",
        "problem",
        "quiet",
        "replayed",
        "reply",
        "reservation",
        "sent_at",
        "source",
        "spending",
        "started",
        "status",
        "stream",
        "streaming",
        "strict",
        "target",
        "task",
        "trace",
        "tracked",
        "translation",
        "usage",
        "withheld",
    )

    def __init__(self, path: str, reply: Reply) -> None:
        self.id = new_id()
        self.path = path
        self.reply = reply
        self.arrived = time.time()
        self.started = time.perf_counter()
        self.on_end: Callable[[Call], None] | None = None
        self.grant: Grant | None = None
        self.headers = _NO_HEADERS  # the request's, where the endpoint's rules may ask for them
        self.endpoint: str | None = None
        self.target: Target | None = None
        self.task = CHAT_TASK
        self.translation = ""  # what became of the request's fields, where there is something to tell
        self.client_request_id: str | None = None
        self.stream = False  # the client asked for a stream
        self.strict = False  # the client, or the endpoint, wants it refused rather than to lose a parameter
        self.streaming = False  # the head of a stream has been sent
        self.quiet = False  # nothing has been sent since `keep_alive` last looked
        self.source: Source | None = None
        self.governed: Governed | None = None
        self.tracked: Tracked | None = None  # what the usage tables are told of it
        self.logged: Logged | None = None  # what an inference table is told of it
        self.trace: Trace | None = None  # what is noted for spans of it
        self.reservation: Reserved | None = None
        self.spending: Reserved | None = None  # what it holds of budgets
        self.limits = b""  # header lines that tell how much room there is in the endpoint's limits
        self.attempts: tuple[Tried, ...] = ()  # where there was more than one
        self.cache: Literal["", "hit", "miss"] = ""  # where its endpoint keeps answers
        self.coalesced = False  # answered by what was asked for another call
        self.replayed = False  # answered once more, as an earlier call with its idempotency key
        self.hedge: Target | None = None  # who was asked besides its target, and stopped
        self.sent_at = 0.0  # when it was first handed over to be sent, or to an engine's queue
        self.heard_at = 0.0  # when the last byte of an answer in one piece had come
        self.first_byte_at: float | None = None
        self.status = 0
        self.usage: Usage | None = None
        self.withheld: int | None = None  # characters of an answer that came, and that the client does not get
        self.problem: Problem | None = None
        self.outcome: Outcome = "ok"
        self.ended = False
        self.ended_at = 0.0

    # ---------------------------------------------------------------- from the answering side

    def answer(self, body: bytes, usage: Usage | None) -> None:
        """A whole answer."""
        if self.ended:
            return
        self.usage = usage
        self.status = 200
        self.first_byte_at = time.perf_counter()
        self.reply.whole(200, self._headers(), body)
        self._end()

    def send(self, data: bytes) -> None:
        """A piece of a streamed answer.  The first one sends the status, so that what fails before is a real error."""
        if self.ended:
            return
        if not self.streaming:
            self.streaming = True
            self.status = 200
            self.first_byte_at = time.perf_counter()
            self.reply.begin(self._headers())
        self.quiet = False
        self.reply.send(data)

    def keep_alive(self) -> None:
        """Send a bare newline, the only keep-alive that every client's parser takes, if a stream has been silent since
        the last time this was called."""
        if self.streaming and self.quiet:
            self.reply.send(b"\n")
        self.quiet = True

    def finish(self, usage: Usage | None) -> None:
        """The stream is complete."""
        if self.ended:
            return
        self.usage = usage
        self.reply.finish()
        self._end()

    def fail(self, problem: Problem) -> None:
        """An HTTP error, or an error event once the stream has begun."""
        if self.ended:
            return
        if self.governed is not None and not self.streaming and self.governed.recover(problem):
            self.heard_at = 0.0
            return
        # A traceback's frames hold the call, and the body it failed on, until a garbage collection.
        self.problem = problem.with_traceback(None)
        problem.__context__ = None
        self.outcome = "error"
        if self.streaming:
            self.reply.send(errors.stream_end(problem))
            self.reply.finish()
        else:
            self.status = problem.status
            retry_after = b"" if problem.retry_after is None else b"retry-after: %d\r\n" % problem.retry_after
            self.reply.whole(problem.status, self._headers() + retry_after, errors.body(problem))
        self._end()

    def guard(self, step: Callable[[*_Args], None], *args: *_Args) -> None:
        """Take a step of this call where nobody is above it: whatever goes wrong ends the call."""
        try:
            step(*args)
        except Problem as problem:
            self.fail(problem)
        except Exception:  # the edge of the hot path: a defect ends one call, with its id in the log, and no other
            log.exception("call %s failed inside cloche", self.id)
            self.fail(errors.unexpected(self.id))

    # ---------------------------------------------------------------- from the client's side

    def hang_up(self) -> None:
        """The client is gone."""
        if self.ended:
            return
        self.status = self.status or 499
        self.outcome = "cancelled"
        source = self.source
        self._end()
        if source is not None:
            source.cancel()

    def slow(self) -> None:
        """The client does not read as fast as the answer comes."""
        if self.source is not None:
            self.source.pause()

    def caught_up(self) -> None:
        """The client reads again."""
        if self.source is not None:
            self.source.resume()

    def tell(self, report: Report) -> None:
        """Put what became of the request's fields into the head of the answer and into the record, if there is anything
        to tell."""
        self.translation = report.header()

    # ---------------------------------------------------------------- the end

    def heard(self) -> None:
        """All of an answer in one piece has come: what cloche does from now on is its own time."""
        self.heard_at = time.perf_counter()

    def _headers(self) -> bytes:
        told = self._overhead() + self.limits
        if self.cache:
            told += f"cloche-cache: {self.cache}\r\n".encode("ascii")
        if self.replayed:
            told += b"cloche-idempotent-replay: true\r\n"
        if self.target is None:
            return told
        told += self.target.header
        if self.translation:
            told += f"cloche-translation: {self.translation}\r\n".encode("ascii")
        if self.attempts:
            told += f"cloche-attempts: {attempts_told(self.attempts)}\r\n".encode("ascii")
        return told

    def _overhead(self) -> bytes:
        """What cloche itself has taken: from the head of the request until it was sent on, body included, and from the
        last byte of the answer until now.  Of a stream it is the way there.  About 0.5 µs, with all that it takes."""
        now = time.perf_counter()
        spent = now - self.started
        if self.sent_at:
            spent = self.sent_at - self.started + (now - self.heard_at if self.heard_at else 0.0)
        return b"cloche-overhead-ms: %.3f\r\n" % (spent * 1000)

    def _end(self) -> None:
        if self.ended:
            return  # while its answer was handed over: it was blocked
        self.ended = True
        self.ended_at = time.perf_counter()
        self.source = None
        if self.trace is not None:
            self.trace.over(self, self.problem)
        if self.governed is not None:
            self.governed.ended()
            self.governed = None
        self.reply = NOBODY  # the reply holds the call: without this cycle nothing is left to the garbage collector
        if self.on_end is not None:
            self.on_end(self)


def _id_source() -> Callable[[], str]:
    """Ids in the form of a UUID, as Databricks has them: a random part for this process, and a count from a random
    start, which costs a fifth of a random number for each."""
    prefix = str(uuid.uuid4())[:24]
    count = itertools.count(random.getrandbits(40))
    return lambda: f"{prefix}{next(count):012x}"


new_id = _id_source()
"""Makes request ids."""
