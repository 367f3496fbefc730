"""One call for embeddings: as many calls to the provider as it needs, some at a time, put together in order.

Must not know what vectors are, or who makes them.
"""

from __future__ import annotations

import msgspec

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingRequest, Embeddings
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import Exchange, HttpCall, Send, Timeouts
from cloche.domain.translation import Report
from cloche.gateway.call import Call
from cloche.gateway.collecting import Collecting
from cloche.providers.base import CountsInHead, Embedder
from cloche.wire.embeddings import write_embeddings

AT_ONCE = 8
"""Calls to the provider that are under way for one call: some take one text each."""


class EmbeddingRun:
    """The whole call.  It is the gateway's Source."""

    __slots__ = ("_at", "_call", "_exchanges", "_found", "_http_calls", "_left", "_request", "_send", "_timeouts", "of")

    def __init__(self, call: Call, embedder: Embedder, request: EmbeddingRequest) -> None:
        self.of = embedder
        self._call = call
        self._request = request
        self._http_calls: list[HttpCall] = []
        self._found: list[Embeddings | None] = []
        self._exchanges: dict[int, Exchange] = {}
        self._at = 0  # the call that is made next
        self._left = 0  # calls whose answer is not there

    def start(self, send: Send, timeouts: Timeouts) -> None:
        """Make the first calls.  A Problem if the provider cannot do what is asked."""
        report = Report(strict=self._call.strict)
        self._http_calls = self.of.encode(self._request, report)
        self._call.tell(report)
        self._call.source = self
        self._send = send
        self._timeouts = timeouts
        self._left = len(self._http_calls)
        self._found = [None] * self._left
        for _ in range(min(AT_ONCE, self._left)):
            self._next()

    def _next(self) -> None:
        number, self._at = self._at, self._at + 1
        self._exchanges[number] = self._send(self._http_calls[number], _Part(self, number), self._timeouts)

    # ---------------------------------------------------------------- from the exchanges

    def heard(self) -> None:
        """All of a part has come."""
        self._call.heard()

    def answered(self, number: int, body: bytes, headers: dict[bytes, bytes]) -> None:
        """The answer to one call.  Raises what decoding it raises."""
        del self._exchanges[number]
        part = self.of.decode(body)
        if part.usage is None and isinstance(self.of, CountsInHead):
            part.usage = self.of.counted(headers)
        self._found[number] = part
        self._left -= 1
        if self._at < len(self._http_calls):
            self._next()
        elif not self._left:
            self._answer([part for part in self._found if part is not None])

    def _answer(self, parts: list[Embeddings]) -> None:
        vectors = [vector for part in parts for vector in part.vectors]
        if len(vectors) != self._request.count:
            raise ProviderBroken(f"the provider gave {len(vectors)} vectors for {self._request.count} texts")
        found = Embeddings(vectors, _sum([part.usage for part in parts]))
        body = write_embeddings(found, self.of.model, self._request.params.encoding_format)
        self._call.answer(body, found.usage)

    def fail(self, problem: Problem) -> None:
        """One call has failed, and with it all."""
        self._call.fail(problem)
        self.cancel()

    # ---------------------------------------------------------------- the source

    def pause(self) -> None:
        """Nothing is sent before all is there."""

    def resume(self) -> None:
        """Nothing was paused."""

    def cancel(self) -> None:
        """Nobody wants the answer."""
        exchanges, self._exchanges = self._exchanges, {}
        for exchange in exchanges.values():
            exchange.cancel()


class _Part(Collecting):
    """Collects the answer to one call."""

    __slots__ = ("_number", "_run")

    def __init__(self, run: EmbeddingRun, number: int) -> None:
        super().__init__()
        self._run = run
        self._number = number

    def on_end(self) -> None:
        """The provider has said all."""
        self._run.heard()
        body = self._body()
        try:
            if self._status != 200:
                raise self._run.of.error(self._status, self._headers, body)
            self._run.answered(self._number, body, self._headers)
        except Problem as problem:
            self._run.fail(problem)

    def on_failure(self, problem: Problem) -> None:
        """The answer will not come."""
        self._run.fail(problem)

    def _stop(self, problem: Problem) -> None:
        self._run.fail(problem)


def _sum(parts: list[Usage | None]) -> Usage | None:
    """The usage of all; None where one is not known."""
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    return msgspec.structs.replace(known[0], prompt_tokens=sum(part.prompt_tokens for part in known))
