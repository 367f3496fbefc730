"""Families on Bedrock's InvokeModel that take and give chat completions nearly as OpenAI does: Mistral and Jamba.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html.  The older Mistral models answer in
words of their own (`stop_reason`; a whole `message` in each event), so both words are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from cloche.domain.chat import ChatParams, ChatRequest, ChatResponse, Chunk, FinishReason, NamedTool
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.base import status_in_error
from cloche.providers.bedrock_invoke_dialect import (
    GUARDRAIL_FINISH,
    Envelope,
    ErrorReader,
    Json,
    add_unknown,
    counted,
    note_rest,
    read,
    refuse_forced_tools,
)
from cloche.providers.cohere_request import instruction
from cloche.providers.message_fields import content_of, note_unheard
from cloche.providers.openai_answer import AnswerReader, read_whole

FINISH: Mapping[str, FinishReason | None] = MappingProxyType(
    {
        "stop": "stop",
        "length": "length",
        "model_length": "length",
        "tool_calls": "tool_calls",
        "content_filter": "content_filter",
        "error": None,
    }
)

# ---------------------------------------------------------------- answers


class ChatReader:
    """Reads the stream of one answer, and what Bedrock adds to it.  `whole`: it comes in one piece."""

    __slots__ = ("_answer", "_whole")

    def __init__(self, error: ErrorReader, *, whole: bool = False) -> None:
        self._whole = whole
        self._answer = AnswerReader("bedrock", FINISH, lambda body: error(status_in_error(body), body))

    def take(self, event: bytes) -> list[Chunk]:
        """The chunks of an event.  ProviderBroken if it cannot be read, or says that the answer failed."""
        envelope = read(event, Envelope)
        metrics = envelope.metrics
        over = self._whole or metrics is not None  # which comes with the last event
        chunks = self._answer.take(event, GUARDRAIL_FINISH if envelope.blocked and over else None)
        if metrics is not None:
            self._answer.count(counted(metrics.input, metrics.output))
        return chunks

    def close(self) -> list[Chunk]:
        """The last chunk.  ProviderBroken if the model did not say why it ended."""
        return self._answer.close()


# ---------------------------------------------------------------- requests


class ChatFamily(NamedTuple):
    """A row.  `passed`: fields of the API that the family has, too; `tools`: whether it can be told of tools;
    `images`: whether content may be in parts; `top_temperature`: the most that it takes."""

    passed: tuple[str, ...]
    tools: bool
    images: bool
    top_temperature: float

    @property
    def streams(self) -> bool:
        """All of them are streamed."""
        return True

    @property
    def finishes(self) -> Mapping[str, FinishReason | None]:
        """The family's own finish reasons in the words of the API; None: the answer failed."""
        return FINISH

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body.  BadRequest for what the family cannot do."""
        params = request.params
        body: Json = {"messages": self._messages(request, report)}
        if self.tools:
            _add_tools(request, body, report)
        else:
            refuse_forced_tools(params, "this model knows no tools")
        self._add_numbers(request, body, report)
        _add_format(request, body, report)
        taken = ("max_tokens", "max_completion_tokens", "temperature", "response_format", *self.passed)
        note_rest(request, report, (*taken, "tools", "tool_choice") if self.tools else taken)
        add_unknown(request, body, report)
        report.note("mapped", "messages")
        return body

    def _add_numbers(self, request: ChatRequest, body: Json, report: Report) -> None:
        params = request.params
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if params.max_tokens is not None:
            report.note("passed", "max_tokens")
        if params.max_completion_tokens is not None:
            report.note("mapped" if params.max_tokens is None else "dropped", "max_completion_tokens")
        if params.temperature is not None:
            body["temperature"] = min(params.temperature, self.top_temperature)
            clamped = body["temperature"] != params.temperature
            report.note("clamped" if clamped else "passed", "temperature", f"it takes at most {self.top_temperature}")
        for name in self.passed:
            if getattr(params, name) is not None:
                body[name] = request.fields[name]
                report.note("passed", name)

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none."""
        return read_whole(body, ChatReader(error, whole=True))

    def reader(self, error: ErrorReader) -> ChatReader:
        """The reader of one stream."""
        return ChatReader(error)

    def _messages(self, request: ChatRequest, report: Report) -> list[Json]:
        """The messages, by the roles that the family knows; content of texts as one text."""
        given: list[Json] = msgspec.json.decode(request.fields["messages"])
        turns = []
        note_unheard(request.fields["messages"], report)
        for index, message in enumerate(given):
            role = "system" if message["role"] == "developer" else message["role"]
            turn = {name: message[name] for name in ("tool_calls", "tool_call_id") if message.get(name) is not None}
            images = self.images and role == "user"
            content = _content(content_of(message), f"messages[{index}]", images, report)
            turns.append({"role": role, "content": content, **turn})
            if message.get("name") is not None:
                report.note("dropped", "messages.name")
        return turns


def _content(content: Any, path: str, images: bool, report: Report) -> str | list[Json]:
    if not isinstance(content, list):
        return content or ""
    kept: list[Json] = []
    for position, part in enumerate(content):
        kind = part["type"]
        if kind in ("text", "refusal"):
            kept.append({"type": "text", "text": part[kind]})
            if "cache_control" in part:
                report.note("dropped", "messages.cache_control", "its cache cannot be told what to keep")
        elif kind == "reasoning":
            report.note("dropped", "messages.reasoning", "it takes no reasoning back")
        elif kind == "image_url" and images:
            kept.append(part)
        else:
            raise BadRequest(f"{path}.content[{position}].type: this model does not take '{kind}'")
    if all(part["type"] == "text" for part in kept):
        return "".join(part["text"] for part in kept)
    return kept


def _add_tools(request: ChatRequest, body: Json, report: Report) -> None:
    """Tools and their choice.  A named one is the only one that is offered."""
    params = request.params
    choice = params.tool_choice
    for index, tool in enumerate(params.tools or ()):
        if tool.function is None:
            raise BadRequest(f"tools[{index}].type: this model takes functions only, not '{tool.type}'")
    if params.tools:
        offered = _offered(params)
        body["tools"] = offered
        report.note("mapped", "tools")
        if any(tool.function is not None and tool.function.strict for tool in params.tools):
            report.note("dropped", "tools.strict", "it is not bound to schemas")
        if choice is not None:
            body["tool_choice"] = "any" if choice == "required" or isinstance(choice, NamedTool) else choice
    if choice is not None:
        report.note("emulated" if isinstance(choice, NamedTool) else "mapped", "tool_choice")


def _add_format(request: ChatRequest, body: Json, report: Report) -> None:
    """The answer's form, which these models are told and not bound to: at the end of the first instruction."""
    wanted = request.params.response_format
    if wanted is None or wanted.type == "text":
        if wanted is not None:
            report.note("mapped", "response_format")
        return
    told = instruction(None if wanted.json_schema is None else wanted.json_schema.schema)
    first, *rest = body["messages"]
    if first["role"] == "system":
        body["messages"] = [{"role": "system", "content": f"{first['content']}\n\n{told}"}, *rest]
    else:
        body["messages"] = [{"role": "system", "content": told}, first, *rest]
    report.note("emulated", "response_format")


def _offered(params: ChatParams) -> list[Json]:
    only = params.tool_choice.function.name if isinstance(params.tool_choice, NamedTool) else None
    functions = [tool.function for tool in params.tools or () if tool.function is not None]
    return [
        {
            "type": "function",
            "function": {
                "name": function.name,
                **({} if function.description is None else {"description": function.description}),
                "parameters": function.parameters or {"type": "object", "properties": {}},
            },
        }
        for function in functions
        if only is None or function.name == only
    ]


MISTRAL = ChatFamily(("top_p",), tools=True, images=True, top_temperature=1)
JAMBA = ChatFamily(
    ("top_p", "stop", "frequency_penalty", "presence_penalty"), tools=False, images=False, top_temperature=2
)
