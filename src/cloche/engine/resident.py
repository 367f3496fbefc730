"""A model that has an engine on this host: the engine, the waiting line in front of it, and its sleep.

    awake ──nobody called for a while──> asleep ──a call──> waking ──the engine is ready──> awake

Calls that come while it sleeps or wakes are held, in order, and join the line when the engine is ready.  Must not know
why a model is wanted here: that is host.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from cloche.domain.errors import LimitExceeded, NotReady, Problem
from cloche.engine.journal import Journal
from cloche.engine.process import EngineFailed
from cloche.engine.slots import Clock, Slots, Ticket
from cloche.engine.supervisor import Engine, State

WAKE_SECONDS = 120.0
"""The longest that a call is held for an engine that is being loaded."""

_SERVING = (State.READY, State.RESTARTING)


class Held:
    """The place of a call that waits for the engine to wake, and later its place in the line."""

    def __init__(self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> None:
        self._on_turn = on_turn
        self._on_refused = on_refused
        self._ticket: Ticket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.gone = False

    def expire_after(self, clock: Clock, late: Callable[[Held], None]) -> None:
        """Have `late` called if the engine is not awake in time."""
        self._timer = clock.call_later(WAKE_SECONDS, lambda: late(self))

    def leave(self, *, finished: bool = False) -> None:
        """As Ticket.leave."""
        self.gone = True
        self._stop_timer()
        if self._ticket is not None:
            self._ticket.leave(finished=finished)

    def join(self, slots: Slots) -> None:
        """The engine is awake: stand in its line."""
        self._stop_timer()
        try:
            ticket = slots.enter(self._on_turn, self._on_refused)
        except LimitExceeded as problem:
            self._on_refused(problem)
            return
        if self.gone:  # its turn came at once, and the call has ended within it
            ticket.leave()
        self._ticket = ticket

    def refuse(self, problem: Problem) -> None:
        """The engine did not wake, or not in time."""
        self.gone = True
        self._stop_timer()
        self._on_refused(problem)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class Resident:
    """One model with its engine, whose address and key stay the same through sleep and crashes."""

    def __init__(self, engine: Engine, slots: Slots, journal: Journal, clock: Clock) -> None:
        self.engine = engine
        self.slots = slots
        self.asleep = False
        self._journal = journal
        self._clock = clock
        self._held: dict[Held, None] = {}  # in order of arrival
        self._changing = asyncio.Lock()
        self._waking: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether a call can be served: now, after a moment, or by waking the engine."""
        return self.asleep or self.engine.state in _SERVING

    @property
    def busy(self) -> bool:
        """Whether calls run, wait or are held."""
        return bool(self.slots.running or self.slots.waiting or self._held)

    def idle_seconds(self) -> float:
        """How long nobody has called; 0 while somebody does."""
        return 0.0 if self.busy else self._clock.time() - self.slots.idle_since

    def check_ready(self) -> None:
        """Raises NotReady unless a call may be sent, or held until the engine is awake."""
        if not self.asleep:
            self.engine.check_ready()

    def enter(self, on_turn: Callable[[], None], on_refused: Callable[[Problem], None]) -> Ticket | Held:
        """As Slots.enter; wakes an engine that sleeps and holds the call meanwhile."""
        if not self.asleep:
            return self.slots.enter(on_turn, on_refused)
        if len(self._held) >= self.slots.parallel + self.slots.queue_limit:
            raise NotReady(f"The model {self.engine.name} is being loaded and many calls wait for it.", retry_after=5)
        held = Held(on_turn, on_refused)
        self._held[held] = None
        held.expire_after(self._clock, self._late)
        if self._waking is None:
            self._waking = asyncio.get_running_loop().create_task(self._wake(), name=f"wake {self.engine.name}")
        return held

    async def sleep(self) -> None:
        """Unload the engine until the next call."""
        self.asleep = True
        async with self._changing:
            await self.engine.stop("unloaded, because nobody called; the next call loads it")
        self._journal.add("unloaded, because nobody called")

    async def close(self) -> None:
        """End the engine for good.  Calls that are held are refused."""
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.gather(self._waking, return_exceptions=True)
        async with self._changing:
            await self.engine.stop()
        self.asleep = False
        self._refuse_held("is not served here any more")

    async def _wake(self) -> None:
        self._journal.add("loading, because of a call")
        try:
            async with self._changing:
                await self.engine.start()
        except EngineFailed as error:
            # It stays asleep, so that the next call tries again.
            self._refuse_held(f"could not be loaded: {error.message}")
            return
        finally:
            self._waking = None
        self.asleep = False
        waiting, self._held = self._held, {}
        for held in waiting:
            if not held.gone:
                held.join(self.slots)

    def _late(self, held: Held) -> None:
        del self._held[held]
        held.refuse(NotReady(f"The model {self.engine.name} was not loaded after {WAKE_SECONDS:g} s.", retry_after=5))

    def _refuse_held(self, why: str) -> None:
        waiting, self._held = self._held, {}
        for held in waiting:
            if not held.gone:
                held.refuse(NotReady(f"The model {self.engine.name} {why}", retry_after=5))
