"""Answers and bodies that many handlers share."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cloche.codec import json_text
from cloche.http.context import Answer

Shape = TypeVar("Shape")


def json(value: Any, **headers: str) -> Answer:
    """A value as a JSON answer."""
    return Answer(msgspec.json.encode(value), headers=tuple(headers.items()))


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """A JSON body of a shape.  BadRequest names the field that is wrong."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        json_text.raise_bad_request(error)
