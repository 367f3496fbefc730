"""Answers of Anthropic's Messages API, whole and streamed, in the canonical form.

Both go through `_Blocks`, so that they cannot differ.  Blocks of the provider's own tools (searches, code that it ran)
and kinds not known here are left out: the canonical form has no place for them, and the API asks its clients to bear
new ones.  Must not know requests, settings or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import msgspec
from msgspec import Raw, Struct

from cloche.codec import sse
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
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
        # A long run of the provider's own tools was interrupted: the caller may send the answer back to have it go on,
        # which is what it does after any whole answer.
        "pause_turn": "stop",
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
    content: list[_Block] = []
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
    stop_reason: str | None = None


class _Event(Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: _ErrorDetail | None = None


_read_message = msgspec.json.Decoder(_Message).decode
_read_event = msgspec.json.Decoder(_Event).decode


def decode(body: bytes, error: ErrorReader) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
    try:
        message = _read_message(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderBroken("anthropic sent an event that cannot be read") from None
        if event.type == "error":
            raise self._error(_status(event.error), payload)
        if event.type == "content_block_start" and event.content_block is not None:
            return self._blocks.start(event.index, event.content_block)
        if event.type == "content_block_delta" and event.delta is not None:
            return self._blocks.add(event.index, event.delta)
        if event.type == "content_block_stop":
            return self._blocks.stop(event.index)
        if event.type == "message_start" and event.message is not None:
            self._usage = event.message.usage
        elif event.type == "message_delta":
            self._usage = _latest(self._usage, event.usage)
            self._stop_reason = event.delta.stop_reason if event.delta is not None else None
        self._ended = self._ended or event.type == "message_stop"
        return []


class _Open:
    """A block that has not stopped.  `number`: which of its kind it is."""

    __slots__ = ("arguments", "block", "number", "signature")

    def __init__(self, block: _Block, number: int) -> None:
        self.block = block
        self.number = number
        self.arguments = False  # whether any came
        self.signature = block.signature or ""


class _Blocks:
    """Turns content blocks into chunks.  Calls and reasoning are counted apart, each from 0."""

    __slots__ = ("_calls", "_open", "_reasoning")

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}
        self._calls = 0
        self._reasoning = 0

    def start(self, index: int, block: _Block) -> list[Chunk]:
        """A block begins, with whatever of it is there already."""
        if block.type == "text":
            self._open[index] = _Open(block, 0)
            return [Chunk(content=block.text)] if block.text else []
        if block.type == "tool_use":
            self._open[index] = _Open(block, self._calls)
            self._calls += 1
            return [Chunk(tool_calls=(ToolCallDelta(self._open[index].number, block.id, block.name),))]
        if block.type in ("thinking", "redacted_thinking"):
            self._open[index] = _Open(block, self._reasoning)
            self._reasoning += 1
            return _thought(self._open[index], block.thinking or "")
        return []

    def add(self, index: int, delta: _Delta) -> list[Chunk]:
        """A block goes on."""
        current = self._open.get(index)
        if current is None:
            return []
        if delta.type == "text_delta":
            return [Chunk(content=delta.text)] if delta.text else []
        if delta.type == "thinking_delta":
            return _thought(current, delta.thinking)
        if delta.type == "signature_delta":
            current.signature += delta.signature
        elif delta.type == "input_json_delta" and delta.partial_json:
            current.arguments = True
            return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments=delta.partial_json),))]
        return []

    def stop(self, index: int) -> list[Chunk]:
        """A block ends: what could not be said before."""
        current = self._open.pop(index, None)
        if current is None:
            return []
        if current.block.type == "tool_use" and not current.arguments:
            arguments = bytes(current.block.input).decode()
            return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments=arguments),))]
        if current.block.type == "redacted_thinking":
            return [Chunk(reasoning=(ReasoningDelta(current.number, "", current.block.data, redacted=True),))]
        if current.block.type == "thinking" and current.signature:
            return [Chunk(reasoning=(ReasoningDelta(current.number, signature=current.signature),))]
        return []


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
