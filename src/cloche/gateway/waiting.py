"""A call that waits until counters of all hosts have answered.

While it waits, it can be hung up on like any other: what was counted then is given back when that is told.  Must not
know what is counted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from cloche.domain.errors import NotReady
from cloche.gateway.call import Call
from cloche.gateway.valkey import AGAIN_SECONDS

_Answer = TypeVar("_Answer")


class Waiting(Generic[_Answer]):
    """One call until it is counted.  It is its Source: nothing comes, and nothing has been asked that could be
    cancelled.

    `counted`: has it go on by the answer, of which None says that they cannot tell.  `undo`: it has ended meanwhile.
    """

    __slots__ = ("_call", "_counted", "_undo")

    def __init__(self, call: Call, counted: Callable[[_Answer | None], None], undo: Callable[[_Answer], None]) -> None:
        self._call = call
        self._counted = counted
        self._undo = undo
        call.source = self

    def pause(self) -> None:
        """Nothing comes."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Whatever is counted is given back when it is told."""

    def told(self, answer: _Answer | None) -> None:
        """The counters have answered; None: they cannot."""
        if self._call.ended:
            if answer is not None:
                self._undo(answer)
            return
        self._call.source = None
        self._call.guard(self._after, answer)

    def _after(self, answer: _Answer | None) -> None:
        self._counted(answer)
        # What it has waited is cloche's own time.
        self._call.sent_at = time.perf_counter()


def cannot_tell(what: str) -> NotReady:
    """What the caller is told where the operator wants calls refused rather than counted on one host."""
    return NotReady(f"The {what} of this endpoint cannot be checked at the moment.", retry_after=int(AGAIN_SECONDS))
