"""Answers of Cohere's chat API, version 2, whole or as a stream, as Chunks.

A whole answer is taken apart into the same Chunks as a stream and put together by domain/assembly.py, so that the two
cannot differ.  What the model plans before it calls tools (`tool_plan`) is reasoning, like its
thinking.  This module must not know requests, settings or statuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from cloche.codec import sse, tolerant
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken, ProviderTimeout
from cloche.providers.cohere_citations import Blocks

ErrorObject = Callable[[bytes], Problem]
"""What an error object in the place of an answer or of an event means."""

Shape = TypeVar("Shape")

# ---------------------------------------------------------------- the end

FINISH: MappingProxyType[str, FinishReason] = MappingProxyType(
    {
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "ERROR_LIMIT": "length",  # the context was full
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
    }
)
"""Cohere's reasons to end, in both versions of its API.  `TIMEOUT` and those that follow are failures and have no place
here."""

_FAILED = ("ERROR", "USER_CANCEL")
"""Answers that are not whole.  cloche hangs up where its caller does, so a cancellation is none that it asked for."""

UNKNOWN_FINISH: FinishReason = "stop"
"""For a reason that is not in the table: Cohere says by the word ERROR when an answer failed, so this one is whole, and
none of the other words, which clients act upon, would be true."""


def finish_reason(reason: str, error: str | None = None) -> FinishReason:
    """The API's word for Cohere's.  A Problem if the answer failed; `error`: what Cohere says about that."""
    if reason == "TIMEOUT":
        raise ProviderTimeout("cohere ran out of time in the middle of its answer")
    if reason in _FAILED or error:
        summary = "cohere failed in the middle of its answer"
        raise ProviderBroken(f"{summary}: {error}" if error else summary, summary=summary)
    return FINISH.get(reason, UNKNOWN_FINISH)


# ---------------------------------------------------------------- shapes


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(Struct):
    id: str | None = None
    function: _Function | None = None


class _Block(Struct):
    """A piece of content; `type` comes only with the first piece of a stream's block."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class _Logprobs(Struct):
    text: str | None = None
    logprobs: list[float] | None = None


class _Tokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None


class _Usage(Struct):
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


class _Message(Struct):
    content: list[dict[str, Any]] | None = None
    tool_plan: str | None = None
    tool_calls: list[_Call] | None = None
    citations: list[dict[str, Any]] | None = None


class _Answer(Struct):
    message: _Message
    finish_reason: str
    usage: _Usage | None = None
    logprobs: list[_Logprobs] | None = None


class _Refusal(Struct):
    message: str


class _Event(Struct):
    """`delta` has another shape in every type of event."""

    type: str = ""
    index: int = 0
    delta: Raw = Raw(b"{}")
    logprobs: _Logprobs | None = None


class _Content(Struct):
    content: dict[str, Any] | None = None


class _ContentDelta(Struct):
    message: _Content | None = None


class _Plan(Struct):
    tool_plan: str | None = None


class _PlanDelta(Struct):
    message: _Plan | None = None


class _Calling(Struct):
    tool_calls: _Call | None = None


class _CallDelta(Struct):
    message: _Calling | None = None


class _Cited(Struct):
    citations: dict[str, Any] | None = None


class _CitationDelta(Struct):
    message: _Cited | None = None


class _End(Struct):
    finish_reason: str | None = None
    usage: _Usage | None = None
    error: str | None = None


def _read(text: bytes | Raw, shape: type[Shape]) -> Shape:
    try:
        return tolerant.read(text, shape)
    except tolerant.UNREADABLE:
        raise ProviderBroken("cohere sent an answer that cannot be read") from None


# ---------------------------------------------------------------- pieces

_PLAN = 0
"""The place of the plan among the blocks of reasoning; thinking in block i of the content has the place i + 1."""


def _read_block(given: dict[str, Any]) -> _Block:
    try:
        return msgspec.convert(given, _Block)
    except msgspec.ValidationError:
        raise ProviderBroken("cohere sent content that cannot be read") from None


def _block(
    index: int, given: dict[str, Any], block: _Block, logprobs: tuple[dict[str, Any], ...] | None = None
) -> list[Chunk]:
    """A block of content, or a piece of one.  Kinds that are neither text nor thinking are kept as they came."""
    if block.type not in (None, "text", "thinking"):
        return [Chunk(extras=(given,), logprobs=logprobs)]
    chunks = []
    if block.thinking:
        chunks.append(Chunk(reasoning=(ReasoningDelta(index + 1, block.thinking),)))
    if block.text or logprobs:
        chunks.append(Chunk(content=block.text or "", logprobs=logprobs))
    return chunks


def _spoken(block: _Block) -> str:
    """What a block adds to the answer's text."""
    return (block.text or "") if block.type in (None, "text", "thinking") else ""


def _cited(blocks: Blocks, citations: Iterable[dict[str, Any]]) -> list[Chunk]:
    return [Chunk(citations=blocks.cite(each)) for each in citations]


def _plan(text: str | None) -> list[Chunk]:
    return [Chunk(reasoning=(ReasoningDelta(_PLAN, text),))] if text else []


def _tokens(item: _Logprobs | None) -> tuple[dict[str, Any], ...] | None:
    """OpenAI's token record.  Cohere counts several tokens in one text: their probability together is that of it."""
    if item is None or not item.logprobs:
        return None
    text = item.text or ""
    record = {"token": text, "logprob": sum(item.logprobs), "bytes": list(text.encode()), "top_logprobs": []}
    return (record,)


def _usage(usage: _Usage | None) -> Usage | None:
    """What the model read and wrote; not `billed_units`, which leave out what Cohere adds to the prompt."""
    tokens = usage.tokens if usage is not None else None
    if usage is None or tokens is None or tokens.input_tokens is None or tokens.output_tokens is None:
        return None
    return Usage(
        prompt_tokens=int(tokens.input_tokens),
        completion_tokens=int(tokens.output_tokens),
        cached_tokens=None if usage.cached_tokens is None else int(usage.cached_tokens),
        reasoning_tokens=None if tokens.reasoning_tokens is None else int(tokens.reasoning_tokens),
    )


class _Calls:
    """The tool calls of one answer, numbered as they begin.

    Cohere's own numbers only tell which call a piece belongs to.  A call without arguments gets an empty object:
    clients read arguments as JSON.
    """

    __slots__ = ("_count", "_empty", "_places")

    def __init__(self) -> None:
        self._count = 0
        self._places: dict[int, int] = {}
        self._empty: set[int] = set()

    def begin(self, index: int, call: _Call) -> Chunk:
        """A call, with what is there of its arguments."""
        place = self._places[index] = self._count
        self._count += 1
        function = call.function
        if function is None or not function.name:
            raise ProviderBroken("cohere sent a tool call without a name")
        arguments = function.arguments or ""
        if not arguments:
            self._empty.add(place)
        return Chunk(tool_calls=(ToolCallDelta(place, call.id or "", function.name, arguments),))

    def go_on(self, index: int, call: _Call) -> list[Chunk]:
        """More of a call's arguments.  ProviderBroken if it has not begun."""
        if index not in self._places:
            raise ProviderBroken("cohere sent arguments of a tool call that has not begun")
        arguments = call.function.arguments if call.function is not None else None
        if not arguments:
            return []
        self._empty.discard(self._places[index])
        return [Chunk(tool_calls=(ToolCallDelta(self._places[index], arguments=arguments),))]

    def close(self) -> list[Chunk]:
        """The arguments of the calls that have none."""
        empty, self._empty = sorted(self._empty), set()
        return [Chunk(tool_calls=(ToolCallDelta(place, arguments="{}"),)) for place in empty]


# ---------------------------------------------------------------- whole answers


def read_answer(body: bytes, error: ErrorObject) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none, and for an error object what `error` makes of it."""
    try:
        answer = tolerant.read(body, _Answer)
    except tolerant.UNREADABLE:
        _read(body, _Refusal)
        raise error(body) from None
    message, calls, assembly = answer.message, _Calls(), Assembly()
    finish = finish_reason(answer.finish_reason)
    chunks = _plan(message.tool_plan)
    blocks = Blocks()
    for index, given in enumerate(message.content or ()):
        block = _read_block(given)
        chunks += _block(index, given, block)
        blocks.add(index, _spoken(block))
    chunks += _cited(blocks, message.citations or ())
    chunks += [Chunk(logprobs=_tokens(item)) for item in answer.logprobs or ()]
    chunks += [calls.begin(index, call) for index, call in enumerate(message.tool_calls or ())]
    for chunk in [*chunks, *calls.close(), Chunk(finish_reason=finish, usage=_usage(answer.usage))]:
        assembly.add(chunk)
    return assembly.response()


# ---------------------------------------------------------------- streams


class CohereDecoder:
    """Reads the events of one answer.  Those that tell nothing to a client of this API are passed over."""

    __slots__ = ("_blocks", "_calls", "_error", "_events", "_last")

    def __init__(self, error: ErrorObject) -> None:
        self._error = error
        self._events = sse.Decoder()
        self._blocks = Blocks()
        self._calls = _Calls()
        self._last: Chunk | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  A Problem if Cohere says that it failed."""
        return self._take_all(self._events.feed(data))

    def close(self) -> list[Chunk]:
        """The last chunk, after what the body's end completes.  ProviderBroken if the message has not ended."""
        chunks = self._take_all(self._events.close())
        if self._last is None:
            raise ProviderBroken("cohere's answer was cut off")
        return [*chunks, self._last]

    def _take_all(self, payloads: list[bytes]) -> list[Chunk]:
        return [chunk for payload in payloads if payload != sse.DONE for chunk in self._take(payload)]

    def _take(self, payload: bytes) -> list[Chunk]:
        event = _read(payload, _Event)
        match event.type:
            case "content-delta" | "content-start":
                content = _read(event.delta, _ContentDelta).message
                given = (content.content if content is not None else None) or {}
                block = _read_block(given)
                self._blocks.add(event.index, _spoken(block))
                return _block(event.index, given, block, _tokens(event.logprobs))
            case "citation-start":
                cited = _read(event.delta, _CitationDelta).message
                found = cited.citations if cited is not None else None
                return _cited(self._blocks, (found,) if found else ())
            case "tool-plan-delta":
                plan = _read(event.delta, _PlanDelta).message
                return _plan(plan.tool_plan if plan is not None else None)
            case "tool-call-start" | "tool-call-delta":
                calling = _read(event.delta, _CallDelta).message
                call = (calling.tool_calls if calling is not None else None) or _Call()
                started = event.type == "tool-call-start"
                return [self._calls.begin(event.index, call)] if started else self._calls.go_on(event.index, call)
            case "message-end":
                return self._end(_read(event.delta, _End))
            case "" | "error":
                raise self._error(payload)
            case _:
                return []

    def _end(self, end: _End) -> list[Chunk]:
        if end.finish_reason is None and not end.error:
            raise ProviderBroken("cohere ended its answer without a reason")
        finish = finish_reason(end.finish_reason or "ERROR", end.error)
        self._last = Chunk(finish_reason=finish, usage=_usage(end.usage))
        return self._calls.close()
