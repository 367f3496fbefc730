"""A small real HTTP server that plays the endpoints, and the real command in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from cloche.cli.main import main; main()"]
TOKEN = "dapi0123"
INFO = {"token_id": "id1", "creation_time": 1763812984000, "expiry_time": -1, "comment": "laptop"}
ENDPOINT = {
    "name": "small",
    "state": {"ready": "READY"},
    "task": "llm/v1/chat",
    "config": {"served_entities": [{"name": "entity-1"}]},
}


class Stage(ThreadingHTTPServer):
    """What was asked, and how to answer: `mode` picks one of the ways an answer can go.

    `changes` and `faults` are what files of endpoints are answered; `states` the documents of the endpoint `slow`, one
    for each look at it, the last one for ever.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str, Any]] = []
        self.mode = "whole"
        self.changes: list[dict[str, Any]] = []
        self.faults: list[dict[str, str]] = []
        self.states: list[dict[str, Any]] = []
        self.hung_up = threading.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One request to the stage."""

    server: Stage

    def do_GET(self) -> None:
        """Lists and single endpoints."""
        self.server.asked.append(("GET", self.path, None))
        answers: dict[str, object] = {
            "/api/2.0/serving-endpoints": {"endpoints": [ENDPOINT]},
            "/api/2.0/serving-endpoints/small": ENDPOINT,
            "/api/2.0/token/list": {"token_infos": [INFO]},
            "/health": {},
        }
        if self.path.endswith("/slow"):
            states = self.server.states
            self.answer(states.pop(0) if len(states) > 1 else states[0])
        elif self.allowed():
            self.answer(answers.get(self.path))

    def do_PUT(self) -> None:
        """Files of endpoints."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(("PUT", self.path, body))
        if not self.allowed():
            return
        if self.server.mode == "error":
            self.answer({"error_code": "RESOURCE_CONFLICT", "message": "another change is under way"}, 409)
        elif self.server.faults:
            details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "field_violations": self.server.faults}]
            told = {"error_code": "INVALID_PARAMETER_VALUE", "message": "many", "details": details}
            self.answer(told, 400)
        else:
            self.answer({"changes": self.server.changes, "applied": "dry_run" not in self.path})

    def do_POST(self) -> None:
        """Tokens and chat."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(("POST", self.path, body))
        if not self.allowed():
            return
        if self.path == "/api/2.0/token/create":
            self.answer({"token_value": "dapinew", "token_info": INFO})
        elif self.path == "/api/2.0/token/delete":
            self.answer({} if body["token_id"] == "id1" else None)
        elif self.path != "/serving-endpoints/small/invocations":
            self.answer(None)
        elif body.get("stream"):
            self.stream()
        else:
            self.answer({"choices": [{"message": {"role": "assistant", "content": "A whole answer."}}]})

    def allowed(self) -> bool:
        """Whether the token is right; answers 401 or 403 otherwise."""
        given = self.headers["authorization"]
        if given == f"Bearer {TOKEN}" or self.path == "/health":
            return True
        status = 403 if given == "Bearer weak" else 401
        self.answer({"error_code": "UNAUTHENTICATED", "message": "no such token"}, status)
        return False

    def answer(self, value: object, status: int = 200) -> None:
        """Send JSON; None is a 404."""
        if value is None:
            status, value = 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such thing"}
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self) -> None:
        """Send an answer in pieces, in the stage's mode."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.piece({"role": "assistant", "content": "Glass "})
        self.wfile.write(b"\n")
        self.piece({"content": "bell\x1b[31m."})
        if self.server.mode == "cut":
            return
        if self.server.mode == "error":
            self.event(
                {"error_code": "INTERNAL_ERROR", "message": "the engine died", "error": {"message": "the engine died"}}
            )
            return
        if self.server.mode == "endless":
            try:
                while not self.server.hung_up.wait(0.02):
                    self.piece({"content": "and on "})
            except OSError:
                self.server.hung_up.set()
            return
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def piece(self, delta: dict[str, str]) -> None:
        """Send a piece of text."""
        self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def event(self, value: object) -> None:
        """Send one event."""
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A running server."""
    with Stage() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.hung_up.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment of the process's own, with a home below the test's folder and no setting."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {"HOME": str(tmp_path), "CLOCHE_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "error"}


@pytest.fixture
def run(stage: Stage, environ: dict[str, str]) -> Run:
    """Run the command against the stage with the right token, unless told otherwise."""

    def go(*arguments: str, stdin: str = "", **over: str) -> subprocess.CompletedProcess[str]:
        told = environ | {"CLOCHE_URL": stage.url, "CLOCHE_TOKEN": TOKEN} | over
        return subprocess.run(
            [*COMMAND, *arguments], input=stdin, env=told, capture_output=True, text=True, timeout=60, check=False
        )

    return go
