"""Answers of Anthropic's Messages API, whole and streamed, in the canonical form.

Both go through `_Blocks`, so that they cannot differ.  Blocks of the provider's own tools (searches, code that it ran)
and kinds not known here are kept as they came, as extras of the canonical form: the API asks its clients to bear new
ones.  Must not know requests, settings or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw, Struct

from cloche.codec import sse, tolerant
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, Citation, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken

ErrorReader = Callable[[int, bytes], Problem]
"""What an error object means: the status it stands for, and the JSON it is in."""

FINISH: MappingProxyType[str, FinishReason] = MappingProxyType(
    {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
        # A long run of the provider's own tools was interrupted, so the turn is not finished: of the API's words only
        # this one says that there is more to come.  The answer is sent back to have it go on.
        "pause_turn": "length",
    }
)
UNKNOWN_FINISH: FinishReason = "stop"
"""For reasons that are not in the table: the answer did end, and each of the other words would have the client do
something for it."""

ERROR_STATUS = MappingProxyType(
    {
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    }
)
"""The status that an error stands for by its type, where it comes inside an answer that began with 200."""


class _Block(Struct):
    """A content block, whole, or as a stream opens it; `input` in the provider's own bytes."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str = ""
    name: str = ""
    input: Raw = Raw(b"{}")
    citations: list[dict[str, Any]] | None = None


class _OutputDetails(Struct):
    thinking_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    output_tokens_details: _OutputDetails | None = None


class _ErrorDetail(Struct):
    type: str = ""


class _Message(Struct):
    content: list[Raw] = []
    stop_reason: str | None = None
    usage: _Usage | None = None
    type: str = "message"
    error: _ErrorDetail | None = None


class _Delta(Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None


class _Event(Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: Raw = Raw()
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _ErrorDetail | None = None


_read_block = tolerant.reader(_Block)
_read_message = tolerant.reader(_Message)
_read_event = tolerant.reader(_Event)


def decode(body: bytes, error: ErrorReader) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
    try:
        message = _read_message(body)
    except tolerant.UNREADABLE:
        raise ProviderBroken("anthropic sent an answer that cannot be read") from None
    if message.type == "error":
        raise error(_status(message.error), body)
    if message.stop_reason is None:
        raise ProviderBroken("anthropic sent an answer without an end")
    blocks, assembly = _Blocks(), Assembly()
    for index, block in enumerate(message.content):
        for chunk in (*blocks.start(index, block), *blocks.stop(index)):
            assembly.add(chunk)
    assembly.add(_last(message.stop_reason, message.usage))
    return assembly.response()


class AnthropicDecoder:
    """Reads the stream of one answer."""

    __slots__ = ("_blocks", "_ended", "_error", "_events", "_stop_reason", "_usage")

    def __init__(self, error: ErrorReader) -> None:
        self._error = error
        self._events = sse.Decoder()
        self._blocks = _Blocks()
        self._usage: _Usage | None = None
        self._stop_reason: str | None = None
        self._ended = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  An error event's Problem; ProviderBroken for what cannot be read."""
        return [chunk for payload in self._events.feed(data) for chunk in self._take(payload)]

    def close(self) -> list[Chunk]:
        """The finish reason with the usage.  ProviderBroken if the provider did not end the stream."""
        chunks = [chunk for payload in self._events.close() for chunk in self._take(payload)]
        if self._stop_reason is None or not self._ended:
            raise ProviderBroken("anthropic's answer was cut off")
        return [*chunks, _last(self._stop_reason, self._usage)]

    def _take(self, payload: bytes) -> list[Chunk]:
        """What one event says.  Kinds of events that are not known say nothing: the API may add some."""
        if not payload or payload == sse.DONE:
            return []
        try:
            event = _read_event(payload)
        except tolerant.UNREADABLE:
            raise ProviderBroken("anthropic sent an event that cannot be read") from None
        if event.type == "error":
            raise self._error(_status(event.error), payload)
        if event.type == "content_block_start" and event.content_block:
            return self._blocks.start(event.index, event.content_block)
        if event.type == "content_block_delta" and event.delta is not None:
            return self._blocks.add(event.index, event.delta)
        if event.type == "content_block_stop":
            return self._blocks.stop(event.index)
        if event.type == "message_start" and event.message is not None:
            self._usage = event.message.usage
        elif event.type == "message_delta":
            self._usage = _latest(self._usage, event.usage)
            self._stop_reason = (event.delta.stop_reason if event.delta is not None else None) or self._stop_reason
        self._ended = self._ended or event.type == "message_stop"
        return []


class _Open:
    """A block that has not stopped.  `number`: which of its kind it is; of a text, where it begins."""

    __slots__ = ("arguments", "block", "citations", "number", "raw", "signature")

    def __init__(self, block: _Block, raw: Raw, number: int) -> None:
        self.block = block
        self.raw = raw
        self.number = number
        self.arguments: list[str] = []
        self.citations = block.citations or []
        self.signature = block.signature or ""


class _Blocks:
    """Turns content blocks into chunks.  Calls and reasoning are counted apart, each from 0; `_length`: characters of
    all the text."""

    __slots__ = ("_calls", "_length", "_open", "_reasoning")

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self._length = 0
        self._reasoning = 0

    def start(self, index: int, raw: Raw) -> list[Chunk]:
        """A block begins, with whatever of it is there already.  ProviderBroken if it is no block."""
        try:
            block = _read_block(raw)
        except tolerant.UNREADABLE:
            raise ProviderBroken("anthropic sent a block that cannot be read") from None
        current = self._open[index] = _Open(block, raw, self._length)
        if block.type == "text":
            return self._said(block.text or "")
        if block.type == "tool_use":
            current.number = self._calls
            self._calls += 1
            return [Chunk(tool_calls=(ToolCallDelta(current.number, block.id, block.name),))]
        if block.type in ("thinking", "redacted_thinking"):
            current.number = self._reasoning
            self._reasoning += 1
            return _thought(current, block.thinking or "")
        return []

    def add(self, index: int, delta: _Delta) -> list[Chunk]:
        """A block goes on."""
        current = self._open.get(index)
        if current is None:
            return []
        if delta.type == "text_delta":
            return self._said(delta.text)
        if delta.type == "thinking_delta":
            return _thought(current, delta.thinking)
        if delta.type == "signature_delta":
            current.signature += delta.signature
        elif delta.type == "citations_delta" and delta.citation is not None:
            current.citations.append(delta.citation)
        elif delta.type == "input_json_delta" and delta.partial_json:
            current.arguments.append(delta.partial_json)
            if current.block.type == "tool_use":
                return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments=delta.partial_json),))]
        return []

    def stop(self, index: int) -> list[Chunk]:
        """A block ends: what could not be said before."""
        current = self._open.pop(index, None)
        if current is None:
            return []
        match current.block.type:
            case "text":
                return self._cited(current)
            case "tool_use" if not current.arguments:
                given = bytes(current.block.input)
                arguments = "{}" if given == b"null" else given.decode()
                return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments=arguments),))]
            case "redacted_thinking":
                return [Chunk(reasoning=(ReasoningDelta(current.number, "", current.block.data, redacted=True),))]
            case "thinking" if current.signature:
                return [Chunk(reasoning=(ReasoningDelta(current.number, signature=current.signature),))]
            case "thinking" | "tool_use":
                return []
        return [Chunk(extras=(_extra(current),))]

    def _said(self, text: str) -> list[Chunk]:
        self._length += len(text)
        return [Chunk(content=text)] if text else []

    def _cited(self, current: _Open) -> list[Chunk]:
        """A text is one block with all its citations, so what they are of is the whole block."""
        citations = tuple(
            Citation(current.number, self._length, _text_or_none(each.get("url")), _title(each), _details(each))
            for each in current.citations
        )
        return [Chunk(citations=citations)] if citations else []


def _title(cited: dict[str, Any]) -> str | None:
    return _text_or_none(cited.get("title")) or _text_or_none(cited.get("document_title"))


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _details(cited: dict[str, Any]) -> dict[str, Any]:
    """A citation without what is told in other words."""
    return {name: value for name, value in cited.items() if name not in ("url", "title", "document_title")}


def _extra(current: _Open) -> dict[str, Any]:
    """A block of the provider's own; its input comes in pieces in a stream, and as text where it is not whole: an
    answer that ended for its length may have ended there."""
    block: dict[str, Any] = msgspec.json.decode(current.raw)
    if current.arguments:
        written = "".join(current.arguments)
        try:
            block["input"] = msgspec.json.decode(written)
        except tolerant.UNREADABLE:
            block["input"] = written
    return block


def _thought(current: _Open, text: str) -> list[Chunk]:
    return [Chunk(reasoning=(ReasoningDelta(current.number, text),))] if text else []


def _last(stop_reason: str, usage: _Usage | None) -> Chunk:
    """The chunk that ends an answer."""
    return Chunk(finish_reason=FINISH.get(stop_reason, UNKNOWN_FINISH), usage=_counted(usage))


def _counted(usage: _Usage | None) -> Usage | None:
    """The provider's count.  It counts what a cache held or took apart from the rest of the prompt."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    details = usage.output_tokens_details
    return Usage(
        prompt_tokens=usage.input_tokens + (read or 0) + (written or 0),
        completion_tokens=usage.output_tokens,
        cached_tokens=read,
        reasoning_tokens=details.thinking_tokens if details is not None else None,
        cache_write_tokens=written,
    )


def _latest(known: _Usage | None, newer: _Usage | None) -> _Usage | None:
    """A stream counts at its start and again at its end: the later figures stand, field by field."""
    if known is None or newer is None:
        return newer or known
    for name in _Usage.__struct_fields__:
        value = getattr(newer, name)
        if value is not None:
            setattr(known, name, value)
    return known


def _status(error: _ErrorDetail | None) -> int:
    return ERROR_STATUS.get(error.type, 500) if error is not None else 500
