"""Traces of a live server: what its collector gets, and what its provider is told."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector import Collector, told

from .live import TOKEN, Live, chat, invocations, playing, wait_until
from .provider import Provider

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_goes_through(provider: Provider, tmp_path: Path) -> None:
    """A call from a trace goes on in it, over two workers and to the provider; spans come in time, a collector that
    fails is no caller's trouble, and no span has a prompt, a token or a key."""
    config = tmp_path / "endpoints.json"
    config.write_text(json.dumps([each for each in provider.endpoints() if each["name"] in ("echo", "failing")]))
    flags = ["--config", str(config), "--no-default-endpoint", "--workers", "2", "--otel-propagate", "127.0.0.1"]
    with playing(Collector()) as server:
        assert isinstance(server, Collector)
        live = Live(tmp_path, *flags, "--otel-endpoint", server.url, "--otel-sample-ratio", "0")
        try:
            for endpoint, stream in (("echo", False), ("echo", True), ("failing", False)):
                asked = chat(stream=stream, messages=[{"role": "user", "content": "a secret"}])
                connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=20)
                head = {"authorization": f"Bearer {TOKEN}", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
                connection.request("POST", invocations(endpoint), json.dumps(asked), head)
                connection.getresponse().read()
                connection.close()
            assert live.ask("echo").status == 200, "not sampled"
            wait_until(lambda: len(server.of(TRACE)) == 6, "the spans")
            server.status = 503
            assert live.ask("echo").status == 200
        finally:
            live.stop()
    assert len(server.spans) == 6
    asking = [span for span in server.spans if span.kind == Span.SPAN_KIND_CLIENT]
    sent = {f"00-{TRACE}-{span.span_id.hex()}-01" for span in asking}
    assert sent == set(provider.parents[-5:]) - {None}
    assert {span.parent_span_id.hex() for span in server.spans if span not in asking} == {"b7ad6b7169203331"}
    tokens = sorted(told(span).get("gen_ai.usage.input_tokens", 0) for span in asking)
    assert tokens == [0, 11, 11]
    assert sorted(str(told(span).get("gen_ai.response.finish_reasons")) for span in asking)[-1] == "['stop']"
    written = b"".join(span.SerializeToString() for span in server.spans)
    for hidden in (b"a secret", TOKEN.encode(), b"sk-fake"):
        assert hidden not in written
