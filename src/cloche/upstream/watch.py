"""The four time-outs, judged by one sweep over all calls under way.

A timer for each call would cost more than the rest of its bookkeeping.  The sweep runs every 100 ms and only while
there are calls; a time-out therefore fires up to 200 ms late and never early.  It must not know sockets.

Both event loops run timers after they have read from the sockets, so a process that slept for a while does not take
its own sleep for the provider's silence.
"""

from __future__ import annotations

import asyncio
from typing import Final

from cloche.upstream.exchange import LiveExchange

SWEEP_SECONDS: Final = 0.1


class Watch:
    """The calls under way and the sweep over them."""

    __slots__ = ("_timer", "exchanges")

    def __init__(self) -> None:
        self.exchanges: set[LiveExchange] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: LiveExchange) -> None:
        """Judge it from now on."""
        self.exchanges.add(exchange)
        if self._timer is None:
            self._arm(asyncio.get_running_loop())

    def discard(self, exchange: LiveExchange) -> None:
        """It is over."""
        self.exchanges.discard(exchange)

    def stop(self) -> None:
        """No more sweeps; `add` would start them again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SWEEP_SECONDS, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self.exchanges:
            self._timer = None
            return
        self._arm(loop)
        now = loop.time()
        for exchange in tuple(self.exchanges):
            if not exchange.over:  # another one's receiver may have ended it just now
                problem = exchange.overdue(now)
                if problem is not None:
                    exchange.expire(problem)
