"""Rate limits that are counted over several hosts: a call waits for the answer, and goes on or is refused.

Where the counters of all hosts cannot tell, it is counted on this host alone or refused, as the operator chose.  Must
not know how anything is counted, or what follows.
"""

from __future__ import annotations

from collections.abc import Callable

from cloche.gateway.asking import Request
from cloche.gateway.call import Call
from cloche.gateway.counters import Taken
from cloche.gateway.limits import Limits
from cloche.gateway.shared_counters import SharedCounters
from cloche.gateway.waiting import Waiting, cannot_tell
from cloche.snapshot import CompiledEndpoint


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
        counters = self._counters

        def counted(taken: Taken | None) -> None:
            if taken is not None:
                self._limits.keep(call, asked, taken, counters)
            elif counters.valkey.refuses:
                raise cannot_tell("rate limits")
            else:
                self._limits.count(call, asked)
            go_on()

        def undo(taken: Taken) -> None:
            if taken.refused is None and (held := asked.held()):
                counters.settle(taken.minute, [(key, -tokens) for key, tokens in held])

        counters.take(asked.wants, Waiting(call, counted, undo).told)
