"""A second entity is asked when the first is slow; the first that begins to answer is heard."""

from __future__ import annotations

import gc

from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, CircuitBreaker, Concurrency, Fallback, Hedging, Routing
from cloche.domain.errors import ProviderTimeout
from cloche.gateway.call import Call

from .scripted import Client, Outbound, World
from .test_attempts import ANSWER, EVENT, QUICK, refuse, ruled, run, turn

DELAY = 0.02
HEDGED = AiGateway(hedging_config=Hedging(DELAY))


def asked(world: World, **fields: object) -> tuple[Call, Client, Outbound]:
    """A call whose first target is the entity `first`."""
    while True:
        call, client = world.ask(**fields)  # type: ignore[arg-type]
        if world.calls[-1].call.origin.host == "first.test":
            return call, client, world.calls[-1]
        call.hang_up()


def told(client: Client) -> bytes:
    """The answer's account of its attempts."""
    return client.headers.partition(b"cloche-attempts: ")[2].partition(b"\r\n")[0]


def test_a_quick_answer_is_not_hedged() -> None:
    """Nobody else is asked, and nothing is told of attempts."""

    async def main() -> None:
        world = ruled(HEDGED)
        _, client, first = asked(world)
        made = len(world.calls)
        first.answer(ANSWER)
        await turn(DELAY)
        assert (client.status, client.wholes, len(world.calls)) == (200, 1, made)
        assert told(client) == b""
        assert b"served-model-name: first\r\n" in client.headers
        assert world.records[-1].entity == "first"

    run(main)


def test_the_second_is_heard_if_it_is_quicker() -> None:
    """Whole and as a stream: its answer, its name, and the first is stopped; one record."""

    async def main() -> None:
        for stream in (False, True):
            world = ruled(HEDGED)
            call, client, first = asked(world, stream=stream)
            await turn(DELAY)
            second, records = world.calls[-1], len(world.records)
            assert second.call.origin.host == "second.test"
            if stream:
                second.head()
                second.receiver.on_data(EVENT)
                assert b'"y"' in client.body
                second.receiver.on_data(EVENT.replace(b"null", b'"stop"') + b"data: [DONE]\n\n")
            else:
                second.answer(ANSWER)
            assert client.over
            assert client.status == 200
            assert first.cancelled == 1
            assert call.hedge is not None
            assert call.hedge.entity == "first"
            assert told(client) == b"first=CANCELLED, second"
            assert b"served-model-name: second\r\n" in client.headers
            assert len(world.records) == records + 1
            assert (world.records[-1].entity, world.records[-1].outcome) == ("second", "ok")
            stopped, heard = str(world.records[-1].attempt_ms).split(", ")
            began, _, took = map(float, stopped.replace("+", " 0 ").split())
            assert began < DELAY * 1000 <= float(heard) <= began + took, "both were under way at once"

    run(main)


def test_the_first_may_still_be_quicker() -> None:
    """It is heard, the second is stopped, and a third is never asked."""

    async def main() -> None:
        world = ruled(HEDGED)
        _, client, first = asked(world)
        await turn(DELAY)
        second, made = world.calls[-1], len(world.calls)
        first.answer(ANSWER)
        await turn(DELAY)
        assert (client.status, second.cancelled, len(world.calls)) == (200, 1, made)
        assert told(client) == b"second=CANCELLED, first"

    run(main)


def test_one_failure_leaves_the_other_one_its_chance() -> None:
    """The call fails when both have, with the last error."""

    async def main() -> None:
        world = ruled(HEDGED)
        _, client, first = asked(world)
        await turn(DELAY)
        second = world.calls[-1]
        refuse(first, 503)
        assert not client.over
        refuse(second, 500)
        assert (client.status, client.wholes) == (502, 1)
        assert told(client) == b"first=TEMPORARILY_UNAVAILABLE, second=INTERNAL_ERROR"

    run(main)


def test_a_failure_before_the_delay_is_final_without_fallback() -> None:
    """Hedging is for entities that are slow; those that fail are what fallback is for."""

    async def main() -> None:
        world = ruled(HEDGED)
        _, client, first = asked(world)
        made = len(world.calls)
        refuse(first, 503)
        await turn(DELAY)
        assert (client.status, len(world.calls)) == (503, made)

    run(main)


def test_fallback_goes_on_beside_the_second() -> None:
    """An entity is asked once: what is asked because of the delay is left out of the chain."""

    async def main() -> None:
        world = ruled(structs.replace(HEDGED, fallback_config=Fallback(True)))
        _, client, first = asked(world)
        await turn(DELAY)
        second = world.calls[-1]
        refuse(first, 503)
        await turn()
        spare = world.calls[-1]
        assert [each.call.origin.host for each in (second, spare)] == ["second.test", "spare.test"]
        refuse(spare, 503)
        await turn()
        assert world.calls[-1] is spare
        second.answer(ANSWER)
        assert client.status == 200
        assert told(client) == b"first=TEMPORARILY_UNAVAILABLE, spare=TEMPORARILY_UNAVAILABLE, second"

    run(main)


def test_a_client_that_leaves_stops_both() -> None:
    """And there is one record, of a call that was cancelled; a slow client slows the one that is heard."""

    async def main() -> None:
        for begun in (False, True):
            world = ruled(HEDGED)
            call, _, first = asked(world, stream=True)
            await turn(DELAY)
            second, records = world.calls[-1], len(world.records)
            if begun:
                second.head()
                second.receiver.on_data(EVENT)
                call.slow()
                assert second.paused
                call.caught_up()
                assert not second.paused
            call.hang_up()
            assert (first.cancelled, second.cancelled) == (1, 1)
            assert len(world.records) == records + 1
            assert world.records[-1].outcome == "cancelled"
            assert world.gateway.active_calls == 0

    run(main)


def test_a_client_that_leaves_before_the_delay_is_the_end() -> None:
    """Nobody is asked for a call that has ended, nor at a shutdown."""

    async def main() -> None:
        for end in (Call.hang_up, None):
            world = ruled(HEDGED)
            call, client, first = asked(world)
            made = len(world.calls)
            if end is None:
                world.gateway.abort()
                assert client.status == 503
            else:
                end(call)
            await turn(DELAY)
            assert (first.cancelled, len(world.calls)) == (1, made)

    run(main)


def test_a_stream_that_breaks_is_told_once() -> None:
    """An error event and the end, whichever side it was."""

    async def main() -> None:
        world = ruled(HEDGED)
        _, client, _ = asked(world, stream=True)
        await turn(DELAY)
        second = world.calls[-1]
        second.head()
        second.receiver.on_data(EVENT)
        second.receiver.on_failure(ProviderTimeout("stalled"))
        assert client.over
        codes = [each.get("error_code") for each in client.events if isinstance(each, dict)]
        assert codes == [None, "DEADLINE_EXCEEDED"]
        assert world.records[-1].error_code == "DEADLINE_EXCEEDED"

    run(main)


def test_one_deadline_and_one_id() -> None:
    """The second has the time that is left, and answers under the call's own id."""

    async def main() -> None:
        world = ruled(HEDGED)
        call, client, _ = asked(world)
        call.started -= 500
        await turn(DELAY)
        assert 90 < world.calls[-1].timeouts.total < 98
        world.calls[-1].answer(ANSWER)
        assert client.json["id"] == f"chatcmpl-{call.id}"

    run(main)


def test_places_and_breakers_know_of_both() -> None:
    """The one that is stopped gives its place back and is not held against its entity."""

    async def main() -> None:
        rules = structs.replace(
            HEDGED, concurrency_config=Concurrency(1), circuit_breaker_config=CircuitBreaker(True, min_calls=1)
        )
        world = ruled(rules)
        _, client = world.ask()
        await turn(DELAY)
        assert len(world.calls) == 2
        known = world.lasting.entities.of(world.snapshot.current().endpoints["chat"])
        assert [known.standings[name].running for name in ("first", "second")] == [1, 1]
        world.calls[-1].answer(ANSWER)
        assert client.status == 200
        assert [known.standings[name].running for name in ("first", "second")] == [0, 0]
        assert world.lasting.entities.circuits()["chat"] == {"first": "CLOSED", "second": "CLOSED", "spare": "CLOSED"}

    run(main)


def test_a_competitor_has_the_rest_of_the_time_once() -> None:
    """What went by before it was asked is not counted twice when it is asked again."""

    async def main() -> None:
        world = ruled(structs.replace(HEDGED, retry_config=QUICK))
        call, _, first = asked(world)
        whole = first.timeouts.total
        call.started -= 0.6 * whole
        await turn(DELAY)
        assert 0.35 * whole < world.calls[-1].timeouts.total < 0.41 * whole
        refuse(world.calls[-1], 503)
        await turn(0.02)
        assert world.calls[-1].call.origin.host == "second.test"
        assert 0.35 * whole < world.calls[-1].timeouts.total < 0.41 * whole

    run(main)


def test_words_that_may_not_be_passed_on_end_both() -> None:
    """A call that fails while its winner is speaking, as when a guard blocks the answer, stops the winner too."""

    async def main() -> None:
        world = ruled(HEDGED)
        call, client, first = asked(world, stream=True)
        await turn(DELAY)
        second = world.calls[-1]
        second.head()
        second.receiver.on_data(EVENT)
        call.fail(ProviderTimeout("blocked"))
        assert (first.cancelled, second.cancelled) == (1, 1)
        assert client.over
        assert world.gateway.active_calls == 0

    run(main)


def test_nothing_is_left_to_the_garbage_collector() -> None:
    """Whatever the rules and however a call ends, it leaves no cycle behind."""

    async def main() -> None:
        world = ruled(
            structs.replace(
                HEDGED,
                fallback_config=Fallback(True),
                concurrency_config=Concurrency(1, queue_limit=9),
                circuit_breaker_config=CircuitBreaker(True),
                routing_config=Routing(sticky_by="user"),
            )
        )
        gc.collect()
        gc.disable()
        try:
            for end in ("answer", "fail", "leave"):
                call, _ = world.ask()
                waiting, _ = world.ask()
                await turn(DELAY)
                for outbound in tuple(world.calls):
                    if end == "answer" and not outbound.cancelled:
                        outbound.answer(ANSWER)
                    elif end == "fail":
                        refuse(outbound, 400)
                world.calls.clear()
                call.hang_up()
                waiting.hang_up()
                del call, waiting, outbound
                await turn(DELAY)
            assert world.idle
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert [each for each in gc.garbage if type(each).__module__.startswith("cloche.gateway")] == []
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    run(main)
