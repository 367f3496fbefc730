"""One call under way: the handle that the caller holds, and the state that its time-outs are judged by.

It outlives neither the connection's reuse nor the call's end: once over, every method is harmless and nobody is
called, so that a late `cancel` can never hit the next call on the same connection.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from cloche.domain.errors import InternalError, Problem, ProviderTimeout
from cloche.domain.outbound import Receiver, Timeouts

CONNECTING: Final = 0
AWAITING: Final = 1
READING: Final = 2


class Carrier(Protocol):
    """What a call rides on: a connection, or the making of one."""

    def cancel(self) -> None:
        """Stop at once and free everything."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""


class Opening:
    """A connection in the making.  There is nothing to hold back yet: the connection asks when it is there."""

    __slots__ = ("_work",)

    def __init__(self, work: asyncio.Task[None] | asyncio.Handle) -> None:
        self._work = work

    def cancel(self) -> None:
        """Make it no further."""
        self._work.cancel()

    def pause(self) -> None:
        """Nothing to do."""

    def resume(self) -> None:
        """Nothing to do."""


class Roster(Protocol):
    """Who keeps the list of the calls under way."""

    def add(self, exchange: LiveExchange) -> None:
        """It began."""

    def discard(self, exchange: LiveExchange) -> None:
        """It is over."""


class Nobody:
    """The receiver of an exchange that is over."""

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Ignored."""

    def on_data(self, data: bytes) -> None:
        """Ignored."""

    def on_end(self) -> None:
        """Ignored."""

    def on_failure(self, problem: Problem) -> None:
        """Ignored."""


NOBODY: Final = Nobody()


class LiveExchange:
    """Implements `Exchange`.

    `heard` is set whenever the silence that is being timed was broken; the watch turns it into a time, so that
    hearing something costs one store and no look at the clock.
    """

    __slots__ = (
        "_quiet_since",
        "_roster",
        "_started",
        "carrier",
        "heard",
        "over",
        "paused",
        "phase",
        "receiver",
        "timeouts",
    )

    def __init__(self, receiver: Receiver, timeouts: Timeouts, roster: Roster) -> None:
        self.receiver = receiver
        self.timeouts = timeouts
        self.carrier: Carrier | None = None
        self.phase = CONNECTING
        self.heard = True
        self.paused = self.over = False
        self._started = self._quiet_since = 0.0
        self._roster = roster
        roster.add(self)

    def pause(self) -> None:
        """Read no more from the provider; pieces that were read already still come, at most one read's worth."""
        if not (self.over or self.paused):
            self.paused = True
            if self.carrier is not None:
                self.carrier.pause()

    def resume(self) -> None:
        """Read on."""
        if self.paused and not self.over:
            self.paused = False
            if self.carrier is not None:
                self.carrier.resume()

    def cancel(self) -> None:
        """Close the connection at once, or stop making it.  The receiver is called no more."""
        if not self.over:
            carrier = self.carrier
            self.end()
            if carrier is not None:
                carrier.cancel()

    def ride(self, carrier: Carrier, phase: int) -> None:
        """Go on by another carrier: `phase` is CONNECTING, or AWAITING once the request is written."""
        self.carrier = carrier
        self.phase = phase
        self.heard = True

    def end(self) -> None:
        """Over: forget everybody."""
        self.over = True
        self.receiver = NOBODY
        self.carrier = None
        self._roster.discard(self)

    def fail(self, problem: Problem) -> None:
        """Over, and the receiver is told why; whoever carries it is dead already."""
        receiver = self.receiver
        self.end()
        try:
            receiver.on_failure(problem)
        except Exception as error:  # noqa: BLE001 - the receiver is foreign code, and this may run inside a timer
            report(error)

    def expire(self, problem: Problem) -> None:
        """Over for a reason that its carrier does not know yet."""
        carrier = self.carrier
        if carrier is not None:
            carrier.cancel()
        self.fail(problem)

    def overdue(self, now: float) -> ProviderTimeout | None:
        """Judge the time-outs at `now`, in seconds of the loop's clock.  Clocks start at the first judgement."""
        if not self._started:
            self._started = now
        if self.heard or self.paused:
            self.heard = False
            self._quiet_since = now
        elif now - self._quiet_since >= self._patience():
            return ProviderTimeout(self._silence())
        if now - self._started >= self.timeouts.total:
            return ProviderTimeout(f"The provider's answer was not complete within {self.timeouts.total:g} s (total).")
        return None

    def _patience(self) -> float:
        if self.phase == READING:
            return self.timeouts.between_bytes
        return self.timeouts.first_byte if self.phase == AWAITING else self.timeouts.connect

    def _silence(self) -> str:
        if self.phase == READING:
            return f"The provider sent nothing for {self.timeouts.between_bytes:g} s (between bytes)."
        if self.phase == AWAITING:
            return f"The provider did not answer within {self.timeouts.first_byte:g} s (first byte)."
        return f"No connection to the provider could be made within {self.timeouts.connect:g} s (connect)."


def report(error: Exception) -> None:
    """Hand a receiver's own failure to the loop's exception handler."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": "A receiver of a provider's answer failed.", "exception": error}
    )


def give_up_on(receiver: Receiver, error: Exception) -> None:
    """A receiver has failed on an answer: report it, and tell the receiver that nothing more will come."""
    report(error)
    try:
        receiver.on_failure(InternalError("cloche could not read the provider's answer; its log says why"))
    except Exception as again:  # noqa: BLE001 - the receiver is foreign code, and it has failed once already
        report(again)
