"""Command R models on Bedrock's InvokeModel: version 1 of Cohere's chat API in all but a few fields.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html.  What is asked
and answered is Cohere's own; here is only what Bedrock does otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloche.domain.chat import ChatRequest, ChatResponse, Chunk, FinishReason
from cloche.domain.translation import Report
from cloche.providers import cohere_answer, cohere_v1, cohere_v1_answer
from cloche.providers.bedrock_invoke_dialect import Envelope, ErrorReader, Json, Metrics, counted, read
from cloche.providers.cohere_request import instruction

_ERROR_STATUS = 502
"""Of an error object in the place of an answer, which bears none."""


class CommandR:
    """The dialect of the Command R models."""

    __slots__ = ()

    streams = True
    finishes: Mapping[str, FinishReason | None] = cohere_answer.FINISH

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body.  BadRequest for content that is no text."""
        body = cohere_v1.render(request, report)
        wanted = request.params.response_format
        if body.pop("response_format", None) is not None and wanted is not None:
            told = instruction(None if wanted.json_schema is None else wanted.json_schema.schema)
            body["preamble"] = "\n\n".join(text for text in (body.get("preamble"), told) if text)
            report.note("emulated", "response_format")
        return body

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none; the Problem of an error object."""
        return cohere_v1_answer.read_answer(body, lambda said: error(_ERROR_STATUS, said))

    def reader(self, error: ErrorReader) -> _CommandReader:
        """The reader of one stream."""
        return _CommandReader(error)


class _CommandReader:
    """Reads Cohere's events; the count that they lack is Bedrock's."""

    __slots__ = ("_events", "_metrics")

    def __init__(self, error: ErrorReader) -> None:
        self._events = cohere_v1_answer.EventReader(lambda said: error(_ERROR_STATUS, said))
        self._metrics = Metrics()

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of an event."""
        self._metrics = read(event, Envelope).metrics or self._metrics
        return self._events.take(event)

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the answer has not ended."""
        last = self._events.close()
        return [msgspec.structs.replace(last, usage=last.usage or counted(self._metrics.input, self._metrics.output))]


COMMAND_R = CommandR()
