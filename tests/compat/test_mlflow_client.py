"""The MLflow Deployments client: predictions, streams with its strict parser, endpoints, and its view of errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mlflow.deployments import get_deploy_client
from requests import HTTPError  # noqa: TID251 (what this client raises)

from .live import ENDPOINT, MODEL, TOKEN, Live, chat, invocations
from .provider import CALLS


@pytest.fixture
def client(live: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client in front of the real model."""
    return deploy_client(live, monkeypatch)


@pytest.fixture
def relaying_client(relaying: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client in front of the scripted provider; it gives up after three seconds."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT", "3")
    monkeypatch.setenv("MLFLOW_DEPLOYMENT_PREDICT_TOTAL_TIMEOUT", "3")
    return deploy_client(relaying, monkeypatch)


def deploy_client(server: Live, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client, told of the server as the documentation says."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", TOKEN)
    return get_deploy_client("databricks")  # type: ignore[no-untyped-call]


def streamed(chunks: list[dict[str, Any]]) -> str:
    """The text of a stream."""
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


@pytest.mark.model
def test_a_prediction(client: Any) -> None:
    """A prediction is the answer as it came."""
    answer = client.predict(endpoint=ENDPOINT, inputs=chat())
    assert answer.choices[0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] == 8


@pytest.mark.model
def test_a_stream(live: Live, client: Any) -> None:
    """A stream is one, says what the whole answer says, and has usage in its last chunk."""
    with live.calls() as calls:
        chunks = list(client.predict_stream(endpoint=ENDPOINT, inputs=chat()))
    whole = client.predict(endpoint=ENDPOINT, inputs=chat())
    assert streamed(chunks) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert chunks[-1]["usage"]["completion_tokens"] == 8
    assert [call["stream"] for call in calls if call["path"] == invocations(ENDPOINT)] == [True]


@pytest.mark.model
def test_fields_of_a_prediction(client: Any) -> None:
    """Inputs may hold any field of a chat request: tools, choices, formats."""
    city = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": city}}
    said = [{"role": "user", "content": [{"type": "text", "text": "What is the weather in Paris?"}]}]
    inputs = chat(messages=said, tools=[tool], tool_choice="required", n=2, max_tokens=60)
    answer = client.predict(endpoint=ENDPOINT, inputs=inputs)
    for choice in answer["choices"]:
        (call,) = choice["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]).keys() >= {"city"}
    assert len(answer["choices"]) == 2


def test_a_stream_of_a_wordy_provider(relaying_client: Any) -> None:
    """Comments, event names and ids, on which this client's parser gives up, do not reach it."""
    chunks = list(relaying_client.predict_stream(endpoint="wordy", inputs=chat()))
    assert streamed(chunks) == "Glass bell."
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_of_parallel_calls(relaying_client: Any) -> None:
    """Interleaved calls come through in order."""
    chunks = relaying_client.predict_stream(endpoint="tools", inputs=chat())
    deltas = [delta for chunk in chunks for delta in chunk["choices"][0]["delta"].get("tool_calls", ())]
    for index, (_, _, arguments) in enumerate(CALLS):
        assert "".join(one["function"]["arguments"] for one in deltas if one["index"] == index) == arguments


def test_a_stream_that_breaks(relaying_client: Any) -> None:
    """The last chunk of a broken stream says what happened: this client raises nothing there."""
    *_, last = relaying_client.predict_stream(endpoint="breaking", inputs=chat())
    assert last["error_code"] == "INTERNAL_ERROR"
    assert "the service broke down" in last["message"]


@pytest.mark.model
def test_endpoints(client: Any) -> None:
    """The list, which this client asks for with a trailing slash, and a single endpoint."""
    assert sorted(endpoint["name"] for endpoint in client.list_endpoints()) == [ENDPOINT, MODEL]
    endpoint = client.get_endpoint(ENDPOINT)
    assert endpoint["state"] == {"ready": "READY", "config_update": "NOT_UPDATING"}
    assert endpoint["config"]["served_entities"][0]["entity_name"] == MODEL


@pytest.mark.model
@pytest.mark.parametrize(
    ("endpoint", "fields", "status", "told"),
    [
        ("no-such-endpoint", {}, 404, "ENDPOINT_NOT_FOUND"),
        (ENDPOINT, {"temperature": 9}, 400, "temperature"),
        (ENDPOINT, {"n": 6}, 400, "n: "),
        (ENDPOINT, {"messages": [{"role": "user", "content": "word " * 5000}]}, 400, "5031 tokens, .* 4096"),
        (ENDPOINT, {"messages": "hello"}, 400, "messages"),
        (ENDPOINT, {"inputs": ["hello"]}, 400, "unknown field"),
    ],
    ids=["endpoint", "temperature", "n", "context", "messages", "inputs"],
)
@pytest.mark.parametrize("method", ["predict", "predict_stream"])
def test_a_bad_request(
    live: Live, client: Any, method: str, endpoint: str, fields: dict[str, Any], status: int, told: str
) -> None:
    """Status and words survive this client, which makes both anew from the error code; nothing is tried again."""
    with live.calls() as calls, pytest.raises(HTTPError, match=rf"{status} [A-Z].*{told}") as caught:
        list(getattr(client, method)(endpoint=endpoint, inputs=chat(**fields)))
    assert caught.value.response is not None
    assert caught.value.response.status_code == status
    assert [call["status"] for call in calls if call["method"] == "POST"] == [status]


@pytest.mark.model
def test_a_bad_token(live: Live, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is not ours is a 401, tried once."""
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-not-ours")
    with live.calls() as calls, pytest.raises(HTTPError, match=r"401 .*UNAUTHENTICATED"):
        client.predict(endpoint=ENDPOINT, inputs=chat())
    assert [call["status"] for call in calls if call["method"] == "POST"] == [401]


@pytest.mark.model
def test_an_endpoint_that_is_not_there(client: Any) -> None:
    """Reading it is a 404."""
    with pytest.raises(HTTPError, match=r"404 .*ENDPOINT_NOT_FOUND"):
        client.get_endpoint("no-such-endpoint")


def test_a_busy_provider(relaying: Live, relaying_client: Any) -> None:
    """A rate limit never surfaces as one: the client tries for as long as it was given, then says TimeoutError."""
    with relaying.calls() as calls, pytest.raises(TimeoutError, match="Timed out"):
        relaying_client.predict(endpoint="busy", inputs=chat())
    assert 2 <= len([call for call in calls if call["endpoint"] == "busy"]) <= 4


def test_a_failing_provider(relaying_client: Any) -> None:
    """A provider's failure is a 500 whose words tell whose it is."""
    with pytest.raises(HTTPError, match=r"500 .*openai"):
        relaying_client.predict(endpoint="failing", inputs=chat())
