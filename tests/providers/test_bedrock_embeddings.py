"""Embeddings on Bedrock: the calls that texts become, and the vectors that come back."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest
from cloche.domain.errors import BadRequest, ProviderBroken, ProviderBusy
from cloche.domain.translation import Report
from cloche.providers.bedrock_embeddings import BedrockEmbedder, family

from .invoke_asking import DOOR

TITAN1 = "amazon.titan-embed-text-v1"
TITAN2 = "amazon.titan-embed-text-v2:0"
TITAN_IMAGE = "amazon.titan-embed-image-v1"
COHERE3 = "cohere.embed-english-v3"
COHERE4 = "us.cohere.embed-v4:0"


def embedder(model: str) -> BedrockEmbedder:
    """The translator for a model."""
    spoken = family(model)
    assert spoken is not None, model
    return BedrockEmbedder(model, spoken, DOOR)


def sent(model: str, **fields: Any) -> tuple[list[dict[str, Any]], Report]:
    """The bodies that a request becomes, and what was noted."""
    text, report = json.dumps(fields).encode(), Report()
    params = msgspec.json.decode(text, type=EmbeddingParams)
    request = EmbeddingRequest(params, msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    calls = embedder(model).encode(request, report)
    assert all(call.head.split(b" HTTP")[0].endswith(b"/invoke") for call in calls)
    assert all(call.origin == DOOR.origin for call in calls)
    return [json.loads(b"".join(bytes(piece) for piece in call.body)) for call in calls], report


def test_families() -> None:
    """A model's id tells its family, also behind the place of an inference profile; chat models are in none."""
    assert family("amazon.titan-embed-g1-text-02") == family(TITAN1)
    assert family(TITAN2) != family(TITAN1)
    assert family("cohere.embed-multilingual-v3") == family(COHERE3)
    assert family(f"arn:aws:bedrock:eu-west-1::foundation-model/{COHERE3}") == family(COHERE3)
    assert family("anthropic.claude-v2") is None


def test_titan_takes_one_text() -> None:
    """Each text is a call of its own, in the order of the texts."""
    bodies, report = sent(TITAN2, input=["a", "b"])
    assert bodies == [{"inputText": "a"}, {"inputText": "b"}]
    assert report.fates() == {}
    assert sent(TITAN1, input="a")[0] == [{"inputText": "a"}]


def test_cohere_takes_many() -> None:
    """Up to 96 texts go together, as documents unless the client says otherwise."""
    bodies, _ = sent(COHERE3, input=[str(number) for number in range(200)])
    assert [len(body["texts"]) for body in bodies] == [96, 96, 8]
    assert [text for body in bodies for text in body["texts"]] == [str(number) for number in range(200)]
    assert {body["input_type"] for body in bodies} == {"search_document"}
    bodies, report = sent(COHERE4, input="a", input_type="search_query", truncate="END")
    assert bodies == [{"texts": ["a"], "input_type": "search_query", "truncate": "END"}]
    assert report.fates() == {"passed": ["input_type", "truncate"]}


@pytest.mark.parametrize(
    ("model", "path", "fate"),
    [
        (TITAN2, {"dimensions": 256}, "passed"),
        (TITAN_IMAGE, {"embeddingConfig": {"outputEmbeddingLength": 256}}, "mapped"),
        (COHERE4, {"output_dimension": 256, "input_type": "search_document"}, "mapped"),
        (TITAN1, {}, "dropped"),
        (COHERE3, {"input_type": "search_document"}, "dropped"),
    ],
)
def test_dimensions(model: str, path: dict[str, Any], fate: str) -> None:
    """The wanted length of the vectors stands where the model has it, and is told of where it has not."""
    [body], report = sent(model, input="a", dimensions=256)
    assert {name: value for name, value in body.items() if name not in ("inputText", "texts")} == path
    assert report.fates() == {fate: ["dimensions"]}


def test_the_rest_of_the_fields() -> None:
    """What a model knows is passed on, and what would change the vectors to something else is not."""
    [body], report = sent(TITAN2, input="a", normalize=False, embeddingTypes=["binary"], user="u", more=None)
    assert body == {"inputText": "a", "normalize": False}
    assert report.fates() == {"dropped": ["user", "embeddingTypes"], "passed": ["normalize"]}
    [body], report = sent(TITAN1, input="a", normalize=False, encoding_format="base64", instruction="i")
    assert body == {"inputText": "a"}
    assert report.fates() == {"mapped": ["encoding_format"], "dropped": ["instruction", "normalize"]}
    [body], report = sent(COHERE4, input="a", images=["data:x"], embedding_types=["int8"])
    assert body == {"texts": ["a"], "input_type": "search_document"}


def test_tokens_are_refused() -> None:
    """Tokens of another model mean nothing to these."""
    with pytest.raises(BadRequest, match=r"input\[0\]"):
        sent(TITAN2, input=[1, 2])


def test_titan_answers() -> None:
    """One vector, and how many tokens it took; where there is no count, there is none."""
    answer = embedder(TITAN2).decode(b'{"embedding": [0.5, 1], "embeddingsByType": {}, "inputTextTokenCount": 3}')
    assert (answer.vectors, answer.usage) == ([[0.5, 1.0]], Usage(3, 0))
    assert embedder(TITAN2).decode(b'{"embedding": [0.5]}').usage is None


def test_cohere_answers() -> None:
    """The vectors of all texts, in a list or by type; Cohere counts nothing here."""
    for found in ([[0.5], [1]], {"float": [[0.5], [1]]}):
        answer = embedder(COHERE3).decode(json.dumps({"id": "x", "embeddings": found, "texts": ["a", "b"]}).encode())
        assert (answer.vectors, answer.usage) == ([[0.5], [1.0]], None)


@pytest.mark.parametrize(
    "body", [b"x", b"{}", b'{"embedding": "x", "embeddings": []}', b'{"embeddings": {"int8": []}}']
)
@pytest.mark.parametrize("model", [TITAN2, COHERE3])
def test_answers_that_are_none(model: str, body: bytes) -> None:
    """Anything without vectors of numbers is no answer."""
    with pytest.raises(ProviderBroken):
        embedder(model).decode(body)


def test_refusals() -> None:
    """A refusal is told by Bedrock's table."""
    problem = embedder(TITAN2).error(429, {b"x-amzn-errortype": b"ThrottlingException"}, b'{"message": "slow"}')
    assert isinstance(problem, ProviderBusy)
