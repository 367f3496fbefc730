"""Who is let in: by which credentials, and what everybody else is told."""

from __future__ import annotations

import base64

import pytest

from .scripted import TOKEN, World


def basic(text: str) -> bytes:
    """Basic credentials."""
    return b"Basic " + base64.b64encode(text.encode())


@pytest.mark.parametrize(
    "credentials",
    [
        f"Bearer {TOKEN}".encode(),
        f"bearer {TOKEN}".encode(),
        f"BEARER   {TOKEN} ".encode(),
        basic(f"token:{TOKEN}"),
        basic(f"token:{TOKEN}").replace(b"Basic", b"basic"),
    ],
)
def test_a_token_is_recognised_in_both_forms(credentials: bytes) -> None:
    """A Bearer token and Basic credentials of the user `token` are the same."""
    world = World()
    call, client = world.ask(token=credentials)
    assert client.wholes == 0
    assert call.grant is not None
    assert call.grant.principal.name == "ann"
    assert len(world.calls) == 1


REFUSED: list[tuple[bytes | None, str]] = [
    (None, "no token was sent: send 'Authorization: Bearer TOKEN'"),
    (b"Bearer", "the token is not valid"),
    (b"Bearer wrong", "the token is not valid"),
    (f"Bearer {TOKEN}x".encode(), "the token is not valid"),
    (f"Bearer {TOKEN[:-1]}".encode(), "the token is not valid"),
    (b"Bearer \xff\xfe", "the token is not valid"),
    (b"Bearer old", "the token has expired"),
    (basic("token:old"), "the token has expired"),
    (basic("token:wrong"), "the token is not valid"),
    (basic(f"user:{TOKEN}"), "the user name of Basic credentials must be 'token'"),
    (basic(TOKEN), "the user name of Basic credentials must be 'token'"),
    (basic("token:"), "the token is not valid"),
    (b"Basic !!!", "the Basic credentials are not valid base64"),
    (b"Basic YQ", "the Basic credentials are not valid base64"),
    (b"Basic", "the user name of Basic credentials must be 'token'"),
    (b"Digest a=b", "this kind of Authorization is not supported"),
    (TOKEN.encode(), "this kind of Authorization is not supported"),
    (b"", "this kind of Authorization is not supported"),
]


@pytest.mark.parametrize(("credentials", "words"), REFUSED, ids=repr)
def test_everybody_else_is_told_why(credentials: bytes | None, words: str) -> None:
    """Without a valid token a call is a 401 with the reason, nothing is sent, and the token is not repeated."""
    world = World()
    _, client = world.ask(token=credentials)
    assert client.status == 401
    assert client.json["error_code"] == "UNAUTHENTICATED"
    assert client.json["message"].startswith(words)
    assert TOKEN not in client.json["message"]
    assert world.calls == []
    [record] = world.records
    assert (record.status, record.principal, record.error_code) == (401, None, "UNAUTHENTICATED")
    assert world.idle
