"""One attempt at an OpenAI-shaped provider: its bytes in, the client's bytes out.

`WholeRelay` for an answer in one piece, `StreamRelay` for an event stream.  Both are told by upstream/ what comes
and tell the call; nothing reaches the client before the provider's first event, so every failure until then is a
real HTTP error.
"""

from __future__ import annotations

from cloche.domain.errors import Problem, ProviderBroken
from cloche.gateway.call import Call
from cloche.gateway.collecting import Collecting
from cloche.providers.base import Completer, Translator, status_in_error
from cloche.wire.openai import Identity
from cloche.wire.passthrough import ProviderErrorInAnswer, Stream, complete_answer, form_of


class WholeRelay(Collecting):
    """Collects a provider's answer, completes it and sends it on."""

    __slots__ = ("_call", "_identity", "_translator")

    def __init__(self, call: Call, translator: Translator | Completer, identity: Identity) -> None:
        super().__init__()
        self._call = call
        self._translator = translator
        self._identity = identity

    def on_end(self) -> None:
        """The provider has said all: answer, or say what its error means."""
        self._call.heard()
        body = self._body()
        if self._status != 200:
            self._call.fail(self._translator.error(self._status, self._headers, body))
            return
        try:
            answer = complete_answer(body, self._identity, self._translator.finishes, form_of(self._call.task))
        except ProviderErrorInAnswer as error:
            self._call.fail(self._translator.error(status_in_error(error.body), self._headers, error.body))
        except ProviderBroken as problem:
            self._call.fail(problem)
        else:
            self._call.answer(answer.body, answer.usage)

    def on_failure(self, problem: Problem) -> None:
        """The answer will not come."""
        self._call.fail(problem)

    def _stop(self, problem: Problem) -> None:
        source = self._call.source
        self._call.fail(problem)
        if source is not None:
            source.cancel()


class StreamRelay:
    """Passes an event stream on while it comes."""

    __slots__ = ("_call", "_may_stream", "_refusal", "_stream", "_translator")

    def __init__(self, call: Call, translator: Translator | Completer, stream: Stream) -> None:
        self._call = call
        self._translator = translator
        self._stream = stream
        self._refusal: WholeRelay | None = None
        self._may_stream = False  # the head says JSON, and the first bytes will tell

    def on_head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """A stream, or an answer that is none: an error status, or JSON where events should be."""
        if status != 200 or headers.get(b"content-type", b"").startswith(b"application/json"):
            self._refusal = _NoStream(self._call, self._translator)
            self._refusal.on_head(status, headers)
            self._may_stream = status == 200

    def on_data(self, data: bytes) -> None:
        """Pass on what can pass; end the call when the stream ends or breaks."""
        if self._may_stream:
            self._may_stream = False
            if data.startswith((b"data:", b":", b"event:")):
                self._refusal = None  # events under the content type of JSON: it happens
        if self._refusal is not None:
            self._refusal.on_data(data)
            return
        stream = self._stream
        if stream.done or stream.failure is not None:
            return
        out = stream.feed(data)
        if out:
            self._call.send(out)
        if stream.done:
            self._call.finish(stream.usage)
        elif stream.failure is not None:
            self._break(stream.failure)

    def on_end(self) -> None:
        """The body ended, with or without an end mark."""
        if self._refusal is not None:
            self._refusal.on_end()
            return
        stream = self._stream
        if stream.done or stream.failure is not None:
            return
        out = stream.end()
        if out:
            self._call.send(out)
        if stream.failure is not None:
            self._break(stream.failure)
        else:
            self._call.finish(stream.usage)

    def on_failure(self, problem: Problem) -> None:
        """The connection broke.  If every choice has its finish reason nothing of the answer is missing."""
        stream = self._stream
        if stream.done or stream.failure is not None:
            return
        if stream.complete:
            self._call.send(stream.finish())
            self._call.finish(stream.usage)
        else:
            self._break(problem)

    def _break(self, failure: Problem | ProviderErrorInAnswer) -> None:
        if isinstance(failure, ProviderErrorInAnswer):
            failure = self._translator.error(status_in_error(failure.body), {}, failure.body)
        held = self._stream.give_up()
        if held:
            self._call.send(held)
        source = self._call.source
        self._call.usage = self._stream.usage
        self._call.fail(failure)
        if source is not None:
            source.cancel()


class _NoStream(WholeRelay):
    """What a provider sends instead of a stream: an error, or a whole answer that nobody asked for."""

    __slots__ = ()

    def __init__(self, call: Call, translator: Translator | Completer) -> None:
        super().__init__(call, translator, Identity(call.id, 0, translator.model))

    def on_end(self) -> None:
        """An error with a status is an error; a 200 that is no stream is broken unless it says what is wrong."""
        if self._status != 200:
            super().on_end()
            return
        body = self._body()
        try:
            complete_answer(body, self._identity, form=form_of(self._call.task))
        except ProviderErrorInAnswer as error:
            self._call.fail(self._translator.error(status_in_error(error.body), self._headers, error.body))
        except ProviderBroken:
            self._call.fail(ProviderBroken("the provider answered a stream request with something that is no stream"))
        else:
            self._call.fail(ProviderBroken("the provider answered a stream request with a whole answer"))
