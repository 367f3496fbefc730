"""Dates in the heads of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.codec.http_date import read, with_seconds_to_wait

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
SAID = b"Sun, 06 Nov 1994 08:50:00 GMT"


@pytest.mark.parametrize(
    "value", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_all_three_forms_are_read(value: bytes) -> None:
    """HTTP has three ways to write a date, and each is the same moment."""
    assert read(value) == NOW


@pytest.mark.parametrize(
    ("head", "now", "expected"),
    [
        ({b"retry-after": SAID, b"date": b"Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0, b"23"),
        ({b"retry-after": SAID, b"date": b"yesterday"}, NOW, b"23"),
        ({b"retry-after": SAID}, NOW + 0.5, b"23"),
        ({b"retry-after": SAID}, NOW + 1000, b"0"),
        ({b"retry-after": b"7"}, NOW, b"7"),
        ({b"retry-after": b"soon"}, NOW, b"soon"),
    ],
)
def test_a_date_to_come_back_at_becomes_seconds(head: dict[bytes, bytes], now: float, expected: bytes) -> None:
    """By the clock of whoever named the date, where the answer tells it; seconds and nonsense stay as they are."""
    assert with_seconds_to_wait({**head, b"x": b"y"}, now) == {**head, b"x": b"y", b"retry-after": expected}


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_head_is_too_odd(retry_after: bytes, date: bytes) -> None:
    """Whatever stands there, nothing is raised."""
    with_seconds_to_wait({b"retry-after": retry_after, b"date": date}, NOW)
