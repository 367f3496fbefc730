"""Fair, bounded, honest about waiting, and every slot comes back exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.domain.errors import LimitExceeded, Problem
from cloche.engine.slots import Slots, Ticket


class HandClock:
    """A clock that moves when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[HandTimer] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        timer = HandTimer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Move on and fire what is due."""
        self.now += seconds
        due = [timer for timer in self.timers if timer.when <= self.now]
        self.timers = [timer for timer in self.timers if timer.when > self.now]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


class HandTimer:
    """What HandClock hands out."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Door:
    """Slots with a log of what happened to whom."""

    def __init__(self, parallel: int = 2, queue_limit: int = 3, queue_seconds: float = 30) -> None:
        self.clock = HandClock()
        self.slots = Slots(parallel, queue_limit, queue_seconds, self.clock)
        self.log: list[str] = []
        self.refusals: list[Problem] = []

    def enter(self, name: str) -> Ticket:
        return self.slots.enter(lambda: self.log.append(name), lambda problem: self._refused(name, problem))

    def _refused(self, name: str, problem: Problem) -> None:
        self.log.append(f"{name} refused")
        self.refusals.append(problem)


def test_a_free_slot_is_given_at_once() -> None:
    """`on_turn` has been called when `enter` returns."""
    door = Door()
    door.enter("a")
    assert door.log == ["a"]
    assert (door.slots.running, door.slots.waiting) == (1, 0)


def test_first_come_first_served() -> None:
    """Those who wait get their turn in order, one for each slot that comes back."""
    door = Door(parallel=1)
    a = door.enter("a")
    b = door.enter("b")
    door.enter("c")
    assert door.log == ["a"]
    a.leave()
    assert door.log == ["a", "b"]
    b.leave()
    assert door.log == ["a", "b", "c"]


def test_one_who_hung_up_in_line_gets_no_turn() -> None:
    """Leaving from the middle of the line keeps the order of the others and calls nothing."""
    door = Door(parallel=1)
    a = door.enter("a")
    b = door.enter("b")
    door.enter("c")
    b.leave()
    a.leave()
    door.clock.advance(60)
    assert door.log == ["a", "c"]


def test_leaving_twice_gives_one_slot_back() -> None:
    """The second time is harmless."""
    door = Door(parallel=1)
    a = door.enter("a")
    door.enter("b")
    door.enter("c")
    a.leave()
    a.leave()
    assert door.log == ["a", "b"]
    assert (door.slots.running, door.slots.waiting) == (1, 1)


def test_waiting_too_long_is_refused() -> None:
    """At the deadline, not before, with a Retry-After; leaving afterwards is harmless, and those who run run on."""
    door = Door(parallel=1, queue_seconds=30)
    a = door.enter("a")
    b = door.enter("b")
    door.clock.advance(29.9)
    assert door.log == ["a"]
    door.clock.advance(0.2)
    assert door.log == ["a", "b refused"]
    assert isinstance(door.refusals[0], LimitExceeded)
    assert door.refusals[0].retry_after == 1
    b.leave()
    a.leave()
    assert (door.slots.running, door.slots.waiting) == (0, 0)


def test_a_turn_cancels_the_deadline() -> None:
    """Who runs cannot be refused any more."""
    door = Door(parallel=1)
    door.enter("a").leave()
    a = door.enter("a")
    door.enter("b")
    a.leave()
    door.clock.advance(1000)
    assert door.log == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("parallel", "waiting", "seconds", "retry_after"),
    [(1, 0, 10, 10), (1, 2, 10, 30), (4, 3, 10, 10), (4, 4, 10, 13), (4, 8, 0.01, 1), (1, 8, 100, 120)],
)
def test_retry_after_is_honest(parallel: int, waiting: int, seconds: float, retry_after: int) -> None:
    """A full line says ceil(service time x place / parallel), between 1 and 120."""
    door = Door(parallel=parallel, queue_limit=waiting)
    first = door.enter("first")
    door.clock.advance(seconds)
    first.leave(finished=True)
    for number in range(parallel + waiting):
        door.enter(str(number))
    with pytest.raises(LimitExceeded) as caught:
        door.enter("one too many")
    assert caught.value.retry_after == retry_after
    assert "one too many" not in door.log


def test_the_newest_service_time_counts_a_fifth() -> None:
    """10 s, then 20 s: the forecast is 12 s."""
    door = Door(parallel=1, queue_limit=0)
    for seconds in (10, 20):
        ticket = door.enter("x")
        door.clock.advance(seconds)
        ticket.leave(finished=True)
    door.enter("x")
    with pytest.raises(LimitExceeded) as caught:
        door.enter("y")
    assert caught.value.retry_after == 12


def test_calls_that_did_not_finish_teach_nothing() -> None:
    """Hang-ups and refusals, however short or long, leave the forecast as it is."""
    door = Door(parallel=1, queue_limit=0)
    for seconds, finished in ((10, True), (0, False), (500, False)):
        ticket = door.enter("x")
        door.clock.advance(seconds)
        ticket.leave(finished=finished)
    door.enter("x")
    with pytest.raises(LimitExceeded) as caught:
        door.enter("y")
    assert caught.value.retry_after == 10


@given(st.lists(st.tuples(st.sampled_from(["enter", "leave", "wait"]), st.integers(0, 9)), max_size=60))
def test_no_slot_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, no more than `parallel` run, nobody waits beside a free slot, and in the end all is free."""
    door = Door(parallel=2, queue_limit=3, queue_seconds=5)
    tickets: list[Ticket] = []
    for step, number in steps:
        if step == "enter":
            try:
                tickets.append(door.enter("x"))
            except LimitExceeded:
                assert door.slots.waiting == 3
        elif step == "leave" and tickets:
            tickets[number % len(tickets)].leave()
        else:
            door.clock.advance(number)
        assert door.slots.running <= 2
        assert door.slots.waiting == 0 or door.slots.running == 2
    for ticket in tickets:
        ticket.leave()
    assert (door.slots.running, door.slots.waiting) == (0, 0)


def test_an_event_loop_serves_as_the_clock() -> None:
    """The deadline passes on a real loop too."""

    async def main() -> list[Problem]:
        refused: list[Problem] = []
        slots = Slots(1, 1, 0.02, asyncio.get_running_loop())
        slots.enter(lambda: None, refused.append)
        slots.enter(lambda: None, refused.append)
        await asyncio.sleep(0.1)
        return refused

    assert [problem.status for problem in asyncio.run(main())] == [429]
