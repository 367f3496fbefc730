"""A live `cloche serve` in a process of its own, what it has logged, and bare HTTP requests to it.

Owns the process: it is started on a free port with an environment of its own, and killed at the end if it has not gone
by itself.  Must not know any client library: these are what is tested.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import msgspec

TOKEN = "dapi0123456789abcdef0123456789abcdef"
ENDPOINT = "bedrock-chat-completions-endpoint"
MODEL = "smollm2-135m-instruct"
PATIENCE = 60.0
"""Seconds that a slow machine may take for anything that is waited for."""

Service = TypeVar("Service", bound=HTTPServer)

Entry = dict[str, Any]
"""A line of the server's log."""


class Reply(msgspec.Struct, frozen=True):
    """A whole HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Live:
    """A running server.  `url`: where it listens.  `home`: its state."""

    def __init__(
        self, folder: Path, *flags: str, models: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home = folder / "home"
        self._out, self._log = folder / "out", folder / "log"
        self._flushes = 0
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environ = kept | {"HOME": str(folder), "CLOCHE_HOME": str(self.home), "CLOCHE_ADMIN_TOKEN": TOKEN}
        if models is not None:
            self.environ["CLOCHE_MODELS_DIR"] = str(models)
        self.environ |= environ or {}
        command = [sys.executable, "-m", "cloche", "serve", "--port", "0", "--log-format", "json", *flags]
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environ, stdout=out, stderr=log)
        try:
            wait_until(lambda: self.process.poll() is not None or self._address(), "the start")
            assert self.process.poll() is None, self._log.read_text()
        except BaseException:
            self.stop()
            raise
        self.url = self._address()
        self.port = int(self.url.rpartition(":")[2])

    def _address(self) -> str:
        found = re.search(r"cloche is ready at (\S+)\n", self._out.read_text())
        return found[1] if found else ""

    def stop(self) -> None:
        """End the process, gently at first."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    # ---------------------------------------------------------------- bare HTTP

    def request(
        self, method: str, path: str, body: object = None, *, token: str | None = TOKEN, basic: bool = False
    ) -> Reply:
        """One request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"content-type": "application/json"}
        if token is not None:
            pair = base64.b64encode(f"token:{token}".encode()).decode()
            headers["authorization"] = f"Basic {pair}" if basic else f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, told, answer.read())
        finally:
            connection.close()

    def ask(self, endpoint: str = ENDPOINT, **fields: Any) -> Reply:
        """A short chat query to an endpoint's own path."""
        return self.request("POST", invocations(endpoint), chat(**fields))

    @contextmanager
    def open_stream(self, endpoint: str = ENDPOINT, **fields: Any) -> Iterator[socket.socket]:
        """A streaming query of which the first event with text has come, as the bare socket.  Leaving hangs up."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(raw_request(invocations(endpoint), chat(**fields, stream=True)))
            seen = b""
            while seen.count(b"data: ") < 2:
                piece = connection.recv(65536)
                assert piece, seen
                seen += piece
            assert seen.startswith(b"HTTP/1.1 200"), seen
            yield connection

    # ---------------------------------------------------------------- the log

    @contextmanager
    def calls(self) -> Iterator[list[Entry]]:
        """The log's lines of the requests that were made inside the `with` block, filled in when it ends."""
        before = len(self._finished())
        made: list[Entry] = []
        yield made
        made.extend(self._finished()[before:])

    def _finished(self) -> list[Entry]:
        # The log is in order: once the line of this last request is there, so are those of all that ended before it.
        self._flushes += 1
        mark = f"/flush-{self._flushes}"
        self.request("GET", mark)
        wait_until(lambda: any(entry.get("path") == mark for entry in self.log()), "the log")
        entries = [entry for entry in self.log() if "request_id" in entry]
        return [entry for entry in entries if not entry["path"].startswith("/flush-")]

    def log(self) -> list[Entry]:
        """Every line so far."""
        whole, _, _ = self._log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.split("\n") if line]

    def engine_pid(self) -> int:
        """The process that holds the model now."""
        pids = [re.search(r" is ready .*\(pid (\d+)\)", str(entry.get("message"))) for entry in self.log()]
        return [int(found[1]) for found in pids if found][-1]

    def kill_engine(self) -> None:
        """End the model's process as the kernel would when memory runs out."""
        os.kill(self.engine_pid(), signal.SIGKILL)


@contextmanager
def playing(service: Service) -> Iterator[Service]:
    """A service that answers, from a thread of its own, until the `with` block ends."""
    with service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()


@contextmanager
def in_front(folder: Path, endpoints: list[dict[str, Any]]) -> Iterator[Live]:
    """A server without a model of its own that has these endpoints, in the shape of the control API."""
    config = folder / "endpoints.json"
    config.write_text(json.dumps(endpoints))
    live = Live(folder, "--config", str(config), "--no-default-endpoint")
    try:
        yield live
    finally:
        live.stop()


def chat(**fields: Any) -> dict[str, Any]:
    """A chat body: short and the same every time, unless told otherwise."""
    said = [{"role": "user", "content": "What is a mixture of experts model?"}]
    return {"messages": said, "max_tokens": 8, "temperature": 0} | fields


def invocations(endpoint: str) -> str:
    """The path of an endpoint."""
    return f"/serving-endpoints/{endpoint}/invocations"


def raw_request(path: str, body: object) -> bytes:
    """A POST as bytes."""
    payload = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: cloche\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(payload)}\r\n\r\n".encode() + payload


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s for {what}"
        time.sleep(0.02)
