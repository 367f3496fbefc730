"""The unchanged clients in front of providers that speak dialects of their own: they see no difference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.serving import ChatMessage, ChatMessageRole
from openai import OpenAI

from .abroad import CITY, Abroad
from .live import TOKEN, Live, in_front, playing

PROVIDERS = ("anthropic", "cohere", "gemini")
MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the weather?"},
]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@pytest.fixture(scope="module")
def abroad() -> Iterator[Abroad]:
    """The providers."""
    with playing(Abroad()) as running:
        yield running


@pytest.fixture(scope="module")
def server(abroad: Abroad, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """An endpoint for each of them."""
    folder = tmp_path_factory.mktemp("abroad")
    with in_front(folder, abroad.endpoints()) as running:
        yield running


@pytest.fixture
def client(server: Live) -> Iterator[OpenAI]:
    """The OpenAI client."""
    with OpenAI(api_key=TOKEN, base_url=f"{server.url}/serving-endpoints", max_retries=0) as made:
        yield made


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_whole_answer_with_a_call(client: OpenAI, provider: str) -> None:
    """Text, the call with its arguments, the finish reason and the usage are those of a chat completion."""
    answer = client.chat.completions.create(model=provider, messages=MESSAGES, tools=TOOLS, max_tokens=50)
    [choice] = answer.choices
    assert choice.message.content == "Hello"
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", CITY)
    assert choice.finish_reason == "tool_calls"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (11, 7)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_says_the_same(client: OpenAI, provider: str) -> None:
    """Deltas add up to the whole answer; the id of a call comes once, the usage with the finish reason."""
    text, arguments, ids, finishes, usages = "", "", [], [], []
    for chunk in client.chat.completions.create(model=provider, messages=MESSAGES, tools=TOOLS, stream=True):
        if chunk.usage is not None:
            usages.append(chunk.usage.completion_tokens)
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                ids += [call.id] if call.id else []
                arguments += (call.function and call.function.arguments) or ""
            finishes += [choice.finish_reason] if choice.finish_reason else []
    assert (text, json.loads(arguments), len(ids)) == ("Hello", CITY, 1)
    assert (finishes, usages) == (["tool_calls"], [7])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_conversation_goes_on_after_a_call(client: OpenAI, abroad: Abroad, provider: str) -> None:
    """What the first answer called can be sent back with its result, as every client does."""
    first = client.chat.completions.create(model=provider, messages=MESSAGES, tools=TOOLS).choices[0].message
    [call] = first.tool_calls or []
    told: Any = [first.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "Sunny"}]
    client.chat.completions.create(model=provider, messages=[*MESSAGES, *told], tools=TOOLS)
    assert "Sunny" in json.dumps(abroad.asked[-1][1])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_caller_is_told_what_became_of_the_request(client: OpenAI, provider: str) -> None:
    """The answer's head says which fields were mapped and dropped; who wants none dropped is refused."""
    raw = client.chat.completions.with_raw_response
    answer = raw.create(model=provider, messages=MESSAGES, max_tokens=5, logit_bias={"1": 1})
    report = answer.headers["cloche-translation"]
    assert "logit_bias" in report.partition("dropped=")[2]
    strict = {"cloche-strict-params": "true"}
    with pytest.raises(Exception, match="logit_bias"):
        raw.create(model=provider, messages=MESSAGES, logit_bias={"1": 1}, extra_headers=strict)


def test_an_endpoint_can_be_strict(server: Live, abroad: Abroad) -> None:
    """`strict_params` is shown and exported where it is true, refuses what would be lost, and goes with its version."""
    [entity] = next(each for each in abroad.endpoints() if each["name"] == "cohere")["config"]["served_entities"]
    config = {"served_entities": [entity], "strict_params": True}
    at = "/api/2.0/serving-endpoints"
    assert server.request("POST", at, {"name": "strict", "config": config}).status == 200
    lossy = {"logit_bias": {"1": 1}}
    assert server.ask("strict", **lossy).json()["message"].startswith("logit_bias: ")
    assert server.ask("strict").status == 200
    assert server.request("GET", f"{at}/strict").json()["config"]["strict_params"] is True
    exported = server.request("GET", "/api/2.0/cloche/configuration").json()["endpoints"]
    assert {each["name"]: each["config"].get("strict_params") for each in exported}["strict"] is True
    loose = {"served_entities": [entity]}
    assert "strict_params" not in server.request("PUT", f"{at}/strict/config", loose).json()["config"]
    assert server.ask("strict", **lossy).status == 200
    diff = server.request("GET", f"{at}/strict/versions/1/diff").json()["changes"]
    assert [(each["path"], each["after"]) for each in diff] == [("strict_params", True)]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_databricks_sdk(server: Live, provider: str) -> None:
    """`query` works as in front of any endpoint."""
    workspace = WorkspaceClient(host=server.url, token=TOKEN)
    answer = workspace.serving_endpoints.query(
        provider, messages=[ChatMessage(role=ChatMessageRole.USER, content="hi")], max_tokens=5
    )
    assert answer.choices is not None
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.served_model_name == "m"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_would_be_sent_is_what_is_sent(server: Live, abroad: Abroad, provider: str, stream: bool) -> None:
    """The preview of a call has the path and body that the provider gets, the report that the caller gets, and no
    key."""
    body = {"messages": MESSAGES, "tools": TOOLS, "max_tokens": 50, "seed": 7, "stream": stream}
    preview = server.request("POST", f"/api/2.0/serving-endpoints/{provider}/upstream-request", {"body": body})
    assert preview.status == 200, preview.body
    told = preview.json()
    asked = len(abroad.asked)
    real = server.request("POST", f"/serving-endpoints/{provider}/invocations", body)
    assert real.status == 200
    [(path, sent)] = abroad.asked[asked:]
    assert told["body"] == sent
    assert (
        told["url"].removeprefix(f"http://127.0.0.1:{abroad.server_address[1]}").partition("?")[0]
        == (path.partition("?")[0])
    )
    assert told["translation"] == real.headers.get("cloche-translation", "")
    assert (told["provider"], told["method"], told["entity"]) == (provider, "POST", "m")
    assert b"sk-fake" not in preview.body
    assert "•••" in told["headers"].values()
