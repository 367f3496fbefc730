"""Calls that are asked again, or of another entity: only where that may help, and never after the first byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, Fallback, Retries, TimeLimits
from cloche.domain.errors import Problem, ProviderBroken, ProviderTimeout, ProviderUnavailable, ProviderUnreachable
from cloche.domain.outbound import Timeouts
from cloche.gateway.call import Call
from cloche.gateway.shared_line import Lines
from cloche.snapshot import Bindings, LocalModel, compile_endpoint

from .scripted import Client, Outbound, World

ANSWER = b'{"choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}'
EVENT = b'data: {"id":"1","choices":[{"index":0,"delta":{"content":"y"},"finish_reason":null}]}\n\n'
FALLBACK = AiGateway(fallback_config=Fallback(True))
QUICK = Retries(1, backoff_seconds=0.01)


def ruled(rules: AiGateway, lines: Lines | None = None) -> World:
    """A world whose endpoint `chat` has rules."""
    world = World(lines=lines)
    snapshot = world.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], rules=rules)
    world.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))
    return world


def run(test: Callable[[], Awaitable[None]]) -> None:
    """In a loop of its own."""

    async def main() -> None:
        await test()

    asyncio.run(main())


async def turn(seconds: float = 0.0) -> None:
    """Let what is due happen."""
    await asyncio.sleep(seconds + 0.005)


def ask(world: World, **fields: Any) -> tuple[Call, Client]:
    """A call whose first target is the entity `first`."""
    while True:
        call, client = world.ask(**fields)
        if world.calls[-1].call.origin.host == "first.test":
            return call, client
        call.hang_up()


class Failing(list[Outbound]):
    """Calls, to which no more can be made."""

    def append(self, outbound: Outbound) -> None:
        """A defect."""
        raise RuntimeError("a defect")


def refuse(outbound: Outbound, status: int, **headers: str) -> None:
    """A refusal by the provider."""
    named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    outbound.answer(b'{"error":{"message":"no"}}', status, {b"content-type": b"application/json", **named})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403])
def test_another_entity_is_asked(status: int) -> None:
    """After each kind of failure that is not the caller's, in the order in which the entities were declared."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world)
        refuse(world.calls[-1], status)
        await turn()
        assert world.calls[-1].call.origin.host == "second.test"
        refuse(world.calls[-1], status)
        await turn()
        assert world.calls[-1].call.origin.host == "spare.test"
        world.calls[-1].answer(ANSWER)
        assert client.status == 200
        assert client.wholes == 1
        assert b"served-model-name: spare\r\n" in client.headers
        told = client.headers.split(b"cloche-attempts: ")[1].split(b"\r\n")[0]
        assert [each.partition(b"=")[0] for each in told.split(b", ")] == [b"first", b"second", b"spare"]
        assert world.records[-1].attempts == told.decode()

    run(main)


def test_when_each_attempt_was_made_is_told() -> None:
    """Milliseconds after the call came, one after the other; the last lasts as long as the call.  Of one alone nothing
    is told."""

    async def main() -> None:
        world = ruled(FALLBACK)
        ask(world)
        await asyncio.sleep(0.02)
        refuse(world.calls[-1], 503)
        await turn()
        world.calls[-1].answer(ANSWER)
        record = world.records[-1]
        assert record.attempt_ms is not None
        first, last = record.attempt_ms.split(", ")
        began, _, took = first.partition("+")
        assert float(began) < float(took)
        assert 20 <= float(took) <= float(last) <= record.duration_ms
        ask(world)
        world.calls[-1].answer(ANSWER)
        assert world.records[-1].attempt_ms is None

    run(main)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_callers_fault_is_nobody_elses(status: int) -> None:
    """What every entity would refuse goes to the caller at once."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world)
        refuse(world.calls[-1], status)
        await turn()
        assert client.over
        assert client.status in (400, 404)
        assert b"cloche-attempts" not in client.headers

    run(main)


def test_the_last_error_is_told() -> None:
    """When all have failed the client gets the last one's, once."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world)
        for status in (503, 500, 429):
            refuse(world.calls[-1], status)
            await turn()
        assert client.status == 429
        assert client.wholes == 1
        assert b"cloche-attempts: first=TEMPORARILY_UNAVAILABLE, second=INTERNAL_ERROR, spare=" in client.headers

    run(main)


def test_without_fallback_there_is_one_attempt() -> None:
    """Rules that do not allow it change nothing."""

    async def main() -> None:
        world = ruled(AiGateway())
        _, client = ask(world)
        made = len(world.calls)
        refuse(world.calls[-1], 503)
        await turn()
        assert (client.status, len(world.calls)) == (503, made)

    run(main)


def test_an_entity_that_was_named_is_the_only_one() -> None:
    """Whoever names an entity wants no other."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = world.ask(entity="first")
        refuse(world.calls[-1], 503)
        await turn()
        assert (client.status, len(world.calls)) == (503, 1)

    run(main)


@pytest.mark.parametrize("problem", [ProviderUnreachable("gone"), ProviderTimeout("slow")])
def test_streams_fall_back_before_their_first_event(problem: Problem) -> None:
    """A connection that fails, a head that does not come, a stream that is cut before it says anything."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world, stream=True)
        world.calls[-1].receiver.on_failure(problem)
        await turn()
        world.calls[-1].head()
        world.calls[-1].receiver.on_end()
        await turn()
        world.calls[-1].head()
        world.calls[-1].receiver.on_data(EVENT)
        assert client.begun == 1
        assert b'"y"' in client.body
        world.calls[-1].receiver.on_failure(problem)
        await turn()
        assert client.over
        assert "error_code" in client.events[-2]

    run(main)


def test_after_the_first_event_there_is_no_other() -> None:
    """A stream that has begun ends with its own error."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world, stream=True)
        made = len(world.calls)
        world.calls[-1].head()
        world.calls[-1].receiver.on_data(EVENT)
        world.calls[-1].receiver.on_failure(ProviderTimeout("stalled"))
        await turn()
        assert client.events[-2]["error_code"] == "DEADLINE_EXCEEDED"
        assert len(world.calls) == made

    run(main)


def test_an_entity_is_asked_again_first() -> None:
    """With retries: so often, after a while, and then the next one, which has retries of its own."""

    async def main() -> None:
        world = ruled(structs.replace(FALLBACK, retry_config=QUICK))
        _, client = ask(world)
        hosts = []
        for _ in range(4):
            hosts.append(world.calls[-1].call.origin.host)
            refuse(world.calls[-1], 503)
            await turn(0.015)
        assert hosts == ["first.test", "first.test", "second.test", "second.test"]
        world.calls[-1].answer(ANSWER)
        assert client.status == 200

    run(main)


@pytest.mark.parametrize("problem", [ProviderUnreachable("gone"), ProviderBroken("cut"), ProviderUnavailable("down")])
def test_the_pause_is_the_one_that_was_configured(problem: Problem) -> None:
    """A provider that asks for no time is given none but that, whatever a client would be told."""

    async def main() -> None:
        world = ruled(AiGateway(retry_config=QUICK))
        ask(world)
        made = len(world.calls)
        world.calls[-1].receiver.on_failure(problem)
        await turn(0.02)
        assert len(world.calls) == made + 1

    run(main)


def test_a_defect_in_a_later_attempt_ends_the_call(caplog: pytest.LogCaptureFixture) -> None:
    """It happens in a turn of the loop that is nobody's: still the client hears of it, once, and nothing is left."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world)
        world.calls = Failing(world.calls)
        refuse(world.calls[-1], 503)
        await turn(0.02)
        assert (client.status, client.over) == (500, True)
        assert world.gateway.active_calls == 0
        assert "failed inside cloche" in caplog.text

    run(main)


def test_a_timeout_is_not_tried_again() -> None:
    """The entity has had its time; another may do better."""

    async def main() -> None:
        world = ruled(structs.replace(FALLBACK, retry_config=QUICK))
        ask(world)
        world.calls[-1].receiver.on_failure(ProviderTimeout("slow"))
        await turn(0.015)
        assert world.calls[-1].call.origin.host == "second.test"

    run(main)


def test_a_provider_is_left_alone_as_long_as_it_asks() -> None:
    """Retry-After is waited for; one that is longer than the call may take goes to the caller."""

    async def main() -> None:
        world = ruled(AiGateway(retry_config=QUICK))
        _, client = ask(world)
        made = len(world.calls)
        refuse(world.calls[-1], 429, retry_after="1")
        await turn(0.1)
        assert len(world.calls) == made
        await turn(1)
        assert len(world.calls) == made + 1
        refuse(world.calls[-1], 429, retry_after="1000")
        assert client.status == 429
        assert b"retry-after: 1000" in client.headers

    run(main)


def test_a_long_wait_is_for_whoever_has_nobody_else() -> None:
    """More than a minute is waited for alone; with another entity to ask, that one is asked at once."""

    async def main() -> None:
        world = ruled(AiGateway(retry_config=QUICK))
        call, client = ask(world)
        refuse(world.calls[-1], 429, retry_after="90")
        await turn()
        assert not client.over
        call.hang_up()
        world = ruled(structs.replace(FALLBACK, retry_config=QUICK))
        _, client = ask(world)
        for other in ("second.test", "spare.test"):
            refuse(world.calls[-1], 429, retry_after="90")
            await turn()
            assert world.calls[-1].call.origin.host == other
        refuse(world.calls[-1], 429, retry_after="598")
        assert (client.status, client.over) == (429, True)
        assert b"retry-after: 598" in client.headers

    run(main)


def test_the_whole_call_has_one_deadline() -> None:
    """What earlier attempts took is not there for later ones, and without time there is none."""

    async def main() -> None:
        world = ruled(FALLBACK)
        call, _ = ask(world)
        call.started -= 500
        refuse(world.calls[-1], 503)
        await turn()
        assert 90 < world.calls[-1].timeouts.total < 98
        call.started -= 97
        made = len(world.calls)
        refuse(world.calls[-1], 503)
        await turn()
        assert len(world.calls) == made

    run(main)


def test_a_client_that_leaves_ends_the_waiting() -> None:
    """Between two attempts nothing is asked any more, and the call is recorded once."""

    async def main() -> None:
        world = ruled(AiGateway(retry_config=QUICK))
        call, _ = ask(world)
        made, records = len(world.calls), len(world.records)
        refuse(world.calls[-1], 503)
        call.hang_up()
        await turn(0.02)
        assert len(world.calls) == made
        assert len(world.records) == records + 1
        assert world.records[-1].outcome == "cancelled"

    run(main)


def test_a_shutdown_is_no_failure_to_recover_from() -> None:
    """What is aborted ends."""

    async def main() -> None:
        world = ruled(FALLBACK)
        _, client = ask(world)
        made = len(world.calls)
        world.gateway.abort()
        await turn()
        assert (client.status, len(world.calls)) == (503, made)

    run(main)


def test_an_endpoint_has_time_outs_of_its_own() -> None:
    """Those that it gives; the others are the server's."""
    world = World()
    compiled = world.snapshot.current().endpoints["chat"]
    limits = AiGateway(timeout_config=TimeLimits(first_byte_seconds=3.0, total_seconds=9.0))
    properties = structs.replace(compiled.endpoint.properties, ai_gateway=msgspec.to_builtins(limits))
    endpoint = structs.replace(compiled.endpoint, properties=properties)
    assert endpoint.active is not None
    local: dict[str, LocalModel] = {}
    bindings = Bindings(lambda model: model, local.__getitem__, Timeouts(connect=1.0))
    bound = compile_endpoint(endpoint, endpoint.active.configuration, bindings)
    assert bound.targets["first"].timeouts == Timeouts(connect=1.0, first_byte=3.0, total=9.0)
