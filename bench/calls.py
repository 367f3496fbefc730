"""The calls that gateways are given: the raw bytes of a chat request, and the marker that tells the fake provider how
to answer it.  Nothing here opens a socket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM = "You are a helpful assistant. " * 8
QUESTION = "What is the capital of France? " * 12


@dataclass(frozen=True)
class Call:
    """One kind of call.  Times in µs; `events` with content in a stream; sizes in bytes, 0 for the usual ones."""

    stream: bool = False
    delay_us: int = 0
    gap_us: int = 0
    events: int = 64
    padding: int = 0
    answer_bytes: int = 0

    def messages(self) -> list[dict[str, str]]:
        """The conversation; the marker is in the last message, so that every gateway passes it on."""
        marker = f"[[d={self.delay_us},g={self.gap_us},n={self.events},r={self.answer_bytes}]] "
        padding = "lorem ipsum " * (self.padding // 12)
        return [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": marker + QUESTION + padding},
        ]


@dataclass(frozen=True)
class Target:
    """Where calls go, and what they must carry there."""

    port: int
    path: str
    model: str
    headers: Mapping[str, str]

    def request(self, call: Call) -> bytes:
        """The whole HTTP request, as an OpenAI client would send it."""
        body: dict[str, object] = {"messages": call.messages(), "max_tokens": 256, "temperature": 0.7}
        if self.model:
            body["model"] = self.model
        if call.stream:
            body["stream"] = True
        raw = json.dumps(body).encode()
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": "OpenAI/Python 2.54.0",
            **self.headers,
            "Content-Length": str(len(raw)),
        }
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw
