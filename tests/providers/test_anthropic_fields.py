"""What the fields of a client's request become for each generation of Claude models, and what the client is told."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.errors import BadRequest

from .anthropic_calls import ADAPTIVE, BUDGET, CALL, FUNCTION, HELLO, MARK, NEWEST, OLD, SONNET, TOOL, sent

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
BOUND = {
    "type": "object",
    "properties": {"a": {"type": "integer", "description": '{"minimum":1}'}},
    "required": ["a"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
OPEN = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}

FIELDS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = [
    (SONNET, {"max_tokens": 5}, {"max_tokens": 5}, {"max_tokens": "passed"}),
    (SONNET, {"max_completion_tokens": 5}, {"max_tokens": 5}, {"max_completion_tokens": "mapped"}),
    (SONNET, {"temperature": 0.5}, {"temperature": 0.5}, {"temperature": "passed"}),
    (SONNET, {"temperature": 1.5}, {"temperature": 1}, {"temperature": "clamped"}),
    (SONNET, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": None}, {"top_p": "dropped"}),
    (SONNET, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": None}, {"top_p": "mapped"}),
    (OLD, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}, {"top_p": "passed"}),
    (NEWEST, {"temperature": 0.5, "top_k": 5}, {"temperature": None, "top_k": None}, {"temperature": "dropped"}),
    (NEWEST, {"temperature": 1}, {"temperature": None}, {"temperature": "mapped"}),
    ("alias", {"temperature": 0.5}, {"temperature": 0.5}, {"temperature": "passed"}),
    (SONNET, {"top_k": 5}, {"top_k": 5}, {"top_k": "passed"}),
    (SONNET, {"stop": "x"}, {"stop_sequences": ["x"]}, {"stop": "mapped"}),
    (SONNET, {"stop": ["\n", "x"]}, {"stop_sequences": ["x"]}, {"stop": "clamped"}),
    (SONNET, {"seed": 0}, {"seed": None}, {"seed": "dropped"}),
    (SONNET, {"presence_penalty": 1}, {"presence_penalty": None}, {"presence_penalty": "dropped"}),
    (SONNET, {"presence_penalty": 0}, {"presence_penalty": None}, {"presence_penalty": "mapped"}),
    (SONNET, {"user": "u"}, {"metadata": {"user_id": "u"}, "user": None}, {"user": "mapped"}),
    (SONNET, {"metadata": {"user_id": "u"}}, {"metadata": {"user_id": "u"}}, {"metadata": "passed"}),
    (SONNET, {"metadata": {"team": "t"}}, {"metadata": None}, {"metadata": "dropped"}),
    (SONNET, {"service_tier": "default"}, {"service_tier": "standard_only"}, {"service_tier": "mapped"}),
    (SONNET, {"service_tier": "flex"}, {"service_tier": None}, {"service_tier": "dropped"}),
    (SONNET, {"container": "c"}, {"container": "c"}, {"container": "passed"}),
    (SONNET, {"store": True}, {"store": None}, {"store": "dropped"}),
    (
        SONNET,
        {"max_tokens": 5, "stop": "x", "stop_sequences": ["y"]},
        {"stop_sequences": ["x"]},
        {"stop_sequences": "dropped"},
    ),
    (SONNET, {"tools": [TOOL], "tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}, {"tool_choice": "mapped"}),
    (SONNET, {"tools": [TOOL], "tool_choice": "none"}, {"tool_choice": {"type": "none"}}, {"tool_choice": "mapped"}),
    (SONNET, {"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": {"type": "any"}}, {"tools": "mapped"}),
    (
        SONNET,
        {
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": False,
        },
        {"tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}},
        {"parallel_tool_calls": "mapped"},
    ),
    (
        SONNET,
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"parallel_tool_calls": "mapped"},
    ),
    (
        SONNET,
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]},
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 1}]},
        {"tools": "passed"},
    ),
    (
        SONNET,
        {"tools": [{**TOOL, **MARK}, {"type": "function", "function": {"name": "g"}}]},
        {
            "tools": [
                {"name": "f", "description": "d", "input_schema": FUNCTION["parameters"], **MARK},
                {"name": "g", "input_schema": {"type": "object", "properties": {}}},
            ]
        },
        {"tools": "mapped"},
    ),
    (
        SONNET,
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}]},
        {"tools": [{"name": "f", "input_schema": BOUND, "strict": True}]},
        {"tools": "mapped"},
    ),
    (
        OLD,
        {"tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": SCHEMA}}]},
        {"tools": [{"name": "f", "input_schema": SCHEMA}]},
        {"tools.strict": "dropped"},
    ),
    (
        SONNET,
        {"response_format": FORMAT},
        {"output_config": {"format": {"type": "json_schema", "schema": BOUND}}},
        {"response_format": "mapped"},
    ),
    (SONNET, {"response_format": {"type": "text"}}, {"output_config": None}, {"response_format": "mapped"}),
    (SONNET, {"response_format": OPEN}, {"output_config": None}, {"response_format": "emulated"}),
    (OLD, {"response_format": FORMAT}, {"output_config": None}, {"response_format": "emulated"}),
    (OLD, {"reasoning_effort": "high"}, {"thinking": None}, {"reasoning_effort": "dropped"}),
    (OLD, {"reasoning_effort": "none"}, {"thinking": None}, {"reasoning_effort": "mapped"}),
    (BUDGET, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, {"reasoning_effort": "mapped"}),
    (
        BUDGET,
        {"reasoning_effort": "medium", "temperature": 0.5, "top_p": 0.96, "top_k": 3},
        {
            "thinking": {"type": "enabled", "budget_tokens": 8192},
            "max_tokens": 4096 + 8192,
            "temperature": None,
            "top_p": 0.96,
            "top_k": None,
        },
        {"reasoning_effort": "mapped", "temperature": "dropped", "top_p": "passed", "top_k": "dropped"},
    ),
    (
        BUDGET,
        {"reasoning_effort": "medium", "max_tokens": 2000},
        {"thinking": {"type": "enabled", "budget_tokens": 1999}, "max_tokens": 2000},
        {"reasoning_effort": "clamped"},
    ),
    (BUDGET, {"reasoning_effort": "low", "max_tokens": 1024}, {"thinking": None}, {"reasoning_effort": "dropped"}),
    (
        BUDGET,
        {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"},
        {"thinking": None},
        {"reasoning_effort": "dropped"},
    ),
    (
        BUDGET,
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "reasoning_effort": "low"},
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 6096},
        {"thinking": "passed", "reasoning_effort": "dropped"},
    ),
    (
        ADAPTIVE,
        {"reasoning_effort": "xhigh"},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        {"reasoning_effort": "clamped"},
    ),
    (
        NEWEST,
        {"reasoning_effort": "minimal", "response_format": FORMAT},
        {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": BOUND}},
        },
        {"reasoning_effort": "mapped"},
    ),
    (
        NEWEST,
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinking": {"type": "adaptive", "display": "summarized"}},
        {"thinking": "clamped"},
    ),
    (
        NEWEST,
        {"reasoning_effort": "high", "output_config": {"task_budget": 1}},
        {"output_config": {"effort": "high", "task_budget": 1}},
        {"output_config": "passed"},
    ),
]


@pytest.mark.parametrize(("model", "fields", "wanted", "fates"), FIELDS, ids=lambda value: str(value)[:60])
def test_fields(model: str, fields: dict[str, Any], wanted: dict[str, Any], fates: dict[str, str]) -> None:
    """Each field becomes what the model takes, or nothing, and its fate is told."""
    body, report = sent(model, **fields)
    assert {name: body.get(name) for name in wanted} == wanted
    told = {name: fate for fate, names in report.items() for name in names}
    assert {name: told.get(name) for name in fates} == fates
    assert fields.keys() <= told.keys()


def test_json_without_a_schema_is_asked_for_in_words() -> None:
    """What the API cannot bind is asked for by an instruction behind the client's own."""
    for form in ({"type": "json_object"}, OPEN):
        body, fates = sent(messages=[{"role": "system", "content": "a"}, HELLO], response_format=form)
        assert body["system"][0] == {"type": "text", "text": "a"}
        assert "JSON" in body["system"][1]["text"]
        assert fates["emulated"] == ["response_format"]


def test_reasoning_needs_the_reasoning_before_the_calls() -> None:
    """A model with budgets refuses to reason on after calls whose reasoning is lost, so it is not told to."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]}
    answer = {"role": "tool", "tool_call_id": "call:1", "content": "1"}
    for content, thinks in (("so", False), ([thought], True)):
        calls = {"role": "assistant", "content": content, "tool_calls": [CALL]}
        body, fates = sent(BUDGET, messages=[HELLO, calls, answer], tools=[TOOL], reasoning_effort="low")
        assert ("thinking" in body) == thinks
        assert ("reasoning_effort" in fates.get("dropped", ())) != thinks


def test_a_strict_caller_is_refused() -> None:
    """Where nothing may be lost, a field that would be dropped or clamped is refused by its name."""
    lossy: list[dict[str, Any]] = [{"seed": 1}, {"temperature": 2}, {"store": True}]
    for fields in lossy:
        with pytest.raises(BadRequest, match=f"^{next(iter(fields))}: "):
            sent(strict=True, **fields)
    sent(strict=True, temperature=1, top_p=1, presence_penalty=0, logprobs=False)


def test_a_schema_that_is_too_deep() -> None:
    """A schema nested beyond what can be walked is the caller's fault."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(450):
        schema = {"anyOf": [schema]}
    with pytest.raises(BadRequest, match=r"^response_format\.json_schema\.schema: "):
        sent(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
