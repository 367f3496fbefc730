"""Several processes that take calls: an entity's limit, its waiting line and its circuit breaker are one for all."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloche.bootstrap.channel import Admitted, Freed, GiveUp, ToWorker, Wait
from cloche.bootstrap.entity_lines import EntityLines
from cloche.domain.ai_gateway import AiGateway, CircuitBreaker, Concurrency
from cloche.domain.errors import LimitExceeded, NotReady, Problem
from cloche.engine.slots import Clock as LoopClock
from cloche.gateway.entity_table import FILE, EntityTable, entity_key
from cloche.gateway.shared_line import Lines, SharedSlots, SharedTicket

from .scripted import Clock, World
from .test_attempts import ANSWER, EVENT, refuse, ruled, run, turn

ENTITY = "e/first"
ONE = AiGateway(concurrency_config=Concurrency(1, queue_limit=1, queue_seconds=0.1))
BREAKING = AiGateway(circuit_breaker_config=CircuitBreaker(True, min_calls=2, open_seconds=0.1))

Post = Callable[[tuple[str, int], Callable[[], None]], None]
"""How a message gets there: by which channel, and what it does then."""


class Host:
    """The process that keeps the others, with a real table in a folder."""

    def __init__(self, folder: Path, post: Post, places: int = 2) -> None:
        self.folder = folder
        self.post = post
        self.places = places
        self.table = EntityTable.fresh(folder, places)
        self.lines = EntityLines(self.table)


class Worker:
    """Another process, in a place of its own.  Implements HostLine."""

    def __init__(self, host: Host, place: int, clock: LoopClock) -> None:
        self.host = host
        self.place = place
        self.dead = False
        self.lines = Lines(EntityTable.of_home(host.folder, host.places, place), self, clock)
        host.lines.join(place, self._hear)

    def wait(self, ticket: int, entity: str, max_calls: int) -> None:
        """Part of HostLine."""
        self._say(Wait(ticket, entity, max_calls))

    def give_up(self, ticket: int) -> None:
        """Part of HostLine."""
        self._say(GiveUp(ticket))

    def freed(self, entity: str) -> None:
        """Part of HostLine."""
        self._say(Freed(entity))

    def _say(self, message: Wait | GiveUp | Freed) -> None:
        self.host.post(("to", self.place), lambda: None if self.dead else self.host.lines.take(self.place, message))

    def _hear(self, message: ToWorker) -> None:
        assert isinstance(message, Admitted)
        number, entity = message.ticket, message.entity
        self.host.post(("from", self.place), lambda: None if self.dead else self.lines.admitted(number, entity))

    def kill(self) -> None:
        """It is gone, whatever it had."""
        self.dead = True
        self.host.lines.leave(self.place)


def at_once(_: tuple[str, int], work: Callable[[], None]) -> None:
    """In the next turn of the loop."""
    asyncio.get_running_loop().call_soon(work)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where a host's table is."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def two(folder: Path, rules: AiGateway) -> tuple[World, World, list[Worker]]:
    """Two gateways of one host, with the same endpoint."""
    host = Host(folder, at_once)
    workers = [Worker(host, place, asyncio.get_running_loop()) for place in range(2)]
    one, other = (ruled(rules, worker.lines) for worker in workers)
    return one, other, workers


def test_a_limit_is_that_of_all_processes(folder: Path) -> None:
    """A call waits for one of another process, is asked as soon as that has ended, and a third is refused at once."""

    async def main() -> None:
        one, other, workers = two(folder, ONE)
        for _ in range(3):
            one.ask(entity="first")
            _, waiter = other.ask(entity="first")
            assert not other.calls
            _, refused = one.ask(entity="first")
            assert (refused.status, refused.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
            assert b"retry-after: " in refused.headers
            one.calls.pop().answer(ANSWER)
            await turn()
            other.calls.pop().answer(ANSWER)
            assert waiter.status == 200
        assert workers[0].lines.table.counts(entity_key("chat/first")) == (0, 0)

    run(main)


def test_waiting_has_its_end_in_every_process(folder: Path) -> None:
    """Who has waited too long, or hangs up, leaves the line; the place goes to the next one."""

    async def main() -> None:
        one, other, workers = two(folder, ONE)
        one.ask(entity="first")
        _, late = other.ask(entity="first")
        await turn(0.12)
        assert (late.status, late.json["error_code"]) == (429, "REQUEST_LIMIT_EXCEEDED")
        left, _ = other.ask(entity="first")
        await turn()
        left.hang_up()
        await turn()
        last, _ = other.ask(entity="first")
        one.calls.pop().answer(ANSWER)
        last.hang_up()  # in the moment in which it is given the place
        await turn()
        assert not other.calls
        assert workers[0].lines.table.counts(entity_key("chat/first")) == (0, 0)
        one.ask(entity="first")
        assert len(one.calls) == 1

    run(main)


def test_a_process_that_is_killed_gives_everything_back(folder: Path) -> None:
    """Its calls that ran make room for those that wait elsewhere, and those that waited are in nobody's way."""

    async def main() -> None:
        one, other, workers = two(folder, AiGateway(concurrency_config=Concurrency(2, queue_limit=9)))
        for _ in range(3):
            one.ask(entity="first")
        _, waiter = other.ask(entity="first")
        await turn()
        assert (len(one.calls), len(other.calls)) == (2, 0)
        workers[0].kill()
        await turn()
        other.calls.pop().answer(ANSWER)
        assert waiter.status == 200
        assert workers[1].lines.table.counts(entity_key("chat/first")) == (0, 0)

    run(main)


def test_without_a_host_nobody_waits(folder: Path) -> None:
    """When the process that keeps the line is gone, those who stand in it are told, and so are those who come."""

    async def main() -> None:
        one, other, workers = two(folder, ONE)
        one.ask(entity="first")
        _, waiter = other.ask(entity="first")
        workers[1].lines.refuse_all()
        _, late = other.ask(entity="first")
        assert (waiter.status, late.status) == (503, 429)

    run(main)


class Crowd:
    """Calls of three processes at one entity, and messages under way, each channel in its own order."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.dice = dice
        self.under_way: dict[tuple[str, int], deque[Callable[[], None]]] = defaultdict(deque)
        self.host = Host(folder, lambda channel, work: self.under_way[channel].append(work), places=3)
        self.clock = Clock()
        self.workers = [self.start(place) for place in range(3)]
        self.running: list[tuple[Worker, SharedTicket]] = []
        self.waiting: list[tuple[Worker, SharedTicket]] = []
        self.most = 0

    def start(self, place: int) -> Worker:
        """A process begins."""
        return Worker(self.host, place, self.clock)

    def enter(self) -> None:
        """A call comes."""
        worker = self.dice.choice(self.workers)
        held: list[SharedTicket] = []
        began: list[bool] = []

        def on_turn() -> None:
            began.append(True)
            if held:
                self.waiting.remove((worker, held[0]))
                self.running.append((worker, held[0]))

        def on_refused(_: Problem) -> None:
            self.waiting.remove((worker, held[0]))

        slots = SharedSlots(ENTITY, worker.lines, Concurrency(4, queue_limit=12))
        try:
            held.append(slots.enter(on_turn, on_refused))
        except LimitExceeded:
            return
        (self.running if began else self.waiting).append((worker, held[0]))

    def end(self) -> None:
        """A call ends, or waits no more."""
        those = self.dice.choice([self.running, self.waiting])
        if those:
            those.pop(self.dice.randrange(len(those)))[1].leave(finished=True)

    def deliver(self) -> None:
        """A message arrives."""
        channels = [each for each in self.under_way.values() if each]
        if channels:
            self.dice.choice(channels).popleft()()

    def settle(self) -> None:
        """All messages arrive."""
        while any(self.under_way.values()):
            self.deliver()
            assert len(self.running) <= 4

    def kill(self) -> None:
        """A process is gone, and another one takes its place."""
        place = self.dice.randrange(3)
        gone = self.workers[place]
        self.running = [each for each in self.running if each[0] is not gone]
        self.waiting = [each for each in self.waiting if each[0] is not gone]
        gone.kill()
        self.workers[place] = self.start(place)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens(folder: Path, seed: int) -> None:
    """However calls, messages and deaths follow on each other: never are there more calls than the limit, and at the
    end everybody who waited has had a turn and nothing is left over."""
    crowd = Crowd(folder, random.Random(seed))
    for _ in range(1500):
        doing = crowd.dice.choices([crowd.enter, crowd.end, crowd.deliver, crowd.kill], [40, 30, 60, 0.5])[0]
        doing()
        assert len(crowd.running) <= 4
    crowd.settle()
    while crowd.running:
        crowd.running.pop()[1].leave()
        crowd.settle()
    assert not crowd.waiting
    assert crowd.host.table.counts(entity_key(ENTITY)) == (0, 0)


def test_a_breaker_opens_and_closes_in_all_processes(folder: Path) -> None:
    """What one process found out the others know with the next call; one call of all tries, and tries for all."""

    async def main() -> None:
        one, other, _ = two(folder, BREAKING)
        other.ask(entity="first")
        early = other.calls.pop()
        for _ in range(2):
            one.ask(entity="first")
            refuse(one.calls.pop(), 500)
        for world in (one, other):
            _, client = world.ask(entity="first")
            assert (client.status, client.json["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        early.answer(ANSWER)  # began before: it proves nothing
        await turn(0.1)
        other.ask(entity="first")
        for world in (one, other):
            _, client = world.ask(entity="first")
            assert client.status == 503
        assert circuits(one) == circuits(other) == "HALF_OPEN"
        refuse(other.calls.pop(), 500)
        assert circuits(one) == circuits(other) == "OPEN"
        await turn(0.1)
        one.ask(entity="first", stream=True)
        one.calls[-1].receiver.on_head(200, {b"content-type": b"text/event-stream"})
        one.calls[-1].receiver.on_data(EVENT)
        assert circuits(one) == circuits(other) == "CLOSED"
        other.ask(entity="first")
        refuse(other.calls.pop(), 500)
        assert circuits(other) == "CLOSED"  # what was before it opened is over

    run(main)


def circuits(world: World) -> str:
    """How the breaker of an entity is, as a gateway sees it."""
    return world.lasting.entities.circuits()["chat"]["first"]


def test_who_tries_may_be_killed(folder: Path) -> None:
    """Then another one may try."""

    async def main() -> None:
        one, other, workers = two(folder, BREAKING)
        for _ in range(2):
            one.ask(entity="first")
            refuse(one.calls.pop(), 500)
        await turn(0.1)
        one.ask(entity="first")
        _, client = other.ask(entity="first")
        assert client.status == 503
        workers[0].kill()
        _, client = other.ask(entity="first")
        other.calls.pop().answer(ANSWER)
        assert client.status == 200

    run(main)


def test_a_breaker_that_is_switched_off_keeps_nobody_away(folder: Path) -> None:
    """Not even when it is switched on again while a call of before tries."""

    async def main() -> None:
        one, other, _ = two(folder, BREAKING)
        for _ in range(2):
            one.ask(entity="first")
            refuse(one.calls.pop(), 500)
        await turn(0.1)
        one.ask(entity="first")
        for rules in (ONE, BREAKING):
            for world in (one, other):
                replaced = ruled(rules).snapshot.current()
                world.snapshot.swap(replaced)
                world.ask(entity="first")[0].hang_up()
        assert circuits(one) == circuits(other) == "CLOSED"

    run(main)


def test_the_table_is_new_at_each_start(folder: Path) -> None:
    """Who outlives the process that kept it counts where nobody looks; the file is private."""
    old = EntityTable.fresh(folder, 2)
    outliving = EntityTable.of_home(folder, 2, 0)
    assert outliving.enter(entity_key(ENTITY), 9, 0) == "in"
    new = EntityTable.fresh(folder, 2)
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert (old.counts(entity_key(ENTITY)), new.counts(entity_key(ENTITY))) == ((1, 0), (0, 0))
    for table in (old, outliving, new):
        table.close()


def test_a_full_table_refuses_and_gives_the_slots_of_those_that_are_idle(folder: Path) -> None:
    """An entity without a slot takes no call rather than uncounted ones; a slot that says nothing is anybody's."""
    descriptor = os.open(folder / "small", os.O_RDWR | os.O_CREAT, 0o600)
    os.truncate(descriptor, 4 * 9 * 8)
    table = EntityTable(descriptor, 2, 0, slots=4)
    keys = [entity_key(str(number)) for number in range(5)]
    assert [table.enter(key, 9, 9) for key in keys] == ["in"] * 4 + ["full"]
    table.leave(keys[2])
    assert table.enter(keys[4], 9, 9) == "in"
    assert [table.counts(key) for key in keys] == [(1, 0), (1, 0), (0, 0), (1, 0), (1, 0)]
    table.open(keys[2], 1.0)
    assert table.opened_at(keys[2]) is None  # there is no room to keep it in: the entity is asked on
    table.close()


def never_refused(problem: Problem) -> None:
    """There was room."""
    raise problem


def test_no_host_is_told_of_what_did_not_wait(folder: Path) -> None:
    """Where there is room nothing is said between processes."""

    def never(channel: tuple[str, int], _: Callable[[], None]) -> None:
        raise AssertionError(channel)

    worker = Worker(Host(folder, never), 0, Clock())
    slots = SharedSlots(ENTITY, worker.lines, Concurrency(2, queue_limit=0))
    tickets = [slots.enter(lambda: None, never_refused) for _ in range(2)]
    assert (slots.running, slots.waiting) == (2, 0)
    with pytest.raises(LimitExceeded):
        slots.enter(lambda: None, never_refused)
    for ticket in tickets:
        ticket.leave(finished=True)
        ticket.leave()
    assert (slots.running, slots.waiting) == (0, 0)
    worker.lines.refuse_all()
    slots.resize(0, 9, 1.0)
    with pytest.raises(NotReady):
        slots.enter(lambda: None, never_refused)
