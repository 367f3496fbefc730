"""What a text completion may say, and how one is written: the same envelope as a chat's, with text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import ChatResponse, Choice, Chunk, Usage
from cloche.domain.completion import CompletionRequest
from cloche.domain.errors import BadRequest
from cloche.domain.translation import Report
from cloche.wire.completions import (
    as_chat,
    is_chat,
    read_completion,
    write_answer,
    write_chunk,
    write_role,
    write_usage,
)
from cloche.wire.openai import Identity

IDENTITY = Identity("cmpl-1", 5, "m")
ENVELOPE = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "m"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def request(**fields: Any) -> CompletionRequest:
    """A request read from JSON."""
    return read_completion(json.dumps(fields).encode())


WRONG: dict[bytes, str] = {
    b"": "the body is not valid JSON",
    b"[]": "the body: expected object",
    b"{}": "prompt:",
    b'{"prompt": null}': "prompt:",
    b'{"prompt": []}': "prompt:",
    b'{"prompt": {"a": 1}}': "prompt:",
    b'{"prompt": [1.5]}': "prompt",
    b'{"prompt": "a", "max_tokens": -1}': "max_tokens:",
    b'{"prompt": "a", "temperature": 3}': "temperature:",
    b'{"prompt": "a", "stream": "yes"}': "stream:",
    b'{"prompt": "a", "logprobs": true}': "logprobs:",
    b'{"prompt": "a", "best_of": 0}': "best_of:",
    b'{"prompt": "a", "prompt": "b"}': "prompt: the field is given twice",
    b'{"messages": [{"role": "user", "content": "hi"}]}': "messages: a completions endpoint takes",
    b'{"messages": [], "prompt": "a"}': "messages: a completions endpoint takes",
    b'{"prompt": "\xff"}': "the body is not valid UTF-8",
    b'{"prompt": "a", "extra_params": {"prompt": "b"}}': "extra_params.prompt: the field is given at top level too",
}


@pytest.mark.parametrize(("body", "message"), WRONG.items(), ids=lambda value: repr(value)[:50])
def test_what_is_wrong_is_named(body: bytes, message: str) -> None:
    """A body that is no request is refused with the name of what is wrong."""
    with pytest.raises(BadRequest) as caught:
        read_completion(body)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("prompt", "count"), [("a", 1), ("", 1), (["a"], 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2, 3]], 2)]
)
def test_how_many_choices_are_expected(prompt: Any, count: int) -> None:
    """Each prompt has `n` choices; a list of tokens is one prompt."""
    assert request(prompt=prompt).expected == count
    assert request(prompt=prompt, n=3).expected == 3 * count


def test_fields_stay_in_the_clients_bytes() -> None:
    """What is known is checked and what is not is kept, both as they were written."""
    read = read_completion(b'{"prompt": "a", "temperature": 1.0, "min_p": 0.10, "extra_params": {"top_k": "5"}}')
    assert {name: bytes(value) for name, value in read.fields.items()} == {
        "prompt": b'"a"',
        "temperature": b"1.0",
        "min_p": b"0.10",
        "top_k": b"5",
    }


def test_the_chat_that_asks_for_the_same() -> None:
    """It has one message, what both have in common, and what nobody knows; the rest is told of."""
    report = Report()
    asked = request(
        prompt=["hi"],
        max_tokens=5,
        stop=["x"],
        stream=True,
        stream_options={"include_usage": True},
        usage_context={"a": "b"},
        min_p=1,
        echo=True,
        logprobs=0,
        suffix=None,
        best_of=1,
        top_k=3,
    )
    chat = as_chat(asked, report)
    assert chat.params.messages[0].content == "hi"
    assert json.loads(bytes(chat.fields["messages"])) == [{"role": "user", "content": "hi"}]
    assert (chat.max_tokens, chat.stop, chat.params.logprobs) == (5, ["x"], None)
    assert chat.params.stream_options is not None
    assert chat.params.stream_options.include_usage
    assert chat.params.usage_context == {"a": "b"}
    assert chat.params.top_k == 3
    assert chat.fields.keys() == {
        *("messages", "max_tokens", "stop", "stream", "stream_options", "usage_context", "min_p", "top_k")
    }
    assert report.fates() == {"emulated": ["prompt"], "dropped": ["echo", "logprobs"], "mapped": ["best_of"]}


def test_the_chat_is_checked_as_one() -> None:
    """What a completion knows nothing of and a chat does must be right for a chat."""
    with pytest.raises(BadRequest, match=r"^top_k: "):
        as_chat(request(prompt="a", top_k=-1), Report())


def test_chats_are_told_from_completions() -> None:
    """Only a body with messages is a chat; one that cannot be read is none."""
    assert is_chat(b'{"messages": []}')
    assert not is_chat(b'{"prompt": "messages"}')
    assert not is_chat(b'{"messages": ')
    assert not is_chat(b"\xff")


def test_a_whole_answer() -> None:
    """Each choice has its text and its finish reason by both names; what is refused is said as text."""
    choices = [Choice(0, "hello", "stop"), Choice(1, "", "content_filter", refusal="no")]
    assert json.loads(write_answer(ChatResponse(choices, Usage(3, 2)), IDENTITY)) == {
        **ENVELOPE,
        "choices": [
            {"index": 0, "text": "hello", "logprobs": None, "finish_reason": "stop", "finishReason": "stop"},
            {
                "index": 1,
                "text": "no",
                "logprobs": None,
                "finish_reason": "content_filter",
                "finishReason": "content_filter",
            },
        ],
        "usage": USAGE,
    }
    assert "usage" not in json.loads(write_answer(ChatResponse(choices, None), IDENTITY))


def test_the_events_of_a_stream() -> None:
    """Nobody is said to speak; text comes in pieces, usage where the chunk has it or in an event without choices."""
    assert write_role(IDENTITY, 0) is None
    assert json.loads(write_chunk(Chunk(index=1, content="he"), IDENTITY)) == {
        **ENVELOPE,
        "choices": [{"index": 1, "text": "he", "logprobs": None, "finish_reason": None}],
    }
    last = json.loads(write_chunk(Chunk(finish_reason="length", usage=Usage(3, 2)), IDENTITY))
    assert last["choices"] == [
        {"index": 0, "text": "", "logprobs": None, "finish_reason": "length", "finishReason": "length"}
    ]
    assert last["usage"] == USAGE
    assert json.loads(write_usage(Usage(3, 2), IDENTITY)) == {**ENVELOPE, "choices": [], "usage": USAGE}
