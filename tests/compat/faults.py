"""A provider that fails on demand, over bare sockets: the path says how, the dialect is OpenAI's or Anthropic's.

`open`: how many connections it holds of those that it left hanging or broke, and `most`: at once; under `work`, calls
that it works on before it answers them.  `cuts`: after how many bytes of head and body the next answers break off, by
dialect.  Must not know cloche.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import struct
import threading
import time
from collections import Counter

from .abroad import ANSWERS, encode_event
from .provider import answer, events

PATIENCE = 5.0
"""Seconds that a connection is left hanging at most."""

DRIP_BYTES, DRIP_SECONDS = 20, 0.01


class Faulty(socketserver.ThreadingTCPServer):
    """Listens on a free port of loopback."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.open: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.cuts: dict[str, int] = {}
        self.hanging: set[socket.socket] = set()
        self.lock = threading.Lock()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @staticmethod
    def sizes(dialect: str, stream: bool) -> tuple[int, int]:
        """Bytes of the head and of the body of an answer."""
        head, body = _answer(dialect, stream)
        return len(head), len(body)

    def let_go(self) -> None:
        """End what is left hanging."""
        for each in tuple(self.hanging):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def note(self, fault: str, change: int) -> None:
        """A connection with that fault is held, or no longer."""
        with self.lock:
            self.open[fault] += change
            self.most[fault] = max(self.most[fault], self.open[fault])
            self.asked[fault] += change > 0


class _Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Faulty
    request: socket.socket

    def handle(self) -> None:
        """Read a request and do what its path says.  A TLS greeting is no request: it is left hanging."""
        self.request.settimeout(PATIENCE)
        with contextlib.suppress(OSError):
            first = self.request.recv(65536)
            if first[:1] == b"\x16":
                self._hang("tls")
                return
            head, body = self._read(first)
            fault = head.split(b" ")[1].split(b"/")[1].decode()
            dialect = "anthropic" if b"/messages" in head.split(b"\r\n")[0] else "openai"
            stream = bool(json.loads(body).get("stream"))
            self._do(fault, dialect, stream)

    def _read(self, data: bytes) -> tuple[bytes, bytes]:
        while b"\r\n\r\n" not in data:
            data += self.request.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self.request.recv(65536)
        return head, body

    def _do(self, fault: str, dialect: str, stream: bool) -> None:
        self.server.note(fault, 1)
        try:
            what, _, how = fault.partition("-")
            getattr(self, f"_{what}")(how or dialect, *_answer(dialect, stream))
        finally:
            self.server.note(fault, -1)

    # ---------------------------------------------------------------- what can go wrong

    def _well(self, _: str, head: bytes, body: bytes) -> None:
        self.request.sendall(head + body)

    def _reset(self, when: str, head: bytes, body: bytes) -> None:
        self.request.sendall({"before": b"", "head": head[:-4], "body": head}[when])
        time.sleep(0.05)  # what was sent is read before the reset throws it away
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

    def _cut(self, where: str, head: bytes, body: bytes) -> None:
        """After so many bytes of the body, those below 0 are of the head; or, for a dialect, where the test says."""
        if where in self.server.cuts:
            self.request.sendall((head + body)[: self.server.cuts[where]])
            return
        at = {"half": len(body) // 2, "last": len(body) - 1}.get(where)
        at = int(where.replace("m", "-")) if at is None else at
        self.request.sendall(head[:at] if at < 0 else head + body[:at])

    def _stall(self, where: str, head: bytes, body: bytes) -> None:
        sent = {"head": b"", "inhead": head[:20], "body": head, "middle": head + body[: len(body) // 2]}
        self.request.sendall(sent[where])
        self._hang("")

    def _late(self, _: str, head: bytes, body: bytes) -> None:
        """After a while, which is over before the other side can know of it."""
        self.server.note("work", 1)
        time.sleep(0.03)
        self.server.note("work", -1)
        self.request.sendall(head + body)

    def _drip(self, _: str, head: bytes, body: bytes) -> None:
        data = head + body
        for at in range(0, len(data), DRIP_BYTES):
            self.request.sendall(data[at : at + DRIP_BYTES])
            time.sleep(DRIP_SECONDS)

    def _trickle(self, _: str, head: bytes, body: bytes) -> None:
        """So slow that only the deadline of the whole call ends it."""
        data = head + body
        for at in range(len(data)):
            self.request.sendall(data[at : at + 1])
            time.sleep(0.05)

    def _garbage(self, where: str, head: bytes, body: bytes) -> None:
        noise = bytes(range(128, 256)) * 4
        self.request.sendall(noise + b"\r\n\r\n" if where == "head" else _head("application/json", noise) + noise)

    def _html(self, _: str, head: bytes, body: bytes) -> None:
        page = b"<html><body>Sign in to the hotel's network</body></html>"
        self.request.sendall(_head("text/html", page) + page)

    def _error(self, _: str, head: bytes, body: bytes) -> None:
        """In an answer that says 200."""
        told = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded","code":503}}'
        if b"event-stream" in head:
            told = b"event: error\ndata: " + told + b"\n\n"
            self.request.sendall(_head("text/event-stream", told) + told)
        else:
            self.request.sendall(_head("application/json", told) + told)

    def _status(self, how: str, head: bytes, body: bytes) -> None:
        status, _, retry_after = how.partition("-")
        told = b'{"type":"error","error":{"type":"api_error","message":"no"}}'
        extra = f"retry-after: {retry_after}\r\n" if retry_after else ""
        if retry_after == "date":
            extra = "date: Fri, 01 Jan 2016 00:00:51 GMT\r\nretry-after: Fri, 01 Jan 2016 00:01:00 GMT\r\n"
        self.request.sendall(_head("application/json", told, int(status), extra) + told)

    def _hang(self, fault: str) -> None:
        """Say nothing more until the other side closes, or patience ends."""
        if fault:
            self.server.note(fault, 1)
        self.server.hanging.add(self.request)
        try:
            while self.request.recv(65536):
                pass
        finally:
            self.server.hanging.discard(self.request)
            if fault:
                self.server.note(fault, -1)


def _head(kind: str, body: bytes, status: int = 200, extra: str = "") -> bytes:
    length = f"content-length: {len(body)}\r\nconnection: close\r\n"
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}{length}\r\n".encode()


def _answer(dialect: str, stream: bool) -> tuple[bytes, bytes]:
    """Head and body of the answer that would be right."""
    whole, parts = ANSWERS["/v1/messages"]
    if dialect == "openai":
        whole, parts = answer("well", {"said": "hello"}), list(events("well", {}))
    if not stream:
        body = json.dumps(whole).encode()
        return _head("application/json", body), body
    body = "".join(map(encode_event, parts)).encode() + (b"data: [DONE]\n\n" if dialect == "openai" else b"")
    return _head("text/event-stream", body), body
