"""Text completions and embeddings in OpenAI's dialect: the calls, whoever takes them, and what is in the answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloche.domain.chat import Usage
from cloche.domain.endpoint import COMPLETIONS_TASK, EMBEDDINGS_TASK, ExternalModel
from cloche.domain.errors import Problem, ProviderBroken, ProviderBusy, ProviderCredentials, ProviderRefused
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers.bearer import Bearer
from cloche.providers.catalogue import PROVIDERS
from cloche.providers.openai_texts import OpenAICompleter, OpenAIEmbedder
from cloche.wire.completions import read_completion
from cloche.wire.embeddings import read_embeddings

SECRET = "sk-0123456789abcdef"
KEY = {"openai_api_key_plaintext": SECRET}
AZURE = {"openai_api_base": "https://r.openai.azure.com", "openai_deployment_name": "d/1"} | {
    "openai_api_version": "2024-10-21"
}
ENTRA = {
    "openai_api_type": "azuread",
    "microsoft_entra_tenant_id": "t",
    "microsoft_entra_client_id": "c",
    "microsoft_entra_client_secret_plaintext": SECRET,
}
WORKSPACE = {
    "databricks_workspace_url": "https://w.cloud.databricks.com",
    "databricks_api_token_plaintext": SECRET,
}
PLACES: list[tuple[str, dict[str, str], str]] = [
    ("openai", KEY, "/v1/{}"),
    ("openai", {**KEY, "openai_api_base": "http://h/base/"}, "/base/{}"),
    ("openai", {**KEY, **AZURE, "openai_api_type": "azure"}, "/openai/deployments/d%2F1/{}?api-version=2024-10-21"),
    ("openai", {**ENTRA, **AZURE}, "/openai/deployments/d%2F1/{}?api-version=2024-10-21"),
    ("databricks-model-serving", WORKSPACE, "/serving-endpoints/m/invocations"),
]


def completer(provider: str = "openai", **settings: str) -> OpenAICompleter:
    """A model that completes."""
    bound = PROVIDERS[provider].bind(ExternalModel("m", provider, COMPLETIONS_TASK, settings or KEY))
    assert isinstance(bound, OpenAICompleter)
    return bound


def embedder(provider: str = "openai", **settings: str) -> OpenAIEmbedder:
    """A model that embeds."""
    bound = PROVIDERS[provider].bind(ExternalModel("m", provider, EMBEDDINGS_TASK, settings or KEY))
    assert isinstance(bound, OpenAIEmbedder)
    return bound


def body(call: HttpCall) -> Any:
    """What is asked."""
    return json.loads(b"".join(bytes(piece) for piece in call.body))


@pytest.mark.parametrize(("provider", "settings", "path"), PLACES)
def test_where_the_tasks_are(provider: str, settings: dict[str, str], path: str) -> None:
    """Each task has its own path, with the same credentials as a chat, which are in the head and nowhere else."""
    prose = completer(provider, **settings).encode(read_completion(b'{"prompt": "a"}'), stream=False)
    [vectors] = embedder(provider, **settings).encode(read_embeddings(b'{"input": "a"}'), Report())
    assert prose.head.startswith(f"POST {path.format('completions')} HTTP/1.1\r\n".encode())
    assert vectors.head.startswith(f"POST {path.format('embeddings')} HTTP/1.1\r\n".encode())
    for call in (prose, vectors):
        assert isinstance(call.authorizer, Bearer) == ("microsoft_entra_tenant_id" in settings)
        assert (SECRET.encode() in call.head) == (call.authorizer is None)
        assert SECRET not in json.dumps(body(call)) + repr(call)


def test_the_clients_bytes_go_on() -> None:
    """The fields pass as they were written, but for those that are cloche's own."""
    asked = b'{"prompt": [1, 2], "model": "x", "temperature": 1.0, "min_p": 0.10, "client_request_id": "r"}'
    call = completer().encode(read_completion(asked), stream=False)
    assert b"".join(bytes(piece) for piece in call.body) == (
        b'{"model":"m","prompt":[1, 2],"temperature":1.0,"min_p":0.10}'
    )
    call = completer().encode(read_completion(b'{"prompt": "a", "stream": true}'), stream=True)
    assert body(call) == {"model": "m", "prompt": "a", "stream": True, "stream_options": {"include_usage": True}}
    [call] = embedder().encode(
        read_embeddings(b'{"input": ["a"], "dimensions": 4, "usage_context": {}}'), Report(strict=True)
    )
    assert body(call) == {"model": "m", "input": ["a"], "dimensions": 4}


def test_vectors_are_in_the_order_of_their_indices() -> None:
    """An answer may have them in any order; without indices they are taken as they come, in either form."""
    data = [{"index": 2, "embedding": [3]}, {"index": 0, "embedding": "AAAAPw=="}, {"index": 1, "embedding": [2]}]
    found = embedder().decode(json.dumps({"data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}}).encode())
    assert (found.vectors, found.usage) == (["AAAAPw==", [2.0], [3.0]], Usage(4, 0))
    found = embedder().decode(b'{"data":[{"embedding":[2]},{"embedding":[1]}]}')
    assert (found.vectors, found.usage) == ([[2.0], [1.0]], None)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"data":[]}', b'{"data":[{"embedding":{}}]}', b"\xff"])
def test_what_is_no_answer(answer: bytes) -> None:
    """An answer without vectors is the provider's fault."""
    with pytest.raises(ProviderBroken, match="no embeddings"):
        embedder().decode(answer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b'{"error":{"message":"slow down","code":429}}', ProviderBusy),
        (b'{"error":{"message":"no","code":"400"}}', ProviderRefused),
        (b'{"error":"no"}', ProviderBroken),
    ],
)
def test_errors_inside_answers(answer: bytes, kind: type[Problem]) -> None:
    """An error object where vectors should be means what its status means."""
    with pytest.raises(kind):
        embedder().decode(answer)


@pytest.mark.parametrize("bound", [completer(), embedder()], ids=["completer", "embedder"])
def test_refusals(bound: OpenAICompleter | OpenAIEmbedder) -> None:
    """They are told by status, in the provider's name and words, and never with the key."""
    said = json.dumps({"error": {"message": f"bad key {SECRET}"}}).encode()
    assert isinstance(bound.error(401, {}, said), ProviderCredentials)
    busy = bound.error(429, {b"retry-after": b"2"}, said)
    assert isinstance(busy, ProviderBusy)
    assert (busy.retry_after, busy.message) == (2, "openai answered 429: bad key ***")
