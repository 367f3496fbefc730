"""What Gemini is asked: tuning, tools, formats, reasoning, and what is told of every field."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.providers.gemini_request import Dialect

from .gemini_asking import HELLO, Json, asked

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}


def fate(model: str = "gemini-2.5-flash", **fields: Any) -> dict[str, str]:
    """Each field's fate, but for the messages'."""
    report = Report()
    asked(dialect=Dialect(model), report=report, **fields)
    found = {field: what for what, names in report.fates().items() for field in names}
    del found["messages"]
    return found


# ---------------------------------------------------------------- tuning


def test_tuning_fields() -> None:
    """Each goes to its place in the generation config."""
    body = asked(
        max_completion_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        n=2,
        stop=["a", "b"],
        seed=7,
        presence_penalty=1,
        frequency_penalty=-1,
        logprobs=True,
        top_logprobs=2,
    )
    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 0.5,
        "seed": 7,
        "topP": 0.9,
        "topK": 3,
        "presencePenalty": 1,
        "frequencyPenalty": -1,
        "responseLogprobs": True,
        "logprobs": 2,
        "candidateCount": 2,
        "stopSequences": ["a", "b"],
    }


def test_what_is_told_of_each_field() -> None:
    """Nothing happens silently."""
    assert fate(temperature=1, top_p=0.5, max_tokens=4, stop="x", n=2) == {
        "temperature": "passed",
        "top_p": "mapped",
        "max_tokens": "mapped",
        "stop": "mapped",
        "n": "mapped",
    }
    assert fate(logit_bias={"1": 1}, user="u", metadata={}, service_tier="auto", store=True) == dict.fromkeys(
        ("logit_bias", "user", "metadata", "service_tier", "store"), "dropped"
    )
    assert fate(max_tokens=1, max_completion_tokens=2)["max_completion_tokens"] == "dropped"
    assert fate(client_request_id="a", usage_context={"a": "b"}, stream=True, top_p=None) == {}


def test_what_is_more_than_the_provider_takes() -> None:
    """Stop texts beyond the fifth and bits of a seed beyond 32 are cut off, and that is told."""
    body = asked(stop=list("abcdef"), seed=2**40 + 5)
    assert body["generationConfig"] == {"stopSequences": list("abcde"), "seed": 5}
    assert fate(stop=list("abcdef"), seed=2**40) == {"stop": "clamped", "seed": "clamped"}
    with pytest.raises(BadRequest, match=r"^stop: "):
        asked(report=Report(strict=True), stop=list("abcdef"))


def test_unknown_fields_go_on() -> None:
    """Under their own name; settings of the provider's own are laid over what was made."""
    safety = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    body = asked(safetySettings=safety, max_tokens=4, generationConfig={"responseModalities": ["TEXT"]})
    assert body["safetySettings"] == safety
    assert body["generationConfig"] == {"maxOutputTokens": 4, "responseModalities": ["TEXT"]}
    assert fate(safetySettings=safety) == {"safetySettings": "passed"}


@pytest.mark.parametrize("field", ["contents", "systemInstruction", "system_instruction"])
def test_messages_cannot_be_given_besides(field: str) -> None:
    """What the model is told is what stands in the messages."""
    with pytest.raises(BadRequest, match=f"^{field}: "):
        asked(HELLO, **{field: "x"})  # type: ignore[arg-type]


# ---------------------------------------------------------------- tools and formats


def test_tools_are_declared() -> None:
    """Functions with their schema as it is, the provider's own tools by their names."""
    own = {"type": "googleSearch"}
    set_up = {"type": "fileSearch", "fileSearch": {"fileSearchStoreNames": ["a"]}}
    plain = {"type": "function", "function": {"name": "g", "description": "G"}}
    assert asked(tools=[TOOL, own, set_up, plain])["tools"] == [
        {"googleSearch": {}},
        {"fileSearch": {"fileSearchStoreNames": ["a"]}},
        {
            "functionDeclarations": [
                {"name": "f", "description": "", "parametersJsonSchema": SCHEMA},
                {"name": "g", "description": "G"},
            ]
        },
    ]


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choices(choice: Any, calling: Json) -> None:
    """All four have a mode."""
    assert asked(tools=[TOOL], tool_choice=choice)["toolConfig"] == {"functionCallingConfig": calling}


def test_what_is_told_of_tools() -> None:
    """Strictness and single calls cannot be had."""
    strict = {"type": "function", "function": TOOL["function"] | {"strict": True}}  # type: ignore[operator]
    assert fate(tools=[strict], parallel_tool_calls=False) == {
        "tools": "mapped",
        "tools.strict": "dropped",
        "parallel_tool_calls": "dropped",
    }
    marked = TOOL | {"cache_control": {"type": "ephemeral"}}
    assert fate(tools=[marked], parallel_tool_calls=True)["tools.cache_control"] == "dropped"
    assert "tools" not in asked(tools=[], tool_choice="none")


WANTED = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


def test_response_formats() -> None:
    """JSON is demanded by its media type, a schema beside it."""
    kind = {"responseMimeType": "application/json"}
    assert asked(response_format=WANTED)["generationConfig"] == kind | {"responseJsonSchema": SCHEMA}
    assert asked(response_format={"type": "json_object"})["generationConfig"] == kind
    assert "generationConfig" not in asked(response_format={"type": "text"})


def test_a_format_beside_tools_is_emulated_before_gemini_3() -> None:
    """Those models refuse the two together, so the schema stands in the instruction."""
    body = asked(response_format=WANTED, tools=[TOOL])
    assert "generationConfig" not in body
    assert '"additionalProperties": false' in body["systemInstruction"]["parts"][0]["text"]
    assert fate(response_format=WANTED, tools=[TOOL])["response_format"] == "emulated"
    assert fate("gemini-3-pro-preview", response_format=WANTED, tools=[TOOL])["response_format"] == "mapped"


# ---------------------------------------------------------------- reasoning


@pytest.mark.parametrize(
    ("model", "fields", "config", "told"),
    [
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}, "mapped"),
        ("gemini-2.5-pro", {"reasoning_effort": "none"}, {"thinkingBudget": 128}, "clamped"),
        ("gemini-2.5-pro", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}, "mapped"),
        ("gemini-flash-latest", {"reasoning_effort": "medium"}, {"thinkingBudget": 8192}, "mapped"),
        ("gemini-2.5-flash", {"reasoning_effort": "max"}, {"thinkingBudget": 24576}, "clamped"),
        ("gemini-2.0-flash", {"reasoning_effort": "high"}, None, "dropped"),
        ("gemini-3-flash-preview", {"reasoning_effort": "none"}, {"thinkingLevel": "minimal"}, "clamped"),
        ("gemini-3-pro-preview", {"reasoning_effort": "minimal"}, {"thinkingLevel": "low"}, "clamped"),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "high"}, {"thinkingLevel": "high"}, "mapped"),
        ("gemini-2.5-flash", {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}, "mapped"),
        (
            "gemini-3-pro-preview",
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            {"includeThoughts": True, "thinkingBudget": 2048},
            "mapped",
        ),
        ("gemini-2.5-flash", {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}, "mapped"),
        ("gemini-2.0-flash", {"thinking": {"type": "adaptive"}}, None, "dropped"),
    ],
)
def test_reasoning(model: str, fields: Json, config: Json | None, told: str) -> None:
    """Efforts become budgets, or levels since Gemini 3; thoughts are shown where they are asked for."""
    body = asked(dialect=Dialect(model), **fields)
    assert body.get("generationConfig", {}).get("thinkingConfig") == config
    assert fate(model, **fields) == {next(iter(fields)): told}


def test_thinking_comes_before_effort() -> None:
    """One of the two settings is dropped where both are given."""
    assert fate(thinking={"type": "adaptive"}, reasoning_effort="low") == {
        "thinking": "mapped",
        "reasoning_effort": "dropped",
    }


@pytest.mark.parametrize("thinking", [{"type": "deep"}, {"type": "enabled", "budget_tokens": -1}])
def test_wrong_thinking_is_named(thinking: Json) -> None:
    """The refusal opens with the field."""
    with pytest.raises(BadRequest, match=r"^thinking\."):
        asked(thinking=thinking)
