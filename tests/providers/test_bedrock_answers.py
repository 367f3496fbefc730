"""Answers of Bedrock's Converse: a stream, put together, is what the whole answer would have been."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Choice, ReasoningDelta, Usage
from cloche.domain.errors import ProviderBroken
from cloche.providers import bedrock_answer
from cloche.providers.bedrock_answer import FINISH, ConverseDecoder
from cloche.providers.bedrock_errors import exception_in
from codec.cuts import randomly
from codec.frames import event, frame, text

Json = dict[str, Any]
USAGE = {"inputTokens": 3, "outputTokens": 5, "totalTokens": 8}


def whole(blocks: list[Json], stop: str = "end_turn", usage: Json | None = None) -> ChatResponse:
    """A whole answer with these blocks, decoded."""
    message = {"role": "assistant", "content": blocks}
    answer = {"output": {"message": message}, "stopReason": stop, "usage": usage or USAGE, "metrics": {"latencyMs": 1}}
    return bedrock_answer.decode(json.dumps(answer).encode())


def heard(stream: bytes, seed: int = 0) -> ChatResponse:
    """A stream, cut, decoded and assembled."""
    decoder, assembly = ConverseDecoder(exception_in), Assembly()
    chunks = [chunk for piece in randomly(stream, seed) for chunk in decoder.feed(piece)]
    for chunk in (*chunks, *decoder.close()):
        assembly.add(chunk)
    assert assembly.complete
    return assembly.response()


def stream_of(blocks: list[Json], cut: int, stop: str = "end_turn", usage: Json | None = None) -> bytes:
    """The same answer as a stream, each text in pieces of `cut` characters."""
    events = [event("messageStart", role="assistant", p="abc")]
    for index, block in enumerate(blocks):
        events += (event(kind, contentBlockIndex=index, **fields) for kind, fields in streamed(block, cut))
        events.append(event("contentBlockStop", contentBlockIndex=index))
    events += [event("messageStop", stopReason=stop), event("metadata", usage=usage or USAGE)]
    return b"".join(events)


def streamed(block: Json, cut: int) -> list[tuple[str, Json]]:
    """The events that a block comes in, but its stop."""
    delta = "contentBlockDelta"
    if "text" in block:
        return [(delta, {"delta": {"text": piece}}) for piece in pieces(block["text"], cut)]
    if "toolUse" in block:
        use = block["toolUse"]
        start = {name: use[name] for name in use if name != "input"}
        texts = pieces(json.dumps(use["input"]), cut) if use["input"] else []
        return [
            ("contentBlockStart", {"start": {"toolUse": start}}),
            *((delta, {"delta": {"toolUse": {"input": piece}}}) for piece in texts),
        ]
    reasoning = block["reasoningContent"]
    if "redactedContent" in reasoning:
        return [(delta, {"delta": {"reasoningContent": reasoning}})]
    said = reasoning["reasoningText"]
    found = [(delta, {"delta": {"reasoningContent": {"text": piece}}}) for piece in pieces(said["text"], cut)]
    if "signature" in said:
        found.append((delta, {"delta": {"reasoningContent": {"signature": said["signature"]}}}))
    return found


def pieces(said: str, cut: int) -> list[str]:
    """The text in pieces of `cut` characters."""
    return [said[at : at + cut] for at in range(0, len(said), cut)]


WORDS = some.text(max_size=12)
CALLS = some.fixed_dictionaries(
    {
        "toolUseId": some.uuids().map(str),
        "name": some.sampled_from(["f", "g"]),
        "input": some.dictionaries(WORDS, some.integers() | WORDS, max_size=3),
    }
)
THOUGHTS = some.fixed_dictionaries(
    {"text": some.text(min_size=1, max_size=12)}, optional={"signature": some.just("s=")}
)
BLOCKS = some.one_of(
    WORDS.map(lambda said: {"text": said}),
    CALLS.map(lambda use: {"toolUse": use}),
    THOUGHTS.map(lambda said: {"reasoningContent": {"reasoningText": said}}),
    some.just({"reasoningContent": {"redactedContent": "AAEC"}}),
)


def told(choice: Choice) -> tuple[Any, ...]:
    """What a choice says, its arguments as JSON: their spelling is the model's."""
    calls = [(call.id, call.function.name, json.loads(call.function.arguments)) for call in choice.tool_calls]
    return choice.content, calls, choice.reasoning, choice.finish_reason


@given(some.lists(BLOCKS, max_size=5), some.integers(1, 20), some.sampled_from(["end_turn", "max_tokens"]))
def test_a_stream_is_the_whole_answer(blocks: list[Json], cut: int, stop: str) -> None:
    """Whatever blocks an answer has, and however they are cut, its stream says the same as the whole of it."""
    one, other = whole(blocks, stop), heard(stream_of(blocks, cut, stop), seed=cut)
    assert told(one.choices[0]) == told(other.choices[0])
    assert one.usage == other.usage


@pytest.mark.parametrize("stop", [*FINISH, "something_new"])
def test_every_stop_reason(stop: str) -> None:
    """Each reason ends the answer in its own way, whole and streamed; an unknown one is a plain end."""
    expected = FINISH.get(stop, "stop")
    if expected is None:
        with pytest.raises(ProviderBroken, match=stop):
            whole([{"text": "a"}], stop)
        with pytest.raises(ProviderBroken, match=stop):
            heard(stream_of([{"text": "a"}], 1, stop))
        return
    assert whole([{"text": "a"}], stop).choices[0].finish_reason == expected
    assert heard(stream_of([{"text": "a"}], 1, stop)).choices[0].finish_reason == expected


def test_calls_end_an_answer_as_calls() -> None:
    """A model that calls a tool and says that its turn ended has called a tool; one that was cut off was cut off."""
    call = {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1.0}}}
    assert whole([call]).choices[0].finish_reason == "tool_calls"
    assert whole([call], "max_tokens").choices[0].finish_reason == "length"
    assert whole([call]).choices[0].tool_calls[0].function.arguments == '{"a": 1.0}'


def test_a_call_without_arguments() -> None:
    """A call that was given none has an empty object, whole and streamed."""
    call = {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}
    for answer in (whole([call]), heard(stream_of([call], 1))):
        assert answer.choices[0].tool_calls[0].function.arguments == "{}"


def test_arguments_in_one_object() -> None:
    """Arguments that a stream brings as an object, and not as its text, are read all the same."""
    stream = b"".join(
        (
            event("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "1", "name": "f"}}),
            event("contentBlockDelta", contentBlockIndex=0, delta={"toolUse": {"input": {"a": 1}}}),
            event("contentBlockStop", contentBlockIndex=0),
            event("messageStop", stopReason="tool_use"),
        )
    )
    assert heard(stream).choices[0].tool_calls[0].function.arguments == '{"a": 1}'


def test_tools_of_the_provider() -> None:
    """Calls that the provider answered itself are no calls of the client's, and count for nothing."""
    own = {"toolUse": {"toolUseId": "1", "name": "nova_grounding", "input": {"q": 1}, "type": "server_tool_use"}}
    result = {"toolResult": {"toolUseId": "1", "content": [{"text": "found"}]}}
    answer = whole([own, result, {"text": "a"}])
    assert told(answer.choices[0]) == ("a", [], [], "stop")
    assert told(heard(stream_of([own, {"text": "a"}], 3)).choices[0]) == ("a", [], [], "stop")


def test_cited_text() -> None:
    """Text that bears citations is text."""
    cited = {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [{"title": "t"}]}}
    assert whole([cited, {"text": "c"}]).choices[0].content == "abc"


def test_secret_reasoning_in_pieces() -> None:
    """Reasoning that is kept secret and comes in pieces is one secret, whose bytes are theirs."""
    parts = [base64.b64encode(part).decode() for part in (b"a", b"bc")]
    deltas = [{"reasoningContent": {"redactedContent": part}} for part in parts]
    events = [event("contentBlockDelta", contentBlockIndex=0, delta=delta) for delta in deltas]
    end = event("contentBlockStop", contentBlockIndex=0) + event("messageStop", stopReason="end_turn")
    answer = heard(b"".join(events) + end)
    secret = base64.b64encode(b"abc").decode()
    assert answer.choices[0].reasoning == [ReasoningDelta(0, "", secret, redacted=True)]


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        ({}, Usage(3, 5)),
        ({"cacheReadInputTokens": 4}, Usage(7, 5, cached_tokens=4)),
        ({"cacheReadInputTokens": 4, "cacheWriteInputTokens": 2}, Usage(9, 5, cached_tokens=4, cache_write_tokens=2)),
        ({"outputTokens": None}, None),
    ],
)
def test_usage(given: Json, usage: Usage | None) -> None:
    """The prompt has what a cache held and took; what was not counted is not made up."""
    assert whole([{"text": "a"}], usage=USAGE | given).usage == usage
    assert heard(stream_of([{"text": "a"}], 1, usage=USAGE | given)).usage == usage


def test_a_stream_without_usage() -> None:
    """An answer that ended without being counted is whole, and has no usage."""
    assert heard(event("messageStop", stopReason="end_turn")).usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"output": {"message": {"content": []}}}',
        b'{"output": {"message": {"content": [{"text": 5}]}}, "stopReason": "end_turn"}',
        b'{"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}',
        b"\xff",
        b'{"output": {"message": {"content": [{"toolUse": {"input": {"a": "\xff"}}}]}}, "stopReason": "tool_use"}',
        b"[" * 100_000,
    ],
)
def test_bodies_that_are_no_answer(body: bytes) -> None:
    """What is no answer is told as broken, and no exception of Python's own."""
    with pytest.raises(ProviderBroken):
        bedrock_answer.decode(body)


@pytest.mark.parametrize("cut", ["messageStop", "contentBlockStop"])
def test_cut_streams(cut: str) -> None:
    """A stream without its end is broken, and no shorter answer."""
    stream = stream_of([{"text": "abc"}], 1)
    with pytest.raises(ProviderBroken, match="cut off"):
        heard(stream[: stream.index(cut.encode()) - 20])


def test_events_that_cannot_be_read() -> None:
    """An event that is no JSON object of its kind is broken; an event of a kind that is not known says nothing."""
    headers = text(":event-type", "contentBlockDelta")
    for last in (event("contentBlockDelta", delta=5), frame(headers, b'{"delta": {"toolUse": {"input": "\xff"}}}')):
        with pytest.raises(ProviderBroken):
            ConverseDecoder(exception_in).feed(last)
    assert ConverseDecoder(exception_in).feed(event("somethingNew", delta=5)) == []
