"""What providers say beside their answers passes the guard too, whatever shape it has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.ai_gateway import GuardrailParameters

from .scripted import Client, World
from .test_guarding import BLOCK, EMAIL, MASK, WORDS, delta, ruled, stream


def streamed(side: GuardrailParameters, *events: dict[str, Any], done: bool = True) -> tuple[World, Client]:
    """An answer in these events, each of them alone."""
    world = ruled(output=side)
    _, client = world.ask(stream=True)
    world.last.head()
    for each in events:
        world.last.receiver.on_data(stream(each, done=False))
    if done:
        world.last.receiver.on_data(stream())
    return world, client


def test_a_text_beside_the_delta_is_one_of_its_own() -> None:
    """Some chats say each piece twice; neither may leak where it was cut."""
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "text": piece, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in ("to bob@exam", "ple.com now")
    ]
    _, client = streamed(MASK, *events, delta("stop"))
    texts = [choice for event in client.events[:-1] for choice in event["choices"]]
    assert "".join(each["delta"].get("content") or "" for each in texts) == "to <EMAIL_ADDRESS> now"
    assert "".join(each.get("text") or "" for each in texts) == "to <EMAIL_ADDRESS> now"


def test_what_stands_beside_the_answer_is_masked() -> None:
    """Citations, results of a search and fields that nobody knows, whole and in a stream; and what some repeat in each
    event of all that was said is left out, for its end may be half of something."""
    beside = {"citations": [EMAIL], "search_results": [{"title": f"of {EMAIL}"}]}
    world = ruled(output=MASK)
    _, client = world.ask()
    choice = {"message": {"content": "x"}, "own": EMAIL, "finish_reason": "stop"}
    world.last.answer(json.dumps({**beside, "choices": [choice]}).encode())
    assert EMAIL not in client.body.decode()
    assert client.json["citations"] == ["<EMAIL_ADDRESS>"]
    assert client.json["choices"][0]["own"] == "<EMAIL_ADDRESS>"
    saying = {"index": 0, "delta": {"content": "x "}, "message": {"content": "x bob@exam"}, "finish_reason": None}
    _, client = streamed(MASK, {**beside, "choices": [saying]}, delta("stop"))
    assert "bob@exam" not in client.body.decode()
    assert client.events[0]["citations"] == ["<EMAIL_ADDRESS>"]


def test_the_arguments_of_a_providers_own_pieces_are_masked() -> None:
    """They are objects there, and a value is a text whatever its name."""
    given = {"name": EMAIL, "url": [EMAIL], "id": 4111111111111111}
    world = ruled(output=MASK)
    _, client = world.ask()
    piece = {"type": "tool_use", "name": "pay", "input": given}
    message = {"content": "x", "provider_content": [piece]}
    world.last.answer(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    [told] = client.json["choices"][0]["message"]["provider_content"]
    assert told["input"] == {"name": "<EMAIL_ADDRESS>", "url": ["<EMAIL_ADDRESS>"], "id": "<CREDIT_CARD>"}
    assert told["name"] == "pay"


@pytest.mark.parametrize("streaming", [False, True])
def test_a_providers_errors_are_answers_too(streaming: bool) -> None:
    """They may quote what was asked: they are masked, and words that may not be said are withheld; the status stays."""
    for side, said in ((MASK, "openai answered 400: no <EMAIL_ADDRESS>"), (BLOCK, None), (WORDS, None)):
        world = ruled(output=side)
        _, client = world.ask(stream=streaming)
        words = "no secret plan" if side is WORDS else f"no {EMAIL}"
        world.last.answer(json.dumps({"error": {"message": words}}).encode(), 400)
        assert (client.status, client.json["error_code"]) == (400, "BAD_REQUEST")
        told = client.json["message"]
        assert told == said if said is not None else "output guardrail" in told
        assert words not in told


def test_an_error_in_a_stream_is_masked() -> None:
    """In both of the shapes in which it is told."""
    broken = {"error": {"message": f"cannot say {EMAIL}"}}
    _, client = streamed(MASK, delta(content="Well, "), broken, done=False)
    assert EMAIL not in client.body.decode()
    error = client.events[-2]
    assert error["message"] == error["error"]["message"]
    assert error["message"].endswith("cannot say <EMAIL_ADDRESS>")


@pytest.mark.parametrize(
    "said",
    [
        "x",
        {"tool_calls": ["x"]},
        {"tool_calls": {"a": 1}},
        {"tool_calls": [{"index": [1], "function": {"arguments": "x"}}]},
        {"tool_calls": [{"index": 0, "function": "x"}]},
        {"function_call": "x"},
    ],
)
def test_what_has_no_shape_is_not_sent(said: Any) -> None:
    """Nobody can tell where its texts are: the call is blocked, once."""
    world, client = streamed(MASK, {"choices": [{"index": 0, "delta": said, "finish_reason": None}]}, done=False)
    assert (client.status, client.over) == (400, True)
    assert "unreadable" in client.json["message"]
    assert [each.status for each in world.records] == [400]
    assert world.last.cancelled
