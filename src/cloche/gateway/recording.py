"""What is left of a call when it is over: one record, offered to the log, and its place in the usage tables where its
endpoint wants that, and in its inference table.  About 3 µs, most of it formatting."""

from __future__ import annotations

import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable

from cloche.domain.money import dollars
from cloche.gateway.call import Call
from cloche.gateway.payloads import Payloads
from cloche.gateway.tracking import Ledger
from cloche.gateway.tried import times, told
from cloche.telemetry import CallRecord

log = logging.getLogger("cloche.gateway")


class Recorder:
    """Makes the record of each call that ends.  `sink` takes a record and must not block.  `ledger`: where calls are
    counted; `payloads`: where they are kept whole; None: nowhere."""

    __slots__ = ("_ledger", "_payloads", "_sink")

    def __init__(
        self, sink: Callable[[CallRecord], None], ledger: Ledger | None = None, payloads: Payloads | None = None
    ) -> None:
        self._sink = sink
        self._ledger = ledger
        self._payloads = payloads

    def __call__(self, call: Call) -> None:
        """The call has ended."""
        if self._ledger is not None:
            self._ledger.note(call)
        if call.logged is not None and self._payloads is not None:
            self._payloads.note(call, call.logged)
        first_byte, usage, problem = call.first_byte_at, call.usage, call.problem
        self._sink(
            CallRecord(
                time=call.arrived,
                request_id=call.id,
                method="POST",
                path=call.path,
                status=call.status,
                duration_ms=round((call.ended_at - call.started) * 1000, 3),
                outcome=call.outcome,
                client_request_id=call.client_request_id,
                endpoint=call.endpoint,
                entity=None if call.target is None else call.target.entity,
                principal=None if call.grant is None else call.grant.principal.name,
                error_code=None if problem is None else problem.code,
                stream=call.stream,
                input_tokens=None if usage is None else usage.prompt_tokens,
                output_tokens=None if usage is None else usage.completion_tokens,
                cost_usd=None if call.tracked is None else _cost(call),
                first_byte_ms=None if first_byte is None else round((first_byte - call.started) * 1000, 3),
                detail=None if problem is None else problem.summary,
                translation=call.translation or None,
                attempts=told(call.attempts) if call.attempts else None,
                attempt_ms=times(call.attempts, call.started) if call.attempts else None,
                cache=call.cache or None,
                coalesced=call.coalesced,
                replayed=call.replayed,
            )
        )
        # They hold the reply, which holds the call: no cycle may be left, or each call would wait for the collector.
        call.tracked = call.logged = None


class AtTurnsEnd:
    """Records the calls that end in one turn of the loop together, at its end: what is done again and again has its
    code and data in the processor's caches then, which takes half the time.

    `record`: takes a call.  `done`: called when all of a turn are recorded.
    """

    __slots__ = ("_done", "_ended", "_loop", "_record")

    def __init__(self, record: Callable[[Call], None], done: Callable[[], None], loop: AbstractEventLoop) -> None:
        self._record = record
        self._done = done
        self._loop = loop
        self._ended: list[Call] = []

    def __call__(self, call: Call) -> None:
        """The call has ended."""
        self._ended.append(call)
        if len(self._ended) == 1:
            self._loop.call_soon(self.record_all)

    def record_all(self) -> None:
        """Record those that have ended so far."""
        ended, self._ended = self._ended, []
        for call in ended:
            try:
                self._record(call)
            except Exception:  # a defect in one record must not cost the others theirs
                log.exception("call %s cannot be recorded", call.id)
        self._done()


def _cost(call: Call) -> float | None:
    """Dollars, where they are known for certain: about 1 µs."""
    price = None if call.target is None else call.target.price
    return None if price is None or call.usage is None else dollars(price.cost(call.usage))
