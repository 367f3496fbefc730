"""Work that is done again and again beside the calls, and that one defect must not end for good."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

log = logging.getLogger("cloche")


async def repeat(seconds: float, what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work every so many seconds until cancelled.  A defect is told once, until all is well again."""
    told = False
    while True:
        try:
            await work()
            told = False
        except Exception:  # the edge of a background task: told here, or nobody would know
            if not told:
                log.exception("%s failed inside cloche, and goes on", what)
            told = True
        await asyncio.sleep(seconds)


class Turns:
    """A thread that takes a turn every so many seconds, from `start` to `stop`, and a last one then.  A defect is told,
    and ends nothing."""

    def __init__(self, name: str, seconds: float, what: str, turn: Callable[[], None]) -> None:
        self._seconds = seconds
        self._what = what
        self._turn = turn
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether the turn that is taken is the last one, or the one before."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Begin, with a wait."""
        self._thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """Take the last turn and end.  Waits, at most so long."""
        self._stopping.set()
        self._thread.join(seconds)

    def take(self) -> None:
        """A turn, in whoever calls it."""
        try:
            self._turn()
        except Exception:  # the edge of a background thread: one defect must not end its work for good
            log.exception("%s failed inside cloche, and goes on", self._what)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            self.take()
        self.take()
