"""What this process remembers of the served entities of endpoints with rules: how busy, how fast, how well they are.

It outlives configurations: an entity is the same as long as its endpoint and its name are.  Where several processes of
this host take calls, how many calls an entity has and whether it is left alone is known to all of them together; the
rest each knows for itself.  Must not know why an entity is asked.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from itertools import pairwise

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.errors import NotReady, Problem
from cloche.engine.slots import Slots, Ticket
from cloche.gateway.breakers import TRYING_SECONDS, Breaker, Circuit, Trying
from cloche.gateway.entity_table import entity_key, entity_name
from cloche.gateway.shared_latch import SharedLatch
from cloche.gateway.shared_line import Lines, SharedSlots, SharedTicket
from cloche.snapshot import CompiledEndpoint, Snapshot, Target

FORGET_SECONDS = 10.0
"""After so long a measured time counts for a third only."""

FAILURE_SECONDS = 5.0
"""A failure is taken for an answer as slow as this: an entity that fails fast must not look quick."""


class Standing:
    """One entity's.  `running`: attempts that have not ended, those that wait for a place too.  `name`: as processes
    call it between them.  `lines`: theirs, where there are several."""

    __slots__ = ("_lines", "_measured_at", "_name", "_seconds", "breaker", "running", "slots")

    def __init__(self, name: str = "", lines: Lines | None = None) -> None:
        self.running = 0
        self.breaker: Breaker | None = None
        self.slots: Slots | SharedSlots | None = None
        self._name = name
        self._lines = lines
        self._seconds = 0.0
        self._measured_at: float | None = None

    def shut_for(self, now: float) -> float:
        """Seconds until a call may be tried on it; 0 if one may now."""
        return 0.0 if self.breaker is None else self.breaker.shut_for(now)

    def cost(self, now: float) -> float:
        """Seconds that one more call would wait for its first byte, as far as can be told."""
        if self._measured_at is None:
            # The first call measures it; until it has, the others go elsewhere.
            return 0.0 if self.running == 0 else FAILURE_SECONDS * self.running
        return self._seconds * math.exp((self._measured_at - now) / FORGET_SECONDS) * (self.running + 1)

    def measure(self, seconds: float, now: float) -> None:
        """It took so long to begin an answer.  A peak is believed at once and forgotten slowly."""
        if self._measured_at is None:
            self._seconds = seconds
        else:
            kept = math.exp((self._measured_at - now) / FORGET_SECONDS)
            before = self._seconds * kept
            self._seconds = max(seconds, before + seconds * (1 - kept))
        self._measured_at = now

    def obey(self, rules: AiGateway) -> None:
        """These rules are in force."""
        breaker = rules.circuit_breaker_config
        if breaker is None or not breaker.enabled:
            if self.breaker is not None:
                self.breaker.forget()
            self.breaker = None
        elif self.breaker is None:
            latch = None if self._lines is None else SharedLatch(self._lines.table, self._name)
            self.breaker = Breaker(breaker, latch)
        else:
            self.breaker.rules = breaker
        limit = rules.concurrency_config
        if limit is None:
            self.slots = None  # whoever waits in the line still gets a turn
        elif self.slots is not None:
            self.slots.resize(limit.max_calls, limit.queue_limit, limit.queue_seconds)
        elif self._lines is not None:
            self.slots = SharedSlots(self._name, self._lines, limit)
        else:
            clock = asyncio.get_running_loop()
            self.slots = Slots(limit.max_calls, limit.queue_limit, limit.queue_seconds, clock)


class Visit:
    """One attempt at an entity, from the moment it was chosen: 4 µs with a breaker and a limit.

    `ask`: asks it; called later if it must be waited for.  `refused`: told why a call that has waited is not let in.
    `patience`: seconds that the call may wait.
    """

    __slots__ = ("_ask", "_call", "_handle", "_has_turn", "_refused", "_standing", "_ticket", "began")

    def __init__(
        self,
        standing: Standing,
        call: Trying,
        ask: Callable[[], None],
        refused: Callable[[Problem], None],
        patience: float = math.inf,
    ) -> None:
        self._standing: Standing | None = None
        self._call = call
        self._ask = ask
        self._refused = refused
        self._ticket: Ticket | SharedTicket | None = None
        self._handle: asyncio.Handle | None = None
        self._has_turn = False
        self.began = time.perf_counter()
        self._begin(standing, patience)

    @property
    def waits(self) -> bool:
        """Whether there is no place for it yet."""
        return not self._has_turn

    def _begin(self, standing: Standing, patience: float) -> None:
        """Get a place, or stand in line.  A Problem if the entity is left alone for now, or its line is full."""
        seconds = standing.shut_for(self.began)
        if seconds > 0:
            raise left_alone(seconds)
        if standing.slots is None:
            self._has_turn = True
        else:
            self._ticket = standing.slots.enter(self._turn, self._refused, patience)
        self._standing = standing
        standing.running += 1
        if self._has_turn and standing.breaker is not None and not standing.breaker.enter(self._call):
            self.end(well=None)
            raise left_alone(TRYING_SECONDS)

    def _turn(self) -> None:
        """There is a place.  What has waited goes on in a turn of its own: a line of which every call fails at once
        would be a tower of calls otherwise."""
        self._has_turn = True
        if self._ticket is not None:
            self._handle = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        assert self._standing is not None
        self.began = time.perf_counter()
        seconds = self._standing.shut_for(self.began)
        if seconds > 0:
            self._refused(left_alone(seconds))
            return
        if self._standing.breaker is not None and not self._standing.breaker.enter(self._call):
            self._refused(left_alone(TRYING_SECONDS))
            return
        self._ask()

    def end(self, well: bool | None, first_byte_at: float | None = None) -> None:
        """The attempt is over.  `well`: whether the entity did its part; None if that cannot be said."""
        standing, self._standing = self._standing, None
        if standing is None:
            return
        now = time.perf_counter()
        standing.running -= 1
        if well is not None:
            waited = FAILURE_SECONDS if not well else (first_byte_at or now) - self.began
            standing.measure(waited, now)
        if standing.breaker is not None:
            standing.breaker.leave(self._call, well, now)
        # The ticket and the handle hold this: nothing is left to the garbage collector.
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.cancel()
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.leave(finished=well is True)


class Candidate:
    """A target that calls may begin with.  `share`: its percentage of the traffic."""

    __slots__ = ("share", "standing", "target")

    def __init__(self, target: Target, share: int, standing: Standing) -> None:
        self.target = target
        self.share = share
        self.standing = standing


class Known:
    """An endpoint's entities under the configuration that was last seen.

    `standings`: by name; none where no rule asks for them, so that they cost nothing.  `ask_once`: nobody is asked
    again, or in place of another, so that a call needs no attempts, which saves it 3 µs.
    """

    def __init__(self, compiled: CompiledEndpoint, standings: Mapping[str, Standing]) -> None:
        self.compiled = compiled
        self.standings = standings
        rules = compiled.rules
        assert rules is not None
        again = rules.falls_back or rules.retry_config or rules.hedging_config
        self.ask_once = not standings and not again
        shares = (after - before for before, after in pairwise((0, *compiled.bounds)))
        self.candidates = tuple(
            Candidate(target, share, standings[target.entity])
            for target, share in zip(compiled.routed, shares, strict=True)
            if standings
        )


class Entities:
    """All that is remembered.  `lines`: those in front of entities, where several processes share them."""

    def __init__(self, lines: Lines | None = None) -> None:
        self._lines = lines
        self._known: dict[str, Known] = {}

    def of(self, compiled: CompiledEndpoint) -> Known:
        """An endpoint's, which obey its rules from now on."""
        known = self._known.get(compiled.endpoint.id)
        if known is None or known.compiled is not compiled:
            known = self._known[compiled.endpoint.id] = self._learn(compiled, known)
        return known

    def _learn(self, compiled: CompiledEndpoint, before: Known | None) -> Known:
        rules = compiled.rules
        assert rules is not None
        if not (rules.circuit_breaker_config or rules.concurrency_config or rules.routing_config):
            return Known(compiled, {})
        kept = {} if before is None else before.standings
        endpoint_id = compiled.endpoint.id
        standings = {
            name: kept.get(name) or Standing(entity_name(endpoint_id, name), self._lines) for name in compiled.targets
        }
        for standing in standings.values():
            standing.obey(rules)
        return Known(compiled, standings)

    def keep_only(self, snapshot: Snapshot) -> None:
        """Forget the endpoints that are gone.  From any thread."""
        if self._known:
            there = {each.endpoint.id for each in snapshot.endpoints.values()}
            for endpoint_id in list(self._known):
                if endpoint_id not in there:
                    self._known.pop(endpoint_id, None)

    def lines(self, snapshot: Snapshot) -> dict[tuple[str, str], tuple[int, int]]:
        """How many calls run and how many wait, by endpoint and entity, where there is a limit.  From any thread."""
        found = {}
        for name, compiled in snapshot.endpoints.items():
            if compiled.rules is not None and compiled.rules.concurrency_config is not None:
                for entity in compiled.targets:
                    found[name, entity] = self._line(compiled.endpoint.id, entity)
        return found

    def _line(self, endpoint_id: str, entity: str) -> tuple[int, int]:
        if self._lines is not None:
            return self._lines.table.counts(entity_key(entity_name(endpoint_id, entity)))
        known = self._known.get(endpoint_id)
        standing = None if known is None else known.standings.get(entity)
        slots = None if standing is None else standing.slots
        return (0, 0) if slots is None else (slots.running, slots.waiting)

    def circuits(self) -> dict[str, dict[str, Circuit]]:
        """How the circuit breakers are, by endpoint id and entity.  From any thread."""
        now = time.perf_counter()
        found = {}
        for endpoint_id, known in list(self._known.items()):
            circuits = {
                name: standing.breaker.circuit(now)
                for name, standing in known.standings.items()
                if standing.breaker is not None
            }
            if circuits:
                found[endpoint_id] = circuits
        return found


def left_alone(seconds: float) -> NotReady:
    """Why an entity is not asked."""
    return NotReady(
        "the served entity has failed too often and is left alone for now (circuit breaker)",
        retry_after=math.ceil(seconds),
    )
