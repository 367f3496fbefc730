"""Claude models on Bedrock's InvokeModel: Anthropic's Messages API in all but a few fields.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html.
What is asked and answered is Anthropic's own; here is only what Bedrock does otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

from cloche.codec import sse
from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason
from cloche.domain.translation import Report
from cloche.providers import anthropic_answer, anthropic_request
from cloche.providers.bedrock_invoke_dialect import ErrorReader, Json, Reader, read
from cloche.providers.bedrock_invoke_pieces import CLAUDE_FINISH, TextReader, claude_completion, whole_text

API_VERSION = "bedrock-2023-05-31"
"""The only one there is."""

_FINISH: Mapping[str, FinishReason | None] = MappingProxyType({**anthropic_answer.FINISH, **CLAUDE_FINISH})

_NOT_TAKEN = MappingProxyType(
    {
        "metadata": ("metadata", "user"),
        "service_tier": ("service_tier",),
    }
)
"""Fields of the Messages API that Bedrock's page does not have, and the client's fields that they are made of."""

_VERSION_LAST = re.compile(r"claude-((?:[a-z]+-)?)v(\d)(?::(\d))?")
"""Bedrock's names of the oldest models: claude-v2:1 is what Anthropic calls claude-2.1."""


class _Kind(Struct):
    completion: str | None = None


class Claude:
    """The dialect of one Claude model."""

    __slots__ = ("_model",)

    streams = True
    finishes = _FINISH

    def __init__(self, model: str) -> None:
        self._model = _VERSION_LAST.sub(r"claude-\1\2.\3", model)

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body of the Messages API.  BadRequest for what that has no place for."""
        body: Json = {"anthropic_version": API_VERSION, **anthropic_request.encode(request, report, self._model)}
        for name, sources in _NOT_TAKEN.items():
            if body.pop(name, None) is not None:
                for source in sources:
                    if getattr(request.params, source) is not None:
                        report.note("dropped", source, "bedrock does not take it")
        return body

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer, to messages or to a text.  ProviderBroken for what is neither."""
        if read(body, _Kind).completion is not None:
            return whole_text(body, claude_completion, CLAUDE_FINISH)
        return anthropic_answer.decode(body, error)

    def reader(self, error: ErrorReader) -> Reader:
        """The reader of one stream."""
        return _ClaudeReader(error)


class _ClaudeReader:
    """Reads the events of the Messages API, or those of an answer to a text, whichever come."""

    __slots__ = ("_completion", "_messages")

    def __init__(self, error: ErrorReader) -> None:
        self._messages = anthropic_answer.AnthropicDecoder(error)
        self._completion: TextReader | None = None

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of an event."""
        if self._completion is None and read(event, _Kind).completion is not None:
            self._completion = TextReader(claude_completion, CLAUDE_FINISH)
        if self._completion is not None:
            return self._completion.take(event)
        # A line break in JSON is white space, in an event of a stream it is the end of a line.
        return self._messages.feed(sse.encode(event.replace(b"\n", b" ")))

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the answer has not ended."""
        return (self._completion or self._messages).close()
