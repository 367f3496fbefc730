"""Every provider's answers in OpenAI's own types, validated strictly: the client's types say what an answer may be.

One kind is no ChatCompletion, by Databricks' own choice: an answer with reasoning has a list of parts for its content.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIResponseValidationError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from .answers_abroad import ARGUMENTS, CITED, DIALECTS, KINDS, TEXT, THOUGHT, URL, Answers
from .live import TOKEN, Live, in_front, playing

FINISHES = {"tools": "tool_calls", "refusal": "content_filter"}
WITHOUT_LOGPROBS = ("anthropic", "bedrock", "cohere-v1", "vertex-claude")
WITHOUT_SOURCES = ("bedrock",)
WITHOUT_REASONING = ("cohere-v1",)
TYPED = [kind for kind in KINDS if kind != "reasoning"]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    """The providers."""
    with playing(Answers()) as running:
        yield running


@pytest.fixture(scope="module")
def server(answers: Answers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint in front of each of them."""
    folder = tmp_path_factory.mktemp("typed")
    with in_front(folder, answers.endpoints()) as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[OpenAI]:
    """The OpenAI client, which raises for whatever its types do not allow."""
    with OpenAI(
        api_key=TOKEN,
        base_url=f"{server.url}/serving-endpoints",
        max_retries=0,
        _strict_response_validation=True,
    ) as made:
        yield made


def asked(provider: str, kind: str) -> dict[str, Any]:
    """The request for a kind of answer."""
    more = {"tools": {"tools": TOOLS}, "logprobs": {"logprobs": True}}.get(kind, {})
    return {"model": provider, "messages": [{"role": "user", "content": f"please {kind}"}], **more}


def events(client: OpenAI, provider: str, kind: str) -> list[Any]:
    """The events of a stream, as they are on the wire."""
    raw = client.chat.completions.with_streaming_response
    with raw.create(**asked(provider, kind), stream=True) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def joined(chunks: list[Any]) -> dict[str, Any]:
    """The message that deltas add up to, and the finish reason."""
    whole: dict[str, Any] = {"content": "", "tool_calls": [], "logprobs": []}
    for choice in (choice for chunk in chunks for choice in chunk["choices"]):
        delta = choice["delta"]
        whole["content"] += delta.get("content") or ""
        whole["logprobs"] += (choice.get("logprobs") or {}).get("content") or []
        for call in delta.get("tool_calls", ()):
            known = whole["tool_calls"]
            if call.get("id"):
                known.append({"id": call["id"], "type": call["type"], "function": dict(call["function"])})
            else:
                known[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
        for name in ("annotations", "citations", "provider_content"):
            if name in delta:
                whole[name] = [*whole.get(name, ()), *delta[name]]
        whole["finish_reason"] = choice["finish_reason"]
    return whole


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("provider", DIALECTS)
def test_whole_answers(client: OpenAI, provider: str, kind: str) -> None:
    """The strict client takes the answer, and so do its types in their strictest mode; nothing of it is lost."""
    raw = client.chat.completions.with_raw_response.create(**asked(provider, kind))
    ChatCompletion.model_validate_json(raw.text, strict=True)
    answer = raw.parse()
    [choice] = answer.choices
    assert choice.finish_reason == FINISHES.get(kind, "stop")
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)
    if kind == "tools":
        [call] = choice.message.tool_calls or []
        assert call.type == "function"
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", ARGUMENTS)
    elif kind != "refusal":
        assert choice.message.content == TEXT
    if kind == "logprobs" and provider not in WITHOUT_LOGPROBS:
        assert choice.logprobs is not None
        assert [token.token for token in choice.logprobs.content or ()] == [TEXT]
    if kind == "sources" and provider not in WITHOUT_SOURCES:
        [annotation] = choice.message.annotations or []
        cited = annotation.url_citation
        assert (cited.url, cited.title, TEXT[cited.start_index : cited.end_index]) == (URL, "Bern", CITED)


@pytest.mark.parametrize("kind", TYPED)
@pytest.mark.parametrize("provider", DIALECTS)
def test_streams(client: OpenAI, provider: str, kind: str) -> None:
    """Every event is a chunk in the strictest mode, and together they say what the whole answer says."""
    told = events(client, provider, kind)
    for event in told:
        ChatCompletionChunk.model_validate(event, strict=True)
    typed = list(client.chat.completions.create(**asked(provider, kind), stream=True))
    assert len(typed) == len(told)
    raw = client.chat.completions.with_raw_response.create(**asked(provider, kind))
    [choice] = json.loads(raw.text)["choices"]
    whole = joined(told)
    assert whole["finish_reason"] == choice["finish_reason"]
    assert whole["content"] == (choice["message"]["content"] or "")
    assert whole["tool_calls"] == choice["message"].get("tool_calls", [])
    assert whole["logprobs"] == ((choice["logprobs"] or {}).get("content") or [])
    for name in ("annotations", "citations", "provider_content"):
        assert whole.get(name) == choice["message"].get(name)


@pytest.mark.parametrize("provider", [each for each in DIALECTS if each not in WITHOUT_REASONING])
def test_reasoning(client: OpenAI, provider: str) -> None:
    """The content is a list of parts, reasoning first, which the strict client refuses; the rest is in its types."""
    with pytest.raises(APIResponseValidationError):
        client.chat.completions.create(**asked(provider, "reasoning"))
    raw = client.chat.completions.with_raw_response.create(**asked(provider, "reasoning"))
    answer = json.loads(raw.text)
    message = answer["choices"][0]["message"]
    reasoning, text = message["content"]
    assert (reasoning["type"], reasoning["summary"][0]["text"]) == ("reasoning", THOUGHT)
    assert text == {"type": "text", "text": TEXT}
    message["content"] = text["text"]
    ChatCompletion.model_validate_json(json.dumps(answer), strict=True)
    spoken = [part for each in events(client, provider, "reasoning") for part in _parts(each)]
    assert "".join(summary["text"] for part in spoken for summary in part.get("summary", ())) == THOUGHT


def _parts(event: Any) -> list[Any]:
    content = event["choices"][0]["delta"].get("content")
    return content if isinstance(content, list) else []
