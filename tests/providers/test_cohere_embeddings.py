"""Cohere's embed API: how many texts a call has, what stands beside them, and what is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import Usage
from cloche.domain.endpoint import EMBEDDINGS_TASK, ExternalModel
from cloche.domain.errors import BadRequest, ProviderBroken, ProviderBusy, ProviderCredentials
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.cohere_embeddings import AT_ONCE, CohereEmbedder
from cloche.wire.embeddings import read_embeddings

SECRET = "co-0123456789abcdef"


def embedder(**settings: str) -> CohereEmbedder:
    """A model with a key and these settings."""
    model = ExternalModel("embed-v4.0", "cohere", EMBEDDINGS_TASK, {"cohere_api_key_plaintext": SECRET, **settings})
    bound = PROVIDERS["cohere"].bind(model)
    assert isinstance(bound, CohereEmbedder)
    return bound


def bodies(report: Report | None = None, **fields: Any) -> list[Any]:
    """The bodies of the calls that a request becomes."""
    calls = embedder().encode(read_embeddings(json.dumps(fields).encode()), report or Report())
    return [json.loads(b"".join(bytes(piece) for piece in call.body)) for call in calls]


@pytest.mark.parametrize("base", ["http://h:81/x", "http://h:81/x/", "http://h:81/x/v1", "http://h:81/x/v2"])
def test_where_it_is_called(base: str) -> None:
    """The newer API is called whichever the base URL names; the key is in the head and nowhere else."""
    [call] = embedder(cohere_api_base=base).encode(read_embeddings(b'{"input": "a"}'), Report())
    assert call.origin == Origin("h", 81)
    assert call.head.startswith(b"POST /x/v2/embed HTTP/1.1\r\n")
    assert f"authorization: Bearer {SECRET}\r\n".encode() in call.head
    assert SECRET not in repr(call) + repr(call.body)


def test_what_stands_in_a_call() -> None:
    """The fields that Cohere has go on, in its words; what the vectors are for is said if the client does not."""
    report = Report()
    [body] = bodies(report, input="a", dimensions=256, truncate="END", encoding_format="base64", user="u")
    assert body == {
        "model": "embed-v4.0",
        "input_type": "search_document",
        "output_dimension": 256,
        "truncate": "END",
        "embedding_types": ["float"],
        "texts": ["a"],
    }
    assert report.fates() == {"mapped": ["input", "dimensions"], "passed": ["truncate"], "dropped": ["user"]}
    [body] = bodies(input="a", input_type="search_query", user=None)
    assert body["input_type"] == "search_query"
    with pytest.raises(BadRequest, match=r"^user:"):
        bodies(Report(strict=True), input="a", user="u")
    bodies(Report(strict=True), input="a", encoding_format="base64", client_request_id="r", usage_context={"a": "b"})


@pytest.mark.parametrize(
    ("count", "calls"), [(1, [1]), (AT_ONCE, [AT_ONCE]), (AT_ONCE + 1, [AT_ONCE, 1]), (2 * AT_ONCE, [AT_ONCE, AT_ONCE])]
)
def test_many_texts_are_several_calls(count: int, calls: list[int]) -> None:
    """Each call has as many texts as it may, in their order."""
    texts = [str(number) for number in range(count)]
    made = bodies(input=texts)
    assert [len(body["texts"]) for body in made] == calls
    assert [text for body in made for text in body["texts"]] == texts


def test_tokens_are_refused() -> None:
    """Tokens of another model mean nothing to this one."""
    with pytest.raises(BadRequest, match=r"input\[0\]"):
        bodies(input=[[1, 2]])


def test_answers() -> None:
    """Vectors come by the kind of their numbers, or bare from older models; what was billed is the usage."""
    found = embedder().decode(b'{"embeddings":{"float":[[1,2]]},"meta":{"billed_units":{"input_tokens":3.0}}}')
    assert (found.vectors, found.usage) == ([[1.0, 2.0]], Usage(3, 0))
    found = embedder().decode(b'{"embeddings":[[1]],"meta":{"billed_units":{}}}')
    assert (found.vectors, found.usage) == ([[1.0]], None)
    assert embedder().decode(b'{"embeddings":{"float":[[1]]}}').usage is None


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b'{"embeddings":{}}', b'{"embeddings":{"int8":[[1]]}}', b'{"embeddings":5}']
)
def test_what_is_no_answer(answer: bytes) -> None:
    """An answer without vectors of floats is the provider's fault."""
    with pytest.raises(ProviderBroken, match="the provider's answer holds no"):
        embedder().decode(answer)


def test_refusals() -> None:
    """They are told by status, and never with the key."""
    assert isinstance(embedder().error(401, {}, b'{"message":"invalid api token"}'), ProviderCredentials)
    busy = embedder().error(429, {}, json.dumps({"message": f"slow down, {SECRET}"}).encode())
    assert isinstance(busy, ProviderBusy)
    assert busy.message == "cohere answered 429: slow down, ***"
