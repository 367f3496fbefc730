"""One call to a provider with a dialect of its own: its answer is translated, whole or event by event.

A provider that gives one choice for a call is asked once for each, one after another.  A stream is asked for only where
the client wants one, so that what comes back is what was asked.  Nothing reaches the client before the first choice's
first event, so every failure until then is a real HTTP error.
"""

from __future__ import annotations

import msgspec

from cloche.domain.assembly import apart
from cloche.domain.chat import ChatRequest, ChatResponse, Choice, Chunk
from cloche.domain.errors import Problem
from cloche.domain.outbound import Send, Timeouts
from cloche.domain.translation import Report
from cloche.gateway.call import Call
from cloche.gateway.collecting import Collecting
from cloche.gateway.run import Run
from cloche.providers.base import CountsInHead, Foreign
from cloche.providers.format_check import format_check
from cloche.wire.openai import Identity


class ForeignRun(Run):
    """The whole call: one exchange after another until every choice is there, or one has failed."""

    __slots__ = ("_check", "_choices", "_expected", "_finished", "_http_call", "_send", "_timeouts", "foreign")

    def __init__(self, call: Call, foreign: Foreign, request: ChatRequest, identity: Identity) -> None:
        super().__init__(call, request, identity)
        self.foreign = foreign
        self._expected = 1 if foreign.takes_n else request.params.n or 1
        self._finished = 0  # exchanges
        self._choices: list[Choice] = []

    def start(self, send: Send, timeouts: Timeouts, report: Report) -> None:
        """Make the first exchange.  A Problem if the provider cannot do what is asked."""
        if self._expected > 1:
            report.note("emulated", "n")
        self._http_call = self.foreign.encode(self.request, report, stream=self._call.stream)
        self._check = format_check(self.request, report)
        self._call.tell(report)
        self._call.source = self
        self._send = send
        self._timeouts = timeouts
        self._ask()

    def _ask(self) -> None:
        receiver = _Streamed(self) if self._call.stream else _Whole(self)
        self._ride(self._send(self._http_call, receiver, self._timeouts))

    # ---------------------------------------------------------------- from the exchanges

    def take(self, chunks: list[Chunk]) -> None:
        """Chunks of the stream that is under way."""
        if chunks:
            self._answering.take([self._seen(chunk) for chunk in chunks])

    def ended(self, last: Chunk) -> None:
        """The stream under way is complete."""
        last = self._seen(last)
        self._finished += 1
        complete = self._finished == self._expected
        self._answering.take_last(last, complete=complete)
        if not complete and not self._call.ended:
            self._ask()

    def answered(self, body: bytes, headers: dict[bytes, bytes]) -> None:
        """A whole answer has come.  Raises what decoding it raises."""
        response = self.decoded(body, headers)
        if self._check is not None:
            self._check.see_whole(response)
        self._choices += [
            msgspec.structs.replace(choice, index=choice.index + self._finished) for choice in response.choices
        ]
        self._answering.count(response.usage)
        self._finished += 1
        if self._finished == self._expected:
            self._answering.answer(self._choices)
        else:
            self._ask()

    def decoded(self, body: bytes, headers: dict[bytes, bytes]) -> ChatResponse:
        """A whole answer, read.  Raises what decoding it raises."""
        response = self.foreign.decode(body)
        if response.usage is None and isinstance(self.foreign, CountsInHead):
            response.usage = self.foreign.counted(headers)
        return response

    def _seen(self, chunk: Chunk) -> Chunk:
        """The chunk with its own number.  A Problem if it ends a choice that is not what was promised."""
        if self._check is not None:
            self._check.see(chunk)
        return msgspec.structs.replace(chunk, index=chunk.index + self._finished) if self._finished else chunk


class _Whole(Collecting):
    """Collects one whole answer."""

    __slots__ = ("_run",)

    def __init__(self, run: ForeignRun) -> None:
        super().__init__()
        self._run = run

    def on_end(self) -> None:
        """The provider has said all."""
        self._run.heard()
        body = self._body()
        try:
            if self._status != 200:
                raise self._run.foreign.error(self._status, self._headers, body)
            self._run.answered(body, self._headers)
        except Problem as problem:
            self._run.fail(problem)

    def on_failure(self, problem: Problem) -> None:
        """The answer will not come."""
        self._run.fail(problem)

    def _stop(self, problem: Problem) -> None:
        self._run.fail(problem)


class _Streamed(_Whole):
    """Translates one stream while it comes; what is none, an error status or JSON, is collected.

    An answer that comes whole all the same is one: not every family of a provider's models is streamed.
    """

    __slots__ = ("_decoder", "_may_be_json", "_no_stream")

    def __init__(self, run: ForeignRun) -> None:
        super().__init__(run)
        self._decoder = run.foreign.decoder()
        self._no_stream = self._may_be_json = False

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """A stream, or an answer that is none."""
        super().on_head(status, headers)
        self._no_stream = status != 200
        self._may_be_json = headers.get(b"content-type", b"").startswith(b"application/json")

    def on_data(self, data: bytes) -> None:
        """Decode and pass on."""
        if self._may_be_json:
            self._may_be_json = False
            # The first bytes tell: events under the content type of JSON happen.
            self._no_stream = self._no_stream or data.lstrip().startswith((b"{", b"["))
        if self._no_stream:
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
            if self._no_stream:
                *rest, last = apart(self._run.decoded(self._body(), self._headers))
            else:
                *rest, last = self._decoder.close()
            self._run.take(rest)
            self._run.ended(last)
        except Problem as problem:
            self._run.fail(problem)
