"""An OpenAI-shaped provider that does what a test says: whole, paced, stalled, cut, garbled, endless or slow answers.

Each connection has a thread, and `play` is called for each request on it; a test sets `play` before it calls.  Owns
what providers send; must not know cloche.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any


class Peer:
    """One connection and the request that was read from it.  `gone`: set when the caller has closed it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = sock.makefile("rb")
        self.body = b""
        self.keep = True

    def read_request(self) -> bool:
        """Whether another request came."""
        length = 0
        line = self._reader.readline()
        if not line:
            return False
        while line not in (b"\r\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
            line = self._reader.readline()
        self.body = self._reader.read(length)
        return True

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Write the pieces, with a pause after each."""
        for piece in pieces:
            self._sock.sendall(piece)
            if pause:
                time.sleep(pause)

    def wait_until_gone(self, seconds: float) -> float:
        """Seconds until the caller closed the connection, at most `seconds`."""
        started = time.monotonic()
        self._sock.settimeout(seconds)
        try:
            while self._sock.recv(65536):
                pass
        except OSError:
            pass
        return time.monotonic() - started

    def close(self) -> None:
        """End the connection, in order."""
        self.keep = False
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._reader.close()
        self._sock.close()


Play = Callable[[Peer], None]


class Provider:
    """Listens on loopback.  `asked`: the bodies of the requests so far."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.play: Play = whole
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(Peer(sock),), daemon=True).start()

    def _serve(self, peer: Peer) -> None:
        try:
            while peer.keep and peer.read_request():
                self.asked.append(peer.body)
                self.play(peer)
        except OSError:
            pass  # the caller left, as many tests want
        finally:
            peer.close()


# ---------------------------------------------------------------- what providers say


def chunk(text: str, finish: str | None = None, usage: dict[str, int] | None = None) -> dict[str, Any]:
    """One event of a stream."""
    delta = {} if finish else {"role": "assistant", "content": text}
    event: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1763812984,
        "model": "m-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return event if usage is None else event | {"usage": usage}


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def events(texts: Iterable[str] = ("Glass ", "bell.")) -> list[bytes]:
    """A whole stream, an item for each event."""
    said = [chunk(text) for text in texts] + [chunk("", "stop", USAGE)]
    return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in said] + [b"data: [DONE]\n\n"]


def answer(text: str = "Glass bell.") -> bytes:
    """The body of a whole answer."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1763812984,
            "model": "m-1",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    ).encode()


def framed(body: bytes, status: int = 200, kind: str = "application/json", extra: str = "") -> bytes:
    """Head and body, with a length."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{extra}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CLOSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def chunked(data: bytes) -> bytes:
    """One piece in chunked coding; the empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


# ---------------------------------------------------------------- plays


def whole(peer: Peer) -> None:
    """Answer as asked: whole, or as a stream."""
    if b'"stream":true' in peer.body:
        peer.send(STREAM_HEAD + b"".join(map(chunked, [*events(), b""])))
    else:
        peer.send(framed(answer()))


def says(raw: bytes) -> Play:
    """Send these bytes and close."""

    def play(peer: Peer) -> None:
        peer.send(raw)
        peer.close()

    return play


def refuses(status: int, body: bytes = b'{"error":{"message":"no"}}', extra: str = "") -> Play:
    """Answer with an error status."""
    return lambda peer: peer.send(framed(body, status, extra=extra))


def streams(said: list[bytes], pause: float = 0.0) -> Play:
    """Send events one by one, and end the body."""
    return lambda peer: peer.send(STREAM_HEAD, *map(chunked, [*said, b""]), pause=pause)


def hangs(first: bytes, gone_after: list[float], patience: float = 20.0) -> Play:
    """Send `first`, then nothing; note how long it took until the caller hung up."""

    def play(peer: Peer) -> None:
        if first:
            peer.send(first)
        gone_after.append(peer.wait_until_gone(patience))
        peer.close()

    return play


def wait_for(items: list[float], seconds: float = 10.0) -> float:
    """What a play noted first, once it has noted something."""
    deadline = time.monotonic() + seconds
    while not items:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return items[0]
