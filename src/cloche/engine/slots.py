"""The waiting line in front of one engine or served entity: so many calls run, so many wait, the rest are told when to
return.

An engine that is given more calls than it has slots queues them itself, but there nobody can see how long a call has
waited or take it out again.  Calls come in as callbacks, so that a call that need not wait costs no task.  This file
must not know engines, calls or HTTP; time reaches it through the event loop that it is given.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from cloche.domain.errors import LimitExceeded, Problem

MAX_RETRY_AFTER = 120
FIRST_GUESS_SECONDS = 1.0
"""How long a call is taken to run before the first one has finished."""

NEWEST_WEIGHT = 0.2
"""How much the newest service time counts in the moving average."""


class Clock(Protocol):
    """What of an event loop is needed here."""

    def time(self) -> float:
        """Seconds, monotonic."""

    def call_later(self, delay: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call `callback` after `delay` seconds."""


class Pace:
    """How long calls take, as a moving average, and so when who comes back would probably get a turn."""

    __slots__ = ("_measured", "_seconds")

    def __init__(self) -> None:
        self._seconds = FIRST_GUESS_SECONDS
        self._measured = False

    def learn(self, seconds: float) -> None:
        """A call took so long."""
        weight = NEWEST_WEIGHT if self._measured else 1.0
        self._seconds += weight * (seconds - self._seconds)
        self._measured = True

    def refusal(self, why: str, places: int, parallel: int) -> LimitExceeded:
        """A refusal of the call that would have that place in the line."""
        seconds = min(max(math.ceil(self._seconds * places / parallel), 1), MAX_RETRY_AFTER)
        return LimitExceeded(f"{why} Try again in {seconds} s.", retry_after=seconds)


def too_long(seconds: float) -> str:
    """Why a call that has waited for so long is refused."""
    return f"The model had no free slot for {round(seconds, 1):g} seconds."


class Ticket:
    """A call's place: waiting, running, or gone."""

    __slots__ = ("_on_refused", "_on_turn", "_slots", "_started", "_timer")

    def __init__(self, slots: Slots, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> None:
        self._slots: Slots | None = slots
        self._on_turn = on_turn
        self._on_refused = on_refused
        self._started: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def leave(self, *, finished: bool = False) -> None:
        """Give the slot back, or leave the line.  Neither callback is called after it; more than once is harmless.

        `finished`: the call came to its proper end, so that the time it took says how long calls take.
        """
        slots, self._slots = self._slots, None
        if slots is not None:
            slots._leave(self, finished=finished)


class Slots:
    """At most `parallel` calls run, `queue_limit` wait, each for `queue_seconds` at most; first come, first served.

    `idle_since`: when the last call ended, by the clock; without meaning while one runs.
    """

    def __init__(self, parallel: int, queue_limit: int, queue_seconds: float, clock: Clock) -> None:
        self.parallel = parallel
        self.queue_limit = queue_limit
        self.running = 0
        self.idle_since = clock.time()
        self._queue_seconds = queue_seconds
        self._clock = clock
        self._line: dict[Ticket, None] = {}  # in order of arrival; a dict, so that leaving from the middle is cheap
        self._pace = Pace()

    @property
    def waiting(self) -> int:
        """How many calls stand in the line."""
        return len(self._line)

    def enter(
        self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None], patience: float = math.inf
    ) -> Ticket:
        """Ask for a slot.  With one free, `on_turn` is called before this returns; else later, or `on_refused` with
        a LimitExceeded when the call has waited too long: exactly one of them, unless the ticket leaves first.

        Neither may raise.  `patience`: seconds that the call itself has, at most.  Raises LimitExceeded when the line
        is full.
        """
        ticket = Ticket(self, on_turn, on_refused)
        if self.running < self.parallel:
            self._run(ticket)
            return ticket
        if len(self._line) >= self.queue_limit:
            raise self._refusal(f"The model is busy with {self.running} calls, and {self.waiting} more wait.")
        self._line[ticket] = None
        seconds = min(self._queue_seconds, patience)
        ticket._timer = self._clock.call_later(seconds, lambda: self._overdue(ticket, seconds))
        return ticket

    def resize(self, parallel: int, queue_limit: int, queue_seconds: float) -> None:
        """So many from now on.  Whoever runs goes on, and whoever waits has the time that it was promised."""
        self.parallel, self.queue_limit, self._queue_seconds = parallel, queue_limit, queue_seconds
        self._admit()

    def _run(self, ticket: Ticket) -> None:
        self.running += 1
        ticket._started = self._clock.time()
        ticket._on_turn()

    def _leave(self, ticket: Ticket, *, finished: bool) -> None:
        if ticket._timer is not None:
            ticket._timer.cancel()
        if ticket._started is None:
            del self._line[ticket]
            return
        self.running -= 1
        if finished:
            self._pace.learn(self._clock.time() - ticket._started)
        self.idle_since = self._clock.time()
        self._admit()

    def _admit(self) -> None:
        """Let the first in line run."""
        while self._line and self.running < self.parallel:
            ticket = next(iter(self._line))
            del self._line[ticket]
            assert ticket._timer is not None
            ticket._timer.cancel()
            self._run(ticket)

    def _overdue(self, ticket: Ticket, seconds: float) -> None:
        del self._line[ticket]
        ticket._slots = None
        ticket._on_refused(self._refusal(too_long(seconds)))

    def _refusal(self, why: str) -> LimitExceeded:
        return self._pace.refusal(why, len(self._line) + 1, self.parallel)
