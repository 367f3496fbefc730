"""What becomes of a request's fields at each provider, found out by asking the real translators.

Nothing of it is written down anywhere: the command line, the pages and the matrix ask here, so they cannot be wrong
about a provider that has changed.  Must not know what a field means.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Raw

from cloche.domain.chat import ChatParams, ChatRequest, FinishReason
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import CallerFault
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Fate, Report
from cloche.providers.base import Foreign, InvalidSettings, Translator
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.openai_shaped import NOT_FORWARDED

_encode = msgspec.json.Encoder().encode
_read_params = msgspec.json.Decoder(ChatParams).decode
_read_fields = msgspec.json.Decoder(dict[str, Raw]).decode

Word = Literal["passed", "mapped", "emulated", "clamped", "dropped", "refused", "kept"]

_WORST: tuple[Word, ...] = ("dropped", "clamped", "emulated", "mapped", "passed", "kept")

_REASONED = ("dropped", "clamped", "emulated")
"""Where the translator's reason is one: it is given for what might have happened, too."""


class Outcome(NamedTuple):
    """What becomes of a field.  `kept`: it is for cloche itself.  `why`: in the translator's words, where it says."""

    word: Word
    why: str = ""

    @property
    def told(self) -> str:
        """Both, for people."""
        return f"{self.word}: {self.why}" if self.why else self.word


class Case(NamedTuple):
    """A request with one thing more than another.  `beside`: what both have."""

    fields: dict[str, Any]
    beside: Mapping[str, Any] = MappingProxyType({})


# ---------------------------------------------------------------- what is tried

_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_PDF = "JVBERi0xLjQKJSVFT0YK"
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_FUNCTION = {"name": "weather", "description": "The weather of a city.", "parameters": _SCHEMA}
_TOOLS: dict[str, Any] = {"tools": [{"type": "function", "function": _FUNCTION}]}
_NAMED = {"type": "function", "function": {"name": "weather"}}
_BOUND: dict[str, Any] = {"max_tokens": 4096}


def _asked(*parts: dict[str, Any], **message: Any) -> dict[str, Any]:
    """One turn of the user with these parts after a text."""
    text = {"type": "text", "text": "Hello."}
    return {"messages": [{"role": "user", "content": [text, *parts], **message}]}


def _call(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


_AFTER_CALLS = [
    {"role": "user", "content": "The weather here and there?"},
    {"role": "assistant", "content": None, "tool_calls": [_call("call_1"), _call("call_2")]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "call_2", "content": "wet"},
]

CASES: Mapping[str, Case] = MappingProxyType(
    {
        "`messages`": Case({"messages": [{"role": "user", "content": "Hello."}]}),
        "`messages`: `system`": Case(
            {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]}
        ),
        "`messages`: `developer`": Case(
            {"messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello."}]}
        ),
        "`messages`: image, data": Case(
            _asked({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PIXEL}"}})
        ),
        "`messages`: image, link": Case(
            _asked({"type": "image_url", "image_url": {"url": "https://files.example/a.png"}})
        ),
        "`messages`: file": Case(
            _asked({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{_PDF}"}})
        ),
        "`messages`: audio": Case(
            _asked({"type": "input_audio", "input_audio": {"data": "UklGRgAAAABXQVZF", "format": "wav"}})
        ),
        "`messages`: `cache_control`": Case(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "Hello.", "cache_control": {"type": "ephemeral"}}],
                    }
                ]
            }
        ),
        "`messages`: `name`": Case({"messages": [{"role": "user", "content": "Hello.", "name": "ann"}]}),
        "`messages`: parallel calls": Case({"messages": _AFTER_CALLS}, _TOOLS),
        "`max_tokens`": Case({"max_tokens": 100}),
        "`max_completion_tokens`": Case({"max_completion_tokens": 100}),
        "`temperature`": Case({"temperature": 0.5}),
        "`temperature` above 1": Case({"temperature": 1.5}),
        "`top_p`": Case({"top_p": 0.9}),
        "`top_k`": Case({"top_k": 5}),
        "`n`": Case({"n": 2}),
        "`stop`": Case({"stop": ["END"]}),
        "`stop`, six texts": Case({"stop": ["a", "b", "c", "d", "e", "f"]}),
        "`seed`": Case({"seed": 7}),
        "`presence_penalty`": Case({"presence_penalty": 0.5}),
        "`frequency_penalty`": Case({"frequency_penalty": 0.5}),
        "`logit_bias`": Case({"logit_bias": {"1": 1}}),
        "`logprobs`": Case({"logprobs": True}),
        "`top_logprobs`": Case({"top_logprobs": 2}, {"logprobs": True}),
        "`tools`": Case(_TOOLS),
        "`tools`: `strict`": Case({"tools": [{"type": "function", "function": {**_FUNCTION, "strict": True}}]}, _TOOLS),
        "`tool_choice`: `required`": Case({"tool_choice": "required"}, _TOOLS),
        "`tool_choice`: `none`": Case({"tool_choice": "none"}, _TOOLS),
        "`tool_choice`: named": Case({"tool_choice": _NAMED}, _TOOLS),
        "`parallel_tool_calls`: `false`": Case({"parallel_tool_calls": False}, _TOOLS),
        "`response_format`: `json_object`": Case({"response_format": {"type": "json_object"}}),
        "`response_format`: `json_schema`": Case(
            {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": _SCHEMA}}}
        ),
        "`response_format` beside `tools`": Case(
            {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": _SCHEMA}}}, _TOOLS
        ),
        "`reasoning_effort`": Case({"reasoning_effort": "low"}, _BOUND),
        "`thinking`": Case({"thinking": {"type": "enabled", "budget_tokens": 2048}}, _BOUND),
        "`user`": Case({"user": "ann"}),
        "`metadata`": Case({"metadata": {"team": "a"}}),
        "`service_tier`": Case({"service_tier": "auto"}),
        "`store`": Case({"store": True}),
        "a field that nobody knows": Case({"house_style": "plain"}),
        "`client_request_id`": Case({"client_request_id": "a"}),
        "`usage_context`": Case({"usage_context": {"team": "a"}}),
        "`enable_safety_filter`": Case({"enable_safety_filter": True}),
    }
)
"""What is tried, each by how it is called on the pages."""


# ---------------------------------------------------------------- trying


def bound(model: ExternalModel) -> Translator | Foreign:
    """The translator of an example."""
    made = PROVIDERS[model.provider].bind(model)
    assert isinstance(made, Translator | Foreign), "examples are of the chat task"
    return made


def outcome(translator: Translator | Foreign, case: Case) -> Outcome:
    """What becomes of what a case has more: of several things the worst."""
    field = next(iter(case.fields))
    if field == "n" and isinstance(translator, Foreign) and not translator.takes_n:
        return Outcome("emulated", "a call for each choice")
    hello = {"messages": CASES["`messages`"].fields["messages"], **case.beside}
    try:
        before = _told(translator, hello)
        after = _told(translator, hello | case.fields)
    except CallerFault as problem:
        why = problem.message.partition(": ")[2] or problem.message  # without the path to a part of this very request
        return Outcome("refused", why)
    new = {name: fate for name, fate in after.items() if before.get(name) != fate}
    told = list(new.values()) or [after.get(field, Outcome("kept" if field in NOT_FORWARDED else "passed"))]
    worst = min(told, key=lambda each: _WORST.index(each.word))
    return worst if worst.word in _REASONED else Outcome(worst.word)


class _Telling(Report):
    """A report that keeps the reasons."""

    __slots__ = ("told",)

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Outcome] = {}

    def note(self, fate: Fate, field: str, why: str = "") -> None:
        """Keep it; the last one counts."""
        self.told[field] = Outcome(fate, why)


def _told(translator: Translator | Foreign, fields: dict[str, Any]) -> dict[str, Outcome]:
    """The fates of a request's fields, by name.  Raises what the translator raises."""
    report = _Telling()
    request = _request(fields)
    if isinstance(translator, Foreign):
        translator.encode(request, report, stream=False)
    else:
        translator.encode(request, stream=False)
        translator.note(request, report)
    return report.told


def _request(fields: dict[str, Any]) -> ChatRequest:
    body = _encode(fields)
    return ChatRequest(_read_params(body), _read_fields(body))


# ---------------------------------------------------------------- what is told of it


def mapping(examples: Mapping[str, ExternalModel]) -> dict[str, dict[str, Outcome]]:
    """Of each case, what becomes of it at each example."""
    translators = {label: bound(model) for label, model in examples.items()}
    return {
        name: {label: outcome(translator, case) for label, translator in translators.items()}
        for name, case in CASES.items()
    }


def columns(told: Mapping[str, Mapping[str, Outcome]]) -> dict[tuple[str, ...], list[str]]:
    """A mapping by columns, each with the labels of those examples that it is true of."""
    found: dict[tuple[str, ...], list[str]] = {}
    for label in dict.fromkeys(label for outcomes in told.values() for label in outcomes):
        found.setdefault(tuple(outcomes[label].told for outcomes in told.values()), []).append(label)
    return found


def finishes(examples: Mapping[str, ExternalModel]) -> dict[str, FinishReason | None]:
    """The providers' own words for why an answer ended, in the words of the API; None: the answer failed."""
    return {theirs: ours for model in examples.values() for theirs, ours in bound(model).finishes.items()}


def needed(name: str, examples: Mapping[str, ExternalModel]) -> str:
    """Whether the examples can be bound without a setting, in whichever form it is given: `yes`, `for` and the labels
    of those that cannot, or nothing."""
    found = needing(name, examples)
    if len(found) == len(examples):
        return "yes" if found else ""
    return f"for {', '.join(found)}" if found else ""


def needing(name: str, examples: Mapping[str, ExternalModel]) -> list[str]:
    """The labels of the examples that cannot be bound without a setting."""
    return [label for label, model in examples.items() if _needs(model, name)]


def _needs(model: ExternalModel, name: str) -> bool:
    left = {key: value for key, value in model.settings.items() if key.removesuffix("_plaintext") != name}
    if len(left) == len(model.settings):
        return False
    try:
        bound(msgspec.structs.replace(model, settings=left))
    except InvalidSettings:
        return True
    return False


CAPABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "tools": "`tools`",
        "parallel calls": "`messages`: parallel calls",
        "`tool_choice`": "`tool_choice`: `required`",
        "images": "`messages`: image, data",
        "documents": "`messages`: file",
        "audio": "`messages`: audio",
        "JSON schema": "`response_format`: `json_schema`",
        "reasoning": "`reasoning_effort`",
        "`cache_control`": "`messages`: `cache_control`",
        "`logprobs`": "`logprobs`",
        "`n`": "`n`",
        "`seed`": "`seed`",
        "`stop`": "`stop`",
    }
)
"""What people compare providers by, and the case that each is judged by."""

_ABLE: Mapping[Word, str] = MappingProxyType(
    {
        "passed": "yes",
        "mapped": "yes",
        "emulated": "emulated",
        "clamped": "in part",
        "dropped": "no",
        "refused": "no",
        "kept": "no",
    }
)


def capabilities(model: ExternalModel) -> dict[str, str]:
    """What an example can do, in a word for each capability and one for usage in streams."""
    translator = bound(model)
    found = {name: _able(translator, CASES[case]) for name, case in CAPABILITIES.items()}
    return found | {"usage in streams": _stream_usage(translator)}


def _able(translator: Translator | Foreign, case: Case) -> str:
    word = outcome(translator, case).word
    if word == "passed" and not isinstance(translator, Foreign):
        return "passed on"  # whether the model can do it, the service knows
    return "fanned out" if word == "emulated" and "n" in case.fields else _ABLE[word]


def _stream_usage(translator: Translator | Foreign) -> str:
    request = _request(CASES["`messages`"].fields)
    call: HttpCall
    if isinstance(translator, Foreign):
        call = translator.encode(request, Report(), stream=True)
    else:
        call = translator.encode(request, stream=True)
    return "asked for" if b'"include_usage":true' in b"".join(call.body) else "unasked"
