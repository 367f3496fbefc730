"""Embeddings through the gateway: calls to the provider, put together in order; ended together, too."""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from typing import Any

import pytest

from cloche.domain.endpoint import EMBEDDINGS_TASK, ExternalModel
from cloche.domain.errors import ProviderUnreachable
from cloche.gateway.embedding import AT_ONCE

from .scripted import Client, Outbound, World

PER_CALL = 96
"""Texts that one call to Cohere takes."""

OPENAI = ExternalModel(
    "model-e", "openai", EMBEDDINGS_TASK, {"openai_api_key_plaintext": "sk-secret", "openai_api_base": "http://e.test"}
)
COHERE = ExternalModel("embed-v4.0", "cohere", EMBEDDINGS_TASK, {"cohere_api_key_plaintext": "co-secret-0123"})


def world(model: ExternalModel) -> World:
    """A gateway whose endpoint `texts` has this model."""
    made = World()
    made.add("texts", model)
    return made


def texts(count: int) -> list[str]:
    """As many texts, each its own number."""
    return [str(number) for number in range(count)]


def ask(made: World, **fields: Any) -> Client:
    """The client of one call."""
    return made.ask("texts", raw=json.dumps(fields).encode())[1]


def cohere_answer(outbound: Outbound, tokens: int | None = 3) -> bytes:
    """A vector for each text, which holds its number."""
    vectors = [[float(text), 0.5] for text in outbound.body["texts"]]
    billed = {} if tokens is None else {"meta": {"billed_units": {"input_tokens": tokens}}}
    return json.dumps({"id": "1", "embeddings": {"float": vectors}, **billed}).encode()


def test_one_call() -> None:
    """OpenAI's answer goes to the client in the client's shape, and its usage into the record."""
    made = world(OPENAI)
    client = ask(made, input=["a", "b"], model="ignored", user="u")
    assert made.last.body == {"model": "model-e", "input": ["a", "b"], "user": "u"}
    data = [{"object": "embedding", "index": index, "embedding": [0.5, index]} for index in (1, 0)]
    made.last.answer(json.dumps({"object": "list", "data": data, "usage": {"prompt_tokens": 4}}).encode())
    assert client.status == 200
    assert client.json == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [0.5, 1.0]},
        ],
        "model": "model-e",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    [record] = made.records
    assert (record.input_tokens, record.output_tokens, record.endpoint) == (4, 0, "texts")
    assert made.idle


@pytest.mark.parametrize("given", ["numbers", "base64"])
@pytest.mark.parametrize("wanted", [None, "float", "base64"])
def test_the_client_gets_the_form_it_asked_for(given: str, wanted: str | None) -> None:
    """Whichever form a provider gives, the client gets the one it asked for, and numbers if it asked for none."""
    made = world(OPENAI)
    client = ask(made, input="a", **({} if wanted is None else {"encoding_format": wanted}))
    packed = b64encode(struct.pack("<2f", 0.5, -2.0)).decode()
    vector = packed if given == "base64" else [0.5, -2.0]
    made.last.answer(json.dumps({"data": [{"index": 0, "embedding": vector}]}).encode())
    [found] = client.json["data"]
    assert found["embedding"] == (packed if wanted == "base64" else [0.5, -2.0])
    assert struct.unpack("<2f", b64decode(packed)) == (0.5, -2.0)
    assert "usage" not in client.json


def test_many_texts_are_asked_for_some_at_a_time() -> None:
    """No more than the limit of calls are under way, and the vectors come in the order of the texts however the answers
    come."""
    made = world(COHERE)
    wanted = texts(PER_CALL * (AT_ONCE + 2) + 1)
    client = ask(made, input=wanted)
    assert len(made.calls) == AT_ONCE
    for number in reversed(range(AT_ONCE)):
        made.calls[number].answer(cohere_answer(made.calls[number]))
    assert len(made.calls) == AT_ONCE + 3
    assert not client.over
    for outbound in made.calls[AT_ONCE:]:
        outbound.answer(cohere_answer(outbound))
    assert [each["embedding"][0] for each in client.json["data"]] == [float(text) for text in wanted]
    assert [each["index"] for each in client.json["data"]] == list(range(len(wanted)))
    assert client.json["usage"] == {"prompt_tokens": 33, "total_tokens": 33}
    assert made.idle


def test_usage_is_told_only_if_all_of_it_is_known() -> None:
    """Where one call was not counted the sum would be wrong, so there is none."""
    made = world(COHERE)
    client = ask(made, input=texts(PER_CALL + 1))
    for outbound, tokens in zip(made.calls, (3, None), strict=True):
        outbound.answer(cohere_answer(outbound, tokens))
    assert client.status == 200
    assert "usage" not in client.json
    assert made.records[0].input_tokens is None


@pytest.mark.parametrize("how", ["status", "failure", "nonsense"])
def test_one_failure_ends_all(how: str) -> None:
    """The first call that fails fails the client's, cancels the others, and nothing more is asked."""
    made = world(COHERE)
    client = ask(made, input=texts(PER_CALL * (AT_ONCE + 1)))
    if how == "status":
        made.calls[2].answer(b'{"message":"slow down"}', 429, {b"retry-after": b"7"})
    elif how == "failure":
        made.calls[2].receiver.on_failure(ProviderUnreachable("gone"))
    else:
        made.calls[2].answer(b"{}")
    assert client.over
    assert client.status == {"status": 429, "failure": 503, "nonsense": 502}[how]
    assert len(made.calls) == AT_ONCE
    assert [outbound.cancelled for number, outbound in enumerate(made.calls) if number != 2] == [1] * (AT_ONCE - 1)
    assert made.idle


def test_a_client_that_leaves_ends_all() -> None:
    """When nobody waits any more, every call under way is cancelled, once."""
    made = world(COHERE)
    call, client = made.ask("texts", raw=json.dumps({"input": texts(PER_CALL * 3)}).encode())
    made.calls[0].answer(cohere_answer(made.calls[0]))
    call.hang_up()
    assert [outbound.cancelled for outbound in made.calls] == [0, 1, 1]
    assert not client.wholes
    assert (made.records[0].outcome, made.records[0].status) == ("cancelled", 499)
    assert made.idle


def test_too_few_vectors() -> None:
    """A provider that leaves a text out is broken: nobody could tell whose vector is whose."""
    made = world(OPENAI)
    client = ask(made, input=["a", "b"])
    made.last.answer(b'{"data":[{"index":0,"embedding":[1]}]}')
    assert client.status == 502
    assert "1 vectors for 2 texts" in client.json["message"]


def test_tokens() -> None:
    """Tokens go to a provider that knows them, one vector for each list; another says that it takes texts."""
    made = world(OPENAI)
    client = ask(made, input=[[1, 2], [3]])
    assert made.last.body["input"] == [[1, 2], [3]]
    made.last.answer(b'{"data":[{"embedding":[1]},{"embedding":[2]}]}')
    assert len(client.json["data"]) == 2
    client = ask(made, input=[1, 2])
    made.last.answer(b'{"data":[{"embedding":[1]}]}')
    assert len(client.json["data"]) == 1
    client = ask(world(COHERE), input=[[1, 2]])
    assert (client.status, client.json["message"]) == (400, "input[0]: this provider takes texts, not tokens")


def test_strict_params() -> None:
    """A field that would be lost is named in the head of the answer, or refused where the caller wants that."""
    made = world(COHERE)
    client = ask(made, input="7", user="u", dimensions=2)
    made.last.answer(cohere_answer(made.last))
    assert b"cloche-translation: mapped=input,dimensions; dropped=user\r\n" in client.headers
    body = json.dumps({"input": "a", "user": "u"}).encode()
    _, client = made.ask("texts", raw=body, headers={b"cloche-strict-params": b"true"})
    assert client.status == 400
    assert client.json["message"].startswith("user:")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, {"error": {"message": "Incorrect API key provided: sk-secret"}}, (500, "rejected the credentials")),
        (429, {"error": {"message": "slow down"}}, (429, "slow down")),
        (400, {"error": {"message": "too many dimensions"}}, (400, "too many dimensions")),
        (200, {"error": {"message": "no such model", "code": 404}}, (404, "no such model")),
        (200, {"data": "nothing"}, (502, "no embeddings")),
    ],
)
def test_refusals(status: int, body: Any, expected: tuple[int, str]) -> None:
    """A refusal has the status that it would have for a chat, and never a key."""
    made = world(OPENAI)
    client = ask(made, input="a")
    made.last.answer(json.dumps(body).encode(), status)
    assert client.status == expected[0]
    assert expected[1] in client.json["message"]
    assert b"sk-secret" not in client.body


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"messages": [{"role": "user", "content": "hi"}]}, 'messages: an embeddings endpoint takes "input"'),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], message: str) -> None:
    """A request that is none is refused before any provider is asked, with the field's name."""
    made = world(OPENAI)
    client = ask(made, **fields)
    assert client.status == 400
    assert message in client.json["message"]
    assert not made.calls
