"""Streams put together to what they would have been in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.codec import sse
from cloche.domain.assembly import apart
from cloche.domain.chat import ChatResponse, Choice, Chunk, FunctionCall, ReasoningDelta, ToolCall, Usage
from cloche.domain.errors import ProviderBroken
from cloche.wire import completions, errors, openai
from cloche.wire.assembled import assembled
from cloche.wire.openai import Identity

IDENTITY = Identity("chatcmpl-1", 7, "m")
CALLS = [ToolCall(id=f"c{n}", function=FunctionCall(name=f"f{n}", arguments='{"a": "é"}')) for n in range(2)]
ANSWERS = {
    "text": ChatResponse([Choice(0, "Hello there", "stop")], Usage(3, 2)),
    "two choices": ChatResponse([Choice(0, "a", "stop"), Choice(1, "b", "length")], Usage(3, 2)),
    "calls": ChatResponse([Choice(0, "", "tool_calls", tool_calls=CALLS)], Usage(3, 2)),
    "text and calls": ChatResponse([Choice(0, "so", "tool_calls", tool_calls=CALLS)], Usage(3, 2)),
    "refusal": ChatResponse([Choice(0, "", "stop", refusal="I will not")], Usage(3, 2)),
    "reasoning": ChatResponse(
        [Choice(0, "42", "stop", reasoning=[ReasoningDelta(0, "hm, so", "sig"), ReasoningDelta(1, "and")])],
        Usage(3, 2, reasoning_tokens=1),
    ),
    "logprobs": ChatResponse([Choice(0, "ab", "stop", logprobs=[{"token": "a"}, {"token": "b"}])], Usage(3, 2)),
    "extras": ChatResponse([Choice(0, "ab", "stop", extras=[{"type": "x"}, {"type": "y"}])], Usage(3, 2)),
}


def pieces_of(chunk: Chunk) -> list[Chunk]:
    """A chunk whose text comes letter by letter, if it has nothing else."""
    if not chunk.content or chunk.tool_calls or chunk.reasoning or chunk.logprobs or chunk.extras:
        return [chunk]
    return [Chunk(chunk.index, content=letter) for letter in chunk.content]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_is_the_answer_in_one_piece(name: str) -> None:
    """What a client was told in events is what it would have been told at once."""
    whole = ANSWERS[name]
    events = [openai.write_role(IDENTITY, choice.index) for choice in whole.choices]
    events += [openai.write_chunk(piece, IDENTITY) for chunk in apart(whole) for piece in pieces_of(chunk)]
    told = json.loads(assembled([sse.encode_all([*events, sse.DONE])]))
    assert told == json.loads(openai.write_answer(whole, IDENTITY))


def test_a_completion_is_too() -> None:
    """Text completions are put together as chats are."""
    whole = ANSWERS["text"]
    events = [completions.write_chunk(piece, IDENTITY) for chunk in apart(whole) for piece in pieces_of(chunk)]
    told = json.loads(assembled([sse.encode_all([*events, sse.DONE])]))
    assert told == json.loads(completions.write_answer(whole, IDENTITY))


def event(**delta: Any) -> bytes:
    """An event with fields that cloche does not know."""
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return sse.encode(
        json.dumps({"id": "1", "object": "chat.completion.chunk", "fp": "x", "choices": [choice]}).encode()
    )


def test_what_is_not_known_stays() -> None:
    """Fields that nobody knows are put together by their kind: texts and lists grow, the rest is as it was last."""
    told = json.loads(
        assembled([event(role="assistant", thought="a", seen=[1], n=1), event(thought="b", seen=[2], n=2)])
    )
    assert told["fp"] == "x"
    assert told["choices"][0]["message"] == {"role": "assistant", "thought": "ab", "seen": [1, 2], "n": 2}


def test_a_stream_that_breaks_off() -> None:
    """What was said before an error is there, with the error; no finish reason is made up."""
    told = json.loads(assembled([event(content="so"), b"\n", errors.stream_end(ProviderBroken("it broke"))]))
    assert told["choices"][0]["message"]["content"] == "so"
    assert told["choices"][0]["finish_reason"] is None
    assert told["message"] == "it broke"


@pytest.mark.parametrize(
    "data", [b"data: {]\n\n", b"data: " + b"[" * 100_000 + b"\n\n", b"data: 3\n\n", b'data: {"choices": [3]}\n\n']
)
def test_what_cannot_be_read_stays_as_it_is(data: bytes) -> None:
    """Bytes that are no answer are not lost and fail nothing."""
    assert assembled([data]) == data


@pytest.mark.parametrize("end", ['"x": 1', '"content": 2', '"x": "content"', '"delta": {"content": "n"}'])
def test_events_with_the_same_frame_are_put_together_like_all_others(end: str) -> None:
    """Events that differ in their text alone give the same answer as if each had been looked into: whatever the texts
    hold, and whatever else stands in the events."""
    texts = ["a", "", 'q"}]},"', "é\\", "\n\u2028", "data: [DONE]", '"content": "b"', "z"]
    told = [
        f'{{"id": "1", "choices": [{{"index": 2, "delta": {{"content": {json.dumps(text)}}}, "x": null}}], {end}}}'
        for text in texts
    ]
    answer = json.loads(assembled([sse.encode_all([each.encode() for each in (*told, "[DONE]")])]))
    assert answer["choices"][0]["message"]["content"] == "".join(texts)
    assert (answer["id"], answer["choices"][0]["index"]) == ("1", 2)
    other = '{"id": "2", "choices": [{"index": 0, "delta": {"content": "b", "role": "r"}}]}'
    mixed = json.loads(assembled([sse.encode_all([each.encode() for each in (told[0], other, told[1], told[7])])]))
    assert [choice["message"]["content"] for choice in mixed["choices"]] == ["b", "az"]
