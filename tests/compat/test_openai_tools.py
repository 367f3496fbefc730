"""Tools with the OpenAI client: forced by grammar on the real model, in parallel through the scripted provider."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import OpenAI

from .live import ENDPOINT, chat
from .provider import CALLS

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": CITY}}
TIME = {"type": "function", "function": {"name": "get_time", "description": "Time of day", "parameters": CITY}}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}


def ask(client: OpenAI, **fields: Any) -> Any:
    """A question with two tools at hand."""
    asked = chat(messages=[QUESTION], tools=[WEATHER, TIME], max_tokens=80)
    return client.chat.completions.create(**({"model": ENDPOINT} | asked | fields))


def assembled(chunks: Any) -> tuple[list[list[str]], str | None]:
    """The calls of a stream, each as id, name and arguments, and the finish reason."""
    calls: dict[int, list[str]] = {}
    finish = None
    for chunk in chunks:
        for delta in chunk.choices[0].delta.tool_calls or ():
            call = calls.setdefault(delta.index, ["", "", ""])
            for at, piece in enumerate((delta.id, delta.function.name, delta.function.arguments)):
                call[at] += piece or ""
        finish = chunk.choices[0].finish_reason or finish
    return [calls[index] for index in sorted(calls)], finish


@pytest.mark.model
def test_a_required_call(openai_client: OpenAI) -> None:
    """`required` makes the model call one of the tools, and only one if it must, with arguments that fit its schema."""
    (choice,) = ask(openai_client, tool_choice="required", parallel_tool_calls=False).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls
    assert call.function.name in ("get_weather", "get_time")
    assert list(json.loads(call.function.arguments)) == ["city"]


@pytest.mark.model
def test_required_calls(openai_client: OpenAI) -> None:
    """Unless the client says otherwise `required` may make several calls, but an answer never holds more than eight."""
    (choice,) = ask(openai_client, tool_choice="required", max_tokens=400).choices
    assert choice.finish_reason == "tool_calls"
    assert 1 <= len(choice.message.tool_calls) <= 8
    assert {call.function.name for call in choice.message.tool_calls} <= {"get_weather", "get_time"}


@pytest.mark.model
def test_a_named_call(openai_client: OpenAI) -> None:
    """A named function is the one that is called, also where the other one would fit better."""
    (choice,) = ask(openai_client, tool_choice={"type": "function", "function": {"name": "get_time"}}).choices
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_time"
    assert list(json.loads(call.function.arguments)) == ["city"]


@pytest.mark.model
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_time"}}])
def test_a_streamed_call(openai_client: OpenAI, choice: Any) -> None:
    """The pieces of a streamed call put together are the call of the whole answer, under an id of its own."""
    one = {"tool_choice": choice, "parallel_tool_calls": False}
    whole = ask(openai_client, **one).choices[0].message.tool_calls[0]
    ((call_id, name, arguments),), finish = assembled(ask(openai_client, **one, stream=True))
    assert finish == "tool_calls"
    assert call_id.startswith("call_")
    assert (name, json.loads(arguments)) == (whole.function.name, json.loads(whole.function.arguments))


@pytest.mark.model
def test_no_call(openai_client: OpenAI) -> None:
    """`none` gives text, and the model is not told of the tools."""
    with_tools = ask(openai_client, tool_choice="none", max_tokens=8)
    without = openai_client.chat.completions.create(model=ENDPOINT, **chat(messages=[QUESTION]))
    assert with_tools.choices[0].message.tool_calls is None
    assert with_tools.choices[0].message.content == without.choices[0].message.content
    assert with_tools.usage.prompt_tokens == without.usage.prompt_tokens


@pytest.mark.model
def test_the_model_may_call(openai_client: OpenAI) -> None:
    """`auto` tells the model of the tools; whether it calls or talks, finish reason and message agree."""
    answer = ask(openai_client, tool_choice="auto", max_tokens=40)
    (choice,) = answer.choices
    assert (choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls)
    assert choice.message.content or choice.message.tool_calls
    assert answer.usage.prompt_tokens > 100  # two function descriptions


@pytest.mark.model
def test_the_result_of_a_call_is_heard(openai_client: OpenAI) -> None:
    """A call and its result go back to the model, which uses the result."""
    made = ask(openai_client, tool_choice="required", parallel_tool_calls=False).choices[0].message
    result = {
        "role": "tool",
        "tool_call_id": made.tool_calls[0].id,
        "content": "It is snowing, 3 degrees below zero.",
    }
    answer = ask(openai_client, messages=[QUESTION, made, result], tools=[WEATHER], max_tokens=30)
    assert "snowing" in answer.choices[0].message.content


def test_parallel_calls(relaying_client: OpenAI) -> None:
    """Several calls in one answer arrive as the provider made them."""
    (choice,) = ask(relaying_client, model="tools", parallel_tool_calls=True).choices
    calls = [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls]
    assert tuple(calls) == CALLS
    assert choice.finish_reason == "tool_calls"


def test_parallel_calls_streamed(relaying_client: OpenAI) -> None:
    """Calls whose arguments interleave in a stream can be put together by their index."""
    calls, finish = assembled(ask(relaying_client, model="tools", stream=True))
    assert tuple(tuple(call) for call in calls) == CALLS
    assert finish == "tool_calls"
