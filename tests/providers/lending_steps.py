"""The steps of a source, taken by hand: what it asks for is looked at, and what it finds is given to it."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from cloche.domain.lending import Found, FromHost, Lent, Source
from cloche.domain.outbound import HttpCall

NOW = 1_800_000_000.0
DATE = b"Fri, 15 Jan 2027 08:00:00 GMT"
"""The same, as a header field has it."""


def answer(value: Any, status: int = 200, **headers: str) -> Found:
    """An answer with a JSON body."""
    fields = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    return Found(status, fields, json.dumps(value).encode())


def take(source: Source, *found: Found) -> tuple[list[HttpCall | FromHost], Lent]:
    """Every step, and what is lent in the end."""
    steps, given = source.obtain(NOW), iter(found)
    taken: list[HttpCall | FromHost] = [next(steps)]
    while True:
        try:
            taken.append(steps.send(next(given)))
        except StopIteration as stop:
            assert next(given, None) is None
            lent = stop.value
            assert isinstance(lent, Lent)
            return taken, lent


def form(call: HttpCall | FromHost) -> dict[str, str]:
    """The fields of a form that is sent."""
    assert isinstance(call, HttpCall)
    assert b"content-type: application/x-www-form-urlencoded\r\n" in call.head
    return {name: value for name, [value] in parse_qs(b"".join(map(bytes, call.body)).decode()).items()}


def request_line(call: HttpCall | FromHost) -> str:
    """The first line of a call's head, with the host before it."""
    assert isinstance(call, HttpCall)
    return f"{call.origin.host} {call.head.decode().partition(' HTTP/1.1')[0]}"
