"""Cohere's answers, whole and as streams: both say the same, whatever the cuts, and nothing in them is made up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, ReasoningDelta, Usage
from cloche.domain.errors import Problem, ProviderBroken, ProviderTimeout
from codec.cuts import every_way, randomly

from .cohere_models import chat_model

MODEL = chat_model()
USAGE = {
    "billed_units": {"input_tokens": 1, "output_tokens": 2},
    "tokens": {"input_tokens": 30, "output_tokens": 20, "reasoning_tokens": 8},
    "cached_tokens": 16,
}


def whole(finish: Any = "COMPLETE", usage: Any = None, logprobs: Any = None, **message: Any) -> bytes:
    """A whole answer."""
    answer = {"id": "a", "finish_reason": finish, "message": {"role": "assistant", **message}}
    answer |= {} if usage is None else {"usage": usage}
    return json.dumps(answer | ({} if logprobs is None else {"logprobs": logprobs})).encode()


def event(kind: str, index: int | None = None, *, delta: Any = None, **more: Any) -> bytes:
    """One event of a stream."""
    data = {"type": kind, **({} if index is None else {"index": index}), **more}
    data |= {} if delta is None else {"delta": delta}
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def message_end(finish: Any = "COMPLETE", usage: Any = None, **more: Any) -> bytes:
    """The event that ends a message, and the end mark."""
    return event("message-end", delta={"finish_reason": finish, "usage": usage, **more}) + b"data: [DONE]\n\n"


def content(index: int, **piece: str) -> bytes:
    """A piece of content."""
    return event("content-delta", index, delta={"message": {"content": piece}})


def calling(kind: str, index: int, **call: Any) -> bytes:
    """An event of a tool call."""
    return event(kind, index, delta={"message": {"tool_calls": call}})


def heard(pieces: Iterable[bytes]) -> ChatResponse:
    """What a stream says, put together."""
    decoder, assembly = MODEL.decoder(), Assembly()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    assert all(chunk.finish_reason is None and chunk.usage is None for chunk in chunks)
    for chunk in [*chunks, *decoder.close()]:
        assembly.add(chunk)
    assert assembly.complete
    return assembly.response()


START = event("message-start", id="a", delta={"message": {"role": "assistant", "content": [], "tool_calls": []}})
CALLED = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
STREAM = b"".join(
    [
        START,
        event("content-start", 0, delta={"message": {"content": {"type": "thinking", "thinking": "W"}}}),
        content(0, thinking="hy ☂"),
        event("content-end", 0),
        event("content-start", 1, delta={"message": {"content": {"type": "text", "text": ""}}}),
        content(1, text="Grüezi "),
        content(1, text="\U0001f30d"),
        event("citation-start", 0, delta={"message": {"citations": {"start": 0, "end": 1}}}),
        event("citation-end", 0),
        event("content-end", 1),
        event("tool-plan-delta", delta={"message": {"tool_plan": "I will "}}),
        event("tool-plan-delta", delta={"message": {"tool_plan": "look."}}),
        calling("tool-call-start", 2, id="c1", type="function", function={"name": "weather", "arguments": ""}),
        calling("tool-call-delta", 2, function={"arguments": '{"city"'}),
        calling("tool-call-delta", 2, function={"arguments": ':"Bern"}'}),
        event("tool-call-end", 2),
        calling("tool-call-start", 3, id="c2", type="function", function={"name": "clock", "arguments": ""}),
        event("tool-call-end", 3),
        event("something-new", 9, delta=5),
        message_end("TOOL_CALL", USAGE),
    ]
)
WHOLE = whole(
    "TOOL_CALL",
    USAGE,
    tool_plan="I will look.",
    content=[{"type": "thinking", "thinking": "Why ☂"}, {"type": "text", "text": "Grüezi \U0001f30d"}],
    citations=[{"start": 0, "end": 1}],
    tool_calls=[CALLED, {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": ""}}],
)


def test_a_whole_answer() -> None:
    """Text, reasoning, plan, calls and the tokens that the model read and wrote are where a client looks for them."""
    answer = MODEL.decode(WHOLE)
    [choice] = answer.choices
    assert (choice.content, choice.finish_reason) == ("Grüezi \U0001f30d", "tool_calls")
    assert [piece.text for piece in choice.reasoning] == ["I will look.", "Why ☂"]
    calls = [(call.id, call.function.name, call.function.arguments) for call in choice.tool_calls]
    assert calls == [("c1", "weather", '{"city":"Bern"}'), ("c2", "clock", "{}")]
    assert answer.usage == Usage(30, 20, cached_tokens=16, reasoning_tokens=8)


def test_a_stream_says_the_same_at_every_cut() -> None:
    """However the stream is cut, it adds up to the whole answer."""
    expected = MODEL.decode(WHOLE)
    for name, pieces in every_way(STREAM):
        assert heard(pieces) == expected, name


def test_chunks_come_as_soon_as_their_event_is_whole() -> None:
    """A token is passed on when its event ends, not when the message does."""
    decoder = MODEL.decoder()
    assert decoder.feed(START) == []
    assert decoder.feed(content(0, thinking="a")) == [Chunk(reasoning=(ReasoningDelta(1, "a"),))]
    assert decoder.feed(content(1, text="a")) == [Chunk(content="a")]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_LIMIT", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(reason: str, told: str) -> None:
    """Each of Cohere's reasons has its word, and one that nobody knows yet does not cost the answer."""
    assert MODEL.decode(whole(reason)).choices[0].finish_reason == told
    assert heard([START, message_end(reason)]) == MODEL.decode(whole(reason))


@pytest.mark.parametrize(
    ("reason", "kind"), [("ERROR", ProviderBroken), ("TIMEOUT", ProviderTimeout), (None, ProviderBroken)]
)
def test_reasons_that_are_failures(reason: str | None, kind: type[Problem]) -> None:
    """An answer that failed, or that ends for no reason, is none."""
    with pytest.raises(kind):
        MODEL.decode(whole(reason, content=[{"type": "text", "text": "half"}]))
    with pytest.raises(kind):
        MODEL.decoder().feed(START + content(0, text="half") + message_end(reason))


@pytest.mark.parametrize("reason", ["ERROR", "COMPLETE", None])
def test_a_failure_in_the_middle_of_a_stream(reason: str | None) -> None:
    """What Cohere says about a failure goes to the caller and not into the log, whatever reason it gives."""
    with pytest.raises(ProviderBroken, match="the prompt was odd") as caught:
        MODEL.decoder().feed(message_end(reason, error="the prompt was odd"))
    assert "odd" not in caught.value.summary


@pytest.mark.parametrize("body", [b'{"id":"a","message":"went wrong"}', b'{"message":"went wrong","type":"error"}'])
def test_an_error_object_in_the_place_of_an_answer(body: bytes) -> None:
    """An error with status 200 is a failure in Cohere's words, whole or in a stream."""
    with pytest.raises(ProviderBroken, match="went wrong"):
        MODEL.decode(body)
    with pytest.raises(ProviderBroken, match="went wrong"):
        MODEL.decoder().feed(b"data: " + body + b"\n\n")


BROKEN = [
    b"",
    b"<html>",
    b"[]",
    b'{"message":{"content":[]}}',
    b'{"message":{"content":"text"},"finish_reason":"COMPLETE"}',
    b'{"message":{"content":[{"type":"text","text":5}]},"finish_reason":"COMPLETE"}',
    b'{"message":{"tool_calls":[{"id":"c"}]},"finish_reason":"TOOL_CALL"}',
    b'{"message":{"content":[{"type":"text","text":"\xff"}]},"finish_reason":"COMPLETE"}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:60]))
def test_what_is_no_answer(body: bytes) -> None:
    """A body of another shape is the provider's fault, and never an empty answer."""
    with pytest.raises(ProviderBroken):
        MODEL.decode(body)


BROKEN_EVENTS = [
    b"data: <html>\n\n",
    b"data: []\n\n",
    event("content-delta", 0, delta=5),
    event("content-start", 0, delta={"message": {"content": {"type": "text", "text": 5}}}),
    calling("tool-call-start", 0, id="c"),
    calling("tool-call-delta", 0, function={"arguments": "{}"}),
]


@pytest.mark.parametrize("data", BROKEN_EVENTS, ids=repr)
def test_what_is_no_event(data: bytes) -> None:
    """An event of another shape is the provider's fault."""
    with pytest.raises(ProviderBroken):
        MODEL.decoder().feed(START + data)


def test_a_stream_that_is_cut() -> None:
    """A body that ends before its message has ended is a failure wherever it was cut."""
    end = STREAM.index(b"event: message-end")
    for place in [*range(0, end, 97), end, len(STREAM) - 60]:
        decoder = MODEL.decoder()
        decoder.feed(STREAM[:place])
        with pytest.raises(ProviderBroken):
            decoder.close()


def test_a_stream_without_the_end_mark() -> None:
    """What ends a message is its own event; the mark after it may be missing, and so may the last blank line."""
    assert heard([START, content(0, text="a"), message_end().removesuffix(b"\n\ndata: [DONE]\n\n")]) == MODEL.decode(
        whole(content=[{"type": "text", "text": "a"}])
    )


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, None),
        ({}, None),
        ({"billed_units": {"input_tokens": 1, "output_tokens": 2}}, None),
        ({"tokens": {"input_tokens": 3}}, None),
        ({"tokens": {"input_tokens": 3.0, "output_tokens": 4}}, Usage(3, 4)),
        ({"tokens": {"input_tokens": 3, "output_tokens": 4}, "cached_tokens": 0}, Usage(3, 4, cached_tokens=0)),
    ],
)
def test_usage(usage: Any, counted: Usage | None) -> None:
    """Usage is what Cohere counted, and nothing where it did not say."""
    assert MODEL.decode(whole(usage=usage)).usage == counted
    assert heard([START, message_end(usage=usage)]).usage == counted


def test_log_probabilities() -> None:
    """Several tokens in one text have the probability of all of them; the records are the same both ways."""
    items = [{"text": "é", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}, {"text": "!", "logprobs": [-1.0]}]
    answer = MODEL.decode(whole(content=[{"type": "text", "text": "é!"}], logprobs=items))
    assert answer.choices[0].logprobs == [
        {"token": "é", "logprob": -0.75, "bytes": [195, 169], "top_logprobs": []},
        {"token": "!", "logprob": -1.0, "bytes": [33], "top_logprobs": []},
    ]
    events = [
        event("content-delta", 0, delta={"message": {"content": {"text": item["text"]}}}, logprobs=item)
        for item in items
    ]
    assert heard([START, *events, message_end()]) == answer


# ---------------------------------------------------------------- any answer

TEXTS = st.text(max_size=12)
BLOCKS = st.lists(st.tuples(st.sampled_from(("text", "thinking")), st.lists(TEXTS, max_size=3)), max_size=3)
CALLS = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.lists(TEXTS, max_size=3)), max_size=3)
FINISHES = st.sampled_from(("COMPLETE", "MAX_TOKENS", "TOOL_CALL", "ERROR_TOXIC", "NEW"))
COUNTS = st.none() | st.builds(
    lambda read, wrote, cached: {"tokens": {"input_tokens": read, "output_tokens": wrote}, "cached_tokens": cached},
    st.integers(0, 9**9),
    st.integers(0, 9**9),
    st.none() | st.integers(0, 99),
)


def streamed(plan: list[str], blocks: Any, calls: Any, finish: str, usage: Any) -> bytes:
    """The stream of an answer whose pieces are given."""
    events = [START]
    events += [event("tool-plan-delta", delta={"message": {"tool_plan": piece}}) for piece in plan]
    for index, (kind, pieces) in enumerate(blocks):
        events.append(event("content-start", index, delta={"message": {"content": {"type": kind, kind: ""}}}))
        events += [content(index, **{kind: piece}) for piece in pieces]
        events.append(event("content-end", index))
    for index, (name, pieces) in enumerate(calls):
        function = {"name": name, "arguments": ""}
        events.append(calling("tool-call-start", index, id=f"c{index}", type="function", function=function))
        events += [calling("tool-call-delta", index, function={"arguments": piece}) for piece in pieces]
        events.append(event("tool-call-end", index))
    return b"".join([*events, message_end(finish, usage)])


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXTS, max_size=3), BLOCKS, CALLS, FINISHES, COUNTS, st.integers(0, 99))
def test_any_stream_adds_up_to_the_whole_answer(
    plan: list[str], blocks: Any, calls: Any, finish: str, usage: Any, seed: int
) -> None:
    """Whatever an answer holds, its stream put together is the whole answer."""
    answer = MODEL.decode(
        whole(
            finish,
            usage,
            tool_plan="".join(plan),
            content=[{"type": kind, kind: "".join(pieces)} for kind, pieces in blocks],
            tool_calls=[
                {"id": f"c{index}", "function": {"name": name, "arguments": "".join(pieces)}}
                for index, (name, pieces) in enumerate(calls)
            ],
        )
    )
    assert heard(randomly(streamed(plan, blocks, calls, finish, usage), seed)) == answer
