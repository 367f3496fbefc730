"""Request and answer bodies: sizes, codings, bombs, and bytes that are no chat."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

import pytest
import zstandard
from edge_client import ASK, AUTH, CHAT, HOST, Answer, Connection, call, request
from edge_server import Edge
from edge_upstream import answer, framed

pytest_plugins = ("edge_fixtures",)

LIMIT = 65536


def asking(size: int) -> bytes:
    """A chat body of exactly so many bytes."""
    empty = json.dumps({"messages": [{"role": "user", "content": ""}]}).encode()
    return empty.replace(b'""', b'"' + b"x" * (size - len(empty)) + b'"')


def in_chunks(body: bytes, size: int = 4096) -> bytes:
    """A chat call whose body comes in chunks."""
    head = b"POST " + CHAT + b" HTTP/1.1\r\n" + HOST + AUTH + b"Transfer-Encoding: chunked\r\n\r\n"
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def coded(body: bytes, coding: bytes) -> bytes:
    """A chat call whose body is said to be in a coding."""
    return request(body, extra=b"Content-Encoding: " + coding + b"\r\n")


def refused(got: Answer, *words: str) -> bool:
    """Whether this is a 400 whose message has the words."""
    return got.status == 400 and all(word in got.json["message"] for word in words)


@pytest.mark.parametrize("framed_as", [request, in_chunks])
def test_the_limit_is_exact(hasty: Edge, framed_as: Callable[[bytes], bytes]) -> None:
    """A body of the limit is served, one byte more is refused, and the connection can go on."""
    with Connection(hasty.port) as connection:
        connection.send(framed_as(asking(LIMIT)))
        assert connection.answer().status == 200
        connection.send(framed_as(asking(LIMIT + 1)))
        assert refused(connection.answer(), f"larger than {LIMIT} bytes")


def test_a_far_too_large_body_is_not_read_to_its_end(hasty: Edge) -> None:
    """A body without end is refused long before its end; nobody waits for it."""
    with Connection(hasty.port) as connection:
        head = b"POST " + CHAT + b" HTTP/1.1\r\n" + HOST + AUTH + b"Transfer-Encoding: chunked\r\n\r\n"
        piece = b"1000\r\n" + b"x" * 4096 + b"\r\n"
        connection.send(head)
        sent = 0
        try:
            while sent < 64 * LIMIT:
                connection.send(piece)
                sent += len(piece)
        except OSError:
            pass  # refused and closed meanwhile
        assert sent < 64 * LIMIT or refused(connection.answer(), "larger than")


CODINGS = {
    b"gzip": gzip.compress(ASK),
    b"x-gzip": gzip.compress(ASK),
    b"deflate": zlib.compress(ASK),
    b"zstd": zstandard.compress(ASK),
    b"identity": ASK,
    b"GZIP": gzip.compress(ASK),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_bodies_are_read(edge: Edge, coding: bytes) -> None:
    """Bodies in gzip, deflate and zstd are served like plain ones."""
    assert call(edge.port, coded(CODINGS[coding], coding)).status == 200
    assert json.loads(edge.provider.asked[-1])["messages"] == json.loads(ASK)["messages"]


BOMBS = {
    b"gzip": gzip.compress(bytes(50_000_000)),
    b"deflate": zlib.compress(bytes(50_000_000)),
    b"zstd": zstandard.compress(bytes(50_000_000)),
}


@pytest.mark.parametrize("coding", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(hasty: Edge, coding: bytes) -> None:
    """A small body that inflates beyond the limit is refused, and its content never takes up memory."""
    before = hasty.resident()
    for _ in range(5):
        assert refused(call(hasty.port, coded(BOMBS[coding], coding)), "inflates to more than")
    assert hasty.resident() - before < 20_000_000


BROKEN = {
    "gzip that is none": coded(ASK, b"gzip"),
    "zstd that is none": coded(ASK, b"zstd"),
    "gzip cut short": coded(gzip.compress(ASK)[:-9], b"gzip"),
    "gzip with surplus": coded(gzip.compress(ASK) + b"x", b"gzip"),
    "zstd cut short": coded(zstandard.compress(ASK)[:-4], b"zstd"),
    "unknown coding": coded(ASK, b"br"),
    "two codings": coded(gzip.compress(gzip.compress(ASK)), b"gzip, gzip"),
    "nothing": request(b""),
    "no JSON": request(b"messages=hi"),
    "JSON and more": request(ASK + b"{}"),
    "a list": request(b"[]"),
    "NaN": request(ASK[:-1] + b',"temperature":NaN}'),
    "bad UTF-8": request(ASK.replace(b"bell", b"\xff\xfe")),
    "key twice": request(ASK[:-1] + b',"max_tokens":1,"max_tokens":2}'),
    "deep": request(b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_bodies_that_are_no_chat_are_refused(edge: Edge, name: str) -> None:
    """What cannot be read is a 400 that says so, the connection goes on, and the provider hears nothing."""
    with Connection(edge.port) as connection:
        connection.send(BROKEN[name])
        assert refused(connection.answer())
        connection.send(request(b"", path=b"/health", method=b"GET"))
        assert connection.answer().status == 200
    assert not edge.provider.asked


def test_ten_megabytes_go_both_ways(edge: Edge) -> None:
    """Large questions and answers arrive whole, in one piece and in chunks."""
    text = "tölt " * 1_700_000
    edge.provider.play = lambda peer: peer.send(framed(answer(text)))
    body = json.dumps({"messages": [{"role": "user", "content": text}]}, ensure_ascii=False).encode()
    assert len(body) > 10_000_000
    for raw in (request(body), in_chunks(body, 65536)):
        got = call(edge.port, raw)
        assert got.json["choices"][0]["message"]["content"] == text
        assert json.loads(edge.provider.asked[-1])["messages"][0]["content"] == text
