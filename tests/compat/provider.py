"""A deterministic OpenAI-shaped provider: what a small model cannot show, and failures on demand.

The name of the model says what happens: `echo` answers with the request it got, `parrot` with the question alone,
`scold` refuses with the question as its message, `tools` calls two functions at once, and so on.  `asked` keeps every
request body, `parents` every `traceparent`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
CALLS = (("call_a", "get_weather", '{"city": "Paris"}'), ("call_b", "get_time", '{"city": "Tokyo"}'))
REFUSALS: dict[str, tuple[int, str]] = {
    "busy": (429, "Rate limit reached for requests"),
    "overloaded": (503, "The engine is overloaded"),
    "failing": (500, "The server had an error"),
    "bad-key": (401, "Incorrect API key provided"),
    "refusing": (400, "max_tokens is too large: 9"),
}
STREAMS = ("echo", "tools", "wordy", "breaking", "cut")
MODELS = (*STREAMS, *REFUSALS)


class Provider(ThreadingHTTPServer):
    """Listens on a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[Event] = []
        self.parents: list[str | None] = []

    @property
    def url(self) -> str:
        """The base URL, as a provider's settings take it."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def endpoints(self) -> list[Event]:
        """An endpoint for each behaviour, in the shape of the control API."""
        return [self._endpoint(model) for model in MODELS]

    def _endpoint(self, model: str) -> Event:
        settings = {"openai_api_key_plaintext": "sk-fake", "openai_api_base": self.url}
        external = {"name": model, "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
        return {"name": model, "config": {"served_entities": [{"external_model": external}]}}


class Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        """Answer as the model's name says."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        self.server.parents.append(self.headers.get("traceparent"))
        model = body["model"]
        if model in REFUSALS or model == "scold":
            status, message = REFUSALS.get(model, (400, question(body)))
            self.whole(status, {"error": {"message": message, "type": "error", "code": None}})
        elif body.get("stream"):
            self.stream(model, body)
        else:
            self.whole(200, answer(model, body))

    def whole(self, status: int, value: Event) -> None:
        """A JSON answer."""
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status in (429, 503):
            self.send_header("retry-after", "1")
        self.end_headers()
        self.wfile.write(data)

    def stream(self, model: str, body: Event) -> None:
        """An event stream that ends with the connection."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in events(model, body):
            if model == "wordy":  # what services write between events, and MLflow's parser does not take
                self.wfile.write(b": PROCESSING\n\nevent: chunk\nid: 7\n")
            self.wfile.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        if model != "cut":
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def answer(model: str, body: Event) -> Event:
    """A whole answer."""
    message: Event = {
        "role": "assistant",
        "content": question(body) if model == "parrot" else json.dumps(body, sort_keys=True),
    }
    if model == "tools":
        calls = [{"id": id, "type": "function", "function": {"name": name, "arguments": a}} for id, name, a in CALLS]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
    finish = "tool_calls" if model == "tools" else "stop"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice]} | {
        "usage": USAGE
    }


def question(body: Event) -> str:
    """What was asked last."""
    return str(body["messages"][-1]["content"])


def events(model: str, body: Event) -> Iterator[Event]:
    """The events of a stream, usage in one of its own as OpenAI sends it when asked."""
    yield chunk(model, {"role": "assistant", "content": None if model == "tools" else ""})
    if model == "tools":
        for delta in tool_deltas():
            yield chunk(model, {"tool_calls": [delta]})
    else:
        said = "Glass bell."
        if model in ("echo", "parrot"):
            said = json.dumps(body, sort_keys=True) if model == "echo" else question(body)
        for start in range(0, len(said), 6):
            yield chunk(model, {"content": said[start : start + 6]})
    if model == "breaking":
        yield {"error": {"message": "the service broke down", "type": "server_error", "code": 500}}
    if model in ("breaking", "cut"):
        return
    yield chunk(model, {}, "tool_calls" if model == "tools" else "stop")
    if (body.get("stream_options") or {}).get("include_usage"):
        yield chunk(model, None) | {"usage": USAGE}


def tool_deltas() -> Iterator[Event]:
    """Two calls, begun one after the other, their arguments in pieces that interleave."""
    for index, (call_id, name, _) in enumerate(CALLS):
        yield {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [[arguments[at : at + 5] for at in range(0, len(arguments), 5)] for _, _, arguments in CALLS]
    for both in zip(*pieces, strict=True):
        for index, piece in enumerate(both):
            yield {"index": index, "function": {"arguments": piece}}


def chunk(model: str, delta: Event | None, finish: str | None = None) -> Event:
    """One event; no delta makes one without choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices}
