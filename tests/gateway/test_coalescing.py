"""What one caller asks twice at once: asked once, and answered and recorded for each."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, Coalescing, Hedging, UsageTracking

from .test_answer_cache import CACHE, END, Caching, told
from .test_limits import DELTA, answer

TOGETHER = AiGateway(coalescing_config=Coalescing(enabled=True))


def test_asked_once(tmp_path: Path) -> None:
    """Calls at once that ask the same are one call to a provider; each has its answer and its record, and one has the
    tokens."""
    world = Caching(tmp_path, TOGETHER)
    clients = [world.ask(temperature=0)[1] for _ in range(3)]
    others = [world.ask(temperature=0, token=b"Bearer bob"), world.ask(temperature=0.1), world.ask(seed=1)]
    assert len(world.calls) == 1 + len(others)
    world.calls[0].answer(answer(11, 7))
    assert {client.body for client in clients} == {clients[0].body}
    assert [client.status for client in clients] == [200] * 3
    assert [(record.input_tokens, record.coalesced) for record in world.records] == [(11, False), (0, True), (0, True)]
    assert len({record.request_id for record in world.records}) == 3
    assert all(b"served-model-name" in client.headers for client in clients)
    for outbound in world.calls[1:]:
        outbound.answer(answer(11, 7))
    assert world.idle
    assert world.flights.joined == 2
    world.ask(temperature=0)
    assert len(world.calls) == 5


def test_who_comes_late_to_a_stream(tmp_path: Path) -> None:
    """Who joins a stream gets what was sent so far, and then the rest with all others."""
    world = Caching(tmp_path, TOGETHER)
    _, first = world.ask(temperature=0, stream=True)
    world.last.head()
    world.last.receiver.on_data(DELTA % b"he")
    _, late = world.ask(temperature=0, stream=True)
    assert late.body == first.body
    for piece in (DELTA % b"y", END):
        world.last.receiver.on_data(piece)
    world.last.receiver.on_end()
    assert late.body == first.body
    assert (first.finished, late.finished, len(world.calls)) == (1, 1, 1)


def test_who_hangs_up(tmp_path: Path) -> None:
    """The hang-up of the first is not the end of the others, who get the tokens; the last one's stops the provider."""
    world = Caching(tmp_path, TOGETHER)
    first, _ = world.ask(temperature=0)
    _, second = world.ask(temperature=0)
    first.hang_up()
    assert not world.last.cancelled
    world.last.answer(answer(11, 7))
    assert second.status == 200
    assert [(record.outcome, record.input_tokens) for record in world.records] == [("cancelled", None), ("ok", 11)]
    world.records.clear()
    both = [world.ask(temperature=0)[0] for _ in range(2)]
    for call in both:
        assert not world.last.cancelled
        call.hang_up()
    assert world.last.cancelled
    assert world.idle
    assert None not in [record.entity for record in world.records], "somebody was asked for each"
    assert [record.coalesced for record in world.records] == [False, False]


def test_who_was_asked_besides(tmp_path: Path) -> None:
    """Of a race, the one that was stopped is told in the row of the call that has the tokens, and in no other."""

    async def test() -> None:
        world = Caching(tmp_path, structs.replace(TOGETHER, hedging_config=Hedging(delay_seconds=0.01)))
        calls = [world.ask(temperature=0)[0] for _ in range(2)]
        await asyncio.sleep(0.1)
        assert len(world.calls) == 2
        world.last.answer(answer(11, 7))
        assert [call.status for call in calls] == [200, 200]
        assert [call.hedge is not None for call in calls] == [True, False]

    asyncio.run(test())


@pytest.mark.parametrize("begun", [True, False])
def test_errors_are_all_theirs(tmp_path: Path, begun: bool) -> None:
    """What fails for one fails for all, and nobody is asked instead; a begun stream ends with an error once."""
    world = Caching(tmp_path, TOGETHER)
    clients = [world.ask(temperature=0, stream=True)[1] for _ in range(2)]
    if begun:
        world.last.head()
        world.last.receiver.on_data(DELTA % b"he")
        world.last.receiver.on_end()
        assert [client.body.count(b"error_code") for client in clients] == [1, 1]
    else:
        world.last.answer(b'{"error":{"message":"no"}}', 400)
        assert [client.status for client in clients] == [400, 400]
    assert len(world.calls) == 1
    assert [record.outcome for record in world.records] == ["error", "error"]
    assert world.idle


def test_the_slow_and_the_others(tmp_path: Path) -> None:
    """While one is slow the provider waits, until it has caught up or is gone."""
    world = Caching(tmp_path, TOGETHER)
    slow, _ = world.ask(temperature=0, stream=True)
    other, _ = world.ask(temperature=0, stream=True)
    world.last.head()
    slow.slow()
    other.slow()
    assert world.last.paused
    slow.caught_up()
    assert world.last.paused
    other.caught_up()
    assert not world.last.paused
    slow.slow()
    slow.hang_up()
    assert not world.last.paused


def test_both_at_once(tmp_path: Path) -> None:
    """With a cache too, what was asked once is kept for later; rows of usage tell how each was answered."""
    rules = structs.replace(
        TOGETHER, cache_config=CACHE.cache_config, usage_tracking_config=UsageTracking(enabled=True)
    )
    world = Caching(tmp_path, rules)
    for _ in range(2):
        world.ask(temperature=0)
    world.last.answer(answer(11, 7))
    _, later = world.asked(temperature=0)
    assert (told(later), len(world.calls)) == ("hit", 1)
    rows = world.ledger.take(9)
    assert [(each.outcome, each.input_token_count, each.estimated) for each in rows] == [
        ("ok", 11, False),
        ("coalesced", 0, False),
        ("cached", 0, False),
    ]
    assert rows[2].output_character_count == rows[0].output_character_count > 0
