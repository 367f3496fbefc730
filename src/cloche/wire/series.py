"""An endpoint's calls minute by minute, over the last hour: as processes tell them each other, and as JSON.

Must not know who counts, nor what time it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloche.wire import queries
from cloche.wire.metrics import BUCKETS

MINUTES = 60

QUERY = (("minutes", f"How many minutes, the one under way included: from 1 to {MINUTES}, {MINUTES} if not given."),)

_NONE = (0,) * (len(BUCKETS) + 1)


class PastMinute(msgspec.Struct, frozen=True, gc=False):
    """The calls of an endpoint that ended in one minute.  `minute`: of the clock, counted from the Unix epoch on.

    `latency`: calls by the bucket that their duration falls into, not added up.
    """

    minute: int
    latency: tuple[int, ...] = _NONE
    client_errors: int = 0
    server_errors: int = 0

    @property
    def calls(self) -> int:
        """How many calls."""
        return sum(self.latency)

    @property
    def errors(self) -> int:
        """How many of them failed, whoever was at fault."""
        return self.client_errors + self.server_errors

    def plus(self, other: PastMinute) -> PastMinute:
        """Both together, as calls of this minute."""
        return PastMinute(
            self.minute,
            tuple(map(int.__add__, self.latency, other.latency)),
            self.client_errors + other.client_errors,
            self.server_errors + other.server_errors,
        )


class SeriesMinute(msgspec.Struct, frozen=True):
    """One minute.  `time`: its beginning, in Unix milliseconds.

    `client_errors`: statuses from 400 on, `server_errors`: from 500 on.  Latencies are whole calls', in milliseconds,
    estimated from a histogram; null where there were no calls.
    """

    time: int
    calls: int
    client_errors: int
    server_errors: int
    latency_ms_p50: float | None
    latency_ms_p95: float | None


class Series(msgspec.Struct, frozen=True):
    """The minutes, the oldest first; the last one is under way."""

    minutes: list[SeriesMinute]


def read_minutes(query: Mapping[str, str]) -> int:
    """How many minutes are asked for.  InvalidParameter."""
    return queries.bounded(query, "minutes", MINUTES, MINUTES)


def series(minutes: Sequence[PastMinute]) -> Series:
    """Minutes as they are told."""
    return Series(
        [
            SeriesMinute(
                each.minute * 60_000,
                each.calls,
                each.client_errors,
                each.server_errors,
                percentile(each.latency, 50),
                percentile(each.latency, 95),
            )
            for each in minutes
        ]
    )


def percentile(latency: Sequence[int], share: int) -> float | None:
    """The duration that a share of the calls, in per cent, did not exceed: within its bucket, calls count as evenly
    spread.  Of a call beyond the last bound that bound is told; None without calls."""
    place = sum(latency) * share / 100
    if not place:
        return None
    lower, before = 0, 0
    for bound, count in zip(BUCKETS, latency, strict=False):
        if count and before + count >= place:
            return round(lower + (bound - lower) * (place - before) / count, 3)
        lower, before = bound, before + count
    return float(BUCKETS[-1])
