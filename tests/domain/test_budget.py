"""The periods of budgets, by the calendar of UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cloche.domain.budget import PeriodName, period_at


def at(text: str) -> int:
    """Unix seconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("name", "now", "starts", "ends"),
    [
        ("day", "2026-02-28T23:59:59", "2026-02-28", "2026-03-01"),
        ("day", "2026-03-01", "2026-03-01", "2026-03-02"),
        ("week", "2026-11-29T12:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-30", "2026-11-30", "2026-12-07"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_moment_is_in_one_period(name: PeriodName, now: str, starts: str, ends: str) -> None:
    """A period has its first moment and not the one after its last; weeks begin on Monday."""
    assert period_at(name, at(now) + 0.5) == (at(starts), at(ends))
