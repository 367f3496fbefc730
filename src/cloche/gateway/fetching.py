"""One HTTP call whose whole answer is waited for in a thread, for the control plane: small documents, no streams.

Must not know what is fetched.
"""

from __future__ import annotations

import asyncio

from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.lending import Found
from cloche.domain.outbound import HttpCall, Send, Timeouts
from cloche.gateway.collecting import Collecting

MAX_BYTES = 1024 * 1024
TIMEOUTS = Timeouts(connect=3.0, first_byte=5.0, between_bytes=3.0, total=8.0)


class Fetcher:
    """Made in the event loop that `send` belongs to; called from threads."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()

    def __call__(self, call: HttpCall) -> Found:
        """The answer, whatever its status.  Waits, ten seconds at most.  Raises the Problem that it ends in."""
        return asyncio.run_coroutine_threadsafe(self._fetch(call), self._loop).result()

    async def _fetch(self, call: HttpCall) -> Found:
        answer = _Answer()
        exchange = self._send(call, answer, TIMEOUTS)
        try:
            return await answer.ended
        finally:
            exchange.cancel()


class _Answer(Collecting):
    """The answer of one call."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        super().__init__()
        self.ended: asyncio.Future[Found] = asyncio.get_running_loop().create_future()

    def on_data(self, data: bytes) -> None:
        """Collect, within reason."""
        super().on_data(data)
        if self._size > MAX_BYTES:
            self._stop(ProviderBroken("the answer is larger than 1 MiB"))

    def on_end(self) -> None:
        """It is complete."""
        if not self.ended.done():
            self.ended.set_result(Found(self._status, self._headers, self._body()))

    def on_failure(self, problem: Problem) -> None:
        """It will not come."""
        self._stop(problem)

    def _stop(self, problem: Problem) -> None:
        if not self.ended.done():
            self.ended.set_exception(problem)
