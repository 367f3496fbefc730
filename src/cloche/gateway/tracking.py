"""Which calls are counted in the usage tables, and their rows until somebody takes them.

A call that is counted has a Tracked between it and its client, which keeps the answer's bytes to count its characters
later.  When it ends its row goes into the Ledger.  Must not know where rows go.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from cloche.domain.chat import Usage
from cloche.domain.endpoint import EMBEDDINGS_TASK, Endpoint
from cloche.domain.usage import CallUsage, estimated_tokens
from cloche.gateway.asking import Request
from cloche.gateway.call import Call, Reply
from cloche.gateway.tried import times, told
from cloche.snapshot import Slot, Target
from cloche.wire import text_lengths

KEPT = 64 * 1024
"""Bytes of an answer that are kept to be counted later; beyond them they are counted at once, which takes 0.4 ms."""

MAX_WAITING = 50_000
"""Rows that nobody has taken; more are lost, and counted.  About 50 MB."""

_LONGEST_TEXT = 1000
_MAX_CONTEXT = 10_000
"""Characters of a usage context; a longer one is left out."""


class Tracked:
    """The Reply of a call that is counted: 0.6 µs for each event of a stream, most of it when it is counted."""

    __slots__ = (
        "_bound",
        "_kept",
        "_reply",
        "_said",
        "_says",
        "_size",
        "_whole",
        "endpoint",
        "input_characters",
        "usage_context",
    )

    def __init__(self, endpoint: Endpoint, reply: Reply, *, says: bool = True) -> None:
        """`says`: its answer is text."""
        self.endpoint = endpoint
        self.input_characters = 0
        self.usage_context: dict[str, str] | None = None
        self._reply = reply
        self._kept: list[bytes] = []
        self._size = 0
        self._bound = KEPT  # bytes above which something must happen to what is kept
        self._said = 0
        self._whole = False
        self._says = says

    def asks(self, request: Request) -> None:
        """What is asked, as usage is told of it."""
        self.input_characters = text_lengths.of_request(request)
        self.usage_context = request.params.usage_context

    def whole(self, status: int, headers: bytes, body: bytes) -> None:
        """Pass it on; an answer is kept, an error is none."""
        if status == 200 and self._says:
            self._whole = True
            self._kept.append(body)
            if len(body) > self._bound:
                self._shorten()
        self._reply.whole(status, headers, body)

    def begin(self, headers: bytes) -> None:
        """Pass it on."""
        self._reply.begin(headers)

    def send(self, data: bytes) -> None:
        """Keep it and pass it on."""
        self._kept.append(data)
        self._size += len(data)
        if self._size > self._bound:
            self._shorten()
        self._reply.send(data)

    def finish(self) -> None:
        """Pass it on."""
        self._reply.finish()

    def _shorten(self) -> None:
        """What is kept has come to its bound."""
        self.output_characters()

    def output_characters(self) -> int:
        """How much was said.  What was kept for it is forgotten."""
        kept, self._kept, self._size = self._kept, [], 0
        self._said += sum(map(text_lengths.of_answer, kept)) if self._whole else text_lengths.of_events(kept)
        return self._said


def track(call: Call, request: Request, endpoint: Endpoint) -> None:
    """Count a call that has been read: about 1.2 µs with one message, and 0.1 µs for each other."""
    tracked = call.tracked = Tracked(endpoint, call.reply, says=call.task != EMBEDDINGS_TASK)
    tracked.asks(request)
    call.reply = tracked


class Ledger:
    """The rows of calls that have ended, until `take` takes them.  `lost`: those that found no room.

    `slot`: tells which endpoints are counted.  `workspace_id`: of all rows.  Calls end in the loop; any thread may
    take.
    """

    def __init__(self, slot: Slot, workspace_id: str) -> None:
        self._slot = slot
        self._workspace_id = workspace_id
        self._ended: deque[CallUsage] = deque()
        self.lost = 0

    def __len__(self) -> int:
        return len(self._ended)

    def note(self, call: Call) -> None:
        """A call has ended: 0.1 µs where it is not counted, 3.5 µs where it is, and 0.4 to 1 µs for each event that
        its Tracked has not counted yet, up to 64 KiB of them."""
        tracked = call.tracked
        if tracked is None:
            if call.problem is None and call.outcome == "ok":
                return
            tracked = self._unread(call)
            if tracked is None:
                return
        if len(self._ended) < MAX_WAITING:
            self._ended.append(row(call, tracked, self._workspace_id))
        else:
            self.lost += 1

    def _unread(self, call: Call) -> Tracked | None:
        """Of a call that ended before its endpoint's rules were looked at; None if its endpoint is not counted, or a
        stranger named it."""
        compiled = None if call.endpoint is None else self._slot.current().endpoints.get(call.endpoint)
        if compiled is None or call.grant is None or compiled.rules is None or not compiled.rules.tracks_usage:
            return None
        return Tracked(compiled.endpoint, call.reply)

    def take(self, most: int) -> list[CallUsage]:
        """The oldest rows, at most so many."""
        return [self._ended.popleft() for _ in islice(range(len(self._ended)), most)]

    def give_back(self, rows: list[CallUsage]) -> None:
        """They could be kept nowhere yet: they are the oldest again."""
        self._ended.extendleft(reversed(rows))


def row(call: Call, tracked: Tracked, workspace_id: str) -> CallUsage:
    """The row of a call that has ended."""
    usage, target, first_byte = call.usage, call.target, call.first_byte_at
    said = tracked.output_characters()
    # Nobody is charged for what failed before an answer came; of one that was begun, something was consumed.
    begun = call.status in (200, 499) or call.withheld is not None
    estimated = usage is None and target is not None and begun
    tokens = (0, 0) if usage is None else (usage.prompt_tokens, usage.completion_tokens)
    if estimated:
        tokens = (estimated_tokens(tracked.input_characters), estimated_tokens(said + (call.withheld or 0)))
    hedge, hedge_tokens = call.hedge, estimated_tokens(tracked.input_characters)
    return CallUsage(
        account_id=workspace_id,
        workspace_id=workspace_id,
        client_request_id=_text(call.client_request_id),
        databricks_request_id=call.id,
        requester="" if call.grant is None else call.grant.principal.name,
        status_code=call.status,
        request_time=int(call.arrived * 1000),
        input_token_count=tokens[0],
        output_token_count=tokens[1],
        input_character_count=tracked.input_characters,
        output_character_count=said,
        usage_context=_context(tracked.usage_context),
        request_streaming=call.stream,
        served_entity_id=None if target is None else target.served_entity_id,
        estimated=estimated,
        endpoint_id=tracked.endpoint.id,
        endpoint_name=tracked.endpoint.name,
        served_entity_name=None if target is None else target.entity,
        duration_ms=round((call.ended_at - call.started) * 1000, 3),
        first_byte_ms=None if first_byte is None else round((first_byte - call.started) * 1000, 3),
        outcome=_outcome(call),
        error_code=None if call.problem is None else call.problem.code,
        attempts=_text(told(call.attempts)) if call.attempts else None,
        attempt_ms=times(call.attempts, call.started) if call.attempts else None,
        cost_nano_usd=_cost(target, usage or Usage(*tokens)),
        hedge_entity_name=None if hedge is None else hedge.entity,
        hedge_input_token_count=None if hedge is None else hedge_tokens,
        hedge_cost_nano_usd=None if hedge is None else _cost(hedge, Usage(hedge_tokens, 0)),
        translation=_text(call.translation) or None,
    )


def _outcome(call: Call) -> str:
    """As the log has it, but of what was answered without being asked, how."""
    if call.outcome != "ok":
        return call.outcome
    return "cached" if call.cache == "hit" else "coalesced" if call.coalesced else "replayed" if call.replayed else "ok"


def _cost(target: Target | None, usage: Usage) -> int | None:
    """Of one target; None if its price is not known.  No tokens cost nothing, whatever their price."""
    if target is None or not usage.total_tokens:
        return 0
    return None if target.price is None else target.price.cost(usage)


def _text(given: str | None) -> str | None:
    """What a client chose, as both databases can keep it: not too long, no NUL, no half of a surrogate pair."""
    if given is None:
        return None
    return given[:_LONGEST_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _context(given: dict[str, str] | None) -> dict[str, str] | None:
    if not given or sum(len(name) + len(value) for name, value in given.items()) > _MAX_CONTEXT:
        return None
    return {_text(name) or "": _text(value) or "" for name, value in given.items()}
