"""A judge that the test scripts: an OpenAI-shaped provider that gives the verdicts it was told to give, or none."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSES = '{"violations": []}'
HATE = '{"violations": [{"category": "hate", "score": 0.75}]}'


class JudgeServer(ThreadingHTTPServer):
    """Listens on a free port of loopback.  `says`: the next answers' text; None: it says nothing until `left` is set,
    because its client is gone.  `asked`: every body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.says: str | None = PASSES
        self.asked: list[Any] = []
        self.left = threading.Event()

    def endpoint(self, name: str) -> dict[str, Any]:
        """An endpoint in front of it, in the shape of the control API."""
        settings = {"openai_api_key_plaintext": "sk-fake", "openai_api_base": f"http://127.0.0.1:{self.server_port}/v1"}
        external = {"name": "judge", "provider": "openai", "task": "llm/v1/chat", "openai_config": settings}
        gateway = {"usage_tracking_config": {"enabled": True}}
        return {"name": name, "config": {"served_entities": [{"external_model": external}]}, "ai_gateway": gateway}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: JudgeServer

    def do_POST(self) -> None:
        """Give the verdict."""
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if self.server.says is None:
            self.connection.settimeout(30)
            if self.connection.recv(1) == b"":
                self.server.left.set()
            self.close_connection = True
            return
        message = {"role": "assistant", "content": self.server.says}
        usage = {"prompt_tokens": 21, "completion_tokens": 4, "total_tokens": 25}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        data = json.dumps({"id": "j", "object": "chat.completion", "choices": choices, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
