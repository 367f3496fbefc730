"""What becomes of canonical chunks: events of the client's stream, or a whole answer at the end.

One answer may be made by several calls to a model, one for each choice.  The client is told the prompt's tokens once,
as OpenAI does; each of the calls is paid with its prompt.  Must not know where chunks come from.
"""

from __future__ import annotations

import msgspec

from cloche.codec import sse
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatRequest, ChatResponse, Choice, Chunk, Usage
from cloche.domain.endpoint import CHAT_TASK
from cloche.gateway.call import Call
from cloche.wire import completions, openai
from cloche.wire.openai import Identity


class Answering:
    """The answer to one call, while it is made."""

    __slots__ = ("_assembly", "_begun", "_call", "_identity", "_separate_usage", "_wire", "paid", "usage")

    def __init__(self, call: Call, request: ChatRequest, identity: Identity) -> None:
        self._call = call
        self._identity = identity
        self._wire = openai if call.task == CHAT_TASK else completions
        self._assembly = None if call.stream else Assembly(request.params.n or 1)
        options = request.params.stream_options
        self._separate_usage = options is not None and options.include_usage
        self._begun: set[int] = set()
        self.usage: Usage | None = None
        self.paid: Usage | None = None

    def take(self, chunks: list[Chunk]) -> None:
        """Chunks in order, none of them the last of its call.  A choice's first one says who speaks."""
        if self._assembly is not None:
            for chunk in chunks:
                self._assembly.add(chunk)
            return
        payloads: list[bytes] = []
        for chunk in chunks:
            self._begin(chunk.index, payloads)
            payloads.append(self._wire.write_chunk(chunk, self._identity))
        if payloads:
            self._call.send(sse.encode_all(payloads))

    def take_last(self, last: Chunk, *, complete: bool) -> None:
        """The last chunk of a call to the model, with its finish reason and usage.  `complete`: it ends the answer."""
        self.count(last.usage)
        if self._assembly is not None:
            self._assembly.add(last)
            if complete:
                self._answer(self._assembly.response())
            return
        with_usage = self.usage if complete and not self._separate_usage else None
        payloads: list[bytes] = []
        self._begin(last.index, payloads)
        payloads.append(self._wire.write_chunk(msgspec.structs.replace(last, usage=with_usage), self._identity))
        if not complete:
            self._call.send(sse.encode_all(payloads))
            return
        if self._separate_usage and self.usage is not None:
            payloads.append(self._wire.write_usage(self.usage, self._identity))
        self._call.send(sse.encode_all([*payloads, sse.DONE]))
        self._call.finish(self.paid)

    def answer(self, choices: list[Choice]) -> None:
        """All choices, whole."""
        self._answer(ChatResponse(choices, self.usage))

    def _begin(self, index: int, payloads: list[bytes]) -> None:
        if index not in self._begun:
            self._begun.add(index)
            opening = self._wire.write_role(self._identity, index)
            if opening is not None:
                payloads.append(opening)

    def _answer(self, response: ChatResponse) -> None:
        response.usage = self.usage
        self._call.answer(self._wire.write_answer(response, self._identity), self.paid)

    def count(self, usage: Usage | None) -> None:
        """Add the usage of one call to the model."""
        if usage is None:
            return
        if self.usage is None or self.paid is None:
            self.usage = self.paid = usage
            return
        paid = self.paid
        self.usage = msgspec.structs.replace(
            self.usage,
            completion_tokens=paid.completion_tokens + usage.completion_tokens,
            reasoning_tokens=_sum(paid.reasoning_tokens, usage.reasoning_tokens),
        )
        self.paid = msgspec.structs.replace(
            self.usage,
            prompt_tokens=paid.prompt_tokens + usage.prompt_tokens,
            cached_tokens=_sum(paid.cached_tokens, usage.cached_tokens),
            cache_write_tokens=_sum(paid.cache_write_tokens, usage.cache_write_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
