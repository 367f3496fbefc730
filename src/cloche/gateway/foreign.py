"""One call to a provider with a dialect of its own: its answer is translated, whole or event by event.

A provider that gives one choice for a call is asked once for each, one after another.  A stream is asked for only where
the client wants one, so that what comes back is what was asked.  Nothing reaches the client before the first choice's
first event, so every failure until then is a real HTTP error.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloche.domain.chat import ChatRequest, Choice, Chunk
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import Exchange, HttpCall, Receiver, Timeouts
from cloche.domain.translation import Report
from cloche.gateway.answering import Answering
from cloche.gateway.call import Call
from cloche.gateway.relay import MAX_ANSWER
from cloche.providers.base import Foreign
from cloche.wire.openai import Identity

Send = Callable[[HttpCall, Receiver, Timeouts], Exchange]


class ForeignRun:
    """The whole call: one exchange after another until every choice is there, or one has failed."""

    __slots__ = (
        "_answering",
        "_call",
        "_choices",
        "_exchange",
        "_expected",
        "_finished",
        "_http_call",
        "_paused",
        "_request",
        "_send",
        "_timeouts",
        "foreign",
    )

    def __init__(self, call: Call, foreign: Foreign, request: ChatRequest, identity: Identity) -> None:
        self.foreign = foreign
        self._call = call
        self._request = request
        self._answering = Answering(call, request, identity)
        self._expected = 1 if foreign.takes_n else request.params.n or 1
        self._finished = 0  # exchanges
        self._choices: list[Choice] = []
        self._exchange: Exchange | None = None
        self._paused = False

    def start(self, send: Send, timeouts: Timeouts) -> None:
        """Make the first exchange.  A Problem if the provider cannot do what is asked."""
        report = Report(strict=self._call.strict)
        if self._expected > 1:
            report.note("emulated", "n")
        self._http_call = self.foreign.encode(self._request, report, stream=self._call.stream)
        self._call.tell(report)
        self._call.source = self
        self._send = send
        self._timeouts = timeouts
        self._ask()

    def _ask(self) -> None:
        receiver = _Streamed(self) if self._call.stream else _Whole(self)
        self._exchange = self._send(self._http_call, receiver, self._timeouts)
        if self._paused:
            self._exchange.pause()

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

    def cancel(self) -> None:
        """Nobody wants the answer."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()

    # ---------------------------------------------------------------- from the exchanges

    def take(self, chunks: list[Chunk]) -> None:
        """Chunks of the stream that is under way."""
        if chunks:
            self._answering.take([self._numbered(chunk) for chunk in chunks])

    def ended(self, last: Chunk) -> None:
        """The stream under way is complete."""
        last = self._numbered(last)
        self._finished += 1
        complete = self._finished == self._expected
        self._answering.take_last(last, complete=complete)
        if not complete:
            self._ask()

    def answered(self, body: bytes) -> None:
        """A whole answer has come.  Raises what decoding it raises."""
        response = self.foreign.decode(body)
        self._choices += [
            msgspec.structs.replace(choice, index=choice.index + self._finished) for choice in response.choices
        ]
        self._answering.count(response.usage)
        self._finished += 1
        if self._finished == self._expected:
            self._answering.answer(self._choices)
        else:
            self._ask()

    def fail(self, problem: Problem) -> None:
        """One exchange has failed, and with it the call."""
        self._call.usage = self._answering.usage
        self._call.fail(problem)
        self.cancel()

    def _numbered(self, chunk: Chunk) -> Chunk:
        return msgspec.structs.replace(chunk, index=chunk.index + self._finished) if self._finished else chunk


class _Whole:
    """Collects one whole answer."""

    __slots__ = ("_headers", "_parts", "_run", "_size", "_status")

    def __init__(self, run: ForeignRun) -> None:
        self._run = run
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head until the body is there."""
        self._status = status
        self._headers = headers

    def on_data(self, data: bytes) -> None:
        """Collect."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._run.fail(ProviderBroken("the provider's answer is larger than 128 MiB"))

    def on_end(self) -> None:
        """The provider has said all."""
        body = b"".join(self._parts)
        try:
            if self._status != 200:
                raise self._run.foreign.error(self._status, self._headers, body)
            self._run.answered(body)
        except Problem as problem:
            self._run.fail(problem)

    def on_failure(self, problem: Problem) -> None:
        """The answer will not come."""
        self._run.fail(problem)


class _Streamed(_Whole):
    """Translates one stream while it comes; what has another status than 200 is collected."""

    __slots__ = ("_decoder",)

    def __init__(self, run: ForeignRun) -> None:
        super().__init__(run)
        self._decoder = run.foreign.decoder()

    def on_data(self, data: bytes) -> None:
        """Decode and pass on."""
        if self._status != 200:
            super().on_data(data)
            return
        try:
            self._run.take(self._decoder.feed(data))
        except Problem as problem:
            self._run.fail(problem)

    def on_end(self) -> None:
        """The body ended, with or without the end of the answer."""
        if self._status != 200:
            super().on_end()
            return
        try:
            *rest, last = self._decoder.close()
        except Problem as problem:
            self._run.fail(problem)
            return
        self._run.take(rest)
        self._run.ended(last)
