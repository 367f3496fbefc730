"""The unchanged OpenAI client in front of Bedrock's Converse: signed calls go out, and binary frames come back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai import APIError, OpenAI

from codec.frames import event, exception

from .live import TOKEN, in_front, playing

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
USAGE = {"inputTokens": 11, "outputTokens": 7, "totalTokens": 18}
USE = {"toolUseId": "tooluse_1", "name": "get_weather"}
WHOLE = {
    "output": {"message": {"content": [{"text": "Hello"}, {"toolUse": {**USE, "input": {"city": "Paris"}}}]}},
    "stopReason": "tool_use",
    "usage": USAGE,
}
BEGUN = [
    event("messageStart", role="assistant"),
    event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hello"}),
    event("contentBlockStop", contentBlockIndex=0),
]
REST = [
    event("contentBlockStart", contentBlockIndex=1, start={"toolUse": USE}),
    event("contentBlockDelta", contentBlockIndex=1, delta={"toolUse": {"input": '{"city": "Pa'}}),
    event("contentBlockDelta", contentBlockIndex=1, delta={"toolUse": {"input": 'ris"}'}}),
    event("contentBlockStop", contentBlockIndex=1),
    event("messageStop", stopReason="tool_use"),
    event("metadata", usage=USAGE),
]
MESSAGES: Any = [{"role": "user", "content": "What is the weather?"}]
BROKEN: Any = [{"role": "user", "content": "Break in the middle."}]


class Bedrock(ThreadingHTTPServer):
    """Listens on a free port of loopback.  `asked`: path, signature and body of every request; `told`: set once the
    client of a stream that breaks has its beginning."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.told = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bedrock

    def do_POST(self) -> None:
        """Answer whole or in frames, as the path says."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, self.headers["authorization"], body))
        streamed = self.path.endswith("/converse-stream")
        kind = "application/vnd.amazon.eventstream" if streamed else "application/json"
        pieces = [*BEGUN, *REST] if streamed else [json.dumps(WHOLE).encode()]
        breaks = body["messages"][0]["content"][0]["text"].startswith("Break")
        if breaks:
            pieces = [*BEGUN, exception("throttlingException", "too much")]
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(sum(map(len, pieces))))
        self.end_headers()
        for piece in pieces:
            if breaks and piece is pieces[-1]:
                self.server.told.wait(30)
            self.wfile.write(piece)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def bedrock() -> Iterator[Bedrock]:
    """The service."""
    with playing(Bedrock()) as running:
        yield running


@pytest.fixture(scope="module")
def client(bedrock: Bedrock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenAI]:
    """The client of a server with an endpoint for a model there."""
    settings = {
        "aws_region": "us-east-1",
        "bedrock_provider": "anthropic",
        "aws_access_key_id_plaintext": "AKIDEXAMPLE000000000",
        "aws_secret_access_key_plaintext": SECRET,
        "aws_api_base": f"http://127.0.0.1:{bedrock.server_address[1]}",
    }
    model = {"name": MODEL, "provider": "amazon-bedrock", "task": "llm/v1/chat", "amazon_bedrock_config": settings}
    folder = tmp_path_factory.mktemp("bedrock")
    endpoint = {"name": "claude", "config": {"served_entities": [{"external_model": model}]}}
    with (
        in_front(folder, [endpoint]) as live,
        OpenAI(api_key=TOKEN, base_url=f"{live.url}/serving-endpoints", max_retries=0, timeout=60) as made,
    ):
        yield made


def test_a_whole_answer(client: OpenAI, bedrock: Bedrock) -> None:
    """A call goes out signed, with the model in its path, and its answer is a chat completion."""
    answer = client.chat.completions.create(model="claude", messages=MESSAGES, max_tokens=50)
    [choice] = answer.choices
    assert choice.message.content == "Hello"
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert choice.finish_reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 18
    path, signature, body = bedrock.asked[-1]
    assert path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE000000000/")
    assert "/us-east-1/bedrock/aws4_request" in signature
    assert SECRET not in signature
    assert body["inferenceConfig"] == {"maxTokens": 50}


def test_a_stream_says_the_same(client: OpenAI) -> None:
    """Frames become events: deltas add up to the whole answer, and the usage comes with the finish reason."""
    text, arguments, finishes = "", "", []
    for chunk in client.chat.completions.create(model="claude", messages=MESSAGES, stream=True):
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                arguments += (call.function and call.function.arguments) or ""
            if choice.finish_reason:
                finishes.append((choice.finish_reason, chunk.usage and chunk.usage.total_tokens))
    assert (text, json.loads(arguments), finishes) == ("Hello", {"city": "Paris"}, [("tool_calls", 18)])


def test_a_stream_that_breaks(client: OpenAI, bedrock: Bedrock) -> None:
    """An exception in the middle of a stream is an error event: the client has what came, and knows that it broke."""
    text = ""
    with pytest.raises(APIError, match="too much"):  # noqa: PT012 — the text comes before the error
        for chunk in client.chat.completions.create(model="claude", messages=BROKEN, stream=True):
            text += chunk.choices[0].delta.content or ""
            if text == "Hello":
                bedrock.told.set()
    assert text == "Hello"
