"""Which calls are traced, and what is noted of each until somebody makes spans of it.

A call that is traced bears a Trace; it notes each attempt and keeps the answer as its client gets it, because reasons
to end are nowhere else.  When it ends it is put into a queue as it is; spans are made, and sent, elsewhere and later.
A queue that is full loses calls, which are counted, and never holds one up.  About 10 µs for a call that is traced, and
0.3 µs for each event of a stream; nothing where no tracing is set.  Must not know what a span looks like.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cloche.domain.chat import Usage
from cloche.domain.errors import Problem
from cloche.domain.outbound import Exchange, HttpCall, Origin, Receiver, Send, Timeouts
from cloche.domain.trace import parent_header, read_parent
from cloche.gateway.keeping import Keeping
from cloche.gateway.kept_answers import Kept
from cloche.snapshot import Target

if TYPE_CHECKING:
    from cloche.gateway.asking import Request
    from cloche.gateway.call import Call

MOST_CALLS = 4096
MOST_BYTES = 32 * 1024 * 1024
"""Of calls that wait, and of what they keep; more are lost."""

_A_CALL = 2048
_LONGEST_STATE = 512
"""Bytes of a `tracestate`; a longer one is left out."""


class Attempt:
    """One time that a target was asked.  Times are of `perf_counter`; `ended` 0.0: it has not.

    `error`: the code of its failure, or `cancelled`.  `origin`: where it went, once it went.
    """

    __slots__ = ("began", "ended", "error", "first_byte_at", "origin", "owner", "request", "span_id", "target", "usage")

    def __init__(self, owner: int, request: Request, target: Target) -> None:
        self.owner = owner
        self.request = request
        self.target = target
        self.span_id = _random_bytes(8)
        self.began = time.perf_counter()
        self.ended = 0.0
        self.first_byte_at: float | None = None
        self.error: str | None = None
        self.usage: Usage | None = None
        self.origin: Origin | None = None


class Trace:
    """What is noted of one call.  `ended`: of `perf_counter`.  `answer`: what its client got, unless too much."""

    __slots__ = ("_keeping", "_tells", "answer", "attempts", "ended", "parent", "span_id", "state", "trace_id")

    def __init__(self, trace_id: bytes, parent: bytes, state: str, keeping: Keeping, tells: _Tells) -> None:
        self.trace_id = trace_id
        self.parent = parent
        self.state = state
        self.span_id = _random_bytes(8)
        self.attempts: list[Attempt] = []
        self.ended = 0.0
        self.answer: Kept | None = None
        self._keeping = keeping
        self._tells = tells

    def attempt(self, call: Call, request: Request, target: Target, send: Send) -> Send:
        """A target is asked: how its calls are to be begun.  `call`: the real one, or one that stands for it."""
        attempt = Attempt(id(call), request, target)
        self.attempts.append(attempt)

        def begin(outbound: HttpCall, receiver: Receiver, timeouts: Timeouts) -> Exchange:
            attempt.origin = outbound.origin
            if self._tells(outbound.origin):
                head = outbound.head + self._lines(attempt)
                outbound = HttpCall(outbound.origin, head, outbound.body, outbound.authorizer)
            return send(outbound, receiver, timeouts)

        return begin

    def _lines(self, attempt: Attempt) -> bytes:
        told = f"traceparent: {parent_header(self.trace_id, attempt.span_id)}\r\n"
        if self.state:
            told += f"tracestate: {self.state}\r\n"
        return told.encode("ascii")

    def over(self, call: Call, problem: Problem | None) -> None:
        """The attempt under way of that call is over."""
        for attempt in self.attempts:
            if attempt.owner == id(call) and not attempt.ended:
                attempt.ended = time.perf_counter()
                attempt.first_byte_at, attempt.usage = call.first_byte_at, call.usage
                attempt.error = problem.code if problem is not None else None
                if problem is None and call.outcome == "cancelled":
                    attempt.error = "cancelled"

    def close(self) -> int:
        """The call has ended.  Bytes that are kept of it."""
        self.ended = time.perf_counter()
        self.answer = self._keeping.kept()
        self._keeping.release()
        asked = sum(len(raw) for raw in self.attempts[0].request.fields.values()) if self.attempts else 0
        return _A_CALL + asked + (0 if self.answer is None else len(self.answer.content))


_Tells = Callable[[Origin], bool]


class Tracer:
    """`ratio`: of calls that come from no other trace, those that are traced.  `hosts`: providers that are told of the
    trace; `*` for all.  `lost`: calls for which there was no room.  Calls end in the loop; any one thread may take."""

    def __init__(self, ratio: float, hosts: tuple[str, ...] = ()) -> None:
        self._ratio = ratio
        self._hosts = frozenset(host.lower() for host in hosts)
        self._ended: deque[tuple[Call, Trace, int]] = deque()
        self._noted = 0  # bytes, written by the loop alone
        self._taken = 0  # bytes, written by the taker alone
        self.lost = 0

    def __len__(self) -> int:
        return len(self._ended)

    def begin(self, call: Call, headers: Mapping[bytes, bytes]) -> None:
        """Trace a call, or not: as the trace says that it comes from, else by chance."""
        parent = read_parent(headers.get(b"traceparent"))
        if not (random.random() < self._ratio if parent is None else parent.sampled):  # noqa: S311 (a sample)
            return
        trace_id = _random_bytes(16) if parent is None else parent.trace_id
        state = b"" if parent is None else headers.get(b"tracestate", b"")
        told = state.decode("ascii") if len(state) <= _LONGEST_STATE and state.isascii() else ""
        keeping = Keeping(call.reply)
        call.reply = keeping
        call.trace = Trace(trace_id, b"" if parent is None else parent.span_id, told, keeping, self._tells)

    def note(self, call: Call, trace: Trace) -> None:
        """A call that was traced has ended."""
        size = trace.close()
        if len(self._ended) >= MOST_CALLS or self._noted - self._taken + size > MOST_BYTES:
            self.lost += 1
            return
        self._noted += size
        self._ended.append((call, trace, size))

    def take(self, most: int, bytes_: int) -> list[tuple[Call, Trace]]:
        """The oldest calls, at most so many, and no more once there are so many bytes."""
        taken: list[tuple[Call, Trace]] = []
        size = 0
        while self._ended and len(taken) < most and size < bytes_:
            call, trace, its = self._ended.popleft()
            taken.append((call, trace))
            size += its
        self._taken += size
        return taken

    def _tells(self, origin: Origin) -> bool:
        if not self._hosts or origin.unix_path is not None:
            return False
        return "*" in self._hosts or origin.host.lower() in self._hosts


def _random_bytes(count: int) -> bytes:
    """Never all zero, which would be no id."""
    return (random.getrandbits(count * 8) or 1).to_bytes(count, "big")
