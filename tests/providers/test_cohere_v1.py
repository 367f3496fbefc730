"""Version 1 of Cohere's chat API: what it is asked, and that its answers say the same whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Citation, Usage
from cloche.domain.errors import BadRequest, Problem, ProviderBroken
from cloche.domain.translation import Report
from cloche.wire.openai import read_chat
from codec.cuts import every_way

from .cohere_models import chat_model

MODEL = chat_model(cohere_api_base="https://h.test/v1")
USER = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://h/i"}}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Which."}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": CITY}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
CALLED = {"name": "weather", "parameters": {"city": "Bern"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SUNNY = {"role": "tool", "tool_call_id": "c1", "content": '{"sky": "blue"}'}


def asked(*messages: Any, report: Report | None = None, **fields: Any) -> dict[str, Any]:
    """The body that Cohere gets, without model and stream."""
    request = read_chat(json.dumps({"messages": list(messages or [USER]), **fields}).encode())
    call = MODEL.encode(request, report or Report(), stream=False)
    assert call.head.startswith(b"POST /v1/chat HTTP/1.1\r\n")
    body: dict[str, Any] = json.loads(b"".join(bytes(piece) for piece in call.body))
    assert (body.pop("model"), body.pop("stream")) == ("m", False)
    return body


# ---------------------------------------------------------------- requests


def test_a_conversation() -> None:
    """What is asked now is the message, instructions at the start are the preamble, all else is history."""
    told = [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        USER,
        {"role": "assistant", "content": "Yes?"},
        {"role": "system", "content": "Later."},
        {"role": "user", "content": [{"type": "text", "text": "How "}, {"type": "text", "text": "so?"}]},
    ]
    assert asked(*told) == {
        "preamble": "Be brief.\n\nBe kind.",
        "chat_history": [
            {"role": "USER", "message": "hi"},
            {"role": "CHATBOT", "message": "Yes?"},
            {"role": "SYSTEM", "message": "Later."},
        ],
        "message": "How so?",
    }


def test_results_of_tools() -> None:
    """Results that come last are asked about, each with its call; those before are history."""
    first = {"role": "USER", "message": "hi"}
    calling = {"role": "CHATBOT", "message": "", "tool_calls": [CALLED]}
    result = {"call": CALLED, "outputs": [{"sky": "blue"}]}
    body = asked(USER, CALLING, SUNNY, tools=[WEATHER])
    assert (body["message"], body["tool_results"]) == ("", [result])
    assert body["chat_history"] == [first, calling]
    body = asked(USER, CALLING, {**SUNNY, "content": "blue"}, USER, tools=[WEATHER])
    assert body["message"] == "hi"
    assert body["chat_history"][-1] == {"role": "TOOL", "tool_results": [{**result, "outputs": [{"output": "blue"}]}]}


def test_tools() -> None:
    """Parameters are given by types of Python; what a schema says beyond is told in the description."""
    report = Report()
    body = asked(tools=[WEATHER], tool_choice="required", report=report)
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "d",
            "parameter_definitions": {
                "city": {"type": "str", "description": "Which.", "required": True},
                "days": {"type": "int", "description": 'JSON schema: {"minimum":1}', "required": False},
            },
        }
    ]
    assert report.fates() == {
        "mapped": ["messages", "tools"],
        "emulated": ["tools.parameters"],
        "dropped": ["tool_choice"],
    }
    assert "tools" not in asked(tools=[WEATHER], tool_choice="none")


def test_formats() -> None:
    """A format is passed on with its schema; beside tools, which Cohere refuses, it is an instruction."""
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": CITY}}
    assert asked(response_format=wanted)["response_format"] == {"type": "json_object", "schema": CITY}
    assert asked(response_format={"type": "json_object"})["response_format"] == {"type": "json_object"}
    report = Report()
    body = asked(response_format=wanted, tools=[WEATHER], report=report)
    assert "response_format" not in body
    assert json.dumps(CITY, separators=(",", ":")) in body["preamble"]
    assert report.fates()["emulated"] == ["tools.parameters", "response_format"]


def test_fields() -> None:
    """Numbers have Cohere's names and bounds; what this version has nothing like is dropped, the unknown passed on."""
    report = Report()
    fields = {"top_p": 1, "top_k": 3, "stop": "x", "max_tokens": 5, "temperature": 0.5, "seed": 1, "n": 1}
    lost = {"logprobs": True, "reasoning_effort": "low", "user": "u", "store": True}
    body = asked(report=report, **fields, **lost, connectors=[{"id": "web-search"}])
    assert body == {
        "message": "hi",
        "p": 0.99,
        "k": 3,
        "stop_sequences": ["x"],
        "max_tokens": 5,
        "temperature": 0.5,
        "seed": 1,
        "connectors": [{"id": "web-search"}],
    }
    assert set(report.fates()["dropped"]) == set(lost)


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([USER, {"role": "assistant", "content": "a"}], "messages: version 1"),
        ([{"role": "system", "content": "a"}], "messages: version 1"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/i"}}]}],
            "content[0].type",
        ),
        ([USER, SUNNY], "messages[1].tool_call_id"),
    ],
)
def test_what_it_cannot_read(messages: list[Any], place: str) -> None:
    """What this version has no place for is refused, and the message says where it is."""
    with pytest.raises(BadRequest) as caught:
        asked(*messages)
    assert place in caught.value.message


# ---------------------------------------------------------------- answers

DOCUMENTS = [{"id": "web:0", "url": "https://a.test/", "title": "A"}, {"id": "mine:0", "snippet": "s"}]
CITED = [{"start": 0, "end": 6, "text": "Grüezi", "document_ids": ["web:0", "mine:0"]}]
META = {"billed_units": {"input_tokens": 1, "output_tokens": 2}, "tokens": {"input_tokens": 30, "output_tokens": 20}}
ANSWER = {
    "text": "Grüezi \U0001f30d",
    "generation_id": "g",
    "citations": CITED,
    "documents": DOCUMENTS,
    "tool_calls": [CALLED],
    "finish_reason": "COMPLETE",
    "meta": {**META, "cached_tokens": 4},
}


def stream(*events: dict[str, Any], response: Any = ANSWER, **end: Any) -> bytes:
    """The body of a stream."""
    last = {"event_type": "stream-end", "finish_reason": "COMPLETE", **end}
    all_events = [
        {"event_type": "stream-start", "generation_id": "g"},
        *events,
        last | ({} if response is None else {"response": response}),
    ]
    return b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in all_events)


def text(piece: str) -> dict[str, Any]:
    """A piece of text."""
    return {"event_type": "text-generation", "text": piece}


def heard(pieces: Iterable[bytes]) -> ChatResponse:
    """What a stream says, put together."""
    decoder, assembly = MODEL.decoder(), Assembly()
    for chunk in [*(chunk for piece in pieces for chunk in decoder.feed(piece)), *decoder.close()]:
        assembly.add(chunk)
    return assembly.response()


STREAM = stream(
    text("Grü"),
    {"event_type": "tool-calls-chunk", "text": "ezi "},
    {"event_type": "tool-calls-chunk", "tool_call_delta": {"index": 0, "name": "weather"}},
    {"event_type": "tool-calls-generation", "tool_calls": [CALLED]},
    {"event_type": "search-results", "documents": DOCUMENTS},
    {"event_type": "citation-generation", "citations": CITED},
    {"event_type": "something-new"},
)


def test_a_whole_answer() -> None:
    """Text, calls with ids of their own, sources and tokens are where a client looks for them."""
    answer = MODEL.decode(json.dumps(ANSWER).encode())
    [choice] = answer.choices
    assert (choice.content, choice.finish_reason) == ("Grüezi \U0001f30d", "tool_calls")
    [call] = choice.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Bern"})
    assert call.id.startswith("call_")
    assert choice.citations == [
        Citation(0, 6, "https://a.test/", "A", {"text": "Grüezi", "source": DOCUMENTS[0]}),
        Citation(0, 6, None, None, {"text": "Grüezi", "source": DOCUMENTS[1]}),
    ]
    assert choice.extras == [{"documents": DOCUMENTS}]
    assert answer.usage == Usage(30, 20, cached_tokens=4)


def test_a_stream_says_the_same_at_every_cut() -> None:
    """However the stream is cut, and whatever its events leave for its end, it adds up to the whole answer."""
    expected = MODEL.decode(json.dumps(ANSWER, ensure_ascii=False).encode())
    for raw in (STREAM, STREAM.rstrip(b"\n"), STREAM.replace(b"\n", b"\r\n"), stream(text("Grü")), stream()):
        for name, pieces in every_way(raw, seeds=5):
            assert heard(pieces) == expected, name


def test_a_stream_whose_end_has_no_answer() -> None:
    """Services that leave the whole answer out of the last event lose nothing of what the events before it told."""
    raw = stream(
        text("Grüezi"),
        {"event_type": "tool-calls-generation", "tool_calls": [CALLED]},
        {"event_type": "search-results", "documents": DOCUMENTS},
        {"event_type": "citation-generation", "citations": CITED},
        response=None,
    )
    expected = MODEL.decode(json.dumps({**ANSWER, "text": "Grüezi", "meta": None}).encode())
    assert heard([raw]) == expected
    assert expected.usage is None


def test_usage_that_is_only_billed() -> None:
    """Where Cohere tells only what it bills, that is the usage; where it tells nothing there is none."""
    billed = {**ANSWER, "meta": {"billed_units": {"input_tokens": 1, "output_tokens": 2}}}
    assert MODEL.decode(json.dumps(billed).encode()).usage == Usage(1, 2)
    assert MODEL.decode(json.dumps({**ANSWER, "meta": {}}).encode()).usage is None


@pytest.mark.parametrize("reason", ["ERROR", "USER_CANCEL", None])
def test_an_answer_that_failed(reason: str | None) -> None:
    """A failure in the middle, whole or streamed, is the provider's fault and no answer."""
    with pytest.raises(ProviderBroken):
        MODEL.decode(json.dumps({**ANSWER, "finish_reason": reason}).encode())
    with pytest.raises(ProviderBroken):
        heard([stream(text("a"), response=None, finish_reason=reason)])


def test_a_cut_stream_is_broken() -> None:
    """Cut anywhere before its last event is whole, a stream is no answer."""
    for place in range(0, STREAM.rindex(b"}"), 7):
        decoder = MODEL.decoder()
        assert all(chunk.finish_reason is None for chunk in decoder.feed(STREAM[:place]))
        with pytest.raises(ProviderBroken, match=r"cut off|cannot be read"):
            decoder.close()


@pytest.mark.parametrize("body", [b'{"message": "no such model"}', b'{"id": "x", "message": "no such model"}'])
def test_an_error_in_place_of_an_answer(body: bytes) -> None:
    """An error object with status 200 is told in Cohere's words."""
    with pytest.raises(Problem, match="no such model"):
        MODEL.decode(body)
    with pytest.raises(Problem, match="no such model"):
        MODEL.decoder().feed(body + b"\n")
