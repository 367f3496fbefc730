"""Answers and errors as they leave: the safe intersection that every client can read."""

from __future__ import annotations

import json

import pytest

from cloche.codec import sse
from cloche.domain.chat import ChatResponse, Choice, Chunk, FunctionCall, ToolCall, ToolCallDelta, Usage
from cloche.domain.errors import BadRequest, Problem, ProviderBusy
from cloche.wire import errors, openai
from cloche.wire.openai import Identity

WHO = Identity("chatcmpl-1", 1700000000, "chat")
ENVELOPE = {"id": "chatcmpl-1", "created": 1700000000, "model": "chat"}
USAGE = Usage(prompt_tokens=3, completion_tokens=4)


def test_a_whole_answer_has_all_that_clients_need() -> None:
    """Every field of the safe intersection is there, and the finish reason in both spellings."""
    answer = json.loads(openai.write_answer(ChatResponse([Choice(0, "hi", "stop")], USAGE), WHO))
    assert answer == {
        **ENVELOPE,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "logprobs": None,
                "finish_reason": "stop",
                "finishReason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
    }


@pytest.mark.parametrize(("content", "expected"), [("", None), ("text", "text")])
def test_an_answer_that_calls_tools(content: str, expected: str | None) -> None:
    """Content is null only beside tool calls, whose arguments are JSON text."""
    calls = [ToolCall("c1", FunctionCall("f", '{"a":1}'))]
    message = json.loads(openai.write_answer(ChatResponse([Choice(0, content, "tool_calls", calls)], None), WHO))
    assert message["choices"][0]["message"] == {
        "role": "assistant",
        "content": expected,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }
    assert "usage" not in message


def test_usage_is_nested_and_flat() -> None:
    """Details stand where OpenAI and where Databricks have them, and only if they are known."""
    usage = Usage(prompt_tokens=3, completion_tokens=4, cached_tokens=0, reasoning_tokens=2)
    assert openai.usage_fields(usage) == {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
        "reasoning_tokens": 2,
    }


def test_the_first_event_says_who_speaks() -> None:
    """The role comes once, with empty content and no finish reason."""
    assert json.loads(openai.write_role(WHO, 1)) == {
        **ENVELOPE,
        "object": "chat.completion.chunk",
        "choices": [{"index": 1, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
    }


@pytest.mark.parametrize(
    ("chunk", "choice"),
    [
        (Chunk(content="a"), {"index": 0, "delta": {"content": "a"}, "finish_reason": None}),
        (Chunk(), {"index": 0, "delta": {"content": ""}, "finish_reason": None}),
        (
            Chunk(index=2, finish_reason="length"),
            {"index": 2, "delta": {}, "finish_reason": "length", "finishReason": "length"},
        ),
        (
            Chunk(content="a", logprobs=({"token": "a"},)),
            {"index": 0, "delta": {"content": "a"}, "finish_reason": None, "logprobs": {"content": [{"token": "a"}]}},
        ),
        (
            Chunk(tool_calls=(ToolCallDelta(0, "c", "f", "{"), ToolCallDelta(1, arguments="}"))),
            {
                "index": 0,
                "delta": {
                    "tool_calls": [
                        {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}},
                        {"index": 1, "function": {"arguments": "}"}},
                    ]
                },
                "finish_reason": None,
            },
        ),
    ],
    ids=["text", "nothing", "finish", "logprobs", "calls"],
)
def test_chunks(chunk: Chunk, choice: dict[str, object]) -> None:
    """A chunk has one choice, with what it brings and nothing else, and no usage of its own accord."""
    event = json.loads(openai.write_chunk(chunk, WHO))
    assert event == {**ENVELOPE, "object": "chat.completion.chunk", "choices": [choice]}


def test_usage_stands_on_the_chunk_that_has_it_or_alone() -> None:
    """Usage goes with the finish reason; only `write_usage` makes an event without choices."""
    finish = json.loads(openai.write_chunk(Chunk(finish_reason="stop", usage=USAGE), WHO))
    alone = json.loads(openai.write_usage(USAGE, WHO))
    assert finish["usage"] == alone["usage"] == openai.usage_fields(USAGE)
    assert alone["choices"] == []


PROBLEMS: list[Problem] = [BadRequest('n: "quoted" ü'), ProviderBusy("slow", retry_after=3)]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_an_error_is_a_code_and_a_message(problem: Problem) -> None:
    """An HTTP error has no top-level `error`, which the Databricks SDK would show as a Python dict."""
    assert json.loads(errors.body(problem)) == {"error_code": problem.code, "message": problem.message}


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.code)
def test_an_error_in_a_stream_is_both_shapes_and_the_end(problem: Problem) -> None:
    """An error event has both shapes in one object, and the end mark follows it."""
    event, done = sse.Decoder().feed(errors.stream_end(problem))
    error = json.loads(event)
    assert (error["error_code"], error["message"]) == (problem.code, problem.message)
    assert error["error"] == {"message": problem.message, "type": type(problem).__name__, "code": problem.code}
    assert done == b"[DONE]"


def test_a_defect_tells_nothing_but_where_to_look() -> None:
    """The caller of a failed call learns its request id, and no more."""
    problem = errors.unexpected("id-7")
    assert (problem.status, problem.code) == (500, "INTERNAL_ERROR")
    assert problem.message == "cloche failed on this call; its log has the details under request id id-7"
