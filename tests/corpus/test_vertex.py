"""Recorded exchanges with Vertex AI: called where they were, and read as they are by the Gemini API's own reader."""

from __future__ import annotations

import json
from functools import cache
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem, ProviderBusy, ProviderCredentials, ProviderRefused
from cloche.domain.outbound import HttpCall
from cloche.domain.translation import Report
from cloche.providers import vertex
from cloche.providers.gemini import Gemini
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole
from providers.google_keys import workload_identity

from .recordings import MISSING, exchanged, folder

pytestmark = pytest.mark.skipif(folder() is None, reason=MISSING)

OTHER_ENCODING = "enum-encoding=int"
"""Recordings that asked for enums as numbers, which we never do."""

EXPRESS = "/publishers/"
"""Recordings without a project were made with a key of Vertex AI's express mode, which we do not speak."""


class Exchange(msgspec.Struct, frozen=True):
    """A recording.  `path`: of its URL, below the version."""

    id: str
    path: str
    version: str
    model: str
    status: int
    framing: str
    body: bytes
    expect: dict[str, Any]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All of them that speak our encoding."""
    return tuple(_read(item, recording) for item, recording in exchanged("vertex.generateContent"))


def _read(item: dict[str, Any], recording: dict[str, Any]) -> Exchange:
    version, _, path = unquote(item["path"]).removeprefix("/").partition("/")
    answer = recording["response"]
    return Exchange(
        id=item["id"],
        path=f"/{path}",
        version=version,
        model=item["model"],
        status=answer["status"],
        framing=answer["framing"],
        body=answer["body"].encode(),
        expect=recording["expect"],
    )


def translator(exchange: Exchange) -> Gemini:
    """The model that was asked."""
    settings = {
        "project_id": "p-1",
        "region": "us-central1",
        "private_key_plaintext": workload_identity({"file": "/t"}),
        "vertex_api_base": f"https://us-central1-aiplatform.googleapis.com/{exchange.version}",
    }
    bound = vertex.bind(ExternalModel(exchange.model, "google-cloud-vertex-ai", "llm/v1/chat", settings))
    assert isinstance(bound, Gemini)
    return bound


OURS = [each for each in exchanges() if OTHER_ENCODING not in each.path]
STREAMS = [each for each in OURS if each.framing == "sse" and each.status == 200]
WHOLES = [each for each in OURS if each.framing == "json" and each.status == 200]
ERRORS = [each for each in exchanges() if each.status != 200]
WITH_PROJECT = [each for each in OURS if not each.path.startswith(EXPRESS)]


def named(each: Exchange) -> str:
    """For messages and for picking one."""
    return f"{each.framing}-{each.status}-{each.id}"


def target(call: HttpCall) -> str:
    """Path and query of a call."""
    return call.head.decode().split(" ")[1]


@pytest.mark.parametrize("exchange", WITH_PROJECT, ids=named)
def test_calls_go_where_the_recorded_ones_went(exchange: Exchange) -> None:
    """Version, project, region, model and method stand in the URL as they did."""
    hello = read_chat(b'{"messages": [{"role": "user", "content": "hi"}]}')
    call = translator(exchange).encode(hello, Report(), stream="stream" in exchange.path)
    _, _, _, *recorded = exchange.path.split("/")
    _, version, projects, _, *ours = target(call).split("/")
    assert (version, projects) == (exchange.version, "projects")
    assert ours == recorded


def heard(exchange: Exchange, pieces: Any) -> ChatResponse:
    """A stream, assembled."""
    decoder, assembly = translator(exchange).decoder(), Assembly()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    for chunk in (*chunks, *decoder.close()):
        assembly.add(chunk)
    return assembly.response()


@pytest.mark.parametrize("exchange", [*WHOLES, *STREAMS], ids=named)
def test_answers_say_what_was_recorded(exchange: Exchange) -> None:
    """Text, calls, tokens and the end, whole or streamed and however a stream is cut."""
    streamed = exchange.framing == "sse"
    response = heard(exchange, whole(exchange.body)) if streamed else translator(exchange).decode(exchange.body)
    [choice], expect = response.choices, exchange.expect
    calls = [{"name": call.function.name, "args": json.loads(call.function.arguments)} for call in choice.tool_calls]
    assert (choice.content, calls) == (expect["text"], expect["tool_calls"])
    assert choice.finish_reason == ("tool_calls" if calls else translator(exchange).finishes[expect["finish_raw"]])
    assert response.usage is not None
    assert response.usage.prompt_tokens == expect["usage"]["prompt"]
    if streamed:
        assert heard(exchange, randomly(exchange.body, 1)) == response
        assert heard(exchange, bytewise(exchange.body)) == response


@pytest.mark.parametrize("exchange", ERRORS, ids=named)
def test_errors_are_told_by_their_status(exchange: Exchange) -> None:
    """Whose fault it was, with the service's name."""
    problem = translator(exchange).error(exchange.status, {}, exchange.body)
    kinds: dict[int, type[Problem]] = {401: ProviderCredentials, 403: ProviderCredentials, 429: ProviderBusy}
    assert type(problem) is kinds.get(exchange.status, ProviderRefused)
    assert problem.message.startswith("vertex-ai ")


def test_there_are_enough_of_them() -> None:
    """What is left out for a reason is the smaller part."""
    assert len(WHOLES) + len(STREAMS) >= 20
    assert len(WITH_PROJECT) >= 20
