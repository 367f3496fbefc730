"""Work that is done again and again beside the calls, and that one defect must not end for good."""

from __future__ import annotations

import asyncio
import logging
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
