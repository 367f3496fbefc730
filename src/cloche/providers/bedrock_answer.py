"""Answers of Bedrock's Converse and ConverseStream in the canonical form.

Both go through `_Blocks`, so that they cannot differ.  Calls of the provider's own tools and their results are no
calls of the client's, who could not answer them: like images and kinds not known here they are told as they came.  The
stream counts its tokens after it has said why it ended, so its last chunk waits for the end of the body.
Must not know requests, settings or HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Raw, Struct

from cloche.codec import tolerant
from cloche.codec.eventstream import Frame, Frames
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, FinishReason, ReasoningDelta, ToolCallDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken
from cloche.providers.bedrock_besides import Own, cited, joined

ExceptionReader = Callable[[Frame], Problem | None]
"""The Problem that a frame means; None where it is an event."""

FINISH: MappingProxyType[str, FinishReason | None] = MappingProxyType(
    {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
        "malformed_model_output": None,
        "malformed_tool_use": None,
    }
)
"""None: the model wrote what nobody can read, and the answer failed."""

UNKNOWN_FINISH: FinishReason = "stop"
"""For reasons that are not in the table: the answer did end, and each of the other words would have the client do
something for it."""

_KINDS = frozenset(("contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"))
"""The events that say something."""

_OWN_TOOL = "server_tool_use"
"""The type of a call that the provider answers itself."""


class _ReasoningText(Struct):
    text: str = ""
    signature: str | None = None


class _Reasoning(Struct, rename="camel"):
    """Whole it has `reasoning_text`; in a stream the fields of that stand here themselves."""

    reasoning_text: _ReasoningText | None = None
    redacted_content: str | None = None
    text: str = ""
    signature: str | None = None


class _ToolUse(Struct, rename="camel"):
    """`input`: an object, in the model's own bytes; in a stream a piece of its text."""

    tool_use_id: str = ""
    name: str = ""
    type: str = ""
    input: Raw = Raw(b"")


class _Text(Struct):
    text: str = ""


class _Cited(Struct):
    content: list[_Text] = []
    citations: list[dict[str, Any]] = []


class _Block(Struct, rename="camel"):
    """A content block, or what a stream says of one: exactly one field is there.  `citation`, and those after it, are
    here for streams; in a whole answer a block of another kind is taken as it is."""

    text: str | None = None
    tool_use: _ToolUse | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    citation: dict[str, Any] | None = None
    tool_result: Raw = Raw(b"")
    image: Raw = Raw(b"")


class _Usage(Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None


class _Message(Struct):
    content: list[Raw] = []


class _Output(Struct):
    message: _Message = msgspec.field(default_factory=_Message)


class _Answer(Struct, rename="camel"):
    output: _Output
    stop_reason: str
    usage: _Usage | None = None


class _Event(Struct, rename="camel"):
    """The payload of any event; which it is, the frame's header says."""

    content_block_index: int = 0
    start: _Block | None = None
    delta: _Block | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None


_read_answer = tolerant.reader(_Answer)
_read_block = tolerant.reader(_Block)
_read_event = tolerant.reader(_Event)
_read_text = msgspec.json.Decoder(str).decode


def decode(body: bytes) -> ChatResponse:
    """A whole answer.  ProviderBroken for what is none, and for one that the model spoilt."""
    try:
        answer = _read_answer(body)
        content = [(raw, _read_block(raw)) for raw in answer.output.message.content]
    except tolerant.UNREADABLE:
        raise ProviderBroken("bedrock sent an answer that cannot be read") from None
    blocks, assembly = _Blocks(), Assembly()
    for index, (raw, block) in enumerate(content):
        for chunk in (*blocks.whole(index, block, raw), *blocks.stop(index)):
            assembly.add(chunk)
    assembly.add(_last(answer.stop_reason, answer.usage, blocks))
    return assembly.response()


class ConverseDecoder:
    """Reads the stream of one answer."""

    __slots__ = ("_blocks", "_exception", "_frames", "_stop_reason", "_usage")

    def __init__(self, exception: ExceptionReader) -> None:
        self._exception = exception
        self._frames = Frames()
        self._blocks = _Blocks()
        self._usage: _Usage | None = None
        self._stop_reason: str | None = None

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes.  An exception's Problem; ProviderBroken for what cannot be read."""
        return [chunk for frame in self._frames.feed(data) for chunk in self.take(frame)]

    def close(self) -> list[Chunk]:
        """The finish reason with the usage.  ProviderBroken if the provider did not end the stream, or the model
        spoilt its answer."""
        self._frames.close()
        if self._stop_reason is None:
            raise ProviderBroken("bedrock's answer was cut off")
        return [_last(self._stop_reason, self._usage, self._blocks)]

    def take(self, frame: Frame) -> list[Chunk]:
        """What one event says.  Kinds of events that are not known say nothing: the API may add some."""
        problem = self._exception(frame)
        if problem is not None:
            raise problem
        kind = frame.headers.get(":event-type")
        if kind not in _KINDS:
            return []
        try:
            event = _read_event(frame.payload)
        except tolerant.UNREADABLE:
            raise ProviderBroken("bedrock sent an event that cannot be read") from None
        if kind == "contentBlockDelta" and event.delta is not None:
            return self._blocks.add(event.content_block_index, event.delta)
        if kind == "contentBlockStart" and event.start is not None:
            return self._blocks.start(event.content_block_index, event.start)
        if kind == "contentBlockStop":
            return self._blocks.stop(event.content_block_index)
        if kind == "messageStop":
            self._stop_reason = event.stop_reason
        elif kind == "metadata":
            self._usage = event.usage or self._usage
        return []


class _Call:
    """A tool call that has not stopped.  `number`: which of the calls it is."""

    __slots__ = ("number", "written")

    def __init__(self, number: int) -> None:
        self.number = number
        self.written = False  # whether any of its arguments came


class _Thought:
    """A block of reasoning that has not stopped."""

    __slots__ = ("number", "secret", "signature")

    def __init__(self, number: int) -> None:
        self.number = number
        self.signature = ""
        self.secret: list[str] = []  # pieces of it, each base64 for itself


class _Speech:
    """A block of text that has not stopped: where it begins in all of it, and what it rests on."""

    __slots__ = ("begin", "citations")

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.citations: list[dict[str, Any]] = []


class _Blocks:
    """Turns content blocks into chunks.  Calls and reasoning are counted apart, each from 0; `_length`: characters of
    all the text."""

    __slots__ = ("_length", "_open", "_thoughts", "calls")

    def __init__(self) -> None:
        self._open: dict[int, _Call | _Thought | _Speech | Own] = {}
        self._thoughts = 0
        self._length = 0
        self.calls = 0

    def whole(self, index: int, block: _Block, raw: Raw) -> list[Chunk]:
        """A block of a whole answer, all of it but its end."""
        use = block.tool_use
        if use is not None and use.type != _OWN_TOOL:
            return [*self.start(index, block), *self._argued(index, _text(use.input))]
        if block.citations_content is not None:
            said = "".join(each.text for each in block.citations_content.content)
            chunks = self._spoken(index, said)
            self._speech(index).citations += block.citations_content.citations
            return chunks
        reasoning = block.reasoning_content
        if reasoning is not None and reasoning.reasoning_text is not None:
            thought = reasoning.reasoning_text
            return self._thought(index, _Reasoning(text=thought.text, signature=thought.signature))
        if block.text is not None or reasoning is not None:
            return self.add(index, block)
        return [Chunk(extras=(msgspec.json.decode(raw),))]

    def start(self, index: int, block: _Block) -> list[Chunk]:
        """A block begins; of text and reasoning nothing is said before their first piece."""
        use = block.tool_use
        if use is not None and use.type != _OWN_TOOL:
            self._open[index] = _Call(self.calls)
            self.calls += 1
            return [Chunk(tool_calls=(ToolCallDelta(self.calls - 1, use.tool_use_id, use.name),))]
        if use is not None:
            said = {"toolUseId": use.tool_use_id, "name": use.name, "type": use.type}
            self._open[index] = Own("toolUse", said)
        elif block.tool_result:
            self._open[index] = Own("toolResult", msgspec.json.decode(block.tool_result))
        elif block.image:
            self._open[index] = Own("image", msgspec.json.decode(block.image))
        return []

    def add(self, index: int, delta: _Block) -> list[Chunk]:
        """A block goes on, or begins."""
        if delta.text is not None:
            return self._spoken(index, delta.text)
        if delta.reasoning_content is not None:
            return self._thought(index, delta.reasoning_content)
        if delta.tool_use is not None and delta.tool_use.input:
            return self._argued(index, _piece(delta.tool_use.input))
        if delta.citation is not None:
            self._speech(index).citations.append(delta.citation)
        current, piece = self._open.get(index), delta.tool_result or delta.image
        if isinstance(current, Own) and piece:
            current.add(msgspec.json.decode(piece))
        return []

    def stop(self, index: int) -> list[Chunk]:
        """A block ends: what could not be said before."""
        current = self._open.pop(index, None)
        match current:
            case _Call(written=False):
                return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments="{}"),))]
            case Own():
                return [Chunk(extras=(current.extra(),))]
            case _Speech():
                found = tuple(cited(each, current.begin, self._length) for each in current.citations)
                return [Chunk(citations=found)] if found else []
            case _Thought() if current.secret:
                secret = joined(current.secret)
                return [Chunk(reasoning=(ReasoningDelta(current.number, "", secret, redacted=True),))]
            case _Thought() if current.signature:
                return [Chunk(reasoning=(ReasoningDelta(current.number, signature=current.signature),))]
        return []

    def _speech(self, index: int) -> _Speech:
        current = self._open.get(index)
        if not isinstance(current, _Speech):
            current = self._open[index] = _Speech(self._length)
        return current

    def _spoken(self, index: int, text: str) -> list[Chunk]:
        self._speech(index)
        self._length += len(text)
        return [Chunk(content=text)] if text else []

    def _argued(self, index: int, text: str) -> list[Chunk]:
        current = self._open.get(index)
        if isinstance(current, Own):
            current.add(text)
        if not text or not isinstance(current, _Call):
            return []
        current.written = True
        return [Chunk(tool_calls=(ToolCallDelta(current.number, arguments=text),))]

    def _thought(self, index: int, piece: _Reasoning) -> list[Chunk]:
        current = self._open.get(index)
        if not isinstance(current, _Thought):
            current = self._open[index] = _Thought(self._thoughts)
            self._thoughts += 1
        current.signature += piece.signature or ""
        if piece.redacted_content:
            current.secret.append(piece.redacted_content)
        return [Chunk(reasoning=(ReasoningDelta(current.number, piece.text),))] if piece.text else []


def _piece(given: Raw) -> str:
    """A piece of a call's arguments: text as a rule; from some models the object itself, in one piece."""
    text = _text(given)
    return _read_text(text) if text.startswith('"') else text


def _text(given: Raw) -> str:
    """JSON as it stands.  ProviderBroken where that is no text: what is kept raw has not been looked at."""
    try:
        return bytes(given).decode()
    except UnicodeDecodeError:
        raise ProviderBroken("bedrock sent arguments that are no text") from None


def _last(stop_reason: str, usage: _Usage | None, blocks: _Blocks) -> Chunk:
    """The chunk that ends an answer.  Some models call tools and say that their turn ended."""
    finish = FINISH.get(stop_reason, UNKNOWN_FINISH)
    if finish is None:
        raise ProviderBroken(f"bedrock's model spoilt its answer ({stop_reason})")
    if finish == "stop" and blocks.calls:
        finish = "tool_calls"
    return Chunk(finish_reason=finish, usage=_counted(usage))


def _counted(usage: _Usage | None) -> Usage | None:
    """The provider's count.  It counts what a cache held or took apart from the rest of the prompt."""
    if usage is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    read, written = usage.cache_read_input_tokens, usage.cache_write_input_tokens
    return Usage(
        prompt_tokens=usage.input_tokens + (read or 0) + (written or 0),
        completion_tokens=usage.output_tokens,
        cached_tokens=read,
        cache_write_tokens=written,
    )
