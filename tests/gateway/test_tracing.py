"""Traces: which calls have one, what their spans say, and that a collector that is away is nobody's trouble."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from cloche.bootstrap import trace_writer
from cloche.bootstrap.trace_writer import TraceWriter, collector
from cloche.codec import otlp
from cloche.domain.ai_gateway import AiGateway, Coalescing, Fallback, Hedging, ResponseCache
from cloche.domain.trace import read_parent
from cloche.gateway import tracing
from cloche.gateway.admission import Admission
from cloche.gateway.pipeline import Gateway
from cloche.gateway.recording import Recorder
from cloche.gateway.spans import spans_of
from cloche.gateway.tracing import Tracer
from cloche.settings import Settings
from cloche.upstream.client import Upstream
from cloche.upstream.options import UpstreamOptions
from collector import Collector, read, told

from .scripted import TOKEN_KEY
from .test_answer_cache import END, Caching
from .test_limits import DELTA, answer

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Traced(Caching):
    """A world whose calls are traced."""

    def __init__(self, home: Path, rules: AiGateway | None = None, **how: Any) -> None:
        super().__init__(home, rules or AiGateway())
        self.tracer = Tracer(**({"ratio": 1.0} | how))
        lasting = self.lasting._replace(cache=self.cache, flights=self.flights, tracer=self.tracer)
        self.gateway = Gateway(self.snapshot, Admission(TOKEN_KEY), self._send, Recorder(self.records.append), lasting)

    def spans(self, *, content: bool = False) -> list[Span]:
        """Those of the calls that have ended, through the bytes and back."""
        made = [
            span
            for call, trace in self.tracer.take(99, 1 << 30)
            for span in spans_of(call, trace, self.snapshot.current().endpoints["chat"].endpoint, content=content)
        ]
        return [span for _, span in read(otlp.encode(made, {"service.name": "cloche"}, "cloche", "1"))]


def test_a_whole_answer(tmp_path: Path) -> None:
    """There is a server's span of the call and a client's of asking, with model, provider, tokens and reason to end,
    and with nothing of what was said."""
    world = Traced(tmp_path)
    said = json.loads(answer(11, 7)) | {"model": "model-1", "id": "c1"}
    said["choices"][0]["message"]["content"] = "SECRET ANSWER"
    world.asked(
        json.dumps(said).encode(), messages=[{"role": "user", "content": "SECRET"}], temperature=0, max_tokens=5
    )
    own, asking = world.spans()
    assert (own.kind, asking.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert asking.trace_id == own.trace_id
    assert (asking.parent_span_id, own.parent_span_id) == (own.span_id, b"")
    assert own.start_time_unix_nano <= asking.start_time_unix_nano <= asking.end_time_unix_nano
    assert asking.end_time_unix_nano <= own.end_time_unix_nano
    assert (own.name, own.status.code) == ("chat chat", 0)
    assert told(own)["cloche.endpoint"] == "chat"
    assert told(own)["http.response.status_code"] == 200
    entity = told(asking)["cloche.served_entity"]
    assert told(asking) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": f"model-{entity}",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 5,
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.response.id": told(asking)["gen_ai.response.id"],
        "gen_ai.response.model": told(asking)["gen_ai.response.model"],
        "gen_ai.response.finish_reasons": ["stop"],
        "server.address": f"{entity}.test",
        "server.port": 80,
        "cloche.served_entity": entity,
    }
    assert b"SECRET" not in own.SerializeToString() + asking.SerializeToString()
    assert b"ann" not in own.SerializeToString()


def test_a_stream_with_content(tmp_path: Path) -> None:
    """Where content is wanted, the call's span has what was asked and the whole of what was streamed."""
    world = Traced(tmp_path)
    world.ask(stream=True)
    world.last.head()
    for piece in (DELTA % b"he", DELTA % b"y", END):
        world.last.receiver.on_data(piece)
    world.last.receiver.on_end()
    own, asking = world.spans(content=True)
    assert json.loads(told(own)["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
    ]
    assert json.loads(told(own)["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "hey"}], "finish_reason": "stop"}
    ]
    assert told(asking)["gen_ai.request.stream"] is True
    assert told(asking)["gen_ai.response.time_to_first_chunk"] >= 0
    assert told(asking)["gen_ai.response.finish_reasons"] == ["stop"]


def test_tools_and_pictures(tmp_path: Path) -> None:
    """Calls of tools and their results are told as such; of a picture only that it was there."""
    world = Traced(tmp_path)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    picture = {"type": "image_url", "image_url": {"url": "https://secret.test/"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "see"}, picture]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "9"},
    ]
    said = json.loads(answer(11, 7))
    said["choices"][0] |= {"message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}
    world.asked(json.dumps(said).encode(), messages=messages)
    own, _ = world.spans(content=True)
    tool = {"type": "tool_call", "id": "c", "name": "f", "arguments": {"a": 1}}
    assert [each["parts"] for each in json.loads(told(own)["gen_ai.input.messages"])] == [
        [{"type": "text", "content": "see"}, {"type": "image_url"}],
        [tool],
        [{"type": "tool_call_response", "id": "c", "response": "9"}],
    ]
    assert json.loads(told(own)["gen_ai.output.messages"])[0]["parts"] == [tool]


def test_every_attempt_has_a_span(tmp_path: Path) -> None:
    """An attempt that fails and the one after it are two spans, each with its entity and what came of it."""

    async def test() -> None:
        world = Traced(tmp_path, AiGateway(fallback_config=Fallback(enabled=True)), hosts=("*",))
        _, client = world.ask()
        world.last.answer(b'{"error":{"message":"no"}}', 503)
        await asyncio.sleep(0.02)
        world.last.answer(answer(11, 7))
        assert client.status == 200
        own, failed, heard = world.spans()
        assert told(failed)["error.type"] == "TEMPORARILY_UNAVAILABLE"
        assert failed.status.code == 2
        assert "gen_ai.usage.input_tokens" not in told(failed)
        assert "error.type" not in told(heard)
        assert told(heard)["gen_ai.response.finish_reasons"] == ["stop"]
        assert told(failed)["cloche.served_entity"] != told(heard)["cloche.served_entity"]
        assert {failed.parent_span_id, heard.parent_span_id} == {own.span_id}
        for span, outbound in zip((failed, heard), world.calls, strict=True):
            assert f"traceparent: 00-{own.trace_id.hex()}-{span.span_id.hex()}-01\r\n".encode() in outbound.call.head

    asyncio.run(test())


def test_a_race_and_calls_together(tmp_path: Path) -> None:
    """Both sides of a race have a span, the loser as cancelled; of calls that share an answer one was asked."""

    async def test() -> None:
        rules = AiGateway(hedging_config=Hedging(delay_seconds=0.01), coalescing_config=Coalescing(enabled=True))
        world = Traced(tmp_path, rules)
        world.ask(temperature=0)
        world.ask(temperature=0)
        await asyncio.sleep(0.1)
        assert len(world.calls) == 2
        world.last.answer(answer(11, 7))
        spans = world.spans()
        assert [span.kind for span in spans].count(Span.SPAN_KIND_CLIENT) == 2
        assert sorted(told(span).get("error.type", "") for span in spans) == ["", "", "", "cancelled"]
        assert [told(span).get("cloche.coalesced", False) for span in spans].count(True) == 1

    asyncio.run(test())


def test_what_was_not_asked(tmp_path: Path) -> None:
    """A kept answer and a refusal have the call's span alone; only what is the server's fault is an error of it."""
    world = Traced(tmp_path, AiGateway(cache_config=ResponseCache(enabled=True)))
    world.asked()
    world.asked()
    world.ask(endpoint="nothing")
    world.ask()
    world.ask(seed=1)
    world.last.answer(b"{}", 503)
    spans = world.spans()
    assert told(spans[2])["cloche.cache"] == "hit"
    assert [span.kind for span in spans].count(Span.SPAN_KIND_CLIENT) == 2
    [missing] = [span for span in spans if told(span).get("http.response.status_code") == 404]
    assert (told(missing)["error.type"], missing.status.code) == ("ENDPOINT_NOT_FOUND", 0)
    [broken] = [span for span in spans if told(span).get("http.response.status_code") == 503]
    assert broken.status.code == 2


def test_the_trace_that_it_comes_from(tmp_path: Path) -> None:
    """A `traceparent` decides: its trace goes on if it is kept there, and nothing is kept if it is not."""
    world = Traced(tmp_path, ratio=0.0)
    world.asked()
    assert world.spans() == []
    world.asked(headers={b"traceparent": PARENT, b"tracestate": b"a=1"})
    own, asking = world.spans()
    assert (own.trace_id.hex(), own.parent_span_id.hex()) == (PARENT[3:35].decode(), PARENT[36:52].decode())
    assert (own.trace_state, asking.trace_state) == ("a=1", "a=1")
    assert b"traceparent" not in world.last.call.head, "nobody said that providers are to know"
    world = Traced(tmp_path)
    world.asked(headers={b"traceparent": PARENT[:-2] + b"00"})
    assert world.spans() == []
    world.asked(headers={b"traceparent": b"nonsense"})
    assert len(world.spans()) == 2


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        (PARENT, True),
        (b"01" + PARENT[2:] + b"-more", True),
        (PARENT + b"-more", False),
        (b"ff" + PARENT[2:], False),
        (PARENT.upper(), False),
        (b"00-" + b"0" * 32 + PARENT[35:], False),
        (PARENT[:36] + b"0" * 16 + b"-01", False),
        (PARENT[:-1], False),
        (b"", False),
        (None, False),
    ],
)
def test_what_a_parent_is(header: bytes | None, is_one: bool) -> None:
    """As the W3C has it."""
    assert (read_parent(header) is not None) == is_one


@pytest.mark.parametrize(
    ("hosts", "tells"),
    [((), False), (("*",), True), (("first.test", "second.test"), True), (("elsewhere",), False)],
)
def test_who_is_told(tmp_path: Path, hosts: tuple[str, ...], tells: bool) -> None:
    """Only hosts that were named are told of the trace."""
    world = Traced(tmp_path, hosts=hosts)
    world.asked()
    assert (b"\r\ntraceparent: 00-" in world.last.call.head) == tells
    assert world.last.call.head.endswith(b"\r\n")


def test_only_so_much_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody takes is bounded, and what finds no room is counted."""
    monkeypatch.setattr(tracing, "MOST_BYTES", 20_000)
    world = Traced(tmp_path)
    for _ in range(20):
        _, client = world.asked()
        assert client.status == 200
    assert 0 < len(world.tracer) < 20
    assert world.tracer.lost == 20 - len(world.tracer)


# ---------------------------------------------------------------- sending


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a real socket."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def written(world: Traced, home: Path, url: str, seconds: float) -> TraceWriter:
    """What a writer has done with the world's traces after some time."""

    async def run() -> TraceWriter:
        upstream = Upstream(UpstreamOptions())
        settings = Settings(home=home, otel_endpoint=url)
        writer = TraceWriter(settings, collector(url, "x-key=top secret,x-other=1"), world.snapshot)
        writer.tracer = world.tracer
        writer.start(upstream.send)
        await asyncio.sleep(seconds)
        await writer.stop()
        await upstream.close()
        return writer

    return asyncio.run(run())


def test_to_a_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans come with the operator's header fields and what they are of; what waits at the end comes too."""
    monkeypatch.setattr(trace_writer, "EVERY_SECONDS", 60.0)
    world = Traced(tmp_path)
    world.asked()
    with collecting() as server:
        writer = written(world, tmp_path, server.url, 0.1)
    assert (writer.sent, writer.lost, len(server.spans)) == (2, 0, 2)
    assert server.resources[0]["service.name"] == "cloche"
    assert (server.heads[0]["x-key"], server.heads[0]["path"]) == ("top secret", "/v1/traces")
    assert "top secret" not in repr(collector(server.url, "x-key=top secret"))


@pytest.mark.parametrize(("status", "tries"), [(400, 1), (503, 2)])
def test_a_collector_that_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int, tries: int
) -> None:
    """What it will not take is lost and counted, and what it cannot take now is tried again; that is told once."""
    monkeypatch.setattr(trace_writer, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(trace_writer, "TRIES", 2)
    world = Traced(tmp_path)
    world.asked()
    world.asked()
    with collecting() as server:
        server.status = status
        writer = written(world, tmp_path, server.url, 1.5)
    assert (writer.sent, writer.lost, len(server.heads)) == (0, 2, tries)
    assert len([record for record in caplog.records if "being lost" in record.message]) == 1


def test_a_collector_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fails where nobody listens; what could not be sent is counted."""
    monkeypatch.setattr(trace_writer, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(trace_writer, "TRIES", 1)
    world = Traced(tmp_path)
    world.asked()
    writer = written(world, tmp_path, "http://127.0.0.1:1", 0.5)
    assert (writer.sent, writer.lost) == (0, 1)


@pytest.mark.parametrize(
    ("url", "headers"), [("http://user@host", None), ("http://h", "no sign"), ("http://h", "a=1\r\nb: 2")]
)
def test_what_cannot_be_one(url: str, headers: str | None) -> None:
    """It is said before the start, without a value of a header."""
    with pytest.raises(ValueError, match="must be"):
        collector(url, headers)
