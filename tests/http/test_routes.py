"""Paths, methods and levels: every route answers those who may, and everything else is a 404 in JSON."""

from __future__ import annotations

import base64
import json
import re

import pytest
from edge_client import AUTH, CHAT, TOKEN, Connection, call, request
from edge_server import Edge

from cloche.http.route import Needs, Row
from cloche.http.routes import ROUTES

pytest_plugins = ("edge_fixtures",)

WRONG = b"Authorization: Bearer dapi00000000000000000000000000000000\r\n"
ABSENT = "no-such-thing"
ENDED = "calls=maybe"
"""A query that is refused once the caller is let in: a stream would go on."""


def raw(row: Row, auth: bytes, *, tail: str = "") -> bytes:
    """A request for a route, about things that are not there, with an empty object for a body."""
    path = re.sub(r"\{\w+\}", ABSENT, row.path) + tail
    if row.streams:
        path += f"{'&' if '?' in tail else '?'}{ENDED}"
    return request(b"{}", path=path.encode(), method=row.method.encode(), auth=auth)


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_each_route_asks_for_a_token(edge: Edge, row: Row) -> None:
    """Without a token, or with a wrong one, only public routes look at a request; an administrator is always let in."""
    for auth in (b"", WRONG, AUTH):
        got = call(edge.port, raw(row, auth))
        assert got.headers["x-request-id"] == got.headers["databricks-request-id"]
        if row.needs is Needs.PUBLIC:
            continue
        assert (got.status == 401) is (auth != AUTH), got
        assert got.status != 403, got
        assert got.status < 500 or got.status == 501, got
        if got.status >= 400:
            assert got.headers["content-type"] in ("application/json", "application/scim+json")
        if got.status == 401:
            assert got.json["error_code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_each_route_takes_a_trailing_slash_and_a_query(edge: Edge, row: Row) -> None:
    """A trailing slash or a query string does not change where a request goes."""
    plain = call(edge.port, raw(row, AUTH)).status
    assert call(edge.port, raw(row, AUTH, tail="/")).status == plain
    assert call(edge.port, raw(row, AUTH, tail="?page=1&x=%2F")).status == plain


CHAT_PATHS = (
    b"/serving-endpoints/chat/invocations",
    b"/serving-endpoints/chat/served-models/primary/invocations",
    b"/serving-endpoints/chat/completions",
    b"/ai-gateway/mlflow/v1/chat/completions",
    b"/ai-gateway/openai/v1/chat/completions",
)


@pytest.mark.parametrize("path", CHAT_PATHS)
def test_every_chat_path_serves(edge: Edge, path: bytes) -> None:
    """Each of the chat paths reaches the endpoint, with a trailing slash or a query too, and only with a token."""
    body = b'{"model":"chat","messages":[{"role":"user","content":"hi"}]}'
    for tail in (b"", b"/", b"?a=b"):
        got = call(edge.port, request(body, path=path + tail))
        assert (got.status, got.headers["served-model-name"]) == (200, "primary")
    assert call(edge.port, request(body, path=path, auth=b"")).status == 401
    assert call(edge.port, request(body, path=path, auth=WRONG)).status == 401


OF_EACH_KIND = [
    (200, request()),
    (400, request(b"{}")),
    (401, request(auth=b"")),
    (404, request(path=b"/serving-endpoints/nobody/invocations")),
    (200, request(b"", path=b"/api/2.0/serving-endpoints", method=b"GET")),
    (404, request(b"", path=b"/api/2.0/nothing", method=b"GET")),
    (200, request(b"", path=b"/health", method=b"GET", auth=b"")),
]


@pytest.mark.parametrize(("status", "raw"), OF_EACH_KIND)
def test_every_answer_tells_what_cloche_took(edge: Edge, status: int, raw: bytes) -> None:
    """Of model calls, refusals and everything else: milliseconds, with three digits of parts."""
    got = call(edge.port, raw)
    assert got.status == status
    assert re.fullmatch(r"\d{1,4}\.\d{3}", got.headers["cloche-overhead-ms"])


def test_both_forms_of_credentials_open(edge: Edge) -> None:
    """`Bearer TOKEN` and Basic credentials of the user `token` are the same; any other form is a 401."""
    basic = base64.b64encode(f"token:{TOKEN}".encode())
    other = base64.b64encode(f"root:{TOKEN}".encode())
    for value, status in (
        (b"Basic " + basic, 200),
        (b"bearer " + TOKEN.encode(), 200),
        (b"Basic " + other, 401),
        (b"Basic !", 401),
        (TOKEN.encode(), 401),
        (b"Digest x", 401),
        (b"", 401),
    ):
        auth = b"Authorization: " + value + b"\r\n"
        assert call(edge.port, request(auth=auth)).status == status, value
        listing = request(b"", path=b"/api/2.0/serving-endpoints", method=b"GET", auth=auth)
        assert call(edge.port, listing).status == status, value


UNKNOWN = [
    (b"POST", b"/"),
    (b"GET", b"/favicon.ico"),
    (b"GET", b"/index.html"),
    (b"GET", b"//health"),
    (b"GET", b"/health/x"),
    (b"GET", b"/../etc/passwd"),
    (b"GET", b"/%00"),
    (b"GET", b"/%zz"),
    (b"GET", b"/%ff%fe"),
    (b"GET", b"/" + b"a" * 8000),
    (b"OPTIONS", b"*"),
    (b"POST", b"*"),
    (b"OPTIONS", CHAT),
    (b"PUT", CHAT),
    (b"DELETE", b"/health"),
    (b"PATCH", b"/health"),
    (b"TRACE", b"/health"),
    (b"PROPFIND", b"/health"),
    (b"POST", b"/health"),
    (b"POST", b"/serving-endpoints//invocations"),
    (b"POST", b"/serving-endpoints/chat/served-models/invocations"),
    (b"POST", b"/serving-endpoints/chat/other/primary/invocations"),
    (b"POST", b"/serving-endpoints/responses"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN, ids=lambda part: part[:40].decode())
def test_what_is_not_served_is_a_404_in_json(edge: Edge, method: bytes, path: bytes) -> None:
    """Unknown paths and methods get the envelope and the path they asked for, never HTML or plain text."""
    got = call(edge.port, request(b"", path=path, method=method))
    assert got.status == 404
    assert got.headers["content-type"] == "application/json"
    assert got.json["error_code"] == "NOT_FOUND"
    assert method.decode() in got.json["message"]


def test_head_requests_have_no_body(edge: Edge) -> None:
    """HEAD is answered without a body, and the connection goes on."""
    with Connection(edge.port) as connection:
        for path in (b"/health", b"/nowhere", CHAT):
            connection.send(request(b"", path=path, method=b"HEAD"))
            assert connection.answer(head_only=True).status in (200, 404)
        connection.send(request())
        assert connection.answer().status == 200


ADVICE = [
    (b"POST", b"/serving-endpoints/chat/invocations/chat/completions", "must end in /serving-endpoints"),
    (b"GET", CHAT, "POST is"),
    (b"POST", b"/health", "GET is"),
    (b"GET", b"/api/2.0/token/create", "POST is"),
]


@pytest.mark.parametrize(("method", "path", "words"), ADVICE)
def test_near_misses_get_advice(edge: Edge, method: bytes, path: bytes, words: str) -> None:
    """A likely mistake is answered with what to do instead."""
    got = call(edge.port, request(b"", path=path, method=method))
    assert got.status == 404
    assert words in got.json["message"]


@pytest.mark.parametrize(
    "path",
    [b"/serving-endpoints/other/invocations", b"/serving-endpoints/chat/served-models/other/invocations"],
)
def test_unknown_endpoints_and_entities_are_named(edge: Edge, path: bytes) -> None:
    """A name that is not there is a 404 that says which."""
    got = call(edge.port, request(path=path))
    assert (got.status, got.json["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert "other" in got.json["message"]


def test_names_with_escapes_cannot_leave_their_place(edge: Edge) -> None:
    """An encoded slash stays part of a name, and does not make a path of it."""
    got = call(edge.port, request(path=b"/serving-endpoints/chat%2fserved-models%2fprimary/invocations"))
    assert (got.status, got.json["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


def test_a_made_token_works_until_it_is_revoked(edge: Edge) -> None:
    """A token that the API made opens chat calls, and is refused on an open connection once it is revoked."""
    made = call(edge.port, request(b"{}", path=b"/api/2.0/token/create")).json
    auth = b"Authorization: Bearer " + made["token_value"].encode() + b"\r\n"
    with Connection(edge.port) as connection:
        connection.send(request(auth=auth))
        assert connection.answer().status == 200
        gone = json.dumps({"token_id": made["token_info"]["token_id"]}).encode()
        assert call(edge.port, request(gone, path=b"/api/2.0/token/delete")).status == 200
        connection.send(request(auth=auth))
        assert connection.answer().status == 401
