"""What an answer's date says about this host's clock."""

from __future__ import annotations

import pytest

from cloche.providers.clock_skew import skew

DATE = b"Sun, 30 Aug 2015 12:36:00 GMT"
THEN = 1440938160.0

TOLD = {
    0: None,
    240: None,
    -240: None,
    300: "this host's clock is 5 minutes ahead of the provider's",
    600: "this host's clock is 10 minutes ahead of the provider's",
    -600: "this host's clock is 10 minutes behind the provider's",
    7200: "this host's clock is 2 hours ahead of the provider's",
    -864000: "this host's clock is 10 days behind the provider's",
}


@pytest.mark.parametrize(("seconds", "expected"), TOLD.items())
def test_how_wrong_the_clock_is(seconds: int, expected: str | None) -> None:
    """More than four minutes are told, with their side and in a unit that people read."""
    assert skew({b"date": DATE}, THEN + seconds) == expected


@pytest.mark.parametrize(
    "date", [b"", b"soon", b"Sun, 99 Aug 2015 12:36:00 GMT", b"\xff", b"Sun, 30 Aug 99999 12:36:00 GMT"]
)
def test_a_date_that_is_none_tells_nothing(date: bytes) -> None:
    """Nothing is told, and nothing is raised, where no date can be read."""
    assert skew({b"date": date}, THEN) is None
    assert skew({}, THEN) is None
