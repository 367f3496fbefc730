"""Embeddings on Vertex AI: how many texts a call has, what stands beside them, and what is counted."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cloche.domain.chat import Usage
from cloche.domain.embedding import EmbeddingParams, EmbeddingRequest
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import BadRequest, ProviderBroken
from cloche.domain.translation import Report
from cloche.providers import vertex
from cloche.providers.base import Embedder
from cloche.providers.bearer import Bearer
from cloche.providers.vertex_embeddings import VertexEmbedder

from .google_keys import service_account
from .lending_steps import request_line

PLACE = "europe-west1-aiplatform.googleapis.com POST /v1/projects/p-1/locations/europe-west1/publishers"


def embedder(name: str = "text-embedding-005") -> VertexEmbedder:
    """A model."""
    settings = {"project_id": "p-1", "region": "europe-west1", "private_key_plaintext": service_account()}
    found = vertex.bind(ExternalModel(name, "google-cloud-vertex-ai", "llm/v1/embeddings", settings))
    assert isinstance(found, VertexEmbedder)
    return found


def request(**fields: Any) -> EmbeddingRequest:
    """A request, its fields in the client's bytes."""
    raw = json.dumps(fields).encode()
    return EmbeddingRequest(
        msgspec.json.decode(raw, type=EmbeddingParams), msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    )


def bodies(model: VertexEmbedder, report: Report | None = None, **fields: Any) -> list[Any]:
    """The bodies of the calls."""
    calls = model.encode(request(**fields), report or Report())
    assert all(isinstance(each.authorizer, Bearer) for each in calls)
    return [json.loads(b"".join(map(bytes, each.body))) for each in calls]


def test_an_embedder_is_what_the_task_asks_for() -> None:
    """It has what the protocol demands, and is called at the publisher's address."""
    model: Embedder = embedder()
    [call] = model.encode(request(input="a"), Report())
    assert request_line(call) == f"{PLACE}/google/models/text-embedding-005:predict"
    [call] = embedder("intfloat/multilingual-e5-small-maas").encode(request(input="a"), Report())
    assert request_line(call) == f"{PLACE}/intfloat/models/multilingual-e5-small-maas:predict"


def test_what_stands_in_a_call() -> None:
    """The texts, with what is the provider's own beside each; the rest is said once, and all of it is told."""
    report = Report()
    given = {"input": ["a", "b"], "dimensions": 256, "task_type": "RETRIEVAL_QUERY", "encoding_format": "float"}
    [sent] = bodies(embedder(), report, **given, user="me", autoTruncate=True, title=None)
    assert sent == {
        "instances": [
            {"content": "a", "task_type": "RETRIEVAL_QUERY"},
            {"content": "b", "task_type": "RETRIEVAL_QUERY"},
        ],
        "parameters": {"outputDimensionality": 256, "autoTruncate": True},
    }
    assert report.fates() == {
        "mapped": ["input", "dimensions", "encoding_format"],
        "passed": ["task_type", "autoTruncate"],
        "dropped": ["user"],
    }


def test_nothing_of_a_text_is_left_out_unasked() -> None:
    """Google's own models are told so; a partner's are told nothing that they may not know."""
    assert bodies(embedder(), input="a")[0]["parameters"] == {"autoTruncate": False}
    assert bodies(embedder("a/b"), input="a")[0]["parameters"] == {}


@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("text-embedding-005", ["x"] * 501, [250, 250, 1]),
        ("text-embedding-005", ["x" * 8000] * 5, [2, 2, 1]),
        ("text-embedding-005", ["a", "é" * 15000, "b"], [1, 1, 1]),
        ("gemini-embedding-001", ["a", "b", "c"], [1, 1, 1]),
    ],
)
def test_many_texts_are_several_calls(name: str, texts: list[str], expected: list[int]) -> None:
    """No call has more texts, or more of text, than the model takes, and the order is kept."""
    sent = [[each["content"] for each in body["instances"]] for body in bodies(embedder(name), input=texts)]
    assert [len(each) for each in sent] == expected
    assert [text for each in sent for text in each] == texts


def test_tokens_are_refused() -> None:
    """They mean nothing to these models."""
    with pytest.raises(BadRequest, match=r"input\[0\]"):
        embedder().encode(request(input=[[1, 2]]), Report())


def prediction(*values: float, **statistics: Any) -> Any:
    """One text's vector."""
    return {"embeddings": {"values": values, "statistics": statistics}}


def test_answers() -> None:
    """Vectors in their order, and the sum of the tokens, if all texts were counted."""
    counted = {"predictions": [prediction(0.5, 1, token_count=4), prediction(2, 3, token_count=5.0, truncated=False)]}
    found = embedder().decode(json.dumps(counted).encode())
    assert found.vectors == [[0.5, 1.0], [2.0, 3.0]]
    assert found.usage == Usage(9, 0)
    uncounted = {"predictions": [prediction(1, token_count=4), prediction(2)]}
    assert embedder().decode(json.dumps(uncounted).encode()).usage is None
    for nothing in (b"", b"{}", b'{"predictions": [{}]}'):
        with pytest.raises(ProviderBroken):
            embedder().decode(nothing)


def test_refusals_name_the_service() -> None:
    """As those of the chat models."""
    assert embedder().error(400, {}, b'{"error": {"message": "no"}}').message == "vertex-ai answered 400: no"
