"""A Hugging Face hub on this machine, with one small model file in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from compat.live import playing
from gguf_files import small_model

_PATIENCE = 60.0
SPEC = "hf:org/repo/Tiny-Model.gguf"


class Hub(ThreadingHTTPServer):
    """Listens on a free port of loopback.  `opened`: the file is given away; else whoever asks waits."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Repository)
        self.opened = threading.Event()
        self.opened.set()

    def environ(self, folder: Path) -> dict[str, str]:
        """What points huggingface_hub here.  `folder`: for its cache."""
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}",
            "HF_HOME": str(folder / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }


class _Repository(BaseHTTPRequestHandler):
    """One file of one repository, served as a Hugging Face hub would."""

    server: Hub

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self.server.opened.wait(_PATIENCE)
        self._answer(small_model())

    def _answer(self, body: bytes) -> None:
        if self.path != "/org/repo/resolve/main/Tiny-Model.gguf":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", '"0123456789"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(small_model())))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def small_hub(folder: Path) -> Iterator[dict[str, str]]:
    """The environment that points huggingface_hub at the hub, as long as the block lasts.  `folder`: for its cache."""
    with playing(Hub()) as hub:
        yield hub.environ(folder)
