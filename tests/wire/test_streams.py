"""An OpenAI-shaped stream on its way to the client: where usage goes, what is completed, that nothing is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec import sse
from cloche.domain.errors import ProviderBroken
from cloche.wire.openai import Identity
from cloche.wire.passthrough import ProviderErrorInAnswer, Stream
from codec.cuts import at, bytewise, every_way, whole

WHO = Identity("chatcmpl-1", 1700000000, "model")
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
DONE = "[DONE]"
Event = dict[str, Any] | str


def chunk(text: str | None = None, *, finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    """A chunk with one choice."""
    delta = {} if text is None else {"content": text}
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    head = {"id": "abc", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    return {**head, "choices": [choice], **fields}


def alone(**fields: Any) -> dict[str, Any]:
    """A chunk without choices."""
    return {**chunk(), "choices": [], **fields}


def stream_of(*events: Event) -> bytes:
    """The bytes of a stream."""
    return b"".join(
        b"data: " + (event if isinstance(event, str) else json.dumps(event)).encode() + b"\n\n" for event in events
    )


class Seen:
    """What came out of one stream."""

    def __init__(self, pieces: list[bytes], *, expected: int = 1, separate: bool = False, ended: bool = True) -> None:
        self.stream = Stream(WHO, expected=expected, separate_usage=separate)
        out = b""
        for piece in pieces:
            if self.stream.done or self.stream.failure:
                break
            out += self.stream.feed(piece)
        if ended and not (self.stream.done or self.stream.failure):
            out += self.stream.end()
        self.failure = self.stream.failure
        self.bytes = out
        self.events: list[Any] = [
            DONE if payload == b"[DONE]" else json.loads(payload) for payload in sse.Decoder().feed(out)
        ]


def finished(event: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A finishing chunk as it reaches the client: both spellings, and whatever `fields` say."""
    choices = [{**choice, "finishReason": choice["finish_reason"]} for choice in event["choices"]]
    return {**event, "choices": choices, **fields}


TEXT, STOP = chunk("hi"), chunk(finish="stop")

PLACED: dict[str, tuple[list[Event], bool, list[Event]]] = {
    "no usage": ([TEXT, STOP, DONE], False, [TEXT, finished(STOP), DONE]),
    "no usage, asked for": ([TEXT, STOP, DONE], True, [TEXT, finished(STOP), DONE]),
    "usage after": ([TEXT, STOP, alone(usage=USAGE), DONE], False, [TEXT, finished(STOP, usage=USAGE), DONE]),
    "usage after, asked for": (
        [TEXT, STOP, alone(usage=USAGE), DONE],
        True,
        [TEXT, finished(STOP), alone(usage=USAGE), DONE],
    ),
    "usage on the finish": ([TEXT, {**STOP, "usage": USAGE}, DONE], False, [TEXT, finished(STOP, usage=USAGE), DONE]),
    "usage on the finish, asked for": (
        [TEXT, {**STOP, "usage": USAGE}, DONE],
        True,
        [TEXT, finished(STOP), alone(usage=USAGE), DONE],
    ),
    "usage before": ([alone(usage=USAGE), TEXT, STOP, DONE], False, [TEXT, finished(STOP, usage=USAGE), DONE]),
    "null usage everywhere": (
        [{**TEXT, "usage": None}, {**STOP, "usage": None}, DONE],
        False,
        [{**TEXT, "usage": None}, finished(STOP), DONE],
    ),
    "the last usage counts": (
        [{**TEXT, "usage": {**USAGE, "prompt_tokens": 9}}, STOP, alone(usage=USAGE), DONE],
        False,
        [{**TEXT, "usage": {**USAGE, "prompt_tokens": 9}}, finished(STOP, usage=USAGE), DONE],
    ),
    "results of a filter ahead": (
        [alone(prompt_filter_results=[]), TEXT, STOP, DONE],
        False,
        [TEXT, finished(STOP), DONE],
    ),
    "no end mark": ([TEXT, STOP, alone(usage=USAGE)], False, [TEXT, finished(STOP, usage=USAGE), DONE]),
    "after the end mark": ([TEXT, STOP, DONE, "junk", TEXT], False, [TEXT, finished(STOP), DONE]),
    "empty events": ([TEXT, "", STOP, "", DONE], False, [TEXT, finished(STOP), DONE]),
    "text after the finish": ([STOP, TEXT, DONE], False, [finished(STOP), TEXT, DONE]),
}


@pytest.mark.parametrize(("events", "separate", "expected"), PLACED.values(), ids=PLACED.keys())
def test_where_usage_goes(events: list[Event], separate: bool, expected: list[Event]) -> None:
    """Usage stands on the finishing chunk, or alone behind it if the client asked for that, however the stream is
    cut."""
    raw = stream_of(*events)
    for way, pieces in every_way(raw):
        seen = Seen(pieces, separate=separate)
        assert seen.events == expected, way
        assert seen.failure is None
        counted = [event["usage"] for event in expected if isinstance(event, dict) and event.get("usage")]
        assert (seen.stream.usage is not None) is bool(counted), way


def test_what_needs_no_change_passes_byte_for_byte() -> None:
    """Events in the middle keep the provider's own bytes."""
    odd = b'data: {"id" : "abc","choices":[ {"index":0,"delta":{"content":"\\u00e9","x":1.50}} ],"extra":{"a":[]}}\n\n'
    for pieces in (whole(odd), bytewise(odd)):
        assert Seen([stream_of(TEXT), *pieces], ended=False).bytes == stream_of(TEXT) + odd


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": ...},
        {"choices": [{"delta": {"content": "hi"}}]},
        {"choices": [{"index": None, "delta": {"content": "hi"}, "finish_reason": None}]},
        {"choices": [{"index": "0", "delta": {"content": "hi"}, "finish_reason": 5}]},
        {"usage": [], "id": None},
        {"usage": "none"},
        {"created": "now", "model": None, "id": None},
    ],
    ids=str,
)
def test_what_is_off_is_put_right(wrong: dict[str, Any]) -> None:
    """Missing and senseless ids, indices and reasons are made right, since some clients stop at them."""
    event = {name: value for name, value in {**TEXT, **wrong}.items() if value is not ...}
    seen = Seen([stream_of(event, STOP, DONE)])
    first = seen.events[0]
    assert seen.failure is None
    assert isinstance(first["id"], str)
    assert first["id"]
    assert isinstance(first["created"], int)
    assert isinstance(first["model"], str)
    assert first["choices"][0]["index"] == 0
    assert first["choices"][0].get("finish_reason") is None
    assert first["choices"][0]["delta"] == {"content": "hi"}
    assert not first.get("usage")


def test_several_choices_end_with_the_last() -> None:
    """With two choices, the second finish is the one that carries the usage, and one finish is not the end."""
    first, second = chunk(finish="stop", index=1), chunk(finish="length", index=0)
    raw = stream_of(chunk("a", index=1), chunk("b"), first, second, alone(usage=USAGE), DONE)
    for way, pieces in every_way(raw):
        seen = Seen(pieces, expected=2)
        assert seen.failure is None, way
        assert [event["choices"][0]["finish_reason"] for event in seen.events[:-1]] == [None, None, "stop", "length"]
        assert ["usage" in event for event in seen.events[:-1]] == [False, False, False, True], way
    assert Seen([stream_of(TEXT, STOP)], expected=2).failure is not None


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([TEXT, DONE], [TEXT]),
        ([chunk("a", finish=""), DONE], [chunk("a", finish="")]),
        ([TEXT, alone(usage=USAGE), DONE], [TEXT, {**chunk(), "usage": USAGE}]),
        ([{**TEXT, "usage": USAGE}, DONE], [{**TEXT, "usage": USAGE}]),
    ],
    ids=["no finish", "an empty one", "usage alone", "usage passed on"],
)
def test_the_end_mark_is_the_providers_word(events: list[Event], expected: list[Event]) -> None:
    """Some providers never finish a choice but end their stream in order: nothing is made up for them, and the usage
    that came alone gets an event that has a choice."""
    for way, pieces in every_way(stream_of(*events)):
        seen = Seen(pieces)
        assert seen.failure is None, way
        assert seen.events[-1] == "[DONE]", way
        told = seen.events[:-1]
        wanted: list[Any] = expected
        assert [event["choices"][0]["finish_reason"] for event in told] == [
            event["choices"][0]["finish_reason"] for event in wanted
        ], way
        assert [event.get("usage") for event in told] == [event.get("usage") for event in wanted], way


def test_choices_that_finish_in_one_event() -> None:
    """Choices may finish together."""
    both = {**STOP, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"} for index in (0, 1)]}
    seen = Seen([stream_of(both, DONE)], expected=2)
    assert seen.failure is None
    assert [choice["finishReason"] for choice in seen.events[0]["choices"]] == ["stop", "stop"]


BROKEN: dict[str, tuple[list[Event], list[Event]]] = {
    "nothing": ([], []),
    "only the end mark": ([DONE], []),
    "an end without a finish": ([TEXT], [TEXT]),
    "a finish reason that is empty": ([chunk("a", finish="")], [chunk("a", finish="")]),
    "no JSON": ([TEXT, "nonsense", STOP, DONE], [TEXT]),
    "JSON that is cut": ([TEXT, '{"id": "a", "choices": [', STOP], [TEXT]),
    "an event that is no object": ([TEXT, "[1]", STOP], [TEXT]),
    "null": ([TEXT, "null", STOP], [TEXT]),
    "a choice that is no object": ([TEXT, {**TEXT, "choices": [5]}, STOP], [TEXT]),
    "a finish that cannot be read": ([TEXT, json.dumps(STOP)[:-1] + ', "x": 1e999}', DONE], [TEXT]),
}


@pytest.mark.parametrize(("events", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_fails(events: list[Event], expected: list[Event]) -> None:
    """A stream that breaks gives what came before, a reason, and no end mark of its own."""
    for way, pieces in every_way(stream_of(*events)):
        seen = Seen(pieces)
        assert isinstance(seen.failure, ProviderBroken), way
        assert seen.events == expected, way
        assert not seen.stream.done


@pytest.mark.parametrize("events", [[], [TEXT], [TEXT, STOP]], ids=["first", "after text", "after the finish"])
def test_an_error_in_the_stream_is_handed_over(events: list[Event]) -> None:
    """An error event ends the stream with the provider's own words, also if it has choices."""
    for error in ({"error": {"message": "no"}}, {**TEXT, "error": {"message": "no"}}):
        seen = Seen([stream_of(*events, error, DONE)])
        assert isinstance(seen.failure, ProviderErrorInAnswer)
        assert json.loads(seen.failure.body) == error
        assert seen.events == events[:1]


def test_what_is_held_back_is_not_lost() -> None:
    """A finishing chunk that waits for usage is given if the stream fails, once, as it came."""
    stream = Stream(WHO)
    stream.feed(stream_of(TEXT, {**STOP, "usage": USAGE}, "nonsense"))
    assert stream.complete
    assert sse.Decoder().feed(stream.give_up()) == [
        json.dumps(finished(STOP, usage=USAGE), separators=(",", ":")).encode()
    ]
    assert stream.give_up() == b""


def test_a_cut_anywhere_fails_unless_the_answer_is_complete() -> None:
    """Wherever a stream ends, the client sees a beginning of it; it is an error unless every choice had finished."""
    raw = stream_of(chunk("a", index=1), chunk("b"), chunk(finish="stop", index=1), STOP, alone(usage=USAGE), DONE)
    all_events = Seen([raw], expected=2).events
    texts = [event for event in all_events if event != DONE]
    complete = 0
    for length in range(len(raw)):
        seen = Seen([raw[:length]], expected=2)
        given = [event for event in seen.events if event != DONE]
        finishes = sum(bool(event["choices"][0]["finish_reason"]) for event in given)
        assert (DONE in seen.events) == (seen.failure is None)
        if seen.failure is None:
            complete += 1
            assert finishes == 2
            assert [event["choices"] for event in given] == [event["choices"] for event in texts]
        else:
            assert [event["choices"] for event in given] == [event["choices"] for event in texts[: len(given)]]
    assert 0 < complete < len(raw) / 2


PIECE = st.text(max_size=4)
ANSWER = st.fixed_dictionaries(
    {
        "texts": st.lists(st.tuples(st.integers(0, 1), PIECE), max_size=6),
        "finishes": st.tuples(*[st.sampled_from(["stop", "length", "tool_calls", "content_filter", "odd"])] * 2),
        "usage": st.sampled_from([None, USAGE]),
        "separate": st.booleans(),
        "mark": st.booleans(),
    }
)


@given(answer=ANSWER, places=st.lists(st.integers(0, 2000), max_size=8))
def test_an_assembled_stream_is_the_whole_answer(answer: dict[str, Any], places: list[int]) -> None:
    """Put together again, the client's stream says what the provider said, no more and no less."""
    events: list[Event] = [chunk(text, index=index) for index, text in answer["texts"]]
    events += [chunk(finish=finish, index=index) for index, finish in enumerate(answer["finishes"])]
    events += [alone(usage=USAGE)] * (answer["usage"] is not None) + [DONE] * answer["mark"]
    seen = Seen(at(stream_of(*events), places), expected=2, separate=answer["separate"])
    texts, finishes, usages = ["", ""], ["", ""], []
    for event in seen.events[:-1]:
        usages += [event["usage"]] if "usage" in event else []
        for choice in event["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
            finishes[choice["index"]] = choice["finish_reason"] or finishes[choice["index"]]
    assert seen.events[-1] == DONE
    assert texts == ["".join(text for at_, text in answer["texts"] if at_ == index) for index in (0, 1)]
    assert tuple(finishes) == answer["finishes"]
    assert usages == [USAGE] * (answer["usage"] is not None)


@given(raw=st.binary(max_size=80), places=st.lists(st.integers(0, 80), max_size=4))
def test_garbage_never_becomes_an_answer(raw: bytes, places: list[int]) -> None:
    """Random bytes fail, and give nothing."""
    seen = Seen(at(raw, places))
    assert isinstance(seen.failure, ProviderBroken)
    assert seen.bytes == b""


FIELDS = st.sampled_from(["id", "choices", "index", "finish_reason", "delta", "usage", "created"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**64) | st.floats() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=10,
)


@given(odd=st.dictionaries(FIELDS, ODD))
def test_an_odd_event_passes_or_breaks_the_stream(odd: dict[str, Any]) -> None:
    """Whatever JSON an event is, the stream goes on in good shape or ends with the provider's fault."""
    seen = Seen([stream_of(TEXT, odd, STOP, DONE)])
    if seen.failure is not None:
        assert isinstance(seen.failure, ProviderBroken)
        return
    for event in seen.events[:-1]:
        assert event["choices"]
        assert event["id"]
        assert all(isinstance(choice["index"], int) for choice in event["choices"])


@pytest.mark.parametrize("nothing", [None, False, {}, ""])
def test_an_error_that_says_nothing_is_none(nothing: Any) -> None:
    """Services that have the field in every event leave it empty where there is no error."""
    seen = Seen([stream_of(chunk("a", error=nothing), chunk(finish="stop", error=nothing), DONE)])
    assert (seen.failure, seen.events[-1]) == (None, DONE)


def test_an_end_mark_with_space_around_it() -> None:
    """White space around the end mark means nothing."""
    seen = Seen([stream_of(chunk("a"), chunk(finish="stop"), f" {DONE} ")])
    assert (seen.failure, seen.events[-1]) == (None, DONE)
