"""The token API's JSON, both ways."""

from __future__ import annotations

import json

import pytest

from cloche.domain.access import Token
from cloche.domain.errors import BadRequest, InvalidParameter
from cloche.wire import admin


def test_create_requests_are_read() -> None:
    """All fields are optional, unknown ones are let be, and an empty body asks for nothing special."""
    asked = admin.decode_create(b'{"comment": "x", "lifetime_seconds": 5, "other": 1}')
    assert (asked.comment, asked.lifetime_seconds) == ("x", 5)
    assert admin.decode_create(b"") == admin.decode_create(b"{}") == admin.CreateToken()
    assert admin.decode_delete(b'{"token_id": "a"}') == "a"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"lifetime_seconds": "5"}', "lifetime_seconds: expected int | null, got str"),
        (b'{"lifetime_seconds": 1.5}', "lifetime_seconds: expected int | null, got float"),
        (b'{"comment": 5}', "comment: expected str | null, got int"),
        (b"[]", "the body: expected object, got array"),
        (b"{", "the body is not valid JSON: Input data was truncated"),
        (b'{"comment": "\xff"}', "the body is not valid UTF-8"),
    ],
)
def test_bad_create_bodies_name_the_field(body: bytes, message: str) -> None:
    """A wrong body is the caller's mistake, in words that open with the field."""
    with pytest.raises(BadRequest) as caught:
        admin.decode_create(body)
    assert caught.value.message.startswith(message)


def test_delete_needs_an_id() -> None:
    """Without a token_id there is nothing to delete."""
    with pytest.raises(BadRequest, match="token_id"):
        admin.decode_delete(b"{}")


@pytest.mark.parametrize("body", [b'{"scopes": ["sql"]}', b'{"autoscope_enabled": true}'])
def test_narrower_tokens_are_refused_rather_than_made_wide(body: bytes) -> None:
    """Who asks for fewer rights must not be handed all of them."""
    with pytest.raises(InvalidParameter, match="scope"):
        admin.decode_create(body)


def test_answers_have_the_shape_of_the_api() -> None:
    """-1 stands for a token that never ends; no answer but create's tells a value."""
    token = Token("id", "admin", "c", 1, None)
    info = {"token_id": "id", "creation_time": 1, "expiry_time": -1, "comment": "c"}
    assert json.loads(admin.encode_created("dapi", token)) == {"token_value": "dapi", "token_info": info}
    assert json.loads(admin.encode_list([Token("id", "admin", "c", 1, 9)])) == {
        "token_infos": [info | {"expiry_time": 9}]
    }
