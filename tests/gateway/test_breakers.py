"""Circuit breakers: an entity that fails too often is left alone, and comes back by one call that tries."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, CircuitBreaker, Fallback
from cloche.domain.errors import (
    FormatMissed,
    LimitExceeded,
    NotReady,
    Problem,
    ProviderBusy,
    ProviderForbidden,
    ProviderRefused,
    ProviderTimeout,
)
from cloche.gateway.breakers import Breaker, is_well

from .scripted import World
from .test_attempts import ANSWER, EVENT, ask, refuse, ruled, run, turn

RULES = CircuitBreaker(True, error_percentage=50, min_calls=4, window_seconds=10.0, open_seconds=5.0)
QUICK = AiGateway(circuit_breaker_config=CircuitBreaker(True, min_calls=2, open_seconds=0.1))


class Trier:
    """A call, as far as a breaker knows it."""

    streaming = False


def told(breaker: Breaker, *outcomes: bool, now: float = 0.0) -> None:
    """Calls that went through and ended."""
    for well in outcomes:
        call = Trier()
        breaker.enter(call)
        breaker.leave(call, well, now)


@pytest.mark.parametrize(
    ("outcomes", "circuit"),
    [
        ((False, False, False), "CLOSED"),
        ((False, False, False, False), "OPEN"),
        ((True, True, False, False), "OPEN"),
        ((True, True, True, False, False), "CLOSED"),
    ],
)
def test_it_opens_at_the_rate_and_not_before(outcomes: tuple[bool, ...], circuit: str) -> None:
    """Enough calls, and the share of failures that was set."""
    breaker = Breaker(RULES)
    told(breaker, *outcomes)
    assert breaker.circuit(0.0) == circuit


def test_old_failures_count_for_nothing() -> None:
    """What is older than the window is forgotten."""
    breaker = Breaker(RULES)
    told(breaker, False, False, False)
    told(breaker, False, now=10.5)
    assert breaker.circuit(10.5) == "CLOSED"
    told(breaker, False, False, False, now=11.0)
    assert breaker.circuit(11.0) == "OPEN"


def test_one_call_tries() -> None:
    """After a while one goes through and the others do not; it opens the breaker anew, or closes it."""
    breaker = Breaker(RULES)
    told(breaker, *[False] * 4)
    assert breaker.shut_for(1.0) == 4.0
    assert breaker.shut_for(5.0) == 0.0
    trier = Trier()
    breaker.enter(trier)
    assert breaker.circuit(5.0) == "HALF_OPEN"
    assert breaker.shut_for(5.0) > 0
    breaker.leave(trier, False, 6.0)
    assert breaker.shut_for(6.0) == 5.0
    told(breaker, True, now=12.0)
    assert breaker.circuit(12.0) == "CLOSED"
    told(breaker, False, now=12.0)
    assert breaker.circuit(12.0) == "CLOSED"  # what was before it opened is over


def test_who_tries_may_say_nothing_and_leave() -> None:
    """A caller that hangs up makes room for another one that tries."""
    breaker = Breaker(RULES)
    told(breaker, *[False] * 4)
    trier = Trier()
    breaker.enter(trier)
    breaker.leave(trier, None, 6.0)
    assert breaker.shut_for(6.0) == 0.0
    assert breaker.circuit(6.0) == "HALF_OPEN"


def test_a_stream_that_has_begun_is_proof_enough() -> None:
    """The others need not wait for the end of an answer that comes."""
    breaker = Breaker(RULES)
    told(breaker, *[False] * 4)
    trier = Trier()
    breaker.enter(trier)
    trier.streaming = True
    assert breaker.shut_for(5.0) == 0.0
    assert breaker.circuit(5.0) == "CLOSED"


def test_calls_from_before_do_not_count() -> None:
    """What began before the breaker opened neither closes it nor keeps it open."""
    breaker = Breaker(RULES)
    early = Trier()
    breaker.enter(early)
    told(breaker, *[False] * 4)
    breaker.leave(early, True, 1.0)
    assert breaker.shut_for(1.0) == 4.0


@pytest.mark.parametrize(
    ("problem", "well"),
    [
        (ProviderRefused("no"), True),
        (FormatMissed("no JSON"), True),
        (ProviderBusy("busy"), False),
        (ProviderTimeout("slow"), False),
        (ProviderForbidden("private"), None),
        (LimitExceeded("full"), None),
        (NotReady("loading"), None),
    ],
)
def test_whose_failure_it_is(problem: Problem, well: bool | None) -> None:
    """The caller's mistakes and cloche's own limits are not held against an entity."""
    assert is_well(problem) is well


def test_who_had_the_rest_of_the_time_is_not_blamed() -> None:
    """A fallback that gets what another has left of the call's time does not fail by that; one with all of it does."""

    async def main() -> None:
        world = ruled(structs.replace(QUICK, fallback_config=Fallback(True)))
        for _ in range(2):
            call, client = ask(world)
            call.started -= world.calls[-1].timeouts.total - 0.2
            refuse(world.calls[-1], 503)
            await turn(0.12)
            assert world.calls[-1].call.origin.host == "second.test"
            world.calls[-1].receiver.on_failure(ProviderTimeout("slow"))
            assert client.status == 504
        circuits = world.lasting.entities.circuits
        assert circuits()["chat"]["second"] == "CLOSED"
        for _ in range(2):
            world.ask(entity="second")
            world.calls[-1].receiver.on_failure(ProviderTimeout("slow"))
        assert circuits()["chat"]["second"] == "OPEN"

    run(main)


def open_breaker(world: World) -> None:
    """Make the entity `first` fail as often as it takes."""
    for _ in range(2):
        ask(world)
        refuse(world.calls[-1], 500)


def test_an_open_entity_is_passed_over() -> None:
    """The calls go to the others, though no fallback is allowed, until one finds it well again."""

    async def main() -> None:
        world = ruled(QUICK)
        open_breaker(world)
        for _ in range(30):
            world.ask()
            assert world.calls[-1].call.origin.host == "second.test"
            world.calls[-1].answer(ANSWER)
        await turn(0.1)
        _, client = ask(world)
        for _ in range(30):
            world.ask()
            assert world.calls[-1].call.origin.host == "second.test"
        trying = next(each for each in world.calls[-31:] if each.call.origin.host == "first.test")
        trying.answer(ANSWER)
        assert client.status == 200
        ask(world)

    run(main)


def test_a_named_entity_that_is_open_is_refused() -> None:
    """503, when to come back, and no call is made."""

    async def main() -> None:
        world = ruled(QUICK)
        open_breaker(world)
        made = len(world.calls)
        _, client = world.ask(entity="first")
        assert (client.status, client.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert b"retry-after: 1\r\n" in client.headers
        assert len(world.calls) == made

    run(main)


def test_when_all_are_open_spares_are_asked_if_they_may() -> None:
    """An entity without a share of the traffic is for fallback only; without it the call is refused."""

    async def main() -> None:
        for rules, status in ((QUICK, 503), (structs.replace(QUICK, fallback_config=Fallback(True)), 0)):
            world = ruled(rules)
            for entity in ("first", "second") * 2:
                world.ask(entity=entity)
                refuse(world.calls[-1], 503)
            made = len(world.calls)
            _, client = world.ask()
            assert client.status == status
            if status:
                assert len(world.calls) == made
                assert b"retry-after: 1\r\n" in client.headers
            else:
                assert world.calls[-1].call.origin.host == "spare.test"

    run(main)


def test_its_memory_outlives_the_configuration() -> None:
    """A snapshot that is swapped closes no breaker; one without breakers does."""

    async def main() -> None:
        slow = AiGateway(circuit_breaker_config=CircuitBreaker(True, min_calls=2))
        world = ruled(slow)
        open_breaker(world)
        snapshot = world.snapshot.current()
        for rules, hosts in ((slow, {"second.test"}), (AiGateway(), {"first.test", "second.test"})):
            chat = structs.replace(snapshot.endpoints["chat"], rules=structs.replace(rules))
            world.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
            made = len(world.calls)
            for _ in range(40):
                world.ask()
            assert {each.call.origin.host for each in world.calls[made:]} == hosts

    run(main)


def test_a_stream_that_breaks_counts_and_one_that_is_left_does_not() -> None:
    """Also after the first event a failure is the entity's; the caller's leaving is nobody's."""

    async def main() -> None:
        for leaves, circuit in ((True, "CLOSED"), (False, "OPEN")):
            world = ruled(QUICK)
            for _ in range(3):
                call, _ = world.ask(entity="first", stream=True)
                if call.ended:
                    break
                world.calls[-1].head()
                world.calls[-1].receiver.on_data(EVENT)
                if leaves:
                    call.hang_up()
                else:
                    world.calls[-1].receiver.on_failure(ProviderTimeout("stalled"))
            assert world.lasting.entities.circuits()["chat"]["first"] == circuit

    asyncio.run(main())


def test_what_is_gone_is_forgotten() -> None:
    """Endpoints that do not exist any more leave nothing behind."""

    async def main() -> None:
        world = ruled(QUICK)
        open_breaker(world)
        entities = world.lasting.entities
        entities.keep_only(world.snapshot.current())
        assert entities.circuits()["chat"] == {"first": "OPEN", "second": "CLOSED", "spare": "CLOSED"}
        entities.keep_only(structs.replace(world.snapshot.current(), endpoints={}))
        assert entities.circuits() == {}

    run(main)
