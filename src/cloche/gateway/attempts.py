"""One call by an endpoint's rules: asked again, or of another entity, as long as the client has got nothing.

A call that fails before its first byte is recovered here: the same entity is asked again where its failure passes soon,
and then the others in the order in which they were declared.  Each attempt and what came of it is told in the answer's
head and in the log.  Must not know how a target is asked.
"""

from __future__ import annotations

import asyncio
import random
import time

from msgspec.structs import replace

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.errors import (
    CallerFault,
    LimitExceeded,
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderRefused,
    ProviderUnavailable,
    ProviderUnreachable,
)
from cloche.domain.outbound import Send
from cloche.gateway import asking
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.snapshot import Target

_PASSING = (ProviderBusy, ProviderUnavailable, ProviderUnreachable, ProviderBroken)
"""Failures after which the same entity may do better in a moment.  After a time-out it has had its time."""

_CALLERS = (CallerFault, ProviderRefused)
"""Failures that every entity would repeat: the request itself is at fault.  A full queue is none of them."""

MAX_WAIT = 60.0
"""Seconds that a provider may ask to be left alone for before another is asked, or the call fails."""

_SHORTEST = 0.1
"""Seconds without which an attempt is not begun."""


class Attempts:
    """The attempts of one call.  It is the call's Governed, and its Source between two attempts."""

    __slots__ = ("_at", "_call", "_request", "_retries", "_rules", "_send", "_targets", "_timer", "_told")

    def __init__(self, call: Call, request: Request, rules: AiGateway, targets: tuple[Target, ...]) -> None:
        self._call = call
        self._request = request
        self._rules = rules
        self._targets = targets if rules.falls_back else targets[:1]
        self._at = 0  # of the targets
        self._retries = 0  # of this target
        self._told: list[str] = []
        self._timer: asyncio.Handle | None = None

    def start(self, send: Send) -> None:
        """Make the first attempt.  A Problem if the target cannot be asked that: then it is the call's."""
        self._send = send
        self._call.governed = self
        asking.ask(self._call, self._request, self._targets[0], send)

    # ---------------------------------------------------------------- Governed

    def recover(self, problem: Problem) -> bool:
        """Ask again, or somebody else, if that may help."""
        target = self._targets[self._at]
        self._told.append(f"{target.entity}={problem.code}")
        self._call.attempts = ", ".join(self._told) if len(self._told) > 1 else ""
        repeated = isinstance(problem, _CALLERS) and not isinstance(problem, LimitExceeded)
        delay = None if repeated else self._next(problem)
        if delay is None:
            return False
        self._call.usage, self._call.translation, self._call.source = None, "", self
        # Not at once: the attempt that has failed is still putting its things away.
        self._timer = asyncio.get_running_loop().call_later(delay, self._again)
        return True

    def ended(self) -> None:
        """Nothing is waited for any more."""
        self.cancel()

    # ---------------------------------------------------------------- Source

    def pause(self) -> None:
        """Nothing comes between two attempts."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants another attempt."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # ---------------------------------------------------------------- the next attempt

    def _next(self, problem: Problem) -> float | None:
        """Seconds until the next attempt, whose target is chosen; None if there is none."""
        left = self._seconds_left()
        retries = self._rules.retry_config
        if retries is not None and self._retries < retries.max_retries and isinstance(problem, _PASSING):
            wait = problem.retry_after
            if wait is None:
                # Between a half and the whole of it, lest all that failed together come back together.
                wait_seconds = retries.backoff_seconds * (1 << self._retries) * random.uniform(0.5, 1)  # noqa: S311
            else:
                wait_seconds = float(wait)
            if wait_seconds <= min(MAX_WAIT, left - _SHORTEST):
                self._retries += 1
                return wait_seconds
        if self._at + 1 < len(self._targets) and left > _SHORTEST:
            self._at += 1
            self._retries = 0
            return 0.0
        return None

    def _again(self) -> None:
        self._timer = None
        target = self._targets[self._at]
        timeouts = replace(target.timeouts, total=max(_SHORTEST, self._seconds_left()))
        try:
            self._call.attempts = ", ".join((*self._told, target.entity))
            asking.ask(self._call, self._request, replace(target, timeouts=timeouts), self._send)
        except Problem as problem:
            self._call.fail(problem)

    def _seconds_left(self) -> float:
        """Of the time that the whole call may take."""
        return self._targets[0].timeouts.total - (time.perf_counter() - self._call.started)
