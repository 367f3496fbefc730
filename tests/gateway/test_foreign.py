"""Calls to a provider with a dialect of its own: whatever it answers reaches the client in the canonical form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from msgspec import structs

from cloche.domain.chat import ChatRequest, ChatResponse, Choice, Chunk, FinishReason, ReasoningDelta, Usage
from cloche.domain.endpoint import ExternalModel
from cloche.domain.errors import BadRequest, Problem, ProviderBroken, ProviderBusy, ProviderTimeout
from cloche.domain.outbound import HttpCall, Origin, Timeouts
from cloche.domain.translation import Report
from cloche.providers.base import Decoder
from cloche.snapshot import Target

from .scripted import STREAM_HEAD, Outbound, World


class Lines:
    """Reads a dialect of lines: each is a word, the last one is `end N` with the count of words."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, data: bytes) -> list[Chunk]:
        """Every whole line but the end."""
        self._text += data.decode()
        *lines, self._text = self._text.split("\n")
        if any(line == "oops" for line in lines):
            raise ProviderBusy("too much")
        self._text = "\n".join([line for line in lines if line.startswith("end")] + [self._text])
        return [_chunk(line) for line in lines if not line.startswith("end")]

    def close(self) -> list[Chunk]:
        """The end, if it has come."""
        word, _, count = self._text.strip().partition(" ")
        if word != "end":
            raise ProviderBroken("the answer is not whole")
        return [Chunk(finish_reason="stop", usage=Usage(7, int(count)))]


def _chunk(line: str) -> Chunk:
    if line.startswith("think "):
        return Chunk(reasoning=(ReasoningDelta(0, line.removeprefix("think ")),))
    return Chunk(content=line)


class Abroad:
    """A provider of that dialect."""

    model = "far"
    finishes: Mapping[str, FinishReason | None] = MappingProxyType({})

    def __init__(self, *, takes_n: bool = False) -> None:
        self.takes_n = takes_n

    def encode(self, request: ChatRequest, report: Report, *, stream: bool) -> HttpCall:
        """Drops the seed, and has no tools."""
        if request.params.tools:
            raise BadRequest("tools: this provider has none")
        if request.params.seed is not None:
            report.note("dropped", "seed", "it has no dice")
        if request.max_tokens is not None:
            report.note("mapped", "max_tokens")
        body = json.dumps({"stream": stream, "n": request.params.n}).encode()
        return HttpCall(Origin("far.test", 443, tls=True), b"", (body,))

    def decode(self, body: bytes) -> ChatResponse:
        """The same lines."""
        decoder = Lines()
        text = "".join(chunk.content for chunk in decoder.feed(body))
        [last] = decoder.close()
        return ChatResponse([Choice(0, text, "stop")], last.usage)

    def decoder(self) -> Decoder:
        """Of a stream."""
        return Lines()

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> Problem:
        """Always busy."""
        return ProviderBusy("come back", retry_after=9)


@pytest.fixture
def world() -> World:
    """A gateway whose endpoint `chat` is answered abroad."""
    made = World()
    target = Target("a", "far", b"served-model-name: a\r\n", Timeouts(), foreign=Abroad())
    snapshot = made.snapshot.current()
    chat = structs.replace(snapshot.endpoints["chat"], routed=(target,), bounds=(100,), targets={"a": target})
    made.snapshot.swap(structs.replace(snapshot, endpoints={"chat": chat}))
    return made


def finish(outbound: Outbound, *lines: str) -> None:
    """Answer a call with lines, one at a time."""
    outbound.receiver.on_head(200, dict(STREAM_HEAD))
    for line in lines:
        outbound.receiver.on_data(line.encode() + b"\n")
    outbound.receiver.on_end()


def test_a_whole_answer_and_what_became_of_its_fields(world: World) -> None:
    """A whole answer is asked for and translated; the client is told which fields were not passed on as they are."""
    _, client = world.ask(seed=1, max_tokens=5)
    assert world.last.body["stream"] is False
    finish(world.last, "Hel", "lo", "end 2")
    assert client.json["choices"][0]["message"]["content"] == "Hello"
    assert client.json["usage"]["total_tokens"] == 9
    assert client.headers == b"served-model-name: a\r\ncloche-translation: dropped=seed; mapped=max_tokens\r\n"
    assert client.over
    assert world.idle


def test_a_stream(world: World) -> None:
    """Events come as they are decoded, reasoning before text; the finish reason and usage come last."""
    _, client = world.ask(stream=True)
    finish(world.last, "think hm", "Hel", "lo", "end 2")
    role, thought, first, second, last = (each["choices"][0] for each in client.events[:-1])
    assert role["delta"]["role"] == "assistant"
    assert thought["delta"]["content"] == [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]
    assert first["delta"]["content"] + second["delta"]["content"] == "Hello"
    assert last["finish_reason"] == "stop"
    assert client.events[-2]["usage"]["completion_tokens"] == 2
    assert client.events[-1] == "[DONE]"
    assert world.idle


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices_are_several_calls(world: World, stream: bool) -> None:
    """A provider without `n` is asked once for each choice; the client is told the prompt once, and it is paid
    for each call."""
    _, client = world.ask(n=2, stream=stream)
    for word in ("one", "two"):
        finish(world.last, word, "end 3")
    assert len(world.calls) == 2
    usage: Any = client.events[-2]["usage"] if stream else client.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 6)
    assert (world.records[-1].input_tokens, world.records[-1].output_tokens) == (14, 6)
    assert b"emulated=n" in client.headers
    if not stream:
        texts = {each["index"]: each["message"]["content"] for each in client.json["choices"]}
    else:
        deltas = [each["choices"][0] for each in client.events[:-1]]
        texts = {0: "", 1: ""}
        for each in deltas:
            texts[each["index"]] += each["delta"].get("content", "")
    assert texts == {0: "one", 1: "two"}


def test_strict_callers_are_refused_instead(world: World) -> None:
    """Who asks for it is refused rather than to have a parameter dropped; nothing is sent."""
    _, client = world.ask(seed=1, headers={b"cloche-strict-params": b"true"})
    assert (client.status, world.calls) == (400, [])
    assert client.json["message"].startswith("seed: ")
    _, client = world.ask(tools=[{"type": "function", "function": {"name": "f"}}])
    assert (client.status, world.calls) == (400, [])


def test_a_strict_header_that_says_nothing_is_refused(world: World) -> None:
    """Taken for a no it would lose what its sender means to keep; letters may be of any case."""
    for said in (b"yes", b"1", b""):
        _, client = world.ask(seed=1, headers={b"cloche-strict-params": said})
        assert (client.status, client.json["message"]) == (400, "cloche-strict-params: must be true or false")
    _, client = world.ask(seed=1, headers={b"cloche-strict-params": b"True"})
    assert client.json["message"].startswith("seed: ")
    assert world.calls == []


def test_a_strict_endpoint_is_strict_with_everybody(world: World) -> None:
    """Where the endpoint wants it, no header is needed, and none that says otherwise helps."""
    snapshot = world.snapshot.current()
    strict = structs.replace(snapshot.endpoints["chat"], strict=True)
    world.snapshot.swap(structs.replace(snapshot, endpoints={"chat": strict}))
    for headers in ({}, {b"cloche-strict-params": b"false"}):
        _, client = world.ask(seed=1, headers=headers)
        assert (client.status, world.calls) == (400, [])
        assert client.json["message"].startswith("seed: ")


def test_the_record_tells_what_became_of_the_fields(world: World) -> None:
    """The log has what the caller was told, and nothing where there was nothing to tell."""
    world.ask(seed=1)
    finish(world.last, "hi", "end 1")
    world.ask()
    finish(world.last, "hi", "end 1")
    assert [record.translation for record in world.records] == ["dropped=seed", None]


@pytest.mark.parametrize("stream", [False, True])
def test_refusals(world: World, stream: bool) -> None:
    """An error before the first event has its own status; a failing connection, too."""
    _, client = world.ask(stream=stream)
    world.last.answer(b"{}", status=529)
    assert (client.status, client.wholes) == (429, 1)
    _, client = world.ask(stream=stream)
    world.last.receiver.on_failure(ProviderTimeout("slow"))
    assert client.status == 504
    assert world.idle


def test_a_stream_that_breaks(world: World) -> None:
    """What fails after the first event is an error event; what is cut off is not taken for whole."""
    for lines in (["Hel", "oops"], ["Hel"]):
        _, client = world.ask(stream=True)
        finish(world.last, *lines)
        assert client.status == 200
        assert "error" in client.events[-2]
        assert client.events[-1] == "[DONE]"
    assert world.idle


CLAUDE = ExternalModel("claude-sonnet-4-5", "anthropic", "llm/v1/chat", {"anthropic_api_key_plaintext": "sk-1"})
BUSY = b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}'


@pytest.mark.parametrize(("body", "status", "words"), [(BUSY, 503, "busy"), (b"{}", 502, "without an end")])
def test_json_in_place_of_a_stream(body: bytes, status: int, words: str) -> None:
    """An error with status 200 is that error; what is no answer is named as such."""
    world = World()
    world.add("claude", CLAUDE)
    _, client = world.ask("claude", stream=True)
    world.last.answer(body)
    assert client.status == status
    assert words in client.json["message"]
    assert world.idle


def test_a_whole_answer_in_place_of_a_stream() -> None:
    """An answer that comes in one piece is streamed to who wanted a stream, with all that it has."""
    content: list[Any] = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "Bern"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    ]
    whole = {
        "type": "message",
        "content": content,
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    world = World()
    world.add("claude", CLAUDE)
    _, client = world.ask("claude", stream=True)
    world.last.answer(json.dumps(whole).encode())
    _, said, last = (each["choices"][0] for each in client.events[:-1])
    summary = {"type": "summary_text", "text": "hm", "signature": "s"}
    assert said["delta"]["content"] == [{"type": "reasoning", "summary": [summary]}, {"type": "text", "text": "Bern"}]
    assert said["delta"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert last["finish_reason"] == "tool_calls"
    assert client.events[-2]["usage"]["total_tokens"] == 3
    assert world.idle


def test_tokens_counted_in_the_head() -> None:
    """A count that stands in the head of a whole answer, and not in it, is the answer's; also where a stream was
    wanted of a family that is not streamed."""
    settings = {
        "aws_region": "us-east-1",
        "bedrock_provider": "ai21labs",
        "bedrock_api_type": "invoke",
        "aws_access_key_id_plaintext": "AKIAEXAMPLE00000",
        "aws_secret_access_key_plaintext": "x" * 40,
    }
    world = World()
    world.add("old", ExternalModel("ai21.j2-mid-v1", "amazon-bedrock", "llm/v1/chat", settings))
    body = b'{"completions": [{"data": {"text": "Bern"}, "finishReason": {"reason": "endoftext"}}]}'
    head = {
        b"content-type": b"application/json",
        b"x-amzn-bedrock-input-token-count": b"5",
        b"x-amzn-bedrock-output-token-count": b"2",
        b"x-amzn-bedrock-cache-read-input-token-count": b"3",
    }
    for stream in (False, True):
        _, client = world.ask("old", stream=stream)
        receiver = world.last.receiver
        receiver.on_head(200, dict(head))
        receiver.on_data(body)
        receiver.on_end()
        usage = client.events[-2]["usage"] if stream else client.json["usage"]
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (8, 2)
        assert usage["prompt_tokens_details"] == {"cached_tokens": 3}
    assert world.idle


def test_events_under_the_content_type_of_json() -> None:
    """What begins as events do is read as events."""
    world = World()
    world.add("claude", CLAUDE)
    _, client = world.ask("claude", stream=True)
    world.last.answer(b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n')
    assert client.status == 503
