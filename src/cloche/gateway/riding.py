"""Something that an exchange carries, now or later: it is slowed down, sped up and stopped whichever that is.

Must not know what is asked, or who answers.
"""

from __future__ import annotations

from cloche.domain.outbound import Exchange


class Ride:
    """Part of an Exchange, or of a Source.  Before there is an exchange, a pause is remembered for it."""

    __slots__ = ("_exchange", "_paused")

    def __init__(self) -> None:
        self._exchange: Exchange | None = None
        self._paused = False

    def _ride(self, exchange: Exchange) -> None:
        """This exchange is under way now."""
        self._exchange = exchange
        if self._paused:
            exchange.pause()

    def pause(self) -> None:
        """The client is slow."""
        self._paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._exchange is not None:
            self._exchange.resume()
