"""The Databricks SDK: queries, the extra parameters it sends as text, its view of endpoints and of who one is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service.serving import (
    ChatMessage,
    ChatMessageRole,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    QueryEndpointResponse,
)

from .live import ENDPOINT, MODEL, TOKEN, Live

QUESTION = ChatMessage(role=ChatMessageRole.USER, content="What is a mixture of experts model?")


def workspace(live: Live, token: str = TOKEN) -> WorkspaceClient:
    """The client for one server.  It would go on for five minutes after a 429: here for three seconds."""
    return WorkspaceClient(config=Config(host=live.url, token=token, auth_type="pat", retry_timeout_seconds=3))


def ask(live: Live, name: str = ENDPOINT, **fields: Any) -> QueryEndpointResponse:
    """A short query."""
    asked: dict[str, Any] = {"messages": [QUESTION], "max_tokens": 8, "temperature": 0.0} | fields
    return workspace(live).serving_endpoints.query(name=name, **asked)


def text(answer: QueryEndpointResponse) -> str:
    """What the first choice says."""
    assert answer.choices
    assert answer.choices[0].message
    assert answer.choices[0].message.content
    return answer.choices[0].message.content


@pytest.mark.model
def test_a_query(live: Live) -> None:
    """Everything that the SDK reads of an answer is filled, the finish reason and the entity's name included."""
    answer = ask(live)
    assert answer.choices
    assert text(answer)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].index == 0
    assert answer.served_model_name == MODEL
    assert answer.usage
    assert answer.usage.completion_tokens == 8
    assert answer.id
    assert answer.created
    assert answer.model == ENDPOINT


@pytest.mark.model
def test_a_query_for_a_stream(live: Live) -> None:
    """The SDK reads a stream as JSON, so it gets the whole answer, and the log says that it was no stream."""
    with live.calls() as calls:
        streamed = ask(live, stream=True)
    assert text(streamed) == text(ask(live))
    assert [call["stream"] for call in calls if call["path"].endswith("/invocations")] == [False]


@pytest.mark.model
def test_the_system_message_is_heard(live: Live) -> None:
    """What the system message says shapes the answer."""
    said = ChatMessage(role=ChatMessageRole.SYSTEM, content="Your name is Ferdinand.")
    question = ChatMessage(role=ChatMessageRole.USER, content="What is your name?")
    assert "Ferdinand" in text(ask(live, messages=[said, question], max_tokens=12))


def test_every_turn_reaches_the_provider(relaying: Live) -> None:
    """A conversation is passed on turn by turn."""
    turns = [
        ChatMessage(role=ChatMessageRole.SYSTEM, content="Be brief."),
        ChatMessage(role=ChatMessageRole.USER, content="Hello!"),
        ChatMessage(role=ChatMessageRole.ASSISTANT, content="Hello! How can I assist you today?"),
        QUESTION,
    ]
    got = json.loads(text(ask(relaying, "echo", messages=turns)))
    assert got["messages"] == [turn.as_dict() for turn in turns]


@pytest.mark.model
def test_choices_and_stop(live: Live) -> None:
    """`n` and `stop` are the SDK's own parameters and do what they say."""
    answer = ask(live, n=2, stop=["mixture"], max_tokens=32)
    assert answer.choices
    assert [choice.finish_reason for choice in answer.choices] == ["stop", "stop"]
    assert "mixture" not in text(answer)


@pytest.mark.model
def test_extra_parameters_are_text(live: Live) -> None:
    """`extra_params` is a map of strings: numbers, flags and objects in them are read as what they are."""
    only_ok = {"properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    schema = {"name": "verdict", "schema": {"type": "object"} | only_ok}
    wanted = {"type": "json_schema", "json_schema": schema}
    extra = {"top_p": "0.5", "seed": "7", "logprobs": "true", "response_format": json.dumps(wanted)}
    answer = ask(live, extra_params=extra, max_tokens=32)
    assert list(json.loads(text(answer))) == ["ok"]


def test_extra_parameters_reach_the_provider(relaying: Live) -> None:
    """What the provider gets has each of them at top level with its own type; cloche's own fields stay here."""
    extra = {"top_p": "0.5", "logit_bias": '{"5": 1}', "user": "1234"}
    with relaying.calls() as calls:
        answer = ask(relaying, "echo", extra_params=extra, client_request_id="caller-8", usage_context={"team": "blue"})
    got = json.loads(text(answer))
    assert (got["top_p"], got["logit_bias"], got["user"]) == (0.5, {"5": 1}, "1234")
    assert got.keys().isdisjoint({"extra_params", "client_request_id", "usage_context"})
    assert [call["client_request_id"] for call in calls if call["endpoint"] == "echo"] == ["caller-8"]


@pytest.mark.model
def test_the_list_of_endpoints(live: Live) -> None:
    """Endpoints are listed as ready, each with its entity."""
    listed = {endpoint.name: endpoint for endpoint in workspace(live).serving_endpoints.list()}
    assert listed.keys() == {ENDPOINT, MODEL}
    endpoint = listed[ENDPOINT]
    assert endpoint.state
    assert endpoint.state.ready is EndpointStateReady.READY
    assert endpoint.state.config_update is EndpointStateConfigUpdate.NOT_UPDATING
    assert endpoint.task == "llm/v1/chat"
    assert endpoint.config
    assert endpoint.config.served_entities
    assert endpoint.config.served_entities[0].name == MODEL


@pytest.mark.model
def test_one_endpoint(live: Live) -> None:
    """An endpoint can be read by name, with the deployment of its entity and what the caller may do."""
    endpoint = workspace(live).serving_endpoints.get(ENDPOINT)
    assert endpoint.name == ENDPOINT
    assert endpoint.permission_level
    assert endpoint.permission_level.value == "CAN_MANAGE"
    assert endpoint.config
    assert endpoint.config.served_entities
    (entity,) = endpoint.config.served_entities
    assert entity.state
    assert entity.state.deployment
    assert entity.state.deployment.value == "DEPLOYMENT_READY"


@pytest.mark.model
def test_who_one_is(live: Live) -> None:
    """The SDK learns its user and the workspace's number, which is the same each time."""
    client = workspace(live)
    assert client.current_user.me().user_name == "admin"
    assert client.get_workspace_id() == workspace(live).get_workspace_id() > 0


@pytest.mark.model
@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"name": "no-such-endpoint"}, errors.NotFound, "no-such-endpoint"),
        ({"temperature": 9.0}, errors.BadRequest, "temperature"),
        ({"n": 6}, errors.BadRequest, "n:"),
        ({"prompt": "hello", "messages": None}, errors.BadRequest, "messages"),
        ({"extra_params": {"max_tokens": "5"}}, errors.BadRequest, r"extra_params\.max_tokens"),
        ({"messages": [ChatMessage(content="word " * 5000, role=QUESTION.role)]}, errors.BadRequest, "5031.*4096"),
    ],
    ids=["endpoint", "temperature", "n", "prompt", "twice", "context"],
)
def test_a_bad_request(live: Live, fields: dict[str, Any], kind: type[Exception], told: str) -> None:
    """What cannot be done is the exception of its kind, names what is wrong, and is tried once."""
    with live.calls() as calls, pytest.raises(kind, match=told):
        ask(live, **fields)
    assert len([call for call in calls if call["path"].endswith("/invocations")]) == 1


@pytest.mark.model
def test_a_bad_token(live: Live) -> None:
    """A token that is not ours is Unauthenticated, in queries and in lists."""
    stranger = workspace(live, "dapi-not-ours")
    with live.calls() as calls:
        with pytest.raises(errors.Unauthenticated, match="not valid"):
            stranger.serving_endpoints.query(name=ENDPOINT, messages=[QUESTION])
        with pytest.raises(errors.Unauthenticated):
            list(stranger.serving_endpoints.list())
    assert [call["status"] for call in calls if call["path"] != "/.well-known/databricks-config"] == [401, 401]


@pytest.mark.model
def test_an_unknown_path(live: Live) -> None:
    """A part of the API that is not served is NotFound, not a page of HTML."""
    with pytest.raises(errors.NotFound, match="no route"):
        list(workspace(live).clusters.list())


@pytest.mark.parametrize("name", ["busy", "overloaded"])
def test_patience(relaying: Live, name: str) -> None:
    """A rate limit or an overload is tried again, about a second apart as `Retry-After` asks, until time runs out."""
    with relaying.calls() as calls, pytest.raises(TimeoutError, match="Timed out"):
        ask(relaying, name)
    tries = [call for call in calls if call["endpoint"] == name]
    assert 2 <= len(tries) <= 4


def test_no_patience_where_it_does_not_help(relaying: Live) -> None:
    """Our own key's refusal is an InternalError, tried once."""
    with relaying.calls() as calls, pytest.raises(errors.InternalError):
        ask(relaying, "bad-key")
    assert len([call for call in calls if call["endpoint"] == "bad-key"]) == 1
