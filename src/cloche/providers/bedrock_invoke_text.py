"""Families on Bedrock's InvokeModel that take one text and give one text: Titan, Command, Jurassic, Llama, Mistral.

They differ in the names of a few fields, so each is one row of a table at the end.
Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html and the pages below it.
How a conversation becomes one text is in bedrock_invoke_prompts.py, what is answered in bedrock_invoke_pieces.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cloche.domain.chat import ChatRequest, ChatResponse
from cloche.domain.translation import Report
from cloche.providers import bedrock_invoke_pieces as pieces
from cloche.providers import bedrock_invoke_prompts as prompts
from cloche.providers.bedrock_invoke_dialect import (
    ErrorReader,
    Json,
    add_unknown,
    note_rest,
    refuse_forced_tools,
)
from cloche.providers.cohere_request import instruction

# ---------------------------------------------------------------- requests


class _Field(NamedTuple):
    """The family's name for a field, and the least and the most of a number."""

    name: str
    least: float = 0
    most: float = float("inf")


class TextFamily(NamedTuple):
    """A row.  `prompt`: the field of the text; `group`: the object that the other fields are in, if any; `finishes`:
    its finish reasons in the words of the API, None where the answer failed; `look_event`: None where Bedrock does not
    stream it; `refused`: fields that a client may not set."""

    template: prompts.Template
    prompt: str
    fields: Mapping[str, _Field]
    finishes: pieces.Finishes
    look: pieces.ReadPiece
    look_event: pieces.ReadPiece | None
    group: str = ""
    says_stream: bool = False
    refused: tuple[str, ...] = ()

    @property
    def streams(self) -> bool:
        """Whether Bedrock streams this family."""
        return self.look_event is not None

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> Json:
        """The body.  BadRequest for tools that must be called, and for content that is no text."""
        refuse_forced_tools(request.params, "this model knows no tools")
        settings: Json = {}
        for name, field in self.fields.items():
            self._set(name, field, request, settings, report)
        body: Json = {self.prompt: prompts.prompt(request, self.template, report, _instruction(request, report))}
        if self.group:
            body |= {self.group: settings} if settings else {}
        else:
            body |= settings
        if self.says_stream and stream:
            body["stream"] = True
        note_rest(request, report, {*self.fields, "max_completion_tokens", "response_format"})
        add_unknown(request, body, report, self.refused)
        return body

    def _set(self, name: str, field: _Field, request: ChatRequest, settings: Json, report: Report) -> None:
        value: Any = getattr(request.params, name)
        if name == "max_tokens":
            value = request.max_tokens
            if request.params.max_completion_tokens is not None:
                report.note("mapped" if request.params.max_tokens is None else "dropped", "max_completion_tokens")
        elif name == "stop":
            value = request.stop or None
        if value is None:
            return
        settings[field.name] = value if name == "stop" else min(max(value, field.least), field.most)
        if getattr(request.params, name) is None:
            return
        if settings[field.name] != value:
            report.note("clamped", name, f"it takes {field.least} to {field.most}")
        else:
            report.note("passed" if field.name == name and not self.group else "mapped", name)

    def decode(self, body: bytes, error: ErrorReader) -> ChatResponse:
        """A whole answer.  ProviderBroken for what is none."""
        return pieces.whole_text(body, self.look, self.finishes)

    def reader(self, error: ErrorReader) -> pieces.TextReader:
        """The reader of one stream."""
        return pieces.TextReader(self.look_event or self.look, self.finishes)


def _instruction(request: ChatRequest, report: Report) -> str:
    """What the model is told of the answer's form, which it cannot be bound to."""
    wanted = request.params.response_format
    if wanted is None or wanted.type == "text":
        if wanted is not None:
            report.note("mapped", "response_format")
        return ""
    report.note("emulated", "response_format")
    return instruction(None if wanted.json_schema is None else wanted.json_schema.schema)


# ---------------------------------------------------------------- the families


def _llamas(template: prompts.Template) -> TextFamily:
    names = {
        "max_tokens": _Field("max_gen_len"),
        "temperature": _Field("temperature", 0, 1),
        "top_p": _Field("top_p", 0, 1),
    }
    return TextFamily(template, "prompt", MappingProxyType(names), pieces.LLAMA_FINISH, pieces.llama, pieces.llama)


TITAN = TextFamily(
    prompts.TITAN,
    "inputText",
    MappingProxyType(
        {
            "max_tokens": _Field("maxTokenCount"),
            "temperature": _Field("temperature", 0, 1),
            "top_p": _Field("topP", 0, 1),
            "stop": _Field("stopSequences"),
        }
    ),
    pieces.TITAN_FINISH,
    pieces.titan,
    pieces.titan_event,
    group="textGenerationConfig",
)
COMMAND = TextFamily(
    prompts.PLAIN,
    "prompt",
    MappingProxyType(
        {
            "max_tokens": _Field("max_tokens"),
            "temperature": _Field("temperature", 0, 5),
            "top_p": _Field("p", 0, 1),
            "top_k": _Field("k", 0, 500),
            "stop": _Field("stop_sequences"),
        }
    ),
    pieces.COMMAND_FINISH,
    pieces.command,
    pieces.command_event,
    says_stream=True,
    refused=("num_generations",),
)
JURASSIC = TextFamily(
    prompts.PLAIN,
    "prompt",
    MappingProxyType(
        {
            "max_tokens": _Field("maxTokens"),
            "temperature": _Field("temperature", 0, 1),
            "top_p": _Field("topP", 0, 1),
            "stop": _Field("stopSequences"),
        }
    ),
    pieces.JURASSIC_FINISH,
    pieces.jurassic,
    None,
    refused=("numResults",),
)
LLAMA2 = _llamas(prompts.LLAMA2)
LLAMA3 = _llamas(prompts.LLAMA3)
LLAMA4 = _llamas(prompts.LLAMA4)
MISTRAL = TextFamily(
    prompts.MISTRAL,
    "prompt",
    MappingProxyType(
        {
            "max_tokens": _Field("max_tokens"),
            "temperature": _Field("temperature", 0, 1),
            "top_p": _Field("top_p", 0, 1),
            "top_k": _Field("top_k", 1, 200),
            "stop": _Field("stop"),
        }
    ),
    pieces.MISTRAL_FINISH,
    pieces.mistral,
    pieces.mistral,
)
