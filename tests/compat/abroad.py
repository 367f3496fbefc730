"""Providers with dialects of their own, deterministic and on loopback: each says a word and calls a function.

Written from their public documentation.  Which one is asked is told by the path.  Must not know cloche's endpoints.
"""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]

CITY = {"city": "Paris"}


class Abroad(ThreadingHTTPServer):
    """Listens on a free port of loopback.  `asked`: path and body of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, Event]] = []

    def endpoints(self) -> list[Event]:
        """An endpoint for each provider, named after it, in the shape of the control API."""
        url = f"http://127.0.0.1:{self.server_address[1]}"
        settings = {
            "anthropic": {"anthropic_api_key_plaintext": "sk-fake", "anthropic_api_base": url},
            "cohere": {"cohere_api_key_plaintext": "sk-fake", "cohere_api_base": url},
            "gemini": {"gemini_api_key_plaintext": "sk-fake", "gemini_api_base": f"{url}/v1beta"},
        }
        return [_endpoint(provider, fields) for provider, fields in settings.items()]


def _endpoint(provider: str, fields: Event) -> Event:
    model = {"name": "m", "provider": provider, "task": "llm/v1/chat", f"{provider}_config": fields}
    return {"name": provider, "config": {"served_entities": [{"external_model": model}]}}


class _Handler(BaseHTTPRequestHandler):
    """One call."""

    protocol_version = "HTTP/1.1"
    server: Abroad

    def do_POST(self) -> None:
        """Answer in the dialect of the path."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        whole, events = next(each for part, each in ANSWERS.items() if part in self.path)
        if body.get("stream") or "stream" in self.path:
            self._send("text/event-stream", "".join(map(encode_event, events)).encode())
        else:
            self._send("application/json", json.dumps(whole).encode())

    def _send(self, kind: str, data: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def encode_event(event: Event) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


_ANTHROPIC_HEAD = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
_TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "get_weather"}
_COHERE_CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": json.dumps(CITY)}}
_COHERE_USAGE = {"tokens": {"input_tokens": 11, "output_tokens": 7}}
_GEMINI_USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}


def _candidate(*parts: Event, **fields: Any) -> Event:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": list(parts)}, **fields}]}


ANSWERS: dict[str, tuple[Event, list[Event]]] = {
    "/v1/messages": (
        _ANTHROPIC_HEAD
        | {
            "content": [{"type": "text", "text": "Hello"}, _TOOL_USE | {"input": CITY}],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 11, "output_tokens": 7},
        },
        [
            {
                "type": "message_start",
                "message": _ANTHROPIC_HEAD | {"content": [], "usage": {"input_tokens": 11, "output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": _TOOL_USE | {"input": {}}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"ci'}},
            {
                "type": "content_block_delta",
                "index": 1,
                "delta": {"type": "input_json_delta", "partial_json": 'ty": "Paris"}'},
            },
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 7}},
            {"type": "message_stop"},
        ],
    ),
    "/v2/chat": (
        {
            "id": "c1",
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "Hello"}],
                "tool_calls": [_COHERE_CALL],
            },
            "finish_reason": "TOOL_CALL",
            "usage": _COHERE_USAGE,
        },
        [
            {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}},
            {
                "type": "content-start",
                "index": 0,
                "delta": {"message": {"content": {"type": "text", "text": ""}}},
            },
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "Hello"}}}},
            {"type": "content-end", "index": 0},
            {
                "type": "tool-call-start",
                "index": 0,
                "delta": {
                    "message": {
                        "tool_calls": _COHERE_CALL | {"function": {"name": "get_weather", "arguments": ""}},
                    }
                },
            },
            {
                "type": "tool-call-delta",
                "index": 0,
                "delta": {"message": {"tool_calls": {"function": {"arguments": json.dumps(CITY)}}}},
            },
            {"type": "tool-call-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": _COHERE_USAGE}},
        ],
    ),
    "enerateContent": (
        _candidate({"text": "Hello"}, {"functionCall": {"name": "get_weather", "args": CITY}}, finishReason="STOP")
        | {"usageMetadata": _GEMINI_USAGE},
        [
            _candidate({"text": "Hel"}),
            _candidate({"text": "lo"}),
            _candidate({"functionCall": {"name": "get_weather", "args": CITY}}, finishReason="STOP")
            | {"usageMetadata": _GEMINI_USAGE},
        ],
    ),
}
