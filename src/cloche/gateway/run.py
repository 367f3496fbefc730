"""What the runs of translated calls have in common: an answer that is made by one exchange after another.

To the call they are one source: it is slowed down, sped up and stopped as a whole, whichever exchange is under way.
Must not know what is asked, or who answers.
"""

from __future__ import annotations

from cloche.domain.chat import ChatRequest
from cloche.domain.errors import Problem
from cloche.gateway.answering import Answering
from cloche.gateway.call import Call
from cloche.gateway.riding import Ride
from cloche.wire.openai import Identity


class Run(Ride):
    """One call's exchanges.  Part of it is the gateway's Source."""

    __slots__ = ("_answering", "_call", "request")

    def __init__(self, call: Call, request: ChatRequest, identity: Identity) -> None:
        super().__init__()
        self.request = request
        self._call = call
        self._answering = Answering(call, request, identity)

    def cancel(self) -> None:
        """Nobody wants the answer."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    def heard(self) -> None:
        """All that one exchange answers has come."""
        self._call.heard()

    def fail(self, problem: Problem) -> None:
        """One exchange has failed, and with it the call."""
        self._call.usage = self._answering.paid
        self._call.fail(problem)
        self.cancel()
