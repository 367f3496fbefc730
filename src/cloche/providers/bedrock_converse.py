"""Models on Bedrock's Converse, which speaks of all of them in one dialect.

    POST /model/{id}/converse          the answer is one JSON object
    POST /model/{id}/converse-stream   frames, one event each

What is asked is in bedrock_request.py, what is answered in bedrock_answer.py; this module must not know.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cloche.codec.eventstream import Frame
from cloche.domain.chat import ChatRequest, ChatResponse, FinishReason
from cloche.domain.errors import Problem
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import bedrock_answer, bedrock_request
from cloche.providers.bedrock_errors import bedrock_refusal, exception_in
from cloche.providers.bedrock_invoke import Door
from cloche.providers.bedrock_models import Traits

_encode = msgspec.json.Encoder().encode


class Converse:
    """A served entity behind Converse."""

    __slots__ = ("_door", "_head", "_stream_head", "_traits", "model")

    takes_n = False
    """The API gives one choice for a call."""
    finishes: Mapping[str, FinishReason | None] = bedrock_answer.FINISH

    def __init__(self, traits: Traits, door: Door) -> None:
        self.model = traits.name
        self._traits = traits
        self._door = door
        self._head = door.head(traits.name, "converse")
        self._stream_head = door.head(traits.name, "converse-stream")

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """The call to make.  BadRequest for what this API has no place for."""
        body = bedrock_request.encode(request, report, self._traits)
        head = self._stream_head if stream else self._head
        return HttpCall(self._door.origin, head, (_encode(body),), self._door.authorizer)

    def decode(self, body: bytes) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none."""
        return bedrock_answer.decode(body)

    def decoder(self) -> bedrock_answer.ConverseDecoder:
        """The reader of a stream."""
        return bedrock_answer.ConverseDecoder(self._exception)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """A refusal, by Bedrock's table."""
        return bedrock_refusal(status, headers, body, self._head)

    def _exception(self, frame: Frame) -> Problem | None:
        """What a frame means that is no event."""
        return exception_in(frame, self._head)
