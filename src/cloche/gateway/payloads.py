"""Which calls are kept whole in inference tables, and what is kept of each until a thread completes its row.

The Reply of such a call keeps the answer as its client gets it; where the call is counted too, it is the same Reply
that counts, so that nothing is kept twice.  What a guard has masked is kept masked, and what it has blocked is not
kept.  Of a call that has ended only bytes and plain values wait, which the garbage collector does not look at.  Must
not know where rows go.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.endpoint import EMBEDDINGS_TASK, Endpoint
from cloche.domain.payload import REQUEST_TOO_LARGE, RESPONSE_TOO_LARGE, PayloadRow, TableName
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.tracking import KEPT, Tracked
from cloche.snapshot import CompiledEndpoint
from cloche.wire import text_lengths
from cloche.wire.assembled import assembled

MAX_WAITING = 128 * 1024 * 1024
"""Bytes of calls whose rows nobody has taken; calls beyond them are lost, and counted."""

HURRY = 4 * 1024 * 1024
"""Bytes that wait, above which `due` is set: whoever takes should not sleep on."""

_A_CALL = 2048
"""Bytes that a call takes besides what was said, so that many small ones have a bound too."""


class Ended(Struct, frozen=True, gc=False):
    """A call that has ended and is to be kept, with its row but for what was said.

    `fields`: the request's, as they were written; None if it may not be kept.  `answer`: as the client got it; None if
    there was none, or it was too large.  `whole`: it is no stream.  `size`: bytes, about.
    """

    table: TableName
    row: PayloadRow
    fields: Mapping[str, Raw] | None
    answer: bytes | None
    whole: bool
    too_large: bool
    size: int


class Logged(Tracked):
    """The Reply of a call that is kept.  `limit`: bytes of an answer; of a larger one nothing is kept."""

    __slots__ = ("_counted", "_limit", "_status", "is_counted", "request", "rules", "too_large")

    def __init__(self, call: Call, endpoint: Endpoint, rules: AiGateway, limit: int) -> None:
        super().__init__(endpoint, call.reply, says=call.task != EMBEDDINGS_TASK)
        self.rules = rules
        self.is_counted = rules.tracks_usage
        self._counted = 0  # pieces of what is kept
        self.request: Request | None = None
        self.too_large = False
        self._limit = limit
        self._bound = min(limit, KEPT)
        self._status = 200

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Keep it, an error too, and pass it on."""
        self._whole, self._status = True, status
        self._kept.append(body)
        self._size = len(body)
        if self._size > self._bound:
            self._shorten()
        self._reply.whole(status, headers, body)

    def _shorten(self) -> None:
        if self._size > self._limit:
            self.too_large = True
        self.output_characters()
        self._bound = KEPT if self.too_large else min(self._limit, self._size + KEPT)

    def output_characters(self) -> int:
        """How much was said; 0 where nobody wants to know.  What was kept stays, unless it is too large."""
        if self.is_counted and self._says and self._status == 200:
            fresh = self._kept[self._counted :]
            self._said += sum(map(text_lengths.of_answer, fresh)) if self._whole else text_lengths.of_events(fresh)
        if self.too_large:
            self._kept, self._size = [], 0
        self._counted = len(self._kept)
        return self._said

    def end(self, call: Call, table: TableName) -> Ended:
        """What is kept of it, now that it has ended."""
        kept, fields = self._kept, None if self.request is None else self.request.fields
        asked = 0 if fields is None else sum(map(len, fields.values()))
        row = PayloadRow(
            databricks_request_id=call.id,
            client_request_id=_text(call.client_request_id),
            request_time=int(call.arrived * 1000),
            status_code=call.status,
            execution_duration_ms=round((call.ended_at - (call.sent_at or call.started)) * 1000),
            request=None,
            response=None,
            logging_error_codes=(),
            served_entity_id=None if call.target is None else call.target.served_entity_id,
            requester=None if call.grant is None else call.grant.principal.name,
        )
        answer = None if self.too_large or not kept else kept[0] if len(kept) == 1 else b"".join(kept)
        return Ended(table, row, fields, answer, self._whole, self.too_large, _A_CALL + asked + self._size)


def log_payloads(call: Call, request: Request, compiled: CompiledEndpoint, limit: int) -> None:
    """Keep a call that has been read, and count it if its endpoint wants that.  A request that a guard has yet to look
    at is not kept: the governor puts in what may be."""
    rules = compiled.rules
    assert rules is not None
    logged = call.logged = Logged(call, compiled.endpoint, rules, limit)
    if compiled.guards is None or compiled.guards.input is None:
        logged.request = request
    if rules.tracks_usage:
        logged.asks(request)
        call.tracked = logged
    call.reply = logged


class Payloads:
    """Calls that have ended and are to be kept, until `take` takes them.  `lost`: those that found no room.

    `limit`: bytes of a request or an answer that are kept.  Calls end in the loop; one thread takes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.lost = 0
        self.due = threading.Event()
        self._ended: deque[Ended] = deque()
        self._noted = 0  # bytes, written by the loop alone
        self._taken = 0  # bytes, written by the thread alone

    def __len__(self) -> int:
        return len(self._ended)

    def note(self, call: Call, logged: Logged) -> None:
        """A call that is to be kept has ended: 2 µs.  Not kept if its rules name no table that can be."""
        table = logged.rules.payload_table(logged.endpoint.name)
        if table is None:
            return
        ended = logged.end(call, table)
        waiting = self._noted - self._taken + ended.size
        if waiting > MAX_WAITING:
            self.lost += 1
            return
        self._noted += ended.size
        self._ended.append(ended)
        if waiting > HURRY:
            self.due.set()

    def take(self, most: int, bytes_: int) -> list[Ended]:
        """The oldest calls, at most so many, and no more once there are so many bytes."""
        taken: list[Ended] = []
        size = 0
        while self._ended and len(taken) < most and size < bytes_:
            ended = self._ended.popleft()
            taken.append(ended)
            size += ended.size
        self._taken += size
        return taken

    def give_back(self, ended: list[Ended]) -> None:
        """They could not be kept yet: they are the oldest again."""
        self._ended.extendleft(reversed(ended))
        self._taken -= sum(each.size for each in ended)


def row(ended: Ended, limit: int) -> PayloadRow:
    """The row of a call, completed: about 2 µs, and 3.2 µs for each event of a stream."""
    row, faults = ended.row, []
    asked = None if ended.fields is None else msgspec.json.encode(ended.fields)
    if asked is not None and len(asked) > limit:
        asked = None
        faults.append(REQUEST_TOO_LARGE)
    if ended.too_large:
        faults.append(RESPONSE_TOO_LARGE)
    answer = ended.answer
    if answer is not None and not ended.whole:
        answer = assembled((answer,))
    row.request = None if asked is None else asked.decode("utf-8", "replace")
    row.response = None if answer is None else answer.decode("utf-8", "replace")
    row.logging_error_codes = faults
    return row


def _text(given: str | None) -> str | None:
    """What a client chose, without halves of surrogate pairs, which no table takes."""
    return None if given is None else given.encode("utf-8", "replace").decode()
