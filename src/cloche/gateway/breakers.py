"""Circuit breakers: when an entity that fails is left alone, and how it comes back.

Closed, calls go through and are counted.  Open, none does.  After a while it is half open: one call tries whether the
entity is well again, and the others are still kept away.  Must not know what an entity is, nor what time it is.
"""

from __future__ import annotations

from collections import deque
from typing import Literal, Protocol

from cloche.domain.ai_gateway import CircuitBreaker
from cloche.domain.errors import FormatMissed, Problem, ProviderFault, ProviderForbidden, ProviderRefused

Circuit = Literal["CLOSED", "HALF_OPEN", "OPEN"]

_SLICES = 10
"""Of a window: a failure counts for between nine and ten tenths of it."""


TRYING_SECONDS = 1.0
"""What callers are told to wait while a call tries."""


class Trying(Protocol):
    """The call that tries whether an entity is well again."""

    streaming: bool
    """An answer has begun to come: the entity is well, however long the rest of it takes."""


class Latch(Protocol):
    """Whether a breaker is open, and whether somebody tries.  Several breakers may share one: then they open and close
    together, and one call of all of theirs tries."""

    @property
    def opened_at(self) -> float | None:
        """When it opened; None where it is closed."""

    @property
    def tried(self) -> bool:
        """Whether a call tries."""

    @property
    def closings(self) -> int:
        """How often it has closed: what was counted before that is over."""

    def open(self, now: float) -> None:
        """It opens, or stays open from now on."""

    def close(self) -> None:
        """All is well."""

    def take(self) -> bool:
        """A call wants to try: whether it is the one that does."""

    def drop(self) -> None:
        """The call that tried tells nothing."""


class OwnLatch:
    """Of one breaker alone."""

    __slots__ = ("closings", "opened_at", "tried")

    def __init__(self) -> None:
        self.opened_at: float | None = None
        self.tried = False
        self.closings = 0

    def open(self, now: float) -> None:
        """As Latch.open."""
        self.opened_at, self.tried = now, False

    def close(self) -> None:
        """As Latch.close."""
        self.opened_at, self.tried = None, False
        self.closings += 1

    def take(self) -> bool:
        """As Latch.take."""
        taken, self.tried = not self.tried, True
        return taken

    def drop(self) -> None:
        """As Latch.drop."""
        self.tried = False


class _Slice:
    """The calls of a tenth of the window, from the first of them on."""

    __slots__ = ("began", "calls", "failures")

    def __init__(self, began: float) -> None:
        self.began = began
        self.calls = 0
        self.failures = 0


class Breaker:
    """One entity's.  A call's share of it is 0.6 µs.  `rules` may be replaced: what was counted stays."""

    __slots__ = ("_closings", "_latch", "_slices", "_trying", "rules")

    def __init__(self, rules: CircuitBreaker, latch: Latch | None = None) -> None:
        self.rules = rules
        self._latch = OwnLatch() if latch is None else latch
        self._closings = self._latch.closings
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self._trying: Trying | None = None

    def circuit(self, now: float) -> Circuit:
        """How it is."""
        if self._is_closed():
            return "CLOSED"
        return "OPEN" if not self._latch.tried and self.shut_for(now) > 0 else "HALF_OPEN"

    def shut_for(self, now: float) -> float:
        """Seconds until a call may go through; 0 if one may now.  While one tries, nobody knows: a second."""
        if self._is_closed():
            return 0.0
        if self._latch.tried:
            return TRYING_SECONDS
        opened_at = self._latch.opened_at
        return 0.0 if opened_at is None else max(0.0, opened_at + self.rules.open_seconds - now)

    def enter(self, call: Trying) -> bool:
        """A call goes through, as the one that tries if the breaker is not closed.  False: another one was quicker."""
        if self._latch.opened_at is not None:
            if not self._latch.take():
                return False
            self._trying = call if self._latch.tried else None  # or it has closed at this moment
        return True

    def leave(self, call: Trying, well: bool | None, now: float) -> None:
        """A call has ended.  `well`: whether the entity did its part; None if that cannot be said."""
        tried = call is self._trying
        if not self._is_closed():
            if tried:
                self._trying = None
                if well:
                    self._latch.close()
                elif well is False:
                    self._latch.open(now)
                else:
                    self._latch.drop()
            return
        if well is not None:
            self._count(well, now)

    def forget(self) -> None:
        """It is to be one no more: whoever shares the latch is not to stay outside."""
        if self._latch.opened_at is not None:
            self._latch.close()

    def _count(self, well: bool, now: float) -> None:
        window = self.rules.window_seconds
        slices = self._slices
        if self._closings != self._latch.closings:
            self._closings = self._latch.closings
            slices.clear()
        if not slices or now >= slices[-1].began + window / _SLICES:
            slices.append(_Slice(now))
        newest = slices[-1]
        newest.calls += 1
        if well:
            return
        newest.failures += 1
        recent = [each for each in slices if each.began > now - window]
        calls = sum(each.calls for each in recent)
        failures = sum(each.failures for each in recent)
        if calls >= self.rules.min_calls and failures * 100 >= calls * self.rules.error_percentage:
            self._latch.open(now)

    def _is_closed(self) -> bool:
        if self._trying is not None and self._trying.streaming:
            self._trying = None
            self._latch.close()
        return self._latch.opened_at is None


def is_well(problem: Problem) -> bool | None:
    """What a failure says of the entity.  A refusal is an answer, and so is one in another format than was asked for; a
    full queue, an address that may not be called and a model that is still loading, which has a watch of its own, say
    nothing."""
    if isinstance(problem, (ProviderRefused, FormatMissed)):
        return True
    if isinstance(problem, ProviderFault) and not isinstance(problem, ProviderForbidden):
        return False
    return None
