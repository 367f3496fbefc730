"""Putting a streamed answer together again, chunks in, ChatResponse out; and taking a whole one apart.

The one place that knows how deltas add up, so that a streamed answer and a whole one cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import structs

from cloche.domain.chat import (
    ChatResponse,
    Choice,
    Chunk,
    Citation,
    FinishReason,
    FunctionCall,
    ReasoningDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)


def apart(response: ChatResponse) -> list[Chunk]:
    """The chunks of a whole answer, for who wanted a stream; the last of them ends it, and has the usage."""
    chunks = [
        Chunk(
            index=choice.index,
            content=choice.content,
            tool_calls=tuple(
                ToolCallDelta(place, call.id, call.function.name, call.function.arguments)
                for place, call in enumerate(choice.tool_calls)
            ),
            logprobs=None if choice.logprobs is None else tuple(choice.logprobs),
            reasoning=tuple(choice.reasoning),
            refusal=choice.refusal,
            citations=tuple(choice.citations),
            extras=tuple(choice.extras),
        )
        for choice in response.choices
    ]
    chunks += [Chunk(index=choice.index, finish_reason=choice.finish_reason) for choice in response.choices]
    chunks[-1] = structs.replace(chunks[-1], usage=response.usage)
    return chunks


class _OpenChoice:
    """A choice whose end has not come yet."""

    __slots__ = ("calls", "citations", "extras", "finish_reason", "logprobs", "reasoning", "refusal", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls: dict[int, ToolCall] = {}
        self.reasoning: dict[int, ReasoningDelta] = {}
        self.refusal = ""
        self.citations: list[Citation] = []
        self.extras: list[Mapping[str, Any]] = []
        self.logprobs: list[dict[str, Any]] | None = None
        self.finish_reason: FinishReason | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.content:
            self.text.append(chunk.content)
        if chunk.logprobs is not None:
            self.logprobs = [*(self.logprobs or ()), *chunk.logprobs]
        for delta in chunk.tool_calls:
            call = self.calls.get(delta.index)
            if call is None:
                self.calls[delta.index] = ToolCall(
                    id=delta.id or "", function=FunctionCall(name=delta.name or "", arguments=delta.arguments)
                )
            else:
                call.function.arguments += delta.arguments
        for piece in chunk.reasoning:
            known = self.reasoning.get(piece.index)
            self.reasoning[piece.index] = piece if known is None else _joined(known, piece)
        self.refusal += chunk.refusal
        self.citations += chunk.citations
        self.extras += chunk.extras
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason


def _joined(known: ReasoningDelta, piece: ReasoningDelta) -> ReasoningDelta:
    signature = known.signature if piece.signature is None else piece.signature
    return ReasoningDelta(known.index, known.text + piece.text, signature, known.redacted or piece.redacted)


class Assembly:
    """Collects the chunks of one answer with `expected` choices."""

    __slots__ = ("_choices", "_expected", "usage")

    def __init__(self, expected: int = 1) -> None:
        self._expected = expected
        self._choices: dict[int, _OpenChoice] = {}
        self.usage: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        choice = self._choices.get(chunk.index)
        if choice is None:
            choice = self._choices[chunk.index] = _OpenChoice()
        choice.add(chunk)
        if chunk.usage is not None:
            self.usage = chunk.usage

    @property
    def complete(self) -> bool:
        """Whether every expected choice has its finish reason."""
        return len(self._choices) >= self._expected and all(
            choice.finish_reason is not None for choice in self._choices.values()
        )

    def response(self) -> ChatResponse:
        """The assembled answer.  Only when `complete`: a finish reason is never made up."""
        choices = []
        for index, choice in sorted(self._choices.items()):
            assert choice.finish_reason is not None
            choices.append(
                Choice(
                    index=index,
                    content="".join(choice.text),
                    finish_reason=choice.finish_reason,
                    tool_calls=[call for _, call in sorted(choice.calls.items())],
                    logprobs=choice.logprobs,
                    reasoning=[piece for _, piece in sorted(choice.reasoning.items())],
                    refusal=choice.refusal,
                    citations=choice.citations,
                    extras=choice.extras,
                )
            )
        return ChatResponse(choices=choices, usage=self.usage)
