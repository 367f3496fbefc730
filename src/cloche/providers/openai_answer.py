"""Answers in OpenAI's shape, read into the canonical form: for whoever gives its clients something else than a chat, so
that bytes cannot pass through.

A whole answer is read as a stream of one event, so that the two cannot differ.  What is asked is openai_shaped.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from cloche.codec import sse, tolerant
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason, ToolCallDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.base import Decoder, status_in_error
from cloche.providers.openai_shaped import NOT_FORWARDED, OpenAIShaped

FINISH: Mapping[str, FinishReason | None] = MappingProxyType(
    {
        "stop": "stop",
        "length": "length",
        "tool_calls": "tool_calls",
        "function_call": "tool_calls",
        "content_filter": "content_filter",
    }
)

UNKNOWN_FINISH: FinishReason = "stop"
"""For reasons that are in no table: the answer did end, and none of the other words, which clients act upon, is
known to be true."""

ErrorObject = Callable[[bytes], Problem]
"""What an error object in the place of an answer, or of an event, means."""


class _Function(Struct):
    """`arguments`: JSON in a text, or as it is."""

    name: str | None = None
    arguments: Raw = Raw(b"null")


class _Call(Struct):
    function: _Function
    id: str | None = None
    index: int | None = None


class _Piece(Struct):
    """A part of a content: only text counts, and reasoning is none."""

    type: str = ""
    text: str | None = None


class _Message(Struct):
    content: str | list[_Piece] | None = None
    tool_calls: list[_Call] | None = None


class _Choice(Struct):
    """Whole it has `message`; in a stream `delta`, or `message` again."""

    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None
    stop_reason: str | None = None
    index: int = 0


class _Usage(Struct):
    prompt_tokens: float | None = None
    completion_tokens: float | None = None


class _Answer(Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Raw = Raw()


_read = tolerant.reader(_Answer)


class AnswerReader:
    """Reads the events of one answer with one choice.  `finishes`: the service's finish reasons in the words of the
    API; None: the answer failed."""

    __slots__ = ("_calls", "_error", "_finish", "_finishes", "_provider", "_usage")

    def __init__(self, provider: str, finishes: Mapping[str, FinishReason | None], error: ErrorObject) -> None:
        self._provider = provider
        self._finishes = finishes
        self._error = error
        self._calls: list[str | int] = []
        self._finish: FinishReason | None = None
        self._usage: Usage | None = None

    def take(self, event: bytes, otherwise: FinishReason | None = None) -> list[Chunk]:
        """The chunks of an event, which is JSON text.  `otherwise`: why its choice ended, if it does not say so itself.
        ProviderBroken if it cannot be read, or says that the answer failed; for an error object, its Problem."""
        try:
            answer = _read(event)
        except tolerant.UNREADABLE:
            raise ProviderBroken(f"{self._provider} sent an answer that cannot be read") from None
        if bytes(answer.error) not in (b"", b"null"):
            raise self._error(event)
        if answer.usage is not None:
            self._usage = _counted(answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return [chunk for choice in answer.choices if choice.index == 0 for chunk in self._choice(choice, otherwise)]

    def count(self, usage: Usage | None) -> None:
        """What somebody else has counted, which holds as long as the answer itself does not say."""
        self._usage = self._usage or usage

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the model did not say why it ended."""
        if self._finish is None:
            raise ProviderBroken(f"{self._provider}'s answer was cut off")
        return [Chunk(finish_reason=self._finish, usage=self._usage)]

    def _choice(self, choice: _Choice, otherwise: FinishReason | None) -> list[Chunk]:
        reason = choice.finish_reason or choice.stop_reason
        if reason is not None:
            self._finish = self._finished(reason)
        elif otherwise is not None:
            self._finish = otherwise
        said = choice.message or choice.delta or _Message()
        text = _text(said.content)
        chunks = [Chunk(content=text)] if text else []
        return chunks + [Chunk(tool_calls=(self._call(call, at),)) for at, call in enumerate(said.tool_calls or ())]

    def _finished(self, reason: str) -> FinishReason:
        found = self._finishes.get(reason, UNKNOWN_FINISH)
        if found is None:
            raise ProviderBroken(f"{self._provider} gave its answer up in the middle, with the reason '{reason}'")
        return found

    def _call(self, call: _Call, at: int) -> ToolCallDelta:
        """A call or more of one: told apart by `index`, else by the id that a new one has."""
        text = _arguments(bytes(call.function.arguments))
        key = call.index if call.index is not None else call.id or at
        if key not in self._calls:
            if not call.function.name:
                raise ProviderBroken(f"{self._provider} sent a tool call without a name")
            self._calls.append(key)
            return ToolCallDelta(self._calls.index(key), call.id or "", call.function.name, text)
        return ToolCallDelta(self._calls.index(key), arguments=text)


def _text(content: str | list[_Piece] | None) -> str:
    """What a content says; services whose models reason give it in parts."""
    if isinstance(content, list):
        return "".join(part.text or "" for part in content if part.type == "text")
    return content or ""


def _arguments(given: bytes) -> str:
    if given == b"null":
        return ""
    return msgspec.json.decode(given, type=str) if given.startswith(b'"') else given.decode()


def _counted(prompt: float | None, completion: float | None) -> Usage | None:
    """Usage where both counts are there; some services give them as floats."""
    return None if prompt is None or completion is None else Usage(int(prompt), int(completion))


class Reader(Protocol):
    """As AnswerReader."""

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of an event, none of them the last."""

    def close(self) -> list[Chunk]:
        """The last chunk."""


def read_whole(body: bytes, reader: Reader) -> ChatResponse:
    """A whole answer.  Raises what the reader raises."""
    assembly = Assembly()
    for chunk in (*reader.take(body), *reader.close()):
        assembly.add(chunk)
    return assembly.response()


class _EventDecoder:
    """A Decoder: the reader's, behind the frames of an event stream."""

    __slots__ = ("_events", "_reader")

    def __init__(self, reader: AnswerReader) -> None:
        self._events = sse.Decoder()
        self._reader = reader

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks of the events that `data` completes."""
        return self._taken(self._events.feed(data))

    def close(self) -> list[Chunk]:
        """What was still held, and the last chunk."""
        return self._taken(self._events.close()) + self._reader.close()

    def _taken(self, payloads: list[bytes]) -> list[Chunk]:
        said = (payload for payload in payloads if payload and payload != sse.DONE)
        return [chunk for payload in said for chunk in self._reader.take(payload)]


class OpenAIRead:
    """A served entity behind a service that takes and gives chats, for a task that is none: a Foreign, whose answers
    are read and not passed through."""

    __slots__ = ("_chat", "_provider", "model")

    takes_n = False
    finishes: Mapping[str, FinishReason | None] = FINISH

    def __init__(self, provider: str, chat: OpenAIShaped) -> None:
        self.model = chat.model
        self._provider = provider
        self._chat = chat

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The chat, with the request's fields in their own bytes; of several choices one is asked for."""
        fields = {name: value for name, value in request.fields.items() if name != "n"}
        for name in fields:
            if name not in NOT_FORWARDED and name != "messages":
                report.note("passed", name)
        return self._chat.encode(ChatRequest(request.params, fields), stream=stream)

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; for an error object in it, its Problem."""
        return read_whole(body, self._reader())

    def decoder(self) -> Decoder:
        """The reader of one stream."""
        return _EventDecoder(self._reader())

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """As the chat's."""
        return self._chat.error(status, headers, body)

    def _reader(self) -> AnswerReader:
        return AnswerReader(self._provider, FINISH, self._error_object)

    def _error_object(self, body: bytes) -> Problem:
        return self.error(status_in_error(body), {}, body)
