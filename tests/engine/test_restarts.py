"""Pauses double up to a limit, good service forgives, and a loop is given up."""

from __future__ import annotations

from cloche.engine.restarts import Restarts


def test_pauses_double_up_to_half_a_minute() -> None:
    """0.5, 1, 2, … and never more than 30 s, as long as the crashes are far enough apart."""
    restarts = Restarts()
    pauses = [restarts.pause_after_crash(now=100.0 * n, served_seconds=10) for n in range(9)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_minute_of_service_forgives() -> None:
    """After it the pause is the first one again."""
    restarts = Restarts()
    assert [restarts.pause_after_crash(n, 0) for n in (0, 1, 2)] == [0.5, 1, 2]
    assert restarts.pause_after_crash(70, served_seconds=60) == 0.5


def test_the_eighth_crash_in_five_minutes_is_the_last() -> None:
    """Seven are not enough, and older ones do not count."""
    quick = Restarts()
    assert None not in [quick.pause_after_crash(n, 0) for n in range(7)]
    assert quick.pause_after_crash(299, 0) is None
    slow = Restarts()
    assert None not in [slow.pause_after_crash(50.0 * n, 0) for n in range(20)]
