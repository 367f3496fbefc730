"""From raw samples to figures: what is read from a sample, and how values are set side by side.

A figure of a workload in which more than one call in a hundred went wrong is no figure: errors are quick to give,
and a gateway that gives them must not look fast.  How figures are laid out is for `report.py` to say.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.results import Result, Sample, Subject

WORST_SHARE_OF_BAD = 0.01


@dataclass(frozen=True)
class Figure:
    """One quantity: read from the samples of one workload, in `unit`.  Less is better for all of them."""

    title: str
    unit: str
    workload: str
    read: Callable[[Sample], float]


CPU_REQUEST = Figure("CPU per request", "µs", "json", lambda s: s.cpu_s * 1e6 / s.done)
CPU_BURST = Figure("CPU per event, burst", "µs", "burst", lambda s: s.cpu_s * 1e6 / s.events)
CPU_PACED = Figure("CPU per event, paced", "µs", "paced", lambda s: s.cpu_s * 1e6 / s.events)
CPU_BIG = Figure("CPU per 10 MB request", "ms", "big", lambda s: s.cpu_s * 1e3 / s.done)
P50 = Figure("p50", "ms", "rate", lambda s: s.p50_us / 1e3)
P99 = Figure("p99", "ms", "rate", lambda s: s.p99_us / 1e3)
FIRST_BYTE = Figure("first byte", "ms", "paced", lambda s: s.first_byte_p50_us / 1e3)
EVENT_AGE = Figure("event age", "ms", "paced", lambda s: s.age_p50_us / 1e3)
BIG_P50 = Figure("10 MB p50", "ms", "big", lambda s: s.p50_us / 1e3)
CPU_FIGURES = (CPU_REQUEST, CPU_BURST, CPU_PACED, CPU_BIG)
LATENCY_FIGURES = (P50, P99, FIRST_BYTE, EVENT_AGE, BIG_P50)


@dataclass(frozen=True)
class Spread:
    """The middle of several values and their quartiles (the extremes, where there are fewer than three)."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread | None:
    """The spread of `values`; None of nothing."""
    if not values:
        return None
    if len(values) < 3:
        return Spread(statistics.median(values), min(values), max(values))
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def values(subject: Subject, figure: Figure) -> list[float | None]:
    """The figure round by round; None where the round is worth nothing."""
    return [_value(sample, figure) for sample in subject.samples.get(figure.workload, [])]


def own(subject: Subject, figure: Figure) -> Spread | None:
    """The figure as it is."""
    return spread([value for value in values(subject, figure) if value is not None])


def ratio(subject: Subject, base: Subject, figure: Figure) -> Spread | None:
    """The figure as a multiple of `base`'s, paired by round."""
    return spread([a / b for a, b in _pairs(subject, base, figure) if b])


def added(subject: Subject, base: Subject, figure: Figure) -> Spread | None:
    """The figure less `base`'s, paired by round."""
    return spread([a - b for a, b in _pairs(subject, base, figure)])


def limit_of(result: Result) -> Subject | None:
    """What ratios are taken to: nginx, or else the first gateway that was measured."""
    measured = [subject for subject in result.subjects if subject.start_s is not None]
    return result.subject("nginx") or next(iter(measured), None)


def _pairs(subject: Subject, base: Subject, figure: Figure) -> list[tuple[float, float]]:
    rounds = zip(values(subject, figure), values(base, figure), strict=False)
    return [(a, b) for a, b in rounds if a is not None and b is not None]


def _value(sample: Sample, figure: Figure) -> float | None:
    calls = sample.done + sample.bad
    if not sample.done or sample.bad > WORST_SHARE_OF_BAD * calls:
        return None
    return figure.read(sample)
