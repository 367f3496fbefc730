"""Answers and bodies that many handlers share."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from cloche.codec import json_text
from cloche.http.context import Answer, ControlRequest
from cloche.wire import queries

Shape = TypeVar("Shape")


def json(value: Any, **headers: str) -> Answer:
    """A value as a JSON answer."""
    return Answer(msgspec.json.encode(value), headers=tuple(headers.items()))


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """A JSON body of a shape; an empty one is an empty object.  BadRequest names the field that is wrong."""
    return json_text.decoded(body or b"{}", shape)


def flag(request: ControlRequest, name: str) -> bool:
    """Whether a query parameter is `true`; without it it is not.  InvalidParameter for anything but true and false."""
    return queries.flag(request.query, name)
