"""Chats in OpenAI's shape that are read and not passed through: whole, and as a stream in any cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Usage
from cloche.domain.endpoint import COMPLETIONS_TASK, ExternalModel
from cloche.domain.errors import ProviderBroken, ProviderBusy, ProviderUnavailable
from cloche.domain.translation import Report
from cloche.providers import ai21labs
from cloche.providers.openai_answer import FINISH, OpenAIRead
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, whole

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
CALLS = [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]


def bound() -> OpenAIRead:
    """A model of AI21 whose task is completions."""
    settings = {"ai21labs_api_key_plaintext": "ai-0123456789"}
    found = ai21labs.bind(ExternalModel("m", "ai21labs", COMPLETIONS_TASK, settings))
    assert isinstance(found, OpenAIRead)
    return found


def whole_answer(finish: str | None, **message: Any) -> bytes:
    """An answer in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "c", "choices": [choice], "usage": USAGE}).encode()


def stream(*deltas: dict[str, Any], finish: str | None = "stop") -> bytes:
    """An answer as events, usage with the last."""
    events: list[dict[str, Any]] = [
        {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events.append({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": USAGE})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def assembled(pieces: list[bytes]) -> ChatResponse:
    """A stream put together."""
    decoder, assembly = bound().decoder(), Assembly()
    for piece in pieces:
        for chunk in decoder.feed(piece):
            assembly.add(chunk)
    for chunk in decoder.close():
        assembly.add(chunk)
    return assembly.response()


@pytest.mark.parametrize("finish", [*FINISH, "something-new"])
def test_a_stream_says_what_the_whole_answer_says(finish: str) -> None:
    """Text, calls, finish reason and usage are the same both ways, however the bytes come."""
    expected = bound().decode(whole_answer(finish, content="hello", tool_calls=CALLS))
    [choice] = expected.choices
    assert (choice.content, choice.finish_reason) == ("hello", FINISH.get(finish, "stop"))
    assert [(call.id, call.function.name, call.function.arguments) for call in choice.tool_calls] == [
        ("c1", "f", '{"a": 1}')
    ]
    assert expected.usage == Usage(3, 2)
    begun: dict[str, Any] = {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    rest = {"index": 0, "function": {"arguments": ": 1}"}}
    deltas = ({"role": "assistant", "content": ""}, {"content": "hel"}, {"content": "lo"})
    sent = stream(*deltas, {"tool_calls": [begun]}, {"tool_calls": [rest]}, finish=finish)
    for cut in (whole, bytewise):
        assert assembled(cut(sent)) == expected


def test_the_request() -> None:
    """It is the chat's, for one choice; what is passed on is told of, and what the chat is made of is not."""
    report = Report(strict=True)
    request = read_chat(b'{"messages": [{"role": "user", "content": "hi"}], "n": 2, "top_k": 5}')
    call = bound().encode(request, report, stream=True)
    body = json.loads(b"".join(bytes(piece) for piece in call.body))
    assert body.keys() == {"model", "messages", "top_k", "stream", "stream_options"}
    assert report.fates() == {"passed": ["top_k"]}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"choices":[]}', whole_answer(None, content="a"), b'{"choices":[{"message":5}]}']
)
def test_what_is_no_answer(body: bytes) -> None:
    """An answer of another shape, or without an end, is the provider's fault."""
    with pytest.raises(ProviderBroken):
        bound().decode(body)


def test_errors_inside_answers() -> None:
    """An error object means what its status means, in an answer and in a stream."""
    with pytest.raises(ProviderBusy, match="slow down"):
        bound().decode(b'{"error":{"message":"slow down","code":429}}')
    decoder = bound().decoder()
    decoder.feed(stream({"content": "a"}).partition(b"\n\n")[0] + b"\n\n")
    with pytest.raises(ProviderUnavailable):
        decoder.feed(b'data: {"error":{"message":"full","code":503}}\n\n')


def test_a_stream_that_is_cut() -> None:
    """An answer that does not say why it ended is not whole."""
    with pytest.raises(ProviderBroken, match="ai21labs's answer was cut off"):
        assembled([stream({"content": "a"}, finish=None)])
