"""Rate limits that are counted over several hosts: a call waits for the answer, and goes on or is refused.

While it waits, it can be hung up on like any other.  Where the counters of all hosts cannot tell, it is counted on this
host alone or refused, as the operator chose.  Must not know how anything is counted, or what follows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from cloche.domain.errors import NotReady
from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.counters import Taken
from cloche.gateway.limits import Asked, Limits
from cloche.gateway.shared_counters import AGAIN_SECONDS, SharedCounters
from cloche.snapshot import CompiledEndpoint

log = logging.getLogger("cloche.gateway")


class SharedLimits:
    """`limits`: which fit, and counts on this host."""

    def __init__(self, limits: Limits, counters: SharedCounters) -> None:
        self._limits = limits
        self._counters = counters

    def reserve(self, call: Call, request: Request, compiled: CompiledEndpoint, go_on: Callable[[], None]) -> None:
        """Count the call, and go on if there is room for it; else it fails.  A Problem if nothing is to
        be counted, and it cannot go on."""
        asked = self._limits.asked(call, request, compiled)
        if asked is None:
            go_on()
            return
        waiting = call.source = _Waiting(call, asked, self._limits, self._counters, go_on)
        self._counters.take(asked.wants, waiting.told)


class _Waiting:
    """One call until it is counted.  It is its Source: nothing comes, and nothing has been asked that could be
    cancelled."""

    __slots__ = ("_asked", "_call", "_counters", "_go_on", "_limits")

    def __init__(
        self,
        call: Call,
        asked: Asked,
        limits: Limits,
        counters: SharedCounters,
        go_on: Callable[[], None],
    ) -> None:
        self._call = call
        self._asked = asked
        self._limits = limits
        self._counters = counters
        self._go_on = go_on

    def pause(self) -> None:
        """Nothing comes."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Whatever is counted is given back when it is told."""

    def told(self, taken: Taken | None) -> None:
        """The counters have answered; None: they cannot."""
        asked = self._asked
        if self._call.ended:
            if taken is not None and taken.refused is None and (held := asked.held()):
                self._counters.settle(taken.minute, [(key, -tokens) for key, tokens in held])
            return
        self._call.source = None
        if taken is None:
            self._call.guard(self._alone)
        else:
            self._call.guard(self._counted, taken)

    def _counted(self, taken: Taken) -> None:
        self._limits.keep(self._call, self._asked, taken, self._counters)
        self._after()

    def _alone(self) -> None:
        if self._counters.refuses:
            raise NotReady(
                "The rate limits of this endpoint cannot be checked at the moment.", retry_after=int(AGAIN_SECONDS)
            )
        self._limits.count(self._call, self._asked)
        self._after()

    def _after(self) -> None:
        self._go_on()
        # What it has waited is cloche's own time.
        self._call.sent_at = time.perf_counter()
