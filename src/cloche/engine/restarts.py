"""When to start a crashed engine again, and when to give up.  Arithmetic alone: the clock is the caller's."""

from __future__ import annotations

from collections import deque

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY_AFTER = 60.0
"""Seconds of good service after which a crash counts as the first one again."""

MAX_CRASHES = 8
WITHIN_SECONDS = 300.0


class Restarts:
    """The crashes of one engine."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._crashes: deque[float] = deque(maxlen=MAX_CRASHES)

    def pause_after_crash(self, now: float, served_seconds: float) -> float | None:
        """Seconds to wait before the next start, twice as long each time; None: it crashes in a loop, give up.

        `served_seconds`: how long it had been ready before this crash.
        """
        self._crashes.append(now)
        if len(self._crashes) == MAX_CRASHES and now - self._crashes[0] <= WITHIN_SECONDS:
            return None
        if served_seconds >= HEALTHY_AFTER:
            self._pause = FIRST_PAUSE
        pause = self._pause
        self._pause = min(pause * 2, LONGEST_PAUSE)
        return pause
