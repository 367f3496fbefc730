"""Recorded exchanges with Bedrock's Converse, both ways."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from cloche.codec.eventstream import Frames
from cloche.domain.assembly import Assembly
from cloche.domain.chat import ChatResponse
from cloche.domain.errors import ProviderBroken, ProviderCredentials, ProviderRefused
from cloche.domain.outbound import Origin
from cloche.domain.translation import Report
from cloche.providers import bedrock_answer, bedrock_request
from cloche.providers.bedrock_converse import Converse
from cloche.providers.bedrock_errors import exception_in
from cloche.providers.bedrock_invoke import Door
from cloche.providers.bedrock_models import MAKERS, traits
from cloche.wire.openai import read_chat
from codec.cuts import bytewise, randomly, whole

from . import bedrock_chats
from .recordings import MISSING, accepted_paths, exchanged, folder

pytestmark = pytest.mark.skipif(folder() is None, reason=MISSING)

API = "bedrock.converse"
SMALL = 6000
"""Bytes: larger streams are cut at seeded places only, so that the run stays short."""


class Exchange(msgspec.Struct, frozen=True):
    """A recording."""

    id: str
    model: str
    request: dict[str, Any]
    status: int
    headers: dict[bytes, bytes]
    framing: str
    body: bytes
    expect: dict[str, Any]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All with Converse."""
    return tuple(_read(recording) for _, recording in exchanged(API))


def _read(item: dict[str, Any]) -> Exchange:
    answer = item["response"]
    body = answer["body"]
    return Exchange(
        id=item["id"],
        model=unquote(item["model"]),
        request=item["request"]["body"],
        status=answer["status"],
        headers={name.lower().encode(): value.encode() for name, value in answer["headers"].items()},
        framing=answer["framing"],
        body=base64.b64decode(body) if answer["encoding"] == "base64" else body.encode(),
        expect=item["expect"],
    )


def maker_of(model: str) -> str:
    """The maker, as the settings name it, of a model with a telling id."""
    parts = ("ai21labs" if part == "ai21" else part for part in model.split("."))
    return next((part for part in parts if part in MAKERS), "anthropic")


OK = [each for each in exchanges() if each.status == 200]
STREAMS = [each for each in OK if each.framing == "eventstream"]
WHOLES = [each for each in OK if each.framing == "json"]
ERRORS = [each for each in exchanges() if each.status != 200]
TRANSLATOR = Converse(traits("m", "amazon"), Door(Origin("h", 443, tls=True), "", {}))


def named(each: Exchange) -> str:
    """For messages and for picking one."""
    return f"{each.framing}-{each.status}-{each.id}"


def heard(pieces: list[bytes]) -> ChatResponse:
    """A stream, assembled."""
    decoder, assembly = TRANSLATOR.decoder(), Assembly()
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    assert all(chunk.finish_reason is None for chunk in chunks)
    for chunk in (*chunks, *decoder.close()):
        assembly.add(chunk)
    assert assembly.complete
    return assembly.response()


def own_tools(exchange: Exchange) -> set[str]:
    """The provider's own tools in a request.  The reference reading takes their calls for the client's."""
    tools = exchange.request.get("toolConfig", {}).get("tools", [])
    return {tool["systemTool"]["name"] for tool in tools if "systemTool" in tool}


def check(response: ChatResponse, exchange: Exchange) -> None:
    """Compare with what the reference reading found."""
    expect, own = exchange.expect, own_tools(exchange)
    [choice] = response.choices
    calls = [{"name": call.function.name, "args": json.loads(call.function.arguments)} for call in choice.tool_calls]
    assert choice.content == expect["text"]
    assert calls == [call for call in expect["tool_calls"] if call["name"] not in own]
    assert len({call.id for call in choice.tool_calls}) == len(calls)
    assert choice.finish_reason == bedrock_answer.FINISH[expect["finish_raw"]]
    usage = response.usage
    assert usage is not None
    cached = (usage.cached_tokens or 0) + (usage.cache_write_tokens or 0)
    assert usage.prompt_tokens - cached == expect["usage"]["prompt"]
    assert usage.completion_tokens == expect["usage"]["completion"]


@pytest.mark.parametrize("exchange", WHOLES, ids=named)
def test_whole_answers(exchange: Exchange) -> None:
    """A whole answer says what the reference reading found in it."""
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


@pytest.mark.parametrize("exchange", STREAMS, ids=named)
def test_cut_streams(exchange: Exchange) -> None:
    """A stream that ends before the provider said why is broken, and no shorter answer."""
    stop = exchange.body.index(b"messageStop")
    for end in range(0, stop, max(1, stop // 40)):
        with pytest.raises(ProviderBroken):
            heard([exchange.body[:end]])


@pytest.mark.parametrize("exchange", STREAMS, ids=named)
def test_every_frame_is_an_event(exchange: Exchange) -> None:
    """No frame of a good stream is taken for an exception."""
    frames = Frames().feed(exchange.body)
    assert frames
    assert all(exception_in(frame) is None for frame in frames)


@pytest.mark.parametrize("exchange", ERRORS, ids=named)
def test_errors(exchange: Exchange) -> None:
    """A refusal is told by the exception's name or its status; a wrong key is nobody's fault but the operator's."""
    problem = TRANSLATOR.error(exchange.status, exchange.headers, exchange.body)
    assert type(problem) is (ProviderCredentials if exchange.status == 403 else ProviderRefused)
    assert problem.message.startswith("bedrock ")


# ---------------------------------------------------------------- requests

UNSEEN = {
    ".additionalModelRequestFields.reasoningConfig": "recorded under that name with its fields, by Nova 2",
}
"""Paths that no recording has, with the reason."""

SCHEMAS = (".toolConfig.tools[].toolSpec.inputSchema.json", ".messages[].content[].toolUse.input")
"""Below these stands what is the client's own."""

SAID_OTHERWISE = {
    "97fb0556627b": "bound to a schema, though AWS does not list Claude 3 for that: an instruction",
    "c1c7acafb2a2": "its tool calls come back without the reasoning before them: then none is asked for",
    "f351a0b9ef21": "two turns of the user in a row: one turn",
}
"""Recordings that are asked in other words, with the reason."""


def paths(value: Any, path: str = "") -> set[str]:
    """The JSON paths of a value, as the vocabulary has them, without what is the client's own."""
    if path in SCHEMAS:
        return {path}
    found = {path} if path else set()
    if isinstance(value, dict):
        for name, inner in value.items():
            found |= paths(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for inner in value:
            found |= paths(inner, f"{path}[]") - {f"{path}[]"}
    return found


ASKED = [(each, chat) for each in OK if (chat := bedrock_chats.as_chat(each.request)) is not None]


def comparable(chat: dict[str, Any]) -> dict[str, Any]:
    """A chat without a temperature of 1, which is said by leaving it out."""
    return {name: value for name, value in chat.items() if (name, value) != ("temperature", 1)}


@pytest.mark.parametrize(
    ("exchange", "chat"), ASKED, ids=lambda value: named(value) if isinstance(value, Exchange) else ""
)
def test_requests(exchange: Exchange, chat: dict[str, Any]) -> None:
    """What a recording asked, asked in OpenAI's shape, says the same things in words that the service accepted."""
    report = Report()
    model = traits(exchange.model, maker_of(exchange.model))
    made = json.loads(msgspec.json.encode(bedrock_request.encode(read_chat(json.dumps(chat).encode()), report, model)))
    assert not paths(made) - accepted_paths(API) - UNSEEN.keys()
    again = bedrock_chats.as_chat(made)
    assert again is not None
    if exchange.id not in SAID_OTHERWISE:
        assert comparable(again) == comparable(chat)
        assert set(report.fates()) <= {"mapped", "passed"}


def test_most_recorded_requests_are_asked() -> None:
    """The requests that can be asked in OpenAI's shape are enough of them to mean something."""
    assert len(ASKED) >= 60
