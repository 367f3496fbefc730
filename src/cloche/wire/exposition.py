"""What all processes of a host have done since they began, as text for Prometheus.

Counters only grow: what a process has counted is kept when it ends.  Must not know who counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

import msgspec

from cloche.wire.metrics import BUCKETS, CIRCUITS, Minute

_SECONDS = tuple(f"{bound / 1000:g}" for bound in BUCKETS)
_ABOUT = {
    "cloche_upstream_calls": "Calls to providers and engines under way.",
    "cloche_upstream_idle_connections": "Connections to providers and engines that wait for a call.",
    "cloche_usage_rows_waiting": "Calls that have ended and whose rows are not written.",
    "cloche_payload_rows_waiting": "Calls that have ended and whose payloads are not written.",
    "cloche_spooling_writers": "Writers of usage whose rows wait in the home because the database takes none.",
    "cloche_stuck_writers": "Writers of usage and payloads that can keep nothing: their rows wait in memory.",
    "cloche_resident_memory_bytes": "Memory of the processes that take calls, without engines.",
    "cloche_usage_rows_lost_total": "Rows of usage that could be kept nowhere.",
    "cloche_payload_rows_lost_total": "Rows of inference tables that could be kept nowhere.",
    "cloche_cache_hits_total": "Calls that were given a kept answer.",
    "cloche_cache_misses_total": "Calls of endpoints that keep answers for which there was none.",
    "cloche_coalesced_calls_total": "Calls that got the answer of another call under way.",
    "cloche_spans_sent_total": "Spans that the collector of traces took.",
    "cloche_traced_calls_lost_total": "Calls whose spans got nowhere.",
    "cloche_log_lines_lost_total": "Lines of calls that the log had no room for.",
}

Lines = Mapping[tuple[str, str], tuple[int, int]]
"""How many calls run and how many wait, by endpoint and served entity."""

Labels = tuple[tuple[str, str], ...]


class Series(msgspec.Struct, frozen=True):
    """The calls of one endpoint, answered by one entity ("": none) with one class of status, as `2xx`.

    `latency`: by the bucket that their duration falls into, not added up.
    """

    endpoint: str
    entity: str
    status: str
    latency: tuple[int, ...]
    milliseconds: float
    input_tokens: int
    output_tokens: int
    cost_usd: float = 0.0

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.endpoint, self.entity, self.status

    def plus(self, other: Series) -> Series:
        """Both together."""
        return Series(
            *self.key,
            tuple(map(int.__add__, self.latency, other.latency)),
            self.milliseconds + other.milliseconds,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost_usd + other.cost_usd,
        )


class Totals(msgspec.Struct, frozen=True):
    """What processes have counted.  `gauges` are of now; `lines`: calls that run and that wait, by local model."""

    series: tuple[Series, ...] = ()
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    lines: dict[str, tuple[int, int]] = {}

    def counted(self) -> Totals:
        """What stays of it when the process has ended."""
        return Totals(self.series, self.counters)


def all_together(processes: Iterable[Totals]) -> Totals:
    """What several processes have counted, as if they were one."""
    series: dict[tuple[str, str, str], Series] = {}
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    lines: dict[str, tuple[int, int]] = {}
    for each in processes:
        for one in each.series:
            series[one.key] = series[one.key].plus(one) if one.key in series else one
        for sums, told in ((counters, each.counters), (gauges, each.gauges)):
            for name, value in told.items():
                sums[name] = sums.get(name, 0) + value
        lines |= each.lines
    return Totals(tuple(series.values()), counters, gauges, lines)


def render(totals: Totals, minutes: Mapping[str, Minute], conditions: Mapping[str, str], entity_lines: Lines) -> str:
    """The text.  `minutes`: by endpoint name, for what is under way and how circuit breakers are.  `conditions`: of
    local models.  `entity_lines`: at served entities that take so many calls at once."""
    lines: list[str] = []
    for metric, kind, about, samples in _families(totals, minutes, conditions, entity_lines):
        lines += [f"# HELP {metric} {about}", f"# TYPE {metric} {kind}"]
        lines += [f"{metric}{suffix}{_labels(labels)} {value:.15g}" for suffix, labels, value in samples]
    return "\n".join([*lines, ""])


Sample = tuple[str, Labels, float]


def _families(
    totals: Totals, minutes: Mapping[str, Minute], conditions: Mapping[str, str], entity_lines: Lines
) -> Iterator[tuple[str, str, str, list[Sample]]]:
    series = sorted(totals.series, key=lambda each: each.key)
    named = [((("endpoint", each.endpoint), ("entity", each.entity), ("status", each.status)), each) for each in series]
    calls: list[Sample] = [("", labels, sum(each.latency)) for labels, each in named]
    yield "cloche_calls_total", "counter", "Calls that have ended.", calls
    tokens: list[Sample] = []
    for labels, each in named:
        tokens += [
            ("", (*labels[:2], ("direction", direction), labels[2]), count)
            for direction, count in (("input", each.input_tokens), ("output", each.output_tokens))
        ]
    yield "cloche_tokens_total", "counter", "Tokens as the providers counted them.", tokens
    costs: list[Sample] = [("", labels, each.cost_usd) for labels, each in named if each.cost_usd]
    yield "cloche_cost_usd_total", "counter", "Dollars of calls whose usage is tracked, where prices are known.", costs
    yield "cloche_call_duration_seconds", "histogram", "Durations of calls that have ended.", list(_durations(series))
    active: list[Sample] = [("", (("endpoint", name),), each.running) for name, each in sorted(minutes.items())]
    yield "cloche_active_calls", "gauge", "Calls under way.", active
    circuits: list[Sample] = [
        ("", (("endpoint", name), ("entity", entity)), CIRCUITS.index(told))
        for name, each in sorted(minutes.items())
        for entity, told in sorted(each.circuits.items())
    ]
    yield "cloche_circuit_breaker_state", "gauge", "How circuit breakers are: 0 closed, 1 half open, 2 open.", circuits
    models: list[Sample] = [("", (("model", name), ("state", told)), 1) for name, told in sorted(conditions.items())]
    yield "cloche_engine_state", "gauge", "How local models are.", models
    for position, what in enumerate(("running", "waiting")):
        of: list[Sample] = [("", (("model", name),), each[position]) for name, each in sorted(totals.lines.items())]
        yield f"cloche_engine_{what}_calls", "gauge", f"Calls {what} at a local model.", of
        at: list[Sample] = [
            ("", (("endpoint", name), ("entity", entity)), each[position])
            for (name, entity), each in sorted(entity_lines.items())
        ]
        yield f"cloche_entity_{what}_calls", "gauge", f"Calls {what} at a served entity with a limit of them.", at
    for told, kind in ((totals.gauges, "gauge"), (totals.counters, "counter")):
        for name, value in sorted(told.items()):
            yield name, kind, _ABOUT[name], [("", (), value)]


def _durations(series: Iterable[Series]) -> Iterator[Sample]:
    """One histogram for each endpoint."""
    by_endpoint: dict[str, Series] = {}
    for each in series:
        whole = Series(each.endpoint, "", "", each.latency, each.milliseconds, 0, 0)
        before = by_endpoint.get(each.endpoint)
        by_endpoint[each.endpoint] = whole if before is None else before.plus(whole)
    for name, each in by_endpoint.items():
        labels: Labels = (("endpoint", name),)
        for bound, count in zip((*_SECONDS, "+Inf"), accumulate(each.latency), strict=True):
            yield "_bucket", (*labels, ("le", bound)), count
        yield "_sum", labels, round(each.milliseconds / 1000, 6)
        yield "_count", labels, sum(each.latency)


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_quoted(value)}"' for name, value in labels) + "}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
