"""The engine's event stream, read into chunks: the same for every cut, in every way that tools are asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Chunk, Usage
from cloche.domain.errors import ProviderBroken
from cloche.providers.local import LocalDecoder
from cloche.wire.openai import read_chat
from codec.cuts import every_way

from .engine_answers import ERROR, answer, event, raw, record

USAGE = Usage(prompt_tokens=42, completion_tokens=4, cached_tokens=41)
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("weather", "clock")]
TAGS: dict[str, Any] = {"tools": TOOLS}
CALLS: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": True}
NAMED: dict[str, Any] = {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "clock"}}}


def chunks(pieces: list[bytes], choice: int = 0, **fields: Any) -> list[Chunk]:
    """What a decoder for such a request makes of the pieces."""
    request = read_chat(json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode())
    decoder = LocalDecoder(choice, request.params)
    return [chunk for piece in pieces for chunk in decoder.feed(piece)] + decoder.close()


def assembled(stream: bytes, **fields: Any) -> ChatResponse:
    """The answer put together, the same for every cut."""
    answers = []
    for _, pieces in every_way(stream, seeds=5):
        assembly = Assembly()
        for chunk in chunks(pieces, **fields):
            assembly.add(chunk)
        assert assembly.complete
        answers.append(assembly.response())
    assert all(each == answers[0] for each in answers)
    return answers[0]


def calls_of(response: ChatResponse) -> list[tuple[str, Any]]:
    """The calls in an answer, with their arguments read."""
    return [(call.function.name, json.loads(call.function.arguments)) for call in response.choices[0].tool_calls]


def test_text() -> None:
    """Each token is a chunk, and the last chunk has the finish reason and the usage."""
    got = chunks([answer("The", " capital", " of", finish="length")], choice=2)
    assert [chunk.content for chunk in got] == ["The", " capital", " of", ""]
    assert {chunk.index for chunk in got} == {2}
    assert got[-1] == Chunk(index=2, finish_reason="length", usage=USAGE)
    assert assembled(answer("The", " capital")).choices[0].content == "The capital"


@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_finish_reasons(finish: str) -> None:
    """The engine's reasons become those of the API."""
    assert assembled(answer("a", finish=finish)).choices[0].finish_reason == finish


def test_no_finish_reason_is_made_up() -> None:
    """A reason that nobody knows makes the answer broken: it may not be whole."""
    with pytest.raises(ProviderBroken, match="unknown reason, 'odd'"):
        chunks([answer("a", finish="odd")])


def test_no_usage_is_made_up() -> None:
    """Without the engine's count there is none."""
    assert assembled(answer("a", usage=False)).usage is None


def test_an_answer_without_text() -> None:
    """An answer may be empty: it still ends with its reason."""
    assert chunks([answer()]) == [Chunk(finish_reason="stop", usage=USAGE)]


@pytest.mark.parametrize(("asked", "alternatives"), [(None, []), (1, ["The"]), (2, ["The", "I"]), (5, ["The", "I"])])
def test_logprobs(asked: int | None, alternatives: list[str]) -> None:
    """Token records are OpenAI's: without the engine's numbers, and with as many alternatives as were asked for."""
    told = record("The", 504, -1.25, record("The", 504, -1.25), record("I", 57, -2.5))
    stream = raw(event(delta={"content": "The"}, logprobs={"content": [told]}), event(finish_reason="stop"))
    fields = {"logprobs": True} | ({} if asked is None else {"top_logprobs": asked})
    records = assembled(stream, **fields).choices[0].logprobs
    assert records is not None
    assert {name: records[0][name] for name in ("token", "bytes", "logprob")} == {
        "token": "The",
        "bytes": [84, 104, 101],
        "logprob": -1.25,
    }
    assert [other["token"] for other in records[0]["top_logprobs"]] == alternatives
    assert "id" not in str(records)


@pytest.mark.parametrize("length", [0, 1, 40, 300, -1])
def test_what_is_cut_off_is_broken(length: int) -> None:
    """A stream without a finish reason is no answer, wherever it ends."""
    stream = raw(event(delta={"role": "assistant", "content": None}), event(delta={"content": "a"}), done=False)
    for _, pieces in every_way(stream[:length], seeds=3):
        with pytest.raises(ProviderBroken, match="cut off"):
            chunks(pieces)


@pytest.mark.parametrize(
    "events", [raw(ERROR), answer("a", finish="stop")[:300] + raw(ERROR), b"data: {\n\n", b"data: 5\n\n"]
)
def test_an_engine_that_fails(events: bytes) -> None:
    """An error event, or one that cannot be read, is the engine's fault."""
    with pytest.raises(ProviderBroken):
        chunks([events])


def test_a_named_function_is_streamed_as_its_arguments() -> None:
    """The answer to a named function is its arguments, piece by piece, with the name and an id once."""
    stream = answer("{", '"zone"', ": ", '"UTC"}')
    deltas = [delta for chunk in chunks([stream], **NAMED) for delta in chunk.tool_calls]
    assert [delta.arguments for delta in deltas] == ["{", '"zone"', ": ", '"UTC"}']
    assert [delta.name for delta in deltas] == ["clock", None, None, None]
    assert deltas[0].id is not None
    assert deltas[0].id.startswith("call_")
    response = assembled(stream, **NAMED)
    assert calls_of(response) == [("clock", {"zone": "UTC"})]
    assert (response.choices[0].finish_reason, response.choices[0].content) == ("tool_calls", "")


def test_a_list_of_calls() -> None:
    """The answer to a required choice is a list of calls, each of a known function with an object as arguments."""
    text = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "clock", "arguments": {}}]}'
    response = assembled(answer(*text), **CALLS)
    assert calls_of(response) == [("weather", {"city": "Oslo"}), ("clock", {})]
    assert response.choices[0].finish_reason == "tool_calls"
    ids = [call.id for call in response.choices[0].tool_calls]
    assert len(set(ids)) == 2


def test_a_list_of_calls_that_was_cut_off() -> None:
    """Of a list that ran out of tokens, the whole calls remain, and the reason stays `length`."""
    text = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "clo'
    response = assembled(answer(*text, finish="length"), **CALLS)
    assert calls_of(response) == [("weather", {"city": "Oslo"})]
    assert response.choices[0].finish_reason == "length"


def test_calls_in_tags() -> None:
    """A free choice: text stays text, tagged calls become calls, and the reason says that there are some."""
    call = '<tool_call>{"name": "clock", "arguments": {"zone": "UTC"}}</tool_call>'
    response = assembled(answer(*("Let me see. " + call + "\n" + call)), **TAGS)
    assert response.choices[0].content == "Let me see. "
    assert calls_of(response) == [("clock", {"zone": "UTC"})] * 2
    assert response.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(("parallel", "most"), [(False, 1), (None, 8), (True, 8)])
def test_calls_in_tags_are_bounded(parallel: bool | None, most: int) -> None:
    """Of a free choice no more calls come out than one answer may hold, and the rest does not come out as text."""
    call = '<tool_call>{"name": "clock", "arguments": {}}</tool_call>'
    response = assembled(answer(*[call] * 10), **TAGS, parallel_tool_calls=parallel)
    assert calls_of(response) == [("clock", {})] * most
    assert response.choices[0].content == ""
    assert response.choices[0].finish_reason == "tool_calls"


def test_text_where_a_call_was_free() -> None:
    """An answer in plain text to a request with tools is that text, and stops as it did."""
    response = assembled(answer("It is ", "< noon", " <tool"), **TAGS)
    assert response.choices[0].content == "It is < noon <tool"
    assert (response.choices[0].finish_reason, response.choices[0].tool_calls) == ("stop", [])


def test_call_ids_differ_between_choices_and_answers() -> None:
    """No two calls of any answers bear one id, and the same bytes always give the same."""
    one = chunks([answer("{}")], **NAMED)[0].tool_calls[0].id
    assert one == chunks([answer("{}")], **NAMED)[0].tool_calls[0].id
    assert one != chunks([answer("{}")], choice=1, **NAMED)[0].tool_calls[0].id
    assert one != chunks([answer("{}").replace(b"chatcmpl-tTC", b"chatcmpl-xyz")], **NAMED)[0].tool_calls[0].id
