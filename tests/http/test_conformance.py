"""Requests that two servers could read differently: each is refused, once, and the connection ends with it."""

from __future__ import annotations

import pytest
from edge_client import ASK, AUTH, CHAT, HOST, Connection, call, request
from edge_server import Edge

pytest_plugins = ("edge_fixtures",)

LENGTH = b"Content-Length: %d\r\n" % len(ASK)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ASK), ASK)
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def head(extra: bytes, first: bytes = b"POST " + CHAT + b" HTTP/1.1", host: bytes = HOST) -> bytes:
    """The head of a chat call."""
    return first + b"\r\n" + host + AUTH + extra + b"\r\n"


REFUSED = {
    "length and chunks": head(LENGTH + CHUNKED) + CHUNKS,
    "chunks and length": head(CHUNKED + LENGTH) + CHUNKS,
    "length twice": head(LENGTH + LENGTH) + ASK,
    "two lengths": head(LENGTH + b"Content-Length: 5\r\n") + ASK,
    "list of lengths": head(b"Content-Length: %d, %d\r\n" % (len(ASK), len(ASK))) + ASK,
    "chunked, identity": head(b"Transfer-Encoding: chunked, identity\r\n") + CHUNKS,
    "chunked twice": head(CHUNKED + CHUNKED) + CHUNKS,
    "xchunked": head(b"Transfer-Encoding: xchunked\r\n") + CHUNKS,
    "quoted coding": head(b'Transfer-Encoding: "chunked"\r\n') + CHUNKS,
    "vertical tab before coding": head(b"Transfer-Encoding: \x0bchunked\r\n") + CHUNKS,
    "empty coding": head(b"Transfer-Encoding:\r\n") + CHUNKS,
    "identity beside length": head(b"Transfer-Encoding: identity\r\n" + LENGTH) + ASK,
    "bare LF everywhere": head(LENGTH).replace(b"\r\n", b"\n") + ASK,
    "bare LF once": head(LENGTH).replace(HOST, HOST.replace(b"\r\n", b"\n")) + ASK,
    "bare LF at the end": head(LENGTH)[:-2] + b"\n" + ASK,
    "bare CR": head(LENGTH + b"X: a\rY: b\r\n") + ASK,
    "folded header": head(LENGTH + b"X: a\r\n b\r\n") + ASK,
    "folded first header": head(LENGTH, host=b" X: a\r\n" + HOST) + ASK,
    "space before colon": head(b"Content-Length : %d\r\n" % len(ASK)) + ASK,
    "NUL in a value": head(LENGTH + b"X: a\0b\r\n") + ASK,
    "NUL in a name": head(LENGTH + b"X\0: a\r\n") + ASK,
    "no colon": head(LENGTH + b"nothing\r\n") + ASK,
    "no name": head(LENGTH + b": a\r\n") + ASK,
    "negative length": head(b"Content-Length: -1\r\n") + ASK,
    "length with a sign": head(b"Content-Length: +%d\r\n" % len(ASK)) + ASK,
    "huge length": head(b"Content-Length: 99999999999999999999999\r\n") + ASK,
    "hex length": head(b"Content-Length: 0x2d\r\n") + ASK,
    "empty length": head(b"Content-Length:\r\n") + ASK,
    "chunk size in letters": head(CHUNKED) + b"zz\r\n" + ASK,
    "negative chunk": head(CHUNKED) + b"-5\r\n" + ASK,
    "chunk size with 0x": head(CHUNKED) + b"0x5\r\nhello\r\n0\r\n\r\n",
    "space after chunk size": head(CHUNKED) + CHUNKS.replace(b"\r\n", b" \r\n", 1),
    "LF in a chunk extension": head(CHUNKED) + b"%x;a\n%b\r\n0\r\n\r\n" % (len(ASK), ASK),
    "chunk size overflow": head(CHUNKED) + b"fffffffffffffffff\r\n" + ASK,
    "chunk longer than it says": head(CHUNKED) + b"5\r\n" + ASK + b"\r\n0\r\n\r\n",
    "LF after chunks": head(CHUNKED) + CHUNKS.replace(b"\r\n", b"\n"),
    "lower-case method": head(LENGTH, b"post " + CHAT + b" HTTP/1.1") + ASK,
    "unknown method": head(LENGTH, b"BREW " + CHAT + b" HTTP/1.1") + ASK,
    "HTTP/1.2": head(LENGTH, b"POST " + CHAT + b" HTTP/1.2") + ASK,
    "no protocol": head(LENGTH, b"POST " + CHAT + b" FTP/1.1") + ASK,
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "bad host in the target": head(LENGTH, b"POST http://[/ HTTP/1.1") + ASK,
    "non-ASCII target": head(LENGTH, b"POST /\xc3\xa9 HTTP/1.1") + ASK,
}

REFUSED_BY_LANE = {
    "coding that is not undone": head(b"Transfer-Encoding: gzip, chunked\r\n") + CHUNKS,
    "two lines of codings": head(b"Transfer-Encoding: gzip\r\n" + CHUNKED) + CHUNKS,
    "no host": head(LENGTH, host=b"") + ASK,
    "two hosts": head(LENGTH + b"Host: other\r\n") + ASK,
    "two tokens": head(LENGTH + b"Authorization: Bearer other\r\n") + ASK,
    "two hosts, no chat": b"GET /health HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "no host, no chat": b"GET /health HTTP/1.1\r\n\r\n",
    "HTTP/2.0": head(LENGTH, b"POST " + CHAT + b" HTTP/2.0") + ASK,
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "tunnel": b"CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n",
    "head over 64 KiB": head(LENGTH + b"X: " + b"a" * 65536 + b"\r\n") + ASK,
    "head over 64 KiB, no chat": b"GET /health HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 65536 + b"\r\n\r\n",
    "10,000 headers": head(LENGTH + b"".join(b"X-%d: y\r\n" % count for count in range(10_000))) + ASK,
}


def refusal(edge: Edge, raw: bytes) -> None:
    """Send bad bytes with a smuggled request behind: one 400 and the end of the connection must come."""
    with Connection(edge.port) as connection:
        connection.send(raw + SMUGGLED)
        answer = connection.answer()
        assert answer.status == 400
        assert answer.headers["connection"] == "close"
        if edge.lane:
            assert answer.json["error_code"] == "BAD_REQUEST"
            assert answer.json.keys() == {"error_code", "message"}
        assert connection.rest() == b""
    assert not edge.provider.asked


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_requests_are_refused_once(edge: Edge, name: str) -> None:
    """A request that is no clean HTTP/1.1 gets one 400, whatever comes behind it is not answered."""
    refusal(edge, REFUSED[name])


@pytest.mark.parametrize("name", REFUSED_BY_LANE)
def test_what_the_parser_lets_pass_is_refused_by_the_lane(edge: Edge, name: str) -> None:
    """What RFC 9112 forbids is refused also where the parser is lenient."""
    if not edge.lane:
        pytest.skip("plain uvicorn takes these")
    refusal(edge, REFUSED_BY_LANE[name])


ACCEPTED = {
    "plain": head(LENGTH) + ASK,
    "chunks": head(CHUNKED) + CHUNKS,
    "chunk extension": head(CHUNKED) + b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(ASK), ASK),
    "chunks of one byte": head(CHUNKED) + b"".join(b"1\r\n%c\r\n" % byte for byte in ASK) + b"0\r\n\r\n",
    "coding in capitals": head(b"TRANSFER-ENCODING: CHUNKED\r\n") + CHUNKS,
    "absolute target": head(LENGTH, b"POST http://cloche.test" + CHAT + b" HTTP/1.1") + ASK,
    "empty lines before": b"\r\n\r\n" + head(LENGTH) + ASK,
    "trailing slash": head(LENGTH, b"POST " + CHAT + b"/ HTTP/1.1") + ASK,
    "query string": head(LENGTH, b"POST " + CHAT + b"?a=b/c HTTP/1.1") + ASK,
    "percent-encoding": head(LENGTH, b"POST /serving-endpoints/%63hat/invocations HTTP/1.1") + ASK,
    "head of 60 KiB": head(LENGTH + b"X: " + b"a" * 60_000 + b"\r\n") + ASK,
    "repeated harmless header": head(LENGTH + b"X: a\r\nX: b\r\n") + ASK,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_unusual_but_clear_requests_are_served(edge: Edge, name: str) -> None:
    """What is clear is served, and the connection with it goes on."""
    with Connection(edge.port) as connection:
        for _ in range(2):
            connection.send(ACCEPTED[name])
            assert connection.answer().status == 200


def test_trailers_change_nothing(edge: Edge) -> None:
    """A header that comes behind the body is not taken for one of the head."""
    if not edge.lane:
        pytest.skip("plain uvicorn adds trailers to the head")
    trailer = CHUNKS[:-2] + b"Authorization: Bearer other\r\n\r\n"
    assert call(edge.port, head(CHUNKED) + trailer).status == 200
    create = head(CHUNKED, b"POST /api/2.0/token/create HTTP/1.1")
    answer = call(edge.port, create + b"2\r\n{}\r\n0\r\nAuthorization: Bearer other\r\n\r\n")
    assert answer.status == 200


@pytest.mark.parametrize("keep_alive", [b"", b"Connection: keep-alive\r\n"])
@pytest.mark.parametrize("stream", [b"", b',"stream":true'])
def test_http_1_0_gets_its_answer_until_the_connection_closes(edge: Edge, keep_alive: bytes, stream: bytes) -> None:
    """An HTTP/1.0 client gets no chunks, and the end of the connection is the end of the answer."""
    if not edge.lane and stream:
        pytest.skip("uvicorn sends chunks to HTTP/1.0")
    body = ASK[:-1] + stream + b"}"
    with Connection(edge.port) as connection:
        first = b"POST " + CHAT + b" HTTP/1.0"
        connection.send(head(keep_alive + b"Content-Length: %d\r\n" % len(body), first) + body)
        answer = connection.answer()
        assert answer.status == 200
        assert "transfer-encoding" not in answer.headers
        assert answer.headers["connection"] == "close"
        assert answer.body.endswith(b"data: [DONE]\n\n" if stream else b"}")
        assert connection.rest() == b""


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_an_offered_upgrade_is_declined(edge: Edge, protocol: bytes) -> None:
    """A client that offers another protocol is served as if it had not, body, pipelining and all."""
    if not edge.lane:
        pytest.skip("plain uvicorn drops the body")
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAMA\r\n"
    raw = request(extra=offer) + request(b"", method=b"GET", path=b"/health", extra=offer) + request(extra=offer)
    with Connection(edge.port) as connection:
        connection.send(raw)
        assert [connection.answer().status for _ in range(3)] == [200, 200, 200]
        connection.send(*[raw[at : at + 1] for at in range(len(raw))])
        assert [connection.answer().status for _ in range(3)] == [200, 200, 200]
