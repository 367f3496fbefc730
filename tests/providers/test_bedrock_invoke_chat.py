"""Families behind InvokeModel that speak nearly as OpenAI does: what Mistral and Jamba are asked, and answer."""

from __future__ import annotations

from typing import Any

import pytest

from cloche.domain.chat import FinishReason, Usage
from cloche.domain.errors import BadRequest, ProviderBroken

from .invoke_asking import sent, streamed, whole

MISTRAL = "mistral.mistral-large-2402-v1:0"
JAMBA = "ai21.jamba-1-5-mini-v1:0"

TOOLS = [
    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "g", "strict": True}},
]
BARE = {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

# ---------------------------------------------------------------- requests


def test_messages() -> None:
    """Roles are those that the family knows, texts in parts are one text, and calls and their results stay."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "n", "content": [{"type": "text", "text": "a", "cache_control": {}}]},
        {"role": "assistant", "content": [thought, {"type": "refusal", "refusal": "b"}], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "c"},
    ]
    body, report = sent(MISTRAL, messages=messages)
    assert body == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b", "tool_calls": [CALL]},
            {"role": "tool", "content": "c", "tool_call_id": "c1"},
        ]
    }
    lost = ["messages.cache_control", "messages.name", "messages.reasoning"]
    assert report.fates() == {"dropped": lost, "mapped": ["messages"]}


def test_images() -> None:
    """Mistral is shown a user's images; Jamba sees none, and nobody sees those of others."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "a"}, image]}]
    body, _ = sent(MISTRAL, messages=messages)
    assert body["messages"] == messages
    with pytest.raises(BadRequest, match=r"messages\[0\]\.content\[1\]\.type"):
        sent(JAMBA, messages=messages)
    with pytest.raises(BadRequest, match=r"messages\[0\]\.content\[0\]\.type"):
        sent(MISTRAL, messages=[{"role": "system", "content": [image]}, {"role": "user", "content": "a"}])


@pytest.mark.parametrize(
    ("choice", "theirs", "offered", "fate"),
    [
        ("auto", "auto", 2, "mapped"),
        ("none", "none", 2, "mapped"),
        ("required", "any", 2, "mapped"),
        ({"type": "function", "function": {"name": "g"}}, "any", 1, "emulated"),
    ],
)
def test_tools(choice: Any, theirs: str, offered: int, fate: str) -> None:
    """A call that is required is `any` call; one that is named is the only one offered."""
    body, report = sent(MISTRAL, tools=TOOLS, tool_choice=choice, parallel_tool_calls=True)
    assert body["tool_choice"] == theirs
    assert len(body["tools"]) == offered
    assert body["tools"][-1] == BARE
    fates = report.fates()
    assert "tool_choice" in fates[fate]
    assert {"tools", "parallel_tool_calls"} <= set(fates["mapped"])
    assert fates["dropped"] == ["tools.strict"]


def test_tools_that_are_none_of_ours() -> None:
    """A tool of another provider's own is refused; Jamba is told of no tools, and cannot be made to call one."""
    with pytest.raises(BadRequest, match=r"tools\[0\]\.type"):
        sent(MISTRAL, tools=[{"type": "web_search"}])
    body, report = sent(JAMBA, tools=TOOLS)
    assert "tools" not in body
    assert report.fates()["dropped"] == ["tools"]
    with pytest.raises(BadRequest, match="tool_choice"):
        sent(JAMBA, tools=TOOLS, tool_choice="required")


def test_fields() -> None:
    """Fields go on under their own names where the family has them, and are told of where it has not."""
    given: dict[str, Any] = {
        "max_tokens": 5,
        "temperature": 1.5,
        "top_p": 0.5,
        "stop": ["x"],
        "presence_penalty": 1,
        "top_k": 3,
    }
    body, report = sent(MISTRAL, **given, extra_one=1, store=True)
    assert {name: body[name] for name in body if name != "messages"} == {
        "max_tokens": 5,
        "temperature": 1,
        "top_p": 0.5,
        "extra_one": 1,
    }
    assert report.fates() == {
        "passed": ["max_tokens", "top_p", "extra_one"],
        "clamped": ["temperature"],
        "dropped": ["top_k", "stop", "presence_penalty", "store"],
        "mapped": ["messages"],
    }
    body, report = sent(JAMBA, **given)
    assert body.keys() - {"messages"} == given.keys() - {"top_k"}
    assert body["temperature"] == 1.5
    assert report.fates()["dropped"] == ["top_k"]


def test_the_other_name_of_the_bound() -> None:
    """max_completion_tokens is the same bound; beside max_tokens it is one too many."""
    body, report = sent(JAMBA, max_completion_tokens=7)
    assert body["max_tokens"] == 7
    assert report.fates() == {"mapped": ["max_completion_tokens", "messages"]}
    _, report = sent(JAMBA, max_completion_tokens=7, max_tokens=6)
    assert report.fates()["dropped"] == ["max_completion_tokens"]


def test_the_form_of_the_answer() -> None:
    """JSON is demanded in words: at the end of the instructions, or in instructions of its own."""
    form: dict[str, Any] = {"type": "json_object"}
    body, report = sent(MISTRAL, response_format=form)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert report.fates() == {"emulated": ["response_format"], "mapped": ["messages"]}
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}]
    body, _ = sent(MISTRAL, messages=messages, response_format=form)
    assert body["messages"][0]["content"].startswith("Be brief.\n\nYour final answer must be one JSON object")
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
    body, _ = sent(MISTRAL, response_format=schema)
    assert body["messages"][0]["content"].endswith('{"type":"object"}')
    body, report = sent(MISTRAL, response_format={"type": "text"})
    assert len(body["messages"]) == 1
    assert report.fates() == {"mapped": ["response_format", "messages"]}


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("word", ["finish_reason", "stop_reason"])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("something new", "stop"),
    ],
)
def test_reasons_to_end(word: str, theirs: str, ours: FinishReason) -> None:
    """The reason to end has either of two names, and its words are those of the API but for one."""
    answer = whole(MISTRAL, {"choices": [{"index": 0, "message": {"content": "Ho."}, word: theirs}]})
    assert (answer.choices[0].content, answer.choices[0].finish_reason, answer.usage) == ("Ho.", ours, None)


def test_an_answer_that_failed() -> None:
    """No choices, no end, or an end by failure is no answer."""
    for broken in (
        {},
        {"choices": [{"message": {"content": "Ho"}}]},
        {"choices": [{"message": {"content": "Ho"}, "finish_reason": "error"}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}, "finish_reason": "tool_calls"}]},
    ):
        with pytest.raises(ProviderBroken):
            whole(MISTRAL, broken)


def test_calls() -> None:
    """Calls are told apart by their ids where they have no index; arguments are text, also where they come as JSON."""
    calls = [
        {"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "function": {"name": "f", "arguments": {"x": 2}}},
    ]
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    answer = whole(
        MISTRAL, {"choices": [{"message": {"tool_calls": calls}, "stop_reason": "tool_calls"}], "usage": usage}
    )
    found = [(call.id, call.function.name, call.function.arguments) for call in answer.choices[0].tool_calls]
    assert found == [("a", "f", '{"x": 1}'), ("b", "f", '{"x": 2}')]
    assert answer.usage == Usage(3, 2)


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 8}}


def test_a_stream_of_messages() -> None:
    """The older models give a message in each event, and Bedrock counts at the end."""
    said = [{"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]} for text in ("H", "o.")]
    end = {"choices": [{"index": 0, "message": {"content": ""}, "stop_reason": "length"}], **METRICS}
    answer = streamed(MISTRAL, *said, end)
    assert (answer.choices[0].content, answer.choices[0].finish_reason, answer.usage) == ("Ho.", "length", Usage(9, 8))
    with pytest.raises(ProviderBroken, match="cut off"):
        streamed(MISTRAL, *said)


def test_a_stream_of_deltas() -> None:
    """Newer models give deltas; pieces of a call are put together by its index, and the model's own count stands."""
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}}
    more = {"index": 0, "function": {"arguments": ": 1}"}}
    answer = streamed(
        JAMBA,
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Ho."}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [first]}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [more]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}, **METRICS},
    )
    [call] = answer.choices[0].tool_calls
    assert (call.id, call.function.name, call.function.arguments) == ("a", "f", '{"x": 1}')
    assert answer.usage == Usage(3, 2)


def test_a_guardrail() -> None:
    """Where a guardrail wrote the answer there is no reason to end."""
    blocked = {"choices": [{"message": {"content": "No."}}], "amazon-bedrock-guardrailAction": "INTERVENED"}
    assert streamed(MISTRAL, {**blocked, **METRICS}).choices[0].finish_reason == "content_filter"
    with pytest.raises(ProviderBroken, match="cut off"):
        streamed(MISTRAL, blocked)
    assert whole(MISTRAL, blocked).choices[0].finish_reason == "content_filter"
