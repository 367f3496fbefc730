"""Recorded exchanges with Gemini, by its own API and by Vertex AI: both speak one dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import pytest

from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse, Choice
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import Problem, ProviderBroken, ProviderBusy, ProviderCredentials, ProviderRefused
from cloche.domain.translation import Report
from cloche.providers import gemini, gemini_request
from cloche.providers.gemini_answer import FINISH
from cloche.providers.gemini_request import Dialect
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole

from . import gemini_chats
from .recordings import MISSING, exchanged, folder
from .replay import sse_events

pytestmark = pytest.mark.skipif(folder() is None, reason=MISSING)

APIS = ("gemini.generateContent", "vertex.generateContent")
SMALL = 6000
"""Bytes: larger streams are cut at seeded places only, so that the run stays short."""

OTHER_ENCODING = {"2cca8517edc3": "asked for enums as numbers, which we never do"}
"""Recordings that cannot be read, with the reason."""


class Exchange(msgspec.Struct, frozen=True):
    """A recording."""

    id: str
    api: str
    request: dict[str, Any]
    status: int
    framing: str
    body: bytes
    expect: dict[str, Any]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All of both services."""
    return tuple(_read(recording) for _, recording in exchanged(*APIS))


def _read(item: dict[str, Any]) -> Exchange:
    answer = item["response"]
    return Exchange(
        id=item["id"],
        api=item["api"],
        request=item["request"]["body"],
        status=answer["status"],
        framing=answer["framing"],
        body=answer["body"].encode(),
        expect=item["expect"],
    )


@cache
def vocabulary(api: str) -> frozenset[str]:
    """The JSON paths that the service accepted, all in one spelling: protobuf's JSON takes both."""
    place = folder()
    assert place is not None
    seen = json.loads((place / "dev" / "request_vocab.json").read_bytes())
    return frozenset(camel(path) for name in {api, APIS[0]} for path in seen[name])


def camel(path: str) -> str:
    """`a_b` as `aB`."""
    first, *rest = path.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


TRANSLATOR = gemini.bind(ExternalModel("gemini-2.5-flash", "gemini", "llm/v1/chat", {"gemini_api_key_plaintext": "k"}))
OK = [each for each in exchanges() if each.status == 200 and each.id not in OTHER_ENCODING]
STREAMS = [each for each in OK if each.framing == "sse"]
WHOLES = [each for each in OK if each.framing == "json"]
ERRORS = [each for each in exchanges() if each.status != 200]


def named(each: Exchange) -> str:
    """For messages and for picking one."""
    return f"{each.api.partition('.')[0]}-{each.framing}-{each.status}-{each.id}"


def heard(pieces: Iterable[bytes]) -> ChatResponse:
    """A stream, assembled."""
    decoder, assembly = TRANSLATOR.decoder(), Assembly()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    assert all(chunk.finish_reason is None for chunk in chunks)
    for chunk in (*chunks, *decoder.close()):
        assembly.add(chunk)
    assert assembly.complete
    return assembly.response()


def check(response: ChatResponse, exchange: Exchange) -> None:
    """Compare with what the reference reading found."""
    expect = exchange.expect
    choice: Choice = response.choices[0]
    calls = [{"name": call.function.name, "args": json.loads(call.function.arguments)} for call in choice.tool_calls]
    assert choice.content == expect["text"]
    assert calls == expect["tool_calls"]
    assert len({call.id for call in choice.tool_calls}) == len(calls)
    ended = FINISH[expect["finish_raw"]]
    assert choice.finish_reason == ("tool_calls" if calls else ended)
    usage = response.usage
    assert usage is not None
    assert usage.prompt_tokens == expect["usage"]["prompt"]
    assert usage.completion_tokens == (expect["usage"]["completion"] or 0) + (usage.reasoning_tokens or 0)


@pytest.mark.parametrize("exchange", WHOLES, ids=named)
def test_whole_answers(exchange: Exchange) -> None:
    """A whole answer, also one in a list of pieces, says what the reference reading found in it."""
    check(TRANSLATOR.decode(exchange.body), exchange)


@pytest.mark.parametrize("exchange", STREAMS, ids=named)
def test_streams(exchange: Exchange) -> None:
    """A stream says the same however it is cut."""
    response = heard(whole(exchange.body))
    check(response, exchange)
    ways = [randomly(exchange.body, seed) for seed in range(4)]
    if len(exchange.body) <= SMALL:
        ways.append(bytewise(exchange.body))
    for pieces in ways:
        assert heard(pieces) == response


@pytest.mark.parametrize("exchange", [each for each in WHOLES if each.body.lstrip()[:1] == b"{"], ids=named)
def test_a_whole_answer_as_a_stream_of_one_event(exchange: Exchange) -> None:
    """The same object is the same answer in a stream."""
    event = b"data: " + json.dumps(json.loads(exchange.body)).encode() + b"\r\n\r\n"
    assert heard(whole(event)) == TRANSLATOR.decode(exchange.body)


@pytest.mark.parametrize("exchange", STREAMS, ids=named)
def test_cut_streams(exchange: Exchange) -> None:
    """A stream without its end is broken, and no shorter answer."""
    last = exchange.body.rstrip().rfind(b"data:")
    with pytest.raises(ProviderBroken):
        heard(whole(exchange.body[:last]))


def wanted_problem(status: int, body: bytes) -> type[Problem]:
    """What an error of that kind must become."""
    if status in (401, 403) or b"API_KEY_INVALID" in body:
        return ProviderCredentials
    return ProviderBusy if status == 429 else ProviderRefused


@pytest.mark.parametrize("exchange", ERRORS, ids=named)
def test_errors(exchange: Exchange) -> None:
    """A refusal is told by its status and reason; a wrong key is nobody's fault but the operator's."""
    problem = TRANSLATOR.error(exchange.status, {}, exchange.body)
    assert type(problem) is wanted_problem(exchange.status, exchange.body)
    assert problem.message.startswith("gemini ")


# ---------------------------------------------------------------- requests

UNSEEN = {
    ".generationConfig.topP": "documented in GenerationConfig",
    ".generationConfig.topK": "documented in GenerationConfig",
    ".generationConfig.stopSequences": "documented in GenerationConfig",
    ".toolConfig": "recorded with the API key only",
}
"""Paths that no recording has, with the reason."""

SCHEMAS = (".tools[].functionDeclarations[].parametersJsonSchema", ".generationConfig.responseJsonSchema")
"""Below these stands the client's own schema."""


def paths(value: Any, path: str = "") -> set[str]:
    """The JSON paths of a value, as the vocabulary has them, without what is the client's own."""
    if path in SCHEMAS or path.endswith((".args", ".response")):
        return {path}
    found = {path} if path else set()
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{path}[]") - {f"{path}[]"}
    return found


ASKED = [(each, chat) for each in OK if (chat := gemini_chats.as_chat(each.request)) is not None]


@pytest.mark.parametrize(
    ("exchange", "chat"), ASKED, ids=lambda value: named(value) if isinstance(value, Exchange) else ""
)
def test_requests(exchange: Exchange, chat: dict[str, Any]) -> None:
    """What a recording asked, asked in OpenAI's shape, says the same things in words that the service accepted."""
    report = Report()
    dialect = Dialect("gemini-3-flash-preview", call_ids=exchange.api == APIS[0])
    made = gemini_request.body(read_chat(json.dumps(chat).encode()), report, dialect)
    unknown = paths(made) - vocabulary(exchange.api) - UNSEEN.keys()
    assert not unknown
    assert gemini_chats.as_chat(made) == chat
    assert set(report.fates()) <= {"mapped", "passed"}


def test_most_recorded_requests_are_asked() -> None:
    """The requests that can be asked in OpenAI's shape are enough of them to mean something."""
    assert len(ASKED) >= 40


GROUNDED = [each for each in OK if b"groundingSupports" in each.body]


@pytest.mark.parametrize("exchange", GROUNDED, ids=named)
def test_sources(exchange: Exchange) -> None:
    """Every grounded stretch is cited at the characters that Google says it has, once for each of its sources."""
    streamed = exchange.framing == "sse"
    objects = sse_events(exchange.body) if streamed else [json.loads(exchange.body)]
    told = [candidate.get("groundingMetadata", {}) for each in objects for candidate in each.get("candidates", ())]
    supports = [support for each in told for support in each.get("groundingSupports", ())]
    words = [support["segment"]["text"] for support in supports for _ in support["groundingChunkIndices"]]
    answer = heard(whole(exchange.body)) if streamed else TRANSLATOR.decode(exchange.body)
    [choice] = answer.choices
    assert [choice.content[cited.start : cited.end] for cited in choice.citations] == words
