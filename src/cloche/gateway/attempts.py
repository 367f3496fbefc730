"""One call by an endpoint's rules: asked again, or of another entity, as long as the client has got nothing.

A call that fails before its first byte is recovered here: the same entity is asked again where its failure passes soon,
and then the others in the order in which they were declared.  Each attempt and what came of it is told in the answer's
head and in the log.  Must not know how a target is asked.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from cloche.domain.ai_gateway import AiGateway
from cloche.domain.chat import NOTHING_USED
from cloche.domain.errors import (
    CallerFault,
    LimitExceeded,
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ProviderUnreachable,
)
from cloche.domain.outbound import Send
from cloche.gateway import asking
from cloche.gateway.asking import Request
from cloche.gateway.breakers import is_well
from cloche.gateway.call import Call
from cloche.gateway.entities import Standing, Visit
from cloche.gateway.tried import Tried
from cloche.snapshot import Target

_PASSING = (ProviderBusy, ProviderUnavailable, ProviderUnreachable, ProviderBroken)
"""Failures after which the same entity may do better in a moment.  After a time-out it has had its time."""

_CALLERS = (CallerFault, ProviderRefused)
"""Failures that every entity would repeat: the request itself is at fault.  A full queue is none of them."""


MAX_WAIT = 60.0
"""Seconds that a provider may ask to be left alone for before another is asked, if there is another."""

SHORTEST = 0.1
"""Seconds without which an attempt is not begun."""


class Errand(NamedTuple):
    """What is asked, by which rules, and of whom, in that order.  `standings`: of the targets whose rules need them, by
    name."""

    request: Request
    rules: AiGateway
    targets: tuple[Target, ...]
    standings: Mapping[str, Standing]


class Attempts:
    """The attempts of one call.  It is the call's Governed, and its Source while nothing is under way.

    `tried`: those that have failed.  `began`: when the one under way did.
    """

    __slots__ = (
        "_at",
        "_call",
        "_cut",
        "_request",
        "_retries",
        "_rules",
        "_send",
        "_standings",
        "_targets",
        "_timer",
        "_visit",
        "began",
        "tried",
    )

    def __init__(self, call: Call, errand: Errand) -> None:
        self._call = call
        self._request, self._rules, targets, self._standings = errand
        self._targets = targets if self._rules.falls_back else targets[:1]
        self._at = 0  # of the targets
        self._retries = 0  # of this target
        self.tried: list[Tried] = []
        self.began = time.perf_counter()
        self._timer: asyncio.Handle | None = None
        self._visit: Visit | None = None
        self._cut = False  # this attempt has less than the whole time

    def start(self, send: Send) -> None:
        """Make the first attempt.  A Problem if the target cannot be asked that: then it is the call's."""
        self._send = send
        self._call.governed = self
        target = self._targets[0]
        if self._enter(target):
            asking.ask(self._call, self._request, target, send)

    @property
    def position(self) -> int:
        """Which of the targets is asked, or will be next."""
        return self._at

    def leave_out(self, target: Target) -> None:
        """Somebody else asks that one, which comes later in the list."""
        self._targets = tuple(each for each in self._targets if each is not target)

    # ---------------------------------------------------------------- Governed

    def recover(self, problem: Problem) -> bool:
        """Ask again, or somebody else, if that may help."""
        self._leave(self._was_well(problem))
        if self._call.trace is not None:
            self._call.trace.over(self._call, problem)
        target = self._targets[self._at]
        self.tried.append(Tried(target.entity, problem.code, self.began, time.perf_counter()))
        self._call.attempts = tuple(self.tried) if len(self.tried) > 1 else ()
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
        call = self._call
        if call.outcome == "ok":
            self._leave(well=True)
        else:
            if call.outcome == "cancelled" and self.is_waiting:
                call.usage = NOTHING_USED
            self._leave(None if call.problem is None else self._was_well(call.problem))
        self.cancel()

    @property
    def is_waiting(self) -> bool:
        """Whether nobody is being asked: there is a pause before the next attempt, or no place for it yet."""
        return self._timer is not None or (self._visit is not None and self._visit.waits)

    # ---------------------------------------------------------------- Source

    def pause(self) -> None:
        """Nothing comes between two attempts."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants another attempt, nor waits for a place."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._leave(well=None)

    # ---------------------------------------------------------------- the next attempt

    def _next(self, problem: Problem) -> float | None:
        """Seconds until the next attempt, whose target is chosen; None if there is none."""
        left = self._seconds_left()
        other = self._other(left)
        retries = self._rules.retry_config
        may_retry = isinstance(problem, _PASSING) and self._is_open_to(self._targets[self._at])
        if retries is not None and self._retries < retries.max_retries and may_retry:
            wait = problem.wait
            if wait is None:
                # Between a half and the whole of it, lest all that failed together come back together.
                wait_seconds = retries.backoff_seconds * (1 << self._retries) * random.uniform(0.5, 1)  # noqa: S311
            else:
                wait_seconds = float(wait)
            if wait_seconds <= min(math.inf if other is None else MAX_WAIT, left - SHORTEST):
                self._retries += 1
                return wait_seconds
        if other is None:
            return None
        self._at, self._retries = other, 0
        return 0.0

    def _other(self, left: float) -> int | None:
        """The place of the next target that may be asked in the seconds that are left."""
        if left <= SHORTEST:
            return None
        later = range(self._at + 1, len(self._targets))
        return next((at for at in later if self._is_open_to(self._targets[at])), None)

    def _is_open_to(self, target: Target) -> bool:
        standing = self._standings.get(target.entity)
        return standing is None or standing.shut_for(time.perf_counter()) <= 0

    def _was_well(self, problem: Problem) -> bool | None:
        """As the failure says; who was given the rest of the time only is not blamed for its end."""
        if self._cut and isinstance(problem, ProviderTimeout) and self._seconds_left() <= SHORTEST:
            return None
        return is_well(problem)

    def _again(self) -> None:
        self._timer = None
        self.began = time.perf_counter()
        self._call.guard(self._enter_and_ask)

    def _enter_and_ask(self) -> None:
        if self._enter(self._targets[self._at]):
            self._ask()

    def _enter(self, target: Target) -> bool:
        """Whether the target may be asked now.  A Problem if it may not be asked."""
        standing = self._standings.get(target.entity)
        if standing is None:
            return True
        self._call.target, self._call.source = target, self
        patience = max(0.0, self._seconds_left() - SHORTEST)
        self._visit = Visit(standing, self._call, self._after_waiting, self._call.fail, patience)
        return not self._visit.waits

    def _after_waiting(self) -> None:
        self._call.guard(self._ask)

    def _ask(self) -> None:
        """Ask the target that is next, within the time that is left."""
        target = self._targets[self._at]
        timeouts = replace(target.timeouts, total=max(SHORTEST, self._seconds_left()))
        self._cut = True
        if self.tried:
            self._call.attempts = (*self.tried, Tried(target.entity, "", self.began))
        asking.ask(self._call, self._request, replace(target, timeouts=timeouts), self._send)

    def _leave(self, well: bool | None) -> None:
        """The attempt under way, if there is one, is over."""
        visit, self._visit = self._visit, None
        if visit is not None:
            visit.end(well, self._call.first_byte_at)

    def _seconds_left(self) -> float:
        """Of the time that the whole call may take."""
        return self._targets[0].timeouts.total - (time.perf_counter() - self._call.started)
