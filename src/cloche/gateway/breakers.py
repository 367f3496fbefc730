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


class Trying(Protocol):
    """The call that tries whether an entity is well again."""

    streaming: bool
    """An answer has begun to come: the entity is well, however long the rest of it takes."""


class _Slice:
    """The calls of a tenth of the window, from the first of them on."""

    __slots__ = ("began", "calls", "failures")

    def __init__(self, began: float) -> None:
        self.began = began
        self.calls = 0
        self.failures = 0


class Breaker:
    """One entity's.  A call's share of it is 0.6 µs.  `rules` may be replaced: what was counted stays."""

    __slots__ = ("_opened_at", "_slices", "_trying", "rules")

    def __init__(self, rules: CircuitBreaker) -> None:
        self.rules = rules
        self._slices: deque[_Slice] = deque(maxlen=_SLICES)
        self._opened_at: float | None = None
        self._trying: Trying | None = None

    def circuit(self, now: float) -> Circuit:
        """How it is."""
        if self._is_closed():
            return "CLOSED"
        return "OPEN" if self._trying is None and self.shut_for(now) > 0 else "HALF_OPEN"

    def shut_for(self, now: float) -> float:
        """Seconds until a call may go through; 0 if one may now.  While one tries, nobody knows: a second."""
        if self._is_closed():
            return 0.0
        if self._trying is not None:
            return 1.0
        assert self._opened_at is not None
        return max(0.0, self._opened_at + self.rules.open_seconds - now)

    def enter(self, call: Trying) -> None:
        """A call goes through; it is the one that tries if the breaker is not closed."""
        if self._opened_at is not None:
            self._trying = call

    def leave(self, call: Trying, well: bool | None, now: float) -> None:
        """A call has ended.  `well`: whether the entity did its part; None if that cannot be said."""
        if not self._is_closed():
            if call is self._trying:
                self._trying = None
                if well:
                    self._close()
                elif well is False:
                    self._opened_at = now
            return
        if well is not None:
            self._count(well, now)

    def _count(self, well: bool, now: float) -> None:
        window = self.rules.window_seconds
        slices = self._slices
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
            self._opened_at = now

    def _is_closed(self) -> bool:
        if self._trying is not None and self._trying.streaming:
            self._close()
        return self._opened_at is None

    def _close(self) -> None:
        self._opened_at = self._trying = None
        self._slices.clear()


def is_well(problem: Problem) -> bool | None:
    """What a failure says of the entity.  A refusal is an answer, and so is one in another format than was asked for; a
    full queue, an address that may not be called and a model that is still loading, which has a watch of its own, say
    nothing."""
    if isinstance(problem, (ProviderRefused, FormatMissed)):
        return True
    if isinstance(problem, ProviderFault) and not isinstance(problem, ProviderForbidden):
        return False
    return None
