"""The real server, as a process of its own, in front of a scripted provider."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from edge_client import TOKEN
from edge_upstream import Provider

SERVE = ["-m", "cloche", "serve", "--no-default-endpoint", "--port", "0"]
KEPT = ("PATH", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")
START_SECONDS = 60.0
BOTH = pytest.mark.parametrize("lane", [True, False], ids=["lane", "asgi"])


class Edge:
    """A running server.  `log`: what it wrote to stderr so far; `said`: to stdout."""

    def __init__(self, process: subprocess.Popen[bytes], provider: Provider, home: Path, lane: bool) -> None:
        self.process = process
        self.provider = provider
        self.home = home
        self.lane = lane
        self.port = 0
        self.url = ""
        self._out: list[bytes] = []
        self._err: list[bytes] = []
        self._threads = [
            threading.Thread(target=_drain, args=(stream, lines), daemon=True)
            for stream, lines in ((process.stdout, self._out), (process.stderr, self._err))
            if stream is not None
        ]
        for thread in self._threads:
            thread.start()

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return b"".join(self._err).decode()

    @property
    def said(self) -> str:
        """What it wrote to stdout so far."""
        return b"".join(self._out).decode()

    def wait_until_ready(self) -> None:
        """Read the URL from its first words."""
        deadline = time.monotonic() + START_SECONDS
        while not (match := re.search(r"ready at (https?://\S+:(\d+))\n", self.said)):
            if self.process.poll() is not None:
                self.join()
                raise AssertionError(f"the server did not start: {self.log}")
            assert time.monotonic() < deadline, self.log
            time.sleep(0.01)
        self.url, self.port = match[1], int(match[2])

    def wait_for_log(self, text: str, seconds: float = 10.0) -> str:
        """The log, once it has `text`."""
        deadline = time.monotonic() + seconds
        while text not in self.log:
            assert time.monotonic() < deadline, f"{text!r} is not in the log:\n{self.log[-2000:]}"
            time.sleep(0.01)
        return self.log

    def resident(self) -> int:
        """Bytes of memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def join(self, seconds: float = 30.0) -> int:
        """The exit status, once it has one and everything it said is read."""
        status = self.process.wait(seconds)
        for thread in self._threads:
            thread.join(5)
        return status


def _drain(stream: IO[bytes], lines: list[bytes]) -> None:
    with stream:
        lines.extend(stream)


def write_config(path: Path, port: int) -> Path:
    """A configuration with one endpoint, `chat`, whose one entity is the provider at `port`."""
    model = {
        "name": "m-1",
        "provider": "custom",
        "task": "llm/v1/chat",
        "custom_provider_config": {
            "custom_provider_url": f"http://127.0.0.1:{port}/v1",
            "bearer_token_auth": {"token_plaintext": "provider-secret"},
        },
    }
    path.write_text(
        json.dumps([{"name": "chat", "config": {"served_entities": [{"name": "primary", "external_model": model}]}}])
    )
    return path


def environment(home: Path, **settings: object) -> dict[str, str]:
    """The environment of a server: nothing of ours but what is given, by setting."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    given = {f"CLOCHE_{name.upper()}": str(value) for name, value in settings.items()}
    return kept | {"CLOCHE_HOME": str(home), "PYTHONWARNINGS": "error"} | given


def command(config: Path, *flags: str) -> list[str]:
    """The command that starts a server."""
    return [sys.executable, *SERVE, "--config", str(config), *flags]


@contextmanager
def serving(
    folder: Path, *flags: str, lane: bool = True, started_by: list[str] | None = None, **settings: object
) -> Iterator[Edge]:
    """A server that is ready, stopped in the end.  `started_by`: in place of the plain command."""
    provider = Provider()
    home = folder / "home"
    settings = {"admin_token": TOKEN, **settings}
    if not lane:
        settings["lane"] = "off"
    config = write_config(folder / "endpoints.json", provider.port)
    start = command(config, *flags) if started_by is None else [*started_by, *SERVE[2:], "--config", str(config)]
    environ = environment(home, **{name: value for name, value in settings.items() if value is not None})
    process = subprocess.Popen(start, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    edge = Edge(process, provider, home, lane)
    try:
        edge.wait_until_ready()
        yield edge
    finally:
        if process.poll() is None:
            process.kill()
        edge.join()
        provider.stop()
