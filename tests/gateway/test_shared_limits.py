"""Rate limits counted in a real Valkey: as on one host, never waited for in vain, and back without a restart."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.ai_gateway import AiGateway, RateLimit
from cloche.gateway import valkey as line_module
from cloche.gateway.admission import Admission
from cloche.gateway.call import Call
from cloche.gateway.counters import UNLIMITED, Taken, Want, key_of
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.shared_counters import SharedCounters
from cloche.gateway.valkey import PATIENCE, CannotUse, connection_to
from cloche.gateway.valkey import Valkey as Line
from valkeys import Valkey

from .scripted import TOKEN_KEY, Client, World, fresh_counters
from .test_limits import answer, told

SLACK = 1.0
"""Seconds that a loaded machine may take on top."""


@pytest.fixture(scope="module")
def running() -> Iterator[Valkey]:
    """A Valkey for all these tests."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(running: Valkey) -> Valkey:
    """It, with enough of the minute left for a test, and whether or not the test before has stopped it."""
    left = 60 - time.time() % 60
    if left < 6:
        time.sleep(left + 0.1)
    running.stop()
    running.start()
    return running


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no Valkey that is away."""
    monkeypatch.setattr(line_module, "PATIENCE", 10.0)


@asynccontextmanager
async def counting(valkey: Valkey, *, refuses: bool = False) -> AsyncIterator[SharedCounters]:
    """Counters as one process has them."""
    line = Line(valkey.url, refuses=refuses)
    await line.start()
    try:
        yield SharedCounters(line)
    finally:
        await line.stop()


async def take(counters: SharedCounters, *wants: Want) -> Taken | None:
    """What came of it."""
    found: asyncio.Future[Taken | None] = asyncio.get_running_loop().create_future()
    counters.take(wants, found.set_result)
    return await found


class Limited(World):
    """A world whose endpoint `chat` has limits that are counted by these counters."""

    def __init__(self, counters: SharedCounters, **limits: int) -> None:
        super().__init__()
        snapshot = self.snapshot.current()
        rules = AiGateway(rate_limits=[RateLimit("minute", limits.get("calls"), limits.get("tokens"))])
        chat = structs.replace(snapshot.endpoints["chat"], rules=rules)
        self.snapshot.swap(structs.replace(snapshot, endpoints={**snapshot.endpoints, "chat": chat}))
        lasting = self.lasting._replace(shared=counters)
        record = Recorder(self.records.append)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, record, lasting)

    async def counted(self, **fields: Any) -> tuple[Call, Client]:
        """A call that has been let in or refused."""
        before = len(self.calls)
        call, client = self.ask(**fields)
        await until(lambda: call.ended or len(self.calls) > before)
        return call, client

    async def admitted(self, number: int) -> int:
        """How many of these calls, made at once, are let in."""
        asked = [self.ask() for _ in range(number)]
        await until(lambda: all(call.ended or call.target is not None for call, _ in asked))
        refused = [client.status for call, client in asked if call.ended]
        assert set(refused) <= {429}
        return number - len(refused)


async def until(holds: Callable[[], object]) -> None:
    """Let the loop run until it holds."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.002)


def run(test: Coroutine[Any, Any, None]) -> None:
    """With a bound, for nothing here may wait for ever."""
    asyncio.run(asyncio.wait_for(test, 30))


@pytest.mark.usefixtures("patient")
def test_as_on_one_host(valkey: Valkey) -> None:
    """Whatever is taken and settled in whatever order, Valkey says what the counters of one host say."""

    async def test() -> None:
        dice = random.Random(seed := random.randrange(1 << 30))
        print("seed", seed)
        local = fresh_counters()
        async with counting(valkey) as shared:
            for _ in range(300):
                keys = [key_of(str(number)) for number in dice.sample(range(4), dice.randint(1, 3))]
                bounds = [
                    dice.choice([(UNLIMITED, 90), (3, UNLIMITED), (40, 200), (0, UNLIMITED), (9, 0)]) for _ in keys
                ]
                wants = [Want(key, *bound, dice.randint(0, 60)) for key, bound in zip(keys, bounds, strict=True)]
                here, there = local.take(wants), await take(shared, *wants)
                assert there is not None
                assert (there.minute, there.used, there.refused) == (here.minute, here.used, here.refused)
                minute = here.minute - dice.choice([0, 0, 1])
                changes = [(key, dice.randint(-60, 20)) for key in keys]
                local.settle(minute, changes)
                shared.settle(minute, changes)

    run(test())


@pytest.mark.usefixtures("patient")
def test_as_many_as_the_limit_says(valkey: Valkey) -> None:
    """Of calls that two processes take at once, exactly as many are let in as may be, and the refusal tells it."""

    async def test() -> None:
        async with counting(valkey) as one, counting(valkey) as other:
            worlds = [Limited(one, calls=25), Limited(other, calls=25)]
            assert sum(await asyncio.gather(*[world.admitted(30) for world in worlds])) == 25
            _, client = await worlds[0].counted()
            assert client.json["error_code"] == "REQUEST_LIMIT_EXCEEDED"
            head = told(client)
            assert 1 <= int(head["retry-after"]) <= 60
            assert head["x-ratelimit-remaining-requests"] == "0"

    run(test())


@pytest.mark.usefixtures("patient")
def test_tokens_are_given_back(valkey: Valkey) -> None:
    """What a call held and did not use is there for others, also if its client went while it was counted."""

    async def test() -> None:
        async with counting(valkey) as shared:
            world = Limited(shared, tokens=1000)
            await world.counted(max_tokens=900)
            refused, _ = await world.counted(max_tokens=900)
            assert refused.status == 429
            world.last.answer(answer(10, 20))
            gone, _ = world.ask(max_tokens=900)
            gone.hang_up()
            await take(shared, Want(key_of("another"), 1, UNLIMITED, 0))  # what was asked before it is answered by now
            asked = len(world.calls)
            _, client = await world.counted(max_tokens=900)
            world.last.answer(answer(10, 20))
            assert len(world.calls) == asked + 1
            assert told(client)["x-ratelimit-remaining-tokens"] == str(1000 - 30 - 901)
            assert world.gateway.active_calls == 0

    run(test())


def test_a_valkey_that_stands_still(valkey: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """The calls that wait are counted on this host within a quarter of a second, the next at once; one warning says it,
    and when it answers again they are counted together again."""
    caplog.set_level(logging.INFO, "cloche.gateway")

    async def test() -> None:
        async with counting(valkey) as shared, counting(valkey) as other:
            world = Limited(shared, calls=3)
            with valkey.standing_still():
                began = time.monotonic()
                assert await world.admitted(2) == 2
                assert time.monotonic() - began < PATIENCE + SLACK
                before = len(world.calls)
                world.ask()
                assert len(world.calls) == before + 1
                refused, _ = world.ask()
                assert refused.status == 429
            await until(lambda: shared.valkey.up)
            elsewhere = Limited(other, calls=3)
            # What was written to it while it stood still may count when it goes on.
            assert 1 <= await world.admitted(3) + await elsewhere.admitted(3) <= 3

    run(test())
    messages = [record.getMessage() for record in caplog.records]
    assert len([each for each in messages if "until it can, each host counts alone" in each]) == 1
    assert len([each for each in messages if "answers again" in each]) == 1


def test_refusing_while_it_is_away(valkey: Valkey) -> None:
    """As configured, calls to endpoints with limits get 503 with Retry-After while it is away, others are served."""

    async def test() -> None:
        valkey.stop()
        async with counting(valkey, refuses=True) as shared:
            world = Limited(shared, calls=3)
            call, client = world.ask()
            assert (call.status, client.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
            assert told(client)["retry-after"] == "1"
            other, _ = world.ask("local")
            assert other.source is not None
            valkey.start()
            await until(lambda: shared.valkey.up)
            assert await world.admitted(5) == 3

    run(test())


def test_a_restart_that_nobody_notices(valkey: Valkey) -> None:
    """A Valkey that was stopped and started between two calls is asked over a new connection, and no call is lost."""

    async def test() -> None:
        async with counting(valkey, refuses=True) as shared:
            world = Limited(shared, calls=2)
            await world.counted()
            valkey.stop()
            valkey.start()
            call, _ = await world.counted()
            assert not call.ended
            assert shared.valkey.up

    run(test())


def test_one_that_dies_while_it_is_asked(valkey: Valkey) -> None:
    """Calls that wait for an answer when Valkey dies are counted on this host at once."""

    async def test() -> None:
        async with counting(valkey) as shared:
            world = Limited(shared, calls=2)
            with valkey.standing_still():
                asked = [world.ask() for _ in range(4)]
                await asyncio.sleep(0.02)
                valkey.stop()
            await until(lambda: sum(call.ended for call, _ in asked) == 2)
            assert [client.status for call, client in asked if call.ended] == [429, 429]

    run(test())


def test_who_came_while_it_died_holds_nobody_up(valkey: Valkey) -> None:
    """Calls that came after those it was asked for are told with them, and when it is back it counts again."""

    async def test() -> None:
        found: list[Taken | None] = []
        want = Want(key_of("a"), 5, UNLIMITED, 0)
        async with counting(valkey) as shared:
            with valkey.standing_still():
                shared.take([want], found.append)
                await asyncio.sleep(0.02)
                shared.take([want], found.append)
                await until(lambda: len(found) == 2)
            await until(lambda: shared.valkey.up)
            assert found == [None, None]
            assert await take(shared, want) is not None

    run(test())


def test_at_the_end(valkey: Valkey) -> None:
    """Who waits when the counters are let go of is told that they cannot tell, and so is who comes later."""

    async def test() -> None:
        found: list[Taken | None] = []
        want = Want(key_of("a"), 5, UNLIMITED, 0)
        with valkey.standing_still():
            async with counting(valkey) as shared:
                shared.take([want], found.append)
        shared.take([want], found.append)
        assert found == [None, None]

    run(test())


def test_a_url_that_cannot_be_read() -> None:
    """It is refused in words that have nothing of it."""
    with pytest.raises(CannotUse) as caught:
        connection_to("redis://me:secret@host:port/0")
    assert "secret" not in str(caught.value)
    assert "redis://" in str(caught.value)
