"""Answers whose makers are loose with their types: what is usable of them reaches the client."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.assembly import Assembly, apart
from cloche.domain.chat import ChatResponse, Chunk, Citation, Usage
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import ProviderBroken
from cloche.providers.base import Foreign
from cloche.providers.bedrock_invoke import dialect
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.openai_answer import AnswerReader, read_whole
from codec.frames import event

Json = dict[str, Any]

AWS = {
    "aws_region": "us-east-1",
    "bedrock_provider": "anthropic",
    "aws_access_key_id_plaintext": "AKIAEXAMPLE00000",
    "aws_secret_access_key_plaintext": "x" * 40,
}
MODELS = {
    "anthropic": ExternalModel("claude", "anthropic", "llm/v1/chat", {"anthropic_api_key_plaintext": "sk-0123456789"}),
    "cohere": ExternalModel("command-a", "cohere", "llm/v1/chat", {"cohere_api_key_plaintext": "sk-0123456789"}),
    "gemini": ExternalModel("gemini-2.5-pro", "gemini", "llm/v1/chat", {"gemini_api_key_plaintext": "k"}),
    "bedrock": ExternalModel("anthropic.claude", "amazon-bedrock", "llm/v1/chat", AWS),
    "invoke": ExternalModel("anthropic.claude", "amazon-bedrock", "llm/v1/chat", {**AWS, "bedrock_api_type": "invoke"}),
}
CLAUDE = {
    "type": "message",
    "content": [
        {"type": "text", "text": "a", "citations": None},
        {"type": "tool_use", "id": None, "name": "f", "input": None},
    ],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 3.0, "output_tokens": 2.0, "cache_read_input_tokens": None},
}
LOOSE: list[tuple[str, Json]] = [
    ("anthropic", CLAUDE),
    ("invoke", CLAUDE),
    (
        "cohere",
        {
            "message": {
                "content": [None, {"type": "text", "text": "a"}, {"type": "chart", "data": 1}],
                "tool_calls": [{"id": None, "type": "function", "function": {"name": "f", "arguments": None}}],
            },
            "finish_reason": "TOOL_CALL",
            "usage": {"tokens": {"input_tokens": 3.0, "output_tokens": 2.0}},
        },
    ),
    (
        "gemini",
        {
            "candidates": [
                {
                    "content": {
                        "parts": [None, {"text": "a", "thought": None}, {"functionCall": {"name": "f", "args": None}}]
                    },
                    "finishReason": "STOP",
                    "index": None,
                    "groundingMetadata": {"groundingChunks": None, "groundingSupports": [None, {"segment": None}]},
                }
            ],
            "usageMetadata": {"promptTokenCount": 3.0, "candidatesTokenCount": 2.0, "thoughtsTokenCount": None},
            "responseId": None,
        },
    ),
    (
        "bedrock",
        {
            "output": {
                "message": {"content": [{"text": "a"}, {"toolUse": {"toolUseId": None, "name": "f", "input": {}}}]}
            },
            "stopReason": "tool_use",
            "usage": {"inputTokens": 3.0, "outputTokens": 2.0},
        },
    ),
]


NOVA = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "end_turn", "usage": None}
LLAMA = {"generation": "a", "stop_reason": "stop", "prompt_token_count": None, "generation_token_count": 2}


@pytest.mark.parametrize(("model", "answer"), [("amazon.nova-lite-v1:0", NOVA), ("meta.llama3-8b", LLAMA)])
def test_counts_that_are_missing(model: str, answer: Json) -> None:
    """An answer of InvokeModel without counts is an answer without usage."""
    spoken = dialect(model, "")
    assert spoken is not None
    response = spoken.decode(json.dumps(answer).encode(), lambda status, body: ProviderBroken("no"))
    assert (response.choices[0].content, response.usage) == ("a", None)


def bound(name: str) -> Foreign:
    """One of the models."""
    model = MODELS[name]
    made = PROVIDERS[model.provider].bind(model)
    assert isinstance(made, Foreign)
    return made


def assembled(chunks: list[Chunk]) -> ChatResponse:
    """Chunks, put together."""
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly.response()


@pytest.mark.parametrize(("name", "answer"), LOOSE, ids=[name for name, _ in LOOSE])
def test_what_is_usable_is_used(name: str, answer: Json) -> None:
    """Nulls, floats in the place of counts and kinds that are not known do not take the answer with them; taken apart,
    it is the same."""
    response = bound(name).decode(json.dumps(answer).encode())
    [choice] = response.choices
    assert choice.content == "a"
    [call] = choice.tool_calls
    assert (call.function.name, call.function.arguments, choice.finish_reason) == ("f", "{}", "tool_calls")
    assert response.usage is not None
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (3, 2)
    assert assembled(apart(response)) == response


@pytest.mark.parametrize("name", MODELS)
def test_bytes_that_are_no_text(name: str) -> None:
    """Bytes that are not UTF-8 make an answer that cannot be read, wherever they stand in it."""
    whole = json.dumps(dict(LOOSE)[name]).encode()
    for place in (b'"f"', b"2.0"):
        with pytest.raises(ProviderBroken):
            bound(name).decode(whole.replace(place, b'"\xff"'))
    with pytest.raises(ProviderBroken):
        bound(name).decode(whole.replace(b'{"', b'{"own": {"x": "\xff"}, "', 1))


def test_a_call_of_anthropics_own_that_was_cut() -> None:
    """An answer that ended for its length in the middle of a call of a provider's own tool is an answer."""
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    events: list[Json] = [
        {"type": "message_start", "message": {"content": None, "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"query": "a'},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9.0}},
        {"type": "message_delta", "delta": {"stop_reason": None}},
        {"type": "message_stop"},
    ]
    decoder = bound("anthropic").decoder()
    stream = b"".join(b"data: " + json.dumps(each).encode() + b"\n\n" for each in events)
    response = assembled([*decoder.feed(stream), *decoder.close()])
    [choice] = response.choices
    assert (choice.finish_reason, choice.extras) == ("length", [{**block, "input": '{"query": "a'}])
    assert response.usage == Usage(3, 9)


# ---------------------------------------------------------------- what Converse has besides

WEB: Json = {"title": "A", "location": {"web": {"url": "https://a.test/", "domain": "a.test"}}, "source": "web"}
PAGE: Json = {"title": "B", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
SEARCH: Json = {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}
FOUND: Json = {"toolUseId": "s", "type": "nova_grounding_result", "status": "success"}


def test_what_bedrock_cites_and_ran_itself() -> None:
    """Citations have their place and their address; calls of Bedrock's own tools, their results and images are told as
    they came.  A stream says the same."""
    content: list[Json] = [
        {"text": "So: "},
        {"toolUse": {**SEARCH, "input": {"q": 1}}},
        {"toolResult": {**FOUND, "content": [{"text": "found"}, {"json": {"a": 1}}]}},
        {"citationsContent": {"content": [{"text": "Be"}, {"text": "rn"}], "citations": [WEB, PAGE]}},
        {"image": {"format": "png", "source": {"bytes": "YWJjZA=="}}},
        {"video": {"format": "mp4"}},
    ]
    answer = {"output": {"message": {"content": content}}, "stopReason": "end_turn"}
    choice = bound("bedrock").decode(json.dumps(answer).encode()).choices[0]
    assert (choice.content, choice.tool_calls, choice.finish_reason) == ("So: Bern", [], "stop")
    details = {name: value for name, value in WEB.items() if name != "title"}
    assert choice.citations == [
        Citation(4, 8, "https://a.test/", "A", details),
        Citation(4, 8, None, "B", {"location": PAGE["location"]}),
    ]
    assert choice.extras == [content[1], content[2], content[4], content[5]]
    start, delta, stop = "contentBlockStart", "contentBlockDelta", "contentBlockStop"
    events = [
        event(delta, contentBlockIndex=0, delta={"text": "So: "}),
        event(stop, contentBlockIndex=0),
        event(start, contentBlockIndex=1, start={"toolUse": SEARCH}),
        *(event(delta, contentBlockIndex=1, delta={"toolUse": {"input": piece}}) for piece in ('{"q"', ": 1}")),
        event(stop, contentBlockIndex=1),
        event(start, contentBlockIndex=2, start={"toolResult": FOUND}),
        event(delta, contentBlockIndex=2, delta={"toolResult": [{"text": "found"}]}),
        event(delta, contentBlockIndex=2, delta={"toolResult": [{"json": {"a": 1}}]}),
        event(stop, contentBlockIndex=2),
        *(event(delta, contentBlockIndex=3, delta={"text": piece}) for piece in ("Be", "rn")),
        *(event(delta, contentBlockIndex=3, delta={"citation": each}) for each in (WEB, PAGE)),
        event(stop, contentBlockIndex=3),
        event(start, contentBlockIndex=4, start={"image": {"format": "png"}}),
        *(event(delta, contentBlockIndex=4, delta={"image": {"source": {"bytes": b}}}) for b in ("YWI=", "Y2Q=")),
        event(stop, contentBlockIndex=4),
        event("messageStop", stopReason="end_turn"),
    ]
    decoder = bound("bedrock").decoder()
    streamed = assembled([*decoder.feed(b"".join(events)), *decoder.close()]).choices[0]
    choice.extras.pop()
    assert streamed == choice


def test_contents_in_parts_of_services_that_speak_as_openai_does() -> None:
    """For a text completion of a chat service whose models reason, only the text of its parts counts."""
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "a"}]
    answer = {"choices": [{"message": {"content": parts}, "finish_reason": "stop"}], "usage": {"prompt_tokens": None}}
    reader = AnswerReader("mistral", {}, lambda body: ProviderBroken("no"))
    response = read_whole(json.dumps(answer).encode(), reader)
    assert (response.choices[0].content, response.usage) == ("a", None)
