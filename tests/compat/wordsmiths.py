"""Providers of text completions and embeddings, deterministic and on loopback, each in its own dialect.

Written from their public documentation.  The path tells which one is asked, and of OpenAI's the model's name what
happens: `cut` ends its stream early, `busy` refuses, `endless` goes on until nobody listens.  Must not know cloche's
endpoints beyond their settings.
"""

from __future__ import annotations

import base64
import json
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
TEXT = " world"
VECTOR = [0.5, -2.0]
_MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
_COHERE_USAGE = {"tokens": {"input_tokens": 3, "output_tokens": 2}}
_JSON, _STREAM = "application/json", "text/event-stream"


class Wordsmiths(ThreadingHTTPServer):
    """Listens on a free port of loopback.  `asked`: path and body of every request.  `left`: set when a client of
    `endless` has gone."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Event]] = []
        self.left = threading.Event()

    def endpoints(self) -> list[Event]:
        """An endpoint for each provider and task, in the shape of the control API."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        openai = {"openai_api_key_plaintext": "sk-fake", "openai_api_base": f"{url}/v1"}
        cohere = {"cohere_api_key_plaintext": "sk-fake", "cohere_api_base": url}
        prose = {
            "openai": openai,
            "anthropic": {"anthropic_api_key_plaintext": "sk-fake", "anthropic_api_base": url},
            "cohere": cohere,
            "ai21labs": {"ai21labs_api_key_plaintext": "sk-fake", "ai21labs_api_base": f"{url}/studio"},
        }
        made = [_endpoint(provider, provider, "m", settings) for provider, settings in prose.items()]
        made += [_endpoint(model, "openai", model, openai) for model in ("cut", "busy", "endless")]
        made.append(_endpoint("openai-vectors", "openai", "m", openai, "embeddings"))
        made.append(_endpoint("busy-vectors", "openai", "busy", openai, "embeddings"))
        return [*made, _endpoint("cohere-vectors", "cohere", "m", cohere, "embeddings")]


def _endpoint(name: str, provider: str, model: str, settings: Event, task: str = "completions") -> Event:
    external = {"name": model, "provider": provider, "task": f"llm/v1/{task}", f"{provider}_config": settings}
    return {"name": name, "config": {"served_entities": [{"external_model": external}]}}


class _Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    server: Wordsmiths

    def do_POST(self) -> None:
        """Answer in the dialect of the path."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        if body["model"] == "busy":
            self._send(429, _JSON, json.dumps({"error": {"message": "slow down", "code": "rate_limit"}}).encode())
        elif body["model"] == "endless":
            self._go_on()
        elif body.get("stream"):
            self._send(200, _STREAM, "".join(_framed(each) for each in EVENTS[self.path](body)).encode())
        else:
            self._send(200, _JSON, json.dumps(ANSWERS[self.path](body)).encode())

    def _send(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _go_on(self) -> None:
        self.send_response(200)
        self.send_header("content-type", _STREAM)
        self.send_header("connection", "close")
        self.end_headers()
        try:
            while True:
                self.wfile.write(_framed(_piece(0, "word ")).encode())
                time.sleep(0.02)
        except OSError:
            self.server.left.set()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _framed(event: Event | str) -> str:
    if isinstance(event, str):
        return f"data: {event}\n\n"
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


# ---------------------------------------------------------------- OpenAI


def _prompts(body: Event) -> int:
    given = body["prompt"]
    return (len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1) * (body.get("n") or 1)


def _completion(body: Event) -> Event:
    choices = [{"index": at, "text": TEXT, "finish_reason": "stop", "logprobs": None} for at in range(_prompts(body))]
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": choices} | {
        "usage": USAGE
    }


def _piece(index: int, text: str, finish: str | None = None) -> Event:
    choice = {"index": index, "text": text, "finish_reason": finish, "logprobs": None}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}


def _completion_events(body: Event) -> Iterator[Event | str]:
    for index in range(_prompts(body)):
        yield _piece(index, " wor")
        if body["model"] == "cut":
            return
        yield _piece(index, "ld", "stop")
    yield _piece(0, "") | {"choices": [], "usage": USAGE}
    yield "[DONE]"


def _vectors(body: Event) -> Event:
    packed = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()
    vector = packed if body.get("encoding_format") == "base64" else VECTOR
    count = len(body["input"]) if isinstance(body["input"], list) and not isinstance(body["input"][0], int) else 1
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(count)]
    return {"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 4, "total_tokens": 4}}


# ---------------------------------------------------------------- the others


def _message_events(_: Event) -> Iterator[Event | str]:
    yield {"type": "message_start", "message": _MESSAGE | {"content": [], "usage": {"input_tokens": 3}}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    for text in (" wor", "ld"):
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
    yield {"type": "message_stop"}


def _cohere_events(_: Event) -> Iterator[Event | str]:
    yield {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}}
    yield {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}}
    for text in (" wor", "ld"):
        yield {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": text}}}}
    yield {"type": "content-end", "index": 0}
    yield {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE_USAGE}}


def _chat_events(_: Event) -> Iterator[Event | str]:
    for delta in ({"role": "assistant"}, {"content": " wor"}, {"content": "ld"}):
        yield {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {"id": "c", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": USAGE}
    yield "[DONE]"


ANSWERS: dict[str, Any] = {
    "/v1/completions": _completion,
    "/v1/embeddings": _vectors,
    "/v1/messages": lambda _: (
        _MESSAGE
        | {
            "content": [{"type": "text", "text": TEXT}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 3, "output_tokens": 2},
        }
    ),
    "/v2/chat": lambda _: {
        "id": "c1",
        "message": {"role": "assistant", "content": [{"type": "text", "text": TEXT}]},
        "finish_reason": "COMPLETE",
        "usage": _COHERE_USAGE,
    },
    "/v2/embed": lambda body: {
        "id": "e1",
        "embeddings": {"float": [VECTOR for _ in body["texts"]]},
        "meta": {"billed_units": {"input_tokens": 4}},
    },
    "/studio/chat/completions": lambda _: {
        "id": "c",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": USAGE,
    },
}
EVENTS: dict[str, Any] = {
    "/v1/completions": _completion_events,
    "/v1/messages": _message_events,
    "/v2/chat": _cohere_events,
    "/studio/chat/completions": _chat_events,
}
