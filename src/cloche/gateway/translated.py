"""One call on a local model: each choice is a request of its own, whose chunks are put together for the client.

The engine is always asked for a stream, also for an answer in one piece: only then does it notice within a tenth of a
second that nobody listens any more.  Each choice waits for its place in the engine.  `n` choices are `n` requests,
because the engine counts the tokens of one choice only; prompt tokens are counted once, completion tokens are added up.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloche.codec import sse
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatRequest, Chunk, Usage
from cloche.domain.errors import NotReady, Problem, ProviderBroken, ProviderTimeout, ProviderUnreachable
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Timeouts
from cloche.gateway.call import Call
from cloche.providers.base import Decoder
from cloche.snapshot import LocalModel, Ticket
from cloche.wire import openai
from cloche.wire.openai import Identity

Send = Callable[[HttpCall, Receiver, Timeouts], Exchange]

_MAX_REFUSAL = 64 * 1024


class LocalRun:
    """The whole call: starts the choices, merges their chunks, ends when all have ended or one has failed."""

    __slots__ = (
        "_assembly",
        "_call",
        "_choices",
        "_identity",
        "_open",
        "_separate_usage",
        "_usage",
        "model",
        "request",
    )

    def __init__(self, call: Call, model: LocalModel, request: ChatRequest, identity: Identity) -> None:
        self.model = model
        self.request = request
        self._call = call
        self._identity = identity
        count = request.params.n or 1
        self._assembly = None if call.stream else Assembly(count)
        options = request.params.stream_options
        self._separate_usage = options is not None and options.include_usage
        self._usage: Usage | None = None
        self._choices = [_ChoiceRun(self, index) for index in range(count)]
        self._open = count

    def start(self, send: Send) -> None:
        """Queue every choice.  A Problem if the engine is not ready, cannot do what is asked, or is too busy."""
        self.model.check_ready()
        calls = [self.model.encode(self.request, index) for index in range(len(self._choices))]
        self._call.source = self
        try:
            for choice, http_call in zip(self._choices, calls, strict=True):
                choice.start(http_call, send)
        except Problem:
            self.cancel()
            raise

    def pause(self) -> None:
        """The client is slow."""
        for choice in self._choices:
            if choice.exchange is not None:
                choice.exchange.pause()

    def resume(self) -> None:
        """The client has caught up."""
        for choice in self._choices:
            if choice.exchange is not None:
                choice.exchange.resume()

    def cancel(self) -> None:
        """Free the engine of everything that belongs to this call.  The last choices leave the queue first, so that
        none of them gets the place of an earlier one."""
        for choice in reversed(self._choices):
            choice.cancel()

    # ---------------------------------------------------------------- from the choices

    def take(self, chunks: list[Chunk]) -> None:
        """Chunks of one choice, in order."""
        if self._assembly is not None:
            for chunk in chunks:
                self._assembly.add(chunk)
            return
        self._call.send(sse.encode_all([openai.write_chunk(chunk, self._identity) for chunk in chunks]))

    def begin(self, index: int) -> None:
        """A choice has its first bytes: say who speaks."""
        if self._assembly is None:
            self._call.send(sse.encode(openai.write_role(self._identity, index)))

    def choice_ended(self, last: Chunk) -> None:
        """A choice is finished; `last` has its finish reason and its own usage."""
        self._add_usage(last.usage)
        self._open -= 1
        if self._assembly is not None:
            self._assembly.add(last)
            if self._open == 0:
                self._answer(self._assembly)
            return
        with_usage = self._usage if self._open == 0 and not self._separate_usage else None
        last = msgspec.structs.replace(last, usage=with_usage)
        payloads = [openai.write_chunk(last, self._identity)]
        if self._open == 0:
            if self._separate_usage and self._usage is not None:
                payloads.append(openai.write_usage(self._usage, self._identity))
            payloads.append(sse.DONE)
        self._call.send(sse.encode_all(payloads))
        if self._open == 0:
            self._call.finish(self._usage)

    def fail(self, problem: Problem) -> None:
        """One choice has failed, and with it the call."""
        self._call.usage = self._usage
        self._call.fail(problem)
        self.cancel()

    def _answer(self, assembly: Assembly) -> None:
        response = assembly.response()
        response.usage = self._usage
        self._call.answer(openai.write_answer(response, self._identity), self._usage)

    def _add_usage(self, usage: Usage | None) -> None:
        if usage is None or self._usage is None:
            self._usage = usage or self._usage
            return
        self._usage = Usage(
            prompt_tokens=self._usage.prompt_tokens,
            completion_tokens=self._usage.completion_tokens + usage.completion_tokens,
            cached_tokens=self._usage.cached_tokens,
        )


class _ChoiceRun:
    """One choice: waits for its turn, calls the engine, decodes what comes."""

    __slots__ = ("_begun", "_decoder", "_headers", "_index", "_refusal", "_run", "_status", "_ticket", "exchange")

    def __init__(self, run: LocalRun, index: int) -> None:
        self._run = run
        self._index = index
        self._decoder: Decoder = run.model.decoder(run.request, index)
        self._ticket: Ticket | None = None
        self.exchange: Exchange | None = None
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._refusal = b""
        self._begun = False

    def start(self, http_call: HttpCall, send: Send) -> None:
        """Take a place in the queue; call the engine when it is this choice's turn."""

        def on_turn() -> None:
            self.exchange = send(http_call, self, self._run.model.timeouts)

        self._ticket = self._run.model.gate.enter(on_turn, self._run.fail)

    def cancel(self) -> None:
        """Leave the queue or the engine."""
        if self.exchange is not None:
            self.exchange.cancel()
        self._leave()

    def _leave(self) -> None:
        self.exchange = None
        if self._ticket is not None:
            self._ticket.leave()

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
            self._pass(self._decoder.feed(data))
        except Problem as problem:
            self._run.fail(problem)

    def on_end(self) -> None:
        """The engine is done with this choice."""
        if self._status != 200:
            self._run.fail(self._run.model.error(self._status, self._headers, self._refusal))
            return
        try:
            *rest, last = self._decoder.close()
        except Problem as problem:
            self._run.fail(problem)
            return
        self._leave()
        self._pass(rest)
        if not self._begun:  # an empty answer
            self._run.begin(self._index)
        self._run.choice_ended(last)

    def on_failure(self, problem: Problem) -> None:
        """The engine died or does not answer."""
        if isinstance(problem, ProviderTimeout):
            self._run.model.stalled()
        # A dying engine may still take a connection, and then breaks it without a word.
        if isinstance(problem, ProviderUnreachable) or (isinstance(problem, ProviderBroken) and not self._status):
            problem = NotReady("the model is restarting; try again in a moment", retry_after=1)
        self._run.fail(problem)

    def _pass(self, chunks: list[Chunk]) -> None:
        if chunks and not self._begun:
            self._begun = True
            self._run.begin(self._index)
        if chunks:
            self._run.take(chunks)
