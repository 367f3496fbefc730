"""The figures of an endpoint as text for Prometheus, with the names and the form that Databricks gives them.

They are gauges over the last minute, the ones that end in `_total` too: scrapers that were set up for Databricks expect
exactly that.  Must not know who counts, nor what time it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate

import msgspec

BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000)
"""Upper bounds of the latency histogram, in milliseconds; beyond them there is one bucket more."""


class Minute(msgspec.Struct, frozen=True):
    """What happened at an endpoint in the last minute.

    `latency`: calls by the bucket that their duration falls into, not added up; `milliseconds`: their sum.
    `running`: calls that have not ended.  `circuits`: how the circuit breakers of its entities are, by name: the worst
    of all processes.
    """

    latency: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    milliseconds: float = 0.0
    client_errors: int = 0
    server_errors: int = 0
    running: int = 0
    circuits: Mapping[str, str] = {}

    def plus(self, other: Minute) -> Minute:
        """Both together: what happened in two processes."""
        return Minute(
            tuple(map(int.__add__, self.latency, other.latency)),
            self.milliseconds + other.milliseconds,
            self.client_errors + other.client_errors,
            self.server_errors + other.server_errors,
            self.running + other.running,
            _worse(self.circuits, other.circuits),
        )


CIRCUITS = ("CLOSED", "HALF_OPEN", "OPEN")
"""How a circuit breaker can be: from well to ill, and so the values of its gauge."""


def _worse(one: Mapping[str, str], other: Mapping[str, str]) -> Mapping[str, str]:
    if not one or not other:
        return one or other
    return {
        entity: max(one.get(entity, "CLOSED"), other.get(entity, "CLOSED"), key=CIRCUITS.index)
        for entity in {**one, **other}
    }


class Usage(msgspec.Struct, frozen=True):
    """How much of this host cloche takes with all its processes, engines included: percentages of all cores and of
    all memory."""

    cpu: float
    memory: float


def render(name: str, endpoint_id: str, minute: Minute, usage: Usage | None, now_ms: int) -> str:
    """The text.  `usage` None: this system does not tell."""
    labels = f'endpoint_name="{name}",endpoint_id="{endpoint_id}"'
    lines: list[str] = []
    for metric, about, value in _gauges(minute, usage):
        lines += [f"# HELP {metric} {about}", f"# TYPE {metric} gauge", f"{metric}{{{labels}}} {value} {now_ms}"]
    if minute.circuits:
        metric = "circuit_breaker_state"
        lines += [f"# HELP {metric} 0 closed, 1 half open, 2 open, by entity.", f"# TYPE {metric} gauge"]
    for entity, circuit in minute.circuits.items():
        lines.append(f'circuit_breaker_state{{{labels},served_entity="{entity}"}} {CIRCUITS.index(circuit)} {now_ms}')
    metric = "request_latency_ms"
    lines += [f"# HELP {metric} Durations of the calls of the last minute.", f"# TYPE {metric} histogram"]
    for bound, count in zip((*BUCKETS, "+Inf"), accumulate(minute.latency), strict=True):
        lines.append(f'{metric}_bucket{{{labels},le="{bound}"}} {count} {now_ms}')
    lines.append(f"{metric}_sum{{{labels}}} {round(minute.milliseconds, 3)} {now_ms}")
    lines.append(f"{metric}_count{{{labels}}} {sum(minute.latency)} {now_ms}")
    return "\n".join([*lines, ""])


def _gauges(minute: Minute, usage: Usage | None) -> Iterator[tuple[str, str, float]]:
    if usage is not None:
        yield "cpu_usage_percentage", "Share of this host's cores that cloche used.", round(usage.cpu, 3)
        yield "mem_usage_percentage", "Share of this host's memory that cloche holds.", round(usage.memory, 3)
    yield "request_count_total", "Calls that ended in the last minute.", sum(minute.latency)
    yield "request_4xx_count_total", "Those of them that the caller got wrong.", minute.client_errors
    yield "request_5xx_count_total", "Those of them that failed otherwise.", minute.server_errors
    yield "provisioned_concurrent_requests_total", "Calls under way now.", minute.running
