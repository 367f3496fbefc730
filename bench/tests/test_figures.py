"""Figures, and the verdicts of a comparison."""

from __future__ import annotations

import msgspec

from bench import comparing, figures
from bench.figures import CPU_REQUEST, Spread
from bench.tests.samples import gateway, result, sample


def test_ratios_are_paired_by_round() -> None:
    """A round that was slow for both leaves their ratio alone."""
    slow_second_round = figures.ratio(gateway("a", 40, 400, 40), gateway("nginx", 20, 200, 20), CPU_REQUEST)
    assert Spread(2.0, 2.0, 2.0) == slow_second_round


def test_quartiles_need_three_values() -> None:
    """Of two values the extremes are given, of more the quartiles, of none nothing."""
    assert Spread(1.5, 1, 2) == figures.spread([1, 2])
    assert Spread(3, 2, 4) == figures.spread([1, 2, 3, 4, 5])
    assert figures.spread([]) is None


def test_errors_make_no_figure() -> None:
    """A round with more than one bad call in a hundred has no value, and is left out of a ratio with its partner."""
    broken = gateway("broken", 10, 20)
    broken.samples["json"][0] = sample(10, refused=50)
    assert figures.values(broken, CPU_REQUEST) == [None, 20.0]
    assert Spread(2.0, 2.0, 2.0) == figures.ratio(broken, gateway("nginx", 1, 10), CPU_REQUEST)


def test_a_slower_machine_is_no_slower_gateway() -> None:
    """Everything twice as dear in the second run, nginx too, is no change."""
    before = result(gateway("nginx", 20, 20, 20), gateway("cloche", 60, 60, 60))
    after = result(gateway("nginx", 40, 40, 40), gateway("cloche", 120, 120, 120))
    assert "| cloche | CPU per request | 1.00 [1.00–1.00] | not told apart |" in comparing.markdown(before, after)


def test_a_dearer_gateway_is_called_so() -> None:
    """A gateway that costs half as much again beside the same nginx is dearer."""
    before = result(gateway("nginx", 20, 20, 20), gateway("cloche", 60, 61, 59))
    after = result(gateway("nginx", 20, 20, 20), gateway("cloche", 90, 91, 89))
    assert "dearer" in comparing.markdown(before, after)
    assert "cheaper" in comparing.markdown(after, before)


def test_few_rounds_give_no_verdict() -> None:
    """Two or three rounds differ by chance, so they are shown and not judged."""
    before = result(gateway("nginx", 20, 20), gateway("cloche", 60, 60))
    hasty = msgspec.structs.replace(before, conditions=msgspec.structs.replace(before.conditions, rounds=2))
    assert "too few rounds" in comparing.markdown(before, hasty)
