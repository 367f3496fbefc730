"""The fields of a request as Bedrock's Converse takes them, and what the report tells of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatParams
from cloche.domain.errors import BadRequest
from cloche.providers.bedrock_tools import ANY_CALL, NO_CALLS

from .bedrock_calls import CALLED, CLAUDE, FUNCTION, HELLO, MARK, NOVA, NOVA_2, TOOL, sent

LLAMA = "us.meta.llama3-1-70b-instruct-v1:0"
COHERE = "cohere.command-r-plus-v1:0"
MISTRAL = "mistral.mistral-large-2407-v1:0"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
MORE = "additionalModelRequestFields"


def made(model: str, **fields: Any) -> dict[str, Any]:
    """What these fields add to a body."""
    body, _ = sent(model, **fields)
    return {name: value for name, value in body.items() if name != "messages"}


def fate(model: str, field: str, **fields: Any) -> str:
    """What became of a field."""
    _, report = sent(model, **fields)
    [found] = [fate for fate, names in report.items() if field in names]
    return found


# ---------------------------------------------------------------- sampling


@pytest.mark.parametrize("model", [NOVA, LLAMA, CLAUDE])
def test_length_sampling_and_stops(model: str) -> None:
    """What all models take stands in inferenceConfig; nothing is added that was not given."""
    assert made(model) == {}
    assert made(model, max_tokens=5, stop=["x"], temperature=0.5) == {
        "inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "stopSequences": ["x"]}
    }
    assert made(model, max_completion_tokens=6, top_p=0.5) == {"inferenceConfig": {"maxTokens": 6, "topP": 0.5}}
    assert made(model, temperature=1.5)["inferenceConfig"] == {"temperature": 1}
    assert fate(model, "temperature", temperature=1.5) == "clamped"


@pytest.mark.parametrize(
    ("model", "more"),
    [
        (CLAUDE, {"top_k": 5}),
        (NOVA, {"inferenceConfig": {"topK": 5}}),
        (COHERE, {"k": 5}),
        (MISTRAL, {"top_k": 5}),
        (LLAMA, None),
    ],
)
def test_top_k_by_maker(model: str, more: Any) -> None:
    """Each maker has a name of its own for top_k; where there is none it is dropped, and told of."""
    assert made(model, top_k=5).get(MORE) == more
    assert (fate(model, "top_k", top_k=5) == "dropped") == (more is None)


def test_what_a_maker_has() -> None:
    """Penalties and seeds go to those makers that have them; a penalty of nothing is no loss."""
    wanted = {"seed": 1, "presence_penalty": 0.5}
    assert made(COHERE, **wanted)[MORE] == wanted
    assert made(NOVA, **wanted) == {}
    assert fate(NOVA, "seed", **wanted) == "dropped"
    assert fate(NOVA, "frequency_penalty", frequency_penalty=0) == "mapped"


def test_claude_models_by_generation() -> None:
    """What a Claude model takes beside is as with its maker's own API: no top_p beside a temperature from 4.1 on."""
    both = {"temperature": 0.5, "top_p": 0.5}
    assert made(CLAUDE, **both)["inferenceConfig"] == {"temperature": 0.5}
    assert fate(CLAUDE, "top_p", **both) == "dropped"
    old = "anthropic.claude-3-haiku-20240307-v1:0"
    assert made(old, **both)["inferenceConfig"] == {"temperature": 0.5, "topP": 0.5}
    with pytest.raises(BadRequest, match="top_p"):
        sent(CLAUDE, strict=True, **both)


# ---------------------------------------------------------------- reasoning


def test_claude_reasons() -> None:
    """Reasoning is asked for as with the maker's own API: a budget, or an effort that the model sees fit."""
    budget = {"type": "enabled", "budget_tokens": 2000}
    assert made(CLAUDE, thinking=budget, top_k=3, temperature=0.5) == {MORE: {"thinking": budget}}
    assert made(CLAUDE, reasoning_effort="low", max_tokens=9000) == {
        "inferenceConfig": {"maxTokens": 9000},
        MORE: {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    }
    newer = made("us.anthropic.claude-sonnet-4-6", reasoning_effort="medium")[MORE]
    assert newer == {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}
    answered = made(CLAUDE, thinking=budget, messages=CALLED, tools=[TOOL])
    assert MORE not in answered


@pytest.mark.parametrize(
    ("model", "fields", "more"),
    [
        (
            NOVA_2,
            {"reasoning_effort": "minimal"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}},
        ),
        (NOVA_2, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        (
            NOVA_2,
            {"thinking": {"type": "enabled", "budget_tokens": 5}},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
        ),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "max"}, {"reasoning_effort": "high"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning_effort": "low"}, {"reasoning_config": "low"}),
        ("qwen.qwen3-32b-v1:0", {"thinking": {"type": "disabled"}}, None),
        (NOVA, {"reasoning_effort": "low"}, None),
        (LLAMA, {"thinking": {"type": "enabled", "budget_tokens": 5}}, None),
    ],
)
def test_reasoning_by_maker(model: str, fields: dict[str, Any], more: Any) -> None:
    """Each maker is told to reason in its own words, and a model that cannot be told to is not."""
    assert made(model, **fields).get(MORE) == more
    _, report = sent(model, **fields)
    assert set(report) <= {"mapped", "clamped", "dropped"}
    told = [name for names in report.values() for name in names]
    assert set(fields) <= set(told)


def test_nova_at_its_highest_effort() -> None:
    """At its highest effort Nova refuses bounds and sampling: they are dropped, and told of."""
    fields: dict[str, Any] = {"reasoning_effort": "high", "max_tokens": 5, "temperature": 0.5, "top_k": 3, "stop": "x"}
    assert made(NOVA_2, **fields) == {
        "inferenceConfig": {"stopSequences": ["x"]},
        MORE: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
    }
    _, report = sent(NOVA_2, **fields)
    assert report["dropped"] == ["max_tokens", "temperature", "top_k"]


# ---------------------------------------------------------------- tools

SPEC = {"toolSpec": {"name": "f", "inputSchema": {"json": FUNCTION["parameters"]}, "description": "d"}}


@pytest.mark.parametrize(
    ("model", "choice", "found", "fated"),
    [
        (CLAUDE, "auto", None, "mapped"),
        (CLAUDE, "required", {"any": {}}, "mapped"),
        (NOVA, {"type": "function", "function": {"name": "f"}}, {"tool": {"name": "f"}}, "mapped"),
        (MISTRAL, "required", {"any": {}}, "mapped"),
        (MISTRAL, {"type": "function", "function": {"name": "f"}}, None, "emulated"),
        (COHERE, "required", None, "emulated"),
    ],
)
def test_choices_of_tools(model: str, choice: Any, found: Any, fated: str) -> None:
    """A choice is demanded where the model takes it, and else asked for in the instructions."""
    body, report = sent(model, tools=[TOOL], tool_choice=choice)
    assert body["toolConfig"].get("toolChoice") == found
    assert body["toolConfig"]["tools"] == [SPEC]
    assert "tool_choice" in report[fated]
    assert ("system" in body) == (fated == "emulated")


def test_a_call_that_is_asked_for() -> None:
    """What cannot be demanded is asked for, by name where there is one."""
    assert made(COHERE, tools=[TOOL], tool_choice="required")["system"] == [{"text": ANY_CALL}]
    named = {"type": "function", "function": {"name": "f"}}
    assert made(COHERE, tools=[TOOL], tool_choice=named)["system"] == [{"text": "Answer by calling your tool f."}]


def test_no_calls() -> None:
    """Where no tool may be called none is given, unless the conversation speaks of calls: then they are told not to."""
    assert made(CLAUDE, tools=[TOOL], tool_choice="none") == {}
    body, report = sent(CLAUDE, tools=[TOOL], tool_choice="none", messages=CALLED)
    assert body["toolConfig"] == {"tools": [SPEC]}
    assert body["system"] == [{"text": NO_CALLS}]
    assert report["emulated"] == ["tool_choice"]
    body, report = sent(CLAUDE, messages=CALLED)
    assert body["toolConfig"] == {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}
    assert report["emulated"] == ["tools"]


def test_kinds_of_tools() -> None:
    """Functions without a schema take none; the API's own tools go as they are; marks become cache points."""
    own = {"type": "systemTool", "systemTool": {"name": "nova_grounding"}}
    bare = {"type": "function", "function": {"name": "g"}, **MARK}
    found = made(CLAUDE, tools=[own, bare])["toolConfig"]["tools"]
    assert found == [
        {"systemTool": {"name": "nova_grounding"}},
        {"toolSpec": {"name": "g", "inputSchema": {"json": {"type": "object", "properties": {}}}}},
        {"cachePoint": {"type": "default"}},
    ]
    assert fate(NOVA, "tools.cache_control", tools=[bare]) == "dropped"


def test_strict_functions() -> None:
    """A model that can be held to a schema is held to it, closed for Claude; for others `strict` is dropped."""
    strict = {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}}
    [tool] = made(CLAUDE, tools=[strict])["toolConfig"]["tools"]
    assert tool["toolSpec"]["strict"] is True
    assert tool["toolSpec"]["inputSchema"]["json"] == {**SCHEMA, "additionalProperties": False}
    assert fate(NOVA, "tools.strict", tools=[strict]) == "dropped"


# ---------------------------------------------------------------- the answer's form


def test_schemas() -> None:
    """A schema is demanded of the models that AWS lists for it, and told to all others."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": SCHEMA}}
    form = made(CLAUDE, response_format=wanted)["outputConfig"]["textFormat"]
    named = form["structure"]["jsonSchema"]
    assert (form["type"], named["name"], named["description"]) == ("json_schema", "n", "d")
    assert json.loads(named["schema"]) == {**SCHEMA, "additionalProperties": False}
    assert (
        json.loads(
            made("qwen.qwen3-32b-v1:0", response_format=wanted)["outputConfig"]["textFormat"]["structure"][
                "jsonSchema"
            ]["schema"]
        )
        == SCHEMA
    )
    for model in (NOVA, "anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-opus-4-1-20250805-v1:0"):
        body, report = sent(model, response_format=wanted)
        assert json.dumps(SCHEMA) in body["system"][0]["text"]
        assert report["emulated"] == ["response_format"]


def test_json_without_a_schema() -> None:
    """A JSON object without a schema is asked for in the instructions; plain text is what there is anyway."""
    assert "JSON object" in made(CLAUDE, response_format={"type": "json_object"})["system"][0]["text"]
    assert made(CLAUDE, response_format={"type": "text"}) == {}


# ---------------------------------------------------------------- the rest


def test_metadata_and_tiers() -> None:
    """Metadata that is text goes along; the tiers that AWS has are asked for, and others dropped."""
    assert made(NOVA, metadata={"a": "b"}) == {"requestMetadata": {"a": "b"}}
    assert fate(NOVA, "metadata", metadata={"a": "b", "c": 5}) == "dropped"
    assert made(NOVA, service_tier="flex") == {"serviceTier": {"type": "flex"}}
    assert made(NOVA, service_tier="auto") == {}
    assert fate(NOVA, "service_tier", service_tier="scale") == "dropped"


def test_fields_that_are_not_modelled() -> None:
    """The API's own fields are laid over what was made; others are the model's; OpenAI's alone are dropped."""
    body, report = sent(
        CLAUDE,
        temperature=0.5,
        max_tokens=5,
        inferenceConfig={"maxTokens": 6},
        guardrailConfig={"guardrailIdentifier": "g"},
        performanceConfig={"latency": "optimized"},
        anthropic_beta=["x"],
        additionalModelRequestFields={"a": 1},
        store=True,
    )
    assert body["inferenceConfig"] == {"temperature": 0.5, "maxTokens": 6}
    assert body["guardrailConfig"] == {"guardrailIdentifier": "g"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body[MORE] == {"anthropic_beta": ["x"], "a": 1}
    assert report["dropped"] == ["store"]
    assert set(report["passed"]) >= {"guardrailConfig", "anthropic_beta", MORE, "inferenceConfig", "performanceConfig"}


@pytest.mark.parametrize("fields", [{"system": [{"text": "x"}]}, {"promptVariables": {}}, {MORE: 5}])
def test_fields_that_are_refused(fields: dict[str, Any]) -> None:
    """What would pass by the messages, or could not be sent, is refused with its name."""
    with pytest.raises(BadRequest, match=next(iter(fields))):
        sent(CLAUDE, **fields)


EVERYTHING: dict[str, Any] = {
    "max_tokens": 5,
    "max_completion_tokens": 5,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 4,
    "stop": "x",
    "tools": [TOOL],
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "response_format": {"type": "json_object"},
    "logprobs": True,
    "top_logprobs": 2,
    "seed": 1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "logit_bias": {"5": 1},
    "reasoning_effort": "low",
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "user": "u",
    "metadata": {"a": "b"},
    "service_tier": "priority",
}


@pytest.mark.parametrize("model", [CLAUDE, NOVA, NOVA_2, COHERE, MISTRAL, LLAMA, "openai.gpt-oss-20b-1:0"])
def test_nothing_is_lost_in_silence(model: str) -> None:
    """Every field that a client can give is told of in the report, alone and with all others."""
    ours = {"model", "stream", "stream_options", "client_request_id", "usage_context", "extra_params", "n"}
    assert EVERYTHING.keys() == set(ChatParams.__struct_fields__) - ours - {"messages", "enable_safety_filter"}
    for fields in (EVERYTHING, *({name: value} for name, value in EVERYTHING.items() if name != "top_logprobs")):
        if "tool_choice" in fields:
            fields = {"tools": [TOOL], **fields}
        _, report = sent(model, messages=[HELLO], **fields)
        assert set(fields) <= {name for names in report.values() for name in names}
