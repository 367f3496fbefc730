"""The lane's protocol against the one it is made of: what is no chat call must not notice the difference.

These conversations must give the same bytes before the pin of uvicorn moves; the lane overrides methods of a class
that is no documented extension point.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from edge_client import AUTH, HOST, Connection, request
from edge_server import Edge, serving

VARIES = re.compile(rb"(date|x-request-id|databricks-request-id|cloche-overhead-ms): [^\r]*\r\n")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Edge]]:
    """A server with the lane, and one with uvicorn's own protocol."""
    folder = tmp_path_factory.mktemp("lane"), tmp_path_factory.mktemp("uvicorn")
    with serving(folder[0]) as lane, serving(folder[1], lane=False) as plain:
        yield lane, plain


def get(path: bytes, extra: bytes = b"", method: bytes = b"GET") -> bytes:
    """A request without a body."""
    return request(b"", path=path, method=method, extra=extra)


CLOSE = b"Connection: close\r\n"
CREATE = b"/api/2.0/token/create"
CHUNKED = b"POST " + CREATE + b" HTTP/1.1\r\n" + HOST + AUTH + b"Transfer-Encoding: chunked\r\n" + CLOSE + b"\r\n"
BAD_BODY = b'{"lifetime_seconds":"soon"}'

CONVERSATIONS = {
    "get": [get(b"/health", CLOSE)],
    "head": [get(b"/health", CLOSE, b"HEAD")],
    "options": [get(b"/health", CLOSE, b"OPTIONS")],
    "options *": [get(b"*", CLOSE, b"OPTIONS")],
    "unknown path": [get(b"/nowhere?a=b", CLOSE)],
    "query and slash": [get(b"/health/?a=b", CLOSE)],
    "escapes": [get(b"/he%61lth", CLOSE)],
    "absolute target": [get(b"http://cloche.test/health", CLOSE)],
    "keep-alive": [get(b"/health"), get(b"/nowhere"), get(b"/health", CLOSE)],
    "pipelined": [get(b"/health") + get(b"/nowhere") + get(b"/health", CLOSE)],
    "byte by byte": [bytes([byte]) for byte in get(b"/health") + get(b"/health", CLOSE)],
    "HTTP/1.0": [b"GET /health HTTP/1.0\r\n\r\n"],
    "HTTP/1.0 keep-alive": [b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"],
    "empty lines before": [b"\r\n\r\n" + get(b"/health", CLOSE)],
    "refused": [request(b"{}", path=CREATE, auth=b"", extra=CLOSE)],
    "body with a length": [request(BAD_BODY, path=CREATE), get(b"/health", CLOSE)],
    "body in pieces": [request(BAD_BODY, path=CREATE)[:-5], BAD_BODY[-5:], get(b"/health", CLOSE)],
    "body in chunks": [CHUNKED, b"%x\r\n%b\r\n" % (len(BAD_BODY), BAD_BODY), b"0\r\n\r\n"],
    "body too large": [request(b"x" * (1 << 20) + b"x", path=CREATE, extra=CLOSE)],
    "body of a get": [request(b"ignored", path=b"/health", method=b"GET"), get(b"/health", CLOSE)],
    "expect": [request(BAD_BODY, path=CREATE, extra=b"Expect: 100-continue\r\n"), get(b"/health", CLOSE)],
    "expect, refused": [request(b"{}", path=CREATE, auth=b"", extra=b"Expect: 100-continue\r\n" + CLOSE)],
    "long header": [get(b"/health", b"X: " + b"a" * 50_000 + b"\r\n" + CLOSE)],
    "repeated header": [get(b"/health", b"X: a\r\nX: b\r\n" + CLOSE)],
    "mixed case": [get(b"/health", b"CONNECTION: Close\r\n")],
}


def conversation(edge: Edge, pieces: list[bytes]) -> bytes:
    """Everything the server says, with what must differ taken out."""
    with Connection(edge.port) as connection:
        connection.send(*pieces, pause=0.002)
        return VARIES.sub(b"", connection.rest())


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_is_no_chat_gets_the_same_bytes(both: tuple[Edge, Edge], name: str) -> None:
    """For everything but chat calls and bad HTTP, the lane answers byte for byte what uvicorn answers."""
    lane, plain = (conversation(edge, CONVERSATIONS[name]) for edge in both)
    assert lane.startswith(b"HTTP/1.1 ")
    assert lane == plain
