"""Budgets counted in a real Valkey: one more is never let in, a dead host holds nothing for long, and a Valkey that has
forgotten everything is told again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloche.bootstrap.valkey_teller import ValkeyTeller
from cloche.domain.budget import Budget
from cloche.gateway import shared_money
from cloche.gateway import valkey as line
from cloche.gateway.admission import Admission
from cloche.gateway.call import Call
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.shared_money import SharedMoney, Total, holder
from cloche.gateway.valkey import Valkey as Line
from valkeys import Valkey

from .scripted import TOKEN_KEY, Client
from .test_attempts import refuse
from .test_budgets import ANSWER, Till, budget, message
from .test_limits import told
from .test_shared_limits import run, until

ONE = budget(20)
DEPLOYMENT = "1"


@pytest.fixture(scope="module")
def running() -> Iterator[Valkey]:
    """A Valkey for all these tests."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(running: Valkey, monkeypatch: pytest.MonkeyPatch) -> Valkey:
    """It, knowing nothing; what it is told after it has forgotten everything comes at once here, and a busy machine is
    no Valkey that is away."""
    monkeypatch.setattr(shared_money, "LEARN_SECONDS", 0)
    monkeypatch.setattr(line, "PATIENCE", 10.0)
    monkeypatch.setattr(line, "SAY_SECONDS", 0.1)
    monkeypatch.setattr(line, "AGAIN_SECONDS", 0.1)
    running.stop()
    running.start()
    return running


class Host(Till):
    """A host with one process, whose spending is told to Valkey as a keeper tells it."""

    def __init__(self, home: Path, valkey: Valkey, *budgets: Budget, refuses: bool = False) -> None:
        home.mkdir(parents=True)
        super().__init__(home, *budgets)
        self.time = time.time()  # Valkey's clock is nobody's to set
        self.line = Line(valkey.url, refuses=refuses)
        self._teller = ValkeyTeller(valkey.url, DEPLOYMENT)
        self._name = home.name
        shared = SharedMoney(self.line, self.money, DEPLOYMENT, self._name)
        lasting = self.lasting._replace(budgets=self.budgets, money=shared)
        recorder = Recorder(self.records.append, self.ledger)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, recorder, lasting)

    def tell(self, *gone: str) -> None:
        """As the keeper does each second."""
        totals = [Total(each.key, self._name, each.spent, each.ends) for each in self.money.entries()]
        self._teller.tell(totals, [holder(self._name, each) for each in gone])

    async def stop(self) -> None:
        """Let go of Valkey."""
        await self.line.stop()
        self._teller.close()
        self.money.close()

    async def held(self, **fields: Any) -> tuple[Call, Client]:
        """A call that has been let in or refused."""
        before = len(self.calls)
        call, client = self.ask(**fields)
        await until(lambda: call.ended or len(self.calls) > before)
        return call, client

    async def settled(self) -> None:
        """What was asked of Valkey before is answered."""
        answered: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.line.ask(("PING",), len, answered.set_result)
        await answered


@asynccontextmanager
async def hosts(
    folder: Path, valkey: Valkey, *budgets: Budget, refuses: bool = False
) -> AsyncIterator[tuple[Host, Host]]:
    """Two of them."""
    one, other = (Host(folder / name, valkey, *(budgets or (ONE,)), refuses=refuses) for name in ("one", "other"))
    for each in (one, other):
        await each.line.start()
        each.tell()
    try:
        yield one, other
    finally:
        for each in (one, other):
            await each.stop()


def test_of_many_calls_over_two_hosts_one_is_let_in(tmp_path: Path, valkey: Valkey) -> None:
    """With room for one, of 200 calls at once to two hosts exactly one is let in, and the others are told why; what it
    did not need is there for another one."""

    async def test() -> None:
        async with hosts(tmp_path, valkey) as both:
            asked = [both[number % 2].ask(max_tokens=10) for number in range(200)]
            await until(lambda: sum(call.ended for call, _ in asked) == 199)
            [call] = [call for call, _ in asked if not call.ended]
            assert "USD 9.00 left" in message(asked[-1][1] if asked[-1][0] is not call else asked[0][1])
            (asked_of,) = [each for each in both if each.calls]
            asked_of.last.answer(ANSWER)
            await asked_of.settled()
            assert sum(each.spent(ONE)[0] for each in both) == 5
            for each, tokens, may in ((both[0], 15, False), (both[1], 14, True)):
                call, _ = await each.held(max_tokens=tokens)
                assert call.ended is not may

    run(test())


def test_as_exact_as_one_table(tmp_path: Path, valkey: Valkey) -> None:
    """Whatever two hosts take and settle in whatever order, they let in what one table of both would."""

    async def test() -> None:
        dice = random.Random(seed := random.randrange(1 << 30))
        print("seed", seed)
        (tmp_path / "both").mkdir()
        alone = Till(tmp_path / "both", ONE)
        async with hosts(tmp_path, valkey) as both:
            under_way: list[tuple[Host, int, int]] = []
            for _ in range(150):
                host, tokens = dice.choice(both), dice.randint(1, 12)
                call, _ = await host.held(max_tokens=tokens)
                reference, _ = alone.ask(max_tokens=tokens)
                assert call.ended == reference.ended
                if not call.ended:
                    under_way.append((host, len(host.calls) - 1, len(alone.calls) - 1))
                if under_way and dice.random() < 0.6:
                    host, its, references = under_way.pop(dice.randrange(len(under_way)))
                    if dice.random() < 0.9:
                        refuse(host.calls[its], 500)
                        refuse(alone.calls[references], 500)
                    else:
                        host.calls[its].answer(ANSWER)
                        alone.calls[references].answer(ANSWER)
                    await host.settled()
            assert sum(each.spent(ONE)[0] for each in both) == alone.spent(ONE)[0]
            assert sum(each.spent(ONE)[1] for each in both) == alone.spent(ONE)[1]

    run(test())


def test_a_valkey_that_forgot_everything_is_told_again(tmp_path: Path, valkey: Valkey) -> None:
    """After it was killed and started anew it knows what was spent, by all hosts, and what calls under way hold, also
    of those that were let in while it was away; a host that is not there any more is spoken for by another."""

    async def test() -> None:
        async with hosts(tmp_path, valkey) as (one, other):
            await one.held(max_tokens=2)
            one.last.answer(ANSWER)
            await one.settled()
            await one.held(max_tokens=5)
            valkey.stop()
            await until(lambda: not one.line.up)
            under_way, _ = one.ask(max_tokens=2)
            assert not under_way.ended, "by the configured choice"
            valkey.start()
            one.tell()
            one.tell()  # over a new connection
            await until(lambda: one.line.up)
            _, client = await other.held(max_tokens=6)
            assert "USD 6.00 left" in message(client)

    run(test())


def test_until_it_is_told_it_cannot_tell(tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Valkey that knows nothing lets nothing in for as long as hosts may need to tell it, whatever it is asked; then
    the configured choice holds: here 503 with Retry-After."""
    monkeypatch.setattr(shared_money, "LEARN_SECONDS", 1000)

    async def test() -> None:
        async with hosts(tmp_path, valkey, refuses=True) as (one, other):
            for each in (one, other):
                _, client = await each.held()
                assert (client.status, client.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
                assert told(client)["retry-after"] == "1"
            monkeypatch.setattr(shared_money, "LEARN_SECONDS", 0)
            call, _ = await one.held(max_tokens=9)
            assert not call.ended

    run(test())


def test_who_is_gone_holds_nothing(tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is not heard of any more holds nothing after the documented bound, or as soon as its host tells
    that it has ended; one whose calls take long goes on holding what they need."""
    monkeypatch.setattr(shared_money, "HELD_SECONDS", 1)

    async def test() -> None:
        async with hosts(tmp_path, valkey) as (one, other):
            await one.held(max_tokens=15)
            await asyncio.sleep(1.2)
            assert (await other.held(max_tokens=15))[0].ended
            await one.line.stop()
            await asyncio.sleep(1.2)
            call, _ = await other.held(max_tokens=15)
            assert not call.ended
            await other.line.stop()
            other.tell(other.money.free(0))
            third = Host(tmp_path / "third", valkey, ONE)
            await third.line.start()
            call, _ = await third.held(max_tokens=18)
            assert not call.ended, "the prompt of a call is all that is left of the others"
            await third.stop()

    run(test())


def test_who_hangs_up_meanwhile_holds_nothing(tmp_path: Path, valkey: Valkey) -> None:
    """A call whose client goes while it is counted gives back what it was given; one that only costs a budget which
    alerts waits for nobody."""

    async def test() -> None:
        only = budget(5, id="b2", action="alert")
        async with hosts(tmp_path, valkey, ONE) as (one, other):
            call, _ = one.ask(max_tokens=15)
            call.hang_up()
            await until(lambda: one.line.standing)
            await one.settled()
            assert one.spent(ONE) == (0, 0)
            assert not (await other.held(max_tokens=15))[0].ended
        async with hosts(tmp_path / "alerting", valkey, only) as (one, _):
            with valkey.standing_still():
                call, _ = one.ask(max_tokens=50)
                assert one.calls

    run(test())


def test_a_valkey_that_stands_still_holds_nobody_up(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are counted on this host within a quarter of a second, against all that it knows; none waits for ever."""
    monkeypatch.setattr(line, "PATIENCE", 0.25)

    async def test() -> None:
        async with hosts(tmp_path, valkey) as (one, _):
            with valkey.standing_still():
                call, _ = await one.held(max_tokens=9)
                assert not call.ended
                assert "left" in message((await one.held(max_tokens=10))[1])
            await until(lambda: one.line.up)
            assert one.spent(ONE) == (0, 10)

    run(test())
