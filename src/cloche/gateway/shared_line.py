"""The line in front of a served entity, seen from one of several processes that take calls.

How many run and wait is counted for all processes together, so that the limit is the host's and not each process's.
A call that finds room goes at once and asks nobody.  Who must wait stands in a line that the host process keeps, in
order of arrival over all processes, and is told by it when to go; who leaves tells it that there is room, if somebody
waits.  How long a call waits is watched here.  Must not know how messages travel.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Protocol

from cloche.domain.ai_gateway import Concurrency
from cloche.domain.errors import NotReady, Problem
from cloche.engine.slots import Clock, Pace, too_long
from cloche.gateway.entity_table import EntityTable, entity_key

_HOST_GONE = "the process that keeps the waiting line is gone"


class HostLine(Protocol):
    """The way to the process that keeps the lines."""

    def wait(self, ticket: int, entity: str, max_calls: int) -> None:
        """A call, which is counted as one that waits, stands in an entity's line."""

    def give_up(self, ticket: int) -> None:
        """A call waits no more."""

    def freed(self, entity: str) -> None:
        """A call has ended while others wait."""


class SharedTicket:
    """A call's place: waiting, running, or gone.  `number`: in the line, where it waits."""

    __slots__ = ("_on_refused", "_on_turn", "_slots", "number", "started", "timer")

    def __init__(self, slots: SharedSlots, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> None:
        self._slots: SharedSlots | None = slots
        self._on_turn = on_turn
        self._on_refused = on_refused
        self.number = 0
        self.started: float | None = None
        self.timer: asyncio.TimerHandle | None = None

    def leave(self, *, finished: bool = False) -> None:
        """As Ticket.leave."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.leave(self, finished=finished)

    def run(self, now: float) -> None:
        """It has a place from now on."""
        self._stop_waiting()
        self.started = now
        self._on_turn()

    def refuse(self, problem: Problem) -> None:
        """It gets none."""
        self._stop_waiting()
        self._slots = None
        self._on_refused(problem)

    def _stop_waiting(self) -> None:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()


class Lines:
    """The calls of this process that wait, by number.  `clock`: of the loop."""

    def __init__(self, table: EntityTable, host: HostLine, clock: Clock) -> None:
        self.table = table
        self.clock = clock
        self._host: HostLine | None = host
        self._numbers = itertools.count(1)
        self._waiting: dict[int, SharedTicket] = {}

    def wait(self, ticket: SharedTicket, entity: str, max_calls: int) -> None:
        """Stand in line.  NotReady when nobody keeps it any more."""
        if self._host is None:
            raise NotReady(_HOST_GONE)
        ticket.number = next(self._numbers)
        self._waiting[ticket.number] = ticket
        self._host.wait(ticket.number, entity, max_calls)

    def give_up(self, ticket: SharedTicket) -> None:
        """It waits no more."""
        if self._waiting.pop(ticket.number, None) is not None and self._host is not None:
            self._host.give_up(ticket.number)

    def leave(self, entity: str) -> None:
        """A call has ended."""
        if self.table.leave(entity_key(entity)) and self._host is not None:
            self._host.freed(entity)

    def admitted(self, number: int, entity: str) -> None:
        """The host has given a call a place; it may have given up meanwhile."""
        ticket = self._waiting.pop(number, None)
        if ticket is None:
            self.leave(entity)
        else:
            ticket.run(self.clock.time())

    def refuse_all(self) -> None:
        """The host is gone."""
        self._host = None
        waiting, self._waiting = self._waiting, {}
        for ticket in waiting.values():
            ticket.refuse(NotReady(_HOST_GONE))


class SharedSlots:
    """As Slots, of all processes of this host together.  `entity`: its name."""

    def __init__(self, entity: str, lines: Lines, limit: Concurrency) -> None:
        self._entity = entity
        self._lines = lines
        self._limit = limit
        self._pace = Pace()

    @property
    def running(self) -> int:
        """How many calls of all processes run."""
        return self._lines.table.counts(entity_key(self._entity))[0]

    @property
    def waiting(self) -> int:
        """How many calls of all processes wait."""
        return self._lines.table.counts(entity_key(self._entity))[1]

    def resize(self, parallel: int, queue_limit: int, queue_seconds: float) -> None:
        """As Slots.resize; the line moves on when the next call comes or ends."""
        self._limit = Concurrency(parallel, queue_limit, queue_seconds)

    def enter(
        self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None], patience: float = math.inf
    ) -> SharedTicket:
        """As Slots.enter.  Raises LimitExceeded when the line is full."""
        limit, lines = self._limit, self._lines
        entry = lines.table.enter(entity_key(self._entity), limit.max_calls, limit.queue_limit)
        if entry == "full":
            running, waiting = lines.table.counts(entity_key(self._entity))
            why = f"The model is busy with {running} calls, and {waiting} more wait."
            raise self._pace.refusal(why, waiting + 1, limit.max_calls)
        ticket = SharedTicket(self, on_turn, on_refused)
        if entry == "in":
            ticket.run(lines.clock.time())
            return ticket
        lines.wait(ticket, self._entity, limit.max_calls)
        seconds = min(limit.queue_seconds, patience)
        ticket.timer = lines.clock.call_later(seconds, lambda: self._overdue(ticket, seconds))
        return ticket

    def leave(self, ticket: SharedTicket, *, finished: bool) -> None:
        """A ticket's place is free, or it waits no more."""
        if ticket.started is None:
            if ticket.timer is not None:
                ticket.timer.cancel()
                ticket.timer = None
            self._lines.give_up(ticket)
            return
        if finished:
            self._pace.learn(self._lines.clock.time() - ticket.started)
        self._lines.leave(self._entity)

    def _overdue(self, ticket: SharedTicket, seconds: float) -> None:
        self._lines.give_up(ticket)
        ticket.refuse(self._pace.refusal(too_long(seconds), self.waiting + 1, self._limit.max_calls))
