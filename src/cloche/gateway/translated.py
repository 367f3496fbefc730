"""One call on a local model: each choice is a request of its own, whose chunks are put together for the client.

The engine is always asked for a stream, also for an answer in one piece: only then does it notice within a tenth of a
second that nobody listens any more.  `n` choices are `n` requests, because the engine counts the tokens of one choice
only; prompt tokens are counted once, completion tokens are added up.  However many choices a call has, it takes one
place in the queue and one slot of the engine, in which they are made one after another: a call can neither wait behind
itself nor crowd out others.
"""

from __future__ import annotations

from cloche.domain.chat import ChatRequest, Chunk
from cloche.domain.errors import NotReady, Problem, ProviderBroken, ProviderTimeout, ProviderUnreachable
from cloche.domain.outbound import HttpCall, Send
from cloche.gateway.call import Call
from cloche.gateway.run import Run
from cloche.providers.base import Decoder
from cloche.snapshot import LocalModel, Ticket
from cloche.wire.openai import Identity

_MAX_REFUSAL = 64 * 1024


class LocalRun(Run):
    """The whole call: makes one choice after another, ends when all have ended or one has failed."""

    __slots__ = ("_finished", "_http_calls", "_send", "_ticket", "model")

    def __init__(self, call: Call, model: LocalModel, request: ChatRequest, identity: Identity) -> None:
        super().__init__(call, request, identity)
        self.model = model
        self._http_calls: list[HttpCall] = []
        self._finished = 0  # choices, and so the index of the one that is under way
        self._ticket: Ticket | None = None

    def start(self, send: Send) -> None:
        """Queue the call.  A Problem if the engine is not ready, cannot do what is asked, or is too busy."""
        self.model.check_ready()
        self._http_calls = [self.model.encode(self.request, index) for index in range(self.request.params.n or 1)]
        self._call.source = self
        self._send = send
        self._ticket = self.model.gate.enter(self._ask, self.fail)

    def _ask(self) -> None:
        """Ask the engine for the next choice."""
        receiver = _ChoiceRun(self, self._finished)
        self._ride(self._send(self._http_calls[self._finished], receiver, self.model.timeouts))

    def cancel(self) -> None:
        """Free the engine, or the place in its queue."""
        super().cancel()
        self._leave(finished=False)

    def _leave(self, *, finished: bool) -> None:
        self._exchange = None
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            ticket.leave(finished=finished)

    # ---------------------------------------------------------------- from the choices

    def take(self, chunks: list[Chunk]) -> None:
        """Chunks of one choice, in order."""
        self._answering.take(chunks)

    def choice_ended(self, last: Chunk) -> None:
        """A choice is finished; `last` has its finish reason and its own usage.  Make the next one, or end the call."""
        self._finished += 1
        complete = self._finished == len(self._http_calls)
        if complete:
            self._leave(finished=True)
        self._answering.take_last(last, complete=complete)
        if not complete and not self._call.ended:
            self._ask()

    def lose(self, problem: Problem) -> None:
        """The connection to the engine gave out."""
        if isinstance(problem, ProviderTimeout):
            self.model.stalled()
        # Another try is worth while if the client has got nothing yet: the engine is started again.
        if isinstance(problem, ProviderUnreachable) or (
            isinstance(problem, ProviderBroken) and not self._call.streaming
        ):
            problem = NotReady("the model is restarting; try again in a moment")
        self.fail(problem)


class _ChoiceRun:
    """One choice: decodes what the engine answers."""

    __slots__ = ("_decoder", "_headers", "_refusal", "_run", "_status")

    def __init__(self, run: LocalRun, index: int) -> None:
        self._run = run
        self._decoder: Decoder = run.model.decoder(run.request, index)
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._refusal = b""

    # ---------------------------------------------------------------- from upstream/

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head until the body is there."""
        self._status = status
        self._headers = headers

    def on_data(self, data: bytes) -> None:
        """Decode and pass on, or collect a refusal."""
        if self._status != 200:
            self._refusal = (self._refusal + data)[:_MAX_REFUSAL]
            return
        try:
            self._run.take(self._decoder.feed(data))
        except Problem as problem:
            self._run.fail(problem)

    def on_end(self) -> None:
        """The engine is done with this choice."""
        self._run.heard()
        if self._status != 200:
            self._run.fail(self._run.model.error(self._status, self._headers, self._refusal))
            return
        try:
            *rest, last = self._decoder.close()
        except Problem as problem:
            self._run.fail(problem)
            return
        self._run.take(rest)
        self._run.choice_ended(last)

    def on_failure(self, problem: Problem) -> None:
        """The engine died or does not answer."""
        self._run.lose(problem)
