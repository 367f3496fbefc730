"""A client of raw bytes: writes what a test says, reads answers by their framing, and always gives up in time."""

from __future__ import annotations

import json
import socket
import ssl
import time
from types import TracebackType
from typing import Any, NamedTuple

TOKEN = "dapi0123456789abcdef0123456789abcdef"
AUTH = f"Authorization: Bearer {TOKEN}\r\n".encode()
HOST = b"Host: cloche.test\r\n"
CHAT = b"/serving-endpoints/chat/invocations"
ASK = b'{"messages":[{"role":"user","content":"What is a bell?"}]}'
ASK_STREAM = ASK[:-1] + b',"stream":true}'
PATIENCE = 20.0


class Answer(NamedTuple):
    """One answer: `whole` is false where the connection ended before the body did."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The payloads of an event stream, decoded but for the end mark."""
        blocks = [block.strip(b"\n") for block in self.body.split(b"\n\n") if block.strip(b"\n")]
        assert all(block.startswith(b"data: ") for block in blocks)
        return [block[6:].decode() if block == b"data: [DONE]" else json.loads(block[6:]) for block in blocks]


class Connection:
    """One connection to the server."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(PATIENCE)
        try:
            sock.connect(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = sock if tls is None else tls.wrap_socket(sock, server_hostname="localhost")
        except OSError:
            sock.close()
            raise
        self._read = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.sock.close()

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Write the pieces, with a pause between."""
        for piece in pieces:
            self.sock.sendall(piece)
            if pause:
                time.sleep(pause)

    def read_some(self) -> bytes:
        """What has come, or comes next; empty at the end."""
        data, self._read = self._read, b""
        return data or self.sock.recv(262144)

    def answer(self, *, head_only: bool = False) -> Answer:
        """The next answer.  TimeoutError where none comes, EOFError at the end of the connection."""
        status, headers = self.head()
        length = headers.get("content-length")
        if head_only:
            return Answer(status, headers, b"", True)
        if length is not None:
            body = self._take(int(length))
            return Answer(status, headers, body, len(body) == int(length))
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, *self._chunks())
        return Answer(status, headers, self.rest(), True)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        while b"\r\n\r\n" not in self._read:
            self._fill()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/1.1 "), first
        pairs = [line.partition(": ") for line in lines]
        return int(first.split(" ")[1]), {name.lower(): value for name, _, value in pairs}

    def rest(self) -> bytes:
        """Everything until the server closes.  TimeoutError where it does not."""
        parts = [self._read]
        self._read = b""
        try:
            while data := self.sock.recv(262144):
                parts.append(data)
        except ConnectionResetError:
            pass  # it closed with bytes of ours unread
        return b"".join(parts)

    def silent(self, seconds: float) -> bool:
        """Whether the connection stays open and nothing comes for so long."""
        self.sock.settimeout(seconds)
        try:
            return not self._read and self.sock.recv(1) is None
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)

    def _chunks(self) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        try:
            while True:
                while b"\r\n" not in self._read:
                    self._fill()
                line, _, self._read = self._read.partition(b"\r\n")
                size = int(line, 16)
                piece = self._take(size + 2)
                if len(piece) < size + 2:
                    return b"".join([*parts, piece]), False
                if not size:
                    return b"".join(parts), True
                parts.append(piece[:-2])
        except EOFError:
            return b"".join(parts), False

    def _take(self, size: int) -> bytes:
        parts, have = [self._read], len(self._read)
        while have < size:
            data = self.sock.recv(262144)
            if not data:
                break
            parts.append(data)
            have += len(data)
        data = b"".join(parts)
        self._read = data[size:]
        return data[:size]

    def _fill(self) -> None:
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self._read += data


def request(
    body: bytes = ASK,
    *,
    path: bytes = CHAT,
    method: bytes = b"POST",
    extra: bytes = b"",
    auth: bytes = AUTH,
) -> bytes:
    """A well-formed request."""
    length = b"Content-Length: %d\r\n" % len(body) if body or method == b"POST" else b""
    return b"%b %b HTTP/1.1\r\n" % (method, path) + HOST + auth + extra + length + b"\r\n" + body


def call(port: int, raw: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        connection.send(raw if raw is not None else request())
        return connection.answer()
