"""A served entity of Cohere: its settings, the head of its calls and the refusals it gets."""

from __future__ import annotations

import json

import pytest

from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import (
    Problem,
    ProviderBroken,
    ProviderBusy,
    ProviderCredentials,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
)
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers import cohere
from cloche.providers.catalogue import PROVIDERS
from cloche.wire.openai import read_chat

from .cohere_models import SECRET, chat_model

HELLO = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')


def test_the_call() -> None:
    """The key is a bearer token in the head and nowhere else; model and stream are the entity's and the caller's."""
    model = chat_model("command-a-03-2025")
    call = model.encode(HELLO, Report(), stream=True)
    assert call.origin == Origin("api.cohere.com", 443, tls=True)
    lines = call.head.decode().split("\r\n")
    assert lines[0] == "POST /v2/chat HTTP/1.1"
    assert f"authorization: Bearer {SECRET}" in lines
    assert json.loads(b"".join(bytes(piece) for piece in call.body)) == {
        "model": "command-a-03-2025",
        "stream": True,
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert SECRET not in repr(model) + repr(call)
    assert not model.takes_n


@pytest.mark.parametrize("base", ["http://10.0.0.1:81/x", "http://10.0.0.1:81/x/"])
def test_a_base_of_ones_own(base: str) -> None:
    """A base URL may have a port and a path; the path of the API comes after it."""
    call = chat_model(cohere_api_base=base).encode(HELLO, Report(), stream=False)
    assert call.origin == Origin("10.0.0.1", 81)
    assert call.head.startswith(b"POST /x/v2/chat HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("base", "path"),
    [("https://h.test/v1", "/v1/chat"), ("https://h.test/a/v1/", "/a/v1/chat"), ("https://h.test/v2", "/v2/chat")],
)
def test_the_base_says_which_version_is_spoken(base: str, path: str) -> None:
    """A base that ends in `/v1` gets the older dialect, any other the newer."""
    call = chat_model(cohere_api_base=base).encode(HELLO, Report(), stream=False)
    assert call.head.startswith(f"POST {path} HTTP/1.1\r\n".encode())
    assert ("message" in json.loads(b"".join(bytes(piece) for piece in call.body))) == ("/v1/" in path)


def test_the_catalogue_binds_it() -> None:
    """An entity whose task is chat or completions gets this translator; one of embeddings another."""
    settings = {"cohere_api_key_plaintext": SECRET}
    for task in ("llm/v1/chat", "llm/v1/completions"):
        assert isinstance(PROVIDERS["cohere"].bind(ExternalModel("m", "cohere", task, settings)), cohere.Cohere)
    assert not isinstance(
        PROVIDERS["cohere"].bind(ExternalModel("m", "cohere", "llm/v1/embeddings", settings)), cohere.Cohere
    )


REFUSALS: list[tuple[int, type[Problem], int]] = [
    (400, ProviderRefused, 400),
    (401, ProviderCredentials, 500),
    (402, ProviderCredentials, 500),
    (403, ProviderCredentials, 500),
    (404, ProviderRefused, 404),
    (422, ProviderRefused, 400),
    (429, ProviderBusy, 429),
    (498, ProviderRefused, 400),
    (499, ProviderUnavailable, 503),
    (500, ProviderBroken, 502),
    (503, ProviderUnavailable, 503),
    (504, ProviderTimeout, 504),
]


@pytest.mark.parametrize(("status", "kind", "told"), REFUSALS)
def test_refusals_by_status(status: int, kind: type[Problem], told: int) -> None:
    """A refusal is told by its status alone; Cohere's words are passed on, never with a credential in them."""
    body = json.dumps({"id": "x", "message": f"because of {SECRET}"}).encode()
    problem = chat_model().error(status, {b"retry-after": b"7"}, body)
    assert (type(problem), problem.status) == (kind, told)
    assert str(status) in problem.message
    assert SECRET not in problem.message + problem.summary
    assert ("because" in problem.message) == (status not in (401, 402, 403, 499))
    if status == 429:
        assert problem.retry_after == 7
