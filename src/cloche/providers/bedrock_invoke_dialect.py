"""What a family of models on Bedrock's InvokeModel must say for itself, and what all of them share.

InvokeModel carries whatever JSON a model's maker designed.  So each family has a dialect of its own, and
bedrock_invoke.py makes the call around it.  This module must not know any family, HTTP or the frames of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from cloche.codec import tolerant
from cloche.domain.chat import ChatParams, ChatRequest, ChatResponse, Chunk, FinishReason, NamedTool, Usage
from cloche.domain.errors import BadRequest, Problem, ProviderBroken
from cloche.domain.translation import Report
from cloche.providers.anthropic_request import OPENAI_ONLY
from cloche.providers.openai_shaped import NOT_FORWARDED

Shape = TypeVar("Shape")
Json = dict[str, Any]

ErrorReader = Callable[[int, bytes], Problem]
"""What an error object inside an answer means: the status it stands for, and its JSON."""


class Reader(Protocol):
    """Reads the events of one stream; each is one JSON text of the model's."""

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks that an event completes, none of them the last."""

    def close(self) -> list[Chunk]:
        """What was still held, and the last chunk.  ProviderBroken if the answer has not ended."""


class Dialect(Protocol):
    """A family's JSON."""

    @property
    def streams(self) -> bool:
        """Whether Bedrock streams this family; else its answer comes in one piece whatever the client wants."""

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The family's own finish reasons in the words of the API; None: the answer failed."""

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body.  BadRequest for what the family cannot do."""

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none."""

    def reader(self, error: ErrorReader) -> Reader:
        """The reader of one stream."""


# ---------------------------------------------------------------- answers

UNKNOWN_FINISH: FinishReason = "stop"
"""For reasons that are in no table: the answer did end, and none of the other words, which clients act upon, is
known to be true."""

GUARDRAIL_FINISH: FinishReason = "content_filter"
"""Where a guardrail wrote the answer in the model's place, there is no reason of the model's to end."""

_INTERVENED = "INTERVENED"


class Metrics(Struct):
    """Bedrock's own count, in the last event of a stream."""

    input: float | None = msgspec.field(default=None, name="inputTokenCount")
    output: float | None = msgspec.field(default=None, name="outputTokenCount")


class Envelope(Struct):
    """What Bedrock adds to any family's JSON."""

    metrics: Metrics | None = msgspec.field(default=None, name="amazon-bedrock-invocationMetrics")
    guardrail: str | None = msgspec.field(default=None, name="amazon-bedrock-guardrailAction")

    @property
    def blocked(self) -> bool:
        """Whether a guardrail changed the text, or wrote it."""
        return self.guardrail == _INTERVENED


def read(text: bytes | Raw, shape: type[Shape]) -> Shape:
    """JSON of a known shape.  ProviderBroken for anything else."""
    try:
        return tolerant.read(text, shape)
    except tolerant.UNREADABLE:
        raise ProviderBroken("bedrock sent an answer that cannot be read") from None


def finish(reason: str, table: Mapping[str, FinishReason | None]) -> FinishReason:
    """The API's word for a family's.  ProviderBroken if the answer failed."""
    found = table.get(reason, UNKNOWN_FINISH)
    if found is None:
        raise ProviderBroken(f"bedrock gave its answer up in the middle, with the reason '{reason}'")
    return found


def counted(prompt: float | None, completion: float | None) -> Usage | None:
    """Usage where both counts are there; behind a guardrail they come as floats."""
    return None if prompt is None or completion is None else Usage(int(prompt), int(completion))


_HEAD_COUNTS = (b"input", b"output", b"cache-read-input", b"cache-write-input")
_LONGEST_COUNT = 12
_HEAD_COUNT = b"x-amzn-bedrock-%s-token-count"


def counted_in_head(headers: Mapping[bytes, bytes]) -> Usage | None:
    """Bedrock's own count in the head of a whole answer.  It counts what a cache held or took apart from the rest of
    the prompt, and leaves out an output where there is none to count."""
    prompt, completion, read, written = (
        int(value) if value.isdigit() and len(value) < _LONGEST_COUNT else None
        for value in (headers.get(_HEAD_COUNT % name, b"") for name in _HEAD_COUNTS)
    )
    if prompt is None:
        return None
    return Usage(
        prompt_tokens=prompt + (read or 0) + (written or 0),
        completion_tokens=completion or 0,
        cached_tokens=read,
        cache_write_tokens=written,
    )


# ---------------------------------------------------------------- requests


def add_unknown(request: ChatRequest, body: Json, report: Report, refused: Collection[str] = ()) -> None:
    """Put what cloche does not model into the body under its own name, but for what is OpenAI's alone, or `refused`."""
    for name, value in request.fields.items():
        if name in ChatParams.__struct_fields__ or bytes(value).strip() == b"null":
            continue
        if name in OPENAI_ONLY or name in refused or name in body:
            report.note("dropped", name, "this family of models has nothing like it, or another field says the same")
        else:
            body[name] = value
            report.note("passed", name)


def note_rest(request: ChatRequest, report: Report, taken: Collection[str]) -> None:
    """Tell of the modelled fields that are not `taken`: dropped, unless they ask for nothing."""
    params = request.params
    for name in ChatParams.__struct_fields__:
        value = getattr(params, name)
        if value is None or name in taken or name in NOT_FORWARDED or name == "messages":
            continue
        if name == "n":
            report.note("mapped" if value == 1 else "emulated", name)
        else:
            report.note("mapped" if _idle(name, params) else "dropped", name, "this family of models has no such thing")


def refuse_forced_tools(params: ChatParams, why: str) -> None:
    """BadRequest where a tool must be called, or was, and the family knows none: an answer without would be wrong."""
    if params.tool_choice == "required" or isinstance(params.tool_choice, NamedTool):
        raise BadRequest(f"tool_choice: {why}")
    for index, message in enumerate(params.messages):
        if message.role == "tool" or message.tool_calls:
            raise BadRequest(f"messages[{index}]: {why}")


def _idle(name: str, params: ChatParams) -> bool:
    """Whether a field says what would be so without it."""
    value = getattr(params, name)
    match name:
        case "seed":
            return False
        case "reasoning_effort":
            return bool(value == "none")
        case "thinking":
            return bool(value.get("type") == "disabled")
        case "tool_choice":
            return not params.tools or value == "none"
        case "parallel_tool_calls":
            return not params.tools or bool(value)
        case "response_format":
            return bool(value.type == "text")
        case _:
            return not value
