"""What is kept of calls that are counted, and how long cloche itself took."""

from __future__ import annotations

import json
import time

from cloche.domain.ai_gateway import AiGateway, UsageTracking
from cloche.domain.chat import Usage
from cloche.domain.endpoint import Endpoint, Properties
from cloche.domain.money import Price, Rates
from cloche.domain.outbound import Timeouts
from cloche.gateway.call import Call
from cloche.gateway.tracking import KEPT, MAX_WAITING, Ledger, Tracked, row
from cloche.snapshot import CompiledEndpoint, Slot, Snapshot, Target

from .scripted import Client

ENDPOINT = Endpoint("one", "first", "ann", 0, 0, Properties())
RULES = AiGateway(usage_tracking_config=UsageTracking(enabled=True))
SLOT = Slot(Snapshot(1, {"first": CompiledEndpoint(ENDPOINT, rules=RULES)}, {}))


def event(text: str) -> bytes:
    """One event of a stream."""
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}).encode() + b"\n\n"


def tracked_call() -> tuple[Call, Tracked, Client]:
    """A call that is counted, and its client."""
    client = Client()
    call = Call("/p", client)
    call.tracked = Tracked(ENDPOINT, client)
    call.reply = call.tracked
    return call, call.tracked, client


def test_a_long_stream_is_counted_and_not_kept() -> None:
    """However long a stream is, little of it is kept, every character is counted, and the client gets all of it."""
    call, tracked, client = tracked_call()
    pieces = [event("né" * 50) for _ in range(2000)]
    for piece in pieces:
        call.send(piece)
        assert sum(map(len, tracked._kept)) <= KEPT
    call.finish(None)
    assert client.body == b"".join(pieces)
    assert tracked.output_characters() == 2000 * 100


def test_what_a_client_chose_can_be_kept_anywhere() -> None:
    """Halves of surrogate pairs, NULs and endless texts are put right before they come to a database."""
    call, tracked, _ = tracked_call()
    call.client_request_id = "a\0b\ud800" + "x" * 5000
    tracked.usage_context = {"k\0": "v" * 20_000}
    call.answer(b"{}", None)
    told = row(call, tracked, "1")
    assert told.client_request_id is not None
    assert told.client_request_id.startswith("ab?x")
    assert len(told.client_request_id) < 1001
    assert told.usage_context is None


def test_a_row_has_its_cost() -> None:
    """By the provider's count, or by the estimate; unknown where the price is; nothing where nobody was asked."""
    dear, unknown = (Target("a", "m", b"", Timeouts(), price=price) for price in (Price(Rates(10**9, 2 * 10**9)), None))
    costs = []
    for target, usage in ((dear, Usage(10, 5)), (dear, None), (unknown, Usage(10, 5)), (None, None)):
        call, tracked, _ = tracked_call()
        tracked.input_characters, call.target = 39, target
        call.answer(b"{}", usage)
        costs.append(row(call, tracked, "1").cost_nano_usd)
    assert costs == [20_000, 10_000, None, 0]


def test_who_was_stopped_is_in_the_row() -> None:
    """Of an entity that was asked besides, the prompt is estimated and has a cost of its own."""
    call, tracked, _ = tracked_call()
    price = Price(Rates(10**9, 10**9))
    call.target, call.hedge = (Target(name, "m", b"", Timeouts(), price=price) for name in ("a", "b"))
    tracked.input_characters = 39
    call.answer(b"{}", Usage(12, 0))
    told = row(call, tracked, "1")
    assert (told.served_entity_name, told.cost_nano_usd) == ("a", 12_000)
    assert (told.hedge_entity_name, told.hedge_input_token_count, told.hedge_cost_nano_usd) == ("b", 10, 10_000)


def test_the_ledger_has_bounds() -> None:
    """A call that ends when there is no room is lost and counted, and what is taken makes room."""
    ledger = Ledger(SLOT, "1")
    for _ in range(MAX_WAITING + 2):
        call = tracked_call()[0]
        ledger.note(call)
    assert (len(ledger), ledger.lost) == (MAX_WAITING, 2)
    assert len(ledger.take(10)) == 10
    assert len(ledger) == MAX_WAITING - 10


def test_overhead_leaves_the_provider_out() -> None:
    """The time between handing the call over and the last byte of its answer is not cloche's."""
    client = Client()
    call = Call("/p", client)
    call.sent_at = time.perf_counter()
    time.sleep(0.05)
    call.heard()
    call.answer(b"{}", None)
    assert 0 <= client.overhead < 45


def test_overhead_is_all_there_is_where_nobody_was_asked() -> None:
    """A call that was answered without a provider has taken cloche's time alone."""
    client = Client()
    call = Call("/p", client)
    time.sleep(0.02)
    call.answer(b"{}", None)
    assert client.overhead >= 20
